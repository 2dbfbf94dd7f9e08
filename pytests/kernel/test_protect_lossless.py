"""protect() and back: an application's tables are restored, and the owners of rows are kept."""

# ruff: noqa: S608  (the names of tables are the tests' own)

from __future__ import annotations

import re
from collections.abc import Callable

import psycopg
import pytest

from support.application import PROTECTION, TENANT_TABLES, Application, Connection, all_of, one
from support.two_tenants import refused

TABLES = ("tasks", "projects", "customers", "notes", "countries")
UNPROTECT = tuple(f"CALL tenancy.unprotect('public.{table}')" for table in TABLES)
CUSTOMERS = """
CALL tenancy.protect('{0}');
SELECT tenancy.define_permission('customers.view', '{{owner,user}}');
CALL tenancy.allow('{0}', 'SELECT', 'customers.view', columns => 'id, name');
"""


def whose(app: Application, *tables: str) -> dict[str, list[tuple[str, str]]]:
    """Return the workspaces of each table's rows."""
    with app.connected() as connection:
        return {
            table: sorted(connection.execute(f"SELECT id::text, workspace_id::text FROM {table}".encode()).fetchall())
            for table in tables
        }


# -- round trips -----------------------------------------------------------------


def test_everything_is_as_it_was(bare_app: Application) -> None:
    before = bare_app.database.dump()
    bare_app.run(PROTECTION)
    assert bare_app.database.dump() != before
    bare_app.run(*UNPROTECT)
    # The permissions are data.
    assert bare_app.database.dump() == before
    with bare_app.connected() as connection:
        connection.execute("CALL tenancy_private.verify_contracts()")
        for table in ("protected_tables", "access", "adopted_parts", "legacy_logins", "contracts", "closed_tables"):
            noted = all_of(connection, f"SELECT DISTINCT table_name::text FROM tenancy_private.{table}")
            assert not {f"public.{name}" for name in TABLES} & set(noted)


@pytest.mark.parametrize(
    "before",
    [
        "GRANT SELECT ON public.customers TO PUBLIC",
        "GRANT SELECT (name), UPDATE (name) ON public.customers TO PUBLIC",
        "GRANT SELECT ON public.customers TO tenancy_service WITH GRANT OPTION",
        "GRANT ALL ON public.customers, public.tasks TO tenancy_service",
        "GRANT USAGE ON SEQUENCE public.tasks_id_seq TO PUBLIC",
        "ALTER TABLE public.customers ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE public.customers ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
        "ALTER TABLE public.notes ALTER COLUMN user_id SET DEFAULT gen_random_uuid()",
        "ALTER TABLE public.tasks DROP CONSTRAINT tasks_pkey",
        "ALTER TABLE public.tasks ALTER CONSTRAINT tasks_project DEFERRABLE INITIALLY DEFERRED",
        "ALTER TABLE public.tasks ALTER COLUMN project_id SET NOT NULL",
        "ALTER TABLE public.tasks DROP CONSTRAINT tasks_project,"
        " ADD CONSTRAINT tasks_project FOREIGN KEY (project_id) REFERENCES public.projects NOT VALID",
    ],
)
def test_everything_kept_is_restored(bare_app: Application, before: str) -> None:
    bare_app.run(before)
    dump = bare_app.database.dump()
    bare_app.run(PROTECTION, *UNPROTECT)
    assert bare_app.database.dump() == dump


def test_which_row_is_whose_survives(own_app: Application) -> None:
    own_app.run(f"INSERT INTO public.tasks (title, workspace_id) VALUES ('of no project', '{own_app.acme.id}')")
    own_app.run(f"INSERT INTO public.projects (name, workspace_id) VALUES ('of no customer', '{own_app.globex.id}')")
    before = whose(own_app, *TENANT_TABLES)
    own_app.run(*UNPROTECT)
    with own_app.connected(own_app.owner) as connection:
        for table, rows in before.items():
            assert one(connection, f"SELECT count(*) FROM {table}") == len(rows)
    own_app.run(PROTECTION)
    assert whose(own_app, *TENANT_TABLES) == before
    with own_app.connected() as connection:
        assert one(connection, "SELECT to_regnamespace('tenancy_archive')") is None
    with own_app.entered("gina", own_app.globex) as connection:
        assert all_of(connection, "SELECT name FROM public.projects") == ["Globex project", "of no customer"]


def test_rows_written_meanwhile_belong_to_the_platform_and_deleted_ones_stay_deleted(own_app: Application) -> None:
    own_app.run(*UNPROTECT)
    with own_app.connected(own_app.owner, keep=True) as connection:
        connection.execute("INSERT INTO public.customers (name) VALUES ('meanwhile')")
        connection.execute("DELETE FROM public.customers WHERE name = 'Globex customer'")
        connection.execute("UPDATE public.customers SET name = 'renamed' WHERE name = 'Acme customer'")
    own_app.run(PROTECTION)
    with own_app.entered("ann", own_app.acme) as connection:
        assert all_of(connection, "SELECT name FROM public.customers") == ["renamed"]
    with own_app.on_the_platform() as connection:
        assert all_of(connection, "SELECT name FROM public.customers") == ["legacy customer", "meanwhile"]


def test_rows_of_an_organization_that_went_meanwhile_are_asked_about(own_app: Application) -> None:
    own_app.run(*UNPROTECT, f"DELETE FROM public.organizations WHERE id = '{own_app.globex.id}'")
    with own_app.connected() as connection, refused("55000", "ownership_returns"):
        connection.execute("CALL tenancy.protect('public.customers')")
    own_app.run(
        "DELETE FROM public.customers WHERE name = 'Globex customer'", "CALL tenancy.protect('public.customers')"
    )


def test_a_table_without_a_key_is_protected_and_taken_back_while_nothing_is_anybodys(bare_app: Application) -> None:
    bare_app.run("ALTER TABLE public.notes DROP CONSTRAINT notes_pkey", "CALL tenancy.protect('public.notes')")
    bare_app.run("CALL tenancy.unprotect('public.notes')", "CALL tenancy.protect('public.notes')")
    bare_app.run(f"UPDATE public.notes SET workspace_id = '{bare_app.acme.id}'")
    with bare_app.connected() as connection, refused("55000", "primary_key_required"):
        connection.execute("CALL tenancy.unprotect('public.notes')")


def test_a_key_with_the_workspace_is_replaced_before_a_table_is_taken_back(bare_app: Application) -> None:
    """Otherwise the key would be lost with the column, and with it whose the rows are."""
    bare_app.run(
        "CALL tenancy.protect('public.notes')",
        "ALTER TABLE public.notes DROP CONSTRAINT notes_pkey, ADD CONSTRAINT notes_key PRIMARY KEY (workspace_id, id)",
    )
    bare_app.run(f"UPDATE public.notes SET workspace_id = '{bare_app.acme.id}'")
    with bare_app.connected() as connection, pytest.raises(psycopg.Error) as error:
        connection.execute("CALL tenancy.unprotect('public.notes')")
    assert error.value.diag.constraint_name == "primary_key_required"
    (remedy,) = re.findall(r"ALTER TABLE [^;]+;", str(error.value.diag.message_hint))
    assert remedy == "ALTER TABLE public.notes DROP CONSTRAINT notes_key, ADD PRIMARY KEY (id);"
    bare_app.run(remedy, "CALL tenancy.unprotect('public.notes')", "CALL tenancy.protect('public.notes')")
    with bare_app.connected() as connection:
        assert all_of(connection, "SELECT DISTINCT workspace_id FROM public.notes") == [bare_app.acme.id]


def test_a_key_that_goes_with_the_column_is_printed_as_a_key(bare_app: Application) -> None:
    bare_app.run("CALL tenancy.protect('public.notes')", "DELETE FROM public.notes")
    key = "ADD CONSTRAINT notes_key PRIMARY KEY (workspace_id, id)"
    said: list[str] = []
    with bare_app.connected(keep=True) as connection:
        connection.execute(f"ALTER TABLE public.notes DROP CONSTRAINT notes_pkey, {key}".encode())
        connection.add_notice_handler(lambda notice: said.append(str(notice.message_primary)))
        connection.execute("CALL tenancy.unprotect('public.notes')")
    assert any(f"ALTER TABLE public.notes {key}" in text for text in said), said


# -- again -----------------------------------------------------------------------


def test_protecting_again_begins_anew_and_keeps_the_rows(own_app: Application) -> None:
    before = whose(own_app, *TENANT_TABLES)
    own_app.run("CALL tenancy.protect('public.customers')")
    with own_app.entered("ann", own_app.acme) as connection:
        assert one(connection, "SELECT count(workspace_id) FROM public.customers") == 0
        for statement in ("SELECT name FROM public.customers", "DELETE FROM public.customers"):
            with refused("42501"), connection.transaction():
                connection.execute(statement.encode())
    dump = own_app.database.dump()
    own_app.run("CALL tenancy.protect('public.customers')")
    assert own_app.database.dump() == dump
    assert whose(own_app, *TENANT_TABLES) == before


def test_a_parent_is_not_taken_back_before_its_children(own_app: Application) -> None:
    for parent in ("customers", "projects"):
        with own_app.connected() as connection, refused("55000", "children_protected"):
            connection.execute(f"CALL tenancy.unprotect('public.{parent}')".encode())


def test_a_table_that_somebody_dropped_can_be_forgotten(own_app: Application) -> None:
    with own_app.connected() as connection:
        number = one(connection, "SELECT 'public.tasks'::regclass::oid")
    own_app.run("DROP TABLE public.tasks", f"CALL tenancy.unprotect('{number}')")
    with own_app.connected() as connection:
        connection.execute("CALL tenancy_private.verify_contracts()")


def test_the_check_of_taken_keys_goes_with_a_table_that_was_dropped(own_app: Application) -> None:
    checks = "SELECT proname::text FROM pg_proc WHERE proname ~ '^customers_tenancy_taken'"
    with own_app.connected() as connection:
        assert all_of(connection, checks) == ["customers_tenancy_taken"]
        number = one(connection, "SELECT 'public.customers'::regclass::oid")
    own_app.run("DROP TABLE public.customers CASCADE", f"CALL tenancy.unprotect('{number}')")
    with own_app.connected() as connection:
        assert all_of(connection, checks) == []


# -- who sees everything ---------------------------------------------------------


def _is_service(connection: Connection, login: str) -> bool:
    return bool(one(connection, "SELECT pg_has_role(%s, 'tenancy_service', 'MEMBER')", login))


def test_the_login_from_before_is_a_service_while_one_table_needs_it(
    bare_app: Application, new_login: Callable[..., str]
) -> None:
    # A role without objects in other databases.
    login = new_login()
    bare_app.run(
        f'ALTER TABLE public.customers OWNER TO "{login}"', f'GRANT INSERT, SELECT ON public.notes TO "{login}"'
    )
    for calls, expected in (
        (["protect('public.customers')"], True),
        (["protect('public.notes')", "unprotect('public.customers')"], True),
        (["unprotect('public.notes')"], False),
    ):
        bare_app.run(*(f"CALL tenancy.{call}" for call in calls))
        with bare_app.connected() as connection:
            assert _is_service(connection, login) is expected
    bare_app.run(
        f'ALTER TABLE public.customers OWNER TO "{bare_app.owner}"', f'REVOKE ALL ON public.notes FROM "{login}"'
    )


def test_services_reach_a_table_that_everybody_reached(bare_app: Application) -> None:
    bare_app.run("GRANT SELECT, INSERT ON public.customers TO PUBLIC", CUSTOMERS.format("public.customers"))
    with bare_app.connected(bare_app.logins.service) as connection:
        assert all_of(connection, "SELECT name FROM public.customers") == ["legacy customer"]
        assert connection.execute("UPDATE public.customers SET name = 'x'").rowcount == 1


def test_a_view_that_shows_everything_is_warned_of(bare_app: Application) -> None:
    bare_app.run(
        "CREATE VIEW public.names AS SELECT name FROM public.customers",
        "CREATE VIEW public.more_names AS SELECT name FROM public.names",
        "CREATE VIEW public.own_names WITH (security_invoker = true) AS SELECT name FROM public.customers",
        "CREATE VIEW public.closed_names AS SELECT name FROM public.customers",
        "GRANT SELECT ON public.more_names, public.own_names TO PUBLIC",
    )
    said = []
    with bare_app.connected() as connection:
        connection.add_notice_handler(lambda notice: said.append(notice.message_primary))
        connection.execute("CALL tenancy.protect('public.customers')")
    wanted = "rows of public.customers stay visible through view public.more_names (PUBLIC)"
    assert [words for words in said if "visible" in str(words)] == [wanted]


# -- names, schemas, partitions --------------------------------------------------

NAMES = [
    'public."Customers"',
    'public."it\'s; ""quoted"""',
    "public." + "x" * 63,
    'public."' + "é" * 31 + '"',
    "public.select_",
    "crm.customers",
    '"C R M".customers',
]


@pytest.mark.parametrize("table", NAMES, ids=range(len(NAMES)))
def test_a_table_of_any_name_in_any_schema(bare_app: Application, table: str) -> None:
    schema = table.rsplit(".", 1)[0]
    bare_app.run(
        f"CREATE SCHEMA IF NOT EXISTS {schema}",
        f"CREATE TABLE {table} (id serial PRIMARY KEY, name text)",
        f"CREATE TABLE {schema}.parts (id serial PRIMARY KEY, of_id integer REFERENCES {table})",
    )
    before = bare_app.database.dump()
    quoted = table.replace("'", "''")
    permission = "SELECT tenancy.define_permission('customers.view', '{owner,user}')"
    calls = [
        f"CALL tenancy.protect('{quoted}')",
        f"CALL tenancy.allow('{quoted}', 'SELECT', 'customers.view', columns => 'id, name')",
        f"CALL tenancy.allow('{quoted}', 'INSERT', 'customers.view', columns => 'name')",
        f"CALL tenancy.protect('{schema}.parts', parent => 'of_id')",
        f"CALL tenancy.allow('{schema}.parts', 'INSERT', 'customers.view', columns => 'of_id')",
    ]
    # Twice, because a revision protects again.
    bare_app.run(permission, *calls, *calls)
    for who, organization in (("ann", bare_app.acme), ("gus", bare_app.globex)):
        with bare_app.entered(who, organization, keep=True) as connection:
            connection.execute(f"INSERT INTO {table} (name) VALUES ('{who}')".encode())
            assert all_of(connection, f"SELECT name FROM {table}") == [who]
            connection.execute(f"INSERT INTO {schema}.parts (of_id) SELECT id FROM {table}".encode())
    with bare_app.connected(bare_app.logins.service) as connection:
        assert all_of(connection, f"SELECT name FROM {table}") == ["ann", "gus"]
        connection.execute(f"INSERT INTO {schema}.parts (of_id) SELECT id FROM {table}".encode())
    with bare_app.connected(bare_app.logins.auditor) as connection:
        assert all_of(connection, f"SELECT name FROM {table}") == ["ann", "gus"]
    with bare_app.connected() as connection:
        connection.execute("CALL tenancy_private.verify_contracts()")
    bare_app.run(f"CALL tenancy.unprotect('{schema}.parts')")
    with bare_app.connected(bare_app.logins.service) as connection:
        assert all_of(connection, f"SELECT name FROM {table}") == ["ann", "gus"]
    bare_app.run(f"CALL tenancy.unprotect('{quoted}')")
    assert bare_app.database.dump() == before


def test_tables_of_one_name_in_two_schemas_look_for_their_own_keys(bare_app: Application) -> None:
    bare_app.run("SELECT tenancy.define_permission('items.write', '{owner,user}')")
    tables = ("crm.items", "shop.items")
    for table in tables:
        bare_app.run(
            f"CREATE SCHEMA {table.split('.')[0]}",
            f"CREATE TABLE {table} (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), code text)",
            f"CREATE UNIQUE INDEX items_code ON {table} (lower(code)) WHERE code <> 'any'",
            f"CALL tenancy.protect('{table}')",
            *(
                f"CALL tenancy.allow('{table}', '{command}', 'items.write', columns => '{columns}')"
                for command, columns in (("SELECT", "id, code"), ("INSERT", "id, code"), ("UPDATE", "code"))
            ),
        )
    # Each organization has a code in one of the tables, and nothing in the other.
    for table, who, organization in (
        ("crm.items", "gus", bare_app.globex),
        ("shop.items", "ann", bare_app.acme),
    ):
        with bare_app.entered(who, organization, keep=True) as connection:
            connection.execute(f"INSERT INTO {table} (code) VALUES ('One'), ('any')")
    upsert = (
        "INSERT INTO {} (code) VALUES ('{}') ON CONFLICT (lower(code)) WHERE code <> 'any' DO UPDATE SET code = 'x'"
    )
    with bare_app.entered("ann", bare_app.acme) as connection:
        connection.execute("INSERT INTO crm.items (code) VALUES ('any')")
        connection.execute(upsert.format("shop.items", "ONE").encode())
        assert all_of(connection, "SELECT code FROM shop.items ORDER BY 1") == ["any", "x"]
        with refused("23505", "items_code"):
            connection.execute(upsert.format("crm.items", "ONE").encode())
    assert "items_tenancy_taken" in bare_app.database.dump()
    bare_app.run(*(f"CALL tenancy.unprotect('{table}')" for table in tables))
    assert "items_tenancy_taken" not in bare_app.database.dump()


def test_columns_may_be_called_as_plpgsql_calls_things(bare_app: Application) -> None:
    columns = "new, old, found, tg_op, t, n"
    bare_app.run(
        "CREATE TABLE public.odd (id uuid DEFAULT gen_random_uuid(), new text, old text, found text, tg_op text,"
        " t text, n text, UNIQUE (id), UNIQUE (new, found), UNIQUE (n, t, old))",
        "SELECT tenancy.define_permission('odd.write', '{owner,user}')",
        "CALL tenancy.protect('public.odd')",
        *(
            f"CALL tenancy.allow('public.odd', '{command}', 'odd.write', columns => '{columns}')"
            for command in ("SELECT", "INSERT", "UPDATE")
        ),
    )
    insert = f"INSERT INTO public.odd ({columns}) VALUES ({{}})"
    with bare_app.entered("gus", bare_app.globex, keep=True) as connection:
        connection.execute(insert.format("'a', 'b', 'c', 'd', 'e', 'f'").encode())
    with bare_app.entered("ann", bare_app.acme) as connection:
        connection.execute(insert.format("'a', 'b', 'x', 'd', 'x', 'f'").encode())
        for values, key in (
            ("'a', 'y', 'c', 'y', 'y', 'y'", "odd_new_found_key"),
            ("'z', 'b', 'z', 'z', 'e', 'f'", "odd_n_t_old_key"),
        ):
            with refused("23505", key), connection.transaction():
                connection.execute(f"{insert.format(values)} ON CONFLICT DO NOTHING".encode())


def test_columns_are_split_and_quoted(bare_app: Application) -> None:
    bare_app.run(
        'CREATE TABLE public.odd (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), "it\'s" text, "a""b" text,'
        ' "x); DROP TABLE public.odd; --" text, "Upper" text, "with space" text, other text)',
        "SELECT tenancy.define_permission('odd.write', '{owner}')",
        "CALL tenancy.protect('public.odd')",
        *(
            f"CALL tenancy.allow('public.odd', '{command}', 'odd.write', columns =>"
            """ 'it''s,a"b ,  x); DROP TABLE public.odd; --,"""
            "\n\tUpper,with space')"
            for command in ("SELECT", "INSERT", "UPDATE")
        ),
    )
    columns = """ "it's", "a""b", "x); DROP TABLE public.odd; --", "Upper", "with space" """
    with bare_app.entered("ann", bare_app.acme) as connection:
        connection.execute(f"INSERT INTO public.odd ({columns}) VALUES ('1', '2', '3', '4', '5')".encode())
        row = connection.execute(f"SELECT {columns} FROM public.odd".encode()).fetchone()
        assert row == ("1", "2", "3", "4", "5")
        assert connection.execute("""UPDATE public.odd SET "it's" = 'x'""").rowcount == 1
        for statement in ("SELECT other FROM public.odd", "INSERT INTO public.odd (other) VALUES ('x')"):
            with refused("42501"), connection.transaction():
                connection.execute(statement.encode())


def test_a_partitioned_table_is_protected_at_its_root(bare_app: Application) -> None:
    bare_app.run(
        "CREATE TABLE public.events (id bigint GENERATED ALWAYS AS IDENTITY, day date, name text,"
        " PRIMARY KEY (id, day)) PARTITION BY RANGE (day)",
        *(
            f"CREATE TABLE public.events_{year} PARTITION OF public.events"
            f" FOR VALUES FROM ('{year}-01-01') TO ('{year + 1}-01-01')"
            for year in (2025, 2026)
        ),
        "INSERT INTO public.events (day, name) VALUES ('2025-02-02', 'old'), ('2026-02-02', 'old')",
    )
    before = bare_app.database.dump()
    calls = (
        "SELECT tenancy.define_permission('events.write', '{owner}')",
        "CALL tenancy.protect('public.events')",
        *(
            f"CALL tenancy.allow('public.events', '{command}', 'events.write', columns => 'day, name')"
            for command in ("SELECT", "INSERT", "UPDATE")
        ),
        "CALL tenancy.allow('public.events', 'DELETE', 'events.write')",
    )
    bare_app.run(*calls)
    bare_app.run(
        "CREATE TABLE public.events_2027 PARTITION OF public.events FOR VALUES FROM ('2027-01-01') TO (MAXVALUE)"
    )
    for who, organization in (("ann", bare_app.acme), ("gina", bare_app.globex)):
        with bare_app.entered(who, organization, keep=True) as connection:
            for year in (2025, 2026, 2027):
                connection.execute("INSERT INTO public.events (day, name) VALUES (%s, %s)", [f"{year}-03-03", who])
    for who, organization in (("ann", bare_app.acme), ("gina", bare_app.globex)):
        with bare_app.entered(who, organization) as connection:
            assert all_of(connection, "SELECT name FROM public.events") == [who] * 3
            # From one partition into another.
            assert connection.execute("UPDATE public.events SET day = '2025-04-04'").rowcount == 3
            assert connection.execute("DELETE FROM public.events").rowcount == 3
            for year in (2025, 2026, 2027):
                with refused("42501"), connection.transaction():
                    connection.execute(f"SELECT name FROM public.events_{year}".encode())
    with bare_app.connected(bare_app.owner) as connection:
        # Logins that see everything still see rows of partitions.
        bare_app.run(f'ALTER TABLE public.events OWNER TO "{bare_app.owner}"')
        assert one(connection, "SELECT count(*) FROM public.events") == 8
    kept = whose(bare_app, "public.events")
    bare_app.run("CALL tenancy.unprotect('public.events')", *calls[1:])
    assert whose(bare_app, "public.events") == kept
    assert {str(bare_app.acme.id), str(bare_app.globex.id)} < {workspace for _, workspace in kept["public.events"]}
    bare_app.run("CALL tenancy.unprotect('public.events')", "DROP TABLE public.events_2027")
    bare_app.run("ALTER TABLE public.events OWNER TO CURRENT_USER")
    assert bare_app.database.dump() == before


def test_a_key_of_the_applications_own_says_whose_a_row_is(bare_app: Application) -> None:
    bare_app.run(
        "CREATE TABLE public.offices (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text,"
        " tenant uuid NOT NULL REFERENCES public.organizations ON DELETE CASCADE)",
        f"INSERT INTO public.offices (name, tenant) VALUES ('a', '{bare_app.acme.id}'), ('g', '{bare_app.globex.id}')",
    )
    before = bare_app.database.dump()
    bare_app.run(
        "SELECT tenancy.define_permission('offices.write', '{owner}')",
        "CALL tenancy.protect('public.offices', key => 'tenant')",
        "CALL tenancy.allow('public.offices', 'SELECT', 'offices.write', columns => 'name')",
        "CALL tenancy.allow('public.offices', 'INSERT', 'offices.write', \"for\" => 'organization', columns => 'name')",
    )
    with bare_app.entered("ann", bare_app.acme) as connection:
        connection.execute("INSERT INTO public.offices (name) VALUES ('new')")
        assert all_of(connection, "SELECT name FROM public.offices") == ["a", "new"]
    with bare_app.entered("pat") as connection, refused("42501", "permission_denied"):
        connection.execute("INSERT INTO public.offices (name) VALUES ('new')")
    bare_app.run("CALL tenancy.unprotect('public.offices')")
    assert bare_app.database.dump() == before


def test_a_catalogue_shows_the_platforms_rows_beside_ones_own(bare_app: Application) -> None:
    bare_app.run(
        "SELECT tenancy.define_permission('customers.write', '{owner,staff}')",
        "CALL tenancy.protect('public.customers', catalogue => true)",
        "CALL tenancy.allow('public.customers', 'SELECT', NULL, columns => 'name')",
        *(
            f"CALL tenancy.allow('public.customers', '{command}', 'customers.write', columns => 'name')"
            for command in ("INSERT", "UPDATE")
        ),
        "CALL tenancy.allow('public.customers', 'DELETE', 'customers.write')",
    )
    for who, organization in (("ann", bare_app.acme), ("gina", bare_app.globex)):
        with bare_app.entered(who, organization, keep=True) as connection:
            connection.execute("INSERT INTO public.customers (name) VALUES (%s)", [who])
            assert all_of(connection, "SELECT name FROM public.customers") == [who, "legacy customer"]
    with bare_app.entered("gus", bare_app.globex) as connection:
        assert all_of(connection, "SELECT name FROM public.customers") == ["gina", "legacy customer"]
    for statement in ("UPDATE public.customers SET name = 'x'", "DELETE FROM public.customers"):
        with bare_app.entered("ann", bare_app.acme) as connection:
            assert connection.execute(statement.encode()).rowcount == 1
        with bare_app.on_the_platform() as connection:
            assert connection.execute(statement.encode()).rowcount == 1
    with bare_app.connected(bare_app.logins.app) as connection, refused("28000", "no_context"):
        connection.execute("SELECT name FROM public.customers")


def test_a_merge_that_meets_a_catalogues_public_rows_names_the_workspace(bare_app: Application) -> None:
    bare_app.run(
        "SELECT tenancy.define_permission('customers.write', '{owner,staff}')",
        "CALL tenancy.protect('public.customers', catalogue => true)",
        "CALL tenancy.allow('public.customers', 'SELECT', NULL, columns => 'name, workspace_id')",
        "CALL tenancy.allow('public.customers', 'INSERT', 'customers.write', columns => 'name')",
        "CALL tenancy.allow('public.customers', 'DELETE', 'customers.write')",
    )
    merge = "MERGE INTO public.customers AS c USING (SELECT 1) AS s ON true WHEN MATCHED {} THEN DELETE"
    with bare_app.entered("ann", bare_app.acme, keep=True) as connection:
        connection.execute("INSERT INTO public.customers (name) VALUES ('ann')")
    with (
        bare_app.entered("ann", bare_app.acme) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege, match="violates row-level security"),
    ):
        connection.execute(merge.format("").encode())
    with bare_app.entered("ann", bare_app.acme) as connection:
        own = merge.format("AND c.workspace_id = tenancy.current_workspace_id()")
        assert connection.execute(own.encode()).rowcount == 1
