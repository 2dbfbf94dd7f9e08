"""Attacks that write: other tenants' rows, the schema, privileges, the audit log."""

# ruff: noqa: S608  (the statements are the attacks, and their ids are the test's own)

from __future__ import annotations

from contextlib import suppress

import psycopg
import pytest

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
LOCKS = (
    "ROW SHARE",
    "ROW EXCLUSIVE",
    "SHARE UPDATE EXCLUSIVE",
    "SHARE",
    "SHARE ROW EXCLUSIVE",
    "EXCLUSIVE",
    "ACCESS EXCLUSIVE",
)
KEYS = {
    "public.organization_memberships": "user_id",
    "tenancy.role_permissions": "role",
    "tenancy.role_delegations": "role",
}


@pytest.mark.parametrize("table", TABLES)
def test_an_owner_writes_to_no_table_directly(tenants: TwoTenants, login: str, table: str) -> None:
    key, schema, name = KEYS.get(table, "id"), *table.split(".")
    constraint = f"{name}_tenancy_pkey" if schema == "public" else f"{name}_pkey"
    with tenants.entered(login=login) as connection:
        for statement in (
            f"INSERT INTO {table} DEFAULT VALUES",
            f"INSERT INTO {table} ({key}) SELECT {key} FROM {table} ON CONFLICT DO NOTHING",
            f"INSERT INTO {table} ({key}) SELECT {key} FROM {table} ON CONFLICT ON CONSTRAINT {constraint}"
            f" DO UPDATE SET {key} = NULL",
            f"UPDATE {table} SET {key} = NULL",
            f"UPDATE {table} SET {key} = {key} WHERE false",
            f"DELETE FROM {table}",
            f"DELETE FROM {table} WHERE false",
            f"MERGE INTO {table} AS t USING (SELECT 1 AS n) AS s ON false WHEN NOT MATCHED THEN INSERT DEFAULT VALUES",
            f"MERGE INTO {table} AS t USING (SELECT 1 AS n) AS s ON true WHEN MATCHED THEN DELETE",
            f"TRUNCATE {table}",
            f"COPY {table} FROM STDIN",
            f"WITH gone AS (DELETE FROM {table} RETURNING {key}) SELECT count(*) FROM gone",
            f"SELECT {key} FROM {table} FOR UPDATE",
            f"SELECT {key} FROM {table} FOR NO KEY UPDATE",
            f"SELECT {key} FROM {table} FOR SHARE",
            f"SELECT {key} FROM {table} FOR KEY SHARE",
            *(f"LOCK TABLE {table} IN {lock} MODE NOWAIT" for lock in LOCKS),
        ):
            with refused("42501"), connection.transaction():
                connection.execute(statement)


@pytest.mark.parametrize("table", TABLES)
def test_the_structure_of_a_table_is_not_the_applications(tenants: TwoTenants, login: str, table: str) -> None:
    bare = table.split(".")[1]
    with tenants.entered(login=login) as connection:
        for statement in (
            f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY",
            f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY",
            f"ALTER TABLE {table} OWNER TO CURRENT_USER",
            f"ALTER TABLE {table} DISABLE TRIGGER ALL",
            f"ALTER TABLE {table} ADD COLUMN mine text",
            f"DROP TABLE {table} CASCADE",
            f"CREATE POLICY mine ON {table} USING (true)",
            f"DROP POLICY {bare}_select ON {table}",
            f"ALTER POLICY {bare}_select ON {table} USING (true)",
            f"CREATE TRIGGER mine AFTER INSERT ON {table} EXECUTE FUNCTION suppress_redundant_updates_trigger()",
            f"CREATE RULE mine AS ON INSERT TO {table} DO ALSO NOTHING",
            f"CREATE INDEX mine ON {table} ({KEYS.get(table, 'id')})",
            f"CREATE STATISTICS public.mine ON {KEYS.get(table, 'id')}, ctid FROM {table}",
            f"CREATE TABLE public.mine (id uuid REFERENCES {table})",
            f"CREATE TABLE public.mine (LIKE {table})",
            f"CREATE VIEW public.mine AS SELECT * FROM {table}",
            f"CREATE MATERIALIZED VIEW public.mine AS SELECT * FROM {table}",
            f"SELECT {KEYS.get(table, 'id')} INTO public.mine FROM {table}",
            f"COMMENT ON TABLE {table} IS 'mine'",
        ):
            with pytest.raises(psycopg.Error) as raised, connection.transaction():
                connection.execute(statement)
            # The error about statistics of a system column comes before the privilege check.
            assert raised.value.sqlstate in {"42501", "0A000"}, statement
        # A grant without the right to grant is an error or a warning.
        with suppress(psycopg.errors.InsufficientPrivilege), connection.transaction():
            connection.execute(f"GRANT ALL ON {table} TO PUBLIC")
        connection.commit()
    with tenants.admin() as admin:
        public = admin.execute(
            "SELECT count(*) FROM pg_class AS c, aclexplode(c.relacl) AS a"
            " WHERE c.oid = %s::regclass AND a.grantee = 0",
            [table],
        ).fetchone()
    assert public == (0,)


ATTEMPTS = (
    "CREATE TABLE public.mine (id uuid)",
    "CREATE TABLE tenancy.mine (id uuid)",
    "CREATE TABLE finops.mine (id uuid)",
    "CREATE TABLE tenancy_private.mine (id uuid)",
    "CREATE TEMPORARY TABLE mine (id uuid)",
    "SELECT 1 AS id INTO TEMPORARY mine",
    "CREATE TABLE pg_temp.mine (id uuid)",
    "CREATE SCHEMA mine",
    "CREATE FUNCTION pg_temp.mine() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    "CREATE FUNCTION public.mine() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    "CREATE DOMAIN pg_temp.uuid AS pg_catalog.uuid",
    "CREATE OPERATOR public.### (LEFTARG = integer, RIGHTARG = integer, FUNCTION = int4eq)",
    "CREATE OR REPLACE FUNCTION tenancy.current_workspace_id() RETURNS uuid LANGUAGE sql AS 'SELECT NULL::uuid'",
    "ALTER FUNCTION tenancy.enter(uuid, uuid) RESET ALL",
    "ALTER FUNCTION tenancy.current_workspace_id() LEAKPROOF",
    "DROP FUNCTION tenancy.require_access(regclass, text) CASCADE",
    "CREATE EVENT TRIGGER mine ON ddl_command_start EXECUTE FUNCTION mine()",
    "CREATE PUBLICATION mine FOR ALL TABLES",
    "CREATE ROLE mine",
    "CREATE DATABASE mine",
    "ALTER ROLE CURRENT_USER BYPASSRLS",
    "ALTER ROLE CURRENT_USER SUPERUSER",
    "ALTER ROLE tenancy_app BYPASSRLS",
    "GRANT tenancy_owner TO CURRENT_USER",
    "GRANT tenancy_service TO CURRENT_USER",
    "GRANT pg_read_all_data TO CURRENT_USER",
    "ALTER SCHEMA tenancy OWNER TO CURRENT_USER",
    "ALTER DEFAULT PRIVILEGES FOR ROLE tenancy_owner GRANT ALL ON TABLES TO PUBLIC",
    "COPY (SELECT 1) TO PROGRAM 'true'",
    "COPY (SELECT 1) TO '/tmp/mine'",
    "COPY public.users FROM '/etc/passwd'",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT pg_ls_dir('.')",
    "SELECT pg_reload_conf()",
    "SELECT pg_stat_reset()",
    "SELECT pg_create_logical_replication_slot('mine', 'test_decoding')",
    "SELECT pg_logical_emit_message(false, 'mine', 'mine') FROM pg_stat_activity",
    "ALTER SYSTEM SET row_security = off",
    "DO LANGUAGE plpgsql $$ BEGIN CREATE TABLE public.mine (id uuid); END; $$",
    "DO LANGUAGE plpgsql $$ BEGIN UPDATE public.users SET role = 'admin'; END; $$",
)


def test_the_application_makes_and_takes_nothing(tenants: TwoTenants, login: str) -> None:
    with tenants.session(login, autocommit=True) as connection:
        for statement in ATTEMPTS:
            with refused("42501"):
                connection.execute(statement)


def test_nobody_changes_the_audit_log(tenants: TwoTenants, new_login: object) -> None:
    with tenants.admin() as admin:
        before = admin.execute("SELECT count(*) FROM tenancy.audit_log").fetchone()
        assert before != (0,)
        for become in ("RESET ROLE", "SET ROLE tenancy_owner"):
            admin.execute(become)
            for statement in (
                "UPDATE tenancy.audit_log SET action = 'nothing'",
                "UPDATE tenancy.audit_log SET action = 'nothing' WHERE false",
                "DELETE FROM tenancy.audit_log",
                "TRUNCATE tenancy.audit_log",
                "MERGE INTO tenancy.audit_log AS t USING (SELECT 1) AS s ON true WHEN MATCHED THEN DELETE",
            ):
                with refused("42501", "audit_log_is_append_only"):
                    admin.execute(statement)
        admin.execute("RESET ROLE")
        # Not even with triggers switched off for replication.
        admin.execute("SET session_replication_role = replica")
        with refused("42501", "audit_log_is_append_only"):
            admin.execute("DELETE FROM tenancy.audit_log")
        admin.execute("RESET session_replication_role")
        assert admin.execute("SELECT count(*) FROM tenancy.audit_log").fetchone() == before
    for login in (tenants.logins.service, tenants.logins.auditor, tenants.logins.old, tenants.nobody):
        with tenants.session(login) as connection:
            for statement in ("UPDATE tenancy.audit_log SET action = ''", "DELETE FROM tenancy.audit_log"):
                with refused("42501"), connection.transaction():
                    connection.execute(statement)
            with refused("42501"), connection.transaction():
                connection.execute(
                    "INSERT INTO tenancy.audit_log (workspace_id, action, object_kind, object_id)"
                    " VALUES (gen_random_uuid(), '', '', '')"
                )


def test_the_audit_log_holds_no_secret(tenants: TwoTenants) -> None:
    with tenants.admin() as admin:
        admin.execute("UPDATE public.users SET password_hash = 'a hash that nobody may see'")
        entries = str(admin.execute("SELECT old_values, new_values FROM tenancy.audit_log").fetchall())
    assert "hash" not in entries
    assert tenants.key.secret not in entries


def test_who_acted_cannot_be_forged_by_a_service(tenants: TwoTenants) -> None:
    with tenants.session(tenants.logins.service) as connection:
        connection.execute("SELECT set_config('tenancy.current_user_id', %s, true)", [str(tenants.outsider.id)])
        connection.execute("SELECT set_config('tenancy.context', %s, true)", ["0" * 72 + "1_owner_"])
        with refused("28000", "invalid_context"):
            connection.execute("UPDATE public.organizations SET name = 'Forged'")


@pytest.mark.parametrize(
    "path",
    [
        "DELETE FROM public.organization_memberships WHERE role = 'owner'",
        "UPDATE public.organization_memberships SET role = 'user' WHERE role = 'owner'",
        "DELETE FROM public.organization_memberships",
        "UPDATE public.organization_memberships SET role = 'admin'",
    ],
)
def test_a_service_cannot_leave_an_organization_without_an_owner(tenants: TwoTenants, path: str) -> None:
    with tenants.session(tenants.logins.service) as connection:
        connection.execute(path)
        with refused("23514", "organization_keeps_an_owner"):
            connection.commit()


def test_a_service_does_not_delete_or_undelete_by_hand(tenants: TwoTenants) -> None:
    with tenants.session(tenants.logins.service) as connection:
        for statement in (
            "UPDATE tenancy.workspaces SET deleted_at = now()",
            "UPDATE tenancy.workspaces SET id = gen_random_uuid()",
            "DELETE FROM tenancy.workspaces",
            "INSERT INTO tenancy.role_permissions (permission, role) VALUES ('organization.delete', 'user')",
            "DELETE FROM tenancy.role_delegations",
        ):
            with refused("42501"), connection.transaction():
                connection.execute(statement)
