"""Several statements in one trip, with no more around them than they need.

psycopg's own pipeline takes a lock, waits and reads for each statement, and ends with
a Flush, for which PgBouncer would keep a backend that nobody else gets: behind a
COMMIT it has given the backend away when it answered the Sync. Here the messages leave
together, with one Sync behind them. BEGIN, the call that enters and COMMIT have no
rows, so they need no cursor; the application's statement has psycopg's, which knows
how to adapt and when to prepare.

What is used is internal to psycopg, 3.2 and 3.3: where a pipeline keeps messages and
expects answers, and what the connection remembers of prepared statements.
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

import psycopg
from psycopg import errors, generators
from psycopg._preparing import Prepare
from psycopg.pq import ConnStatus, ExecStatus, Format

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from psycopg import AsyncConnection, AsyncCursor, Connection, Cursor
    from psycopg.abc import Params, QueryNoTemplate

__all__ = ["Command", "Statement", "together"]

_COPY = frozenset({ExecStatus.COPY_IN, ExecStatus.COPY_OUT, ExecStatus.COPY_BOTH})

_TEXT, _UUID = 25, 2950


class Command:
    """A statement of pg-tenancy's own, of which nothing is wanted but that it is done.

    Args:
        text: one statement, with ``$1`` placeholders.
        values: uuids, texts and None.

    Attributes:
        is_done: whether the server has said so.

    """

    __slots__ = ("_formats", "_values", "is_done", "query", "types")

    def __init__(self, text: str, values: Sequence[object] = ()) -> None:
        # These two names are what psycopg knows a prepared statement by.
        self.query = text.encode()
        self.types = tuple([_TEXT if isinstance(value, str) else _UUID for value in values])
        self._values = [_sent(value) for value in values]
        self._formats = [Format.TEXT if isinstance(value, str) else Format.BINARY for value in values]
        self.is_done = False

    def put(self, queue: _Queue) -> None:
        """Put the messages on the queue, prepared if the connection does that."""
        pgconn, prepared = queue.pgconn, queue.prepared
        prepare, name = prepared.get(self)
        key = prepared.maybe_add_to_cache(self, prepare, name)
        if prepare is Prepare.NO:
            send = partial(pgconn.send_query_params, self.query, self._values, self.types, self._formats)
        else:
            if prepare is Prepare.SHOULD:
                queue.put(partial(pgconn.send_prepare, name, self.query, self.types), None)
            send = partial(pgconn.send_query_prepared, name, self._values, self._formats)
        queue.put(send, (self, None if key is None else (key, prepare, name)))

    # A cursor does the same with an answer.

    def _check_results(self, results: Sequence[Any]) -> None:
        """Do nothing: what is wrong with an answer is found before."""

    def _set_results(self, results: Sequence[Any]) -> None:
        self.is_done = True


def _sent(value: object) -> bytes | None:
    if isinstance(value, UUID):
        return value.bytes
    return None if value is None else str(value).encode()


class Statement:
    """A statement that is to travel with others, and the cursor that will have its rows.

    Args:
        cursor: what adapts the parameters and takes the answer.
        query: one statement.
        params: the values of its placeholders.
        prepare: whether to prepare it; psycopg decides if None.

    """

    __slots__ = ("_cursor", "_params", "_prepare", "_query")

    def __init__(
        self,
        cursor: Cursor[Any] | AsyncCursor[Any],
        query: QueryNoTemplate,
        params: Params | None = None,
        prepare: bool | None = None,
    ) -> None:
        self._cursor = cursor
        self._query = query
        self._params = params
        self._prepare = prepare

    def put(self, queue: _Queue) -> Generator[Any, Any, None]:
        """Put the messages on the queue, as the cursor puts them into a pipeline."""
        conn: Any = self._cursor.connection
        conn._pipeline = queue
        try:
            yield from self._cursor._execute_gen(self._query, self._params, prepare=self._prepare)
        finally:
            conn._pipeline = None


class _Queue:
    """Messages to send, and who takes the answers, each in its order.

    To a cursor it is a pipeline.
    """

    def __init__(self, conn: Any) -> None:
        self.pgconn = conn.pgconn
        self.prepared = conn._prepared
        self.command_queue: deque[Callable[[], object]] = deque()
        self.result_queue: deque[Any] = deque()

    def put(self, send: Callable[[], object], answered: Any) -> None:
        """Add a message and who takes its answer, None if that only has to be good."""
        self.command_queue.append(send)
        self.result_queue.append(answered)

    def _communicate_gen(self) -> Generator[Any, Any, None]:
        """Send nothing yet."""
        yield from ()

    def take(self, results: Any) -> None:
        """Give an answer to whoever is next."""
        status = results[0].status
        if not self.result_queue:
            # All are answered but for the end, so this is the connection's: PgBouncer lost the server.
            raise errors.error_from_result(results[0], encoding=self.pgconn._encoding)
        answered = self.result_queue.popleft()
        if answered is not None and answered[1] is not None:
            # Of a failure, too, for psycopg to know what is prepared.
            self.prepared.validate(*answered[1], results)
        if status == ExecStatus.FATAL_ERROR:
            raise errors.error_from_result(results[0], encoding=self.pgconn._encoding)
        if status == ExecStatus.PIPELINE_ABORTED:
            raise errors.PipelineAborted("skipped, for what went before failed")
        if answered is not None:
            answered[0]._check_results(results)
            answered[0]._set_results(results)


def together(
    conn: Connection[Any] | AsyncConnection[Any],
    before: Sequence[Command],
    statement: Statement | None = None,
    after: Sequence[Command] = (),
) -> Generator[Any, Any, None]:
    """Send commands, a statement and commands, and read the answers, for ``conn.wait()``.

    Where one fails, the server skips what follows.

    Args:
        conn: a connection that is idle, and in autocommit.
        before: what is sent first.
        statement: what follows.
        after: and what follows that.

    Raises:
        psycopg.Error: what went wrong first. A statement that cannot be made of its
            query and parameters is found before anything is sent.
    """
    queue = _Queue(conn)
    if statement is not None:
        yield from statement.put(queue)
        # First made, because that can fail, and sent after those.
        sends, answered = queue.command_queue, queue.result_queue
        queue.command_queue, queue.result_queue = deque(), deque()
    for command in before:
        command.put(queue)
    if statement is not None:
        queue.command_queue.extend(sends)
        queue.result_queue.extend(answered)
    for command in after:
        command.put(queue)
    yield from _exchange(queue)


def _exchange(queue: _Queue) -> Generator[Any, Any, None]:
    pgconn = queue.pgconn
    pgconn.enter_pipeline_mode()
    try:
        for send in queue.command_queue:
            send()
        pgconn.pipeline_sync()
        yield from generators.send(pgconn)
        first: psycopg.Error | None = None
        while True:
            results = yield from generators.fetch_many(pgconn)
            status = results[-1].status
            if status == ExecStatus.PIPELINE_SYNC:
                break
            if status in _COPY:
                # It cannot be left again: the block closes the connection.
                raise psycopg.NotSupportedError(
                    "COPY cannot be the first statement of a workspace: use it with the workspace's connection()"
                )
            try:
                queue.take(results)
            except psycopg.Error as error:
                first = first or error
            if pgconn.status == ConnStatus.BAD:
                break
        if first is not None:
            raise first
    finally:
        if pgconn.status != ConnStatus.BAD:
            # After that and after an interruption there are answers left.
            with suppress(psycopg.OperationalError):
                pgconn.exit_pipeline_mode()
