"""Verify names every way in which a protected table can differ from its contract, at each tag."""

from __future__ import annotations

import os
import subprocess
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from pg_tenancy.tools.sqitch import Sqitch, SqitchError, libpq_environment
from support import replay
from support.access_matrix import MONEY, OFFERINGS
from support.database import Database
from support.replay import Replay
from support.scripts import ScriptError
from support.server import Server

Run = Callable[[Database], Sqitch]

TAGS = [tag for tag in replay.TAGS if tag != "@phase-0"]

# Tables that are readable in a workspace, with the tag that protects each.
PROTECTED = {
    "public.users": 1,
    "public.organizations": 1,
    "public.organization_memberships": 1,
    "tenancy.workspaces": 1,
    "tenancy.permissions": 1,
    "tenancy.role_permissions": 1,
    "tenancy.role_delegations": 1,
    "tenancy.audit_log": 2,
    "tenancy.invitations": 3,
    "public.api_keys": 4,
    "public.instances": 5,
    "tenancy.instance_transitions": 5,
    "public.models": 6,
    "finops.inference_usage": 9,
    "finops.cost_actual_minute": 9,
    "tenancy.modules": 10,
    "tenancy.settings": 8,
    "tenancy.settings_definitions": 8,
    "public.provider_settings": 8,
    **dict.fromkeys(sorted([*MONEY, *OFFERINGS]), 12),
}

# For one table: the damage, its statement, and the beginning of the message.
DAMAGES = """
SELECT d.what, d.statement, d.complaint
FROM (SELECT %(table)s::regclass AS oid, %(table)s AS name) AS t
CROSS JOIN LATERAL (
    SELECT 'row-level security disabled', format('ALTER TABLE %%s DISABLE ROW LEVEL SECURITY', t.name),
        'row-level security is'
    UNION ALL
    SELECT 'row-level security not forced', format('ALTER TABLE %%s NO FORCE ROW LEVEL SECURITY', t.name),
        'row-level security is'
    FROM pg_class AS c WHERE c.oid = t.oid AND c.relforcerowsecurity
    UNION ALL
    SELECT 'another policy', format('CREATE POLICY further ON %%s USING (true)', t.name), 'policy further is'
    UNION ALL
    SELECT p.polname || ': ' || x.what, format(x.statement, p.polname, t.name, r.others), 'policy ' || p.polname || ' '
    FROM pg_policy AS p
    CROSS JOIN LATERAL (
        SELECT string_agg(o.rolname, ', ') AS others
        FROM pg_roles AS o
        WHERE o.rolname IN ('tenancy_app', 'tenancy_service', 'tenancy_auditor') AND NOT o.oid = ANY(p.polroles)
    ) AS r
    CROSS JOIN LATERAL (VALUES
        ('dropped', 'DROP POLICY %%I ON %%s', true),
        ('USING (true)', 'ALTER POLICY %%I ON %%s USING (true)',
            p.polqual IS NOT NULL AND pg_get_expr(p.polqual, p.polrelid) <> 'true'),
        ('WITH CHECK (true)', 'ALTER POLICY %%I ON %%s WITH CHECK (true)',
            p.polcmd <> 'r' AND p.polcmd <> 'd' AND pg_get_expr(p.polwithcheck, p.polrelid) IS DISTINCT FROM 'true'),
        ('USING (false)', 'ALTER POLICY %%I ON %%s USING (false)', p.polqual IS NOT NULL),
        ('to others, too', 'ALTER POLICY %%1$I ON %%2$s TO tenancy_owner, tenancy_credentialed, %%3$s', true),
        ('to everybody', 'ALTER POLICY %%I ON %%s TO PUBLIC', true),
        ('permissive and true', 'DROP POLICY %%1$I ON %%2$s; CREATE POLICY %%1$I ON %%2$s USING (true)', true),
        ('renamed', 'ALTER POLICY %%1$I ON %%2$s RENAME TO other_%%1$s', true)
    ) AS x (what, statement, applies)
    WHERE p.polrelid = t.oid AND x.applies
    UNION ALL
    SELECT format('%%s %%s', g.name, x.what), x.statement, g.name || ' may '
    FROM unnest(ARRAY['public', 'tenancy_app', 'tenancy_credentialed', 'tenancy_auditor']) AS g (name)
    CROSS JOIN LATERAL (
        SELECT 'may ' || w.privilege, format('GRANT %%s ON %%s TO %%s', w.privilege, t.name, g.name)
        FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER'])
            AS w (privilege)
        WHERE NOT EXISTS (
            SELECT FROM pg_class AS c CROSS JOIN LATERAL aclexplode(c.relacl) AS acl
            WHERE c.oid = t.oid AND acl.grantee = to_regrole(g.name) AND acl.privilege_type = w.privilege
        )
        UNION ALL
        SELECT 'may read the column ' || a.attname,
            format('GRANT SELECT (%%I) ON %%s TO %%s', a.attname, t.name, g.name)
        FROM pg_attribute AS a
        WHERE a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped AND NOT EXISTS (
            SELECT FROM aclexplode(a.attacl) AS acl
            WHERE acl.grantee = to_regrole(g.name) AND acl.privilege_type = 'SELECT'
        )
        UNION ALL
        SELECT 'may no longer ' || acl.privilege_type || coalesce(' ' || acl.column_name, ''),
            format('REVOKE %%s %%s ON %%s FROM %%s', acl.privilege_type, '(' || acl.column_name || ')', t.name, g.name)
        FROM (
            SELECT x.grantee, x.privilege_type, NULL AS column_name
            FROM pg_class AS c CROSS JOIN LATERAL aclexplode(c.relacl) AS x WHERE c.oid = t.oid
            UNION ALL
            SELECT x.grantee, x.privilege_type, quote_ident(a.attname)
            FROM pg_attribute AS a CROSS JOIN LATERAL aclexplode(a.attacl) AS x WHERE a.attrelid = t.oid
        ) AS acl
        WHERE acl.grantee = to_regrole(g.name)
    ) AS x (what, statement)
    UNION ALL
    SELECT g.tgname || ': ' || x.what, format(x.statement, g.tgname, t.name), 'trigger ' || g.tgname || ' '
    FROM pg_trigger AS g
    INNER JOIN pg_proc AS f ON g.tgfoid = f.oid
    CROSS JOIN (VALUES
        ('dropped', 'DROP TRIGGER %%I ON %%s'),
        ('disabled', 'ALTER TABLE %%2$s DISABLE TRIGGER %%1$I'),
        ('for replicas', 'ALTER TABLE %%2$s ENABLE REPLICA TRIGGER %%1$I'),
        ('for another event', 'DROP TRIGGER %%1$I ON %%2$s; CREATE TRIGGER %%1$I BEFORE TRUNCATE ON %%2$s'
            ' FOR EACH STATEMENT EXECUTE FUNCTION tenancy_private.keep_workspaces()')
    ) AS x (what, statement)
    WHERE g.tgrelid = t.oid AND NOT g.tgisinternal
        AND f.pronamespace IN ('tenancy'::regnamespace, 'tenancy_private'::regnamespace)
    UNION ALL
    SELECT g.tgname || ': another body', format(
        'CREATE OR REPLACE FUNCTION %%s RETURNS trigger LANGUAGE plpgsql AS ''BEGIN RETURN new; END''',
        g.tgfoid::regprocedure
    ), 'trigger ' || g.tgname || ' '
    FROM pg_trigger AS g
    WHERE g.tgrelid = t.oid AND g.tgfoid::regprocedure::text ~ '_tenancy_taken'
) AS d (what, statement, complaint)
"""

TABLES = """
SELECT format('%I.%I', n.nspname, c.relname)
FROM pg_class AS c INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
WHERE c.relkind = 'r' AND (c.relrowsecurity OR n.nspname IN ('tenancy', 'tenancy_private'))
ORDER BY 1
"""


def _complaints(connection: psycopg.Connection[Any], *statements: str) -> list[str]:
    """Return verify's messages after some statements, which are rolled back."""
    with connection.transaction(force_rollback=True):
        connection.execute(";".join(statements).encode())
        try:
            connection.execute("CALL tenancy_private.verify_contracts()")
        except psycopg.errors.ObjectNotInPrerequisiteState as error:
            return (error.diag.message_primary or "").splitlines()
    return []


@pytest.mark.parametrize("tag", TAGS)
def test_each_damage_to_a_table_is_named(database_at: Callable[[str], Database], tag: str) -> None:
    with database_at(tag).connect(autocommit=True) as admin:
        tables = [table for (table,) in admin.execute(TABLES).fetchall()]
        assert {table for table in tables if not table.startswith("tenancy_private.")} == {
            table for table, since in PROTECTED.items() if TAGS.index(f"@phase-{since}") <= TAGS.index(tag)
        } | ({"tenancy.audit_log"} if tag == "@phase-1" else set())
        # Damages to different objects are made together: the first of each object, then the second.
        rounds: dict[int, list[tuple[str, str, str]]] = defaultdict(list)
        seen: Counter[tuple[str, str]] = Counter()
        for table in tables:
            for what, statement, complaint in admin.execute(DAMAGES, {"table": table}).fetchall():
                rounds[seen[table, complaint]].append((f"{table}: {what}", statement, f"{table}: {complaint}"))
                seen[table, complaint] += 1
        assert seen.total() > 30 * len(tables)
        unnoticed = []
        for damages in rounds.values():
            complaints = _complaints(admin, *(statement for _, statement, _ in damages))
            unnoticed += [
                what for what, _, wanted in damages if not any(line.startswith(wanted) for line in complaints)
            ]
        assert unnoticed == []
        admin.execute("CALL tenancy_private.verify_contracts()")


def test_the_statements_in_the_detail_restore_the_contracts(database: Database) -> None:
    with database.connect(autocommit=True) as admin:
        before = database.dump()
        for table in ("public.instances", "tenancy.workspaces", "tenancy_private.seal_keys"):
            damages = admin.execute(DAMAGES, {"table": table}).fetchall()
            bodies = [damage for damage in damages if damage[0].endswith(": another body")]
            assert bool(bodies) == (table == "public.instances")
            for _, statement, _ in damages[::3] + bodies:
                admin.execute(statement.encode())
                with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState) as error:
                    admin.execute("CALL tenancy_private.verify_contracts()")
                admin.execute((error.value.diag.message_detail or "").encode())
                admin.execute("CALL tenancy_private.verify_contracts()")
        # Revoked and granted privileges have another order.
        assert _set_of_statements(database.dump()) == _set_of_statements(before)


def _set_of_statements(dump: str) -> list[str]:
    return sorted(line for line in dump.splitlines() if line and not line.startswith("--"))


def test_a_change_made_on_purpose_is_accepted(database: Database) -> None:
    with database.connect(autocommit=True) as admin:
        admin.execute("GRANT SELECT ON public.models TO tenancy_auditor")
        admin.execute("REVOKE UPDATE (gpu_profile) ON public.instances FROM tenancy_credentialed")
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="tenancy_credentialed may"):
            admin.execute("CALL tenancy_private.verify_contracts()")
        admin.execute("CALL tenancy_private.record_contract('public.instances')")
        admin.execute("CALL tenancy_private.record_contract('public.models')")
        admin.execute("CALL tenancy_private.verify_contracts()")


# -- with sqitch, and from the command line ------------------------------------------------

HOLES = {
    "a policy that is always true": "ALTER POLICY instances_select ON public.instances USING (true)",
    "a floor that is permissive": (
        "DROP POLICY instances_tenant ON public.instances;"
        " CREATE POLICY instances_tenant ON public.instances USING (true)"
    ),
    "the application in the service's policy": (
        "ALTER POLICY instances_service ON public.instances TO tenancy_service, tenancy_owner, tenancy_app"
    ),
    "no permission trigger": "DROP TRIGGER instances_tenancy_permission ON public.instances",
}


@pytest.mark.parametrize("hole", HOLES)
def test_sqitch_and_the_command_line_name_a_hole(
    database_at: Callable[[str], Database], sqitch: Run, hole: str
) -> None:
    database = database_at("@phase-5")
    with database.connect(autocommit=True) as admin:
        admin.execute(HOLES[hole].encode())
    # sqitch runs the same scripts as a replay, and takes five times as long.
    tool = sqitch(database) if hole == next(iter(HOLES)) else Replay(database)
    with pytest.raises((SqitchError, ScriptError), match=r"public\.instances: ") as error:
        tool.verify()
    assert isinstance(error.value, SqitchError | ScriptError)
    assert "tables differ from their contracts" in error.value.output


@pytest.mark.parametrize("tag", TAGS[: TAGS.index("@phase-7")])
def test_sqitch_verifies_what_the_plan_reworks_later(
    database_at: Callable[[str], Database], sqitch: Run, tag: str
) -> None:
    database = database_at(tag)
    with database.connect(autocommit=True) as admin:
        admin.execute("ALTER TABLE public.users DISABLE ROW LEVEL SECURITY")
    with pytest.raises(SqitchError, match=r"public\.users: row-level security is disabled, forced, wanted"):
        sqitch(database).run("verify", "--to-change", "kernel/contracts")


def test_damage_before_a_later_phase_is_named_after_it(database_at: Callable[[str], Database], sqitch: Run) -> None:
    database = database_at("@phase-6")
    with database.connect(autocommit=True) as admin:
        admin.execute("DROP TRIGGER users_tenancy_emails_update ON public.users")
        admin.execute("GRANT SELECT ON tenancy.workspaces TO PUBLIC")
    Replay(database).deploy("@phase-7")
    with pytest.raises(SqitchError) as error:
        sqitch(database).verify()
    assert "public.users: trigger users_tenancy_emails_update is missing" in error.value.output
    assert "tenancy.workspaces: public may SELECT, wanted nothing" in error.value.output


# -- copies ---------------------------------------------------------------------------------


@pytest.fixture
def copies(server: Server, database: Database) -> Iterator[dict[str, Database]]:
    """Yield a copy made with TEMPLATE and a restored dump of one database."""
    made = {"TEMPLATE": server.create(database.name), "pg_dump": server.create()}
    dump = subprocess.run(
        [server.program("pg_dump")],
        env={**os.environ, **libpq_environment(database.dsn())},
        check=True,
        capture_output=True,
    ).stdout
    subprocess.run(
        [server.program("psql"), "--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", "--output", os.devnull],
        env={**os.environ, **libpq_environment(made["pg_dump"].dsn())},
        input=dump,
        check=True,
        capture_output=True,
    )
    yield made
    server.drop(*(copy.name for copy in made.values()))


def test_a_copy_is_verified_too(copies: dict[str, Database]) -> None:
    for copy in copies.values():
        with copy.connect(autocommit=True) as admin:
            # Copies lack privileges on the database itself and on PostgreSQL's functions.
            admin.execute("CALL tenancy.harden_database()")
            Replay(copy).verify()
            _, policy, privileges = _complaints(
                admin,
                "ALTER POLICY users_select ON public.users USING (true)",
                "GRANT SELECT ON tenancy_private.seal_keys TO PUBLIC",
            )
            assert policy.startswith("public.users: policy users_select differs")
            assert privileges == "tenancy_private.seal_keys: public may SELECT, wanted nothing"


# -- what others have granted ---------------------------------------------------------------


def test_default_privileges_open_no_table(empty_database: Database) -> None:
    with empty_database.connect(autocommit=True) as admin:
        admin.execute("ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC")
        Replay(empty_database).deploy()
        opened = admin.execute(
            "SELECT c.oid::regclass::text FROM pg_class AS c CROSS JOIN LATERAL aclexplode(c.relacl) AS acl"
            " WHERE c.relnamespace IN ('tenancy'::regnamespace, 'tenancy_private'::regnamespace) AND acl.grantee = 0"
        ).fetchall()
    assert opened == []
    Replay(empty_database).verify()


def test_rights_of_public_are_revoked_and_restored(database_at: Callable[[str], Database]) -> None:
    database = database_at("@phase-4")
    with database.connect(autocommit=True) as admin:
        admin.execute("GRANT SELECT, UPDATE (status, gpu_profile) ON public.instances TO PUBLIC")
        before = database.dump()
        Replay(database).deploy("@phase-5")
        admin.execute("CALL tenancy_private.verify_contracts()")
        assert admin.execute(
            "SELECT has_column_privilege('tenancy_app', 'public.instances', 'status', 'UPDATE'),"
            " EXISTS (SELECT FROM pg_class AS c CROSS JOIN LATERAL aclexplode(c.relacl) AS acl"
            " WHERE c.oid = 'public.instances'::regclass AND acl.grantee = 0)"
        ).fetchone() == (True, False)
        Replay(database).revert("@phase-4")
    assert database.dump() == before
