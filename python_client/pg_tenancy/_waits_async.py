"""The few places where waiting in asyncio is not the same word as in threads."""

from __future__ import annotations

import asyncio
from asyncio import sleep
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any

from psycopg import AsyncConnection

if TYPE_CHECKING:
    from psycopg_pool import AsyncConnectionPool

__all__ = ["give_back", "is_pool", "sleep"]


def is_pool(source: object) -> bool:
    """Return whether it is a pool for asyncio: one for threads would lose a connection."""
    return iscoroutinefunction(getattr(source, "getconn", None))


async def give_back(pool: AsyncConnectionPool[Any], conn: AsyncConnection[Any]) -> None:
    """Return the connection to its pool, even when the task is cancelled meanwhile."""
    await asyncio.shield(pool.putconn(conn))
