"""Phases 1 to 3 on a busy database: nobody fails, and interrupted changes continue in either direction."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from psycopg import sql

from pg_tenancy.tools.sqitch import Sqitch, SqitchError
from support.busy import Busy, Statement, patiently
from support.database import Database
from support.replay import PLAN, Replay, position
from support.scripts import ScriptError, differences
from support.server import Server

Real = Callable[[Database], Sqitch]
NewLogin = Callable[..., str]

PEOPLE = 80_000

FILL = f"""
INSERT INTO public.users (id, email, username, role)
SELECT ('00000000-0000-0000-0000-' || lpad(to_hex(n), 12, '0'))::uuid, n || '@example.com', 'user' || n, 'user'
FROM generate_series(1, {PEOPLE}) AS n;
INSERT INTO public.organizations (id, name, slug, created_by_user_id)
SELECT ('00000000-0000-0000-0001-' || lpad(to_hex(n), 12, '0'))::uuid, 'Organization ' || n, 'organization-' || n,
    ('00000000-0000-0000-0000-' || lpad(to_hex(n), 12, '0'))::uuid
FROM generate_series(1, {PEOPLE} / 10) AS n;
INSERT INTO public.organization_memberships (organization_id, user_id, role)
SELECT ('00000000-0000-0000-0001-' || lpad(to_hex(1 + (n - 1) % ({PEOPLE} / 10)), 12, '0'))::uuid,
    ('00000000-0000-0000-0000-' || lpad(to_hex(n), 12, '0'))::uuid,
    CASE WHEN n <= {PEOPLE} / 10 THEN 'owner' ELSE 'user' END
FROM generate_series(1, {PEOPLE}) AS n;
"""  # noqa: S608


def _transaction(choose: random.Random, _session: int) -> list[Statement]:
    """Return the application's next statements on its people."""
    user = UUID(int=choose.randint(1, PEOPLE))
    organization = UUID(int=(1 << 48) + choose.randint(1, PEOPLE // 10))
    new, made = uuid4(), uuid4()
    kind = choose.randrange(4)
    if kind == 0:
        return [
            ("SELECT * FROM public.users WHERE id = %s", user),
            ("SELECT count(*) FROM public.organization_memberships WHERE organization_id = %s", organization),
        ]
    if kind == 1:
        return [
            ("UPDATE public.organizations SET updated_at = now() WHERE id = %s", organization),
            ("UPDATE public.users SET updated_at = now(), email = 'x' || email WHERE id = %s", user),
        ]
    people = ("INSERT INTO public.users (id, email, role) VALUES (%s, 'new', 'user')", new)
    company = ("INSERT INTO public.organizations (id, name, slug) VALUES (%s, 'New', %s)", made, str(made))
    member = (
        "INSERT INTO public.organization_memberships (organization_id, user_id, role) VALUES (%s, %s, 'owner')",
        made,
        new,
    )
    if kind == 2:
        # In the opposite order to a deploy's locks.
        return [company, people, member]
    return [
        people,
        company,
        member,
        ("DELETE FROM public.organizations WHERE id = %s", made),
        ("DELETE FROM public.users WHERE id = %s", new),
    ]


def _without_workspace(database: Database) -> tuple[Any, ...] | None:
    with database.connect() as connection:
        return connection.execute(
            "SELECT count(*) FROM (SELECT id FROM public.users UNION ALL SELECT id FROM public.organizations) AS t"
            " WHERE NOT EXISTS (SELECT FROM tenancy.workspaces AS w WHERE w.id = t.id)"
        ).fetchone()


@pytest.fixture
def large(server: Server, _logins_of_the_test: list[str]) -> Iterator[Database]:
    filled = server.once("people", lambda building: building.fill(FILL), lambda: server.template("@phase-0"))
    database = server.create(filled)
    # A default server's setting, not a test's.
    server.execute(sql.SQL("ALTER DATABASE {} SET deadlock_timeout = '1s'").format(sql.Identifier(database.name)))
    yield database
    server.drop(database.name)


def test_nobody_fails_while_the_phases_come_and_go(
    large: Database, new_login: NewLogin, record_property: Callable[..., None]
) -> None:
    old = new_login("tenancy_service")
    run = Replay(large)
    waits = {}
    for name, work in (
        ("deploy @phase-1", lambda: run.deploy("@phase-1")),
        ("deploy @phase-2", lambda: run.deploy("@phase-2")),
        ("deploy @phase-3", lambda: run.deploy("@phase-3")),
        ("revert to @phase-0", lambda: run.revert("@phase-0")),
    ):
        with Busy(large, old, _transaction).working() as busy:
            start = time.monotonic()
            again = patiently(work)
            took = time.monotonic() - start
            time.sleep(0.2)
        waits[name] = busy.longest
        print(
            f"{name}: {took:.1f} s, {again} times again, {busy.done} transactions,"
            f" the longest wait {busy.longest[0] * 1000:.0f} ms for {busy.longest[1]}"
        )
        record_property(name, round(busy.longest[0] * 1000))
        assert busy.errors == [], name
        assert busy.done > 10
        if name.startswith("deploy"):
            assert _without_workspace(large) == (0,)
    # The wait for a lock is limited to two seconds, and so is the wait behind it.
    assert max(waited for waited, _ in waits.values()) < 5


def test_a_backfill_that_was_killed_goes_on(large: Database, sqitch: Real) -> None:
    run = Replay(large)
    run.deploy("kernel/workspaces")
    with large.connect(autocommit=True) as watcher:

        def kill() -> None:
            while True:
                count = watcher.execute("SELECT count(*) FROM tenancy.workspaces").fetchone()
                if count is not None and count[0] > 5000:
                    break
            watcher.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND query LIKE '%in_batches%' AND pid <> pg_backend_pid()"
            )

        killer = threading.Thread(target=kill)
        killer.start()
        with pytest.raises(SqitchError):
            sqitch(large).deploy("kernel/workspaces_backfill")
        killer.join()
        kept = watcher.execute("SELECT count(*) FROM tenancy.workspaces").fetchone()
        assert kept is not None
        assert 5000 < kept[0] < PEOPLE
        sqitch(large).deploy("kernel/workspaces_backfill")
        run.verify()
        assert _without_workspace(large) == (0,)
    run.revert("@phase-0")


# -- stopped halfway ---------------------------------------------------------------------

STOP = """
CREATE FUNCTION public.stop() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT count(*) FROM pg_event_trigger_ddl_commands() AS c WHERE c.command_tag = '{tag}') > 0
        AND {condition} THEN
        RAISE EXCEPTION 'stopped by the test';
    END IF;
END; $$;
CREATE EVENT TRIGGER stop ON ddl_command_end EXECUTE FUNCTION public.stop();
"""
GO_ON = "DROP EVENT TRIGGER stop; DROP FUNCTION public.stop()"


@pytest.mark.parametrize(
    ("change", "tag", "condition"),
    [
        ("kernel/hardening", "REVOKE", "to_regclass('tenancy_private.revoked_from_public') IS NOT NULL"),
        ("kernel/membership_roles_validated", "ALTER TABLE", "true"),
        ("kernel/memberships", "CREATE TRIGGER", "to_regprocedure('tenancy_private.keep_an_owner()') IS NOT NULL"),
        ("kernel/user_emails", "CREATE TRIGGER", "to_regprocedure('tenancy_private.add_user_emails()') IS NOT NULL"),
        ("kernel/invitations", "ALTER TABLE", "to_regclass('tenancy.invitations') IS NOT NULL"),
    ],
)
def test_a_change_that_was_stopped_goes_on_and_goes_back(
    database_at: Callable[[str], Database], sqitch: Real, change: str, tag: str, condition: str
) -> None:
    database = database_at("@phase-3")
    run = Replay(database)
    wanted = database.dump()
    before = PLAN[position(change) - 2].script
    run.revert(before)
    at_rest = database.dump()

    def stop(tool: Sqitch | Replay) -> None:
        database.execute(STOP.format(tag=tag, condition=condition))
        with pytest.raises((SqitchError, ScriptError), match="stopped by the test"):
            tool.deploy("@phase-3")
        database.execute(GO_ON)

    stop(sqitch(database))
    run.deploy("@phase-3")
    assert differences(wanted, database.dump()) == "", "on"
    run.verify()
    run.revert(before)
    stop(run)
    # Leftovers of the change are removed with the change before it.
    run.revert("@phase-0")
    # Keys of that phase are called ours too; a check is what a later change had begun.
    begun = "SELECT conname FROM pg_constraint WHERE contype = 'c' AND conname ~ 'tenancy'"
    assert database.fetch(begun) == []
    run.deploy(before)
    assert differences(at_rest, database.dump()) == "", "back"


def test_a_deploy_behind_a_long_transaction_gives_up_and_goes_on_later(
    database_at: Callable[[str], Database], sqitch: Real
) -> None:
    database = database_at("@phase-0")
    run = Replay(database)
    with database.connect() as long:
        long.execute("LOCK TABLE public.users IN ROW EXCLUSIVE MODE")
        start = time.monotonic()
        with pytest.raises(SqitchError, match="lock"):
            replace(sqitch(database), environment={"PGOPTIONS": "-c tenancy.lock_attempts=5"}).deploy("@phase-1")
        assert time.monotonic() - start < 20
    run.deploy("@phase-1")
    run.verify()
