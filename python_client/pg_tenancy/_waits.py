"""The few places where waiting in threads is not the same word as in asyncio."""

from __future__ import annotations

from inspect import iscoroutinefunction
from time import sleep
from typing import TYPE_CHECKING, Any

from psycopg import Connection

if TYPE_CHECKING:
    from psycopg_pool import ConnectionPool

__all__ = ["give_back", "is_pool", "sleep"]


def is_pool(source: object) -> bool:
    """Return whether it is a pool for threads: one for asyncio would only promise a connection."""
    return hasattr(source, "getconn") and not iscoroutinefunction(source.getconn)


def give_back(pool: ConnectionPool[Any], conn: Connection[Any]) -> None:
    """Return the connection to its pool."""
    pool.putconn(conn)
