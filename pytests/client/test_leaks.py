"""However a workspace ends, the next user of the connection has no context."""

# ruff: noqa: PT012  (the whole block of a workspace is what raises)

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, suppress
from typing import Any

import psycopg
import pytest
from psycopg_pool import ConnectionPool

from pg_tenancy import fetch_all, workspace
from pg_tenancy.errors import TransactionAbortedError, TransactionEndedError
from support.clients import CLIENTS, Client, active_api_key
from support.people import Organization, People
from support.proxy import Proxy
from support.racing import SLEEP, killing_who_sleeps

pytestmark = pytest.mark.shared_database

Connection = psycopg.Connection[tuple[Any, ...]]

VARIABLES = (
    "SELECT coalesce(current_setting('tenancy.current_user_id', true), '')"
    " || coalesce(current_setting('tenancy.current_organization_id', true), '')"
    " || coalesce(current_setting('tenancy.context', true), '')"
)
MINE = "SELECT id FROM public.organizations"


@pytest.fixture
def acme(people: People) -> Organization:
    return people.organization("Acme")


async def assert_no_context(client: Client, conn: Any) -> None:
    assert not client.in_transaction(conn)
    assert [tuple(row) for row in await client.query(conn, VARIABLES)] == [("",)]
    with pytest.raises(client.error) as refused:
        await client.query(conn, MINE)
    fields: Any = getattr(refused.value, "diag", refused.value)
    assert fields.constraint_name == "no_context"


async def assert_clean(client: Client, pool: Any) -> None:
    """Act as the next user of a pool of one connection."""
    async with client.taken(pool) as conn:
        if client.name != "asyncpg":
            assert conn.autocommit is False  # as the pool gave it
        await assert_no_context(client, conn)


@asynccontextmanager
async def entered(client: Client, pool: Any, acme: Organization, **options: Any) -> AsyncIterator[Any]:
    async with client.workspace(pool, user_id=acme.owner.id, organization_id=acme.id, **options) as ws:
        assert await ws.fetch_value(MINE) == acme.id
        yield ws


async def test_after_a_return(client: Client, dsn: str, acme: Organization) -> None:
    async with client.pool(dsn) as pool:
        async with entered(client, pool, acme):
            pass
        await assert_clean(client, pool)


async def test_after_fetch_all(client: Client, dsn: str, acme: Organization) -> None:
    async with client.pool(dsn) as pool:
        await client.fetch_all(pool, MINE, user_id=acme.owner.id, organization_id=acme.id)
        await assert_clean(client, pool)


async def test_after_an_exception_of_the_application(client: Client, dsn: str, acme: Organization) -> None:
    async with client.pool(dsn) as pool:
        with pytest.raises(ZeroDivisionError):
            async with entered(client, pool, acme):
                raise ZeroDivisionError
        await assert_clean(client, pool)


async def test_after_an_exception_of_a_statement(client: Client, dsn: str, acme: Organization) -> None:
    async with client.pool(dsn) as pool:
        with pytest.raises(client.error):
            async with entered(client, pool, acme) as ws:
                await ws.execute("SELECT 1 / 0")
        with pytest.raises(client.error):
            await client.fetch_all(pool, "SELECT 1 / 0", user_id=acme.owner.id, organization_id=acme.id)
        await assert_clean(client, pool)


async def test_after_an_exception_that_the_block_kept_to_itself(client: Client, dsn: str, acme: Organization) -> None:
    async with client.pool(dsn) as pool:
        with pytest.raises(TransactionAbortedError):
            async with entered(client, pool, acme) as ws:
                with suppress(client.error):
                    await ws.execute("SELECT 1 / 0")
        await assert_clean(client, pool)


@pytest.mark.parametrize("command", ["COMMIT", "ROLLBACK"])
async def test_after_a_block_that_ended_its_own_transaction(
    client: Client, dsn: str, acme: Organization, command: str
) -> None:
    async with client.pool(dsn) as pool:
        with pytest.raises(TransactionEndedError):
            async with entered(client, pool, acme) as ws:
                await ws.execute(command)
        await assert_clean(client, pool)


async def test_after_a_fetch_all_that_ended_or_began_a_transaction(
    client: Client, dsn: str, acme: Organization
) -> None:
    entry: dict[str, Any] = {"user_id": acme.owner.id, "organization_id": acme.id}
    async with client.pool(dsn) as pool:
        for command in ("COMMIT", "ROLLBACK", "BEGIN"):
            with suppress(TransactionEndedError):
                assert await client.fetch_all(pool, command, **entry) == []
            await assert_clean(client, pool)


@pytest.mark.shared_database(False)
async def test_a_statement_does_not_end_the_transaction_of_fetch_all_and_go_on(
    client: Client, dsn: str, acme: Organization, admin: Connection
) -> None:
    admin.execute("CREATE PROCEDURE public.finish() LANGUAGE plpgsql AS 'BEGIN COMMIT; END'")
    async with client.pool(dsn) as pool:
        for statement in ("CALL public.finish()", "; -- SELECT\nCALL public.finish()", "DO 'BEGIN COMMIT; END'"):
            with pytest.raises(client.error) as raised:
                await client.fetch_all(pool, statement, user_id=acme.owner.id, organization_id=acme.id)
            assert getattr(raised.value, "sqlstate", None) == "2D000"
            await assert_clean(client, pool)


async def test_after_a_statement_timeout(client: Client, dsn: str, acme: Organization) -> None:
    async with client.pool(dsn) as pool:
        with pytest.raises(client.error) as stopped:
            async with entered(client, pool, acme, statement_timeout=0.05) as ws:
                await ws.execute("SELECT pg_catalog.pg_sleep(60)")
        assert getattr(stopped.value, "sqlstate", None) == "57014"
        await assert_clean(client, pool)


async def test_after_the_backend_was_terminated(
    client: Client, dsn: str, acme: Organization, admin: Connection
) -> None:
    async with client.pool(dsn) as pool:
        with pytest.raises(client.lost):
            async with entered(client, pool, acme) as ws:
                pid = await ws.fetch_value("SELECT pg_catalog.pg_backend_pid()")
                admin.execute("SELECT pg_terminate_backend(%s, 10000)", [pid])
                await ws.execute("SELECT 1")
        await assert_clean(client, pool)


async def test_after_the_backend_was_terminated_in_the_first_statement(
    client: Client, dsn: str, acme: Organization, admin: Connection
) -> None:
    async with client.pool(dsn) as pool:
        with killing_who_sleeps(admin), pytest.raises(client.lost):
            async with entered(client, pool, acme) as ws:
                await ws.fetch_all(SLEEP)
        await assert_clean(client, pool)


async def test_after_the_backend_was_terminated_before_the_commit(
    client: Client, dsn: str, acme: Organization, admin: Connection
) -> None:
    async with client.pool(dsn) as pool:
        with pytest.raises(client.lost):
            async with entered(client, pool, acme) as ws:
                pid = await ws.fetch_value("SELECT pg_catalog.pg_backend_pid()")
                admin.execute("SELECT pg_terminate_backend(%s, 10000)", [pid])
        await assert_clean(client, pool)


@pytest.mark.parametrize("answer", [1, 2, 3])
async def test_after_the_connection_was_cut(client: Client, dsn: str, acme: Organization, answer: int) -> None:
    """Instead of the response to entering, to a statement, and to the COMMIT."""
    with Proxy(dsn) as proxy:
        async with client.pool(proxy.dsn) as pool:
            async with client.taken(pool):
                pass
            if client.name == "asyncpg":
                answer += 1  # which prepares the statement besides
            with pytest.raises(client.lost):
                async with client.workspace(pool, user_id=acme.owner.id, organization_id=acme.id) as ws:
                    proxy.cut_instead_of_answer(answer)
                    await ws.execute(MINE)
                    await ws.execute(MINE)
            await assert_clean(client, pool)


class CancelAt:
    """Awaits a coroutine, and cancels the task at some of its waits.

    Args:
        coroutine: what is awaited.
        points: the numbers of these points, from 1.

    """

    def __init__(self, coroutine: Awaitable[object], *points: int) -> None:
        self._coroutine = coroutine
        self._points = points
        self.passed = 0

    def __await__(self) -> Generator[Any, Any, object]:
        inner = self._coroutine.__await__()
        step: Callable[[Any], Any] = inner.send
        argument: Any = None
        while True:
            try:
                future = step(argument)
            except StopIteration as stopped:
                return stopped.value
            self.passed += 1
            if self.passed in self._points:
                task = asyncio.current_task()
                assert task is not None
                # Through the loop, as another task would do it.
                asyncio.get_running_loop().call_soon(task.cancel)
            try:
                argument = yield future
                step = inner.send
            except BaseException as error:
                step, argument = inner.throw, error


async def cancelled_at(coroutine: Awaitable[object], *points: int) -> int:
    """Run a coroutine in a separate task, and return how often it waited."""
    cancelling = CancelAt(coroutine, *points)

    async def task() -> object:
        return await cancelling

    with suppress(asyncio.CancelledError):
        await asyncio.create_task(task())
    return cancelling.passed


WAYS = ["workspace", "fetch_all", "api_key"]


async def entry_of(client: Client, dsn: str, acme: Organization, way: str) -> dict[str, Any]:
    """Return the keywords with which a person enters the organization."""
    entry: dict[str, Any] = {"user_id": acme.owner.id, "organization_id": acme.id}
    if way != "api_key":
        return entry
    async with client.connect(dsn) as conn, client.workspace(conn, **entry) as ws:
        return {"api_key": await active_api_key(ws)}


async def use(client: Client, source: Any, entry: dict[str, Any], way: str) -> None:
    """Use a workspace in several ways."""
    if way == "fetch_all":
        await client.fetch_all(source, MINE, **entry)
        return
    async with client.workspace(source, **entry) as ws:
        await ws.fetch_value(MINE)
        async with client.transaction(await ws.connection()):
            await ws.execute("SELECT pg_catalog.pg_sleep(0.001)")


# A cancelled run may wait a few times more.
MORE = 5


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("times", [1, 2], ids=["once", "twice"])
async def test_a_pool_after_a_cancellation_at_every_point(
    async_client: Client, dsn: str, acme: Organization, way: str, times: int
) -> None:
    client, entry = async_client, await entry_of(async_client, dsn, acme, way)
    async with client.pool(dsn) as pool:
        points = await cancelled_at(use(client, pool, entry, way))
        assert points > 1
        for point in range(1, points + MORE):
            await cancelled_at(use(client, pool, entry, way), *range(point, point + times))
            await assert_clean(client, pool)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("times", [1, 2], ids=["once", "twice"])
async def test_a_connection_after_a_cancellation_at_every_point(
    async_client: Client, dsn: str, acme: Organization, way: str, times: int
) -> None:
    client, entry = async_client, await entry_of(async_client, dsn, acme, way)
    survived = 0
    async with client.connect(dsn) as conn:
        points = await cancelled_at(use(client, conn, entry, way))
    for point in range(1, points + MORE):
        async with client.connect(dsn) as conn:
            await cancelled_at(use(client, conn, entry, way), *range(point, point + times))
            if conn.is_closed() if client.name == "asyncpg" else conn.closed:
                continue
            if client.name != "asyncpg":
                assert conn.autocommit is True
            await assert_no_context(client, conn)
            survived += 1
    if times == 1:
        assert survived > points / 2, "a connection is closed only where its state is not known"


async def test_after_a_timeout_of_asyncio(async_client: Client, dsn: str, acme: Organization) -> None:
    client = async_client

    async def work(pool: Any) -> None:
        async with entered(client, pool, acme) as ws:
            await ws.execute("SELECT pg_catalog.pg_sleep(60)")

    async with client.pool(dsn) as pool:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(work(pool), 0.2)
        await assert_clean(client, pool)


async def test_after_a_timeout_that_the_block_kept_to_itself(
    async_client: Client, dsn: str, acme: Organization
) -> None:
    client = async_client
    async with client.pool(dsn) as pool:
        with pytest.raises(TransactionAbortedError):
            async with entered(client, pool, acme) as ws:
                with suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(ws.execute("SELECT pg_catalog.pg_sleep(60)"), 0.1)
        await assert_clean(client, pool)


async def test_after_a_cancelled_opening_that_the_block_kept_to_itself(
    async_client: Client, dsn: str, acme: Organization
) -> None:
    client = async_client
    async with client.pool(dsn) as pool:
        for _ in range(5):
            # The server may have been faster, which is fine.
            with suppress(TransactionAbortedError):
                async with client.workspace(pool, user_id=acme.owner.id, organization_id=acme.id) as ws:
                    await cancelled_at(ws.execute(MINE), 1)
            await assert_clean(client, pool)


@pytest.mark.parametrize("way", ["workspace", "api_key"])
async def test_a_block_does_not_go_on_without_its_workspace_after_a_cancelled_opening(
    async_client: Client, dsn: str, acme: Organization, way: str
) -> None:
    """A statement without protected tables would run for a person who was refused."""
    client, entry = async_client, await entry_of(async_client, dsn, acme, way)
    async with client.pool(dsn) as pool:
        for first in ("open", "execute"):
            for point in range(1, 5 + MORE):
                with suppress(TransactionAbortedError, client.error):
                    async with client.workspace(pool, **entry) as ws:
                        await cancelled_at(ws.open() if first == "open" else ws.execute("SELECT 1"), point)
                        for _ in range(2):
                            assert await ws.fetch_value(VARIABLES), (first, point)
                await assert_clean(client, pool)


async def test_a_pool_gets_its_connection_back_from_a_task_that_is_cancelled_meanwhile(
    dsn: str, acme: Organization
) -> None:
    client, opened, leave = CLIENTS[1], asyncio.Event(), asyncio.Event()
    conn: Any = None

    async def work(pool: Any) -> None:
        nonlocal conn
        async with entered(client, pool, acme) as ws:
            conn = await ws.connection()
            opened.set()
            await leave.wait()

    async with client.pool(dsn) as pool:
        task = asyncio.create_task(work(pool))
        await opened.wait()
        async with pool._lock:  # so that giving back has to wait
            leave.set()
            while client.in_transaction(conn):
                await asyncio.sleep(0.001)
            for _ in range(10):
                await asyncio.sleep(0)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await asyncio.wait_for(assert_clean(client, pool), 10)


async def test_after_control_c(dsn: str, acme: Organization) -> None:
    client = CLIENTS[0]
    sent = threading.Event()

    def interrupt(data: bytes) -> None:
        if b"pg_sleep" in data and not sent.is_set():
            sent.set()
            os.kill(os.getpid(), signal.SIGINT)

    with Proxy(dsn) as proxy:
        proxy.on_sent = interrupt
        async with client.pool(proxy.dsn) as pool:
            # Caught here, because pytest-asyncio's runner handles SIGINT itself.
            before = signal.signal(signal.SIGINT, signal.default_int_handler)
            try:
                with pytest.raises(KeyboardInterrupt):
                    async with entered(client, pool, acme) as ws:
                        await ws.execute("SELECT pg_catalog.pg_sleep(60)")
            finally:
                signal.signal(signal.SIGINT, before)
            assert sent.is_set()
            await assert_clean(client, pool)


async def test_a_connection_of_the_application_is_left_as_it_was(client: Client, dsn: str, acme: Organization) -> None:
    async with client.connect(dsn) as conn:
        async with entered(client, conn, acme):
            assert client.in_transaction(conn)
        await assert_no_context(client, conn)
        with pytest.raises(ZeroDivisionError):
            async with entered(client, conn, acme):
                raise ZeroDivisionError
        await assert_no_context(client, conn)


async def test_after_a_savepoint_that_was_left_open(dsn: str, acme: Organization) -> None:
    """With one, psycopg refuses to end the transaction, so the connection must be closed."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        savepoint = conn.transaction()
        with (
            pytest.raises(psycopg.ProgrammingError),
            workspace(conn, user_id=acme.owner.id, organization_id=acme.id) as ws,
        ):
            ws.connection()
            savepoint.__enter__()
        assert conn.closed
        savepoint.__exit__(None, None, None)


async def test_tasks_that_share_a_pool_see_each_their_own_rows(async_client: Client, dsn: str, people: People) -> None:
    client = async_client
    organizations = [people.organization() for _ in range(4)]

    async def work(pool: Any, mine: Organization) -> None:
        for turn in range(15):
            with suppress(ZeroDivisionError):
                async with client.workspace(pool, user_id=mine.owner.id, organization_id=mine.id) as ws:
                    assert await ws.fetch_value(MINE) == mine.id
                    await asyncio.sleep(0)
                    assert [row[0] for row in await ws.fetch_all(MINE)] == [mine.id]
                    if turn % 3 == 0:
                        raise ZeroDivisionError

    async with client.pool(dsn, size=2) as pool:
        await asyncio.gather(*(work(pool, organization) for organization in organizations))


def test_threads_that_share_a_pool_see_each_their_own_rows(dsn: str, people: People) -> None:
    organizations = [people.organization() for _ in range(4)]
    seen: dict[Organization, set[Any]] = {organization: set() for organization in organizations}

    def work(pool: Any, mine: Organization) -> None:
        for _ in range(15):
            with workspace(pool, user_id=mine.owner.id, organization_id=mine.id) as ws:
                seen[mine].update(ws.fetch_all(MINE))
            seen[mine].update(fetch_all(pool, MINE, user_id=mine.owner.id, organization_id=mine.id))

    with ConnectionPool(dsn, min_size=2, max_size=2, open=False) as pool:
        threads = [threading.Thread(target=work, args=(pool, organization)) for organization in organizations]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert seen == {organization: {(organization.id,)} for organization in organizations}
