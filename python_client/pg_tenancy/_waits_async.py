"""The few functions that differ between asyncio and threads."""

from __future__ import annotations

import asyncio
from asyncio import sleep
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any

from psycopg import AsyncConnection

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator

    from psycopg_pool import AsyncConnectionPool

__all__ = ["give_back", "is_pool", "sleep"]


def is_pool(source: object) -> bool:
    """Return whether it is a pool for asyncio; a pool for threads would lose a connection."""
    return iscoroutinefunction(getattr(source, "getconn", None))


async def give_back(pool: AsyncConnectionPool[Any], conn: AsyncConnection[Any]) -> None:
    """Return the connection to its pool, even if the task is cancelled meanwhile."""
    giving = pool.putconn(conn)
    try:
        first = giving.send(None)
    except StopIteration:
        # Usually it does not wait, and then needs no task, which would take longer than all of this.
        return
    await asyncio.shield(_finish(_Rest(giving, first)))


async def _finish(rest: _Rest) -> None:
    await rest


class _Rest:
    """The rest of a coroutine that was started and is now waiting."""

    def __init__(self, coroutine: Coroutine[Any, Any, None], waits_for: object) -> None:
        self._coroutine = coroutine
        self._waits_for = waits_for

    def __await__(self) -> Generator[Any, Any, None]:
        try:
            while True:
                try:
                    sent = yield self._waits_for
                except BaseException as error:
                    self._waits_for = self._coroutine.throw(error)
                else:
                    self._waits_for = self._coroutine.send(sent)
        except StopIteration:
            return
