"""A revert first checks which objects of the application depend on what it drops, so it does not fail halfway."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from pg_tenancy.tools.sqitch import Sqitch, SqitchError
from support.database import Database
from support.platform import KEYLESS, ROWS
from support.replay import Replay
from support.scripts import ScriptError, everything

State = Callable[..., Database]
Real = Callable[[Database], Sqitch]

# Dependencies of an application, each with the remedy in the message.
NEEDING = {
    "a default": (
        "CREATE TABLE public.notes (id integer, by uuid DEFAULT tenancy.current_user_id())",
        "default value for column by of table public.notes needs the routine tenancy.current_user_id()",
        "ALTER TABLE public.notes ALTER COLUMN by DROP DEFAULT;",
    ),
    "a view": (
        "CREATE VIEW public.places AS SELECT id, kind FROM tenancy.workspaces",
        "rule _RETURN on view public.places needs the table tenancy.workspaces",
        "DROP VIEW public.places;",
    ),
    "a policy": (
        "CREATE TABLE public.notes (by uuid);"
        " CREATE POLICY mine ON public.notes USING (by = tenancy.current_user_id())",
        "policy mine on table public.notes needs the routine tenancy.current_user_id()",
        "DROP POLICY mine ON public.notes;",
    ),
    "a trigger": (
        "CREATE TABLE public.notes (id integer); CREATE TRIGGER ask BEFORE INSERT ON public.notes"
        " FOR EACH ROW WHEN (tenancy.current_user_id() IS NOT NULL)"
        " EXECUTE FUNCTION pg_catalog.tsvector_update_trigger()",
        "trigger ask on table public.notes needs the routine tenancy.current_user_id()",
        "DROP TRIGGER ask ON public.notes;",
    ),
    "a foreign key": (
        "CREATE TABLE public.notes (place uuid CONSTRAINT notes_place REFERENCES tenancy.workspaces)",
        "constraint notes_place on table public.notes needs the table tenancy.workspaces",
        "ALTER TABLE public.notes DROP CONSTRAINT notes_place;",
    ),
    "a domain": (
        "CREATE DOMAIN public.own AS uuid CONSTRAINT own CHECK (VALUE = tenancy.current_user_id())",
        "constraint own needs the routine tenancy.current_user_id()",
        "Make it do without, or drop it.",
    ),
    "an index": (
        "CREATE TABLE public.notes (id uuid); CREATE INDEX notes_color ON public.notes (tenancy_private.color_for(id))",
        "index public.notes_color needs the routine tenancy_private.color_for(workspace_id uuid)",
        "DROP INDEX public.notes_color;",
    ),
    "a function": (
        "CREATE FUNCTION public.me() RETURNS uuid LANGUAGE sql RETURN tenancy.current_user_id()",
        "function public.me() needs the routine tenancy.current_user_id()",
        "DROP ROUTINE public.me();",
    ),
    "a protected table": (
        "CREATE TABLE public.notes (id bigint PRIMARY KEY); CALL tenancy.protect('public.notes')",
        "table public.notes is protected",
        "CALL tenancy.unprotect('public.notes');",
    ),
}


@pytest.mark.parametrize("kind", NEEDING)
def test_a_phase_is_not_begun_while_something_needs_it(state: State, kind: str) -> None:
    database = state(KEYLESS + ROWS, "@phase-1")
    statement, told, remedy = NEEDING[kind]
    database.execute(*statement.split("; "))
    before = everything(database)
    run = Replay(database)
    with pytest.raises(ScriptError) as error:
        run.revert("@phase-0")
    assert f"{told}: {remedy}" in error.value.output
    assert everything(database) == before
    run.verify()
    if remedy.endswith(";"):
        database.execute(remedy)
        run.revert("@phase-0")


def test_children_are_unprotected_before_their_parents(state: State) -> None:
    database = state(KEYLESS + ROWS, "@phase-1")
    database.execute(
        "CREATE TABLE public.areas (id bigint PRIMARY KEY)",
        "CREATE TABLE public.books (id bigint PRIMARY KEY, area_id bigint NOT NULL REFERENCES public.areas)",
        "CREATE TABLE public.chapters (id bigint PRIMARY KEY, book_id bigint NOT NULL REFERENCES public.books,"
        " after_id bigint REFERENCES public.chapters)",
        "CREATE TABLE public.drafts (id bigint PRIMARY KEY)",
        "CALL tenancy.protect('public.areas')",
        "CALL tenancy.protect('public.books', parent => 'area_id')",
        "CALL tenancy.protect('public.chapters', parent => 'book_id')",
        "CALL tenancy.protect('public.drafts')",
    )
    run = Replay(database)
    with pytest.raises(ScriptError) as error:
        run.revert("@phase-0")
    statements = re.findall(r"is protected: (CALL .*;)", error.value.output)
    assert [each.split("'")[1] for each in statements] == [
        "public.chapters",
        "public.books",
        "public.areas",
        "public.drafts",
    ]
    for each in statements:
        database.execute(each)
    run.revert("@phase-0")


def test_columns_of_ours_in_the_applications_tables_count_too(state: State) -> None:
    database = state(KEYLESS + ROWS, "@phase-5")
    database.execute("CREATE VIEW public.running AS SELECT * FROM public.instances WHERE status = 'ready'")
    run = Replay(database)
    before = everything(database)
    with pytest.raises(ScriptError, match=r"DROP VIEW public\.running;"):
        run.revert("@phase-4")
    assert everything(database) == before


def test_dependencies_of_an_earlier_phase_do_not_stop_a_later_revert(state: State) -> None:
    """A revert that keeps phase 1 keeps objects that depend on it."""
    database = state(KEYLESS + ROWS, "@phase-7")
    for statement, _, _ in (NEEDING["a default"], NEEDING["a view"]):
        database.execute(*statement.split("; "))
    database.execute("CREATE TABLE public.own (id bigint PRIMARY KEY)", "CALL tenancy.protect('public.own')")
    run = Replay(database)
    run.revert("@phase-1")
    run.verify()


def test_sqitch_stops_where_everything_works(state: State, sqitch: Real) -> None:
    """Scripts check phase by phase, because sqitch does not tell them the target."""
    database = state(KEYLESS + ROWS, "@phase-2")
    database.execute(NEEDING["a default"][0])
    with pytest.raises(SqitchError) as error:
        sqitch(database).revert()
    assert NEEDING["a default"][1] in error.value.output
    assert "CASCADE would drop the application's objects" in error.value.output
    # Also reported before the first change.
    told = error.value.output.partition("kernel/audit_log_policies")[2].partition("kernel/memberships_functions")[0]
    assert "WARNING:  a revert of earlier phases will be refused: default value for column by" in told
    assert error.value.output.count("WARNING:  a revert of earlier phases") == 1
    last = "SELECT change FROM sqitch.changes ORDER BY committed_at DESC LIMIT 1"
    assert database.fetch(last) == [("kernel/organization_memberships_policies",)]
    sqitch(database).verify()
