"""An organization with a member of each role, a person outside of it, and platform staff."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import psycopg

from support.database import Database
from support.people import Organization, People, User
from support.racing import name_of
from support.server import Logins

__all__ = ["Place", "place_of"]

Connection = psycopg.Connection[tuple[Any, ...]]


@dataclass
class Place:
    """The people, and queries as each of them."""

    users: dict[str, User]
    acme: Organization
    globex: Organization
    provider: UUID
    database: Database
    logins: Logins

    def enter(self, connection: Connection, who: str) -> None:
        """Enter Acme as a role, Globex as ``outsider``, otherwise the personal or the platform's workspace."""
        if who == "platform":
            connection.execute("SELECT tenancy.enter_platform(%s)", [self.users["staff"].id])
            return
        organization = {"outsider": self.globex, "person": None, "staff": None}.get(who, self.acme)
        connection.execute(
            "SELECT tenancy.enter(%s, %s)", [self.users[who].id, organization.id if organization else None]
        )

    def ask(self, who: str, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run a query in somebody's workspace, commit, and return the rows."""
        with self.database.connect(self.logins.app) as connection:
            self.enter(connection, who)
            return connection.execute(query.encode(), values or None).fetchall()

    def error(self, who: str, query: str, *values: Any) -> str:
        """Run a query, and return the name of its error, or ``done``."""
        try:
            self.ask(who, query, *values)
        except psycopg.Error as error:
            return name_of(error)
        return "done"


def place_of(people: People, admin: Connection, database: Database, logins: Logins) -> Place:
    """Create Acme with its members, Globex, a person without an organization, staff, and a provider."""
    users = {name: people.user(name) for name in ("owner", "admin", "manager", "user", "person", "outsider")}
    users["staff"] = people.user("staff", role="admin")
    acme = people.organization("Acme", **{role: users[role] for role in ("owner", "admin", "manager", "user")})
    globex = people.organization("Globex", owner=users["outsider"])
    provider = uuid4()
    admin.execute("INSERT INTO public.providers (id, name) VALUES (%s, 'Cloud')", [provider])
    return Place(users, acme, globex, provider, database, logins)
