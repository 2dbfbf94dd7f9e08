"""The client's round trips, counted by a proxy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import psycopg
import pytest

from pg_tenancy import _pipeline
from pg_tenancy.errors import NotAMemberError, NotGrantedError
from support.clients import CLIENTS, Client, active_api_key
from support.database import Database
from support.people import Organization, People
from support.proxy import Proxy
from support.server import Logins

pytestmark = pytest.mark.shared_database

QUERY = "SELECT id FROM public.organizations WHERE name = $1"


@pytest.fixture
def proxy(database: Database, logins: Logins) -> Iterator[Proxy]:
    with Proxy(database.dsn(logins.app)) as proxy:
        yield proxy


@pytest.fixture
def acme(people: People) -> Organization:
    return people.organization("Acme")


@pytest.fixture
def asyncpg_client() -> Client:
    return CLIENTS[2]


def messages(sent: bytes) -> str:
    """Return the letters of the messages that a client has sent."""
    kinds = ""
    while sent:
        kinds += chr(sent[0])
        sent = sent[1 + int.from_bytes(sent[1:5], "big") :]
    return kinds


async def test_opening_a_workspace_costs_psycopg_no_round_trip(
    proxy: Proxy, acme: Organization, psycopg_client: Client
) -> None:
    client = psycopg_client
    async with client.connect(proxy.dsn) as conn:
        with proxy.counting() as trips:
            async with client.workspace(conn, user_id=acme.owner.id, organization_id=acme.id) as ws:
                assert await ws.fetch_value(client.sql(QUERY), ["Acme"]) == acme.id
                assert trips() == 1
            assert trips() == 2  # and the COMMIT


@pytest.mark.parametrize("autocommit", [True, False])
async def test_fetch_all_is_one_round_trip_with_psycopg(
    proxy: Proxy, acme: Organization, psycopg_client: Client, autocommit: bool
) -> None:
    client = psycopg_client
    async with client.connect(proxy.dsn, autocommit=autocommit) as conn:
        # psycopg prepares frequent queries: still one.
        for _ in range(8):
            with proxy.counting() as trips:
                rows = await client.fetch_all(conn, QUERY, ["Acme"], user_id=acme.owner.id, organization_id=acme.id)
            assert rows == [(acme.id,)]
            assert trips() == 1


async def test_nothing_is_sent_behind_the_sync_that_ends_a_transaction(
    proxy: Proxy, acme: Organization, psycopg_client: Client
) -> None:
    # By then a pooler has given the backend to another client, and would keep the next one for a stray message.
    client, sent = psycopg_client, bytearray()
    async with client.connect(proxy.dsn) as conn:
        proxy.on_sent = sent.extend
        for organization, name in ((acme.id, "Acme"), (acme.owner.id, "nobody's"), (acme.id, "' error")):
            with suppress(NotAMemberError, client.error):
                query = QUERY if name == "Acme" else f"{QUERY} AND 1 / $2 = 1"
                await client.fetch_all(
                    conn,
                    query,
                    ["Acme"] if name == "Acme" else ["Acme", 0],
                    user_id=acme.owner.id,
                    organization_id=organization,
                )
        async with client.workspace(conn, user_id=acme.owner.id, organization_id=acme.id) as ws:
            await ws.fetch_value(client.sql(QUERY), ["Acme"])
        proxy.on_sent = None
    kinds = messages(bytes(sent))
    assert kinds.count("S") == 4
    assert "H" not in kinds, kinds


async def test_fetch_all_sends_entering_and_the_statement_and_nothing_else(
    proxy: Proxy, acme: Organization, psycopg_client: Client
) -> None:
    client, sent = psycopg_client, bytearray()
    entry: dict[str, Any] = {"user_id": acme.owner.id, "organization_id": acme.id}
    async with client.connect(proxy.dsn, prepare_threshold=0) as conn:
        await client.fetch_all(conn, QUERY, ["Acme"], **entry)
        proxy.on_sent = sent.extend
        assert await client.fetch_all(conn, QUERY, ["Acme"], **entry) == [(acme.id,)]
        assert messages(bytes(sent)) == "BDE" * 2 + "S"
        # Where something is chosen, only a BEGIN can say it, and a command could end what has none.
        for query, params, options, begin in (
            (QUERY, ["Acme"], {"isolation_level": "serializable"}, b"BEGIN ISOLATION LEVEL SERIALIZABLE\0"),
            ("/* a query? */ DO 'BEGIN END'", [], {}, b"BEGIN\0"),
        ):
            sent.clear()
            await client.fetch_all(conn, query, params, **entry, **options)
            assert begin in sent
        proxy.on_sent = None


async def test_fetch_all_sends_a_commit_through_a_libpq_that_needs_one(
    proxy: Proxy, acme: Organization, psycopg_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With 16.0, a deferred constraint that failed left an IndexError and answers to nobody."""
    monkeypatch.setattr(_pipeline, "_LIBPQ_COUNTS", False)
    client, sent = psycopg_client, bytearray()
    async with client.connect(proxy.dsn, prepare_threshold=0) as conn:
        for _ in range(2):
            proxy.on_sent = sent.extend
            rows = await client.fetch_all(conn, QUERY, ["Acme"], user_id=acme.owner.id, organization_id=acme.id)
            proxy.on_sent = None
            assert rows == [(acme.id,)]
        assert messages(bytes(sent)).endswith("BDE" * 4 + "S")
        assert not client.in_transaction(conn)


async def test_fetch_all_through_a_pool_is_one_round_trip_with_psycopg(
    proxy: Proxy, acme: Organization, psycopg_client: Client
) -> None:
    client = psycopg_client
    async with client.pool(proxy.dsn) as pool:
        async with client.taken(pool):
            pass  # the pool is connected
        with proxy.counting() as trips:
            await client.fetch_all(pool, QUERY, ["Acme"], user_id=acme.owner.id, organization_id=acme.id)
        assert trips() == 1


async def test_a_timeout_costs_no_round_trip(proxy: Proxy, acme: Organization, psycopg_client: Client) -> None:
    client = psycopg_client
    async with client.connect(proxy.dsn) as conn:
        with proxy.counting() as trips:
            rows = await client.fetch_all(
                conn,
                "SHOW statement_timeout",
                user_id=acme.owner.id,
                organization_id=acme.id,
                statement_timeout=5,
                isolation_level="serializable",
            )
        assert (rows, trips()) == ([("5s",)], 1)


@pytest.mark.parametrize("client", CLIENTS, ids=repr)
async def test_a_block_without_a_statement_sends_nothing(proxy: Proxy, acme: Organization, client: Client) -> None:
    async with client.connect(proxy.dsn) as conn:
        with proxy.counting() as trips:
            async with client.workspace(conn, user_id=acme.owner.id):
                pass
        assert trips() == 0


async def test_a_workspace_takes_no_more_round_trips_than_a_transaction_of_asyncpg(
    proxy: Proxy, acme: Organization, asyncpg_client: Client
) -> None:
    client = asyncpg_client
    async with client.connect(proxy.dsn) as conn:
        with proxy.counting() as plain_trips:
            async with conn.transaction():
                await conn.fetch("SELECT $1::text", "plain")
            plain = plain_trips()
        with proxy.counting() as trips:
            async with client.workspace(conn, user_id=acme.owner.id, organization_id=acme.id) as ws:
                await ws.fetch_all("SELECT $1::text", ["a workspace"])
            assert trips() <= plain
        # asyncpg keeps the query prepared, and does not prepare ours.
        with proxy.counting() as trips:
            await client.fetch_all(conn, "SELECT $1::text", ["again"], user_id=acme.owner.id)
        assert trips() == 3


@pytest.mark.parametrize("client", CLIENTS, ids=repr)
async def test_a_refused_user_costs_one_more_to_roll_back(proxy: Proxy, acme: Organization, client: Client) -> None:
    async with client.connect(proxy.dsn) as conn:
        with proxy.counting() as trips, pytest.raises(NotAMemberError):
            async with client.workspace(conn, user_id=acme.id) as ws:
                await ws.execute("SELECT 1")
        # The server sends an error immediately, so the client may see it before it has sent the rest.
        assert trips() in {2, 3}
        with proxy.counting() as trips, pytest.raises(NotAMemberError):
            await client.fetch_all(conn, "SELECT 1", user_id=acme.id)
        # One trip of psycopg's is a transaction, of which nothing is left to roll back.
        assert trips() in ({2, 3} if client.name == "asyncpg" else {1, 2})


@pytest.mark.parametrize("client", CLIENTS, ids=repr)
async def test_an_api_key_costs_asyncpg_one_round_trip_more(proxy: Proxy, acme: Organization, client: Client) -> None:
    """It is sent as a parameter, not in the script."""
    async with client.connect(proxy.dsn) as conn:
        async with client.workspace(conn, user_id=acme.owner.id, organization_id=acme.id) as ws:
            key = await active_api_key(ws)
        await client.fetch_all(conn, QUERY, ["Acme"], api_key=key)  # and prepares
        with proxy.counting() as trips:
            rows = await client.fetch_all(conn, QUERY, ["Acme"], api_key=key)
        assert [tuple(row) for row in rows] == [(acme.id,)]
        assert trips() == (4 if client.name == "asyncpg" else 1)


async def _fetch_all(client: Client, conn: Any, entry: dict[str, Any]) -> None:
    await client.fetch_all(conn, "SELECT $1", ["Acme", "one too many"], **entry)


async def _block(client: Client, conn: Any, entry: dict[str, Any]) -> None:
    async with client.workspace(conn, **entry) as ws:
        await ws.execute("SELECT %s", ["Acme", "one too many"])


USES = {"fetch_all": _fetch_all, "workspace": _block}


@pytest.mark.parametrize("way", USES)
async def test_a_statement_that_cannot_be_made_is_found_before_anything_is_sent(
    proxy: Proxy, acme: Organization, psycopg_client: Client, way: str
) -> None:
    client, entry = psycopg_client, {"user_id": acme.owner.id, "organization_id": acme.id}
    async with client.connect(proxy.dsn, autocommit=False) as conn:
        with proxy.counting() as trips:
            for _ in range(8):  # more often than psycopg needs to prepare
                with pytest.raises(psycopg.ProgrammingError):
                    await USES[way](client, conn, entry)
            assert trips() == 0
        assert not client.in_transaction(conn)
        assert conn.autocommit is False
        rows = await client.fetch_all(conn, QUERY, ["Acme"], **entry)
        assert rows == [(acme.id,)]


async def test_entering_is_prepared_like_any_other_statement(
    dsn: str, acme: Organization, psycopg_client: Client
) -> None:
    client = psycopg_client
    entry: dict[str, Any] = {"user_id": acme.owner.id, "organization_id": acme.id}
    prepared = "SELECT statement FROM pg_catalog.pg_prepared_statements WHERE starts_with(statement, 'SELECT tenancy.')"
    for threshold, expected in ((2, ["SELECT tenancy.enter($1::uuid, $2::uuid)"]), (None, [])):
        async with client.connect(dsn, prepare_threshold=threshold) as conn:
            # Also after a rollback, when psycopg forgets prepared statements.
            for _ in range(3):
                for _ in range(5):
                    assert await client.fetch_all(conn, QUERY, ["Acme"], **entry) == [(acme.id,)]
                rows = await client.query(conn, prepared)
                assert [statement for (statement,) in rows] == expected
                with pytest.raises(client.error):
                    await client.fetch_all(conn, "SELECT 1 / 0", **entry)


async def test_a_statement_that_was_skipped_is_not_taken_for_prepared(
    dsn: str, acme: Organization, psycopg_client: Client
) -> None:
    client = psycopg_client
    for often in range(4):
        async with client.connect(dsn, prepare_threshold=2) as conn:
            for who in [acme.owner.id] * often + [acme.id, acme.owner.id]:
                with suppress(NotAMemberError):
                    rows = await client.fetch_all(conn, QUERY, ["Acme"], user_id=who, organization_id=acme.id)
                    assert rows == [(acme.id,)]


async def test_statements_that_make_room_for_others_travel_along(
    proxy: Proxy, acme: Organization, psycopg_client: Client
) -> None:
    client, entry = psycopg_client, {"user_id": acme.owner.id, "organization_id": acme.id}
    async with client.connect(proxy.dsn, prepare_threshold=0) as conn:
        conn.prepared_max = 2
        for turn in range(12):
            with proxy.counting() as trips:
                rows = await client.fetch_all(conn, f"{QUERY} AND {turn % 4} >= 0", ["Acme"], **entry)
            assert (rows, trips()) == ([(acme.id,)], 1)
        (row,) = await client.query(conn, "SELECT count(*) FROM pg_catalog.pg_prepared_statements")
        assert row[0] <= 5


async def test_copy_cannot_be_the_first_statement_and_a_pool_goes_on(
    dsn: str, acme: Organization, psycopg_client: Client
) -> None:
    client = psycopg_client
    entry: dict[str, Any] = {"user_id": acme.owner.id, "organization_id": acme.id}
    async with client.pool(dsn) as pool:
        refusals: dict[str, type[Exception]] = {
            "COPY (SELECT 1) TO STDOUT": psycopg.Error,
            "COPY public.organizations FROM STDIN": NotGrantedError,
        }
        for copy, refusal in refusals.items():
            with pytest.raises(refusal):
                await client.fetch_all(pool, copy, user_id=acme.owner.id)
            with pytest.raises(refusal):
                async with client.workspace(pool, **entry) as ws:
                    await ws.execute(copy)
            assert await client.fetch_all(pool, QUERY, ["Acme"], **entry) == [(acme.id,)]
    async with client.connect(dsn) as conn:
        with pytest.raises(psycopg.NotSupportedError):
            await client.fetch_all(conn, "COPY (SELECT 1) TO STDOUT", user_id=acme.owner.id)
        assert conn.closed
