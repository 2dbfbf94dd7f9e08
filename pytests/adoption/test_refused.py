"""A refused deploy has changed nothing, so neither its revert nor sqitch itself undoes anything."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pg_tenancy.tools.sqitch import Sqitch, SqitchError
from support.database import Database
from support.platform import KEYLESS, ROWS
from support.replay import TAGS, Replay
from support.scripts import ScriptError, everything

State = Callable[..., Database]
Real = Callable[[Database], Sqitch]

REFUSED = {"api_keys": "@phase-4", "instances": "@phase-5", "models": "@phase-6"}
ACME = "00000000-0000-0000-0001-00000000000a"


def _before(tag: str) -> str:
    return TAGS[TAGS.index(tag) - 1]


def _contents(database: Database) -> tuple[str, dict[str, list[str]]]:
    rows = database.values({f"public.{table}": "to_jsonb(t)" for table in REFUSED})
    return everything(database), rows


def _with_columns(state: State, table: str, type_: str) -> Database:
    """Return a database whose own columns have the names of a phase's new columns."""
    database = state(KEYLESS + ROWS, _before(REFUSED[table]))
    value = f"'{ACME}'"
    database.execute(
        f"ALTER TABLE public.{table} ADD workspace_id {type_} DEFAULT {value}",
        # An organization's model would conflict with other instances.
        f"ALTER TABLE public.{table} ADD organization_id uuid" + ("" if table == "models" else f" DEFAULT {value}"),
        f"ALTER TABLE public.{table} ADD IF NOT EXISTS expires_at timestamptz DEFAULT '2001-01-01'",
    )
    return database


@pytest.mark.parametrize("type_", ["uuid", "text"])
@pytest.mark.parametrize("table", REFUSED)
def test_a_revert_after_a_refusal_changes_nothing(state: State, table: str, type_: str) -> None:
    database = _with_columns(state, table, type_)
    run, tag = Replay(database), REFUSED[table]
    before = _contents(database)
    with pytest.raises(ScriptError, match="workspace_id is already a column, and must be free for pg-tenancy"):
        run.deploy(tag)
    run.verify()
    run.revert(_before(tag))
    assert _contents(database) == before
    # After renaming the obstacle, the same command continues.
    database.execute(f"ALTER TABLE public.{table} RENAME workspace_id TO place")
    run.deploy(tag)
    run.verify()
    run.revert(_before(tag))
    database.execute(f"ALTER TABLE public.{table} RENAME place TO workspace_id")
    assert _contents(database) == before


@pytest.mark.parametrize("mode", ["all", "tag"])
@pytest.mark.parametrize("table", REFUSED)
def test_sqitch_takes_nothing_back_that_was_refused(state: State, sqitch: Real, table: str, mode: str) -> None:
    database = _with_columns(state, table, "uuid")
    before = _contents(database)
    with pytest.raises(SqitchError) as error:
        sqitch(database).run("deploy", "--mode", mode)
    assert "column_in_the_way" in error.value.output or "must be free for pg-tenancy" in error.value.output
    # It reverts everything deployed before the refusal.
    assert "not ok" not in error.value.output.partition("Reverting")[2]
    assert _contents(database) == before
    Replay(database).verify()


def test_sqitch_takes_back_what_stopped_halfway(state: State, sqitch: Real) -> None:
    """The revert of the change before a failed one, which sqitch does not revert, finds its leftovers."""
    database = state(KEYLESS + ROWS, "@phase-3")
    before = _contents(database)
    database.execute(
        "CREATE FUNCTION public.stop() RETURNS event_trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'stopped by the test'; END $$",
        "CREATE EVENT TRIGGER stop ON ddl_command_start WHEN TAG IN ('CREATE INDEX') EXECUTE FUNCTION public.stop()",
    )
    with pytest.raises(SqitchError) as error:
        sqitch(database).run("deploy", "--mode", "all")
    assert "stopped by the test" in error.value.output
    assert "kernel/api_keys_workspaces was stopped before sqitch noted it, and is finished first" in error.value.output
    database.execute("DROP EVENT TRIGGER stop", "DROP FUNCTION public.stop()")
    assert _contents(database) == before
    sqitch(database).verify()


def test_keys_that_were_an_organizations_before_are_left_alone(state: State) -> None:
    """An application whose keys have always had owners keeps them after a revert."""
    database = state(KEYLESS + ROWS, "@phase-3")
    database.execute(f"ALTER TABLE public.api_keys ADD organization_id uuid DEFAULT '{ACME}'")
    before = _contents(database)
    run = Replay(database)
    run.deploy("@phase-4")
    run.revert("@phase-3")
    assert _contents(database) == before


def test_a_batch_that_changes_nothing_is_an_error_and_goes_on_afterwards(state: State) -> None:
    """If a trigger of the application undid a batch's writes, the batch would be retried forever."""
    database = state(KEYLESS + ROWS, "@phase-3")
    database.execute(
        "CREATE FUNCTION public.keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$",
        "CREATE TRIGGER keep BEFORE UPDATE ON public.api_keys FOR EACH ROW EXECUTE FUNCTION public.keep()",
    )
    run = Replay(database)
    with pytest.raises(ScriptError, match=r"public\.api_keys: 1 row cannot be changed"):
        run.deploy("@phase-4")
    database.execute("ALTER TABLE public.api_keys DISABLE TRIGGER keep")
    run.deploy("@phase-4")
    database.execute("ALTER TABLE public.api_keys ENABLE TRIGGER keep")
    run.verify()
    assert database.fetch("SELECT DISTINCT workspace_id = user_id FROM public.api_keys") == [(True,)]
