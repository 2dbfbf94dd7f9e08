"""The database for plays, and queries that show all of it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import psycopg

from support.database import Database
from support.server import Logins
from support.two_tenants import Key as TicketKey

__all__ = ["Stage"]

# The tables and columns that the model knows.
_TABLES = {
    "users": ("public.users", "id, email, username, role"),
    "organizations": ("public.organizations", "id, name, slug, created_by_user_id"),
    "memberships": ("public.organization_memberships", "organization_id, user_id, role"),
    "invitations": (
        "tenancy.invitations",
        "id, organization_id, email, role, invited_by_user_id, accepted_by_user_id, CASE"
        " WHEN accepted_at IS NOT NULL THEN 'accepted' WHEN revoked_at IS NOT NULL THEN 'revoked'"
        " WHEN lapsed_at IS NOT NULL THEN 'lapsed' ELSE 'open' END",
    ),
    "models": ("public.models", "id, workspace_id, name, model_id"),
    "instances": ("public.instances", "id, workspace_id, model_id, status, gpu_profile"),
    "notes": ("public.notes", "id, workspace_id, instance_id, text"),
    "api_keys": ("public.api_keys", "id, workspace_id, user_id, name, revoked_at IS NOT NULL"),
}

# A table of the application.
_NOTES = """
CREATE TABLE public.notes (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    instance_id uuid NOT NULL REFERENCES public.instances (id) ON DELETE CASCADE,
    text text
);
CREATE UNIQUE INDEX instances_workspace_id_id_key ON public.instances (workspace_id, id);
CALL tenancy.protect('public.notes', parent => 'instance_id');
CALL tenancy.allow('public.notes', 'SELECT', 'instances.view', columns => 'id, instance_id, text');
CALL tenancy.allow('public.notes', 'INSERT', 'instances.create', columns => 'instance_id, text');
CALL tenancy.allow('public.notes', 'UPDATE', 'instances.update', columns => 'instance_id, text');
CALL tenancy.allow('public.notes', 'DELETE', 'instances.terminate');
"""


def _rows(source: str, columns: str) -> str:
    return f"(SELECT jsonb_agg(jsonb_build_array({columns})) FROM {source})"  # noqa: S608


def _object(parts: dict[str, str]) -> str:
    return f"jsonb_build_object({', '.join(f'{name!r}, {part}' for name, part in parts.items())})"


# The lists that functions return; three of them raise if the actor may not see them.
_LISTS = {
    "context": "jsonb_build_array(jsonb_build_array("
    "tenancy.current_user_id(), tenancy.current_workspace_id(), tenancy.current_role()))",
    "permissions": _rows("tenancy.my_permissions() AS p", "p"),
    "workspaces": _rows("tenancy.workspaces", "id, kind, organization_id"),
    "members": "CASE WHEN tenancy.current_organization_id() IS NOT NULL THEN "
    + _rows("tenancy.members()", "user_id, role")
    + " END",
    "member": "CASE WHEN tenancy.current_organization_id() IS NOT NULL THEN "
    + _rows("unnest($2) AS p CROSS JOIN LATERAL tenancy.member(p) AS m", "m.user_id, m.role")
    + " END",
    "invitation_list": "CASE WHEN tenancy.current_organization_id() IS NOT NULL"
    " AND tenancy.has_permission('members.invite') THEN "
    + _rows("tenancy.invitations()", "id, email, role, status")
    + " END",
    "legacy_instances": "CASE WHEN tenancy.current_workspace_id() = tenancy.current_user_id() THEN "
    + _rows("tenancy.legacy_instances()", "id, model_id, status")
    + " END",
    "all_users": "CASE WHEN split_part(current_setting('tenancy.context'), '_', 2) = 'staff' THEN "
    + _rows("tenancy.all_users()", "user_id, email, username")
    + " END",
    "my_organizations": _rows("tenancy.my_organizations()", "id, name, role"),
    "badges": _rows("unnest($1) AS w WHERE tenancy.badge(w) IS NOT NULL", "w, tenancy.badge(w)"),
}
_SEEN = "PREPARE seen (uuid[], uuid[]) AS SELECT {}, {}, {}".format(
    _object(_LISTS | {name: _rows(*table) for name, table in _TABLES.items()}),
    _object({name: f"(SELECT count(*) FROM {table})" for name, (table, _) in _TABLES.items()}),  # noqa: S608
    "ARRAY(SELECT DISTINCT workspace_id FROM tenancy.audit_log)",
)
_EVERYTHING = "PREPARE everything AS SELECT {}".format(
    _object(
        {name: _rows(*table) for name, table in _TABLES.items()}
        | {"deleted": _rows("tenancy.workspaces WHERE deleted_at IS NOT NULL", "id")}
    )
)


class Stage:
    """The connections to one database, kept for many plays.

    Args:
        database: one with the whole plan deployed; all of its rows are deleted.
        logins: the run's.

    """

    def __init__(self, database: Database, logins: Logins) -> None:
        self._database = database
        self._logins = logins
        self._connections: dict[str, psycopg.Connection[tuple[Any, ...]]] = {}

    def connection(self, login: str) -> psycopg.Connection[tuple[Any, ...]]:
        """Return a login's connection, opened at its first use.

        Args:
            login: app, credentialed, service, old, or admin, who is the superuser.

        """
        if login not in self._connections:
            self._connections[login] = connection = psycopg.connect(
                self._database.dsn(getattr(self._logins, login, None)),
                autocommit=True,
                cursor_factory=psycopg.ClientCursor,
            )
            if login == "admin":
                connection.execute(_NOTES)
                connection.execute(_EVERYTHING)
            elif login in {"app", "credentialed"}:
                connection.execute("SET plan_cache_mode = force_generic_plan")
                connection.execute(_SEEN)
        return self._connections[login]

    @property
    def admin(self) -> psycopg.Connection[tuple[Any, ...]]:
        """The superuser's connection."""
        return self.connection("admin")

    @cached_property
    def tickets(self) -> TicketKey:
        """The key that signs tickets."""
        return TicketKey(*self.admin.execute("SELECT * FROM tenancy.create_ticket_key()").fetchone() or ())

    def close(self) -> None:
        """Close the connections."""
        for connection in self._connections.values():
            connection.close()

    def run(self, login: str, *statements: tuple[str, Sequence[Any]]) -> tuple[list[tuple[Any, ...]] | None, int]:
        """Run a transaction in one message; return the rows, or their number, of its last statement."""
        connection = self.connection(login)
        text = "; ".join(["BEGIN", *(statement for statement, _ in statements), "COMMIT"])
        try:
            cursor = connection.execute(text.encode(), [value for _, values in statements for value in values])
        except psycopg.Error:
            connection.execute("ROLLBACK")
            raise
        for _ in statements:
            cursor.nextset()
        return (cursor.fetchall() if cursor.description else None), cursor.rowcount
