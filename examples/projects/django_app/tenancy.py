"""Whose workspace a request is in."""

from typing import Any

from django.http import HttpRequest


def who(request: HttpRequest) -> dict[str, Any]:
    # An application takes request.user.id here, and believes no header.
    return {"user_id": request.headers.get("X-User"), "organization_id": request.headers.get("X-Organization")}
