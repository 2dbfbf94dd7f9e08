"""Behind a real PgBouncer in transaction mode, where every transaction may have another backend."""

# ruff: noqa: PT012  (the whole block of a workspace is what raises)

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from support.bouncer import NOT_PREPARED, PREPARED, need_pgbouncer, pgbouncer
from support.bouncing import bounce
from support.clients import CLIENTS, Client, owner_of
from support.database import Database
from support.people import Organization, People
from support.racing import SLEEP, killing_who_sleeps
from support.server import Logins, Server

MINE = "SELECT id FROM public.organizations"


@pytest.fixture
def acme(people: People) -> Organization:
    return people.organization("Acme")


@pytest.fixture(params=[False, True], ids=["unprepared", "prepared"])
def prepared(request: pytest.FixtureRequest) -> bool:
    """Return in turn whether the drivers prepare statements, through a PgBouncer that follows them."""
    return bool(request.param)


@pytest.fixture
def options(client: Client, prepared: bool) -> dict[str, Any]:
    """Return the arguments of the client's connections."""
    return (PREPARED if prepared else NOT_PREPARED)[client.name]


@pytest.fixture
def bouncer(prepared: bool, database: Database, logins: Logins) -> Iterator[str]:
    """Return the URI of the test's database through a PgBouncer that has one backend for all."""
    with pgbouncer(need_pgbouncer(prepared=prepared), database.dsn(logins.app), backends=1) as dsn:
        yield dsn


def _entry(organization: Organization) -> dict[str, Any]:
    return dict(owner_of(organization))


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


async def test_the_next_client_of_a_backend_has_no_context(
    client: Client, options: dict[str, Any], bouncer: str, acme: Organization
) -> None:
    entry = _entry(acme)
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
    client: Client, options: dict[str, Any], bouncer: str, acme: Organization, admin: psycopg.Connection[Any]
) -> None:
    entry = _entry(acme)
    async with client.pool(bouncer, **options) as pool:
        with killing_who_sleeps(admin), pytest.raises(client.lost):
            await client.fetch_all(pool, SLEEP, **entry)
        assert [row[0] for row in await client.fetch_all(pool, MINE, **entry)] == [acme.id]


async def test_the_next_client_after_one_that_vanished_has_no_context(
    client: Client, options: dict[str, Any], bouncer: str, acme: Organization
) -> None:
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
    client: Client, options: dict[str, Any], bouncer: str, people: People
) -> None:
    organizations = [people.organization() for _ in range(3)]
    async with client.pool(bouncer, size=2, **options) as pool:
        for _ in range(5):
            for mine in organizations:
                entry = _entry(mine)
                async with client.workspace(pool, **entry) as ws:
                    assert [row[0] for row in await ws.fetch_all(MINE)] == [mine.id]
                rows = await client.fetch_all(pool, MINE, **entry)
                assert [row[0] for row in rows] == [mine.id]


async def test_a_connection_that_forgot_its_prepared_statements_can_prepare_others(
    psycopg_client: Client, database: Database, logins: Logins, acme: Organization
) -> None:
    client, entry = psycopg_client, _entry(acme)
    with pgbouncer(need_pgbouncer(prepared=True), database.dsn(logins.app), backends=1) as dsn:
        async with client.connect(dsn, prepare_threshold=0) as conn:
            for _ in range(2):
                assert [row[0] for row in await client.fetch_all(conn, MINE, **entry)] == [acme.id]
                # Then psycopg drops all of them, before the next statement.
                async with client.workspace(conn, **entry) as ws:
                    await ws.execute("DROP TABLE IF EXISTS pg_temp.nothing")


async def test_a_statement_whose_result_changed_fails_for_everybody_until_pgbouncer_reconnects(
    database: Database, logins: Logins, acme: Organization, admin: psycopg.Connection[Any]
) -> None:
    client = CLIENTS[2]
    admin.execute("CREATE TABLE public.notes (a integer); GRANT SELECT ON public.notes TO PUBLIC")
    admin.execute("INSERT INTO public.notes VALUES (1)")
    notes, entry = "SELECT * FROM public.notes", _entry(acme)
    with pgbouncer(need_pgbouncer(prepared=True), database.dsn(logins.app), backends=1) as dsn:
        async with client.connect(dsn) as conn, client.connect(dsn) as other:
            assert [tuple(row) for row in await client.fetch_all(conn, notes, **entry)] == [(1,)]
            admin.execute("ALTER TABLE public.notes ADD COLUMN b integer")
            for each in (conn, other, conn, other):
                with pytest.raises(client.error, match="plan"):
                    await client.fetch_all(each, notes, **entry)
            # In words that nobody has prepared it works.
            rows = await client.fetch_all(other, f"{notes} AS n", **entry)
            assert [tuple(row) for row in rows] == [(1, None)]
            console = make_conninfo(dsn, dbname="pgbouncer")
            with psycopg.connect(console, autocommit=True, prepare_threshold=None) as pgbouncer_itself:
                pgbouncer_itself.execute("RECONNECT")
            for each in (conn, other, conn, other):
                assert [tuple(row) for row in await client.fetch_all(each, notes, **entry)] == [(1, None)]


async def test_a_pgbouncer_that_keeps_no_prepared_statements_mixes_them_up_but_not_workspaces(
    psycopg_client: Client, database: Database, logins: Logins, people: People
) -> None:
    client, ours, theirs = psycopg_client, people.organization("Ours"), people.organization("Theirs")
    program = need_pgbouncer(prepared=True)
    with pgbouncer(program, database.dsn(logins.app), backends=2, statements=0) as dsn, ExitStack() as stack:
        holders = [stack.enter_context(psycopg.connect(dsn, prepare_threshold=None)) for _ in range(2)]
        # Each holds a backend until it ends its transaction.
        for holder in holders:
            holder.execute("SELECT")

        async def ask(conn: Any, name: str, organization: Organization, backend: int) -> Any:
            holders[backend].rollback()
            query = f"SELECT '{name}', id FROM public.organizations"  # noqa: S608
            rows = await client.fetch_all(conn, query, **_entry(organization))
            holders[backend].execute("SELECT")
            return [tuple(row) for row in rows]

        async with (
            client.connect(dsn, prepare_threshold=0) as conn,
            client.connect(dsn, prepare_threshold=0) as other,
        ):
            assert await ask(conn, "ours", ours, 0) == [("ours", ours.id)]
            assert await ask(other, "theirs", theirs, 1) == [("theirs", theirs.id)]
            assert await ask(other, "theirs", theirs, 0) == [("ours", theirs.id)]


def test_many_people_share_few_backends_and_never_a_workspace(server: Server, prepared: bool) -> None:
    # A backend keeps fewer prepared statements than there are different ones.
    found = bounce(
        server, need_pgbouncer(prepared=prepared), 500, seed=1, prepared=prepared, statements=10 if prepared else None
    )
    assert found.breaches == []
    clients = ("psycopg", "asyncpg", "SQLAlchemy, asyncpg", "SQLAlchemy, psycopg")
    assert all(found.done[f"{client}: well"] > 50 for client in clients), found.done
    assert sum(count for kind, count in found.done.items() if kind.endswith("no workspace")) > 0
