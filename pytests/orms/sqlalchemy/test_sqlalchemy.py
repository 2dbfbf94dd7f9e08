"""SQLAlchemy writes rows of protected tables as it writes any others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, create_engine, delete, insert, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError

from orms.conftest import Ids
from orms.sqlalchemy.models import Instance, Model, Note, Project, Task, Ticket, in_workspace
from support.two_tenants import TwoTenants

Begin = Callable[[], AbstractContextManager[Session]]


@pytest.fixture(scope="module")
def engine(tenants: TwoTenants) -> Iterator[Engine]:
    url = tenants.database.dsn(tenants.logins.app).replace("postgresql://", "postgresql+psycopg://")
    engine = create_engine(url)
    yield engine
    engine.dispose()


@pytest.fixture
def begin(engine: Engine, tenants: TwoTenants) -> Begin:
    """Return a function that opens a session in Acme, as its owner."""
    return lambda: in_workspace(engine, tenants.members["owner"].id, tenants.acme.id)


@pytest.fixture
def project(begin: Begin) -> Project:
    with begin() as session:
        project = Project(name="Website")
        session.add(project)
        session.flush()
        session.expunge(project)
    return project


def said(error: DBAPIError, *ids: UUID) -> tuple[str, ...]:
    """Return the server's message without the sent ids."""
    diag = error.orig.diag  # type: ignore[union-attr]
    parts = [diag.sqlstate, diag.constraint_name, diag.message_primary, diag.message_detail, diag.message_hint]
    text = "|".join(str(part) for part in parts)
    for each in ids:
        text = text.replace(str(each), "<id>")
    return tuple(text.split("|"))


def test_a_new_object_lands_in_the_workspace_and_knows_it(begin: Begin, tenants: TwoTenants) -> None:
    with begin() as session:
        project = Project(id=(chosen := uuid4()), name="Website")
        session.add(project)
        session.flush()
        assert (project.id, project.status, project.workspace_id) == (chosen, "open", tenants.acme.id)
        session.refresh(project)
        assert project.created_at.tzinfo is not None
    with begin() as session:
        assert session.get_one(Project, chosen).name == "Website"


def test_many_rows_travel_in_one_statement(begin: Begin) -> None:
    with begin() as session:
        projects: list[Project] = [Project(name=f"bulk {number}") for number in range(3)]
        notes = [Note(body=f"bulk {number}") for number in range(3)]
        tickets = [Ticket(title=f"bulk {number}") for number in range(3)]
        session.add_all([*projects, *notes, *tickets])
        session.flush()
        assert len({*(each.id for each in projects), *(each.id for each in notes)}) == 6
        assert len({ticket.id for ticket in tickets}) == 3
        session.execute(insert(Project), [{"name": "bulk 3"}, {"name": "bulk 4"}])
        made = session.scalars(insert(Project).returning(Project), [{"name": "bulk 5"}, {"name": "bulk 6"}]).all()
        assert sorted(each.name for each in made) == ["bulk 5", "bulk 6"]
        session.bulk_save_objects([Project(name="bulk 7")])
        session.bulk_insert_mappings(Project.__mapper__, [{"name": "bulk 8"}])
        assert len(session.scalars(select(Project.id).where(Project.name.like("bulk %"))).all()) == 9


def test_changes_are_written(begin: Begin, project: Project) -> None:
    with begin() as session:
        session.get_one(Project, project.id).name = "Shop"
    with begin() as session:
        session.execute(update(Project), [{"id": project.id, "status": "closed"}])
        changed = session.execute(
            update(Project).where(Project.id == project.id).values(name="New shop").returning(Project.name)
        )
        assert changed.scalar_one() == "New shop"
        again = session.get_one(Project, project.id)
        session.refresh(again, with_for_update=True)
        assert (again.name, again.status) == ("New shop", "closed")


def test_merge_makes_what_is_missing_and_changes_what_is_there(begin: Begin, project: Project) -> None:
    with begin() as session:
        session.merge(Project(id=project.id, name="Merged"))
        session.merge(new := Project(id=uuid4(), name="Merged too"))
    with begin() as session:
        names = session.scalars(select(Project.name).where(Project.id.in_([project.id, new.id])).order_by(Project.name))
        assert names.all() == ["Merged", "Merged too"]


def test_an_upsert_names_what_it_changes(begin: Begin, project: Project) -> None:
    rows = [{"id": project.id, "name": "Upserted"}, {"id": uuid4(), "name": "x"}]
    statement = postgresql.insert(Project).values(rows)
    upsert = statement.on_conflict_do_update(index_elements=[Project.id], set_={"name": statement.excluded.name})
    with begin() as session:
        assert session.execute(upsert.returning(Project.name)).scalars().all() == ["Upserted", "x"]
        nothing = session.execute(statement.on_conflict_do_nothing(index_elements=[Project.id]).returning(Project.id))
        assert nothing.all() == []
    with begin() as session, pytest.raises(ProgrammingError, match="permission denied for table projects"):
        session.execute(
            statement.on_conflict_do_update(index_elements=[Project.id], set_={"id": statement.excluded.id})
        )


def test_children_come_and_go_with_their_parent(begin: Begin) -> None:
    with begin() as session:
        project = Project(name="Parent", tasks=[Task(title="one"), Task(title="two")])
        session.add(project)
        session.flush()
        project.tasks.pop()
        session.flush()
        assert len(session.scalars(select(Task).where(Task.project_id == project.id)).all()) == 1
        session.delete(project)
    with begin() as session:
        assert session.get(Project, project.id) is None
        assert session.scalars(select(Task).where(Task.project_id == project.id)).all() == []
        session.add(Project(name="short-lived"))
        session.flush()
        gone = session.scalars(delete(Project).where(Project.name == "short-lived").returning(Project.name))
        assert gone.all() == ["short-lived"]


def test_the_platforms_tables_are_ordinary_ones(begin: Begin, ids: Ids, tenants: TwoTenants) -> None:
    with begin() as session:
        model = Model(name="Sales bot", model_id=f"acme/{uuid4()}")
        session.add(model)
        session.flush()
        # A new model of an organization waits for its activations.
        instance = Instance(provider_id=ids["own"]["provider"], model_id=ids["own"]["model"], status="provisioning")
        session.add(instance)
        session.flush()
        assert (model.organization_id, model.is_active) == (tenants.acme.id, True)
        assert (instance.organization_id, instance.user_id) == (tenants.acme.id, None)
        model.name = "Sales bot 2"
        instance.model_id = None


# -- and does no more ----------------------------------------------------------------------


@pytest.mark.parametrize("table", [Project, Task, Note])
def test_an_id_that_is_taken_is_the_same_error_whoever_has_it(
    begin: Begin, ids: Ids, table: type[Project | Task | Note]
) -> None:
    name = table.__tablename__[:-1]
    text = {"project": "name", "task": "title", "note": "body"}[name]
    answers = set()
    for side in ("own", "other"):
        with pytest.raises(IntegrityError) as raised, begin() as session:
            session.add(table(id=ids[side][name], **{text: "mine"}))
        answers.add(said(raised.value, ids[side][name]))
    assert answers == {
        ("23505", f"{name}s_pkey", f'duplicate key value violates unique constraint "{name}s_pkey"', "None", "None")
    }


def test_nothing_reaches_a_row_of_another_tenant(begin: Begin, ids: Ids) -> None:
    taken = ids["other"]["project"]
    with begin() as session:
        assert session.get(Project, taken) is None
        changed = update(Project).where(Project.id == taken).values(name="mine")
        assert session.scalars(changed.returning(Project.id)).all() == []
        assert session.scalars(delete(Project).where(Project.id == taken).returning(Project.id)).all() == []
    with pytest.raises(IntegrityError), begin() as session:
        session.merge(Project(id=taken, name="mine"))
    statement = postgresql.insert(Project).values(id=taken, name="mine")
    with pytest.raises(IntegrityError, match="projects_pkey"), begin() as session:
        session.execute(statement.on_conflict_do_update(index_elements=["id"], set_={"name": "mine"}))
    with pytest.raises(IntegrityError, match="projects_pkey"), begin() as session:
        session.execute(statement.on_conflict_do_nothing())
    with pytest.raises(StaleDataError), begin() as session:
        session.execute(update(Project), [{"id": taken, "name": "mine"}])
    with pytest.raises(IntegrityError, match="tasks_tenancy_project_id_fkey"), begin() as session:
        session.add(Task(project_id=taken, title="mine"))


@pytest.mark.parametrize("side", ["acme", "globex"])
def test_the_owner_is_not_named(begin: Begin, tenants: TwoTenants, project: Project, side: str) -> None:
    organization = getattr(tenants, side).id
    with pytest.raises(ProgrammingError, match="permission denied for table projects"), begin() as session:
        session.add(Project(name="x", workspace_id=organization))
    with pytest.raises(ProgrammingError, match="permission denied for table models"), begin() as session:
        session.add(Model(name="x", model_id="x", organization_id=organization))
    if side == "globex":
        with pytest.raises(ProgrammingError, match="permission denied for table projects"), begin() as session:
            session.get_one(Project, project.id).workspace_id = organization


def test_numbers_are_the_databases(begin: Begin) -> None:
    with pytest.raises(ProgrammingError, match="permission denied for table tickets"), begin() as session:
        session.add(Ticket(id=1, title="mine"))
