"""Behind a real PgBouncer in transaction mode, where every transaction may have another backend."""

# ruff: noqa: PT012  (the whole block of a workspace is what raises)

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from support.clients import Client
from support.database import Database
from support.people import Organization, People
from support.server import Logins

MINE = "SELECT id FROM public.organizations"
# PgBouncer 1.18 does not follow prepared statements from backend to backend.
NOT_PREPARED: dict[str, dict[str, Any]] = {
    "psycopg": {"prepare_threshold": None},
    "psycopg-async": {"prepare_threshold": None},
    "asyncpg": {"statement_cache_size": 0},
}


@pytest.fixture
def acme(people: People) -> Organization:
    return people.organization("Acme")


@pytest.fixture
def bouncer(database: Database, logins: Logins) -> Iterator[str]:
    """Return the URI of the test's database through a PgBouncer that has one backend for all."""
    program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        pytest.skip("pgbouncer is not installed")
    server = {key: str(value) for key, value in conninfo_to_dict(database.dsn(logins.app)).items()}
    host = server.get("host", "localhost")
    # PgBouncer does not run as root, and the server's socket may be its owner's alone.
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
            "pool_mode = transaction\ndefault_pool_size = 1\n"
            # Its own cure for sessions that leave something behind, which is not to be needed.
            "server_reset_query =\n"
            # After a backend that could not be had it would try no other for 15 seconds.
            "server_login_retry = 1\n"
        )
        if account:
            # That account may not be able to read where the program was unpacked.
            program = str(shutil.copy(program, directory / "pgbouncer"))
            for path in (directory, directory / "users", directory / "ini"):
                os.chown(path, account["user"], account["group"])
        log = directory / "log"
        with log.open("wb") as stderr:
            process = subprocess.Popen([program, str(directory / "ini")], stderr=stderr, **account)
        dsn = f"postgresql://{server['user']}@/{server['dbname']}?{urlencode({'host': name, 'port': 6432})}"
        try:
            _wait_until_it_answers(dsn, process, log)
            yield dsn
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
    pytest.fail(f"pgbouncer does not answer:\n{log.read_text(errors='replace')}")


async def backend_of(client: Client, conn: Any) -> int:
    """Check that the backend has no context, and return its process id."""
    rows = await client.query(
        conn,
        "SELECT pg_catalog.pg_backend_pid(), coalesce(current_setting('tenancy.context', true), '')"
        " || coalesce(current_setting('tenancy.current_user_id', true), '')",
    )
    pid, context = rows[0]
    assert context == ""
    with pytest.raises(client.error) as refused:
        await client.query(conn, MINE)
    fields: Any = getattr(refused.value, "diag", refused.value)
    assert fields.constraint_name == "no_context"
    return int(pid)


async def test_who_gets_the_backend_next_has_no_context(client: Client, bouncer: str, acme: Organization) -> None:
    options = NOT_PREPARED[client.name]
    entry: dict[str, Any] = {"user_id": acme.owner.id, "organization_id": acme.id}
    async with client.connect(bouncer, **options) as conn, client.connect(bouncer, **options) as next_one:
        for _ in range(3):
            async with client.workspace(conn, **entry) as ws:
                pid = await ws.fetch_value("SELECT pg_catalog.pg_backend_pid()")
                assert [row[0] for row in await ws.fetch_all(MINE)] == [acme.id]
            assert await backend_of(client, next_one) == pid
            rows = await client.fetch_all(conn, MINE, **entry)
            assert [row[0] for row in rows] == [acme.id]
            assert await backend_of(client, next_one) == pid
            with pytest.raises(client.error):
                async with client.workspace(conn, **entry) as ws:
                    await ws.execute("SELECT 1 / 0")
            assert await backend_of(client, next_one) == pid
            with pytest.raises(client.error):
                await client.fetch_all(conn, "SELECT 1 / 0", **entry)
            assert await backend_of(client, next_one) == pid


async def test_who_comes_after_a_client_that_vanished_has_no_context(
    client: Client, bouncer: str, acme: Organization
) -> None:
    options = NOT_PREPARED[client.name]
    async with client.connect(bouncer, **options) as next_one:
        with pytest.raises(client.lost):
            async with (
                client.connect(bouncer, **options) as conn,
                client.workspace(conn, user_id=acme.owner.id, organization_id=acme.id) as ws,
            ):
                assert await ws.fetch_value(MINE) == acme.id
                if client.name == "asyncpg":
                    conn.terminate()
                else:
                    conn.pgconn.finish()
                await ws.fetch_value(MINE)
        await backend_of(client, next_one)


async def test_clients_that_share_a_backend_see_each_their_own_rows(
    client: Client, bouncer: str, people: People
) -> None:
    options = NOT_PREPARED[client.name]
    organizations = [people.organization() for _ in range(3)]
    async with client.pool(bouncer, size=2, **options) as pool:
        for _ in range(5):
            for mine in organizations:
                entry: dict[str, Any] = {"user_id": mine.owner.id, "organization_id": mine.id}
                async with client.workspace(pool, **entry) as ws:
                    assert [row[0] for row in await ws.fetch_all(MINE)] == [mine.id]
                rows = await client.fetch_all(pool, MINE, **entry)
                assert [row[0] for row in rows] == [mine.id]
