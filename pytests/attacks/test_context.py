"""Attacks on the session context: forged, copied, left over, switched."""

# ruff: noqa: PT012, S608  (a block is a transaction; the statements are the attacks)

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import sql

from support.server import Logins, Server
from support.two_tenants import Connection, TwoTenants, refused, two_tenants

VARIABLES = ("current_user_id", "current_organization_id", "current_role", "seal")
PLATFORM = UUID(int=0)
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


@pytest.fixture(scope="module")
def tenants(server: Server, template: str, logins: Logins) -> Iterator[TwoTenants]:
    with two_tenants(server, template, logins) as tenants:
        yield tenants


@pytest.fixture(params=["app", "credentialed"])
def login(request: pytest.FixtureRequest, logins: Logins) -> str:
    return str(getattr(logins, request.param))


def names(connection: Connection) -> list[str]:
    """Return the organizations that can be seen."""
    return [name for (name,) in connection.execute("SELECT name FROM public.organizations").fetchall()]


def context(connection: Connection) -> dict[str, str]:
    """Return the four variables, seal and all."""
    return {
        name: (connection.execute("SELECT current_setting(%s)", [f"tenancy.{name}"]).fetchone() or ("",))[0]
        for name in VARIABLES
    }


def set_context(connection: Connection, values: dict[str, str], *, local: bool = True) -> None:
    """Set variables as anybody can."""
    for name, value in values.items():
        connection.execute("SELECT set_config(%s, %s, %s)", [f"tenancy.{name}", value, local])


def of_globex(tenants: TwoTenants, seal: str = "0" * 72) -> dict[str, str]:
    """Return the context of the other tenant's owner, but for the seal."""
    return {
        "current_user_id": str(tenants.outsider.id),
        "current_organization_id": str(tenants.globex.id),
        "current_role": "owner",
        "seal": seal,
    }


# -- set by hand ---------------------------------------------------------------


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


# -- copied and left over ------------------------------------------------------


def test_after_the_transaction_nothing_is_left(tenants: TwoTenants, login: str) -> None:
    for ending in ("COMMIT", "ROLLBACK", "COMMIT AND CHAIN", "ROLLBACK AND CHAIN"):
        with tenants.entered(login=login) as connection:
            connection.execute(ending)
            assert set(context(connection).values()) == {""}
            with refused("28000", "no_context"):
                names(connection)


def test_a_seal_of_the_previous_transaction_is_refused(tenants: TwoTenants, login: str) -> None:
    with tenants.entered(login=login) as connection:
        copied = context(connection)
        connection.commit()
        set_context(connection, copied)
        with refused("28000", "invalid_context"):
            names(connection)


def test_a_seal_kept_for_the_session_is_refused_in_the_next_transaction(tenants: TwoTenants, login: str) -> None:
    with tenants.entered(login=login) as connection:
        set_context(connection, context(connection), local=False)
        connection.commit()
        with refused("28000", "invalid_context"):
            names(connection)


def test_a_seal_of_another_session_is_refused(tenants: TwoTenants, login: str) -> None:
    with tenants.entered(tenants.outsider, tenants.globex, login) as theirs, tenants.session(login) as connection:
        set_context(connection, context(theirs))
        with refused("28000", "invalid_context"):
            names(connection)


def test_a_seal_is_refused_after_a_commit_inside_a_do_block(tenants: TwoTenants, login: str) -> None:
    enter = (
        f"tenancy.enter_with_ticket('{tenants.key.ticket(tenants.acme.owner, tenants.acme)}')"
        if login == tenants.logins.credentialed
        else f"tenancy.enter('{tenants.acme.owner.id}', '{tenants.acme.id}')"
    )
    with tenants.session(login, autocommit=True) as connection, refused("28000", "invalid_context"):
        connection.execute(
            f"""
            DO $$
            DECLARE
                seal text; person text; organization text; found text;
            BEGIN
                PERFORM {enter};
                seal := current_setting('tenancy.seal');
                person := current_setting('tenancy.current_user_id');
                organization := current_setting('tenancy.current_organization_id');
                COMMIT;
                PERFORM set_config('tenancy.seal', seal, true), set_config('tenancy.current_role', 'owner', true),
                    set_config('tenancy.current_user_id', person, true),
                    set_config('tenancy.current_organization_id', organization, true);
                SELECT name INTO found FROM public.organizations;
                RAISE EXCEPTION 'saw %', found;
            END; $$
            """
        )


def test_in_one_message_a_seal_lasts_for_its_own_identity_alone(tenants: TwoTenants) -> None:
    # Transactions that travel in one message start at the same instant, so a
    # seal can be copied from one to the next. What it opens is the workspace
    # that was entered, which whoever sent the message had just entered.
    with tenants.session(tenants.logins.app, autocommit=True) as connection, refused("28000", "invalid_context"):
        connection.execute(
            f"BEGIN; SELECT tenancy.enter('{tenants.acme.owner.id}', '{tenants.acme.id}');"
            " SELECT set_config('my.seal', current_setting('tenancy.seal'), false); COMMIT; BEGIN;"
            f" SELECT set_config('tenancy.current_user_id', '{tenants.outsider.id}', true),"
            f" set_config('tenancy.current_organization_id', '{tenants.globex.id}', true),"
            " set_config('tenancy.current_role', 'owner', true),"
            " set_config('tenancy.seal', current_setting('my.seal'), true);"
            " SELECT name FROM public.organizations; COMMIT"
        )


def test_a_rotation_lets_running_transactions_finish(tenants: TwoTenants, login: str) -> None:
    with tenants.admin() as admin, tenants.entered(login=login) as connection:
        admin.execute("SELECT tenancy.rotate_seal_key()")
        assert names(connection) == ["Acme"]
        with tenants.entered(tenants.outsider, tenants.globex, login) as under_the_new_key:
            assert names(under_the_new_key) == ["Globex"]


def test_a_rotation_that_keeps_nothing_ends_running_transactions_at_once(tenants: TwoTenants, login: str) -> None:
    with tenants.admin() as admin, tenants.entered(login=login) as connection:
        admin.execute("SELECT tenancy.rotate_seal_key('0')")
        with refused("28000", "invalid_context"):
            names(connection)


def test_a_seal_fits_the_key_that_it_names_and_no_other(tenants: TwoTenants, login: str) -> None:
    with tenants.admin() as admin, tenants.entered(login=login) as connection:
        admin.execute("SELECT tenancy.rotate_seal_key()")
        keys = [key for (key,) in admin.execute("SELECT id FROM tenancy_private.seal_keys").fetchall()]
        seal = context(connection)["seal"]
        assert len(keys) > 1
        for key in [*keys, "", "00000000", "%", "________"]:
            if seal.startswith(key) and key:
                continue
            connection.execute("SELECT set_config('tenancy.seal', %s, true)", [key + seal[8:]])
            with refused("28000", "invalid_context"), connection.transaction():
                names(connection)


# -- within the transaction ----------------------------------------------------


def test_a_savepoint_that_is_undone_takes_the_context_along(tenants: TwoTenants, login: str) -> None:
    with tenants.session(login) as connection:
        connection.execute("SAVEPOINT s")
        tenants.enter(connection, tenants.acme.owner, tenants.acme)
        assert names(connection) == ["Acme"]
        connection.execute("ROLLBACK TO s")
        with refused("28000", "no_context"):
            names(connection)


def test_a_savepoint_inside_a_workspace_changes_nothing(tenants: TwoTenants, login: str) -> None:
    with tenants.entered(login=login) as connection:
        for ending in ("RELEASE s", "ROLLBACK TO s"):
            connection.execute("SAVEPOINT s")
            connection.execute("SELECT set_config('tenancy.current_organization_id', %s, true)", [str(tenants.acme.id)])
            connection.execute(ending)
            assert names(connection) == ["Acme"]


@pytest.mark.parametrize(
    "statement",
    [
        "RESET ALL",
        "SELECT set_config('tenancy.' || name, NULL, true) FROM unnest(ARRAY['current_user_id',"
        " 'current_organization_id', 'current_role', 'seal']) AS name",
        "SET tenancy.seal TO DEFAULT; RESET tenancy.current_user_id; RESET tenancy.current_organization_id;"
        ' RESET tenancy."current_role"',
        "SELECT pg_advisory_unlock_all()",
    ],
)
def test_clearing_the_context_makes_no_room_for_another(tenants: TwoTenants, login: str, statement: str) -> None:
    with tenants.entered(login=login) as connection:
        connection.execute(statement)
        if "unlock" not in statement:
            with refused("28000", "no_context"), connection.transaction():
                names(connection)
        with refused("28000", "context_already_set"), connection.transaction():
            tenants.enter(connection, tenants.outsider, tenants.globex)
        # Coming back as oneself is allowed.
        tenants.enter(connection, tenants.acme.owner, tenants.acme)
        assert names(connection) == ["Acme"]


@pytest.mark.parametrize("where", ["another person's", "the own personal", "another person's personal"])
def test_a_transaction_enters_one_workspace(tenants: TwoTenants, login: str, where: str) -> None:
    with tenants.entered(login=login) as connection, refused("28000", "context_already_set"):
        if where == "another person's":
            tenants.enter(connection, tenants.outsider, tenants.globex)
        elif where == "the own personal":
            tenants.enter(connection, tenants.acme.owner)
        else:
            tenants.enter(connection, tenants.person)


LATCH = "hashint8((extract(EPOCH FROM now()) * 1000000)::bigint)"


@pytest.mark.parametrize("lock", ["pg_advisory_xact_lock_shared", "pg_advisory_xact_lock", "pg_advisory_lock_shared"])
def test_taking_the_lock_of_another_identity_opens_no_second_workspace(tenants: TwoTenants, lock: str) -> None:
    identity = f"{tenants.outsider.id}/{tenants.globex.id}"
    # Which of two locks the server lists first depends on the instant.
    for _ in range(12):
        with tenants.entered() as connection:
            connection.execute(f"SELECT {lock}({LATCH}, hashtext(%s))", [identity])
            with refused("28000", "context_already_set"):
                tenants.enter(connection, tenants.outsider, tenants.globex)


def test_a_lock_taken_beforehand_opens_no_second_workspace(tenants: TwoTenants) -> None:
    with tenants.session(tenants.logins.app) as connection:
        connection.execute(
            f"SELECT pg_advisory_xact_lock_shared({LATCH}, hashtext(%s))",
            [f"{tenants.outsider.id}/{tenants.globex.id}"],
        )
        # Whether it shuts oneself out or not, it lets nobody else in.
        with suppress(psycopg.errors.InvalidAuthorizationSpecification), connection.transaction():
            tenants.enter(connection, tenants.acme.owner, tenants.acme)
        with refused("28000", "context_already_set"):
            tenants.enter(connection, tenants.outsider, tenants.globex)


@pytest.mark.parametrize(
    "settings",
    [
        {"parallel": "on"},
        {"parallel": "on", "parallel_leader_participation": "off", "min_parallel_table_scan_size": "0"},
        {
            "parallel_leader_participation": "off",
            "min_parallel_table_scan_size": "0",
            "parallel_setup_cost": "0",
            "parallel_tuple_cost": "0",
        },
        {"enable_seqscan": "off", "enable_indexscan": "off", "enable_indexonlyscan": "off", "enable_bitmapscan": "off"},
        {"plan_cache_mode": "force_generic_plan", "constraint_exclusion": "on", "from_collapse_limit": "1"},
        {"default_transaction_isolation": "repeatable read", "stats_fetch_consistency": "snapshot"},
        {"search_path": "pg_temp", "standard_conforming_strings": "off", "bytea_output": "escape"},
        {"default_transaction_read_only": "on"},
    ],
    ids=" ".join,
)
def test_no_setting_of_the_session_opens_a_second_workspace(
    tenants: TwoTenants, login: str, settings: dict[str, str]
) -> None:
    # Left in a pooled connection by one request, for another to use.
    with tenants.session(login) as connection:
        for name, value in settings.items():
            if name == "parallel":
                name = "debug_parallel_query" if connection.info.server_version >= 160000 else "force_parallel_mode"
            connection.execute("SELECT set_config(%s, %s, false)", [name, value])
        connection.commit()
        for _ in range(3):
            tenants.enter(connection, tenants.acme.owner, tenants.acme)
            assert names(connection) == ["Acme"]
            with refused("28000", "context_already_set"), connection.transaction():
                tenants.enter(connection, tenants.outsider, tenants.globex)
            tenants.enter(connection, tenants.acme.owner, tenants.acme)
            connection.execute("SELECT pg_stat_clear_snapshot()")
            with refused("28000", "context_already_set"):
                tenants.enter(connection, tenants.outsider, tenants.globex)
            connection.rollback()


INJECTIONS = [
    # A value computed first, the hidden rows read next, in one statement.
    "WITH x AS MATERIALIZED (SELECT set_config('tenancy.current_organization_id', '{globex}', true))"
    " SELECT p.name FROM x CROSS JOIN LATERAL"
    " (SELECT name FROM public.organizations WHERE x.set_config <> '' OFFSET 0) AS p",
    "SELECT query_to_xml($$SELECT set_config('tenancy.current_organization_id', '{globex}', true)$$, true, false, ''),"
    " query_to_xml('SELECT name FROM public.organizations', true, false, '')",
    "SELECT set_config('tenancy.current_organization_id', '{globex}', true)"
    " UNION ALL SELECT name FROM public.organizations",
    "SELECT name FROM public.organizations WHERE set_config('tenancy.current_organization_id', '{globex}', true) <> ''"
    " AND id = tenancy.current_workspace_id()",
    "WITH x AS MATERIALIZED (SELECT tenancy.enter('{outsider}', '{globex}') AS v)"
    " SELECT p.name FROM x CROSS JOIN LATERAL (SELECT name FROM public.organizations WHERE x.v IS NULL OFFSET 0) AS p",
    "SELECT query_to_xml($$SELECT tenancy.enter('{outsider}', '{globex}')$$, true, false, ''),"
    " query_to_xml('SELECT name FROM public.organizations', true, false, '')",
    "SELECT tenancy.enter('{outsider}', '{globex}')::text UNION ALL SELECT name FROM public.organizations",
    "UPDATE pg_settings SET setting = '{globex}' WHERE name = 'tenancy.current_organization_id'"
    " RETURNING (SELECT name FROM public.organizations), tenancy.current_workspace_id()",
]


@pytest.mark.parametrize("injection", INJECTIONS, ids=[f"injection {number}" for number in range(len(INJECTIONS))])
def test_no_single_injected_statement_switches_the_tenant(tenants: TwoTenants, login: str, injection: str) -> None:
    statement = injection.format(globex=tenants.globex.id, outsider=tenants.outsider.id)
    with tenants.entered(tenants.members["user"], tenants.acme, login) as connection:
        seen: Any = []
        try:
            seen = connection.execute(statement).fetchall()
        except psycopg.Error as error:
            seen = error
        assert "Globex" not in str(seen)


def test_stacked_statements_of_a_login_with_credentials_name_no_user(tenants: TwoTenants) -> None:
    with tenants.entered(login=tenants.logins.credentialed) as connection:
        connection.execute("COMMIT; BEGIN")
        with refused("42501"):
            connection.execute("SELECT tenancy.enter(%s, %s)", [tenants.outsider.id, tenants.globex.id])


# -- what outlives a transaction -----------------------------------------------


def test_a_cursor_ends_with_its_transaction(tenants: TwoTenants, login: str) -> None:
    with tenants.entered(login=login) as connection:
        connection.execute("DECLARE c CURSOR FOR SELECT name FROM public.organizations")
        connection.commit()
        tenants.enter(connection, tenants.outsider, tenants.globex)
        with refused("34000"):
            connection.execute("FETCH ALL FROM c")


def test_a_cursor_that_is_held_holds_no_row_of_the_next_workspace(tenants: TwoTenants, login: str) -> None:
    with tenants.entered(login=login) as connection:
        connection.execute("DECLARE c CURSOR WITH HOLD FOR SELECT name FROM public.organizations")
        connection.commit()
        tenants.enter(connection, tenants.outsider, tenants.globex)
        assert connection.execute("FETCH ALL FROM c").fetchall() == [("Acme",)]


def test_a_cursor_keeps_to_its_workspace_when_the_variables_change(tenants: TwoTenants, login: str) -> None:
    with tenants.entered(login=login) as connection:
        connection.execute("DECLARE c CURSOR FOR SELECT name FROM public.organizations")
        set_context(connection, of_globex(tenants))
        with suppress(psycopg.errors.InvalidAuthorizationSpecification):
            assert connection.execute("FETCH ALL FROM c").fetchall() in ([], [("Acme",)])


@pytest.mark.parametrize("plans", ["force_generic_plan", "force_custom_plan", "auto"])
def test_a_prepared_statement_shows_each_workspace_its_own(tenants: TwoTenants, login: str, plans: str) -> None:
    with tenants.session(login) as connection:
        connection.execute(f"SET plan_cache_mode = {plans}")
        for name, query in {
            "theirs": "SELECT name FROM public.organizations",
            "role": "SELECT tenancy.current_role()",
            "may": "SELECT tenancy.has_permission('organization.delete')",
            "entries": "SELECT DISTINCT workspace_id FROM tenancy.audit_log",
        }.items():
            connection.execute(f"PREPARE {name} AS {query}")
        connection.commit()
        for _ in range(4):
            for user, organization, role in (
                (tenants.acme.owner, tenants.acme, "owner"),
                (tenants.outsider, tenants.globex, "owner"),
                (tenants.members["user"], tenants.acme, "user"),
            ):
                tenants.enter(connection, user, organization)
                assert connection.execute("EXECUTE theirs").fetchall() == [(organization.name,)]
                assert connection.execute("EXECUTE role").fetchall() == [(role,)]
                assert connection.execute("EXECUTE may").fetchall() == [(role == "owner",)]
                entries = connection.execute("EXECUTE entries").fetchall()
                assert entries == ([] if role == "user" else [(organization.id,)])
                connection.commit()
                with refused("28000", "no_context"):
                    connection.execute("EXECUTE theirs")
                connection.rollback()


def test_a_plan_made_by_a_service_is_not_the_applications(tenants: TwoTenants, new_login: Any) -> None:
    both = new_login("tenancy_app", "tenancy_service")
    with tenants.session(both) as connection:
        connection.execute("SET plan_cache_mode = force_generic_plan")
        connection.execute("PREPARE q AS SELECT name FROM public.organizations ORDER BY name")
        connection.execute("SET ROLE tenancy_service")
        assert connection.execute("EXECUTE q").fetchall() == [("Acme",), ("Globex",)]
        connection.execute("SET ROLE tenancy_app")
        connection.execute("SELECT tenancy.enter(%s, %s)", [tenants.acme.owner.id, tenants.acme.id])
        assert connection.execute("EXECUTE q").fetchall() == [("Acme",)]


# -- parallel workers ----------------------------------------------------------


def test_parallel_workers_have_the_same_context(tenants: TwoTenants, login: str) -> None:
    queries = [
        "SELECT count(*) FROM tenancy.audit_log",
        "SELECT count(*) FROM public.organization_memberships",
        "SELECT count(*) FROM tenancy.role_permissions WHERE tenancy.current_workspace_id() IS NOT NULL",
        "SELECT tenancy.current_workspace_id(), tenancy.current_role()",
    ]
    with tenants.entered(login=login) as connection:
        alone = [connection.execute(query).fetchall() for query in queries]
        forced = "debug_parallel_query" if connection.info.server_version >= 160000 else "force_parallel_mode"
        for setting in (
            f"{forced} = on",
            "parallel_setup_cost = 0",
            "parallel_tuple_cost = 0",
            "min_parallel_table_scan_size = 0",
            "min_parallel_index_scan_size = 0",
            "max_parallel_workers_per_gather = 4",
        ):
            connection.execute(f"SET LOCAL {setting}")
        plan = str(connection.execute("EXPLAIN (COSTS OFF) " + queries[-1]).fetchall())
        assert "Gather" in plan
        assert [connection.execute(query).fetchall() for query in queries] == alone
        connection.execute("SELECT set_config('tenancy.current_role', 'user', true)")
        with refused("28000", "invalid_context"):
            connection.execute(queries[0])


# -- entering ------------------------------------------------------------------


def test_entering_needs_a_transaction_block(tenants: TwoTenants) -> None:
    with tenants.session(tenants.logins.app, autocommit=True) as connection:
        with refused("25P01", "transaction_required"):
            connection.execute(f"SELECT tenancy.enter('{tenants.acme.owner.id}')")
        # With parameters the server cannot tell, and the next statement does.
        with suppress(psycopg.errors.NoActiveSqlTransaction):
            connection.execute("SELECT tenancy.enter(%s, %s)", [tenants.acme.owner.id, tenants.acme.id])
        with refused("28000", "no_context"):
            names(connection)


def test_entering_says_the_same_whatever_does_not_exist(tenants: TwoTenants, login: str) -> None:
    with tenants.admin() as admin:
        gone = admin.execute(
            "UPDATE tenancy.workspaces SET deleted_at = now() WHERE id = %s RETURNING id", [tenants.globex.id]
        ).fetchone()
        assert gone
    answers = set()
    try:
        for user, organization in (
            (tenants.person.id, tenants.acme.id),  # is no member
            (tenants.outsider.id, tenants.globex.id),  # was deleted
            (uuid4(), tenants.acme.id),  # nobody
            (tenants.acme.owner.id, uuid4()),  # nowhere
            (uuid4(), None),
            (tenants.acme.id, None),  # an organization is no person
            (tenants.acme.owner.id, tenants.acme.owner.id),  # and a person no organization
            (tenants.acme.owner.id, PLATFORM),  # nobody enters the platform
            (PLATFORM, None),
        ):
            with tenants.session(login) as connection, pytest.raises(psycopg.Error) as raised:
                if login == tenants.logins.credentialed:
                    ticket = tenants.key.ticket(user, organization)
                    connection.execute("SELECT tenancy.enter_with_ticket(%s)", [ticket])
                else:
                    connection.execute("SELECT tenancy.enter(%s, %s)", [user, organization])
            diag = raised.value.diag
            answers.add(
                (diag.sqlstate, diag.constraint_name, diag.message_primary, diag.message_detail, diag.message_hint)
            )
    finally:
        with tenants.admin() as admin:
            admin.execute("UPDATE tenancy.workspaces SET deleted_at = NULL WHERE id = %s", [tenants.globex.id])
    assert len(answers) == 1
    assert next(iter(answers))[:2] == ("28000", "not_a_member")


def test_a_membership_that_is_removed_opens_nothing_from_the_next_transaction_on(tenants: TwoTenants) -> None:
    with tenants.admin() as admin:
        admin.execute(
            "INSERT INTO public.organization_memberships (organization_id, user_id, role) VALUES (%s, %s, 'admin')",
            [tenants.acme.id, tenants.person.id],
        )
        with tenants.entered(tenants.person, tenants.acme) as connection:
            admin.execute("DELETE FROM public.organization_memberships WHERE user_id = %s", [tenants.person.id])
            # The functions that change something look again.
            with refused("28000", "not_a_member"), connection.transaction():
                connection.execute("SELECT tenancy.remove_member(%s)", [tenants.members["user"].id])
            connection.commit()
            with refused("28000", "not_a_member"):
                tenants.enter(connection, tenants.person, tenants.acme)
