"""Projects over HTTP: FastAPI and psycopg.

DATABASE_URL=postgresql://app@host/application uvicorn fastapi_app:app
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, FastAPI, Header
from psycopg_pool import AsyncConnectionPool
from pydantic import BaseModel

from pg_tenancy import TenancyError
from pg_tenancy.aio import Workspace
from pg_tenancy.fastapi import in_workspace
from pg_tenancy.starlette import answer


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with AsyncConnectionPool(os.environ["DATABASE_URL"], open=False) as app.state.pool:
        yield


app = FastAPI(lifespan=lifespan)
app.add_exception_handler(TenancyError, answer)


def signed_in(x_user: Annotated[UUID | None, Header()] = None) -> UUID | None:
    """Return the person who is logged in. A real application checks a session or a token here, not a header."""
    return x_user


def who(
    user: Annotated[UUID | None, Depends(signed_in)], x_organization: Annotated[UUID | None, Header()] = None
) -> dict[str, Any]:
    # The database checks that the user is a member of the organization.
    return {"user_id": user, "organization_id": x_organization}


InWorkspace = Annotated[Workspace[Any], in_workspace(lambda request: request.app.state.pool, who)]


class NewProject(BaseModel):
    name: str


@app.get("/projects")
async def projects(ws: InWorkspace) -> list[dict[str, Any]]:
    rows = await ws.fetch_all("SELECT id, name, public.progress(id) FROM projects ORDER BY name")
    return [{"id": id_, "name": name, "progress": progress} for id_, name, progress in rows]


@app.post("/projects", status_code=201)
async def create_project(ws: InWorkspace, project: NewProject) -> UUID:
    row = await ws.fetch_all("INSERT INTO projects (name) VALUES (%s) RETURNING id", [project.name])
    return UUID(str(row[0][0]))


@app.get("/members")
async def members(ws: InWorkspace) -> dict[str, str]:
    return {member.email: member.role for member in await ws.members()}
