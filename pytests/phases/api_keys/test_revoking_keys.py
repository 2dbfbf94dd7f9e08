"""API keys: a revoked key opens nothing, and revoking does not wait."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import psycopg
import pytest
from psycopg import IsolationLevel

from support.api_keys import ENTER, Acme, Make, WithKey, one
from support.racing import name_of
from support.server import Logins
from support.two_tenants import refused

pytestmark = pytest.mark.shared_database

Connection = psycopg.Connection[tuple[Any, ...]]
Connect = Callable[..., Connection]
AsApp = Callable[..., AbstractContextManager[Connection]]


def test_revoking_waits_for_nobody_who_uses_the_key(
    acme: Acme, make: Make, with_key: WithKey, as_app: AsApp, admin: Connection
) -> None:
    made = make(acme.ann, acme.organization)
    with with_key(made) as using:
        assert using.info.transaction_status == psycopg.pq.TransactionStatus.INTRANS
        with as_app(acme.ann, acme.organization) as connection:
            connection.execute("SET LOCAL lock_timeout = '500ms'")
            connection.execute("SELECT tenancy.revoke_api_key(%s)", [made.id])
        with refused("28000", "invalid_api_key"), with_key(made):
            pass
        # Repeating it is not an error, and another change does not wait either.
        with as_app(acme.abe, acme.organization) as connection:
            connection.execute("SET LOCAL lock_timeout = '500ms'")
            connection.execute("SELECT tenancy.revoke_api_key(%s)", [made.id])
            connection.execute("SELECT tenancy.create_api_key('next')")
    with refused("28000", "invalid_api_key"), with_key(made):
        pass
    # The next change writes it to the row, with the time of the revocation.
    with as_app(acme.ann, acme.organization) as connection:
        connection.execute("SELECT tenancy.create_api_key('one more')")
    assert one(admin, "SELECT revoked_at IS NOT NULL FROM public.api_keys WHERE id = %s", made.id)
    assert one(admin, "SELECT count(*) FROM tenancy_private.revocations") == 0
    with refused("28000", "invalid_api_key"), with_key(made):
        pass


def test_a_locked_key_can_be_revoked(acme: Acme, make: Make, with_key: WithKey, as_app: AsApp) -> None:
    made = make(acme.ann)
    with with_key(made) as holding:
        holding.execute("SELECT id FROM public.api_keys FOR UPDATE")
        with as_app(acme.ann) as connection:
            connection.execute("SET LOCAL lock_timeout = '500ms'")
            connection.execute("SELECT tenancy.revoke_api_key(%s)", [made.id])
        with refused("28000", "invalid_api_key"), with_key(made):
            pass


def test_the_log_says_who_revoked_a_key_that_was_in_use(
    acme: Acme, make: Make, with_key: WithKey, as_app: AsApp, admin: Connection
) -> None:
    revocations = (
        "SELECT user_id, workspace_id, role, old_values, new_values ->> 'revoked_at' IS NOT NULL FROM tenancy.audit_log"
        " WHERE object_id = %s AND action = 'api_key.update'"
    )
    made = make(acme.ann, acme.organization)
    with with_key(made):
        for who in (acme.abe, acme.ann):  # the second finds it done
            with as_app(who, acme.organization) as connection:
                connection.execute("SELECT tenancy.revoke_api_key(%s)", [made.id])
    once = [(acme.abe.id, acme.id, "admin", {"revoked_at": None}, True)]
    assert admin.execute(revocations, [str(made.id)]).fetchall() == once
    # Another change writes it to the row, which is not a revocation.
    with as_app(acme.ann, acme.organization) as connection:
        connection.execute("SELECT tenancy.create_api_key('next')")
    assert one(admin, "SELECT revoked_at IS NOT NULL FROM public.api_keys WHERE id = %s", made.id)
    assert admin.execute(revocations, [str(made.id)]).fetchall() == once
    directly = make(acme.ann, acme.organization)
    with as_app(acme.abe, acme.organization) as connection:
        connection.execute("SELECT tenancy.revoke_api_key(%s)", [directly.id])
    assert admin.execute(revocations, [str(directly.id)]).fetchall() == once


def test_a_key_that_is_nobodys_opens_nothing(acme: Acme, make: Make, with_key: WithKey, admin: Connection) -> None:
    made = make(acme.ann)
    admin.execute("UPDATE public.api_keys SET user_id = NULL WHERE id = %s", [made.id])
    with refused("28000", "invalid_api_key"), with_key(made):
        pass


def test_a_revocation_that_is_rolled_back_leaves_the_key(
    acme: Acme, make: Make, with_key: WithKey, connect: Connect, logins: Logins
) -> None:
    made = make(acme.ann)
    connection = connect(logins.app)
    for _ in range(2):
        connection.execute("SELECT tenancy.enter(%s)", [acme.ann.id])
        connection.execute("SELECT tenancy.revoke_api_key(%s)", [made.id])
        connection.rollback()
        with with_key(made):
            pass


@pytest.mark.parametrize("held", [False, True])
@pytest.mark.parametrize("level", [IsolationLevel.REPEATABLE_READ, IsolationLevel.SERIALIZABLE], ids=lambda v: v.name)
def test_an_old_snapshot_opens_with_no_revoked_key(
    acme: Acme,
    make: Make,
    with_key: WithKey,
    as_app: AsApp,
    connect: Connect,
    logins: Logins,
    level: IsolationLevel,
    held: bool,
) -> None:
    made = make(acme.ann, acme.organization)
    old = connect(logins.app)
    old.isolation_level = level
    old.execute("SELECT 1")
    with with_key(made) as using:
        if not held:
            using.commit()
        with as_app(acme.ann, acme.organization) as connection:
            connection.execute("SELECT tenancy.revoke_api_key(%s)", [made.id])
        for read_only in (False, True):
            mode = "READ ONLY" if read_only else "READ WRITE"
            with pytest.raises(psycopg.Error) as raised, old.transaction():
                old.execute(f"SET TRANSACTION {mode}; SELECT tenancy.enter_with_api_key('{made.key}')")
            assert name_of(raised.value) in {"40001", "snapshot_not_checked"}


def test_an_old_snapshot_opens_no_deleted_organization(
    acme: Acme, make: Make, as_app: AsApp, connect: Connect, logins: Logins
) -> None:
    made = make(acme.ann, acme.organization)
    old = connect(logins.app)
    old.isolation_level = IsolationLevel.REPEATABLE_READ
    old.execute("SELECT 1")
    with as_app(acme.ann, acme.organization) as connection:
        connection.execute("SELECT tenancy.delete_organization()")
    with refused("40001"):
        old.execute(ENTER, [made.key])


def test_a_key_that_is_being_revoked_is_not_waited_for(
    acme: Acme, make: Make, with_key: WithKey, connect: Connect, logins: Logins
) -> None:
    made = make(acme.ann, acme.organization)
    revoking = connect(logins.app)
    revoking.execute("SELECT tenancy.enter(%s, %s)", [acme.ann.id, acme.id])
    revoking.execute("SELECT tenancy.revoke_api_key(%s)", [made.id])
    with with_key(made) as connection:
        connection.execute("SET LOCAL lock_timeout = '500ms'")
        connection.execute(ENTER, [made.key])
    revoking.commit()
    with refused("28000", "invalid_api_key"), with_key(made):
        pass


@pytest.mark.parametrize("demoted", [True, False])
def test_somebody_who_lost_the_permission_meanwhile_creates_no_key(
    acme: Acme, as_app: AsApp, admin: Connection, demoted: bool
) -> None:
    with as_app(acme.abe, acme.organization) as connection:
        change = (
            "UPDATE public.organization_memberships SET role = 'user'"
            if demoted
            else ("DELETE FROM public.organization_memberships")
        )
        admin.execute(f"{change} WHERE user_id = %s", [acme.abe.id])
        with refused(*(("42501", "permission_denied") if demoted else ("28000", "not_a_member"))):
            connection.execute("SELECT tenancy.create_api_key('x')")
