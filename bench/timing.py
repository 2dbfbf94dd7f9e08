"""Two ways to do one thing, in turns on one core, and what each takes."""

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
    """Keep a process, and what it starts, on the last core; return whether the system can."""
    if not hasattr(os, "sched_setaffinity"):
        return False
    with contextlib.suppress(PermissionError):
        os.sched_setaffinity(pid, {max(os.sched_getaffinity(0))})
        return True
    return False


class Libpq:
    """A connection without a driver around it: what is measured is the server.

    Statements are prepared and have generic plans, so that planning is in neither way.
    Otherwise PostgreSQL plans some of those with a parameter each time.
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
        """Send statements together, and wait for all answers."""
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
    """Medians in microseconds, of the way without row-level security and the one with it.

    The last four are times of a processor, the server's and this process's.
    """

    plain: float
    protected: float
    plain_cpu: float
    protected_cpu: float
    plain_client: float
    protected_client: float

    def over(self, number: int) -> Times:
        """Return the times of one, where each way did so many."""
        return Times(*(each / number for each in astuple(self)))

    @property
    def ratio(self) -> float:
        """Return how many times as long the protected way takes."""
        return self.protected / self.plain

    @property
    def added(self) -> float:
        """Return what the protected way takes more."""
        return self.protected - self.plain

    @property
    def ratio_cpu(self) -> float:
        """Return the ratio of the server's own time, which depends less on what else runs."""
        return self.protected_cpu / self.plain_cpu

    @property
    def added_client(self) -> float:
        """Return what this process takes more of a processor."""
        return self.protected_client - self.plain_client

    @property
    def ratio_both(self) -> float:
        """Return the ratio of the processor's time of both ends, which is what a quiet machine takes on one core."""
        return (self.protected_cpu + self.protected_client) / (self.plain_cpu + self.plain_client)

    @property
    def added_cpu(self) -> float:
        """Return what the server takes more of a processor."""
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
    """Let the two take turns, so that whatever else the machine does meets both.

    Args:
        plain: the way without row-level security.
        protected: the way with it.
        pids: the server's processes for the two.
        turns: how many blocks of each; whoever comes second finds warmer caches, so they take turns in that too.
        block: how many times in a block.
        around: called before and after each block, unmeasured.

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
    """Return the seconds that a process has had of a processor, where the system tells."""
    try:
        with open(f"/proc/{pid}/schedstat") as file:
            return int(file.read().split()[0]) / 1e9
    except OSError:
        return float("nan")
