"""Two or more real sessions in an order that the test chooses."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

__all__ = ["SLEEP", "Session", "at_once", "attempt", "killing_who_sleeps", "name_of"]

SLEEP = "SELECT pg_catalog.pg_sleep(30)"

Connection = psycopg.Connection[tuple[Any, ...]]


def name_of(error: BaseException | None) -> str:
    """Return the name of an error for programs: the constraint, or else the SQLSTATE."""
    if error is None:
        return "done"
    if not isinstance(error, psycopg.Error):
        raise error
    return error.diag.constraint_name or error.sqlstate or str(error)


def attempt(connection: Connection, statement: str, *values: Any) -> str:
    """Run something in a savepoint, and return ``done`` or the error's name."""
    try:
        with connection.transaction():
            connection.execute(statement, values or None)
    except psycopg.Error as error:
        return name_of(error)
    return "done"


@contextmanager
def killing_who_sleeps(admin: Connection) -> Iterator[None]:
    """Terminate the backend that runs ``SLEEP`` during the block; the block runs it in this thread."""

    def kill() -> None:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            killed = admin.execute(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND wait_event = 'PgSleep'"
            ).fetchall()
            if killed:
                return
            time.sleep(0.01)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def at_once(count: int, work: Callable[[int, threading.Barrier], Any]) -> list[str]:
    """Run work in this number of threads, and return the names of the outcomes, sorted.

    Args:
        count: the number of threads.
        work: takes the thread's number, and a barrier for all threads.

    """
    barrier, outcomes = threading.Barrier(count), [""] * count

    def run(number: int) -> None:
        try:
            work(number, barrier)
            outcomes[number] = "done"
        except psycopg.Error as error:
            outcomes[number] = name_of(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(outcomes)


class Session:
    """A connection whose statements may wait for another session.

    ``start()`` runs something in another thread and returns as soon as it is done or waits for a
    lock; ``outcome()`` waits for its end.

    Args:
        connection: the session's own, not in autocommit.
        watcher: another connection, in autocommit, of a role that sees all locks.

    """

    def __init__(self, connection: Connection, watcher: Connection) -> None:
        self.connection = connection
        self._watcher = watcher
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    def start(self, work: Callable[[Connection], Any]) -> None:
        """Begin some work, unless the earlier work failed."""
        self._join()
        if self._error is not None:
            return

        def run() -> None:
            try:
                work(self.connection)
            except BaseException as error:
                self._error = error

        self._thread = threading.Thread(target=run)
        self._thread.start()
        while self._thread.is_alive() and not self._waits():
            self._thread.join(0.002)

    def commit(self) -> None:
        """Begin to commit."""
        self.start(lambda connection: connection.commit())

    def outcome(self) -> str:
        """Return ``done``, or the name of the error, and end the transaction."""
        self._join()
        error, self._error = self._error, None
        self.connection.rollback()
        return name_of(error)

    def _join(self) -> None:
        if self._thread is not None:
            self._thread.join(30)
            assert not self._thread.is_alive(), "the session waits for ever"
            self._thread = None

    def _waits(self) -> bool:
        row = self._watcher.execute(
            "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = %s", [self.connection.info.backend_pid]
        ).fetchone()
        if row is None or not row[0]:
            return False
        # Only a wait that persists counts.
        time.sleep(0.002)
        return True
