"""Registers deeds, and chooses their actors and arguments by drawn numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from hypothesis import strategies as st

from support.random_people.beginning import beginning
from support.random_people.model import PLATFORM, Entry, Platform
from support.random_people.play import Actor, Play

__all__ = [
    "ADDRESSES",
    "MODEL_IDS",
    "MODEL_OR_NONE",
    "NUMBER",
    "WHO",
    "Choice",
    "Choices",
    "Deed",
    "Doing",
    "NothingToChooseError",
    "among",
    "deed",
    "login",
    "one",
    "present",
]

NUMBER = st.integers(0, 999)
ADDRESSES = (
    "ann@example.com",
    "BOB@example.com",
    "eve@example.com",
    "new@example.com",
    "New@Example.com",
    "old@example.com",
)
MODEL_IDS = ("hub/small", "hub/large", "hub/tiny")
_START = beginning()
_AT_FIRST = {name: kind for kind in ("people", "organizations") for name in getattr(_START, kind)}


class NothingToChooseError(Exception):
    """A deed has no object of its kind, so nothing is done."""


class Choices:
    """The choices in a play, before one of its steps.

    Args:
        play: the play.
        turn: the number of earlier steps.

    """

    def __init__(self, play: Play, turn: int) -> None:
        self.play = play
        self.model = play.model
        self.turn = turn

    def one(self, kind: str, number: int) -> str:
        """Choose an existing one or, every fourth time, one that ever existed."""
        present = list(getattr(self.model, kind))
        if present and number % 4:
            return str(present[number // 4 % len(present)])
        ever = [name for name in self.play.ids if _kind(name) == kind]
        return ever[number // 4 % len(ever)]

    def present(self, kind: str, number: int) -> str:
        """Choose an existing one."""
        present = list(getattr(self.model, kind))
        if not present:
            raise NothingToChooseError(kind)
        return str(present[number % len(present)])

    def deleted(self, number: int) -> str:
        """Choose a deleted organization or, every fourth time, any."""
        deleted = [name for name, organization in self.model.organizations.items() if organization.deleted]
        return deleted[number % len(deleted)] if deleted and number % 4 else self.one("organizations", number)

    def workspace(self, kinds: Sequence[str], number: int) -> str:
        """Choose the platform, or one of these kinds."""
        workspaces: list[str] = [PLATFORM, PLATFORM, *(name for kind in kinds for name in getattr(self.model, kind))]
        return workspaces[number % len(workspaces)]

    def entry(self, number: int) -> Entry:
        """Choose an entry, mostly a valid one."""
        if number % 16 == 15:
            number //= 16
            if number % 3 == 0:
                return Entry(None, key=self.one("keys", number // 3 * 4))
            if number % 7 == 0:
                return Entry(self.one("people", number), platform=True)
            return Entry(self.one("people", number), self.one("organizations", number // 7))
        by_kind: list[list[Entry]] = [[], [], [], []]
        entries = self.model.entries()
        for entry in entries:
            by_kind[3 if entry.organization else 2 if entry.platform else 1 if entry.key else 0].append(entry)
        kind, number = number % 16, number // 16
        chosen = by_kind[0 if kind < 4 else 1 if kind < 7 else 2 if kind < 9 else 3] or entries
        return chosen[number % len(chosen)]

    def actor(self, number: int) -> Actor:
        """Choose an actor; the two logins take turns."""
        entry = self.entry(number)
        return Actor(entry, login(entry, by_credential=bool(self.turn % 2)))


def login(entry: Entry, *, by_credential: bool) -> str:
    """Return the login for entering; no ticket opens the platform's workspace."""
    return "credentialed" if by_credential and not entry.platform else "app"


def _kind(name: str) -> str:
    word = name.split()[0]
    return _AT_FIRST.get(name) or {"person": "people"}.get(word, f"{word}s")


@dataclass(frozen=True)
class Choice:
    """An argument of a deed: the values that Hypothesis draws, and their meaning in a play."""

    drawn: st.SearchStrategy[Any]
    chosen: Callable[[Choices, Any], Any] = lambda _, value: value


WHO = Choice(NUMBER, Choices.actor)


def one(kind: str) -> Choice:
    """Return the choice of an existing or former one."""
    return Choice(NUMBER, lambda choices, number: choices.one(kind, number))


def present(kind: str) -> Choice:
    """Return the choice of an existing one."""
    return Choice(NUMBER, lambda choices, number: choices.present(kind, number))


def _model_or_none(choices: Choices, drawn: tuple[int, bool]) -> str | None:
    number, served = drawn
    return choices.one("models", number) if served else None


MODEL_OR_NONE = Choice(st.tuples(NUMBER, st.booleans()), _model_or_none)


def among(*values: Any) -> Choice:
    """Return the choice of one of some values."""
    return Choice(st.sampled_from(values))


@dataclass(frozen=True)
class Deed:
    """Something that people try; ``weight`` is its relative frequency."""

    method: Callable[..., None]
    choices: dict[str, Choice]
    weight: int


_Method = TypeVar("_Method", bound=Callable[..., None])


def deed(*, weight: int = 1, **choices: Choice) -> Callable[[_Method], _Method]:
    """Register a method as something that people try.

    Not a rule of Hypothesis, which omits most of forty rules in each play, while their interplay
    matters here.
    """

    def register(method: _Method) -> _Method:
        Doing.registered[method.__name__] = Deed(method, choices, weight)
        return method

    return register


class Doing:
    """Does deeds in a play."""

    registered: ClassVar[dict[str, Deed]] = {}

    def __init__(self, play: Play) -> None:
        self.play = play

    @property
    def model(self) -> Platform:
        """The expected state."""
        return self.play.model

    def do(self, who: Actor, statement: str, arguments: list[Any], attempt: Callable[[Entry], Any]) -> None:
        """Let somebody try something."""
        self.play.act(who, statement, arguments, lambda: attempt(who.entry))
