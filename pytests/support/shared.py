"""A database for many tests, because many tests take less time than a copy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg

from support.database import Database

__all__ = ["Shared"]

Connection = psycopg.Connection[tuple[Any, ...]]


# Tables in which the deploy's rows are beside users' rows, or change with the hour.
_MOVING = ("tenancy.workspaces", "tenancy_private.cost_state")


class Shared:
    """A database that tests use one after the other.

    Users' rows are deleted before the next test, except those of the audit log and the ledger,
    which cannot be deleted. Tests that change anything else need their own database: they fail
    here, and the next test gets another database.

    Args:
        make: creates a database.

    """

    def __init__(self, make: Callable[[], Database]) -> None:
        self._make = make
        self._database: Database | None = None
        self._admin: Connection

    def database(self) -> Database:
        """Return the database, without rows of users."""
        if self._database is None:
            self._database = self._make()
            self._begin(self._database)
        return self._database

    def empty(self) -> None:
        """Delete a test's rows, and check that it has changed nothing else."""
        try:
            assert self._database is not None
            idle = self._database.server.sessions.idle(self._database.name)
            self._admin.execute("SELECT pg_temp.empty(%s::integer[])", [idle])
            assert self._state() == self._before, "this test needs a database of its own"
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Drop the database."""
        if self._database is not None:
            self._admin.close()
            self._database.server.drop(self._database.name)
            self._database = None

    def _begin(self, database: Database) -> None:
        self._admin = database.connect(autocommit=True)
        # A superuser's right: no triggers fire, and no foreign keys are checked.
        self._admin.execute("SET session_replication_role = replica")
        tables = self._names()
        filled = [name for name in tables if self._has_rows(name)]
        self._kept = [name for name in filled if name not in _MOVING]
        append_only = self._admin.execute(
            "SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgname ~ '_append_only$' AND tgenabled = 'A'"
        ).fetchall()
        emptied = [name for name in tables if name not in filled and (name,) not in append_only]
        # A function keeps the plans of its statements, and planning takes longer than running them.
        body = [
            "PERFORM pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid() AND pid <> ALL(idle)",
            "DELETE FROM tenancy.workspaces WHERE kind <> 'platform'",
            *(f"DELETE FROM {name}" for name in emptied),  # noqa: S608
        ]
        signature = "pg_temp.empty(idle integer[]) RETURNS void LANGUAGE plpgsql"
        self._admin.execute(f"CREATE FUNCTION {signature} AS $$BEGIN {'; '.join(body)}; END$$".encode())
        self._before = self._state()

    def _state(self) -> tuple[object, ...]:
        """Return the tables, the number of objects and the last change of one, and the rows of the deploy."""
        catalogs = ("pg_class", "pg_constraint", "pg_policy", "pg_proc", "pg_trigger")
        counted = [
            *(f"SELECT '{name}', count(*), max(xmin::text::bigint) FROM {name}" for name in catalogs),  # noqa: S608
            *(
                f"SELECT '{name}', count(*), sum(hashtextextended(t::text, 0)) FROM {name} AS t"  # noqa: S608
                for name in self._kept
            ),
        ]
        return self._names(), self._admin.execute(" UNION ALL ".join(counted).encode()).fetchall()

    def _names(self) -> list[str]:
        rows = self._admin.execute(
            "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND relpersistence = 'p' AND oid > 16383"
            " AND relnamespace NOT IN ('sqitch'::regnamespace) ORDER BY 1"
        )
        return [str(name) for (name,) in rows.fetchall()]

    def _has_rows(self, table: str) -> bool:
        row = self._admin.execute(f"SELECT EXISTS (SELECT FROM {table})".encode()).fetchone()  # noqa: S608
        return row == (True,)
