"""Errors as responses of an HTTP server: problem documents as RFC 9457 defines them.

This imports no framework. ``pg_tenancy.starlette`` and ``pg_tenancy.django`` use it, and any
other server can.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from pg_tenancy.errors import PhaseNotDeployedError, TenancyError, name_of

__all__ = ["MEDIA_TYPE", "Problem", "problem"]

MEDIA_TYPE: Final = "application/problem+json"

# Statuses from here on are the server's fault.
_SERVER_ERROR: Final = 500
_UNAUTHORIZED: Final = 401


@dataclass(frozen=True, slots=True)
class Problem:
    """An HTTP server's response to a request that ended in an error of pg-tenancy.

    Attributes:
        status: the status of the response, from 400 to 599.
        headers: header fields besides the media type.
        document: the document: ``type``, ``title``, ``status``, ``name``, ``detail``, and
            ``hint`` and ``phase`` if there are any.

    """

    status: int
    headers: dict[str, str]
    document: dict[str, str | int]

    @property
    def body(self) -> bytes:
        """Return the document as JSON, in UTF-8."""
        return json.dumps(self.document, ensure_ascii=False).encode()


def problem(error: TenancyError) -> Problem:
    """Return the response for an error.

    ``name`` is the error's name in the database, such as ``permission_denied``. It is stable
    across versions, so clients can rely on it. ``detail`` and ``hint`` are for people. For
    errors of the application itself (status 500) neither is revealed; log the exception.

    Args:
        error: the error of a workspace.

    Returns:
        The status, the header fields and the document.
    """
    name = name_of(error)
    document: dict[str, str | int] = {
        "type": f"urn:pg-tenancy:error:{name}",
        "title": name.replace("_", " ").capitalize(),
        "status": error.http_status,
        "name": name,
        "detail": "An internal error occurred.",
    }
    if error.http_status != _SERVER_ERROR:
        document["detail"] = error.message
    if error.http_status < _SERVER_ERROR and error.hint is not None:
        document["hint"] = error.hint
    if isinstance(error, PhaseNotDeployedError):
        document["phase"] = error.phase
    # A 401 must say how to authenticate: with a bearer token, which is a ticket or a key.
    headers = {"WWW-Authenticate": "Bearer"} if error.http_status == _UNAUTHORIZED else {}
    # Caches may keep a 404 by default, but the same address has other answers in other workspaces.
    headers["Cache-Control"] = "no-store"
    return Problem(error.http_status, headers, document)
