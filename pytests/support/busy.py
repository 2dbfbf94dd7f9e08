"""An application that keeps working while its database changes, and its waits."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from support.database import Database
from support.scripts import ScriptError

__all__ = ["Busy", "Statement", "Work", "patiently"]

# A statement with its values, and a function that returns a transaction of them. It takes a random
# source and the number of the session, so that sessions can avoid each other's rows.
Statement = tuple[Any, ...]
Work = Callable[[random.Random, int], list[Statement]]


class Busy:
    """An application that constantly reads and writes, and its waits."""

    def __init__(self, database: Database, login: str, work: Work, sessions: int = 4) -> None:
        self._database, self._login, self._transaction, self._sessions = database, login, work, sessions
        self._stop = threading.Event()
        self.errors: list[str] = []
        self.done = 0
        self.longest = (0.0, "")

    @contextmanager
    def working(self) -> Iterator[Busy]:
        """Work for the duration of the block."""
        threads = [threading.Thread(target=self._work, args=(number,)) for number in range(self._sessions)]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()

    def _work(self, number: int) -> None:
        choose = random.Random(number)
        with self._database.connect(self._login) as connection:
            while not self._stop.is_set():
                try:
                    for statement in self._transaction(choose, number):
                        self._timed(connection, *statement)
                    self._timed(connection, "COMMIT")
                    self.done += 1
                except psycopg.Error as error:
                    self.errors.append(f"{error.sqlstate}: {error}")
                    connection.rollback()
                time.sleep(0.002)

    def _timed(self, connection: psycopg.Connection[Any], statement: str, *values: Any) -> None:
        start = time.monotonic()
        connection.execute(statement, values)
        waited = time.monotonic() - start
        if waited > self.longest[0]:
            self.longest = (waited, statement)


def patiently(run: Callable[[], Any]) -> int:
    """Retry while a lock is not available, like a DBA, and return how often."""
    for attempt in range(20):
        try:
            run()
        except ScriptError as error:
            if "no lock in" not in error.output:
                raise
        else:
            return attempt
    raise AssertionError("never")
