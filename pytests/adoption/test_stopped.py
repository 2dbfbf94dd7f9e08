"""What was stopped goes on: whichever command comes next finds out what its scripts have done.

sqitch notes a change once its script has committed and its verify script has run.
What is killed in between has done the one and not the other.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

from pg_tenancy.sqitch import Change
from support.database import Database
from support.platform import KEYLESS, ROWS
from support.replay import PLAN, WHOLE_PLAN, Replay, Step
from support.scripts import differences, everything

State = Callable[..., Database]


def _up(last: Change, stopped: Change) -> list[Step]:
    """Stop a deploy after a change, first for a revert to come, then for another deploy."""
    unnoted = Step("deploy", stopped, is_noted=False)
    return [unnoted, Step("revert", last), Step("deploy", last), unnoted, Step("deploy", stopped)]


def _down(stopped: Change, following: Change) -> list[Step]:
    """Stop a revert after a change, first for a deploy to come, then for another revert."""
    unnoted = Step("revert", stopped, is_noted=False)
    return [unnoted, Step("deploy", following), Step("revert", following), unnoted, Step("revert", stopped)]


def test_after_every_change_either_command_goes_on(state: State) -> None:
    database = state(KEYLESS + ROWS)
    run = Replay(database)
    before, deployed = everything(database), everything(state(KEYLESS + ROWS, WHOLE_PLAN))
    told = [change for change in PLAN if not change.name.endswith("/existing_tables")]

    up = [Step("deploy", PLAN[0])]
    for last, stopped in itertools.pairwise(PLAN):
        up += _up(last, stopped)
    output = run.run(*up)
    assert output.count("was stopped before sqitch noted it") == len(told)
    assert differences(deployed, everything(database)) == ""
    run.verify()

    down = [Step("revert", PLAN[-1], is_noted=False), Step("revert", PLAN[-1])]
    for stopped, following in itertools.pairwise(PLAN):
        down[2:2] = _down(stopped, following)
    output = run.run(*down)
    # What came last is deployed again by nobody: sqitch says that there is nothing to do.
    assert output.count("was stopped before sqitch noted it") == len(told) - 1
    assert differences(before, everything(database)) == ""
    assert database.fetch("SELECT change FROM sqitch.changes") == []
