"""How a command ends: its exit status, and what it says if something is wrong."""

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
    """It was called wrongly; the message says how."""


class FailedError(Exception):
    """It did not work; the message says why."""


def ending(work: Callable[[], int]) -> int:
    """Do the work of a command, and return the exit status that it ends with.

    Args:
        work: what returns the exit status, or raises.

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
        # Whoever reads has had enough; nothing more can be written, at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as error:
        # Only now, because `pg-tenancy --help` does without a driver.
        import psycopg

        from pg_tenancy.errors import TenancyError
        from pg_tenancy.tools.embedded import EmbeddedServerError
        from pg_tenancy.tools.sqitch import SqitchError

        if not isinstance(error, (EmbeddedServerError, SqitchError, TenancyError, psycopg.Error)):
            raise
        complain(reason(error))
        return FAILED


def reason(error: Exception) -> str:
    """Return what an error says, and what it says to do."""
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
    """Return what the server or the driver says."""
    text = error.diag.message_primary or str(error).strip()
    return f"{text}\n{error.diag.message_hint}" if error.diag.message_hint else text


def complain(message: object) -> None:
    """Say on standard error what is wrong."""
    print(f"pg-tenancy: {message}", file=sys.stderr)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Have SIGINT and SIGTERM end the block politely: what was started is stopped, what was made is removed.

    Both, whatever they did before: a script's background jobs are born deaf to SIGINT,
    and Python leaves it at that.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only there can it be asked for
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
