"""A console for pg-tenancy in the browser: workspaces, members, keys, instances, settings, costs.

It is an example that works: an application mounts it, runs it with ``pg-tenancy
console``, or copies from it. It asks the database for every rule.
"""

from __future__ import annotations

from pg_tenancy.console._app import console_app
from pg_tenancy.console._passwords import hash_password, is_password
from pg_tenancy.console._prepare import Prepared, prepare
from pg_tenancy.fastapi.tickets import TicketKey

__all__ = ["Prepared", "TicketKey", "console_app", "hash_password", "is_password", "prepare"]
