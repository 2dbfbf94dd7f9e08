"""The workspace of the current task, for libraries that start transactions themselves.

``workspace_context`` sets the workspace for a block: each transaction that
``pg_tenancy.sqlalchemy`` or ``pg_tenancy.django`` starts in the block enters it. It is kept
in a context variable, so it applies to one task or thread and to what that awaits, never to
another request; a new thread starts without one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

from pg_tenancy._opening import Identity, Who, identify
from pg_tenancy.errors import ContextAlreadySetError, NoContextError

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["outside_workspaces", "workspace_context"]

# False: deliberately outside of workspaces. None: in neither block.
_current: Final[ContextVar[Identity | bool | None]] = ContextVar("pg_tenancy_workspace", default=None)


@contextmanager
def workspace_context(**who: Unpack[Who]) -> Iterator[None]:
    """Set the workspace that transactions enter when they start in the block.

    Nothing is sent: each transaction checks when it starts that the person may enter.
    Blocks can be nested; the innermost one applies.

    Args:
        **who: ``user_id`` and ``organization_id``, or ``platform=True``, ``ticket``,
            ``session`` or ``api_key``, as for ``pg_tenancy.workspace``.

    Raises:
        TypeError: a keyword that does not exist, or keywords that cannot be combined.
        TenancyError: a value is not acceptable, such as UserRequiredError for
            ``user_id=None``.
    """
    token = _current.set(identify(who, options=False))
    try:
        yield
    finally:
        _current.reset(token)


@contextmanager
def outside_workspaces() -> Iterator[None]:
    """Let transactions that start in the block stay outside of workspaces.

    For data that belongs to no tenant, such as ``tenancy.peek_invitation()`` and the
    application's shared tables. Using a protected table is still an error.
    """
    token = _current.set(False)
    try:
        yield
    finally:
        _current.reset(token)


def entering() -> Identity | None:
    """Return the identity for a transaction that starts now, or None in ``outside_workspaces``.

    Raises:
        NoContextError: the code is in neither block.
    """
    current = _current.get()
    if current is None:
        raise NoContextError(
            "the transaction starts outside of workspace_context",
            hint="Start it in workspace_context(user_id=...), or in outside_workspaces().",
            constraint="no_context",
        )
    return current if isinstance(current, Identity) else None


def entering_if_any() -> Identity | None:
    """Return the identity for a transaction that starts now, or None outside of ``workspace_context``."""
    current = _current.get()
    return current if isinstance(current, Identity) else None


def require_same(entered: Identity | bool | None) -> None:
    """Refuse a statement if its transaction is not in the workspace of ``workspace_context``.

    Args:
        entered: the result of ``entering`` when the transaction started; False refuses
            every statement.

    Raises:
        NoContextError: the code has left the block in which the transaction started.
        ContextAlreadySetError: the code is in another workspace's block.
    """
    current = entering()
    if current is not entered and current != entered:
        raise ContextAlreadySetError(
            "the transaction is in another workspace, not the one of workspace_context",
            hint="Commit it before switching, or use a session for each workspace.",
            constraint="context_already_set",
        )
