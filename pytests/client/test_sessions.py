"""Sessions of people: the client's methods."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from pg_tenancy.errors import (
    InvalidArgumentError,
    NotAMemberError,
    SessionError,
    SessionNotFoundError,
    TicketError,
    UserRequiredError,
)
from support.clients import Client, owner_of
from support.people import Organization, People

pytestmark = pytest.mark.shared_database


async def test_a_person_stays_logged_in_until_the_session_ends(client: Client, conn: Any, acme: Organization) -> None:
    owner = acme.owner.id
    session = await client.start_session(conn, **owner_of(acme), client="Firefox", lasts=timedelta(hours=1))
    assert not client.in_transaction(conn)
    assert session.token not in repr(session)
    async with client.workspace(conn, session=session.token) as ws:
        assert ((await ws.current()).id, (await ws.current()).role) == (acme.id, "owner")
        (listed,) = await ws.sessions(session.token)
    assert (listed.id, listed.is_current, listed.organization_id) == (session.id, True, acme.id)
    assert (listed.client, listed.expires_at) == ("Firefox", session.expires_at)
    assert listed.expires_at - listed.started_at == timedelta(hours=1)

    # Another tab is in another workspace, and the session stays.
    async with client.workspace(conn, session=session.token, personal=True) as ws:
        assert (await ws.current()).id == owner
    async with client.workspace(conn, session=session.token) as ws:
        assert (await ws.current()).id == acme.id
    await client.switch_session(conn, session.token)
    async with client.workspace(conn, session=session.token) as ws:
        assert (await ws.current()).id == owner
        (moved,) = await ws.sessions()
    assert (moved.organization_id, moved.is_current) == (None, False)

    await client.end_session(conn, session.token)
    assert not client.in_transaction(conn)
    with pytest.raises(SessionError):
        await client.end_session(conn, session.token)
    with pytest.raises(SessionError):
        async with client.workspace(conn, session=session.token) as ws:
            await ws.current()


async def test_sessions_are_ended_by_their_owner(client: Client, conn: Any, acme: Organization, people: People) -> None:
    kept, *others = [await client.start_session(conn, user_id=acme.owner.id) for _ in range(3)]
    strangers = await client.start_session(conn, user_id=people.user().id)
    async with client.workspace(conn, session=kept.token) as ws:
        await ws.revoke_session(others[0].id)
        assert await ws.revoke_sessions(keep=kept.id) == 1
        assert [each.id for each in await ws.sessions()] == [kept.id]
    with pytest.raises(SessionNotFoundError):
        async with client.workspace(conn, session=kept.token) as ws:
            await ws.revoke_session(strangers.id)
    for token in (*(each.token for each in others), None, "x", "x\0"):
        with pytest.raises(SessionError):
            async with client.workspace(conn, session=token) as ws:
                await ws.current()
    async with client.workspace(conn, session=strangers.token) as ws:
        assert len(await ws.sessions()) == 1


async def test_what_starts_no_session(client: Client, conn: Any, acme: Organization, people: People) -> None:
    for arguments, error in (
        ({}, UserRequiredError),
        ({"ticket": "x"}, TicketError),
        ({"user_id": acme.owner.id, "ticket": "x"}, TypeError),
        ({"organization_id": acme.id, "ticket": "x"}, TypeError),
        ({"user_id": people.user().id, "organization_id": acme.id}, NotAMemberError),
        ({"user_id": acme.owner.id, "lasts": timedelta(0)}, InvalidArgumentError),
        ({"user_id": acme.owner.id, "lasts": 7}, InvalidArgumentError),
        ({"user_id": acme.owner.id, "client": "x\0"}, InvalidArgumentError),
    ):
        with pytest.raises(error):
            await client.start_session(conn, **arguments)
        assert not client.in_transaction(conn)
