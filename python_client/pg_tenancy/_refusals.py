"""Errors in the use of a block, which the client itself detects, with any driver."""

from __future__ import annotations

from pg_tenancy.errors import ConnectionNotIdleError, TransactionAbortedError, TransactionEndedError

__all__ = ["aborted", "ended", "not_entered", "not_idle"]


def not_idle(problem: str) -> ConnectionNotIdleError:
    """Return the error for a connection in which the context could outlive the block, or conflict with another one."""
    return ConnectionNotIdleError(
        f"this requires a separate transaction, and the connection {problem}",
        hint="Commit or roll back first, or use another connection; inside a workspace use its methods.",
    )


def not_entered() -> TransactionAbortedError:
    """Return the error for a block that continues after entering failed or was cancelled."""
    return TransactionAbortedError(
        "nothing was committed: the block continued although its workspace was not entered",
        hint="Let the first statement's exception leave the block.",
    )


def aborted() -> TransactionAbortedError:
    """Return the error for a block that continues after a statement failed."""
    return TransactionAbortedError(
        "nothing was committed: a statement of the block failed",
        hint="Let its exception leave the block, or run it in a savepoint with conn.transaction().",
    )


def ended() -> TransactionEndedError:
    """Return the error for a block that ended its own transaction."""
    return TransactionEndedError(
        "the transaction of the workspace was ended inside its block",
        hint="Leave COMMIT and ROLLBACK to the block; to roll back, raise an exception.",
    )
