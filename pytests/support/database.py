"""A database of the test run, and the ways to connect to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import psycopg
from psycopg import sql

if TYPE_CHECKING:
    from support.people import Organization, User
    from support.server import Server

__all__ = ["PLATFORM", "Database", "id_of"]

# The id of the platform's workspace, to be entered in place of an organization.
PLATFORM = UUID(int=0)


@dataclass(frozen=True)
class Database:
    """One database, which lives as long as one test."""

    server: Server
    name: str

    def dsn(self, login: str | None = None) -> str:
        """Return its URI, for psycopg, asyncpg and SQLAlchemy's creators.

        Args:
            login: the role to connect as; default: the superuser.

        """
        return self.server.uri(self.name, login)

    def connect(self, login: str | None = None, *, autocommit: bool = False) -> psycopg.Connection[tuple[Any, ...]]:
        """Open a connection; whoever calls closes it, best with ``with``."""
        return psycopg.connect(self.dsn(login), autocommit=autocommit)

    @contextmanager
    def entered(
        self, login: str, user: User | UUID, organization: Organization | UUID | None = None
    ) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
        """Yield a connection in a transaction that has entered a workspace.

        The transaction is committed at the end, or rolled back by an exception.
        """
        with self.connect(login) as connection:
            if id_of(organization) == PLATFORM:
                connection.execute("SELECT tenancy.enter_platform(%s)", [id_of(user)])
            else:
                connection.execute("SELECT tenancy.enter(%s, %s)", [id_of(user), id_of(organization)])
            yield connection

    def execute(self, *statements: str) -> None:
        """Run statements as the superuser, each by itself."""
        with self.connect(autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def fetch(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Return what a query gives the superuser; names come with their schema."""
        with self.connect() as connection:
            connection.execute("SET search_path = pg_catalog")
            return connection.execute(query.encode(), values or None).fetchall()

    def fill(self, tables: str, owner: str | None = None) -> None:
        """Make an application's tables.

        Args:
            tables: the SQL that does.
            owner: the application's login, which also gets the database; default: the superuser has both.

        """
        if owner is not None:
            names = map(sql.Identifier, (self.name, owner))
            self.server.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(*names))
        with self.connect(owner) as connection:
            connection.execute(tables.encode())

    def values(self, kept: Mapping[str, str]) -> dict[str, list[str]]:
        """Return of each table an expression's values as text, sorted; the table is ``t`` in it."""
        with self.connect() as connection:
            return {
                table: [
                    str(row)
                    for (row,) in connection.execute(f"SELECT ({value})::text FROM {table} AS t ORDER BY 1").fetchall()  # noqa: S608
                ]
                for table, value in kept.items()
            }

    def dump(self) -> str:
        """Return its schema as text that can be compared; see ``Server.dump``."""
        return self.server.dump(self.name)


def id_of(thing: User | Organization | UUID | None) -> UUID | None:
    """Return the id of a person or an organization, and an id as it is."""
    return thing if thing is None or isinstance(thing, UUID) else thing.id
