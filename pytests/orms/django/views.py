"""Views of an application, and the senders of its requests."""

from __future__ import annotations

from typing import Any

from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path

from orms.django.models import Project
from pg_tenancy.errors import LastOwnerError


def who(request: HttpRequest) -> Any:
    """Trust the sender that the request names."""
    if "X-Api-Key" in request.headers:
        return {"api_key": request.headers["X-Api-Key"]}
    if request.path == "/public":
        return None
    return {
        "user_id": request.headers.get("X-User"),
        "organization_id": request.headers.get("X-Organization"),
    }


def projects(request: HttpRequest) -> HttpResponse:
    """List the projects, or create one."""
    if request.method == "POST":
        project = Project.objects.create(name=request.POST["name"])
        if "fail" in request.POST:
            raise ZeroDivisionError
        return HttpResponse(str(project.pk), status=201)
    return JsonResponse({"names": sorted(Project.objects.values_list("name", flat=True))})


def workspace(request: HttpRequest) -> HttpResponse:
    """Return the workspace before and after a savepoint that is rolled back."""
    found = []
    for _ in range(2):
        with connection.cursor() as cursor:
            cursor.execute("SELECT tenancy.current_workspace_id()")
            found.append(str(cursor.fetchone()[0]))
        with transaction.atomic():
            Project.objects.count()
            transaction.set_rollback(True)
    return JsonResponse({"workspaces": found})


@transaction.non_atomic_requests
def by_itself(request: HttpRequest) -> HttpResponse:
    """Query without a transaction."""
    return JsonResponse({"count": Project.objects.count()})


@transaction.non_atomic_requests
async def asynchronous(request: HttpRequest) -> HttpResponse:
    """Query from a coroutine: Django runs transactions in a thread."""
    from asgiref.sync import sync_to_async

    def inside() -> int:
        with transaction.atomic():
            return Project.objects.count()

    return JsonResponse({"count": await sync_to_async(inside)()})


def last_owner(request: HttpRequest) -> HttpResponse:
    """Raise an error of the client."""
    raise LastOwnerError("an organization must keep an owner", constraint="organization_keeps_an_owner")


urlpatterns = [
    path("projects", projects),
    path("workspace", workspace),
    path("by-itself", by_itself),
    path("asynchronous", asynchronous),
    path("last-owner", last_owner),
    path("public", projects),
]
