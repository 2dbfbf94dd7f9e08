"""The few places where waiting in threads is not the same word as in asyncio."""

from __future__ import annotations

from time import sleep
from typing import TYPE_CHECKING, Any

from psycopg import Connection

if TYPE_CHECKING:
    from psycopg_pool import ConnectionPool

__all__ = ["give_back", "sleep"]


def give_back(pool: ConnectionPool[Any], conn: Connection[Any]) -> None:
    """Return the connection to its pool."""
    pool.putconn(conn)
