"""Instances: their models."""

# ruff: noqa: S608  (the statements are the test's own)

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from support.instances import NIL, Platform
from support.racing import attempt
from support.server import Logins

pytestmark = pytest.mark.shared_database

Connection = psycopg.Connection[tuple[Any, ...]]
Connect = Callable[..., Connection]
AsApp = Callable[..., AbstractContextManager[Connection]]


MODELS = {
    # in which workspace: the models that can be used there
    "owner": {"public", "acme"},
    "personal": {"public"},
    "person": {"public"},
    "staff": {"public"},
}


@pytest.mark.parametrize("who", MODELS)
@pytest.mark.parametrize("model", ["public", "acme", "globex", "unknown"])
def test_an_instance_uses_a_model_that_its_workspace_can_see(
    platform: Platform, as_app: AsApp, who: str, model: str
) -> None:
    user, organization = platform.where(who)
    instance, before = platform.instance(organization or user), platform.instance(organization or user)
    model_id = platform.models.get(model, uuid4())
    with as_app(user, organization) as connection:
        for statement, values in (
            ("INSERT INTO public.instances (provider_id, model_id) VALUES (%s, %s)", [platform.provider, model_id]),
            ("UPDATE public.instances SET model_id = %s WHERE id = %s", [model_id, instance]),
        ):
            outcome = attempt(connection, statement, *values)
            assert outcome == ("done" if model in MODELS[who] else "instances_model_id_fkey")
    expected = (model_id, NIL if model == "public" else platform.acme.id) if model in MODELS[who] else (None, NIL)
    assert platform.row(instance, "model_id, model_workspace_id") == expected
    assert platform.row(before, "model_id, model_workspace_id") == (None, NIL)


def test_a_guess_at_a_model_is_one_error_whether_or_not_there_is_one(platform: Platform, as_app: AsApp) -> None:
    instance = platform.instance(platform.acme)
    guesses = {
        "other's": platform.models["globex"],
        "nobody's": uuid4(),
        "an instance's": instance,
        "an organization's": platform.globex.id,
    }
    answers: dict[str, dict[str, Any]] = {}
    # The other organization is set in the middle of the statement, and stays or is reset after the defaults.
    there, back = (
        f"set_config('tenancy.current_organization_id', '{organization.id}', true)"
        for organization in (platform.globex, platform.acme)
    )
    midway = (
        "INSERT INTO public.instances (provider_id, gpu_profile, model_id)"
        f" SELECT '{platform.provider}', {{}}, %s FROM (SELECT {there} AS v OFFSET 0) AS x WHERE v IS NOT NULL"
    )
    with as_app(platform.users["ann"], platform.acme) as connection:
        # Twice: the first time PL/pgSQL's error also says where it plans.
        for name, guess in [*guesses.items()] * 2:
            for statement in (
                f"INSERT INTO public.instances (provider_id, model_id) VALUES ('{platform.provider}', %s)",
                "UPDATE public.instances SET model_id = %s",
                "UPDATE public.instances SET model_id = %s WHERE false",
                "INSERT INTO public.instances (provider_id, model_id) SELECT provider_id, %s FROM public.instances",
                midway.format("NULL"),
                midway.format(f"left({back}, 2)"),
            ):
                with connection.transaction(force_rollback=True):
                    try:
                        connection.execute(statement, [guess])
                        answer: Any = "done"
                    except psycopg.Error as error:
                        diag = error.diag
                        answer = (
                            diag.sqlstate,
                            diag.constraint_name,
                            diag.message_primary,
                            diag.message_detail,
                            diag.message_hint,
                            diag.context,
                            diag.table_name,
                        )
                        raise psycopg.Rollback from None
                    finally:
                        answers.setdefault(statement, {})[name] = answer
    assert {statement: len(set(found.values())) for statement, found in answers.items()} == dict.fromkeys(answers, 1)


def test_no_row_links_two_tenants_whoever_writes_it(platform: Platform, connect: Connect, logins: Logins) -> None:
    instance = platform.instance(platform.acme, model_id=platform.models["acme"])
    service = connect(logins.service)
    for statement in (
        f"UPDATE instances SET model_id = '{platform.models['globex']}'",
        f"UPDATE instances SET organization_id = '{platform.globex.id}'",
        f"UPDATE instances SET user_id = '{platform.users['pat'].id}', organization_id = NULL,"
        f" workspace_id = '{platform.users['pat'].id}'",
        f"UPDATE instances SET model_workspace_id = '{platform.globex.id}', model_id = '{platform.models['globex']}'",
        f"INSERT INTO instances (provider_id, model_id) VALUES ('{platform.provider}', '{platform.models['acme']}')",
    ):
        assert attempt(service, statement) == "instances_model_id_fkey"
    for statement in (
        f"UPDATE instances SET model_workspace_id = '{platform.globex.id}'",
        f"UPDATE instances SET model_workspace_id = '{NIL}'",
    ):
        assert attempt(service, statement) in {
            "instances_tenancy_model_workspace_id_check",
            "instances_tenancy_model_workspace_id_fkey",
        }
    # Moving a model updates the instances of its new organization, and is refused if others use it.
    assert attempt(service, f"UPDATE models SET organization_id = '{platform.globex.id}'") != "done"
    service.commit()
    assert platform.row(instance, "workspace_id, model_workspace_id") == (platform.acme.id, platform.acme.id)


def test_a_public_model_that_becomes_an_organizations_takes_its_instances_along(
    platform: Platform, connect: Connect, logins: Logins
) -> None:
    model = platform.models["public"]
    platform.admin.execute("UPDATE public.models SET model_id = 'other' WHERE id = %s", [model])
    ours = platform.instance(platform.acme, model_id=model)
    service = connect(logins.service)
    statement = f"UPDATE models SET organization_id = '{platform.acme.id}' WHERE id = '{model}'"
    theirs = platform.instance(platform.globex, model_id=model)
    assert attempt(service, statement) == "model_in_use"
    service.commit()
    platform.admin.execute("DELETE FROM public.instances WHERE id = %s", [theirs])
    assert attempt(service, statement) == "done"
    service.commit()
    assert platform.row(ours, "model_workspace_id") == (platform.acme.id,)


def test_an_instance_that_lost_its_model_can_move(platform: Platform, connect: Connect, logins: Logins) -> None:
    instance = platform.instance(platform.acme, model_id=platform.models["acme"])
    service = connect(logins.service)
    assert attempt(service, "UPDATE instances SET model_id = NULL") == "done"
    assert attempt(service, f"UPDATE instances SET organization_id = '{platform.globex.id}'") == "done"
    service.commit()
    assert platform.row(instance, "workspace_id, model_workspace_id") == (platform.globex.id, NIL)
