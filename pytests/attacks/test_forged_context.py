"""Attacks on the session context: set by hand."""

# ruff: noqa: S608  (a block is a transaction; the statements are the attacks)

from __future__ import annotations

from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from support.contexts import VARIABLES, context, names, of_globex, set_context
from support.two_tenants import TwoTenants, refused

TABLES = (
    "public.users",
    "public.organizations",
    "public.organization_memberships",
    "tenancy.workspaces",
    "tenancy.audit_log",
    "tenancy.role_permissions",
    "tenancy.role_delegations",
    "tenancy.invitations",
)
READERS = (
    "current_user_id()",
    "current_organization_id()",
    "current_workspace_id()",
    "current_role()",
    "current_workspace()",
    "workspace_for('members.view')",
    "has_permission('members.view')",
    "my_permissions()",
    "my_organizations()",
    "members()",
    "invitations()",
    "invite_member('new@example.com')",
    "revoke_invitation('00000000-0000-0000-0000-000000000000')",
    "badge('00000000-0000-0000-0000-000000000000')",
    "require_permission('members.view')",
    "create_organization('Mine')",
    "update_organization(name => 'Mine')",
    "delete_organization()",
    "leave_organization()",
    "remove_member('00000000-0000-0000-0000-000000000000')",
    "change_member_role('00000000-0000-0000-0000-000000000000', 'owner')",
)


@pytest.mark.parametrize("way", ["SET", "SET LOCAL", "set_config", "UPDATE pg_settings"])
def test_a_context_set_by_hand_opens_no_table(tenants: TwoTenants, login: str, way: str) -> None:
    with tenants.session(login) as connection:
        for name, value in of_globex(tenants).items():
            if way == "set_config":
                connection.execute("SELECT set_config(%s, %s, true)", [f"tenancy.{name}", value])
            elif way == "UPDATE pg_settings":
                # The view lists a variable once it has a value.
                connection.execute("SELECT set_config(%s, '-', true)", [f"tenancy.{name}"])
                connection.execute("UPDATE pg_settings SET setting = %s WHERE name = %s", [value, f"tenancy.{name}"])
            else:
                connection.execute(
                    sql.SQL("{} tenancy.{} = {}").format(sql.SQL(way), sql.Identifier(name), sql.Literal(value))
                )
        for table in TABLES:
            with refused("28000", "invalid_context"), connection.transaction():
                connection.execute(f"SELECT count(*) FROM {table}")


@pytest.mark.parametrize("reader", READERS)
def test_no_function_answers_without_a_context_or_to_a_forged_one(tenants: TwoTenants, login: str, reader: str) -> None:
    with tenants.session(login) as connection:
        with refused("28000", "no_context"), connection.transaction():
            connection.execute(f"SELECT tenancy.{reader}")
        set_context(connection, of_globex(tenants))
        with refused("28000", "invalid_context"), connection.transaction():
            connection.execute(f"SELECT tenancy.{reader}")


@pytest.mark.parametrize("variable", VARIABLES)
def test_changing_one_variable_breaks_the_seal(tenants: TwoTenants, login: str, variable: str) -> None:
    with tenants.entered(tenants.members["user"], tenants.acme, login) as connection:
        before = context(connection)
        for value in (of_globex(tenants)[variable], "", None, "/", "'; SELECT 1", "é", "owner", "0" * 10_000):
            connection.execute("SELECT set_config(%s, %s, true)", [f"tenancy.{variable}", value])
            with refused("28000", "invalid_context"), connection.transaction():
                names(connection)
            # Putting it back is no forgery.
            set_context(connection, before)
            assert names(connection) == ["Acme"]


def test_no_other_split_of_the_sealed_values_has_the_same_seal(tenants: TwoTenants, login: str) -> None:
    with tenants.entered(tenants.members["user"], tenants.acme, login) as connection:
        before = context(connection)
        user, organization, role = (before[name] for name in VARIABLES[:3])
        forgeries = [
            (f"{user}/{organization}", role, ""),
            (f"{user}/{organization}", "", role),
            (user, f"{organization}/{role}", ""),
            (user, "", f"{organization}/{role}"),
            ("", f"{user}/{organization}", role),
            ("", user, f"{organization}/{role}"),
            (f"{user}/{organization}/{role}", "", ""),
            ("", "", f"{user}/{organization}/{role}"),
            (organization, user, role),
            (user, user, role),
            (user, "", role),
            (user, "", ""),
            (user.upper(), organization, role),
            ("{" + user + "}", organization, role),
            (user, organization, role + " "),
            (user, organization, "owner"),
        ]
        for forgery in forgeries:
            set_context(connection, dict(zip(VARIABLES, forgery, strict=False)))
            with refused("28000", "invalid_context"), connection.transaction():
                names(connection)


def test_a_personal_seal_opens_no_organization(tenants: TwoTenants, login: str) -> None:
    with tenants.entered(tenants.members["user"], None, login) as connection:
        connection.execute("SELECT set_config('tenancy.current_organization_id', %s, true)", [str(tenants.acme.id)])
        with refused("28000", "invalid_context"):
            names(connection)


def test_a_person_cannot_make_themselves_platform_staff(tenants: TwoTenants, login: str) -> None:
    with tenants.entered(tenants.person, None, login) as connection:
        connection.execute("SELECT set_config('tenancy.current_role', 'staff', true)")
        with refused("28000", "invalid_context"):
            connection.execute("SELECT id FROM public.users")


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER ROLE CURRENT_USER SET tenancy.current_organization_id = '{organization}'",
        "ALTER ROLE CURRENT_USER SET tenancy.seal = 'x'",
        "ALTER DATABASE {database} SET tenancy.current_organization_id = '{organization}'",
        "ALTER SYSTEM SET tenancy.current_organization_id = '{organization}'",
    ],
)
def test_the_application_cannot_make_a_context_its_default(tenants: TwoTenants, login: str, statement: str) -> None:
    with tenants.session(login, autocommit=True) as connection, pytest.raises(psycopg.Error) as raised:
        connection.execute(statement.format(organization=tenants.globex.id, database=tenants.database.name))
    assert raised.value.sqlstate == "42501"


@pytest.mark.parametrize("way", ["ALTER ROLE", "connection options", "SET of the session"])
def test_a_context_that_is_the_sessions_default_is_refused_and_does_no_harm(
    tenants: TwoTenants, login: str, way: str
) -> None:
    forged = of_globex(tenants)
    role, here = sql.Identifier(login), sql.Identifier(tenants.database.name)
    options = ""
    with tenants.admin() as admin:
        if way == "ALTER ROLE":
            for name, value in forged.items():
                admin.execute(
                    sql.SQL("ALTER ROLE {} IN DATABASE {} SET tenancy.{} = {}").format(
                        role, here, sql.Identifier(name), sql.Literal(value)
                    )
                )
        elif way == "connection options":
            options = " ".join(f"-ctenancy.{name}={value}" for name, value in forged.items())
        try:
            with psycopg.connect(tenants.database.dsn(login), options=options) as connection:
                if way == "SET of the session":
                    set_context(connection, forged, local=False)
                    connection.commit()
                with refused("28000", "invalid_context"), connection.transaction():
                    names(connection)
                tenants.enter(connection, tenants.members["user"], tenants.acme)
                assert names(connection) == ["Acme"]
                connection.commit()
                # What comes back after the transaction is the forgery, and no workspace.
                with refused("28000", "invalid_context"):
                    names(connection)
        finally:
            admin.execute(sql.SQL("ALTER ROLE {} IN DATABASE {} RESET ALL").format(role, here))


def test_a_functions_own_setting_is_no_context(tenants: TwoTenants, login: str) -> None:
    with tenants.admin() as admin, tenants.entered(login=login) as connection:
        name = sql.Identifier("public", f"look_{uuid4().hex}")
        admin.execute(
            sql.SQL(
                "CREATE FUNCTION {}() RETURNS text LANGUAGE plpgsql SET tenancy.current_organization_id = {}"
                " AS $$ BEGIN RETURN (SELECT name FROM public.organizations); END; $$"
            ).format(name, sql.Literal(str(tenants.globex.id)))
        )
        with refused("28000", "invalid_context"), connection.transaction():
            connection.execute(sql.SQL("SELECT {}()").format(name))
        assert names(connection) == ["Acme"]
