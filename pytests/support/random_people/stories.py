"""Plays that are kept as text, one line for each step, and repeated.

A line is a deed with its arguments, after its actor if somebody enters for it::

    ann in Acme through app: change_member_role(person='bob', role='user')
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.random_people.beginning import beginning
from support.random_people.deeds import DEEDS, Deeds
from support.random_people.play import Actor, Difference, Play
from support.random_people.stage import Stage

__all__ = ["KEPT", "ReplayError", "Step", "Story", "read_stories", "replay", "shorten", "write_stories"]

KEPT = Path(__file__).resolve().parents[2] / "proof" / "stories.txt"
_HEADING = "# Of each rule that is taken away, the shortest story that notices. ./dev prove writes this file."
_EXPECTED, _FOUND = "expected: ", "found:    "
_REMEDY = "if the deeds are other ones by now, ./dev prove finds a new story"

# Looks, besides deeds; the argument is the person who looks.
LOOKS = {"look": {"who"}, "knock": {"who"}, "look_from_above": set[str]()}


class ReplayError(Exception):
    """A kept story cannot be played any more."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"{problem}; {_REMEDY}")


@dataclass(frozen=True)
class Step:
    """A deed and its arguments, or a look."""

    name: str
    arguments: Mapping[str, Any]

    def __str__(self) -> str:
        who = self.arguments.get("who")
        rest = ", ".join(f"{name}={value!r}" for name, value in self.arguments.items() if name != "who")
        return f"{f'{who}: ' if who else ''}{self.name}({rest})"

    @classmethod
    def read(cls, line: str) -> Step:
        """Return the step with this text; a ``ReplayError`` says why there is none."""
        try:
            return cls._read(line)
        except (SyntaxError, ValueError) as error:
            raise ReplayError(f"{line!r} is no step ({error})") from error

    @classmethod
    def _read(cls, line: str) -> Step:
        call = line[: line.index("(")]
        who, entered, _ = call.rpartition(": ")
        parsed = ast.parse(line[len(who) + len(entered) :], mode="eval").body
        if not isinstance(parsed, ast.Call) or not isinstance(parsed.func, ast.Name):
            raise ValueError("a step is a call")
        arguments = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in parsed.keywords}
        name = parsed.func.id
        if name not in LOOKS and name not in DEEDS:
            raise ValueError(f"there is no deed {name!r}")
        wanted = LOOKS[name] if name in LOOKS else set(DEEDS[name].choices)
        if "who" in wanted:
            arguments["who"] = Actor.read(who) if entered else None
        elif entered:
            raise ValueError(f"nobody enters for {name}")
        if set(arguments) != wanted:
            raise ValueError(f"{name} takes {', '.join(sorted(wanted - {'who'})) or 'nothing'}")
        return cls(name, arguments)

    def do(self, play: Play) -> None:
        """Do it in a play."""
        doing = play if self.name in LOOKS else Deeds(play)
        getattr(doing, self.name)(**self.arguments)


@dataclass(frozen=True)
class Story:
    """All steps from the beginning, and the difference at the end."""

    steps: tuple[Step, ...]
    expected: str
    found: str

    def __str__(self) -> str:
        return "\n".join([*map(str, self.steps), f"{_EXPECTED}{self.expected}", f"{_FOUND}{self.found}"])

    @classmethod
    def of(cls, difference: Difference) -> Story:
        """Return the story of a difference whose steps are known."""
        return cls(difference.steps, difference.expected, difference.found)

    @classmethod
    def read(cls, lines: list[str]) -> Story:
        """Return the object with this text."""
        *steps, expected, found = lines
        if not expected.startswith(_EXPECTED) or not found.startswith(_FOUND):
            raise ReplayError("a story ends with what was expected and what was found")
        return cls(
            tuple(Step.read(line) for line in steps), expected.removeprefix(_EXPECTED), found.removeprefix(_FOUND)
        )


def replay(steps: Sequence[Step], stage: Stage) -> Difference | None:
    """Do the steps on a stage, up to the first difference; return that."""
    play = Play(stage, beginning())
    for number, step in enumerate(steps, 1):
        try:
            step.do(play)
        except Difference as difference:
            difference.steps = tuple(steps[:number])
            return difference
        except KeyError as error:
            raise ReplayError(f"in step {number}, {step}, there is no {error}") from error
    return None


def shorten(difference: Difference, stage: Stage, sound: Stage | None = None) -> Difference:
    """Remove steps that the difference does not need, many at once and then one by one.

    Args:
        difference: a difference with known steps.
        stage: the database with the difference.
        sound: the one that must have none.

    """
    size = len(difference.steps) // 2
    while size:
        start = 0
        while start < len(difference.steps):
            try:
                shorter = replay(difference.steps[:start] + difference.steps[start + size :], stage)
                if shorter and sound and replay(shorter.steps, sound):
                    shorter = None
            except ReplayError:
                shorter = None
            if shorter:
                difference = shorter
            else:
                start += size
        size //= 2
    return difference


def read_stories() -> dict[str, list[str]]:
    """Return the lines of each kept story, by the hole that it finds."""
    stories: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in KEPT.read_text().splitlines():
        if line.startswith(" "):
            lines.append(line.strip())
        elif line and not line.startswith("#"):
            lines = stories[line] = []
    return stories


def write_stories(stories: Mapping[str, list[str]]) -> None:
    """Write these stories, and no others."""
    blocks = ["\n".join([hole, *(f"    {line}" for line in lines)]) for hole, lines in stories.items()]
    KEPT.write_text("\n\n".join([_HEADING, *blocks]) + "\n")
