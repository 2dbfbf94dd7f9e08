"""Models: an organization's own and public ones, and who may change them."""

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

pytestmark = pytest.mark.shared_database

Connection = psycopg.Connection[tuple[Any, ...]]
Connect = Callable[..., Connection]
AsApp = Callable[..., AbstractContextManager[Connection]]

NIL = UUID(int=0)
IN_ACME = {"ann": True, "abe": True, "max": False, "uma": False}
INSERT = "INSERT INTO public.models (name, model_id) VALUES ('new', 'new') RETURNING workspace_id, organization_id"


@dataclass
class Catalogue:
    """Two organizations with a model each, a public model, and other people."""

    users: dict[str, User]
    acme: Organization
    globex: Organization
    models: dict[str, UUID]
    admin: Connection

    def names(self) -> dict[str, str]:
        return dict(self.admin.execute("SELECT model_id, name FROM public.models").fetchall())


@pytest.fixture
def catalogue(people: People, admin: Connection) -> Catalogue:
    users = {name: people.user(name) for name in ("ann", "abe", "max", "uma", "pat")}
    users["sam"] = people.user("sam", role="admin")
    acme = people.organization("Acme", owner=users["ann"], admin=users["abe"], manager=users["max"], user=users["uma"])
    globex = people.organization("Globex")
    models = {"acme": uuid4(), "globex": uuid4(), "public": uuid4()}
    for name, owner in (("acme", acme.id), ("globex", globex.id), ("public", None)):
        admin.execute(
            "INSERT INTO public.models (id, name, model_id, organization_id) VALUES (%s, %s, %s, %s)",
            [models[name], name, f"of/{name}", owner],
        )
    return Catalogue(users, acme, globex, models, admin)


@pytest.mark.parametrize("who", [*IN_ACME, "personal", "pat", "sam"])
def test_listing(catalogue: Catalogue, as_app: AsApp, who: str) -> None:
    user = catalogue.users["ann" if who == "personal" else who]
    with as_app(user, catalogue.acme if who in IN_ACME else None) as connection:
        names = {name for (name,) in connection.execute("SELECT name FROM public.models")}
    assert names == ({"acme", "public"} if who in IN_ACME else {"public"})


@pytest.mark.parametrize("who", IN_ACME)
def test_an_organization_makes_private_models(catalogue: Catalogue, as_app: AsApp, who: str) -> None:
    with as_app(catalogue.users[who], catalogue.acme) as connection:
        if not IN_ACME[who]:
            with refused("42501", "permission_denied"):
                connection.execute(INSERT)
            return
        assert connection.execute(INSERT).fetchall() == [(catalogue.acme.id,) * 2]
    with as_app(catalogue.globex.owner, catalogue.globex) as connection:
        assert connection.execute("SELECT count(*) FROM public.models WHERE model_id = 'new'").fetchone() == (0,)


@pytest.mark.parametrize("who", ["ann", "pat"])
def test_a_person_makes_and_changes_none(catalogue: Catalogue, as_app: AsApp, who: str) -> None:
    before = catalogue.names()
    with as_app(catalogue.users[who]) as connection:
        for statement in (
            "INSERT INTO public.models (name, model_id) VALUES ('new', 'new')",
            "UPDATE public.models SET name = 'new'",
            "UPDATE public.models SET name = 'new' WHERE false",
        ):
            with refused("42501", "permission_denied"), connection.transaction():
                connection.execute(statement)
        for model in catalogue.models.values():
            assert attempt(connection, "SELECT tenancy.delete_model(%s)", model) == "model_not_found"
    assert catalogue.names() == before


def test_staff_make_and_change_public_models_in_the_platforms_workspace_alone(
    catalogue: Catalogue, people: People, as_app: AsApp
) -> None:
    sam = catalogue.users["sam"]
    people.membership(catalogue.acme, sam, "admin")
    with as_app(sam) as connection:
        assert attempt(connection, INSERT) == "permission_denied"
    with as_app(sam, NIL) as connection:
        assert connection.execute(INSERT).fetchall() == [(NIL, None)]
        # Nothing that an organization owns is reached.
        assert connection.execute("UPDATE public.models SET name = 'by staff'").rowcount == 2
        (new,) = connection.execute("SELECT id FROM public.models WHERE model_id = 'new'").fetchone() or (None,)
        connection.execute("SELECT tenancy.delete_model(%s)", [new])
        assert attempt(connection, "SELECT tenancy.delete_model(%s)", catalogue.models["acme"]) == "model_not_found"
    assert catalogue.names() == {"of/acme": "acme", "of/globex": "globex", "of/public": "by staff"}
    with as_app(sam, catalogue.acme) as connection:
        assert connection.execute(INSERT).fetchall() == [(catalogue.acme.id,) * 2]
        connection.execute("UPDATE public.models SET name = 'x' WHERE id = %s", [catalogue.models["public"]])
    assert catalogue.names()["of/public"] == "by staff"


@pytest.mark.parametrize("who", IN_ACME)
@pytest.mark.parametrize("model", ["acme", "globex", "public", "unknown"])
@pytest.mark.parametrize(
    "command", ["UPDATE public.models SET name = 'changed' WHERE id = %s", "SELECT tenancy.delete_model(%s)"]
)
def test_changing_in_an_organization(catalogue: Catalogue, as_app: AsApp, who: str, model: str, command: str) -> None:
    before = catalogue.names()
    model_id = catalogue.models.get(model, uuid4())
    with as_app(catalogue.users[who], catalogue.acme) as connection:
        outcome = attempt(connection, command, model_id)
    missing = "done" if command.startswith("UPDATE") else "model_not_found"
    assert outcome == ("permission_denied" if not IN_ACME[who] else "done" if model == "acme" else missing)
    after = catalogue.names()
    assert (after != before) == (IN_ACME[who] and model == "acme")
    assert {name: after[name] for name in ("of/globex", "of/public")} == {"of/globex": "globex", "of/public": "public"}


@pytest.mark.parametrize("who", ["ann", "sam"])
def test_an_id_may_be_named_and_tells_nothing(catalogue: Catalogue, as_app: AsApp, who: str) -> None:
    insert = "INSERT INTO public.models (id, name, model_id) VALUES (%s, 'n', 'n')"
    with as_app(catalogue.users[who], catalogue.acme if who == "ann" else NIL) as connection:
        assert attempt(connection, insert, uuid4()) == "done"
        with pytest.raises(psycopg.errors.UniqueViolation) as raised, connection.transaction():
            connection.execute(insert.replace("'n', 'n'", "'m', 'm'"), [catalogue.models["globex"]])
        assert "Globex" not in str(raised.value)
        assert raised.value.diag.message_detail is None


@pytest.mark.parametrize("column", ["organization_id", "workspace_id"])
def test_the_owner_of_a_model_cannot_be_written(catalogue: Catalogue, as_app: AsApp, column: str) -> None:
    for user, organization in (("ann", catalogue.acme), ("sam", None), ("sam", NIL)):
        with as_app(catalogue.users[user], organization) as connection:
            for value in (catalogue.globex.id, catalogue.acme.id, NIL, None):
                for statement in (
                    f"INSERT INTO public.models (name, model_id, {column}) VALUES ('n', 'n', %s)",
                    f"UPDATE public.models SET {column} = %s WHERE name = 'acme'",
                ):
                    with refused("42501"), connection.transaction():
                        connection.execute(statement, [value])


def test_a_model_id_is_unique_within_a_workspace(catalogue: Catalogue, as_app: AsApp) -> None:
    insert = "INSERT INTO public.models (name, model_id) VALUES ('same', %s)"
    with as_app(catalogue.users["ann"], catalogue.acme) as connection:
        # Other organizations' or public models with this id do not matter.
        for name, outcome in (
            ("of/globex", "done"),
            ("of/public", "done"),
            ("of/acme", "models_tenancy_workspace_id_model_id_key"),
            ("of/public", "models_tenancy_workspace_id_model_id_key"),
        ):
            assert attempt(connection, insert, name) == outcome
        upsert = f"{insert} ON CONFLICT (workspace_id, model_id) DO UPDATE SET name = 'upserted'"
        assert attempt(connection, upsert, "of/globex") == "done"
    named = catalogue.admin.execute("SELECT name FROM public.models WHERE model_id = 'of/globex'").fetchall()
    assert sorted(named) == [("globex",), ("upserted",)]
    with as_app(catalogue.users["sam"], NIL) as connection:
        assert attempt(connection, insert, "of/acme") == "done"
        assert attempt(connection, insert, "of/public") == "models_tenancy_workspace_id_model_id_key"


def _use(catalogue: Catalogue, model: str, organization: Organization, kind: str) -> None:
    if kind == "instances":
        catalogue.admin.execute(
            "WITH p AS (INSERT INTO public.providers (name) VALUES ('p') RETURNING id)"
            " INSERT INTO public.instances (provider_id, model_id, organization_id) SELECT id, %s, %s FROM p",
            [catalogue.models[model], organization.id],
        )
    else:
        catalogue.admin.execute(
            "INSERT INTO public.organization_models (organization_id, model_id, name, code) VALUES (%s, %s, 'n', 'c')",
            [organization.id, catalogue.models[model]],
        )


@pytest.mark.parametrize("kind", ["instances", "offerings"])
def test_a_model_in_use_stays(catalogue: Catalogue, as_app: AsApp, connect: Connect, logins: Logins, kind: str) -> None:
    _use(catalogue, "acme", catalogue.acme, kind)
    _use(catalogue, "public", catalogue.globex, kind)
    with as_app(catalogue.users["ann"], catalogue.acme) as connection:
        with pytest.raises(psycopg.Error) as raised, connection.transaction():
            connection.execute("SELECT tenancy.delete_model(%s)", [catalogue.models["acme"]])
        assert (raised.value.sqlstate, name_of(raised.value)) == ("23503", "model_in_use")
        assert f"used by {kind}" in str(raised.value)
    with as_app(catalogue.users["sam"], NIL) as connection:
        assert attempt(connection, "SELECT tenancy.delete_model(%s)", catalogue.models["public"]) == "model_in_use"
    with connect(logins.service) as service:
        assert attempt(service, "DELETE FROM models") == "model_in_use"


@pytest.mark.parametrize("kind", ["instances", "offerings"])
def test_deleting_a_public_model_tells_a_tenant_of_no_use_by_others(
    catalogue: Catalogue, as_app: AsApp, kind: str
) -> None:
    answers = set()
    for used in (False, True):
        if used:
            _use(catalogue, "public", catalogue.globex, kind)
        for where in (catalogue.acme, None):
            with as_app(catalogue.users["ann"], where) as connection:
                with pytest.raises(psycopg.Error) as raised, connection.transaction():
                    connection.execute("SELECT tenancy.delete_model(%s)", [catalogue.models["public"]])
                diag = raised.value.diag
                answers.add((where, diag.sqlstate, diag.constraint_name, diag.message_primary, diag.context))
    assert len(answers) == 2
    with as_app(catalogue.users["ann"], catalogue.acme) as connection:
        assert attempt(connection, "DELETE FROM public.models") == "42501"
        assert attempt(connection, "LOCK TABLE public.models IN SHARE MODE") == "42501"


@pytest.mark.shared_database(False)
def test_a_role_without_models_view_sees_no_public_models_either(catalogue: Catalogue, as_app: AsApp) -> None:
    catalogue.admin.execute("DELETE FROM tenancy.role_permissions WHERE permission = 'models.view' AND role = 'user'")
    with as_app(catalogue.users["uma"], catalogue.acme) as connection:
        assert connection.execute("SELECT count(*) FROM public.models").fetchone() == (0,)


def test_the_application_from_before_makes_public_models(
    catalogue: Catalogue, connect: Connect, logins: Logins
) -> None:
    with connect(logins.old) as old:
        old.execute("INSERT INTO models (id, name, model_id) VALUES (gen_random_uuid(), 'old', 'old')")
        old.execute("UPDATE models SET is_active = false WHERE model_id = 'old'")
    assert catalogue.admin.execute(
        "SELECT workspace_id, organization_id, is_active FROM public.models WHERE model_id = 'old'"
    ).fetchall() == [(NIL, None, False)]
    with connect(logins.old) as old:
        assert old.execute("DELETE FROM models WHERE model_id = 'old'").rowcount == 1


@pytest.mark.parametrize("where", [None, "ann", "acme"])
def test_a_service_that_names_an_organization_makes_its_model(
    catalogue: Catalogue, connect: Connect, logins: Logins, where: str | None
) -> None:
    with connect(logins.service) as service:
        if where is not None:
            acme = catalogue.acme.id if where == "acme" else None
            service.execute("SELECT tenancy.enter_as_service(%s, %s)", [catalogue.users["ann"].id, acme])
        assert service.execute(
            "INSERT INTO public.models (name, model_id, organization_id) VALUES ('n', 'n', %s)"
            " RETURNING workspace_id, organization_id",
            [catalogue.globex.id],
        ).fetchall() == [(catalogue.globex.id,) * 2]


def test_a_model_is_nobodys_own(catalogue: Catalogue, connect: Connect, logins: Logins) -> None:
    ann = catalogue.users["ann"].id
    with connect(logins.service) as service:
        assert (
            attempt(service, "INSERT INTO models (name, model_id, workspace_id) VALUES ('n', 'n', %s)", ann)
            == "models_tenancy_shared_check"
        )
        service.execute("SELECT tenancy.enter_as_service(%s)", [ann])
        assert service.execute(INSERT).fetchall() == [(NIL, None)]
