"""Children under protect(): they have their parent's tenant, and the foreign key keeps its action."""

# ruff: noqa: S608  (the names of tables are the tests' own)

from __future__ import annotations

import psycopg
import pytest

from support.application import Application, Connection, all_of, one
from support.two_tenants import refused

INSERT = "INSERT INTO public.tasks (title, project_id) VALUES ('new', %s)"
UPDATE = "UPDATE public.tasks SET project_id = %s WHERE title = 'Acme task'"
ABSENT = 999_999


def error_of(connection: Connection, statement: str, *values: object) -> psycopg.Error:
    """Return a statement's error, and continue."""
    with pytest.raises(psycopg.Error) as raised, connection.transaction():
        connection.execute(statement.encode(), values)
    return raised.value


# -- tenants ---------------------------------------------------------------------


@pytest.mark.parametrize("statement", [INSERT, UPDATE])
@pytest.mark.parametrize("whose", ["Globex project", "ann project", "legacy project"])
def test_a_parent_of_somebody_else_is_the_same_error_as_a_missing_one(
    app: Application, statement: str, whose: str
) -> None:
    theirs = app.number("public.projects", whose)
    with app.entered("ann", app.acme) as connection:
        errors = [error_of(connection, statement, parent) for parent in (theirs, ABSENT)]
        said = [
            (e.sqlstate, e.diag.constraint_name, e.diag.message_primary, e.diag.message_hint, e.diag.schema_name)
            for e in errors
        ]
        details = [
            str(e.diag.message_detail).replace(str(n), "#") for e, n in zip(errors, (theirs, ABSENT), strict=True)
        ]
    assert said[0] == said[1]
    assert details[0] == details[1]
    assert said[0][:2] == ("23503", "tasks_tenancy_project_id_fkey")


def test_a_child_of_ones_own_parent_is_made_and_moved(app: Application) -> None:
    with app.entered("uma", app.acme) as connection:
        connection.execute(INSERT, [app.number("public.projects", "Acme project")])
        assert all_of(connection, "SELECT title FROM public.tasks") == ["Acme task", "new"]
        connection.execute("UPDATE public.tasks SET project_id = NULL")
        assert one(connection, "SELECT count(*) FROM public.tasks WHERE project_id IS NULL") == 2
    with app.entered("gus", app.globex) as connection:
        assert all_of(connection, "SELECT title FROM public.tasks") == ["Globex task"]


def test_a_deferred_key_is_checked_at_commit(bare_app: Application) -> None:
    bare_app.run(
        "ALTER TABLE public.tasks ALTER CONSTRAINT tasks_project DEFERRABLE INITIALLY DEFERRED",
        "CALL tenancy.protect('public.projects')",
        "CALL tenancy.protect('public.tasks', parent => 'project_id')",
        "SELECT tenancy.define_permission('tasks.write', '{owner}')",
        "CALL tenancy.allow('public.tasks', 'INSERT', 'tasks.write', columns => 'title, project_id')",
    )
    with bare_app.entered("ann", bare_app.acme) as connection:
        connection.execute(INSERT, [ABSENT])
        with refused("23503", "tasks_tenancy_project_id_fkey"):
            connection.execute("SET CONSTRAINTS ALL IMMEDIATE")


# -- services and the application from before ------------------------------------


@pytest.mark.parametrize("login", ["owner", "service", "superuser"])
def test_a_child_that_a_service_makes_is_where_its_parent_is(app: Application, login: str) -> None:
    name = {"owner": app.owner, "service": app.logins.service, "superuser": None}[login]
    for whose, workspace in (("Acme", app.acme.id), ("Globex", app.globex.id), ("pat", app.users["pat"].id)):
        parent = app.number("public.projects", f"{whose} project")
        with app.connected(name) as connection:
            made = one(connection, f"{INSERT} RETURNING workspace_id", parent)
            assert made == workspace
            connection.execute("UPDATE public.tasks SET project_id = %s", [parent])
            assert all_of(connection, "SELECT DISTINCT workspace_id FROM public.tasks") == [workspace]


def test_a_services_parent_decides_also_where_it_says_something_else(app: Application) -> None:
    parent = app.number("public.projects", "Acme project")
    with app.connected(app.logins.service) as connection:
        connection.execute("SELECT tenancy.enter_as_service(%s, %s)", [app.users["gina"].id, app.globex.id])
        assert one(connection, f"{INSERT} RETURNING workspace_id", parent) == app.acme.id
        assert one(connection, f"{INSERT} RETURNING workspace_id", None) == app.globex.id
        with refused("23503", "tasks_tenancy_project_id_fkey"):
            connection.execute("UPDATE public.tasks SET workspace_id = %s WHERE title = 'Acme task'", [app.globex.id])


def test_children_and_their_children_move_with_the_parent(app: Application) -> None:
    with app.connected(app.logins.service) as connection:
        connection.execute(
            "UPDATE public.customers SET workspace_id = %s WHERE name = 'legacy customer'", [app.globex.id]
        )
        for table, column in (("projects", "name"), ("tasks", "title")):
            assert all_of(
                connection, f"SELECT {column} FROM public.{table} WHERE workspace_id = %s", app.globex.id
            ) == [f"Globex {table[:-1]}", f"legacy {table[:-1]}"]


def test_rows_that_are_there_follow_their_parent(bare_app: Application) -> None:
    bare_app.run(
        "CALL tenancy.protect('public.projects')",
        f"UPDATE public.projects SET workspace_id = '{bare_app.acme.id}'",
        "INSERT INTO public.tasks (title) VALUES ('of nothing')",
        "CALL tenancy.protect('public.tasks', parent => 'project_id')",
    )
    with bare_app.connected() as connection:
        found = dict(connection.execute("SELECT title, workspace_id FROM public.tasks").fetchall())
    assert found == {"legacy task": bare_app.acme.id, "of nothing": type(bare_app.acme.id)(int=0)}


# -- what a key did, it does -----------------------------------------------------


@pytest.mark.parametrize(
    ("action", "left"),
    [
        ("ON DELETE CASCADE", []),
        ("ON DELETE SET NULL", [("legacy task", None)]),
        ("ON DELETE SET DEFAULT", [("legacy task", None)]),
        ("ON DELETE RESTRICT", "23001"),
        ("ON DELETE NO ACTION", "23503"),
        ("DEFERRABLE", "23503"),
        ("ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED", []),
    ],
)
def test_a_delete_does_what_it_did(bare_app: Application, action: str, left: object) -> None:
    bare_app.run(
        "ALTER TABLE public.tasks DROP CONSTRAINT tasks_project,"
        f" ADD CONSTRAINT tasks_project FOREIGN KEY (project_id) REFERENCES public.projects {action}",
    )
    definition = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = %s"
    with bare_app.connected() as connection:
        before = one(connection, definition, "tasks_project")
    bare_app.run(
        "CALL tenancy.protect('public.projects')", "CALL tenancy.protect('public.tasks', parent => 'project_id')"
    )
    with bare_app.connected(bare_app.owner) as connection:
        if isinstance(left, str):
            found = error_of(connection, "DELETE FROM public.projects")
            # PostgreSQL 18 has a separate error for RESTRICT.
            assert found.sqlstate in {left, "23503"}
            assert found.diag.constraint_name == "tasks_tenancy_project_id_fkey"
        else:
            connection.execute("DELETE FROM public.projects")
            assert connection.execute("SELECT title, project_id FROM public.tasks").fetchall() == left
    with bare_app.connected() as connection:
        now = one(connection, definition, "tasks_tenancy_project_id_fkey")
        assert [w for w in ("DEFERRABLE", "INITIALLY DEFERRED") if w in now] == [
            w for w in ("DEFERRABLE", "INITIALLY DEFERRED") if w in before
        ]
    bare_app.run("CALL tenancy.unprotect('public.tasks')")
    with bare_app.connected() as connection:
        assert one(connection, definition, "tasks_project") == before


@pytest.mark.parametrize("rule", ["CASCADE", "SET NULL", "RESTRICT", "NO ACTION"])
def test_an_organization_that_goes_takes_parents_and_children_along(bare_app: Application, rule: str) -> None:
    bare_app.run(
        "ALTER TABLE public.tasks DROP CONSTRAINT tasks_project,"
        f" ADD CONSTRAINT tasks_project FOREIGN KEY (project_id) REFERENCES public.projects ON DELETE {rule}",
        "CALL tenancy.protect('public.projects')",
        "CALL tenancy.protect('public.tasks', parent => 'project_id')",
        f"UPDATE public.projects SET workspace_id = '{bare_app.acme.id}'",
        f"DELETE FROM public.organizations WHERE id = '{bare_app.acme.id}'",
    )
    with bare_app.connected() as connection:
        assert one(connection, "SELECT count(*) FROM public.projects") == 0
        assert one(connection, "SELECT count(*) FROM public.tasks") == 0


def test_a_tenants_delete_clears_or_deletes_what_hangs_on_it(app: Application) -> None:
    with app.entered("ann", app.acme) as connection:
        connection.execute("DELETE FROM public.customers")
        assert connection.execute("SELECT name, customer_id FROM public.projects").fetchall() == [
            ("Acme project", None)
        ]
        connection.execute("DELETE FROM public.projects")
        assert all_of(connection, "SELECT title FROM public.tasks") == []


def test_functions_read_a_parent_as_long_as_a_child_needs_it(bare_app: Application) -> None:
    reads = "SELECT has_table_privilege('tenancy_owner', 'public.projects', 'SELECT')"
    bare_app.run(
        "CREATE TABLE public.hours (id uuid PRIMARY KEY, project_id bigint REFERENCES public.projects)",
        "CALL tenancy.protect('public.projects')",
        "CALL tenancy.protect('public.tasks', parent => 'project_id')",
        "CALL tenancy.protect('public.hours', parent => 'project_id')",
    )
    with bare_app.connected() as connection:
        for table, still in (("tasks", True), ("hours", False)):
            connection.execute(f"CALL tenancy.unprotect('public.{table}')".encode())
            assert one(connection, reads) is still
        # One to which tenants add rows is read for its keys.
        connection.execute("SELECT tenancy.define_permission('tasks.write', '{owner}')")
        connection.execute("CALL tenancy.allow('public.projects', 'INSERT', 'tasks.write', columns => 'name')")
        connection.execute("CALL tenancy.protect('public.tasks', parent => 'project_id')")
        connection.execute("CALL tenancy.unprotect('public.tasks')")
        assert one(connection, reads)


def test_an_index_is_not_made_twice_for_a_child_whose_key_begins_with_its_parent(bare_app: Application) -> None:
    bare_app.run(
        "CREATE TABLE public.hours"
        " (project_id bigint REFERENCES public.projects, day date, PRIMARY KEY (project_id, day))",
        "CALL tenancy.protect('public.projects')",
        "CALL tenancy.protect('public.hours', parent => 'project_id')",
    )
    with bare_app.connected() as connection:
        indexes = "SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = 'public.hours'::regclass"
        assert all_of(connection, indexes) == ["hours_pkey", "hours_tenancy_key"]


# -- trees -----------------------------------------------------------------------


def test_a_table_can_be_its_own_parent(bare_app: Application) -> None:
    bare_app.run(
        "CREATE TABLE public.wards (code text PRIMARY KEY, part_of text CONSTRAINT wards_part_of_fkey"
        " REFERENCES public.wards ON DELETE SET NULL)",
        "INSERT INTO public.wards VALUES ('a', NULL), ('ab', 'a'), ('abc', 'ab'), ('x', NULL)",
        "CALL tenancy.protect('public.wards', parent => 'part_of')",
        "SELECT tenancy.define_permission('wards.use', '{owner}')",
        "CALL tenancy.allow('public.wards', 'SELECT', 'wards.use', columns => 'code, part_of')",
        "CALL tenancy.allow('public.wards', 'INSERT', 'wards.use', columns => 'code, part_of')",
        "CALL tenancy.allow('public.wards', 'UPDATE', 'wards.use', columns => 'part_of')",
        "CALL tenancy.allow('public.wards', 'DELETE', 'wards.use')",
        f"SELECT tenancy.assign('public.wards', '{bare_app.acme.id}', $$part_of IS NULL AND code = 'a'$$, 1)",
    )
    workspaces = "SELECT code FROM public.wards WHERE workspace_id = %s"
    with bare_app.connected() as connection:
        assert all_of(connection, workspaces, bare_app.acme.id) == ["a", "ab", "abc"]
        # As a login that knows nothing of workspaces.
        connection.execute("INSERT INTO public.wards VALUES ('abe', 'ab')")
        assert all_of(connection, workspaces, bare_app.acme.id) == ["a", "ab", "abc", "abe"]
    with bare_app.entered("ann", bare_app.acme) as connection:
        connection.execute("INSERT INTO public.wards VALUES ('abd', 'ab')")
        error = error_of(connection, "UPDATE public.wards SET part_of = 'x' WHERE code = 'abd'")
        assert (error.sqlstate, error.diag.constraint_name) == ("23503", "wards_tenancy_part_of_fkey")
        connection.execute("DELETE FROM public.wards WHERE code = 'ab'")
        assert all_of(connection, "SELECT code FROM public.wards WHERE part_of IS NULL") == ["a", "abc", "abd"]
    bare_app.run("CALL tenancy.unprotect('public.wards')")
    with bare_app.connected() as connection:
        keys = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'wards_part_of_fkey'"
        assert one(connection, keys) == "FOREIGN KEY (part_of) REFERENCES wards(code) ON DELETE SET NULL"
    bare_app.run("CALL tenancy.protect('public.wards', parent => 'part_of')")
    with bare_app.connected() as connection:
        assert all_of(connection, workspaces, bare_app.acme.id) == ["a", "ab", "abc"]
        connection.execute("CALL tenancy_private.verify_contracts()")


def test_a_row_that_is_its_own_parent_is_assigned_and_kept(bare_app: Application) -> None:
    bare_app.run(
        "CREATE TABLE public.wards (code text PRIMARY KEY, part_of text REFERENCES public.wards)",
        "INSERT INTO public.wards VALUES ('a', 'a'), ('ab', 'a'), ('x', 'y'), ('y', 'x')",
        "CALL tenancy.protect('public.wards', parent => 'part_of')",
    )
    assign = f"SELECT tenancy.assign('public.wards', '{bare_app.acme.id}', $${{}}$$)"
    with bare_app.connected() as connection:
        error = error_of(connection, assign.format("true"))
        assert str(error.diag.message_hint).endswith("the condition part_of IS NULL or part_of = code.")
    bare_app.run(
        assign.format("part_of = code"),
        f"UPDATE public.wards SET workspace_id = '{bare_app.globex.id}' WHERE code = 'x'",
    )
    bare_app.run("CALL tenancy.unprotect('public.wards')", "INSERT INTO public.wards VALUES ('abc', 'ab')")
    bare_app.run("CALL tenancy.protect('public.wards', parent => 'part_of')")
    with bare_app.connected() as connection:
        found = dict(connection.execute("SELECT code, workspace_id FROM public.wards").fetchall())
    assert found == dict.fromkeys(("a", "ab", "abc"), bare_app.acme.id) | dict.fromkeys("xy", bare_app.globex.id)


def test_rows_of_several_workspaces_in_a_circle_are_refused(bare_app: Application) -> None:
    """Each would follow the other for ever."""
    bare_app.run(
        "CREATE TABLE public.wards (code text PRIMARY KEY, part_of text REFERENCES public.wards)",
        "INSERT INTO public.wards VALUES ('a', NULL), ('b', NULL), ('bc', 'b')",
        "CALL tenancy.protect('public.wards', parent => 'part_of')",
        f"SELECT tenancy.assign('public.wards', '{bare_app.acme.id}', $$code = 'a'$$)",
        "CALL tenancy.unprotect('public.wards')",
        "UPDATE public.wards SET part_of = 'bc' WHERE code = 'a'",
        "UPDATE public.wards SET part_of = 'a' WHERE code = 'b'",
    )
    with bare_app.connected() as connection:
        connection.execute("SET statement_timeout = '20s'")
        error = error_of(connection, "CALL tenancy.protect('public.wards', parent => 'part_of')")
    assert (error.sqlstate, error.diag.constraint_name) == ("55000", "rows_in_a_circle")
    bare_app.run(
        "UPDATE public.wards SET part_of = NULL WHERE code = 'a'",
        "CALL tenancy.protect('public.wards', parent => 'part_of')",
    )
    with bare_app.connected() as connection:
        query = "SELECT code FROM public.wards WHERE workspace_id = %s"
        assert all_of(connection, query, bare_app.acme.id) == ["a", "b", "bc"]


# -- other keys ------------------------------------------------------------------


def test_a_second_key_to_the_parent_would_tell_which_rows_exist(bare_app: Application) -> None:
    """By its name in the error, which for another tenant's parent is that of the first."""
    bare_app.run(
        "ALTER TABLE public.tasks ADD CONSTRAINT tasks_second FOREIGN KEY (project_id)"
        " REFERENCES public.projects ON DELETE CASCADE",
        "CALL tenancy.protect('public.projects')",
        "CALL tenancy.protect('public.tasks', parent => 'project_id')",
        "SELECT tenancy.define_permission('tasks.write', '{owner}')",
    )
    allow = "CALL tenancy.allow('public.tasks', 'INSERT', 'tasks.write', columns => 'title, project_id')"
    with bare_app.connected() as connection:
        error = error_of(connection, allow)
    assert error.diag.constraint_name == "reference_not_isolated"
    remedy = str(error.diag.message_hint)
    assert remedy == "ALTER TABLE public.tasks DROP CONSTRAINT tasks_second;"
    bare_app.run(remedy, allow)
    with bare_app.entered("ann", bare_app.acme) as connection:
        for parent in (bare_app.number("public.projects", "legacy project"), ABSENT):
            assert error_of(connection, INSERT, parent).diag.constraint_name == "tasks_tenancy_project_id_fkey"


def test_a_key_that_compares_the_workspaces_with_a_further_column_isolates_nothing(bare_app: Application) -> None:
    """Where that column is NULL, PostgreSQL does not check it."""
    bare_app.run(
        "CREATE TABLE public.plans (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), kind text)",
        "CREATE TABLE public.steps (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), kind text,"
        " plan_id uuid CONSTRAINT steps_plan REFERENCES public.plans)",
        "CALL tenancy.protect('public.plans')",
        "CALL tenancy.protect('public.steps')",
        "CREATE UNIQUE INDEX ON public.plans (workspace_id, id, kind)",
        "ALTER TABLE public.steps ADD FOREIGN KEY (workspace_id, plan_id, kind)"
        " REFERENCES public.plans (workspace_id, id, kind)",
        "SELECT tenancy.define_permission('steps.write', '{owner}')",
        "INSERT INTO public.plans (kind) VALUES ('x')",
    )
    allow = "CALL tenancy.allow('public.steps', 'INSERT', 'steps.write', columns => 'kind, plan_id')"
    with bare_app.connected() as connection:
        error = error_of(connection, allow)
        plan = one(connection, "SELECT id FROM public.plans")
    assert error.diag.constraint_name == "reference_not_isolated"
    bare_app.run(str(error.diag.message_hint).partition(", or: ")[2], allow)
    with bare_app.entered("ann", bare_app.acme) as connection, refused("23503", "steps_workspace_id_plan_id_fkey"):
        connection.execute("INSERT INTO public.steps (plan_id) VALUES (%s)", [plan])


@pytest.mark.parametrize("column", ["country", "user_id"])
def test_a_parent_is_a_table_of_tenants(bare_app: Application, column: str) -> None:
    """Neither one that is published nor the accounts."""
    bare_app.run(
        "CALL tenancy.publish('public.countries', columns => 'code, name')",
        "ALTER TABLE public.tasks ADD country text REFERENCES public.countries",
        "ALTER TABLE public.tasks ADD user_id uuid REFERENCES public.users",
    )
    with bare_app.connected() as connection, refused("55000", "parent_not_protected"):
        connection.execute("CALL tenancy.protect('public.tasks', parent => %s)", [column])


@pytest.mark.parametrize(
    ("key", "is_accepted"),
    [
        ("CHECK (true)", False),
        ("FOREIGN KEY (project_id, title) REFERENCES public.projects (id, name) NOT VALID", False),
        (
            "FOREIGN KEY (workspace_id, project_id, title)"
            " REFERENCES public.projects (workspace_id, id, name) NOT VALID",
            False,
        ),
        ("FOREIGN KEY (workspace_id, project_id) REFERENCES public.projects (workspace_id, id)", True),
    ],
)
def test_a_protected_table_gets_no_parent_that_its_rows_would_not_follow(
    bare_app: Application, key: str, is_accepted: bool
) -> None:
    bare_app.run(
        "ALTER TABLE public.tasks DROP CONSTRAINT tasks_project",
        "CALL tenancy.protect('public.projects')",
        "CALL tenancy.protect('public.tasks')",
        "CREATE UNIQUE INDEX ON public.projects (id, name)",
        "CREATE UNIQUE INDEX ON public.projects (workspace_id, id, name)",
        f"ALTER TABLE public.tasks ADD {key}",
    )
    protect = "CALL tenancy.protect('public.tasks', parent => 'project_id')"
    if is_accepted:
        bare_app.run(protect, "CALL tenancy.protect('public.projects')", protect)
        return
    with bare_app.connected() as connection, refused("55000", "parent_not_protected"):
        connection.execute(protect.encode())


def test_a_temporal_key_has_a_remedy_of_its_own(bare_app: Application) -> None:
    if bare_app.database.server.version < 18:
        pytest.skip("temporal keys came with PostgreSQL 18")
    bare_app.run(
        "CREATE TABLE public.rates (code int4range, during daterange, PRIMARY KEY (code, during WITHOUT OVERLAPS))",
        "CREATE TABLE public.stays (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), code int4range, during daterange,"
        " CONSTRAINT stays_rate FOREIGN KEY (code, PERIOD during) REFERENCES public.rates (code, PERIOD during))",
        "CALL tenancy.protect('public.rates')",
        "CALL tenancy.protect('public.stays')",
        "SELECT tenancy.define_permission('stays.write', '{owner}')",
    )
    allow = "CALL tenancy.allow('public.stays', 'INSERT', 'stays.write', columns => 'code, during')"
    with bare_app.connected() as connection:
        error = error_of(connection, allow)
    assert error.diag.constraint_name == "reference_not_isolated"
    remedy = str(error.diag.message_hint)
    assert remedy == (
        "ALTER TABLE public.stays DROP CONSTRAINT stays_rate;"
        " -- and add it with workspace_id as the first column of it and of the key of public.rates"
    )
    bare_app.run(remedy, allow)


def test_a_column_that_refers_to_tenants_rows_is_for_a_parent_or_a_key_of_both(bare_app: Application) -> None:
    bare_app.run(
        "ALTER TABLE public.tasks ADD COLUMN blocked_by integer CONSTRAINT tasks_blocked REFERENCES public.tasks",
        "CALL tenancy.protect('public.projects')",
        "CALL tenancy.protect('public.tasks', parent => 'project_id')",
        "SELECT tenancy.define_permission('tasks.write', '{owner}')",
    )
    allow = "CALL tenancy.allow('public.tasks', %s, 'tasks.write', columns => 'title, blocked_by')"
    for command in ("INSERT", "UPDATE"):
        with bare_app.connected() as connection, refused("22023", "reference_not_isolated"):
            connection.execute(allow, [command])
    bare_app.run(
        "ALTER TABLE public.tasks DROP CONSTRAINT tasks_blocked,"
        " ADD FOREIGN KEY (workspace_id, blocked_by) REFERENCES public.tasks (workspace_id, id)",
        allow % "'INSERT'",
        allow % "'UPDATE'",
    )
    with bare_app.entered("ann", bare_app.acme) as connection, refused("23503", "tasks_workspace_id_blocked_by_fkey"):
        connection.execute(
            "INSERT INTO public.tasks (title, blocked_by) VALUES ('x', %s)",
            [bare_app.number("public.tasks", "legacy task")],
        )


PLANS = (
    "CREATE TABLE public.plans (code text, number integer, PRIMARY KEY (code, number))",
    "CREATE TABLE public.steps (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), code text, number integer,"
    " CONSTRAINT steps_plan FOREIGN KEY (number, code) REFERENCES public.plans (number, code) ON DELETE SET NULL)",
    "CALL tenancy.protect('public.plans')",
    "CALL tenancy.protect('public.steps')",
    "SELECT tenancy.define_permission('steps.write', '{owner}')",
)


@pytest.mark.parametrize("keys", ["PRIMARY KEY (code, number)", "UNIQUE (number, code)"])
def test_a_key_of_several_columns_to_tenants_rows_compares_the_workspaces_too(bare_app: Application, keys: str) -> None:
    bare_app.run(*(statement.replace("PRIMARY KEY (code, number)", keys) for statement in PLANS))
    allow = "CALL tenancy.allow('public.steps', '{}', 'steps.write', columns => '{}')"
    for command in ("INSERT", "UPDATE"):
        for columns in ("code, number", "number"):
            with bare_app.connected() as connection:
                refusal = error_of(connection, allow.format(command, columns))
            assert refusal.diag.constraint_name == "reference_not_isolated"
    assert refusal.diag.message_primary == "public.steps.number, code may refer to a row of another tenant"
    remedy = str(refusal.diag.message_hint).rstrip(";").split("; ")
    bare_app.run(*remedy, allow.format("INSERT", "id, code, number"))
    bare_app.run("INSERT INTO public.plans (code, number) VALUES ('a', 1)")
    insert = "INSERT INTO public.steps (code, number) VALUES ('a', 1)"
    with bare_app.entered("ann", bare_app.acme) as connection, refused("23503", "steps_workspace_id_number_code_fkey"):
        connection.execute(insert.encode())
    with bare_app.connected() as connection:
        connection.execute("UPDATE public.plans SET workspace_id = %s", [bare_app.acme.id])
        connection.commit()
    with bare_app.entered("ann", bare_app.acme, keep=True) as connection:
        connection.execute(insert.encode())
    with bare_app.connected() as connection:
        connection.execute("UPDATE public.plans SET workspace_id = %s", [bare_app.globex.id])
        assert one(connection, "SELECT workspace_id FROM public.steps") == bare_app.globex.id
        connection.execute("DELETE FROM public.plans")
        assert one(connection, "SELECT num_nulls(code, number) FROM public.steps") == 2


def test_a_parent_is_found_by_a_key_of_one_column_that_is_unique_with_the_workspace(bare_app: Application) -> None:
    bare_app.run(
        "ALTER TABLE public.projects ADD CONSTRAINT projects_name_key UNIQUE (name)",
        "ALTER TABLE public.tasks DROP CONSTRAINT tasks_project, DROP COLUMN project_id,"
        " ADD COLUMN project text REFERENCES public.projects (name)",
        "CALL tenancy.protect('public.projects')",
    )
    with bare_app.connected() as connection, refused("55000", "parent_key_missing"):
        connection.execute("CALL tenancy.protect('public.tasks', parent => 'project')")
    bare_app.run(
        "CREATE UNIQUE INDEX ON public.projects (workspace_id, name)",
        "CALL tenancy.protect('public.tasks', parent => 'project')",
    )
    with bare_app.connected(bare_app.owner) as connection:
        connection.execute("UPDATE public.projects SET workspace_id = %s", [bare_app.acme.id])
        made = one(
            connection,
            "INSERT INTO public.tasks (title, project) VALUES ('x', 'legacy project') RETURNING workspace_id",
        )
        assert made == bare_app.acme.id
