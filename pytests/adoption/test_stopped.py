"""What was stopped goes on: whichever command comes next finds out what its scripts have done.

sqitch notes a change once its script has committed and its verify script has run.
What is killed in between has done the one and not the other.
"""

from __future__ import annotations

from collections.abc import Callable

from support.database import Database
from support.platform import KEYLESS, ROWS
from support.replay import PLAN, WHOLE_PLAN, Replay, Step
from support.scripts import differences, everything

State = Callable[..., Database]


def _twice(kind: str) -> list[Step]:
    changes = PLAN if kind == "deploy" else PLAN[::-1]
    return [Step(kind, change, is_noted) for change in changes for is_noted in (False, True)]


def test_each_command_that_sqitch_did_not_note_is_done_again(state: State) -> None:
    database = state(KEYLESS + ROWS)
    run = Replay(database)
    before = everything(database)
    deployed = everything(state(KEYLESS + ROWS, WHOLE_PLAN))
    # What finds itself done writes nothing, so it does not ask for a lock and changes no row.
    run.run(*_twice("deploy"))
    assert differences(deployed, everything(database)) == ""
    run.verify()
    run.run(*_twice("revert"))
    assert differences(before, everything(database)) == ""


def test_a_revert_takes_a_deploy_back_that_sqitch_did_not_note(state: State) -> None:
    database = state(KEYLESS + ROWS)
    run = Replay(database)
    before = everything(database)
    deployed = everything(state(KEYLESS + ROWS, WHOLE_PLAN))
    steps = [Step("deploy", PLAN[0])]
    for last, stopped in zip(PLAN, PLAN[1:]):
        steps += [Step("deploy", stopped, is_noted=False), Step("revert", last)]
        steps += [Step("deploy", last), Step("deploy", stopped)]
    output = run.run(*steps)
    assert output.count("was stopped before sqitch noted it") == len([c for c in PLAN[1:] if _makes(c.name)])
    assert differences(deployed, everything(database)) == ""
    run.verify()
    run.revert()
    assert differences(before, everything(database)) == ""


def test_a_deploy_does_again_what_a_revert_took_back_that_sqitch_did_not_note(state: State) -> None:
    database = state(KEYLESS + ROWS, WHOLE_PLAN)
    run = Replay(database)
    deployed = everything(database)
    steps: list[Step] = []
    for stopped, following in zip(PLAN[-2::-1], PLAN[:0:-1]):
        steps += [Step("revert", following), Step("revert", stopped, is_noted=False)]
        steps += [Step("deploy", following), Step("revert", following)]
        # The end of this, and not of what follows.
        steps += [Step("verify", stopped)]
    output = run.run(*steps)
    assert output.count("was stopped before sqitch noted it") == len([c for c in PLAN[:-1] if _makes(c.name)])
    run.deploy()
    assert differences(deployed, everything(database)) == ""
    run.verify()


def _makes(name: str) -> bool:
    return not name.endswith("/existing_tables")
