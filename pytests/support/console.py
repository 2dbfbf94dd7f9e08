"""The console with two tenants, for a browser or an HTTP client."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx
import uvicorn
from psycopg import sql
from starlette.types import ASGIApp

from pg_tenancy.console import TicketKey, console_app, hash_password
from pg_tenancy.console._prepare import prepare
from pg_tenancy.console._web import cookie_key
from support.people import Organization, User
from support.server import Logins, Server
from support.two_tenants import TwoTenants, two_tenants

__all__ = ["PASSWORD", "Console", "Visitor", "consoled", "served"]

PASSWORD = "correct horse battery"


@dataclass(frozen=True)
class Console:
    """A running console and the tenants in it; everybody's password is ``PASSWORD``."""

    address: str
    tenants: TwoTenants
    app: ASGIApp
    authenticator: str = field(repr=False)
    key: bytes = field(repr=False)
    _visitors: list[Visitor] = field(default_factory=list, repr=False)

    @property
    def people(self) -> dict[str, tuple[User, Organization | None]]:
        """Return the person of each role, and the organization that they enter."""
        tenants = self.tenants
        inside: dict[str, tuple[User, Organization | None]] = {
            role: (user, tenants.acme) for role, user in tenants.members.items()
        }
        return inside | {"personal": (tenants.person, None), "staff": (tenants.staff, None)}

    def visitor(self, user: User | None = None) -> Visitor:
        """Return an HTTP client, logged in if a user is given."""
        visitor = Visitor(self.address)
        self._visitors.append(visitor)
        if user is not None:
            visitor.log_in(user)
        return visitor


class Visitor:
    """Reads pages and sends their forms, without a browser."""

    def __init__(self, address: str) -> None:
        self.http = httpx.Client(base_url=address, follow_redirects=False, timeout=30)

    def log_in(self, user: User) -> None:
        """Log in with the common password."""
        answer = self.post("/login", "/login", email=user.email, password=PASSWORD)
        assert answer.status_code == 303, answer.text

    def get(self, path: str, **parameters: Any) -> httpx.Response:
        """Read a page."""
        return self.http.get(path, params=parameters or None)

    def post(self, page: str, path: str, **fields: Any) -> httpx.Response:
        """Send a form, with the fields that all forms of a page have."""
        return self.sender(page)(path, **fields)

    def sender(self, page: str, language: str = "en") -> Callable[..., httpx.Response]:
        """Return a function that sends forms, with the fields that all forms of a page have."""
        token = self.http.get(page).text.split('name="csrf" value="')[1].split('"')[0]

        def send(path: str, **fields: Any) -> httpx.Response:
            headers = {"sec-fetch-site": "same-origin", "accept-language": language}
            return self.http.post(path, data={"csrf": token, **fields}, headers=headers)

        return send


def said(answer: httpx.Response) -> str:
    """Return the message at the top of a page, for an assertion's message."""
    found = re.findall(r'<p class="message \w+"[^>]*>(.*?)</p>', answer.text, re.DOTALL)
    return f"{answer.status_code} {' '.join(found)}"


def place_of(organization: Organization | UUID | None) -> str:
    """Return the path of a workspace's screens."""
    if organization is None:
        return "/me"
    return f"/o/{organization.id if isinstance(organization, Organization) else organization}"


@contextmanager
def served(app: ASGIApp) -> Iterator[str]:
    """Serve an application on a free port of this machine, and yield its address."""
    # A client keeps its connection while it waits for a slow page.
    config = uvicorn.Config(
        app, port=0, log_level="warning", access_log=False, timeout_graceful_shutdown=1, timeout_keep_alive=120
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 30
    while not server.started:
        assert thread.is_alive()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(30)


@contextmanager
def consoled(server: Server, template: str, logins: Logins, **options: Any) -> Iterator[Console]:
    """Run a console with two tenants for the duration of the block."""
    names = {"login": server.new_name("console"), "authenticator": server.new_name("authenticator")}
    with two_tenants(server, template, logins) as tenants:
        prepared = prepare(tenants.database.dsn(), password=server.password, **names)
        with tenants.admin() as connection:
            kept = hash_password(PASSWORD, cost=16)
            connection.execute("UPDATE public.users SET password_hash = %s", [kept])
            # Values that the database itself would have chosen.
            connection.execute("UPDATE tenancy.invitations SET expires_at = now() + interval '7 days'")
        app = console_app(
            prepared.dsn,
            authenticator=prepared.authenticator,
            ticket_key=prepared.ticket_key,
            secure=False,
            **options,
        )
        with served(app) as address:
            console = Console(address, tenants, app, prepared.authenticator, cookie_key(prepared.ticket_key.secret))
            try:
                yield console
            finally:
                for visitor in console._visitors:
                    visitor.http.close()
    server.execute(*(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)) for name in names.values()))


def ticket_key(tenants: TwoTenants) -> TicketKey:
    """Return the key that signs tickets for two tenants."""
    return TicketKey(tenants.key.id, tenants.key.secret)
