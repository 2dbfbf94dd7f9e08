"""Activation in the Python client: the same results and errors with every driver."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from pg_tenancy.errors import (
    ActivationWriteError,
    InstanceNotFoundError,
    InvalidArgumentError,
    ModelNotFoundError,
    NotOperationalError,
    OrganizationRequiredError,
    PermissionDeniedError,
    PersonRequiredError,
    TenancyError,
    translate,
)
from support.clients import Client, assert_error
from support.database import Database
from support.people import Organization, People, User
from support.server import Logins

pytestmark = pytest.mark.shared_database

Connection = psycopg.Connection[tuple[Any, ...]]


@pytest.fixture
def acme(people: People) -> Organization:
    return people.organization("Acme", admin=people.user("abe"), manager=people.user("max"))


@pytest.fixture
def model(acme: Organization, admin: Connection) -> UUID:
    """Return a model of Acme without activations."""
    made: UUID = admin.execute(
        "INSERT INTO public.models (name, model_id, organization_id) VALUES ('Small', %s, %s) RETURNING id",
        [f"hub/{uuid4()}", acme.id],
    ).fetchall()[0][0]
    return made


def entry(organization: Organization, user: User | None = None) -> dict[str, UUID]:
    return {"user_id": (user or organization.owner).id, "organization_id": organization.id}


async def test_an_object_works_once_it_is_activated_twice(
    client: Client, conn: Any, acme: Organization, model: UUID
) -> None:
    async def use() -> None:
        async with client.workspace(conn, **entry(acme)) as ws:
            await ws.require_operational("model", model)

    for aspect, is_operational in (("tech", False), ("eco", True)):
        with pytest.raises(NotOperationalError):
            await use()
        async with client.workspace(conn, **entry(acme)) as ws:
            assert await ws.activate("model", str(model), aspect) is is_operational
            assert await ws.activate("model", model, aspect) is is_operational
    await use()
    async with client.workspace(conn, **entry(acme)) as ws:
        assert await ws.deactivate("model", model, "tech") is False
    with pytest.raises(NotOperationalError, match="lacks the technical activation") as raised:
        await use()
    assert_error(raised.value, NotOperationalError, "55000", "not_operational")
    assert raised.value.http_status == 409
    assert "owner, admin" in (raised.value.hint or "")


async def test_a_key_that_is_not_operational_does_not_enter(client: Client, conn: Any, acme: Organization) -> None:
    async with client.workspace(conn, **entry(acme)) as ws:
        new = await ws.create_api_key("ours")
        await ws.activate("api_key", new.id, "eco")
    for read_only in (False, True):
        with pytest.raises(NotOperationalError, match="lacks the technical activation") as raised:
            await client.fetch_all(conn, "SELECT 1", api_key=new.key, read_only=read_only)
        assert new.key not in str(raised.value)
    async with client.workspace(conn, **entry(acme)) as ws:
        assert await ws.activate("api_key", new.id, "tech")
    async with client.workspace(conn, api_key=new.key) as ws:
        assert (await ws.current()).id == acme.id
    with pytest.raises(PersonRequiredError):
        async with client.workspace(conn, api_key=new.key) as ws:
            await ws.deactivate("api_key", new.id, "tech")


Act = Callable[[Any, UUID], Awaitable[object]]
REFUSED: dict[str, tuple[str, Act, type[TenancyError], str, str]] = {
    "an admin, the costs": (
        "admin",
        lambda ws, model: ws.activate("model", model, "eco"),
        PermissionDeniedError,
        "42501",
        "permission_denied",
    ),
    "a manager, the technical side": (
        "manager",
        lambda ws, model: ws.deactivate("model", model, "tech"),
        PermissionDeniedError,
        "42501",
        "permission_denied",
    ),
    "an owner alone": (
        "personal",
        lambda ws, model: ws.activate("model", model, "tech"),
        OrganizationRequiredError,
        "55000",
        "organization_required",
    ),
    "what is not there": (
        "owner",
        lambda ws, model: ws.activate("instance", model, "tech"),
        InstanceNotFoundError,
        "P0002",
        "instance_not_found",
    ),
    "asking for what is not there": (
        "personal",
        lambda ws, model: ws.require_operational("model", model),
        ModelNotFoundError,
        "P0002",
        "model_not_found",
    ),
    "another kind": (
        "owner",
        lambda ws, model: ws.activate("user", model, "tech"),
        InvalidArgumentError,
        "22023",
        "kind_invalid",
    ),
    "another aspect": (
        "owner",
        lambda ws, model: ws.deactivate("model", model, "moral"),
        InvalidArgumentError,
        "22023",
        "aspect_invalid",
    ),
}


@pytest.mark.parametrize("attempt", REFUSED)
async def test_what_is_refused(
    client: Client, conn: Any, acme: Organization, model: UUID, admin: Connection, attempt: str
) -> None:
    who, act, error, sqlstate, name = REFUSED[attempt]
    user_id = acme.owner.id
    if who in {"admin", "manager"}:
        (user_id,) = admin.execute(
            "SELECT user_id FROM public.organization_memberships WHERE organization_id = %s AND role::text = %s",
            [acme.id, who],
        ).fetchall()[0]
    where = {} if who == "personal" else {"organization_id": acme.id}
    with pytest.raises(error) as raised:
        async with client.workspace(conn, user_id=user_id, **where) as ws:
            await act(ws, model)
    assert_error(raised.value, error, sqlstate, name)


async def test_nobody_writes_activations_past_the_calls(
    client: Client, database: Database, logins: Logins, model: UUID
) -> None:
    async with client.connect(database.dsn(logins.service)) as service:
        with pytest.raises(client.error) as raised:
            await client.query(service, "UPDATE public.models SET tech_activated_at = now() WHERE id = $1", [model])
    error = translate(raised.value)
    assert isinstance(error, ActivationWriteError)
    assert (error.sqlstate, error.constraint, error.http_status) == ("42501", "activation_by_function", 403)
    assert "tenancy.activate()" in (error.hint or "")
