"""Projects through SQLAlchemy's sessions.

DATABASE_URL=postgresql+psycopg://app@host/application python sqlalchemy_app.py USER ORGANIZATION
"""

from __future__ import annotations

import os
import sys
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import DateTime, ForeignKey, create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from pg_tenancy.sqlalchemy import FilledByDatabase, enter_workspaces, workspace_context


class Base(DeclarativeBase):
    pass


class Project(Base):
    __tablename__ = "projects"
    # No statement may write created_at or workspace_id.
    __table_args__ = (FilledByDatabase("created_at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    name: Mapped[str]
    status: Mapped[str] = mapped_column(server_default="open")
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    workspace_id: Mapped[UUID]
    tasks: Mapped[list[Task]] = relationship(back_populates="project", cascade="all, delete-orphan")


class Task(Base):
    __tablename__ = "tasks"
    __table_args__ = (FilledByDatabase("is_done"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id"))
    title: Mapped[str]
    is_done: Mapped[bool]
    project: Mapped[Project] = relationship(back_populates="tasks")


def main(user: str, organization: str) -> None:
    engine = enter_workspaces(create_engine(os.environ["DATABASE_URL"]))
    with workspace_context(user_id=user, organization_id=organization), Session(engine) as session:
        project = Project(name="Website", tasks=[Task(title="Design"), Task(title="Build")])
        session.add(project)
        session.commit()
        # The next transaction enters the workspace again.
        project.tasks[0].is_done = True
        session.commit()
        for found in session.scalars(select(Project).order_by(Project.name)):
            done = [task.title for task in found.tasks if task.is_done]
            print(f"{found.name}: {len(done)} of {len(found.tasks)} tasks done")
    engine.dispose()


if __name__ == "__main__":
    main(*sys.argv[1:])
