"""The three variants of the Python client behind one interface, for tests of all three.

A test is written once, in asyncio and with Postgres's own placeholders. With the synchronous
psycopg the calls block, which does not matter in a test.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg  # type: ignore[import-untyped, unused-ignore]
import psycopg
from psycopg_pool import AsyncConnectionPool, ConnectionPool

import pg_tenancy
import pg_tenancy.aio
import pg_tenancy.asyncpg
from pg_tenancy import TenancyError
from pg_tenancy.results import NewInvitation
from support.people import Organization

__all__ = ["CLIENTS", "Client", "active_api_key", "assert_error", "invite", "owner_of"]


class Client:
    """One variant of the client.

    Args:
        name: ``psycopg``, ``psycopg-async`` or ``asyncpg``.
        module: where its ``workspace`` is.

    """

    def __init__(self, name: str, module: Any) -> None:
        self.name = name
        self.module = module

    def __repr__(self) -> str:
        return self.name

    @property
    def is_async(self) -> bool:
        """Return whether its tasks can be cancelled."""
        return self.name != "psycopg"

    @asynccontextmanager
    async def connect(self, dsn: str, **options: Any) -> AsyncIterator[Any]:
        """Open a connection, by default in autocommit if the driver has that."""
        if self.name == "asyncpg":
            conn = await asyncpg.connect(dsn, **options)
        elif self.name == "psycopg-async":
            conn = await psycopg.AsyncConnection.connect(dsn, **{"autocommit": True} | options)
        else:
            conn = psycopg.connect(dsn, **{"autocommit": True} | options)
        try:
            yield conn
        finally:
            await _finish(conn.close())

    @asynccontextmanager
    async def pool(self, dsn: str, size: int = 1, **options: Any) -> AsyncIterator[Any]:
        """Open a pool of this number of connections."""
        if self.name == "asyncpg":
            async with asyncpg.create_pool(dsn, min_size=size, max_size=size, **options) as pool:
                yield pool
        elif self.name == "psycopg-async":
            async with AsyncConnectionPool(dsn, min_size=size, max_size=size, open=False, kwargs=options) as async_pool:
                yield async_pool
        else:
            with ConnectionPool(dsn, min_size=size, max_size=size, open=False, kwargs=options) as sync_pool:
                yield sync_pool

    @asynccontextmanager
    async def taken(self, pool: Any) -> AsyncIterator[Any]:
        """Take a connection out of the pool, without a workspace."""
        if self.name == "asyncpg":
            async with pool.acquire() as conn:
                yield conn
        elif self.name == "psycopg-async":
            async with pool.connection() as conn:
                yield conn
        else:
            with pool.connection() as conn:
                yield conn

    def workspace(self, source: Any, **entry: Any) -> Any:
        """Return a workspace whose methods can be awaited."""
        ws = self.module.workspace(source, **entry)
        return ws if self.is_async else _Awaitable(ws, self)

    async def fetch_all(self, source: Any, query: str, params: Sequence[object] = (), **entry: Any) -> list[Any]:
        """Call the function of that name."""
        rows: list[Any] = await _finish(self.module.fetch_all(source, self.sql(query), params, **entry))
        return rows

    async def run(self, source: Any, work: Callable[..., Any], **arguments: Any) -> Any:
        """Call the function of that name, with a coroutine function."""
        if self.is_async:
            return await self.module.run(source, work, **arguments)
        # The coroutine awaits only blocking calls, so it ends at once.
        return self.module.run(source, lambda ws: _drive(work(_Awaitable(ws, self))), **arguments)

    async def peek_invitation(self, source: Any, token: str) -> Any:
        """Call the function of that name."""
        return await _finish(self.module.peek_invitation(source, token))

    async def accept_invitation(self, source: Any, token: str, **account: str) -> Any:
        """Call the function of that name."""
        return await _finish(self.module.accept_invitation(source, token, **account))

    async def sign_up(self, source: Any, email: str | None, **account: str) -> Any:
        """Call the function of that name."""
        return await _finish(self.module.sign_up(source, email, **account))

    async def start_session(self, source: Any, **arguments: Any) -> Any:
        """Call the function of that name."""
        return await _finish(self.module.start_session(source, **arguments))

    async def switch_session(self, source: Any, token: str, organization_id: Any = None) -> None:
        """Call the function of that name."""
        await _finish(self.module.switch_session(source, token, organization_id))

    async def end_session(self, source: Any, token: str) -> None:
        """Call the function of that name."""
        await _finish(self.module.end_session(source, token))

    async def query(self, conn: Any, query: str, params: Sequence[object] = ()) -> list[Any]:
        """Run a query on a connection outside a workspace."""
        if self.name == "asyncpg":
            return list(await conn.fetch(query, *params))
        cursor = await _finish(conn.execute(self.sql(query), params))
        rows: list[Any] = await _finish(cursor.fetchall())
        return rows

    async def send(self, conn: Any, script: str) -> None:
        """Run a script without parameters on a connection outside a workspace."""
        await _finish(conn.execute(script))

    def transaction(self, conn: Any) -> Any:
        """Return the driver's own transaction, which is a savepoint in a workspace."""
        transaction = conn.transaction()
        return transaction if self.is_async else _Awaitable(transaction, self)

    def in_transaction(self, conn: Any) -> bool:
        """Return whether the connection is in a transaction."""
        if self.name == "asyncpg":
            return bool(conn.is_in_transaction())
        return bool(conn.info.transaction_status != psycopg.pq.TransactionStatus.IDLE)

    def sql(self, text: str) -> Any:
        """Return the text with the placeholders of this driver."""
        return text if self.name == "asyncpg" else re.sub(r"\$\d", "%s", text)

    @property
    def error(self) -> type[Exception]:
        """Return the base class of the driver's errors from the server."""
        return asyncpg.PostgresError if self.name == "asyncpg" else psycopg.Error

    @property
    def lost(self) -> tuple[type[Exception], ...]:
        """Return the driver's exceptions for a lost connection."""
        if self.name == "asyncpg":
            return (asyncpg.PostgresError, asyncpg.InterfaceError, OSError)
        return (psycopg.OperationalError,)


def owner_of(organization: Organization) -> dict[str, UUID]:
    """Return the arguments with which an organization's owner enters it."""
    return {"user_id": organization.owner.id, "organization_id": organization.id}


async def invite(client: Client, conn: Any, organization: Organization, email: str, **how: Any) -> NewInvitation:
    """Invite somebody as the organization's owner."""
    async with client.workspace(conn, **owner_of(organization)) as ws:
        invitation: NewInvitation = await ws.invite_member(email, **how)
    return invitation


async def active_api_key(ws: Any) -> str:
    """Create a key in the current organization, and activate it."""
    new = await ws.create_api_key("ours")
    for aspect in ("tech", "eco"):
        await ws.activate("api_key", new.id, aspect)
    return str(new.key)


def assert_error(error: TenancyError, expected: type[TenancyError], sqlstate: str, constraint: str) -> None:
    """Check that an error of the database became the right exception."""
    assert type(error) is expected
    assert (error.sqlstate, error.constraint) == (sqlstate, constraint)
    assert error.message
    assert error.hint
    assert str(error) == f"{error.message}\nHINT: {error.hint}"
    assert isinstance(error.__cause__, Exception)
    assert not isinstance(error, psycopg.Error)


class _Awaitable:
    """Makes blocking methods look like coroutine functions."""

    def __init__(self, wrapped: Any, client: Client) -> None:
        self._wrapped = wrapped
        self._client = client

    def __getattr__(self, name: str) -> Any:
        async def call(*arguments: Any, **options: Any) -> Any:
            return getattr(self._wrapped, name)(*arguments, **options)

        return call

    async def __aenter__(self) -> Any:
        entered = self._wrapped.__enter__()
        return self if entered is self._wrapped else entered

    async def __aexit__(self, *raised: Any) -> Any:
        return self._wrapped.__exit__(*raised)


async def _finish(result: Any) -> Any:
    """Await the value if it is awaitable."""
    return await result if inspect.isawaitable(result) else result


def _drive(coroutine: Any) -> Any:
    """Run a coroutine that never waits."""
    try:
        coroutine.send(None)
    except StopIteration as stopped:
        return stopped.value
    raise AssertionError("the coroutine waited for something")


CLIENTS = (
    Client("psycopg", pg_tenancy),
    Client("psycopg-async", pg_tenancy.aio),
    Client("asyncpg", pg_tenancy.asyncpg),
)
