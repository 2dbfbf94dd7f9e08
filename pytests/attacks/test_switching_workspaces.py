"""Attacks on the session context: a second workspace in one transaction."""

# ruff: noqa: PT012  (a block is a transaction; the statements are the attacks)

from __future__ import annotations

from contextlib import suppress
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from support.contexts import BOTH, Sealed, context, names, set_context
from support.two_tenants import TwoTenants, refused

pytestmark = BOTH

PLATFORM = UUID(int=0)


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
        " 'current_organization_id', 'context']) AS name",
        "SET tenancy.context TO DEFAULT; RESET tenancy.current_user_id; RESET tenancy.current_organization_id",
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
        # Entering again as the same person is allowed.
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


def test_what_a_savepoint_has_undone_opens_no_more_than_was_entered(
    tenants: TwoTenants, login: str, proof: str
) -> None:
    # A rollback to a savepoint allows another identity. With a sealed context, the text of the first seal is still
    # valid: anybody who kept it can return only to the workspace that they had entered with the credential.
    with tenants.session(login) as connection:
        connection.execute("SAVEPOINT before")
        tenants.enter(connection, tenants.members["user"], tenants.acme)
        kept = context(connection)
        connection.execute("ROLLBACK TO SAVEPOINT before")
        with refused("28000", "no_context"), connection.transaction():
            names(connection)
        tenants.enter(connection, tenants.outsider, tenants.globex)
        entered = context(connection)
        assert names(connection) == ["Globex"]
        for mixed in (
            kept | {"context": entered["context"]},
            entered | {"context": kept["context"]},
            kept | {"current_organization_id": entered["current_organization_id"]},
            entered | {"current_organization_id": kept["current_organization_id"]},
            entered | {"current_user_id": kept["current_user_id"]},
            kept | {"context": Sealed.of(kept).but(bits=Sealed.of(entered).bits)},
            kept | {"context": Sealed.of(kept).but(role="owner")},
        ):
            set_context(connection, mixed)
            with refused("28000", "invalid_context"), connection.transaction():
                names(connection)
        set_context(connection, kept)
        if proof == "carried":
            with refused("28000", "invalid_context"):
                names(connection)
            return
        assert names(connection) == ["Acme"]
        assert connection.execute("SELECT tenancy.current_role()").fetchone() == ("user",)
        assert connection.execute("SELECT action FROM tenancy.audit_log").fetchall() == []
        # It does not open a third workspace.
        with refused("28000", "context_already_set"), connection.transaction():
            tenants.enter(connection, tenants.person)
        connection.commit()
        set_context(connection, kept)
        with refused("28000", "invalid_context"):
            names(connection)


def test_the_platform_is_open_to_its_staff_alone(tenants: TwoTenants) -> None:
    for user in (tenants.acme.owner.id, tenants.person.id, tenants.acme.id, PLATFORM, uuid4()):
        with tenants.session(tenants.logins.app) as connection, refused("28000", "not_a_member"):
            connection.execute("SELECT tenancy.enter_platform(%s)", [user])
    with tenants.session(tenants.logins.credentialed) as connection, refused("42501"):
        connection.execute("SELECT tenancy.enter_platform(%s)", [tenants.staff.id])
    with tenants.session(tenants.logins.app) as connection:
        connection.execute("SELECT tenancy.enter_platform(%s)", [tenants.staff.id])
        platform = context(connection)
        with refused("28000", "context_already_set"), connection.transaction():
            tenants.enter(connection, tenants.staff)
    with tenants.entered(tenants.staff) as connection:
        with refused("28000", "context_already_set"), connection.transaction():
            connection.execute("SELECT tenancy.enter_platform(%s)", [tenants.staff.id])
        # The seal of a personal workspace is not valid for the platform's.
        own = context(connection)
        for forged in (
            platform,
            own | {"current_organization_id": str(PLATFORM)},
            platform | {"context": own["context"]},
        ):
            set_context(connection, forged)
            with refused("28000", "invalid_context"), connection.transaction():
                connection.execute("SELECT count(*) FROM public.instances")


def test_the_platforms_workspace_is_no_organization(tenants: TwoTenants) -> None:
    with tenants.session(tenants.logins.app) as connection:
        connection.execute("SELECT tenancy.enter_platform(%s)", [tenants.staff.id])
        found = connection.execute(
            "SELECT tenancy.current_organization_id(), tenancy.current_workspace_id(), tenancy.current_role()"
        ).fetchone()
        assert found == (None, PLATFORM, "staff")
        assert connection.execute("SELECT DISTINCT workspace_id FROM public.instances").fetchall() == [(PLATFORM,)]
        assert connection.execute("SELECT DISTINCT workspace_id FROM public.models").fetchall() == [(PLATFORM,)]
        for table in (
            "public.organizations",
            "public.organization_memberships",
            "tenancy.invitations",
            "public.api_keys",
        ):
            assert connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone() == (0,), table  # noqa: S608
        for call in (
            "create_api_key('of the platform')",
            "invite_member('new@example.com')",
            "update_organization(name => 'Mine')",
            "delete_organization()",
            "leave_organization()",
            f"change_member_role('{tenants.outsider.id}', 'owner')",
            f"remove_member('{tenants.outsider.id}')",
            f"delete_model('{tenants.rows['other']['spare_model']}')",
            f"terminate_instance('{tenants.rows['other']['instance']}')",
            f"revoke_api_key('{tenants.rows['other']['api_key']}')",
        ):
            with pytest.raises(psycopg.Error) as raised, connection.transaction():
                connection.execute(f"SELECT tenancy.{call}".encode())
            assert raised.value.sqlstate in {"42501", "P0002", "55000"}, (call, raised.value)
        # No tenant's row is written there.
        assert connection.execute(
            "UPDATE public.instances SET gpu_profile = 'x' RETURNING workspace_id"
        ).fetchall() == [(PLATFORM,)]
        assert connection.execute("UPDATE public.models SET name = 'x' WHERE organization_id IS NOT NULL").rowcount == 0


def test_a_key_of_staff_is_nobody_of_staff(tenants: TwoTenants, login: str) -> None:
    with tenants.entered(tenants.staff) as made:
        (key,) = made.execute("SELECT key FROM tenancy.create_api_key('of staff')").fetchone() or ("",)
        made.commit()
    with tenants.session(login) as connection:
        connection.execute("SELECT tenancy.enter_with_api_key(%s)", [key])
        assert Sealed.of(context(connection)).role == ""
        with refused("42501", "permission_denied"), connection.transaction():
            connection.execute("SELECT tenancy.all_users()")
        assert connection.execute("SELECT id FROM public.users").fetchall() == [(tenants.staff.id,)]
        sealed = Sealed.of(context(connection))
        connection.execute("SELECT set_config('tenancy.context', %s, true)", [sealed.but(role="staff", credential="")])
        with refused("28000", "invalid_context"):
            connection.execute("SELECT tenancy.all_users()")


def test_a_key_has_the_bits_of_a_user_and_its_credential_last(tenants: TwoTenants, login: str) -> None:
    with tenants.entered(tenants.members["user"], tenants.acme, login) as connection:
        of_a_user = Sealed.of(context(connection))
    with tenants.session(login) as connection:
        connection.execute("SELECT tenancy.enter_with_api_key(%s)", [tenants.api_keys["organization"]])
        entered = context(connection)
        sealed = Sealed.of(entered)
        assert (sealed.bits, sealed.role, of_a_user.credential) == (of_a_user.bits, "user", "")
        assert connection.execute("SELECT tenancy.current_credential_id()").fetchone() == (UUID(sealed.credential),)
        assert entered["context"].endswith(f"_user_{sealed.credential}")
        with refused("42501", "person_required"), connection.transaction():
            connection.execute("SELECT tenancy.require_person()")
        # It cannot become its creator, with or without the credential.
        for forged in (sealed.but(credential=""), sealed.but(role="owner", credential=""), str(of_a_user)):
            connection.execute("SELECT set_config('tenancy.context', %s, true)", [forged])
            for statement in ("SELECT tenancy.require_person()", "UPDATE public.api_keys SET name = 'x'"):
                with refused("28000", "invalid_context"), connection.transaction():
                    connection.execute(statement.encode())


LATCH = "hashint8((extract(EPOCH FROM now()) * 1000000)::bigint)"


@pytest.mark.parametrize("lock", ["pg_advisory_xact_lock_shared", "pg_advisory_xact_lock", "pg_advisory_lock_shared"])
def test_taking_the_lock_of_another_identity_opens_no_second_workspace(tenants: TwoTenants, lock: str) -> None:
    identity = f"{tenants.outsider.id}/{tenants.globex.id}"
    # The order of two locks in the list varies.
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
        # It may lock the person out, but lets nobody else in.
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
    # Left in a pooled connection by one request and used by another.
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
    # In one statement, a value is computed first, and then hidden rows are read.
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
        connection.execute("SELECT set_config('tenancy.context', '', true)")
        with refused("28000", "invalid_context"):
            connection.execute(queries[0])


# -- entering ------------------------------------------------------------------


@pytest.mark.parametrize("quoted", ["off", "on"])
def test_entering_needs_a_transaction_block(tenants: TwoTenants, quoted: str) -> None:
    with tenants.session(tenants.logins.app, autocommit=True) as connection:
        connection.execute(f"SET quote_all_identifiers = {quoted}")
        with refused("25P01", "transaction_required"):
            connection.execute(f"SELECT tenancy.enter('{tenants.acme.owner.id}')")
        # With parameters the server cannot detect it, but the next statement can.
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
            (tenants.acme.owner.id, PLATFORM),  # nobody enters the platform by this door
            (tenants.staff.id, PLATFORM),
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
            # Functions that change something check again.
            with refused("28000", "not_a_member"), connection.transaction():
                connection.execute("SELECT tenancy.remove_member(%s)", [tenants.members["user"].id])
            connection.commit()
            with refused("28000", "not_a_member"):
                tenants.enter(connection, tenants.person, tenants.acme)
