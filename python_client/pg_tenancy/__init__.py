"""Transactions in a workspace, over psycopg: ``from pg_tenancy import workspace``.

``pg_tenancy.aio`` has the same names for asyncio, ``pg_tenancy.asyncpg`` for the
driver asyncpg. ``pg_tenancy.errors`` has the exceptions, ``pg_tenancy.results`` the
results of calls, and ``pg_tenancy.tools`` the tools for DBAs.
"""

from __future__ import annotations

from pg_tenancy._joining import accept_invitation, peek_invitation, sign_up
from pg_tenancy._psycopg import Workspace, fetch_all, run, workspace
from pg_tenancy._sessions import end_session, start_session, switch_session
from pg_tenancy.errors import TenancyError

__all__ = [
    "TenancyError",
    "Workspace",
    "accept_invitation",
    "end_session",
    "fetch_all",
    "peek_invitation",
    "run",
    "sign_up",
    "start_session",
    "switch_session",
    "workspace",
]
