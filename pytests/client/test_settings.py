"""The Python client's methods for phases 8 and 10: settings, secrets and modules."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import psycopg
import pytest

from pg_tenancy.errors import (
    InvalidArgumentError,
    ModuleForbiddenError,
    OrganizationRequiredError,
    PermissionDeniedError,
    SettingChangedError,
    SettingLockedError,
    SettingNotFoundError,
    TenancyError,
    UnknownModuleError,
)
from pg_tenancy.results import Module, ProviderStatus, Provisioning, SettingLevel
from support.clients import Client, assert_error
from support.people import Organization, People, User

pytestmark = pytest.mark.shared_database

Connection = psycopg.Connection[tuple[Any, ...]]


@pytest.fixture
def acme(people: People, admin: Connection) -> Organization:
    for arguments in (
        "'quota', 'int', 'subject', default_value => '5', min_int => 1, required => true",
        "'theme', 'text'",
        "'flags', 'json'",
        "'token', 'text', secret => true",
        "'signup', 'bool', 'global'",
    ):
        admin.execute(f"SELECT tenancy.define_setting({arguments})".encode())
    admin.execute("INSERT INTO public.providers (id, name) VALUES (%s, 'Cloud')", [PROVIDER])
    return people.organization("Acme", user=people.user("user"))


PROVIDER = UUID(int=7)


def entry(organization: Organization, user: User | None = None) -> dict[str, UUID]:
    return {"user_id": (user or organization.owner).id, "organization_id": organization.id}


async def test_settings_come_back_with_their_levels(
    client: Client, conn: Any, acme: Organization, people: People
) -> None:
    staff = people.user("staff", role="admin")
    async with client.workspace(conn, user_id=staff.id, platform=True) as ws:
        await ws.set_setting("quota", 9, PROVIDER)
        await ws.set_setting("signup", False)
        await ws.lock_setting("theme")
        await ws.lock_setting("theme", locked=False)
    async with client.workspace(conn, **entry(acme)) as ws:
        assert await ws.setting("quota", PROVIDER) == 9
        assert await ws.setting("theme") is None
        version = await ws.set_setting("quota", 7, str(PROVIDER), expected_version=0)
        await ws.set_setting("theme", "dark")
        await ws.set_setting("flags", {"a": [1, None, "ü"]})
        await ws.set_sealed_setting("token", b"\x00sealed", "key-1")
        found = {setting.key: setting for setting in await ws.settings()}
        mine, common, default = await ws.explain_setting("quota", PROVIDER)
        assert mine == SettingLevel("organization", 7, True, True, False, version)
        assert (common.level, common.value, common.counts) == ("platform", 9, False)
        assert default == SettingLevel("default", 5, True, False, False, 0)
        assert await ws.provider_status() == [ProviderStatus(PROVIDER, "Cloud", True, True, ())]
        assert await ws.can_provision() == Provisioning(True, "ready", None, (PROVIDER,), ())
    quota, token = found["quota"], found["token"]
    assert (quota.subject_id, quota.value, quota.level, quota.version) == (PROVIDER, 7, "organization", version)
    assert (found["flags"].value, found["theme"].value, found["signup"].value) == ({"a": [1, None, "ü"]}, "dark", False)
    assert (token.value, token.is_secret, token.is_configured) == (None, True, True)
    assert isinstance(token.fingerprint, str)
    async with client.workspace(conn, **entry(acme)) as ws:
        await ws.unset_setting("quota", PROVIDER, expected_version=version)
        assert await ws.setting("quota", PROVIDER) == 9


REFUSED: list[tuple[str, Callable[[Any], Awaitable[object]], type[TenancyError], str, str]] = [
    ("owner", lambda ws: ws.setting("none"), SettingNotFoundError, "P0002", "setting_not_found"),
    ("owner", lambda ws: ws.setting("quota"), InvalidArgumentError, "22023", "setting_subject_invalid"),
    ("owner", lambda ws: ws.set_setting("quota", 0, PROVIDER), InvalidArgumentError, "22023", "setting_value_invalid"),
    ("owner", lambda ws: ws.set_setting("signup", True), PermissionDeniedError, "42501", "setting_of_platform"),
    ("owner", lambda ws: ws.set_setting("theme", "x"), SettingLockedError, "55000", "setting_locked"),
    (
        "owner",
        lambda ws: ws.set_setting("quota", 2, PROVIDER, expected_version=1),
        SettingChangedError,
        "55000",
        "setting_changed",
    ),
    ("user", lambda ws: ws.settings(), PermissionDeniedError, "42501", "permission_denied"),
    ("owner", lambda ws: ws.require_module("none"), UnknownModuleError, "P0002", "unknown_module"),
    ("user", lambda ws: ws.require_module("users"), ModuleForbiddenError, "42501", "module_forbidden"),
    ("person", lambda ws: ws.require_module("users"), OrganizationRequiredError, "55000", "organization_required"),
]


async def test_refusals_are_exceptions(client: Client, conn: Any, acme: Organization, people: People) -> None:
    staff = people.user("staff", role="admin")
    user = people.member(acme, "user", "second")
    async with client.workspace(conn, user_id=staff.id, platform=True) as ws:
        await ws.lock_setting("theme")
    for who, act, expected, sqlstate, constraint in REFUSED:
        where = {"owner": entry(acme), "user": entry(acme, user), "person": {"user_id": user.id}}[who]
        with pytest.raises(TenancyError) as raised:
            async with client.workspace(conn, **where) as ws:
                await act(ws)
        assert_error(raised.value, expected, sqlstate, constraint)


async def test_modules_are_those_of_the_workspace(client: Client, conn: Any, acme: Organization) -> None:
    async with client.workspace(conn, user_id=acme.owner.id) as ws:
        found = await ws.visible_modules()
        await ws.require_module("chat")
    assert found[0] == Module("my_dashboard", "My Dashboard", "/my-dashboard", "visible", None)
    assert found[-1].state == "organization_required"
    async with client.workspace(conn, **entry(acme)) as ws:
        assert {module.state for module in await ws.visible_modules()} == {"visible"}
