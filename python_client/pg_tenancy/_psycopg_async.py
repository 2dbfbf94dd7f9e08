"""Workspaces over psycopg: the transaction, and how it is opened and closed.

Nothing is sent when the block starts. BEGIN and the call that enters the workspace are
sent with the first statement in one pipeline, so entering costs no extra round trip; if
it fails, the server skips the statement.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar, cast

import psycopg
from psycopg import AsyncConnection, AsyncCursor, AsyncRawCursor
from psycopg.pq import PipelineStatus, TransactionStatus
from psycopg.rows import Row, scalar_row, tuple_row

from pg_tenancy import _opening, _refusals
from pg_tenancy._calls_async import Calls
from pg_tenancy._opening import Entry, Identity, IsolationLevel, Options
from pg_tenancy._pipeline import Trip, Tuples, set_autocommit
from pg_tenancy._retries_async import again
from pg_tenancy._sql import GRANTED, Call
from pg_tenancy._waits_async import give_back, is_pool
from pg_tenancy.errors import (
    NotGrantedError,
    WorkspaceClosedError,
    is_not_granted,
    message_of,
    translate,
    translate_not_granted,
)

if TYPE_CHECKING:
    from psycopg.abc import Params, QueryNoTemplate
    from psycopg_pool import AsyncConnectionPool
    from typing_extensions import Self, Unpack

    Source = AsyncConnection[Row] | AsyncConnectionPool[AsyncConnection[Row]]

T = TypeVar("T")

# Looked up once, because before Python 3.12 each access to a member of an enum is a function call.
_IDLE, _INTRANS, _INERROR = TransactionStatus.IDLE, TransactionStatus.INTRANS, TransactionStatus.INERROR
_OFF = PipelineStatus.OFF

_LEVELS: dict[psycopg.IsolationLevel, IsolationLevel] = {
    psycopg.IsolationLevel.READ_UNCOMMITTED: "read committed",  # the same to Postgres
    psycopg.IsolationLevel.READ_COMMITTED: "read committed",
    psycopg.IsolationLevel.REPEATABLE_READ: "repeatable read",
    psycopg.IsolationLevel.SERIALIZABLE: "serializable",
}


class Workspace(Calls, Generic[Row]):
    """One transaction in one workspace; ``workspace()`` creates it.

    It belongs to one task and one block, and cannot be used again afterwards.
    """

    # Without an identity the transaction is outside of workspaces.
    def __init__(self, source: Source[Row], identity: Identity | None, options: Options) -> None:
        if not isinstance(source, AsyncConnection) and not is_pool(source):
            raise _wrong_source(source)
        self._source = source
        self._identity = identity
        self._options = options
        self._conn: AsyncConnection[Row] | None = None
        self._begun = False
        self._opened = False
        self._entered = False
        self._autocommit = False

    async def __aenter__(self) -> Self:
        if self._conn is not None:
            raise WorkspaceClosedError("this workspace is already in use: create one for each block")
        if isinstance(self._source, AsyncConnection):
            conn = self._source
            _require_idle(conn)
        else:
            conn = await self._source.getconn()
            if not _is_connection(conn):
                # Another driver's pool may have the same methods.
                await give_back(self._source, conn)
                raise _wrong_source(self._source)
        self._autocommit = conn.autocommit
        self._conn = conn
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        conn = self._connection()
        try:
            if exc is None:
                await self._commit(conn)
        except psycopg.Error as error:
            _raise(error)
        finally:
            self._conn = None
            refused = await self._leave_clean(conn, exc)
        if isinstance(exc, psycopg.Error) and (ours := translate(exc) or refused):
            raise ours from exc

    async def open(self) -> None:
        """Enter the workspace now, in a separate round trip, if it is not entered yet.

        Raises:
            TenancyError: the workspace cannot be entered; for example NotAMemberError.
            ConnectionNotIdleError: something else uses the connection.
        """
        if not self._opened:
            await self._begin(self._connection())
        elif not self._entered:
            raise _refusals.not_entered()

    async def connection(self) -> AsyncConnection[Row]:
        """Enter the workspace if necessary, and return the connection.

        Use it for what has no method here: COPY, executemany, server-side cursors, or
        ``conn.transaction()`` for a savepoint. Leave COMMIT and ROLLBACK to the block.
        """
        await self.open()
        return self._connection()

    async def execute(
        self,
        query: QueryNoTemplate,
        params: Params | None = None,
        *,
        prepare: bool | None = None,
        binary: bool = False,
    ) -> AsyncCursor[Row]:
        """Run a statement and return its cursor, as the connection's own method does.

        Args:
            query: one statement, with ``%s`` placeholders. (The first statement of a
                block is sent in a pipeline, which accepts only single statements.)
            params: the values of the placeholders.
            prepare: whether to prepare it on the server; None lets psycopg decide.
            binary: whether to request results in binary format.

        Raises:
            TenancyError: the server raised an error of pg-tenancy.
            psycopg.Error: any other error, unchanged.
        """
        cursor = self._connection().cursor(binary=binary)
        await self._execute(cursor, query, params, prepare=prepare)
        return cursor

    async def fetch_all(self, query: QueryNoTemplate, params: Params | None = None) -> list[Row]:
        """Run a query and return its rows; the errors are those of ``execute``."""
        if not self._opened and (tuples := _tuples(self._connection())):
            await self._begin(self._connection(), tuples, query, params)
            if tuples.rows is None:
                raise psycopg.ProgrammingError("the last operation didn't produce records")
            return tuples.rows
        cursor = await self.execute(query, params)
        return await cursor.fetchall()

    async def fetch_one(self, query: QueryNoTemplate, params: Params | None = None) -> Row | None:
        """Run a query and return its first row, or None."""
        cursor = await self.execute(query, params)
        return await cursor.fetchone()

    async def fetch_value(self, query: QueryNoTemplate, params: Params | None = None) -> Any:
        """Run a query and return the first column of its first row, or None."""
        cursor = self._connection().cursor(row_factory=scalar_row)
        await self._execute(cursor, query, params)
        return await cursor.fetchone()

    async def _send(self, call: Call, values: Sequence[object]) -> Sequence[Sequence[Any]]:
        cursor = AsyncRawCursor(self._connection(), row_factory=tuple_row)
        await self._execute(cursor, call.text, values, call=call)
        return await cursor.fetchall()

    async def _fetch_all_and_commit(self, query: QueryNoTemplate, params: Params | None) -> list[Row]:
        """Run the whole transaction in one round trip."""
        conn = self._connection()
        if tuples := _tuples(conn):
            await self._begin(conn, tuples, query, params, commit=True)
            return tuples.rows or []
        cursor = conn.cursor()
        await self._begin(conn, cursor, query, params, commit=True)
        # rownumber is None if the statement returns no rows. description would also tell, but describes every column.
        return [] if cursor.rownumber is None else await cursor.fetchall()

    def _connection(self) -> AsyncConnection[Row]:
        if self._conn is None:
            raise WorkspaceClosedError("a workspace works only inside its block")
        return self._conn

    async def _execute(
        self,
        cursor: AsyncCursor[Any],
        query: QueryNoTemplate,
        params: Params | None = None,
        *,
        prepare: bool | None = None,
        call: Call | None = None,
    ) -> None:
        if not self._opened:
            await self._begin(self._connection(), cursor, query, params, prepare=prepare, call=call)
            return
        if not self._entered:
            raise _refusals.not_entered()
        try:
            await cursor.execute(query, params, prepare=prepare)
        except psycopg.Error as error:
            _raise(error, call)

    async def _begin(
        self,
        conn: AsyncConnection[Row],
        cursor: AsyncCursor[Any] | Tuples | None = None,
        query: QueryNoTemplate = "",
        params: Params | None = None,
        *,
        prepare: bool | None = None,
        call: Call | None = None,
        commit: bool = False,
    ) -> None:
        """Send BEGIN, the entering call, the first statement and, if requested, COMMIT together."""
        _require_idle(conn)
        identity = self._identity
        enter = None if identity is None else (identity.call.text, identity.values)
        trip = Trip(conn, _begin_of(conn, self._options), enter)
        self._begun = True
        try:
            async with conn.lock:
                # We send BEGIN ourselves. Psycopg must not send another one after the application's own COMMIT.
                set_autocommit(conn, True)
                await conn.wait(trip.run(cursor, query, params, prepare, commit))
        except psycopg.Error as error:
            if identity is not None and not trip.is_open:
                call = identity.call
            _raise(error, call)
        finally:
            self._opened = conn.pgconn.transaction_status != _IDLE
            self._entered = trip.is_open

    async def _commit(self, conn: AsyncConnection[Row]) -> None:
        """Commit, and raise an error if the server rolled back instead."""
        if not self._opened:
            return
        status = conn.pgconn.transaction_status
        if status == _INERROR:
            raise _refusals.aborted()
        if status == _IDLE:
            raise _refusals.ended()
        if not self._entered:
            raise _refusals.not_entered()
        await conn.commit()

    async def _leave_clean(self, conn: AsyncConnection[Row], exc: BaseException | None) -> NotGrantedError | None:
        """Roll back an open transaction, or close the connection; explain a refused statement in between."""
        refused = None
        try:
            if self._opened and conn.pgconn.transaction_status in (_INTRANS, _INERROR):
                await conn.rollback()
            if exc is not None and self._begun and _is_idle(conn) and is_not_granted(exc):
                cursor = AsyncRawCursor(conn, row_factory=tuple_row)
                await cursor.execute(GRANTED, [message_of(exc)], prepare=False)
                refused = translate_not_granted(exc, await cursor.fetchone())
        except psycopg.Error:
            pass  # the first error matters more, and the connection is closed below
        finally:
            if _is_idle(conn):
                set_autocommit(conn, self._autocommit)
            elif self._opened or conn is not self._source:
                # Not conn.close(), which may return the connection to its pool.
                conn.pgconn.finish()
            if conn is not self._source:
                await give_back(cast("AsyncConnectionPool[AsyncConnection[Row]]", self._source), conn)
        return refused


def workspace(source: Source[Row], **entry: Unpack[Entry]) -> Workspace[Row]:
    """Return a block that is one transaction in one workspace.

    ``async with workspace(pool, user_id=u, organization_id=o) as ws:`` commits when
    the block returns and rolls back when it raises. The context ends with the
    transaction. A block without a statement sends nothing, so it checks nothing either;
    ``await ws.open()`` does.

    A block cannot run twice, so it is never retried; ``run`` retries.

    Args:
        source: an idle connection, or a pool.
        **entry: ``user_id`` and ``organization_id``, or ``platform=True``, ``ticket``,
            ``session`` or ``api_key``, and options of the transaction: see ``Entry``.

    Returns:
        The workspace, for ``async with``.

    Raises:
        TypeError: a keyword that does not exist, keywords that cannot be combined, or a
            source of another type.
        TenancyError: a value is not acceptable, see ``Entry``; nothing is sent.
        ConnectionNotIdleError: (when the block starts) the connection is in a
            transaction or a pipeline, closed or busy.
        NotAMemberError: (with the first statement) the user may not enter.
        LoginMayNotEnterError: (with the first statement) the connection's login may
            not enter in this way.
        LoginSeesEverythingError: (with the first statement) the connection's login
            bypasses the policies, so a workspace would isolate nothing.
    """
    return Workspace(source, _opening.identify(entry), _opening.options_of(entry))


async def run(
    source: Source[Row],
    work: Callable[[Workspace[Row]], Awaitable[T]],
    *,
    retries: int = 3,
    **entry: Unpack[Entry],
) -> T:
    """Call a function in a workspace, and retry it after a conflict with another transaction.

    A serialization failure or a deadlock rolls back the whole transaction, so the whole
    function is called again, after a pause of random length. It should have no effect
    outside the database that must not happen twice.

    Args:
        source: an idle connection, or a pool.
        work: the function, which takes the workspace.
        retries: the maximum number of retries, 0 to 2,147,483,647.
        **entry: the keywords of ``workspace``.

    Returns:
        The result of ``work`` in the committed attempt.

    Raises:
        InvalidArgumentError: ``retries`` is not an int in this range.
        TenancyError: as for ``workspace``; such an error is not retried.
        Exception: the error of the last attempt, or one that is not retried.
    """

    async def transaction() -> T:
        async with workspace(source, **entry) as ws:
            return await work(ws)

    return await again(transaction, retries)


async def fetch_all(
    source: Source[Row],
    query: QueryNoTemplate,
    params: Params | None = None,
    **entry: Unpack[Entry],
) -> list[Row]:
    """Run one statement in a workspace and commit it, in a single round trip.

    Args:
        source: an idle connection, or a pool.
        query: one statement, with ``%s`` placeholders.
        params: the values of the placeholders.
        **entry: the keywords of ``workspace``.

    Returns:
        The rows; an empty list if the statement returns no rows.

    Raises:
        TenancyError: as for ``workspace``; nothing was committed.
        psycopg.Error: the statement or the COMMIT failed; nothing was committed.
    """
    async with Workspace(source, _opening.identify(entry), _opening.options_of(entry)) as ws:
        return await ws._fetch_all_and_commit(query, params)


_NOT_IDLE = {
    TransactionStatus.ACTIVE: "is busy with another statement",
    TransactionStatus.INTRANS: "is already in a transaction",
    TransactionStatus.INERROR: "is in a failed transaction",
    TransactionStatus.UNKNOWN: "is broken",
}


def _is_idle(conn: AsyncConnection[Any]) -> bool:
    pgconn = conn.pgconn
    return pgconn.transaction_status == _IDLE and pgconn.pipeline_status == _OFF


def _require_idle(conn: AsyncConnection[Any]) -> None:
    """Refuse a connection in which the context could outlive the block, or conflict with another one."""
    if _is_idle(conn):
        return
    if conn.closed:
        problem = "is closed"
    elif conn.pgconn.pipeline_status != _OFF:
        problem = "is in a pipeline"
    else:
        problem = _NOT_IDLE[conn.info.transaction_status]
    raise _refusals.not_idle(problem)


def _tuples(conn: AsyncConnection[Any]) -> Tuples | None:
    """Return a cheaper substitute for a cursor if the connection has ordinary cursors that return tuples."""
    return Tuples(conn) if conn.row_factory is tuple_row and conn.cursor_factory is AsyncCursor else None


def _is_connection(conn: object) -> bool:
    return isinstance(conn, AsyncConnection)


def _wrong_source(source: object) -> TypeError:
    return TypeError(f"a workspace needs an AsyncConnection or an AsyncConnectionPool, not {type(source).__name__}")


def _begin_of(conn: AsyncConnection[Any], options: Options) -> tuple[str, ...]:
    """Compose BEGIN from the options, with the connection's settings as defaults."""
    if not options and conn.isolation_level is None and conn.read_only is None and conn.deferrable is None:
        return ("BEGIN",)
    chosen: Options = {**options}
    if chosen.get("isolation_level") is None and conn.isolation_level is not None:
        chosen["isolation_level"] = _LEVELS[conn.isolation_level]
    if chosen.get("read_only") is None:
        chosen["read_only"] = conn.read_only
    if chosen.get("deferrable") is None:
        chosen["deferrable"] = conn.deferrable
    return _opening.start(chosen).commands()


def _raise(error: psycopg.Error, call: Call | None = None) -> NoReturn:
    """Raise the error as an exception of pg-tenancy if it is one, otherwise unchanged."""
    ours = _opening.explain(error, call)
    if ours is not None:
        raise ours from error
    raise error
