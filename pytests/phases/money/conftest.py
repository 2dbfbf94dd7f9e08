"""Two organizations with wallets, and the calls of services and phases."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.rows import dict_row

from support.database import Database
from support.people import Organization, People
from support.server import Logins

Connection = psycopg.Connection[tuple[Any, ...]]

_MOVE = """
SELECT m.transfer_id, m.replayed, m.charged, m.unpaid
FROM tenancy_private.move_money(%s, %s, %s, %s, %s, %s, now(), %s) AS m
"""

_WALLET = """
SELECT balance, held, granted, unpaid, overdraft, version, chain, currency FROM tenancy.wallets WHERE workspace_id = %s
"""


@dataclass
class Movement:
    """The result of move_money()."""

    transfer_id: UUID
    replayed: bool
    charged: Decimal
    unpaid: Decimal


@dataclass
class Money:
    """The money of a database, as services see it.

    What is in tenancy_private runs as tenancy_owner, as it does below the functions of
    the phases that call it.
    """

    database: Database
    logins: Logins

    @contextmanager
    def service(self, *, autocommit: bool = True) -> Iterator[Connection]:
        """Yield a connection of a service."""
        with self.database.session(self.logins.service, autocommit=autocommit) as connection:
            yield connection

    @contextmanager
    def inside(self, *, autocommit: bool = True) -> Iterator[Connection]:
        """Yield a connection with the rights of pg-tenancy's functions."""
        with self.database.session(autocommit=autocommit) as connection:
            connection.execute("SET SESSION ROLE tenancy_owner")
            yield connection

    def top_up(self, workspace: UUID, amount: str, reference: str = "opening") -> UUID:
        """Put money into a wallet."""
        with self.service() as connection:
            return UUID(str(self.one(connection, "SELECT tenancy.top_up(%s, %s, %s)", workspace, amount, reference)))

    def wallet(self, workspace: UUID) -> dict[str, Any]:
        """Return the row of a wallet."""
        with self.service() as connection:
            cursor = connection.cursor(row_factory=dict_row)
            row = cursor.execute(_WALLET, [workspace]).fetchone()
        assert row is not None
        return row

    def balance(self, workspace: UUID) -> Decimal:
        """Return a wallet's stored balance."""
        return Decimal(self.wallet(workspace)["balance"])

    def problems(self, workspace: UUID | None = None) -> list[str]:
        """Return the findings of reconcile()."""
        with self.service() as connection:
            return [row[0] for row in connection.execute("SELECT problem FROM tenancy.reconcile(%s)", [workspace])]

    @staticmethod
    def one(connection: Connection, query: str, *values: Any) -> Any:
        """Return a query's single value."""
        row = connection.execute(query, values).fetchone()
        assert row is not None
        return row[0]

    @staticmethod
    def move(
        connection: Connection,
        payer: UUID,
        payee: UUID,
        amount: Any,
        reference: str,
        *,
        kind: str = "usage",
        asked: str = "",
        hold: UUID | None = None,
    ) -> Movement:
        """Move money; the default reference is derived from the request."""
        fingerprint = hashlib.sha256((asked or reference).encode()).digest()
        row = connection.execute(_MOVE, (payer, payee, amount, kind, reference, fingerprint, hold)).fetchone()
        assert row is not None
        return Movement(*row)

    def at_once(self, count: int, deed: Callable[[Connection, int], Any]) -> list[Any]:
        """Run something in several sessions at once; return results and names of errors."""
        start = threading.Barrier(count)
        answers: list[Any] = [None] * count

        def session(number: int) -> None:
            with self.inside() as connection:
                start.wait()
                try:
                    answers[number] = deed(connection, number)
                except psycopg.Error as error:
                    answers[number] = error.diag.constraint_name or error.sqlstate

        threads = [threading.Thread(target=session, args=(number,)) for number in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return answers


@pytest.fixture
def money(database: Database, logins: Logins) -> Money:
    """Return the money of a fresh database."""
    return Money(database, logins)


@pytest.fixture
def acme(people: People) -> Organization:
    """Return an organization with a member of each role."""
    roles = ("owner", "admin", "manager", "user")
    return people.organization("Acme", **{role: people.user(role) for role in roles})


@pytest.fixture
def globex(people: People) -> Organization:
    """Return an organization of other people."""
    return people.organization("Globex", owner=people.user("gina"))
