"""Requests in the workspace of their sender, and errors as problem documents."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import sync_and_async_middleware
from django.utils.module_loading import import_string

from pg_tenancy.context import outside_workspaces, workspace_context
from pg_tenancy.errors import TenancyError, tenancy_error
from pg_tenancy.problems import MEDIA_TYPE, problem

__all__ = ["workspace_middleware"]

_log = logging.getLogger("pg_tenancy")


@sync_and_async_middleware
def workspace_middleware(get_response: Callable[[HttpRequest], Any]) -> Any:
    """Run each request in the workspace of its sender.

    The setting ``PG_TENANCY_WHO`` is the dotted path of a function that takes the request. It
    returns the keywords of ``workspace_context``, such as ``{"user_id": ...,
    "organization_id": ...}``, or None for a request without a workspace. List this middleware
    after the one that authenticates.

    An error of pg-tenancy becomes a problem document with its status. An error of the
    application itself (status 500) is also logged with its traceback.
    """
    who = import_string(settings.PG_TENANCY_WHO)

    @contextmanager
    def entered(request: HttpRequest) -> Iterator[None]:
        entry = who(request)
        with outside_workspaces() if entry is None else workspace_context(**entry):
            yield

    def middleware(request: HttpRequest) -> Any:
        try:
            with entered(request):
                return get_response(request)
        except TenancyError as error:
            return _answer(request, error)

    async def async_middleware(request: HttpRequest) -> Any:
        try:
            with entered(request):
                return await get_response(request)
        except TenancyError as error:
            return _answer(request, error)

    chosen: Any = async_middleware if iscoroutinefunction(get_response) else middleware
    chosen.process_exception = _process_exception
    return chosen


def _process_exception(request: HttpRequest, exception: Exception) -> HttpResponse | None:
    """Answer a view's exception, if it is an error of pg-tenancy or was caused by one."""
    error = tenancy_error(exception)
    return None if error is None else _answer(request, error, exception)


def _answer(request: HttpRequest, error: TenancyError, raised: Exception | None = None) -> HttpResponse:
    found = problem(error)
    if found.status >= 500:
        _log.error("%s %s: %s", request.method, request.path, error, exc_info=raised or error)
    return HttpResponse(found.body, status=found.status, content_type=MEDIA_TYPE, headers=found.headers)
