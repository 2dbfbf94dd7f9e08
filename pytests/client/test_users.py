"""Accounts: the client's methods."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import psycopg
import pytest

from pg_tenancy.errors import (
    InvalidArgumentError,
    PermissionDeniedError,
)
from pg_tenancy.results import User as ListedUser
from support.clients import Client, assert_error, owner_of
from support.people import Organization, People

pytestmark = pytest.mark.shared_database

Connection = psycopg.Connection[tuple[Any, ...]]


async def test_an_organization_creates_changes_and_removes_a_user(
    client: Client, conn: Any, acme: Organization, admin: Connection
) -> None:
    async with client.workspace(conn, **owner_of(acme)) as ws:
        zoe = await ws.create_user(
            "zoe@example.com", username="zoe", first_name="Zoe", last_name="Zimmer", password_hash="a hash"
        )
        assert isinstance(zoe, UUID)
        await ws.update_user(zoe, last_name="Zapp")
        (member,) = [member for member in await ws.members() if member.user_id == zoe]
        assert (member.username, member.first_name, member.last_name, member.role) == ("zoe", "Zoe", "Zapp", "user")
    async with client.workspace(conn, user_id=zoe) as ws:
        await ws.update_user(zoe, email="new@example.com", password_hash="another")
    found = admin.execute("SELECT email, username, password_hash FROM public.users WHERE id = %s", [zoe]).fetchone()
    assert found == ("new@example.com", "zoe", "another")
    async with client.workspace(conn, **owner_of(acme)) as ws:
        await ws.delete_user(zoe)
        assert [member.user_id for member in await ws.members()] == [acme.owner.id]
    assert admin.execute("SELECT count(*) FROM public.users WHERE id = %s", [zoe]).fetchone() == (1,)


async def test_a_person_deletes_their_account(client: Client, conn: Any, people: People, admin: Connection) -> None:
    bob = people.user("bob")
    async with client.workspace(conn, user_id=bob.id) as ws:
        await ws.delete_user(bob.id)
    assert admin.execute("SELECT count(*) FROM public.users WHERE id = %s", [bob.id]).fetchone() == (0,)


async def test_platform_staff_create_accounts(client: Client, conn: Any, people: People) -> None:
    staff = people.user(role="admin")
    async with client.workspace(conn, user_id=staff.id, platform=True) as ws:
        zoe = await ws.create_user("zoe@example.com")
    async with client.workspace(conn, user_id=zoe) as ws:
        assert await ws.my_organizations() == []


async def test_platform_staff_change_and_delete_accounts_in_the_platforms_workspace(
    client: Client, conn: Any, people: People, admin: Connection
) -> None:
    staff, bob, eve = people.user(role="admin"), people.user("bob"), people.user("eve")
    acts: list[Callable[[Any], Awaitable[object]]] = [
        lambda ws: ws.update_user(bob.id, email="new@example.com"),
        lambda ws: ws.delete_user(bob.id),
    ]
    for act in acts:
        with pytest.raises(PermissionDeniedError) as raised:
            async with client.workspace(conn, user_id=staff.id) as ws:
                await act(ws)
        assert_error(raised.value, PermissionDeniedError, "42501", "permission_denied")
    everybody = sorted([staff.id, bob.id, eve.id])
    async with client.workspace(conn, user_id=staff.id, platform=True) as ws:
        await ws.update_user(bob.id, email="new@example.com", password_hash="another")
        assert [row[0] for row in await ws.fetch_all("SELECT id FROM public.users ORDER BY id")] == everybody
        await ws.delete_user(eve.id)
    found = admin.execute("SELECT id, email, password_hash FROM public.users WHERE id <> %s", [staff.id]).fetchall()
    assert found == [(bob.id, "new@example.com", "another")]


async def test_platform_staff_list_everybody_a_page_at_a_time(client: Client, conn: Any, people: People) -> None:
    staff = people.user(role="admin")
    others = [people.user(name) for name in ("ann", "bob", "eve")]
    everybody = sorted([staff.id, *(other.id for other in others)])
    for platform in (True, False):
        async with client.workspace(conn, user_id=staff.id, platform=platform) as ws:
            first = await ws.all_users(page_size=3)
            rest = await ws.all_users(after_id=first[-1].user_id, page_size=3)
            assert [user.user_id for user in [*first, *rest]] == everybody
    async with client.workspace(conn, user_id=staff.id) as ws:
        (bob,) = await ws.all_users(f" {others[1].email.upper()}")
        assert bob == ListedUser(others[1].id, others[1].email, "bob", "Bob", "Example", "user", bob.created_at)
        assert await ws.all_users("nobody@example.com") == []
    with pytest.raises(InvalidArgumentError, match="a page must have 1 to 10000 rows"):
        async with client.workspace(conn, user_id=staff.id) as ws:
            await ws.all_users(page_size=0)
    with pytest.raises(PermissionDeniedError, match="only platform staff"):
        async with client.workspace(conn, user_id=others[0].id) as ws:
            await ws.all_users()
