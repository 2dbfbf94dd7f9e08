"""A workspace for the application: one transaction, typed results, clear errors."""

# ruff: noqa: PT012  (the whole block of a workspace is what raises)

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import sql
from psycopg.adapt import Loader
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool, ConnectionPool

from pg_tenancy import workspace
from pg_tenancy.errors import (
    ConnectionNotIdleError,
    LoginMayNotEnterError,
    NotAMemberError,
    NotGrantedError,
    OrganizationRequiredError,
    TransactionAbortedError,
    WorkspaceClosedError,
)
from pg_tenancy.results import CurrentWorkspace, Member, Organization, OrganizationChoice
from support.clients import CLIENTS, Client, assert_error
from support.database import Database
from support.people import People
from support.server import Logins

pytestmark = pytest.mark.shared_database

Connection = psycopg.Connection[tuple[Any, ...]]


async def test_a_person_makes_an_organization_and_works_in_it(client: Client, conn: Any, people: People) -> None:
    ann = people.user("ann")
    async with client.workspace(conn, user_id=ann.id) as ws:
        here = await ws.current()
        assert here == CurrentWorkspace("personal", ann.id, here.name, None, None, here.color, "free")
        made = await ws.create_organization("Acme Robots")
        assert made == Organization(
            made.id, "Acme Robots", "acme-robots", ann.id, created_at=made.created_at, updated_at=made.updated_at
        )
        assert isinstance(made.id, UUID)
        assert made.created_at.tzinfo is not None

    async with client.workspace(conn, user_id=ann.id, organization_id=made.id) as ws:
        here = await ws.current()
        assert here == CurrentWorkspace(
            "organization", made.id, "Acme Robots", "acme-robots", "owner", here.color, "free"
        )
        assert await ws.my_organizations() == [OrganizationChoice(made.id, "Acme Robots", "acme-robots", "owner", True)]
        assert await ws.has_permission("organization.update") is True
        assert await ws.has_permission("no.such") is False
        assert "organization.delete" in await ws.my_permissions()
        changed = await ws.update_organization(name="Acme", color="#123456")
        assert (changed.name, changed.slug) == ("Acme", "acme-robots")
        assert (await ws.current()).color == "#123456"
        assert (await ws.update_organization(slug="acme")).slug == "acme"

    async with client.workspace(conn, user_id=ann.id, organization_id=made.id) as ws:
        await ws.delete_organization()
    with pytest.raises(NotAMemberError):
        async with client.workspace(conn, user_id=ann.id, organization_id=made.id) as ws:
            await ws.current()


async def test_an_owner_manages_the_members(client: Client, conn: Any, people: People) -> None:
    acme = people.organization("Acme")
    bob, eve = people.member(acme, "user", "bob"), people.member(acme, "user", "eve")
    stranger = people.organization("Globex").owner
    entry = {"user_id": acme.owner.id, "organization_id": acme.id}
    async with client.workspace(conn, **entry) as ws:
        await ws.change_member_role(bob.id, "admin")
        await ws.remove_member(eve.id)
        members = {member.username: member for member in await ws.members()}
        assert set(members) == {acme.owner.username, "bob"}
        since = members["bob"].member_since
        assert members["bob"] == Member(bob.id, bob.email, "bob", "Bob", "Example", "admin", since)
        assert since.tzinfo is not None
        assert await ws.member(bob.id) == members["bob"]
        assert await ws.member(eve.id) is None
        assert await ws.member(stranger.id) is None
    async with client.workspace(conn, user_id=bob.id, organization_id=acme.id) as ws:
        await ws.leave_organization()
    async with client.workspace(conn, **entry) as ws:
        assert [member.user_id for member in await ws.members()] == [acme.owner.id]


PLATFORM = UUID(int=0)


async def test_staff_work_in_the_platforms_workspace(client: Client, conn: Any, people: People) -> None:
    staff = people.user("sue", role="admin")
    people.organization("Acme", owner=staff)
    insert = client.sql("INSERT INTO public.models (name, model_id) VALUES ('Small', $1) RETURNING workspace_id")
    async with client.workspace(conn, user_id=staff.id, platform=True) as ws:
        here = await ws.current()
        assert here == CurrentWorkspace("platform", PLATFORM, "Platform", None, "staff", here.color, here.plan)
        assert await ws.fetch_value("SELECT tenancy.current_user_id()") == staff.id
        assert await ws.fetch_value("SELECT tenancy.current_organization_id()") is None
        assert await ws.has_permission("models.update") is True
        assert await ws.has_permission("organization.delete") is False
        assert await ws.my_permissions() >= {"models.create", "models.update", "models.delete", "instances.update"}
        assert [(found.name, found.is_current) for found in await ws.my_organizations()] == [("Acme", False)]
        # A model created here is public.
        assert await ws.fetch_value(insert, ["hub/ws"]) == PLATFORM
    rows = await client.fetch_all(conn, insert, ["hub/fetch_all"], user_id=str(staff.id), platform=True)
    assert [tuple(row) for row in rows] == [(PLATFORM,)]

    async def work(ws: Any) -> Any:
        return await ws.fetch_value(insert, ["hub/run"])

    assert await client.run(conn, work, user_id=staff.id, platform=True, isolation_level="serializable") == PLATFORM
    # In the next transaction the same connection is not in the workspace.
    async with client.workspace(conn, user_id=staff.id, platform=False) as ws:
        here = await ws.current()
        assert (here.kind, here.id, here.role) == ("personal", staff.id, None)
        models = await ws.fetch_all("SELECT model_id FROM public.models ORDER BY model_id")
        assert [tuple(row) for row in models] == [("hub/fetch_all",), ("hub/run",), ("hub/ws",)]


@pytest.mark.parametrize(("platform", "what"), [(True, "the platform's"), (False, "personal")])
async def test_organization_required_names_the_current_workspace(
    client: Client, conn: Any, people: People, platform: bool, what: str
) -> None:
    staff = people.user(role="admin")
    for method in ("members", "invitations", "leave_organization", "delete_organization"):
        with pytest.raises(OrganizationRequiredError) as raised:
            async with client.workspace(conn, user_id=staff.id, platform=platform) as ws:
                await getattr(ws, method)()
        assert_error(raised.value, OrganizationRequiredError, "55000", "organization_required")
        assert raised.value.message == f"this requires an organization, and the current workspace is {what}"


@pytest.mark.parametrize("who", ["nobody", "person", "owner"])
async def test_the_platforms_workspace_is_for_its_staff(client: Client, conn: Any, people: People, who: str) -> None:
    user_id = {"nobody": uuid4(), "person": people.user().id, "owner": people.organization("Acme").owner.id}[who]
    with pytest.raises(NotAMemberError) as raised:
        async with client.workspace(conn, user_id=user_id, platform=True) as ws:
            await ws.current()
    assert_error(raised.value, NotAMemberError, "28000", "not_a_member")
    with pytest.raises(NotAMemberError):
        await client.fetch_all(conn, "SELECT 1", user_id=user_id, platform=True)
    with pytest.raises(NotAMemberError):
        async with client.workspace(conn, user_id=user_id, platform=True) as ws:
            await ws.open()
    assert not client.in_transaction(conn)


async def test_staff_stop_working_on_the_platform_when_they_are_none_any_more(
    client: Client, conn: Any, people: People, admin: Connection
) -> None:
    staff = people.user(role="admin")
    assert await client.fetch_all(conn, "SELECT 1", user_id=staff.id, platform=True)
    admin.execute("UPDATE public.users SET role = 'user' WHERE id = %s", [staff.id])
    with pytest.raises(NotAMemberError):
        await client.fetch_all(conn, "SELECT 1", user_id=staff.id, platform=True)


async def test_the_rows_are_those_of_the_driver(client: Client, conn: Any, people: People) -> None:
    ann = people.user()
    query = client.sql("SELECT n, $1::text AS word FROM generate_series(1, 2) AS n")
    async with client.workspace(conn, user_id=ann.id) as ws:
        assert [tuple(row) for row in await ws.fetch_all(query, ["a"])] == [(1, "a"), (2, "a")]
        assert tuple(await ws.fetch_one(query, ["b"])) == (1, "b")
        assert await ws.fetch_value(query, ["c"]) == 1
        assert await ws.fetch_one("SELECT 1 WHERE false") is None
        assert await ws.fetch_value("SELECT 1 WHERE false") is None
        assert await ws.fetch_all("SELECT 1 WHERE false") == []


async def test_a_cursor_and_the_row_factory_are_those_of_psycopg(
    psycopg_client: Client, dsn: str, people: People
) -> None:
    client, ann = psycopg_client, people.user()
    async with client.connect(dsn, row_factory=dict_row) as conn:
        async with client.workspace(conn, user_id=ann.id) as ws:
            cursor = await ws.execute("SELECT %s::text AS word", ["a"], binary=True, prepare=True)
            assert isinstance(cursor, psycopg.Cursor | psycopg.AsyncCursor)
            assert [column.name for column in cursor.description or ()] == ["word"]
            assert await ws.fetch_all("SELECT 1 AS n") == [{"n": 1}]
            assert await ws.fetch_value("SELECT 1 AS n") == 1
            assert await ws.has_permission("instances.view")
        assert await client.fetch_all(conn, "SELECT 2 AS n", user_id=ann.id) == [{"n": 2}]


@pytest.mark.parametrize("cursors", ["raw", "client"])
async def test_the_cursor_factory_of_the_connection_is_kept(
    psycopg_client: Client, dsn: str, people: People, cursors: str
) -> None:
    client, ann = psycopg_client, people.user()
    factories = {
        "raw": (psycopg.RawCursor, psycopg.AsyncRawCursor),
        "client": (psycopg.ClientCursor, psycopg.AsyncClientCursor),
    }
    placeholder = "$1" if cursors == "raw" else "%s"
    async with client.connect(dsn, cursor_factory=factories[cursors][client.is_async]) as conn:
        for _ in range(2):
            async with client.workspace(conn, user_id=ann.id) as ws:
                assert await ws.fetch_value(f"SELECT {placeholder}::text", ["first"]) == "first"
                assert await ws.fetch_value(f"SELECT {placeholder}::text", ["later"]) == "later"


class _Shout(Loader):
    def load(self, data: Any) -> str:
        return bytes(data).decode().upper()


async def test_the_first_statement_is_adapted_and_refused_as_any_other(
    psycopg_client: Client, dsn: str, people: People
) -> None:
    client = psycopg_client
    entry: dict[str, Any] = {"user_id": people.user().id}
    query = sql.SQL("SELECT {}::text, %(word)s::text, %(n)s").format(sql.Literal("it's"))
    params: Any = {"word": "a", "n": 1}
    async with client.connect(dsn, prepare_threshold=1) as conn:
        conn.adapters.register_loader("text", _Shout)
        for _ in range(4):  # not prepared, being prepared, and prepared
            rows = client.module.fetch_all(conn, query, params, **entry)
            assert (await rows if client.is_async else rows) == [("IT'S", "A", 1)]
            async with client.workspace(conn, **entry) as ws:
                assert await ws.fetch_all(query, params) == await ws.fetch_all(query, params) == [("IT'S", "A", 1)]
        for first in ("SELECT 1", "SET LOCAL work_mem = '1MB'"):
            with pytest.raises(psycopg.ProgrammingError, match="the last operation didn't produce records"):
                async with client.workspace(conn, **entry) as ws:
                    await ws.fetch_all(first)
                    await ws.fetch_all("SET LOCAL work_mem = '1MB'")
        assert await client.fetch_all(conn, "SET LOCAL work_mem = '1MB'", **entry) == []
        assert await client.fetch_all(conn, "SELECT", **entry) == [()]


@pytest.mark.shared_database(False)
@pytest.mark.parametrize("alone", [False, True])
async def test_a_statement_whose_result_has_changed_is_prepared_anew(
    client: Client, dsn: str, people: People, admin: Connection, alone: bool
) -> None:
    entry: dict[str, Any] = {"user_id": people.user().id}
    admin.execute("CREATE TABLE public.notes (a integer); GRANT SELECT ON public.notes TO PUBLIC")
    admin.execute("INSERT INTO public.notes VALUES (1)")

    async def look() -> list[Any]:
        if alone:
            return await client.fetch_all(conn, "SELECT * FROM public.notes", **entry)
        async with client.workspace(conn, **entry) as ws:
            rows: list[Any] = await ws.fetch_all("SELECT * FROM public.notes")
            return rows

    async with client.connect(dsn) as conn:
        # More often than psycopg leaves it unprepared.
        for _ in range(7):
            assert [tuple(row) for row in await look()] == [(1,)]
        admin.execute("ALTER TABLE public.notes ADD COLUMN b integer")
        with pytest.raises(client.error, match="plan"):
            await look()
        assert [tuple(row) for row in await look()] == [(1, None)]


async def test_a_savepoint_inside_is_fine(client: Client, conn: Any, people: People) -> None:
    acme = people.organization("Acme")
    async with client.workspace(conn, user_id=acme.owner.id, organization_id=acme.id) as ws:
        await ws.update_organization(name="Kept")
        with pytest.raises(ZeroDivisionError):
            async with client.transaction(await ws.connection()):
                await ws.update_organization(name="Undone")
                raise ZeroDivisionError
        async with client.transaction(await ws.connection()):
            await ws.update_organization(color="#abcdef")
        assert (await ws.current()).name == "Kept"
    async with client.workspace(conn, user_id=acme.owner.id, organization_id=acme.id) as ws:
        here = await ws.current()
        assert (here.name, here.color) == ("Kept", "#abcdef")


async def test_an_exception_undoes_the_block(client: Client, conn: Any, people: People) -> None:
    acme = people.organization("Acme")
    with pytest.raises(ZeroDivisionError):
        async with client.workspace(conn, user_id=acme.owner.id, organization_id=acme.id) as ws:
            await ws.update_organization(name="Undone")
            raise ZeroDivisionError
    async with client.workspace(conn, user_id=acme.owner.id, organization_id=acme.id) as ws:
        assert (await ws.current()).name == "Acme"


async def test_a_block_that_caught_its_error_is_not_taken_for_committed(
    client: Client, conn: Any, people: People
) -> None:
    acme = people.organization("Acme")
    with pytest.raises(TransactionAbortedError):
        async with client.workspace(conn, user_id=acme.owner.id, organization_id=acme.id) as ws:
            await ws.update_organization(name="Lost")
            with pytest.raises(client.error):
                await ws.execute("SELECT 1 / 0")
    with pytest.raises(TransactionAbortedError):
        async with client.workspace(conn, user_id=acme.id) as ws:
            with pytest.raises(NotAMemberError):
                await ws.current()


async def test_a_block_without_a_statement_does_not_check_who_it_is_for_unless_asked(client: Client, conn: Any) -> None:
    async with client.workspace(conn, user_id=uuid4()):
        pass
    with pytest.raises(NotAMemberError):
        async with client.workspace(conn, user_id=uuid4()) as ws:
            await ws.open()


@pytest.mark.parametrize("autocommit", [True, False])
async def test_autocommit_is_left_as_it_was(psycopg_client: Client, dsn: str, people: People, autocommit: bool) -> None:
    client, ann = psycopg_client, people.user()
    async with client.connect(dsn, autocommit=autocommit) as conn:
        async with client.workspace(conn, user_id=ann.id) as ws:
            await ws.current()
        assert conn.autocommit is autocommit
        with pytest.raises(NotAMemberError):
            await client.fetch_all(conn, "SELECT 1", user_id=uuid4())
        assert conn.autocommit is autocommit
        assert not client.in_transaction(conn)


async def test_a_connection_in_a_transaction_is_refused_and_left_alone(
    client: Client, conn: Any, people: People
) -> None:
    ann = people.user()
    await client.send(conn, "BEGIN")
    with pytest.raises(ConnectionNotIdleError, match="already in a transaction"):
        async with client.workspace(conn, user_id=ann.id):
            pass
    with pytest.raises(ConnectionNotIdleError):
        await client.fetch_all(conn, "SELECT 1", user_id=ann.id)
    assert client.in_transaction(conn)
    with pytest.raises(client.error):
        await client.send(conn, "SELECT 1 / 0")
    with pytest.raises(ConnectionNotIdleError):
        async with client.workspace(conn, user_id=ann.id):
            pass
    await client.send(conn, "ROLLBACK")


async def test_a_transaction_that_begins_before_the_first_statement_is_refused_and_left_alone(
    client: Client, conn: Any, people: People
) -> None:
    ann = people.user()
    with pytest.raises(ConnectionNotIdleError):
        async with client.workspace(conn, user_id=ann.id) as ws:
            await client.send(conn, "BEGIN")
            await ws.current()
    assert client.in_transaction(conn)
    await client.send(conn, "ROLLBACK")


async def test_a_workspace_inside_a_workspace_is_refused(client: Client, conn: Any, people: People) -> None:
    ann, bob = people.user(), people.user()
    async with client.workspace(conn, user_id=ann.id) as ws:
        assert (await ws.current()).id == ann.id
        with pytest.raises(ConnectionNotIdleError):
            async with client.workspace(conn, user_id=bob.id) as inner:
                await inner.current()
        assert (await ws.current()).id == ann.id


async def test_a_closed_connection_is_refused(client: Client, dsn: str) -> None:
    async with client.connect(dsn) as conn:
        pass
    with pytest.raises(ConnectionNotIdleError, match="closed"):
        async with client.workspace(conn, user_id=uuid4()):
            pass


def test_a_connection_in_a_pipeline_is_refused(dsn: str, people: People) -> None:
    ann = people.user()
    with (
        psycopg.connect(dsn, autocommit=True) as conn,
        conn.pipeline(),
        pytest.raises(ConnectionNotIdleError, match="in a pipeline"),
        workspace(conn, user_id=ann.id),
    ):
        pass


async def test_a_workspace_works_only_inside_its_block(client: Client, conn: Any, people: People) -> None:
    ws = client.workspace(conn, user_id=people.user().id)
    with pytest.raises(WorkspaceClosedError):
        await ws.current()
    async with ws:
        await ws.current()
    with pytest.raises(WorkspaceClosedError):
        await ws.execute("SELECT 1")


async def test_the_options_are_those_of_the_transaction(client: Client, conn: Any, people: People) -> None:
    ann = people.user()
    async with client.workspace(
        conn,
        user_id=ann.id,
        isolation_level="serializable",
        deferrable=True,
        statement_timeout=1.5,
    ) as ws:
        settings = [
            await ws.fetch_value(f"SELECT pg_catalog.current_setting('{name}')")
            for name in (
                "transaction_isolation",
                "transaction_read_only",
                "transaction_deferrable",
                "statement_timeout",
            )
        ]
    assert settings == ["serializable", "off", "on", "1500ms"]
    async with client.workspace(conn, user_id=ann.id, read_only=True) as ws:
        assert await ws.fetch_value("SELECT pg_catalog.current_setting('transaction_read_only')") == "on"
    async with client.workspace(conn, user_id=ann.id) as ws:
        assert await ws.fetch_value("SELECT pg_catalog.current_setting('statement_timeout')") == "0"


async def test_the_options_default_to_those_of_the_connection(psycopg_client: Client, dsn: str, people: People) -> None:
    client, ann = psycopg_client, people.user()
    async with client.connect(dsn) as conn:
        setting = conn.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
        if client.is_async:
            await setting
        query = "SELECT pg_catalog.current_setting('transaction_isolation')"
        assert await client.fetch_all(conn, query, user_id=ann.id) == [("repeatable read",)]
        rows = await client.fetch_all(conn, query, user_id=ann.id, isolation_level="read committed")
        assert rows == [("read committed",)]


def test_identities_are_checked_before_anything_is_sent(client: Client, dsn: str) -> None:
    conn = psycopg.Connection.connect(dsn) if client.name == "psycopg" else _Stub(client)
    try:
        identities: list[dict[str, Any]] = [
            {},
            {"user_id": uuid4(), "ticket": "a.b.c"},
            {"ticket": "a.b.c", "organization_id": uuid4()},
            {"api_key": "sk_", "organization_id": uuid4()},
            {"platform": True},
            {"user_id": uuid4(), "organization_id": uuid4(), "platform": True},
            {"ticket": "a.b.c", "platform": True},
            {"api_key": "sk_", "platform": True},
            {"organization_id": uuid4()},
            # A misspelt keyword must not enter the personal workspace.
            {"user_id": uuid4(), "organisation_id": uuid4()},
            {"user_id": uuid4(), "organization": uuid4()},
            {"user_id": uuid4(), "readonly": True},
            {"user_id": uuid4(), "retry": 3},
            {"user_id": uuid4(), "timeout": 3},
            {"user_id": uuid4(), "isolation": "serializable"},
            {"user_id": uuid4(), "Platform": True},
        ]
        said = "^(a workspace|platform|organization_id) "
        for identity in identities:
            with pytest.raises(TypeError, match=said):
                client.module.workspace(conn, **identity)
            for ask in (client.module.run, client.module.fetch_all):
                with pytest.raises(TypeError, match=said):
                    waiting = ask(conn, "SELECT 1", **identity)
                    if client.is_async:
                        waiting.send(None)
        with pytest.raises(TypeError):
            client.module.workspace("dbname=x", user_id=uuid4())
    finally:
        conn.close()


class _PoolOfAnotherDriver:
    """Has the methods of psycopg's pools, but does not return psycopg's connections."""

    def __init__(self) -> None:
        self.given = object()
        self.returned: list[object] = []

    def getconn(self) -> object:
        return self.given

    def putconn(self, conn: object) -> None:
        self.returned.append(conn)


class _AsyncPoolOfAnotherDriver:
    def __init__(self) -> None:
        self.given = object()
        self.returned: list[object] = []

    async def getconn(self) -> object:
        return self.given

    async def putconn(self, conn: object) -> None:
        self.returned.append(conn)


async def test_a_pool_of_another_driver_is_refused_and_has_its_connection_back(psycopg_client: Client) -> None:
    client = psycopg_client
    pool = _AsyncPoolOfAnotherDriver() if client.is_async else _PoolOfAnotherDriver()
    with pytest.raises(TypeError, match=r"a workspace needs .*, not \w*PoolOfAnotherDriver$"):
        async with client.workspace(pool, user_id=uuid4()):
            pass
    with pytest.raises(TypeError):
        await client.fetch_all(pool, "SELECT 1", user_id=uuid4())
    assert pool.returned == [pool.given, pool.given]


def test_asyncpg_takes_nothing_that_only_has_its_methods() -> None:
    # A lock also has acquire().
    with pytest.raises(TypeError, match=r"a workspace needs a Connection or a Pool of asyncpg, not Lock$"):
        CLIENTS[2].module.workspace(asyncio.Lock(), user_id=uuid4())


def test_a_pool_of_another_flavour_is_refused_before_it_gives_a_connection(client: Client) -> None:
    pools: dict[str, type[Any]] = {"psycopg": AsyncConnectionPool, "psycopg-async": ConnectionPool}
    pool = pools.get(client.name, ConnectionPool)("", open=False)
    with pytest.raises(TypeError, match=r"a workspace needs .*, not (Async)?ConnectionPool$"):
        client.module.workspace(pool, user_id=uuid4())


class _Stub:
    """Looks like a connection or a pool until something is sent."""

    def __init__(self, client: Client) -> None:
        self.is_in_transaction = self.close = lambda: None

    async def getconn(self) -> None: ...


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


async def test_a_ticket_says_who_and_where(
    client: Client, database: Database, logins: Logins, people: People, admin: Connection
) -> None:
    acme = people.organization("Acme")
    row = admin.execute("SELECT key_id, secret FROM tenancy.create_ticket_key()").fetchone()
    assert row is not None
    key_id, secret = row
    claims = {"sub": str(acme.owner.id), "org": str(acme.id), "exp": int(time.time()) + 600}
    signed = f"{_part({'alg': 'HS256', 'typ': 'JWT', 'kid': key_id})}.{_part(claims)}"
    digest = hmac.new(secret.encode(), signed.encode(), hashlib.sha256).digest()
    ticket = f"{signed}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"
    async with client.connect(database.dsn(logins.credentialed)) as conn:
        async with client.workspace(conn, ticket=ticket) as ws:
            here = await ws.current()
            assert (here.id, here.role) == (acme.id, "owner")
        # This login may not name users, and the error says what it may do.
        for entry in ({"user_id": acme.owner.id}, {"user_id": acme.owner.id, "platform": True}):
            with pytest.raises(LoginMayNotEnterError, match="enters with ticket=, session= or api_key=") as raised:
                await client.fetch_all(conn, "SELECT 1", **entry)
            assert raised.value.sqlstate == "42501"
            with pytest.raises(LoginMayNotEnterError):
                async with client.workspace(conn, **entry) as ws:
                    await ws.current()


async def test_a_login_that_is_granted_nothing_hears_which_role_it_needs(
    client: Client, database: Database, new_login: Callable[..., str], people: People
) -> None:
    async with client.connect(database.dsn(new_login())) as conn:
        for entry, needed in (
            ({"user_id": uuid4()}, "needs tenancy_app"),
            ({"ticket": "a.b.c"}, "Grant the login tenancy_credentialed or tenancy_app."),
            ({"api_key": "sk_"}, "Grant the login tenancy_credentialed or tenancy_app."),
        ):
            with pytest.raises(LoginMayNotEnterError, match=needed):
                await client.fetch_all(conn, "SELECT 1", **entry)
    # A missing privilege of the application's own statement is another error.
    async with client.connect(database.dsn(new_login("tenancy_app"))) as conn:
        with pytest.raises(NotGrantedError) as raised:
            await client.fetch_all(conn, "SELECT password_hash FROM public.users", user_id=people.user().id)
        assert raised.value.sqlstate == "42501"
