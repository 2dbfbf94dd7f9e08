"""Attacks from the session: roles, settings, other sessions' activity."""

# ruff: noqa: PT012, S608  (a block is a transaction; the statements are the attacks)

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

from support.two_tenants import TwoTenants, refused

GROUPS = (
    "tenancy_owner",
    "tenancy_app",
    "tenancy_credentialed",
    "tenancy_service",
    "tenancy_legacy",
    "tenancy_auditor",
)


def test_the_application_is_a_member_of_its_own_group_alone(tenants: TwoTenants, login: str) -> None:
    own = "tenancy_app" if login == tenants.logins.app else "tenancy_credentialed"
    with tenants.admin() as admin:
        superuser = admin.info.user
        groups = admin.execute(
            "SELECT roleid::regrole::text FROM pg_auth_members WHERE member = %s::regrole", [login]
        ).fetchall()
        assert groups == [(own,)]
        above = admin.execute("SELECT roleid::regrole::text FROM pg_auth_members WHERE member = %s::regrole", [own])
        assert above.fetchall() == ([("tenancy_credentialed",)] if own == "tenancy_app" else [])
    with tenants.entered(login=login) as connection:
        for role in (*GROUPS, "pg_read_all_data", "pg_write_all_data", "pg_monitor", superuser, tenants.logins.service):
            # Before 16 every membership allows SET ROLE, which gains nothing here.
            if role == own or (role == "tenancy_credentialed" and connection.info.server_version < 160000):
                continue
            for statement in (f'SET ROLE "{role}"', f"SELECT set_config('role', '{role}', true)"):
                with refused("42501"), connection.transaction():
                    connection.execute(statement)
            with refused("42501"), connection.transaction():
                connection.execute(f'SET SESSION AUTHORIZATION "{role}"')
        # The group sees the same as its member.
        connection.execute(f"SET ROLE {own}")
        assert connection.execute("SELECT name FROM public.organizations").fetchall() == [("Acme",)]


@pytest.mark.parametrize("group", GROUPS)
def test_no_group_is_more_than_a_group(tenants: TwoTenants, group: str) -> None:
    with tenants.admin() as admin:
        assert (
            admin.execute(
                "SELECT rolcanlogin, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication"
                " FROM pg_roles WHERE rolname = %s",
                [group],
            ).fetchone()
            == (False,) * 6
        )


def test_a_table_owner_who_forgets_sees_what_the_policies_say(tenants: TwoTenants) -> None:
    # Row-level security is forced: only a superuser's queries bypass it.
    with tenants.admin() as admin:
        for table in ("public.users", "public.organizations", "tenancy.workspaces", "tenancy.audit_log"):
            assert admin.execute(
                "SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = %s::regclass", [table]
            ).fetchone() == (True, True)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("session_replication_role", "replica"),
        ("zero_damaged_pages", "on"),
        ("ignore_system_indexes", "on"),
        ("session_preload_libraries", "x"),
        ("log_statement", "none"),
        ("allow_system_table_mods", "on"),
        ("max_stack_depth", "100kB"),
        ("lc_messages", "C"),
        ("plpgsql.variable_conflict", "use_column"),
        ("backtrace_functions", "x"),
    ],
)
def test_settings_that_switch_protection_off_are_not_the_applications(
    tenants: TwoTenants, login: str, setting: str, value: str
) -> None:
    with tenants.entered(login=login) as connection:
        with pytest.raises(psycopg.Error) as raised, connection.transaction():
            connection.execute("SELECT set_config(%s, %s, false)", [setting, value])
        # Some cannot be changed in a running session.
        assert raised.value.sqlstate in {"42501", "55P02"}


def test_row_security_off_is_an_error_and_no_way_in(tenants: TwoTenants, login: str) -> None:
    with tenants.session(login) as connection:
        connection.execute("SET row_security = off")
        for table in ("public.organizations", "tenancy.workspaces", "tenancy.audit_log"):
            with refused("42501"), connection.transaction():
                connection.execute(f"SELECT id FROM {table}")


def test_one_tenant_does_not_see_the_statements_of_another(tenants: TwoTenants, login: str) -> None:
    with tenants.entered(tenants.outsider, tenants.globex, login) as theirs:
        theirs.execute("SELECT 'a secret in a statement'")
        with tenants.entered(login=login) as connection:
            for query in (
                "SELECT query FROM pg_stat_activity",
                "SELECT pg_stat_get_backend_activity(1)",
                f"SELECT pg_terminate_backend({theirs.info.backend_pid})",
                f"SELECT pg_cancel_backend({theirs.info.backend_pid})",
            ):
                with refused("42501"), connection.transaction():
                    connection.execute(query)
        assert theirs.execute("SELECT name FROM public.organizations").fetchall() == [("Globex",)]


def test_locks_are_not_for_tenants(tenants: TwoTenants, login: str) -> None:
    with tenants.entered(login=login) as connection, refused("42501"):
        connection.execute("SELECT count(*) FROM pg_locks")


def test_locks_of_another_session_reveal_nobody(tenants: TwoTenants, login: str) -> None:
    # Without hardening everybody can read pg_locks. The latch of a transaction
    # must not be computable from the ids of a person and an organization.
    with tenants.entered(tenants.outsider, tenants.globex, login) as theirs, tenants.admin() as admin:
        pid = theirs.info.backend_pid
        for identity in (
            f"{tenants.outsider.id}/{tenants.globex.id}",
            str(tenants.outsider.id),
            str(tenants.globex.id),
        ):
            assert admin.execute(
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = %s"
                " AND (objid = hashtext(%s)::oid OR classid = hashtext(%s)::oid)",
                [pid, identity, identity],
            ).fetchone() == (0,)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT lo_create(4711)",
        "SELECT lo_creat(-1)",
        "SELECT lo_from_bytea(0, 'x')",
        "SELECT lo_get(loid) FROM (SELECT oid AS loid FROM pg_largeobject_metadata) AS l UNION ALL SELECT lo_get(1)",
        "SELECT lo_unlink(1)",
        "SELECT * FROM pg_largeobject",
    ],
)
def test_large_objects_are_not_for_tenants(tenants: TwoTenants, login: str, statement: str) -> None:
    with tenants.entered(login=login) as connection, refused("42501"):
        connection.execute(statement)


def test_copy_writes_out_what_select_shows(tenants: TwoTenants, login: str) -> None:
    with tenants.entered(login=login) as connection:
        for statement, lines in {
            "COPY public.organizations (name) TO STDOUT": [b"Acme"],
            "COPY (SELECT name FROM public.organizations) TO STDOUT": [b"Acme"],
            "COPY public.users (email) TO STDOUT": [member.email.encode() for member in tenants.members.values()],
        }.items():
            with connection.cursor().copy(statement) as copy:
                assert sorted(b"".join(bytes(part) for part in copy).split()) == sorted(lines)
        for statement in ("COPY public.users TO STDOUT", "COPY public.users (password_hash) TO STDOUT"):
            with refused("42501"), connection.transaction(), connection.cursor().copy(statement) as copy:
                list(copy)


def test_no_query_shows_a_password_hash(tenants: TwoTenants, login: str) -> None:
    with tenants.entered(login=login) as connection:
        for query in (
            "SELECT password_hash FROM public.users",
            "SELECT * FROM public.users",
            "SELECT u FROM public.users AS u",
            "SELECT to_jsonb(u) FROM public.users AS u",
            "SELECT 1 FROM public.users WHERE password_hash = 'x'",
            "SELECT count(password_hash) FROM public.users",
            "SELECT id FROM public.users ORDER BY password_hash",
            "TABLE public.users",
        ):
            with refused("42501"), connection.transaction():
                connection.execute(query)


def test_a_block_of_code_has_the_rights_of_its_session(tenants: TwoTenants, login: str) -> None:
    with tenants.entered(login=login) as connection:
        notices: list[str] = []
        connection.add_notice_handler(lambda diag: notices.append(diag.message_primary or ""))
        connection.execute(
            "DO $$ BEGIN RAISE NOTICE '%', (SELECT string_agg(name, ',') FROM public.organizations); END; $$"
        )
        assert notices == ["Acme"]


def test_a_login_that_was_granted_nothing_reads_and_calls_nothing(tenants: TwoTenants) -> None:
    with tenants.session(tenants.nobody) as connection:
        for statement in (
            "SELECT id FROM public.users",
            "SELECT id FROM public.organizations",
            "SELECT * FROM tenancy.role_permissions",
            "SELECT tenancy.enter('00000000-0000-0000-0000-000000000000')",
            "SELECT tenancy.current_workspace_id()",
            "SET ROLE tenancy_app",
            "SELECT amount_eur FROM finops.cost_actual_minute",
        ):
            with refused("42501"), connection.transaction():
                connection.execute(statement)


@pytest.mark.parametrize("group", ["tenancy_owner", "tenancy_writer", "tenancy_legacy"])
def test_a_login_with_the_rights_of_functions_or_from_before_enters_nothing(
    tenants: TwoTenants, new_login: Callable[..., str], group: str
) -> None:
    with tenants.session(new_login("tenancy_app", group)) as connection, refused("28000", "login_sees_everything"):
        connection.execute("SELECT tenancy.enter(%s, %s)", [tenants.acme.owner.id, tenants.acme.id])


def test_the_floor_holds_for_a_login_that_is_also_a_service(tenants: TwoTenants, new_login: Callable[..., str]) -> None:
    # Granting both is a mistake; the stricter one must win.
    with tenants.session(new_login("tenancy_app", "tenancy_service")) as connection:
        with refused("28000", "no_context"), connection.transaction():
            connection.execute("SELECT name FROM public.organizations")
        with refused("28000", "login_sees_everything"), connection.transaction():
            connection.execute("SELECT tenancy.enter(%s, %s)", [tenants.acme.owner.id, tenants.acme.id])
        connection.execute("SELECT tenancy.enter_as_service(%s, %s)", [tenants.acme.owner.id, tenants.acme.id])
        assert connection.execute("SELECT name FROM public.organizations").fetchall() == [("Acme",)]


def test_every_reading_of_the_auditor_is_recorded(tenants: TwoTenants) -> None:
    tables = (
        "public.users",
        "public.organizations",
        "public.organization_memberships",
        "tenancy.workspaces",
        "tenancy.audit_log",
        "tenancy.invitations",
    )
    with tenants.session(tenants.logins.auditor) as connection:
        for table in tables:
            key = "user_id" if table.endswith("memberships") else "id"
            for query in (f"SELECT {key} FROM {table}", f"SELECT {key} FROM {table} WHERE {key} = gen_random_uuid()"):
                with connection.transaction():
                    connection.execute(query)
        connection.commit()
        for table in tables:
            with pytest.raises(psycopg.errors.ReadOnlySqlTransaction), connection.transaction():
                connection.execute("SET TRANSACTION READ ONLY")
                connection.execute(f"SELECT count(*) FROM {table}")
    with tenants.admin() as admin:
        recorded = admin.execute(
            "SELECT object_id, count(*) FROM tenancy.audit_log"
            " WHERE action = 'table.read' AND database_user = %s GROUP BY 1",
            [tenants.logins.auditor],
        ).fetchall()
    assert {name.removeprefix("public.") for name, count in recorded if count >= 2} >= {
        table.removeprefix("public.") for table in tables
    }
