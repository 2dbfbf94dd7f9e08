"""Plays that Hypothesis chooses, and their number."""

from __future__ import annotations

from typing import Any
from unittest import mock

from hypothesis import HealthCheck, Phase, Verbosity, settings
from hypothesis import strategies as st
from hypothesis.internal.conjecture.engine import ConjectureRunner
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from support.random_people.beginning import beginning
from support.random_people.deeds import DEEDS, Choices, NothingToChooseError, login
from support.random_people.model import Entry
from support.random_people.play import Actor, Difference, Play
from support.random_people.stage import Stage
from support.random_people.stories import Step, Story, replay, shorten

__all__ = ["THOROUGH", "USUAL", "find_story", "play"]

_COMMON = settings(
    phases=[Phase.generate],  # shorten() is better than Hypothesis, which does not know steps
    deadline=None,
    derandomize=False,
    database=None,
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
    verbosity=Verbosity.quiet,
)
USUAL = settings(_COMMON, max_examples=50, stateful_step_count=30, derandomize=True)
THOROUGH = settings(_COMMON, max_examples=2000, stateful_step_count=60)
_SEARCH = settings(_COMMON, max_examples=2000, stateful_step_count=30)

Drawn = tuple[str, tuple[Any, ...]]


def _drawn() -> st.SearchStrategy[Drawn]:
    # Not a dictionary, whose order Hypothesis would draw too.
    return st.one_of(
        [
            st.tuples(st.just(name), st.tuples(*(choice.drawn for choice in deed.choices.values())))
            for name, deed in DEEDS.items()
            for _ in range(deed.weight)
        ]
    )


class _People(RuleBasedStateMachine):
    """In each step somebody tries something, then several people look."""

    stage: Stage

    def __init__(self) -> None:
        super().__init__()
        self.play = Play(self.stage, beginning())
        self.turn = 0
        self.steps: list[Step] = []

    @rule(drawn=_drawn())
    def somebody_tries(self, drawn: Drawn) -> None:
        name, values = drawn
        choices = Choices(self.play, self.turn)
        try:
            arguments = {
                argument: choice.chosen(choices, value)
                for (argument, choice), value in zip(DEEDS[name].choices.items(), values, strict=True)
            }
        except NothingToChooseError:
            return
        self.do(Step(name, arguments))
        self.turn += 1
        self.look(arguments.get("who"))

    def do(self, step: Step) -> None:
        """Do a step; a difference contains the steps that led to it."""
        self.steps.append(step)
        try:
            step.do(self.play)
        except Difference as difference:
            difference.steps = tuple(self.steps)
            raise

    def look(self, who: Actor | None) -> None:
        """Compare the visible rows of the actor, and of others in turn."""
        self.do_in_passing("look_from_above")
        entries = self.play.model.entries()
        actors = [who.entry] if who else []
        actors += [other for other in entries[self.turn % len(entries) :][:1] if other not in actors]
        for actor in actors:
            if actor in entries:
                self.do_in_passing("look", actor, by_credential=self.turn % 3 > 0)
        closed = self.play.model.closed()
        # Most people cannot enter the platform's workspace, so these entries would crowd out the
        # others.
        for doors in ([e for e in closed if e.platform], [e for e in closed if not e.platform]):
            if doors:
                self.do_in_passing("knock", doors[self.turn % len(doors)], by_credential=self.turn % 2 > 0)

    def do_in_passing(self, name: str, entry: Entry | None = None, *, by_credential: bool = False) -> None:
        """Do something without effect, which is a part of the story only at its end."""
        who = {"who": Actor(entry, login(entry, by_credential=by_credential))} if entry else {}
        self.do(Step(name, who))
        self.steps.pop()


def play(stage: Stage, how: settings) -> None:
    """Let random people act; raise the first ``Difference``, with only the necessary steps."""
    if difference := _play(stage, how):
        raise shorten(difference, stage)


def find_story(stage: Stage, sound: Stage) -> Story | None:
    """Search for a short story that ends in a difference.

    Args:
        stage: the database with a hole.
        sound: the one without; a difference in it is raised.

    """
    difference = _play(stage, _SEARCH)
    if difference is None:
        return None
    if genuine := replay(difference.steps, sound):
        raise shorten(genuine, sound)
    return Story.of(shorten(difference, stage, sound))


def _play(stage: Stage, how: settings) -> Difference | None:
    # Otherwise five of six plays would repeat the one before with one step doubled.
    with mock.patch.object(ConjectureRunner, "generate_mutations_from", create=True):
        try:
            run_state_machine_as_test(type("People", (_People,), {"stage": stage}), settings=how)
        except Difference as difference:
            return difference
    return None
