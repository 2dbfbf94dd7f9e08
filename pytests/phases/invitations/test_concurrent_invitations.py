"""Invitations: several sessions at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import psycopg
import pytest
from psycopg import IsolationLevel

from support.database import Database
from support.invitations import ACCEPT, ACCEPT_ALONE, REVOKE, Invite, by_level, invite, members, statuses
from support.people import Organization, People
from support.racing import Session, at_once
from support.server import Logins
from support.two_tenants import refused

pytestmark = pytest.mark.shared_database

Connection = psycopg.Connection[tuple[Any, ...]]
Connect = Callable[..., Connection]
Entered = Callable[..., AbstractContextManager[Connection]]


@by_level
@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
def test_of_twenty_who_show_one_token_at_once_one_joins(
    acme: Organization,
    invited: Invite,
    people: People,
    database: Database,
    logins: Logins,
    admin: Connection,
    level: IsolationLevel,
    known: bool,
) -> None:
    if known:
        people.user("new")
    token = invited(acme).token

    def work(number: int, barrier: threading.Barrier) -> None:
        with database.connect((logins.app, logins.credentialed)[number % 2]) as connection:
            connection.isolation_level = level
            # The snapshot of REPEATABLE READ is taken here.
            connection.execute("SELECT 1 FROM pg_catalog.pg_class LIMIT 1")
            barrier.wait(20)
            connection.execute(ACCEPT, [token, f"newt{number}", None, None, None])
            connection.commit()

    outcomes = at_once(20, work)
    assert outcomes.count("done") == 1
    refusals = {"invalid_invitation"} if level is IsolationLevel.READ_COMMITTED else {"invalid_invitation", "40001"}
    assert set(outcomes) <= refusals | {"done"}
    assert members(admin, acme) == {"ann@example.com": "owner", "new@example.com": "user"}
    assert admin.execute("SELECT count(*) FROM public.users WHERE email = 'new@example.com'").fetchone() == (1,)
    accepted = admin.execute(
        "SELECT u.email, i.accepted_at IS NOT NULL FROM tenancy.invitations AS i"
        " JOIN public.users AS u ON u.id = i.accepted_by_user_id"
    ).fetchall()
    assert accepted == [("new@example.com", True)]


@by_level
def test_eight_organizations_that_one_unknown_address_joins_at_once_share_one_account(
    invited: Invite, people: People, database: Database, logins: Logins, admin: Connection, level: IsolationLevel
) -> None:
    organizations = [people.organization() for _ in range(8)]
    # Spelled in two ways.
    tokens = [invited(o, ("new@example.com", "New@Example.com")[n % 2]).token for n, o in enumerate(organizations)]

    def work(number: int, barrier: threading.Barrier) -> None:
        with database.connect(logins.app) as connection:
            connection.isolation_level = level
            connection.execute("SELECT 1 FROM pg_catalog.pg_class LIMIT 1")
            barrier.wait(20)
            while True:
                try:
                    connection.execute(ACCEPT_ALONE, [tokens[number]])
                    connection.commit()
                except psycopg.errors.SerializationFailure:
                    assert level is not IsolationLevel.READ_COMMITTED
                    connection.rollback()
                else:
                    return

    assert at_once(8, work) == ["done"] * 8
    assert admin.execute("SELECT count(*) FROM public.users WHERE lower(email) = 'new@example.com'").fetchone() == (1,)
    assert admin.execute(
        "SELECT count(*), count(DISTINCT user_id) FROM public.organization_memberships WHERE role = 'user'"
    ).fetchone() == (8, 1)


def test_a_snapshot_from_before_the_account_makes_no_second_one(
    acme: Organization, invited: Invite, people: People, connect: Connect, logins: Logins, admin: Connection
) -> None:
    globex = people.organization("Globex")
    first, second = invited(acme).token, invited(globex).token
    late = connect(logins.app)
    late.isolation_level = IsolationLevel.REPEATABLE_READ
    late.execute("SELECT 1 FROM pg_catalog.pg_class LIMIT 1")
    connect(logins.app, autocommit=True).execute(ACCEPT_ALONE, [first])
    with refused("40001"):
        late.execute(ACCEPT_ALONE, [second])
    late.rollback()
    late.execute(ACCEPT_ALONE, [second])
    late.commit()
    assert admin.execute("SELECT count(*) FROM public.users WHERE email = 'new@example.com'").fetchone() == (1,)


def test_the_second_waits_for_the_account_of_the_first(
    acme: Organization, invited: Invite, people: People, connect: Connect, logins: Logins, admin: Connection
) -> None:
    globex = people.organization("Globex")
    tokens = [invited(acme).token, invited(globex).token]
    sessions = [Session(connect(logins.app), admin) for _ in tokens]
    for session, token in zip(sessions, tokens, strict=True):
        session.start(lambda connection, token=token: connection.execute(ACCEPT_ALONE, [token]))  # type: ignore[misc]
    assert admin.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone() == (1,)
    for session in sessions:
        session.commit()
    assert [session.outcome() for session in sessions] == ["done", "done"]
    assert admin.execute("SELECT count(*) FROM public.users WHERE email = 'new@example.com'").fetchone() == (1,)


def test_an_aborted_acceptance_leaves_the_token_valid(
    acme: Organization, invited: Invite, connect: Connect, logins: Logins, admin: Connection
) -> None:
    token = invited(acme).token
    first, second = (Session(connect(logins.app), admin) for _ in range(2))
    for session in (first, second):
        session.start(lambda connection: connection.execute(ACCEPT_ALONE, [token]))
    first.connection.rollback()
    second.commit()
    assert second.outcome() == "done"
    assert members(admin, acme) == {"ann@example.com": "owner", "new@example.com": "user"}


@pytest.mark.parametrize("accepted_first", [True, False])
def test_of_a_revocation_and_an_acceptance_one_comes_first(
    acme: Organization,
    invited: Invite,
    connect: Connect,
    logins: Logins,
    admin: Connection,
    as_app: Entered,
    accepted_first: bool,
) -> None:
    invitation = invited(acme)
    accepts, revokes = (Session(connect(logins.app), admin) for _ in range(2))
    revokes.connection.execute("SELECT tenancy.enter(%s, %s)", [acme.owner.id, acme.id])
    works = [
        (accepts, lambda connection: connection.execute(ACCEPT_ALONE, [invitation.token])),
        (revokes, lambda connection: connection.execute(REVOKE, [invitation.id])),
    ]
    for session, work in works if accepted_first else works[::-1]:
        session.start(work)
    for session, _ in works if accepted_first else works[::-1]:
        session.commit()
    outcomes = accepts.outcome(), revokes.outcome()
    assert outcomes == (("done", "invitation_not_pending") if accepted_first else ("invalid_invitation", "done"))
    assert ("new@example.com" in members(admin, acme)) == accepted_first
    assert statuses(as_app, acme) == [("new@example.com", "accepted" if accepted_first else "revoked")]


@by_level
def test_of_eight_who_invite_one_address_at_once_one_does(
    acme: Organization, people: People, database: Database, logins: Logins, admin: Connection, level: IsolationLevel
) -> None:
    admins = [people.member(acme, "admin") for _ in range(8)]

    def work(number: int, barrier: threading.Barrier) -> None:
        with database.connect(logins.app) as connection:
            connection.isolation_level = level
            connection.execute("SELECT tenancy.enter(%s, %s)", [admins[number].id, acme.id])
            barrier.wait(20)
            invite(connection, ("new@example.com", "NEW@example.com")[number % 2])
            connection.commit()

    outcomes = at_once(8, work)
    assert outcomes.count("done") == 1
    assert set(outcomes) <= {"done", "invitation_pending", "40001"}
    assert admin.execute("SELECT count(*) FROM tenancy.invitations").fetchone() == (1,)


def test_accepting_waits_for_no_change_of_the_organization_and_holds_up_none(
    acme: Organization, invited: Invite, people: People, connect: Connect, logins: Logins, admin: Connection
) -> None:
    bob = people.member(acme, "user")
    first, second = invited(acme, "one@example.com"), invited(acme, "two@example.com")
    changes, accepts = connect(logins.app), connect(logins.app)
    for connection in (changes, accepts):
        connection.execute("SET lock_timeout = '200ms'")
        connection.commit()
    changes.execute("SELECT tenancy.enter(%s, %s)", [acme.owner.id, acme.id])
    changes.execute("SELECT tenancy.change_member_role(%s, 'admin')", [bob.id])
    changes.execute("SELECT tenancy.update_organization(name => 'Acme Ltd')")
    accepts.execute(ACCEPT_ALONE, [first.token])
    changes.commit()
    accepts.commit()
    before = admin.execute("SELECT owner_changes FROM tenancy.workspaces WHERE id = %s", [acme.id]).fetchone()
    accepts.execute(ACCEPT_ALONE, [second.token])
    changes.execute("SELECT tenancy.enter(%s, %s)", [acme.owner.id, acme.id])
    changes.execute("SELECT tenancy.change_member_role(%s, 'user')", [bob.id])
    invite(changes, "three@example.com")
    accepts.commit()
    changes.rollback()
    after = admin.execute("SELECT owner_changes FROM tenancy.workspaces WHERE id = %s", [acme.id]).fetchone()
    assert before == after


def test_an_open_acceptance_of_a_known_address_holds_up_nobody_who_makes_an_account(
    acme: Organization, invited: Invite, people: People, connect: Connect, logins: Logins
) -> None:
    globex = people.organization("Globex")
    people.user("bob")
    known, also, other = (
        invited(acme, "bob@example.com"),
        invited(globex, "bob@example.com"),
        invited(acme, "unknown@example.com"),
    )
    first, second = connect(logins.app), connect(logins.app)
    first.execute(ACCEPT_ALONE, [known.token])
    second.execute("SET lock_timeout = '200ms'")
    second.execute(ACCEPT_ALONE, [also.token])
    second.execute(ACCEPT_ALONE, [other.token])
