"""An application's tables under protect(), allow() and publish(): which rows a person can see and write."""

# ruff: noqa: S608  (the names of tables are the tests' own)

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import uuid4

import psycopg
import pytest

from support.activation import activate_all
from support.application import TENANT_TABLES, Application, Connection, all_of, one
from support.two_tenants import refused

NIL = "00000000-0000-0000-0000-000000000000"
NAMES = {
    "public.customers": ("name", "customer"),
    "public.projects": ("name", "project"),
    "public.tasks": ("title", "task"),
}
each_table = pytest.mark.parametrize("table", NAMES)


def names_in(connection: Connection, table: str) -> list[str]:
    """Return the names of the rows that can be seen."""
    return all_of(connection, f"SELECT {NAMES[table][0]} FROM {table}")


# -- one's own rows --------------------------------------------------------------


@each_table
def test_everybody_sees_the_rows_of_the_current_workspace_alone(app: Application, table: str) -> None:
    kind = NAMES[table][1]
    for who, organization, name in (
        ("ann", app.acme, "Acme"),
        ("uma", app.acme, "Acme"),
        ("gus", app.globex, "Globex"),
        ("ann", None, "ann"),
        ("pat", None, "pat"),
    ):
        with app.entered(who, organization) as connection:
            assert names_in(connection, table) == [f"{name} {kind}"]
    with app.entered("gus") as connection:
        assert names_in(connection, table) == []
    with app.on_the_platform() as connection:
        assert names_in(connection, table) == [f"legacy {kind}"]


@each_table
def test_the_credentialed_login_sees_the_same(app: Application, table: str) -> None:
    with app.entered("ann", app.acme, keep=True) as connection:
        key = one(connection, "SELECT key FROM tenancy.create_api_key('program')")
    with app.database.connect() as admin:
        activate_all(admin)
    with app.connected(app.logins.credentialed) as connection:
        connection.execute("SELECT tenancy.enter_with_api_key(%s)", [key])
        assert names_in(connection, table) == [f"Acme {NAMES[table][1]}"]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT workspace_id FROM {}",
        "SELECT count(*) FROM {} WHERE workspace_id = gen_random_uuid()",
        "INSERT INTO {} DEFAULT VALUES",
        "UPDATE {} SET {} = 'x'",
        "DELETE FROM {}",
    ],
)
@each_table
def test_without_a_context_there_is_an_error_and_no_row(app: Application, table: str, statement: str) -> None:
    with app.connected(app.logins.app) as connection, refused("28000", "no_context"):
        connection.execute(statement.format(table, NAMES[table][0]).encode())


def test_the_context_is_asked_about_where_there_is_no_row(own_app: Application) -> None:
    own_app.run("TRUNCATE public.customers, public.projects, public.tasks, public.notes, public.countries")
    for table in (*TENANT_TABLES, "public.countries"):
        with own_app.connected(own_app.logins.app) as connection, refused("28000", "no_context"):
            connection.execute(f"SELECT 1 FROM {table}".encode())


@each_table
def test_a_forged_context_opens_nothing(app: Application, table: str) -> None:
    with app.entered("gina", app.globex) as connection:
        connection.execute("SELECT set_config('tenancy.current_organization_id', %s, true)", [str(app.acme.id)])
        with refused("28000", "invalid_context"):
            connection.execute(f"SELECT workspace_id FROM {table}".encode())


# -- writing ---------------------------------------------------------------------


@each_table
def test_a_row_lands_in_the_current_workspace(app: Application, table: str) -> None:
    column, _ = NAMES[table]
    for who, organization in (("ann", app.acme), ("gina", app.globex), ("pat", None)):
        workspace = organization.id if organization else app.users[who].id
        with app.entered(who, organization) as connection:
            made = one(connection, f"INSERT INTO {table} ({column}) VALUES ('new') RETURNING workspace_id")
            assert made == workspace
            assert "new" in names_in(connection, table)


def test_rows_of_staff_are_the_platforms(app: Application) -> None:
    with app.on_the_platform() as connection:
        made = one(connection, "INSERT INTO public.customers (name) VALUES ('new') RETURNING workspace_id::text")
    assert made == NIL


def test_an_id_of_ones_own_may_be_named(app: Application) -> None:
    with app.entered("ann", app.acme) as connection:
        wanted = uuid4()
        connection.execute("INSERT INTO public.customers (id, name) VALUES (%s, 'new')", [wanted])
        assert one(connection, "SELECT name FROM public.customers WHERE id = %s", wanted) == "new"


def test_a_key_that_the_application_renames_or_drops_is_asked_for_as_it_is(own_app: Application) -> None:
    taken = own_app.number("public.customers", "Globex customer")
    insert = "INSERT INTO public.customers (id, name) VALUES (%s, 'mine') ON CONFLICT DO NOTHING"
    own_app.run("ALTER TABLE public.customers RENAME CONSTRAINT customers_pkey TO ids_of_customers")
    with own_app.entered("ann", own_app.acme) as connection, pytest.raises(psycopg.errors.UniqueViolation) as raised:
        connection.execute(insert, [taken])
    assert raised.value.diag.constraint_name == "ids_of_customers"
    own_app.run("ALTER TABLE public.customers DROP CONSTRAINT ids_of_customers CASCADE")
    with own_app.entered("ann", own_app.acme) as connection:
        assert connection.execute(insert, [taken]).rowcount == 1


def test_a_table_that_is_renamed_works_again_after_its_contract(own_app: Application) -> None:
    with own_app.connected() as connection:
        connection.execute("ALTER TABLE public.customers RENAME TO clients")
        connection.execute("ALTER TABLE public.clients RENAME name TO title")
        ((repair,),) = connection.execute("SELECT repair FROM tenancy_private.unchecked_keys()").fetchall()
        assert repair == "CALL tenancy_private.set_key_trigger('public.clients');"
        connection.execute("CALL tenancy.protect('public.clients')")
        for command, columns in (("SELECT", "id, title"), ("INSERT", "id, title"), ("UPDATE", "title")):
            permission = "customers.view" if command == "SELECT" else "customers.write"
            connection.execute("CALL tenancy.allow('public.clients', %s, %s, %s)", [command, permission, columns])
        connection.execute("CALL tenancy_private.verify_keys()")
        connection.execute("CALL tenancy_private.verify_contracts()")
        connection.commit()
    with own_app.entered("ann", own_app.acme) as connection:
        assert one(connection, "INSERT INTO public.clients (title) VALUES ('new') RETURNING title") == "new"


def test_a_table_that_is_renamed_keeps_no_trigger_when_it_is_unprotected(own_app: Application) -> None:
    own_app.run("ALTER TABLE public.notes RENAME TO memos", "CALL tenancy.unprotect('public.memos')")
    with own_app.connected() as connection:
        triggers = "SELECT count(*) FROM pg_trigger WHERE tgrelid = 'public.memos'::regclass AND NOT tgisinternal"
        assert one(connection, triggers) == 0


@pytest.mark.parametrize("upsert", ["", "ON CONFLICT (id) DO UPDATE SET name = 'taken'", "ON CONFLICT DO NOTHING"])
def test_an_id_of_somebody_elses_tells_nothing_of_the_row(app: Application, upsert: str) -> None:
    taken = app.number("public.customers", "Globex customer")
    insert = f"INSERT INTO public.customers (id, name) VALUES (%s, 'mine') {upsert}"
    with app.entered("ann", app.acme) as connection:
        with pytest.raises(psycopg.Error) as raised:
            connection.execute(insert.encode(), [taken])
        assert (raised.value.sqlstate, raised.value.diag.constraint_name) == ("23505", "customers_pkey")
        assert "Globex" not in str(raised.value)


@each_table
def test_the_owner_of_a_row_cannot_be_written(app: Application, table: str) -> None:
    column = NAMES[table][0]
    for statement in (
        f"INSERT INTO {table} ({column}, workspace_id) VALUES ('x', '{app.acme.id}')",
        f"UPDATE {table} SET workspace_id = '{app.globex.id}'",
        f"UPDATE {table} SET workspace_id = DEFAULT",
    ):
        with app.entered("ann", app.acme) as connection, refused("42501"):
            connection.execute(statement.encode())


@each_table
def test_rows_of_others_are_neither_changed_nor_deleted(app: Application, table: str) -> None:
    column, kind = NAMES[table]
    others = [app.number(table, f"{name} {kind}") for name in ("Globex", "ann", "pat", "legacy")]
    for statement in (
        f"UPDATE {table} SET {column} = 'taken' WHERE id = ANY(%s)",
        f"DELETE FROM {table} WHERE id = ANY(%s)",
    ):
        with app.entered("ann", app.acme) as connection:
            assert connection.execute(statement.encode(), [others]).rowcount == 0
            everything = statement.replace(" WHERE id = ANY(%s)", "")
            assert connection.execute(everything.encode()).rowcount == 1


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO public.customers (name) VALUES ('x')",
        "UPDATE public.customers SET name = 'x'",
        "UPDATE public.customers SET name = 'x' WHERE false",
        "DELETE FROM public.customers",
        "INSERT INTO public.projects (name) VALUES ('x')",
        "UPDATE public.projects SET status = 'x'",
        "DELETE FROM public.projects",
    ],
)
@pytest.mark.parametrize("who", ["max", "uma"])
def test_a_write_without_the_permission_is_an_error_that_names_it(app: Application, who: str, statement: str) -> None:
    with app.entered(who, app.acme) as connection, pytest.raises(psycopg.Error) as raised:
        connection.execute(statement.encode())
    said = raised.value.diag
    assert (said.sqlstate, said.constraint_name) == ("42501", "permission_denied")
    role = {"max": "manager", "uma": "user"}[who]
    subject = "projects" if "projects" in statement else "customers"
    assert said.message_primary == f"role {role} lacks permission {subject}.write"
    assert said.message_hint == "Roles that hold it: owner, admin, staff."


def test_a_read_without_the_permission_shows_nothing(own_app: Application) -> None:
    own_app.run("SELECT tenancy.define_permission('customers.view', '{owner}')")
    with own_app.entered("ann", own_app.acme) as connection:
        assert names_in(connection, "public.customers") == ["Acme customer"]
    with own_app.entered("abe", own_app.acme) as connection:
        assert names_in(connection, "public.customers") == []
        assert connection.execute("UPDATE public.customers SET name = 'x' WHERE name <> ''").rowcount == 0


# -- columns ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT remark FROM public.customers",
        "SELECT * FROM public.customers",
        "SELECT c FROM public.customers AS c",
        "SELECT budget FROM public.projects",
        "SELECT 1 FROM public.projects WHERE budget > 0",
        "INSERT INTO public.customers (name, remark) VALUES ('x', 'x')",
        "INSERT INTO public.tasks (id, title) VALUES (1, 'x')",
        "UPDATE public.customers SET remark = 'x'",
        "UPDATE public.projects SET budget = 1",
        "SELECT remark FROM public.countries",
        "TRUNCATE public.customers",
    ],
)
def test_columns_that_are_not_named_stay_closed(app: Application, statement: str) -> None:
    with app.entered("ann", app.acme) as connection, refused("42501"):
        connection.execute(statement.encode())


def test_a_column_that_comes_later_is_closed(own_app: Application) -> None:
    own_app.run("ALTER TABLE public.customers ADD COLUMN secret text DEFAULT 'x'")
    with own_app.entered("ann", own_app.acme) as connection, refused("42501"):
        connection.execute("SELECT secret FROM public.customers")


# -- published -------------------------------------------------------------------


def test_everybody_in_a_workspace_reads_a_published_table(app: Application) -> None:
    for who, organization in (("ann", app.acme), ("gus", app.globex), ("pat", None)):
        with app.entered(who, organization) as connection:
            assert all_of(connection, "SELECT name FROM public.countries") == ["France", "Italy"]
    with app.on_the_platform() as connection:
        assert all_of(connection, "SELECT code FROM public.countries") == ["FR", "IT"]


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO public.countries (code, name) VALUES ('DE', 'Germany')",
        "UPDATE public.countries SET name = 'x'",
        "DELETE FROM public.countries",
    ],
)
def test_nobody_in_a_workspace_writes_a_published_table(app: Application, statement: str) -> None:
    with app.on_the_platform() as connection, refused("42501"):
        connection.execute(statement.encode())
    with app.connected(app.owner) as connection:
        assert connection.execute(statement.encode()).rowcount > 0


# -- who sees everything ---------------------------------------------------------


@pytest.mark.parametrize("login", ["owner", "service"])
def test_the_application_from_before_and_services_see_and_write_everything(app: Application, login: str) -> None:
    name = app.owner if login == "owner" else app.logins.service
    for table, (column, kind) in NAMES.items():
        with app.connected(name) as connection:
            everybody = sorted(f"{who} {kind}" for who in ("Acme", "Globex", "ann", "legacy", "pat"))
            assert names_in(connection, table) == everybody
            assert connection.execute(f"UPDATE {table} SET {column} = {column}".encode()).rowcount == 5
            assert connection.execute(f"DELETE FROM {table}".encode()).rowcount == 5
    with app.connected(name) as connection:
        assert one(connection, "SELECT count(*) FROM public.notes") == 9
        assert one(connection, "SELECT max(remark) FROM public.countries") == "internal"


def test_rows_of_the_application_from_before_are_the_platforms(app: Application) -> None:
    with app.connected(app.owner) as connection:
        made = one(connection, "INSERT INTO public.customers (name) VALUES ('new') RETURNING workspace_id::text")
        assert made == NIL
        note = one(connection, "INSERT INTO public.notes (body) VALUES ('new') RETURNING user_id")
        assert note is None


def test_a_service_that_has_entered_makes_rows_there_and_sees_everything(app: Application) -> None:
    with app.connected(app.logins.service) as connection:
        connection.execute("SELECT tenancy.enter_as_service(%s, %s)", [app.users["ann"].id, app.acme.id])
        made = one(connection, "INSERT INTO public.customers (name) VALUES ('new') RETURNING workspace_id")
        assert made == app.acme.id
        assert len(names_in(connection, "public.customers")) == 6


@contextmanager
def cut_over(app: Application) -> Iterator[Connection]:
    """Yield a connection with the rights of the login from before, which has lost its group.

    The group is revoked in this transaction only: other tests work with the same login.
    """
    with app.connected() as connection:
        connection.execute(f'REVOKE tenancy_service FROM "{app.owner}"')
        connection.execute(f'SET LOCAL ROLE "{app.owner}"')
        yield connection


def test_the_cut_over_closes_the_tables_to_the_login_from_before(own_app: Application) -> None:
    with cut_over(own_app) as connection:
        assert names_in(connection, "public.customers") == []


def test_only_who_sees_the_rows_finds_the_orphans_of_a_new_foreign_key(own_app: Application) -> None:
    own_app.run(
        "ALTER TABLE public.notes ADD COLUMN country text",
        "UPDATE public.notes SET country = 'XX'",
        "ALTER TABLE public.notes ADD FOREIGN KEY (country) REFERENCES public.countries NOT VALID",
    )
    validate = "ALTER TABLE public.notes VALIDATE CONSTRAINT notes_country_fkey"
    with own_app.connected(own_app.owner) as connection, refused("23503", "notes_country_fkey"):
        connection.execute(validate)
    with cut_over(own_app) as connection:
        connection.execute(validate)
        assert one(connection, "SELECT convalidated FROM pg_constraint WHERE conname = 'notes_country_fkey'")


def test_the_auditor_reads_and_is_written_down(app: Application) -> None:
    with app.connected(app.logins.auditor) as connection:
        assert len(names_in(connection, "public.customers")) == 5
        with refused("42501"), connection.transaction():
            connection.execute("SELECT remark FROM public.customers")
        with refused("42501"), connection.transaction():
            connection.execute("UPDATE public.customers SET name = 'x'")


def test_a_login_without_a_group_sees_nothing(own_app: Application, new_login: Callable[..., str]) -> None:
    login = new_login()
    for table in (*TENANT_TABLES, "public.countries"):
        with own_app.connected(login) as connection, refused("42501"):
            connection.execute(f"SELECT 1 FROM {table}".encode())


# -- a workspace that goes -------------------------------------------------------


def test_an_organization_that_goes_takes_its_rows_along(own_app: Application) -> None:
    own_app.run(f"DELETE FROM public.organizations WHERE id = '{own_app.acme.id}'")
    with own_app.connected() as connection:
        for table, (_, kind) in NAMES.items():
            assert names_in(connection, table) == sorted(f"{who} {kind}" for who in ("Globex", "ann", "legacy", "pat"))


# -- the contract ----------------------------------------------------------------


def test_the_tables_are_as_their_contracts_say(app: Application) -> None:
    with app.connected() as connection:
        connection.execute("CALL tenancy_private.verify_contracts()")


@pytest.mark.parametrize(
    "change",
    [
        "DROP POLICY customers_tenant ON public.customers",
        "ALTER POLICY projects_select ON public.projects USING (true)",
        "CREATE POLICY more ON public.tasks FOR SELECT TO tenancy_credentialed USING (true)",
        "ALTER TABLE public.customers DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE public.customers NO FORCE ROW LEVEL SECURITY",
        "GRANT SELECT (remark) ON public.customers TO tenancy_credentialed",
        "GRANT UPDATE ON public.customers TO tenancy_app",
        "GRANT SELECT ON public.notes TO PUBLIC",
        "DROP TRIGGER customers_tenancy_permission ON public.customers",
        "ALTER TABLE public.customers DISABLE TRIGGER customers_tenancy_permission",
        "DROP TRIGGER tasks_tenancy_workspace ON public.tasks",
        "CREATE OR REPLACE FUNCTION tenancy_private.customers_tenancy_taken() RETURNS trigger LANGUAGE plpgsql"
        " AS 'BEGIN RETURN new; END'",
        "ALTER FUNCTION tenancy_private.customers_tenancy_taken() OWNER TO CURRENT_USER",
        "REVOKE SELECT (name) ON public.countries FROM tenancy_credentialed",
    ],
)
def test_a_change_by_hand_is_found(app: Application, change: str) -> None:
    with app.connected() as connection:
        connection.execute(change.encode())
        with refused("55000", "contract_broken"):
            connection.execute("CALL tenancy_private.verify_contracts()")


def test_no_policy_that_is_added_widens_what_a_tenant_sees(own_app: Application) -> None:
    own_app.run(
        "CREATE POLICY everything ON public.customers TO PUBLIC USING (true) WITH CHECK (true)",
        "GRANT UPDATE (workspace_id) ON public.customers TO tenancy_credentialed",
    )
    with own_app.entered("ann", own_app.acme) as connection:
        assert names_in(connection, "public.customers") == ["Acme customer"]
        with refused("42501"):
            connection.execute("UPDATE public.customers SET workspace_id = %s", [own_app.globex.id])
