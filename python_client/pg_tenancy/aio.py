"""Transactions in a workspace, over psycopg with asyncio.

``from pg_tenancy.aio import workspace``. Errors and results are those of
``pg_tenancy``.
"""

from __future__ import annotations

from pg_tenancy._joining_async import accept_invitation, peek_invitation, sign_up
from pg_tenancy._psycopg_async import Workspace, fetch_all, run, workspace
from pg_tenancy._sessions_async import end_session, start_session, switch_session

__all__ = [
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
