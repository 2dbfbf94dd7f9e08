"""The command line: in the test's own process, or as a program with a time limit."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pg_tenancy.tools.cli import main

__all__ = [
    "Answer",
    "answer",
    "command",
    "environment",
    "on_a_terminal",
    "processes",
    "run",
    "started",
    "without_signals",
]

# More seconds than any program of a test takes on a busy machine.
PATIENCE = 300.0


# The type of fixtures that run a command like this.
Answer = Callable[..., tuple[int, str, str]]


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run a command in this process; return its exit status, output and errors."""
    capsys.readouterr()
    return main(arguments), *capsys.readouterr()


def command(*arguments: str) -> list[str]:
    """Return the command line of ``pg-tenancy``."""
    return [sys.executable, "-m", "pg_tenancy.tools", *arguments]


def without_signals(arguments: Sequence[str]) -> list[str]:
    """Return the same, ignoring SIGINT and SIGTERM at first, as a script's background jobs ignore SIGINT."""
    return ["/bin/sh", "-c", 'trap "" INT TERM; exec "$@"', "sh", *arguments]


def environment(**more: str) -> dict[str, str]:
    """Return this process's environment without variables that choose a database, and with the given ones."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name == "PG_TENANCY_PG_BIN" or not name.startswith(("PG", "PYTHON"))
    }
    return kept | {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONIOENCODING": "utf-8"} | more


def run(
    arguments: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: Path | None = None, check: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end and return its output."""
    return subprocess.run(
        arguments,
        env=env if env is not None else environment(),
        cwd=cwd,
        check=check,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


@contextmanager
def started(arguments: Sequence[str], **options: Any) -> Iterator[subprocess.Popen[str]]:
    """Start a program; the end of the block waits for it, and kills it if it takes too long."""
    options = {"env": environment()} | options
    with subprocess.Popen(arguments, text=True, **options) as process:
        # That also ends a blocked read of its output.
        late = threading.Timer(PATIENCE, process.kill)
        late.daemon = True
        late.start()
        try:
            yield process
            process.wait()
        except BaseException:
            process.kill()
            raise
        finally:
            late.cancel()


def on_a_terminal(arguments: Sequence[str], typed: str, **more: str) -> tuple[int, str]:
    """Run ``pg-tenancy`` on a terminal and type something; return its exit status and the screen's text."""
    try:
        ours, theirs = pty.openpty()
    except OSError as error:  # a bare chroot has no /dev/pts
        pytest.skip(f"this machine gives no terminals: {error}")
    screen = {"TERM": "xterm", "COLUMNS": "120"}
    with started(
        command(*arguments), stdin=theirs, stdout=theirs, stderr=theirs, env=environment(**screen, **more)
    ) as process:
        os.close(theirs)
        os.write(ours, typed.encode())
        output = b""
        try:
            while part := os.read(ours, 65536):
                output += part
        except OSError:
            # Reading a closed terminal raises this.
            pass
        finally:
            os.close(ours)
    return process.returncode, output.decode()


@contextmanager
def processes() -> Iterator[set[str]]:
    """Yield a list that collects the arguments of all processes during the block, as any account sees them."""
    if not Path("/proc/self/cmdline").exists():
        pytest.skip("needs /proc to look at other processes")
    seen: set[str] = set()
    done = threading.Event()

    def there() -> set[str]:
        return {process for process in os.listdir("/proc") if process.isdigit()}

    def look(those: set[str]) -> None:
        for process in those:
            try:
                with open(f"/proc/{process}/cmdline", "rb") as file:
                    seen.add(file.read().decode(errors="replace"))
            except OSError:
                continue

    def watch() -> None:
        # Processes from before the block are read only once.
        before = there()
        look(before)
        while not done.wait(0.05):
            now = there()
            before &= now
            look(now - before)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        done.set()
        watcher.join()
