"""Checks passwords with a separate login, which can read three columns and cannot enter workspaces."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pg_tenancy.console._passwords import is_password

if TYPE_CHECKING:
    from psycopg import AsyncConnection
    from psycopg_pool import AsyncConnectionPool

    Pool = AsyncConnectionPool[AsyncConnection[tuple[Any, ...]]]

__all__ = ["Authenticator"]


class Authenticator:
    """Checks passwords.

    Args:
        pool: connections in autocommit of the login that may read everybody's ``id``, ``email`` and
            ``password_hash``; see ``prepare()``.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def authenticate(self, email: str, password: str) -> UUID | None:
        """Return the id of the account with this address and password, or None. An unknown address takes as long."""
        async with self._pool.connection() as connection:
            cursor = await connection.execute(
                "SELECT id, password_hash FROM public.users WHERE lower(btrim(email)) = lower(btrim(%s)) LIMIT 2",
                [email],
            )
            rows = await cursor.fetchall()
        # Two accounts share the address, so neither can log in.
        user_id, kept = rows[0] if len(rows) == 1 else (None, None)
        matches = await asyncio.to_thread(is_password, password, kept)
        return user_id if matches else None

    async def confirm(self, user_id: UUID, password: str) -> bool:
        """Return whether this is the person's password."""
        async with self._pool.connection() as connection:
            cursor = await connection.execute("SELECT password_hash FROM public.users WHERE id = %s", [user_id])
            row = await cursor.fetchone()
        return await asyncio.to_thread(is_password, password, row[0] if row else None)
