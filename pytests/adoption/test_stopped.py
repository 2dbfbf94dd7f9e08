"""Interrupted work continues: the next command, in either direction, finds out what the scripts have done.

sqitch records a change once its script has committed and its verify script has run.
A kill in between leaves a committed change without a record.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from pg_tenancy.tools.sqitch import Change
from support.database import Database
from support.platform import KEYLESS, ROWS
from support.replay import PLAN, WHOLE_PLAN, Replay, Step, position
from support.scripts import ScriptError, differences, everything

State = Callable[..., Database]

MANY = """
INSERT INTO public.users (id, email, role)
SELECT ('00000000-0000-0000-0001-' || lpad(n::text, 12, '0'))::uuid, n || '@example.com', 'user'
FROM generate_series(1, 6000) AS n;
INSERT INTO public.organizations (id, name, slug)
SELECT ('00000000-0000-0000-0002-' || lpad(n::text, 12, '0'))::uuid, 'O', 'o-' || n FROM generate_series(1, 6000) AS n;
INSERT INTO public.api_keys (id, user_id, name, key_prefix, key_hash)
SELECT u.id, u.id, 'a key', 'pk', 'x' FROM public.users AS u;
"""


def _pairs(first: int) -> list[tuple[Change, Change]]:
    return list(zip(PLAN[first::2], PLAN[first + 1 :: 2], strict=False))


def _twice(kind: str, change: Change) -> list[Step]:
    """Stop a command between its script and sqitch's record of it, and run it again."""
    return [Step(kind, change, is_noted=False), Step(kind, change)]


def _up(first: int) -> list[Step]:
    """Deploy everything: in each pair the earlier change was reverted, without sqitch's record, before the later."""
    steps = [step for change in PLAN[:first] for step in _twice("deploy", change)]
    for earlier, later in _pairs(first):
        steps += [Step("deploy", earlier, is_run=False), *_twice("deploy", later)]
    return steps + [step for change in PLAN[first + 2 * len(_pairs(first)) :] for step in _twice("deploy", change)]


def _down(first: int) -> list[Step]:
    """Revert everything: in each pair the later change was deployed, without sqitch's record, before the earlier."""
    steps = [step for change in PLAN[first + 2 * len(_pairs(first)) :] for step in _twice("revert", change)]
    for earlier, later in reversed(_pairs(first)):
        steps += [Step("revert", later, is_run=False), *_twice("revert", earlier)]
    return steps + [step for change in PLAN[:first] for step in _twice("revert", change)]


def test_after_every_change_either_command_goes_on(state: State) -> None:
    """Each change is the earlier one of one pair and the later one of another, and its script runs twice both ways."""
    database = state(KEYLESS + ROWS)
    run = Replay(database)
    before, deployed = everything(database), everything(state(KEYLESS + ROWS, WHOLE_PLAN))
    for first in (0, 1):
        output = run.run(*_up(first))
        told = [earlier for earlier, _ in _pairs(first) if _makes_something(earlier)]
        assert output.count("was stopped before sqitch noted it") == len(told)
        assert differences(deployed, everything(database)) == ""
        run.verify()
        output = run.run(*_down(first))
        told = [later for _, later in _pairs(first) if _makes_something(later)]
        assert output.count("was stopped before sqitch noted it") == len(told)
        assert differences(before, everything(database)) == ""
        assert database.fetch("SELECT change FROM sqitch.changes") == []


def _makes_something(change: Change) -> bool:
    return not change.name.endswith("/existing_tables")


def test_a_database_that_stops_long_statements_is_deployed_to_and_verified(state: State) -> None:
    """Without progress, a backfill that is always interrupted would never end."""
    database = state(KEYLESS + MANY)
    limits = ["statement_timeout = '60ms'", "idle_in_transaction_session_timeout = '60ms'"]
    if database.server.version >= 17:
        limits.append("transaction_timeout = '60ms'")
    database.execute(*(f"ALTER DATABASE {database.name} SET {limit}" for limit in limits))
    run = Replay(database)
    run.deploy()
    run.verify()
    run.revert()


@pytest.mark.parametrize(
    ("change", "table", "kept", "undone"),
    [
        ("workspaces_backfill", "public.users", "tenancy.workspaces", "DELETE FROM {kept} WHERE id = {first}"),
        (
            "organization_slugs_backfill",
            "public.organizations",
            "tenancy_private.organization_slugs",
            "DELETE FROM {kept} WHERE organization_id = {first}",
        ),
        (
            "user_emails_backfill",
            "public.users",
            "tenancy_private.user_emails",
            "DELETE FROM {kept} WHERE user_id = {first}",
        ),
        (
            "api_keys_workspaces",
            "public.api_keys",
            "public.api_keys",
            "UPDATE {kept} SET workspace_id = '00000000-0000-0000-0000-000000000000' WHERE id = {first}",
        ),
    ],
)
def test_a_backfill_goes_on_where_it_was_stopped(state: State, change: str, table: str, kept: str, undone: str) -> None:
    change = f"kernel/{change}"
    database = state(KEYLESS + MANY, PLAN[position(change) - 2].script)
    ids = database.fetch(f"SELECT id FROM {table} ORDER BY id")  # noqa: S608
    first, middle = ids[0][0], ids[2500][0]
    database.execute(
        "CREATE FUNCTION public.stop() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN IF new::text LIKE '%{middle}%' THEN RAISE EXCEPTION 'stopped'; END IF; RETURN NULL; END $$",
        f"CREATE TRIGGER stop AFTER INSERT OR UPDATE ON {kept} FOR EACH ROW EXECUTE FUNCTION public.stop()",
    )
    run = Replay(database)
    with pytest.raises(ScriptError, match="stopped"):
        run.deploy(change)
    # Finished rows are not read again: a row that is changed back meanwhile stays so.
    undo = undone.format(kept=kept, first=f"'{first}'")
    database.execute(f"DROP TRIGGER stop ON {kept}", f"SET session_replication_role = replica; {undo}")
    run.deploy(change)
    assert _left_over(database, change) == 1


def _left_over(database: Database, change: str) -> int:
    """Return the number of rows that a backfill has not processed."""
    query = {
        "kernel/workspaces_backfill": "SELECT count(*) FROM public.users AS u"
        " WHERE NOT EXISTS (SELECT FROM tenancy.workspaces AS w WHERE w.id = u.id)",
        "kernel/organization_slugs_backfill": "SELECT count(*) FROM public.organizations AS o"
        " WHERE NOT EXISTS (SELECT FROM tenancy_private.organization_slugs AS s WHERE s.organization_id = o.id)",
        "kernel/user_emails_backfill": "SELECT count(*) FROM public.users AS u"
        " WHERE NOT EXISTS (SELECT FROM tenancy_private.user_emails AS e WHERE e.user_id = u.id)",
        "kernel/api_keys_workspaces": "SELECT count(*) FROM public.api_keys AS k WHERE k.workspace_id <> k.user_id",
    }[change]
    return int(database.fetch(query)[0][0])


def test_no_query_of_a_script_is_compiled(state: State) -> None:
    """On a server that compiles expensive queries, as many do, that takes a sixth of a deploy."""
    database = state(KEYLESS + ROWS, "@phase-0")
    database.execute(
        "CREATE FUNCTION public.look() RETURNS event_trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE NOTICE 'jit is %', current_setting('jit'); END $$",
        "CREATE EVENT TRIGGER look ON ddl_command_end WHEN TAG IN ('CREATE FUNCTION', 'DROP FUNCTION')"
        " EXECUTE FUNCTION public.look()",
        f"ALTER DATABASE {database.name} SET jit = on",
    )
    run = Replay(database)
    for output in (run.deploy("kernel/contracts"), run.revert("@phase-0")):
        assert "jit is off" in output
        assert "jit is on" not in output


def test_statements_of_a_killed_psql_are_waited_for(state: State) -> None:
    """Its statement may be an index build, which waits for transactions that wait for it."""
    database = state(KEYLESS + ROWS, "@phase-0")
    run = Replay(database)
    with database.connect(autocommit=True) as before, database.connect(autocommit=True) as watcher:
        before.execute("SELECT pg_advisory_lock(8100420170330141)")
        with ThreadPoolExecutor(1) as pool:
            deployed = pool.submit(run.deploy, "@phase-1")
            waiting = (
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() AND query LIKE '%wants_stop%' AND pid <> pg_backend_pid()"
            )
            while watcher.execute(waiting).fetchone() == (0,):
                time.sleep(0.05)
            before.execute("SET statement_timeout = '10s'")
            before.execute("CREATE INDEX CONCURRENTLY meanwhile ON public.users (email)")
            assert not deployed.done()
            before.execute("SELECT pg_advisory_unlock(8100420170330141)")
            assert "which still runs an earlier deploy or revert" in deployed.result()
    run.verify()


def test_nobody_but_a_deployer_holds_up_a_deploy(state: State, new_login: Callable[..., str]) -> None:
    """Anybody may take an advisory lock."""
    database, login = state(KEYLESS + ROWS, "@phase-1"), new_login("tenancy_app")
    with database.connect(login) as connection:
        connection.execute("SELECT pg_advisory_lock(8100420170330141), pg_advisory_lock(8100420170330142)")
        Replay(database).deploy("@phase-2")


def test_rows_that_somebody_holds_for_ever_end_a_batch(state: State) -> None:
    database = state(KEYLESS + ROWS, "kernel/workspaces")
    database.execute(f"ALTER DATABASE {database.name} SET tenancy.lock_attempts = '2'")
    run = Replay(database)
    with database.connect() as holder:
        holder.execute("SELECT FROM public.users LIMIT 1 FOR UPDATE")
        with pytest.raises(ScriptError, match=r"rows of public\.users are locked by other transactions"):
            run.deploy("kernel/workspaces_backfill")
    run.deploy("kernel/workspaces_backfill")
    run.verify()


def test_a_state_that_no_interruption_leaves_is_refused(state: State) -> None:
    database = state(KEYLESS + ROWS, "kernel/archive_helpers")
    run = Replay(database)
    which = "change IN ('kernel/archive_helpers', 'kernel/policy_helpers')"
    database.execute(
        f"CREATE TABLE public.lost AS SELECT * FROM sqitch.changes WHERE {which}",  # noqa: S608
        f"SET session_replication_role = replica; DELETE FROM sqitch.changes WHERE {which}",  # noqa: S608
    )
    with pytest.raises(ScriptError, match="disagree about several changes"):
        run.revert("@phase-0")
    database.execute("INSERT INTO sqitch.changes SELECT * FROM public.lost", "DROP TABLE public.lost")
    run.revert("kernel/schemas")
    database.execute("ALTER TABLE tenancy_private.changes RENAME TO elsewhere")
    with pytest.raises(ScriptError, match=r"tenancy_private\.changes is missing"):
        run.revert("@phase-0")
    database.execute("ALTER TABLE tenancy_private.elsewhere RENAME TO changes")
    run.revert()
