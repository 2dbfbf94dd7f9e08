"""A real PgBouncer in transaction mode, where every transaction may have another backend."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlencode

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

__all__ = ["NOT_PREPARED", "PREPARED", "PgBouncer", "find_pgbouncer", "need_pgbouncer", "pgbouncer"]

# PgBouncer 1.18 does not follow prepared statements from backend to backend.
NOT_PREPARED: dict[str, dict[str, Any]] = {
    "psycopg": {"prepare_threshold": None},
    "psycopg-async": {"prepare_threshold": None},
    "asyncpg": {"statement_cache_size": 0},
}
# From their second use on; asyncpg prepares every statement.
PREPARED: dict[str, dict[str, Any]] = {
    "psycopg": {"prepare_threshold": 1},
    "psycopg-async": {"prepare_threshold": 1},
    "asyncpg": {},
}
# 1.21 followed them first, but not the DEALLOCATE ALL that psycopg sends after a rollback.
FOLLOWS = (1, 22)
# A newer one than the machine's, which ./dev unpacks with that release's libraries and their loader.
NEWER = Path(sys.prefix) / "pgbouncer"


@dataclass(frozen=True)
class PgBouncer:
    """An installed PgBouncer.

    Args:
        path: the program, or the directory that has it with its libraries.

    """

    path: Path

    def command(self, path: Path | None = None) -> list[str]:
        """Return the beginning of its command line, possibly of a copy at another place."""
        path = path or self.path
        if not path.is_dir():
            return [str(path)]
        return [str(next(path.glob("ld-linux*"))), "--library-path", str(path), str(path / "pgbouncer")]

    @property
    def version(self) -> tuple[int, ...]:
        """Return its version, such as ``(1, 18, 0)``."""
        said = subprocess.run([*self.command(), "--version"], check=True, capture_output=True, text=True).stdout
        found = re.match(r"PgBouncer ([\d.]+)", said)
        assert found is not None, said
        return tuple(map(int, found[1].split(".")))

    def __str__(self) -> str:
        return ".".join(map(str, self.version))

    def copy(self, directory: Path) -> list[str]:
        """Copy it, and return the beginning of the copy's command line."""
        place = directory / "program"
        if self.path.is_dir():
            shutil.copytree(self.path, place)
        else:
            shutil.copy(self.path, place)
        return self.command(place)


@cache
def find_pgbouncer(*, prepared: bool = False) -> PgBouncer | None:
    """Return the machine's PgBouncer, or with ``prepared`` one that follows prepared statements; None without one."""
    own = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    found = [PgBouncer(Path(own))] if own else []
    if not prepared:
        return found[0] if found else None
    if NEWER.is_dir():
        found.append(PgBouncer(NEWER))
    return next((program for program in found if program.version >= FOLLOWS), None)


def need_pgbouncer(*, prepared: bool = False) -> PgBouncer:
    """Return that PgBouncer; without one, fail the test in CI, and skip it elsewhere."""
    program = find_pgbouncer(prepared=prepared)
    if program is None:
        refuse: Callable[[str], NoReturn] = pytest.fail if os.environ.get("CI") else pytest.skip
        refuse(
            "no PgBouncer that follows prepared statements is installed" if prepared else "PgBouncer is not installed"
        )
    return program


@contextmanager
def pgbouncer(program: PgBouncer, dsn: str, *, backends: int, statements: int | None = None) -> Iterator[str]:
    """Run PgBouncer in front of a database, and yield the URI by which clients connect.

    Args:
        program: which one.
        dsn: the database's own, with the login.
        backends: how many connections it has to the server, for however many clients.
        statements: ``max_prepared_statements``, by default its own default.

    Raises:
        RuntimeError: it does not answer; the message ends with its log.

    """
    server = {key: str(value) for key, value in conninfo_to_dict(dsn).items()}
    host = server.get("host", "localhost")
    # PgBouncer does not run as root, and only the server's owner may be able to use its socket.
    owner = os.stat(host) if host.startswith("/") else None
    account: dict[str, Any] = {}
    if os.geteuid() == 0 and owner is not None:
        account = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}
    with tempfile.TemporaryDirectory(prefix="pgb") as name:
        directory = Path(name)
        (directory / "users").write_text(f'"{server["user"]}" "{server.get("password", "")}"\n')
        (directory / "ini").write_text(
            "[databases]\n"
            f"{server['dbname']} = host={host} port={server.get('port', 5432)}\n"
            "[pgbouncer]\n"
            f"listen_addr =\nunix_socket_dir = {directory}\n"
            f"auth_type = trust\nauth_file = {directory}/users\nadmin_users = {server['user']}\n"
            f"pool_mode = transaction\ndefault_pool_size = {backends}\nmax_client_conn = 1000\n"
            # PgBouncer's own remedy for leftovers in sessions must not be needed.
            "server_reset_query =\n"
            # Otherwise it waits for 15 seconds after a backend has failed to connect.
            "server_login_retry = 1\n"
            "log_connections = 0\nlog_disconnections = 0\n"
            + ("" if statements is None else f"max_prepared_statements = {statements}\n")
        )
        command = program.command()
        if account:
            # That account may not be able to read the directory with the unpacked program.
            command = program.copy(directory)
            for path in (directory, directory / "users", directory / "ini"):
                os.chown(path, account["user"], account["group"])
        log = directory / "log"
        with log.open("wb") as stderr:
            process = subprocess.Popen([*command, str(directory / "ini")], stderr=stderr, **account)
        through = f"postgresql://{server['user']}@/{server['dbname']}?{urlencode({'host': name, 'port': 6432})}"
        try:
            _wait_until_it_answers(through, process, log)
            yield through
        finally:
            process.kill()
            process.wait(10)
            print(log.read_text(errors="replace"))  # which pytest shows of a test that fails


def _wait_until_it_answers(dsn: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(psycopg.OperationalError):
            psycopg.connect(dsn).close()
            return
        time.sleep(0.02)
    raise RuntimeError(f"pgbouncer does not answer:\n{log.read_text(errors='replace')}")
