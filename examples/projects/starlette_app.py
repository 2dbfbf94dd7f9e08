"""Projects over HTTP: Starlette, and SQLAlchemy without models.

DATABASE_URL=postgresql+psycopg://app@host/application uvicorn starlette_app:app
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

from sqlalchemy import Column, DateTime, MetaData, Table, Text, Uuid, insert, select, text
from sqlalchemy.ext.asyncio import create_async_engine
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

from pg_tenancy import TenancyError
from pg_tenancy.sqlalchemy import FilledByDatabase, enter_workspaces
from pg_tenancy.starlette import WorkspaceMiddleware, answer

projects = Table(
    "projects",
    MetaData(),
    Column("id", Uuid, primary_key=True, default=uuid4),
    Column("name", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    FilledByDatabase("created_at"),
)


def sender(request: HTTPConnection) -> dict[str, Any] | None:
    """Return the workspace of a request. A real application checks a session or a token here, not a header."""
    if request.url.path == "/health":
        return None  # outside of workspaces
    return {"user_id": request.headers.get("x-user"), "organization_id": request.headers.get("x-organization")}


async def list_projects(request: Request) -> JSONResponse:
    async with request.app.state.engine.connect() as connection:
        found = await connection.scalars(select(projects.c.name).order_by(projects.c.name))
        return JSONResponse(found.all())


async def create_project(request: Request) -> JSONResponse:
    new = insert(projects).values(name=(await request.json())["name"])
    async with request.app.state.engine.begin() as connection:
        made = (await connection.execute(new.returning(projects.c.id, projects.c.created_at))).one()
    return JSONResponse({"id": str(made.id), "created_at": made.created_at.isoformat()}, status_code=201)


async def health(request: Request) -> PlainTextResponse:
    async with request.app.state.engine.connect() as connection:
        await connection.execute(text("SELECT 1"))
    return PlainTextResponse("ready")


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    app.state.engine = enter_workspaces(create_async_engine(os.environ["DATABASE_URL"]))
    yield
    await app.state.engine.dispose()


app = Starlette(
    routes=[
        Route("/projects", list_projects),
        Route("/projects", create_project, methods=["POST"]),
        Route("/health", health),
    ],
    middleware=[Middleware(WorkspaceMiddleware, who=sender)],
    exception_handlers={TenancyError: answer},
    lifespan=lifespan,
)
