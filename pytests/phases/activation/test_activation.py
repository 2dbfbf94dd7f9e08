"""Activation: who may give it, what requires it, and that nothing else writes it."""

# ruff: noqa: S608  (the statements are the test's own)

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol
from uuid import UUID, uuid4

import psycopg
import pytest

from support.people import Organization, People, User
from support.platform import KEYLESS, ROWS
from support.racing import attempt, name_of
from support.replay import Replay
from support.server import Logins

pytestmark = pytest.mark.shared_database

Connection = psycopg.Connection[tuple[Any, ...]]
AsApp = Callable[..., AbstractContextManager[Connection]]
Connect = Callable[..., Connection]

KINDS = {"instance": "instances", "model": "models", "api_key": "api_keys"}
MAY = {"tech": {"owner", "admin"}, "eco": {"owner", "manager"}}


class Acme(Protocol):
    """The fixture's objects."""

    organization: Organization
    people: dict[str, User]
    objects: dict[str, UUID]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("aspect", MAY)
@pytest.mark.parametrize("role", ["owner", "admin", "manager", "user"])
def test_roles(acme: Acme, as_app: AsApp, admin: Connection, role: str, aspect: str, kind: str) -> None:
    with as_app(acme.people[role], acme.organization) as connection:
        given = attempt(connection, "SELECT tenancy.activate(%s, %s, %s)", kind, acme.objects[kind], aspect)
    assert given == ("done" if role in MAY[aspect] else "permission_denied")
    row = admin.execute(
        f"SELECT tech_activated_by, eco_activated_by, tech_activated_at IS NOT NULL, eco_activated_at IS NOT NULL,"
        f" is_operational FROM public.{KINDS[kind]} WHERE id = %s",
        [acme.objects[kind]],
    ).fetchall()[0]
    by = acme.people[role].id if given == "done" else None
    tech, eco = (by if aspect == name else None for name in MAY)
    assert row == (tech, eco, tech is not None, eco is not None, False)


@pytest.mark.parametrize("kind", KINDS)
def test_an_owner_gives_both_one_after_the_other_and_they_are_recorded(
    acme: Acme, as_app: AsApp, admin: Connection, kind: str
) -> None:
    id_ = acme.objects[kind]
    with as_app(acme.people["owner"], acme.organization) as connection:
        for call, aspect, answer in (
            ("activate", "tech", False),
            ("activate", "eco", True),
            ("activate", "eco", True),
            ("deactivate", "tech", False),
            ("activate", "tech", True),
        ):
            assert connection.execute(f"SELECT tenancy.{call}(%s, %s, %s)", [kind, id_, aspect]).fetchall() == [
                (answer,)
            ]
            assert connection.execute(
                f"SELECT is_operational FROM public.{KINDS[kind]} WHERE id = %s", [id_]
            ).fetchall() == [(answer,)]
    log = admin.execute(
        "SELECT action, user_id, workspace_id FROM tenancy.audit_log WHERE object_id = %s"
        " AND action LIKE '%%activate%%' ORDER BY action",
        [str(id_)],
    ).fetchall()
    assert log == [
        (f"{kind}.{verb}", acme.people["owner"].id, acme.organization.id)
        for verb in ("activate_eco", "activate_tech", "activate_tech", "deactivate_tech")
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_use_is_refused_with_what_is_missing_and_who_can_give_it(acme: Acme, as_app: AsApp, kind: str) -> None:
    id_ = acme.objects[kind]
    for missing, words in (("technical and the economic", "both"), ("technical", "tech"), ("economic", "eco")):
        if words != "both":
            with as_app(acme.people["owner"], acme.organization) as connection:
                other = "eco" if words == "tech" else "tech"
                connection.execute("SELECT tenancy.activate(%s, %s, %s)", [kind, id_, other])
                connection.execute("SELECT tenancy.deactivate(%s, %s, %s)", [kind, id_, words])
        with as_app(acme.people["user"], acme.organization) as connection, pytest.raises(psycopg.Error) as raised:
            connection.execute("SELECT tenancy.require_operational(%s, %s)", [kind, id_])
        assert (raised.value.sqlstate, name_of(raised.value)) == ("55000", "not_operational")
        assert f"lacks the {missing} activation" in str(raised.value)
        hint = raised.value.diag.message_hint or ""
        assert ("owner, admin" in hint) == (words != "eco")
        assert ("owner, manager" in hint) == (words != "tech")


def test_a_key_enters_only_with_both(acme: Acme, as_app: AsApp, connect: Connect, logins: Logins) -> None:
    def enter() -> str:
        with connect(logins.credentialed) as connection:
            return attempt(connection, "SELECT tenancy.enter_with_api_key('pgt_00000000_secret')")

    key = acme.objects["api_key"]
    assert enter() == "not_operational"
    for role, aspect in (("admin", "tech"), ("manager", "eco")):
        with as_app(acme.people[role], acme.organization) as connection:
            connection.execute("SELECT tenancy.activate('api_key', %s, %s)", [key, aspect])
        assert enter() == ("done" if aspect == "eco" else "not_operational")


@pytest.mark.shared_database(False)
def test_an_open_transaction_of_a_key_does_not_delay_its_deactivation(
    acme: Acme, as_app: AsApp, connect: Connect, logins: Logins, admin: Connection
) -> None:
    key = acme.objects["api_key"]
    with as_app(acme.people["owner"], acme.organization) as connection:
        for aspect in MAY:
            connection.execute("SELECT tenancy.activate('api_key', %s, %s)", [key, aspect])
    holder = connect(logins.app)
    with holder.transaction():
        holder.execute("SELECT tenancy.enter_with_api_key('pgt_00000000_secret')")
        with as_app(acme.people["owner"], acme.organization) as connection:
            connection.execute("SET LOCAL lock_timeout = '1s'")
            connection.execute("SELECT tenancy.deactivate('api_key', %s, 'eco')", [key])
        with connect(logins.app) as other:
            assert attempt(other, "SELECT tenancy.enter_with_api_key('pgt_00000000_secret')") == "not_operational"
    # The row follows with the next change.
    with as_app(acme.people["owner"], acme.organization) as connection:
        connection.execute("SELECT tenancy.deactivate('api_key', %s, 'tech')", [key])
    assert admin.execute(
        "SELECT eco_activated_at, tech_activated_at, is_operational FROM public.api_keys WHERE id = %s", [key]
    ).fetchall() == [(None, None, False)]
    assert admin.execute(
        "SELECT count(*) FROM tenancy.audit_log WHERE action = 'api_key.deactivate_eco'"
    ).fetchall() == [(1,)]


@pytest.mark.parametrize("column", ["tech_activated_at", "eco_activated_by", "is_operational"])
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_else_writes_the_columns(
    acme: Acme, as_app: AsApp, connect: Connect, logins: Logins, kind: str, column: str
) -> None:
    table, id_ = KINDS[kind], acme.objects[kind]
    value = {"tech_activated_at": "now()", "eco_activated_by": f"'{uuid4()}'", "is_operational": "true"}[column]
    update = f"UPDATE public.{table} SET {column} = {value} WHERE id = '{id_}'"
    upsert = (
        f"INSERT INTO public.{table} AS t SELECT (jsonb_populate_record(i, jsonb_build_object('id', i.id))).*"
        f" FROM public.{table} AS i ON CONFLICT (id) DO UPDATE SET {column} = {value}"
    )
    with as_app(acme.people["owner"], acme.organization) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
            connection.execute(update)
        with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
            connection.execute(f"INSERT INTO public.{table} ({column}) VALUES ({value})")
        with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
            connection.execute(upsert)
    for login in (logins.service, logins.old):
        with connect(login) as connection:
            assert attempt(connection, update) == "activation_by_function"
            assert attempt(connection, upsert) == "activation_by_function"


def test_personal_and_platform_rows_need_no_activation(acme: Acme, as_app: AsApp, admin: Connection) -> None:
    person = acme.people["user"]
    with as_app(person) as connection:
        made = connection.execute("SELECT id FROM tenancy.create_api_key('mine')").fetchall()[0][0]
        connection.execute("SELECT tenancy.require_operational('api_key', %s)", [made])
        assert attempt(connection, "SELECT tenancy.activate('api_key', %s, 'tech')", made) == "organization_required"
    public = admin.execute(
        "INSERT INTO public.models (name, model_id) VALUES ('p', 'p') RETURNING id, is_operational"
    ).fetchall()[0]
    assert public[1]
    with as_app(person, acme.organization) as connection:
        connection.execute("SELECT tenancy.require_operational('model', %s)", [public[0]])


def test_objects_of_another_organization_are_not_found(acme: Acme, people: People, as_app: AsApp) -> None:
    bob = people.user("bob")
    globex = people.organization("Globex", owner=bob)
    with as_app(bob, globex) as connection:
        for kind in KINDS:
            for statement in ("activate(%s, %s, 'tech')", "deactivate(%s, %s, 'eco')", "require_operational(%s, %s)"):
                outcome = attempt(connection, f"SELECT tenancy.{statement}", kind, acme.objects[kind])
                assert outcome == f"{kind}_not_found"
        assert attempt(connection, "SELECT tenancy.activate('user', %s, 'tech')", uuid4()) == "kind_invalid"
        assert attempt(connection, "SELECT tenancy.activate('model', %s, 'x')", uuid4()) == "aspect_invalid"


def test_an_instance_uses_and_becomes_only_what_is_operational(acme: Acme, as_app: AsApp) -> None:
    instance, model = acme.objects["instance"], acme.objects["model"]
    with as_app(acme.people["owner"], acme.organization) as connection:
        use = f"UPDATE public.instances SET model_id = '{model}' WHERE id = '{instance}'"
        start = f"UPDATE public.instances SET status = 'ready' WHERE id = '{instance}'"
        assert attempt(connection, use) == "not_operational"
        assert attempt(connection, start) == "not_operational"
        for kind in ("instance", "model"):
            for aspect in MAY:
                connection.execute("SELECT tenancy.activate(%s, %s, %s)", [kind, acme.objects[kind], aspect])
        assert attempt(connection, use) == "done"
        assert attempt(connection, start) == "done"


@pytest.mark.parametrize("status", ["starting", "ready", "running"])
def test_a_new_instance_of_an_organization_does_not_begin_at_work(
    acme: Acme, as_app: AsApp, connect: Connect, logins: Logins, status: str
) -> None:
    make = (
        "INSERT INTO public.instances (provider_id, status)"
        f" SELECT provider_id, {{}} FROM public.instances WHERE id = '{acme.objects['instance']}'"
    )
    with as_app(acme.people["owner"], acme.organization) as connection:
        assert attempt(connection, make.format(f"'{status}'")) == "not_operational"
        assert attempt(connection, make.format("'provisioning'")) == "done"
        provider = connection.execute("SELECT provider_id FROM public.instances LIMIT 1").fetchall()[0][0]
        assert connection.execute("SELECT DISTINCT status FROM public.instances").fetchall() == [("provisioning",)]
    with as_app(acme.people["owner"]) as connection:
        connection.execute("INSERT INTO public.instances (provider_id, status) VALUES (%s, %s)", [provider, status])
    with connect(logins.old) as connection:
        assert (
            attempt(
                connection,
                "INSERT INTO public.instances (id, provider_id, organization_id, status)"
                " VALUES (gen_random_uuid(), %s, %s, %s)",
                provider,
                acme.organization.id,
                status,
            )
            == "done"
        )


def test_an_activation_outlives_its_account(acme: Acme, as_app: AsApp, admin: Connection) -> None:
    with as_app(acme.people["admin"], acme.organization) as connection:
        connection.execute("SELECT tenancy.activate('model', %s, 'tech')", [acme.objects["model"]])
    admin.execute("DELETE FROM public.users WHERE id = %s", [acme.people["admin"].id])
    assert admin.execute("SELECT tech_activated_at IS NOT NULL, tech_activated_by FROM public.models").fetchall() == [
        (True, acme.people["admin"].id)
    ]


def test_there_and_back(state: Callable[..., Any]) -> None:
    database = state(KEYLESS + ROWS, "@phase-7")
    before = database.dump()
    Replay(database).deploy("@phase-11")
    Replay(database).verify()
    with database.connect(autocommit=True) as admin:
        for table in KINDS.values():
            assert admin.execute(
                f"SELECT count(*) FROM public.{table} WHERE NOT is_operational OR tech_activated_at IS NULL"
            ).fetchall() == [(0,)]
        admin.execute("UPDATE public.models SET eco_activated_at = NULL, tech_activated_by = gen_random_uuid()")
        kept = admin.execute(
            "SELECT id, tech_activated_at, tech_activated_by, eco_activated_at FROM public.models ORDER BY id"
        )
        wanted = kept.fetchall()
    Replay(database).revert("@phase-7")
    assert database.dump() == before
    Replay(database).deploy("@phase-11")
    with database.connect(autocommit=True) as admin:
        assert (
            admin.execute(
                "SELECT id, tech_activated_at, tech_activated_by, eco_activated_at FROM public.models ORDER BY id"
            ).fetchall()
            == wanted
        )
        assert admin.execute("SELECT to_regnamespace('tenancy_archive')").fetchall() == [(None,)]


ADOPTED = """
ALTER TABLE public.instances
    ADD tech_activated_by uuid, ADD tech_activated_at timestamptz, ADD eco_activated_by uuid,
    ADD eco_activated_at timestamptz, ADD is_operational boolean
    GENERATED ALWAYS AS (tech_activated_at IS NOT NULL AND eco_activated_at IS NOT NULL) STORED;
"""
ADDED_HALF = ADOPTED + (
    "INSERT INTO public.instances (id, provider_id, status)"
    " SELECT gen_random_uuid(), provider_id, 'ready' FROM public.instances LIMIT 1;"
    "UPDATE public.instances SET tech_activated_at = now()"
    " WHERE id = (SELECT id FROM public.instances ORDER BY id LIMIT 1);"
)


def test_a_plain_column_of_an_application_is_made_consistent(state: Callable[..., Any]) -> None:
    """Also in rows in which nothing else has to change."""
    plain = ADOPTED.replace(
        "GENERATED ALWAYS AS (tech_activated_at IS NOT NULL AND eco_activated_at IS NOT NULL) STORED", ""
    )
    database = state(
        KEYLESS + ROWS + plain + "UPDATE public.instances SET tech_activated_at = now(), eco_activated_at = now(),"
        " is_operational = false;",
        "@phase-7",
    )
    Replay(database).deploy("@phase-11")
    with database.connect(autocommit=True) as admin:
        assert admin.execute("SELECT DISTINCT is_operational FROM public.instances").fetchall() == [(True,)]


def test_columns_that_an_application_has_keep_what_they_say(state: Callable[..., Any], logins: Logins) -> None:
    database = state(KEYLESS + ROWS + ADDED_HALF, "@phase-7")
    with database.connect(autocommit=True) as admin:
        half = admin.execute("SELECT id FROM public.instances WHERE tech_activated_at IS NOT NULL").fetchall()
        none = admin.execute("SELECT count(*) FROM public.instances WHERE tech_activated_at IS NULL").fetchall()[0][0]
    assert len(half) == 1
    assert none
    before = database.dump()
    Replay(database).deploy("@phase-11")
    with database.connect(autocommit=True) as admin:
        rows = admin.execute("SELECT is_operational, count(*) FROM public.instances GROUP BY 1 ORDER BY 1").fetchall()
    assert rows == [(False, 1), (True, none)]
    with database.connect(logins.old) as connection:
        connection.execute("UPDATE public.instances SET eco_activated_at = now()")
    Replay(database).revert("@phase-7")
    assert database.dump() == before
