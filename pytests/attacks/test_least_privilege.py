"""The application roles' ownership, privileges and policies leave holes in PostgreSQL itself nothing to exploit.

Each rule is a query over the catalogs that finds violations. It finds none in the deployed database, and finds
the one that the test then creates.
"""

# ruff: noqa: S608  (the statements are the test's own)

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from support.access_matrix import MONEY, OFFERINGS
from support.server import Logins, Server
from support.two_tenants import TwoTenants, two_tenants

Connection = psycopg.Connection[tuple[Any, ...]]

ENTERING = ("tenancy_app", "tenancy_credentialed")
ROLES = (*ENTERING, "tenancy_service", "tenancy_auditor")

# A table, and its columns that show a row's owner.
TABLES = {
    "public.users": "id",
    "public.organizations": "id",
    "public.organization_memberships": "organization_id",
    "public.api_keys": "workspace_id",
    "public.instances": "workspace_id",
    "public.models": "workspace_id",
    "tenancy.workspaces": "id",
    "tenancy.audit_log": "workspace_id",
    "tenancy.invitations": "organization_id",
    **MONEY,
    **OFFERINGS,
    "public.provider_settings": "organization_id",
    "finops.inference_usage": "workspace_id",
    "finops.cost_actual_minute": "workspace_id",
    "tenancy.settings": "workspace_id",
}


def offenders(admin: Connection, query: str, roles: tuple[str, ...]) -> list[tuple[Any, ...]]:
    return admin.execute(query.encode(), {"roles": list(roles)}).fetchall()


# -- a role that owns something can change what protects it -------------------------------

OWNED = """
SELECT d.refobjid::regrole::text, pg_describe_object(d.classid, d.objid, d.objsubid)
FROM pg_shdepend AS d
WHERE d.refclassid = 'pg_authid'::regclass AND d.deptype = 'o'
    AND d.dbid IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
    AND d.refobjid::regrole::text = ANY (%(roles)s)
"""


def test_no_application_role_owns_anything(admin: Connection, logins: Logins) -> None:
    roles = (*ROLES, logins.app, logins.credentialed, logins.service, logins.auditor)
    assert offenders(admin, OWNED, roles) == []
    admin.execute("CREATE TABLE public.found (id uuid)")
    admin.execute("ALTER TABLE public.found OWNER TO tenancy_app")
    assert offenders(admin, OWNED, roles) == [("tenancy_app", "table found")]


# -- a role that is out of a policy ----------------------------------------------------------

RESTRICTIONS = """
SELECT p.polrelid::regclass::text, p.polname::text
FROM pg_policy AS p
WHERE NOT p.polpermissive AND NOT p.polroles @> ARRAY(SELECT r::regrole::oid FROM unnest(%(roles)s::text[]) AS r)
"""
WITHOUT_RESTRICTION = """
SELECT p.polrelid::regclass::text, r.role
FROM pg_policy AS p CROSS JOIN unnest(%(roles)s::text[]) AS r (role)
WHERE p.polpermissive AND r.role::regrole = ANY (p.polroles)
    AND NOT (SELECT c.relrowsecurity AND c.relforcerowsecurity FROM pg_class AS c WHERE c.oid = p.polrelid)
"""


def test_a_restriction_is_of_all_who_enter(admin: Connection) -> None:
    # The group of all of them, with its grants.
    everybody = ("tenancy_credentialed",)
    for role in ENTERING:
        assert admin.execute("SELECT pg_has_role(%s, 'tenancy_credentialed', 'USAGE')", [role]).fetchone() == (True,)
    assert offenders(admin, RESTRICTIONS, everybody) == []
    admin.execute("ALTER POLICY instances_tenant ON public.instances TO tenancy_app")
    assert offenders(admin, RESTRICTIONS, everybody) == [("instances", "instances_tenant")]


def test_every_table_with_a_policy_is_closed_to_whom_no_policy_names(admin: Connection) -> None:
    assert offenders(admin, WITHOUT_RESTRICTION, ROLES) == []
    admin.execute("ALTER TABLE public.models NO FORCE ROW LEVEL SECURITY")
    assert {table for table, _ in offenders(admin, WITHOUT_RESTRICTION, ROLES)} == {"models"}


def _seen(connection: Connection, table: str) -> set[Any]:
    return {value for (value,) in connection.execute(f"SELECT {TABLES[table]} FROM {table}").fetchall()}


def _take_out(admin: Connection, role: str) -> None:
    """Remove a role from all policies; its privileges stay."""
    policies = admin.execute(
        "SELECT polrelid::regclass::text, polname::text,"
        " ARRAY(SELECT r::regrole::text FROM unnest(polroles) AS r WHERE r <> %(role)s::regrole)"
        " FROM pg_policy WHERE %(role)s::regrole = ANY (polroles)",
        {"role": role},
    ).fetchall()
    assert policies
    for table, policy, others in policies:
        admin.execute(
            f"ALTER POLICY {policy} ON {table} TO {', '.join(others)}" if others else f"DROP POLICY {policy} ON {table}"
        )


@pytest.mark.parametrize("role", ROLES[1:])
def test_a_role_that_is_in_no_policy_sees_nothing_and_the_others_what_they_saw(
    server: Server, template: str, logins: Logins, role: str
) -> None:
    login = str(getattr(logins, role.removeprefix("tenancy_")))
    other = logins.service if role in ENTERING else logins.app
    with two_tenants(server, template, logins) as here:

        def seen(login: str) -> dict[str, set[Any]]:
            with here.session(login) as connection:
                if login in (logins.app, logins.credentialed):
                    here.enter(connection, here.acme.owner, here.acme)
                return {table: _seen(connection, table) for table in TABLES}

        before = seen(other)
        with here.admin() as admin:
            _take_out(admin, role)
        # Roles that inherit from the group are included.
        for out in (login, logins.app) if role in ENTERING else (login,):
            assert seen(out) == {table: set() for table in TABLES}
        assert seen(other) == before


def _drop_floors(here: TwoTenants, *commands: str) -> None:
    with here.admin() as admin:
        floors = admin.execute(
            "SELECT polname::text, polrelid::regclass::text FROM pg_policy"
            " WHERE NOT polpermissive AND polcmd::text = ANY (%s)",
            [list(commands)],
        ).fetchall()
        assert len(floors) == len(TABLES) * len(commands)
        for policy, table in floors:
            admin.execute(f"DROP POLICY {policy} ON {table}")


def test_what_is_read_ends_at_the_workspace_without_the_floors_of_writes(
    server: Server, template: str, logins: Logins
) -> None:
    def seen(here: TwoTenants, login: str) -> dict[str, set[Any]]:
        with here.entered(login=login) as connection:
            return {table: _seen(connection, table) for table in TABLES}

    with two_tenants(server, template, logins) as here:
        before = {login: seen(here, login) for login in (logins.app, logins.credentialed)}
        assert all(all(tables.values()) for tables in before.values())
        _drop_floors(here, "a", "w", "d")
        assert {login: seen(here, login) for login in before} == before


def test_what_is_written_ends_at_the_workspace_without_the_floor_of_reading(
    server: Server, template: str, logins: Logins
) -> None:
    columns = {"public.api_keys": "name", "public.instances": "status", "public.models": "name"}
    with two_tenants(server, template, logins) as here:
        with here.admin() as admin:
            # Also tables from which tenants may delete, without a protecting key.
            admin.execute("UPDATE public.instances SET model_id = NULL")
            admin.execute("DELETE FROM public.organization_models")
            admin.execute("SELECT tenancy.define_permission('models.purge', roles => '{owner}')")
            with admin.transaction():
                admin.execute("CALL tenancy_private.revise('public.models')")
                admin.execute("CALL tenancy.allow('public.models', 'DELETE', 'models.purge')")
            rows: dict[str, dict[bool, int]] = {
                table: dict(
                    admin.execute(
                        f"SELECT workspace_id = %s, count(*) FROM {table} GROUP BY 1", [here.acme.id]
                    ).fetchall()
                )
                for table in columns
            }
        assert all(counts[True] and counts[False] for counts in rows.values())
        _drop_floors(here, "r")
        for login in (logins.app, logins.credentialed):
            for table, column in columns.items():
                with here.entered(login=login) as connection:
                    assert len(_seen(connection, table)) > 1
                    for condition in ("", " WHERE workspace_id IS NOT NULL"):
                        done = connection.execute(f"UPDATE {table} SET {column} = {column}{condition}")
                        assert done.rowcount == rows[table][True], (table, condition)
            with here.entered(login=login) as connection:
                assert connection.execute("DELETE FROM public.models").rowcount == rows["public.models"][True]


# -- a row that is written meets one that is hidden ---------------------------------------------

VIEWS = """
SELECT r.role, c.oid::regclass::text
FROM pg_class AS c CROSS JOIN unnest(%(roles)s::text[]) AS r (role)
WHERE (c.relkind IN ('v', 'm', 'f') OR c.relhasrules) AND c.relnamespace::regnamespace::text <> 'information_schema'
    AND (
        c.relnamespace <> 'pg_catalog'::regnamespace
        AND has_any_column_privilege(r.role, c.oid, 'SELECT, INSERT, UPDATE, REFERENCES')
        OR has_table_privilege(r.role, c.oid, 'DELETE, TRUNCATE, TRIGGER')
    )
"""
# A unique key with only columns that the role may write could reveal a hidden row's value. A key of one
# random id reveals it only to those who know the id.
KEYS_TO_MEET = """
SELECT r.role, i.indexrelid::regclass::text
FROM pg_index AS i
INNER JOIN pg_class AS c ON i.indrelid = c.oid AND c.relrowsecurity
CROSS JOIN unnest(%(roles)s::text[]) AS r (role)
WHERE (i.indisunique OR i.indisexclusion)
    AND has_any_column_privilege(r.role, c.oid, 'INSERT')
    AND NOT EXISTS (
        SELECT FROM pg_attribute AS a
        WHERE a.attrelid = c.oid
            AND a.attnum = ANY ((i.indkey::smallint[])[0:i.indnkeyatts - 1])
            AND NOT has_column_privilege(r.role, c.oid, a.attnum, 'INSERT')
    )
    AND NOT (i.indisprimary AND i.indnkeyatts = 1 AND EXISTS (
        SELECT FROM pg_attribute AS a
        WHERE a.attrelid = c.oid AND a.attnum = i.indkey[0] AND a.atttypid = 'uuid'::regtype
    ))
ORDER BY 1, 2
"""


def test_no_application_role_writes_or_reads_through_a_view(admin: Connection) -> None:
    assert offenders(admin, VIEWS, ENTERING) == []
    admin.execute("CREATE VIEW public.found AS SELECT id FROM public.models")
    admin.execute("GRANT INSERT ON public.found TO tenancy_app")
    assert offenders(admin, VIEWS, ENTERING) == [("tenancy_app", "found")]


def test_no_unique_key_can_be_written_whole_by_whoever_enters(admin: Connection) -> None:
    # So a new row can conflict only with rows of its own workspace.
    assert offenders(admin, KEYS_TO_MEET, ENTERING) == []
    admin.execute("ALTER TABLE public.models ADD CONSTRAINT one_name UNIQUE (name)")
    assert offenders(admin, KEYS_TO_MEET, ENTERING) == [(role, "one_name") for role in ENTERING]


# -- a comparison of one's own, which would run before the policy's ------------------------------

PLACES = """
SELECT r.role, n.nspname::text
FROM pg_namespace AS n CROSS JOIN unnest(%(roles)s::text[]) AS r (role)
WHERE has_schema_privilege(r.role, n.oid, 'CREATE')
UNION ALL
SELECT r.role, 'the database'
FROM unnest(%(roles)s::text[]) AS r (role)
WHERE has_database_privilege(r.role, current_database(), 'CREATE, TEMPORARY')
ORDER BY 1, 2
"""
COMPARISONS = """
SELECT o.oid::regoperator::text FROM pg_operator AS o WHERE o.oid >= 16384
UNION ALL
SELECT pg_describe_object('pg_cast'::regclass, c.oid, 0) FROM pg_cast AS c WHERE c.oid >= 16384
UNION ALL
SELECT pg_describe_object('pg_opclass'::regclass, c.oid, 0) FROM pg_opclass AS c WHERE c.oid >= 16384
UNION ALL
SELECT p.oid::regprocedure::text FROM pg_proc AS p WHERE p.oid >= 16384 AND p.proleakproof
"""


def test_logins_that_enter_can_create_nothing(admin: Connection, logins: Logins) -> None:
    roles = (*ENTERING, logins.app, logins.credentialed)
    assert offenders(admin, PLACES, roles) == []
    admin.execute("GRANT CREATE ON SCHEMA tenancy TO tenancy_credentialed")
    assert offenders(admin, PLACES, ENTERING) == [("tenancy_app", "tenancy"), ("tenancy_credentialed", "tenancy")]


def test_the_deploy_adds_no_operators(admin: Connection) -> None:
    assert offenders(admin, COMPARISONS, ()) == []
    admin.execute("CREATE OPERATOR public.### (LEFTARG = integer, RIGHTARG = integer, FUNCTION = int4eq)")
    assert offenders(admin, COMPARISONS, ()) == [("###(integer,integer)",)]
