"""A database for many tests: most of the client's tests are over sooner than a copy is made."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from support.database import Database
from support.server import Logins, Server

Connection = psycopg.Connection[tuple[Any, ...]]


class Shared:
    """A database that is given to one test after the other.

    What users do is gone before the next one, but for the audit log and the ledger, from which
    nothing can be deleted. Tests that change anything else need a database of their own.
    """

    def __init__(self, database: Database, admin: Connection) -> None:
        self.database = database
        self._admin = admin
        # The superuser's right: no trigger of ours runs, and no foreign key is looked at.
        admin.execute("SET session_replication_role = replica")
        self._tables = self._names()
        filled = [name for name in self._tables if self._rows(name)]
        self._kept = {name: self._rows(name) for name in filled if name != "tenancy.workspaces"}
        append_only = admin.execute(
            "SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgname ~ '_append_only$' AND tgenabled = 'A'"
        ).fetchall()
        emptied = [name for name in self._tables if name not in filled and (name,) not in append_only]
        self._empty = "; ".join(
            [
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()",
                "DELETE FROM tenancy.workspaces WHERE kind <> 'platform'",
                *(f"DELETE FROM {name}" for name in emptied),  # noqa: S608
            ]
        )

    def empty(self) -> None:
        """Delete what a test has left, and check that it has changed nothing else."""
        self._admin.execute(self._empty.encode())
        assert self._names() == self._tables
        assert {name: self._rows(name) for name in self._kept} == self._kept

    def _names(self) -> list[str]:
        rows = self._admin.execute(
            "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND relpersistence = 'p' AND oid > 16383"
            " AND relnamespace NOT IN ('sqitch'::regnamespace) ORDER BY 1"
        )
        return [str(name) for (name,) in rows.fetchall()]

    def _rows(self, table: str) -> list[str]:
        rows = self._admin.execute(f"SELECT t::text FROM {table} AS t ORDER BY 1".encode())  # noqa: S608
        return [str(row) for (row,) in rows.fetchall()]


@pytest.fixture(scope="module")
def _shared(server: Server, template: str, logins: Logins) -> Iterator[Shared]:
    database = server.create(template)
    with database.connect(autocommit=True) as admin:
        yield Shared(database, admin)
    server.drop(database.name)


@pytest.fixture
def database(
    request: pytest.FixtureRequest, server: Server, template: str, logins: Logins, _logins_of_the_test: list[str]
) -> Iterator[Database]:
    """Return a database with everything deployed: its own, or that of all tests that are marked so."""
    marker = request.node.get_closest_marker("shared_database")
    if marker is not None and marker.args != (False,):
        shared: Shared = request.getfixturevalue("_shared")
        yield shared.database
        shared.empty()
        return
    database = server.create(template)
    yield database
    server.drop(database.name)
