"""An application's models, as its developers write them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import DateTime, Engine, FetchedValue, ForeignKey, func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship


class Base(DeclarativeBase):
    pass


class Project(Base):
    __tablename__ = "projects"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    name: Mapped[str]
    status: Mapped[str] = mapped_column(server_default="open")
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=FetchedValue())
    workspace_id: Mapped[UUID] = mapped_column(server_default=FetchedValue())
    tasks: Mapped[list[Task]] = relationship(back_populates="project", cascade="all, delete-orphan")


class Task(Base):
    __tablename__ = "tasks"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    project_id: Mapped[UUID | None] = mapped_column(ForeignKey("projects.id"))
    title: Mapped[str]
    project: Mapped[Project | None] = relationship(back_populates="tasks")


@contextmanager
def in_workspace(engine: Engine, user: UUID, organization: UUID | None = None) -> Iterator[Session]:
    with Session(engine) as session, session.begin():
        session.execute(select(func.tenancy.enter(user, organization)))
        yield session


class Note(Base):
    """A row of an author; the database generates its id."""

    __tablename__ = "notes"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid())
    user_id: Mapped[UUID] = mapped_column(server_default=FetchedValue())
    is_shared: Mapped[bool] = mapped_column(default=False)
    body: Mapped[str]


class Ticket(Base):
    """A row whose key is a number."""

    __tablename__ = "tickets"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]


class Model(Base):
    """A model of the platform."""

    __tablename__ = "models"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    organization_id: Mapped[UUID | None] = mapped_column(server_default=FetchedValue())
    name: Mapped[str]
    model_id: Mapped[str]
    is_active: Mapped[bool] = mapped_column(server_default=FetchedValue())


class Instance(Base):
    """An instance of the platform."""

    __tablename__ = "instances"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    organization_id: Mapped[UUID | None] = mapped_column(server_default=FetchedValue())
    user_id: Mapped[UUID | None] = mapped_column(server_default=FetchedValue())
    provider_id: Mapped[UUID]
    model_id: Mapped[UUID | None] = mapped_column(ForeignKey("models.id"))
    status: Mapped[str]
    hourly_price_eur: Mapped[float | None] = mapped_column(server_default=FetchedValue())
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=FetchedValue())
