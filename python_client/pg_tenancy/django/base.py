"""Django's PostgreSQL engine, with transactions that enter the workspace of ``workspace_context``."""

from __future__ import annotations

from typing import Any

from django.db import Error
from django.db.backends.postgresql import base

from pg_tenancy._opening import Identity, explain
from pg_tenancy.context import entering_if_any, require_same

__all__ = ["DatabaseWrapper"]


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection that enters a workspace before each transaction's first query.

    A query outside of a transaction or a ``workspace_context`` enters nothing, so the database
    refuses queries of protected tables. A query is refused here if its transaction is in another
    workspace than the ``workspace_context``.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # The transaction's workspace. Rolling back to a savepoint may undo the entering.
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
            # Not through Django's cursor, which logs its queries, and with them API keys.
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
        # This may have undone the entering. Entering the same workspace again is harmless.
        self._is_entered = False

    def _close(self) -> Any:
        self._workspace = None
        return super()._close()
