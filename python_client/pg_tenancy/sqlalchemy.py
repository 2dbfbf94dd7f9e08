"""SQLAlchemy 2 whose transactions start in the workspace of ``workspace_context``.

```python
engine = enter_workspaces(create_engine("postgresql+psycopg://app@host/application"))

with workspace_context(user_id=user, organization_id=organization), Session(engine) as session:
    session.add(Project(name="Website"))
    session.commit()
```

For the dialects ``postgresql+psycopg``, sync and async, and ``postgresql+asyncpg``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from sqlalchemy import Connection, Engine, ExceptionContext, event, text
from sqlalchemy.orm import Session

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

    E = TypeVar("E", bound=Engine | AsyncEngine)
else:
    E = TypeVar("E")

__all__ = ["enter_workspaces", "not_granted", "outside_workspaces", "workspace_context"]

# Where a connection of the pool notes whom its transaction is for.
_ENTERED: Final = "pg_tenancy.entered"

# Where a session notes in whose workspace its objects are. False: in several, or nobody
# knows; no workspace is that one.
_HOLDS: Final = "pg_tenancy.holds"

_DRIVERS: Final = ("psycopg", "asyncpg")

# SQLAlchemy takes no parameter before a cast of two colons.
_GRANTED: Final = text(GRANTED.replace("$1::text", "CAST(:message AS text)").replace("$1", ":message"))


def enter_workspaces(engine: E) -> E:
    """Have every transaction of an engine enter the workspace of ``workspace_context``.

    A session that commits and goes on enters again with its next transaction. A
    transaction that starts in no ``workspace_context`` is refused, and so is a statement
    in a transaction that started in another one. So is an ORM session that holds objects
    of one workspace and starts a transaction in another: what it has not flushed would be
    written there. Errors of pg-tenancy leave the engine as exceptions of
    ``pg_tenancy.errors`` instead of SQLAlchemy's ``DBAPIError``.

    Entering is one more round trip for each transaction, and its arguments are in no log
    of SQLAlchemy's.

    Args:
        engine: an ``Engine`` or an ``AsyncEngine``, before its first use. What is made of
            it by ``execution_options()`` does the same.

    Returns:
        The engine.

    Raises:
        TypeError: it is something else, or its driver is neither psycopg nor asyncpg.
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
        # Not the event "begin": if that raises, the connection takes itself to be beginning
        # for ever, and runs what follows in a transaction that entered nothing.
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
    """Return the error that lists what the login may do with the table that PostgreSQL refused.

    PostgreSQL's own ``permission denied for table ...`` names no column, and the
    transaction that failed can ask nothing any more. So this takes another one, which
    need not be in a workspace.

    Args:
        connection: of the same login; an ``AsyncConnection`` passes it by ``run_sync``.
        error: what a statement raised, a ``DBAPIError`` for instance.

    Returns:
        The error to raise from ``error``; None where it is about something else, or
        about a table that is not protected.
    """
    found, cause = error, error.__cause__
    while cause is not None:
        found, cause = cause if sqlstate_of(cause) else found, cause.__cause__
    if not is_not_granted(found):
        return None
    row = connection.execute(_GRANTED, {"message": message_of(found)}).fetchone()
    return translate_not_granted(found, row)


def _do_begin(connection: PoolProxiedConnection) -> None:
    """Enter, as the first thing of a transaction, which the driver itself begins with it."""
    identity = entering()
    connection.info[_ENTERED] = identity
    if identity is None:
        return
    if getattr(connection, "autocommit", False):
        # The server cannot always tell.
        raise TransactionRequiredError(
            "a workspace can be entered only in a transaction, and the connection is in AUTOCOMMIT",
            hint="Use outside_workspaces() there, or another isolation level.",
            constraint="transaction_required",
        )
    cursor = connection.cursor()
    is_asyncpg = "asyncpg" in type(cursor).__module__
    try:
        cursor.execute(identity.call.text if is_asyncpg else identity.pyformat(), identity.values)
    except Exception as error:
        # SQLAlchemy wraps asyncpg's errors, without the fields by which ours are known.
        ours = explain(error.__cause__ or error, identity.call)
        if ours is None:
            raise
        raise ours from error
    finally:
        cursor.close()


def _require_same(
    connection: Connection, cursor: object, statement: str, parameters: object, context: object, executemany: bool
) -> None:
    # SQLAlchemy asks the server for its version and the like before any transaction.
    if connection.in_transaction():
        require_same(connection.connection.info.get(_ENTERED))


def _note_object(session: Session, instance: object) -> None:
    """Note in whose workspace an object was added; the session may be another engine's."""
    current = entering_if_any()
    if current is None:
        return
    others = bool(session.identity_map) or any(new is not instance for new in session.new)
    noted: Identity | bool | None = session.info.get(_HOLDS) if others else None
    session.info[_HOLDS] = current if noted is None or noted == current else False


def _require_own_objects(session: Session, transaction: SessionTransaction, connection: Connection) -> None:
    """Refuse a transaction in another workspace than that of what the session holds."""
    pooled = connection.connection.info
    entered: Identity | bool | None = pooled.get(_ENTERED)
    if entered is None:
        return
    if (session.identity_map or session.new) and session.info.get(_HOLDS, entered) != entered:
        # SQLAlchemy has begun, and would go on with it at the next statement.
        pooled[_ENTERED] = False
        raise ContextAlreadySetError(
            "the session holds objects of another workspace than that of workspace_context",
            hint="Use a session for each workspace, or expunge_all() before switching.",
            constraint="context_already_set",
        )
    session.info[_HOLDS] = entered


def _translate(context: ExceptionContext) -> BaseException | None:
    error = context.original_exception
    # One of ours, from entering, goes on as it is: nothing may be its own cause.
    return None if isinstance(error, TenancyError) else tenancy_error(error)


def _forget(dbapi_connection: object, record: Any) -> None:
    # Of what a connection was used for, an API key for instance, nothing stays in the pool.
    record.info.pop(_ENTERED, None)
