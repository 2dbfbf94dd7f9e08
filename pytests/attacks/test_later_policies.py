"""Later policies and grants can permit more within a workspace, but never rows of other tenants."""

# ruff: noqa: S608  (the statements are the attacks, and their ids are the test's own)

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest

from support.access_matrix import MONEY, OFFERINGS
from support.contexts import of_globex, set_context
from support.own_tables import make_own_tables
from support.server import Logins, Server
from support.two_tenants import Connection, TwoTenants, refused, two_tenants

# Tables that nobody changes.
APPEND_ONLY = {
    "tenancy.transfers",
    "tenancy.ledger_entries",
    "tenancy.credit_grant_uses",
    "tenancy.ledger_checkpoints",
}
# A table, and the column that holds a row's owner.
TABLES = {
    "public.organizations": "id",
    "public.organization_memberships": "organization_id",
    "public.api_keys": "workspace_id",
    "public.instances": "workspace_id",
    "public.models": "workspace_id",
    "public.projects": "workspace_id",
    "public.tasks": "workspace_id",
    "public.notes": "workspace_id",
    "public.colors": "workspace_id",
    "tenancy.workspaces": "id",
    "tenancy.invitations": "organization_id",
    "tenancy.audit_log": "workspace_id",
    **{table: key for table, key in MONEY.items() if table not in APPEND_ONLY},
    **OFFERINGS,
    "public.provider_settings": "organization_id",
    "finops.inference_usage": "workspace_id",
    "finops.cost_actual_minute": "workspace_id",
    "tenancy.settings": "workspace_id",
}
CATALOGUES = ("public.models", "public.colors")
PLATFORM = UUID(int=0)


@pytest.fixture(scope="module", params=["tenancy_credentialed", "tenancy_app", "PUBLIC"])
def tenants(request: pytest.FixtureRequest, server: Server, template: str, logins: Logins) -> Iterator[TwoTenants]:
    with two_tenants(server, template, logins) as tenants:
        make_own_tables(tenants)
        with tenants.admin() as admin:
            for table in (*TABLES, "public.users"):
                admin.execute(
                    f"CREATE POLICY later ON {table} TO {request.param} USING (true) WITH CHECK (true)".encode()
                )
                admin.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {request.param}".encode())
        yield tenants


@pytest.fixture
def login(tenants: TwoTenants) -> str:
    """Return a login to which all policies apply."""
    return tenants.logins.app


def seen(connection: Connection, table: str, column: str) -> set[Any]:
    return {value for (value,) in connection.execute(f"SELECT {column} FROM {table}".encode()).fetchall()}


@pytest.mark.parametrize("where", ["an organization", "a personal workspace", "an API key's", "the platform's"])
def test_a_permissive_policy_shows_no_row_of_another_workspace(tenants: TwoTenants, login: str, where: str) -> None:
    with tenants.session(login) as connection:
        workspace = tenants.acme.id
        if where == "an organization":
            tenants.enter(connection, tenants.members["user"], tenants.acme)
        elif where == "a personal workspace":
            tenants.enter(connection, tenants.person)
            workspace = tenants.person.id
        elif where == "an API key's":
            connection.execute("SELECT tenancy.enter_with_api_key(%s)", [tenants.api_keys["organization"]])
        else:
            connection.execute("SELECT tenancy.enter_platform(%s)", [tenants.staff.id])
            workspace = PLATFORM
        for table, column in TABLES.items():
            allowed = {workspace, PLATFORM} if table in CATALOGUES else {workspace}
            assert seen(connection, table, column) <= allowed, table
        people = seen(connection, "public.users", "id")
        if where != "the platform's":
            members = {user.id for user in tenants.members.values()}
            assert people == ({tenants.person.id} if where == "a personal workspace" else members)


def test_a_permissive_policy_shows_no_private_note(tenants: TwoTenants, login: str) -> None:
    with tenants.entered(tenants.members["user"], tenants.acme, login) as connection:
        assert seen(connection, "public.notes", "body") == {"shared, own"}


@pytest.mark.parametrize("table", TABLES)
def test_a_permissive_policy_writes_no_row_of_another_workspace(tenants: TwoTenants, login: str, table: str) -> None:
    column = TABLES[table]
    others = f"SELECT to_jsonb(t) FROM {table} AS t WHERE {column} <> %s ORDER BY t::text"
    with tenants.admin() as admin:
        before = admin.execute(others.encode(), [tenants.acme.id]).fetchall()
        assert before
    with tenants.database.connect() as connection:
        connection.execute("SET ROLE tenancy_app")
        connection.execute("SELECT tenancy.enter(%s, %s)", [tenants.acme.owner.id, tenants.acme.id])
        for statement in (
            f"DELETE FROM {table}",
            f"DELETE FROM {table} WHERE {column} <> '{tenants.acme.id}'",
            f"UPDATE {table} SET {column} = '{tenants.acme.id}'",
            f"UPDATE {table} SET {column} = '{tenants.acme.id}' WHERE {column} = '{tenants.globex.id}'",
            f"UPDATE {table} SET {column} = '{tenants.globex.id}'",
            f"UPDATE {table} SET {column} = '{tenants.globex.id}' WHERE {column} = '{tenants.acme.id}'"
            f" RETURNING {column}",
            f"INSERT INTO {table} SELECT * FROM {table}",
            f"INSERT INTO {table} ({column}) VALUES ('{tenants.globex.id}')",
            f"INSERT INTO {table} ({column}) VALUES ('{PLATFORM}')",
            f"MERGE INTO {table} AS t USING (VALUES ('{tenants.globex.id}'::uuid)) AS v (k) ON t.{column} = v.k"
            f" WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT ({column}) VALUES (v.k)",
            f"MERGE INTO {table} AS t USING (VALUES (1)) AS v (k) ON true"
            f" WHEN MATCHED THEN UPDATE SET {column} = '{tenants.globex.id}'",
        ):
            try:
                with connection.transaction():
                    connection.execute(statement.encode())
            except psycopg.Error as error:
                # Something other than the policy may refuse the row.
                if error.sqlstate not in {"42501", "23502", "23503", "23505", "23514", "2F002", "55000", "42809"}:
                    raise
            connection.execute("RESET ROLE")
            after = connection.execute(others.encode(), [tenants.acme.id]).fetchall()
            assert after == before, statement
            connection.execute("SET ROLE tenancy_app")
        connection.rollback()


@pytest.mark.parametrize("table", [*TABLES, "public.users"])
def test_a_permissive_policy_takes_no_gate_away(tenants: TwoTenants, login: str, table: str) -> None:
    column = TABLES.get(table, "id")
    with tenants.session(login) as connection:
        for constraint in ("no_context", "invalid_context"):
            if constraint == "invalid_context":
                set_context(connection, of_globex(tenants))
            for statement in (
                f"SELECT {column} FROM {table}",
                f"SELECT {column} FROM {table} WHERE {column} = gen_random_uuid()",
                f"SELECT v.n, {column} FROM (VALUES (1)) AS v (n) LEFT JOIN {table} ON {column} = gen_random_uuid()",
                f"DELETE FROM {table}",
                f"DELETE FROM {table} WHERE {column} = gen_random_uuid()",
                f"UPDATE {table} SET {column} = {column}",
                f"INSERT INTO {table} ({column}) VALUES ('{tenants.globex.id}')",
            ):
                if table == "tenancy.audit_log" and not statement.startswith(("SELECT", "INSERT")):
                    continue  # its own trigger refuses these first
                with refused("28000", constraint), connection.transaction():
                    connection.execute(statement.encode())
