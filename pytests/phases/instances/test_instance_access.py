"""Instances: who lists, creates, updates and deletes them."""

# ruff: noqa: S608  (the statements are the test's own)

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from support.instances import NIL, WHO, Platform
from support.people import Organization, User
from support.racing import attempt
from support.two_tenants import refused

pytestmark = pytest.mark.shared_database

Connection = psycopg.Connection[tuple[Any, ...]]
AsApp = Callable[..., AbstractContextManager[Connection]]


TYPES = {"hourly_price_eur": "numeric"}

# -- reading -------------------------------------------------------------------


@pytest.mark.parametrize("who", WHO)
def test_listing(platform: Platform, as_app: AsApp, who: str) -> None:
    workspaces: dict[str, User | Organization | None] = {
        "acme": platform.acme,
        "globex": platform.globex,
        "ann": platform.users["ann"],
        "pat": platform.users["pat"],
        "sam": platform.users["sam"],
        "legacy": None,
    }
    rows = {name: platform.instance(workspace) for name, workspace in workspaces.items()}
    user, in_acme, _ = WHO[who]
    with as_app(*platform.where(who)) as connection:
        seen = {row[0] for row in connection.execute("SELECT id FROM public.instances")}
        legacy = attempt(connection, "SELECT tenancy.legacy_instances()")
    assert seen == {rows["acme"] if in_acme else rows["legacy"] if who == "staff" else rows[user]}
    assert legacy == ("permission_denied" if in_acme or who == "staff" else "done")


def test_legacy_instances_are_listed_a_page_at_a_time_and_without_secrets(platform: Platform, as_app: AsApp) -> None:
    legacy = sorted(platform.instance() for _ in range(5))
    platform.instance(platform.acme)
    platform.instance(platform.users["pat"])
    with as_app(platform.users["ann"]) as connection:
        page = "SELECT id FROM tenancy.legacy_instances(%s, 2)"
        listed, last = [], None
        while found := connection.execute(page, [last]).fetchall():
            listed += [row[0] for row in found]
            last = listed[-1]
        assert listed == legacy
        columns = [
            column.name for column in connection.execute("SELECT * FROM tenancy.legacy_instances()").description or ()
        ]
        assert columns == ["id", "provider_id", "model_id", "status", "created_at", "terminated_at"]
        for size in (0, 10001, None):
            assert attempt(connection, "SELECT tenancy.legacy_instances(NULL, %s)", size) == "page_size_invalid"


# -- writing -------------------------------------------------------------------


@pytest.mark.parametrize("who", WHO)
def test_creating(platform: Platform, as_app: AsApp, who: str) -> None:
    user, organization = platform.where(who)
    with as_app(user, organization) as connection:
        statement = "INSERT INTO public.instances (provider_id, gpu_profile) VALUES (%s, 'h100') RETURNING id"
        if not WHO[who][2]:
            with refused("42501", "permission_denied"):
                connection.execute(statement, [platform.provider])
            return
        (instance,) = connection.execute(statement, [platform.provider]).fetchone() or (None,)
    assert platform.row(instance) == (
        platform.workspace(who),
        organization.id if isinstance(organization, Organization) else None,
        user.id if organization is None else None,
        "provisioning",
    )


@pytest.mark.parametrize(
    "column", ["organization_id", "user_id", "workspace_id", "model_workspace_id", "hourly_price_eur"]
)
def test_the_owner_of_an_instance_cannot_be_written(platform: Platform, as_app: AsApp, column: str) -> None:
    platform.instance(platform.acme)
    with as_app(platform.users["ann"], platform.acme) as connection:
        for value in (1, None) if column in TYPES else (platform.globex.id, platform.acme.id, NIL, None):
            for statement in (
                f"INSERT INTO public.instances (provider_id, {column})"
                f" VALUES ('{platform.provider}', %s::text::{TYPES.get(column, 'uuid')})",
                f"UPDATE public.instances SET {column} = %s::text::{TYPES.get(column, 'uuid')}",
            ):
                with refused("42501"), connection.transaction():
                    connection.execute(statement, [value])


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("whose", ["own", "globex", "pat or ann", "legacy", "unknown"])
def test_updating(platform: Platform, as_app: AsApp, who: str, whose: str) -> None:
    user, organization = platform.where(who)
    instance = {
        "own": lambda: platform.instance(organization or user),
        "globex": lambda: platform.instance(platform.globex),
        "pat or ann": lambda: platform.instance(platform.users["ann" if who == "person" else "pat"]),
        "legacy": platform.instance,
        "unknown": uuid4,
    }[whose]()
    with as_app(user, organization) as connection:
        outcome = attempt(connection, "UPDATE public.instances SET gpu_profile = 'new' WHERE id = %s", instance)
    assert outcome == ("done" if WHO[who][2] else "permission_denied")
    changed = platform.admin.execute("SELECT id FROM public.instances WHERE gpu_profile = 'new'").fetchall()
    may = WHO[who][2] and (whose == "own" or (whose, who) == ("legacy", "staff"))
    assert changed == ([(instance,)] if may else [])


@pytest.mark.parametrize("who", WHO)
def test_nobody_deletes(platform: Platform, as_app: AsApp, who: str) -> None:
    platform.instance(platform.acme)
    with as_app(*platform.where(who)) as connection, refused("42501"):
        connection.execute("DELETE FROM public.instances")
