"""Transactions in a workspace, over asyncpg.

asyncpg has no pipeline, so BEGIN and the call that enters the workspace are sent as one
script, in as many round trips as a transaction of asyncpg's own takes. They are sent
before the first statement; a block without a statement sends nothing. An API key or a
session's token is sent separately, as a parameter, because servers show and log the text
of statements.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar
from uuid import UUID

import asyncpg  # type: ignore[import-untyped, unused-ignore]
from asyncpg.pool import PoolConnectionProxy  # type: ignore[import-untyped, unused-ignore]

from pg_tenancy import _opening, _refusals, aio
from pg_tenancy._calls_async import Calls
from pg_tenancy._opening import Entry, Identity, Options
from pg_tenancy._retries_async import again
from pg_tenancy._sql import GRANTED, Call
from pg_tenancy._values import described
from pg_tenancy.errors import (
    InvalidArgumentError,
    NotGrantedError,
    WorkspaceClosedError,
    is_not_granted,
    message_of,
    translate,
    translate_not_granted,
)
from pg_tenancy.results import AcceptedInvitation, InvitationPreview, NewSession

if TYPE_CHECKING:
    from typing_extensions import LiteralString, Self, Unpack

__all__ = [
    "Workspace",
    "accept_invitation",
    "end_session",
    "fetch_all",
    "peek_invitation",
    "run",
    "sign_up",
    "start_session",
    "switch_session",
    "workspace",
]

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., object])


def _like(other: Callable[..., object]) -> Callable[[F], F]:
    """Append the docstring of the same function over psycopg, without its first line."""

    def documented(function: F) -> F:
        # Python has no docstrings with -OO.
        if function.__doc__ and other.__doc__:
            function.__doc__ = f"{function.__doc__}\n{other.__doc__.partition(chr(10))[2]}"
        return function

    return documented


class Workspace(Calls):
    """One transaction in one workspace; ``workspace()`` creates it.

    It belongs to one task and one block, and cannot be used again afterwards.
    """

    # Without an identity the transaction is outside of workspaces.
    def __init__(self, source: Any, identity: Identity | None, options: Options) -> None:
        self._source = source
        self._pool = source if isinstance(source, asyncpg.Pool) else None
        if self._pool is None and not isinstance(source, asyncpg.Connection | PoolConnectionProxy):
            msg = f"a workspace needs a Connection or a Pool of asyncpg, not {type(source).__name__}"
            raise TypeError(msg)
        self._identity = identity
        self._start = _opening.start(options)
        self._conn: Any = None
        self._opened = False
        self._entered = False

    async def __aenter__(self) -> Self:
        if self._conn is not None:
            raise WorkspaceClosedError("this workspace is already in use: create one for each block")
        if self._pool is None:
            conn = self._source
            _require_idle(conn)
        else:
            conn = await self._pool.acquire()
        self._conn = conn
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        conn = self._connection()
        try:
            if exc is None:
                await self._commit(conn)
        except asyncpg.PostgresError as error:
            _raise(error)
        finally:
            self._conn = None
            refused = await self._leave_clean(conn, exc)
        if isinstance(exc, asyncpg.PostgresError) and (ours := translate(exc) or refused):
            raise ours from exc

    async def open(self) -> None:
        """Enter the workspace now, if it is not entered yet.

        Raises:
            TenancyError: the workspace cannot be entered; for example NotAMemberError.
            ConnectionNotIdleError: something else uses the connection.
        """
        if not self._opened:
            await self._begin(self._connection())
        elif not self._entered:
            raise _refusals.not_entered()

    async def connection(self) -> Any:
        """Enter the workspace if necessary, and return the connection.

        Use it for what has no method here: COPY, cursors, executemany, or
        ``conn.transaction()`` for a savepoint. Leave COMMIT and ROLLBACK to the block.
        """
        await self.open()
        return self._connection()

    async def execute(self, query: LiteralString, params: Sequence[object] = ()) -> str:
        """Run a statement and return its status, such as ``UPDATE 3``.

        Args:
            query: a statement, with ``$1`` placeholders.
            params: the values of the placeholders, as a list or tuple.

        Raises:
            InvalidArgumentError: ``params`` is not a list or tuple.
            TenancyError: the server raised an error of pg-tenancy.
            asyncpg.PostgresError: any other error, unchanged.
        """
        return str(await self._do("execute", query, params))

    async def fetch_all(self, query: LiteralString, params: Sequence[object] = ()) -> list[Any]:
        """Run a query and return its rows; the errors are those of ``execute``."""
        return list(await self._do("fetch", query, params))

    async def fetch_one(self, query: LiteralString, params: Sequence[object] = ()) -> Any:
        """Run a query and return its first row, or None."""
        return await self._do("fetchrow", query, params)

    async def fetch_value(self, query: LiteralString, params: Sequence[object] = ()) -> Any:
        """Run a query and return the first column of its first row, or None."""
        return await self._do("fetchval", query, params)

    async def _send(self, call: Call, values: Sequence[object]) -> Sequence[Sequence[Any]]:
        rows: Sequence[Sequence[Any]] = await self._do("fetch", call.text, values, call)
        return rows

    async def _do(self, method: str, query: str, params: Sequence[object], call: Call | None = None) -> Any:
        if not isinstance(params, Sequence) or isinstance(params, str | bytes):
            # Each character of a text would be a parameter, or each key of a mapping.
            raise InvalidArgumentError(f"params must be a list or a tuple, not {described(params)}")
        await self.open()
        try:
            return await getattr(self._connection(), method)(query, *params)
        except asyncpg.PostgresError as error:
            _raise(error, call)

    def _connection(self) -> Any:
        if self._conn is None:
            raise WorkspaceClosedError("a workspace works only inside its block")
        return self._conn

    async def _begin(self, conn: Any) -> None:
        """Send BEGIN and the entering call, together unless the text would then contain a secret."""
        _require_idle(conn)
        identity, script = self._identity, "; ".join(self._start.commands())
        # Set first, because a transaction may be open even if the response is never read.
        self._opened = True
        try:
            if identity is None:
                await conn.execute(script)
            elif identity.is_lasting_secret:
                await conn.execute(script)
                await conn.execute(identity.call.text, *identity.values)
            else:
                await conn.execute(f"{script}; {identity.script()}")
        except asyncpg.PostgresError as error:
            _raise(error, identity.call if identity else None)
        _set_outer_transaction(conn, conn.transaction())
        self._entered = True

    async def _commit(self, conn: Any) -> None:
        """Commit, and raise an error if the server rolled back instead."""
        if not self._opened:
            return
        if self._entered and not conn.is_closed() and not conn.is_in_transaction():
            raise _refusals.ended()
        if not self._entered:
            raise _refusals.not_entered()
        _set_outer_transaction(conn, None)
        if await conn.execute("COMMIT") != "COMMIT":
            raise _refusals.aborted()
        self._opened = False

    async def _leave_clean(self, conn: Any, exc: BaseException | None) -> NotGrantedError | None:
        """Roll back if a transaction may be open, or close the connection; explain a refused statement in between."""
        clean = not self._opened
        refused = None
        try:
            if self._opened and not conn.is_closed():
                _set_outer_transaction(conn, None)
                # Always: after a cancellation is_in_transaction() may be outdated, and a
                # ROLLBACK without a transaction does no harm.
                await conn.execute("ROLLBACK")
                clean = not conn.is_in_transaction()
                if clean and exc is not None and is_not_granted(exc):
                    refused = translate_not_granted(exc, await conn.fetchrow(GRANTED, message_of(exc)))
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            pass  # the first error matters more, and the connection is closed below
        finally:
            if not clean:
                conn.terminate()
            if self._pool is not None:
                await self._pool.release(conn)
        return refused


@_like(aio.workspace)
def workspace(source: Any, **entry: Unpack[Entry]) -> Workspace:
    """Return a block that is one transaction in one workspace, over asyncpg."""
    return Workspace(source, _opening.identify(entry), _opening.options_of(entry))


@_like(aio.run)
async def run(source: Any, work: Callable[[Workspace], Awaitable[T]], *, retries: int = 3, **entry: Unpack[Entry]) -> T:
    """Call a function in a workspace, and retry it after a conflict with another transaction, over asyncpg."""

    async def transaction() -> T:
        async with workspace(source, **entry) as ws:
            return await work(ws)

    return await again(transaction, retries)


async def fetch_all(
    source: Any,
    query: LiteralString,
    params: Sequence[object] = (),
    **entry: Unpack[Entry],
) -> list[Any]:
    """Run one query in a workspace and commit it.

    This takes three round trips, and another one when asyncpg first prepares the query. (With
    psycopg it takes one.)

    Args:
        source: an idle connection, or a pool.
        query: a query, with ``$1`` placeholders.
        params: the values of the placeholders, as a list or tuple.
        **entry: the keywords of ``workspace``.

    Returns:
        The rows.

    Raises:
        TenancyError: as for ``workspace``; nothing was committed.
        asyncpg.PostgresError: the query or the COMMIT failed; nothing was committed.
    """
    async with workspace(source, **entry) as ws:
        return await ws.fetch_all(query, params)


@_like(aio.peek_invitation)
async def peek_invitation(source: Any, token: str) -> InvitationPreview:
    """Return the organization and the role of an invitation, to show to the invited person, over asyncpg."""
    async with Workspace(source, None, {}) as outside:
        return await outside._peek_invitation(token)


@_like(aio.accept_invitation)
async def accept_invitation(
    source: Any,
    token: str,
    *,
    username: str | None = None,
    first_name: str | None = None,
    last_name: str | None = None,
    password_hash: str | None = None,
) -> AcceptedInvitation:
    """Make the invited person a member, with a new account if necessary, over asyncpg."""
    async with Workspace(source, None, {}) as outside:
        return await outside._accept_invitation(token, username, first_name, last_name, password_hash)


@_like(aio.sign_up)
async def sign_up(
    source: Any,
    email: str,
    *,
    username: str | None = None,
    first_name: str | None = None,
    last_name: str | None = None,
    password_hash: str | None = None,
) -> UUID:
    """Create an account without an organization, such as for the first person of a new customer, over asyncpg."""
    async with Workspace(source, None, {}) as outside:
        return await outside._sign_up(email, username, first_name, last_name, password_hash)


@_like(aio.start_session)
async def start_session(
    source: Any,
    *,
    user_id: UUID | str | None = None,
    organization_id: UUID | str | None = None,
    ticket: str | None = None,
    client: str | None = None,
    lasts: timedelta = timedelta(days=30),
) -> NewSession:
    """Start a session of a person who has just authenticated, over asyncpg."""
    call, values = _opening.starting_session(
        {"user_id": user_id, "organization_id": organization_id, "ticket": ticket}, client, lasts
    )
    async with Workspace(source, None, {}) as outside:
        return await outside._start_session(call, *values)


@_like(aio.switch_session)
async def switch_session(source: Any, token: str, organization_id: UUID | str | None = None) -> None:
    """Move a session to another workspace, over asyncpg."""
    async with Workspace(source, None, {}) as outside:
        await outside._switch_session(token, organization_id)


@_like(aio.end_session)
async def end_session(source: Any, token: str) -> None:
    """End a session: the person logs out, over asyncpg."""
    async with Workspace(source, None, {}) as outside:
        await outside._end_session(token)


def _require_idle(conn: Any) -> None:
    """Refuse a connection in which the context could outlive the block, or conflict with another one."""
    if conn.is_closed():
        problem = "is closed"
    elif conn.is_in_transaction():
        problem = "is already in a transaction"
    else:
        return
    raise _refusals.not_idle(problem)


def _set_outer_transaction(conn: Any, transaction: Any) -> None:
    """Tell asyncpg about the transaction, so that conn.transaction() creates savepoints in it."""
    # A pool's connection is a proxy; the attribute belongs to the actual connection.
    getattr(conn, "_con", conn)._top_xact = transaction


def _raise(error: asyncpg.PostgresError, call: Call | None = None) -> NoReturn:
    """Raise the error as an exception of pg-tenancy if it is one, otherwise unchanged."""
    ours = _opening.explain(error, call)
    if ours is not None:
        raise ours from error
    raise error
