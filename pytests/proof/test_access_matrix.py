"""The database matches the access matrix, cell by cell."""

# ruff: noqa: S608  (the statements are made of the matrix, and the ids are the test's own)

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any
from uuid import UUID

import psycopg
import pytest

from support.access_matrix import (
    ACTORS,
    CALLS,
    COLUMNS,
    DELEGATION,
    FOR_NOBODY,
    GROUPS,
    IN_A_WORKSPACE,
    MONEY,
    OFFERINGS,
    PERMISSIONS,
    READS,
    ROLES,
    SERVICES,
    SERVICES_WRITE,
    UNOPENED,
    WRITER_DELETES,
    WRITER_WRITES,
    WRITES,
)
from support.people import People, User
from support.server import Logins, Server
from support.two_tenants import Connection, TwoTenants, refused, two_tenants

ERRORS: dict[str, tuple[str, str | None]] = {
    "no": ("42501", None),
    "context": ("28000", "no_context"),
    "forged": ("28000", "invalid_context"),
    "other": ("28000", "context_already_set"),
    "stranger": ("28000", "not_a_member"),
    "sees_all": ("28000", "login_sees_everything"),
    "ticket": ("28000", "invalid_ticket"),
    "key": ("28000", "invalid_api_key"),
    "session": ("28000", "invalid_session"),
    "no_session": ("P0002", "session_not_found"),
    "permission": ("42501", "permission_denied"),
    "delegation": ("42501", "delegation_denied"),
    "organization": ("55000", "organization_required"),
    "owner": ("23514", "organization_keeps_an_owner"),
    "member": ("P0002", "member_not_found"),
    "deleted": ("P0002", "deleted_organization_not_found"),
    "person": ("42501", "person_required"),
    "api_key": ("P0002", "api_key_not_found"),
    "instance": ("P0002", "instance_not_found"),
    "model": ("P0002", "model_not_found"),
    "state": ("55000", "instance_state"),
    "used": ("23503", "model_in_use"),
    "invitation": ("28000", "invalid_invitation"),
    "credentials": ("42501", "credentials_denied"),
    "uninvited": ("P0002", "invitation_not_found"),
    "module": ("42501", "module_forbidden"),
    "platforms": ("42501", "setting_of_platform"),
    "value": ("22023", "setting_value_invalid"),
    "workspace": ("P0002", "workspace_not_found"),
    "transfer": ("P0002", "transfer_not_found"),
    "funds": ("P0001", "insufficient_funds"),
    **{
        name: ("P0002", f"{name}_not_found")
        for name in ("offering", "share", "request", "entitlement", "hold", "usage")
    },
    "unnamed": ("55000", "organization_required"),
    "granted": ("23505", "access_granted"),
    "status": ("55000", "share_state_invalid"),
}

# The owner column of each table.
WORKSPACE = {
    "public.users": "id",
    "public.organizations": "id",
    "public.organization_memberships": "organization_id",
    "public.api_keys": "workspace_id",
    "public.instances": "workspace_id",
    "public.models": "workspace_id",
    "finops.inference_usage": "workspace_id",
    "finops.cost_actual_minute": "workspace_id",
    "tenancy.workspaces": "id",
    "tenancy.audit_log": "workspace_id",
    "tenancy.invitations": "organization_id",
    "tenancy.settings": "workspace_id",
    "public.provider_settings": "organization_id",
    **MONEY,
    **OFFERINGS,
}

PLATFORM = UUID(int=0)

# The actors that enter with an API key, and which.
KEYS = {"key": "organization", "personal_key": "personal"}

# For each command a statement that succeeds if it is allowed.
INSERTS = {
    "public.users": "(email) VALUES ('new@example.com')",
    "public.organizations": "(name, slug) VALUES ('New', 'new')",
    "public.organization_memberships": "(organization_id, user_id) SELECT o.id, u.id FROM public.organizations AS o,"
    " public.users AS u WHERE o.name = 'Globex' AND u.username = 'person'",
    "tenancy.workspaces": "(id, kind, color) VALUES (gen_random_uuid(), 'platform', '#000000')",
    "tenancy.audit_log": "(workspace_id, action, object_kind, object_id) VALUES (gen_random_uuid(), 'a', 'b', 'c')",
    "tenancy.permissions": "(permission, number) VALUES ('new.view', 1999)",
    "tenancy.role_permissions": "(permission, role) VALUES ('organization.delete', 'user')",
    "tenancy.role_delegations": "(role, delegated_role) VALUES ('user', 'owner')",
    "tenancy.instance_transitions": "(action, from_status, to_status) VALUES ('terminate', 'new', 'new')",
    "tenancy.modules": "(key, name, path) VALUES ('new', 'New', '/new')",
    "tenancy.settings_definitions": "(key, value_type) VALUES ('new', 'int')",
    "tenancy.settings": "(workspace_id, key, value) VALUES (gen_random_uuid(), 'new', '1')",
    "tenancy.invitations": "(organization_id, email, role, token_hash, expires_at)"
    " SELECT id, 'new@example.com', 'owner', sha256(''), 'infinity' FROM public.organizations LIMIT 1",
    **dict.fromkeys(MONEY, "(workspace_id) VALUES (gen_random_uuid())"),
    "public.models": "(name, model_id) VALUES ('new', 'new')",
    "public.instances": "(provider_id) VALUES ('{provider}')",
    "public.api_keys": "(user_id, name, key_prefix, key_hash) VALUES ('{owner}', 'n', 'p', 'h')",
    "public.providers": "(name) VALUES ('new')",
    "public.provider_settings": "(provider_id, key) SELECT provider_id, 'new' FROM public.provider_settings LIMIT 1",
    "public.organization_models": "(organization_id, model_id, name, code) SELECT o.id, m.id, 'n', 'c'"
    " FROM public.organizations AS o, public.models AS m WHERE m.organization_id IS NULL LIMIT 1",
    "public.organization_model_shares": "(provider_organization_id, consumer_organization_id, organization_model_id,"
    " status) SELECT organization_id, organization_id, id, 'paused' FROM public.organization_models LIMIT 1",
    **dict.fromkeys(
        ("tenancy.offering_prices", "tenancy.access_requests", "tenancy.entitlements"),
        "(organization_id) VALUES (gen_random_uuid())",
    ),
    **dict.fromkeys(
        ("tenancy.catalog_preferences", "tenancy.usage_authorizations", "tenancy.offering_usage"),
        "(workspace_id) VALUES (gen_random_uuid())",
    ),
    "finops.inference_usage": "(customer_id) VALUES (NULL)",
    "finops.cost_actual_minute": "(bucket_minute, provider_id, instance_id, amount_eur)"
    " SELECT now() - interval '1 year', provider_id, id, 1 FROM public.instances LIMIT 1",
}
# The same with ids that the application made.
INSERTS_WITH_IDS = {
    "public.models": "(id, name, model_id) VALUES (gen_random_uuid(), 'new', 'new')",
    "public.instances": "(id, provider_id) VALUES (gen_random_uuid(), '{provider}')",
}
UPDATED = {
    "public.organization_memberships": "created_at",
    "tenancy.workspaces": "color",
    "tenancy.audit_log": "action",
    "tenancy.permissions": "number",
    "tenancy.role_permissions": "role",
    "tenancy.role_delegations": "role",
    "tenancy.instance_transitions": "to_status",
    "tenancy.invitations": "role",
    "tenancy.modules": "name",
    "tenancy.settings_definitions": "key",
    "tenancy.settings": "key",
    **MONEY,
    "public.organization_model_shares": "pricing",
    "tenancy.offering_prices": "number",
    "tenancy.access_requests": "reason",
    "tenancy.entitlements": "used_tokens",
    "tenancy.catalog_preferences": "shows_paid",
    "tenancy.usage_authorizations": "max_tokens",
    "tenancy.offering_usage": "unpaid",
    "public.instances": "status",
    "public.provider_settings": "key",
    "finops.inference_usage": "input_tokens",
    "finops.cost_actual_minute": "amount_eur",
    "public.users": "first_name",
}


class Actors:
    """The actors' sessions, each in a separate transaction in its workspace."""

    def __init__(self, tenants: TwoTenants, members: dict[str, User], stack: ExitStack) -> None:
        self.tenants = tenants
        self.members = members
        """A second member of each role: whom the actors deal with."""
        self._stack = stack
        self._sessions: dict[str, Connection] = {}

    def session(self, actor: str) -> Connection:
        """Return the actor's connection; tests must roll back their changes."""
        if actor not in self._sessions:
            logins = self.tenants.logins
            login = {
                "credentialed": logins.credentialed,
                "service": logins.service,
                "old": logins.old,
                "acting": logins.service,
                "auditor": logins.auditor,
                "nobody": self.tenants.nobody,
                "writer": None,
            }.get(actor, logins.app)
            connection = self._stack.enter_context(closing(self.tenants.database.connect(login)))
            connection.execute("SELECT 1")
            if actor == "writer":
                connection.execute("SET ROLE tenancy_writer")
            elif actor == "platform":
                connection.execute("SELECT tenancy.enter_platform(%s)", [self.tenants.staff.id])
            elif actor == "acting":
                acme = self.tenants.acme
                connection.execute("SELECT tenancy.enter_as_service(%s, %s)", [acme.owner.id, acme.id])
            elif actor in KEYS:
                with self.tenants.admin() as admin:
                    # Used just now, it is not written to, and nobody waits for this session.
                    admin.execute("UPDATE public.api_keys SET last_used_at = now()")
                connection.execute("SELECT tenancy.enter_with_api_key(%s)", [self.tenants.api_keys[KEYS[actor]]])
            elif actor in IN_A_WORKSPACE:
                user, workspace = self.user(actor), self.workspace(actor)
                organization = next((o for o in (self.tenants.acme, self.tenants.globex) if o.id == workspace), None)
                self.tenants.enter(connection, user, organization)
            elif actor == "forged":
                for name, value in {
                    "current_user_id": str(self.tenants.acme.owner.id),
                    "current_organization_id": str(self.tenants.acme.id),
                    "context": "0" * 72 + "1" * len(PERMISSIONS) + "_owner_",
                }.items():
                    connection.execute("SELECT set_config(%s, %s, true)", [f"tenancy.{name}", value])
            self._sessions[actor] = connection
        return self._sessions[actor]

    def user(self, actor: str) -> User:
        """Return the actor's person; Acme's owner if it has none."""
        tenants = self.tenants
        people = {
            "outsider": tenants.outsider,
            "person": tenants.person,
            "staff": tenants.staff,
            "platform": tenants.staff,
        }
        return people.get(actor) or tenants.members.get(actor, tenants.acme.owner)

    def workspace(self, actor: str) -> UUID:
        """Return the actor's workspace, or Acme if it is in none."""
        if actor in {"personal", "person", "staff", "personal_key"}:
            return self.user(actor).id
        if actor == "platform":
            return PLATFORM
        return self.tenants.globex.id if actor == "outsider" else self.tenants.acme.id

    def people(self, actor: str) -> set[UUID]:
        """Return whose accounts belong to the workspace that the actor is in."""
        query = "SELECT user_id FROM public.organization_memberships WHERE organization_id = %s"
        if actor == "platform":
            query = "SELECT id FROM public.users WHERE %s IS NOT NULL"
        with self.tenants.admin() as admin:
            members = admin.execute(query.encode(), [self.workspace(actor)]).fetchall()
        return {user for (user,) in members} or {self.workspace(actor)}


@pytest.fixture(scope="module")
def actors(server: Server, template: str, logins: Logins) -> Iterator[Actors]:
    with two_tenants(server, template, logins) as tenants, ExitStack() as stack:
        with tenants.admin() as admin:
            people = People(admin)
            members = {role: people.member(tenants.acme, role, f"second-{role}") for role in ROLES}
        yield Actors(tenants, members, stack)


def attempt(connection: Connection, statement: str, *values: Any) -> tuple[tuple[str, str | None], int, list[Any]]:
    """Run a statement and roll it back; return its error or ("ok", None), the number of rows, and the rows."""
    outcome: tuple[str, str | None] = ("ok", None)
    count, rows = 0, []
    try:
        with connection.transaction(force_rollback=True):
            cursor = connection.execute(statement, values or None)
            count = cursor.rowcount
            rows = cursor.fetchall() if cursor.description else []
    except psycopg.Error as error:
        outcome = (error.sqlstate or "", error.diag.constraint_name)
    return outcome, count, rows


# -- tables --------------------------------------------------------------------


@pytest.mark.parametrize("table", READS)
@pytest.mark.parametrize("actor", ACTORS)
def test_reading(actors: Actors, actor: str, table: str) -> None:
    connection, expected = actors.session(actor), READS[table][actor]
    if expected in ERRORS:
        key = WORKSPACE.get(table) or UPDATED[table]
        assert attempt(connection, f"SELECT {key} FROM {table}")[0] == ERRORS[expected]
        return
    if table not in WORKSPACE:
        assert expected == "..x"
        with actors.tenants.admin() as admin:
            everything = admin.execute(f"SELECT count(*) FROM {table}").fetchone()
        assert attempt(connection, f"SELECT count(*) FROM {table}")[2] == [everything]
        return
    key = WORKSPACE[table]
    own = actors.people(actor) if table == "public.users" else {actors.workspace(actor)}
    seen = [workspace for (workspace,) in attempt(connection, f"SELECT {key} FROM {table}")[2]]
    with actors.tenants.admin() as admin:
        there = [workspace for (workspace,) in admin.execute(f"SELECT {key} FROM {table}").fetchall()]

    def kind(workspace: UUID) -> int:
        return 0 if workspace in own else 2 if workspace == PLATFORM else 1

    for number, (cell, whose) in enumerate(zip(expected, ("own", "others'", "the platform's"), strict=True)):
        visible = [w for w in seen if kind(w) == number]
        existing = [w for w in there if kind(w) == number]
        if actor == "auditor" and table == "tenancy.audit_log":
            # Its own reading is an entry too, in a transaction that nobody else sees yet.
            existing = existing[: len(visible)] if len(visible) >= len(existing) else existing
            visible = visible[: len(existing)]
        assert bool(existing) == (cell != "."), f"{whose} rows"
        assert sorted(visible) == (sorted(existing) if cell == "x" else []), f"{whose} rows"


@pytest.mark.parametrize("table", UNOPENED)
@pytest.mark.parametrize("actor", ACTORS)
def test_reading_what_a_later_phase_opens(actors: Actors, actor: str, table: str) -> None:
    outcome, _, rows = attempt(actors.session(actor), f"SELECT count(*) FROM {table}")
    if actor in SERVICES or (actor == "writer" and table in WRITER_WRITES):
        assert rows == [(4 if table == "finops.inference_usage" else 2,)]
    else:
        assert outcome == ERRORS["no"]


def statement_of(actors: Actors, command: str, table: str) -> str:
    """Return a statement that writes; of spare models only, because others are in use."""
    column = UPDATED.get(table, "name")
    inserts = INSERTS_WITH_IDS if command == "INSERT with id" else INSERTS
    insert = inserts.get(table, "").replace("{provider}", str(actors.tenants.rows["own"]["provider"]))
    return {
        command: f"INSERT INTO {table} {insert.replace('{owner}', str(actors.tenants.acme.owner.id))}",
        "UPDATE": f"UPDATE {table} SET {column} = {column} WHERE true",
        "DELETE": f"DELETE FROM {table} WHERE {'true' if table != 'public.models' else 'name ~ $$spare$$'}",
    }[command]


@pytest.mark.parametrize(
    ("table", "command", "actor"),
    [
        pytest.param(table, command, actor, id=f"{actor}-{command}-{table}")
        for actor in ACTORS
        for command in ("INSERT", "UPDATE", "DELETE")
        for table in SERVICES_WRITE
        # The next test checks WRITES for people in a workspace.
        if actor not in next(iter(WRITES.values())) or f"{table} {command}" not in WRITES
    ],
)
def test_writing(actors: Actors, actor: str, command: str, table: str) -> None:
    statement = statement_of(actors, command, table)
    outcome, count, _ = attempt(actors.session(actor), statement)
    if actor == "writer":
        writes = table in WRITER_WRITES or (command == "DELETE" and table in WRITER_DELETES)
    else:
        writes = actor in SERVICES and command in SERVICES_WRITE[table]
    if writes:
        # Rows of both tenants; some cannot go, because others refer to them.
        assert outcome[0] in {"ok", "23001", "23503"}
        assert outcome[0] != "ok" or count >= (1 if command == "INSERT" else 2)
    elif actor in {"bare", "forged"} and "public.users" in statement:
        # The planner asks who is to be seen there before the executor asks for privileges.
        assert outcome in {ERRORS["no"], ERRORS["context" if actor == "bare" else "forged"]}
    else:
        assert outcome == ERRORS["no"]


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("actor", next(iter(WRITES.values())))
def test_writing_in_a_workspace(actors: Actors, actor: str, write: str) -> None:
    table, command = write.split(" ", 1)
    statement, expected = statement_of(actors, command, table), WRITES[write][actor]
    if expected in ERRORS:
        assert attempt(actors.session(actor), statement)[0] == ERRORS[expected]
        return
    outcome, _, rows = attempt(actors.session(actor), f"{statement} RETURNING workspace_id")
    assert expected == "own"
    assert (outcome, {found for (found,) in rows}) == (("ok", None), {actors.workspace(actor)})
    # Without RETURNING no SELECT policy is asked.
    outcome, count, _ = attempt(actors.session(actor), statement)
    assert (outcome, count) == (("ok", None), len(rows))


def test_a_service_that_acts_makes_rows_where_it_acts(actors: Actors) -> None:
    insert = statement_of(actors, "INSERT", "public.models") + " RETURNING workspace_id, organization_id"
    acme = actors.tenants.acme
    assert attempt(actors.session("acting"), insert)[2] == [(acme.id, acme.id)]
    assert attempt(actors.session("service"), insert)[2] == [(PLATFORM, None)]


def test_a_service_that_acts_is_in_the_audit_log_as_who_it_acts_for(actors: Actors) -> None:
    acme, connection = actors.tenants.acme, actors.session("acting")
    with connection.transaction(force_rollback=True):
        connection.execute("SELECT tenancy.update_organization(name => 'New')")
        entries = connection.execute(
            "SELECT workspace_id, user_id, organization_id, role, database_user FROM tenancy.audit_log"
            " WHERE new_values ->> 'name' = 'New'"
        ).fetchall()
    assert entries == [(acme.id, acme.owner.id, acme.id, "owner", actors.tenants.logins.service)]


def test_the_matrix_of_writes_names_every_table_that_can_be_written(actors: Actors) -> None:
    with actors.tenants.admin() as admin:
        there = admin.execute(
            "SELECT DISTINCT n.nspname || '.' || c.relname FROM pg_class AS c"
            " JOIN pg_namespace AS n ON c.relnamespace = n.oid"
            " CROSS JOIN (VALUES ('tenancy_app'), ('tenancy_credentialed'), ('tenancy_auditor')) AS r (role)"
            " WHERE n.nspname <> 'pg_catalog' AND (has_any_column_privilege(r.role, c.oid, 'INSERT, UPDATE')"
            " OR has_table_privilege(r.role, c.oid, 'DELETE, TRUNCATE'))"
        ).fetchall()
    assert {name for (name,) in there} == {write.split()[0] for write in WRITES}


# -- columns -------------------------------------------------------------------

NAMING = {
    "SELECT": "SELECT {column} FROM {table} LIMIT 0",
    "INSERT": "INSERT INTO {table} ({column}) VALUES (DEFAULT)",
    "UPDATE": "UPDATE {table} SET {column} = DEFAULT",
}


@pytest.mark.parametrize("table", [*COLUMNS, *UNOPENED])
@pytest.mark.parametrize("actor", ["owner", "credentialed", "personal", "platform", "auditor"])
def test_naming_a_column(actors: Actors, actor: str, table: str) -> None:
    with actors.tenants.admin() as admin:
        columns = {
            column
            for (column,) in admin.execute(
                "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped",
                [table],
            ).fetchall()
        }
    assert columns >= set().union(*COLUMNS.get(table, {}).values())
    for command, statement in NAMING.items():
        named = COLUMNS.get(table, {}).get(command, set()) if command == "SELECT" or actor != "auditor" else set()
        outcomes = {
            column: attempt(actors.session(actor), statement.format(table=table, column=column))[0]
            for column in columns
        }
        # Allowed writes may fail for another reason, such as a column without a default.
        assert {column for column, outcome in outcomes.items() if outcome != ERRORS["no"]} == named, command


@pytest.mark.parametrize("table", COLUMNS)
def test_the_table_says_which_columns_can_be_written(actors: Actors, table: str) -> None:
    query = "SELECT column_name, can_insert, can_update FROM tenancy.writable_columns(%s)"
    inserted, updated = (COLUMNS[table].get(command, set()) for command in ("INSERT", "UPDATE"))
    _, _, rows = attempt(actors.session("bare"), query, table)
    assert sorted(rows) == sorted((name, name in inserted, name in updated) for name in inserted | updated)


def test_legacy_instances_are_listed_without_what_they_run_with(actors: Actors) -> None:
    for actor in ("personal", "person", "staff", "personal_key"):
        connection = actors.session(actor)
        _, _, rows = attempt(connection, "SELECT id FROM tenancy.legacy_instances()")
        assert rows == [(actors.tenants.rows["platform"]["instance"],)]
        for secret in ("ip_address", "gpu_profile", "hourly_price_eur"):
            outcome, _, _ = attempt(connection, f"SELECT l.{secret} FROM tenancy.legacy_instances() AS l")
            assert outcome == ("42703", None)


# -- groups --------------------------------------------------------------------


@pytest.mark.parametrize("group", [*GROUPS, *FOR_NOBODY])
def test_a_group_is_a_plain_group(actors: Actors, group: str) -> None:
    with actors.tenants.admin() as admin:
        row = admin.execute(
            "SELECT rolcanlogin, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication"
            " FROM pg_roles WHERE rolname = %s",
            [group],
        ).fetchone()
        inherited = admin.execute(
            "SELECT r.rolname FROM pg_roles AS r WHERE pg_has_role(%s, r.oid, 'MEMBER') AND r.rolname <> %s",
            [group, group],
        ).fetchall()
    assert row == (False,) * 6
    assert {name for (name,) in inherited} == GROUPS.get(group, set())


@pytest.mark.parametrize("group", FOR_NOBODY)
@pytest.mark.parametrize("actor", [actor for actor in ACTORS if actor != "writer"])
def test_nobody_becomes_who_owns_the_functions(actors: Actors, actor: str, group: str) -> None:
    outcome, _, _ = attempt(actors.session(actor), f"SET LOCAL ROLE {group}")
    assert outcome == ERRORS["no"]


@pytest.mark.parametrize("schema", ["public", "finops", "tenancy", "tenancy_private", "pg_temp"])
def test_the_writer_makes_nothing(actors: Actors, schema: str) -> None:
    outcome, _, _ = attempt(actors.session("writer"), f"CREATE TABLE {schema}.made (n integer)")
    assert outcome == ERRORS["no"]


def test_the_writer_reads_and_calls_nothing_of_what_is_kept_from_applications(actors: Actors) -> None:
    with actors.tenants.admin() as admin:
        tables = admin.execute(
            "SELECT oid::regclass::text FROM pg_class WHERE relnamespace = 'tenancy_private'::regnamespace"
            " AND relkind IN ('r', 'p', 'v', 'm')"
        ).fetchall()
        callable_ones = admin.execute(
            "SELECT proname FROM pg_proc WHERE pronamespace = 'tenancy_private'::regnamespace"
            " AND has_function_privilege('tenancy_writer', oid, 'EXECUTE')"
        ).fetchall()
    assert len(tables) > 5
    for (table,) in tables:
        assert attempt(actors.session("writer"), f"SELECT count(*) FROM {table}")[0] == ERRORS["no"]
    # Its own, which tenancy_owner calls.
    assert sorted(name for (name,) in callable_ones) == [
        "delete_rows",
        "detach_usage",
        "empty_instances",
        "insert_row",
        "update_rows",
        "write_costs",
    ]


# -- functions -----------------------------------------------------------------

PROCEDURES = ("allow", "drop_policies", "harden_database", "protect", "publish", "unprotect")


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("actor", ACTORS)
def test_calling(actors: Actors, actor: str, call: str) -> None:
    verb = "CALL" if call.split("(")[0] in PROCEDURES else "SELECT"
    tenants = actors.tenants
    filled = call.format(
        user=actors.members["user"].id,
        staff=tenants.staff.id,
        acme=tenants.acme.id,
        globex=tenants.globex.id,
        invitation=tenants.rows["own"]["invitation"],
        token=tenants.tokens["own"],
        api_key=tenants.rows["own"]["api_key"],
        instance=tenants.rows["own"]["instance"],
        model=tenants.rows["own"]["model"],
        spare_model=tenants.rows["own"]["spare_model"],
        public_instance=tenants.rows["platform"]["instance"],
        public_model=tenants.rows["platform"]["model"],
        public_spare_model=tenants.rows["platform"]["spare_model"],
        **{
            name: tenants.rows["own"][name]
            for name in ("offering", "share", "request", "entitlement", "authorization", "call")
        },
    )
    outcome, _, _ = attempt(actors.session(actor), f"{verb} tenancy.{filled}")
    assert outcome == ERRORS.get(CALLS[call][actor], ("ok", None))


def test_the_matrix_names_every_function(actors: Actors) -> None:
    with actors.tenants.admin() as admin:
        there = admin.execute(
            "SELECT DISTINCT proname FROM pg_proc WHERE pronamespace = 'tenancy'::regnamespace"
            " AND prorettype <> 'trigger'::regtype"
        ).fetchall()
    assert {name for (name,) in there} == {call.split("(")[0] for call in CALLS}


def test_the_matrix_names_every_table(actors: Actors) -> None:
    with actors.tenants.admin() as admin:
        there = admin.execute(
            "SELECT n.nspname || '.' || c.relname FROM pg_class AS c JOIN pg_namespace AS n ON c.relnamespace = n.oid"
            " WHERE n.nspname IN ('public', 'finops', 'tenancy') AND c.relkind IN ('r', 'p', 'v', 'm', 'f')"
        ).fetchall()
    assert {name for (name,) in there} == {*READS, *UNOPENED} == {*SERVICES_WRITE}
    assert {*COLUMNS} == {*READS}


# -- permissions -----------------------------------------------------------------


# The person with each role.
HOLDERS = {**{role: role for role in ROLES}, "staff": "platform"}


@pytest.mark.parametrize("permission", PERMISSIONS)
@pytest.mark.parametrize("role", HOLDERS)
def test_a_role_holds_a_permission(actors: Actors, role: str, permission: str) -> None:
    _, _, rows = attempt(actors.session(HOLDERS[role]), "SELECT tenancy.has_permission(%s)", permission)
    assert rows == [(role in PERMISSIONS[permission],)]


@pytest.mark.parametrize("role", HOLDERS)
def test_a_role_holds_these_permissions_and_no_others(actors: Actors, role: str) -> None:
    _, _, rows = attempt(actors.session(HOLDERS[role]), "SELECT tenancy.my_permissions()")
    assert [name for (name,) in rows] == sorted(name for name, holders in PERMISSIONS.items() if role in holders)


@pytest.mark.parametrize("permission", PERMISSIONS)
def test_a_key_holds_the_permissions_of_a_user(actors: Actors, permission: str) -> None:
    _, _, rows = attempt(actors.session("key"), "SELECT tenancy.has_permission(%s)", permission)
    assert rows == [("user" in PERMISSIONS[permission],)]


@pytest.mark.parametrize("actor", ["personal", "person", "staff", "personal_key"])
def test_a_person_holds_every_permission_in_the_personal_workspace(actors: Actors, actor: str) -> None:
    _, _, rows = attempt(actors.session(actor), "SELECT tenancy.my_permissions()")
    assert [name for (name,) in rows] == sorted(PERMISSIONS)


def test_platform_staff_have_in_an_organization_the_role_of_their_membership(actors: Actors) -> None:
    tenants = actors.tenants
    with tenants.admin() as admin:
        admin.execute(
            "INSERT INTO public.organization_memberships (organization_id, user_id, role) VALUES (%s, %s, 'user')",
            [tenants.globex.id, tenants.staff.id],
        )
        try:
            with tenants.entered(tenants.staff, tenants.globex) as connection:
                assert connection.execute("SELECT tenancy.current_role()").fetchone() == ("user",)
                with refused("42501", "permission_denied"):
                    connection.execute("SELECT tenancy.delete_organization()")
        finally:
            admin.execute("DELETE FROM public.organization_memberships WHERE user_id = %s", [tenants.staff.id])


# -- delegation ------------------------------------------------------------------


@pytest.mark.parametrize("new_role", ROLES)
@pytest.mark.parametrize("held_role", ROLES)
@pytest.mark.parametrize("acting_role", ROLES)
def test_changing_a_role(actors: Actors, acting_role: str, held_role: str, new_role: str) -> None:
    outcome, _, _ = attempt(
        actors.session(acting_role), "SELECT tenancy.change_member_role(%s, %s)", actors.members[held_role].id, new_role
    )
    if acting_role not in PERMISSIONS["members.change_role"]:
        assert outcome == ERRORS["permission"]
    elif {held_role, new_role} <= DELEGATION[acting_role]:
        assert outcome == ("ok", None)
    else:
        assert outcome == ERRORS["delegation"]


@pytest.mark.parametrize("held_role", ROLES)
@pytest.mark.parametrize("acting_role", ROLES)
def test_removing_a_member(actors: Actors, acting_role: str, held_role: str) -> None:
    outcome, _, _ = attempt(
        actors.session(acting_role), "SELECT tenancy.remove_member(%s)", actors.members[held_role].id
    )
    if acting_role not in PERMISSIONS["members.remove"]:
        assert outcome == ERRORS["permission"]
    elif held_role in DELEGATION[acting_role]:
        assert outcome == ("ok", None)
    else:
        assert outcome == ERRORS["delegation"]


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("acting_role", ROLES)
def test_inviting(actors: Actors, acting_role: str, role: str) -> None:
    outcome, _, _ = attempt(actors.session(acting_role), "SELECT tenancy.invite_member('new@example.com', %s)", role)
    if acting_role not in PERMISSIONS["members.invite"]:
        assert outcome == ERRORS["permission"]
    elif role in DELEGATION[acting_role]:
        assert outcome == ("ok", None)
    else:
        assert outcome == ERRORS["delegation"]


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("acting_role", ROLES)
def test_revoking_an_invitation(actors: Actors, acting_role: str, role: str) -> None:
    with actors.tenants.entered() as owner:
        row = owner.execute(
            "SELECT id FROM tenancy.invite_member(%s, %s)", [f"{acting_role}.{role}@x", role]
        ).fetchone()
        owner.commit()
    assert row is not None
    outcome, _, _ = attempt(actors.session(acting_role), "SELECT tenancy.revoke_invitation(%s)", row[0])
    if acting_role not in PERMISSIONS["members.invite"]:
        assert outcome == ERRORS["permission"]
    elif role in DELEGATION[acting_role]:
        assert outcome == ("ok", None)
    else:
        assert outcome == ERRORS["delegation"]
