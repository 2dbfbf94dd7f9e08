"""API keys: the client's methods, and entering with a key."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import psycopg
import pytest

from pg_tenancy.errors import (
    ApiKeyError,
    InvalidArgumentError,
    NotGrantedError,
)
from pg_tenancy.results import (
    ApiKey,
    NewApiKey,
)
from support.clients import Client, active_api_key, assert_error, owner_of
from support.database import Database
from support.people import Organization
from support.server import Logins

pytestmark = pytest.mark.shared_database

Connection = psycopg.Connection[tuple[Any, ...]]


async def test_an_organization_makes_renames_and_revokes_api_keys(
    client: Client, conn: Any, acme: Organization
) -> None:
    tomorrow = datetime.now(timezone.utc) + timedelta(days=1)
    async with client.workspace(conn, **owner_of(acme)) as ws:
        first = await ws.create_api_key("first")
        assert isinstance(first, NewApiKey)
    async with client.workspace(conn, **owner_of(acme)) as ws:
        second = await ws.create_api_key("second", tomorrow)
        await ws.rename_api_key(second.id, "renamed")
        newest, oldest = await ws.api_keys()
        assert (oldest.id, oldest.expires_at, oldest.name) == (first.id, None, "first")
        assert newest == ApiKey(
            second.id,
            newest.user_id,
            acme.id,
            acme.id,
            "renamed",
            newest.key_prefix,
            created_at=newest.created_at,
            last_used_at=None,
            revoked_at=None,
            expires_at=tomorrow,
        )
        assert second.key.startswith(newest.key_prefix)
        await ws.revoke_api_key(first.id)
        await ws.revoke_api_key(first.id)
        assert {key.id: key.revoked_at is None for key in await ws.api_keys()} == {second.id: True, first.id: False}


async def test_a_person_has_api_keys_of_their_own(client: Client, conn: Any, acme: Organization) -> None:
    async with client.workspace(conn, user_id=acme.owner.id) as ws:
        new = await ws.create_api_key("mine")
        (listed,) = await ws.api_keys()
    assert (listed.id, listed.user_id, listed.organization_id) == (new.id, acme.owner.id, None)
    async with client.workspace(conn, **owner_of(acme)) as ws:
        assert await ws.api_keys() == []


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize("login", ["app", "credentialed"])
async def test_an_api_key_says_who_and_where(
    client: Client,
    database: Database,
    logins: Logins,
    conn: Any,
    acme: Organization,
    login: str,
    read_only: bool,
) -> None:
    async with client.workspace(conn, **owner_of(acme)) as ws:
        ours = await active_api_key(ws)
    async with client.workspace(conn, user_id=acme.owner.id) as ws:
        mine = (await ws.create_api_key("mine")).key
    async with client.connect(database.dsn(getattr(logins, login))) as other:
        async with client.workspace(other, api_key=ours, read_only=read_only) as ws:
            here = await ws.current()
            assert (here.kind, here.id, here.role) == ("organization", acme.id, "user")
        async with client.workspace(other, api_key=mine, read_only=read_only) as ws:
            here = await ws.current()
            assert (here.kind, here.id) == ("personal", acme.owner.id)
        rows = await client.fetch_all(other, "SELECT id FROM public.organizations", api_key=ours, read_only=read_only)
        assert [tuple(row) for row in rows] == [(acme.id,)]


@pytest.mark.parametrize("key", ["", "sk_", "not a key'; --", "é\\'"])
async def test_an_api_key_that_is_none_is_refused(client: Client, conn: Any, key: str) -> None:
    for read_only in (False, True):
        with pytest.raises(ApiKeyError) as raised:
            await client.fetch_all(conn, "SELECT 1", api_key=key, read_only=read_only)
        assert_error(raised.value, ApiKeyError, "28000", "invalid_api_key")
        assert not client.in_transaction(conn)


async def test_a_revoked_api_key_is_refused_and_not_shown(client: Client, conn: Any, acme: Organization) -> None:
    async with client.workspace(conn, **owner_of(acme)) as ws:
        new = await ws.create_api_key("ours")
        await ws.revoke_api_key(new.id)
    with pytest.raises(ApiKeyError) as raised:
        async with client.workspace(conn, api_key=new.key) as ws:
            await ws.current()
    assert_error(raised.value, ApiKeyError, "28000", "invalid_api_key")
    cause = raised.value.__cause__
    assert new.key not in f"{raised.value} {raised.value!r} {cause} {vars(cause) if cause else ''}"


async def test_the_expiry_of_an_api_key_has_a_time_zone(client: Client, conn: Any, acme: Organization) -> None:
    async with client.workspace(conn, **owner_of(acme)) as ws:
        with pytest.raises(InvalidArgumentError, match="time zone"):
            await ws.create_api_key("ours", datetime(2100, 1, 1))  # noqa: DTZ001, RUF100
        await ws.create_api_key("ours", datetime(2100, 1, 1, tzinfo=timezone.utc))


async def test_what_the_table_of_api_keys_refuses_says_what_is_allowed(
    client: Client, conn: Any, acme: Organization, admin: Connection
) -> None:
    admin.execute("REVOKE SELECT (name) ON public.api_keys FROM tenancy_credentialed")
    with pytest.raises(NotGrantedError) as raised:
        async with client.workspace(conn, **owner_of(acme)) as ws:
            await ws.api_keys()
    assert (raised.value.sqlstate, raised.value.table) == ("42501", "api_keys")
    assert "name" not in raised.value.readable
