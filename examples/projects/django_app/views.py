"""The application's views and their addresses."""

from django.http import HttpRequest, JsonResponse
from django.urls import path

from django_app.models import Project, Task


def projects(request: HttpRequest) -> JsonResponse:
    if request.method == "POST":
        project = Project.objects.create(name=request.POST["name"])
        Task.objects.bulk_create(Task(project=project, title=title) for title in request.POST.getlist("task"))
        return JsonResponse({"id": project.pk}, status=201)
    found = Project.objects.prefetch_related("tasks").order_by("name")
    return JsonResponse({project.name: [task.title for task in project.tasks.all()] for project in found})


urlpatterns = [path("projects", projects)]
