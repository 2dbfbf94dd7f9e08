"""How a transaction starts and enters a workspace, independent of the driver.

psycopg sends the statements together, with parameters. asyncpg cannot do that, and sends
them as one script that contains the values, as text that can only be read as values.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, TypedDict, cast
from uuid import UUID

from pg_tenancy._sql import (
    ENTER,
    ENTER_PLATFORM,
    ENTER_WITH_API_KEY,
    ENTER_WITH_SESSION,
    ENTER_WITH_SESSION_IN,
    ENTER_WITH_TICKET,
    START_SESSION,
    START_SESSION_WITH_TICKET,
    Call,
)
from pg_tenancy._values import Flag, OneOf, Seconds
from pg_tenancy.errors import TenancyError, translate, translate_denied, translate_missing

if TYPE_CHECKING:
    from typing_extensions import LiteralString

IsolationLevel = Literal["read committed", "repeatable read", "serializable"]

_LEVELS: Final[dict[str, LiteralString]] = {
    "read committed": "ISOLATION LEVEL READ COMMITTED",
    "repeatable read": "ISOLATION LEVEL REPEATABLE READ",
    "serializable": "ISOLATION LEVEL SERIALIZABLE",
}


class Options(TypedDict, total=False):
    """Options of the transaction of a workspace, all of them optional.

    Attributes:
        isolation_level: ``read committed``, ``repeatable read`` or ``serializable``.
        read_only: True or False.
        deferrable: True or False.
        statement_timeout: the maximum number of seconds for each statement, more than 0
            and at most 2,147,483; rounded to milliseconds.

    The first three default to the settings of a psycopg connection, or else the server's.

    Raises:
        InvalidArgumentError: another value.

    """

    isolation_level: IsolationLevel | None
    read_only: bool | None
    deferrable: bool | None
    statement_timeout: float | None


class Who(TypedDict, total=False):
    """The person or key that acts, and the workspace; exactly one of user_id, ticket, session and api_key.

    Attributes:
        user_id: the acting person, as a UUID or a string.
        organization_id: with user_id or session, the organization. With user_id, None is the
            personal workspace. With session, omit it to enter the session's workspace.
        personal: with session, True for the personal workspace, whatever the session's is.
        platform: with user_id, True for the platform's workspace, which is for its staff.
        ticket: a signed ticket, at most 10,000 characters.
        session: the token of a session, at most 10,000 characters.
        api_key: an API key, at most 10,000 characters.

    Raises:
        TypeError: a keyword that does not exist, or keywords that cannot be combined.
        UserRequiredError: user_id is None.
        TicketError: ticket is None, or text that cannot be a ticket.
        SessionError: session is None, or text that cannot be a token.
        ApiKeyError: api_key is None, or text that cannot be a key.
        InvalidArgumentError: a value has the wrong type, or is out of range.

    """

    user_id: UUID | str | None
    organization_id: UUID | str | None
    personal: bool
    platform: bool
    ticket: str | None
    session: str | None
    api_key: str | None


class Entry(Who, Options, total=False):
    """The keywords of ``workspace``: those of ``Who``, and any of ``Options``.

    Raises:
        TypeError: as for ``Who``.
        TenancyError: a value is not acceptable, see ``Who`` and ``Options``.

    """


_ENTERING: Final = (
    ENTER,
    ENTER_PLATFORM,
    ENTER_WITH_TICKET,
    ENTER_WITH_SESSION,
    ENTER_WITH_SESSION_IN,
    ENTER_WITH_API_KEY,
    START_SESSION,
)
_WITH_LASTING_SECRETS: Final = frozenset({ENTER_WITH_API_KEY.function, ENTER_WITH_SESSION.function})
_CREDENTIALS: Final = ("user_id", "ticket", "session", "api_key")
_PERSONAL: Final = Flag("personal")
_PLATFORM: Final = Flag("platform")
_OPTIONS: Final = {
    "isolation_level": OneOf("isolation_level", _LEVELS, optional=True),
    "read_only": Flag("read_only", optional=True),
    "deferrable": Flag("deferrable", optional=True),
    "statement_timeout": Seconds("statement_timeout", optional=True),
}
# With only these keywords there is nothing to choose, and looking for others would take as long as all other checks.
_MOSTLY: Final = frozenset({"user_id", "organization_id"})
# Annotations of the classes themselves, because in Python 3.10 inherited ones have no order.
_WHO: Final = dict.fromkeys(Who.__annotations__)
_KEYWORDS: Final = dict.fromkeys((*Who.__annotations__, *Options.__annotations__))


@dataclass(frozen=True, slots=True)
class Identity:
    """The call that enters a workspace, with its values."""

    call: Call
    values: tuple[object, ...] = field(repr=False)

    @property
    def is_lasting_secret(self) -> bool:
        """Return whether the values must not be part of a statement's text.

        Servers show and log these texts. An id is not secret and a ticket expires soon, but
        a session's token or an API key stays valid for long.
        """
        return self.call.function in _WITH_LASTING_SECRETS

    def pyformat(self) -> str:
        """Return the call with the placeholders of psycopg's ordinary cursors."""
        return re.sub(r"\$\d", "%s", self.call.text)

    def script(self) -> str:
        """Return the call as text, for a driver that sends it in a script."""
        arguments = ", ".join(_literal(value) for value in self.values)
        # Only canonical uuids and hexadecimal digits come from outside.
        return f"SELECT {self.call.function}({arguments})"


@dataclass(frozen=True, slots=True)
class Start:
    """The command that starts the transaction."""

    begin: LiteralString
    statement_timeout_ms: int | None

    def commands(self) -> tuple[str, ...]:
        """Return the command, and one for the timeout if there is one."""
        if self.statement_timeout_ms is None:
            return (self.begin,)
        return (self.begin, f"SET LOCAL statement_timeout = {self.statement_timeout_ms:d}")


_PLAIN: Final = Start("BEGIN", None)


def identify(entry: Who, *, options: bool = True) -> Identity:
    """Choose the call that enters, by the given keywords.

    Args:
        entry: the keywords. None differs from an omitted keyword: ``api_key=None`` means
            that a request contains no key.
        options: whether they may include options of the transaction.

    Returns:
        The call that enters, with its arguments.

    Raises:
        TypeError: a keyword that does not exist; not exactly one of user_id, ticket, session and
            api_key; or organization_id, personal or platform with a keyword that already
            determines the workspace.
        TenancyError: a value is not acceptable, see ``Who``.
    """
    if "user_id" in entry and entry.keys() <= _MOSTLY:
        return _identity(ENTER, entry["user_id"], entry.get("organization_id"))
    keywords = _KEYWORDS if options else _WHO
    if not entry.keys() <= keywords.keys():
        # Python accepts any keyword: with a misspelt organization_id, the personal workspace would be entered.
        unknown = next(name for name in entry if name not in keywords)
        msg = f"a workspace has no {unknown}; it takes {', '.join(keywords)}"
        raise TypeError(msg)
    given: Sequence[str] = [name for name in _CREDENTIALS if entry.get(name) is not None]
    if not given:
        # All are None: report the first one as missing.
        given = [name for name in _CREDENTIALS if name in entry][:1]
    if len(given) != 1:
        msg = "a workspace is entered with exactly one of user_id, ticket, session and api_key"
        raise TypeError(msg)
    (way,) = given
    platform = "platform" in entry and _PLATFORM(entry["platform"])
    organization_id = entry.get("organization_id")
    if platform and (way != "user_id" or organization_id is not None):
        msg = "platform goes with user_id alone: the platform's workspace does not belong to an organization"
        raise TypeError(msg)
    if way not in ("user_id", "session") and organization_id is not None:
        msg = "organization_id goes with user_id or session: a ticket or an API key already names the organization"
        raise TypeError(msg)
    personal = "personal" in entry and _PERSONAL(entry["personal"])
    if personal and (way != "session" or organization_id is not None):
        msg = "personal goes with session alone: with user_id, omit organization_id instead"
        raise TypeError(msg)
    if way == "ticket":
        return _identity(ENTER_WITH_TICKET, entry.get("ticket"))
    if way == "session":
        if organization_id is None and "organization_id" in entry:
            msg = (
                "organization_id=None with session could mean two workspaces:"
                " omit it for the session's workspace, or give personal=True"
            )
            raise TypeError(msg)
        if personal or organization_id is not None:
            return _identity(ENTER_WITH_SESSION_IN, entry.get("session"), organization_id)
        return _identity(ENTER_WITH_SESSION, entry.get("session"))
    if way == "api_key":
        return _identity(ENTER_WITH_API_KEY, entry.get("api_key"))
    if platform:
        return _identity(ENTER_PLATFORM, entry.get("user_id"))
    return _identity(ENTER, entry.get("user_id"), organization_id)


def starting_session(entry: Entry, client: str | None, lasts: timedelta) -> tuple[Call, tuple[object, ...]]:
    """Return the call that starts a session, with its values.

    Raises:
        TypeError: not exactly one of user_id and ticket, or organization_id with a ticket.
        TenancyError: a value is not acceptable, see ``Entry``.
    """
    identity = identify(entry)
    call = {ENTER: START_SESSION, ENTER_WITH_TICKET: START_SESSION_WITH_TICKET}[identity.call]
    return call, (*identity.values, client, lasts)


def options_of(entry: Entry) -> Options:
    """Return the options of the transaction among the keywords.

    Raises:
        InvalidArgumentError: a value is not acceptable, see ``Options``.
    """
    options: dict[str, Any] = {}
    for name, option in _OPTIONS.items():
        if entry.get(name) is not None:
            options[name] = option(entry.get(name))
    return cast("Options", options)


def start(options: Options) -> Start:
    """Compose the command that starts the transaction; None omits a mode."""
    if not options:
        return _PLAIN
    modes: list[LiteralString] = []
    if (level := options.get("isolation_level")) is not None:
        modes.append(_LEVELS[level])
    if (read_only := options.get("read_only")) is not None:
        modes.append("READ ONLY" if read_only else "READ WRITE")
    if (deferrable := options.get("deferrable")) is not None:
        modes.append("DEFERRABLE" if deferrable else "NOT DEFERRABLE")
    begin: LiteralString = "BEGIN " + ", ".join(modes) if modes else "BEGIN"
    timeout = options.get("statement_timeout")
    return Start(begin, None if timeout is None else max(1, round(timeout * 1000)))


def explain(error: BaseException, call: Call | None) -> TenancyError | None:
    """Return the exception of pg-tenancy for a driver's error.

    Args:
        error: an exception of psycopg or asyncpg.
        call: the failed call; None for the application's own SQL.

    Returns:
        The exception to raise from ``error``, or None if it should be raised unchanged.
    """
    ours = translate(error)
    if ours is None and call is not None:
        ours = translate_missing(error, call.phase, call.function)
        if ours is None and call in _ENTERING:
            ours = translate_denied(error, call.function)
    return ours


def _identity(call: Call, *values: object) -> Identity:
    return Identity(call, call.checked(values))


def _literal(value: object) -> str:
    """Return an SQL expression for the value, safe for any value."""
    if value is None:
        return "NULL"
    if isinstance(value, UUID):
        return f"'{value}'::pg_catalog.uuid"
    digits = str(value).encode().hex()
    return f"pg_catalog.convert_from(pg_catalog.decode('{digits}', 'hex'), 'UTF8')"
