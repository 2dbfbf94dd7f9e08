"""The router: opens the workspace of whoever calls, and holds the endpoints."""

# Without "from __future__ import annotations": FastAPI reads the annotations.

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.requests import HTTPConnection

from pg_tenancy.fastapi import access, costs, organizations, things
from pg_tenancy.fastapi.answers import POOL, WORKSPACE, Source
from pg_tenancy.fastapi.dependency import in_workspace

__all__ = ["tenancy_router"]


def tenancy_router(pool: Source, who: Callable[..., Any]) -> APIRouter:
    """Return a router with the endpoints of organizations, keys, instances, models, settings and costs.

    Each request is one transaction in one workspace. Errors are ``TenancyError``s, for
    ``app.add_exception_handler(TenancyError, answer)`` of ``pg_tenancy.starlette``.

    Args:
        pool: an asynchronous pool of psycopg's, which the application opens.
        who: a dependency that authenticates the sender and returns the keywords of
            ``pg_tenancy.aio.workspace`` for them: ``{"ticket": ...}``, ``{"api_key": ...}`` or
            ``{"user_id": ..., "organization_id": ...}``.

    Returns:
        The router, for ``app.include_router(router, prefix="/api")``.
    """
    opened = in_workspace(lambda _: pool, who)

    async def enter(connection: HTTPConnection, ws: Annotated[Any, opened]) -> None:
        connection.scope[WORKSPACE] = ws

    async def stay_outside(connection: HTTPConnection) -> None:
        connection.scope[POOL] = pool

    router = APIRouter()
    # First, as its paths look like ids of the others.
    router.include_router(organizations.public, dependencies=[Depends(stay_outside)])
    for each in (organizations.router, access.router, things.router, costs.router):
        router.include_router(each, dependencies=[Depends(enter)])
    return router
