"""The application's models; schema.sql creates the tables."""

import uuid

from django.db import models


class Project(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.TextField()
    status = models.TextField(db_default="open")

    class Meta:
        db_table = "projects"
        managed = False


class Task(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    project = models.ForeignKey(Project, models.CASCADE, related_name="tasks")
    title = models.TextField()

    class Meta:
        db_table = "tasks"
        managed = False
