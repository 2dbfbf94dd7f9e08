"""Columns of FilledByDatabase are left out of what is written, and read back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import (
    Column,
    Computed,
    Connection,
    DateTime,
    Engine,
    FetchedValue,
    Identity,
    Integer,
    MetaData,
    Table,
    Text,
    Uuid,
    create_engine,
    event,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import ArgumentError, ProgrammingError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.ext.declarative import DeferredReflection
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    MappedAsDataclass,
    Session,
    mapped_column,
    registry,
    relationship,
)
from sqlalchemy.schema import CreateTable

from orms.conftest import Ids
from pg_tenancy.sqlalchemy import FilledByDatabase, enter_workspaces, not_granted, outside_workspaces, workspace_context
from support.two_tenants import TwoTenants

# Columns without a default in the database, computed ones, a key that begins with the workspace, and a table that users
# may only add to.
TABLES = """
CREATE TABLE public.parcels (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name text NOT NULL,
    initial text GENERATED ALWAYS AS (left(name, 1)) STORED,
    weight integer,
    changed_at timestamptz
);
CREATE FUNCTION public.stamp() RETURNS trigger LANGUAGE plpgsql AS
'BEGIN new.changed_at := clock_timestamp(); RETURN new; END';
CREATE TRIGGER stamp BEFORE INSERT OR UPDATE ON public.parcels FOR EACH ROW EXECUTE FUNCTION public.stamp();
CALL tenancy.protect('public.parcels');
CALL tenancy.allow('public.parcels', 'SELECT', 'projects.view', columns => 'id, name, initial, weight, changed_at');
CALL tenancy.allow('public.parcels', 'INSERT', 'projects.create', columns => 'id, name');
CALL tenancy.allow('public.parcels', 'UPDATE', 'projects.update', columns => 'name');

CREATE TABLE public.seats (
    workspace_id uuid NOT NULL DEFAULT tenancy.default_workspace_id()
    REFERENCES tenancy.workspaces (id) ON DELETE CASCADE,
    number integer,
    name text NOT NULL,
    PRIMARY KEY (workspace_id, number)
);
CALL tenancy.protect('public.seats');
CALL tenancy.allow('public.seats', 'SELECT', 'projects.view', columns => 'number, name');
CALL tenancy.allow('public.seats', 'INSERT', 'projects.create', columns => 'number, name');
CALL tenancy.allow('public.seats', 'UPDATE', 'projects.update', columns => 'name');

CREATE TABLE public.votes (id uuid PRIMARY KEY, name text NOT NULL);
CALL tenancy.protect('public.votes');
CALL tenancy.allow('public.votes', 'SELECT', 'projects.view', columns => 'id, name');
CALL tenancy.allow('public.votes', 'INSERT', 'notes.create', columns => 'id, name');
"""


class Base(DeclarativeBase):
    """Fills in the workspace of every table."""

    __table_args__: Any = (FilledByDatabase(),)


class Project(Base):
    """A row of the workspace."""

    __tablename__ = "projects"
    __table_args__ = (FilledByDatabase("created_at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    name: Mapped[str]
    status: Mapped[str] = mapped_column(server_default="open")
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    workspace_id: Mapped[UUID]


class Note(Base):
    """A row of an author; the database generates its id."""

    __tablename__ = "notes"
    __table_args__ = (FilledByDatabase("id", "user_id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID]
    body: Mapped[str]


class Ticket(Base):
    """A row whose key is a number."""

    __tablename__ = "tickets"
    __table_args__ = (FilledByDatabase("id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]


class Parcel(Base):
    """A row with columns that no tenant writes, and that have no default."""

    __tablename__ = "parcels"
    __table_args__ = (FilledByDatabase("initial", "weight", "changed_at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    name: Mapped[str]
    initial: Mapped[str] = mapped_column(Computed("left(name, 1)", persisted=True))
    weight: Mapped[int | None]
    changed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_onupdate=FetchedValue())
    workspace_id: Mapped[UUID]


class Seat(Base):
    """A table with the arguments of its base class."""

    __tablename__ = "seats"

    workspace_id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class DataBase(MappedAsDataclass, DeclarativeBase):
    """Makes dataclasses."""


class DataProject(DataBase):
    """The same row as a dataclass."""

    __tablename__ = "projects"
    __table_args__ = (FilledByDatabase("created_at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, insert_default=uuid4, init=False)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), init=False)
    workspace_id: Mapped[UUID] = mapped_column(init=False)
    name: Mapped[str]


PROJECTS = Table(
    "projects",
    MetaData(),
    Column("id", Uuid, primary_key=True, default=uuid4),
    Column("name", Text),
    Column("created_at", DateTime(timezone=True)),
    Column("workspace_id", Uuid),
    FilledByDatabase("created_at"),
)


def _url(tenants: TwoTenants, login: str, driver: str = "psycopg") -> str:
    return tenants.database.dsn(login).replace("postgresql://", f"postgresql+{driver}://")


@pytest.fixture(scope="module")
def engine(tenants: TwoTenants, ids: Ids) -> Iterator[Engine]:
    with tenants.admin() as admin:
        admin.execute(TABLES.encode())
    engine = enter_workspaces(create_engine(_url(tenants, tenants.logins.app)))
    yield engine
    engine.dispose()


@pytest.fixture
def acme(tenants: TwoTenants) -> dict[str, Any]:
    """Return the keywords of Acme's workspace, for its owner."""
    return {"user_id": tenants.members["owner"].id, "organization_id": tenants.acme.id}


@pytest.fixture
def session(engine: Engine, acme: dict[str, Any]) -> Iterator[Session]:
    with workspace_context(**acme), Session(engine) as session:
        yield session


@contextmanager
def sent(engine: Engine) -> Iterator[list[str]]:
    """Note the statements that are sent in the block."""
    statements: list[str] = []

    def note(connection: Connection, cursor: object, statement: str, *rest: object) -> None:
        statements.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(engine, "before_cursor_execute", note)


def test_only_the_columns_that_have_no_default_get_one() -> None:
    def filled(table: Any) -> set[str]:
        return {column.name for column in table.columns if type(column.server_default) is FetchedValue}

    for table in (Project.__table__, DataProject.__table__, PROJECTS, PROJECTS.to_metadata(MetaData())):
        assert filled(table) == {"created_at", "workspace_id"}
    assert filled(Note.__table__) == {"id", "user_id"}
    assert filled(Ticket.__table__) == set()
    assert filled(Parcel.__table__) == {"weight", "changed_at", "workspace_id"}
    assert filled(Seat.__table__) == {"workspace_id"}
    kept = Table(
        "kept",
        MetaData(),
        Column("id", Integer, Identity(), primary_key=True),
        Column("at", Text, server_default="now"),
        Column("workspace_id", Uuid),
        FilledByDatabase("id", "at", tenant=None),
    )
    assert filled(kept) == set()
    other = Table("other", MetaData(), Column("company", Uuid), FilledByDatabase(tenant="company"))
    assert filled(other) == {"company"}


def test_the_table_that_sqlalchemy_creates_stays_the_same() -> None:
    def created(*items: Any) -> str:
        columns = (Column("id", Integer, primary_key=True), Column("at", DateTime), Column("workspace_id", Uuid))
        return str(CreateTable(Table("things", MetaData(), *columns, *items)))

    assert created(FilledByDatabase("id", "at")) == created()


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ([Column("id", Uuid), FilledByDatabase("id", "at")], "names 'at', which is not a column of 'things'"),
        ([FilledByDatabase("id"), Column("id", Uuid)], "at this point"),
        ([Column("id", Uuid, default=uuid4), FilledByDatabase("id")], r"fills in things\.id, so it can have neither"),
        ([Column("at", Uuid, onupdate=func.now()), FilledByDatabase("at")], r"fills in things\.at"),
        ([Column("workspace_id", Uuid, default=uuid4), FilledByDatabase()], r"fills in things\.workspace_id"),
    ],
)
def test_what_could_not_work_is_refused_when_it_is_declared(items: list[Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        Table("things", MetaData(), *items)
    with pytest.raises(ArgumentError, match="belongs to a table"):
        Column("id", Uuid, FilledByDatabase("id"))


def test_many_new_objects_are_one_statement_and_know_what_was_filled_in(
    engine: Engine, session: Session, tenants: TwoTenants
) -> None:
    owner = tenants.members["owner"].id
    projects = [Project(name=f"many {number}", workspace_id=None) for number in range(5)]
    parcels = [Parcel(name=f"many {number}") for number in range(5)]
    with sent(engine) as statements:
        session.add_all([*projects, *parcels])
        session.flush()
        inserts = [statement.partition(" VALUES ") for statement in statements if statement.startswith("INSERT")]
        # Nothing more is sent for these.
        assert {project.workspace_id for project in projects} == {tenants.acme.id}
        assert {parcel.workspace_id for parcel in parcels} == {tenants.acme.id}
        assert all(project.created_at.tzinfo for project in projects)
        assert {(parcel.initial, parcel.weight) for parcel in parcels} == {("m", None)}
        assert all(parcel.changed_at.tzinfo for parcel in parcels)
        assert len(statements) == len(inserts) == 2
    assert {named for named, *_ in inserts} == {"INSERT INTO projects (id, name)", "INSERT INTO parcels (id, name)"}
    # Keys that the database makes.
    notes, tickets = [Note(body=f"many {number}") for number in range(3)], [Ticket(title="x"), Ticket(title="y")]
    session.add_all([*notes, *tickets])
    session.flush()
    assert {note.user_id for note in notes} == {owner}
    assert len({note.id for note in notes}) == 3
    assert tickets[0].id < tickets[1].id
    # Statements without objects.
    made = session.execute(insert(Project).returning(Project.workspace_id), [{"name": "many 5"}, {"name": "many 6"}])
    assert set(made.scalars()) == {tenants.acme.id}
    session.bulk_save_objects([Project(name="many 7"), Parcel(name="many 7")])
    session.bulk_insert_mappings(Project.__mapper__, [{"name": "many 8"}, {"name": "many 9"}])
    assert len(session.scalars(select(Project.id).where(Project.name.like("many %"))).all()) == 10


def test_changes_leave_it_as_it_is(engine: Engine, session: Session, tenants: TwoTenants) -> None:
    session.add(parcel := Parcel(name="Books"))
    session.add(project := Project(name="Website"))
    session.commit()
    before, created = parcel.changed_at, project.created_at
    parcel.name = "Novels"
    project.name = "Shop"
    with sent(engine) as statements:
        session.flush()
        assert [statement.partition(" WHERE ")[0] for statement in statements] == [
            "UPDATE parcels SET name=%(name)s::VARCHAR",
            "UPDATE projects SET name=%(name)s::VARCHAR",
        ]
    assert (parcel.changed_at > before, parcel.initial, project.created_at) == (True, "N", created)
    session.execute(update(Project), [{"id": project.id, "name": "New shop"}])
    session.execute(update(Project).where(Project.id == project.id).values(status="closed"))
    session.bulk_update_mappings(Project.__mapper__, [{"id": project.id, "name": "Newer shop"}])
    session.refresh(project, with_for_update=True)
    assert (project.name, project.status, project.created_at) == ("Newer shop", "closed", created)
    # A detached object takes the loaded values along.
    session.expunge(project)
    project.name = "Merged"
    merged = session.merge(project)
    session.merge(Project(id=project.id, status="open"))
    session.bulk_save_objects([merged])
    session.commit()
    assert (merged.name, merged.status, merged.created_at) == ("Merged", "open", created)
    assert merged.workspace_id == tenants.acme.id


def test_a_key_that_begins_with_the_workspace(session: Session, acme: dict[str, Any], tenants: TwoTenants) -> None:
    session.add_all([Seat(number=number, name="free") for number in (1, 2)])
    session.commit()
    seat = session.get_one(Seat, (tenants.acme.id, 2))
    seat.name = "taken"
    session.commit()
    assert session.scalars(select(Seat.name).order_by(Seat.number)).all() == ["free", "taken"]


def test_who_may_not_read_a_row_cannot_read_it_back(engine: Engine, tenants: TwoTenants) -> None:
    def vote(**options: Any) -> None:
        columns = (Column("id", Uuid, primary_key=True, default=uuid4), Column("name", Text))
        votes = Table("votes", MetaData(), *columns, Column("workspace_id", Uuid), FilledByDatabase())
        new: Any = type("Vote", (), {})
        registry().map_imperatively(new, votes, **options)
        user = tenants.members["user"].id
        with workspace_context(user_id=user, organization_id=tenants.acme.id), Session(engine) as session:
            session.add(new(name="yes"))
            session.commit()

    with pytest.raises(ProgrammingError, match="row-level security policy"):
        vote()
    vote(eager_defaults=False)


def test_dataclasses(engine: Engine, session: Session, tenants: TwoTenants) -> None:
    projects = [DataProject(name=name) for name in ("Website", "Shop")]
    session.add_all(projects)
    with sent(engine) as statements:
        session.flush()
        assert {(each.workspace_id, each.created_at.tzinfo is None) for each in projects} == {(tenants.acme.id, False)}
        assert len(statements) == 1
    session.commit()
    projects[0].name = "Store"
    session.commit()
    assert f"workspace_id={tenants.acme.id!r}, name='Store'" in repr(projects[0])


def test_reflected_tables(engine: Engine, session: Session, tenants: TwoTenants) -> None:
    class Reflected(DeferredReflection, DeclarativeBase):
        pass

    class ReflectedParcel(Reflected):
        __tablename__ = "parcels"
        __table_args__ = (FilledByDatabase("weight", "changed_at"),)

        weight: Mapped[int | None]
        changed_at: Mapped[datetime]

    with outside_workspaces(), engine.connect() as connection:
        parcels = Table("parcels", MetaData(), FilledByDatabase("weight", "changed_at"), autoload_with=connection)
        Reflected.prepare(connection)

    imperative: Any = type("Imperative", (), {})
    registry().map_imperatively(imperative, parcels)
    classes: list[Any] = [imperative, ReflectedParcel]
    for of in classes:
        made = [of(name="one"), of(name="two")]
        session.add_all(made)
        session.flush()
        assert {(each.workspace_id, each.weight, each.changed_at is None) for each in made} == {
            (tenants.acme.id, None, False)
        }
        made[0].name = "three"
        session.commit()


def test_a_reflected_key_of_two_columns_joins_and_is_not_copied(
    engine: Engine, session: Session, tenants: TwoTenants
) -> None:
    def new_child(*written: str) -> Any:
        metadata, mappers = MetaData(), registry()
        with outside_workspaces(), engine.connect() as connection:
            projects, tasks = (Table(name, metadata, autoload_with=connection) for name in ("projects", "tasks"))
        assert ["workspace_id", "project_id"] in [key.column_keys for key in tasks.foreign_key_constraints]
        parent_class: Any = type("Parent", (), {})
        child_class: Any = type("Child", (), {})
        mappers.map_imperatively(parent_class, projects)
        parent = relationship(parent_class, foreign_keys=[tasks.c[name] for name in written] or None)
        mappers.map_imperatively(child_class, tasks, properties={"parent": parent})
        return child_class(title="one", parent=parent_class(name="Parent"))

    session.add(child := new_child("project_id"))
    session.commit()
    assert (child.workspace_id, child.parent.name, child.parent.id) == (tenants.acme.id, "Parent", child.project_id)
    # Otherwise the workspace is copied too.
    session.add(new_child())
    with pytest.raises(ProgrammingError, match="permission denied for table tasks"):
        session.flush()


def test_core_tables(engine: Engine, acme: dict[str, Any], tenants: TwoTenants) -> None:
    with workspace_context(**acme), engine.begin() as connection:
        rows = [{"name": f"core {number}"} for number in range(4)]
        made = connection.execute(insert(PROJECTS).returning(PROJECTS.c.workspace_id), rows)
        assert set(made.scalars()) == {tenants.acme.id}
        one = connection.execute(insert(PROJECTS).values(name="core 4").return_defaults()).returned_defaults
        assert one is not None
        assert one.workspace_id == tenants.acme.id
        connection.execute(update(PROJECTS).where(PROJECTS.c.name == "core 4").values(name="core 5"))


@pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
async def test_asynchronous_sessions_send_nothing_more(
    driver: str, engine: Engine, acme: dict[str, Any], tenants: TwoTenants
) -> None:
    asynchronous = enter_workspaces(create_async_engine(_url(tenants, tenants.logins.app, driver)))
    number = {"psycopg": 3, "asyncpg": 4}[driver]
    with workspace_context(**acme):
        async with AsyncSession(asynchronous, expire_on_commit=False) as session:
            projects = [Project(name=f"async {number}") for number in range(4)]
            session.add_all([*projects, seat := Seat(number=number, name="async")])
            await session.commit()
            projects[0].name = "async 4"
            await session.commit()
            # A missing value would be loaded here, which raises MissingGreenlet.
            assert {seat.workspace_id, *(each.workspace_id for each in projects)} == {tenants.acme.id}
            assert all(each.created_at.tzinfo for each in projects)
            await session.refresh(projects[0])
            assert projects[0].name == "async 4"
        async with asynchronous.begin() as connection:
            made = await connection.execute(insert(PROJECTS).returning(PROJECTS.c.created_at), [{"name": "async 5"}])
            assert made.scalar_one().tzinfo is not None
    await asynchronous.dispose()


def test_an_assigned_value_is_for_the_database_to_refuse(
    engine: Engine, acme: dict[str, Any], tenants: TwoTenants
) -> None:
    def refused(change: Any) -> Any:
        with workspace_context(**acme), Session(engine) as session:
            session.add(project := Project(name="Website"))
            session.flush()
            change(session, project)
            with pytest.raises(ProgrammingError, match="permission denied for table projects") as raised:
                session.flush()
        with outside_workspaces(), engine.connect() as connection:
            return not_granted(connection, raised.value)

    now = datetime.now(timezone.utc)
    for error in (
        refused(lambda session, project: setattr(project, "workspace_id", tenants.globex.id)),
        refused(lambda session, project: setattr(project, "created_at", now)),
        refused(lambda session, project: session.add(Project(name="x", workspace_id=tenants.acme.id))),
    ):
        assert (error.insertable, error.updatable) == (("id", "name", "status"), ("name", "status"))
    # A service writes the same model.
    service = create_engine(_url(tenants, tenants.logins.service))
    with Session(service) as session:
        session.add(project := Project(name="by a service", workspace_id=tenants.acme.id, created_at=now))
        session.commit()
        assert (project.workspace_id, project.created_at) == (tenants.acme.id, now)
    service.dispose()
