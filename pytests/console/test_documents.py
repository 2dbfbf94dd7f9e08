"""The code in docs/console.md works as it is."""

from __future__ import annotations

import re
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx

from support.console import PASSWORD, Console, ticket_key

ROOT = Path(__file__).resolve().parents[2]


async def test_the_example_of_the_documents(console: Console) -> None:
    text = (ROOT / "docs" / "console.md").read_text()
    api, mounted = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    owner, acme = console.tenants.members["owner"], console.tenants.acme
    key = ticket_key(console.tenants)

    async def logged_in(request: Any) -> Any:
        return owner.id

    async def send_mail(email: str, link: str) -> None:
        sent.append((email, link))

    sent: list[tuple[str, str]] = []
    names: dict[str, Any] = {
        "dsn": console.tenants.database.dsn(console.tenants.logins.credentialed),
        "authenticator_dsn": console.authenticator,
        "key_id": key.key_id,
        "secret": key.secret,
        "logged_in": logged_in,
        "send_mail": send_mail,
    }
    exec(compile(api, "docs/console.md", "exec"), names)  # noqa: S102
    async with AsyncExitStack() as stack:
        client = await _served(stack, names["app"], "http://test")
        there = await client.get("/api/organizations/current", headers={"x-organization-id": str(acme.id)})
        assert there.json()["name"] == "Acme"
        refused = await client.get("/api/organizations/current", headers={"x-organization-id": str(owner.id)})
        assert (refused.status_code, refused.json()["name"]) == (403, "not_a_member")
        assert (await client.get("/openapi.json")).json()["paths"]["/api/instances"]

    exec(compile(mounted, "docs/console.md", "exec"), names)  # noqa: S102
    async with AsyncExitStack() as stack:
        client = await _served(stack, names["app"], "https://app.example.com")
        page = await client.get("/console/me/keys")
        assert page.headers["location"] == "/console/login?next=/me/keys"
        page = await client.get(page.headers["location"])
        assert (await client.get("/console/static/console.css")).status_code == 200
        form = {"csrf": _csrf(page), "email": owner.email, "password": PASSWORD}
        answer = await client.post("/console/login?next=/me/keys", data=form)
        assert answer.headers["location"] == "/console/me/keys"
        cookies = [each for each in answer.headers.get_list("set-cookie") if "session=" in each]
        assert cookies[0].startswith("__Host-session=")
        assert "Secure" in cookies[0]
        page = await client.get(f"/console/o/{acme.id}/invitations")
        assert page.status_code == 200
        assert set(re.findall(r'(?:href|action|src)="(/[^/"]*)', page.text)) == {"/console"}
        form = {"csrf": _csrf(page), "email": "noa@example.com", "role": "user"}
        answer = await client.post(f"/console/o/{acme.id}/invitations/invite", data=form)
        assert answer.headers["location"] == f"/console/o/{acme.id}/invitations"
        ((email, link),) = sent
        assert email == "noa@example.com"
        assert link.startswith("https://app.example.com/console/join?token=")


async def _served(stack: AsyncExitStack, app: Any, address: str) -> httpx.AsyncClient:
    await stack.enter_async_context(app.router.lifespan_context(app))
    return await stack.enter_async_context(
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=address, timeout=30)
    )


def _csrf(page: httpx.Response) -> str:
    return page.text.split('name="csrf" value="')[1].split('"')[0]
