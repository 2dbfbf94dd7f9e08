"""Visible rows: in a workspace, and all of them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from support.access_matrix import PERMISSIONS
from support.random_people.model.state import State
from support.random_people.model.things import PLATFORM, Entry

__all__ = ["Sight"]


class Sight(State):
    """Visible rows."""

    def seen(self, entry: Entry) -> dict[str, list[list[Any]]]:
        """Return everything that can be read in a workspace, as rows by name."""
        workspace, organization, role = self.workspace(entry), self._organization(entry), self.role(entry)
        own, public = {workspace}, {workspace, PLATFORM}
        view: dict[str, list[list[Any]]] = {
            "context": [[self._person(entry), workspace, role]],
            "permissions": [[name] for name in PERMISSIONS if self._has(entry, name)],
            "workspaces": [
                [
                    workspace,
                    "platform" if entry.platform else "organization" if organization else "personal",
                    organization,
                ]
            ],
            "models": self._models(public),
            "instances": self._instances(own),
            "notes": self._notes(own),
            "legacy_instances": [
                [name, i.model, i.status]
                for name, i in self.instances.items()
                if i.workspace == PLATFORM and self._is_personal(entry)
            ],
            "api_keys": self._keys(own),
            "my_organizations": [
                [name, self.organizations[name].name, role if entry.key else self.roles[name, person]]
                for name, person in ([(workspace, "")] if entry.key and organization else list(self.roles))
                if not self.organizations[name].deleted
                if (entry.key and name == organization) or (not entry.key and person == entry.person)
            ],
            "badges": [
                [name, f"Org: {tenant.name}"]
                for name, tenant in self.organizations.items()
                if (name == organization if entry.key else (name, entry.person) in self.roles)
            ],
        }
        if organization is None:
            none: list[list[Any]] = []
            return view | {
                "users": self._users(set(self.people) if entry.platform else {self._person(entry)}),
                "all_users": [row[:3] for row in self._users(self.people)] if self._is_staff(entry) else none,
                "organizations": none,
                "memberships": none,
                "members": none,
                "member": none,
                "invitations": none,
                "invitation_list": none,
            }
        invites = self._has(entry, "members.invite")
        members = [row[1:] for row in self._memberships(own)]
        return view | {
            "all_users": [],
            "users": self._users({person for tenant, person in self.roles if tenant == organization}),
            "organizations": self._organizations(own),
            "memberships": self._memberships(own),
            "members": members,
            "member": members,
            "invitations": self._invitations(own if invites else ()),
            "invitation_list": [
                [name, invitation.email, invitation.role, invitation.status]
                for name, invitation in self.invitations.items()
                if invites and invitation.organization == organization
            ],
        }

    def everything(self) -> dict[str, list[list[Any]]]:
        """Return every row."""
        tenants = self.organizations
        return {
            "users": self._users(self.people),
            "organizations": self._organizations(tenants),
            "memberships": self._memberships(tenants),
            "invitations": self._invitations(tenants),
            "models": self._models({*tenants, PLATFORM}),
            "instances": self._instances({*self.people, *tenants, PLATFORM}),
            "notes": self._notes({*self.people, *tenants, PLATFORM}),
            "api_keys": self._keys({*self.people, *tenants}),
            "deleted": [[name] for name, tenant in tenants.items() if tenant.deleted],
        }

    def _users(self, visible: Collection[str | None]) -> list[list[Any]]:
        return [
            [name, person.email, person.username, "admin" if person.staff else "user"]
            for name, person in self.people.items()
            if name in visible
        ]

    def _organizations(self, visible: Collection[str]) -> list[list[Any]]:
        return [
            [name, tenant.name, tenant.slug, tenant.created_by]
            for name, tenant in self.organizations.items()
            if name in visible
        ]

    def _memberships(self, visible: Collection[str]) -> list[list[Any]]:
        return [[tenant, person, role] for (tenant, person), role in self.roles.items() if tenant in visible]

    def _invitations(self, visible: Collection[str]) -> list[list[Any]]:
        return [
            [name, i.organization, i.email, i.role, i.invited_by, i.accepted_by, i.state]
            for name, i in self.invitations.items()
            if i.organization in visible
        ]

    def _models(self, visible: Collection[str]) -> list[list[Any]]:
        return [[name, m.workspace, m.name, m.model_id] for name, m in self.models.items() if m.workspace in visible]

    def _instances(self, visible: Collection[str]) -> list[list[Any]]:
        return [
            [name, i.workspace, i.model, i.status, i.profile]
            for name, i in self.instances.items()
            if i.workspace in visible
        ]

    def _notes(self, visible: Collection[str]) -> list[list[Any]]:
        workspaces = {name: self.instances[note.instance].workspace for name, note in self.notes.items()}
        return [
            [name, workspaces[name], note.instance, note.text]
            for name, note in self.notes.items()
            if workspaces[name] in visible
        ]

    def _keys(self, visible: Collection[str]) -> list[list[Any]]:
        return [
            [name, key.workspace, key.person, key.name, key.revoked]
            for name, key in self.keys.items()
            if key.workspace in visible
        ]
