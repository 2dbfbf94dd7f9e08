"""Run pytest and then pg_prove, on one server.

``PYTHONPATH=pytests python -m support.run [--fast] [arguments of pytest | pgTAP files]``
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn

from support.server import Server, server_of_this_run

ROOT = Path(__file__).resolve().parents[2]
# Options with which pytest only prints something.
TELLS = {"--co", "--collect-only", "--collectonly", "--fixtures", "--help", "-h", "--markers", "--version", "-V"}
# The tests of --fast: another PostgreSQL runs every script, every role reads every table, and all
# of pgTAP passes. Without workers, each of which would first collect the tests.
FAST = (
    "-n",
    "0",
    "pytests/adoption/test_round_trip.py::test_the_whole_plan_is_verified_and_leaves_nothing_when_it_goes",
    "pytests/proof/test_access_matrix.py::test_reading",
)
DEBUGGERS = {"--pdb", "--trace"}
ENOUGH = 4 << 30  # bytes of memory for the run's databases: three hundred MB, and a GB of log


def main(arguments: list[str]) -> int:
    """Run with these arguments; return the exit status."""
    for number in (signal.SIGINT, signal.SIGTERM):
        # A script's background jobs ignore SIGINT, and so would their children.
        signal.signal(number, _interrupt)
    if "--fast" in arguments:
        arguments = [*(argument for argument in arguments if argument != "--fast"), *FAST]
    if not TELLS.isdisjoint(arguments):
        return subprocess.run([sys.executable, "-m", "pytest", *arguments], cwd=ROOT).returncode
    files = [argument for argument in arguments if argument.endswith(".sql")]
    endings: list[str] = []
    failed = False
    # Compiling is half of a worker's work before its first test, unless an earlier run has cached the
    # result.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with temporary_directory(), server_of_this_run() as server:
        os.environ.update(server.environment())
        if not files:
            # A file at a time and in conftest.py's order, so that a file's shared objects are
            # created once.
            workers = ["-n", _workers(), "--dist", "loadfile", "--no-loadscope-reorder"]
            status, last = _run([sys.executable, "-m", "pytest", *workers, *arguments])
            failed = failed or status != 0
            endings.append(f"pytest:   {last}")
        status, last = _prove(server, files or sorted(str(path) for path in ROOT.glob("pytests/pgtap/*.sql")))
        failed = failed or status != 0
        endings.append(f"pg_prove: {last}")
    print("", *endings, sep="\n", flush=True)
    return 1 if failed else 0


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


@contextmanager
def temporary_directory() -> Iterator[None]:
    """Keep temporary files in memory, if there is room and nobody has chosen another place.

    Otherwise writing databases to the disk takes half of the time.
    """
    shared = Path("/dev/shm")
    if "TMPDIR" in os.environ or not os.access(shared, os.W_OK):
        yield
        return
    described = os.statvfs(shared)
    if described.f_flag & os.ST_NOEXEC or described.f_bavail * described.f_frsize < ENOUGH:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="pgt-", dir=shared) as directory:
        # As open as /tmp: root's server runs as another user, who also removes its directory.
        os.chmod(directory, 0o1777)  # noqa: S103
        os.environ["TMPDIR"] = tempfile.tempdir = directory
        yield


def _workers() -> str:
    # One more than processors, because tests often wait for the server, for sqitch or for a lock.
    return str(min((os.cpu_count() or 1) + 1, 8))


def _prove(server: Server, files: list[str]) -> tuple[int, str]:
    if not files:
        return 0, "no pgTAP files"
    program = shutil.which("pg_prove")
    if program is None:
        return 1, "pg_prove is not installed"
    server.tap_template()
    wrapper = Path(__file__).with_name("psql_in_a_clone")
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join([str(ROOT / "python_client"), str(ROOT / "pytests")]),
    }
    status, last = _run([program, "--psql-bin", str(wrapper), "--jobs", _workers(), *files], environment)
    return status, last


def _run(command: list[str], environment: dict[str, str] | None = None) -> tuple[int, str]:
    """Run a program, pass its output on, and return its status and its last lines."""
    debugger = not DEBUGGERS.isdisjoint(command)
    if sys.stdout.isatty() and "pytest" in command:
        command = [*command, "--color=yes"]
    lines: list[str] = []
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdin=None if debugger else subprocess.DEVNULL,
        stdout=None if debugger else subprocess.PIPE,
        text=True,
    ) as process:
        try:
            for line in process.stdout or ():
                print(line, end="", flush=True)
                lines = [*lines[-2:], re.sub(r"\033\[[\d;]*m", "", line).strip("= \n")]
            process.wait()
        except BaseException:
            # It does not get a signal that is sent only to this process.
            process.terminate()
            raise
    closing = [line for line in lines if line]
    if "pytest" in command:
        closing = [line for line in closing[-1:] if re.search(r" in [\d.]+s", line)]
    return process.returncode, "; ".join(closing[-2:]) or f"ended with {process.returncode}"


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
