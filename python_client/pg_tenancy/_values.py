"""Checks of values before they are passed to a driver.

Drivers accept different values and raise different errors: one sends any text as an id, and
the server refuses it; the other refuses it itself. So every value is checked here, and
converted to exactly the type that is sent.

Messages never contain values, which may be long, or secrets in the wrong argument.
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
    "how_to_name",
]

LONGEST_TEXT: Final = 10_000
"""The maximum length of a text in characters; the server may allow less."""

# UUID() accepts more, such as "_" between digits, which it ignores, so that the result is another id.
_UUID: Final = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}", re.ASCII | re.IGNORECASE)

_LARGEST_INTEGER: Final = 2**31 - 1
_LARGEST_BIGINT: Final = 2**63 - 1
_LONGEST_VALUE: Final = 100_000


def described(value: object) -> str:
    """Describe a value in a few words, without repeating it."""
    if value is None:
        return "None"
    name = type(value).__name__
    if isinstance(value, str):
        return f"a {name} of {len(value):,} characters"
    return f"{'an' if name[:1] in 'aeiou' else 'a'} {name}"


def how_to_name(table: str, example: str) -> str:
    """Return the hint for a table that was not found: PostgreSQL reads capitals without quotes as small letters."""
    parts = table.split(".")
    if len(parts) == 2 and all(parts) and '"' not in table and table.lower() != table:
        quoted = ".".join(part if part == part.lower() else f'"{part}"' for part in parts)
        return f"Quote capitals as in SQL: {quoted}."
    return f"Name it with its schema: {example}."


class Argument(ABC):
    """An argument: its name, and the check of its values.

    Args:
        name: its name for the caller.
        optional: whether None is acceptable.
        missing: the error for None if it is not.

    """

    def __init__(
        self, name: str, *, optional: bool = False, missing: type[TenancyError] = InvalidArgumentError
    ) -> None:
        self.name = name
        self._optional = optional
        self._missing = missing

    def __call__(self, value: Any) -> Any:
        """Check the value, and return it as it is passed to the drivers.

        Raises:
            TenancyError: it is not acceptable.
        """
        if value is None:
            if self._optional:
                return None
            hint = None if self._missing is InvalidArgumentError else "The request contains none."
            raise self._missing(f"{self.name} is None", hint=hint)
        return self._checked(value)

    @abstractmethod
    def _checked(self, value: Any) -> object:
        """Check a value other than None, and return it as it is passed to the drivers."""

    def _refusal(self, wanted: str, value: object) -> InvalidArgumentError:
        return InvalidArgumentError(f"{self.name} must be {wanted}, not {described(value)}")


class Id(Argument):
    """A UUID, or the text of one."""

    def __call__(self, value: Any) -> Any:
        """Check the value; a UUID itself needs no check."""
        return value if type(value) is UUID else super().__call__(value)

    def _checked(self, value: Any) -> UUID:
        if isinstance(value, UUID):
            # Created from the number, because a subclass might be sent differently.
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
        # A subclass's value, not its representation: for an Enum psycopg would send the name.
        text = str.__str__(value)
        if "\0" in text:
            raise self._unacceptable("contains NUL")
        try:
            text.encode()
        except UnicodeEncodeError:
            raise self._unacceptable("contains a surrogate, which is half a character") from None
        return text

    def _unacceptable(self, what: str) -> TenancyError:
        return InvalidArgumentError(f"{self.name} {what}")


class Secret(Text):
    """A secret text. An impossible value is refused like an unknown one."""

    def __init__(self, name: str, refused: type[TenancyError]) -> None:
        super().__init__(name, missing=refused)
        self._refused = refused

    def _unacceptable(self, what: str) -> TenancyError:
        return self._refused(f"{self.name} {what}")

    def _refusal(self, wanted: str, value: object) -> InvalidArgumentError:
        # Only the type, because even the length of a secret must stay secret.
        return InvalidArgumentError(f"{self.name} must be {wanted}, not {type(value).__name__}")


class Moment(Argument):
    """A datetime with a time zone."""

    def _checked(self, value: Any) -> datetime:
        if not isinstance(value, datetime):
            raise self._refusal("a datetime", value)
        if value.utcoffset() is None:
            # The drivers interpret it differently.
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
    """A whole number, 0 or more; the server may allow less."""

    def _checked(self, value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise self._refusal("an int", value)
        if not 0 <= value <= _LARGEST_INTEGER:
            raise InvalidArgumentError(f"{self.name} must be 0 to {_LARGEST_INTEGER:,}")
        return int(value)


class Seconds(Argument):
    """A number of seconds, more than 0, which PostgreSQL stores in whole milliseconds."""

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
    """One of several words."""

    def __init__(self, name: str, words: Iterable[str], *, optional: bool = False) -> None:
        super().__init__(name, optional=optional)
        self._words = tuple(words)

    def _checked(self, value: Any) -> str:
        if not isinstance(value, str) or value not in self._words:
            raise self._refusal(f"one of {', '.join(self._words)}", value)
        return str.__str__(value)


class Version(Argument):
    """A version that the server returned, or 0 if there is no value."""

    def _checked(self, value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise self._refusal("an int", value)
        if not 0 <= value <= _LARGEST_BIGINT:
            raise InvalidArgumentError(f"{self.name} must be a version that the server returned, or 0")
        return int(value)


class Value(Argument):
    """The value of a setting, which may be a secret: text, a bool, an int, or a dict or list for JSON.

    It is sent as text. The server knows the type.
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
                raise InvalidArgumentError(f"{self.name} cannot be represented in JSON") from None
        elif isinstance(value, str):
            text = str.__str__(value)
        else:
            raise InvalidArgumentError(
                f"{self.name} must be a str, bool, int, dict or list, not {type(value).__name__}"
            )
        if len(text) > _LONGEST_VALUE or "\0" in text:
            raise InvalidArgumentError(f"{self.name} has more than {_LONGEST_VALUE:,} characters, or contains NUL")
        try:
            text.encode()
        except UnicodeEncodeError:
            raise InvalidArgumentError(f"{self.name} contains a surrogate, which is half a character") from None
        return text


class Bytes(Argument):
    """Bytes, which are not interpreted."""

    def _checked(self, value: Any) -> bytes:
        if not isinstance(value, bytes):
            raise InvalidArgumentError(f"{self.name} must be bytes, not {type(value).__name__}")
        return bytes(value)


class Flag(Argument):
    """True or False, but no other value that counts as true or false."""

    def _checked(self, value: Any) -> bool:
        if not isinstance(value, bool):
            raise self._refusal("True or False", value)
        return value


class Many(Argument):
    """A list whose elements pass another argument's check."""

    def __init__(self, element: Argument) -> None:
        super().__init__(element.name)
        self._element = element

    def _checked(self, value: Any) -> list[object]:
        if not isinstance(value, list):
            raise self._refusal("a list", value)
        return [self._element(one) for one in value]
