"""Several statements in one round trip, with as little overhead as possible.

psycopg's own pipeline locks, waits and reads for each statement, and ends with a Flush.
After a COMMIT, PgBouncer has released the backend when it answers the Sync, and for the
Flush it would occupy another one that nobody else gets. Here the messages are sent
together, with one Sync at the end. BEGIN, the entering call and COMMIT return no rows that
anybody needs, so they have no cursor. The application's statement has psycopg's cursor,
which knows how to adapt and when to prepare, or ``Tuples`` if the caller never sees the
cursor.

This uses internals of psycopg 3.2 and 3.3: how a cursor converts, sends and receives a
statement, and the connection's records of prepared statements.
"""

from __future__ import annotations

import re
from collections import deque
from contextlib import suppress
from functools import lru_cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg import errors, generators, pq
from psycopg._preparing import Prepare
from psycopg._queries import PostgresQuery
from psycopg.adapt import Transformer
from psycopg.pq import ConnStatus, ExecStatus, Format

if TYPE_CHECKING:
    from collections.abc import Generator

    from psycopg import AsyncConnection, AsyncCursor, Connection, Cursor
    from psycopg.abc import Params, QueryNoTemplate

__all__ = ["Trip", "Tuples", "set_autocommit"]

# Looked up once, because before Python 3.12 each access to a member of an enum is a function call.
_BAD: Final = ConnStatus.BAD
_NO, _SHOULD = Prepare.NO, Prepare.SHOULD
_SYNC, _ABORTED, _FAILED = ExecStatus.PIPELINE_SYNC, ExecStatus.PIPELINE_ABORTED, ExecStatus.FATAL_ERROR
_TUPLES: Final = ExecStatus.TUPLES_OK
_COPY: Final = frozenset({ExecStatus.COPY_IN, ExecStatus.COPY_OUT, ExecStatus.COPY_BOTH})

_OIDS: Final = {"text": 25, "uuid": 2950}

# Other versions miscount the results if an implicit transaction, without COMMIT, fails at its end.
_LIBPQ: Final = pq.version()
_LIBPQ_COUNTS = _LIBPQ >= 160003 or 150007 <= _LIBPQ < 160000 or 140012 <= _LIBPQ < 150000

# The classes of errors from a statement that was prepared before its tables or types changed.
_OUTDATED: Final = ("0A", "XX")

# Statements that cannot end a transaction. CALL and DO can, if no BEGIN has started it.
_is_query: Final = re.compile(rb"\s*(?:SELECT|INSERT|UPDATE|DELETE|MERGE|WITH|VALUES)\b", re.IGNORECASE).match


class _Command:
    """A statement of pg-tenancy's own, whose result nobody needs.

    Args:
        text: one statement, with placeholders like ``$1::uuid`` or ``$1::text``.

    """

    __slots__ = ("formats", "query", "types")

    def __init__(self, text: str) -> None:
        # By these two attributes psycopg identifies a prepared statement.
        self.query = text.encode()
        self.types = tuple([_OIDS[cast] for cast in re.findall(r"\$\d::(\w+)", text)])
        self.formats = [Format.BINARY] * len(self.types)


# There are few different ones, except for the timeouts that an application chooses.
_command = lru_cache(maxsize=100)(_Command)


def set_autocommit(conn: Connection[Any] | AsyncConnection[Any], value: bool) -> None:
    """Set autocommit on an idle connection, without psycopg's lock and wait."""
    conn._autocommit = value


class Tuples:
    """The parts of a cursor that a trip needs, for rows as tuples. A real cursor costs an eighth of a transaction.

    Args:
        conn: a connection with psycopg's ordinary cursors and tuples.

    Attributes:
        rows: the statement's rows, None if it returns none.

    """

    __slots__ = ("_tx", "adapters", "connection", "rows")

    _tx: Any

    def __init__(self, conn: Connection[Any] | AsyncConnection[Any]) -> None:
        # psycopg's adaptation requires the first two.
        self.connection: Any = conn
        self.adapters = conn.adapters
        self.rows: list[Any] | None = None

    def _convert_query(self, query: QueryNoTemplate, params: Params | None) -> PostgresQuery:
        made = PostgresQuery(self._tx)
        made.convert(query, params)
        return made

    def _get_prepared(self, made: PostgresQuery, prepare: bool | None) -> tuple[Prepare, bytes]:
        return self.connection._prepared.get(made, prepare)  # type: ignore[no-any-return]

    def _execute_send(self, made: PostgresQuery, *, force_extended: bool) -> None:
        self.connection.pgconn.send_query_params(made.query, made.params, made.types, made.formats)

    def _send_prepare(self, name: bytes, made: PostgresQuery) -> None:
        self.connection.pgconn.send_prepare(name, made.query, made.types)

    def _send_query_prepared(self, name: bytes, made: PostgresQuery) -> None:
        self.connection.pgconn.send_query_prepared(name, made.params, made.formats)

    def _check_results(self, results: list[Any]) -> None:
        """Do nothing: a result that is not an error is valid, with rows or without."""

    def _set_results(self, results: list[Any]) -> None:
        (result,) = results
        if result.status == _TUPLES:
            self._tx.set_pgresult(result)
            self.rows = self._tx.load_rows(0, result.ntuples, tuple)


class Trip:
    """Commands that open a workspace, a statement and COMMIT, sent together.

    If one fails, the server skips the rest.

    Args:
        conn: an idle connection.
        begin: the commands that start the transaction.
        enter: the command that enters, with the values of its placeholders.

    Attributes:
        is_open: whether the server has run all of these commands.

    """

    __slots__ = ("_answers", "_begin", "_conn", "_enter", "is_open")

    def __init__(
        self,
        conn: Connection[Any] | AsyncConnection[Any],
        begin: tuple[str, ...],
        enter: tuple[str, tuple[object, ...]] | None = None,
    ) -> None:
        self._conn: Any = conn
        self._begin = begin
        self._enter = enter
        # For each message: the cursor that receives the result; and for the records of
        # prepared statements the key, whether it was prepared, and the name.
        self._answers: list[tuple[Any, Any, Any, bytes]] = []
        self.is_open = False

    def run(
        self,
        cursor: Cursor[Any] | AsyncCursor[Any] | Tuples | None = None,
        query: QueryNoTemplate = "",
        params: Params | None = None,
        prepare: bool | None = None,
        commit: bool = False,
    ) -> Generator[Any, Any, None]:
        """Send everything and read the results, for ``conn.wait()``.

        Args:
            cursor: a new cursor, which adapts the parameters and receives the result;
                None without a statement.
            query: the statement.
            params: the values of its placeholders.
            prepare: whether to prepare it; None lets psycopg decide.
            commit: whether to commit after it.

        Raises:
            psycopg.Error: the first error. If query and parameters do not form a
                statement, it is raised before anything is sent.
        """
        conn, begin, made = self._conn, self._begin, None
        pgconn = conn.pgconn
        if cursor is not None:
            # Not psycopg's own start of a query, which would send BEGIN.
            cursor._tx = Transformer(cursor)
            made = cursor._convert_query(query, params)
            if commit and begin == ("BEGIN",) and _LIBPQ_COUNTS and _is_query(made.query):
                # Everything before a Sync is one transaction anyway.
                begin, commit = (), False
        if None in conn._prepared._to_flush:
            # DEALLOCATE ALL, in a round trip of its own: PgBouncer takes statements that follow it in a
            # pipeline for prepared, until it has read the answer.
            yield from conn._prepared.maintain_gen(conn)
        pgconn.enter_pipeline_mode()
        try:
            if conn._prepared._to_flush:
                self._send_room()
            for text in begin:
                self._send_command(text)
            if self._enter is not None:
                self._send_command(*self._enter)
            opening = len(self._answers)
            if cursor is not None:
                self._send_statement(cursor, made, prepare)
            if commit:
                self._send_command("COMMIT")
            pgconn.pipeline_sync()
            yield from generators.send(pgconn)
            yield from self._receive(opening)
        finally:
            if pgconn.status != _BAD:
                # After an error or an interruption there are unread results.
                with suppress(psycopg.OperationalError):
                    pgconn.exit_pipeline_mode()

    def _send_room(self) -> None:
        """Drop the prepared statements that others have replaced, as psycopg does in a pipeline."""
        conn = self._conn
        conn._pipeline = pipeline = SimpleNamespace(command_queue=deque(), result_queue=deque())
        try:
            deque(conn._prepared.maintain_gen(conn), 0)
        finally:
            conn._pipeline = None
        for send in pipeline.command_queue:
            send()
            self._answers.append((None, None, None, b""))

    def _send_command(self, text: str, values: tuple[Any, ...] = ()) -> None:
        """Send a command, prepared if the connection prepares statements. A value is a uuid, a text or None."""
        pgconn, prepared = self._conn.pgconn, self._conn._prepared
        command = _command(text)
        sent = [None if value is None else value.encode() if type(value) is str else value.bytes for value in values]
        prepare, name = prepared.get(command)
        if prepare is _NO:
            pgconn.send_query_params(command.query, sent, command.types, command.formats)
        else:
            if prepare is _SHOULD:
                pgconn.send_prepare(name, command.query, command.types)
                self._answers.append((None, prepared.key(command), None, name))
            pgconn.send_query_prepared(name, sent, command.formats)
        self._answers.append((None, prepared.maybe_add_to_cache(command, prepare, name), prepare, name))

    def _send_statement(self, cursor: Any, made: Any, prepare: bool | None) -> None:
        """Send the application's statement as its cursor would."""
        prepared = self._conn._prepared
        prepare, name = cursor._get_prepared(made, prepare)
        if prepare is _NO:
            cursor._execute_send(made, force_extended=True)
        else:
            if prepare is _SHOULD:
                cursor._send_prepare(name, made)
                self._answers.append((None, prepared.key(made), None, name))
            cursor._send_query_prepared(name, made)
        self._answers.append((cursor, prepared.maybe_add_to_cache(made, prepare, name), prepare, name))

    def _receive(self, opening: int) -> Generator[Any, Any, None]:
        """Read the results, the first of which, this many, belong to the opening commands."""
        pgconn, prepared, answers = self._conn.pgconn, self._conn._prepared, iter(self._answers)
        first: psycopg.Error | None = None
        while True:
            results = yield from generators.fetch_many(pgconn)
            status = results[-1].status
            if status == _SYNC:
                break
            if status in _COPY:
                # There is no way out of COPY here: the block closes the connection.
                raise psycopg.NotSupportedError(
                    "COPY cannot be the first statement of a workspace: use it with the workspace's connection()"
                )
            # A result after the last expected one is an error: a deferred check has failed, or
            # PgBouncer has lost the server.
            cursor, key, prepare, name = next(answers, (None, None, None, b""))
            if key is not None:
                # After a failure too, so that psycopg knows what is prepared.
                if prepare is not None:
                    prepared.validate(key, prepare, name, results)
                elif status in (_FAILED, _ABORTED):
                    prepared._names.pop(key, None)
            if status == _FAILED:
                first = first or errors.error_from_result(results[-1], encoding=pgconn._encoding)
                if (first.sqlstate or "").startswith(_OUTDATED):
                    # As psycopg after a rollback, but one may not follow: the transaction may have ended.
                    prepared.clear()
                if pgconn.status == _BAD:
                    break
            elif status != _ABORTED:
                opening -= 1
                self.is_open = self.is_open or opening == 0
                if cursor is not None:
                    cursor._check_results(results)
                    cursor._set_results(results)
        if first is not None:
            raise first
