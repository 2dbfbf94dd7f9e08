"""Transactions in a workspace, over psycopg: ``from pg_tenancy import workspace``.

``pg_tenancy.aio`` has the same names for asyncio, ``pg_tenancy.asyncpg`` for the
driver asyncpg. ``pg_tenancy.errors`` has the exceptions, ``pg_tenancy.results`` the
results of calls, and ``pg_tenancy.tools`` the tools for DBAs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING as _TYPE_CHECKING

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

if _TYPE_CHECKING:
    from pg_tenancy._joining import accept_invitation, peek_invitation, sign_up
    from pg_tenancy._psycopg import Workspace, fetch_all, run, workspace
    from pg_tenancy._sessions import end_session, start_session, switch_session
    from pg_tenancy.errors import TenancyError
else:
    # Imported at their first use, because loading the client and its driver takes most of the time of
    # `pg-tenancy --help`, and other drivers' applications need neither.
    _MODULES = {
        "_joining": ("accept_invitation", "peek_invitation", "sign_up"),
        "_psycopg": ("Workspace", "fetch_all", "run", "workspace"),
        "_sessions": ("end_session", "start_session", "switch_session"),
        "errors": ("TenancyError", "errors"),
        "results": ("results",),
    }

    def __getattr__(name: str) -> object:
        from importlib import import_module

        for module, names in _MODULES.items():
            if name in names:
                home = import_module(f"{__name__}.{module}")
                return globals().setdefault(name, home if name == module else getattr(home, name))
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
