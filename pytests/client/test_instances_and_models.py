"""Instances and models: the client's methods."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from pg_tenancy.errors import (
    InstanceNotFoundError,
    InvalidArgumentError,
    ModelNotFoundError,
)
from pg_tenancy.results import (
    LegacyInstance,
)
from support.clients import Client, assert_error, owner_of
from support.instances import instance_of, legacy_instance, transition
from support.people import Organization, People

pytestmark = pytest.mark.shared_database

Connection = psycopg.Connection[tuple[Any, ...]]


@pytest.mark.parametrize("action", ["terminate", "reinstall"])
async def test_an_instance_is_terminated_or_reinstalled(
    client: Client, conn: Any, acme: Organization, admin: Connection, action: str
) -> None:
    before, after = transition(admin, action)
    instance = instance_of(admin, acme, before)
    async with client.workspace(conn, **owner_of(acme)) as ws:
        await getattr(ws, f"{action}_instance")(instance)
        query = client.sql("SELECT status FROM public.instances WHERE id = $1")
        assert await ws.fetch_value(query, [instance]) == after


async def test_everybody_lists_legacy_instances_a_page_at_a_time_in_the_own_workspace(
    client: Client, conn: Any, acme: Organization, people: People, admin: Connection
) -> None:
    yesterday = datetime.now(timezone.utc) - timedelta(days=1)
    legacy = sorted(legacy_instance(admin) for _ in range(3))
    ended = legacy_instance(admin, status="terminated", terminated_at=yesterday)
    instance_of(admin, acme, "ready")
    admin.execute(
        "INSERT INTO public.instances (user_id, provider_id) SELECT %s, p.id FROM public.providers AS p LIMIT 1",
        [people.user().id],
    )
    for user in (acme.owner, people.user(), people.user(role="admin")):
        async with client.workspace(conn, user_id=user.id) as ws:
            everything = await ws.legacy_instances()
            assert [found.id for found in everything] == sorted([*legacy, ended])
            first = await ws.legacy_instances(page_size=3)
            rest = await ws.legacy_instances(after_id=first[-1].id, page_size=3)
            assert [*first, *rest] == everything
            # They are not rows of this workspace.
            assert await ws.fetch_value("SELECT count(*) FROM public.instances") == 0
    (shown,) = [found for found in everything if found.id == ended]
    assert shown == LegacyInstance(ended, shown.provider_id, None, "terminated", shown.created_at, yesterday)
    assert isinstance(shown.provider_id, UUID)
    assert shown.created_at.tzinfo is not None
    with pytest.raises(InvalidArgumentError, match="a page must have 1 to 10000 rows") as raised:
        async with client.workspace(conn, user_id=acme.owner.id) as ws:
            await ws.legacy_instances(page_size=10001)
    assert_error(raised.value, InvalidArgumentError, "22023", "page_size_invalid")


@pytest.mark.shared_database(False)
async def test_legacy_instances_of_an_adopted_table_may_have_times_without_a_zone(
    client: Client, conn: Any, people: People, admin: Connection
) -> None:
    instance = legacy_instance(admin)
    for column in ("created_at", "terminated_at"):
        admin.execute(f"ALTER TABLE public.instances ALTER {column} TYPE timestamp".encode())
    async with client.workspace(conn, user_id=people.user().id) as ws:
        (shown,) = await ws.legacy_instances()
    assert (shown.id, shown.created_at.tzinfo is None) == (instance, False)


async def test_staff_change_legacy_instances_in_the_platforms_workspace(
    client: Client, conn: Any, people: People, admin: Connection
) -> None:
    staff, (before, after) = people.user(role="admin"), transition(admin, "terminate")
    instance = legacy_instance(admin, status=before)
    async with client.workspace(conn, user_id=staff.id) as ws:
        with pytest.raises(InstanceNotFoundError):
            async with client.transaction(await ws.connection()):
                await ws.terminate_instance(instance)
    async with client.workspace(conn, user_id=staff.id, platform=True) as ws:
        await ws.execute(client.sql("UPDATE public.instances SET gpu_profile = 'big' WHERE id = $1"), [instance])
        await ws.terminate_instance(instance)
        row = await ws.fetch_one("SELECT id, status, gpu_profile FROM public.instances")
    assert tuple(row) == (instance, after, "big")


async def test_an_organization_deletes_its_models_and_staff_the_public_ones(
    client: Client, conn: Any, acme: Organization, people: People, admin: Connection
) -> None:
    staff = people.user(role="admin")
    ours, public = (
        admin.execute(
            "INSERT INTO public.models (name, model_id, organization_id) VALUES ('Small', %s, %s) RETURNING id",
            [f"hub/{uuid4()}", organization],
        ).fetchall()[0][0]
        for organization in (acme.id, None)
    )
    there = "SELECT id FROM public.models"
    async with client.workspace(conn, **owner_of(acme)) as ws:
        await ws.delete_model(ours)
        with pytest.raises(ModelNotFoundError):
            async with client.transaction(await ws.connection()):
                await ws.delete_model(ours)
        with pytest.raises(ModelNotFoundError):
            async with client.transaction(await ws.connection()):
                await ws.delete_model(public)
        assert [tuple(row) for row in await ws.fetch_all(there)] == [(public,)]
    async with client.workspace(conn, user_id=staff.id, platform=True) as ws:
        await ws.delete_model(public)
        assert await ws.fetch_all(there) == []
    assert admin.execute(there.encode()).fetchall() == []
