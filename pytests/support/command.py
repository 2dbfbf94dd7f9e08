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

# What no program of a test takes, however busy the machine is.
PATIENCE = 300.0


# What a fixture returns that answers so.
Answer = Callable[..., tuple[int, str, str]]


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run a command in this process; return its exit status, output and errors."""
    capsys.readouterr()
    return main(arguments), *capsys.readouterr()


def command(*arguments: str) -> list[str]:
    """Return how ``pg-tenancy`` is started."""
    return [sys.executable, "-m", "pg_tenancy.tools", *arguments]


def without_signals(arguments: Sequence[str]) -> list[str]:
    """Return the same, ignoring SIGINT and SIGTERM at first, as a script's background jobs ignore SIGINT."""
    return ["/bin/sh", "-c", 'trap "" INT TERM; exec "$@"', "sh", *arguments]


def environment(**more: str) -> dict[str, str]:
    """Return our environment without variables that choose a database, and with the given ones."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name == "PG_TENANCY_PG_BIN" or not name.startswith(("PG", "PYTHON"))
    }
    return kept | {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONIOENCODING": "utf-8"} | more


def run(
    arguments: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: Path | None = None, check: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end and return what it printed."""
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
    """Start a program; the end of the block waits for it, and kills what takes too long."""
    options = {"env": environment()} | options
    with subprocess.Popen(arguments, text=True, **options) as process:
        # Whoever reads from it comes to an end then, too.
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
    """Run ``pg-tenancy`` on a terminal and type something; return its exit status and what is to be seen."""
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
            # That is how a terminal ends.
            pass
        finally:
            os.close(ours)
    return process.returncode, output.decode()


@contextmanager
def processes() -> Iterator[set[str]]:
    """Yield what becomes the arguments of every process that the machine has during the block, as anybody sees them."""
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
        # Those from before are looked at once: what the block starts is not among them.
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
