"""Accepting invitations: its effects, for whom, and what stays unchanged."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import psycopg
import pytest
from psycopg import IsolationLevel

from support.invitations import ACCEPT, ACCEPT_ALONE, GIVEN, PEEK, Invite, by_level, invite, members, statuses
from support.people import Organization, People
from support.server import Logins
from support.two_tenants import refused

pytestmark = pytest.mark.shared_database

Connection = psycopg.Connection[tuple[Any, ...]]
Connect = Callable[..., Connection]
Entered = Callable[..., AbstractContextManager[Connection]]


def test_an_unknown_address_gets_an_account_with_what_was_given(
    acme: Organization, invited: Invite, connect: Connect, logins: Logins, admin: Connection, as_app: Entered
) -> None:
    token = invited(acme, " New.Person@Example.com ", "manager").token
    connection = connect(logins.app)
    assert connection.execute(PEEK, [token]).fetchone() == ("Acme", "manager", False)
    row = connection.execute(ACCEPT, [token, *GIVEN]).fetchone()
    connection.commit()
    assert row is not None
    user, organization = row
    assert organization == acme.id
    account = admin.execute(
        "SELECT email, username, first_name, last_name, password_hash, role, created_at = updated_at"
        " FROM public.users WHERE id = %s",
        [user],
    ).fetchone()
    assert account == ("New.Person@Example.com", *GIVEN, "user", True)
    assert members(admin, acme) == {"ann@example.com": "owner", "New.Person@Example.com": "manager"}
    # The account is ordinary: it has a personal workspace, and can enter the organization.
    with as_app(user):
        pass
    with as_app(user, acme) as connection:
        assert connection.execute("SELECT tenancy.current_role()").fetchone() == ("manager",)


def test_of_an_account_that_is_there_nothing_changes(
    acme: Organization, invited: Invite, people: People, connect: Connect, logins: Logins, admin: Connection
) -> None:
    bob = people.user("bob")
    before = admin.execute("SELECT to_jsonb(u) FROM public.users AS u WHERE id = %s", [bob.id]).fetchone()
    token = invited(acme, "BOB@Example.com", "admin").token
    connection = connect(logins.app)
    assert connection.execute(PEEK, [token]).fetchone() == ("Acme", "admin", True)
    assert connection.execute(ACCEPT, [token, "evil", "E", "vil", "hash of evil"]).fetchone() == (bob.id, acme.id)
    connection.commit()
    assert admin.execute("SELECT to_jsonb(u) FROM public.users AS u WHERE id = %s", [bob.id]).fetchone() == before
    assert members(admin, acme) == {"ann@example.com": "owner", "bob@example.com": "admin"}


def test_looking_uses_nothing_up(acme: Organization, invited: Invite, connect: Connect, logins: Logins) -> None:
    token = invited(acme).token
    connection = connect(logins.app, autocommit=True)
    for _ in range(3):
        assert connection.execute(PEEK, [token]).fetchone() == ("Acme", "user", False)
    connection.execute(ACCEPT_ALONE, [token])
    with refused("28000", "invalid_invitation"):
        connection.execute(PEEK, [token])


@pytest.mark.parametrize("login", ["app", "credentialed", "service", "old"])
def test_accepting_needs_no_context_and_gives_none(
    acme: Organization, invited: Invite, connect: Connect, logins: Logins, login: str
) -> None:
    token = invited(acme).token
    connection = connect(getattr(logins, login))
    connection.execute(PEEK, [token])
    connection.execute(ACCEPT_ALONE, [token])
    settings = connection.execute(
        "SELECT concat(current_setting('tenancy.current_user_id', true), current_setting('tenancy.context', true),"
        " current_setting('tenancy.current_organization_id', true))"
    ).fetchone()
    assert settings == ("",)
    with refused("28000", "no_context"):
        connection.execute("SELECT tenancy.current_user_id()")
    connection.rollback()


@pytest.mark.parametrize("login", ["auditor", "nobody"])
def test_readers_and_strangers_accept_no_invitation(
    acme: Organization,
    invited: Invite,
    connect: Connect,
    logins: Logins,
    login: str,
    new_login: Callable[..., str],
    as_app: Entered,
) -> None:
    token = invited(acme).token
    connection = connect(logins.auditor if login == "auditor" else new_login(), autocommit=True)
    for statement in (ACCEPT_ALONE, PEEK):
        with refused("42501"):
            connection.execute(statement, [token])
    assert statuses(as_app, acme) == [("new@example.com", "pending")]


def test_the_new_member_can_enter_in_the_same_transaction(
    acme: Organization, invited: Invite, connect: Connect, logins: Logins
) -> None:
    token = invited(acme).token
    connection = connect(logins.app)
    row = connection.execute(ACCEPT_ALONE, [token]).fetchone()
    assert row is not None
    connection.execute("SELECT tenancy.enter(%s, %s)", row)
    assert connection.execute("SELECT tenancy.current_role()").fetchone() == ("user",)


@pytest.mark.parametrize("personal", [True, False])
def test_another_workspace_that_was_entered_stays_as_it_is(
    acme: Organization, invited: Invite, people: People, as_app: Entered, admin: Connection, personal: bool
) -> None:
    globex = people.organization("Globex")
    token = invited(acme, "new@example.com", "owner").token
    variables = (
        "SELECT current_setting('tenancy.current_user_id'), current_setting('tenancy.current_organization_id'),"
        " current_setting('tenancy.context')"
    )
    with as_app(globex.owner, None if personal else globex) as connection:
        before = connection.execute(variables).fetchone()
        connection.execute(ACCEPT_ALONE, [token])
        assert connection.execute(variables).fetchone() == before
        assert connection.execute("SELECT tenancy.current_user_id()").fetchone() == (globex.owner.id,)
        assert connection.execute("SELECT count(*) FROM public.organizations").fetchone() == (0 if personal else 1,)
    # The account of the invited address joined, not the caller.
    assert members(admin, acme) == {"ann@example.com": "owner", "new@example.com": "owner"}


def test_somebody_who_became_a_member_meanwhile_keeps_their_role(
    acme: Organization, invited: Invite, people: People, connect: Connect, logins: Logins, admin: Connection
) -> None:
    bob = people.user("bob")
    token = invited(acme, bob.email, "user").token
    people.membership(acme, bob, "owner")
    connection = connect(logins.app, autocommit=True)
    assert connection.execute(ACCEPT_ALONE, [token]).fetchone() == (bob.id, acme.id)
    assert members(admin, acme)[bob.email] == "owner"
    with refused("28000", "invalid_invitation"):
        connection.execute(ACCEPT_ALONE, [token])


def test_the_rule_of_the_last_owner_is_as_it_was(
    acme: Organization, invited: Invite, connect: Connect, logins: Logins, as_app: Entered, admin: Connection
) -> None:
    token = invited(acme, "heir@example.com", "owner").token
    with refused("23514", "organization_keeps_an_owner"), as_app(acme.owner, acme) as connection:
        connection.execute("SELECT tenancy.leave_organization()")
    connect(logins.app, autocommit=True).execute(ACCEPT_ALONE, [token])
    with as_app(acme.owner, acme) as connection:
        connection.execute("SELECT tenancy.leave_organization()")
    assert members(admin, acme) == {"heir@example.com": "owner"}


def test_the_inviter_may_be_deleted(
    acme: Organization, people: People, connect: Connect, logins: Logins, as_app: Entered, admin: Connection
) -> None:
    bob, cid = people.member(acme, "admin"), people.member(acme, "admin")
    with as_app(bob, acme) as connection:
        first = invite(connection, "one@example.com", "admin")
    with as_app(cid, acme) as connection:
        second = invite(connection, "two@example.com")
    with as_app(bob, acme) as connection:
        connection.execute("SELECT tenancy.leave_organization()")
    admin.execute("DELETE FROM public.users WHERE id = %s", [cid.id])
    with as_app(acme.owner, acme) as connection:
        invited_by = connection.execute("SELECT email, invited_by_user_id FROM tenancy.invitations()").fetchall()
    assert invited_by == [("two@example.com", None), ("one@example.com", bob.id)]
    connection = connect(logins.app, autocommit=True)
    for invitation in (first, second):
        connection.execute(ACCEPT_ALONE, [invitation.token])
    assert members(admin, acme) == {"ann@example.com": "owner", "one@example.com": "admin", "two@example.com": "user"}


def test_a_deleted_organization_cannot_be_joined_until_it_is_restored(
    acme: Organization, invited: Invite, connect: Connect, logins: Logins, as_app: Entered
) -> None:
    token = invited(acme).token
    with as_app(acme.owner, acme) as connection:
        connection.execute("SELECT tenancy.delete_organization()")
    connection = connect(logins.app, autocommit=True)
    for statement in (PEEK, ACCEPT_ALONE):
        with refused("28000", "invalid_invitation"):
            connection.execute(statement, [token])
    connect(logins.service, autocommit=True).execute("SELECT tenancy.restore_organization(%s)", [acme.id])
    connection.execute(ACCEPT_ALONE, [token])


@by_level
def test_an_organization_that_was_deleted_meanwhile_is_not_joined(
    acme: Organization, invited: Invite, as_app: Entered, connect: Connect, logins: Logins, level: IsolationLevel
) -> None:
    invitation = invited(acme)
    connection = connect(logins.app)
    connection.isolation_level = level
    connection.execute("SELECT count(*) FROM pg_class")  # the transaction's snapshot
    with as_app(acme.owner, acme) as deleting:
        deleting.execute("SELECT tenancy.delete_organization()")
    late = level is IsolationLevel.READ_COMMITTED
    with refused("28000", "invalid_invitation") if late else refused("40001"):
        connection.execute(ACCEPT_ALONE, [invitation.token])


def test_an_organization_that_is_purged_takes_its_invitations_along(
    acme: Organization, invited: Invite, connect: Connect, logins: Logins, as_app: Entered, admin: Connection
) -> None:
    token = invited(acme).token
    with as_app(acme.owner, acme) as connection:
        connection.execute("SELECT tenancy.delete_organization()")
    connect(logins.service, autocommit=True).execute("SELECT tenancy.purge_organization(%s)", [acme.id])
    assert admin.execute("SELECT count(*) FROM tenancy.invitations").fetchone() == (0,)
    with refused("28000", "invalid_invitation"):
        connect(logins.app).execute(ACCEPT_ALONE, [token])


def test_an_address_of_several_accounts_goes_to_the_one_that_spells_it_so(
    acme: Organization, invited: Invite, people: People, connect: Connect, logins: Logins, admin: Connection
) -> None:
    # An adopted application may have some, and create others at any time.
    small, large = people.user("bob", email="bob@example.com"), people.user("Bob", email="Bob@Example.com")
    connection = connect(logins.app, autocommit=True)
    assert connection.execute(ACCEPT_ALONE, [invited(acme, "Bob@Example.com").token]).fetchone() == (large.id, acme.id)
    with refused("23505", "already_a_member"):
        invited(acme, "bob@example.com")

    globex = people.organization("Globex")
    token = invited(globex, "BOB@example.com").token
    with refused("21000", "email_ambiguous"):
        connection.execute(ACCEPT_ALONE, [token])
    # Nothing is lost by it.
    admin.execute("UPDATE public.users SET email = 'robert@example.com' WHERE id = %s", [large.id])
    assert connection.execute(ACCEPT_ALONE, [token]).fetchone() == (small.id, globex.id)
