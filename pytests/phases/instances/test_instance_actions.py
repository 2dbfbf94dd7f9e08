"""Instances: who terminates and reinstalls them, in which states."""

# ruff: noqa: S608  (the statements are the test's own)

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from support.instances import REINSTALL, STATES, TERMINATE, WHO, Platform
from support.racing import attempt, name_of
from support.server import Logins
from support.two_tenants import refused

pytestmark = pytest.mark.shared_database

Connection = psycopg.Connection[tuple[Any, ...]]
Connect = Callable[..., Connection]
AsApp = Callable[..., AbstractContextManager[Connection]]


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("whose", ["own", "globex", "pat or ann", "legacy", "unknown", "null"])
@pytest.mark.parametrize("action", ["terminate", "reinstall"])
def test_acting(platform: Platform, as_app: AsApp, who: str, whose: str, action: str) -> None:
    user, organization = platform.where(who)
    makers: dict[str, Callable[[], UUID | None]] = {
        "own": lambda: platform.instance(organization or user),
        "globex": lambda: platform.instance(platform.globex),
        "pat or ann": lambda: platform.instance(platform.users["ann" if who == "person" else "pat"]),
        "legacy": platform.instance,
        "unknown": uuid4,
        "null": lambda: None,
    }
    instance = makers[whose]()
    with as_app(user, organization) as connection:
        outcome = attempt(connection, f"SELECT tenancy.{action}_instance(%s)", instance)
    if not WHO[who][2]:
        assert outcome == "permission_denied"
    elif whose == "own" or (whose, who) == ("legacy", "staff"):
        assert outcome == "done"
        assert instance is not None
        assert platform.row(instance, "status") == ("terminating" if action == "terminate" else "booting",)
    else:
        assert outcome == "instance_not_found"


@pytest.mark.parametrize("status", STATES)
@pytest.mark.parametrize("action", ["terminate", "reinstall"])
def test_states(platform: Platform, as_app: AsApp, status: str, action: str) -> None:
    instance = platform.instance(platform.acme, status)
    allowed = {"terminate": TERMINATE, "reinstall": REINSTALL}[action]
    with as_app(platform.users["abe"], platform.acme) as connection:
        if status in allowed:
            connection.execute(f"SELECT tenancy.{action}_instance(%s)", [instance])
            return
        with pytest.raises(psycopg.Error) as raised:
            connection.execute(f"SELECT tenancy.{action}_instance(%s)", [instance])
    assert (raised.value.sqlstate, name_of(raised.value)) == ("55000", "instance_state")
    assert f"an instance that is {status} cannot be" in str(raised.value)
    assert raised.value.diag.message_hint == f"States that allow it: {', '.join(sorted(allowed))}."


@pytest.mark.shared_database(False)
def test_a_context_that_is_changed_in_a_statement_permits_nothing(
    platform: Platform, connect: Connect, logins: Logins
) -> None:
    # A manager who may change instances but not terminate them; in the personal workspace both are allowed.
    platform.admin.execute(
        "INSERT INTO tenancy.role_permissions (role, permission) VALUES ('manager', 'instances.update')"
    )
    platform.admin.execute(
        "INSERT INTO public.instances (provider_id, organization_id, status)"
        " SELECT %s, %s, 'ready' FROM generate_series(1, 2)",
        [platform.provider, platform.acme.id],
    )
    max_ = platform.users["max"]
    connection = connect(logins.app)
    names = ("current_user_id", "current_organization_id", "context")
    with connection.transaction(force_rollback=True):
        with connection.transaction(force_rollback=True):
            connection.execute("SELECT tenancy.enter(%s)", [max_.id])
            kept = [connection.execute(f"SELECT current_setting('tenancy.{name}')").fetchall()[0][0] for name in names]
        connection.execute("SELECT tenancy.enter(%s, %s)", [max_.id, platform.acme.id])
        home = " || ".join(f"set_config('tenancy.{name}', %s, true)" for name in names)
        with refused("28000", "invalid_context"):
            connection.execute(
                "WITH i AS (SELECT id, row_number() OVER (ORDER BY id) AS n FROM public.instances)"
                " UPDATE public.instances AS t SET status = CASE WHEN i.n = 1 THEN 'draining'"
                f" WHEN {home} IS NOT NULL THEN 'terminating' END FROM i WHERE t.id = i.id AND t.status = 'ready'",
                kept,
            )


def test_the_table_says_which_states_allow_what(platform: Platform, as_app: AsApp) -> None:
    with as_app(platform.users["uma"], platform.acme) as connection:
        rows = connection.execute("SELECT action, from_status FROM tenancy.instance_transitions").fetchall()
        assert {state for action, state in rows if action == "terminate"} == TERMINATE
        assert {state for action, state in rows if action == "reinstall"} == REINSTALL
        for statement in (
            "INSERT INTO tenancy.instance_transitions VALUES ('reinstall', 'terminated', 'ready')",
            "UPDATE tenancy.instance_transitions SET to_status = 'ready'",
            "DELETE FROM tenancy.instance_transitions",
        ):
            with refused("42501"), connection.transaction():
                connection.execute(statement)


@pytest.mark.parametrize("old", STATES)
@pytest.mark.parametrize("new", ["terminating", "terminated", "booting", "archived", "ready", "of another's own"])
def test_plain_updates_do_not_get_around_the_actions(platform: Platform, as_app: AsApp, old: str, new: str) -> None:
    instance = platform.instance(platform.acme, old)
    with as_app(platform.users["abe"], platform.acme) as connection:
        outcome = attempt(connection, "UPDATE public.instances SET status = %s WHERE id = %s", new, instance)
    if old == new:
        allowed = True
    elif new == "terminating":
        allowed = old in TERMINATE
    elif new == "terminated":
        allowed = old in TERMINATE | {"terminating"}
    elif new == "booting":
        allowed = old in REINSTALL
    elif new == "archived":
        allowed = old == "terminated"
    else:
        allowed = old not in {"terminating", "terminated", "archived"}
    assert outcome == ("done" if allowed else "instance_state")


@pytest.mark.shared_database(False)
@pytest.mark.parametrize("action", ["terminate", "reinstall"])
def test_a_role_that_may_update_and_not_act_does_not_act_by_updating(
    platform: Platform, as_app: AsApp, action: str
) -> None:
    platform.admin.execute("INSERT INTO tenancy.role_permissions VALUES ('instances.update', 'user')")
    instance = platform.instance(platform.acme)
    with as_app(platform.users["uma"], platform.acme) as connection:
        states = {"terminate": ("terminating", "terminated"), "reinstall": ("booting",)}[action]
        for state in states:
            for statement in (
                f"UPDATE public.instances SET status = '{state}'",
                f"UPDATE public.instances SET gpu_profile = 'x', status = '{state}' WHERE id = '{instance}'",
                f"MERGE INTO public.instances AS i USING (SELECT 1) AS s ON true"
                f" WHEN MATCHED THEN UPDATE SET status = '{state}'",
            ):
                assert attempt(connection, statement) == "permission_denied"
        assert attempt(connection, f"SELECT tenancy.{action}_instance(%s)", instance) == "permission_denied"
        assert attempt(connection, "UPDATE public.instances SET status = 'stopped'") == "done"


@pytest.mark.shared_database(False)
def test_a_dba_adds_a_state(platform: Platform, as_app: AsApp) -> None:
    platform.admin.execute("INSERT INTO tenancy.instance_transitions VALUES ('terminate', 'asleep', 'terminating')")
    instance = platform.instance(platform.acme, "asleep")
    with as_app(platform.users["ann"], platform.acme) as connection:
        connection.execute("SELECT tenancy.terminate_instance(%s)", [instance])
    assert platform.row(instance, "status") == ("terminating",)


def test_workers_write_any_state(platform: Platform, connect: Connect, logins: Logins) -> None:
    instance = platform.instance(platform.acme, "terminating")
    for login in (logins.service, logins.old):
        with connect(login) as connection:
            connection.execute(
                "UPDATE instances SET status = 'terminated', terminated_at = now() WHERE id = %s", [instance]
            )
            connection.execute("UPDATE instances SET status = 'ready' WHERE id = %s", [instance])
