"""Requests run in the workspace of their sender, and errors are problem documents."""

# Without "from __future__ import annotations": FastAPI reads those of the endpoints below.

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Annotated, Any
from uuid import UUID, uuid4

import asyncpg  # type: ignore[import-untyped, unused-ignore]
import httpx
import pytest
from fastapi import Depends, FastAPI, Header
from psycopg_pool import AsyncConnectionPool, ConnectionPool
from sqlalchemy import Engine, create_engine, func, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import Session
from starlette.requests import HTTPConnection, Request

import pg_tenancy.asyncpg
from pg_tenancy import TenancyError, workspace
from pg_tenancy.errors import NoContextError
from pg_tenancy.fastapi import in_workspace
from pg_tenancy.sqlalchemy import enter_workspaces, workspace_context
from pg_tenancy.starlette import WorkspaceMiddleware, answer
from support.server import Logins, Server
from support.two_tenants import TwoTenants, two_tenants

Get = Callable[..., Awaitable[httpx.Response]]
WHERE = select(func.tenancy.current_workspace_id())


@pytest.fixture(scope="module")
def tenants(server: Server, template: str, logins: Logins) -> Iterator[TwoTenants]:
    """Return two tenants, and a table in which a COMMIT can fail."""
    with two_tenants(server, template, logins) as tenants:
        tenants.database.execute(
            "CREATE TABLE public.numbers (number int UNIQUE DEFERRABLE INITIALLY DEFERRED)",
            "GRANT INSERT ON public.numbers TO tenancy_app",
        )
        yield tenants


def sender(request: HTTPConnection) -> Any:
    """Believe who the request says it is from."""
    if "x-api-key" in request.headers:
        return {"api_key": request.headers["x-api-key"]}
    if request.url.path == "/public":
        return None
    return {"user_id": request.headers.get("x-user"), "organization_id": request.headers.get("x-organization")}


def who(
    x_user: Annotated[UUID | None, Header()] = None, x_organization: Annotated[UUID | None, Header()] = None
) -> Any:
    return {"user_id": x_user, "organization_id": x_organization}


async def context(entry: Annotated[dict[str, Any], Depends(who)]) -> AsyncIterator[None]:
    with workspace_context(**entry):
        yield


def make_app(
    pool: AsyncConnectionPool[Any],
    other_pool: Any,
    sync_pool: ConnectionPool[Any],
    engine: AsyncEngine,
    sync_engine: Engine,
) -> FastAPI:
    app = FastAPI()
    app.add_exception_handler(TenancyError, answer)
    app.state.pool = pool
    psycopg_workspace = Annotated[Any, in_workspace(lambda request: request.app.state.pool, who)]
    reading = in_workspace(lambda _: other_pool, who, workspace=pg_tenancy.asyncpg.workspace, read_only=True)

    @app.get("/psycopg")
    async def psycopg(ws: psycopg_workspace) -> str:
        return str((await ws.current()).id)

    @app.get("/asyncpg")
    async def asyncpg(ws: Annotated[Any, reading]) -> list[str]:
        read_only = await ws.fetch_value("SELECT current_setting('transaction_read_only')")
        return [str((await ws.current()).id), read_only]

    # As the document says of synchronous pools.
    def in_a_thread(entry: Annotated[Any, Depends(who)]) -> Iterator[Any]:
        with workspace(sync_pool, **entry) as ws:
            yield ws

    @app.get("/synchronous")
    def synchronous(ws: Annotated[Any, Depends(in_a_thread, scope="function")]) -> str:
        return str(ws.current().id)

    @app.post("/numbers")
    async def numbers(ws: psycopg_workspace, number: int, times: int = 1, fail: bool = False) -> str:
        for _ in range(times):
            await ws.execute("INSERT INTO public.numbers VALUES (%s)", [number])
        if fail:
            raise ZeroDivisionError
        return "written"

    @app.post("/organizations")
    async def create(ws: psycopg_workspace, name: str) -> str:
        return str((await ws.create_organization(name)).id)

    @app.post("/invitations")
    async def invite(ws: psycopg_workspace) -> str:
        return str((await ws.invite_member(f"{uuid4()}@example.com", "owner")).id)

    @app.get("/outside")
    async def outside() -> None:
        async with pool.connection() as connection:
            try:
                await connection.execute("SELECT tenancy.members()")
            except Exception as error:
                raise NoContextError("the secret words") from error

    @app.get("/sqlalchemy", dependencies=[Depends(context)])
    async def session() -> str:
        async with AsyncSession(engine) as session:
            return str((await session.execute(WHERE)).scalar_one())

    # A function of its own thread, which has a copy of the context.
    @app.get("/thread", dependencies=[Depends(context)])
    def thread() -> str:
        with Session(sync_engine) as session:
            return str(session.execute(WHERE).scalar_one())

    @app.get("/middleware")
    async def middleware() -> str:
        return await session()

    @app.get("/public")
    async def public() -> str:
        return await session()

    return app


@pytest.fixture
async def app(tenants: TwoTenants) -> AsyncIterator[FastAPI]:
    dsn = tenants.database.dsn(tenants.logins.app)
    url = dsn.replace("postgresql://", "postgresql+psycopg://")
    engine, sync_engine = enter_workspaces(create_async_engine(url)), enter_workspaces(create_engine(url))
    async with (
        AsyncConnectionPool(dsn, min_size=1, max_size=2, open=False) as pool,
        asyncpg.create_pool(dsn, min_size=1, max_size=2) as other,
    ):
        with ConnectionPool(dsn, min_size=1, max_size=2, open=True) as sync_pool:
            yield make_app(pool, other, sync_pool, engine, sync_engine)
    await engine.dispose()
    sync_engine.dispose()


@asynccontextmanager
async def _client(app: Any) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
        yield client


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with _client(app) as client:
        yield client


@pytest.fixture
def acme(tenants: TwoTenants) -> dict[str, str]:
    """Return the header fields of a request of Acme's owner."""
    return {"x-user": str(tenants.members["owner"].id), "x-organization": str(tenants.acme.id)}


async def test_every_way_is_in_the_workspace_of_the_sender(
    client: httpx.AsyncClient, tenants: TwoTenants, acme: dict[str, str]
) -> None:
    globex = {"x-user": str(tenants.outsider.id), "x-organization": str(tenants.globex.id)}
    person = {"x-user": str(tenants.person.id)}
    for path in ("/psycopg", "/asyncpg", "/synchronous", "/sqlalchemy", "/thread"):
        answers = await asyncio.gather(*(client.get(path, headers=each) for each in [acme, globex, person] * 3))
        found = [answer.json()[0] if path == "/asyncpg" else answer.json() for answer in answers]
        assert found == [str(tenants.acme.id), str(tenants.globex.id), str(tenants.person.id)] * 3
    assert (await client.get("/asyncpg", headers=acme)).json()[1] == "on"


async def test_the_commit_comes_before_the_response(client: httpx.AsyncClient, acme: dict[str, str]) -> None:
    assert (await client.post("/numbers?number=1", headers=acme)).json() == "written"
    # Twice the same number is an error of the COMMIT.
    assert (await client.post("/numbers?number=2&times=2", headers=acme)).status_code == 500
    assert (await client.post("/numbers?number=3&fail=true", headers=acme)).status_code == 500
    # So neither is there: else this would be one.
    for number in (2, 3):
        assert (await client.post(f"/numbers?number={number}", headers=acme)).json() == "written"


async def test_refusals_are_problem_documents(
    client: httpx.AsyncClient, tenants: TwoTenants, acme: dict[str, str]
) -> None:
    user = {**acme, "x-user": str(tenants.members["user"].id)}
    stranger = {**acme, "x-user": str(tenants.outsider.id)}
    for answered, status, name in (
        (await client.get("/psycopg"), 401, "user_id_required"),
        (await client.get("/psycopg", headers=stranger), 403, "not_a_member"),
        (await client.get("/sqlalchemy", headers=stranger), 403, "not_a_member"),
        (await client.post("/invitations", headers=user), 403, "permission_denied"),
        (await client.post("/organizations?name=+", headers=acme), 422, "organization_name_invalid"),
    ):
        document = answered.json()
        assert (answered.status_code, document["status"], document["name"]) == (status, status, name)
        assert answered.headers["content-type"] == "application/problem+json"
        assert ("www-authenticate" in answered.headers) == (status == 401)


async def test_a_mistake_of_the_application_is_logged_and_not_told(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR, "pg_tenancy"):
        answered = await client.get("/outside")
    assert (answered.status_code, answered.json()["name"]) == (500, "no_context")
    assert "secret" not in answered.text
    assert "GET /outside: the secret words" in caplog.text
    assert "InvalidAuthorizationSpecification" in caplog.text


async def test_other_errors_are_not_answered() -> None:
    with pytest.raises(ZeroDivisionError):
        answer(Request({"type": "http", "method": "GET", "path": "/", "headers": []}), ZeroDivisionError())


@pytest.mark.parametrize("is_async", [False, True])
async def test_the_middleware_names_the_workspace_of_each_request(
    app: FastAPI, tenants: TwoTenants, acme: dict[str, str], *, is_async: bool
) -> None:
    async def sender_later(request: HTTPConnection) -> Any:
        await asyncio.sleep(0)
        return sender(request)

    behind = WorkspaceMiddleware(app, sender_later if is_async else sender)
    async with _client(behind) as client:
        answers = await asyncio.gather(
            *(client.get("/middleware", headers=each) for each in [acme, {"x-user": str(tenants.person.id)}] * 3)
        )
        assert [answer.json() for answer in answers] == [str(tenants.acme.id), str(tenants.person.id)] * 3
        by_key = await client.get("/middleware", headers={"x-api-key": tenants.api_keys["personal"]})
        assert by_key.json() == str(tenants.members["owner"].id)
        for headers, name in (({}, "user_id_required"), ({"x-api-key": "x"}, "invalid_api_key")):
            answered = await client.get("/middleware", headers=headers)
            assert (answered.status_code, answered.json()["name"]) == (401, name)
        # In no workspace, on purpose: the server's own error.
        assert (await client.get("/public")).json()["name"] == "no_context"


async def test_other_kinds_of_messages_go_through_the_middleware(app: FastAPI) -> None:
    seen: list[str] = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    behind = WorkspaceMiddleware(inner, sender)
    await behind({"type": "lifespan"}, None, None)  # type: ignore[arg-type]
    websocket: dict[str, Any] = {"type": "websocket", "path": "/", "headers": [], "server": ("app", 80)}
    with pytest.raises(TenancyError):
        await behind(websocket, None, None)  # type: ignore[arg-type]
    await behind({**websocket, "path": "/public"}, None, None)  # type: ignore[arg-type]
    assert seen == ["lifespan", "websocket"]
