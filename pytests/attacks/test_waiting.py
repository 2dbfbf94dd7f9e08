"""Attacks by not committing: who must wait for an open transaction."""

from __future__ import annotations

import psycopg
import pytest

from support.access_matrix import CALLS
from support.two_tenants import Connection, TwoTenants, refused

# Two tenants must write shared rows one after the other: the other organization has refunded
# money to this one's wallet. docs/money.md says what to do about it.
SHARED = {"reverse_usage('{call}')"}
# Procedures, which tenants may not call.
DBAS = ("allow(", "drop_policies(", "harden_database(", "protect(", "publish(", "unprotect(")
# These end the object that would be locked.
LAST = ("delete_", "leave_", "revoke_")


def attempt(tenants: TwoTenants, connection: Connection, call: str, side: str, *, keeps: bool = False) -> str:
    """Make a call of the matrix on one side's rows, and return the error's SQLSTATE or "ok"."""
    mine, other = (tenants.acme, tenants.globex) if side == "own" else (tenants.globex, tenants.acme)
    # An e-mail address has one account: a second transaction with it waits, as docs/dba.md says.
    filled = call.replace("new@example.com", f"{side}@example.com").format(
        **tenants.rows[side],
        acme=mine.id,
        globex=other.id,
        user=tenants.members["user"].id if side == "own" else tenants.outsider.id,
        staff=tenants.staff.id,
        token=tenants.tokens[side],
        **{f"public_{name}": tenants.rows["platform"][name] for name in ("instance", "model", "spare_model")},
    )
    try:
        with connection.transaction(force_rollback=not keeps):
            connection.execute(f"SELECT tenancy.{filled}".encode())
    except psycopg.Error as error:
        return error.sqlstate or ""
    return "ok"


def test_no_organization_makes_another_wait(tenants: TwoTenants) -> None:
    calls = [call for call in CALLS if not call.startswith(DBAS)]
    with tenants.entered(tenants.outsider, tenants.globex) as attacker:
        done = [
            call
            for call in sorted(calls, key=lambda call: call.startswith(LAST))
            if attempt(tenants, attacker, call, "other", keeps=True) == "ok"
        ]
        assert len(done) > 80
        waiting = set()
        with tenants.session(tenants.logins.app) as victim:
            for user, organization in ((tenants.members["owner"], tenants.acme), (tenants.person, None)):
                victim.execute("SET LOCAL lock_timeout = '40ms'")
                tenants.enter(victim, user, organization)
                waiting |= {c for c in calls if attempt(tenants, victim, c, "own") in {"55P03", "40001", "40P01"}}
                victim.rollback()
    assert waiting == SHARED


@pytest.mark.parametrize("revoke", ["revoke_session('{}')", "revoke_sessions()"])
def test_a_thief_does_not_keep_a_stolen_session_alive(tenants: TwoTenants, revoke: str) -> None:
    with tenants.session(tenants.logins.app) as thief, tenants.session(tenants.logins.app) as owner:
        start = "SELECT session_id, token FROM tenancy.start_session(%s)"
        stolen, token = owner.execute(start, [tenants.person.id]).fetchone() or (None, None)
        owner.commit()
        for one in (thief, owner):
            one.execute("SET LOCAL lock_timeout = '200ms'")
            one.execute("SELECT tenancy.enter_with_session(%s)", [token])
            one.execute(f"SELECT tenancy.{revoke.format(stolen)}".encode())
        owner.commit()
        thief.rollback()
        with refused("28000", "invalid_session"):
            thief.execute("SELECT tenancy.enter_with_session(%s)", [token])
