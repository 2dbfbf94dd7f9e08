"""Checks of values before they are given to a driver.

The drivers do not agree on what they accept: one sends text for an id and the server
complains, the other complains itself, and each in words and with classes of its own.
So everything is checked here, made what its type says, and sent as exactly that.

No message repeats a value: it may be a secret in the wrong place, or very long.
"""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from typing import Any, Final
from uuid import UUID

from pg_tenancy.errors import InvalidArgumentError, TenancyError

__all__ = [
    "LONGEST_TEXT",
    "Argument",
    "Bytes",
    "Count",
    "Flag",
    "Id",
    "Many",
    "Moment",
    "Seconds",
    "Secret",
    "Span",
    "Text",
    "Value",
    "Version",
    "described",
]

LONGEST_TEXT: Final = 10_000
"""How many characters a text may have, where the server does not say less."""

# UUID() takes more, and for instance "_" among the digits for nothing: another id.
_UUID: Final = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}", re.ASCII | re.IGNORECASE)

_LARGEST_INTEGER: Final = 2**31 - 1
_LARGEST_BIGINT: Final = 2**63 - 1
_LONGEST_VALUE: Final = 100_000


def described(value: object) -> str:
    """Return what the value is, in a few words that do not repeat it."""
    if value is None:
        return "None"
    name = type(value).__name__
    if isinstance(value, str):
        return f"a {name} of {len(value):,} characters"
    return f"{'an' if name[:1] in 'aeiou' else 'a'} {name}"


class Argument(ABC):
    """An argument by its name, and what makes a value of it acceptable.

    Args:
        name: what the caller knows it by.
        optional: whether None is acceptable.
        missing: what is raised for None where it is not.

    """

    def __init__(
        self, name: str, *, optional: bool = False, missing: type[TenancyError] = InvalidArgumentError
    ) -> None:
        self.name = name
        self._optional = optional
        self._missing = missing

    def __call__(self, value: Any) -> Any:
        """Return the value as the drivers are given it.

        Raises:
            TenancyError: it is not acceptable.
        """
        if value is None:
            if self._optional:
                return None
            hint = None if self._missing is InvalidArgumentError else "The request came without one."
            raise self._missing(f"{self.name} is None", hint=hint)
        return self._checked(value)

    @abstractmethod
    def _checked(self, value: Any) -> object:
        """Return the value, which is not None, as the drivers are given it."""

    def _refusal(self, wanted: str, value: object) -> InvalidArgumentError:
        return InvalidArgumentError(f"{self.name} must be {wanted}, not {described(value)}")


class Id(Argument):
    """A UUID, or the text of one."""

    def __call__(self, value: Any) -> Any:
        """Return the value, mostly as it is."""
        return value if type(value) is UUID else super().__call__(value)

    def _checked(self, value: Any) -> UUID:
        if isinstance(value, UUID):
            # Built anew from its number: a subclass might be sent as something else.
            return UUID(int=value.int)
        if isinstance(value, str) and _UUID.fullmatch(value):
            return UUID(str.__str__(value))
        raise self._refusal("a UUID", value)


class Text(Argument):
    """Text of at most ``LONGEST_TEXT`` characters, without NUL, which PostgreSQL cannot hold."""

    def _checked(self, value: Any) -> str:
        if not isinstance(value, str):
            raise self._refusal("a str", value)
        if len(value) > LONGEST_TEXT:
            raise self._unacceptable(f"is longer than {LONGEST_TEXT:,} characters")
        # The value of a subclass, not its representation: psycopg would send the name of an Enum.
        text = str.__str__(value)
        if "\0" in text:
            raise self._unacceptable("contains NUL")
        try:
            text.encode()
        except UnicodeEncodeError:
            raise self._unacceptable("contains half a character (a surrogate)") from None
        return text

    def _unacceptable(self, what: str) -> TenancyError:
        return InvalidArgumentError(f"{self.name} {what}")


class Secret(Text):
    """A text that opens something: what cannot be one is refused like one that is unknown."""

    def __init__(self, name: str, refused: type[TenancyError]) -> None:
        super().__init__(name, missing=refused)
        self._refused = refused

    def _unacceptable(self, what: str) -> TenancyError:
        return self._refused(f"{self.name} {what}")

    def _refusal(self, wanted: str, value: object) -> InvalidArgumentError:
        # The type alone: even the length of a secret is nobody's business.
        return InvalidArgumentError(f"{self.name} must be {wanted}, not {type(value).__name__}")


class Moment(Argument):
    """A datetime with a time zone."""

    def _checked(self, value: Any) -> datetime:
        if not isinstance(value, datetime):
            raise self._refusal("a datetime", value)
        if value.utcoffset() is None:
            # The drivers do not agree on what hour that is.
            raise InvalidArgumentError(f"{self.name} has no time zone", hint="Give it one: tzinfo=timezone.utc.")
        try:
            utc = value.astimezone(timezone.utc)
        except OverflowError:
            raise InvalidArgumentError(f"{self.name} is out of the range of datetime") from None
        return datetime.combine(utc.date(), utc.time(), timezone.utc)


class Span(Argument):
    """A timedelta."""

    def _checked(self, value: Any) -> timedelta:
        if not isinstance(value, timedelta):
            raise self._refusal("a timedelta", value)
        return timedelta(value.days, value.seconds, value.microseconds)


class Count(Argument):
    """A whole number, 0 or more; the server may say less."""

    def _checked(self, value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise self._refusal("an int", value)
        if not 0 <= value <= _LARGEST_INTEGER:
            raise InvalidArgumentError(f"{self.name} must be 0 to {_LARGEST_INTEGER:,}")
        return int(value)


class Seconds(Argument):
    """A number of seconds, more than 0, which PostgreSQL keeps as whole milliseconds."""

    def _checked(self, value: Any) -> float:
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise self._refusal("a number of seconds", value)
        # Written so that NaN is refused.
        if not 0 < value <= _LARGEST_INTEGER // 1000:
            raise InvalidArgumentError(
                f"{self.name} must be more than 0 and at most {_LARGEST_INTEGER // 1000:,} seconds"
            )
        return float(value)


class OneOf(Argument):
    """One of some words."""

    def __init__(self, name: str, words: Iterable[str], *, optional: bool = False) -> None:
        super().__init__(name, optional=optional)
        self._words = tuple(words)

    def _checked(self, value: Any) -> str:
        if not isinstance(value, str) or value not in self._words:
            raise self._refusal(f"one of {', '.join(self._words)}", value)
        return str.__str__(value)


class Version(Argument):
    """A version as the server has given it; 0 for that of what is not there."""

    def _checked(self, value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise self._refusal("an int", value)
        if not 0 <= value <= _LARGEST_BIGINT:
            raise InvalidArgumentError(f"{self.name} must be one that the server has given")
        return int(value)


class Value(Argument):
    """The value of a setting, which may be a secret: text, a bool, an int, or what JSON has of dicts and lists.

    The server knows of which type it has to be, and is sent text.
    """

    def _checked(self, value: Any) -> str:
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int) and abs(value) <= _LARGEST_BIGINT:
            return str(int(value))
        if isinstance(value, dict | list):
            try:
                text = json.dumps(value, allow_nan=False)
            except (TypeError, ValueError, RecursionError):
                raise InvalidArgumentError(f"{self.name} is nothing that JSON can say") from None
        elif isinstance(value, str):
            text = str.__str__(value)
        else:
            raise InvalidArgumentError(
                f"{self.name} must be a str, bool, int, dict or list, not {type(value).__name__}"
            )
        if len(text) > _LONGEST_VALUE or "\0" in text:
            raise InvalidArgumentError(f"{self.name} has more than {_LONGEST_VALUE:,} characters, or NUL")
        try:
            text.encode()
        except UnicodeEncodeError:
            raise InvalidArgumentError(f"{self.name} contains half a character (a surrogate)") from None
        return text


class Bytes(Argument):
    """Bytes, of which nothing is known."""

    def _checked(self, value: Any) -> bytes:
        if not isinstance(value, bytes):
            raise InvalidArgumentError(f"{self.name} must be bytes, not {type(value).__name__}")
        return bytes(value)


class Flag(Argument):
    """True or False, and nothing that is only taken for one of them."""

    def _checked(self, value: Any) -> bool:
        if not isinstance(value, bool):
            raise self._refusal("True or False", value)
        return value


class Many(Argument):
    """A list, each element of which is what another argument says."""

    def __init__(self, element: Argument) -> None:
        super().__init__(element.name)
        self._element = element

    def _checked(self, value: Any) -> list[object]:
        if not isinstance(value, list):
            raise self._refusal("a list", value)
        return [self._element(one) for one in value]
