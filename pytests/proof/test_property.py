"""Random people do random things, and the database does what a model in Python says.

``support/random_people`` is the model, and what plays it. README.md says how to run this
for long and how to read a failure.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.database import Database
from support.random_people.holes import HOLES
from support.random_people.machine import USUAL, play
from support.random_people.stage import Stage
from support.random_people.stories import ReplayError, Step, Story, read_stories, replay
from support.server import Logins

STORIES = read_stories()


@pytest.fixture
def stage(database: Database, logins: Logins) -> Iterator[Stage]:
    """Return a stage with a database of its own."""
    stage = Stage(database, logins)
    yield stage
    stage.close()


@pytest.mark.slow
def test_people_see_and_do_what_the_model_says(stage: Stage) -> None:
    play(stage, USUAL)


@pytest.mark.parametrize("hole", HOLES)
def test_a_hole_is_found_by_its_story(hole: str, stage: Stage) -> None:
    assert hole in STORIES, "there is no story: ./dev prove finds one"
    story = Story.read(STORIES[hole])
    assert replay(story.steps, stage) is None, "the story finds something where nothing was taken away"
    HOLES[hole](stage.admin)
    difference = replay(story.steps, stage)
    assert difference, "the story finds nothing any more: ./dev prove finds a new one"
    assert str(Story.of(difference)) == str(story), "the story ends in another way: ./dev prove finds a new one"


def test_every_story_is_of_a_hole() -> None:
    assert list(STORIES) == list(HOLES)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("ann in Acme through app: sell_organization()", "there is no deed 'sell_organization'"),
        ("ann in Acme through app: remove_member(whom='bob')", "remove_member takes person"),
        ("ann in Acme: leave_organization()", "'ann in Acme' is nobody who acts"),
        ("ann leaves", "is no step"),
    ],
)
def test_a_story_that_cannot_be_told_says_what_to_do(line: str, problem: str) -> None:
    with pytest.raises(ReplayError, match=problem) as refused:
        Step.read(line)
    assert "./dev prove" in str(refused.value)


def test_a_story_about_what_is_not_there_says_what_to_do(stage: Stage) -> None:
    step = Step.read("ann in Acme through app: remove_member(person='nobody')")
    with pytest.raises(ReplayError, match=r"step 1, ann in Acme .*no 'nobody'; .*\./dev prove"):
        replay((step,), stage)
