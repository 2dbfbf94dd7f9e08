"""Invitations: a revert and a new deploy keep them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import psycopg
import pytest

from support.database import Database
from support.invitations import ACCEPT_ALONE, REVOKE, Invite, invite, members
from support.people import Organization, People
from support.replay import Replay
from support.scripts import ScriptError
from support.server import Logins
from support.two_tenants import refused

Connection = psycopg.Connection[tuple[Any, ...]]
Connect = Callable[..., Connection]
Entered = Callable[..., AbstractContextManager[Connection]]


@pytest.fixture
def database(database_at: Callable[[str], Database]) -> Database:
    """Return a database in which nothing is deployed after the invitations."""
    return database_at("@phase-3")


def test_a_revert_keeps_the_invitations_and_their_tokens_work_afterwards(
    acme: Organization,
    invited: Invite,
    people: People,
    database: Database,
    logins: Logins,
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
    run = Replay(database)

    run.revert("@phase-2")
    assert admin.execute("SELECT to_regclass('tenancy.invitations')").fetchone() == (None,)
    run.deploy("@phase-3")
    run.verify()
    assert [row for (row,) in admin.execute(query).fetchall()] == before
    assert admin.execute("SELECT count(*) FROM tenancy.audit_log").fetchone() == entries
    assert admin.execute("SELECT to_regnamespace('tenancy_archive')").fetchone() == (None,)

    # Rows deleted in between also delete their dependents.
    run.revert("@phase-2")
    admin.execute("DELETE FROM public.organizations WHERE id = %s", [gone.id])
    admin.execute("DELETE FROM public.users WHERE email IN ('bob@example.com', 'used@example.com')")
    run.deploy("@phase-3")
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
    admin: Connection,
    connect: Connect,
    logins: Logins,
) -> None:
    token = invited(acme).token
    run = Replay(database)
    run.revert("kernel/invitations")
    admin.execute(
        """
        CREATE FUNCTION public.stop() RETURNS event_trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'stopped by the test'; END; $$;
        CREATE EVENT TRIGGER stop ON ddl_command_start WHEN tag IN ('DROP TABLE') EXECUTE FUNCTION public.stop();
        """
    )
    with pytest.raises(ScriptError, match="stopped by the test"):
        run.revert("@phase-2")
    admin.execute("DROP EVENT TRIGGER stop; DROP FUNCTION public.stop()")
    run.revert("@phase-2")
    run.deploy("@phase-3")
    run.verify()
    connect(logins.app, autocommit=True).execute(ACCEPT_ALONE, [token])
