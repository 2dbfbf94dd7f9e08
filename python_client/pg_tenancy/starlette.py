"""Starlette, and FastAPI on it: requests in a workspace, errors as problem documents.

```python
app.add_exception_handler(TenancyError, answer)
app.add_middleware(WorkspaceMiddleware, who=who)
```

``pg_tenancy.fastapi.dependency`` has a dependency that provides a ``Workspace``.
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

    For ``app.add_exception_handler(TenancyError, answer)``. An error of the application
    itself (status 500) is logged with its traceback, because the response does not reveal it.

    Args:
        request: the request that caused the error.
        error: a TenancyError.

    Returns:
        The response; see ``pg_tenancy.problems``.

    Raises:
        Exception: the error itself, if it is not one of pg-tenancy's.
    """
    if not isinstance(error, TenancyError):
        raise error
    found = problem(error)
    if found.status >= 500:
        _log.error("%s %s: %s", request.method, request.url.path, error, exc_info=error)
    return Response(found.body, found.status, found.headers, media_type=MEDIA_TYPE)


class WorkspaceMiddleware:
    """Runs each request in the ``workspace_context`` of its sender.

    Each of the request's transactions on an engine of ``pg_tenancy.sqlalchemy`` then enters
    that workspace. A WebSocket keeps the workspace in which it was opened.

    Args:
        app: the wrapped application.
        who: a function or coroutine function that takes the connection of a request or WebSocket.
            It returns the keywords of ``workspace_context``, such as
            ``{"user_id": ..., "organization_id": ...}``, or None for a request without a
            workspace, such as a login page. If it raises an error of pg-tenancy, the response
            is a problem document.

    """

    def __init__(self, app: ASGIApp, who: WhoOf) -> None:
        self.app = app
        self.who = who

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI request."""
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
