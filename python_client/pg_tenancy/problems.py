"""Errors as responses of an HTTP server: problem documents as RFC 9457 defines them.

No framework is imported here: ``pg_tenancy.starlette`` and ``pg_tenancy.django`` send
these, and so can any other server.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from pg_tenancy.errors import PhaseNotDeployedError, TenancyError, name_of

__all__ = ["MEDIA_TYPE", "Problem", "problem"]

MEDIA_TYPE: Final = "application/problem+json"

# From here on the fault is the server's.
_SERVER_ERROR: Final = 500
_UNAUTHORIZED: Final = 401


@dataclass(frozen=True, slots=True)
class Problem:
    """An HTTP server's response to a request that ended in an error of pg-tenancy.

    Attributes:
        status: the status of the response, from 400 to 599.
        headers: header fields that the response has beside its media type.
        document: the members of the document: ``type``, ``title``, ``status``, ``name``
            and ``detail``, and where there are any ``hint`` and ``phase``.

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

    ``name`` is the error's name in the database, such as ``permission_denied``, and
    stays the same from version to version: clients decide by it. ``detail`` and
    ``hint`` are the server's words for people. Where the mistake is the application's
    own (status 500) neither is revealed; log the exception.

    Args:
        error: what a workspace raised.

    Returns:
        The status, the header fields and the document.
    """
    name = name_of(error)
    document: dict[str, str | int] = {
        "type": f"urn:pg-tenancy:error:{name}",
        "title": name.replace("_", " ").capitalize(),
        "status": error.http_status,
        "name": name,
        "detail": "The server has made a mistake.",
    }
    if error.http_status != _SERVER_ERROR:
        document["detail"] = error.message
    if error.http_status < _SERVER_ERROR and error.hint is not None:
        document["hint"] = error.hint
    if isinstance(error, PhaseNotDeployedError):
        document["phase"] = error.phase
    # A 401 must say how to authenticate: tickets and keys are what bearers present.
    headers = {"WWW-Authenticate": "Bearer"} if error.http_status == _UNAUTHORIZED else {}
    # Caches may keep a 404 by themselves, and the same address is another answer in another workspace.
    headers["Cache-Control"] = "no-store"
    return Problem(error.http_status, headers, document)
