"""How a transaction starts and whom it is for, without any driver.

psycopg sends the pieces together, with parameters; asyncpg cannot do that and
sends them as one script, in which the values stand as text that cannot be anything
else than a value.
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
    """How the transaction of a workspace is started; all of it may be left out.

    Attributes:
        isolation_level: ``read committed``, ``repeatable read`` or ``serializable``.
        read_only: True or False.
        deferrable: True or False.
        statement_timeout: how many seconds each statement may take, more than 0 and at
            most 2,147,483; kept to the millisecond.

    The first three default to what a psycopg connection is set to, and otherwise to
    what the server is.

    Raises:
        InvalidArgumentError: a value that is none of these.

    """

    isolation_level: IsolationLevel | None
    read_only: bool | None
    deferrable: bool | None
    statement_timeout: float | None


class Who(TypedDict, total=False):
    """Whom a workspace is for: exactly one of user_id, ticket, session and api_key.

    Attributes:
        user_id: the acting person, as a UUID or a string.
        organization_id: with user_id or session, where. With user_id None is the person's
            own workspace; without it a session opens the workspace that it is in.
        personal: with session, True for the person's own workspace, wherever the session is.
        platform: with user_id, True for the platform's workspace, which is for its staff.
        ticket: a signed ticket, at most 10,000 characters.
        session: the token of a session, at most 10,000 characters.
        api_key: an API key, at most 10,000 characters.

    Raises:
        TypeError: a keyword that does not exist, or keywords that do not go together.
        UserRequiredError: user_id is None.
        TicketError: ticket is None, or text that no ticket can be.
        SessionError: session is None, or text that no token can be.
        ApiKeyError: api_key is None, or text that no key can be.
        InvalidArgumentError: a value of another type, or out of its range.

    """

    user_id: UUID | str | None
    organization_id: UUID | str | None
    personal: bool
    platform: bool
    ticket: str | None
    session: str | None
    api_key: str | None


class Entry(Who, Options, total=False):
    """Whom a workspace is for, as in ``Who``, and the options of its transaction, as many as one likes.

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
# The annotations of the classes themselves: Python 3.10 has no order for inherited ones.
# With these there is nothing to choose, and looking for others would take as long as all other checks.
_MOSTLY: Final = frozenset({"user_id", "organization_id"})
_WHO: Final = dict.fromkeys(Who.__annotations__)
_KEYWORDS: Final = dict.fromkeys((*Who.__annotations__, *Options.__annotations__))


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a workspace is for: a call that enters it, and what the call is given."""

    call: Call
    values: tuple[object, ...] = field(repr=False)

    @property
    def is_lasting_secret(self) -> bool:
        """Return whether the values must stay out of the text of any statement.

        A server shows and logs texts. An id says little to whoever reads them and a
        ticket expires soon, but a session or an API key opens the workspace for long.
        """
        return self.call.function in _WITH_LASTING_SECRETS

    def pyformat(self) -> str:
        """Return the call with the placeholders of psycopg's ordinary cursors."""
        return re.sub(r"\$\d", "%s", self.call.text)

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

    def commands(self) -> tuple[str, ...]:
        """Return the command, and another one for the timeout if there is one."""
        if self.statement_timeout_ms is None:
            return (self.begin,)
        return (self.begin, f"SET LOCAL statement_timeout = {self.statement_timeout_ms:d}")


_PLAIN: Final = Start("BEGIN", None)


def identify(entry: Who, *, options: bool = True) -> Identity:
    """Choose the way in from what the application has in hand.

    Args:
        entry: the keywords of the call. None is not the same as nothing: who gives
            ``api_key=None`` has a request without a key.
        options: whether those of the transaction may be among them.

    Returns:
        The call that enters, with its arguments.

    Raises:
        TypeError: a keyword that does not exist, not exactly one of user_id, ticket,
            session and api_key, or organization_id, personal or platform with what names the
            workspace by itself.
        TenancyError: a value is not acceptable, see ``Who``.
    """
    if "user_id" in entry and entry.keys() <= _MOSTLY:
        return _identity(ENTER, entry["user_id"], entry.get("organization_id"))
    keywords = _KEYWORDS if options else _WHO
    if not entry.keys() <= keywords.keys():
        # Python takes any: a misspelt organization_id would mean the personal workspace.
        unknown = next(name for name in entry if name not in keywords)
        msg = f"a workspace has no {unknown}; it takes {', '.join(keywords)}"
        raise TypeError(msg)
    given: Sequence[str] = [name for name in _CREDENTIALS if entry.get(name) is not None]
    if not given:
        # All None: the first of them says that it is missing.
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
        msg = "organization_id goes with user_id or session: a ticket or an API key names the organization itself"
        raise TypeError(msg)
    personal = "personal" in entry and _PERSONAL(entry["personal"])
    if personal and (way != "session" or organization_id is not None):
        msg = "personal goes with session alone: with user_id it is the workspace without an organization_id"
        raise TypeError(msg)
    if way == "ticket":
        return _identity(ENTER_WITH_TICKET, entry.get("ticket"))
    if way == "session":
        if organization_id is None and "organization_id" in entry:
            msg = (
                "organization_id=None beside session could mean two workspaces:"
                " leave it out for the one that the session is in, or give personal=True"
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
    """Return how the transaction is started, out of the keywords of the call.

    Raises:
        InvalidArgumentError: a value is not acceptable, see ``Options``.
    """
    options: dict[str, Any] = {}
    for name, option in _OPTIONS.items():
        if entry.get(name) is not None:
            options[name] = option(entry.get(name))
    return cast("Options", options)


def start(options: Options) -> Start:
    """Compose the command that starts the transaction; None leaves a mode out."""
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
        call: what was called, None for SQL of the application's own.

    Returns:
        The exception to raise from ``error``, or None when it should go on unchanged.
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
    """Return an SQL expression for the value that no value can break out of."""
    if value is None:
        return "NULL"
    if isinstance(value, UUID):
        return f"'{value}'::pg_catalog.uuid"
    digits = str(value).encode().hex()
    return f"pg_catalog.convert_from(pg_catalog.decode('{digits}', 'hex'), 'UTF8')"
