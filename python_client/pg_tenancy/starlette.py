"""Starlette, and FastAPI on it: requests in a workspace, errors as problem documents.

```python
app.add_exception_handler(TenancyError, answer)
app.add_middleware(WorkspaceMiddleware, who=who)
```

``pg_tenancy.fastapi.dependency`` has a dependency that gives a ``Workspace``.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, TypeAlias

from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from pg_tenancy.context import outside_workspaces, workspace_context
from pg_tenancy.errors import TenancyError
from pg_tenancy.problems import MEDIA_TYPE, problem

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from pg_tenancy._opening import Who

    WhoOf: TypeAlias = Callable[[HTTPConnection], Who | Awaitable[Who | None] | None]

__all__ = ["WorkspaceMiddleware", "answer"]

_log = logging.getLogger("pg_tenancy")


def answer(request: Request, error: Exception) -> Response:
    """Return the response for an error of pg-tenancy: a problem document with its status.

    For ``app.add_exception_handler(TenancyError, answer)``. A mistake of the application
    itself (status 500) is logged with its traceback, as the response does not reveal it.

    Args:
        request: the request that ended in the error.
        error: a TenancyError.

    Returns:
        The response; see ``pg_tenancy.problems`` for what is in it.

    Raises:
        Exception: the error itself, if it is none of pg-tenancy's.
    """
    if not isinstance(error, TenancyError):
        raise error
    found = problem(error)
    if found.status >= 500:
        _log.error("%s %s: %s", request.method, request.url.path, error, exc_info=error)
    return Response(found.body, found.status, found.headers, media_type=MEDIA_TYPE)


class WorkspaceMiddleware:
    """Runs each request in the ``workspace_context`` of whoever sent it.

    An engine of ``pg_tenancy.sqlalchemy`` then enters that workspace with each of the
    request's transactions. For WebSockets too, whose workspace stays the one they were
    opened in.

    Args:
        app: the application behind it.
        who: called with the connection of each request or WebSocket; a function or a coroutine
            function. It returns the keywords of ``workspace_context``, such as
            ``{"user_id": ..., "organization_id": ...}``, or None for a request that
            belongs to no workspace, a login page for instance. What it raises of
            pg-tenancy's errors is answered with a problem document.

    """

    def __init__(self, app: ASGIApp, who: WhoOf) -> None:
        self.app = app
        self.who = who

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, as ASGI calls it."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        with ExitStack() as stack:
            try:
                found = self.who(HTTPConnection(scope))
                entry = await found if inspect.isawaitable(found) else found
                stack.enter_context(outside_workspaces() if entry is None else workspace_context(**entry))
            except TenancyError as error:
                if scope["type"] != "http":
                    raise
                await answer(Request(scope), error)(scope, receive, send)
                return
            await self.app(scope, receive, send)
