"""Attacks on the session context: copies, leftovers, and objects that outlive a transaction."""

# ruff: noqa: S608  (a block is a transaction; the statements are the attacks)

from __future__ import annotations

from contextlib import suppress
from typing import Any

import psycopg
import pytest

from support.contexts import BOTH, Sealed, context, names, of_globex, set_context
from support.two_tenants import TwoTenants, refused

pytestmark = BOTH

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
                sealed text; person text; organization text; found text;
            BEGIN
                PERFORM {enter};
                sealed := current_setting('tenancy.context');
                person := current_setting('tenancy.current_user_id');
                organization := current_setting('tenancy.current_organization_id');
                COMMIT;
                PERFORM set_config('tenancy.context', sealed, true),
                    set_config('tenancy.current_user_id', person, true),
                    set_config('tenancy.current_organization_id', organization, true);
                SELECT name INTO found FROM public.organizations;
                RAISE EXCEPTION 'saw %', found;
            END; $$
            """
        )


def test_in_one_message_a_seal_lasts_for_its_own_identity_alone(tenants: TwoTenants) -> None:
    # Transactions in one message start at the same time, so a seal can be
    # copied from one to the next. It opens only the workspace that the sender
    # of the message had just entered.
    with tenants.session(tenants.logins.app, autocommit=True) as connection, refused("28000", "invalid_context"):
        connection.execute(
            f"BEGIN; SELECT tenancy.enter('{tenants.acme.owner.id}', '{tenants.acme.id}');"
            " SELECT set_config('my.context', current_setting('tenancy.context'), false); COMMIT; BEGIN;"
            f" SELECT set_config('tenancy.current_user_id', '{tenants.outsider.id}', true),"
            f" set_config('tenancy.current_organization_id', '{tenants.globex.id}', true),"
            " set_config('tenancy.context', current_setting('my.context'), true);"
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
        sealed = Sealed.of(context(connection))
        assert len(keys) > 1
        for key in [*keys, "", "00000000", "%", "________"]:
            if key == sealed.key:
                continue
            connection.execute("SELECT set_config('tenancy.context', %s, true)", [sealed.but(key=key)])
            with refused("28000", "invalid_context"), connection.transaction():
                names(connection)


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
