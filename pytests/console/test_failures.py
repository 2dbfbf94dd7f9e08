"""An unexpected error is a plain page with a number that the log has too."""

from __future__ import annotations

import logging
import re

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount

from pg_tenancy.console import console_app
from pg_tenancy.console._app import _Console
from pg_tenancy.fastapi.tickets import TicketKey

DSN = "postgresql://nobody@localhost:1/nothing"


@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize("root", ["", "/console"])
async def test_an_unexpected_error_shows_a_number_and_nothing_of_the_error(
    root: str, language: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(_console: _Console, _request: Request) -> Response:
        raise RuntimeError("a detail of the server")

    monkeypatch.setattr(_Console, "home", broken)
    app = console_app(DSN, authenticator=DSN, ticket_key=TicketKey("test", "a secret"), secure=False)
    served = Starlette(routes=[Mount(root, app)]) if root else app
    transport = httpx.ASGITransport(served, raise_app_exceptions=False)
    with caplog.at_level(logging.ERROR, logger="pg_tenancy.console"):
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            answer = await client.get(f"{root}/", headers={"accept-language": language})
    assert (answer.status_code, answer.headers["content-type"]) == (500, "text/html; charset=utf-8")
    assert ("Erreur interne" if language == "fr" else "Internal error") in answer.text
    assert f'href="{root}/me/dashboard"' in answer.text
    assert "a detail" not in answer.text
    assert "Traceback" not in answer.text
    (number,) = re.findall("<code>([0-9a-f]{12})</code>", answer.text)
    (record,) = [each for each in caplog.records if each.name == "pg_tenancy.console"]
    assert number in record.getMessage()
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == "a detail of the server"
