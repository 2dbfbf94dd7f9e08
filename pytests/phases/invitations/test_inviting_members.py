"""Invitations: who is invited, who is not, and who is invited again."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from support.invitations import ACCEPT_ALONE, REVOKE, Invite, expire, invite, statuses
from support.people import Organization, People
from support.racing import name_of
from support.server import Logins
from support.two_tenants import refused

pytestmark = pytest.mark.shared_database

Connection = psycopg.Connection[tuple[Any, ...]]
Connect = Callable[..., Connection]
Entered = Callable[..., AbstractContextManager[Connection]]


def test_one_address_has_one_open_invitation_whatever_its_case(
    acme: Organization, invited: Invite, people: People, as_app: Entered
) -> None:
    invited(acme, "New.Person@Example.com")
    for email in ("new.person@example.com", "NEW.PERSON@EXAMPLE.COM", "\tnew.Person@example.com \n"):
        with refused("23505", "invitation_pending"):
            invited(acme, email)
    assert statuses(as_app, acme) == [("New.Person@Example.com", "pending")]
    # Invitations of another organization do not affect Acme's, and vice versa.
    invited(people.organization("Globex"), "new.person@example.com")


def test_a_member_is_not_invited_and_the_error_says_so(acme: Organization, invited: Invite, people: People) -> None:
    bob = people.member(acme, "user", "bob")
    for email in (bob.email, bob.email.upper(), f" {bob.email} "):
        with refused("23505", "already_a_member"):
            invited(acme, email)


def test_an_account_of_another_organization_is_invited_like_a_stranger(
    acme: Organization, invited: Invite, people: People, as_app: Entered
) -> None:
    globex = people.organization("Globex")
    invited(acme, globex.owner.email)
    invited(acme, "stranger@example.com")
    with as_app(acme.owner, acme) as connection:
        rows = connection.execute("SELECT role, status, expires_at - created_at FROM tenancy.invitations()").fetchall()
    assert len(set(rows)) == 1


def test_after_a_revocation_one_invites_again(
    acme: Organization, invited: Invite, as_app: Entered, connect: Connect, logins: Logins, admin: Connection
) -> None:
    first = invited(acme)
    with as_app(acme.owner, acme) as connection:
        connection.execute(REVOKE, [first.id])
        with refused("55000", "invitation_not_pending"), connection.transaction():
            connection.execute(REVOKE, [first.id])
        second = invite(connection, "NEW@example.com")
    connection = connect(logins.app, autocommit=True)
    with refused("28000", "invalid_invitation"):
        connection.execute(ACCEPT_ALONE, [first.token])
    connection.execute(ACCEPT_ALONE, [second.token])
    assert statuses(as_app, acme) == [("NEW@example.com", "accepted"), ("new@example.com", "revoked")]


def test_after_an_expiry_one_invites_again(
    acme: Organization, invited: Invite, as_app: Entered, connect: Connect, logins: Logins, admin: Connection
) -> None:
    first = invited(acme)
    expire(admin, first)
    with as_app(acme.owner, acme) as connection, refused("55000", "invitation_not_pending"), connection.transaction():
        connection.execute(REVOKE, [first.id])
    second = invited(acme, "New@Example.com")
    assert statuses(as_app, acme) == [("New@Example.com", "pending"), ("new@example.com", "expired")]
    # The first does not become valid again, whatever is written to it.
    admin.execute("UPDATE tenancy.invitations SET expires_at = 'infinity' WHERE id = %s", [first.id])
    connection = connect(logins.app, autocommit=True)
    with refused("28000", "invalid_invitation"):
        connection.execute(ACCEPT_ALONE, [first.token])
    connection.execute(ACCEPT_ALONE, [second.token])


def test_a_former_member_can_be_invited_again(
    acme: Organization, invited: Invite, as_app: Entered, connect: Connect, logins: Logins
) -> None:
    connection = connect(logins.app, autocommit=True)
    users = set()
    for _ in range(2):
        row = connection.execute(ACCEPT_ALONE, [invited(acme).token]).fetchone()
        assert row is not None
        users.add(row[0])
        with as_app(row[0], acme) as member:
            member.execute("SELECT tenancy.leave_organization()")
    assert len(users) == 1
    assert statuses(as_app, acme) == [("new@example.com", "accepted")] * 2


def test_an_accepted_invitation_is_not_revoked(
    acme: Organization, invited: Invite, as_app: Entered, connect: Connect, logins: Logins
) -> None:
    invitation = invited(acme)
    connect(logins.app, autocommit=True).execute(ACCEPT_ALONE, [invitation.token])
    with as_app(acme.owner, acme) as connection:
        with pytest.raises(psycopg.Error, match="the invitation is accepted") as raised:
            connection.execute(REVOKE, [invitation.id])
        connection.rollback()
    assert name_of(raised.value) == "invitation_not_pending"


def test_an_invitation_of_another_organization_is_not_there(
    acme: Organization, invited: Invite, people: People, as_app: Entered
) -> None:
    globex = people.organization("Globex")
    theirs = invited(globex)
    errors = set()
    for id_ in (theirs.id, uuid4(), None):
        with pytest.raises(psycopg.Error) as raised, as_app(acme.owner, acme) as connection:
            connection.execute(REVOKE, [id_])
        errors.add((raised.value.sqlstate, str(raised.value)))
    assert len(errors) == 1
    assert next(iter(errors))[0] == "P0002"
    assert statuses(as_app, globex) == [("new@example.com", "pending")]


def test_a_right_that_was_taken_meanwhile_invites_nobody(
    acme: Organization, people: People, connect: Connect, logins: Logins, admin: Connection
) -> None:
    bob = people.member(acme, "admin")
    connection = connect(logins.app)
    connection.execute("SELECT tenancy.enter(%s, %s)", [bob.id, acme.id])
    admin.execute("UPDATE public.organization_memberships SET role = 'user' WHERE user_id = %s", [bob.id])
    with refused("42501", "permission_denied"), connection.transaction():
        invite(connection, "new@example.com")
    admin.execute("UPDATE public.organization_memberships SET role = 'manager' WHERE user_id = %s", [bob.id])
    with refused("42501", "delegation_denied"), connection.transaction():
        invite(connection, "new@example.com", "admin")
