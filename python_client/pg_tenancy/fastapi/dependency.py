"""A FastAPI dependency that provides the workspace of a request's sender."""

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

    ``ws: Annotated[Workspace, in_workspace(pool_of, who)]``. The transaction commits after
    the endpoint returns and before the response is sent, so a failed COMMIT is an error of
    the request. If the endpoint raises, nothing is written.

    Args:
        source: a function that takes the request and returns the pool or connection, such as
            ``lambda request: request.app.state.pool``.
        who: a dependency that returns the keywords of ``pg_tenancy.workspace`` for the
            authenticated sender, such as ``{"user_id": ..., "organization_id": ...}``.
        workspace: ``pg_tenancy.aio.workspace`` or ``pg_tenancy.asyncpg.workspace``.
        **options: options of the transaction, such as ``read_only=True``.

    Returns:
        What ``Depends`` returns, for ``Annotated`` or as a default.

    Raises:
        TenancyError: (in each request) the errors of ``pg_tenancy.aio.workspace``.
    """

    async def dependency(connection: HTTPConnection, entry: Any = Depends(who)) -> AsyncIterator[Any]:  # noqa: B008
        async with workspace(source(connection), **entry, **options) as ws:
            yield ws

    # By default a dependency ends only after the response has been sent.
    return Depends(dependency, scope="function")
