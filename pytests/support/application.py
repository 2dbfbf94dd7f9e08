"""An application that protects its own tables: customers, projects, tasks, notes, countries."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg

from support.database import Database
from support.people import Organization, People, User
from support.server import Logins, Server

__all__ = ["PROTECTION", "TENANT_TABLES", "Application", "Connection", "all_of", "application", "one"]

Connection = psycopg.Connection[tuple[Any, ...]]

# Random ids, an identity, a serial; a key that clears, one that deletes.
TABLES = """
CREATE TABLE public.customers (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text NOT NULL, remark text, created_at timestamptz DEFAULT now()
);
CREATE TABLE public.projects (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, status text DEFAULT 'open', budget numeric,
    customer_id uuid CONSTRAINT projects_customer REFERENCES public.customers ON DELETE SET NULL
);
CREATE INDEX projects_by_customer ON public.projects (customer_id);
CREATE TABLE public.tasks (
    id serial PRIMARY KEY, title text NOT NULL,
    project_id bigint CONSTRAINT tasks_project REFERENCES public.projects ON DELETE CASCADE
);
CREATE TABLE public.notes (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), user_id uuid, body text, is_shared boolean NOT NULL DEFAULT false
);
CREATE TABLE public.countries (code text PRIMARY KEY, name text NOT NULL, remark text);

INSERT INTO public.customers (name) VALUES ('legacy customer');
INSERT INTO public.projects (name, customer_id) SELECT 'legacy project', id FROM public.customers;
INSERT INTO public.tasks (title, project_id) SELECT 'legacy task', id FROM public.projects;
INSERT INTO public.notes (body) VALUES ('legacy note');
INSERT INTO public.countries VALUES ('FR', 'France', 'internal'), ('IT', 'Italy', 'internal');
"""

PROTECTION = """
SELECT tenancy.define_permission(p, '{owner,admin,manager,user,staff}')
FROM unnest('{customers.view,projects.view,tasks.view,notes.view,tasks.write,notes.write}'::text[]) AS p;
SELECT tenancy.define_permission(p, '{owner,admin,staff}')
FROM unnest('{customers.write,projects.write}'::text[]) AS p;
SELECT tenancy.define_permission('notes.moderate', '{owner,admin}');

CALL tenancy.protect('public.customers');
CALL tenancy.allow('public.customers', 'SELECT', 'customers.view', columns => 'id, name, created_at');
CALL tenancy.allow('public.customers', 'INSERT', 'customers.write', columns => 'id, name');
CALL tenancy.allow('public.customers', 'UPDATE', 'customers.write', columns => 'name');
CALL tenancy.allow('public.customers', 'DELETE', 'customers.write');

CALL tenancy.protect('public.projects', parent => 'customer_id');
CALL tenancy.allow('public.projects', 'SELECT', 'projects.view', columns => 'id, name, status, customer_id');
CALL tenancy.allow('public.projects', 'INSERT', 'projects.write', columns => 'name, status, customer_id');
CALL tenancy.allow('public.projects', 'UPDATE', 'projects.write', columns => 'name, status, customer_id');
CALL tenancy.allow('public.projects', 'DELETE', 'projects.write');

CALL tenancy.protect('public.tasks', parent => 'project_id');
CALL tenancy.allow('public.tasks', 'SELECT', 'tasks.view', columns => 'id, title, project_id');
CALL tenancy.allow('public.tasks', 'INSERT', 'tasks.write', columns => 'title, project_id');
CALL tenancy.allow('public.tasks', 'UPDATE', 'tasks.write', columns => 'title, project_id');
CALL tenancy.allow('public.tasks', 'DELETE', 'tasks.write');

CALL tenancy.protect('public.notes', author => 'user_id', shared => 'is_shared');
CALL tenancy.allow('public.notes', 'SELECT', 'notes.view', columns => 'id, user_id, body, is_shared');
CALL tenancy.allow('public.notes', 'INSERT', 'notes.write', columns => 'user_id, body, is_shared');
CALL tenancy.allow('public.notes', 'UPDATE', 'notes.write', columns => 'user_id, body, is_shared');
CALL tenancy.allow('public.notes', 'DELETE', 'notes.write');

CALL tenancy.publish('public.countries', columns => 'code, name');
"""

TENANT_TABLES = ("public.customers", "public.projects", "public.tasks", "public.notes")


def one(connection: Connection, query: str, *values: Any) -> Any:
    """Return the first value of the first row."""
    row = connection.execute(query.encode(), values or None).fetchone()
    assert row is not None
    return row[0]


def all_of(connection: Connection, query: str, *values: Any) -> list[Any]:
    """Return the first value of each row, sorted."""
    return sorted(value for (value, *_) in connection.execute(query.encode(), values or None).fetchall())


@dataclass(frozen=True, eq=False)
class Application:
    """Its database; Acme with a member of each role, Globex, a person outside of both, and platform staff.

    ``owner`` is the application's old login, which owns its tables.
    """

    database: Database
    logins: Logins
    owner: str
    users: dict[str, User]
    acme: Organization
    globex: Organization

    @contextmanager
    def entered(
        self, who: str, organization: Organization | None = None, *, keep: bool = False
    ) -> Iterator[Connection]:
        """Yield the application's connection in somebody's workspace; nothing stays unless ``keep`` is set."""
        with self.database.entered(self.logins.app, self.users[who], organization) as connection:
            yield connection
            if not keep:
                connection.rollback()

    @contextmanager
    def on_the_platform(self) -> Iterator[Connection]:
        """Yield the application's connection in the platform's workspace; nothing stays."""
        with self.database.connect(self.logins.app) as connection:
            connection.execute("SELECT tenancy.enter_platform(%s)", [self.users["sam"].id])
            yield connection
            connection.rollback()

    @contextmanager
    def connected(self, login: str | None = None, *, keep: bool = False) -> Iterator[Connection]:
        """Yield a connection in no workspace, by default the superuser's; nothing stays."""
        with self.database.connect(login) as connection:
            yield connection
            if not keep:
                connection.rollback()

    def run(self, *statements: str) -> None:
        """Run each statement as the superuser, in autocommit."""
        self.database.execute(*statements)

    def number(self, table: str, name: str) -> Any:
        """Return the id of the row with this name, title or body."""
        column = {"public.tasks": "title", "public.notes": "body"}.get(table, "name")
        with self.database.connect() as connection:
            return one(connection, f"SELECT id FROM {table} WHERE {column} = %s", name)  # noqa: S608


ROWS = """
INSERT INTO public.customers (name) VALUES ('{0} customer');
INSERT INTO public.projects (name, customer_id) SELECT '{0} project', id FROM public.customers;
INSERT INTO public.tasks (title, project_id) SELECT '{0} task', id FROM public.projects;
"""
NOTE = "INSERT INTO public.notes (body, is_shared) VALUES (%s, %s)"


def application(server: Server, logins: Logins, *, protected: bool) -> Application:
    """Create a copy of the application's database; the caller drops it.

    Args:
        server: the run's.
        logins: the run's.
        protected: whether its tables are protected and have rows of everybody; otherwise they have only existing rows.

    """

    def fill(building: Database) -> None:
        owner = server.login("owner_of_application")
        building.fill(TABLES, owner)
        with building.connect(autocommit=True) as connection:
            people = People(connection)
            users = {name: people.user(name) for name in ("ann", "abe", "max", "uma", "gina", "gus", "pat")}
            people.user("sam", role="admin")
            people.organization("Acme", owner=users["ann"], admin=users["abe"], manager=users["max"], user=users["uma"])
            people.organization("Globex", owner=users["gina"], user=users["gus"])

    def protect(building: Database) -> None:
        building.execute(PROTECTION)
        made = _of(building, server, logins)
        for who, organization in (("ann", made.acme), ("gina", made.globex), ("ann", None), ("pat", None)):
            name = organization.name if organization else who
            with made.entered(who, organization, keep=True) as connection:
                connection.execute(ROWS.format(name).encode())
        for who, organization in (("abe", made.acme), ("uma", made.acme), ("gina", made.globex), ("pat", None)):
            with made.entered(who, organization, keep=True) as connection:
                for shared in (False, True):
                    connection.execute(NOTE, [f"{who} {'shared' if shared else 'private'}", shared])

    def unprotected() -> str:
        return server.once("application", fill, server.template)

    template = server.once("application_protected", protect, unprotected) if protected else unprotected()
    return _of(server.create(template), server, logins)


def _of(database: Database, server: Server, logins: Logins) -> Application:
    with database.connect() as connection:
        users = {
            username: User(id_, email, username)
            for id_, email, username in connection.execute("SELECT id, email, username FROM public.users").fetchall()
        }
        organizations = {
            name: Organization(id_, name, slug, users[owner])
            for id_, name, slug, owner in connection.execute(
                "SELECT o.id, o.name, o.slug, u.username FROM public.organizations AS o"
                " JOIN public.users AS u ON u.id = o.created_by_user_id"
            ).fetchall()
        }
    return Application(
        database, logins, server.login("owner_of_application"), users, organizations["Acme"], organizations["Globex"]
    )
