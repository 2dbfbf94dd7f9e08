"""The few places where waiting in asyncio is not the same word as in threads."""

from __future__ import annotations

import asyncio
from asyncio import sleep
from typing import TYPE_CHECKING, Any

from psycopg import AsyncConnection

if TYPE_CHECKING:
    from psycopg_pool import AsyncConnectionPool

__all__ = ["give_back", "sleep"]


async def give_back(pool: AsyncConnectionPool[Any], conn: AsyncConnection[Any]) -> None:
    """Return the connection to its pool, even when the task is cancelled meanwhile."""
    await asyncio.shield(pool.putconn(conn))
