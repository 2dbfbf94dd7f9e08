"""Invitations: every invalid token raises the same error."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from support.invitations import ACCEPT_ALONE, PEEK, REVOKE, Invite, expire, invite, statuses
from support.people import Organization, People
from support.server import Logins
from support.two_tenants import refused

pytestmark = pytest.mark.shared_database

Connection = psycopg.Connection[tuple[Any, ...]]
Connect = Callable[..., Connection]
Entered = Callable[..., AbstractContextManager[Connection]]


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
    """Return a token for each kind of fault."""
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
def test_every_problem_with_a_token_raises_the_same_error(
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
    # If a password were hashed only for some, the factor would be 60.
    assert max(medians.values()) / min(medians.values()) < 2, medians


def test_an_invitation_ends_by_the_clock(acme: Organization, as_app: Entered, connect: Connect, logins: Logins) -> None:
    with as_app(acme.owner, acme) as connection:
        invitation = invite(connection, "new@example.com", "user", "400 milliseconds")
    late = connect(logins.app)
    late.execute(PEEK, [invitation.token])
    time.sleep(0.45)
    # Not at the start of the transaction.
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
        "expires_in must be greater than 0 and at most 90 days; NULL means 7 days.",
    )
