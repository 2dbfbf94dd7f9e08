"""Invitations: the client's methods, and pools and connections after them."""

# ruff: noqa: PT012  (the whole block of a workspace is what raises)

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from pg_tenancy.errors import (
    ConnectionNotIdleError,
    EmailAmbiguousError,
    EmailTakenError,
    InvalidArgumentError,
    InvitationError,
)
from pg_tenancy.results import (
    AcceptedInvitation,
    Invitation,
    InvitationPreview,
)
from support.clients import Client, assert_error, invite, owner_of
from support.people import Organization, People
from support.proxy import Proxy

pytestmark = pytest.mark.shared_database

Connection = psycopg.Connection[tuple[Any, ...]]


async def test_somebody_without_an_account_is_invited_and_accepts(
    client: Client, conn: Any, acme: Organization, admin: Connection
) -> None:
    new = await invite(client, conn, acme, "Zoe@Example.com", role="manager")
    assert isinstance(new.id, UUID)
    async with client.workspace(conn, **owner_of(acme)) as ws:
        (listed,) = await ws.invitations()
    assert listed == Invitation(
        new.id,
        listed.email,
        "manager",
        "pending",
        acme.owner.id,
        created_at=listed.created_at,
        expires_at=listed.expires_at,
    )
    assert listed.email.lower() == "zoe@example.com"
    assert listed.expires_at - listed.created_at == timedelta(days=7)

    assert await client.peek_invitation(conn, new.token) == InvitationPreview("Acme", "manager", False)
    accepted = await client.accept_invitation(
        conn, new.token, username="zoe", first_name="Zoe", last_name="Zimmer", password_hash="a hash"
    )
    assert accepted == AcceptedInvitation(accepted.user_id, acme.id)
    row = admin.execute(
        "SELECT username, first_name, last_name, password_hash FROM public.users WHERE id = %s", [accepted.user_id]
    ).fetchone()
    assert row == ("zoe", "Zoe", "Zimmer", "a hash")

    async with client.workspace(conn, user_id=accepted.user_id, organization_id=acme.id) as ws:
        assert (await ws.current()).role == "manager"
    async with client.workspace(conn, **owner_of(acme)) as ws:
        assert [invitation.status for invitation in await ws.invitations()] == ["accepted"]


async def test_somebody_with_an_account_accepts_and_keeps_it_as_it_is(
    client: Client, conn: Any, acme: Organization, people: People, admin: Connection
) -> None:
    bob = people.user("bob")
    new = await invite(client, conn, acme, bob.email)
    assert await client.peek_invitation(conn, new.token) == InvitationPreview("Acme", "user", True)
    accepted = await client.accept_invitation(conn, new.token, username="mallory", password_hash="another")
    assert accepted == AcceptedInvitation(bob.id, acme.id)
    row = admin.execute("SELECT username, password_hash FROM public.users WHERE id = %s", [bob.id]).fetchone()
    assert row == ("bob", "hash of bob")


async def test_the_first_person_of_a_customer_signs_up_and_creates_an_organization(
    client: Client, conn: Any, admin: Connection
) -> None:
    user_id = await client.sign_up(conn, " Zoe@Example.com ", username="zoe", first_name="Zoe", password_hash="a hash")
    assert not client.in_transaction(conn)
    row = admin.execute(
        "SELECT email, username, role, password_hash FROM public.users WHERE id = %s", [user_id]
    ).fetchone()
    assert row == ("Zoe@Example.com", "zoe", "user", "a hash")
    async with client.workspace(conn, user_id=user_id) as ws:
        organization = (await ws.create_organization("Acme")).id
    async with client.workspace(conn, user_id=user_id, organization_id=organization) as ws:
        assert (await ws.current()).role == "owner"

    for email, error in (
        ("zoe@example.COM", EmailTakenError),
        ("zoe", InvalidArgumentError),
        (None, InvalidArgumentError),
    ):
        with pytest.raises(error):
            await client.sign_up(conn, email)
        assert not client.in_transaction(conn)


async def test_an_invitation_lasts_as_long_as_was_said(client: Client, conn: Any, acme: Organization) -> None:
    await invite(client, conn, acme, "zoe@example.com", expires_in=timedelta(hours=2))
    async with client.workspace(conn, **owner_of(acme)) as ws:
        (listed,) = await ws.invitations()
    assert listed.expires_at - listed.created_at == timedelta(hours=2)


async def test_a_revoked_invitation_is_refused(client: Client, conn: Any, acme: Organization) -> None:
    new = await invite(client, conn, acme, "zoe@example.com")
    async with client.workspace(conn, **owner_of(acme)) as ws:
        await ws.revoke_invitation(new.id)
        assert [invitation.status for invitation in await ws.invitations()] == ["revoked"]
    for call in (client.peek_invitation, client.accept_invitation):
        with pytest.raises(InvitationError) as raised:
            await call(conn, new.token)
        assert_error(raised.value, InvitationError, "28000", "invalid_invitation")
        assert new.token not in f"{raised.value} {raised.value!r} {raised.value.__cause__}"
        assert not client.in_transaction(conn)


@pytest.mark.parametrize("token", ["", "inv_", "not a token'; --", "é\\'", "inv_" + "0" * 64])
async def test_a_token_that_is_none_is_refused(client: Client, conn: Any, token: str) -> None:
    for call in (client.peek_invitation, client.accept_invitation):
        with pytest.raises(InvitationError) as raised:
            await call(conn, token)
        assert_error(raised.value, InvitationError, "28000", "invalid_invitation")


async def test_one_of_two_accounts_with_the_same_address_is_not_guessed(
    client: Client, conn: Any, acme: Organization, people: People
) -> None:
    for email in ("Twin@example.com", "tWin@example.com"):
        people.user(email=email)
    with pytest.raises(EmailAmbiguousError) as raised:
        new = await invite(client, conn, acme, "twin@example.com")
        await client.accept_invitation(conn, new.token)
    assert_error(raised.value, EmailAmbiguousError, "21000", "email_ambiguous")


async def test_accepting_needs_a_connection_that_is_in_no_transaction(
    client: Client, conn: Any, acme: Organization
) -> None:
    new = await invite(client, conn, acme, "zoe@example.com")
    await client.send(conn, "BEGIN")
    for call in (client.peek_invitation, client.accept_invitation):
        with pytest.raises(ConnectionNotIdleError, match="already in a transaction"):
            await call(conn, new.token)
    assert client.in_transaction(conn)
    await client.send(conn, "ROLLBACK")
    async with client.workspace(conn, **owner_of(acme)) as ws:
        await ws.open()
        with pytest.raises(ConnectionNotIdleError):
            await client.accept_invitation(conn, new.token)
    await client.accept_invitation(conn, new.token)


async def test_accepting_needs_a_connection_or_a_pool(client: Client) -> None:
    for call in (client.peek_invitation, client.accept_invitation):
        with pytest.raises(TypeError, match="not str"):
            await call("dbname=x", "inv_")


async def test_a_pool_is_clean_after_accepting_and_after_a_refusal(
    client: Client, dsn: str, acme: Organization
) -> None:
    async with client.pool(dsn) as pool:
        new = await invite(client, pool, acme, "zoe@example.com")
        for token in (new.token, "inv_"):
            with suppress(InvitationError):
                await client.accept_invitation(pool, token)
            async with client.taken(pool) as conn:
                assert not client.in_transaction(conn)
                if client.name != "asyncpg":
                    assert conn.autocommit is False


async def test_a_connection_that_breaks_while_accepting_is_replaced(
    client: Client, dsn: str, acme: Organization
) -> None:
    with Proxy(dsn) as proxy:
        async with client.pool(proxy.dsn) as pool:
            new = await invite(client, pool, acme, "zoe@example.com")
            proxy.cut_instead_of_answer(1)
            with pytest.raises(client.lost):
                await client.accept_invitation(pool, new.token)
            accepted = await client.accept_invitation(pool, new.token)
            assert accepted.organization_id == acme.id


async def test_a_pool_is_clean_after_a_cancelled_acceptance(async_client: Client, dsn: str, acme: Organization) -> None:
    client = async_client
    with Proxy(dsn) as proxy:
        async with client.pool(proxy.dsn) as pool:
            new = await invite(client, pool, acme, "zoe@example.com")
            proxy.delay = 0.1
            for seconds in (0.05, 0.15, 0.25):
                with suppress(asyncio.TimeoutError, InvitationError):
                    await asyncio.wait_for(client.accept_invitation(pool, new.token), seconds)
                async with client.taken(pool) as conn:
                    assert not client.in_transaction(conn)
