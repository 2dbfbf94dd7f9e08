"""Django's engine for PostgreSQL, whose transactions enter the workspace of ``workspace_context``."""

from __future__ import annotations

from typing import Any

from django.db import Error
from django.db.backends.postgresql import base

from pg_tenancy._opening import Identity, explain
from pg_tenancy.context import entering_if_any, require_same

__all__ = ["DatabaseWrapper"]


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection that enters before the first query of each transaction in a ``workspace_context``.

    A query without a transaction enters nothing, and so does a transaction in no
    ``workspace_context``: there the database refuses every query of a protected table. A
    query in a transaction that is in another workspace than the code is refused here.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Of the transaction; what was entered in a savepoint may be undone.
        self._workspace: Identity | None = None
        self._is_entered = False

    def _cursor(self, name: str | None = None) -> Any:
        cursor = super()._cursor(name)
        if not self.autocommit:
            self._enter()
        return cursor

    def _enter(self) -> None:
        identity = self._workspace
        if identity is not None:
            require_same(identity)
            if self._is_entered:
                return
        else:
            identity = entering_if_any()
            if identity is None:
                return
        try:
            # Not through Django's cursor, which keeps what it sends, and logs it: a key among it.
            with self.wrap_database_errors, self.connection.cursor() as cursor:
                cursor.execute(identity.pyformat(), identity.values)
        except Error as error:
            self.needs_rollback = self.in_atomic_block
            ours = explain(error.__cause__ or error, identity.call)
            if ours is None:
                raise
            raise ours from error
        self._workspace, self._is_entered = identity, True

    def _commit(self) -> Any:
        self._workspace = None
        return super()._commit()

    def _rollback(self) -> Any:
        self._workspace = None
        return super()._rollback()

    def _savepoint_rollback(self, sid: str) -> Any:
        super()._savepoint_rollback(sid)
        # It may have undone the entering, too. Entering the same workspace again does no harm.
        self._is_entered = False

    def _close(self) -> Any:
        self._workspace = None
        return super()._close()
