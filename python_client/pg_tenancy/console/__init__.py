"""A console for pg-tenancy in the browser: workspaces, members, keys, instances, settings, costs.

A working example: run it with ``pg-tenancy console``, mount it in an application, or copy from
it. The database decides every rule.
"""

from __future__ import annotations

from pg_tenancy.console._app import console_app
from pg_tenancy.console._passwords import hash_password, is_password
from pg_tenancy.console._prepare import Prepared, prepare
from pg_tenancy.fastapi.tickets import TicketKey

__all__ = ["Prepared", "TicketKey", "console_app", "hash_password", "is_password", "prepare"]
