"""Each error of the database is an exception of the client, also during a migration."""

# ruff: noqa: PT012  (the whole block of a workspace is what raises)

from __future__ import annotations

import re
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import uuid4

import psycopg
import pytest

import pg_tenancy
import pg_tenancy.aio
import pg_tenancy.asyncpg
from pg_tenancy import TenancyError, errors
from pg_tenancy._sql import GRANTED
from pg_tenancy.errors import (
    _CLASSES,
    ContextAlreadySetError,
    DelegationDeniedError,
    InvalidArgumentError,
    InvalidContextError,
    LastOwnerError,
    LoginSeesEverythingError,
    MemberNotFoundError,
    NoContextError,
    NotAMemberError,
    NotGrantedError,
    OrganizationRequiredError,
    PermissionDeniedError,
    PhaseNotDeployedError,
    SlugTakenError,
    TicketError,
    TransactionRequiredError,
    UserRequiredError,
    translate,
)
from support.clients import Client, assert_error
from support.command import run
from support.database import Database
from support.people import Organization, People, User
from support.server import Logins

pytestmark = pytest.mark.shared_database

Connection = psycopg.Connection[tuple[Any, ...]]
SQL = Path(__file__).resolve().parents[2] / "sql"


class Cast:
    """An organization with a member of each role, and a person without one."""

    def __init__(self, people: People) -> None:
        self.owner, self.admin, self.manager, self.user, self.stranger = (people.user() for _ in range(5))
        self.acme = people.organization(
            "Acme", owner=self.owner, admin=self.admin, manager=self.manager, user=self.user
        )
        self.staff = people.user(role="admin")
        self.other = people.organization("Other")


@pytest.fixture
def cast(people: People) -> Cast:
    return Cast(people)


Act = Callable[[Any, Cast, Client], Awaitable[object]]

# Actor and action in Acme (None: in the personal workspace), with the result.
REFUSED: list[tuple[str, str, bool, Act, type[TenancyError], str, str]] = [
    (
        "a context that was changed by hand",
        "owner",
        True,
        lambda ws, cast, client: ws.fetch_all(
            client.sql(
                "SELECT o.id FROM (SELECT pg_catalog.set_config('tenancy.current_organization_id', $1, true) OFFSET 0)"
                " AS s, LATERAL (SELECT id FROM public.organizations WHERE s.set_config <> '' OFFSET 0) AS o"
            ),
            [str(cast.other.id)],
        ),
        InvalidContextError,
        "28000",
        "invalid_context",
    ),
    (
        "a second identity",
        "owner",
        True,
        lambda ws, cast, client: ws.execute(client.sql("SELECT tenancy.enter($1)"), [cast.stranger.id]),
        ContextAlreadySetError,
        "28000",
        "context_already_set",
    ),
    (
        "somebody else's organization",
        "stranger",
        True,
        lambda ws, cast, client: ws.current(),
        NotAMemberError,
        "28000",
        "not_a_member",
    ),
    (
        "an enter without a user",
        "owner",
        True,
        lambda ws, cast, client: ws.execute("SELECT tenancy.enter(NULL)"),
        UserRequiredError,
        "22004",
        "user_id_required",
    ),
    (
        "a user who changes the organization",
        "user",
        True,
        lambda ws, cast, client: ws.update_organization(name="Mine"),
        PermissionDeniedError,
        "42501",
        "permission_denied",
    ),
    (
        "a manager who makes an admin",
        "manager",
        True,
        lambda ws, cast, client: ws.change_member_role(cast.user.id, "admin"),
        DelegationDeniedError,
        "42501",
        "delegation_denied",
    ),
    (
        "the members of a personal workspace",
        "owner",
        False,
        lambda ws, cast, client: ws.members(),
        OrganizationRequiredError,
        "55000",
        "organization_required",
    ),
    (
        "a member of a personal workspace",
        "owner",
        False,
        lambda ws, cast, client: ws.member(cast.owner.id),
        OrganizationRequiredError,
        "55000",
        "organization_required",
    ),
    (
        "removing somebody who is no member",
        "owner",
        True,
        lambda ws, cast, client: ws.remove_member(cast.stranger.id),
        MemberNotFoundError,
        "P0002",
        "member_not_found",
    ),
    (
        "a role that does not exist",
        "owner",
        True,
        lambda ws, cast, client: ws.change_member_role(cast.user.id, "king"),
        InvalidArgumentError,
        "22023",
        "unknown_role",
    ),
    (
        "an organization without a name",
        "owner",
        False,
        lambda ws, cast, client: ws.create_organization("  "),
        InvalidArgumentError,
        "22023",
        "organization_name_invalid",
    ),
    (
        "a slug with a space",
        "owner",
        False,
        lambda ws, cast, client: ws.create_organization("New", "not a slug"),
        InvalidArgumentError,
        "22023",
        "organization_slug_invalid",
    ),
    (
        "a color that is none",
        "owner",
        True,
        lambda ws, cast, client: ws.update_organization(color="mauve-ish"),
        InvalidArgumentError,
        "22023",
        "organization_color_invalid",
    ),
    (
        "a slug that is taken",
        "owner",
        False,
        lambda ws, cast, client: ws.create_organization("New", "other"),
        SlugTakenError,
        "23505",
        "organization_slug_taken",
    ),
    (
        "the last owner who leaves",
        "owner",
        True,
        lambda ws, cast, client: ws.leave_organization(),
        LastOwnerError,
        "23514",
        "organization_keeps_an_owner",
    ),
]


@pytest.mark.parametrize(
    ("who", "in_organization", "act", "expected", "sqlstate", "constraint"),
    [case[1:] for case in REFUSED],
    ids=[case[0] for case in REFUSED],
)
@pytest.mark.parametrize("first", [True, False], ids=["first", "later"])
async def test_an_error_of_the_database_is_an_exception(
    client: Client,
    dsn: str,
    cast: Cast,
    who: str,
    in_organization: bool,
    act: Act,
    expected: type[TenancyError],
    sqlstate: str,
    constraint: str,
    first: bool,
) -> None:
    """In the same pipeline as entering, and after it."""
    user: User = getattr(cast, who)
    async with client.connect(dsn) as conn:
        with pytest.raises(TenancyError) as raised:
            async with client.workspace(
                conn, user_id=user.id, organization_id=cast.acme.id if in_organization else None
            ) as ws:
                if not first:
                    await ws.open()
                await act(ws, cast, client)
        assert_error(raised.value, expected, sqlstate, constraint)
        assert not client.in_transaction(conn)


@pytest.mark.parametrize("ticket", ["", "a.b.c", "not a ticket'; --", "é\\'"])
async def test_a_ticket_that_is_none_is_refused(client: Client, dsn: str, ticket: str) -> None:
    async with client.connect(dsn) as conn:
        with pytest.raises(TenancyError) as raised:
            await client.fetch_all(conn, "SELECT 1", ticket=ticket)
        assert_error(raised.value, TicketError, "28000", "invalid_ticket")


async def test_outside_of_a_workspace_the_errors_are_the_drivers(client: Client, dsn: str, cast: Cast) -> None:
    async with client.connect(dsn) as conn:
        with pytest.raises(client.error) as raised:
            await client.query(conn, "SELECT id FROM public.organizations")
        assert isinstance(translate(raised.value), NoContextError)
        with pytest.raises(client.error) as raised:
            await client.send(conn, f"SELECT tenancy.enter('{cast.owner.id}')")
        assert isinstance(translate(raised.value), TransactionRequiredError)


ENTRIES: dict[str, Callable[[Cast], dict[str, Any]]] = {
    "personal": lambda cast: {"user_id": cast.owner.id},
    "organization": lambda cast: {"user_id": cast.owner.id, "organization_id": cast.acme.id},
    "platform": lambda cast: {"user_id": cast.staff.id, "platform": True},
    "ticket": lambda cast: {"ticket": "a.b.c"},
    "API key": lambda cast: {"api_key": "sk_"},
}


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("login", ["superuser", "service", "old", "bypassing"])
async def test_a_login_that_sees_everything_enters_no_workspace(
    client: Client,
    database: Database,
    logins: Logins,
    new_login: Callable[..., str],
    admin: Connection,
    cast: Cast,
    login: str,
    entry: str,
) -> None:
    names = {"superuser": None, "service": logins.service, "old": logins.old, "bypassing": new_login("tenancy_app")}
    admin.execute(f"ALTER ROLE {names['bypassing']} BYPASSRLS")
    entered = ENTRIES[entry](cast)
    async with client.connect(database.dsn(names[login])) as conn:
        with pytest.raises(LoginSeesEverythingError) as raised:
            async with client.workspace(conn, **entered) as ws:
                await ws.fetch_all("SELECT id FROM public.organizations")
        assert_error(raised.value, LoginSeesEverythingError, "28000", "login_sees_everything")
        assert "enter_as_service" in (raised.value.hint or "")
        with pytest.raises(LoginSeesEverythingError):
            await client.fetch_all(conn, "SELECT id FROM public.organizations", **entered)
        assert not client.in_transaction(conn)


async def test_a_service_says_who_acts_without_a_workspace_of_the_client(
    client: Client, database: Database, logins: Logins, cast: Cast
) -> None:
    """It sees all workspaces as before, so it opens its own transaction."""
    async with client.connect(database.dsn(logins.service)) as conn, client.transaction(conn):
        await client.query(conn, "SELECT tenancy.enter_as_service($1, $2)", [cast.owner.id, cast.acme.id])
        rows = await client.query(conn, "SELECT tenancy.current_user_id(), tenancy.current_workspace_id()")
        assert [tuple(row) for row in rows] == [(cast.owner.id, cast.acme.id)]
        (row,) = await client.query(conn, "SELECT count(*) FROM public.organizations")
        assert row[0] == 2


async def test_the_audit_log_is_append_only(client: Client, database: Database, cast: Cast) -> None:
    async with client.connect(database.dsn()) as conn:
        with pytest.raises(client.error) as raised:
            await client.query(conn, "DELETE FROM tenancy.audit_log")
        error = translate(raised.value)
        assert type(error) is PermissionDeniedError
        assert error.constraint == "audit_log_is_append_only"


@pytest.mark.parametrize("megabytes", [0, 8])
async def test_a_refusal_that_arrives_while_the_first_statement_is_being_sent_is_the_refusal(
    client: Client, dsn: str, cast: Cast, megabytes: int
) -> None:
    """Not the message that the statement was skipped."""
    query, text = client.sql("SELECT length($1::text)"), "x" * (megabytes << 20)
    async with client.connect(dsn) as conn:
        for _ in range(2):
            with pytest.raises(NotAMemberError):
                await client.fetch_all(conn, query, [text], user_id=cast.stranger.id, organization_id=cast.acme.id)
            with pytest.raises(NotAMemberError):
                async with client.workspace(conn, user_id=cast.stranger.id, organization_id=cast.acme.id) as ws:
                    await ws.fetch_value(query, [text])
            rows = await client.fetch_all(conn, query, [text], user_id=cast.owner.id)
            assert rows[0][0] == len(text)


async def test_a_refusal_leaves_nothing_in_the_drivers_log(
    client: Client, dsn: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with client.connect(dsn) as conn:
        # Repeated, because psycopg's own error depends on when the refusal arrives.
        for _ in range(50):
            with pytest.raises(NotAMemberError):
                await client.fetch_all(conn, "SELECT 1", user_id=uuid4())
            with pytest.raises(NotAMemberError):
                async with client.workspace(conn, user_id=uuid4()) as ws:
                    await ws.fetch_all("SELECT 1")
    assert [record.getMessage() for record in caplog.records if record.name.startswith("psycopg")] == []


async def test_an_error_of_the_application_passes_unchanged(client: Client, dsn: str, cast: Cast) -> None:
    async with client.connect(dsn) as conn:
        for first in (True, False):
            with pytest.raises(client.error) as raised:
                async with client.workspace(conn, user_id=cast.owner.id) as ws:
                    if not first:
                        await ws.open()
                    await ws.execute("SELECT 1 / 0")
            assert getattr(raised.value, "sqlstate", None) == "22012"


async def test_an_error_through_the_connection_is_translated_when_it_leaves_the_block(
    client: Client, dsn: str, cast: Cast
) -> None:
    async with client.connect(dsn) as conn:
        with pytest.raises(ContextAlreadySetError):
            async with client.workspace(conn, user_id=cast.owner.id) as ws:
                await client.query(await ws.connection(), "SELECT tenancy.enter($1)", [cast.stranger.id])


async def test_the_last_owner_stays_also_in_fetch_all(client: Client, dsn: str, cast: Cast) -> None:
    async with client.connect(dsn) as conn:
        with pytest.raises(LastOwnerError):
            await client.fetch_all(
                conn, "SELECT tenancy.leave_organization()", user_id=cast.owner.id, organization_id=cast.acme.id
            )
        assert not client.in_transaction(conn)
        # The connection still works, with its prepared statements.
        rows = await client.fetch_all(conn, "SELECT 1", user_id=cast.owner.id, organization_id=cast.acme.id)
        assert [tuple(row) for row in rows] == [(1,)]


@pytest.mark.shared_database(False)
async def test_a_commit_that_fails_is_an_error(client: Client, database: Database, dsn: str, cast: Cast) -> None:
    """A deferred constraint of the application's own table."""
    with database.connect() as admin:
        admin.execute("CREATE TABLE public.note (id integer PRIMARY KEY, of integer)")
        admin.execute(
            "ALTER TABLE public.note ADD CONSTRAINT note_of_fkey FOREIGN KEY (of) REFERENCES public.note"
            " DEFERRABLE INITIALLY DEFERRED"
        )
        admin.execute("GRANT INSERT ON public.note TO tenancy_app")
    insert = "INSERT INTO public.note VALUES (1, 2)"
    async with client.connect(dsn) as conn:
        with pytest.raises(client.error) as raised:
            async with client.workspace(conn, user_id=cast.owner.id) as ws:
                await ws.execute(insert)
        assert getattr(raised.value, "sqlstate", None) == "23503"
        with pytest.raises(client.error) as raised:
            await client.fetch_all(conn, insert, user_id=cast.owner.id)
        assert getattr(raised.value, "sqlstate", None) == "23503"
        assert not client.in_transaction(conn)


@pytest.mark.shared_database(False)
async def test_a_refused_user_does_not_run_the_first_statement(
    client: Client, dsn: str, cast: Cast, admin: Connection
) -> None:
    """Not even a statement that the connection has prepared or is about to prepare."""
    admin.execute("CREATE SEQUENCE public.runs")
    admin.execute("GRANT USAGE ON SEQUENCE public.runs TO tenancy_app")
    count = "SELECT nextval('public.runs')"
    async with client.connect(dsn) as conn:
        for _ in range(8):
            await client.fetch_all(conn, count, user_id=cast.owner.id, organization_id=cast.acme.id)
            with pytest.raises(NotAMemberError):
                await client.fetch_all(conn, count, user_id=cast.stranger.id, organization_id=cast.acme.id)
            with pytest.raises(NotAMemberError):
                async with client.workspace(conn, user_id=cast.stranger.id, organization_id=cast.acme.id) as ws:
                    await ws.fetch_value(count)
        assert admin.execute("SELECT last_value FROM public.runs").fetchone() == (8,)


def test_every_error_of_a_function_for_applications_has_a_class() -> None:
    raised = re.compile(r"ERRCODE = '(\w{5})',\s*CONSTRAINT = '(\w+)'")
    # Errors that only services, auditors and DBAs can get.
    not_for_applications = {
        "ticket_key_not_found",
        "deleted_organization_not_found",
        "audit_must_be_recorded",
        "latch_not_counted",
        "organization_in_use",
        "adoption_not_recorded",
        "setting_invalid",
        "module_invalid",
        "ledger_broken",
        "row_id_invalid",
        "table_not_readable",
    }
    scripts = [path.read_text() for path in (SQL / "deploy").glob("*/*.sql")]
    functions = [
        # Only DBAs call the procedures of contracts.
        made
        for script in scripts
        if "GRANT EXECUTE ON FUNCTION tenancy." in script
        for made in re.split(r"^CREATE (?=FUNCTION|PROCEDURE|TRIGGER)", script, flags=re.MULTILINE)
        if made.startswith("FUNCTION")
    ]
    found = {pair for function in functions for pair in raised.findall(function)}
    assert len(found) > 30
    known = set(_CLASSES)
    assert {pair for pair in found if pair[1] not in not_for_applications} <= known


def test_the_package_has_the_few_names_that_people_import() -> None:
    names = ["Workspace", "accept_invitation", "end_session", "fetch_all", "peek_invitation", "run", "sign_up"]
    names += ["start_session", "switch_session", "workspace"]
    assert pg_tenancy.__all__ == ["TenancyError", *names]
    assert pg_tenancy.aio.__all__ == pg_tenancy.asyncpg.__all__ == names
    shown = {name for name in dir(pg_tenancy) if not isinstance(getattr(pg_tenancy, name), ModuleType)}
    assert {name for name in shown if not name.startswith("_")} - {"annotations"} == set(pg_tenancy.__all__)


def test_an_application_loads_nothing_of_the_dbas_side() -> None:
    look = (
        "import sys, pg_tenancy.aio, pg_tenancy.asyncpg;"
        " print([name for name in sys.modules if name.startswith(('pg_tenancy.tools', 'rich', 'argparse'))])"
    )
    done = run([sys.executable, "-c", look], check=True)
    assert done.stdout == "[]\n"


SESSIONS = ("start_session", "switch_session", "end_session")


def test_what_asyncpg_has_in_common_with_psycopg_is_explained_in_the_same_words() -> None:
    for name in ("workspace", "run", "peek_invitation", "accept_invitation", "sign_up", *SESSIONS):
        here, there = (getattr(module, name).__doc__ for module in (pg_tenancy.asyncpg, pg_tenancy.aio))
        first, _, rest = here.partition("\n")
        assert first == there.partition("\n")[0].removesuffix(".") + ", over asyncpg."
        assert rest == there.partition("\n")[2]
    run([sys.executable, "-OO", "-c", "import pg_tenancy.asyncpg"], check=True)


def test_every_class_says_what_it_is_for() -> None:
    for name in errors.__all__:
        found = getattr(errors, name)
        assert issubclass(found, TenancyError)
        assert (found.__doc__ or "").endswith(".") or "Attributes:" in (found.__doc__ or "")
    assert {found.__name__ for found in _CLASSES.values()} <= set(errors.__all__)


async def test_before_phase_1_a_workspace_says_what_is_missing(
    client: Client, database_at: Callable[[str], Database], logins: Logins
) -> None:
    async with client.connect(database_at("@phase-0").dsn(logins.app)) as conn:
        for first in ("SELECT 1", "SELECT id FROM public.organizations"):
            with pytest.raises(PhaseNotDeployedError) as raised:
                async with client.workspace(conn, user_id=uuid4()) as ws:
                    await ws.fetch_all(first)
            assert (raised.value.phase, raised.value.function) == (1, "tenancy.enter")
            with pytest.raises(PhaseNotDeployedError):
                await client.fetch_all(conn, first, user_id=uuid4())
        with pytest.raises(PhaseNotDeployedError) as raised:
            async with client.workspace(conn, ticket="a.b.c") as ws:
                await ws.members()
        assert (raised.value.phase, raised.value.function) == (1, "tenancy.enter_with_ticket")
        with pytest.raises(PhaseNotDeployedError) as raised:
            await client.fetch_all(conn, "SELECT 1", user_id=uuid4(), platform=True)
        assert (raised.value.phase, raised.value.function) == (1, "tenancy.enter_platform")
        assert not client.in_transaction(conn)


async def test_before_phase_2_the_members_are_missing_and_the_rest_works(
    client: Client, database_at: Callable[[str], Database], logins: Logins
) -> None:
    database = database_at("@phase-1")
    with database.connect(autocommit=True) as admin:
        acme: Organization = People(admin).organization("Acme")
    entry = {"user_id": acme.owner.id, "organization_id": acme.id}
    calls: list[tuple[str, Callable[[Any], Awaitable[object]]]] = [
        ("tenancy.members", lambda ws: ws.members()),
        ("tenancy.member", lambda ws: ws.member(acme.owner.id)),
        ("tenancy.change_member_role", lambda ws: ws.change_member_role(acme.owner.id, "user")),
        ("tenancy.remove_member", lambda ws: ws.remove_member(acme.owner.id)),
        ("tenancy.leave_organization", lambda ws: ws.leave_organization()),
    ]
    async with client.connect(database.dsn(logins.app)) as conn:
        for function, call in calls:
            for first in (True, False):
                with pytest.raises(PhaseNotDeployedError, match="phase 2") as raised:
                    async with client.workspace(conn, **entry) as ws:
                        if not first:
                            assert (await ws.current()).id == acme.id
                        await call(ws)
                assert (raised.value.phase, raised.value.function) == (2, function)
                assert raised.value.hint == "Deploy up to @phase-2, or do without this call until then."
        async with client.workspace(conn, **entry) as ws:
            assert [choice.name for choice in await ws.my_organizations()] == ["Acme"]
            assert await ws.has_permission("organization.update")


def test_the_hint_of_a_missing_phase_sends_nobody_to_a_tag_that_brings_nothing() -> None:
    assert "kernel" not in (PhaseNotDeployedError(2, "tenancy.members").hint or "")
    assert "The kernel's plan does not contain it." in (PhaseNotDeployedError(5, "tenancy.legacy_instances").hint or "")


async def test_a_missing_function_of_the_application_passes_unchanged(client: Client, dsn: str, cast: Cast) -> None:
    async with client.connect(dsn) as conn:
        for statement, sqlstate in (("SELECT no_such()", "42883"), ("SELECT nowhere.no_such()", "3F000")):
            with pytest.raises(client.error) as raised:
                await client.fetch_all(conn, statement, user_id=cast.owner.id)
            assert getattr(raised.value, "sqlstate", None) == sqlstate


async def test_an_api_key_waits_for_its_phase(
    client: Client, database_at: Callable[[str], Database], logins: Logins
) -> None:
    async with client.connect(database_at("@phase-2").dsn(logins.app)) as conn:
        with pytest.raises(PhaseNotDeployedError) as raised:
            await client.fetch_all(conn, "SELECT 1", api_key="it's a key")
        assert raised.value.phase == 4


# A statement in Acme, and the client's message about the table.
NOT_GRANTED = {
    "an INSERT that names the owner": (
        "INSERT INTO public.models (name, model_id, organization_id) VALUES ('x', 'x', $1)",
        "models",
    ),
    "an UPDATE of the owner": ("UPDATE public.models SET workspace_id = $1", "models"),
    "an INSERT that names the price": (
        "INSERT INTO public.instances (organization_id, hourly_price_eur) VALUES ($1, 1)",
        "instances",
    ),
    "a column that nobody reads": ("SELECT key_hash FROM public.api_keys WHERE user_id = $1", "api_keys"),
    "a DELETE": ("DELETE FROM public.instances WHERE id = $1", "instances"),
    "a table that nobody writes": ("UPDATE public.users SET username = 'x' WHERE id = $1", "users"),
}


@pytest.mark.parametrize("attempt", NOT_GRANTED)
async def test_a_refused_write_lists_the_writable_columns(
    client: Client, dsn: str, admin: Connection, cast: Cast, attempt: str
) -> None:
    """PostgreSQL's own message names no column."""
    statement, table = NOT_GRANTED[attempt]
    entry: dict[str, Any] = {"user_id": cast.owner.id, "organization_id": cast.acme.id}
    may = admin.execute(
        "SELECT column_name, can_insert, can_update FROM tenancy.writable_columns(%s)", [f"public.{table}"]
    ).fetchall()
    async with client.connect(dsn) as conn:
        for begin in range(3):
            with pytest.raises(NotGrantedError) as raised:
                if begin == 0:
                    await client.fetch_all(conn, statement, [cast.acme.id], **entry)
                else:
                    async with client.workspace(conn, **entry) as ws:
                        if begin == 1:
                            await ws.open()
                        await ws.fetch_all(client.sql(statement), [cast.acme.id])
            error = raised.value
            assert isinstance(error.__cause__, client.error)
            assert (error.message, error.sqlstate) == (f"permission denied for table {table}", "42501")
            assert (error.constraint, error.table, error.http_status) == (None, table, 500)
            assert set(error.insertable) == {column for column, can_insert, _ in may if can_insert}
            assert set(error.updatable) == {column for column, _, can_update in may if can_update}
            assert "id" in error.readable
            assert "key_hash" not in error.readable
            assert not error.deletable
            assert (", ".join(error.insertable) or "INSERT is not allowed") in (error.hint or "")
            assert not client.in_transaction(conn)
        # The connection still works.
        assert len(await client.fetch_all(conn, "SELECT id FROM public.models", **entry)) == 0


@pytest.mark.shared_database(False)
async def test_a_refusal_is_explained_by_the_table_and_not_by_another_of_a_similar_name(
    client: Client, database: Database, dsn: str, cast: Cast
) -> None:
    database.execute(
        "SELECT tenancy.define_permission('things.view', roles => '{owner}')",
        *(
            statement
            for table in ("table", "thing", "my thing", "models_2", "s")
            for statement in (
                f'CREATE TABLE public."{table}" (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text)',
                f"CALL tenancy.protect('public.\"{table}\"')",
                f"CALL tenancy.allow('public.\"{table}\"', 'SELECT', 'things.view', columns => 'id')",
            )
        ),
        "CREATE TABLE public.private (id uuid)",
    )
    entry: dict[str, Any] = {"user_id": cast.owner.id, "organization_id": cast.acme.id}
    async with client.connect(dsn) as conn:
        for table in ("table", "thing", "my thing", "models_2", "models", "s"):
            with pytest.raises(NotGrantedError) as raised:
                await client.fetch_all(conn, f'DELETE FROM public."{table}"', **entry)  # noqa: S608
            assert raised.value.table.strip('"') == table
        # Other errors pass unchanged.
        for statement in ("SELECT id FROM public.private", "CREATE TABLE public.mine (id uuid)"):
            with pytest.raises(client.error):
                await client.fetch_all(conn, statement, **entry)


def test_a_refusal_in_another_language_is_about_the_same_table(database: Database, logins: Logins) -> None:
    with database.connect(logins.app) as connection:
        for message, table in {
            "keine Berechtigung für Tabelle models": "models",
            "droit refusé pour la table models": "models",
            "permiso denegado a la tabla models": "models",
            "models tablosuna erişim engellendi": "models",
            "对表 models 权限不够": "models",
            "keine Berechtigung für Sequenz models_id_seq": None,
        }.items():
            row = psycopg.RawCursor(connection).execute(GRANTED, [message]).fetchone()
            assert (row and row[0]) == table
