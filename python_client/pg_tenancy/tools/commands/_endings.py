"""How a command ends: its exit status and its error message."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Final, NoReturn

if TYPE_CHECKING:
    import psycopg

__all__ = [
    "FAILED",
    "OK",
    "USAGE",
    "FailedError",
    "MistakeError",
    "complain",
    "ending",
    "in_words",
    "reason",
    "version",
]

OK: Final = 0
FAILED: Final = 1
USAGE: Final = 2


class MistakeError(Exception):
    """A usage error; the message explains it."""


class FailedError(Exception):
    """The command failed; the message says why."""


def ending(work: Callable[[], int]) -> int:
    """Run a command, and return its exit status.

    Args:
        work: a function that returns the exit status or raises.

    """
    try:
        with _interruptible():
            return work()
    except MistakeError as error:
        complain(error)
        return USAGE
    except FailedError as error:
        complain(error)
        return FAILED
    except KeyboardInterrupt:
        complain("interrupted")
        return FAILED
    except BrokenPipeError:
        # The reader closed the pipe, so nothing can be written anymore, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as error:
        # Imported late, because `pg-tenancy --help` works without a driver.
        import psycopg

        from pg_tenancy.errors import TenancyError
        from pg_tenancy.tools.embedded import EmbeddedServerError
        from pg_tenancy.tools.sqitch import SqitchError

        if not isinstance(error, (EmbeddedServerError, SqitchError, TenancyError, psycopg.Error)):
            raise
        complain(reason(error))
        return FAILED


def reason(error: Exception) -> str:
    """Return an error's message and hint."""
    import psycopg

    from pg_tenancy.errors import TenancyError
    from pg_tenancy.tools.sqitch import SqitchNotFoundError

    if isinstance(error, psycopg.Error):
        return in_words(error)
    if isinstance(error, TenancyError) and error.hint:
        return f"{error.message}\n{error.hint}"
    if "DBD::Pg" in str(error) and not isinstance(error, SqitchNotFoundError):
        return f"{error}\nDebian and Ubuntu: apt-get install libdbd-pg-perl"
    return str(error)


def in_words(error: psycopg.Error) -> str:
    """Return the message and hint of the server or the driver."""
    text = error.diag.message_primary or str(error).strip()
    return f"{text}\n{error.diag.message_hint}" if error.diag.message_hint else text


def complain(message: object) -> None:
    """Print a message to standard error."""
    print(f"pg-tenancy: {message}", file=sys.stderr)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let SIGINT and SIGTERM end the block with its cleanup.

    SIGINT needs a handler too: background jobs of a script start with it ignored, and Python
    keeps that.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread can set handlers
        return
    before = {number: signal.signal(number, _interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def version() -> str:
    """Return the version of the package."""
    from importlib import metadata

    try:
        return metadata.version("pg-tenancy")
    except metadata.PackageNotFoundError:
        return "(not installed)"
