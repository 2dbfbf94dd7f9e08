"""The cost of the client: a transaction in a workspace, compared with one without.

Each transaction has one query by key. The plain way uses the driver: a pooled connection,
BEGIN, the query with the tenant in its WHERE, COMMIT, as a login that bypasses row-level
security. Client and server share one core and the two ways take turns, so that other load
affects both.

One ratio is of elapsed time, the other of the CPU time of client and server, which depends
less on other load. The added CPU time is divided into the server's, which enters the
workspace and evaluates policies, and the client's.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack
from typing import Any, TypeVar

import asyncpg  # type: ignore[import-untyped, unused-ignore]
from psycopg_pool import AsyncConnectionPool, ConnectionPool

import pg_tenancy
import pg_tenancy.aio
import pg_tenancy.asyncpg
from bench.platform import LOGIN, PLAIN_LOGIN, Platform, Tenant, platform
from bench.timing import Libpq, Times, compare, pin
from support.proxy import Proxy

_QUERY = "SELECT status, gpu_profile FROM public.instances WHERE id = {}"
_PLAIN = f"{_QUERY} AND workspace_id = {{}}"
_ENTER = "SELECT tenancy.enter($1::uuid, $2::uuid)"

T = TypeVar("T")
Row = tuple[str, Times]
Way = Callable[[], object]

# Transactions before the other way takes its turn.
_BLOCK = 10


def _server(on: Platform, tenant: Tenant, turns: int) -> Iterator[Row]:
    """Measure only the server, through libpq in one round trip."""
    plain, protected = Libpq(on.server.dsn(user=PLAIN_LOGIN)), Libpq(on.server.dsn(user=LOGIN))
    ids = itertools.cycle(tenant.instances)
    identity = (tenant.owner, tenant.organization)

    def nothing() -> None:
        plain.pipeline(("BEGIN", ()), ("COMMIT", ()))

    def enter() -> None:
        protected.pipeline(("BEGIN", ()), (_ENTER, identity), ("COMMIT", ()))

    def query() -> None:
        text = _PLAIN.format("$1::uuid", "$2::uuid")
        plain.pipeline(("BEGIN", ()), (text, (next(ids), tenant.organization)), ("COMMIT", ()))

    def entered() -> None:
        text = _QUERY.format("$1::uuid")
        protected.pipeline(("BEGIN", ()), (_ENTER, identity), (text, (next(ids),)), ("COMMIT", ()))

    pids = (plain.pid, protected.pid)
    yield "the server: enter()", compare(nothing, enter, pids=pids, turns=turns)
    yield "the server: enter() and the query", compare(query, entered, pids=pids, turns=turns)
    plain.close()
    protected.close()


def _psycopg(dsns: tuple[str, str], tenant: Tenant, turns: int) -> Iterator[Row]:
    ids = itertools.cycle(tenant.instances)
    query, plain_query = _QUERY.format("%s").encode(), _PLAIN.format("%s", "%s").encode()
    entry: Any = {"user_id": tenant.owner, "organization_id": tenant.organization}
    with ExitStack() as stack:
        plain, pool = (stack.enter_context(ConnectionPool(dsn, min_size=1, max_size=1, open=False)) for dsn in dsns)
        pids = []
        for each in (plain, pool):
            with each.connection() as conn:
                pids.append(conn.info.backend_pid)

        def without() -> None:
            for _ in range(_BLOCK):
                with plain.connection() as conn:
                    conn.execute(plain_query, [next(ids), tenant.organization]).fetchall()

        def block() -> None:
            for _ in range(_BLOCK):
                with pg_tenancy.workspace(pool, **entry) as ws:
                    ws.fetch_all(query, [next(ids)])

        def fetch_all() -> None:
            for _ in range(_BLOCK):
                pg_tenancy.fetch_all(pool, query, [next(ids)], **entry)

        yield from _ways("psycopg", without, fetch_all, block, (pids[0], pids[1]), turns)


def _async_psycopg(dsns: tuple[str, str], tenant: Tenant, turns: int) -> Iterator[Row]:
    ids = itertools.cycle(tenant.instances)
    query, plain_query = _QUERY.format("%s").encode(), _PLAIN.format("%s", "%s").encode()
    entry: Any = {"user_id": tenant.owner, "organization_id": tenant.organization}

    async def opened(dsn: str) -> tuple[AsyncConnectionPool[Any], int]:
        pool = AsyncConnectionPool(dsn, min_size=1, max_size=1, open=False)
        await pool.open()
        async with pool.connection() as conn:
            return pool, conn.info.backend_pid

    with _Loop() as loop:
        (plain, plain_pid), (pool, pid) = (loop.run(opened(dsn)) for dsn in dsns)

        async def without() -> None:
            async with plain.connection() as conn:
                await (await conn.execute(plain_query, [next(ids), tenant.organization])).fetchall()

        async def block() -> None:
            async with pg_tenancy.aio.workspace(pool, **entry) as ws:
                await ws.fetch_all(query, [next(ids)])

        async def fetch_all() -> None:
            await pg_tenancy.aio.fetch_all(pool, query, [next(ids)], **entry)

        ways = (loop.often(way) for way in (without, fetch_all, block))
        yield from _ways("async psycopg", *ways, (plain_pid, pid), turns)
        for each in (plain, pool):
            loop.run(each.close())


def _asyncpg(dsns: tuple[str, str], tenant: Tenant, turns: int) -> Iterator[Row]:
    ids = itertools.cycle(tenant.instances)
    query: Any = _QUERY.format("$1")
    plain_query = _PLAIN.format("$1", "$2")
    entry: Any = {"user_id": tenant.owner, "organization_id": tenant.organization}

    async def opened(dsn: str) -> tuple[Any, int]:
        pool = await asyncpg.create_pool(dsn, min_size=1, max_size=1)
        return pool, await pool.fetchval("SELECT pg_backend_pid()")

    with _Loop() as loop:
        (plain, plain_pid), (pool, pid) = (loop.run(opened(dsn)) for dsn in dsns)

        async def without() -> None:
            async with plain.acquire() as conn, conn.transaction():
                await conn.fetch(plain_query, next(ids), tenant.organization)

        async def block() -> None:
            async with pg_tenancy.asyncpg.workspace(pool, **entry) as ws:
                await ws.fetch_all(query, [next(ids)])

        async def fetch_all() -> None:
            await pg_tenancy.asyncpg.fetch_all(pool, query, [next(ids)], **entry)

        ways = (loop.often(way) for way in (without, fetch_all, block))
        yield from _ways("asyncpg", *ways, (plain_pid, pid), turns)
        for each in (plain, pool):
            loop.run(each.close())


class _Loop:
    """An event loop that runs a block of transactions at a time."""

    def __enter__(self) -> _Loop:
        self._loop = asyncio.new_event_loop()
        return self

    def __exit__(self, *raised: object) -> None:
        self._loop.close()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self._loop.run_until_complete(coroutine)

    def often(self, way: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
        """Return a function that awaits the way ``_BLOCK`` times."""

        async def all_of_them() -> None:
            for _ in range(_BLOCK):
                await way()

        return lambda: self.run(all_of_them())


def _ways(name: str, without: Way, fetch_all: Way, block: Way, pids: tuple[int, int], turns: int) -> Iterator[Row]:
    """Compare the ways into a workspace with the plain way, ``_BLOCK`` transactions each."""
    for pid in pids:
        pin(pid)
    for what, way in (("fetch_all()", fetch_all), ("a block", block)):
        times = compare(without, way, pids=pids, turns=turns, block=1)
        yield f"{name}: {what}", times.over(_BLOCK)


def _print(name: str, times: Times) -> None:
    print(
        f"{name:36}{times.plain:8.0f}{times.protected:7.0f}{times.ratio:7.2f}{times.ratio_both:11.2f}"
        f"{times.added_cpu:14.0f}{times.added_client:8.0f}",
        flush=True,
    )


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(prog="bench client", description=__doc__)
    parser.add_argument("--turns", type=int, default=200, help=f"blocks of {_BLOCK} transactions of each (default 200)")
    parser.add_argument("--far", type=float, default=1.0, help="milliseconds to the distant server (default 1)")
    arguments = parser.parse_args()

    pinned = pin()
    with platform(tenants=10, rows=100) as on:
        tenant = on.named["small"]
        where = "one core" if pinned else "not pinned"
        print(f"PostgreSQL {on.server.version}, {where}; medians in microseconds a transaction")
        print(f"{'':36}{'without':>8}{'with':>7}{'ratio':>7}{'processor':>11}{'added: server':>14}{'client':>8}")
        dsns = (on.server.dsn(user=PLAIN_LOGIN), on.server.dsn(user=LOGIN))
        for row in _server(on, tenant, arguments.turns):
            _print(*row)
        for driver in (_psycopg, _async_psycopg, _asyncpg):
            for row in driver(dsns, tenant, arguments.turns):
                _print(*row)
        with ExitStack() as stack:
            # The proxies run in this process, so only elapsed time is meaningful here.
            proxies = [stack.enter_context(Proxy(dsn)) for dsn in dsns]
            for proxy in proxies:
                proxy.delay = arguments.far / 1000
            print(f"the server {arguments.far:g} ms away")
            for driver in (_psycopg, _async_psycopg, _asyncpg):
                for row in driver((proxies[0].dsn, proxies[1].dsn), tenant, max(arguments.turns // 20, 5)):
                    _print(*row)


if __name__ == "__main__":
    main()
