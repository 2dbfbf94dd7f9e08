"""Attacks that change the variables in the middle of a statement, after the floor has verified them.

Permissions, person and workspace may be different when a policy reads them a second time.
"""

# ruff: noqa: S608  (the statements are the attacks, and their ids are the test's own)

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any
from uuid import UUID

import psycopg
import pytest

from support.contexts import Sealed, context, seal_contexts
from support.database import Database
from support.own_tables import make_own_tables
from support.people import People
from support.replay import Replay
from support.server import Logins, Server
from support.two_tenants import Connection, TwoTenants, refused, two_tenants


@pytest.fixture(scope="module")
def own(tenants: TwoTenants) -> dict[str, dict[str, UUID]]:
    return make_own_tables(tenants)


# Places that set the variables: a sub-select that PostgreSQL treats as another value of the key, before or
# after the scan's own; a row that is computed before the table is read; each row.
PLACES = {
    "a value of the key": "SELECT {what} FROM {table} WHERE {key} = (SELECT {workspace} WHERE {change} IS NOT NULL)",
    "a value of the key, joined": "SELECT a.{what} FROM {table} AS a JOIN {table} AS b USING ({key})"
    " WHERE {key} = (SELECT {workspace} WHERE {change} IS NOT NULL)",
    "a row before": "WITH x AS MATERIALIZED (SELECT {change} AS v) SELECT {what} FROM x, {table} WHERE v IS NOT NULL",
    "a row before, outer": "WITH x AS MATERIALIZED (SELECT {change} AS v)"
    " SELECT {what} FROM x LEFT JOIN {table} ON true",
    "a row before, full": "WITH x AS MATERIALIZED (SELECT {change} AS v)"
    " SELECT {what} FROM x FULL JOIN {table} ON false",
    "a row before, lateral": "WITH x AS MATERIALIZED (SELECT {change} AS v) SELECT q.* FROM x"
    " LEFT JOIN LATERAL (SELECT {what} FROM {table} WHERE x.v IS NOT NULL OFFSET 0) AS q ON true",
    "a row between": "SELECT q.{what} FROM (SELECT {key} AS k FROM {table} LIMIT 1) AS a,"
    " LATERAL (SELECT {change} AS v, a.k OFFSET 0) AS x, {table} AS q WHERE x.v IS NOT NULL",
    "a condition": "SELECT {what} FROM {table} WHERE (SELECT {change}) IS NOT NULL",
    "a condition of each row": "SELECT {what} FROM {table} WHERE {change} IS NOT NULL",
    "a branch before": "SELECT {change} UNION ALL SELECT {what}::text FROM {table}",
    "after a first look": "WITH a AS MATERIALIZED (SELECT count(*) AS n FROM {table}),"
    " x AS MATERIALIZED (SELECT {change} AS v FROM a) SELECT {what} FROM x, {table} WHERE v IS NOT NULL",
}
SETTINGS = ((), ("enable_seqscan", "enable_bitmapscan"), ("enable_indexscan", "enable_bitmapscan"), ("parallel",))


def seen(connection: Connection, query: str) -> list[Any]:
    """Return the values that a query shows with any of the settings; none if it fails as it must."""
    values: list[Any] = []
    for settings in SETTINGS:
        with suppress(psycopg.errors.InvalidAuthorizationSpecification), connection.transaction(force_rollback=True):
            connection.execute("SET LOCAL jit = off")
            for setting in settings:
                if setting == "parallel":
                    name = "debug_parallel_query" if connection.info.server_version >= 160000 else "force_parallel_mode"
                    connection.execute(f"SET LOCAL {name} = on".encode())
                else:
                    connection.execute(f"SET LOCAL {setting} = off".encode())
            values += [value for row in connection.execute(query.encode()).fetchall() for value in row]
    return values


def change(name: str, value: str) -> str:
    return f"set_config('tenancy.{name}', '{value}', true)"


# Table: its key, a column, and a person without the permission to see it.
GUARDED = {
    "tenancy.audit_log": ("workspace_id", "action"),
    "tenancy.invitations": ("organization_id", "email"),
    "public.projects": ("workspace_id", "name"),
    "public.tasks": ("workspace_id", "title"),
}


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize("table", GUARDED)
@pytest.mark.parametrize("place", PLACES)
def test_permissions_that_are_set_midway_show_nothing(tenants: TwoTenants, login: str, table: str, place: str) -> None:
    key, what = GUARDED[table]
    with tenants.entered(login=login) as connection:
        assert connection.execute(f"SELECT {what} FROM {table}").fetchall() != []
    with tenants.entered(tenants.members["user"], tenants.acme, login) as connection:
        assert connection.execute(f"SELECT {what} FROM {table}").fetchall() == []
        sealed = Sealed.of(context(connection))
        set_all = change("context", sealed.with_every_permission())
        query = PLACES[place].format(
            table=table, key=key, what=what, workspace=f"'{tenants.acme.id}'::uuid", change=set_all
        )
        found = [value for value in seen(connection, query) if value is not None]
        assert [value for value in found if value != sealed.with_every_permission()] == []


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize("table", ["public.models", "public.colors"])
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("where", ["organization", "personal", "key"])
def test_a_workspace_that_is_set_midway_shows_nothing_of_a_catalogue(
    tenants: TwoTenants, login: str, table: str, place: str, where: str
) -> None:
    with tenants.admin() as admin:
        hidden = {
            name
            for (name,) in admin.execute(
                f"SELECT name FROM {table} WHERE workspace_id = %s", [tenants.globex.id]
            ).fetchall()
        }
    assert hidden
    for variables in (("current_organization_id",), ("current_organization_id", "current_user_id")):
        with tenants.session(login) as connection:
            if where == "key":
                connection.execute("SELECT tenancy.enter_with_api_key(%s)", [tenants.api_keys["organization"]])
            else:
                tenants.enter(connection, tenants.members["user"], tenants.acme if where == "organization" else None)
            changes = " || ".join(change(name, str(tenants.globex.id)) for name in variables)
            query = PLACES[place].format(
                table=table,
                key="workspace_id",
                what="name",
                workspace=f"'{tenants.globex.id}'::uuid",
                change=changes,
            )
            assert hidden.isdisjoint(seen(connection, query)), variables


TENANTS_OWN = {
    "public.notes": "body",
    "public.instances": "id",
    "tenancy.audit_log": "id",
}


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize("table", TENANTS_OWN)
@pytest.mark.parametrize("place", PLACES)
def test_a_workspace_that_is_set_midway_shows_nothing_of_another_tenant(
    tenants: TwoTenants, login: str, table: str, place: str
) -> None:
    what = TENANTS_OWN[table]
    with tenants.admin() as admin:
        hidden = {
            str(value)
            for (value,) in admin.execute(
                f"SELECT {what} FROM {table} WHERE workspace_id = %s"
                f" AND {what} NOT IN (SELECT {what} FROM {table} WHERE workspace_id = %s)",
                [tenants.globex.id, tenants.acme.id],
            ).fetchall()
        }
    with tenants.entered(login=login) as connection:
        changes = " || ".join(
            change(name, str(value))
            for name, value in (
                ("current_organization_id", tenants.globex.id),
                ("current_user_id", tenants.outsider.id),
            )
        )
        query = PLACES[place].format(
            table=table, key="workspace_id", what=what, workspace=f"'{tenants.globex.id}'::uuid", change=changes
        )
        assert hidden.isdisjoint(str(value) for value in seen(connection, query))


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize("place", PLACES)
def test_a_person_who_is_set_midway_shows_no_private_note(tenants: TwoTenants, login: str, place: str) -> None:
    with tenants.entered(tenants.members["user"], tenants.acme, login) as connection:
        assert connection.execute("SELECT body FROM public.notes").fetchall() == [("shared, own",)]
        query = PLACES[place].format(
            table="public.notes",
            key="workspace_id",
            what="body",
            workspace=f"'{tenants.acme.id}'::uuid",
            change=change("current_user_id", str(tenants.acme.owner.id)),
        )
        assert "private, own" not in seen(connection, query)


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize("place", PLACES)
def test_a_key_that_is_set_midway_to_be_a_person_shows_no_private_note(
    tenants: TwoTenants, login: str, place: str
) -> None:
    with tenants.session(login) as connection:
        connection.execute("SELECT tenancy.enter_with_api_key(%s)", [tenants.api_keys["organization"]])
        sealed = Sealed.of(context(connection))
        assert connection.execute("SELECT body FROM public.notes").fetchall() == [("shared, own",)]
        query = PLACES[place].format(
            table="public.notes",
            key="workspace_id",
            what="body",
            workspace=f"'{tenants.acme.id}'::uuid",
            change=change("context", sealed.but(credential="")),
        )
        assert "private, own" not in seen(connection, query)


# -- writes ------------------------------------------------------------------------------

# Set before, restored before the floor verifies, and set again afterwards.
WRITES = (
    "DELETE FROM {table} WHERE {key} = (SELECT {workspace} WHERE {change} IS NOT NULL)",
    "WITH x AS MATERIALIZED (SELECT {change} AS v) DELETE FROM {table} USING x WHERE v IS NOT NULL",
    "WITH x AS MATERIALIZED (SELECT {change} AS v),"
    " gone AS (DELETE FROM {table} USING x WHERE v IS NOT NULL RETURNING 1) SELECT count(*) FROM gone",
    "DELETE FROM {table} WHERE (SELECT {change}) IS NOT NULL",
    "DELETE FROM {table} WHERE {change} IS NOT NULL",
    "UPDATE {table} SET {set} WHERE {key} = (SELECT {workspace} WHERE {change} IS NOT NULL)",
    "WITH x AS MATERIALIZED (SELECT {change} AS v) UPDATE {table} SET {set} FROM x WHERE v IS NOT NULL",
    "WITH x AS MATERIALIZED (SELECT {change} AS v)"
    " UPDATE {table} SET {set}, {owner} = (SELECT {me} WHERE {back} IS NOT NULL) FROM x WHERE v IS NOT NULL",
    "UPDATE {table} SET {set}, {owner} = (SELECT {me} WHERE {back} IS NOT NULL)"
    " WHERE {key} = (SELECT {workspace} WHERE {change} IS NOT NULL)",
    "MERGE INTO {table} USING (SELECT {change} AS v OFFSET 0) AS x ON x.v IS NOT NULL WHEN MATCHED THEN DELETE",
    "MERGE INTO {table} USING (SELECT {change} AS v OFFSET 0) AS x ON x.v IS NOT NULL"
    " WHEN MATCHED THEN UPDATE SET {set}, {owner} = (SELECT {me} WHERE {back} IS NOT NULL)",
)
BEFORE = ("the context that was entered", "the changed one", "the changed one, put back before the floor")


def rows_as_admin(tenants: TwoTenants, connection: Connection, table: str) -> list[Any]:
    """Return all rows of a table, in the same transaction."""
    connection.execute("RESET ROLE")
    return connection.execute(f"SELECT to_jsonb(t) FROM {table} AS t ORDER BY t.id::text").fetchall()


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("write", WRITES, ids=[f"write {number}" for number in range(len(WRITES))])
@pytest.mark.parametrize("what", ["permissions", "person", "workspace"])
def test_a_variable_set_midway_changes_no_row(tenants: TwoTenants, what: str, write: str, before: str) -> None:
    table, column, owner = {
        "permissions": ("public.projects", "name", "status"),
        "person": ("public.notes", "body", "user_id"),
        "workspace": ("public.notes", "body", "user_id"),
    }[what]
    user = tenants.members["user"]
    # The superuser acts as the group, and then checks the result.
    with tenants.database.connect() as connection:
        untouched = rows_as_admin(tenants, connection, table)
        connection.execute("SET ROLE tenancy_app")
        connection.execute("SELECT tenancy.enter(%s, %s)", [user.id, tenants.acme.id])
        good = context(connection)
        forged = {
            "permissions": {"context": Sealed.of(good).with_every_permission()},
            "person": {"current_user_id": str(tenants.acme.owner.id)},
            "workspace": {
                "current_user_id": str(tenants.outsider.id),
                "current_organization_id": str(tenants.globex.id),
            },
        }[what]
        changes = " || ".join(change(name, value) for name, value in forged.items())
        back = " || ".join(change(name, good[name]) for name in forged)
        me = "'taken'" if owner == "status" else f"'{user.id}'::uuid"
        statement = write.format(
            table=table,
            key="workspace_id",
            workspace=f"'{tenants.acme.id}'::uuid",
            change=changes,
            back=back,
            set=f"{column} = 'taken'",
            owner=owner,
            me=me,
        )
        if before != BEFORE[0]:
            connection.execute(f"SELECT {changes}")
        if before == BEFORE[2]:
            # A NULL test has no cost, so PostgreSQL evaluates it first.
            statement = statement.replace("WHERE", f"WHERE (SELECT {back}) IS NOT NULL AND", 1)
        with (
            suppress(psycopg.errors.InvalidAuthorizationSpecification, psycopg.errors.InsufficientPrivilege),
            connection.transaction(),
        ):
            connection.execute(statement.encode())
        after = rows_as_admin(tenants, connection, table)
        # The person's own shared note is not visible here.
        assert after == untouched
        connection.rollback()


# An INSERT is verified when its rows are checked; nothing before that may reveal anything.
INSERTS = {
    "public.instances": ("provider_id, model_id", "provider, model"),
    "public.models": ("name, model_id", "'x', 'x'"),
    "public.projects": ("id, name", "id, 'x'"),
    "public.tasks": ("project_id, title", "project, 'x'"),
    "public.remarks": ("task_id, body", "task, 'x'"),
    "public.notes": ("id, body", "id, 'x'"),
    "public.tickets": ("title", "'x'"),
    "public.colors": ("id, name", "id, 'x'"),
}


@pytest.mark.parametrize("when", ["before", "midway"])
@pytest.mark.parametrize("table", INSERTS)
def test_an_insert_in_another_workspaces_name_says_nothing_of_its_rows(
    tenants: TwoTenants, own: dict[str, dict[str, UUID]], login: str, table: str, when: str
) -> None:
    columns, values = INSERTS[table]
    with tenants.admin() as admin:
        ((provider, model),) = admin.execute(
            "SELECT (SELECT id FROM public.providers LIMIT 1),"
            " (SELECT id FROM public.models WHERE workspace_id = %s LIMIT 1)",
            [tenants.globex.id],
        ).fetchall()
        assert model
    theirs = own["other"]
    hit = {"model": model, "project": theirs["project"], "task": theirs["task"]}
    taken = {"public.projects": "project", "public.notes": "note", "public.colors": "color"}.get(table, "project")
    said = set()
    for workspace in (tenants.globex.id, UUID(int=77)):
        for guess in (hit | {"id": theirs[taken]}, dict.fromkeys((*hit, "id"), UUID(int=78))):
            columns_of = ", ".join(f"'{value}'::uuid AS {name}" for name, value in guess.items())
            changes = " || ".join(
                change(name, str(workspace)) for name in ("current_organization_id", "current_user_id")
            )
            with tenants.entered(login=login) as connection:
                if when == "before":
                    connection.execute(f"SELECT {changes}")
                statement = (
                    f"INSERT INTO {table} ({columns}) SELECT {values} FROM ("
                    f"SELECT {changes if when == 'midway' else 'now()'} AS v, '{provider}'::uuid AS provider,"
                    f" {columns_of} OFFSET 0) AS x WHERE v IS NOT NULL"
                )
                try:
                    connection.execute(statement.encode())
                except psycopg.Error as error:
                    said.add((error.sqlstate, error.diag.constraint_name, error.diag.message_primary))
                else:
                    said.add(("done", None, None))
    assert len(said) == 1
    assert said.pop()[0] in ("28000", "42501")


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize("variable", ["context", "current_user_id"])
def test_between_two_fetches_nothing_can_be_changed_to_see_more(tenants: TwoTenants, login: str, variable: str) -> None:
    query = {
        "context": "SELECT q.name FROM generate_series(1, 3) AS n LEFT JOIN public.projects AS q ON n > 1",
        "current_user_id": "SELECT q.body FROM generate_series(1, 3) AS n LEFT JOIN public.notes AS q ON n > 1",
    }[variable]
    with tenants.entered(tenants.members["user"], tenants.acme, login) as connection:
        value = {
            "context": Sealed.of(context(connection)).with_every_permission(),
            "current_user_id": str(tenants.acme.owner.id),
        }[variable]
        connection.execute("SET LOCAL enable_material = off; SET LOCAL enable_hashjoin = off")
        connection.execute(f"DECLARE c CURSOR FOR {query}")
        rows = connection.execute("FETCH 1 FROM c").fetchall()
        connection.execute("SELECT set_config(%s, %s, true)", [f"tenancy.{variable}", value])
        try:
            rows += connection.execute("FETCH ALL FROM c").fetchall()
        except psycopg.errors.InvalidAuthorizationSpecification:
            return
        assert {row for (row,) in rows} <= {None, "shared, own"}


# -- two good seals ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def sealed(server: Server, template: str, logins: Logins) -> Iterator[TwoTenants]:
    """Return tenants with sealed contexts, with which a transaction can have two valid ones."""
    with two_tenants(server, template, logins) as tenants:
        make_own_tables(tenants)
        seal_contexts(tenants.database)
        yield tenants


def protect_users(admin: Connection, permission: str | None, columns: str) -> None:
    """Protect the accounts again, as their change does."""
    with admin.transaction():
        admin.execute("CALL tenancy_private.revise('public.users')")
        admin.execute("CALL tenancy.protect('public.users', key => 'id', people => 'members')")
        admin.execute("CALL tenancy.allow('public.users', 'SELECT', %s, columns => %s)", [permission, columns])


def enter_twice(tenants: TwoTenants, connection: Connection) -> tuple[str, str]:
    """Enter Acme as its user, and return statements that set the valid seals of Acme and of the personal workspace.

    Rolling back a savepoint removes the latch; in the personal workspace a person has every permission.
    """
    user = tenants.members["user"]
    connection.execute("SAVEPOINT s")
    tenants.enter(connection, user)
    personal = context(connection)
    connection.execute("ROLLBACK TO s")
    tenants.enter(connection, user, tenants.acme)
    acme = context(connection)
    first, second = (" || ".join(change(*variable) for variable in seal.items()) for seal in (acme, personal))
    return first, second


@pytest.mark.parametrize("write", ["DELETE FROM public.notes", "UPDATE public.notes SET body = 'taken'"])
def test_a_moderator_elsewhere_moderates_nothing_here(sealed: TwoTenants, login: str, write: str) -> None:
    with sealed.session(login) as connection:
        _, personal = enter_twice(sealed, connection)
        # Two own rows come first in the index: at one the floors are verified, at the other the seal changes.
        for number in (1, 2):
            connection.execute("INSERT INTO public.notes (id, body) VALUES (%s, 'mine')", [UUID(int=number)])
        connection.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
        written = connection.execute(
            f"{write} WHERE CASE id WHEN '{UUID(int=2)}' THEN {personal} ELSE '' END IS NOT NULL RETURNING id".encode()
        ).fetchall()
        assert sorted(written) == [(UUID(int=1),), (UUID(int=2),)]


@pytest.mark.parametrize("table", ["public.models", "public.colors"])
def test_a_reader_of_a_catalogue_elsewhere_reads_nothing_of_it_here(sealed: TwoTenants, login: str, table: str) -> None:
    permission = {"public.models": "models.view", "public.colors": "notes.view"}[table]
    of_acme = f"SELECT name FROM {table} WHERE workspace_id = '{sealed.acme.id}'"
    with sealed.admin() as admin:
        hidden = {name for (name,) in admin.execute(of_acme.encode()).fetchall()}
        # As if a DBA had revoked it.
        admin.execute("DELETE FROM tenancy.role_permissions WHERE (permission, role) = (%s, 'user')", [permission])
        try:
            with sealed.session(login) as connection:
                acme, personal = enter_twice(sealed, connection)
                assert connection.execute(f"SELECT name FROM {table}".encode()).fetchall() == []
                connection.execute(f"SELECT {personal}".encode())
                assert connection.execute(of_acme.encode()).fetchall() == []
                for place in PLACES.values():
                    for workspace in (sealed.acme.id, sealed.members["user"].id):
                        query = place.format(
                            table=table, key="workspace_id", what="name", workspace=f"'{workspace}'::uuid", change=acme
                        )
                        assert hidden.isdisjoint(seen(connection, query)), query
        finally:
            admin.execute("INSERT INTO tenancy.role_permissions VALUES (%s, 'user')", [permission])


def test_a_reader_of_accounts_elsewhere_reads_none_here(sealed: TwoTenants, login: str) -> None:
    # As if a DBA required a permission, which the floor of accounts supports.
    with sealed.admin() as admin:
        admin.execute("DELETE FROM tenancy.role_permissions WHERE (permission, role) = ('settings.view', 'user')")
        protect_users(admin, "settings.view", "id, email")
        try:
            with sealed.session(login) as connection:
                acme, personal = enter_twice(sealed, connection)
                assert connection.execute("SELECT email FROM public.users").fetchall() == []
                connection.execute(f"SELECT {personal}".encode())
                own = connection.execute("SELECT email FROM public.users").fetchall()
                assert len(own) == 1
                for place in PLACES.values():
                    query = place.format(
                        table="public.users",
                        key="id",
                        what="email",
                        workspace=f"'{sealed.acme.owner.id}'::uuid",
                        change=acme,
                    )
                    shown = {value for value in seen(connection, query) if value and "@" in str(value)}
                    assert shown <= {email for (email,) in own}, query
        finally:
            protect_users(admin, None, "id, email, username, first_name, last_name, role, created_at, updated_at")


def test_a_row_is_nobodys_who_is_set_between_two_columns(state: Callable[..., Database], logins: Logins) -> None:
    # Tenants may not write user_id. If the application had it before other columns, their values are computed
    # between its default and the workspace's.
    database = state(at="@phase-4")
    database.execute(
        "ALTER TABLE public.instances ADD user_id uuid REFERENCES public.users (id) ON DELETE SET NULL",
        "ALTER TABLE public.instances DROP gpu_profile, ADD gpu_profile text",
    )
    Replay(database).deploy()
    with database.connect(autocommit=True) as admin:
        people = People(admin)
        owner, victim = people.user("owner"), people.user("victim")
        acme = people.organization("Acme", owner=owner)
        admin.execute("INSERT INTO public.providers (id, name) VALUES (%s, 'provider')", [acme.id])
    as_victim = f"{change('current_organization_id', '')} || {change('current_user_id', str(victim.id))}"
    back = f"{change('current_organization_id', str(acme.id))} || {change('current_user_id', str(owner.id))}"
    with database.entered(logins.app, owner, acme) as connection:
        with refused("28000", "invalid_context"), connection.transaction():
            connection.execute(
                "INSERT INTO public.instances (provider_id, status, gpu_profile)"
                f" VALUES ('{acme.id}', left({as_victim}, 1), {back})".encode()
            )
        without = change("context", "")
        connection.execute(
            "INSERT INTO public.instances (provider_id, status, gpu_profile)"
            f" VALUES ('{acme.id}', left({without} || {as_victim}, 1),"
            f" {back} || {change('context', context(connection)['context'])})".encode()
        )
        found = connection.execute("SELECT user_id, workspace_id FROM public.instances").fetchall()
        assert found == [(None, acme.id)]
