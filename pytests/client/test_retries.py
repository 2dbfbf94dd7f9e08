"""Only conflicts with other transactions are retried."""

from __future__ import annotations

from typing import Any

import pytest

from pg_tenancy._retries import pause_before
from pg_tenancy.errors import NotAMemberError, PermissionDeniedError
from support.clients import Client
from support.database import Database
from support.people import Organization, People

pytestmark = pytest.mark.shared_database


@pytest.fixture
def acme(people: People) -> Organization:
    return people.organization("Acme")


class Renaming:
    """Reads the organization's name and adds to it; the first attempts meet another transaction.

    Args:
        client: the flavour.
        other: the connection of the other transaction.
        acme: the organization.
        conflicts: how many attempts meet it.

    """

    def __init__(self, client: Client, other: Any, acme: Organization, conflicts: int) -> None:
        self.client, self.other, self.acme, self.conflicts = client, other, acme, conflicts
        self.entry = {"user_id": acme.owner.id, "organization_id": acme.id}
        self.attempts = 0

    async def __call__(self, ws: Any) -> str:
        self.attempts += 1
        name = (await ws.current()).name
        if self.attempts <= self.conflicts:
            async with self.client.workspace(self.other, **self.entry) as elsewhere:
                await elsewhere.update_organization(name=f"{name}{self.attempts}")
        changed = await ws.update_organization(name=f"{name}!")
        return str(changed.name)


async def test_a_serialization_failure_is_retried(client: Client, dsn: str, acme: Organization) -> None:
    async with client.connect(dsn) as conn, client.connect(dsn) as other:
        work = Renaming(client, other, acme, conflicts=2)
        done = await client.run(conn, work, **work.entry, isolation_level="repeatable read", retries=2)
        # The last attempt saw the other transaction's changes.
        assert (done, work.attempts) == ("Acme12!", 3)
        async with client.workspace(conn, **work.entry) as ws:
            assert (await ws.current()).name == "Acme12!"


async def test_the_last_failure_is_raised(client: Client, dsn: str, acme: Organization) -> None:
    async with client.connect(dsn) as conn, client.connect(dsn) as other:
        work = Renaming(client, other, acme, conflicts=9)
        with pytest.raises(client.error) as raised:
            await client.run(conn, work, **work.entry, isolation_level="repeatable read", retries=1)
        assert (getattr(raised.value, "sqlstate", None), work.attempts) == ("40001", 2)
        assert not client.in_transaction(conn)


@pytest.mark.shared_database(False)
async def test_a_failure_at_the_commit_is_retried(
    client: Client, dsn: str, acme: Organization, database: Database
) -> None:
    """SERIALIZABLE may detect it only there."""
    with database.connect() as admin:
        admin.execute("CREATE TABLE public.on_call (doctor text PRIMARY KEY, present boolean NOT NULL)")
        admin.execute("INSERT INTO public.on_call VALUES ('Ann', true), ('Bob', true)")
        admin.execute("GRANT SELECT, UPDATE ON public.on_call TO tenancy_app")
    entry = {"user_id": acme.owner.id, "isolation_level": "serializable"}
    attempts = 0

    async def leave(ws: Any, doctor: str) -> bool:
        if await ws.fetch_value("SELECT count(*) FROM public.on_call WHERE present") < 2:
            return False
        await ws.execute(client.sql("UPDATE public.on_call SET present = false WHERE doctor = $1"), [doctor])
        return True

    async with client.connect(dsn) as conn, client.connect(dsn) as other:

        async def work(ws: Any) -> bool:
            nonlocal attempts
            attempts += 1
            left = await leave(ws, "Ann")
            if attempts == 1:
                async with client.workspace(other, **entry) as elsewhere:
                    assert await leave(elsewhere, "Bob")
            return left

        assert await client.run(conn, work, **entry, retries=1) is False
        assert attempts == 2


async def test_a_refusal_is_not_retried(client: Client, dsn: str, acme: Organization, people: People) -> None:
    user = people.member(acme, "user")
    attempts = 0

    async def work(ws: Any) -> None:
        nonlocal attempts
        attempts += 1
        await ws.update_organization(name="Mine")

    async with client.pool(dsn) as pool:
        with pytest.raises(PermissionDeniedError):
            await client.run(pool, work, user_id=user.id, organization_id=acme.id, retries=5)
        with pytest.raises(NotAMemberError):
            await client.run(pool, work, user_id=acme.id, retries=5)
    assert attempts == 2


def test_the_pauses_grow_and_end() -> None:
    for attempt in range(1, 50):
        assert 0 <= pause_before(attempt) <= min(2.0, 0.02 * 2**attempt)
