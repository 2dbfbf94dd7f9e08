"""A FastAPI dependency that gives a workspace of whoever sent the request."""

# Without "from __future__ import annotations": FastAPI reads the annotations below.

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from fastapi import Depends
from starlette.requests import HTTPConnection

from pg_tenancy import aio

__all__ = ["in_workspace"]


def in_workspace(
    source: Callable[[HTTPConnection], Any],
    who: Callable[..., Any],
    *,
    workspace: Callable[..., AbstractAsyncContextManager[Any]] = aio.workspace,
    **options: Any,
) -> Any:
    """Return a dependency whose value is a ``Workspace``: one transaction in the workspace of the request.

    ``ws: Annotated[Workspace, in_workspace(pool_of, who)]``. The transaction commits when
    the endpoint has returned and before the response leaves, so a COMMIT that fails is an
    error of the request; if the endpoint raises, nothing is written.

    Args:
        source: called with the request, returns the pool or the connection, such as
            ``lambda request: request.app.state.pool``.
        who: a dependency of its own, with whatever parameters it needs. It returns the
            keywords of ``pg_tenancy.workspace`` for the authenticated sender, such as
            ``{"user_id": ..., "organization_id": ...}``.
        workspace: ``pg_tenancy.aio.workspace``, or that of ``pg_tenancy.asyncpg``.
        **options: of the transaction, such as ``read_only=True``.

    Returns:
        What ``Depends`` returns, for ``Annotated`` or as a default.

    Raises:
        TenancyError: (in each request) the errors of ``pg_tenancy.aio.workspace``.
    """

    async def dependency(connection: HTTPConnection, entry: Any = Depends(who)) -> AsyncIterator[Any]:  # noqa: B008
        async with workspace(source(connection), **entry, **options) as ws:
            yield ws

    # By itself a dependency ends only when the response has been sent.
    return Depends(dependency, scope="function")
