"""A database of the test run, and connections to it."""

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

# The id of the platform's workspace, which can be entered like an organization's.
PLATFORM = UUID(int=0)


@dataclass(frozen=True)
class Database:
    """A database for one test."""

    server: Server
    name: str

    def dsn(self, login: str | None = None) -> str:
        """Return its URI, for psycopg, asyncpg and SQLAlchemy's creators.

        Args:
            login: the role to connect as; default: the superuser.

        """
        return self.server.uri(self.name, login)

    def connect(self, login: str | None = None, *, autocommit: bool = False) -> psycopg.Connection[tuple[Any, ...]]:
        """Open a connection; the caller closes it, preferably with ``with``."""
        return psycopg.connect(self.dsn(login), autocommit=autocommit)

    @contextmanager
    def session(
        self, login: str | None = None, *, autocommit: bool = False
    ) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
        """Yield a connection that was perhaps used before; ``connect`` opens a new one, which takes longer."""
        with self.server.sessions.session(
            self.name, login, autocommit, lambda: self.connect(login, autocommit=autocommit)
        ) as connection:
            yield connection

    @contextmanager
    def entered(
        self, login: str, user: User | UUID, organization: Organization | UUID | None = None
    ) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
        """Yield a connection in a transaction that has entered a workspace.

        The transaction is committed at the end, or rolled back by an exception.
        """
        with self.session(login) as connection:
            if id_of(organization) == PLATFORM:
                connection.execute("SELECT tenancy.enter_platform(%s)", [id_of(user)])
            else:
                connection.execute("SELECT tenancy.enter(%s, %s)", [id_of(user), id_of(organization)])
            yield connection

    def execute(self, *statements: str) -> None:
        """Run each statement as the superuser, in autocommit."""
        with self.session(autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def fetch(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Return the rows of the superuser's query, with qualified names."""
        with self.session() as connection:
            connection.execute("SET search_path = pg_catalog")
            return connection.execute(query.encode(), values or None).fetchall()

    def fill(self, tables: str, owner: str | None = None) -> None:
        """Create an application's tables.

        Args:
            tables: the SQL that creates them.
            owner: the application's login, which also gets the database; default: the superuser has both.

        """
        if owner is not None:
            names = map(sql.Identifier, (self.name, owner))
            self.server.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(*names))
        with self.connect(owner) as connection:
            connection.execute(tables.encode())

    def values(self, kept: Mapping[str, str]) -> dict[str, list[str]]:
        """Return an expression's values for each table as text, sorted; ``t`` is the table."""
        with self.connect() as connection:
            return {
                table: [
                    str(row)
                    for (row,) in connection.execute(f"SELECT ({value})::text FROM {table} AS t ORDER BY 1").fetchall()  # noqa: S608
                ]
                for table, value in kept.items()
            }

    def dump(self) -> str:
        """Return its schema as comparable text; see ``Server.dump``."""
        return self.server.dump(self.name)


def id_of(thing: User | Organization | UUID | None) -> UUID | None:
    """Return the id of a person or an organization, or an id unchanged."""
    return thing if thing is None or isinstance(thing, UUID) else thing.id
