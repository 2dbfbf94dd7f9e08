"""Invitations: a token opens one membership, once, and tells nothing to anybody else."""

from __future__ import annotations

import os
import statistics
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import IsolationLevel

from pg_tenancy.embedded import EmbeddedServer
from pg_tenancy.sqitch import Sqitch, SqitchError, libpq_environment
from support.database import Database
from support.people import Organization, People, User
from support.racing import Session, at_once, name_of
from support.server import Logins, Server
from support.two_tenants import refused

Connection = psycopg.Connection[tuple[Any, ...]]
Connect = Callable[..., Connection]
Run = Callable[[Database], Sqitch]
Entered = Callable[..., AbstractContextManager[Connection]]

LEVELS = [IsolationLevel.READ_COMMITTED, IsolationLevel.REPEATABLE_READ, IsolationLevel.SERIALIZABLE]
by_level = pytest.mark.parametrize("level", LEVELS, ids=lambda level: level.name)

ACCEPT = "SELECT user_id, organization_id FROM tenancy.accept_invitation(%s, %s, %s, %s, %s)"
ACCEPT_ALONE = "SELECT user_id, organization_id FROM tenancy.accept_invitation(%s)"
PEEK = "SELECT * FROM tenancy.peek_invitation(%s)"
REVOKE = "SELECT tenancy.revoke_invitation(%s)"
GIVEN = ["newt", "New", "T.", "hash of newt"]


@dataclass(frozen=True)
class Invitation:
    """What inviting answers."""

    id: UUID
    token: str


def invite(connection: Connection, *values: Any) -> Invitation:
    """Invite from where the connection is: e-mail, role, lifetime."""
    places = ", ".join(["%s"] * len(values))
    row = connection.execute(f"SELECT id, token FROM tenancy.invite_member({places})", values).fetchone()  # noqa: S608
    assert row is not None
    return Invitation(*row)


Invite = Callable[..., Invitation]


@pytest.fixture(name="invited")
def invited_fixture(as_app: Entered) -> Invite:
    """Return a function that invites an address into an organization as its owner, and commits."""

    def make(organization: Organization, email: str = "new@example.com", *values: Any) -> Invitation:
        with as_app(organization.owner, organization) as connection:
            return invite(connection, email, *values)

    return make


@pytest.fixture
def acme(people: People) -> Organization:
    return people.organization("Acme", owner=people.user("ann"))


def expire(admin: Connection, invitation: Invitation) -> None:
    """Let the invitation have been made and have ended some days ago."""
    admin.execute(
        "UPDATE tenancy.invitations SET created_at = now() - interval '9 days', expires_at = now() - interval '2 days'"
        " WHERE id = %s",
        [invitation.id],
    )


def members(admin: Connection, organization: Organization) -> dict[str, str]:
    """Return the members' roles by their e-mail addresses."""
    return dict(
        admin.execute(
            "SELECT u.email, m.role FROM public.organization_memberships AS m JOIN public.users AS u"
            " ON u.id = m.user_id WHERE m.organization_id = %s",
            [organization.id],
        ).fetchall()
    )


def statuses(as_app: Entered, organization: Organization) -> list[tuple[str, str]]:
    with as_app(organization.owner, organization) as connection:
        return connection.execute("SELECT email, status FROM tenancy.invitations()").fetchall()


# -- accepting ------------------------------------------------------------------------------


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
    # The account is one like any other: it has its personal workspace, and enters the organization.
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
        "SELECT concat(current_setting('tenancy.current_user_id', true), current_setting('tenancy.seal', true),"
        " current_setting('tenancy.current_organization_id', true), current_setting('tenancy.current_role', true))"
    ).fetchone()
    assert settings == ("",)
    with refused("28000", "no_context"):
        connection.execute("SELECT tenancy.current_user_id()")
    connection.rollback()


@pytest.mark.parametrize("login", ["auditor", "nobody"])
def test_who_only_looks_or_was_granted_nothing_accepts_nothing(
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
        " current_setting('tenancy.current_role'), current_setting('tenancy.seal')"
    )
    with as_app(globex.owner, None if personal else globex) as connection:
        before = connection.execute(variables).fetchone()
        connection.execute(ACCEPT_ALONE, [token])
        assert connection.execute(variables).fetchone() == before
        assert connection.execute("SELECT tenancy.current_user_id()").fetchone() == (globex.owner.id,)
        assert connection.execute("SELECT count(*) FROM public.organizations").fetchone() == (0 if personal else 1,)
    # It was the invited address that joined, and not who happened to call.
    assert members(admin, acme) == {"ann@example.com": "owner", "new@example.com": "owner"}


def test_who_became_a_member_meanwhile_keeps_the_role_and_the_invitation_is_used_up(
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


def test_who_invited_may_be_gone(
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
    # An adopted application may have them, and make another at any time.
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


# -- what is refused, and that it always looks the same ----------------------------------------


@pytest.fixture
def dead(
    acme: Organization,
    invited: Invite,
    people: People,
    as_app: Entered,
    connect: Connect,
    logins: Logins,
    admin: Connection,
) -> dict[str, str | None]:
    """Return a token for each way in which one can be bad."""
    expired, lapsed, revoked, used = (
        invited(acme, f"{name}@example.com") for name in ("expired", "lapsed", "revoked", "used")
    )
    for invitation in (expired, lapsed):
        expire(admin, invitation)
    invited(acme, "lapsed@example.com")
    with as_app(acme.owner, acme) as connection:
        connection.execute(REVOKE, [revoked.id])
    connect(logins.app, autocommit=True).execute(ACCEPT_ALONE, [used.token])
    gone = people.organization("Gone")
    deleted = invited(gone, "deleted@example.com")
    admin.execute("UPDATE tenancy.workspaces SET deleted_at = now() WHERE id = %s", [gone.id])
    live = invited(acme, "live@example.com").token
    return {
        "unknown": "inv_" + "0" * 64,
        "expired": expired.token,
        "lapsed": lapsed.token,
        "revoked": revoked.token,
        "used": used.token,
        "deleted organization": deleted.token,
        "NULL": None,
        "empty": "",
        "words": "an invitation, please",
        "without its prefix": live.removeprefix("inv_"),
        "in capitals": live.upper(),
        "with a space": live + " ",
        "cut short": live[:-1],
        "one digit off": live[:-1] + ("0" if live[-1] != "0" else "1"),
        "not of ASCII": "inv_é" + live[5:],
        "a quote": "' OR true --",
        "very long": "x" * 1_000_000,
    }


@pytest.mark.parametrize("statement", [ACCEPT_ALONE, PEEK], ids=["accept", "peek"])
def test_whatever_is_wrong_with_a_token_the_error_is_one(
    dead: dict[str, str | None], connect: Connect, logins: Logins, admin: Connection, statement: str
) -> None:
    counts = (
        "SELECT (SELECT count(*) FROM public.users), (SELECT count(*) FROM public.organization_memberships),"
        " (SELECT count(*) FROM tenancy.audit_log), (SELECT string_agg(i::text, '' ORDER BY id)"
        " FROM tenancy.invitations AS i)"
    )
    before, errors = admin.execute(counts).fetchone(), {}
    connection = connect(logins.app, autocommit=True)
    for name, token in dead.items():
        with pytest.raises(psycopg.Error) as raised:
            connection.execute(statement, [token])
        found = raised.value.diag
        errors[name] = (
            raised.value.sqlstate,
            found.constraint_name,
            found.message_primary,
            found.message_hint,
            found.message_detail,
            found.context,
        )
    assert len(set(errors.values())) == 1, errors
    assert errors["unknown"][:2] == ("28000", "invalid_invitation")
    assert None not in errors["unknown"][2:4]
    assert admin.execute(counts).fetchone() == before


def test_how_long_a_refusal_takes_does_not_say_why(
    dead: dict[str, str | None], connect: Connect, logins: Logins, admin: Connection
) -> None:
    names = ["unknown", "expired", "lapsed", "revoked", "used", "deleted organization", "one digit off"]
    took: dict[str, list[int]] = {name: [] for name in names}
    connection = connect(logins.app, autocommit=True)
    admin.execute("ANALYZE tenancy.invitations")
    for turn in range(220):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            start = time.perf_counter_ns()
            with pytest.raises(psycopg.Error):
                connection.execute(ACCEPT_ALONE, [dead[name]])
            took[name].append(time.perf_counter_ns() - start)
    medians = {name: statistics.median(times[20:]) for name, times in took.items()}
    # Where a password is hashed for some and not for others it is 60 times.
    assert max(medians.values()) / min(medians.values()) < 2, medians


def test_an_invitation_ends_by_the_clock(acme: Organization, as_app: Entered, connect: Connect, logins: Logins) -> None:
    with as_app(acme.owner, acme) as connection:
        invitation = invite(connection, "new@example.com", "user", "400 milliseconds")
    late = connect(logins.app)
    late.execute(PEEK, [invitation.token])
    time.sleep(0.45)
    # Not by when the transaction began.
    for statement in (PEEK, ACCEPT_ALONE):
        with refused("28000", "invalid_invitation"), late.transaction():
            late.execute(statement, [invitation.token])
    assert statuses(as_app, acme) == [("new@example.com", "expired")]


@pytest.mark.parametrize(
    ("lifetime", "seconds"),
    [("90 days", 90 * 86400), ("3 months", 90 * 86400), ("1 month -29 days", 86400), ("00:00:01", 1)],
)
def test_a_lifetime_is_counted_in_seconds(acme: Organization, as_app: Entered, lifetime: str, seconds: int) -> None:
    with as_app(acme.owner, acme) as connection:
        connection.execute("SET LOCAL TimeZone = 'Europe/Madrid'")
        invite(connection, "new@example.com", "user", lifetime)
        found = connection.execute(
            "SELECT extract(EPOCH FROM expires_at - created_at)::integer FROM tenancy.invitations()"
        ).fetchone()
    assert found == (seconds,)


def test_no_lifetime_is_the_usual_one(acme: Organization, as_app: Entered) -> None:
    with as_app(acme.owner, acme) as connection:
        invite(connection, "new@example.com", "user", None)
        found = connection.execute("SELECT expires_at - created_at FROM tenancy.invitations()").fetchone()
    assert found == (timedelta(days=7),)


@pytest.mark.parametrize(
    ("lifetime", "message"),
    [
        ("0", "an invitation that is open for no time can be accepted by nobody"),
        ("1 month -30 days", "an invitation that is open for no time can be accepted by nobody"),
        ("-1 second", "an invitation does not expire before it is made"),
        ("90 days 1 second", "an invitation is open for 90 days at most"),
        ("1 year", "an invitation is open for 90 days at most"),
    ],
)
def test_a_lifetime_that_is_none_is_refused_in_words_that_fit(
    acme: Organization, as_app: Entered, lifetime: str, message: str
) -> None:
    with as_app(acme.owner, acme) as connection, pytest.raises(psycopg.Error) as raised, connection.transaction():
        invite(connection, "new@example.com", "user", lifetime)
    diag = raised.value.diag
    assert (diag.sqlstate, diag.constraint_name, diag.message_primary, diag.message_hint) == (
        "22023",
        "invitation_expiry_invalid",
        message,
        "Give an interval of more than nothing and not more than 90 days, or NULL for 7 days.",
    )


# -- inviting ---------------------------------------------------------------------------------


def test_one_address_has_one_open_invitation_whatever_its_case(
    acme: Organization, invited: Invite, people: People, as_app: Entered
) -> None:
    invited(acme, "New.Person@Example.com")
    for email in ("new.person@example.com", "NEW.PERSON@EXAMPLE.COM", "\tnew.Person@example.com \n"):
        with refused("23505", "invitation_pending"):
            invited(acme, email)
    assert statuses(as_app, acme) == [("New.Person@Example.com", "pending")]
    # Another organization's is no business of Acme's, nor the other way round.
    invited(people.organization("Globex"), "new.person@example.com")


def test_a_member_is_not_invited_and_the_error_says_so(acme: Organization, invited: Invite, people: People) -> None:
    bob = people.member(acme, "user", "bob")
    for email in (bob.email, bob.email.upper(), f" {bob.email} "):
        with refused("23505", "already_a_member"):
            invited(acme, email)


def test_who_has_an_account_elsewhere_is_invited_like_a_stranger(
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
    # The first does not come to life, whatever somebody writes into it.
    admin.execute("UPDATE tenancy.invitations SET expires_at = 'infinity' WHERE id = %s", [first.id])
    connection = connect(logins.app, autocommit=True)
    with refused("28000", "invalid_invitation"):
        connection.execute(ACCEPT_ALONE, [first.token])
    connection.execute(ACCEPT_ALONE, [second.token])


def test_who_left_is_invited_again(
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


# -- at the same instant ------------------------------------------------------------------------


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


def test_who_gives_up_leaves_the_token_to_the_next(
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


# -- what is kept of a token ---------------------------------------------------------------------


def test_a_token_is_in_no_table_no_log_no_statistics_and_no_dump(own_server: EmbeddedServer) -> None:
    server = Server(own_server.dsn(), "own", "secret", str(own_server.bin_dir), own_server.version)
    database, logins = Database(server, server.template()), server.logins()
    tokens: list[str] = []
    with database.connect(autocommit=True) as admin, database.connect(logins.app) as app:
        people = People(admin)
        acme = people.organization("Acme")

        def asked(statement: str, token: str) -> None:
            said = ""
            try:
                with app.transaction():
                    app.execute(statement, [token])
            except psycopg.Error as error:
                said = f"{error} {error.diag.message_detail} {error.diag.context}"
            assert token not in said
            # What another session could see of it meanwhile.
            seen = admin.execute("SELECT query FROM pg_stat_activity WHERE pid = %s", [app.info.backend_pid])
            assert token not in str(seen.fetchall())

        for email in ("one@example.com", "two@example.com", "three@example.com"):
            app.execute("SELECT tenancy.enter(%s, %s)", [acme.owner.id, acme.id])
            invitation = invite(app, email)
            if email.startswith("three"):
                app.execute(REVOKE, [invitation.id])
            app.commit()
            tokens.append(invitation.token)
        for token in (tokens[0], tokens[0], tokens[2], "inv_" + "7" * 64):
            for statement in (PEEK, ACCEPT_ALONE):
                asked(statement, token)
        tokens.append("inv_" + "7" * 64)
        entries = admin.execute(
            "SELECT action, count(*) FROM tenancy.audit_log WHERE object_kind = 'invitation' GROUP BY 1 ORDER BY 1"
        ).fetchall()
        secrets = admin.execute(
            "SELECT a::text FROM tenancy.audit_log AS a WHERE a::text ~ 'token|inv_|x[0-9a-f]{64}'"
        ).fetchall()
    assert entries == [("invitation.create", 3), ("invitation.update", 3)]
    assert secrets == []
    dump = subprocess.run(
        [server.program("pg_dump"), "--inserts"],
        env={**os.environ, **libpq_environment(database.dsn())},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    log = own_server.log_tail(1_000_000)
    assert "the invitation is not valid" in log
    assert "INSERT INTO tenancy.invitations VALUES" in dump
    for token in tokens:
        digits = token.removeprefix("inv_")
        assert digits not in log
        assert digits not in dump


def test_the_audit_log_has_one_entry_for_each_change(
    acme: Organization, invited: Invite, as_app: Entered, connect: Connect, logins: Logins
) -> None:
    first, second = invited(acme, "one@example.com", "admin"), invited(acme, "two@example.com")
    with as_app(acme.owner, acme) as connection:
        connection.execute(REVOKE, [second.id])
    row = connect(logins.app, autocommit=True).execute(ACCEPT_ALONE, [first.token]).fetchone()
    assert row is not None
    with as_app(acme.owner, acme) as connection:
        entries = connection.execute(
            "SELECT action, object_id, user_id, array(SELECT jsonb_object_keys(new_values) ORDER BY 1)"
            " FROM tenancy.audit_log WHERE object_kind = 'invitation' ORDER BY occurred_at"
        ).fetchall()
        (new_values,) = connection.execute(
            "SELECT new_values FROM tenancy.audit_log WHERE action = 'invitation.create' AND object_id = %s",
            [str(first.id)],
        ).fetchone() or ({},)
    made = ["accepted_at", "accepted_by_user_id", "created_at", "email", "expires_at", "invited_by_user_id"]
    assert [(action, object_id, user) for action, object_id, user, _ in entries] == [
        ("invitation.create", str(first.id), acme.owner.id),
        ("invitation.create", str(second.id), acme.owner.id),
        ("invitation.update", str(second.id), acme.owner.id),
        # In no workspace: first that it was used, then whose account it is.
        ("invitation.update", str(first.id), None),
        ("invitation.update", str(first.id), None),
    ]
    assert [keys for _, _, _, keys in entries][2:] == [["revoked_at"], ["accepted_at"], ["accepted_by_user_id"]]
    assert set(made) - {"accepted_at", "accepted_by_user_id"} <= set(new_values)
    assert (new_values["email"], new_values["role"]) == ("one@example.com", "admin")


# -- back and forth -------------------------------------------------------------------------------


def test_a_revert_keeps_the_invitations_and_their_tokens_work_afterwards(
    acme: Organization,
    invited: Invite,
    people: People,
    database: Database,
    logins: Logins,
    sqitch: Run,
    admin: Connection,
    as_app: Entered,
) -> None:
    bob = people.member(acme, "admin", "bob")
    gone = people.organization("Gone")
    open_, used, revoked = (invited(acme, f"{name}@example.com") for name in ("open", "used", "revoked"))
    with as_app(bob, acme) as connection:
        by_bob = invite(connection, "by-bob@example.com")
    lost = invited(gone)
    with as_app(acme.owner, acme) as connection:
        connection.execute(REVOKE, [revoked.id])
    with database.connect(logins.app) as connection:
        connection.execute(ACCEPT_ALONE, [used.token])
    query = "SELECT to_jsonb(i) FROM tenancy.invitations AS i ORDER BY id"
    before = [row for (row,) in admin.execute(query).fetchall()]
    entries = admin.execute("SELECT count(*) FROM tenancy.audit_log").fetchone()
    run = sqitch(database)

    run.revert("@phase-2")
    assert admin.execute("SELECT to_regclass('tenancy.invitations')").fetchone() == (None,)
    run.deploy()
    run.verify()
    assert [row for (row,) in admin.execute(query).fetchall()] == before
    assert admin.execute("SELECT count(*) FROM tenancy.audit_log").fetchone() == entries
    assert admin.execute("SELECT to_regnamespace('tenancy_archive')").fetchone() == (None,)

    # What goes in between takes along what it would have taken along.
    run.revert("@phase-2")
    admin.execute("DELETE FROM public.organizations WHERE id = %s", [gone.id])
    admin.execute("DELETE FROM public.users WHERE email IN ('bob@example.com', 'used@example.com')")
    run.deploy()
    run.verify()
    left = {
        row["email"]: (row["invited_by_user_id"], row["accepted_by_user_id"], row["accepted_at"] is not None)
        for (row,) in admin.execute(query).fetchall()
    }
    ann = str(acme.owner.id)
    assert left == {
        "open@example.com": (ann, None, False),
        "used@example.com": (ann, None, True),
        "revoked@example.com": (ann, None, False),
        "by-bob@example.com": (None, None, False),
    }
    with database.connect(logins.app, autocommit=True) as connection:
        for dead in (used, revoked, lost):
            with refused("28000", "invalid_invitation"):
                connection.execute(ACCEPT_ALONE, [dead.token])
        for live in (open_, by_bob):
            connection.execute(ACCEPT_ALONE, [live.token])
    assert set(members(admin, acme)) == {"ann@example.com", "open@example.com", "by-bob@example.com"}


def test_a_revert_that_was_stopped_between_its_two_halves_goes_on(
    acme: Organization,
    invited: Invite,
    database: Database,
    sqitch: Run,
    admin: Connection,
    connect: Connect,
    logins: Logins,
) -> None:
    token = invited(acme).token
    run = sqitch(database)
    run.revert("invitations")
    admin.execute(
        """
        CREATE FUNCTION public.stop() RETURNS event_trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'stopped by the test'; END; $$;
        CREATE EVENT TRIGGER stop ON ddl_command_start WHEN tag IN ('DROP TABLE') EXECUTE FUNCTION public.stop();
        """
    )
    with pytest.raises(SqitchError, match="stopped by the test"):
        run.revert("@phase-2")
    admin.execute("DROP EVENT TRIGGER stop; DROP FUNCTION public.stop()")
    run.revert("@phase-2")
    run.deploy()
    run.verify()
    connect(logins.app, autocommit=True).execute(ACCEPT_ALONE, [token])


# -- which account has which address ---------------------------------------------------------------


def keys(admin: Connection) -> list[tuple[str, UUID]]:
    return admin.execute("SELECT email, user_id FROM tenancy_private.user_emails ORDER BY 1, 2").fetchall()


def test_addresses_follow_the_table_of_users(
    admin: Connection, connect: Connect, logins: Logins, people: People
) -> None:
    # As in a table that was adopted.
    admin.execute("ALTER TABLE public.users ALTER COLUMN email DROP NOT NULL")
    service = connect(logins.service, autocommit=True)
    ids = [UUID(int=number) for number in range(1, 9)]
    service.cursor().executemany(
        "INSERT INTO public.users (id, email) VALUES (%s, %s)",
        zip(
            ids,
            ["A@x", " b@X\n", "a@x", None, "", "  ", "x" * 321, "ÉTÉ@x"],
            strict=True,
        ),
    )
    assert keys(admin) == [("a@x", ids[0]), ("a@x", ids[2]), ("b@x", ids[1]), ("été@x", ids[7])]

    change = "UPDATE public.users SET email = %s WHERE id = %s"
    for id_, email in ((ids[0], "C@x"), (ids[1], None), (ids[3], "d@x"), (ids[7], "Été@x"), (ids[6], "z" * 9000)):
        service.execute(change, [email, id_])
    assert keys(admin) == [("a@x", ids[2]), ("c@x", ids[0]), ("d@x", ids[3]), ("été@x", ids[7])]

    service.execute("UPDATE public.users SET email = lower(email) || '.org' WHERE email ~ '@x$'")
    service.execute("DELETE FROM public.users WHERE id = %s", [ids[2]])
    assert keys(admin) == [("c@x.org", ids[0]), ("d@x.org", ids[3]), ("été@x.org", ids[7])]

    service.execute(
        "INSERT INTO public.users (id, email) VALUES (%s, 'new@x'), (%s, 'other@x')"
        " ON CONFLICT (id) DO UPDATE SET email = excluded.email",
        [ids[0], UUID(int=99)],
    )
    with admin.cursor().copy("COPY public.users (id, email) FROM STDIN") as copy:
        copy.write_row((UUID(int=100), "copied@x"))
    assert [email for email, _ in keys(admin)] == ["copied@x", "d@x.org", "new@x", "other@x", "été@x.org"]


def test_an_address_is_found_among_many_by_an_index(admin: Connection, people: People) -> None:
    admin.execute(
        "INSERT INTO public.users (email) SELECT 'user' || n || '@example.com' FROM generate_series(1, 20000) AS n"
    )
    admin.execute("ANALYZE tenancy_private.user_emails")
    found = admin.execute(
        "SELECT u.email FROM public.users AS u WHERE u.id = tenancy_private.user_with_email(' USER777@example.com')"
    ).fetchall()
    assert found == [("user777@example.com",)]
    plan = admin.execute(
        "EXPLAIN SELECT user_id FROM tenancy_private.user_emails WHERE email = tenancy_private.email_key('A@b')"
    ).fetchall()
    assert "user_emails_pkey" in str(plan)


MANY = 30_000
FILL = (
    "INSERT INTO public.users (id, email) SELECT ('00000000-0000-0000-0001-' || lpad(to_hex(n), 12, '0'))::uuid,"
    " CASE WHEN n %% 100 > 0 THEN 'User' || n %% 29000 || '@example.com' WHEN n %% 200 > 0 THEN ' ' END"
    " FROM generate_series(1, %s) AS n"
)
WRONG = """
SELECT count(*) FROM public.users AS u FULL JOIN tenancy_private.user_emails AS e ON u.id = e.user_id
WHERE e.email IS DISTINCT FROM nullif(btrim(lower(u.email)), '')
"""


@pytest.fixture
def unfilled(database_at: Callable[[str], Database]) -> Database:
    """Return a database at phase 2 with many users, some of them without an address or with another's."""
    database = database_at("@phase-2")
    with database.connect() as connection:
        connection.execute("ALTER TABLE public.users ALTER COLUMN email DROP NOT NULL")
        connection.execute(FILL, [MANY])
    return database


def test_the_addresses_of_those_who_were_here_before_are_taken(unfilled: Database, sqitch: Run, logins: Logins) -> None:
    run, locked = sqitch(unfilled), UUID(int=(1 << 48) + 7)
    # Whoever holds a row meanwhile is not waited for, and what he writes is what counts.
    with unfilled.connect(logins.old) as old, unfilled.connect(autocommit=True) as admin:
        run.deploy("user_emails")
        old.execute("UPDATE public.users SET updated_at = now() WHERE id = %s", [UUID(int=(1 << 48) + 8)])
        old.execute("UPDATE public.users SET email = 'Changed@example.com' WHERE id = %s", [locked])
        timer = threading.Timer(1.0, old.commit)
        timer.start()
        run.deploy()
        timer.join()
        run.verify()
        assert admin.execute(WRONG).fetchone() == (0,)
        found = admin.execute("SELECT email FROM tenancy_private.user_emails WHERE user_id = %s", [locked]).fetchone()
        assert found == ("changed@example.com",)
        assert admin.execute("SELECT count(*) FROM tenancy_private.user_emails").fetchone() == (MANY * 99 // 100,)


def test_a_backfill_that_was_killed_goes_on(unfilled: Database, sqitch: Run) -> None:
    run = sqitch(unfilled)
    run.deploy("user_emails")
    with unfilled.connect(autocommit=True) as watcher:

        def kill() -> None:
            while True:
                count = watcher.execute("SELECT count(*) FROM tenancy_private.user_emails").fetchone()
                if count is not None and count[0] >= 4000:
                    break
            watcher.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND query LIKE '%passes CONSTANT%' AND pid <> pg_backend_pid()"
            )

        killer = threading.Thread(target=kill)
        killer.start()
        with pytest.raises(SqitchError):
            run.deploy("user_emails_backfill")
        killer.join()
        kept = watcher.execute("SELECT count(*) FROM tenancy_private.user_emails").fetchone()
        assert kept is not None
        assert 4000 < kept[0] < MANY * 99 // 100
        run.deploy()
        run.verify()
        assert watcher.execute(WRONG).fetchone() == (0,)


def test_the_old_application_goes_on_with_several_accounts_of_one_address(
    connect: Connect, logins: Logins, admin: Connection
) -> None:
    old = connect(logins.old, autocommit=True)
    for _ in range(3):
        old.execute("INSERT INTO public.users (email, username) VALUES ('shared@example.com', 'shared')")
    old.execute("UPDATE public.users SET email = 'SHARED@example.com' WHERE username = 'shared'")
    assert [email for email, _ in keys(admin)] == ["shared@example.com"] * 3


def test_no_application_role_finds_out_which_addresses_there_are(
    people: People, acme: Organization, connect: Connect, logins: Logins
) -> None:
    people.user("bob")
    for login in (logins.app, logins.credentialed, logins.service, logins.auditor):
        connection = connect(login, autocommit=True)
        for statement in (
            "SELECT email FROM tenancy_private.user_emails",
            "SELECT tenancy_private.user_with_email('bob@example.com')",
            "SELECT tenancy_private.lock_email('bob@example.com')",
            "SELECT tenancy_private.new_user('x@example.com', NULL, NULL, NULL, NULL)",
            "SELECT tenancy_private.add_member(NULL, NULL, 'owner')",
        ):
            with refused("42501"):
                connection.execute(statement)


def test_an_account_of_a_known_address_is_not_made(admin: Connection, people: People) -> None:
    bob: User = people.user("bob")
    statement = "SELECT tenancy_private.new_user(%s, 'b', NULL, NULL, NULL)"
    admin.execute("SET ROLE tenancy_owner")
    with refused("23505", "email_taken"):
        admin.execute(statement, [bob.email.upper()])
    with refused("22023", "email_invalid"):
        admin.execute(statement, ["bob"])
    admin.execute(statement, [" robert@example.com "])
    assert admin.execute("SELECT email FROM public.users WHERE username = 'b'").fetchall() == [("robert@example.com",)]
