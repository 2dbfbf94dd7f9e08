"""An application's models, as its developers write them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib.postgres.functions import RandomUUID
from django.db import connection, models, transaction
from django.db.models.functions import Now


class OfTheDatabase:
    """A field that is read and never written, as Django treats generated columns."""

    generated = True
    db_returning = True

    # For migrations it is an ordinary field.
    def deconstruct(self) -> Any:
        name, _, args, kwargs = super().deconstruct()
        return name, f"django.db.models.{type(self).__bases__[1].__name__}", args, kwargs


class MadeDateTimeField(OfTheDatabase, models.DateTimeField):
    pass


class MadeUUIDField(OfTheDatabase, models.UUIDField):
    pass


class Project(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.TextField()
    status = models.TextField(db_default="open")
    created_at = MadeDateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "projects"


class Task(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    project = models.ForeignKey(Project, models.CASCADE, null=True, related_name="tasks")
    title = models.TextField()

    class Meta:
        db_table = "tasks"


@contextmanager
def in_workspace(user: uuid.UUID, organization: uuid.UUID | None = None) -> Iterator[None]:
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute("SELECT tenancy.enter(%s, %s)", [user, organization])
        yield


class Note(models.Model):
    """A row of an author; the database generates its id."""

    id = models.UUIDField(primary_key=True, db_default=RandomUUID(), editable=False)
    user_id = MadeUUIDField(editable=False)
    is_shared = models.BooleanField(default=False)
    body = models.TextField()

    class Meta:
        db_table = "notes"


class Ticket(models.Model):
    """A row whose key is a number."""

    title = models.TextField()

    class Meta:
        db_table = "tickets"


class Model(models.Model):
    """A model of the platform."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization_id = MadeUUIDField(null=True, editable=False)
    name = models.TextField()
    model_id = models.TextField()
    is_active = models.BooleanField(default=True)

    class Meta:
        db_table = "models"


class Instance(models.Model):
    """An instance of the platform."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization_id = MadeUUIDField(null=True, editable=False)
    user_id = MadeUUIDField(null=True, editable=False)
    provider_id = models.UUIDField()
    model = models.ForeignKey(Model, models.RESTRICT, null=True)
    status = models.TextField()
    created_at = MadeDateTimeField(editable=False)

    class Meta:
        db_table = "instances"


class OwnedProject(models.Model):
    """The same table, with the owner column."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    name = models.TextField()
    workspace_id = MadeUUIDField(editable=False)

    class Meta:
        db_table = "projects"
        managed = False


class PlainProject(models.Model):
    """The same table, declared without reading the documentation."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    name = models.TextField()
    status = models.TextField(default="open")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "projects"
        managed = False
