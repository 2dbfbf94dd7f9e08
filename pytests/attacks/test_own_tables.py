"""Attacks on an application's own tables: children, authors, chosen keys, sequences, locks."""

# ruff: noqa: S608  (the statements are the attacks, and their ids are the test's own)

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from support.own_tables import OWN_TABLES, make_own_tables
from support.planner import SETTINGS, plan_of
from support.two_tenants import Connection, TwoTenants, refused

Ids = dict[str, dict[str, UUID]]


@pytest.fixture(scope="module")
def ids(tenants: TwoTenants) -> Ids:
    return make_own_tables(tenants)


def answer(connection: Connection, statement: str) -> tuple[Any, ...]:
    """Run a statement with deferred checks, and return its error."""
    try:
        with connection.transaction(force_rollback=True):
            done = connection.execute(statement.encode())
            said: tuple[Any, ...] = (done.rowcount, done.fetchall() if done.description else None)
            connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
    except psycopg.Error as error:
        diag = error.diag
        return (diag.sqlstate, diag.constraint_name, diag.message_primary, diag.message_detail, diag.message_hint)
    return said


# -- children ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO public.tasks (project_id, title) VALUES ('{project}', 'x')",
        "INSERT INTO public.tasks (project_id, title) SELECT '{project}', 'x' ON CONFLICT DO NOTHING",
        "INSERT INTO public.tasks (id, project_id, title) VALUES ('{own_task}', '{project}', 'x')"
        " ON CONFLICT (id) DO UPDATE SET project_id = excluded.project_id",
        "UPDATE public.tasks SET project_id = '{project}'",
        "UPDATE public.tasks SET project_id = '{project}' WHERE id = '{own_task}' RETURNING id",
        "MERGE INTO public.tasks AS t USING (SELECT 1) AS s ON t.id IS NOT NULL"
        " WHEN MATCHED THEN UPDATE SET project_id = '{project}'",
        "INSERT INTO public.remarks (task_id, body) VALUES ('{task}', 'x')",
        "UPDATE public.remarks SET task_id = '{task}'",
    ],
)
def test_the_parent_of_another_tenant_is_one_that_does_not_exist(
    tenants: TwoTenants, ids: Ids, login: str, statement: str
) -> None:
    answers = set()
    for project, task in ((ids["other"]["project"], ids["other"]["task"]), (uuid4(), uuid4())):
        with tenants.entered(login=login) as connection:
            said = answer(connection, statement.format(project=project, task=task, own_task=ids["own"]["task"]))
            answers.add((said[0], said[1], said[2], said[3]))
    assert len(answers) == 1
    assert answers.pop()[0] == "23503"


def test_another_tenants_open_transaction_holds_nobody_up(tenants: TwoTenants, ids: Ids, login: str) -> None:
    with tenants.entered(tenants.outsider, tenants.globex, login) as theirs, tenants.entered(login=login) as connection:
        theirs.execute("DELETE FROM public.projects")
        theirs.execute("UPDATE public.notes SET body = 'held'")
        connection.execute("SET LOCAL lock_timeout = '500ms'")
        said = answer(
            connection, f"INSERT INTO public.tasks (project_id, title) VALUES ('{ids['other']['project']}', 'x')"
        )
        assert said[:2] == ("23503", "tasks_tenancy_project_id_fkey")
        # Own rows still work.
        connection.execute("INSERT INTO public.tasks (project_id, title) VALUES (%s, 'x')", [ids["own"]["project"]])
        connection.execute("UPDATE public.notes SET body = 'own'")


def test_the_effect_of_a_delete_ends_at_the_workspace(tenants: TwoTenants, ids: Ids) -> None:
    with tenants.database.connect() as connection:
        connection.execute("SET ROLE tenancy_app")
        connection.execute("SELECT tenancy.enter(%s, %s)", [tenants.acme.owner.id, tenants.acme.id])
        assert connection.execute("DELETE FROM public.projects").rowcount == 1
        connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
        connection.execute("RESET ROLE")
        assert connection.execute("SELECT id FROM public.projects").fetchall() == [(ids["other"]["project"],)]
        assert connection.execute("SELECT id FROM public.tasks").fetchall() == [(ids["other"]["task"],)]
        remarks = connection.execute("SELECT id, workspace_id, task_id FROM public.remarks").fetchall()
        # SET NULL clears the reference and keeps the workspace.
        assert sorted(remarks, key=str) == sorted(
            [
                (ids["own"]["remark"], tenants.acme.id, None),
                (ids["other"]["remark"], tenants.globex.id, ids["other"]["task"]),
            ],
            key=str,
        )
        connection.rollback()


def test_children_and_theirs_go_where_a_service_moves_their_parent(tenants: TwoTenants, ids: Ids) -> None:
    with tenants.session(tenants.logins.service) as connection:
        connection.execute(
            "UPDATE public.projects SET workspace_id = %s WHERE id = %s", [tenants.globex.id, ids["own"]["project"]]
        )
        connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for table, name in (("tasks", "task"), ("remarks", "remark")):
            assert connection.execute(
                f"SELECT workspace_id FROM public.{table} WHERE id = %s".encode(), [ids["own"][name]]
            ).fetchone() == (tenants.globex.id,)
        # A new child belongs to its parent's workspace, whatever workspace is named.
        connection.execute(
            "INSERT INTO public.tasks (workspace_id, project_id, title) VALUES (%s, %s, 'by a service')",
            [tenants.acme.id, ids["other"]["project"]],
        )
        assert connection.execute("SELECT workspace_id FROM public.tasks WHERE title = 'by a service'").fetchone() == (
            tenants.globex.id,
        )


@pytest.mark.parametrize("table", OWN_TABLES)
def test_nobody_names_the_workspace(tenants: TwoTenants, ids: Ids, login: str, table: str) -> None:
    assert ids
    with tenants.entered(login=login) as connection:
        for workspace in (tenants.globex.id, tenants.acme.id, UUID(int=0)):
            for statement in (
                f"INSERT INTO {table} (workspace_id) VALUES ('{workspace}')",
                f"UPDATE {table} SET workspace_id = '{workspace}'",
                f"UPDATE {table} SET workspace_id = workspace_id WHERE false",
                f"MERGE INTO {table} USING (SELECT 1) AS s ON false"
                f" WHEN NOT MATCHED THEN INSERT (workspace_id) VALUES ('{workspace}')",
            ):
                with refused("42501"), connection.transaction():
                    connection.execute(statement.encode())


@pytest.mark.parametrize(("table", "column"), [("projects", "name"), ("tasks", "title"), ("remarks", "body")])
def test_an_id_that_is_taken_elsewhere_is_an_error_that_says_nothing_of_the_row(
    tenants: TwoTenants, ids: Ids, login: str, table: str, column: str
) -> None:
    taken = ids["other"][table[:-1]]
    with tenants.admin() as admin:
        before = admin.execute(
            f"SELECT to_jsonb(t) FROM public.{table} AS t WHERE id = %s".encode(), [taken]
        ).fetchone()
    with tenants.entered(login=login) as connection:
        for statement in (
            f"INSERT INTO public.{table} (id, {column}) VALUES ('{taken}', 'x')",
            f"INSERT INTO public.{table} (id, {column}) VALUES ('{taken}', 'x') RETURNING *",
            f"INSERT INTO public.{table} (id, {column}) VALUES ('{taken}', 'x') ON CONFLICT DO NOTHING",
            f"INSERT INTO public.{table} (id, {column}) VALUES ('{taken}', 'x') ON CONFLICT (id)"
            f" DO UPDATE SET {column} = 'x'",
            f"MERGE INTO public.{table} AS t USING (VALUES ('{taken}'::uuid)) AS v (k) ON t.id = v.k"
            f" WHEN MATCHED THEN UPDATE SET {column} = 'x'"
            f" WHEN NOT MATCHED THEN INSERT (id, {column}) VALUES (v.k, 'x')",
        ):
            said = answer(connection, statement)
            assert said in (
                (0, None),
                *(
                    (state, *rest)
                    for state, *rest in [said]
                    if state in {"23505", "42501"} and "other" not in str(rest) and rest[2] is None
                ),
            ), said
    with tenants.admin() as admin:
        after = admin.execute(f"SELECT to_jsonb(t) FROM public.{table} AS t WHERE id = %s".encode(), [taken]).fetchone()
    assert after == before


# -- authors -----------------------------------------------------------------------------


def test_an_authors_private_rows_are_nobody_elses(tenants: TwoTenants, ids: Ids, login: str) -> None:
    private = ids["own"]["note"]
    for user, organization in (
        (tenants.members["admin"], tenants.acme),
        (tenants.members["user"], tenants.acme),
        (tenants.outsider, tenants.globex),
        (tenants.acme.owner, None),
    ):
        with tenants.entered(user, organization, login) as connection:
            for statement in (
                f"SELECT body FROM public.notes WHERE id = '{private}'",
                f"UPDATE public.notes SET body = 'taken' WHERE id = '{private}'",
                f"UPDATE public.notes SET is_shared = true WHERE id = '{private}'",
                f"UPDATE public.notes SET user_id = '{user.id}' WHERE id = '{private}'",
                f"DELETE FROM public.notes WHERE id = '{private}'",
                f"SELECT id FROM public.notes WHERE id = '{private}' FOR UPDATE",
            ):
                assert answer(connection, statement)[0] == 0
            assert (private,) not in answer(connection, "DELETE FROM public.notes RETURNING id")[1]


def test_nobody_writes_in_another_authors_name(tenants: TwoTenants, ids: Ids, login: str) -> None:
    assert ids
    mine, theirs = tenants.members["user"], tenants.acme.owner
    with tenants.entered(mine, tenants.acme, login) as connection:
        connection.execute("INSERT INTO public.notes (body) VALUES ('mine')")
        for statement in (
            f"INSERT INTO public.notes (body, user_id) VALUES ('x', '{theirs.id}')",
            "INSERT INTO public.notes (body, user_id) VALUES ('x', NULL)",
            f"UPDATE public.notes SET user_id = '{theirs.id}'",
            "UPDATE public.notes SET user_id = NULL",
            f"UPDATE public.notes SET user_id = '{theirs.id}', is_shared = true",
            f"MERGE INTO public.notes USING (SELECT 1) AS s ON true"
            f" WHEN MATCHED THEN UPDATE SET user_id = '{theirs.id}'",
        ):
            assert answer(connection, statement)[0] == "42501", statement
    with tenants.session(login) as connection:
        connection.execute("SELECT tenancy.enter_with_api_key(%s)", [tenants.api_keys["organization"]])
        assert connection.execute("SELECT body FROM public.notes").fetchall() == [("shared, own",)]
        for body in ("'x'", "'x', NULL", f"'x', '{theirs.id}'"):
            columns = "body, user_id" if "," in body else "body"
            said = answer(connection, f"INSERT INTO public.notes ({columns}) VALUES ({body})")
            assert said[:2] == ("42501", "person_required")
        for statement in ("UPDATE public.notes SET body = 'x'", "DELETE FROM public.notes"):
            assert answer(connection, statement)[:2] == ("42501", "person_required")


def test_a_moderator_changes_shared_rows_and_cannot_hide_them(tenants: TwoTenants, ids: Ids, login: str) -> None:
    assert ids
    with tenants.admin() as admin:
        admin.execute(
            "INSERT INTO public.notes (workspace_id, user_id, body, is_shared)"
            " VALUES (%(w)s, %(u)s, 'a user''s', true), (%(w)s, %(u)s, 'a user''s own', false)",
            {"w": tenants.acme.id, "u": tenants.members["user"].id},
        )
    with tenants.entered(login=login) as connection:
        users = tenants.members["user"].id
        assert answer(connection, f"UPDATE public.notes SET body = 'x' WHERE user_id = '{users}'")[0] == 1
        assert answer(connection, f"UPDATE public.notes SET is_shared = false WHERE user_id = '{users}'")[0] == "42501"
        assert answer(connection, f"DELETE FROM public.notes WHERE user_id = '{users}'")[0] == 1
    with tenants.admin() as admin:
        admin.execute("DELETE FROM public.notes WHERE user_id = %s", [tenants.members["user"].id])


# -- plans ---------------------------------------------------------------------------------

# Table, its text column, and a text that only a hidden row has: another tenant's, or a colleague's private note.
HIDDEN = [
    ("public.projects", "name", "other"),
    ("public.tasks", "title", "other"),
    ("public.remarks", "body", "other"),
    ("public.notes", "body", "private, other"),
    ("public.notes", "body", "shared, other"),
    ("public.notes", "body", "private, own"),
    ("public.tickets", "title", "other"),
    ("public.colors", "name", "other"),
]


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize(("table", "column", "hidden"), HIDDEN)
def test_no_plan_tells_a_hidden_row_from_none(
    tenants: TwoTenants, ids: Ids, login: str, table: str, column: str, hidden: str, settings: str
) -> None:
    assert ids
    nothing = f"{hidden[:-1]}~"
    wrong = []
    # A user cannot see a private note, and an owner may write the rest.
    who = tenants.members["user"] if table == "public.notes" else tenants.acme.owner
    allowed = {
        "public.projects": ("SELECT", "UPDATE", "DELETE"),
        "public.tasks": ("SELECT", "UPDATE", "DELETE"),
        "public.remarks": ("SELECT", "UPDATE"),
        "public.notes": ("SELECT", "UPDATE", "DELETE"),
        "public.tickets": ("SELECT",),
        "public.colors": ("SELECT", "UPDATE", "DELETE"),
    }[table]
    statements = {
        "SELECT": f"SELECT 1 FROM {table} WHERE ",
        "UPDATE": f"UPDATE {table} SET {column} = {column} WHERE ",
        "DELETE": f"DELETE FROM {table} WHERE ",
    }
    with tenants.entered(who, tenants.acme, login) as connection:
        for command in allowed:
            for mode in (
                "{c} = '{v}'",
                "{c} >= '{v}' AND {c} <= '{v}'",
                "{c} = ANY('{{\"{v}\"}}')",
                "{c} = ANY('{{\"{v}\"}}') AND {c} <> (SELECT current_setting('server_version') || 'x')",
            ):
                plans = []
                for value in (hidden, nothing, hidden, nothing):  # what is read first from the catalogs is no answer
                    query = statements[command] + mode.format(c=column, v=value)
                    plans.append(plan_of(connection, query, settings, [value]))
                if plans[2] != plans[3]:
                    wrong.append(f"{plans[2]}\n--\n{plans[3]}")
    assert not wrong, "\n\n".join(wrong)


# -- sequences and locks -------------------------------------------------------------------


def test_a_sequence_gives_numbers_and_takes_none(tenants: TwoTenants, ids: Ids, login: str) -> None:
    assert ids
    with tenants.entered(tenants.members["user"], tenants.acme, login) as connection:
        assert connection.execute("INSERT INTO public.tickets (title) VALUES ('x') RETURNING id").rowcount == 1
        for statement in (
            "SELECT setval('public.tickets_id_seq', 1)",
            "SELECT last_value FROM public.tickets_id_seq",
            "ALTER SEQUENCE public.tickets_id_seq RESTART",
            "INSERT INTO public.tickets (id, title) VALUES (1, 'x')",
            "INSERT INTO public.tickets (id, title) OVERRIDING SYSTEM VALUE VALUES (1, 'x')",
            "UPDATE public.tickets SET id = 1",
        ):
            assert answer(connection, statement)[0] == "42501", statement


@pytest.mark.parametrize("command", ["INSERT", "UPDATE"])
def test_no_contract_lets_tenants_meet_the_numbers_of_others(tenants: TwoTenants, ids: Ids, command: str) -> None:
    assert ids
    with tenants.database.connect() as connection:
        connection.execute("CREATE TABLE public.numbered (id integer PRIMARY KEY, name text)")
        connection.execute("CALL tenancy.protect('public.numbered')")
        with refused("22023", "columns_invalid"):
            connection.execute(
                "CALL tenancy.allow('public.numbered', %s, 'projects.create', columns => 'id, name')", [command]
            )
        connection.rollback()


@pytest.mark.parametrize("table", ["public.tickets", "public.remarks", "public.instances", "public.models"])
@pytest.mark.parametrize("mode", ["SHARE", "ROW EXCLUSIVE", "SHARE ROW EXCLUSIVE", "EXCLUSIVE", "ACCESS EXCLUSIVE"])
def test_a_login_without_delete_locks_no_table(
    tenants: TwoTenants, ids: Ids, login: str, table: str, mode: str
) -> None:
    assert ids
    with tenants.entered(login=login) as connection, refused("42501"):
        connection.execute(f"LOCK TABLE {table} IN {mode} MODE NOWAIT".encode())


# -- personal workspaces -------------------------------------------------------------------


@pytest.mark.parametrize("table", OWN_TABLES)
def test_a_personal_workspace_is_one_persons(tenants: TwoTenants, ids: Ids, login: str, table: str) -> None:
    column = {"public.tasks": "title", "public.tickets": "title", "public.remarks": "body", "public.notes": "body"}.get(
        table, "name"
    )
    public = {(ids["platform"]["color"],)} if table == "public.colors" else set()
    with tenants.database.connect() as connection:
        connection.execute("SET ROLE tenancy_app")
        connection.execute("SELECT tenancy.enter(%s)", [tenants.person.id])
        assert set(connection.execute(f"SELECT id FROM {table}".encode()).fetchall()) == public
        connection.execute(f"INSERT INTO {table} ({column}) VALUES ('mine')".encode())
        connection.execute("RESET ROLE")
        assert connection.execute(f"SELECT workspace_id FROM {table} WHERE {column} = 'mine'".encode()).fetchall() == [
            (tenants.person.id,)
        ]
        connection.rollback()
    for user in (tenants.outsider, tenants.acme.owner):
        with tenants.entered(user, None, login) as connection:
            assert set(connection.execute(f"SELECT id FROM {table}".encode()).fetchall()) == public
