"""``tenancy.explain_access()`` predicts an attempt's result, with the reason, only for logins that see everything."""

# ruff: noqa: S608  (the statements are made here)

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID, uuid4

import psycopg
import pytest

from support.application import TENANT_TABLES, Application, Connection
from support.racing import name_of
from support.two_tenants import refused

pytestmark = pytest.mark.shared_database

PLATFORM = UUID(int=0)

# Users and their organizations.
ACTORS = [
    *((name, "acme") for name in ("ann", "abe", "max", "uma")),
    ("gina", "globex"),
    ("gus", "globex"),
    ("ann", None),
    ("pat", None),
    ("sam", None),
    ("sam", "platform"),
]
# People and workspaces that they cannot enter.
STRANGERS = [("pat", "acme"), ("ann", "globex"), ("ann", "platform")]

KEYS = {"public.countries": "code", "public.users": "id", "public.organizations": "id"}


def _place(app: Application, name: str | None) -> UUID | None:
    return {"acme": app.acme.id, "globex": app.globex.id, "platform": PLATFORM, None: None}[name]


@contextmanager
def _working(app: Application, who: str, where: str | None) -> Iterator[Connection]:
    if where == "platform":
        with app.database.connect(app.logins.app) as connection:
            connection.execute("SELECT tenancy.enter_platform(%s)", [app.users[who].id])
            yield connection
            connection.rollback()
    else:
        with app.database.connect(app.logins.app) as connection:
            connection.execute("SELECT tenancy.enter(%s, %s)", [app.users[who].id, _place(app, where)])
            yield connection
            connection.rollback()


def _tried(connection: Connection, table: str, key: str, row: object) -> dict[str, bool]:
    """Return which commands reach a row, by trying each of them."""
    column = {"public.tasks": "title", "public.notes": "body"}.get(table, "name")
    statements = {
        "SELECT": f"SELECT {key} FROM {table} WHERE {key} = %s",
        "UPDATE": f"UPDATE {table} SET {column} = {column} WHERE {key} = %s",
        "DELETE": f"DELETE FROM {table} WHERE {key} = %s",
    }
    found = {}
    for command, statement in statements.items():
        try:
            with connection.transaction(force_rollback=True):
                found[command] = connection.execute(statement.encode(), [row]).rowcount == 1
        except (psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedColumn):
            found[command] = False
    return found


def _explained(connection: Connection, table: str, row: object, user: UUID, place: UUID | None) -> dict[str, bool]:
    answers = connection.execute(
        "SELECT command, allowed, reason FROM tenancy.explain_access(%s::text::regclass, %s::text, %s, %s)",
        [table, str(row), user, place],
    ).fetchall()
    assert [command for command, _, _ in answers] == ["SELECT", "INSERT", "UPDATE", "DELETE"]
    assert all(reason for _, _, reason in answers)
    return {command: allowed for command, allowed, _ in answers if command != "INSERT"}


@pytest.mark.parametrize(("who", "where"), ACTORS)
def test_it_says_what_a_try_finds(app: Application, who: str, where: str | None) -> None:
    user, place = app.users[who].id, _place(app, where)
    asked = positive = 0
    with app.connected() as admin, app.connected(app.logins.service) as service, _working(app, who, where) as tenant:
        for table in (*TENANT_TABLES, *KEYS):
            key = KEYS.get(table, "id")
            for (row,) in admin.execute(f"SELECT {key} FROM {table}".encode()).fetchall():
                tried, told = _tried(tenant, table, key, row), _explained(service, table, row, user, place)
                assert told == tried, (table, row)
                asked, positive = asked + len(told), positive + sum(told.values())
    assert asked > 100
    assert positive > 2


def test_it_says_what_an_insert_would_meet(app: Application) -> None:
    with app.connected(app.logins.service) as service:
        for who, where in ACTORS:
            told = service.execute(
                "SELECT allowed FROM tenancy.explain_access('public.customers', %s, %s, %s) WHERE command = 'INSERT'",
                [str(uuid4()), app.users[who].id, _place(app, where)],
            ).fetchone()
            with _working(app, who, where) as tenant:
                try:
                    tenant.execute("INSERT INTO public.customers (name) VALUES ('x')")
                except psycopg.errors.InsufficientPrivilege:
                    assert told == (False,), (who, where)
                else:
                    assert told == (True,), (who, where)


@pytest.mark.parametrize(
    ("who", "where", "command", "row", "reason"),
    [
        ("gina", "globex", "SELECT", "Acme customer", "the row belongs to the organization Acme, and gina@"),
        ("ann", None, "SELECT", "Acme customer", "and ann@example.com is in the personal workspace of ann@example.com"),
        ("uma", "acme", "UPDATE", "Acme customer", "role user lacks permission customers.write; roles that hold it: "),
        ("uma", "acme", "SELECT", "Acme customer", "role user has permission customers.view, columns: id,"),
        ("pat", None, "SELECT", "pat customer", "a person has every permission in their personal workspace"),
        ("pat", "acme", "SELECT", "Acme customer", "pat@example.com is not a member of the organization Acme"),
        ("ann", "platform", "SELECT", "Acme customer", "ann@example.com is not platform staff"),
        ("ann", "acme", "SELECT", None, "no row 00000000-0000-0000-0000-000000000001 exists in public.customers"),
    ],
)
def test_the_reason_is_in_words(
    app: Application, who: str, where: str | None, command: str, row: str | None, reason: str
) -> None:
    id_ = app.number("public.customers", row) if row else UUID(int=1)
    with app.connected(app.logins.service) as service:
        (told,) = service.execute(
            "SELECT reason FROM tenancy.explain_access('public.customers', %s, %s, %s) WHERE command = %s",
            [str(id_), app.users[who].id, _place(app, where), command],
        ).fetchone() or ("",)
    assert reason in told


@pytest.mark.parametrize(("who", "where"), STRANGERS)
def test_a_login_that_cannot_enter_reaches_nothing(app: Application, who: str, where: str) -> None:
    with app.connected(app.logins.service) as service:
        told = service.execute(
            "SELECT allowed, reason FROM tenancy.explain_access('public.customers', %s, %s, %s)",
            [str(app.number("public.customers", "Acme customer")), app.users[who].id, _place(app, where)],
        ).fetchall()
    assert [allowed for allowed, _ in told] == [False] * 4
    assert all("so entering" in reason for _, reason in told)


def test_a_deleted_organization_is_named(app: Application) -> None:
    with app.connected() as admin:
        admin.execute("UPDATE tenancy.workspaces SET deleted_at = now() WHERE id = %s", [app.acme.id])
        told = admin.execute(
            "SELECT DISTINCT reason FROM tenancy.explain_access('public.customers', %s, %s, %s)",
            [str(uuid4()), app.users["ann"].id, app.acme.id],
        ).fetchall()
        admin.rollback()
    assert told == [("the organization Acme, which is deleted, so entering is refused",)]


@pytest.mark.parametrize("row", ["Acme customer", None])
def test_tenants_cannot_ask_and_learn_nothing_by_being_refused(app: Application, row: str | None) -> None:
    id_ = app.number("public.customers", row) if row else uuid4()
    call = "SELECT * FROM tenancy.explain_access('public.customers', %s, %s, %s)"
    arguments = [str(id_), app.users["gina"].id, app.globex.id]
    for login in (app.logins.app, app.logins.credentialed):
        with app.connected(login) as connection:
            if login == app.logins.app:
                connection.execute("SELECT tenancy.enter(%s, %s)", arguments[1:])
            with pytest.raises(psycopg.errors.InsufficientPrivilege) as error:
                connection.execute(call, arguments)
        assert "explain_access" in str(error.value)


def test_the_question_of_an_auditor_is_recorded(app: Application) -> None:
    with app.connected(app.logins.auditor) as auditor:
        told = auditor.execute(
            "SELECT allowed FROM tenancy.explain_access('public.customers', %s, %s)",
            [str(app.number("public.customers", "pat customer")), app.users["pat"].id],
        ).fetchall()
        recorded = auditor.execute(
            "SELECT count(*) FROM tenancy.audit_log WHERE action = 'table.read' AND object_id = 'public.customers'"
        ).fetchone()
        auditor.rollback()
    assert told[0] == (True,)
    assert recorded == (1,)


def test_a_key_of_which_one_column_is_of_an_own_type_identifies_no_row_by_the_other(bare_app: Application) -> None:
    bare_app.run(
        "CREATE TYPE public.kind AS ENUM ('a', 'b')",
        "CREATE TABLE public.things (id integer, kind public.kind, PRIMARY KEY (id, kind))",
        "CALL tenancy.protect('public.things')",
        "SELECT tenancy.define_permission('things.use', '{owner}')",
        "CALL tenancy.allow('public.things', 'INSERT', 'things.use', columns => 'kind')",
        "INSERT INTO public.things VALUES (1, 'a'), (1, 'b')",
    )
    with bare_app.connected(bare_app.logins.service) as service, refused("22023", "row_id_invalid"):
        service.execute("SELECT * FROM tenancy.explain_access('public.things', '1', %s)", [bare_app.users["ann"].id])


@pytest.mark.parametrize(
    ("table", "row", "name"),
    [
        ("pg_catalog.pg_class", "1", "table_not_protected"),
        ("public.customers", "not an id", "row_id_invalid"),
        ("public.projects", "999999999999999999999", "row_id_invalid"),
        ("public.organization_memberships", "1", "row_id_invalid"),
    ],
)
def test_what_cannot_be_explained(app: Application, table: str, row: str, name: str) -> None:
    with app.connected(app.logins.service) as service, pytest.raises(psycopg.Error) as error:
        service.execute(
            "SELECT * FROM tenancy.explain_access(%s::text::regclass, %s, %s)", [table, row, app.users["ann"].id]
        )
    sqlstate = "55000" if name == "table_not_protected" else "22023"
    assert (error.value.sqlstate, name_of(error.value)) == (sqlstate, name)
