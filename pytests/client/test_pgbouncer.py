"""Behind a real PgBouncer in transaction mode, where every transaction may have another backend."""

# ruff: noqa: PT012  (the whole block of a workspace is what raises)

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from support.bouncer import NOT_PREPARED, find_pgbouncer, pgbouncer
from support.bouncing import bounce
from support.clients import Client
from support.database import Database
from support.people import Organization, People
from support.racing import SLEEP, killing_who_sleeps
from support.server import Logins, Server

MINE = "SELECT id FROM public.organizations"


@pytest.fixture
def acme(people: People) -> Organization:
    return people.organization("Acme")


@pytest.fixture
def bouncer(database: Database, logins: Logins) -> Iterator[str]:
    """Return the URI of the test's database through a PgBouncer that has one backend for all."""
    if find_pgbouncer() is None:
        pytest.skip("pgbouncer is not installed")
    with pgbouncer(database.dsn(logins.app), backends=1) as dsn:
        yield dsn


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


async def test_the_next_client_of_a_backend_has_no_context(client: Client, bouncer: str, acme: Organization) -> None:
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


async def test_a_backend_that_ends_in_the_first_statement_is_a_lost_connection(
    client: Client, bouncer: str, acme: Organization, admin: psycopg.Connection[Any]
) -> None:
    entry: dict[str, Any] = {"user_id": acme.owner.id, "organization_id": acme.id}
    async with client.pool(bouncer, **NOT_PREPARED[client.name]) as pool:
        with killing_who_sleeps(admin), pytest.raises(client.lost):
            await client.fetch_all(pool, SLEEP, **entry)
        assert [row[0] for row in await client.fetch_all(pool, MINE, **entry)] == [acme.id]


async def test_the_next_client_after_one_that_vanished_has_no_context(
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


def test_many_people_share_few_backends_and_never_a_workspace(server: Server) -> None:
    if find_pgbouncer() is None:
        pytest.skip("pgbouncer is not installed")
    found = bounce(server, 400, seed=1)
    assert found.breaches == []
    assert all(found.done[f"{client}: well"] > 50 for client in ("psycopg", "asyncpg", "SQLAlchemy")), found.done
    assert sum(count for kind, count in found.done.items() if kind.endswith("no workspace")) > 0
