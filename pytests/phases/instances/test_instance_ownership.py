"""Instances: their owners when services write them, and the end of their workspace."""

# ruff: noqa: S608  (the statements are the test's own)

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from support.instances import NIL, Platform
from support.people import Organization, User
from support.racing import attempt
from support.server import Logins

pytestmark = pytest.mark.shared_database

Connection = psycopg.Connection[tuple[Any, ...]]
Connect = Callable[..., Connection]
AsApp = Callable[..., AbstractContextManager[Connection]]


# -- who was there before, and who works for all -------------------------------


def test_the_application_from_before_inserts_and_updates(platform: Platform, connect: Connect, logins: Logins) -> None:
    instance = uuid4()
    with connect(logins.old) as old:
        old.execute(
            "INSERT INTO instances (id, provider_id, model_id, status, created_at)"
            " VALUES (%s, %s, %s, 'booting', now())",
            [instance, platform.provider, platform.models["public"]],
        )
        old.execute("UPDATE instances SET status = 'ready', ip_address = '10.0.0.1' WHERE id = %s", [instance])
        old.commit()
        assert platform.row(instance) == (NIL, None, None, "ready")
        old.execute("UPDATE instances SET model_id = NULL WHERE id = %s", [instance])
        old.execute("DELETE FROM instances WHERE id = %s", [instance])


@pytest.mark.parametrize("in_a_workspace", [None, "ann", "acme"])
def test_a_service_that_names_an_organization_lands_there(
    platform: Platform, connect: Connect, logins: Logins, in_a_workspace: str | None
) -> None:
    with connect(logins.service) as service:
        if in_a_workspace is not None:
            service.execute(
                "SELECT tenancy.enter_as_service(%s, %s)",
                [platform.users["ann"].id, platform.acme.id if in_a_workspace == "acme" else None],
            )
        (instance,) = service.execute(
            "INSERT INTO public.instances (provider_id, organization_id, model_id) VALUES (%s, %s, %s) RETURNING id",
            [platform.provider, platform.globex.id, platform.models["globex"]],
        ).fetchone() or (None,)
    assert platform.row(instance, "workspace_id, organization_id, model_workspace_id") == (platform.globex.id,) * 3


def test_a_service_that_names_a_person_lands_there(platform: Platform, connect: Connect, logins: Logins) -> None:
    pat = platform.users["pat"].id
    with connect(logins.service) as service:
        (instance,) = service.execute(
            "INSERT INTO public.instances (provider_id, user_id) VALUES (%s, %s) RETURNING id", [platform.provider, pat]
        ).fetchone() or (None,)
        # Losing a reference does not move a row.
        service.execute("UPDATE public.instances SET user_id = NULL")
    assert platform.row(instance, "workspace_id, organization_id, user_id") == (pat, None, None)


def test_the_workspace_of_a_row_agrees_with_its_columns(platform: Platform, connect: Connect, logins: Logins) -> None:
    instance = platform.instance(platform.acme)
    service = connect(logins.service)
    for statement in (
        f"UPDATE instances SET workspace_id = '{platform.globex.id}'",
        f"UPDATE instances SET workspace_id = '{NIL}'",
        "UPDATE instances SET organization_id = NULL",
        f"UPDATE instances SET user_id = '{platform.users['pat'].id}'",
    ):
        attempt(service, statement)
        assert service.execute(
            "SELECT workspace_id, organization_id FROM instances WHERE id = %s", [instance]
        ).fetchone() == (platform.acme.id, platform.acme.id), statement
    assert attempt(
        service, f"INSERT INTO instances (provider_id, organization_id) VALUES ('{platform.provider}', '{uuid4()}')"
    ) in {"instances_tenancy_workspace_id_fkey", "instances_tenancy_organization_id_fkey"}


# -- the end of a workspace ----------------------------------------------------


def _with_costs(platform: Platform, workspace: User | Organization, **more: Any) -> UUID:
    instance = platform.instance(workspace, **more)
    platform.admin.execute(
        "INSERT INTO finops.cost_actual_minute (bucket_minute, provider_id, instance_id, amount_eur)"
        " VALUES (now(), %s, %s, 1)",
        [platform.provider, instance],
    )
    platform.admin.execute("INSERT INTO finops.inference_usage (instance_id) VALUES (%s)", [instance])
    return instance


@pytest.mark.parametrize("how", ["service", "superuser", "person"])
def test_an_account_takes_its_instances_and_their_costs_along(
    platform: Platform, as_app: AsApp, connect: Connect, logins: Logins, how: str
) -> None:
    pat = platform.users["pat"]
    _with_costs(platform, pat, model_id=platform.models["public"])
    stays = [_with_costs(platform, w) for w in (platform.acme, platform.users["ann"])] + [platform.instance()]
    if how == "person":
        with as_app(pat) as connection:
            connection.execute("SELECT tenancy.delete_user(%s)", [pat.id])
    elif how == "service":
        with connect(logins.service) as service:
            service.execute("DELETE FROM users WHERE id = %s", [pat.id])
    else:
        platform.admin.execute("DELETE FROM users WHERE id = %s", [pat.id])
    left = platform.admin.execute("SELECT id FROM public.instances").fetchall()
    assert {row[0] for row in left} == set(stays)
    assert platform.admin.execute("SELECT count(*) FROM finops.cost_actual_minute").fetchone() == (2,)
    assert platform.admin.execute("SELECT count(*), count(instance_id) FROM finops.inference_usage").fetchone() == (
        3,
        2,
    )


@pytest.mark.parametrize("how", ["purge", "service", "superuser"])
def test_an_organization_takes_its_instances_and_models_along(
    platform: Platform, as_app: AsApp, connect: Connect, logins: Logins, how: str
) -> None:
    _with_costs(platform, platform.acme, model_id=platform.models["acme"])
    _with_costs(platform, platform.acme, model_id=platform.models["public"], user_id=platform.users["pat"].id)
    offering = uuid4()
    platform.admin.execute(
        "INSERT INTO public.organization_models (id, organization_id, model_id, name, code)"
        " VALUES (%s, %s, %s, 'n', 'c')",
        [offering, platform.acme.id, platform.models["acme"]],
    )
    platform.admin.execute(
        "INSERT INTO public.organization_model_shares"
        " (provider_organization_id, consumer_organization_id, organization_model_id) VALUES (%s, %s, %s)",
        [platform.acme.id, platform.globex.id, offering],
    )
    stays = _with_costs(platform, platform.globex, model_id=platform.models["globex"])
    if how == "purge":
        with as_app(platform.users["ann"], platform.acme) as connection:
            connection.execute("SELECT tenancy.delete_organization()")
        with connect(logins.service) as service:
            service.execute("SELECT tenancy.purge_organization(%s)", [platform.acme.id])
    elif how == "service":
        with connect(logins.service) as service:
            service.execute("DELETE FROM organizations WHERE id = %s", [platform.acme.id])
    else:
        platform.admin.execute("DELETE FROM organizations WHERE id = %s", [platform.acme.id])
    assert platform.admin.execute("SELECT id FROM public.instances").fetchall() == [(stays,)]
    assert platform.admin.execute("SELECT count(*) FROM finops.cost_actual_minute").fetchone() == (1,)
    assert {name for (name,) in platform.admin.execute("SELECT name FROM public.models")} == {"public", "globex"}
    assert platform.admin.execute(
        "SELECT count(*) FROM tenancy.workspaces WHERE id = %s", [platform.acme.id]
    ).fetchone() == (0,)


def test_a_person_who_goes_leaves_an_organizations_instance_where_it_is(platform: Platform) -> None:
    instance = platform.instance(platform.acme, user_id=platform.users["pat"].id)
    platform.admin.execute("DELETE FROM users WHERE id = %s", [platform.users["pat"].id])
    assert platform.row(instance, "workspace_id, organization_id, user_id") == (
        platform.acme.id,
        platform.acme.id,
        None,
    )
