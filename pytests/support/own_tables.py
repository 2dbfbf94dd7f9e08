"""An application's own tables, of every shape of protect(), with a row of two tenants in each."""

from __future__ import annotations

from uuid import UUID, uuid4

from support.two_tenants import Connection, TwoTenants

__all__ = ["OWN_TABLES", "make_own_tables"]

OWN_TABLES = ("public.projects", "public.tasks", "public.remarks", "public.notes", "public.tickets", "public.colors")

_TABLES = """
CREATE TABLE public.projects (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text NOT NULL, status text NOT NULL DEFAULT 'open',
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE TABLE public.tasks (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), title text NOT NULL,
    project_id uuid REFERENCES public.projects ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED
);
CREATE TABLE public.remarks (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), body text NOT NULL,
    task_id uuid REFERENCES public.tasks ON DELETE SET NULL
);
CREATE TABLE public.notes (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), body text NOT NULL, user_id uuid,
    is_shared boolean NOT NULL DEFAULT false
);
CREATE TABLE public.tickets (id bigserial PRIMARY KEY, title text NOT NULL);
CREATE TABLE public.colors (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text NOT NULL);
"""

# Owners may do everything, users may see and create notes and tickets.
_CONTRACTS = """
SELECT tenancy.define_permission('projects.' || word, roles => '{owner,admin}')
FROM unnest('{view,create,update,delete}'::text[]) AS word;
SELECT tenancy.define_permission('notes.' || word, roles => '{owner,admin,manager,user}')
FROM unnest('{view,create,update,delete}'::text[]) AS word;
SELECT tenancy.define_permission('notes.moderate', roles => '{owner}');

CALL tenancy.protect('public.projects');
CALL tenancy.allow('public.projects', 'SELECT', 'projects.view', columns => 'id, name, status, created_at');
CALL tenancy.allow('public.projects', 'INSERT', 'projects.create', columns => 'id, name, status');
CALL tenancy.allow('public.projects', 'UPDATE', 'projects.update', columns => 'name, status');
CALL tenancy.allow('public.projects', 'DELETE', 'projects.delete');

CALL tenancy.protect('public.tasks', parent => 'project_id');
CALL tenancy.allow('public.tasks', 'SELECT', 'projects.view', columns => 'id, project_id, title');
CALL tenancy.allow('public.tasks', 'INSERT', 'projects.create', columns => 'id, project_id, title');
CALL tenancy.allow('public.tasks', 'UPDATE', 'projects.update', columns => 'project_id, title');
CALL tenancy.allow('public.tasks', 'DELETE', 'projects.delete');

CALL tenancy.protect('public.remarks', parent => 'task_id');
CALL tenancy.allow('public.remarks', 'SELECT', 'projects.view', columns => 'id, task_id, body');
CALL tenancy.allow('public.remarks', 'INSERT', 'projects.create', columns => 'id, task_id, body');
CALL tenancy.allow('public.remarks', 'UPDATE', 'projects.update', columns => 'task_id, body');

CALL tenancy.protect('public.notes', author => 'user_id', shared => 'is_shared');
CALL tenancy.allow('public.notes', 'SELECT', 'notes.view', columns => 'id, user_id, is_shared, body');
CALL tenancy.allow('public.notes', 'INSERT', 'notes.create', columns => 'id, user_id, is_shared, body');
CALL tenancy.allow('public.notes', 'UPDATE', 'notes.update', columns => 'user_id, is_shared, body');
CALL tenancy.allow('public.notes', 'DELETE', 'notes.delete');

CALL tenancy.protect('public.tickets');
CALL tenancy.allow('public.tickets', 'SELECT', 'notes.view', columns => 'id, title');
CALL tenancy.allow('public.tickets', 'INSERT', 'notes.create', columns => 'title');

CALL tenancy.protect('public.colors', catalogue => true);
CALL tenancy.allow('public.colors', 'SELECT', 'notes.view', columns => 'id, name');
CALL tenancy.allow('public.colors', 'INSERT', 'projects.create', columns => 'id, name');
CALL tenancy.allow('public.colors', 'UPDATE', 'projects.update', columns => 'name');
CALL tenancy.allow('public.colors', 'DELETE', 'projects.delete');
"""


def make_own_tables(tenants: TwoTenants) -> dict[str, dict[str, UUID]]:
    """Create the tables, with a row of Acme's owner and one of Globex's in each; return the ids by side.

    Each owner has a private note, and one named ``shared`` that is not.
    """
    with tenants.admin() as admin:
        for statement in (_TABLES + _CONTRACTS).split(";\n"):
            if statement.strip():
                admin.execute(statement.encode())
        return {
            side: _rows(admin, side, organization.id, organization.owner.id)
            for side, organization in (("own", tenants.acme), ("other", tenants.globex))
        } | {"platform": {"color": _color(admin, "public", UUID(int=0))}}


def _rows(admin: Connection, side: str, workspace: UUID, user: UUID) -> dict[str, UUID]:
    ids = {name: uuid4() for name in ("project", "task", "remark", "note", "shared")}
    for statement, values in (
        ("INSERT INTO public.projects (id, workspace_id, name) VALUES (%s, %s, %s)", [ids["project"], workspace, side]),
        (
            "INSERT INTO public.tasks (id, workspace_id, project_id, title) VALUES (%s, %s, %s, %s)",
            [ids["task"], workspace, ids["project"], side],
        ),
        (
            "INSERT INTO public.remarks (id, workspace_id, task_id, body) VALUES (%s, %s, %s, %s)",
            [ids["remark"], workspace, ids["task"], side],
        ),
        (
            "INSERT INTO public.notes (id, workspace_id, user_id, body) VALUES (%s, %s, %s, %s)",
            [ids["note"], workspace, user, f"private, {side}"],
        ),
        (
            "INSERT INTO public.notes (id, workspace_id, user_id, body, is_shared) VALUES (%s, %s, %s, %s, true)",
            [ids["shared"], workspace, user, f"shared, {side}"],
        ),
        ("INSERT INTO public.tickets (workspace_id, title) VALUES (%s, %s)", [workspace, side]),
    ):
        admin.execute(statement.encode(), values)
    return ids | {"color": _color(admin, side, workspace)}


def _color(admin: Connection, name: str, workspace: UUID) -> UUID:
    color = uuid4()
    admin.execute("INSERT INTO public.colors (id, workspace_id, name) VALUES (%s, %s, %s)", [color, workspace, name])
    return color
