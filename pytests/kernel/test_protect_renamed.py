"""Protected tables that the application renames, and columns that it renames or drops."""

from __future__ import annotations

import psycopg
import pytest

from support.application import PROTECTION, Application, Connection, all_of, one
from support.two_tenants import refused

RENAMES = (
    "ALTER TABLE public.customers RENAME TO clients",
    "ALTER TABLE public.clients RENAME id TO client_id",
    "ALTER TABLE public.projects RENAME TO works",
    "ALTER TABLE public.works RENAME customer_id TO client_id",
    "ALTER TABLE public.tasks RENAME project_id TO work_id",
    "ALTER SEQUENCE public.tasks_id_seq RENAME TO task_numbers",
    "ALTER TABLE public.notes RENAME user_id TO written_by",
    "ALTER TABLE public.notes RENAME is_shared TO open",
)
WORDS = (
    ("public.customers", "public.clients"),
    ("public.projects", "public.works"),
    ("customer_id", "client_id"),
    ("project_id", "work_id"),
    ("user_id", "written_by"),
    ("is_shared", "open"),
    (
        "'public.clients', 'SELECT', 'customers.view', columns => 'id,",
        "'public.clients', 'SELECT', 'customers.view', columns => 'client_id,",
    ),
    (
        "'public.clients', 'INSERT', 'customers.write', columns => 'id,",
        "'public.clients', 'INSERT', 'customers.write', columns => 'client_id,",
    ),
)
PARTS = """
SELECT i.indexrelid::regclass::text FROM pg_index AS i WHERE i.indrelid = ANY(%(tables)s::regclass[])
UNION ALL
SELECT c.conname || ' ' || pg_get_constraintdef(c.oid) FROM pg_constraint AS c
WHERE c.conrelid = ANY(%(tables)s::regclass[]) AND c.contype = 'f'
"""
TABLES = ["public.clients", "public.works", "public.tasks", "public.notes"]
KEYS = """
SELECT conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
WHERE conrelid = '{}'::regclass AND contype = 'f'
"""


def renamed(text: str) -> str:
    """Return the contracts with the new names."""
    for old, new in WORDS:
        text = text.replace(old, new)
    return text


def parts(connection: Connection) -> list[str]:
    return sorted(part for (part,) in connection.execute(PARTS.encode(), {"tables": TABLES}).fetchall())


def child_of(connection: Connection, client: object) -> tuple[object, object]:
    """Insert children as a login that sees everything; return the workspaces in which they are."""
    work, workspace = connection.execute(
        "INSERT INTO public.works (name, client_id) VALUES ('x', %s) RETURNING id, workspace_id", [client]
    ).fetchall()[0]
    return workspace, one(
        connection, "INSERT INTO public.tasks (title, work_id) VALUES ('x', %s) RETURNING workspace_id", work
    )


def test_contracts_that_run_again_find_what_is_there(own_app: Application) -> None:
    own_app.run(*RENAMES)
    with own_app.connected(keep=True) as connection:
        before = parts(connection)
        connection.execute(renamed(PROTECTION.partition("\n\n")[2]).encode())
        assert parts(connection) == before
        connection.execute("CALL tenancy_private.verify_contracts()")
        connection.execute("CALL tenancy_private.verify_keys()")
        connection.commit()
    client = one_of(own_app, "SELECT client_id FROM public.clients WHERE name = 'Acme customer'")
    with own_app.connected(own_app.owner) as connection:
        assert child_of(connection, client) == (own_app.acme.id, own_app.acme.id)
    with own_app.entered("ann", own_app.acme) as connection:
        connection.execute("INSERT INTO public.notes (body) VALUES ('new')")
        assert all_of(connection, "SELECT title FROM public.tasks") == ["Acme task"]


def test_the_contract_of_a_renamed_parent_is_enough_for_its_children(own_app: Application) -> None:
    own_app.run(
        "ALTER TABLE public.customers RENAME TO clients",
        "ALTER TABLE public.clients RENAME id TO client_id",
        "CALL tenancy.protect('public.clients')",
    )
    client = one_of(own_app, "SELECT client_id FROM public.clients WHERE name = 'Acme customer'")
    with own_app.connected(own_app.owner) as connection:
        insert = "INSERT INTO public.projects (name, customer_id) VALUES ('x', %s) RETURNING workspace_id"
        assert one(connection, insert, client) == own_app.acme.id
    with own_app.connected() as connection:
        connection.execute("CALL tenancy_private.verify_contracts()")


def test_unprotect_restores_the_keys_under_the_new_names(own_app: Application) -> None:
    own_app.run(*RENAMES)
    for table in ("tasks", "works", "clients", "notes"):
        own_app.run(f"CALL tenancy.unprotect('public.{table}')")
    with own_app.connected() as connection:
        assert all_of(connection, KEYS.format("public.works")) == [
            "projects_customer FOREIGN KEY (client_id) REFERENCES clients(client_id) ON DELETE SET NULL"
        ]
        assert all_of(connection, KEYS.format("public.tasks")) == [
            "tasks_project FOREIGN KEY (work_id) REFERENCES works(id) ON DELETE CASCADE"
        ]
        left = (
            "SELECT a.attrelid::regclass || '.' || a.attname FROM pg_attribute AS a INNER JOIN pg_attrdef AS d"
            " ON a.attrelid = d.adrelid AND a.attnum = d.adnum"
            " WHERE a.attrelid = ANY(%s::regclass[]) AND pg_get_expr(d.adbin, d.adrelid) LIKE '%%tenancy.%%'"
        )
        assert all_of(connection, left, TABLES) == []
        assert not one(connection, "SELECT has_sequence_privilege('tenancy_service', 'public.task_numbers', 'USAGE')")
        assert (
            one(
                connection,
                "SELECT count(*) FROM tenancy_private.adopted_parts AS a WHERE a.change IS NULL"
                " AND a.table_name = ANY(%s::regclass[])",
                TABLES,
            )
            == 0
        )


def test_unprotect_does_without_what_the_application_has_dropped(own_app: Application) -> None:
    own_app.run(
        "ALTER TABLE public.tasks DROP COLUMN project_id CASCADE",
        "ALTER TABLE public.tasks DROP COLUMN id CASCADE, ADD COLUMN number bigint PRIMARY KEY DEFAULT random() * 1e9",
        "ALTER TABLE public.notes DROP COLUMN user_id CASCADE",
        "DROP INDEX public.customers_tenancy_key CASCADE",
    )
    for table in ("tasks", "projects", "customers", "notes"):
        own_app.run(f"CALL tenancy.unprotect('public.{table}')")
    with own_app.connected() as connection:
        columns = (
            "SELECT attname FROM pg_attribute"
            " WHERE attrelid = 'public.tasks'::regclass AND attnum > 0 AND NOT attisdropped"
        )
        assert all_of(connection, columns) == ["number", "title"]
        assert (
            one(
                connection,
                "SELECT count(*) FROM tenancy_private.adopted_parts WHERE table_name = 'public.tasks'::regclass",
            )
            == 0
        )


def test_a_renamed_table_is_one_problem(own_app: Application) -> None:
    own_app.run("ALTER TABLE public.notes RENAME TO remarks", "ALTER TABLE public.remarks RENAME body TO text")
    with own_app.connected() as connection:
        assert connection.execute("SELECT * FROM tenancy_private.broken_contracts()").fetchall() == [
            (
                "public.remarks",
                "the table was called public.notes: run its contract again, protect() and allow()",
                None,
            )
        ]


def test_a_dropped_table_is_one_problem_and_its_repair_forgets_it(own_app: Application) -> None:
    own_app.run("DROP TABLE public.tasks")
    with own_app.connected() as connection:
        ((_, problem, repair),) = connection.execute("SELECT * FROM tenancy_private.broken_contracts()").fetchall()
        assert problem == "the table is missing: it was called public.tasks"
        connection.execute(repair)
        connection.execute("CALL tenancy_private.verify_contracts()")
        connection.execute("CALL tenancy.unprotect('public.projects')")


# -- what stays behind ---------------------------------------------------------------

USAGE = """
SELECT n.nspname || ': ' || r.rolname
FROM pg_namespace AS n
CROSS JOIN pg_roles AS r
WHERE n.nspname IN ('one', 'two')
    AND r.rolname IN ('tenancy_credentialed', 'tenancy_service', 'tenancy_auditor', 'tenancy_owner')
    AND has_schema_privilege(r.oid, n.oid, 'USAGE')
"""


def usage(app: Application) -> set[str]:
    """Return the schemas that our roles may use."""
    with app.connected() as connection:
        return {str(each).partition(":")[0] for each in all_of(connection, USAGE)}


def make(app: Application, *tables: str) -> None:
    for table in tables:
        app.run(f"CREATE TABLE {table} (id uuid PRIMARY KEY)", f"CALL tenancy.protect('{table}')")


@pytest.mark.parametrize("again", [True, False])
def test_a_table_that_leaves_its_schema_leaves_no_right_behind(bare_app: Application, again: bool) -> None:
    bare_app.run("CREATE SCHEMA one", "CREATE SCHEMA two")
    make(bare_app, "one.things", "one.others")
    bare_app.run("ALTER TABLE one.things SET SCHEMA two")
    if again:
        bare_app.run("CALL tenancy.protect('two.things')")
        assert usage(bare_app) == {"one", "two"}
    bare_app.run("CALL tenancy.unprotect('two.things')")
    assert usage(bare_app) == {"one"}
    bare_app.run("CALL tenancy.unprotect('one.others')")
    assert usage(bare_app) == set()


def test_the_last_table_that_leaves_a_schema_closes_it(bare_app: Application) -> None:
    bare_app.run("CREATE SCHEMA one", "CREATE SCHEMA two", "GRANT USAGE ON SCHEMA two TO tenancy_credentialed")
    make(bare_app, "one.things")
    bare_app.run("ALTER TABLE one.things SET SCHEMA two", "CALL tenancy.protect('two.things')")
    assert usage(bare_app) == {"two"}
    # What was there before stays.
    bare_app.run("CALL tenancy.unprotect('two.things')")
    with bare_app.connected() as connection:
        assert all_of(connection, USAGE) == ["two: tenancy_credentialed"]


@pytest.mark.parametrize("tables", [["things", "others"], ["others", "things"]])
def test_a_renamed_schema_stays_open_to_the_tables_left_in_it(bare_app: Application, tables: list[str]) -> None:
    bare_app.run("CREATE SCHEMA one")
    make(bare_app, "one.things")
    bare_app.run("ALTER SCHEMA one RENAME TO two")
    make(bare_app, "two.others")
    bare_app.run(f"CALL tenancy.unprotect('two.{tables[0]}')")
    assert usage(bare_app) == {"two"}
    bare_app.run(f"CALL tenancy.unprotect('two.{tables[1]}')")
    assert usage(bare_app) == set()


def test_forgetting_a_dropped_table_takes_back_what_was_granted_for_it(bare_app: Application) -> None:
    bare_app.run(
        "CREATE SCHEMA one",
        "CREATE TABLE one.hours (id uuid PRIMARY KEY, project_id bigint REFERENCES public.projects)",
        "CALL tenancy.protect('public.projects')",
        "CALL tenancy.protect('one.hours', parent => 'project_id')",
    )
    reads = "SELECT has_table_privilege('tenancy_owner', 'public.projects', 'SELECT')"
    assert one_of(bare_app, reads)
    number = one_of(bare_app, "SELECT 'one.hours'::regclass::oid")
    bare_app.run("DROP TABLE one.hours", f"CALL tenancy.unprotect({number})")
    assert usage(bare_app) == set()
    assert not one_of(bare_app, reads)


# -- what is reported ----------------------------------------------------------------


def test_a_key_in_place_of_ours_is_reported_and_repaired(own_app: Application) -> None:
    """As a tool makes it that compares the database with its models."""
    own_app.run(
        "ALTER TABLE public.tasks DROP CONSTRAINT tasks_tenancy_project_id_fkey,"
        " ADD CONSTRAINT tasks_project FOREIGN KEY (project_id) REFERENCES public.projects ON DELETE CASCADE"
    )
    theirs = own_app.number("public.projects", "Globex project")
    insert = b"INSERT INTO public.tasks (title, project_id) VALUES ('x', %s)"
    with own_app.entered("uma", own_app.acme) as connection:
        connection.execute(insert, [theirs])
    with own_app.connected() as connection:
        with refused("55000", "references_open"), connection.transaction():
            connection.execute("CALL tenancy_private.verify_references()")
        ((table, problem, repair),) = connection.execute("SELECT * FROM tenancy_private.open_references()").fetchall()
        assert (table, problem) == ("public.tasks", "by tasks_project tenants may refer to rows of other tenants")
        connection.execute(repair)
        connection.execute("CALL tenancy_private.verify_references()")
    # Its contract repairs it too.
    contract = "CALL tenancy.protect('public.tasks'" + PROTECTION.split("CALL tenancy.protect('public.tasks'")[1]
    own_app.run(contract.partition("\n\n")[0])
    with own_app.connected() as connection:
        connection.execute("CALL tenancy_private.verify_references()")
        connection.execute("CALL tenancy_private.verify_contracts()")
    with own_app.entered("uma", own_app.acme) as connection, refused("23503", "tasks_tenancy_project_id_fkey"):
        connection.execute(insert, [theirs])
    own_app.run("CALL tenancy.unprotect('public.tasks')")
    with own_app.connected() as connection:
        assert all_of(connection, KEYS.format("public.tasks")) == [
            "tasks_project FOREIGN KEY (project_id) REFERENCES projects(id) ON DELETE CASCADE"
        ]


def test_a_child_whose_key_was_dropped_is_reported(own_app: Application) -> None:
    own_app.run("ALTER TABLE public.tasks DROP CONSTRAINT tasks_tenancy_project_id_fkey")
    with own_app.connected() as connection:
        with refused("55000", "references_open"), connection.transaction():
            connection.execute("CALL tenancy_private.verify_references()")
        ((table, problem, _),) = connection.execute("SELECT * FROM tenancy_private.open_references()").fetchall()
        assert (table, problem.split(":")[0]) == ("public.tasks", "no foreign key by project_id")
    contract = "CALL tenancy.protect('public.tasks'" + PROTECTION.split("CALL tenancy.protect('public.tasks'")[1]
    own_app.run(
        "ALTER TABLE public.tasks ADD FOREIGN KEY (project_id) REFERENCES public.projects",
        contract.partition("\n\n")[0],
    )
    with own_app.connected() as connection:
        connection.execute("CALL tenancy_private.verify_references()")
        connection.execute("CALL tenancy_private.verify_contracts()")


def test_a_renamed_key_is_still_checked_after_the_repair(own_app: Application) -> None:
    own_app.run(
        "ALTER TABLE public.customers ADD UNIQUE (name)",
        "CALL tenancy_private.set_key_trigger('public.customers')",
        "ALTER TABLE public.customers RENAME name TO title",
    )
    with own_app.connected() as connection:
        ((repair,),) = connection.execute("SELECT repair FROM tenancy_private.unchecked_keys()").fetchall()
    own_app.run(repair, "CALL tenancy_private.record_contract('public.customers')")
    with own_app.connected() as connection:
        connection.execute("CALL tenancy_private.verify_keys()")
        connection.execute("CALL tenancy_private.verify_contracts()")
    with own_app.entered("ann", own_app.acme) as connection, refused("23505", "customers_name_key"):
        connection.execute(
            "INSERT INTO public.customers AS c (title) VALUES ('Globex customer')"
            " ON CONFLICT (title) DO UPDATE SET title = 'x' WHERE c.title = 'never'"
        )


# -- what the application has built on workspace_id ----------------------------------


@pytest.mark.parametrize(
    ("statement", "named", "then"),
    [
        (
            "CREATE VIEW public.mine AS SELECT title, workspace_id FROM public.tasks",
            "rule _RETURN on view public.mine",
            None,
        ),
        (
            "ALTER TABLE public.tasks ADD COLUMN after integer,"
            " ADD CONSTRAINT after FOREIGN KEY (workspace_id, after) REFERENCES public.tasks (workspace_id, id)"
            " ON DELETE SET NULL (after)",
            "constraint after on table public.tasks",
            "after FOREIGN KEY (after) REFERENCES tasks(id) ON DELETE SET NULL",
        ),
        (
            "CREATE TABLE public.hours (id uuid, workspace_id uuid, task_id integer, CONSTRAINT of FOREIGN KEY"
            " (workspace_id, task_id) REFERENCES public.tasks (workspace_id, id) ON DELETE CASCADE)",
            "constraint of on table public.hours",
            "of FOREIGN KEY (task_id) REFERENCES tasks(id) ON DELETE CASCADE",
        ),
        (
            "CREATE TRIGGER late BEFORE UPDATE ON public.tasks FOR EACH ROW WHEN (new.workspace_id IS NULL)"
            " EXECUTE FUNCTION suppress_redundant_updates_trigger()",
            "trigger late on table public.tasks",
            None,
        ),
    ],
)
def test_unprotect_names_what_needs_the_column_with_a_statement(
    own_app: Application, statement: str, named: str, then: str | None
) -> None:
    own_app.run(statement)
    with own_app.connected() as connection:
        with pytest.raises(psycopg.Error) as raised, connection.transaction():
            connection.execute("CALL tenancy.unprotect('public.tasks')")
        error = raised.value.diag
        assert (error.sqlstate, error.constraint_name) == ("2BP01", "application_needs_tenancy")
        object_, _, remedy = str(error.message_detail).partition(": ")
        assert object_ == named
        connection.execute(remedy.encode())
        connection.execute("CALL tenancy.unprotect('public.tasks')")
        keys = "SELECT conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'f'"
        assert then is None or then in all_of(connection, keys)


def test_unprotect_names_the_indexes_that_go_with_the_column(own_app: Application) -> None:
    own_app.run("CREATE INDEX titles ON public.tasks (workspace_id, title)")
    said: list[str] = []
    with own_app.connected() as connection:
        connection.add_notice_handler(lambda notice: said.append(str(notice.message_primary)))
        connection.execute("CALL tenancy.unprotect('public.tasks')")
    assert (
        "indexes of the application go with public.tasks.workspace_id:"
        " CREATE INDEX titles ON public.tasks USING btree (workspace_id, title)"
    ) in said


def one_of(app: Application, query: str) -> object:
    with app.connected() as connection:
        return one(connection, query)
