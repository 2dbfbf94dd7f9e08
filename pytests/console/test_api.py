"""The API: its endpoints, their responses, and who may use them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from psycopg_pool import AsyncConnectionPool
from pydantic import TypeAdapter

from pg_tenancy.fastapi import (
    access,
    costs,
    install_problems,
    offerings,
    organizations,
    tenancy_router,
    things,
)
from pg_tenancy.fastapi.answers import Body
from pg_tenancy.problems import MEDIA_TYPE
from support.console import Console, ticket_key
from support.people import Organization, User

ENDPOINTS = """
get /organizations, post /organizations
get /organizations/current, patch /organizations/current, delete /organizations/current
get /organizations/current/members, get /organizations/current/members/{}
patch /organizations/current/members/{}, delete /organizations/current/members/{}
post /organizations/current/leave
get /organizations/current/invitations, post /organizations/current/invitations
delete /organizations/current/invitations/{}
get /organizations/current/models, post /organizations/current/models, patch /organizations/current/models/{}
get /organizations/current/models/{}, get /organizations/current/models/{}/shares
post /organizations/current/models/{}/shares, post /organizations/current/models/{}/shares/{}/{}
get /organizations/current/models/{}/prices, post /organizations/current/models/{}/prices
get /organizations/current/requests, post /organizations/current/requests/{}/approve
post /organizations/current/requests/{}/deny
get /organizations/current/agreements, delete /organizations/current/agreements/{}
get /organizations/invitations/{}, post /organizations/invitations/{}/accept
get /auth/me, get /auth/sessions, delete /auth/sessions/{}, get /modules
get /api_keys, post /api_keys, patch /api_keys/{}, delete /api_keys/{}
get /instances, post /instances, get /instances/{}
post /instances/{}/terminate, post /instances/{}/reinstall, post /instances/{}/archive
get /models, post /models, delete /models/{}, get /models/community, get /chat/models
get /models/community/preferences, patch /models/community/preferences, post /models/community/{}/request
get /users, post /users, patch /users/{}, delete /users/{}
get /settings, get /settings/definitions, get /settings/global, put /settings/{}, get /providers/config-status
get /finops/cost/current, get /finops/cost/actual/minute, get /finops/cost/forecast/minute
get /finops/cost/cumulative/minute
get /finops/dashboard/costs/current, get /finops/dashboard/costs/summary
get /finops/dashboard/costs/window, get /finops/dashboard/costs/series
"""
WANTED = {endpoint.strip() for line in ENDPOINTS.strip().splitlines() for endpoint in line.split(",")}

RANGE = {"starts_at": "2020-01-01T00:00:00Z", "ends_at": "2030-01-01T00:00:00Z", "bucket": "month"}
RANGE |= {"since": "2020-01-01T00:00:00Z", "until": "2030-01-01T00:00:00Z", "name": "acme/offering"}

Caller = Callable[..., httpx.Client]


@pytest.fixture(scope="module")
def clients() -> Iterator[list[httpx.Client]]:
    """Return the clients of the file; they are closed at its end."""
    made: list[httpx.Client] = []
    yield made
    for client in made:
        client.close()


@pytest.fixture
def calling(console: Console, clients: list[httpx.Client]) -> Caller:
    """Return a function that returns a client with an API key, or with a session in a workspace."""

    def call(
        user: User | None = None, organization: Organization | None = None, *, api_key: str | None = None
    ) -> httpx.Client:
        client = httpx.Client(base_url=f"{console.address}/api", timeout=30)
        clients.append(client)
        if user is not None:
            visitor = console.visitor(user)
            client.cookies = visitor.http.cookies
            client.headers["x-requested-with"] = "a test"
        if organization is not None:
            client.headers["x-organization-id"] = str(organization.id)
        if api_key is not None:
            client.headers["authorization"] = f"Bearer {api_key}"
        return client

    return call


@pytest.fixture
def owner(console: Console, calling: Caller) -> httpx.Client:
    """Return the client of Acme's owner, in Acme."""
    return calling(console.tenants.members["owner"], console.tenants.acme)


def _schema(console: Console) -> dict[str, Any]:
    schema: dict[str, Any] = httpx.get(f"{console.address}/api/openapi.json").json()
    return schema


def test_the_endpoints_of_the_platform_are_there(console: Console) -> None:
    found = set()
    for path, methods in _schema(console)["paths"].items():
        plain = "/".join("{}" if part.startswith("{") else part for part in path.split("/"))
        found |= {f"{method} {plain}" for method in methods}
    assert WANTED - found == set()


def test_each_endpoint_is_described_with_an_example_and_its_problems(console: Console) -> None:
    schema = _schema(console)
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            assert operation["description"], path
            assert {"400", "401", "403", "404", "409", "422", "503"} <= set(operation["responses"]), (method, path)
            success = next(
                operation["responses"][each] for each in ("201", "204", "200") if each in operation["responses"]
            )
            if "content" in success and "204" not in operation["responses"]:
                content = success["content"]["application/json"]
                assert content["schema"], path
                assert content["example"] is not None, path
            if "requestBody" in operation:
                assert _examples(operation["requestBody"]["content"]["application/json"]["schema"], schema), path
    assert "Problem" in schema["components"]["schemas"]


def _examples(body: dict[str, Any], schema: dict[str, Any]) -> list[Any]:
    """Return the examples of a request body, which may be optional."""
    (reference,) = [each["$ref"] for each in [body, *body.get("anyOf", [])] if "$ref" in each]
    found: list[Any] = schema["components"]["schemas"][reference.split("/")[-1]]["examples"]
    return found


def test_each_example_is_what_its_endpoint_takes_or_answers() -> None:
    bodies = {kind.__name__: kind for kind in Body.__subclasses__()}
    assert {"NewPrice", "Approval", "Denial", "NewOffering"} <= set(bodies)
    for kind in bodies.values():
        (example,) = kind.model_json_schema()["examples"]
        assert kind.model_validate(example).model_dump(exclude_none=True)
    routers = (organizations.public, organizations.router, offerings.router, access.router, things.router, costs.router)
    routes = [route for router in routers for route in router.routes if isinstance(route, APIRoute)]
    answering = [route for route in routes if route.response_model]
    assert len(answering) > 40
    for route in answering:
        example = route.responses[route.status_code or 200]["content"]["application/json"]["example"]
        TypeAdapter(route.response_model).validate_json(json.dumps(example))


def test_a_field_that_there_is_not_is_refused(owner: httpx.Client) -> None:
    misspelt = owner.patch("/organizations/current", json={"colour": "#123456"})
    assert (misspelt.status_code, misspelt.json()["errors"][0]["where"]) == (422, ["body", "colour"])


def test_everything_that_can_be_read_is_answered(console: Console, owner: httpx.Client) -> None:
    read = 0
    for path, methods in _schema(console)["paths"].items():
        if "get" in methods and "{" not in path and path != "/users/all":
            answer = owner.get(path, params=RANGE)
            assert answer.status_code == 200, (path, answer.text)
            read += 1
    assert read > 25
    offering = console.tenants.rows["own"]["offering"]
    assert owner.get(f"/organizations/current/models/{offering}/shares").json()["items"]
    assert owner.get("/settings/theme").json()[0] == {
        "level": "organization", "value": "dark", "is_set": True, "counts": True, "locked": False,
        "version": owner.get("/settings/theme").json()[0]["version"],
    }  # fmt: skip


def test_a_key_and_a_session_are_in_their_workspaces_alone(console: Console, calling: Caller) -> None:
    tenants = console.tenants
    program = calling(api_key=tenants.api_keys["organization"])
    assert program.get("/organizations/current").json()["id"] == str(tenants.acme.id)
    assert program.get("/auth/me").json()["workspace"]["role"] == "user"
    personal = calling(tenants.members["owner"])
    assert personal.get("/organizations/current").json()["kind"] == "personal"
    seen = {each["id"] for each in personal.get("/instances").json()["items"]}
    assert seen == {str(tenants.rows["owner"]["instance"])}
    stranger = calling(tenants.members["owner"], tenants.globex).get("/instances")
    assert (stranger.status_code, stranger.json()["name"]) == (403, "not_a_member")
    assert str(tenants.rows["other"]["instance"]) not in program.get("/instances").text


def test_errors_are_problem_documents_with_the_names_of_the_database(console: Console, calling: Caller) -> None:
    tenants = console.tenants
    user = calling(tenants.members["user"], tenants.acme)
    instance = tenants.rows["own"]["instance"]
    answer = user.post(f"/instances/{instance}/terminate")
    assert answer.headers["content-type"] == MEDIA_TYPE
    assert answer.json() | {"detail": "", "hint": ""} == {
        "type": "urn:pg-tenancy:error:permission_denied",
        "title": "Permission denied",
        "status": 403,
        "name": "permission_denied",
        "detail": "",
        "hint": "",
    }
    for path, status, name in (
        (f"/instances/{uuid4()}/terminate", 404, "instance_not_found"),
        ("/organizations/current/leave", 409, "organization_keeps_an_owner"),
    ):
        answer = calling(tenants.members["owner"], tenants.acme).post(path)
        assert (answer.status_code, answer.json()["name"]) == (status, name)
    nobody = calling()
    for client, name in ((nobody, "invalid_session"), (calling(api_key="sk-unknown"), "invalid_api_key")):
        answer = client.get("/auth/me")
        assert (answer.status_code, answer.json()["name"]) == (401, name)
        assert answer.headers["www-authenticate"] == "Bearer"


def test_an_organization_is_named_by_a_whole_id(console: Console, calling: Caller) -> None:
    client = calling(console.tenants.members["owner"], console.tenants.acme)
    named = str(console.tenants.acme.id)
    # Python's UUID() ignores the underscore, and reads another id.
    for wrong in ("x", named[:-2] + "_" + named[-1]):
        client.headers["x-organization-id"] = wrong
        answer = client.get("/auth/me")
        assert (answer.status_code, wrong in answer.text) == (422, False)


def test_a_page_of_another_site_cannot_call_with_a_session(console: Console, calling: Caller) -> None:
    client = calling(console.tenants.person)
    del client.headers["x-requested-with"]
    assert client.get("/auth/me").status_code == 200
    assert client.post("/api_keys", json={"name": "theirs"}).status_code == 403
    for origin in ("https://evil.example", "http://[no-address"):
        client.headers.update({"x-requested-with": "x", "origin": origin})
        assert client.post("/api_keys", json={"name": "theirs"}).status_code == 403
    assert "theirs" not in client.get("/api_keys").text


@pytest.mark.parametrize("path", ["/models", "/organizations/current/members", "/api_keys"])
def test_pages_put_together_are_the_whole(path: str, owner: httpx.Client) -> None:
    key = "user_id" if path.endswith("members") else "id"
    whole = [each[key] for each in owner.get(path).json()["items"]]
    found, after = [], None
    while True:
        page = owner.get(path, params={"limit": 1} | ({"after": after} if after else {})).json()
        found += [each[key] for each in page["items"]]
        if (after := page["next"]) is None:
            break
    assert found == whole
    assert len(found) > 1


def test_what_is_sent_again_is_made_once(console: Console, owner: httpx.Client) -> None:
    rows = console.tenants.rows
    once = {"idempotency-key": str(uuid4())}
    for path, body in (
        ("/instances", {"provider_id": str(rows["own"]["provider"]), "gpu_profile": "1x L4"}),
        ("/models", {"name": "Twice", "model_id": "acme/twice"}),
    ):
        first, second = (owner.post(path, json=body, headers=once) for _ in range(2))
        assert (first.status_code, second.status_code) == (201, 200), first.text
        assert first.json() == second.json() == {"id": once["idempotency-key"]}
        # About another workspace's row it reveals only that the key cannot be used.
        theirs = str(rows["other"]["instance" if path == "/instances" else "model"])
        taken = owner.post(path, json=body, headers={"idempotency-key": theirs})
        assert (taken.status_code, taken.json()["name"]) == (409, "id_taken")
    for path, body, name in (
        ("/organizations/current/invitations", {"email": "twice@example.com"}, "invitation_pending"),
        ("/users", {"email": "twice-made@example.com"}, "email_taken"),
        ("/organizations", {"name": "Twice", "slug": "twice"}, "organization_slug_taken"),
    ):
        assert owner.post(path, json=body).status_code == 201
        answer = owner.post(path, json=body)
        assert answer.status_code == 409, answer.text
        assert answer.json()["name"] == name


def test_an_invitation_is_accepted_by_who_is_in_no_workspace(
    console: Console, owner: httpx.Client, calling: Caller
) -> None:
    made = owner.post("/organizations/current/invitations", json={"email": "lea@example.com", "role": "manager"})
    token = made.json()["token"]
    nobody = calling()
    assert nobody.get(f"/organizations/invitations/{token}").json() == {
        "organization_name": "Acme",
        "role": "manager",
        "account_exists": False,
    }
    accepted = nobody.post(f"/organizations/invitations/{token}/accept", json={"username": "lea"})
    assert accepted.json()["organization_id"] == str(console.tenants.acme.id)
    again = nobody.post(f"/organizations/invitations/{token}/accept")
    assert (again.status_code, again.json()["name"]) == (404, "invalid_invitation")


def test_what_is_done_is_seen(console: Console, owner: httpx.Client) -> None:
    key = owner.post("/api_keys", json={"name": "first"}).json()["id"]
    assert owner.patch(f"/api_keys/{key}", json={"name": "second"}).status_code == 204
    for aspect, works in (("tech", False), ("eco", True)):
        assert owner.put(f"/activations/api_key/{key}/{aspect}").json() == {"is_operational": works}
    assert owner.delete(f"/api_keys/{key}").status_code == 204
    (found,) = [each for each in owner.get("/api_keys").json()["items"] if each["id"] == key]
    assert found["name"] == "second"
    assert found["revoked_at"]
    version = owner.put("/settings/theme", json={"value": "light", "expected_version": None}).json()["version"]
    late = owner.put("/settings/theme", json={"value": "dark", "expected_version": version + 1})
    assert (late.status_code, late.json()["name"]) == (409, "setting_changed")
    assert owner.patch("/organizations/current", json={"color": "#123456"}).json()["slug"] == "acme"
    assert owner.get("/organizations/current").json()["color"] == "#123456"


def test_an_offering_is_priced_paused_and_shared(console: Console, calling: Caller, owner: httpx.Client) -> None:
    rows, there = console.tenants.rows["own"], "/organizations/current/models"
    new = {"model_id": str(rows["model"]), "code": "trial", "name": "Trial", "access_policy": "trial"}
    endless = owner.post(there, json=new)
    assert (endless.status_code, endless.json()["name"]) == (422, "offering_invalid")
    made = owner.post(there, json={**new, "trial_days": 14, "trial_tokens": 1000}).json()["id"]
    manager = calling(console.tenants.members["manager"], console.tenants.acme)
    assert manager.patch(f"{there}/{made}", json={"is_active": False}).json()["name"] == "permission_denied"
    assert owner.patch(f"{there}/{made}", json={"is_active": False, "trial_days": 7}).status_code == 204
    assert manager.post(f"{there}/{made}/prices", json={"eur_per_1k": "0.20"}).status_code == 204
    later = {"eur_per_1k": "0.30", "valid_from": "2027-01-01T00:00:00Z"}
    assert manager.post(f"{there}/{made}/prices", json=later).status_code == 204
    assert [price["eur_per_1k"] for price in owner.get(f"{there}/{made}/prices").json()] == ["0.300000", "0.200000"]
    found = owner.get(f"{there}/{made}").json()
    assert (found["eur_per_1k"], found["trial_days"], found["trial_tokens"]) == ("0.200000", 7, 1000)
    assert (found["is_active"], found["access_policy"]) == (False, "trial")
    assert found in owner.get(there).json()["items"]
    consumer = {"organization_id": str(console.tenants.globex.id), "eur_per_1k": "0.10"}
    share = manager.post(f"{there}/{made}/shares", json=consumer).json()["id"]
    (listed,) = owner.get(f"{there}/{made}/shares").json()["items"]
    assert (listed["id"], listed["status"], listed["eur_per_1k"]) == (share, "active", "0.10")
    # Another offering's path does not lead to it.
    elsewhere = manager.post(f"{there}/{rows['offering']}/shares/{share}/pause")
    assert (elsewhere.status_code, elsewhere.json()["name"]) == (404, "share_not_found")
    for action, status in (("pause", 204), ("pause", 409), ("resume", 204), ("revoke", 204)):
        assert manager.post(f"{there}/{made}/shares/{share}/{action}").status_code == status
    theirs = console.tenants.rows["other"]["offering"]
    assert owner.get(f"{there}/{theirs}").json()["name"] == "offering_not_found"
    assert owner.get(f"{there}/{theirs}/prices").json()["name"] == "offering_not_found"
    assert manager.post(f"{there}/{theirs}/prices", json={"eur_per_1k": 1}).json()["name"] == "offering_not_found"


def test_a_request_is_answered_once(console: Console, calling: Caller, owner: httpx.Client) -> None:
    tenants, there = console.tenants, "/organizations/current/requests"
    request, theirs = tenants.rows["own"]["request"], tenants.rows["other"]["request"]
    manager = calling(tenants.members["manager"], tenants.acme)
    received = [each for each in manager.get(there).json()["items"] if each["direction"] == "received"]
    assert [each["id"] for each in received] == [str(request)]
    admin = calling(tenants.members["admin"], tenants.acme).post(f"{there}/{request}/approve")
    assert (admin.status_code, admin.json()["name"]) == (403, "permission_denied")
    assert manager.post(f"{there}/{theirs}/deny").json()["name"] == "request_not_found"
    terms = {"quota_tokens": 1000, "eur_per_1k": "0.15", "ends_at": "2027-12-31T00:00:00Z"}
    agreed = manager.post(f"{there}/{request}/approve", json=terms)
    assert agreed.status_code == 201, agreed.text
    (agreement,) = [
        each
        for each in owner.get("/organizations/current/agreements").json()["items"]
        if each["id"] == agreed.json()["id"]
    ]
    assert agreement.pop("starts_at")
    assert agreement == {
        "id": agreed.json()["id"], "offering_id": str(tenants.rows["own"]["offering"]),
        "workspace_id": str(tenants.globex.id), "kind": "contract", "ends_at": "2027-12-31T00:00:00Z",
        "quota_tokens": 1000, "used_tokens": 0, "eur_per_1k": "0.150000",
    }  # fmt: skip
    for action in ("approve", "deny"):
        again = manager.post(f"{there}/{request}/{action}")
        assert (again.status_code, again.json()["name"]) == (409, "request_not_pending")
    agreements = "/organizations/current/agreements"
    assert manager.delete(f"{agreements}/{agreement['id']}").status_code == 204
    assert manager.delete(f"{agreements}/{agreement['id']}").json()["name"] == "entitlement_not_found"
    found = f"/organizations/current/models/{tenants.rows['own']['offering']}"
    assert owner.patch(found, json={"visibility": "public"}).status_code == 204
    asked = calling(tenants.outsider, tenants.globex)
    made = asked.post(f"/models/community/{tenants.rows['own']['offering']}/request", params={"message": "again"})
    assert made.status_code == 201, made.text
    reason = {"reason": "not this month"}
    assert manager.post(f"{there}/{made.json()['id']}/deny", json=reason).status_code == 204
    (denied,) = asked.get(there, params={"status": "denied"}).json()["items"]
    assert (denied["reason"], denied["direction"]) == ("not this month", "made")


def test_a_workspace_chooses_what_it_discovers(console: Console, calling: Caller, owner: httpx.Client) -> None:
    there = "/models/community/preferences"
    before = owner.get(there).json()
    assert owner.patch(there, json={"shows_paid": False}).json() == before | {"shows_paid": False}
    assert owner.get(there).json() == before | {"shows_paid": False}
    user = calling(console.tenants.members["user"], console.tenants.acme)
    assert user.patch(there, json={"shows_paid": True}).json()["name"] == "permission_denied"
    assert owner.patch(there, json=before).json() == before


def test_one_thing_is_found_by_its_id(console: Console, owner: httpx.Client) -> None:
    tenants = console.tenants
    for path, own, theirs, name in (
        ("/instances", tenants.rows["own"]["instance"], tenants.rows["other"]["instance"], "instance_not_found"),
        ("/organizations/current/members", tenants.members["user"].id, tenants.outsider.id, "member_not_found"),
    ):
        assert owner.get(f"{path}/{own}").json() in owner.get(path).json()["items"]
        refused = owner.get(f"{path}/{theirs}")
        assert (refused.status_code, refused.json()["name"]) == (404, name)


def test_no_answer_is_kept_by_a_cache(console: Console, calling: Caller, owner: httpx.Client) -> None:
    found = set()
    for client, path in (
        (owner, "/auth/me"),
        (owner, f"/instances/{uuid4()}"),
        (owner, "/instances/no-id"),
        (owner, "/nothing"),
        (owner, "/organizations/invitations/two%0Alines"),
        (owner, "/organizations/invitations/unknown"),
        (calling(), "/auth/me"),
        (calling(console.tenants.members["user"], console.tenants.acme), "/wallet"),
    ):
        answer = client.get(path)
        found.add(answer.status_code)
        assert answer.headers["cache-control"] == "no-store", path
        assert answer.headers["content-type"] == ("application/json" if answer.is_success else MEDIA_TYPE)
    assert found == {200, 401, 403, 404, 422}


async def test_a_database_that_is_away_is_said_with_when_to_try_again(console: Console) -> None:
    pool = AsyncConnectionPool("host=127.0.0.1 port=1 dbname=nowhere", min_size=0, max_size=1, timeout=0.2, open=False)
    await pool.open()
    app = FastAPI()
    install_problems(app)
    app.include_router(tenancy_router(pool, lambda: {"ticket": ticket_key(console.tenants).ticket(uuid4())}))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        answer = await client.get("/auth/me")
    await pool.close()
    assert (answer.status_code, answer.json()["name"]) == (503, "busy")
    assert int(answer.headers["retry-after"]) > 0
    assert answer.headers["content-type"] == MEDIA_TYPE


def test_a_value_that_is_not_acceptable_is_named_and_not_repeated(owner: httpx.Client) -> None:
    answer = owner.post("/instances", json={"provider_id": "a secret"})
    assert (answer.status_code, answer.headers["content-type"]) == (422, MEDIA_TYPE)
    assert answer.json()["errors"][0]["where"] == ["body", "provider_id"]
    assert "a secret" not in answer.text
    unknown = owner.post("/instances", json={"provider_id": str(uuid4())})
    assert (unknown.status_code, unknown.json()["name"]) == (422, "invalid_argument")
    assert owner.get("/nothing").json()["name"] == "not_found"
