"""Sound tables are proved, and each planted hole is found; nothing is left of either."""

# ruff: noqa: S608  (the statements are made here)

from __future__ import annotations

from uuid import uuid4

import pytest

from pg_tenancy.testing import Report, RowOf, check_function, check_table
from support.application import Application, Connection

SOUND = ("public.customers", "public.projects", "public.tasks", "public.notes", "public.countries")

# Tables of the other shapes, and with columns of every kind.
FURTHER = """
CREATE DOMAIN public.code AS text CHECK (length(VALUE) > 3);
CREATE TYPE public.level AS ENUM ('low', 'high');
CREATE TABLE public.kinds (
    id bigserial PRIMARY KEY, code public.code NOT NULL, level public.level NOT NULL, short char(4) NOT NULL,
    at timestamptz NOT NULL UNIQUE, day date NOT NULL UNIQUE, opens time NOT NULL UNIQUE,
    tags text[] NOT NULL, data jsonb NOT NULL, price numeric(6, 2) NOT NULL CHECK (price >= 0),
    address inet NOT NULL UNIQUE, during tstzrange NOT NULL, raw bytea NOT NULL, parent bigint REFERENCES public.kinds,
    country text NOT NULL REFERENCES public.countries, user_id uuid NOT NULL REFERENCES public.users,
    double numeric GENERATED ALWAYS AS (price * 2) STORED
);
CALL tenancy.protect('public.kinds');
CALL tenancy.allow('public.kinds', 'SELECT', 'customers.view', columns => 'id, code');
CALL tenancy.allow('public.kinds', 'INSERT', 'customers.write',
    columns => 'code, level, short, at, day, opens, tags, data, price, address, during, raw, country, user_id');
CREATE TABLE public.plans (
    organization_id uuid PRIMARY KEY REFERENCES public.organizations ON DELETE CASCADE, name text NOT NULL
);
CALL tenancy.protect('public.plans', key => 'organization_id');
CALL tenancy.allow('public.plans', 'SELECT', NULL, columns => 'organization_id, name');
CALL tenancy.allow('public.plans', 'INSERT', 'customers.write', columns => 'name', "for" => 'organization');
CALL tenancy.allow('public.plans', 'UPDATE', 'customers.write', columns => 'name', person => true);
CREATE TABLE public.templates (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text NOT NULL);
CALL tenancy.protect('public.templates', catalogue => true);
CALL tenancy.allow('public.templates', 'SELECT', 'customers.view', columns => 'id, name');
CALL tenancy.allow('public.templates', 'DELETE', 'customers.write');
INSERT INTO public.templates (workspace_id, name) VALUES ('00000000-0000-0000-0000-000000000000', 'for everybody');
CREATE TABLE public.prices (id serial PRIMARY KEY, price numeric NOT NULL);
CALL tenancy.publish('public.prices', columns => 'id, price');
CREATE TABLE public.closed (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text);
CALL tenancy.protect('public.closed');
CREATE TABLE public.events (id uuid, at date NOT NULL, note text) PARTITION BY RANGE (at);
CREATE TABLE public.events_2020 PARTITION OF public.events FOR VALUES FROM ('2019-01-01') TO ('2022-01-01');
CALL tenancy.protect('public.events');
CALL tenancy.allow('public.events', 'SELECT', 'customers.view', columns => 'id, at, note');
CALL tenancy.allow('public.events', 'INSERT', 'customers.write', columns => 'id, at, note');
CALL tenancy.allow('public.events', 'UPDATE', 'customers.write', columns => 'note');
"""


def failures(report: Report) -> str:
    """Return what a report finds wrong, in its own words."""
    with pytest.raises(AssertionError) as raised:
        report.require()
    return str(raised.value)


@pytest.mark.parametrize("table", SOUND)
def test_a_sound_table_is_proved_and_each_rule_is_needed(admin: Connection, app: Application, table: str) -> None:
    report = check_table(admin, table, role=app.logins.app, coverage=True).require()
    policies = admin.execute("SELECT count(*) FROM pg_policy WHERE polrelid = %s::regclass", [table]).fetchone()
    assert policies is not None
    asked = [cell.question for cell in report.cells]
    assert sum(question.startswith("a test notices when policy") for question in asked) == policies[0] > 2
    assert report.count("control") >= 5
    assert (
        report.summary == f"{table}: {report.count('control')} controls and {report.count('isolation')} refusals held"
    )


TREES = {
    "with roots without a parent": "parent_id bigint REFERENCES public.nodes",
    "with roots that are their own parents": "parent_id bigint NOT NULL REFERENCES public.nodes",
}


@pytest.mark.parametrize("parent", TREES.values(), ids=TREES)
def test_a_tree_is_proved_and_a_parent_of_another_tenant_is_found(
    admin: Connection, app: Application, parent: str
) -> None:
    admin.execute(f"""
        CREATE TABLE public.nodes (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, {parent}, name text);
        CALL tenancy.protect('public.nodes', parent => 'parent_id');
        CALL tenancy.allow('public.nodes', 'SELECT', 'customers.view', columns => 'id, parent_id, name');
        CALL tenancy.allow('public.nodes', 'INSERT', 'customers.write', columns => 'parent_id, name');
        CALL tenancy.allow('public.nodes', 'UPDATE', 'customers.write', columns => 'parent_id, name');
    """)
    report = check_table(admin, "public.nodes", role=app.logins.app, coverage=True).require()
    assert sum("a parent of another workspace" in cell.question for cell in report.cells) >= 2
    admin.execute(
        "ALTER TABLE public.nodes DROP CONSTRAINT nodes_tenancy_parent_id_fkey,"
        " ADD FOREIGN KEY (parent_id) REFERENCES public.nodes (id)"
    )
    said = failures(check_table(admin, "public.nodes", role=app.logins.app))
    assert "an INSERT that refers to a parent of another workspace is refused" in said
    assert "an UPDATE that moves rows to a parent of another workspace is refused" in said


def test_keys_that_are_checked_at_commit_are_checked(admin: Connection, app: Application) -> None:
    admin.execute(
        "ALTER TABLE public.tasks ALTER CONSTRAINT tasks_tenancy_project_id_fkey DEFERRABLE INITIALLY DEFERRED"
    )
    check_table(admin, "public.tasks", role=app.logins.app, coverage=True).require()


@pytest.mark.parametrize("table", ["kinds", "plans", "templates", "prices", "closed", "events"])
def test_tables_of_every_shape_are_proved(admin: Connection, app: Application, table: str) -> None:
    admin.execute(FURTHER)
    check_table(admin, f"public.{table}", role=app.logins.app, coverage=True).require()


def test_nothing_is_left_and_no_row_of_others_was_touched(admin: Connection, app: Application) -> None:
    def state() -> list[object]:
        found: list[object] = []
        for table in (*SOUND, "public.users", "public.organizations", "tenancy.audit_log"):
            found += admin.execute(f"SELECT t.ctid::text, t.xmin::text, t::text FROM {table} AS t".encode()).fetchall()
        return found + admin.execute("SELECT p::text FROM pg_policies AS p").fetchall()

    before = state()
    for table in SOUND:
        check_table(admin, table, role=app.logins.app).require()
    assert state() == before
    assert admin.execute("SELECT current_user::text, session_user = current_user").fetchone() == ("postgres", True)


# A hole, the table that has it, and what the report says of it.
HOLES = {
    "row-level security is off": (
        "ALTER TABLE public.customers DISABLE ROW LEVEL SECURITY",
        "customers",
        "SELECT reaches no others",
    ),
    "it is not forced": (
        "ALTER TABLE public.customers NO FORCE ROW LEVEL SECURITY",
        "customers",
        "its owner's views and functions see every row",
    ),
    "a select floor of true": (
        "ALTER POLICY customers_tenant ON public.customers USING (true)",
        "customers",
        "SELECT reaches no others",
    ),
    "a lax check on insert": (
        "ALTER POLICY customers_tenant_insert ON public.customers WITH CHECK (true)",
        "customers",
        "the floor refuses an INSERT into another workspace",
    ),
    "a lax check on update": (
        "ALTER POLICY customers_tenant_update ON public.customers WITH CHECK (true)",
        "customers",
        "the floor refuses an UPDATE to another workspace",
    ),
    "a lax check on update of a child": (
        "ALTER POLICY tasks_tenant_update ON public.tasks WITH CHECK (true)",
        "tasks",
        "the floor refuses an UPDATE to another workspace",
    ),
    "an update that reaches everybody": (
        "ALTER POLICY customers_tenant_update ON public.customers USING (true)",
        "customers",
        "UPDATE of name reaches the workspace's rows\n      42501 new row violates row-level security policy",
    ),
    "an update that takes everybody's rows": (
        "ALTER POLICY customers_tenant_update ON public.customers USING (true) WITH CHECK (true)",
        "customers",
        "UPDATE of name reaches no others",
    ),
    "a delete that reaches everybody": (
        "ALTER POLICY projects_tenant_delete ON public.projects USING (true)",
        "projects",
        "DELETE reaches no others",
    ),
    "a command without a policy": (
        "DROP POLICY customers_delete ON public.customers",
        "customers",
        "DELETE reaches the workspace's rows",
    ),
    "a read without a policy": (
        "DROP POLICY customers_select ON public.customers",
        "customers",
        "SELECT reaches the workspace's rows",
    ),
    "a child that may have any parent": (
        "ALTER TABLE public.tasks DROP CONSTRAINT tasks_tenancy_project_id_fkey",
        "tasks",
        "an INSERT that refers to a parent of another workspace is refused",
    ),
    "a new row that is nobody's": (
        "ALTER TABLE public.customers ALTER COLUMN workspace_id DROP DEFAULT",
        "customers",
        "INSERT creates a row of the workspace",
    ),
    "a write without the permission": (
        "DROP TRIGGER customers_tenancy_permission ON public.customers",
        "customers",
        "who lacks the permission, may not UPDATE",
    ),
    "other authors' rows": (
        "DROP POLICY notes_tenant_update_author ON public.notes",
        "notes",
        "UPDATE of body reaches no others",
    ),
    "a service that sees nothing": (
        "DROP POLICY customers_service ON public.customers",
        "customers",
        "tenancy_service sees every row",
    ),
    "a child table that is open": (
        "CREATE TABLE public.old_customers () INHERITS (public.customers);"
        " GRANT SELECT ON public.old_customers TO tenancy_credentialed",
        "customers",
        "it may use old_customers, which holds rows of the table",
    ),
    "a partition that is open": (
        FURTHER + "GRANT SELECT (note) ON public.events_2020 TO tenancy_app",
        "events",
        "it may use events_2020, which holds rows of the table",
    ),
    "truncating": ("GRANT TRUNCATE ON public.customers TO tenancy_app", "customers", "it has TRUNCATE"),
    "a written catalogue": (
        FURTHER + "ALTER POLICY templates_tenant_delete ON public.templates USING (true)",
        "templates",
        "DELETE reaches no others",
    ),
    "a published table that tenants write": (
        "GRANT DELETE ON public.countries TO tenancy_app; CREATE POLICY d ON public.countries FOR DELETE USING (true)",
        "countries",
        "nobody may DELETE",
    ),
    "an owner's view": (
        "CREATE VIEW public.names AS SELECT name FROM public.customers; GRANT SELECT ON public.names TO tenancy_app",
        "customers",
        "the view public.names shows nothing of another tenant",
    ),
    "an owner's view that counts": (
        "CREATE VIEW public.numbers AS SELECT count(*) FROM public.customers;"
        " GRANT SELECT ON public.numbers TO tenancy_app",
        "customers",
        "the view public.numbers shows nothing of another tenant",
    ),
    "a view of an owner's view": (
        "CREATE VIEW public.hidden AS SELECT name FROM public.customers;"
        "CREATE VIEW public.names WITH (security_invoker = true) AS SELECT name FROM public.hidden;"
        " GRANT SELECT ON public.names, public.hidden TO tenancy_app",
        "customers",
        "the view public.names shows nothing of another tenant",
    ),
    "a view that deletes": (
        "CREATE VIEW public.names AS SELECT name FROM public.customers; GRANT DELETE ON public.names TO tenancy_app",
        "customers",
        "DELETE on the view public.names changes nothing of another tenant",
    ),
    "a materialized view": (
        "CREATE MATERIALIZED VIEW public.names AS SELECT name FROM public.customers;"
        " GRANT SELECT ON public.names TO tenancy_app",
        "customers",
        "it is materialized, and policies do not apply to it",
    ),
}


@pytest.mark.parametrize("hole", HOLES)
def test_each_hole_is_found(admin: Connection, app: Application, hole: str) -> None:
    statement, table, words = HOLES[hole]
    admin.execute(statement.encode())
    said = failures(check_table(admin, f"public.{table}", role=app.logins.app))
    assert words in said
    assert " FAILED" in said


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("ALTER ROLE {} BYPASSRLS", "it has BYPASSRLS"),
        ("ALTER ROLE {} SUPERUSER", "it is a superuser"),
        ("GRANT tenancy_service TO {}", "it is a member of tenancy_service"),
        ("ALTER TABLE public.customers OWNER TO {}", "it owns the table"),
    ],
)
def test_a_login_that_no_policy_holds_is_found(admin: Connection, app: Application, statement: str, words: str) -> None:
    # Not the run's own login, which other tests are using.
    login = f"pgt_login_{uuid4().hex[:8]}"
    admin.execute(f"CREATE ROLE {login} IN ROLE tenancy_app; {statement.format(login)}".encode())
    assert words in failures(check_table(admin, "public.customers", role=login))


# -- functions -----------------------------------------------------------------------------

FUNCTIONS = """
CREATE FUNCTION public.sound() RETURNS SETOF text LANGUAGE sql STABLE RETURN (SELECT max(name) FROM public.customers);
CREATE FUNCTION public.names() RETURNS SETOF text LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN RETURN QUERY SELECT name FROM public.customers ORDER BY 1; END; $$;
CREATE FUNCTION public.name_of(customer uuid) RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN RETURN (SELECT name FROM public.customers WHERE id = customer); END; $$;
CREATE FUNCTION public.sound_name_of(customer uuid) RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    RETURN (SELECT name FROM public.customers WHERE id = customer AND workspace_id = tenancy.current_workspace_id());
END; $$;
CREATE FUNCTION public.exists_error(customer uuid) RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE whose uuid := (SELECT workspace_id FROM public.customers WHERE id = customer);
BEGIN
    IF whose <> tenancy.current_workspace_id() THEN RAISE EXCEPTION 'it is somebody else''s'; END IF;
    RETURN whose;
END; $$;
CREATE PROCEDURE public.close_all() LANGUAGE sql SECURITY DEFINER AS $$
UPDATE public.customers SET remark = 'closed' $$;
CREATE PROCEDURE public.close_own() LANGUAGE sql SECURITY DEFINER AS $$
UPDATE public.customers SET remark = 'closed' WHERE workspace_id = tenancy.current_workspace_id() $$;
CREATE FUNCTION public.atomic() RETURNS bigint LANGUAGE sql SECURITY DEFINER
BEGIN ATOMIC SELECT count(*) FROM public.customers; END;
CREATE FUNCTION public.lucky() RETURNS float LANGUAGE sql SECURITY INVOKER AS $$ SELECT random() $$;
CREATE FUNCTION public.constant() RETURNS integer LANGUAGE sql SECURITY INVOKER AS $$ SELECT 1 $$;
CREATE FUNCTION public.constant(integer) RETURNS integer LANGUAGE sql SECURITY INVOKER AS $$ SELECT 1 $$;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO tenancy_app;
"""


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        ("public.sound", []),
        ("public.sound_name_of", [RowOf("public.customers")]),
        ("public.close_own()", []),
    ],
)
def test_a_sound_function_is_proved(
    admin: Connection, app: Application, function: str, arguments: list[object]
) -> None:
    admin.execute(FUNCTIONS)
    check_function(admin, function, arguments, role=app.logins.app, tables=["public.customers"]).require()


@pytest.mark.parametrize(
    ("function", "arguments", "words"),
    [
        ("public.names", [], "names() shows nothing of another tenant"),
        ("public.atomic", [], "atomic() shows nothing of another tenant"),
        (
            "public.name_of",
            [RowOf("public.customers")],
            "answers to another tenant's row as to one that does not exist",
        ),
        ("public.exists_error(uuid)", [RowOf("public.customers")], "P0001 it is somebody else's"),
        ("public.close_all", [], "close_all() changes nothing of another tenant"),
        ("public.lucky", [], "NOT TESTED: lucky() shows nothing of another tenant"),
        ("public.constant()", [], "constant() shows or changes rows of the workspace"),
        ("public.constant", [], "NOT TESTED: everything"),
        ("public.missing", [], "public.missing matches no function, or several"),
        ("no function(", [], "NOT TESTED: everything"),
        ("public.name_of", [], "shows or changes rows of the workspace"),
        ("public.name_of", [RowOf("public.tasks")], "the test has no id of public.tasks"),
    ],
)
def test_a_leaky_function_is_found(
    admin: Connection, app: Application, function: str, arguments: list[object], words: str
) -> None:
    admin.execute(FUNCTIONS)
    assert words in failures(
        check_function(admin, function, arguments, role=app.logins.app, tables=["public.customers"])
    )


def test_all_protected_tables_are_filled_for_a_function(admin: Connection, app: Application) -> None:
    admin.execute(
        "CREATE FUNCTION public.titles() RETURNS SETOF text LANGUAGE plpgsql SECURITY DEFINER AS"
        " $$ BEGIN RETURN QUERY SELECT title FROM public.tasks ORDER BY 1; END; $$"
    )
    assert "titles() shows nothing of another tenant" in failures(
        check_function(admin, "public.titles", role=app.logins.app)
    )


def test_a_function_that_uses_the_table_must_be_tried_or_exempt(admin: Connection, app: Application) -> None:
    admin.execute(
        "CREATE FUNCTION public.own_names() RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN RETURN"
        " (SELECT max(name) FROM public.customers WHERE workspace_id = tenancy.current_workspace_id()); END; $$"
    )
    role = app.logins.app
    said = failures(check_table(admin, "public.customers", role=role))
    assert "NOT TESTED: the function own_names() isolates" in said
    check_table(admin, "public.customers", role=role, functions={"own_names()": []}).require()
    check_table(admin, "public.customers", role=role, exempt={"own_names()": "reviewed"}).require()
    with pytest.raises(ValueError, match="needs a reason"):
        check_table(admin, "public.customers", role=role, exempt={"own_names()": " "})
    assert "NOT TESTED: nothing() is exempt" in failures(
        check_table(
            admin, "public.customers", role=role, functions={"own_names()": []}, exempt={"nothing()": "reviewed"}
        )
    )


def test_a_function_is_a_door_by_whatever_leads_it_to_the_table(admin: Connection, app: Application) -> None:
    admin.execute(
        "CREATE VIEW public.listed AS SELECT name FROM public.customers;"
        "CREATE FUNCTION public.inner_names() RETURNS SETOF text LANGUAGE sql"
        " BEGIN ATOMIC SELECT name FROM public.listed; END;"
        "CREATE FUNCTION public.outer_names() RETURNS SETOF text LANGUAGE plpgsql SECURITY DEFINER AS"
        " $$ BEGIN RETURN QUERY SELECT public.inner_names(); END; $$;"
        "CREATE FUNCTION public.closed_names() RETURNS SETOF text LANGUAGE sql SECURITY DEFINER AS"
        " 'SELECT name FROM public.customers';"
        "REVOKE EXECUTE ON FUNCTION public.closed_names() FROM PUBLIC;"
        "CREATE FUNCTION public.customers_2() RETURNS integer LANGUAGE sql SECURITY DEFINER AS 'SELECT 1';"
        "CREATE FUNCTION public.uses_customers_2() RETURNS integer LANGUAGE sql SECURITY DEFINER AS"
        " 'SELECT public.customers_2()'"
    )
    report = check_table(admin, "public.customers", role=app.logins.app)
    assert [cell.question for cell in report.problems] == ["the function outer_names() isolates"]


def test_a_sound_view_is_proved_and_a_view_may_be_exempt(admin: Connection, app: Application) -> None:
    admin.execute(
        "CREATE VIEW public.own_names WITH (security_invoker = true) AS SELECT name FROM public.customers;"
        "CREATE VIEW public.names AS SELECT name FROM public.customers;"
        "GRANT SELECT ON public.own_names, public.names TO tenancy_app"
    )
    report = check_table(
        admin, "public.customers", role=app.logins.app, exempt={"public.names": "a list of references"}
    ).require()
    assert "the view public.own_names shows nothing of another tenant" in [cell.question for cell in report.cells]


def test_a_view_of_more_tables_is_proved_with_the_last(admin: Connection, app: Application) -> None:
    admin.execute(
        "CREATE TABLE public.visits (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), customer_id uuid NOT NULL"
        " REFERENCES public.customers);"
        "CALL tenancy.protect('public.visits', parent => 'customer_id');"
        "CALL tenancy.allow('public.visits', 'SELECT', 'customers.view', columns => 'id, customer_id');"
        "CREATE VIEW public.visited WITH (security_invoker = true) AS"
        " SELECT c.name FROM public.customers AS c INNER JOIN public.visits AS v ON c.id = v.customer_id;"
        "GRANT SELECT ON public.visited TO tenancy_app"
    )
    role = app.logins.app
    with pytest.raises(AssertionError, match="prove it with that table, and exempt it here"):
        check_table(admin, "public.customers", role=role).require()
    check_table(admin, "public.customers", role=role, exempt={"public.visited": "proved with the visits"}).require()
    report = check_table(admin, "public.visits", role=role).require()
    assert "the view public.visited shows nothing of another tenant" in [cell.question for cell in report.cells]


# -- what cannot be tested fails -----------------------------------------------------------


@pytest.mark.parametrize(
    ("statement", "table", "words"),
    [
        ("SELECT 1", "public.missing", "table public.missing does not exist"),
        ("SELECT 1", "public.users", "belongs to pg-tenancy"),
        ("CREATE TABLE public.bare (id int)", "public.bare", "CALL tenancy.protect('public.bare')"),
        (
            "ALTER TABLE public.customers ADD CHECK (name ~ '^[A-Z]{3}$') NOT VALID",
            "public.customers",
            'Give values={"public.customers": {"column": ...}}',
        ),
        (
            "ALTER TABLE public.customers ADD shape polygon NOT NULL DEFAULT '((0,0))';"
            " ALTER TABLE public.customers ALTER shape DROP DEFAULT",
            "public.customers",
            "public.customers.shape is a polygon, for which the test cannot generate a value",
        ),
        (
            "CREATE FUNCTION public.never() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
            " CREATE TRIGGER never BEFORE INSERT ON public.customers FOR EACH ROW EXECUTE FUNCTION public.never()",
            "public.customers",
            "a trigger of public.customers discarded the test's row",
        ),
        ("REVOKE EXECUTE ON FUNCTION tenancy.enter FROM tenancy_app", "public.customers", "cannot enter"),
        (
            "CREATE FUNCTION public.stop() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " IF pg_has_role('tenancy_service', 'USAGE') THEN RETURN new; END IF; RAISE 'not on Sundays'; END $$;"
            " CREATE TRIGGER stop BEFORE INSERT ON public.customers FOR EACH ROW EXECUTE FUNCTION public.stop()",
            "public.customers",
            "not on Sundays",
        ),
    ],
)
def test_what_cannot_be_tested_fails(
    admin: Connection, app: Application, statement: str, table: str, words: str
) -> None:
    admin.execute(statement.encode())
    said = failures(check_table(admin, table, role=app.logins.app))
    assert words in said
    assert "NOT TESTED" in said or "FAILED" in said


def test_values_of_the_developer_are_used(admin: Connection, app: Application) -> None:
    admin.execute(
        "ALTER TABLE public.customers ADD CHECK (name ~ '^[A-Z]{3}$') NOT VALID, ADD shape polygon NOT NULL DEFAULT"
        " '((0,0))', ADD number int UNIQUE"
    )
    role = app.logins.app
    check_table(admin, "public.customers", role=role, values={"public.customers": {"name": "ABC"}}).require()
    check_table(
        admin,
        "public.customers",
        role=role,
        values={"public.customers": lambda number: {"name": "ABC", "number": number}},
    ).require()
    # Also for the tables that a table refers to.
    check_table(admin, "public.projects", role=role, values={"public.customers": {"name": "ABC"}}).require()


def test_a_role_that_is_missing_is_not_tested(admin: Connection) -> None:
    assert "role nobody_at_all does not exist" in failures(check_table(admin, "public.customers", role="nobody_at_all"))


def test_a_report_without_anything_that_could_fail_fails() -> None:
    report = Report("nothing")
    assert "NOT TESTED: there was nothing to try" in failures(report)
    report.add("control", "one's own", None)
    assert "NOT TESTED: there was nothing to try" in failures(report)
    report.add("isolation", "another's", None)
    assert report.require() is report
