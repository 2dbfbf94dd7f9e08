"""An organization with a member of each role, somebody outside, and platform staff."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from support.database import Database
from support.people import Organization, People, User
from support.server import Logins

Connection = psycopg.Connection[tuple[Any, ...]]


@dataclass
class Place:
    """Who there is, and a way to ask as each of them."""

    users: dict[str, User]
    acme: Organization
    provider: UUID
    database: Database
    logins: Logins
    as_app: Callable[..., AbstractContextManager[Connection]]

    def ask(self, who: str, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Ask in the organization as a role, as ``person`` in the personal workspace, as ``platform`` in its own."""
        if who == "platform":
            with self.database.connect(self.logins.app) as connection:
                connection.execute("SELECT tenancy.enter_platform(%s)", [self.users["staff"].id])
                return connection.execute(query.encode(), values or None).fetchall()
        with self.as_app(self.users[who], None if who in {"person", "staff"} else self.acme) as connection:
            return connection.execute(query.encode(), values or None).fetchall()

    def states(self, who: str) -> dict[str, str]:
        """Return the state of each module."""
        return dict(self.ask(who, "SELECT key, state FROM tenancy.visible_modules()"))


@pytest.fixture
def place(
    people: People,
    admin: Connection,
    database: Database,
    logins: Logins,
    as_app: Callable[..., AbstractContextManager[Connection]],
) -> Place:
    """Return Acme with its members, a person without an organization, and staff."""
    users = {name: people.user(name) for name in ("owner", "admin", "manager", "user", "person")}
    users["staff"] = people.user("staff", role="admin")
    roles = {role: users[role] for role in ("owner", "admin", "manager", "user")}
    provider = uuid4()
    admin.execute("INSERT INTO public.providers (id, name) VALUES (%s, 'Cloud')", [provider])
    return Place(users, people.organization("Acme", **roles), provider, database, logins, as_app)
