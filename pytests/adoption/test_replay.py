"""A replay has the same result as sqitch, so other tests can use replays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pg_tenancy.tools.sqitch import Sqitch
from support.database import Database
from support.platform import KEYLESS, ROWS, fill_and_grant
from support.replay import TAGS, Replay
from support.scripts import differences, everything

# Everything that sqitch records except times. It lists a reverted change's requirements in any order.
HISTORY = {
    "sqitch.events": "to_jsonb(t) - 'committed_at'"
    " || jsonb_build_object('requires', ARRAY(SELECT unnest(t.requires) ORDER BY 1))"
}
DEPLOYED = {
    "sqitch.releases": "to_jsonb(t) - 'installed_at'",
    "sqitch.projects": "to_jsonb(t) - 'created_at'",
    "sqitch.changes": "to_jsonb(t) - 'committed_at'",
    "sqitch.tags": "to_jsonb(t) - 'committed_at'",
    "sqitch.dependencies": "to_jsonb(t)",
}


@dataclass(frozen=True)
class Found:
    """A database as text, with sqitch's registry."""

    schema: str
    deployed: dict[str, list[str]]
    history: dict[str, list[str]]


def _found(database: Database) -> Found:
    return Found(everything(database), database.values(DEPLOYED), database.values(HISTORY))


def _registry(database: Database) -> str:
    return database.server.pg_dump(database.name, "--schema=sqitch", "--schema-only")


def _trip(run: Sqitch | Replay, database: Database) -> dict[str, Found]:
    """Deploy and revert tag by tag, and return the state after each step."""
    found = {}
    for tag in TAGS:
        run.deploy(tag)
        # sqitch verifies each change when it is deployed. Earlier changes must stay valid too.
        if isinstance(run, Replay):
            run.verify()
        found[f"up to {tag}"] = _found(database)
    for to in [*TAGS[-2::-1], None]:
        run.revert(to)
        found[f"down to {to}"] = _found(database)
    return found


def test_sqitch_and_a_replay_leave_the_same_at_each_tag_and_back(
    state: Callable[[], Database], sqitch: Callable[[Database], Sqitch], new_login: Callable[[], str]
) -> None:
    one, other, logins = state(), state(), [new_login() for _ in range(3)]
    for database in (one, other):
        fill_and_grant(database, KEYLESS + ROWS, *logins)
    before = everything(one)
    trip = _trip(sqitch(one), one)
    for step, replayed in _trip(Replay(other), other).items():
        assert differences(trip[step].schema, replayed.schema) == "", step
        assert (trip[step].deployed, trip[step].history) == (replayed.deployed, replayed.history), step
    for tag in TAGS[:-1]:
        up, down = trip[f"up to {tag}"], trip[f"down to {tag}"]
        assert differences(up.schema, down.schema) == "", tag
        assert up.deployed == down.deployed, tag
    assert differences(before, everything(one)) == ""


def test_each_goes_on_where_the_other_stopped(
    empty_database: Database, database: Database, sqitch: Callable[[Database], Sqitch]
) -> None:
    def compare() -> None:
        found, replayed = _found(empty_database), _found(database)
        assert differences(found.schema, replayed.schema) == ""
        assert (found.deployed, found.history) == (replayed.deployed, replayed.history)

    sqitch(empty_database).run("deploy", "--no-verify")
    assert differences(_registry(empty_database), _registry(database)) == ""
    compare()
    sqitch(empty_database).revert("@phase-3")
    Replay(database).revert("@phase-3")
    compare()
    Replay(empty_database).deploy("@phase-4")
    sqitch(database).deploy("@phase-4")
    compare()
    sqitch(database).verify()
    assert "Nothing to revert" not in sqitch(empty_database).revert()
    Replay(database).revert()
    compare()
