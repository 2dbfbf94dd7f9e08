"""Guesses at hidden rows, and the plans by which a tenant can ask about them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any
from uuid import UUID

from psycopg import sql

from support.server import Logins, Server
from support.two_tenants import Connection, TwoTenants, two_tenants

__all__ = ["FORCED", "KEYS", "PLANNERS", "PROBES", "TABLES", "choosing", "guesses", "two_tenants_and_a_crowd"]

TABLES = (
    "public.users",
    "public.organizations",
    "public.organization_memberships",
    "tenancy.workspaces",
    "tenancy.audit_log",
    "tenancy.invitations",
)

# The column with the workspace, if it is not the id.
KEYS = {
    "public.organization_memberships": "organization_id",
    "tenancy.audit_log": "workspace_id",
    "tenancy.invitations": "organization_id",
}

PLANNERS = {
    "as it is": (),
    "index scans only": ("enable_seqscan", "enable_bitmapscan"),
    "no index-only scans": ("enable_seqscan", "enable_bitmapscan", "enable_indexonlyscan"),
    "bitmap scans only": ("enable_seqscan", "enable_indexscan", "enable_indexonlyscan"),
    "sequential scans only": ("enable_indexscan", "enable_indexonlyscan", "enable_bitmapscan"),
}

# By default the planner chooses by the statistics of all tenants, so the kind of plan reveals that
# a very large tenant exists. But no plan must reveal which rows it finds.
FORCED = tuple(PLANNERS)[1:]

# A tenant's queries about a guess. %(guess)s is an id, %(text)s a text.
PROBES = {
    "public.users": ("id = %(guess)s", "id BETWEEN %(guess)s AND %(guess)s", "email = %(text)s", "username = %(text)s"),
    "public.organizations": (
        "id = %(guess)s",
        "slug = %(text)s",
        "lower(slug) = %(text)s",
        "name = %(text)s",
        "created_by_user_id = %(guess)s",
    ),
    "public.organization_memberships": (
        "organization_id = %(guess)s",
        "user_id = %(guess)s",
        "user_id BETWEEN %(guess)s AND %(guess)s",
        "user_id = %(guess)s AND role = 'owner'",
    ),
    "tenancy.workspaces": (
        "id = %(guess)s",
        "user_id = %(guess)s",
        "organization_id = %(guess)s",
        "organization_id BETWEEN %(guess)s AND %(guess)s",
    ),
    "tenancy.audit_log": (
        "workspace_id = %(guess)s",
        "id = %(guess)s",
        "object_id = %(text)s",
        "user_id = %(guess)s",
    ),
    "tenancy.invitations": (
        "organization_id = %(guess)s",
        "id = %(guess)s",
        "invited_by_user_id = %(guess)s",
        "email = %(text)s",
        "lower(email) = %(text)s",
        "lower(email) = %(text)s AND accepted_at IS NULL AND revoked_at IS NULL AND lapsed_at IS NULL",
    ),
}


@contextmanager
def two_tenants_and_a_crowd(server: Server, template: str, logins: Logins) -> Iterator[TwoTenants]:
    """Create two tenants, the other one with enough rows for the planner to prefer an index."""
    with two_tenants(server, template, logins) as tenants:
        with tenants.admin() as admin:
            admin.execute(
                "WITH many AS (INSERT INTO public.users (email) SELECT 'user' || n || '@example.com'"
                " FROM generate_series(1, 1000) AS n RETURNING id)"
                " INSERT INTO public.organization_memberships (organization_id, user_id, role)"
                " SELECT %s, id, 'user' FROM many",
                [tenants.globex.id],
            )
            admin.execute("ANALYZE")
        yield tenants


@contextmanager
def choosing(connection: Connection, planner: str) -> Iterator[None]:
    """Make the planner choose like an attacker."""
    with connection.transaction():
        # The estimated cost of disabled methods would make PostgreSQL compile each query.
        connection.execute("SET LOCAL jit = off")
        for setting in PLANNERS[planner]:
            connection.execute(sql.SQL("SET LOCAL {} = off").format(sql.Identifier(setting)))
        yield
        for setting in PLANNERS[planner]:
            connection.execute(sql.SQL("SET LOCAL {} = on").format(sql.Identifier(setting)))


@cache
def guesses(tenants: TwoTenants, table: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return guesses that hit a hidden row of a table, each with a similar one that hits none."""
    with tenants.admin() as admin:
        entry, about = admin.execute(
            "SELECT id, object_id FROM tenancy.audit_log WHERE workspace_id = %s LIMIT 1", [tenants.globex.id]
        ).fetchone() or (None, None)
    hits: dict[str, list[tuple[Any, str]]] = {
        "public.users": [(tenants.outsider.id, tenants.outsider.email), (tenants.person.id, tenants.person.username)],
        "public.organizations": [(tenants.globex.id, "globex"), (tenants.outsider.id, "Globex")],
        "public.organization_memberships": [(tenants.globex.id, ""), (tenants.outsider.id, "")],
        "tenancy.workspaces": [(tenants.globex.id, ""), (tenants.outsider.id, "")],
        "tenancy.audit_log": [(tenants.globex.id, str(about)), (entry, str(tenants.outsider.id))],
        "tenancy.invitations": [
            (tenants.rows["other"]["invitation"], "invited-by-globex@example.com"),
            (tenants.outsider.id, ""),
            (tenants.globex.id, ""),
        ],
    }
    return [
        # The nearest id: estimates depend on the value, whether or not a row has it.
        ({"guess": guess, "text": text}, {"guess": UUID(int=guess.int ^ 1), "text": text + "-"})
        for guess, text in hits[table]
    ]
