"""Refusals of protect(), allow(), publish() and define_permission() have names and change nothing."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from support.application import Application, application, one
from support.server import Logins, Server
from support.two_tenants import refused

KINDS = """
CREATE VIEW public.a_view AS SELECT 1 AS id;
CREATE MATERIALIZED VIEW public.a_materialized_view AS SELECT 1 AS id;
CREATE SEQUENCE public.a_sequence;
CREATE TABLE public.events (id uuid, day date, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE public.events_2026 PARTITION OF public.events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE public.open_events (id uuid, day date, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE public.open_events_2026 PARTITION OF public.open_events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
GRANT SELECT (id) ON public.open_events_2026 TO PUBLIC;
CREATE TABLE public.animals (id uuid PRIMARY KEY);
CREATE TABLE public.dogs () INHERITS (public.animals);
CREATE FOREIGN DATA WRAPPER elsewhere;
CREATE SERVER far FOREIGN DATA WRAPPER elsewhere;
CREATE FOREIGN TABLE public.a_foreign_table (id uuid) SERVER far;
CREATE TABLE public.taken (id uuid PRIMARY KEY, workspace_id uuid);
CREATE TABLE public.textual (id uuid PRIMARY KEY, workspace_id text, author text, shared text);
CREATE TABLE public.own_policies (id uuid PRIMARY KEY);
CREATE POLICY ours ON public.own_policies USING (true);
CREATE TABLE public.numbered (id bigint PRIMARY KEY, code integer UNIQUE, name text, tenant uuid);
CREATE DOMAIN public.number AS integer;
CREATE DOMAIN public.narrow_number AS public.number;
CREATE TABLE public.seats (
    id uuid PRIMARY KEY, hall text, seat public.number, price numeric, page smallint, place integer, owner uuid,
    own_number integer, shelf public.narrow_number UNIQUE, row_number integer, ticket integer,
    UNIQUE (hall, seat), UNIQUE (place) INCLUDE (id), UNIQUE (owner, page),
    EXCLUDE USING btree (ticket WITH =)
);
CREATE UNIQUE INDEX ON public.seats ((row_number + 0), hall);
CREATE UNIQUE INDEX ON public.seats (price) WHERE hall = 'x';
CREATE TABLE public.orphan (id uuid PRIMARY KEY, project_id bigint REFERENCES public.projects);
CREATE TABLE public.not_ours (id uuid PRIMARY KEY, customer_id uuid);
SELECT tenancy.define_permission('things.write', '{owner}');
CALL tenancy.protect('public.customers');
CALL tenancy.allow('public.customers', 'SELECT', 'things.write', columns => 'id, name');
CALL tenancy.protect('public.notes', author => 'user_id', shared => 'is_shared');
CALL tenancy.protect('public.numbered');
CALL tenancy.protect('public.seats');
CREATE UNIQUE INDEX ON public.seats (own_number, workspace_id);
CREATE SCHEMA closed;
CREATE COLLATION closed.in_order (locale = 'POSIX');
CREATE TABLE public.shelves (id uuid PRIMARY KEY, code text COLLATE closed.in_order UNIQUE);
CALL tenancy.protect('public.shelves');
CALL tenancy.allow('public.shelves', 'INSERT', 'things.write', columns => 'code');
"""


@pytest.fixture(scope="module")
def kinds(server: Server, logins: Logins) -> Iterator[Application]:
    """Return an application with a relation of every kind."""
    made = application(server, logins, protected=False)
    made.database.execute(KINDS)
    yield made
    server.drop(made.database.name)


REFUSED = [
    # what cannot be protected
    ("0A000", "table_not_protectable", "CALL tenancy.protect('public.a_view')"),
    ("0A000", "table_not_protectable", "CALL tenancy.protect('public.a_materialized_view')"),
    ("0A000", "table_not_protectable", "CALL tenancy.protect('public.a_sequence')"),
    ("0A000", "table_not_protectable", "CALL tenancy.protect('public.a_foreign_table')"),
    ("0A000", "table_not_protectable", "CALL tenancy.protect('public.customers_pkey')"),
    ("0A000", "table_not_protectable", "CALL tenancy.protect('public.events_2026')"),
    ("0A000", "table_not_protectable", "CALL tenancy.protect('public.animals')"),
    ("0A000", "table_not_protectable", "CALL tenancy.protect('public.dogs')"),
    ("0A000", "table_not_protectable", "CALL tenancy.protect('pg_catalog.pg_class')"),
    ("0A000", "table_not_protectable", "CALL tenancy.protect('tenancy_private.seal_keys', key => 'id')"),
    ("0A000", "table_not_protectable", "CALL tenancy.publish('public.a_view', columns => 'id')"),
    ("0A000", "table_not_protectable", "CALL tenancy.publish('public.events_2026', columns => 'id')"),
    ("0A000", "table_not_protectable", "CALL tenancy.publish('public.dogs', columns => 'id')"),
    ("22004", "table_required", "CALL tenancy.protect(NULL)"),
    ("22004", "table_required", "CALL tenancy.publish(NULL, columns => 'id')"),
    ("55000", "partition_open", "CALL tenancy.protect('public.open_events')"),
    ("55000", "table_has_policies", "CALL tenancy.protect('public.own_policies')"),
    ("55000", "schema_closed", "CALL tenancy.allow('public.shelves', 'UPDATE', 'things.write', columns => 'code')"),
    ("55000", "table_has_policies", "CALL tenancy.publish('public.own_policies', columns => 'id')"),
    # columns
    ("55000", "column_in_the_way", "CALL tenancy.protect('public.taken')"),
    ("42804", "column_type_invalid", "CALL tenancy.protect('public.textual')"),
    (
        "42804",
        "column_type_invalid",
        "CALL tenancy.protect('public.not_ours', key => 'id', author => 'id', shared => 'id')",
    ),
    ("42804", "column_type_invalid", "CALL tenancy.protect('public.textual', key => 'id', author => 'author')"),
    ("42804", "column_type_invalid", "CALL tenancy.protect('public.numbered', key => 'id')"),
    ("42703", "column_missing", "CALL tenancy.protect('public.not_ours', key => 'no_such')"),
    ("42703", "column_missing", "CALL tenancy.protect('public.not_ours', key => 'ctid')"),
    ("42703", "column_missing", "CALL tenancy.protect('public.not_ours', parent => 'no_such')"),
    ("42703", "column_missing", "CALL tenancy.protect('public.not_ours', author => 'no_such')"),
    ("42703", "column_missing", "CALL tenancy.protect('public.not_ours', author => 'id', shared => 'no_such')"),
    ("42703", "column_missing", "CALL tenancy.publish('public.countries', columns => 'code, no_such')"),
    ("22023", "columns_required", "CALL tenancy.publish('public.countries', columns => NULL)"),
    ("22023", "columns_required", "CALL tenancy.publish('public.countries', columns => '')"),
    # shapes
    ("55000", "parent_not_protected", "CALL tenancy.protect('public.orphan', parent => 'project_id')"),
    ("55000", "parent_not_protected", "CALL tenancy.protect('public.not_ours', parent => 'customer_id')"),
    ("22023", "shape_invalid", "CALL tenancy.protect('public.not_ours', shared => 'id')"),
    ("22023", "shape_invalid", "CALL tenancy.protect('public.not_ours', parent => 'customer_id', author => 'id')"),
    ("22023", "shape_invalid", "CALL tenancy.protect('public.not_ours', author => 'id', catalogue => true)"),
    ("22023", "shape_invalid", "CALL tenancy.protect('public.not_ours', people => 'self')"),
    ("22023", "shape_invalid", "CALL tenancy.protect('public.not_ours', key => 'id', catalogue => true)"),
    ("55000", "table_shipped", "CALL tenancy.protect('public.users', key => 'id', people => 'self')"),
    ("55000", "table_shipped", "CALL tenancy.allow('public.users', 'UPDATE', 'things.write', columns => 'username')"),
    ("55000", "table_shipped", "CALL tenancy.publish('public.users', columns => 'id')"),
    ("55000", "table_shipped", "CALL tenancy.unprotect('public.users')"),
    ("55000", "table_shipped", "CALL tenancy.protect('tenancy.workspaces')"),
    ("55000", "table_shipped", "CALL tenancy.publish('tenancy.permissions', columns => 'permission')"),
    ("55000", "table_shipped", "CALL tenancy.unprotect('tenancy.audit_log')"),
    # allow
    ("55000", "table_not_protected", "CALL tenancy.allow('public.countries', 'SELECT', NULL, columns => 'code')"),
    ("55000", "table_not_protected", "CALL tenancy.allow(NULL, 'SELECT', NULL, columns => 'code')"),
    ("55000", "table_not_protected", "CALL tenancy.unprotect('public.countries')"),
    ("55000", "table_not_protected", "CALL tenancy.unprotect(NULL)"),
    ("42710", "command_allowed", "CALL tenancy.allow('public.customers', 'SELECT', 'things.write', columns => 'id')"),
    ("22023", "command_invalid", "CALL tenancy.allow('public.customers', 'TRUNCATE', 'things.write')"),
    ("22023", "command_invalid", "CALL tenancy.allow('public.customers', 'insert', 'things.write', columns => 'id')"),
    ("22023", "command_invalid", "CALL tenancy.allow('public.customers', NULL, 'things.write', columns => 'id')"),
    ("22023", "permission_invalid", "CALL tenancy.allow('public.customers', 'INSERT', 'no.such', columns => 'name')"),
    ("22023", "permission_invalid", "CALL tenancy.allow('public.customers', 'INSERT', NULL, columns => 'name')"),
    ("22023", "permission_invalid", "CALL tenancy.allow('public.customers', 'DELETE', NULL)"),
    (
        "22023",
        "workspace_invalid",
        "CALL tenancy.allow('public.customers', 'DELETE', 'things.write', \"for\" => 'personal')",
    ),
    ("22023", "columns_required", "CALL tenancy.allow('public.numbered', 'SELECT', 'things.write')"),
    ("22023", "columns_required", "CALL tenancy.allow('public.customers', 'INSERT', 'things.write')"),
    ("22023", "columns_required", "CALL tenancy.allow('public.customers', 'UPDATE', 'things.write', columns => '')"),
    ("22023", "columns_invalid", "CALL tenancy.allow('public.customers', 'DELETE', 'things.write', columns => 'name')"),
    (
        "22023",
        "columns_invalid",
        "CALL tenancy.allow('public.customers', 'INSERT', 'things.write', columns => 'name, workspace_id')",
    ),
    (
        "22023",
        "columns_invalid",
        "CALL tenancy.allow('public.customers', 'UPDATE', 'things.write', columns => 'workspace_id')",
    ),
    (
        "22023",
        "columns_invalid",
        "CALL tenancy.allow('public.numbered', 'INSERT', 'things.write', columns => 'id, name')",
    ),
    ("22023", "columns_invalid", "CALL tenancy.allow('public.numbered', 'INSERT', 'things.write', columns => 'code')"),
    ("22023", "columns_invalid", "CALL tenancy.allow('public.numbered', 'UPDATE', 'things.write', columns => 'code')"),
    ("22023", "columns_invalid", "CALL tenancy.allow('public.seats', 'INSERT', 'things.write', columns => 'seat')"),
    ("22023", "columns_invalid", "CALL tenancy.allow('public.seats', 'INSERT', 'things.write', columns => 'price')"),
    (
        "22023",
        "columns_invalid",
        "CALL tenancy.allow('public.seats', 'UPDATE', 'things.write', columns => 'id, place')",
    ),
    *(
        ("22023", "columns_invalid", f"CALL tenancy.allow('public.seats', 'INSERT', 'things.write', columns => '{c}')")
        for c in ("shelf", "row_number", "ticket")
    ),
    ("42703", "column_missing", "CALL tenancy.allow('public.customers', 'INSERT', 'things.write', columns => 'name,')"),
    ("42703", "column_missing", "CALL tenancy.allow('public.customers', 'INSERT', 'things.write', columns => 'Name')"),
    ("42703", "column_missing", "CALL tenancy.allow('public.customers', 'INSERT', 'things.write', columns => 'xmin')"),
    (
        "42703",
        "column_missing",
        "CALL tenancy.allow('public.customers', 'INSERT', 'things.write', columns => 'id) ON notes TO PUBLIC; --')",
    ),
    # permissions
    ("22023", "permission_invalid", "SELECT tenancy.define_permission('projects')"),
    ("22023", "permission_invalid", "SELECT tenancy.define_permission('Projects.view')"),
    ("22023", "permission_invalid", "SELECT tenancy.define_permission('projects.view.all')"),
    ("22023", "permission_invalid", "SELECT tenancy.define_permission(E'projects.view\\n')"),
    ("22023", "permission_invalid", "SELECT tenancy.define_permission(repeat('x', 100) || '.y')"),
    ("22023", "permission_invalid", "SELECT tenancy.define_permission(NULL)"),
    ("22023", "role_invalid", "SELECT tenancy.define_permission('projects.view', '{owner,boss}')"),
    ("22023", "role_invalid", "SELECT tenancy.define_permission('projects.view', '{NULL}')"),
    ("22023", "role_invalid", "SELECT tenancy.define_permission('projects.view', NULL)"),
]


@pytest.mark.parametrize(("sqlstate", "name", "statement"), REFUSED, ids=[statement for _, _, statement in REFUSED])
def test_what_is_refused(kinds: Application, sqlstate: str, name: str, statement: str) -> None:
    with kinds.connected() as connection, refused(sqlstate, name):
        connection.execute(statement.encode())


def test_numbers_are_the_databases_where_all_tenants_share_them(kinds: Application) -> None:
    said: list[tuple[str | None, str | None]] = []
    with kinds.connected() as connection:
        connection.add_notice_handler(lambda notice: said.append((notice.message_primary, notice.message_hint)))
        connection.execute("CALL tenancy.protect('public.seats')")
        hint = "All tenants share their numbers, unless the unique keys that they are in begin with workspace_id."
        columns = "place, price, row_number, seat, shelf, ticket"
        assert said == [(f"tenants leave these columns of public.seats to their defaults: {columns}", hint)]
        # A uuid in the key cannot be guessed, and a workspace's numbers are its own.
        connection.execute(
            "CALL tenancy.allow('public.seats', 'INSERT', 'things.write', columns => 'id, hall, page, own_number')"
        )
        connection.rollback()


def test_a_temporary_table_is_refused(kinds: Application) -> None:
    with kinds.connected() as connection:
        connection.execute("CREATE TEMPORARY TABLE own (id uuid PRIMARY KEY)")
        for call in ("protect('own')", "publish('own', columns => 'id')"):
            with refused("0A000", "table_not_protectable"), connection.transaction():
                connection.execute(f"CALL tenancy.{call}".encode())


def test_what_is_refused_changes_nothing(kinds: Application) -> None:
    before = kinds.database.dump()
    for _, _, statement in REFUSED:
        with kinds.database.connect(autocommit=True) as connection, pytest.raises(psycopg.Error):
            connection.execute(statement.encode())
    assert kinds.database.dump() == before


@pytest.mark.parametrize(
    "call",
    [
        "CALL tenancy.protect('public.customers')",
        "CALL tenancy.allow('public.customers', 'DELETE', 'things.write')",
        "CALL tenancy.publish('public.countries', columns => 'code')",
        "CALL tenancy.unprotect('public.customers')",
        "SELECT tenancy.define_permission('customers.more', '{user}')",
    ],
)
@pytest.mark.parametrize("login", ["app", "credentialed", "service", "auditor", "owner"])
def test_none_of_it_is_for_logins(kinds: Application, call: str, login: str) -> None:
    name = kinds.owner if login == "owner" else getattr(kinds.logins, login)
    with kinds.connected(name) as connection, refused("42501"):
        connection.execute(call.encode())


# -- permissions -----------------------------------------------------------------


def test_a_permission_is_held_by_exactly_the_roles_named_last(bare_app: Application) -> None:
    holders = "SELECT array_agg(role ORDER BY role) FROM tenancy.role_permissions WHERE permission = 'things.do'"
    number = "SELECT number FROM tenancy.permissions WHERE permission = 'things.do'"
    asked = "SELECT tenancy.has_permission('things.do')"
    numbers = set()
    for roles in ("{owner,user}", "{manager}", "{}"):
        bare_app.run(f"SELECT tenancy.define_permission('things.do', '{roles}')")
        with bare_app.connected() as connection:
            assert (one(connection, holders) or []) == sorted(filter(None, roles.strip("{}").split(",")))
            numbers.add(one(connection, number))
        for who, role in (("ann", "owner"), ("abe", "admin"), ("max", "manager"), ("uma", "user")):
            with bare_app.entered(who, bare_app.acme) as connection:
                assert one(connection, asked) is (role in roles)
        with bare_app.entered("pat") as connection:
            assert one(connection, asked) is True
    assert len(numbers) == 1
    assert numbers.pop() > 100


def test_naming_a_permission_again_uses_up_no_number(bare_app: Application) -> None:
    bare_app.run(
        "SELECT tenancy.define_permission('things.do')",
        "SELECT count(tenancy.define_permission('things.do', '{owner}')) FROM generate_series(1, 50)",
        "SELECT tenancy.define_permission('things.undo')",
    )
    with bare_app.connected() as connection:
        assert one(connection, "SELECT max(number) - min(number) FROM tenancy.permissions WHERE number > 100") == 1


@pytest.mark.parametrize(
    ("reference", "warned"),
    [
        ("", True),
        (" REFERENCES public.organizations", True),
        (" REFERENCES public.organizations ON DELETE CASCADE", False),
        (" REFERENCES tenancy.workspaces ON DELETE CASCADE", False),
    ],
)
def test_rows_that_a_purge_would_leave_behind_are_told_of(kinds: Application, reference: str, warned: bool) -> None:
    said: list[str | None] = []
    with kinds.connected() as connection:
        connection.add_notice_handler(lambda notice: said.append(notice.message_primary))
        connection.execute(f"CREATE TABLE public.settings (organization_id uuid PRIMARY KEY{reference})".encode())
        connection.execute("CALL tenancy.protect('public.settings', key => 'organization_id')")
        connection.rollback()
    assert ("rows of public.settings stay when their organization is purged" in said) is warned


@pytest.mark.parametrize("table", ["public.organizations", "tenancy.workspaces"])
def test_tables_that_purging_knows_are_not_told_of(kinds: Application, table: str) -> None:
    said: list[str | None] = []
    with kinds.connected() as connection:
        connection.add_notice_handler(lambda notice: said.append(notice.message_primary))
        connection.execute("CALL tenancy_private.warn_of_orphans(%s, 'id')", [table])
        connection.rollback()
    assert said == []
