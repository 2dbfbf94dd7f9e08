"""Assign rows from before the migration to an organization, batch by batch.

A legacy row belongs to the platform until it is assigned. Assigning a large table in one
transaction would lock millions of rows until the end, and a failure would undo all of it.
So each batch is committed separately, and after an interruption the same call continues.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg import Connection, RawCursor, sql
from psycopg.rows import tuple_row

from pg_tenancy import _sql
from pg_tenancy._psycopg import _raise, _require_idle
from pg_tenancy._retries import pause_before
from pg_tenancy._sql import Call
from pg_tenancy._values import Count, Text, how_to_name
from pg_tenancy.errors import (
    InvalidArgumentError,
    OrganizationNotFoundError,
    PermissionDeniedError,
    PhaseNotDeployedError,
    TableNotProtectedError,
    is_transient,
)

__all__ = ["Assignment", "OnBatch", "assign"]

OnBatch = Callable[[int, int], object]
"""Called after each batch with the number of assigned rows and the total."""

# The workspace of legacy rows.
_PLATFORM: Final = UUID(int=0)

# How often a batch is retried after a conflict with another transaction.
_RETRIES: Final = 5


class Assignment:
    """An assignment, with its rows counted; nothing is changed yet.

    Args:
        conn: an idle connection of a login that is granted ``tenancy_service``.
        table: the table, with its schema unless the search path finds it.
        organization: the id or the slug.
        condition: SQL that selects legacy rows by the table's columns. It runs with all
            rights of the login, so never take it from anybody who does not have the login.
        batch_size: the number of rows in a transaction, 1 or more.

    Attributes:
        table: the table with its schema, quoted as SQL needs it.
        organization_id: the organization.
        organization_name: its name.
        total: the number of rows to assign.

    Raises:
        InvalidArgumentError: the table does not exist, or the batch size is not acceptable.
        TableNotProtectedError: its rows do not belong to workspaces.
        OrganizationNotFoundError: the organization does not exist, or was deleted.
        PhaseNotDeployedError: the database lacks the function that assigns rows.
        PermissionDeniedError: the login is not granted ``tenancy_service``.
        ConnectionNotIdleError: the connection is in a transaction or a pipeline,
            closed or busy.
        psycopg.Error: any other error, such as a mistake in the condition.

    """

    def __init__(
        self,
        conn: Connection[Any],
        table: str,
        organization: UUID | str,
        *,
        condition: str = "true",
        batch_size: int = 5000,
    ) -> None:
        table = Text("table")(table)
        if not isinstance(organization, UUID):
            organization = Text("organization")(organization)
        if Count("batch_size")(batch_size) < 1:
            raise InvalidArgumentError(f"a batch must have at least 1 row, not {batch_size}")
        self._conn = conn
        self._condition = condition
        self._batch_size = batch_size
        _require_idle(conn)
        with conn.transaction():
            # The condition is somebody's SQL, and counting must not change anything.
            self._fetch("SET TRANSACTION READ ONLY")
            ((login, may_assign),) = self._fetch(_sql.MAY_ASSIGN)
            if may_assign is None:
                raise PhaseNotDeployedError(_sql.ASSIGN.phase, _sql.ASSIGN.function)
            if not may_assign:
                raise PermissionDeniedError(
                    f"{login} may not assign rows: it is not granted tenancy_service",
                    hint=f"GRANT tenancy_service TO {login}; or use a login that is granted it.",
                )
            self._oid, schema, name = self._find_table(table)
            self.organization_id, self.organization_name = self._find_organization(organization)
            self.table = sql.Identifier(schema, name).as_string(conn)
            self.total = self._count(sql.Identifier(schema, name))

    def run(self, on_batch: OnBatch | None = None) -> int:
        """Assign the rows, and return how many were assigned.

        Args:
            on_batch: called after each committed batch.

        Raises:
            OrganizationNotFoundError: the organization was deleted meanwhile.
            psycopg.Error: the server refused a batch. The batches before it are committed.
        """
        _require_idle(self._conn)
        done = 0
        while given := self._give():
            done += given
            if on_batch is not None:
                on_batch(done, max(done, self.total))
        return done

    def _give(self) -> int:
        """Assign one batch in its own transaction; retry after a conflict with another transaction."""
        values = [self._oid, self.organization_id, self._condition, self._batch_size]
        attempt = 0
        while True:
            try:
                with self._conn.transaction():
                    return int(self._fetch(_sql.ASSIGN.text, values, call=_sql.ASSIGN)[0][0])
            except psycopg.Error as error:
                if attempt >= _RETRIES or not is_transient(error):
                    _raise(error)
            attempt += 1
            time.sleep(pause_before(attempt))

    def _find_table(self, table: str) -> tuple[int, str, str]:
        try:
            rows = self._fetch(_sql.TABLE, [table])
        except (psycopg.errors.InvalidName, psycopg.errors.SyntaxError):
            rows = []  # not a valid name
        if not rows:
            raise InvalidArgumentError(f"there is no table {table}", hint=how_to_name(table, "public.instances"))
        oid, schema, name, protected = rows[0]
        if not protected:
            raise TableNotProtectedError(
                f"the rows of {schema}.{name} do not belong to workspaces",
                hint="Rows can be assigned in tables that a phase or protect() has given a workspace_id; "
                "accounts join an organization as its members.",
            )
        return oid, schema, name

    def _find_organization(self, organization: UUID | str) -> tuple[UUID, str]:
        try:
            organization_id = organization if isinstance(organization, UUID) else UUID(organization)
        except ValueError:
            organization_id = None
        rows = self._fetch(_sql.ORGANIZATION, [organization_id, str(organization)])
        if not rows:
            raise OrganizationNotFoundError(
                f"organization {organization} does not exist",
                hint="Give the id or slug of an organization that is not deleted.",
            )
        return rows[0]

    def _count(self, table: sql.Identifier) -> int:
        # The line break: the condition may end with a comment.
        query = sql.SQL("SELECT count(*) FROM {} WHERE workspace_id = {} AND ({}\n)").format(
            table,
            _PLATFORM,
            sql.SQL(self._condition),
        )
        return int(self._fetch(query)[0][0])

    def _fetch(
        self, query: Any, values: Sequence[object] | None = None, *, call: Call | None = None
    ) -> list[tuple[Any, ...]]:
        cursor = RawCursor(self._conn, row_factory=tuple_row)
        try:
            cursor.execute(query, values)
        except psycopg.Error as error:
            _raise(error, call)
        return cursor.fetchall() if cursor.description else []


def assign(
    source: str | Connection[Any],
    table: str,
    organization_id: UUID | str,
    *,
    condition: str = "true",
    batch_size: int = 5000,
    on_batch: OnBatch | None = None,
) -> int:
    """Assign the legacy rows of a table to an organization, and return how many were assigned.

    Each batch is a separate transaction. After an interruption the committed batches
    stay, and the same call continues.

    Args:
        source: a DSN or an idle connection, of a login that is granted ``tenancy_service``.
        table: the table, with its schema unless the search path finds it.
        organization_id: the id or the slug.
        condition: SQL that selects legacy rows by the table's columns. It runs with all
            rights of the login, so never take it from anybody who does not have the login.
        batch_size: the number of rows in a transaction, 1 or more.
        on_batch: called after each batch with the number of assigned rows and the total.

    Returns:
        The number of assigned rows.

    Raises:
        InvalidArgumentError: the table does not exist, or the batch size is not acceptable.
        TableNotProtectedError: its rows do not belong to workspaces.
        OrganizationNotFoundError: the organization does not exist, or was deleted.
        PhaseNotDeployedError: the database lacks the function that assigns rows.
        PermissionDeniedError: the login is not granted ``tenancy_service``.
        ConnectionNotIdleError: the connection is in a transaction or a pipeline,
            closed or busy.
        psycopg.Error: any other error, such as a mistake in the condition.
    """
    opened = psycopg.connect(source, autocommit=True) if isinstance(source, str) else nullcontext(source)
    with opened as conn:
        return Assignment(conn, table, organization_id, condition=condition, batch_size=batch_size).run(on_batch)
