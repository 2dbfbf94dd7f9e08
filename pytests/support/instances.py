"""Shared by the tests of instances: people, states, and the rows of a platform."""

# ruff: noqa: S608  (the names of columns are the tests' own)

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import psycopg

from support.database import id_of
from support.people import Organization, User

__all__ = ["NIL", "REINSTALL", "STATES", "TERMINATE", "WHO", "Platform", "instance_of", "legacy_instance", "transition"]

Connection = psycopg.Connection[tuple[Any, ...]]

NIL = UUID(int=0)
WHO = {
    # who: (user, in Acme, may write); staff act in the platform's workspace
    "owner": ("ann", True, True),
    "admin": ("abe", True, True),
    "manager": ("max", True, False),
    "user": ("uma", True, False),
    "personal": ("ann", False, True),
    "person": ("pat", False, True),
    "staff": ("sam", False, True),
    "staff in personal mode": ("sam", False, True),
}
TERMINATE = {
    "provisioning",
    "booting",
    "installing",
    "starting",
    "ready",
    "draining",
    "unavailable",
    "running",
    "stopped",
    "reinstalling",
    "provisioning_failed",
    "startup_failed",
    "failed",
    "error",
}
REINSTALL = TERMINATE
STATES = sorted(TERMINATE | {"terminating", "terminated", "archived", "of the application's own"})


@dataclass
class Platform:
    """Acme and Globex, people outside of them, and rows of each."""

    users: dict[str, User]
    acme: Organization
    globex: Organization
    provider: UUID
    models: dict[str, UUID]
    admin: Connection

    def where(self, who: str) -> tuple[User, Organization | UUID | None]:
        """Return the user and the organization with which one of ``WHO`` enters."""
        user, organization, _ = WHO[who]
        return self.users[user], self.acme if organization else NIL if who == "staff" else None

    def workspace(self, who: str) -> UUID:
        """Return the workspace that one of ``WHO`` enters."""
        user, organization = self.where(who)
        return id_of(user if organization is None else organization) or NIL

    def instance(self, workspace: User | Organization | UUID | None = None, status: str = "ready", **more: Any) -> UUID:
        """Insert an instance of a person or an organization, or a legacy one."""
        made = uuid4()
        columns = {"id": made, "provider_id": self.provider, "status": status, **more}
        # Activated, because activation has its own tests.
        columns |= {"tech_activated_at": "now", "eco_activated_at": "now"}
        if isinstance(workspace, User | Organization):
            columns["user_id" if isinstance(workspace, User) else "organization_id"] = workspace.id
        self.admin.execute(
            f"INSERT INTO public.instances ({', '.join(columns)}) VALUES ({', '.join(['%s'] * len(columns))})",
            list(columns.values()),
        )
        return made

    def row(self, instance: UUID, columns: str = "workspace_id, organization_id, user_id, status") -> tuple[Any, ...]:
        """Return some columns of an instance."""
        found = self.admin.execute(f"SELECT {columns} FROM public.instances WHERE id = %s", [instance]).fetchone()
        assert found is not None
        return found


def _inserted(admin: Connection, **columns: Any) -> UUID:
    (provider,) = admin.execute("INSERT INTO public.providers (name) VALUES ('Cloud') RETURNING id").fetchall()[0]
    columns["provider_id"] = provider
    made: UUID = admin.execute(
        f"INSERT INTO public.instances ({', '.join(columns)}) VALUES ({', '.join(['%s'] * len(columns))}) RETURNING id",
        list(columns.values()),
    ).fetchall()[0][0]
    return made


def instance_of(admin: Connection, organization: Organization, status: str, **more: UUID) -> UUID:
    """Insert an instance of an organization as the superuser."""
    return _inserted(admin, organization_id=organization.id, status=status, **more)


def transition(admin: Connection, action: str) -> tuple[str, str]:
    """Return a state that allows the action, and the resulting state."""
    row = admin.execute(
        "SELECT from_status, to_status FROM tenancy.instance_transitions WHERE action = %s"
        " ORDER BY from_status LIMIT 1",
        [action],
    ).fetchone()
    assert row is not None
    return row[0], row[1]


def legacy_instance(admin: Connection, **more: Any) -> UUID:
    """Insert an instance without an owner, as before the migration."""
    return _inserted(admin, **{"status": "ready", "ip_address": "10.0.0.1", **more})
