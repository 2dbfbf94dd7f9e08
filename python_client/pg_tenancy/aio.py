"""Transactions in a workspace, over psycopg in asyncio.

``from pg_tenancy.aio import workspace``. Errors and results are those of
``pg_tenancy``.
"""

from __future__ import annotations

from pg_tenancy._psycopg_async import Workspace, fetch_all, run, workspace

__all__ = ["Workspace", "fetch_all", "run", "workspace"]
