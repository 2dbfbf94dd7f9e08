"""The workspace of the current task: for libraries that start transactions by themselves.

``workspace_context`` names a workspace for a block, and each transaction that
``pg_tenancy.sqlalchemy`` or ``pg_tenancy.django`` starts within enters it. A context
variable keeps it, so that it holds for one task or thread and what that awaits, never for
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

# False: in no workspace, and on purpose. None: nobody has said.
_current: Final[ContextVar[Identity | bool | None]] = ContextVar("pg_tenancy_workspace", default=None)


@contextmanager
def workspace_context(**who: Unpack[Who]) -> Iterator[None]:
    """Name the workspace that transactions enter which start in the block.

    Nothing is sent: each transaction checks, when it starts, that the person may enter.
    A block within a block counts for what starts in it.

    Args:
        **who: ``user_id`` and ``organization_id``, or ``platform=True``, ``ticket``,
            ``session`` or ``api_key``, as for ``pg_tenancy.workspace``.

    Raises:
        TypeError: a keyword that does not exist, or keywords that do not go together.
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
    """Let transactions that start in the block enter no workspace.

    For what belongs to no tenant: ``tenancy.peek_invitation()``, the application's own
    tables of everybody. A protected table remains an error there.
    """
    token = _current.set(False)
    try:
        yield
    finally:
        _current.reset(token)


def entering() -> Identity | None:
    """Return whom a transaction that starts now is for; None outside of workspaces.

    Raises:
        NoContextError: the code runs in neither block.
    """
    current = _current.get()
    if current is None:
        raise NoContextError(
            "a transaction starts in no workspace",
            hint="Start it in workspace_context(user_id=...), or in outside_workspaces().",
            constraint="no_context",
        )
    return current if isinstance(current, Identity) else None


def entering_if_any() -> Identity | None:
    """Return whom a transaction that starts now is for; None also where nobody has said."""
    current = _current.get()
    return current if isinstance(current, Identity) else None


def require_same(entered: Identity | bool | None) -> None:
    """Refuse a statement in a transaction that is in another workspace than the code that sends it.

    Args:
        entered: what ``entering`` returned when the transaction started; False, which is
            no workspace, refuses every statement.

    Raises:
        NoContextError: the code has left the block in which the transaction started.
        ContextAlreadySetError: it is in the block of another workspace.
    """
    current = entering()
    if current is not entered and current != entered:
        raise ContextAlreadySetError(
            "the transaction started in another workspace than that of workspace_context",
            hint="Commit it before switching, or use a session for each workspace.",
            constraint="context_already_set",
        )
