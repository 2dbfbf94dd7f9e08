"""Sessions that are used again: the first statements of a new one take ten times as long as they do later.

A backend reads the catalog, compiles functions and plans their statements once. So a session that a test has finished
with is set back, as ``DISCARD ALL`` does but with its plans, and is there for the next one of the same login.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import pq

__all__ = ["Sessions"]

Connection = psycopg.Connection[tuple[Any, ...]]

_SET_BACK = b"""
CLOSE ALL;
SET SESSION AUTHORIZATION DEFAULT;
RESET ROLE;
RESET ALL;
DEALLOCATE ALL;
UNLISTEN *;
SELECT pg_catalog.pg_advisory_unlock_all();
DISCARD TEMP;
DISCARD SEQUENCES;
"""


class Sessions:
    """The idle sessions of a process, by database and login."""

    def __init__(self) -> None:
        self._idle: dict[str, dict[tuple[str | None, bool], list[Connection]]] = {}

    def __del__(self) -> None:
        """Close them, because a test's own server is only forgotten."""
        self.close_all()

    @contextmanager
    def session(
        self, database: str, login: str | None, autocommit: bool, connect: Callable[[], Connection]
    ) -> Iterator[Connection]:
        """Yield an idle session, or a new one; its transaction is committed, or rolled back by an exception."""
        idle = self._idle.setdefault(database, {}).setdefault((login, autocommit), [])
        connection = _one_that_lives(idle) or connect()
        # A prepared statement would fail after a change of its table.
        connection.prepare_threshold = None
        try:
            yield connection
            if not connection.closed:
                connection.commit()
        except BaseException:
            if not connection.closed:
                connection.rollback()
            raise
        finally:
            if _is_set_back(connection, autocommit):
                idle.append(connection)
            else:
                connection.close()

    def idle(self, database: str) -> list[int]:
        """Return the process ids of a database's idle sessions."""
        kept = self._idle.get(database, {}).values()
        return [connection.info.backend_pid for idle in kept for connection in idle if not connection.closed]

    def close(self, *databases: str) -> None:
        """Close the idle sessions of these databases."""
        for database in databases:
            for idle in self._idle.pop(database, {}).values():
                for connection in idle:
                    connection.close()

    def close_all(self) -> None:
        """Close all idle sessions."""
        self.close(*self._idle)


def _one_that_lives(idle: list[Connection]) -> Connection | None:
    while idle:
        connection = idle.pop()
        if connection.pgconn.exec_(b"").status == pq.ExecStatus.EMPTY_QUERY:
            return connection
        connection.close()
    return None


def _is_set_back(connection: Connection, autocommit: bool) -> bool:
    if connection.closed or connection.info.transaction_status != pq.TransactionStatus.IDLE:
        return False
    if connection.pgconn.exec_(_SET_BACK).status != pq.ExecStatus.COMMAND_OK:
        return False
    connection.autocommit = autocommit
    connection.isolation_level = connection.read_only = connection.deferrable = None
    return True
