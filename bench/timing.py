"""Compares the times of two ways to do the same thing, by turns on one core."""

from __future__ import annotations

import contextlib
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import astuple, dataclass
from typing import Any

from psycopg import pq

__all__ = ["Libpq", "Times", "compare", "pin"]


def pin(pid: int = 0) -> bool:
    """Pin a process and its children to the last core; return whether the system supports it."""
    if not hasattr(os, "sched_setaffinity"):
        return False
    with contextlib.suppress(PermissionError):
        os.sched_setaffinity(pid, {max(os.sched_getaffinity(0))})
        return True
    return False


class Libpq:
    """A connection without a driver, so that only the server is measured.

    Statements are prepared with generic plans, so that neither way includes planning.
    """

    def __init__(self, dsn: str, *, pinned: bool = True) -> None:
        self._connection = pq.PGconn.connect(dsn.encode())
        if self._connection.status != pq.ConnStatus.OK:
            raise RuntimeError(self._connection.get_error_message())
        self._check(self._connection.exec_(b"SET plan_cache_mode = force_generic_plan"))
        self._prepared: dict[str, bytes] = {}
        self.pid = self._connection.backend_pid
        if pinned:
            pin(self.pid)

    def execute(self, query: str, *values: object) -> Any:
        """Run a statement, prepared at its first use."""
        return self._check(self._connection.exec_prepared(self._name(query), _texts(values)))

    def pipeline(self, *statements: tuple[str, tuple[object, ...]]) -> None:
        """Send statements together, and wait for all results."""
        names = [(self._name(query), _texts(values)) for query, values in statements]
        self._connection.enter_pipeline_mode()
        for name, values in names:
            self._connection.send_query_prepared(name, values)
        self._connection.pipeline_sync()
        while (result := self._connection.get_result()) is None or result.status != pq.ExecStatus.PIPELINE_SYNC:
            if result is not None:
                self._check(result)
        self._connection.exit_pipeline_mode()

    def close(self) -> None:
        """Close the connection."""
        self._connection.finish()

    def _name(self, query: str) -> bytes:
        if query not in self._prepared:
            name = f"s{len(self._prepared)}".encode()
            self._check(self._connection.prepare(name, query.encode()))
            self._prepared[query] = name
        return self._prepared[query]

    def _check(self, result: Any) -> Any:
        if result.status not in {pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK}:
            raise RuntimeError(result.error_message.decode())
        return result


def _texts(values: tuple[object, ...]) -> list[bytes]:
    return [str(value).encode() for value in values]


@dataclass(frozen=True)
class Times:
    """Medians in microseconds, without row-level security and with it.

    The last four are CPU times, of the server and of this process.
    """

    plain: float
    protected: float
    plain_cpu: float
    protected_cpu: float
    plain_client: float
    protected_client: float

    def over(self, number: int) -> Times:
        """Return the times of one run, from those of a block."""
        return Times(*(each / number for each in astuple(self)))

    @property
    def ratio(self) -> float:
        """Return the ratio of the protected way's time to the plain one's."""
        return self.protected / self.plain

    @property
    def added(self) -> float:
        """Return the additional time of the protected way."""
        return self.protected - self.plain

    @property
    def ratio_cpu(self) -> float:
        """Return the ratio of the server's CPU time, which depends less on other load."""
        return self.protected_cpu / self.plain_cpu

    @property
    def added_client(self) -> float:
        """Return the additional CPU time of this process."""
        return self.protected_client - self.plain_client

    @property
    def ratio_both(self) -> float:
        """Return the ratio of the CPU time of both ends, which is the elapsed time on one core of an idle machine."""
        return (self.protected_cpu + self.protected_client) / (self.plain_cpu + self.plain_client)

    @property
    def added_cpu(self) -> float:
        """Return the additional CPU time of the server."""
        return self.protected_cpu - self.plain_cpu


def compare(
    plain: Callable[[], object],
    protected: Callable[[], object],
    *,
    pids: tuple[int, int],
    turns: int,
    block: int = 10,
    around: tuple[Callable[[], object], Callable[[], object]] | None = None,
) -> Times:
    """Let the two ways take turns, so that other load affects both.

    Args:
        plain: the way without row-level security.
        protected: the way with it.
        pids: the server's processes of the two ways.
        turns: the number of blocks of each. The order alternates, because the second one finds warmer caches.
        block: the number of runs in a block.
        around: called before and after each block, not measured.

    """
    ways = (plain, protected)
    walls: tuple[list[float], list[float]] = ([], [])
    cpus: tuple[list[float], list[float]] = ([], [])
    clients: tuple[list[float], list[float]] = ([], [])
    for turn in range(-2, turns):
        for which in (0, 1) if turn % 2 else (1, 0):
            way = ways[which]
            if around:
                around[0]()
            used, own, started = _cpu(pids[which]), time.process_time(), time.perf_counter()
            for _ in range(block):
                way()
            wall = time.perf_counter() - started
            client, cpu = time.process_time() - own, _cpu(pids[which]) - used
            if around:
                around[1]()
            if turn >= 0:
                walls[which].append(wall / block * 1e6)
                cpus[which].append(cpu / block * 1e6)
                clients[which].append(client / block * 1e6)
    return Times(*(statistics.median(times) for times in (*walls, *cpus, *clients)))


def _cpu(pid: int) -> float:
    """Return the CPU seconds of a process, if the system reports them."""
    try:
        with open(f"/proc/{pid}/schedstat") as file:
            return int(file.read().split()[0]) / 1e9
    except OSError:
        return float("nan")
