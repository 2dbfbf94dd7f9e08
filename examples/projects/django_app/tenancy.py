"""Returns the workspace of a request."""

from typing import Any

from django.http import HttpRequest


def who(request: HttpRequest) -> dict[str, Any]:
    # A real application uses request.user.id here, and trusts no header.
    return {"user_id": request.headers.get("X-User"), "organization_id": request.headers.get("X-Organization")}
