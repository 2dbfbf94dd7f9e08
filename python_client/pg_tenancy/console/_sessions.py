"""Where browsers are logged in: kept by the login that checks passwords, which enters no workspace."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from pg_tenancy.console._passwords import is_password

if TYPE_CHECKING:
    from psycopg import AsyncConnection
    from psycopg_pool import AsyncConnectionPool

    Pool = AsyncConnectionPool[AsyncConnection[tuple[Any, ...]]]

__all__ = ["Session", "Sessions"]

_LIFE: Final = timedelta(days=14)
_COLUMNS: Final = "id, user_id, user_agent, created_at, seen_at, expires_at"


@dataclass(frozen=True, slots=True)
class Session:
    """A browser in which somebody is logged in."""

    id: UUID
    user_id: UUID
    user_agent: str
    created_at: datetime
    seen_at: datetime
    expires_at: datetime


class Sessions:
    """Logs people in and out.

    Args:
        pool: of the login that reads ``id``, ``email`` and ``password_hash`` of everybody
            and owns the sessions, in autocommit; see ``prepare()``.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def authenticate(self, email: str, password: str) -> UUID | None:
        """Return whose address and password these are, or None; an unknown address takes as long."""
        rows = await self._rows(
            "SELECT id, password_hash FROM public.users WHERE lower(btrim(email)) = lower(btrim(%s)) LIMIT 2", email
        )
        # Two accounts with one address: none of them can be meant.
        user_id, kept = rows[0] if len(rows) == 1 else (None, None)
        matches = await asyncio.to_thread(is_password, password, kept)
        return user_id if matches else None

    async def confirm(self, user_id: UUID, password: str) -> bool:
        """Return whether this is the person's password."""
        rows = await self._rows("SELECT password_hash FROM public.users WHERE id = %s", user_id)
        return await asyncio.to_thread(is_password, password, rows[0][0] if rows else None)

    async def start(self, user_id: UUID, user_agent: str) -> str:
        """Log somebody in and return the session's token, which is kept nowhere else."""
        token = secrets.token_urlsafe(32)
        await self._rows(
            "WITH expired AS (DELETE FROM console.sessions WHERE expires_at < now())"
            " INSERT INTO console.sessions (token_hash, user_id, user_agent, expires_at)"
            " VALUES (%s, %s, %s, now() + %s) RETURNING id",
            _hash(token),
            user_id,
            user_agent[:200],
            _LIFE,
        )
        return token

    async def find(self, token: str) -> Session | None:
        """Return the session of a token, or None if there is none, or no longer."""
        # Written once a minute at most, so that reading a page writes nothing.
        rows = await self._rows(
            f"WITH seen AS (UPDATE console.sessions SET seen_at = now()"  # noqa: S608
            f" WHERE token_hash = %(hash)s AND seen_at < now() - interval '1 minute')"
            f" SELECT {_COLUMNS} FROM console.sessions WHERE token_hash = %(hash)s AND expires_at > now()",
            {"hash": _hash(token)},
        )
        return Session(*rows[0]) if rows else None

    async def of(self, user_id: UUID) -> list[Session]:
        """Return where somebody is logged in, the latest first."""
        rows = await self._rows(
            f"SELECT {_COLUMNS} FROM console.sessions"  # noqa: S608
            " WHERE user_id = %s AND expires_at > now() ORDER BY seen_at DESC",
            user_id,
        )
        return [Session(*row) for row in rows]

    async def end(self, user_id: UUID, session_id: UUID) -> bool:
        """Log a browser of somebody out, and return whether it was logged in."""
        return bool(
            await self._rows(
                "DELETE FROM console.sessions WHERE user_id = %s AND id = %s RETURNING id", user_id, session_id
            )
        )

    async def end_others(self, user_id: UUID, session_id: UUID) -> int:
        """Log all browsers of somebody out but one, and return how many."""
        return len(
            await self._rows(
                "DELETE FROM console.sessions WHERE user_id = %s AND id <> %s RETURNING id", user_id, session_id
            )
        )

    async def _rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        async with self._pool.connection() as connection:
            given = values[0] if len(values) == 1 and isinstance(values[0], dict) else values
            cursor = await connection.execute(query.encode(), given)
            return await cursor.fetchall()


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
