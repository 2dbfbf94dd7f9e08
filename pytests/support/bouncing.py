"""Many people's transactions over few backends: ``./dev prove --transactions 1000000``.

A real PgBouncer in transaction mode stands between the clients and the server. People work in their
workspaces with psycopg, asyncpg and SQLAlchemy at once, and each transaction must see only its own
workspace. Meanwhile statements fail, time out and are cancelled, backends are killed, and queries
outside of any workspace must be refused.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import asyncpg  # type: ignore[import-untyped, unused-ignore]
import psycopg
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from pg_tenancy import aio
from pg_tenancy import asyncpg as over_asyncpg
from pg_tenancy.context import workspace_context
from pg_tenancy.errors import NoContextError
from pg_tenancy.sqlalchemy import enter_workspaces
from support.bouncer import NOT_PREPARED, PREPARED, PgBouncer, find_pgbouncer, pgbouncer
from support.database import Database
from support.people import People
from support.proving import proving
from support.server import Server

__all__ = ["Found", "bounce", "main"]

BACKENDS = 4
TASKS = 32
# A key's name is the id of the workspace that it belongs to.
LOOK = (
    "SELECT tenancy.current_user_id(), tenancy.current_organization_id(),"
    " (SELECT coalesce(string_agg(DISTINCT k.name, ' '), '') FROM public.api_keys AS k)"
)
# Types that asyncpg does not know, and asks for, on each connection.
TYPES = "CREATE TYPE public.how AS ENUM ('well', 'badly'); CREATE TYPE public.seen AS (names text, how public.how)"
LOOK_AT_TYPES = (
    f"SELECT look.*, ARRAY[ROW(names, 'well')::public.seen] FROM ({LOOK}) AS look (person, organization, names)"  # noqa: S608
)
# Different statements are more than drivers and PgBouncer keep prepared.
STATEMENTS = 300
# Through PgBouncer, psycopg and asyncpg may report it as an internal error.
_LOST = (
    psycopg.OperationalError,
    psycopg.InternalError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    DBAPIError,
)
# Accidents of transactions, and their number per thousand.
ACCIDENTS = {"error": 10, "timeout": 4, "cancelled": 6, "no workspace": 20}


@dataclass(frozen=True)
class Place:
    """A workspace that somebody may enter."""

    user: UUID
    organization: UUID | None

    @property
    def entry(self) -> dict[str, Any]:
        """Return the arguments that enter it."""
        return {"user_id": self.user, "organization_id": self.organization}

    def is_what(self, row: Any) -> bool:
        """Return whether a transaction saw only this workspace."""
        name = str(self.organization or self.user)
        return tuple(row) in (
            (self.user, self.organization, name),
            (self.user, self.organization, name, [(name, "well")]),
        )


@dataclass(frozen=True)
class Found:
    """The numbers of transactions by kind, and each that saw another workspace."""

    done: Counter[str]
    breaches: list[str]


def _fill(database: Database) -> list[Place]:
    places = []
    with database.connect(autocommit=True) as admin:
        admin.execute(TYPES)
        people = People(admin)
        users = [people.user() for _ in range(30)]
        for number in range(20):
            members = random.Random(number).sample(users, 4)
            organization = people.organization(owner=members[0], admin=members[1], manager=members[2], user=members[3])
            places += [Place(member.id, organization.id) for member in members]
        places += [Place(user.id, None) for user in users]
        for place in {place.organization or place.user: place for place in places}.values():
            admin.execute(
                "INSERT INTO public.api_keys (user_id, organization_id, name, key_prefix, key_hash)"
                " VALUES (%s, %s, %s, %s, 'x')",
                [place.user, place.organization, str(place.organization or place.user), uuid4().hex[:12]],
            )
    return places


class Bouncing:
    """The clients and their results.

    Args:
        dsn: the database's, through PgBouncer.
        places: the workspaces.
        transactions: their number.
        choose: the source of random choices.
        prepared: whether drivers prepare statements.

    """

    def __init__(
        self, dsn: str, places: list[Place], transactions: int, choose: random.Random, *, prepared: bool
    ) -> None:
        self._dsn, self._places, self._left, self._choose = dsn, places, transactions, choose
        self._prepared = prepared
        self.found = Found(Counter(), [])

    async def run(self) -> None:
        """Run all transactions."""
        options = PREPARED if self._prepared else NOT_PREPARED
        async with AsyncExitStack() as stack:
            pool = await stack.enter_async_context(
                AsyncConnectionPool(self._dsn, min_size=8, max_size=8, open=False, kwargs=options["psycopg"])
            )
            other = await stack.enter_async_context(
                asyncpg.create_pool(self._dsn, min_size=8, max_size=8, **options["asyncpg"])
            )
            clients: list[_Client] = [_Psycopg(pool), _Asyncpg(other)]
            for driver in ("asyncpg", "psycopg"):
                engine = _engine(self._dsn, driver, prepared=self._prepared)
                stack.push_async_callback(engine.dispose)
                clients.append(_SqlAlchemy(engine, driver))
            began = time.monotonic()
            await asyncio.gather(*(self._work(clients) for _ in range(TASKS)))
            self.found.done["seconds"] = round(time.monotonic() - began)

    async def _work(self, clients: list[_Client]) -> None:
        while self._left > 0:
            self._left -= 1
            client, place = self._choose.choice(clients), self._choose.choice(self._places)
            kind = self._kind()
            try:
                await self._do(client, place, kind)
                self.found.done[f"{client.name}: {kind}"] += 1
            except _LOST as error:
                if "prepared statement" in str(error):
                    raise
                # Its backend was killed.
                self.found.done[f"{client.name}: lost"] += 1

    def _kind(self) -> str:
        drawn = self._choose.randrange(1000)
        for kind, often in ACCIDENTS.items():
            drawn -= often
            if drawn < 0:
                return kind
        return "well"

    def _statement(self) -> str:
        # Half of the time the same one, so that it is prepared soon.
        return f"-- {max(0, self._choose.randrange(-STATEMENTS, STATEMENTS))}\n"

    async def _do(self, client: _Client, place: Place, kind: str) -> None:
        if kind == "no workspace":
            with suppress(NoContextError):
                row = await client.outside()
                self.found.breaches.append(f"{client.name} in no workspace saw {row}")
            return
        if kind == "cancelled":
            task = asyncio.create_task(client.look(place, self._statement(), "SELECT pg_sleep(1)"))
            await asyncio.sleep(self._choose.uniform(0, 0.02))
            task.cancel()
            with suppress(asyncio.CancelledError):
                # Python before 3.12 may lose a cancellation.
                if not place.is_what(row := await task):
                    self.found.breaches.append(f"{client.name} in {place} saw {tuple(row)}")
            return
        spoils = {"error": "SELECT 1 / 0", "timeout": "SET LOCAL statement_timeout = 3; SELECT pg_sleep(1)"}
        try:
            row = await client.look(
                place, self._statement(), *spoils.get(kind, "").split("; ") if kind in spoils else ()
            )
        except (psycopg.DataError, psycopg.errors.QueryCanceled, asyncpg.DataError, asyncpg.QueryCanceledError):
            return
        except DBAPIError as error:
            if "division by zero" in str(error) or "statement timeout" in str(error):
                return
            raise
        if not place.is_what(row):
            self.found.breaches.append(f"{client.name} in {place} saw {tuple(row)}")


class _Client:
    name: str

    async def look(self, place: Place, statement: str, *spoiling: str) -> Any:
        """Return what somebody sees in a workspace, possibly after an accident in the transaction.

        Args:
            place: the workspace.
            statement: the beginning of the statement, a comment.
            spoiling: the accident's statements.

        """
        raise NotImplementedError

    async def outside(self) -> Any:
        """Return what is seen in no workspace."""
        raise NotImplementedError


class _Psycopg(_Client):
    name = "psycopg"

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    async def look(self, place: Place, statement: str, *spoiling: str) -> Any:
        async with aio.workspace(self._pool, **place.entry) as ws:
            for each in spoiling:
                await ws.execute(each)
            return (await ws.fetch_all(statement + LOOK))[0]

    async def outside(self) -> Any:
        async with self._pool.connection() as conn:
            return await _translated(lambda: conn.execute(LOOK))


class _Asyncpg(_Client):
    name = "asyncpg"

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    async def look(self, place: Place, statement: str, *spoiling: str) -> Any:
        async with over_asyncpg.workspace(self._pool, **place.entry) as ws:
            for each in spoiling:
                await ws.execute(each)
            return (await ws.fetch_all(statement + LOOK_AT_TYPES))[0]

    async def outside(self) -> Any:
        async with self._pool.acquire() as conn:
            return await _translated(lambda: conn.fetch(LOOK))


class _SqlAlchemy(_Client):
    def __init__(self, engine: AsyncEngine, driver: str) -> None:
        self.name = f"SQLAlchemy, {driver}"
        self._engine = enter_workspaces(engine)

    async def look(self, place: Place, statement: str, *spoiling: str) -> Any:
        with workspace_context(**place.entry):
            async with self._engine.begin() as conn:
                for each in spoiling:
                    await conn.execute(text(each))
                return (await conn.execute(text(statement + LOOK))).one()

    async def outside(self) -> Any:
        async with self._engine.begin() as conn:
            return (await conn.execute(text(LOOK))).one()


def _engine(dsn: str, driver: str, *, prepared: bool) -> AsyncEngine:
    arguments: dict[str, Any] = {}
    if driver == "psycopg":
        arguments = PREPARED[driver] if prepared else NOT_PREPARED[driver]
    elif not prepared:
        arguments = {
            "statement_cache_size": 0,
            "prepared_statement_cache_size": 0,
            # Unique names: the next transaction may have a backend that already has a statement of that
            # name.
            "prepared_statement_name_func": lambda: f"__asyncpg_{uuid4()}__",
        }
    return create_async_engine(
        dsn.replace("postgresql://", f"postgresql+{driver}://"), pool_size=8, max_overflow=0, connect_args=arguments
    )


async def _translated(ask: Callable[[], Awaitable[Any]]) -> Any:
    try:
        return await ask()
    except (psycopg.Error, asyncpg.PostgresError) as error:
        fields: Any = getattr(error, "diag", error)
        if fields.constraint_name == "no_context":
            raise NoContextError(str(error)) from error
        raise


async def _kill(database: Database, choose: random.Random, found: Found) -> None:
    """Kill one of the backends now and then, as the server's DBA."""
    admin = await psycopg.AsyncConnection.connect(database.dsn(), autocommit=True)
    async with admin:
        while True:
            await asyncio.sleep(choose.uniform(0.2, 2))
            cursor = await admin.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid() ORDER BY random() LIMIT 1) AS a"
            )
            found.done["killed"] += (await cursor.fetchone() or (0,))[0]


def bounce(
    server: Server, program: PgBouncer, transactions: int, seed: int, *, prepared: bool, statements: int | None = None
) -> Found:
    """Run this number of transactions, and return the result.

    Args:
        server: the server of the new database.
        program: the PgBouncer.
        transactions: how many.
        seed: the seed of random choices.
        prepared: whether drivers prepare statements.
        statements: how many prepared statements PgBouncer keeps for each backend, by default its default.

    """
    choose = random.Random(seed)
    login = server.logins().app
    database = server.create(server.template())
    places = _fill(database)
    with pgbouncer(program, database.dsn(login), backends=BACKENDS, statements=statements) as dsn:
        bouncing = Bouncing(dsn, places, transactions, choose, prepared=prepared)

        async def run() -> None:
            killing = asyncio.create_task(_kill(database, choose, bouncing.found))
            try:
                await bouncing.run()
            finally:
                killing.cancel()
                with suppress(asyncio.CancelledError):
                    await killing

        asyncio.run(run())
    server.drop(database.name)
    return bouncing.found


def main(arguments: list[str]) -> int:
    """Run with these arguments; return the exit status."""
    failed = False
    with proving("transactions", __doc__, 1_000_000, arguments) as (transactions, seed, server):
        for prepared in (False, True):
            program = find_pgbouncer(prepared=prepared)
            if program is None:
                raise RuntimeError("a PgBouncer is missing")
            print(f"PgBouncer {program}, {'with' if prepared else 'without'} prepared statements", flush=True)
            found = bounce(server, program, transactions, seed, prepared=prepared)
            for kind, count in sorted(found.done.items()):
                print(f"{count:>10,} {kind}")
            print(f"{len(found.breaches):>10,} in another's workspace", *found.breaches[:10], sep="\n", flush=True)
            failed = failed or bool(found.breaches)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
