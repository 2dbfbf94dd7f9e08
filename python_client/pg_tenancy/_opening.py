"""How a transaction starts and whom it is for, without any driver.

psycopg sends the pieces one by one in a pipeline, with parameters; asyncpg has
no pipeline and sends them as one script, in which the values stand as text that
cannot be anything else than a value.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, TypedDict
from uuid import UUID

from pg_tenancy._sql import ENTER, ENTER_PLATFORM, ENTER_WITH_API_KEY, ENTER_WITH_TICKET, Call

if TYPE_CHECKING:
    from typing_extensions import LiteralString

IsolationLevel = Literal["read committed", "repeatable read", "serializable"]

_LEVELS: Final[dict[str, LiteralString]] = {
    "read committed": "ISOLATION LEVEL READ COMMITTED",
    "repeatable read": "ISOLATION LEVEL REPEATABLE READ",
    "serializable": "ISOLATION LEVEL SERIALIZABLE",
}

# The pauses between attempts double from the first to the last of these, in seconds.
_FIRST_PAUSE: Final = 0.02
_LONGEST_PAUSE: Final = 2.0


class Options(TypedDict, total=False):
    """How the transaction of a workspace is started; all of it may be left out.

    ``isolation_level``, ``read_only`` and ``deferrable`` default to what the
    connection is set to. ``statement_timeout`` is in seconds, more than 0, and
    holds for each statement of this transaction.
    """

    isolation_level: IsolationLevel | None
    read_only: bool | None
    deferrable: bool | None
    statement_timeout: float | None


class Entry(Options, total=False):
    """Whom a workspace is for and how it is started, as ``workspace`` takes it."""

    user_id: UUID | str | None
    organization_id: UUID | str | None
    platform: bool
    ticket: str | None
    api_key: str | None


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a workspace is for: a call that enters it, and what the call is given."""

    call: Call
    values: tuple[UUID | str | None, ...] = field(repr=False)

    @property
    def is_lasting_secret(self) -> bool:
        """Return whether the values must stay out of the text of any statement.

        A server shows and logs texts. An id says little to whoever reads them and a
        ticket expires soon, but an API key opens the workspace for years.
        """
        return self.call is ENTER_WITH_API_KEY

    def script(self) -> str:
        """Return the call as text, for a driver that can send only text."""
        arguments = ", ".join(_literal(value) for value in self.values)
        # Nothing but canonical uuids and hexadecimal digits comes from outside.
        return f"SELECT {self.call.function}({arguments})"


@dataclass(frozen=True, slots=True)
class Start:
    """The command that starts the transaction."""

    begin: LiteralString
    statement_timeout_ms: int | None

    def script(self) -> str:
        """Return the command as text, with the timeout if there is one."""
        if self.statement_timeout_ms is None:
            return self.begin
        return f"{self.begin}; SET LOCAL statement_timeout = {self.statement_timeout_ms:d}"


def identify(
    user_id: UUID | str | None,
    organization_id: UUID | str | None,
    platform: object,
    ticket: str | None,
    api_key: str | None,
) -> Identity:
    """Choose the way in from what the application has in hand.

    Args:
        user_id: the person who acts.
        organization_id: where, None for the person's own workspace.
        platform: in the platform's workspace, which is for its staff.
        ticket: a signed ticket, which names both by itself.
        api_key: a key, which names both by itself.

    Returns:
        The call that enters, with its arguments.

    Raises:
        TypeError: not exactly one of user_id, ticket and api_key was given, or
            organization_id or platform came with what names the workspace by itself,
            or platform is no bool.
        ValueError: an id is not a uuid.
    """
    given = sum(value is not None for value in (user_id, ticket, api_key))
    if given != 1:
        msg = "a workspace is entered with exactly one of user_id, ticket and api_key"
        raise TypeError(msg)
    if not isinstance(platform, bool):
        msg = f"platform must be True or False, not {platform!r}"
        raise TypeError(msg)
    if platform and (user_id is None or organization_id is not None):
        msg = "platform goes with user_id alone: the platform's workspace is no organization's"
        raise TypeError(msg)
    if platform:
        return Identity(ENTER_PLATFORM, (_uuid("user_id", user_id),))
    if user_id is not None:
        return Identity(ENTER, (_uuid("user_id", user_id), _uuid("organization_id", organization_id)))
    if organization_id is not None:
        msg = "organization_id goes with user_id: a ticket or an API key names the organization itself"
        raise TypeError(msg)
    if ticket is not None:
        return Identity(ENTER_WITH_TICKET, (ticket,))
    return Identity(ENTER_WITH_API_KEY, (api_key,))


def require_options(options: Options) -> None:
    """Refuse a keyword that there is not.

    Python takes any: a misspelt organization_id would mean the personal workspace.

    Raises:
        TypeError: it is no option.
    """
    unknown = sorted(options.keys() - Options.__annotations__.keys())
    if unknown:
        msg = f"a workspace has no {', '.join(unknown)}"
        raise TypeError(msg)


def start(
    isolation_level: IsolationLevel | None,
    read_only: bool | None,
    deferrable: bool | None,
    statement_timeout: float | None,
) -> Start:
    """Compose the command that starts the transaction; None leaves a mode out.

    Raises:
        ValueError: an unknown isolation level, or a timeout that is not more than 0.
    """
    modes: list[LiteralString] = []
    if isolation_level is not None:
        if isolation_level not in _LEVELS:
            msg = f"isolation_level must be one of {', '.join(_LEVELS)}, not {isolation_level!r}"
            raise ValueError(msg)
        modes.append(_LEVELS[isolation_level])
    if read_only is not None:
        modes.append("READ ONLY" if read_only else "READ WRITE")
    if deferrable is not None:
        modes.append("DEFERRABLE" if deferrable else "NOT DEFERRABLE")
    begin: LiteralString = "BEGIN " + ", ".join(modes) if modes else "BEGIN"
    if statement_timeout is None:
        return Start(begin, None)
    if not statement_timeout > 0:
        msg = f"statement_timeout must be more than 0 seconds, not {statement_timeout!r}"
        raise ValueError(msg)
    return Start(begin, max(1, round(statement_timeout * 1000)))


def pause_before(attempt: int) -> float:
    """Return how many seconds to wait before attempt 1, 2, ... of a retry.

    The pause is drawn evenly from 0 up to a limit that doubles each time, so that
    the transactions that collided do not collide again in step.
    """
    limit = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0**attempt)
    return random.uniform(0, limit)  # noqa: S311


def _uuid(name: str, value: UUID | str | None) -> UUID | None:
    """Return the value as a uuid, so that nothing else can reach a statement."""
    if value is None or isinstance(value, UUID):
        return value
    try:
        return UUID(value)
    except (ValueError, AttributeError, TypeError):
        msg = f"{name} must be a uuid, not {value!r}"
        raise ValueError(msg) from None


def _literal(value: UUID | str | None) -> str:
    """Return an SQL expression for the value that no value can break out of."""
    if value is None:
        return "NULL"
    if isinstance(value, UUID):
        # Built anew from its number: a subclass might render itself otherwise.
        return f"'{UUID(int=value.int)}'::pg_catalog.uuid"
    digits = value.encode().hex()
    return f"pg_catalog.convert_from(pg_catalog.decode('{digits}', 'hex'), 'UTF8')"
