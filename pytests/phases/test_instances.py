"""Instances: whose they are, who changes them, in which states, and with which models."""

# ruff: noqa: S608  (the statements are the test's own)

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from support.people import Organization, People, User
from support.racing import attempt, name_of
from support.server import Logins
from support.two_tenants import refused

Connection = psycopg.Connection[tuple[Any, ...]]
Connect = Callable[..., Connection]
AsApp = Callable[..., AbstractContextManager[Connection]]

NIL = UUID(int=0)
WHO = {
    # who: (user, in Acme, may write)
    "owner": ("ann", True, True),
    "admin": ("abe", True, True),
    "manager": ("max", True, False),
    "user": ("uma", True, False),
    "personal": ("ann", False, True),
    "person": ("pat", False, True),
    "staff": ("sam", False, True),
}
TERMINATE = {
    "provisioning",
    "booting",
    "installing",
    "starting",
    "ready",
    "running",
    "stopped",
    "reinstalling",
    "failed",
    "error",
}
REINSTALL = {"ready", "running", "stopped", "failed", "error"}
STATES = sorted(TERMINATE | {"terminating", "terminated", "of the application's own"})


@dataclass
class Platform:
    """Acme and Globex, people beside them, and rows of each."""

    users: dict[str, User]
    acme: Organization
    globex: Organization
    provider: UUID
    models: dict[str, UUID]
    admin: Connection

    def where(self, who: str) -> tuple[User, Organization | None]:
        user, organization, _ = WHO[who]
        return self.users[user], self.acme if organization else None

    def workspace(self, who: str) -> UUID:
        user, organization = self.where(who)
        return organization.id if organization else user.id

    def instance(self, workspace: User | Organization | None = None, status: str = "ready", **more: Any) -> UUID:
        """Insert an instance of a person, of an organization, or from before tenancy."""
        made = uuid4()
        columns = {"id": made, "provider_id": self.provider, "status": status, **more}
        if workspace is not None:
            columns["user_id" if isinstance(workspace, User) else "organization_id"] = workspace.id
        self.admin.execute(
            f"INSERT INTO public.instances ({', '.join(columns)}) VALUES ({', '.join(['%s'] * len(columns))})",
            list(columns.values()),
        )
        return made

    def row(self, instance: UUID, columns: str = "workspace_id, organization_id, user_id, status") -> tuple[Any, ...]:
        found = self.admin.execute(f"SELECT {columns} FROM public.instances WHERE id = %s", [instance]).fetchone()
        assert found is not None
        return found


@pytest.fixture
def platform(people: People, admin: Connection) -> Platform:
    users = {name: people.user(name) for name in ("ann", "abe", "max", "uma", "pat")}
    users["sam"] = people.user("sam", role="admin")
    acme = people.organization("Acme", owner=users["ann"], admin=users["abe"], manager=users["max"], user=users["uma"])
    globex = people.organization("Globex")
    provider, models = uuid4(), {"public": uuid4(), "acme": uuid4(), "globex": uuid4()}
    admin.execute("INSERT INTO public.providers (id, name) VALUES (%s, 'provider')", [provider])
    for name, owner in (("public", None), ("acme", acme.id), ("globex", globex.id)):
        admin.execute(
            "INSERT INTO public.models (id, name, model_id, organization_id) VALUES (%s, %s, 'm', %s)",
            [models[name], name, owner],
        )
    return Platform(users, acme, globex, provider, models, admin)


# -- reading -----------------------------------------------------------------------


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


# -- writing -------------------------------------------------------------------------


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


# -- the two actions -----------------------------------------------------------------


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
    if not WHO[who][2] or (whose == "legacy" and who in {"personal", "person"}):
        assert outcome == "permission_denied"
    elif whose == "own" or (whose, who) == ("legacy", "staff"):
        assert outcome == "done"
        assert instance is not None
        assert platform.row(instance, "status") == ("terminating" if action == "terminate" else "reinstalling",)
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


def test_a_context_that_is_changed_in_a_statement_permits_nothing(
    platform: Platform, connect: Connect, logins: Logins
) -> None:
    # A manager who may change instances and not terminate them; at home he may do both.
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
    names = ("current_user_id", "current_organization_id", "current_role", "current_credential_id", "seal")
    with connection.transaction(force_rollback=True):
        with connection.transaction(force_rollback=True):
            connection.execute("SELECT tenancy.enter(%s)", [max_.id])
            kept = [connection.execute(f"SELECT current_setting('tenancy.{name}')").fetchall()[0][0] for name in names]
        connection.execute("SELECT tenancy.enter(%s, %s)", [max_.id, platform.acme.id])
        home = " || ".join(f"set_config('tenancy.{name}', %s, true)" for name in names)
        with refused("28000", "invalid_context"):
            connection.execute(
                "WITH i AS (SELECT id, row_number() OVER (ORDER BY id) AS n FROM public.instances)"
                " UPDATE public.instances AS t SET status = CASE WHEN i.n = 1 THEN 'starting'"
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
@pytest.mark.parametrize("new", ["terminating", "terminated", "reinstalling", "ready", "of another's own"])
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
    elif new == "reinstalling":
        allowed = old in REINSTALL
    else:
        allowed = old not in {"terminating", "terminated"}
    assert outcome == ("done" if allowed else "instance_state")


@pytest.mark.parametrize("action", ["terminate", "reinstall"])
def test_a_role_that_may_update_and_not_act_does_not_act_by_updating(
    platform: Platform, as_app: AsApp, action: str
) -> None:
    platform.admin.execute("INSERT INTO tenancy.role_permissions VALUES ('instances.update', 'user')")
    instance = platform.instance(platform.acme)
    with as_app(platform.users["uma"], platform.acme) as connection:
        states = {"terminate": ("terminating", "terminated"), "reinstall": ("reinstalling",)}[action]
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


# -- models --------------------------------------------------------------------------


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
    with as_app(platform.users["ann"], platform.acme) as connection:
        for name, guess in guesses.items():
            for statement in (
                f"INSERT INTO public.instances (provider_id, model_id) VALUES ('{platform.provider}', %s)",
                "UPDATE public.instances SET model_id = %s",
                "UPDATE public.instances SET model_id = %s WHERE false",
                "INSERT INTO public.instances (provider_id, model_id) SELECT provider_id, %s FROM public.instances",
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
            "instances_model_workspace_id_check",
            "instances_model_workspace_id_fkey",
        }
    # A model that moves takes the instances of its new organization along, and refuses those of others.
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


# -- who was there before, and who works for all ---------------------------------------


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
                "SELECT tenancy.enter(%s, %s)",
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
        # A row is not moved by what it loses.
        service.execute("UPDATE public.instances SET user_id = NULL")
    assert platform.row(instance, "workspace_id, organization_id, user_id") == (pat, None, None)


def test_whose_a_row_is_and_what_its_columns_say_agree(platform: Platform, connect: Connect, logins: Logins) -> None:
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
    ) in {"instances_workspace_id_fkey", "instances_organization_id_fkey"}


# -- the end of a workspace -------------------------------------------------------------


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
