"""SQLAlchemy 2, with transactions that enter the workspace of ``workspace_context``.

```python
engine = enter_workspaces(create_engine("postgresql+psycopg://app@host/application"))

with workspace_context(user_id=user, organization_id=organization), Session(engine) as session:
    session.add(Project(name="Website"))
    session.commit()
```

``FilledByDatabase`` declares the columns that statements must leave to the database.

It supports the dialects ``postgresql+psycopg``, sync and async, and ``postgresql+asyncpg``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from sqlalchemy import Connection, Engine, ExceptionContext, FetchedValue, Table, event, text
from sqlalchemy.exc import ArgumentError
from sqlalchemy.orm import Session
from sqlalchemy.schema import SchemaItem

from pg_tenancy._opening import Identity, explain
from pg_tenancy._sql import GRANTED
from pg_tenancy.context import entering, entering_if_any, outside_workspaces, require_same, workspace_context
from pg_tenancy.errors import (
    ContextAlreadySetError,
    NotGrantedError,
    TenancyError,
    TransactionRequiredError,
    is_not_granted,
    message_of,
    sqlstate_of,
    tenancy_error,
    translate_not_granted,
)

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine
    from sqlalchemy.orm import SessionTransaction
    from sqlalchemy.pool import PoolProxiedConnection
    from sqlalchemy.sql.base import SchemaEventTarget

    E = TypeVar("E", bound=Engine | AsyncEngine)
else:
    E = TypeVar("E")

__all__ = ["FilledByDatabase", "enter_workspaces", "not_granted", "outside_workspaces", "workspace_context"]

# The key under which a pooled connection keeps the identity of its transaction.
_ENTERED: Final = "pg_tenancy.entered"

# The key under which a session keeps the identity that its objects belong to. False: several or unknown
# identities; it equals no identity.
_HOLDS: Final = "pg_tenancy.holds"

_DRIVERS: Final = ("psycopg", "asyncpg")

# SQLAlchemy recognizes no parameter before a cast with two colons.
_GRANTED: Final = text(GRANTED.replace("$1::text", "CAST(:message AS text)").replace("$1", ":message"))


def enter_workspaces(engine: E) -> E:
    """Have every transaction of an engine enter the workspace of ``workspace_context``.

    A session that continues after a commit enters again with its next transaction. These
    are refused: a transaction that starts outside of ``workspace_context``; a statement
    in a transaction of another workspace; and an ORM session that holds objects of one
    workspace and starts a transaction in another, where its unflushed changes would be
    written. The engine raises errors of pg-tenancy as exceptions of ``pg_tenancy.errors``
    instead of SQLAlchemy's ``DBAPIError``.

    Entering takes one more round trip for each transaction. SQLAlchemy does not log its
    arguments.

    Args:
        engine: an ``Engine`` or an ``AsyncEngine``, before its first use. Engines that
            ``execution_options()`` derives from it behave alike.

    Returns:
        The engine.

    Raises:
        TypeError: it is not an engine, or its driver is neither psycopg nor asyncpg.
    """
    sync: Any = getattr(engine, "sync_engine", engine)
    if (
        not isinstance(sync, Engine)
        or sync.dialect.name != "postgresql"
        or sync.dialect.driver.partition("_")[0] not in _DRIVERS
    ):
        msg = f"enter_workspaces() needs an engine of postgresql+psycopg or postgresql+asyncpg, not {engine!r}"
        raise TypeError(msg)
    if not event.contains(sync, "before_cursor_execute", _require_same):
        # Not the event "begin": if it raises an error, the connection keeps believing that it is beginning, and
        # runs later statements in a transaction outside of workspaces.
        dialect: Any = sync.dialect
        dialect.do_begin = _do_begin
        event.listen(sync, "before_cursor_execute", _require_same)
        event.listen(sync, "handle_error", _translate)
        event.listen(sync, "checkin", _forget)
    if not event.contains(Session, "after_begin", _require_own_objects):
        event.listen(Session, "after_begin", _require_own_objects)
        event.listen(Session, "after_attach", _note_object)
    return engine


def not_granted(connection: Connection, error: BaseException) -> NotGrantedError | None:
    """Return the error that lists what the login may do with a table, after PostgreSQL refused a statement.

    PostgreSQL's own ``permission denied for table ...`` names no column, and nothing can be
    queried in the failed transaction. So this needs another transaction, which may be
    outside of workspaces.

    Args:
        connection: a connection of the same login; ``AsyncConnection.run_sync`` provides one.
        error: the error of a statement, such as a ``DBAPIError``.

    Returns:
        The error to raise from ``error``; None if it has another reason, or the table is
        not protected.
    """
    found, cause = error, error.__cause__
    while cause is not None:
        found, cause = cause if sqlstate_of(cause) else found, cause.__cause__
    if not is_not_granted(found):
        return None
    row = connection.execute(_GRANTED, {"message": message_of(found)}).fetchone()
    return translate_not_granted(found, row)


class FilledByDatabase(SchemaItem):
    """Declares the columns of a protected table that the database fills in.

    For ``__table_args__``, or after the columns of a ``Table``, which may be reflected. An
    INSERT without values for these columns leaves them out, and the ORM reads them back with
    RETURNING. No error is raised for an assigned value: it is sent, and the database decides,
    because a service's login may write what an application's may not.

    A column that has a server default, or is computed or an identity, keeps it.

    Args:
        *columns: the names of columns that no INSERT may name, as in the database.
        tenant: the column with the owner of a row, which is filled in too if the table has
            one of this name; None if the application writes it.

    Raises:
        sqlalchemy.exc.ArgumentError: the table lacks a column, or SQLAlchemy would write it,
            with ``default`` or ``onupdate``.

    """

    def __init__(self, *columns: str, tenant: str | None = "workspace_id") -> None:
        self.columns = columns
        self.tenant = tenant

    def _set_parent(self, parent: SchemaEventTarget, **kw: Any) -> None:
        if not isinstance(parent, Table):
            msg = f"FilledByDatabase() belongs to a table, not to {parent!r}"
            raise ArgumentError(msg)
        names = {column.name for column in parent.columns}
        for name in self.columns:
            if name not in names:
                msg = f"FilledByDatabase() names {name!r}, which is not a column of {parent.name!r} at this point"
                raise ArgumentError(msg)
        for column in parent.columns:
            if column.name not in (*self.columns, self.tenant):
                continue
            if column.default is not None or column.onupdate is not None:
                msg = f"the database fills in {column}, so it can have neither default nor onupdate"
                raise ArgumentError(msg)
            if column.server_default is None and column is not parent.autoincrement_column:
                FetchedValue()._set_parent_with_dispatch(column)


def _do_begin(connection: PoolProxiedConnection) -> None:
    """Enter a workspace with the first statement of a transaction, before which the driver sends BEGIN."""
    identity = entering()
    connection.info[_ENTERED] = identity
    if identity is None:
        return
    if getattr(connection, "autocommit", False):
        # The server cannot always tell.
        raise TransactionRequiredError(
            "a workspace can be entered only in a transaction, but the connection is in AUTOCOMMIT",
            hint="Use outside_workspaces() there, or another isolation level.",
            constraint="transaction_required",
        )
    cursor = connection.cursor()
    is_asyncpg = "asyncpg" in type(cursor).__module__
    try:
        cursor.execute(identity.call.text if is_asyncpg else identity.pyformat(), identity.values)
    except Exception as error:
        # SQLAlchemy wraps asyncpg's errors, without the fields that identify ours.
        ours = explain(error.__cause__ or error, identity.call)
        if ours is None:
            raise
        raise ours from error
    finally:
        cursor.close()


def _require_same(
    connection: Connection, cursor: object, statement: str, parameters: object, context: object, executemany: bool
) -> None:
    # Before any transaction, SQLAlchemy queries the server's version and other settings.
    if connection.in_transaction():
        require_same(connection.connection.info.get(_ENTERED))


def _note_object(session: Session, instance: object) -> None:
    """Note the identity for which an object was added. The session may use another engine."""
    current = entering_if_any()
    if current is None:
        return
    others = bool(session.identity_map) or any(new is not instance for new in session.new)
    noted: Identity | bool | None = session.info.get(_HOLDS) if others else None
    session.info[_HOLDS] = current if noted is None or noted == current else False


def _require_own_objects(session: Session, transaction: SessionTransaction, connection: Connection) -> None:
    """Refuse a transaction if the session holds objects of another workspace."""
    pooled = connection.connection.info
    entered: Identity | bool | None = pooled.get(_ENTERED)
    if entered is None:
        return
    if (session.identity_map or session.new) and session.info.get(_HOLDS, entered) != entered:
        # SQLAlchemy has begun the transaction, and would use it for the next statement.
        pooled[_ENTERED] = False
        raise ContextAlreadySetError(
            "the session holds objects of another workspace, not the one of workspace_context",
            hint="Use a session for each workspace, or expunge_all() before switching.",
            constraint="context_already_set",
        )
    session.info[_HOLDS] = entered


def _translate(context: ExceptionContext) -> BaseException | None:
    error = context.original_exception
    # An error of ours, from entering, is raised unchanged: an error cannot be its own cause.
    return None if isinstance(error, TenancyError) else tenancy_error(error)


def _forget(dbapi_connection: object, record: Any) -> None:
    # So that a pooled connection does not keep an identity, which may contain an API key.
    record.info.pop(_ENTERED, None)
