"""Attacks with keys chosen by a tenant: to take over, move, hide or find another tenant's rows."""

# ruff: noqa: S608  (the statements are the attacks, and their ids are the test's own)

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from support.own_tables import make_own_tables
from support.server import Logins, Server
from support.two_tenants import Connection, TwoTenants, refused, two_tenants

Ids = dict[str, dict[str, UUID]]

# A table, a writable column, and the other columns that a new row requires.
TABLES: dict[str, tuple[str, str, dict[str, str]]] = {
    "public.projects": ("project", "name", {}),
    "public.tasks": ("task", "title", {}),
    "public.remarks": ("remark", "body", {}),
    "public.notes": ("note", "body", {}),
    "public.colors": ("color", "name", {}),
    "public.models": ("model", "name", {"model_id": "gen_random_uuid()"}),
    "public.instances": ("instance", "status", {"provider_id": "'{provider}'"}),
}
# Other columns of a new row are not checked by the platform's constraints.
STATUS = {"public.instances": "provisioning"}

# Ways to write a row with a chosen key. {id} is the key, {column} the column, {value} its value.
WAYS = {
    "insert": "INSERT INTO {table} (id, {columns}) VALUES ('{id}', {values})",
    "insert, returning": "INSERT INTO {table} (id, {columns}) VALUES ('{id}', {values}) RETURNING id",
    "insert ... select": "INSERT INTO {table} (id, {columns})"
    " SELECT v.id, {values} FROM (VALUES ('{id}'::uuid)) AS v (id)",
    "two rows": "INSERT INTO {table} (id, {columns}) VALUES (gen_random_uuid(), {values}), ('{id}', {values})",
    "in a WITH": "WITH made AS (INSERT INTO {table} (id, {columns}) VALUES ('{id}', {values}) RETURNING id)"
    " SELECT count(*) FROM made",
    "do nothing": "INSERT INTO {table} (id, {columns}) VALUES ('{id}', {values}) ON CONFLICT DO NOTHING",
    "do nothing by id": "INSERT INTO {table} (id, {columns}) VALUES ('{id}', {values}) ON CONFLICT (id) DO NOTHING",
    "do update": "INSERT INTO {table} (id, {columns}) VALUES ('{id}', {values})"
    " ON CONFLICT (id) DO UPDATE SET {column} = excluded.{column}",
    "do update where": "INSERT INTO {table} AS t (id, {columns}) VALUES ('{id}', {values})"
    " ON CONFLICT (id) DO UPDATE SET {column} = excluded.{column} WHERE t.{column} = 'x'",
    "do update, returning": "INSERT INTO {table} AS t (id, {columns}) VALUES ('{id}', {values})"
    " ON CONFLICT (id) DO UPDATE SET {column} = t.{column} RETURNING t.{column}",
    "do update by the error": "INSERT INTO {table} AS t (id, {columns}) VALUES ('{id}', {values})"
    " ON CONFLICT (id) DO UPDATE SET {column} = (1 / (length(t.{column}::text) - length(t.{column}::text)))::text",
    "merge": "MERGE INTO {table} AS t USING (VALUES ('{id}'::uuid)) AS v (id) ON t.id = v.id"
    " WHEN MATCHED THEN UPDATE SET {column} = '{value}'"
    " WHEN NOT MATCHED THEN INSERT (id, {columns}) VALUES (v.id, {values})",
    "merge, always insert": "MERGE INTO {table} AS t USING (VALUES ('{id}'::uuid)) AS v (id) ON false"
    " WHEN NOT MATCHED THEN INSERT (id, {columns}) VALUES (v.id, {values})",
    "update": "UPDATE {table} SET {column} = '{value}' WHERE id = '{id}'",
    "delete": "DELETE FROM {table} WHERE id = '{id}'",
}


def key_of(table: str) -> str:
    """Return the name of a table's key in errors; the deploy created the platform's keys."""
    name = table.split(".")[1]
    return f"'{name}_tenancy_pkey'" if table in STATUS or name == "models" else f"'{name}_pkey'"


REFUSED_OR_NOTHING = {"23505", "42501", "INSERT 0 0", "UPDATE 0", "DELETE 0", "MERGE 0"}


@pytest.fixture(scope="module")
def tenants(server: Server, template: str, logins: Logins) -> Iterator[TwoTenants]:
    with two_tenants(server, template, logins) as tenants:
        yield tenants


@pytest.fixture(scope="module")
def ids(tenants: TwoTenants) -> Ids:
    own = make_own_tables(tenants)
    return {side: tenants.rows[side] | own.get(side, {}) for side in ("own", "other")}


def statement_of(table: str, way: str, key: UUID, provider: UUID) -> str:
    _, column, further = TABLES[table]
    value = STATUS.get(table, "taken over")
    columns = {column: f"'{value}'"} | {name: text.format(provider=provider) for name, text in further.items()}
    return WAYS[way].format(
        table=table, id=key, column=column, value=value, columns=", ".join(columns), values=", ".join(columns.values())
    )


def answer(connection: Connection, statement: str, *hidden: UUID) -> tuple[Any, ...]:
    """Run a statement, roll it back, and return everything that the client is told, without its own values."""
    try:
        with connection.transaction(force_rollback=True):
            done = connection.execute(statement.encode())
            said: list[Any] = [done.statusmessage, done.fetchall() if done.description else None]
            connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
    except psycopg.Error as error:
        diag = error.diag
        said = [diag.sqlstate, diag.constraint_name, diag.message_primary, diag.message_detail, diag.message_hint]
        said += [diag.schema_name, diag.table_name, diag.column_name]
    text = repr(said)
    for each in hidden:
        text = text.replace(str(each), "<id>")
    return tuple(text.split(", "))


def rows(tenants: TwoTenants) -> dict[str, list[Any]]:
    with tenants.admin() as admin:
        return {
            table: admin.execute(
                f"SELECT t::text, t.xmin::text FROM {table} AS t WHERE workspace_id <> %s ORDER BY 1".encode(),
                [tenants.acme.id],
            ).fetchall()
            for table in TABLES
        }


@pytest.mark.parametrize("table", TABLES)
def test_the_row_of_another_tenant_stays_as_it_is_and_nothing_of_it_is_said(
    tenants: TwoTenants, ids: Ids, login: str, table: str
) -> None:
    """It reveals at most that the id is taken, which cannot be found by guessing."""
    kind, column, _ = TABLES[table]
    taken, before = ids["other"][kind], rows(tenants)
    with tenants.admin() as admin:
        query = f"SELECT {column}::text FROM {table} WHERE id = %s".encode()
        (secret,) = admin.execute(query, [taken]).fetchone() or ("",)
    # Committed, so that any effect would be visible.
    with tenants.database.connect(login) as connection:
        tenants.enter(connection, tenants.members["owner"], tenants.acme)
        for way in WAYS:
            statement = statement_of(table, way, taken, ids["own"]["provider"])
            said = answer(connection, statement)
            assert said[0].strip("['") in REFUSED_OR_NOTHING, (way, said)
            for hidden in (tenants.globex.id, tenants.outsider.id, taken):
                assert str(hidden) not in str(said)
            if secret != STATUS.get(table):
                assert secret not in [part.strip("'\"[]()") for part in said]
            with suppress(psycopg.Error), connection.transaction():
                connection.execute(statement.encode())
    assert rows(tenants) == before


@pytest.mark.parametrize("table", TABLES)
def test_a_duplicate_of_ones_own_and_of_anothers_is_one_error(
    tenants: TwoTenants, ids: Ids, login: str, table: str
) -> None:
    kind = TABLES[table][0]
    with tenants.entered(login=login) as connection:
        for way in (
            "insert",
            "insert, returning",
            "insert ... select",
            "two rows",
            "in a WITH",
            "merge, always insert",
        ):
            answers = {
                answer(connection, statement_of(table, way, ids[side][kind], ids["own"]["provider"]), ids[side][kind])
                for side in ("own", "other")
            }
            ((state, name, *_),) = answers
            assert (state, name) == ("['23505'", key_of(table)), answers
            assert "<id>" not in str(answers)


@pytest.mark.parametrize("table", TABLES)
def test_every_way_to_write_anothers_key_is_one_error(tenants: TwoTenants, ids: Ids, login: str, table: str) -> None:
    """The error is that of a duplicate, before anything else of the existing row is read."""
    kind = TABLES[table][0]
    with tenants.entered(login=login) as connection:
        answers = {
            answer(connection, statement_of(table, way, ids["other"][kind], ids["own"]["provider"]))
            for way in WAYS
            if way not in {"update", "delete"}
        }
    ((state, name, *_),) = answers
    assert (state, name) == ("['23505'", key_of(table))


def test_a_key_that_was_free_is_the_tenants_and_nobody_elses(tenants: TwoTenants, ids: Ids, login: str) -> None:
    """Knowing an id before it is used only allows taking it: the other tenant's data does not go into that row."""
    chosen = uuid4()
    with tenants.database.connect(login) as connection:
        tenants.enter(connection, tenants.members["owner"], tenants.acme)
        connection.execute("INSERT INTO public.projects (id, name) VALUES (%s, 'squatted')", [chosen])
    with tenants.database.connect(login) as connection:
        tenants.enter(connection, tenants.outsider, tenants.globex)
        for statement in (
            f"INSERT INTO public.tasks (project_id, title) VALUES ('{chosen}', 'x')",
            f"INSERT INTO public.tasks (id, project_id, title) VALUES ('{ids['other']['task']}', '{chosen}', 'x')"
            " ON CONFLICT (id) DO UPDATE SET project_id = excluded.project_id",
        ):
            assert answer(connection, statement)[0] == "['23503'"
        assert answer(connection, f"SELECT name FROM public.projects WHERE id = '{chosen}'")[0] == "['SELECT 0'"


@pytest.mark.parametrize("table", ["public.tasks", "public.remarks"])
def test_a_child_does_not_go_to_another_tenants_parent_nor_take_its_child(
    tenants: TwoTenants, ids: Ids, login: str, table: str
) -> None:
    parent, column = {"public.tasks": ("project", "project_id"), "public.remarks": ("task", "task_id")}[table]
    kind, text, _ = TABLES[table]
    before = rows(tenants)
    answers = set()
    with tenants.entered(login=login) as connection:
        for there in (ids["other"][parent], uuid4()):
            for statement in (
                f"INSERT INTO {table} (id, {column}, {text}) VALUES ('{uuid4()}', '{there}', 'x')",
                f"UPDATE {table} SET {column} = '{there}' WHERE id = '{ids['own'][kind]}'",
                f"INSERT INTO {table} (id, {column}, {text}) VALUES ('{ids['own'][kind]}', '{there}', 'x')"
                f" ON CONFLICT (id) DO UPDATE SET {column} = excluded.{column}",
            ):
                answers.add(answer(connection, statement, there))
        # Its child, under an own parent.
        said = answer(
            connection,
            f"INSERT INTO {table} (id, {column}, {text}) VALUES ('{ids['other'][kind]}', '{ids['own'][parent]}', 'x')",
        )
    ((state, *_),) = answers
    assert state == "['23503'"
    assert said[0] == "['23505'"
    assert rows(tenants) == before


def test_an_authors_key_is_taken_over_by_no_colleague(tenants: TwoTenants, ids: Ids, login: str) -> None:
    """In the same organization: the owner's private note, and a person who cannot see it."""
    note, colleague = ids["own"]["note"], tenants.members["user"]
    with tenants.entered(colleague, tenants.acme, login) as connection:
        for way in WAYS:
            said = answer(connection, statement_of("public.notes", way, note, note))
            assert said[0].strip("['") in REFUSED_OR_NOTHING, (way, said)
            assert "private" not in str(said)
        for author in (tenants.members["owner"].id, tenants.outsider.id):
            with refused("42501"), connection.transaction():
                connection.execute(
                    "INSERT INTO public.notes (id, user_id, body) VALUES (%s, %s, 'x')", [uuid4(), author]
                )


@pytest.mark.parametrize(
    ("table", "column"),
    [
        *((table, "workspace_id") for table in TABLES),
        ("public.models", "organization_id"),
        ("public.instances", "organization_id"),
        ("public.instances", "user_id"),
        ("public.instances", "model_workspace_id"),
        ("public.api_keys", "organization_id"),
        ("public.api_keys", "user_id"),
        ("public.api_keys", "workspace_id"),
    ],
)
def test_a_row_is_given_to_nobody_not_even_to_oneself(
    tenants: TwoTenants, ids: Ids, login: str, table: str, column: str
) -> None:
    """Refused before a row is read, and not silently reset afterwards."""
    assert ids
    owners = (tenants.acme.id, tenants.globex.id, tenants.person.id, UUID(int=0))
    before = rows(tenants)
    with tenants.entered(login=login) as connection:
        for value in (*(f"'{owner}'" for owner in owners), "NULL", "DEFAULT", column):
            for statement in (
                f"UPDATE {table} SET {column} = {value}",
                f"UPDATE {table} SET {column} = {value} WHERE false",
                *(
                    (f"INSERT INTO {table} ({column}) VALUES ({value})",)
                    if value != column
                    else (f"INSERT INTO {table} ({column}) SELECT {column} FROM {table}",)
                ),
                f"INSERT INTO {table} (id) VALUES ('{uuid4()}')"
                f" ON CONFLICT (id) DO UPDATE SET {column} = excluded.{column}",
            ):
                assert answer(connection, statement)[0] == "['42501'", statement
    assert rows(tenants) == before


def test_a_key_names_itself_in_no_update(tenants: TwoTenants, ids: Ids, login: str) -> None:
    with tenants.entered(login=login) as connection:
        for table, (kind, *_) in TABLES.items():
            for key in (ids["other"][kind], uuid4()):
                with refused("42501"), connection.transaction():
                    connection.execute(f"UPDATE {table} SET id = '{key}' WHERE id = '{ids['own'][kind]}'".encode())


def test_a_personal_workspace_takes_over_nothing_either(tenants: TwoTenants, ids: Ids, login: str) -> None:
    before = rows(tenants)
    with tenants.entered(tenants.person, None, login) as connection:
        for table, (kind, *_) in TABLES.items():
            for way in WAYS:
                for side in ("own", "other"):
                    statement = statement_of(table, way, ids[side][kind], ids["own"]["provider"])
                    said = answer(connection, statement)[0].strip("['")
                    assert said in REFUSED_OR_NOTHING, (statement, said)
    assert rows(tenants) == before
