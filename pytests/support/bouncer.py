"""A real PgBouncer in transaction mode, where every transaction may have another backend."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psycopg
from psycopg.conninfo import conninfo_to_dict

__all__ = ["NOT_PREPARED", "find_pgbouncer", "pgbouncer"]

# PgBouncer 1.18 does not follow prepared statements from backend to backend.
NOT_PREPARED: dict[str, dict[str, Any]] = {
    "psycopg": {"prepare_threshold": None},
    "psycopg-async": {"prepare_threshold": None},
    "asyncpg": {"statement_cache_size": 0},
}


def find_pgbouncer() -> str | None:
    """Return the path of the program, or None where it is not installed."""
    return shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


@contextmanager
def pgbouncer(dsn: str, *, backends: int) -> Iterator[str]:
    """Run PgBouncer in front of a database, and yield the URI by which clients connect.

    Args:
        dsn: the database's own, with the login.
        backends: how many connections it has to the server, for however many clients.

    Raises:
        RuntimeError: it is not installed, or does not answer; the message ends with its log.

    """
    program = find_pgbouncer()
    if program is None:
        raise RuntimeError("pgbouncer is not installed")
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
            f"auth_type = trust\nauth_file = {directory}/users\n"
            f"pool_mode = transaction\ndefault_pool_size = {backends}\nmax_client_conn = 1000\n"
            # PgBouncer's own remedy for leftovers in sessions must not be needed.
            "server_reset_query =\n"
            # Otherwise it waits for 15 seconds after a backend has failed to connect.
            "server_login_retry = 1\n"
            "log_connections = 0\nlog_disconnections = 0\n"
        )
        if account:
            # That account may not be able to read the directory with the unpacked program.
            program = str(shutil.copy(program, directory / "pgbouncer"))
            for path in (directory, directory / "users", directory / "ini"):
                os.chown(path, account["user"], account["group"])
        log = directory / "log"
        with log.open("wb") as stderr:
            process = subprocess.Popen([program, str(directory / "ini")], stderr=stderr, **account)
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
