"""The router: opens the caller's workspace, and contains the endpoints."""

# Without "from __future__ import annotations": FastAPI reads the annotations.

from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, Any

import psycopg
from fastapi import APIRouter, Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response

from pg_tenancy.errors import TenancyError
from pg_tenancy.fastapi import access, costs, offerings, organizations, things
from pg_tenancy.fastapi.answers import POOL, WORKSPACE, Problem, Source
from pg_tenancy.fastapi.dependency import in_workspace
from pg_tenancy.problems import MEDIA_TYPE
from pg_tenancy.starlette import answer

__all__ = ["install_problems", "refused", "tenancy_router"]

_CONFLICT, _REFUSED, _BUSY = 409, 422, 503


def install_problems(app: FastAPI) -> None:
    """Let an application answer errors of pg-tenancy and its database with problem documents.

    A busy or unavailable database and a conflict with another transaction are 503 with
    ``Retry-After``. Rows that the application's own tables refuse are 409 or 422, without the
    database's message, which may contain other tenants' values.
    """
    app.add_exception_handler(TenancyError, answer)
    for kind, status, name, words in (
        (psycopg.OperationalError, _BUSY, "busy", "The database is busy or unavailable."),
        (psycopg.errors.UniqueViolation, _CONFLICT, "conflict", "Another row has one of these values."),
        (psycopg.IntegrityError, _REFUSED, "invalid_argument", "The database does not take these values."),
        (psycopg.DataError, _REFUSED, "invalid_argument", "The database does not take these values."),
    ):
        app.add_exception_handler(kind, _Handler(status, name, words))
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, refused)
    describe = app.openapi

    def openapi() -> dict[str, Any]:
        schema = describe()
        schema.setdefault("components", {}).setdefault("schemas", {})["Problem"] = Problem.model_json_schema()
        return schema

    app.openapi = openapi  # type: ignore[method-assign]


class _Handler:
    def __init__(self, status: int, name: str, detail: str) -> None:
        self._what = (status, name, detail)

    async def __call__(self, request: Request, error: Exception) -> Response:
        return _answer(*self._what)


async def _invalid(request: Request, error: Exception) -> Response:
    """Name the invalid fields, but not their values, which may be secret."""
    assert isinstance(error, RequestValidationError)  # noqa: S101  (it is registered for these)
    wrong = [{"where": list(each["loc"]), "what": each["msg"]} for each in error.errors()]
    return _answer(_REFUSED, "invalid_argument", "A value is invalid.", errors=wrong)


async def refused(request: Request, error: Exception) -> Response:
    """Answer an HTTPException with a problem document."""
    assert isinstance(error, HTTPException)  # noqa: S101  (it is registered for these)
    title = HTTPStatus(error.status_code).phrase
    return _answer(error.status_code, title.lower().replace(" ", "_"), title)


def _answer(status: int, name: str, detail: str, **more: Any) -> Response:
    document = {
        "type": f"urn:pg-tenancy:error:{name}",
        "title": name.replace("_", " ").capitalize(),
        "status": status,
        "name": name,
        "detail": detail,
        **more,
    }
    headers = {"cache-control": "no-store"} | ({"retry-after": "1"} if status == _BUSY else {})
    return JSONResponse(document, status, headers, MEDIA_TYPE)


def _keep_nowhere(response: Response) -> None:
    # The same address has other answers for other callers and workspaces.
    response.headers["cache-control"] = "no-store"


def tenancy_router(pool: Source, who: Callable[..., Any]) -> APIRouter:
    """Return a router with the endpoints for organizations, keys, instances, models, settings and costs.

    Each request is one transaction in one workspace. The application handles errors; use
    ``install_problems(app)``.

    Args:
        pool: psycopg's asynchronous pool; the application opens it.
        who: a dependency that authenticates the sender and returns the keywords of
            ``pg_tenancy.aio.workspace``: ``{"ticket": ...}``, ``{"api_key": ...}`` or
            ``{"user_id": ..., "organization_id": ...}``.

    Returns:
        The router, for ``app.include_router(router, prefix="/api")``.
    """
    opened = in_workspace(lambda _: pool, who)

    async def enter(connection: HTTPConnection, response: Response, ws: Annotated[Any, opened]) -> None:
        connection.scope[WORKSPACE] = ws
        _keep_nowhere(response)

    async def stay_outside(connection: HTTPConnection, response: Response) -> None:
        connection.scope[POOL] = pool
        _keep_nowhere(response)

    router = APIRouter()
    # Before the others, whose id parameters would match its paths.
    router.include_router(organizations.public, dependencies=[Depends(stay_outside)])
    for each in (organizations.router, offerings.router, access.router, things.router, costs.router):
        router.include_router(each, dependencies=[Depends(enter)])
    return router
