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

Connection = psycopg.Connection[tuple[Any, ...]]
AsApp = Callable[..., AbstractContextManager[Connection]]


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
    assert seen == ({rows["acme"]} if in_acme else {rows[user], rows["legacy"]})


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
        organization.id if organization else None,
        None if organization else user.id,
        "provisioning",
    )


@pytest.mark.parametrize("column", ["id", "organization_id", "user_id", "workspace_id", "model_workspace_id"])
def test_whose_an_instance_is_cannot_be_written(platform: Platform, as_app: AsApp, column: str) -> None:
    platform.instance(platform.acme)
    with as_app(platform.users["ann"], platform.acme) as connection:
        for value in (platform.globex.id, platform.acme.id, NIL, None):
            for statement in (
                f"INSERT INTO public.instances (provider_id, {column}) VALUES ('{platform.provider}', %s)",
                f"UPDATE public.instances SET {column} = %s",
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
    if not WHO[who][2] or (whose == "legacy" and who in {"personal", "person"}):
        assert outcome == "permission_denied"
    else:
        assert outcome == "done"
    changed = platform.admin.execute("SELECT id FROM public.instances WHERE gpu_profile = 'new'").fetchall()
    may = WHO[who][2] and (whose == "own" or (whose, who) == ("legacy", "staff"))
    assert changed == ([(instance,)] if may else [])


@pytest.mark.parametrize("who", WHO)
def test_nobody_deletes(platform: Platform, as_app: AsApp, who: str) -> None:
    platform.instance(platform.acme)
    with as_app(*platform.where(who)) as connection, refused("42501"):
        connection.execute("DELETE FROM public.instances")
