"""Attacks on SECURITY DEFINER functions: shadowed names, arguments, settings."""

# ruff: noqa: S608  (the statements are the attacks, and their ids are the test's own)

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import sql

from support.two_tenants import Connection, TwoTenants, refused

# Every function that an application may call, with its result for Acme's owner.
CALLS = {
    "current_user_id()": "owner",
    "current_organization_id()": "acme",
    "current_workspace_id()": "acme",
    "current_role()": "role",
    "(current_workspace()).name": "name",
    "current_credential_id()": None,
    "has_permission('nothing.known')": False,
    "has_permission('organization.delete')": True,
    "badge('00000000-0000-0000-0000-000000000000')": "Public",
}
CHANGES = (
    "update_organization('Acme', 'acme', '#1d4ed8')",
    "change_member_role('{user}', 'manager')",
    "remove_member('{user}')",
    "invite_member('new@example.com', 'owner')",
    "revoke_invitation('{invitation}')",
    "peek_invitation('{token}')",
    "accept_invitation('{token}', 'newt', 'New', 'T', 'hash')",
    "create_organization('New')",
    "delete_organization()",
)


def use_everything(tenants: TwoTenants, connection: Connection) -> None:
    """Call every function as Acme's owner, and check its result."""
    answers = {"owner": tenants.acme.owner.id, "acme": tenants.acme.id, "role": "owner", "name": "Acme"}
    tenants.enter(connection, tenants.acme.owner, tenants.acme)
    for call, answer in CALLS.items():
        found = connection.execute(
            f"SELECT tenancy.{call}" if not call.startswith("(") else f"SELECT (tenancy.{call[1:]}"
        ).fetchone()
        assert found == (answers.get(answer, answer) if isinstance(answer, str) else answer,), call
    for query, count in {
        "tenancy.members()": 4,
        f"tenancy.member('{tenants.members['user'].id}')": 1,
        f"tenancy.member('{tenants.outsider.id}')": 0,
        "tenancy.my_organizations()": 1,
        "public.organizations": 1,
        "public.organization_memberships": 4,
        "public.users": 4,
        "tenancy.workspaces": 1,
        "tenancy.invitations": 1,
        "tenancy.invitations()": 1,
    }.items():
        assert connection.execute(f"SELECT count(*) FROM {query}").fetchone() == (count,), query
    for call in CHANGES:
        connection.execute(
            f"SELECT tenancy.{call}".format(
                user=tenants.members["user"].id,
                invitation=tenants.rows["own"]["invitation"],
                token=tenants.tokens["other"],
            )
        )


# -- names that shadow -----------------------------------------------------------

TYPES = ("uuid", "text", "timestamptz", "bytea", "jsonb", "bool", "int4", "int8", "float8", "name", "regclass")
TABLES = (
    "users",
    "organizations",
    "organization_memberships",
    "workspaces",
    "role_permissions",
    "role_delegations",
    "invitations",
    "user_emails",
)


@pytest.fixture
def temporary(tenants: TwoTenants, login: str) -> Iterator[None]:
    """Let the application create temporary objects, as in a database without hardening."""
    names = sql.Identifier(tenants.database.name), sql.Identifier(login)
    with tenants.admin() as admin:
        admin.execute(sql.SQL("GRANT TEMPORARY ON DATABASE {} TO {}").format(*names))
        yield
        admin.execute(sql.SQL("REVOKE TEMPORARY ON DATABASE {} FROM {}").format(*names))


@pytest.mark.usefixtures("temporary")
@pytest.mark.parametrize("search_path", ["pg_temp, pg_catalog, public", "public, pg_catalog, pg_temp", "", "pg_temp"])
def test_temporary_types_and_tables_shadow_nothing(tenants: TwoTenants, login: str, search_path: str) -> None:
    with tenants.session(login) as connection:
        connection.execute(
            "CREATE FUNCTION pg_temp.hijacked(value anyelement) RETURNS pg_catalog.bool LANGUAGE plpgsql"
            " AS $$ BEGIN RAISE EXCEPTION 'hijacked as %', current_user; END; $$"
        )
        for name in TYPES:
            connection.execute(f"CREATE DOMAIN pg_temp.{name} AS pg_catalog.{name} CHECK (pg_temp.hijacked(VALUE))")
        for name in TABLES:
            connection.execute(f"CREATE TEMPORARY TABLE {name} (id pg_catalog.uuid)")
        connection.execute("SELECT set_config('search_path', %s, false)", [search_path])
        use_everything(tenants, connection)


@pytest.mark.parametrize(
    "search_path", ["public", "public, pg_catalog", "public, tenancy, tenancy_private, pg_catalog"]
)
def test_operators_and_functions_in_a_writable_schema_hijack_nothing(
    tenants: TwoTenants, login: str, search_path: str
) -> None:
    role = sql.Identifier(login)
    with tenants.admin() as admin, tenants.session(login) as connection:
        admin.execute(sql.SQL("GRANT CREATE ON SCHEMA public TO {}").format(role))
        try:
            for name, arguments, returns in (
                ("equals", "uuid, uuid", "boolean"),
                ("equals", "text, text", "boolean"),
                ("differs", "text, text", "boolean"),
                ("joined", "text, text", "text"),
                ("joined", "bytea, bytea", "bytea"),
                ("sha256", "bytea", "bytea"),
                ("encode", "bytea, text", "text"),
                ("now", "", "timestamptz"),
                ("current_setting", "text, boolean", "text"),
                ("set_config", "text, text, boolean", "text"),
                ("hashtext", "text", "integer"),
                ("coalesced", "text", "text"),
                ("lower", "text", "text"),
                ("btrim", "text, text", "text"),
                ("gen_random_uuid", "", "uuid"),
                ("pg_has_role", "name, text", "boolean"),
            ):
                connection.execute(
                    f"CREATE FUNCTION public.{name}({arguments}) RETURNS {returns} LANGUAGE plpgsql"
                    " AS $$ BEGIN RAISE EXCEPTION 'hijacked as %', current_user; END; $$"
                )
            for operator, arguments, function in (
                ("=", "uuid", "equals"),
                ("=", "text", "equals"),
                ("<>", "text", "differs"),
                ("~", "text", "differs"),
                ("||", "text", "joined"),
                ("||", "bytea", "joined"),
            ):
                connection.execute(
                    f"CREATE OPERATOR public.{operator}"
                    f" (LEFTARG = {arguments}, RIGHTARG = {arguments}, FUNCTION = public.{function})"
                )
            connection.execute("SELECT pg_catalog.set_config('search_path', %s, false)", [search_path])
            use_everything(tenants, connection)
        finally:
            connection.rollback()
            admin.execute(sql.SQL("REVOKE CREATE ON SCHEMA public FROM {}").format(role))


# -- what the caller says ----------------------------------------------------------


def test_an_argument_that_names_another_tenant_is_answered_with_nothing(tenants: TwoTenants, login: str) -> None:
    with tenants.entered(login=login) as connection:
        for workspace in (tenants.globex.id, tenants.outsider.id, tenants.person.id, uuid4()):
            assert connection.execute("SELECT tenancy.badge(%s)", [workspace]).fetchone() == (None,)
        for user in (tenants.outsider.id, tenants.person.id, uuid4(), UUID(int=0), None):
            assert connection.execute("SELECT * FROM tenancy.member(%s)", [user]).fetchall() == []
            for call in ("remove_member(%s)", "change_member_role(%s, 'user')"):
                with refused("P0002", "member_not_found"), connection.transaction():
                    connection.execute(f"SELECT tenancy.{call}", [user])


@pytest.mark.parametrize(
    "text",
    ["' OR true --", "'); DROP TABLE public.users; --", "members.view' OR '1'='1", "%", "*", "", "MEMBERS.VIEW", "a/b"],
)
def test_text_stays_text(tenants: TwoTenants, login: str, text: str) -> None:
    with tenants.entered(tenants.members["user"], tenants.acme, login) as connection:
        assert connection.execute("SELECT tenancy.has_permission(%s)", [text]).fetchone() == (False,)
        with refused("42501", "permission_denied"), connection.transaction():
            connection.execute("SELECT tenancy.require_permission(%s)", [text])
        with refused("28000", "invalid_ticket"), connection.transaction():
            connection.execute("SELECT tenancy.enter_with_ticket(%s)", [text])
    with tenants.entered(login=login) as connection:
        with refused("22023", "unknown_role"), connection.transaction():
            connection.execute("SELECT tenancy.change_member_role(%s, %s)", [tenants.members["user"].id, text])
        with refused("22023", "organization_slug_invalid"), connection.transaction():
            connection.execute("SELECT tenancy.create_organization('New', %s)", [text])
        with refused("22023", "organization_color_invalid"), connection.transaction():
            connection.execute("SELECT tenancy.update_organization(color => %s)", [text])
        if text:
            made = connection.execute("SELECT name, slug FROM tenancy.create_organization(%s)", [text]).fetchone()
            assert made is not None
            assert made[0] == text
        assert connection.execute("SELECT count(*) FROM public.users").fetchone() == (4,)


@pytest.mark.parametrize(
    "setting",
    [
        "DateStyle = 'SQL, DMY'",
        "TimeZone = 'Asia/Kathmandu'",
        "IntervalStyle = 'sql_standard'",
        "bytea_output = 'escape'",
        "extra_float_digits = -15",
        "standard_conforming_strings = off",
        "transform_null_equals = on",
        "array_nulls = off",
        "quote_all_identifiers = on",
        "client_encoding = 'LATIN1'",
        "search_path = ''",
        "plpgsql.extra_errors = 'all'",
        "default_transaction_isolation = 'serializable'",
        "check_function_bodies = off",
        "xmloption = document",
        "enable_seqscan = off",
        "enable_indexscan = off",
        "plan_cache_mode = force_generic_plan",
        "work_mem = '64kB'",
        "lc_numeric = 'C'",
    ],
)
def test_no_setting_of_the_callers_changes_what_a_function_does(tenants: TwoTenants, login: str, setting: str) -> None:
    with tenants.session(login) as connection:
        connection.execute(f"SET SESSION {setting}")
        connection.commit()
        use_everything(tenants, connection)
        connection.rollback()
        tenants.enter(connection, tenants.acme.owner, tenants.acme)
        connection.execute("SELECT set_config('tenancy.current_organization_id', %s, true)", [str(tenants.globex.id)])
        with refused("28000", "invalid_context"):
            connection.execute("SELECT tenancy.current_workspace_id()")


def test_a_setting_changed_after_entering_leaves_the_seal_valid(tenants: TwoTenants, login: str) -> None:
    with tenants.entered(login=login) as connection:
        for setting in (
            "DateStyle = 'German'",
            "TimeZone = 'UTC'",
            "bytea_output = 'escape'",
            "IntervalStyle = iso_8601",
        ):
            connection.execute(f"SET LOCAL {setting}")
            assert connection.execute("SELECT tenancy.current_workspace_id()").fetchone() == (tenants.acme.id,)


def test_a_session_that_parses_functions_first_reads_their_strings_alike(tenants: TwoTenants) -> None:
    with tenants.session(tenants.logins.app) as connection:
        connection.execute("SET SESSION standard_conforming_strings = off")
        connection.commit()
        tenants.enter(connection, tenants.acme.owner, tenants.acme)
        with refused("23505", "email_taken"), connection.transaction():
            connection.execute("SELECT tenancy.create_user(%s)", [tenants.globex.owner.email])
        assert connection.execute("SELECT version > 0 FROM tenancy.wallet()").fetchone() == (True,)
        assert connection.execute("SELECT * FROM tenancy.verify_statement()").fetchall() == []


# -- what is not for the caller ------------------------------------------------------


def test_nothing_private_can_be_called_or_read_by_any_application_role(tenants: TwoTenants) -> None:
    with tenants.admin() as admin:
        routines = admin.execute(
            "SELECT p.oid::regprocedure::text, p.prokind = 'p', (SELECT string_agg('NULL', ', ')"
            " FROM generate_series(1, p.pronargs)) FROM pg_proc AS p"
            " WHERE p.pronamespace = 'tenancy_private'::regnamespace ORDER BY 1"
        ).fetchall()
        relations = admin.execute(
            "SELECT c.oid::regclass::text FROM pg_class AS c"
            " WHERE c.relnamespace = 'tenancy_private'::regnamespace AND c.relkind = 'r'"
        ).fetchall()
    assert len(routines) > 10
    assert len(relations) > 2
    logins = tenants.logins
    for login in (logins.app, logins.credentialed, logins.service, logins.auditor, tenants.nobody):
        with tenants.session(login) as connection:
            for name, is_procedure, arguments in routines:
                with refused("42501"), connection.transaction():
                    connection.execute(
                        f"{'CALL' if is_procedure else 'SELECT'} {name.split('(')[0]}({arguments or ''})"
                    )
            for (name,) in relations:
                with refused("42501"), connection.transaction():
                    connection.execute(f"SELECT * FROM {name}")


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT tenancy.rotate_seal_key()",
        "SELECT tenancy.create_ticket_key()",
        "SELECT tenancy.revoke_ticket_key('x')",
        "CALL tenancy.harden_database()",
        "CALL tenancy.drop_policies('public.users')",
    ],
)
def test_no_application_role_may_call_the_dbas_functions(tenants: TwoTenants, statement: str) -> None:
    logins = tenants.logins
    for login in (logins.app, logins.credentialed, logins.service, logins.auditor, tenants.nobody):
        with tenants.session(login) as connection, refused("42501"):
            connection.execute(statement)


def test_the_keys_are_closed_to_a_login_that_may_read_all_data(tenants: TwoTenants, new_login: object) -> None:
    login = new_login("tenancy_app", "pg_read_all_data")  # type: ignore[operator]
    with tenants.admin() as admin, tenants.session(login) as connection:
        for table in ("seal_keys", "ticket_keys"):
            query = f"SELECT count(*) FROM tenancy_private.{table}"
            assert admin.execute(query).fetchone() != (0,)
            assert connection.execute(query).fetchone() == (0,)
        # The floor cannot be weakened either.
        connection.execute("SELECT tenancy.enter(%s, %s)", [tenants.acme.owner.id, tenants.acme.id])
        assert connection.execute("SELECT name FROM public.organizations").fetchall() == [("Acme",)]


def test_no_catalog_shows_a_key(tenants: TwoTenants, login: str) -> None:
    with tenants.admin() as admin:
        keys = admin.execute(
            "SELECT encode(inner_block, 'hex'), encode(outer_block, 'hex') FROM tenancy_private.seal_keys"
        ).fetchall()
    with tenants.session(login) as connection:
        shown = str(
            connection.execute(
                "SELECT p.prosrc, p.proconfig, pg_get_function_sqlbody(p.oid) FROM pg_proc AS p"
                " WHERE p.pronamespace IN ('tenancy'::regnamespace,"
                " (SELECT oid FROM pg_namespace WHERE nspname = 'tenancy_private'))"
            ).fetchall()
        ) + str(connection.execute("SELECT * FROM pg_db_role_setting").fetchall())
    assert keys
    for pair in keys:
        for key in pair:
            assert key not in shown
    assert tenants.key.secret not in shown


def test_a_definer_function_is_not_a_way_around_row_security_off(tenants: TwoTenants, login: str) -> None:
    with tenants.session(login) as connection:
        connection.execute("SET row_security = off")
        connection.commit()
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            tenants.enter(connection, tenants.acme.owner, tenants.acme)
        connection.rollback()
    with tenants.entered(login=login) as connection:
        connection.execute("SET row_security = off")
        for query in (
            "SELECT id FROM public.organizations",
            "SELECT id FROM public.users",
            "SELECT user_id FROM public.organization_memberships",
            "SELECT id FROM tenancy.workspaces",
            "SELECT id FROM tenancy.audit_log",
            "SELECT id FROM tenancy.invitations",
            "SELECT * FROM tenancy.role_permissions",
            "SELECT tenancy.invitations()",
            "SELECT tenancy.members()",
            f"SELECT tenancy.member('{tenants.acme.owner.id}')",
            "SELECT tenancy.my_organizations()",
        ):
            with refused("42501"), connection.transaction():
                connection.execute(query)


# -- settings that make the server talk -------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE public.api_keys SET name = 'other' WHERE id = '{api_key}'",
        "SELECT tenancy.rename_api_key('{api_key}', 'other')",
        "SELECT tenancy.revoke_api_key('{api_key}')",
        "SELECT tenancy.revoke_invitation('{invitation}')",
        "SELECT tenancy.delete_user('{user}')",
        "SELECT tenancy.delete_organization()",
    ],
)
def test_the_plans_of_the_functions_are_not_printed(tenants: TwoTenants, statement: str) -> None:
    with tenants.admin() as admin:
        secrets = [
            value if isinstance(value, bytes) else value.encode()
            for (value,) in admin.execute(
                "SELECT convert_to(key_hash, 'UTF8') FROM public.api_keys UNION ALL"
                " SELECT token_hash FROM tenancy.invitations"
            ).fetchall()
        ]
    said: list[str] = []
    with tenants.entered() as connection:
        connection.add_notice_handler(lambda notice: said.append(notice.message_detail or ""))
        connection.execute(
            "SET LOCAL client_min_messages = log; SET LOCAL debug_pretty_print = off;"
            " SET LOCAL plan_cache_mode = force_custom_plan; SET LOCAL debug_print_plan = on"
        )
        connection.execute(statement.format(**tenants.rows["own"] | {"user": tenants.members["user"].id}).encode())
    text = " ".join(said)
    assert text
    for secret in secrets:
        assert " ".join(str(byte if byte < 128 else byte - 256) for byte in secret) not in text
