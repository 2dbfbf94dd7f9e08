"""Run sqitch on the project that comes with this package.

The project (``sqitch.plan``, ``sqitch.conf``, ``sql/``) is inside an installed package, or
above it in a checkout. This module finds and starts sqitch, which is a separate program.
"""

from __future__ import annotations

import getpass
import os
import pwd
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType
from urllib.parse import quote

import psycopg
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict

__all__ = [
    "PLANS",
    "Change",
    "Sqitch",
    "SqitchError",
    "SqitchNotFoundError",
    "SqitchStoppedError",
    "find_sqitch",
    "libpq_environment",
    "project_directory",
    "read_plan",
]

_INSTALL = (
    "Debian and Ubuntu: apt-get install sqitch libdbd-pg-perl postgresql-client; "
    "macOS: brew tap sqitchers/sqitch && brew install sqitch --with-postgres-support; "
    "others: https://sqitch.org/download/"
)


# Where Debian's packages put the programs of each version; psql in PATH is their script that chooses one.
_VERSIONS = Path("/usr/lib/postgresql")
_CHOOSER = "pg_wrapper"

# Every script waits for this lock before it begins (sql/notes/begin.psql).
_STOP_LOCK = 8100420170330142

# The platform's plan has all changes, the kernel's only those that other applications need.
PLANS = {"platform": "sqitch.plan", "kernel": "kernel.plan"}


class SqitchError(RuntimeError):
    """sqitch ended with an error.

    Attributes:
        output: everything it printed, error messages last.
        status: its exit status.

    """

    def __init__(self, message: str, output: str = "", status: int = 0) -> None:
        super().__init__(message)
        self.output = output
        self.status = status


class SqitchStoppedError(SqitchError):
    """sqitch was interrupted: finished changes stay, and the same command continues."""


class SqitchNotFoundError(SqitchError):
    """A required program is not installed; the message says how to install it."""


@dataclass(frozen=True)
class Change:
    """A change of the plan, with the tags that follow it.

    Attributes:
        script: the name of its files without ``.sql``; if the change is reworked later, with @ and the tag
            before that.
        noted_as: the name in its scripts' notes; the rework of a change ends in @2.

    """

    name: str
    requires: tuple[str, ...] = ()
    note: str = ""
    tags: tuple[str, ...] = ()
    tag_notes: tuple[str, ...] = ()
    script: str = ""
    noted_as: str = ""


def project_directory() -> Path:
    """Return the directory that holds ``sqitch.plan``.

    Raises:
        SqitchNotFoundError: the package was installed without it.

    """
    package = Path(__file__).resolve().parent
    for candidate in (package / "_sqitch", package.parents[2]):
        if (candidate / "sqitch.plan").is_file():
            return candidate
    raise SqitchNotFoundError(f"there is no sqitch project in {package}: install the package again")


def find_sqitch() -> str:
    """Return the path of the ``sqitch`` program.

    Raises:
        SqitchNotFoundError: it is not installed, or ``psql``, which it requires, is not.

    """
    for program in ("psql", "sqitch"):
        if shutil.which(program) is None:
            raise SqitchNotFoundError(f"{program} is not installed. {_INSTALL}")
    return str(shutil.which("sqitch"))


def _chosen_programs() -> Path | None:
    """Return the directory of the psql that Debian's script would choose, or None where psql is not that script.

    The script takes several times as long as psql itself, and sqitch calls it for each script of each change.
    """
    if Path(shutil.which("psql") or "").resolve().name != _CHOOSER:
        return None
    programs = [path for path in _VERSIONS.glob("*/bin/psql") if path.parts[-3].isdigit()]
    return max(programs, key=lambda path: int(path.parts[-3])).parent if programs else None


def read_plan(project: Path | None = None, plan: str = "platform") -> list[Change]:
    """Return the changes of a plan, in its order.

    Args:
        project: the directory of ``sqitch.plan``; default: :func:`project_directory`.
        plan: ``platform`` or ``kernel``.

    """
    changes: list[Change] = []
    for line in ((project or project_directory()) / PLANS[plan]).read_text().splitlines():
        text, _, note = line.partition("#")
        text = text.strip()
        if not text or text.startswith("%"):
            continue
        if text.startswith("@"):
            last = changes.pop()
            tags, notes = (*last.tags, text.split()[0][1:]), (*last.tag_notes, note.strip())
            changes.append(replace(last, tags=tags, tag_notes=notes))
            continue
        found = re.match(r"(?P<name>\S+)(?:\s+\[(?P<requires>[^\]]*)\])?", text)
        if found:
            name = found["name"]
            # The earlier files of a reworked change carry the last tag before the rework.
            last_tag = next((change.tags[-1] for change in reversed(changes) if change.tags), "")
            changes = [
                replace(change, script=f"{name}@{last_tag}") if change.script == name else change for change in changes
            ]
            earlier = sum(1 for change in changes if change.name == name)
            changes.append(
                Change(
                    name,
                    tuple((found["requires"] or "").split()),
                    note.strip(),
                    script=name,
                    noted_as=f"{name}@{earlier + 1}" if earlier else name,
                )
            )
    return changes


def libpq_environment(dsn: str) -> dict[str, str]:
    """Return the environment variables with which libpq programs connect to a DSN.

    This keeps passwords out of the process list, and supports every form of DSN that libpq knows.

    Args:
        dsn: a URI or a ``keyword=value`` string.

    """
    names = {
        option.keyword.decode(): option.envvar.decode()
        for option in pq.Conninfo.get_defaults()
        if option.envvar is not None
    }
    given = {key: str(value) for key, value in conninfo_to_dict(dsn).items() if value not in (None, "")}
    unknown = sorted(set(given) - set(names))
    if unknown:
        raise ValueError(f"libpq has no environment variables for these parameters: {', '.join(unknown)}")
    return {names[key]: value for key, value in given.items()}


def _problems(command: str, lines: list[str]) -> str:
    """Return the lines of sqitch's output that contain the errors."""
    telling = [line for line in lines if not line.rstrip().endswith(". ok")]
    if command != "verify":
        return "".join(telling[-15:]).strip()
    # The output ends with undeployed changes and the summary.
    ends = [at for at, line in enumerate(telling) if line.startswith(("Undeployed changes:", "Verify Summary Report"))]
    return "".join(telling[: min(ends, default=None)]).strip()


@dataclass
class Sqitch:
    """sqitch, on one database.

    Args:
        dsn: the database, as a URI or a ``keyword=value`` string.
        project: the directory of ``sqitch.plan``; default: :func:`project_directory`.
        plan: ``platform`` or ``kernel``.
        isolated: for tests: ignore the configuration of the user and the machine, and record
            ``pg-tenancy`` as the deployer.
        on_line: called with each line that sqitch prints, as it prints it.
        on_stop: called when SIGINT or SIGTERM stops a deploy or a revert, which ends after the current change.
            A second signal ends it at once.
        program_directory: where to look for ``psql`` before ``PATH``; default: where Debian's script would find it.
        environment: further environment variables for sqitch.

    """

    dsn: str
    project: Path = field(default_factory=project_directory)
    plan: str = "platform"
    isolated: bool = False
    on_line: Callable[[str], None] | None = None
    on_stop: Callable[[], None] | None = None
    program_directory: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)

    def deploy(self, to: str | None = None) -> str:
        """Deploy the changes up to ``to``, or all, and verify each.

        Args:
            to: a change or a tag, such as ``@phase-2``.

        """
        return self.run("deploy", *(["--to-change", to] if to else []))

    def revert(self, to: str | None = None) -> str:
        """Revert the changes after ``to``, or all.

        Args:
            to: the change or tag that stays deployed.

        """
        return self.run("revert", "-y", *(["--to-change", to] if to else []))

    def verify(self) -> str:
        """Check that the database is as the deployed changes left it."""
        return self.run("verify")

    def status(self) -> str:
        """Return sqitch's status message."""
        return self.run("status")

    def run(self, command: str, *arguments: str) -> str:
        """Run any sqitch command on the database and return what it printed.

        Raises:
            SqitchError: it failed; the message has the last lines of a deploy or a revert, or all
                errors of a verify.
            SqitchStoppedError: it was interrupted.
            SqitchNotFoundError: sqitch or ``psql`` is not installed.

        """
        environment = self._environment()
        if command in ("deploy", "revert"):
            environment |= self._without_time_limits(environment)
        # In their own session, out of reach of the terminal's Ctrl-C: sqitch would end in the middle of a change while
        # its psql continued.
        with (
            subprocess.Popen(
                [find_sqitch(), command, "--plan-file", PLANS[self.plan], *arguments, self._target(environment)],
                cwd=self.project,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            ) as process,
            self._stoppable(process, at_once=command not in ("deploy", "revert")) as stops,
        ):
            lines: list[str] = []
            for line in process.stdout or ():
                lines.append(line)
                if self.on_line is not None:
                    self.on_line(line.rstrip("\n"))
            process.wait()
        output = "".join(lines)
        if process.returncode != 0 and stops:
            if command not in ("deploy", "revert"):
                raise KeyboardInterrupt
            raise SqitchStoppedError(
                "stopped as requested. Finished changes stay, and the same command continues",
                output,
                process.returncode,
            )
        if process.returncode != 0:
            raise SqitchError(f"sqitch {command} failed:\n{_problems(command, lines)}", output, process.returncode)
        return output

    @contextmanager
    def _stoppable(self, process: subprocess.Popen[str], *, at_once: bool) -> Iterator[list[int]]:
        """Let SIGINT and SIGTERM stop the process after its current change; yield the received signals."""
        stops: list[int] = []
        with ExitStack() as stack:

            def stop(number: int, _frame: FrameType | None) -> None:
                stops.append(number)
                if len(stops) == 1 and not at_once:
                    # Held until sqitch ends.
                    connection = stack.enter_context(psycopg.connect(self.dsn, autocommit=True))
                    connection.execute("SELECT pg_catalog.pg_advisory_lock(%s)", [_STOP_LOCK])
                    if self.on_stop is not None:
                        self.on_stop()
                elif process.poll() is None:
                    os.killpg(process.pid, signal.SIGINT)

            # Only the main thread can handle signals.
            if threading.current_thread() is threading.main_thread():
                for wanted in (signal.SIGINT, signal.SIGTERM):
                    before = signal.signal(wanted, stop)
                    stack.callback(signal.signal, wanted, signal.SIG_DFL if before is None else before)
            yield stops

    def _target(self, environment: Mapping[str, str]) -> str:
        # The rest of the DSN is in the environment.
        return f"db:pg:{quote(environment.get('PGDATABASE', ''), safe='')}"

    def _environment(self) -> dict[str, str]:
        environment = {**os.environ, **libpq_environment(self.dsn), **self.environment}
        programs = self.program_directory or _chosen_programs()
        if programs is not None:
            environment["PATH"] = f"{programs}{os.pathsep}{environment.get('PATH', os.defpath)}"
        if self.isolated:
            environment |= {
                "SQITCH_SYSTEM_CONFIG": os.devnull,
                "SQITCH_USER_CONFIG": os.devnull,
                "SQITCH_FULLNAME": "pg-tenancy",
                "SQITCH_EMAIL": "pg-tenancy@localhost",
            }
        elif "SQITCH_FULLNAME" not in environment and not self._has_name(environment):
            # sqitch records who deployed, and fails without a name.
            environment["SQITCH_FULLNAME"] = getpass.getuser()
        return environment

    def _without_time_limits(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Return the libpq options that lift timeouts set for the database or the role.

        Scripts lift them for themselves, but sqitch's own session also waits in a transaction while a script runs.
        """
        names = ["statement_timeout", "idle_in_transaction_session_timeout", "transaction_timeout"]
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            rows = connection.execute(
                "SELECT s.name FROM unnest(%s::text[]) AS s (name) WHERE current_setting(s.name, true) <> '0'", [names]
            ).fetchall()
        # Usually none, because some poolers reject options.
        options = [environment.get("PGOPTIONS", ""), *(f"-c {name}=0" for (name,) in rows)]
        return {"PGOPTIONS": " ".join(options).strip()} if rows else {}

    def _has_name(self, environment: Mapping[str, str]) -> bool:
        try:
            if pwd.getpwuid(os.getuid()).pw_gecos.split(",")[0]:
                return True
        except KeyError:
            pass
        asked = subprocess.run(
            [find_sqitch(), "config", "--get", "user.name"],
            cwd=self.project,
            env=environment,
            capture_output=True,
            text=True,
        )
        return asked.returncode == 0 and bool(asked.stdout.strip())
