"""Errors that the client itself finds in the use of a block, with any driver."""

from __future__ import annotations

from pg_tenancy.errors import ConnectionNotIdleError, TransactionAbortedError, TransactionEndedError

__all__ = ["aborted", "ended", "not_entered", "not_idle"]


def not_idle(problem: str) -> ConnectionNotIdleError:
    """Return the error for a connection in which the context could outlive the block, or meet another."""
    return ConnectionNotIdleError(
        f"this takes a transaction of its own, and the connection {problem}",
        hint="Commit or roll back first, or take another connection; inside a workspace use its own methods.",
    )


def not_entered() -> TransactionAbortedError:
    """Return the error for a block that goes on after its opening failed or was cancelled."""
    return TransactionAbortedError(
        "nothing was committed: the block went on although its workspace was not entered",
        hint="Let the exception of the first statement leave the block.",
    )


def aborted() -> TransactionAbortedError:
    """Return the error for a block that goes on after a statement failed."""
    return TransactionAbortedError(
        "nothing was committed: a statement of the block failed",
        hint="Let its exception leave the block, or run it in a savepoint with conn.transaction().",
    )


def ended() -> TransactionEndedError:
    """Return the error for a block that ended its own transaction."""
    return TransactionEndedError(
        "the transaction of the workspace was ended inside its block",
        hint="Leave COMMIT and ROLLBACK to the block; raise an exception to undo what it did.",
    )
