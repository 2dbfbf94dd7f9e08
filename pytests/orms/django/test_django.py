"""Django writes rows of protected tables as it writes any others."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
from psycopg.conninfo import conninfo_to_dict

from orms.conftest import Ids
from support.two_tenants import TwoTenants

os.environ["DJANGO_SETTINGS_MODULE"] = "orms.django.settings"

import django

django.setup()

from django.apps import apps  # noqa: E402
from django.db import DatabaseError, IntegrityError, ProgrammingError, connection, connections  # noqa: E402
from django.db.migrations.autodetector import MigrationAutodetector  # noqa: E402
from django.db.migrations.graph import MigrationGraph  # noqa: E402
from django.db.migrations.questioner import MigrationQuestioner  # noqa: E402
from django.db.migrations.state import ProjectState  # noqa: E402
from django.db.migrations.writer import MigrationWriter  # noqa: E402

from orms.django.models import (  # noqa: E402
    Instance,
    Model,
    Note,
    OwnedProject,
    PlainProject,
    Project,
    Task,
    Ticket,
    in_workspace,
)

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

Begin = Callable[[], AbstractContextManager[None]]


def _connected(dsn: str) -> Any:
    """Return another connection, as the login that runs migrations."""
    wrapper = connections.create_connection("default")
    wrapper.settings_dict = {**wrapper.settings_dict}
    _connect(wrapper, dsn)
    return wrapper


def _connect(wrapper: BaseDatabaseWrapper, dsn: str) -> None:
    given = conninfo_to_dict(dsn)
    wrapper.close()
    wrapper.settings_dict.update(
        {
            "NAME": given.pop("dbname"),
            "USER": given.pop("user"),
            "PASSWORD": given.pop("password", ""),
            "HOST": given.pop("host", ""),
            "PORT": given.pop("port", ""),
            "OPTIONS": given,
        }
    )


@pytest.fixture(scope="module")
def begin(tenants: TwoTenants) -> Iterator[Begin]:
    """Return a function that opens a transaction in Acme, as its owner."""
    _connect(connections["default"], tenants.database.dsn(tenants.logins.app))
    yield lambda: in_workspace(tenants.members["owner"].id, tenants.acme.id)
    connections["default"].close()


@pytest.fixture
def project(begin: Begin) -> Project:
    with begin():
        return Project.objects.create(name="Website")


def said(error: BaseException, *ids: UUID) -> tuple[str, ...]:
    """Return the server's message without the sent ids."""
    diag = error.__cause__.diag  # type: ignore[union-attr]
    parts = [diag.sqlstate, diag.constraint_name, diag.message_primary, diag.message_detail, diag.message_hint]
    text = "|".join(str(part) for part in parts)
    for each in ids:
        text = text.replace(str(each), "<id>")
    return tuple(text.split("|"))


def test_a_new_object_lands_in_the_workspace_and_knows_it(begin: Begin, tenants: TwoTenants) -> None:
    with begin():
        project = Project.objects.create(id=(chosen := uuid4()), name="Website")
        assert (project.pk, project.status) == (chosen, "open")
        assert project.created_at.tzinfo is not None
        note, ticket = Note.objects.create(body="x"), Ticket.objects.create(title="x")
        assert (note.user_id, Note.objects.get(pk=note.pk).body) == (tenants.members["owner"].id, "x")
        assert Ticket.objects.get(pk=ticket.pk).title == "x"
        project.refresh_from_db()
        assert project.name == "Website"
        assert OwnedProject.objects.create(name="x").workspace_id == tenants.acme.id


def test_many_rows_travel_in_one_statement(begin: Begin) -> None:
    with begin():
        projects = Project.objects.bulk_create([Project(name=f"bulk {number}") for number in range(3)])
        notes = Note.objects.bulk_create([Note(body=f"bulk {number}") for number in range(3)])
        tickets = Ticket.objects.bulk_create([Ticket(title=f"bulk {number}") for number in range(3)])
        assert len({each.pk for each in [*projects, *tickets]}) == 6
        assert len(notes) == Note.objects.filter(body__startswith="bulk").count()
        for project in projects:
            project.status = "closed"
        assert Project.objects.bulk_update(projects, ["status"]) == 3
        assert Project.objects.filter(name__startswith="bulk", status="closed").count() == 3


def test_save_writes_all_columns_but_the_databases(begin: Begin, project: Project) -> None:
    with begin():
        project.name = "Shop"
        project.save()
        again = Project.objects.select_for_update().get(pk=project.pk)
        assert (again.name, again.created_at) == ("Shop", project.created_at)
        again.status = "closed"
        again.save(update_fields=["status"])
        assert Project.objects.filter(pk=project.pk).update(name="New shop") == 1
        again.refresh_from_db()
        assert (again.name, again.status) == ("New shop", "closed")


def test_get_or_create_and_update_or_create(begin: Begin, project: Project) -> None:
    with begin():
        assert Project.objects.get_or_create(id=project.pk, defaults={"name": "x"}) == (project, False)
        made, created = Project.objects.get_or_create(name=f"made {uuid4()}")
        assert created
        updated, created = Project.objects.update_or_create(id=made.pk, defaults={"name": "updated"})
        assert (updated.pk, updated.name, created) == (made.pk, "updated", False)
        _, created = Project.objects.update_or_create(id=uuid4(), defaults={"name": "made"})
        assert created


def test_an_upsert_names_what_it_changes(begin: Begin, project: Project) -> None:
    with begin():
        rows = [Project(id=project.pk, name="Upserted"), Project(name="new")]
        Project.objects.bulk_create(rows, update_conflicts=True, unique_fields=["id"], update_fields=["name", "status"])
        assert Project.objects.get(pk=project.pk).name == "Upserted"
        Project.objects.bulk_create([Project(id=project.pk, name="ignored")], ignore_conflicts=True)
        assert Project.objects.get(pk=project.pk).name == "Upserted"


def test_children_come_and_go_with_their_parent(begin: Begin) -> None:
    with begin():
        project = Project.objects.create(name="Parent")
        project.tasks.create(title="one")
        Task.objects.create(project=project, title="two").delete()
        assert [task.title for task in project.tasks.all()] == ["one"]
        assert project.delete() == (2, {"django.Task": 1, "django.Project": 1})
        Project.objects.create(name="short-lived")
        assert Project.objects.filter(name="short-lived").delete()[0] == 1


def test_the_platforms_tables_are_ordinary_ones(begin: Begin, ids: Ids, tenants: TwoTenants) -> None:
    with begin():
        model = Model.objects.create(name="Sales bot", model_id=f"acme/{uuid4()}")
        # A new model of an organization waits for its activations.
        instance = Instance.objects.create(
            provider_id=ids["own"]["provider"], model_id=ids["own"]["model"], status="provisioning"
        )
        assert (model.organization_id, instance.organization_id) == (tenants.acme.id, tenants.acme.id)
        model.name = "Sales bot 2"
        model.save()


def test_a_migration_makes_ordinary_columns(tenants: TwoTenants) -> None:
    asked = MigrationQuestioner(specified_apps={"django"})
    found = MigrationAutodetector(ProjectState(), ProjectState.from_apps(apps), asked)
    changes = found.changes(graph=MigrationGraph())
    (migration,) = changes["django"]
    written: dict[str, Any] = {}
    text = MigrationWriter(migration).as_string()
    assert "Made" not in text
    exec(compile(text, "0001_initial", "exec"), written)  # noqa: S102
    wrapper = _connected(tenants.database.dsn())
    try:
        with wrapper.cursor() as cursor:
            cursor.execute("CREATE SCHEMA migrated")
            cursor.execute("SET search_path = migrated")
        with wrapper.schema_editor() as editor:
            written["Migration"]("0001_initial", "django").apply(ProjectState(), editor)
        with wrapper.cursor() as cursor:
            cursor.execute(
                "INSERT INTO migrated.projects (id, name) VALUES (gen_random_uuid(), 'x')"
                " RETURNING created_at IS NOT NULL"
            )
            assert cursor.fetchone() == (True,)
            cursor.execute("DROP SCHEMA migrated CASCADE")
    finally:
        wrapper.close()


# -- and does no more ----------------------------------------------------------------------


@pytest.mark.parametrize(("table", "text"), [(Project, "name"), (Task, "title"), (Note, "body")])
def test_an_id_that_is_taken_is_the_same_error_whoever_has_it(begin: Begin, ids: Ids, table: Any, text: str) -> None:
    name = table._meta.model_name
    answers = set()
    for side in ("own", "other"):
        with pytest.raises(IntegrityError) as raised, begin():
            table.objects.create(id=ids[side][name], **{text: "mine"})
        answers.add(said(raised.value, ids[side][name]))
    assert answers == {
        ("23505", f"{name}s_pkey", f'duplicate key value violates unique constraint "{name}s_pkey"', "None", "None")
    }


def test_nothing_reaches_a_row_of_another_tenant(begin: Begin, ids: Ids) -> None:
    taken = ids["other"]["project"]
    with begin():
        assert not Project.objects.filter(pk=taken).exists()
        assert Project.objects.filter(pk=taken).update(name="mine") == 0
        assert Project.objects.filter(pk=taken).delete() == (0, {})
    with pytest.raises(IntegrityError, match="projects_pkey"), begin():
        Project.objects.bulk_create([Project(id=taken, name="mine")], ignore_conflicts=True)
    with pytest.raises(DatabaseError), begin():
        Project(id=taken, name="mine").save(force_update=True)
    with pytest.raises(IntegrityError), begin():
        Project(id=taken, name="mine").save()
    with pytest.raises(IntegrityError), begin():
        Project.objects.update_or_create(id=taken, defaults={"name": "mine"})
    rows = [Project(id=taken, name="mine")]
    with pytest.raises(IntegrityError, match="projects_pkey"), begin():
        Project.objects.bulk_create(rows, update_conflicts=True, unique_fields=["id"], update_fields=["name"])
    with pytest.raises(IntegrityError, match="tasks_tenancy_project_id_fkey"), begin():
        Task.objects.create(project_id=taken, title="mine")


def test_the_owner_is_not_named(begin: Begin, tenants: TwoTenants, project: Project) -> None:
    """Django does not write such a field, so nothing changes; if it does, the write is refused."""
    for organization in (tenants.acme.id, tenants.globex.id):
        with begin():
            assert OwnedProject.objects.filter(pk=project.pk).update(workspace_id=organization) == 0
            owned = OwnedProject.objects.get(pk=project.pk)
            owned.workspace_id = organization
            owned.save()
            owned.refresh_from_db()
            assert owned.workspace_id == tenants.acme.id
            assert OwnedProject.objects.create(name="x", workspace_id=organization).workspace_id == tenants.acme.id
        for statement in (
            "INSERT INTO projects (name, workspace_id) VALUES ('x', %s)",
            "UPDATE projects SET workspace_id = %s",
            "UPDATE models SET organization_id = %s",
        ):
            with pytest.raises(ProgrammingError, match="permission denied for table"), begin():
                connection.cursor().execute(statement, [organization])


def test_a_field_that_is_the_databases_and_does_not_say_so_is_refused(begin: Begin, project: Project) -> None:
    with pytest.raises(ProgrammingError, match="permission denied for table projects"), begin():
        PlainProject.objects.create(name="x")
    with begin():
        plain = PlainProject.objects.get(pk=project.pk)
        plain.name = "Shop"
        plain.save(update_fields=["name"])
    with pytest.raises(ProgrammingError, match="permission denied for table projects"), begin():
        plain.save()


def test_numbers_are_the_databases(begin: Begin) -> None:
    with pytest.raises(ProgrammingError, match="permission denied for table tickets"), begin():
        Ticket.objects.create(id=1, title="mine")
