"""The state at one moment: rows, entries, and permissions."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from support.access_matrix import DELEGATION, PERMISSIONS
from support.random_people.model.things import (
    ACTIVE,
    PLATFORM,
    Entry,
    Instance,
    Invitation,
    Key,
    Model,
    Note,
    Organization,
    Person,
    Refused,
)

__all__ = ["State", "denied", "must_keep_an_owner"]


def denied() -> Refused:
    """Return the error for a missing permission."""
    return Refused("42501", "permission_denied")


def must_keep_an_owner() -> Refused:
    """Return the error for leaving an organization without an owner."""
    return Refused("23514", "organization_keeps_an_owner")


@dataclass
class State:
    """The whole state."""

    people: dict[str, Person] = field(default_factory=dict)
    organizations: dict[str, Organization] = field(default_factory=dict)
    roles: dict[tuple[str, str], str] = field(default_factory=dict)
    """By organization and person."""
    invitations: dict[str, Invitation] = field(default_factory=dict)
    keys: dict[str, Key] = field(default_factory=dict)
    instances: dict[str, Instance] = field(default_factory=dict)
    models: dict[str, Model] = field(default_factory=dict)
    notes: dict[str, Note] = field(default_factory=dict)
    _named: Counter[str] = field(default_factory=Counter)

    def _name(self, kind: str) -> str:
        self._named[kind] += 1
        return f"{kind} {self._named[kind]}"

    # -- the context -----------------------------------------------------------

    def entries(self) -> list[Entry]:
        """Return every valid entry."""
        people = [Entry(person) for person in self.people]
        members = [
            Entry(person, organization)
            for organization, person in self.roles
            if not self.organizations[organization].deleted
        ]
        staff = [Entry(name, platform=True) for name, person in self.people.items() if person.staff]
        keys = [
            Entry(None, key=name) for name, key in self.keys.items() if self._works(name) and self._is_operational(key)
        ]
        return people + members + keys + staff

    def closed(self) -> list[Entry]:
        """Return every entry that has a row and is invalid nevertheless."""
        members = [Entry(person, organization) for organization, person in self.roles]
        keys = [Entry(None, key=key) for key in self.keys]
        platform = [Entry(person, platform=True) for person in self.people]
        entries = self.entries()
        return [entry for entry in (*members, *keys, *platform) if entry not in entries]

    def enter(self, entry: Entry) -> None:
        """Check that this entry is valid."""
        if entry.key:
            if not self._works(entry.key):
                raise Refused("28000", "invalid_api_key")
            self._operational(self.keys[entry.key])
        elif entry.organization:
            if self._role(entry.organization, entry.person) is None or self.organizations[entry.organization].deleted:
                raise Refused("28000", "not_a_member")
        elif entry.person not in self.people or (entry.platform and not self.people[entry.person].staff):
            raise Refused("28000", "not_a_member")

    def _works(self, name: str) -> bool:
        key = self.keys.get(name)
        if key is None or key.revoked or key.expired:
            return False
        return key.workspace in self.people or not self.organizations[key.workspace].deleted

    def _is_operational(self, thing: Key | Instance | Model) -> bool:
        return thing.workspace not in self.organizations or thing.activations == ACTIVE

    def _operational(self, thing: Key | Instance | Model) -> None:
        """Check that an object can be used: an organization's requires both activations."""
        if not self._is_operational(thing):
            raise Refused("55000", "not_operational")

    def _activations(self, workspace: str) -> frozenset[str]:
        """Return the activations of an object created in a workspace."""
        return frozenset() if workspace in self.organizations else ACTIVE

    def _role(self, organization: str, person: str | None) -> str | None:
        return self.roles.get((organization, person or ""))

    def workspace(self, entry: Entry) -> str:
        """Return the transaction's workspace."""
        if entry.key:
            return self.keys[entry.key].workspace
        if entry.platform:
            return PLATFORM
        return entry.organization or entry.person or ""

    def _organization(self, entry: Entry) -> str | None:
        workspace = self.workspace(entry)
        return workspace if workspace in self.organizations else None

    def _person(self, entry: Entry) -> str | None:
        return self.keys[entry.key].person if entry.key else entry.person

    def role(self, entry: Entry) -> str | None:
        """Return the role in the organization or in the platform's workspace; None in personal mode."""
        if entry.platform:
            return "staff"
        organization = self._organization(entry)
        if organization is None:
            return None
        return "user" if entry.key else self._role(organization, entry.person)

    def _is_staff(self, entry: Entry) -> bool:
        """Whether platform staff act in person, for the platform or in personal mode."""
        return not entry.key and not entry.organization and self.people[entry.person or ""].staff

    def _is_personal(self, entry: Entry) -> bool:
        return self.workspace(entry) in self.people

    def _has(self, entry: Entry, permission: str) -> bool:
        role = self.role(entry)
        return role is None or role in PERMISSIONS[permission]

    def _require(self, entry: Entry, permission: str) -> None:
        if not self._has(entry, permission):
            raise denied()

    def _act(self, entry: Entry, permission: str | None) -> tuple[str, str]:
        """Check the conditions of every change of an organization; return it and the role."""
        organization, role = self._organization(entry), self.role(entry)
        if organization is None or role is None:
            raise Refused("55000", "organization_required")
        self._in_person(entry)
        if permission:
            self._require(entry, permission)
        return organization, role

    @staticmethod
    def _in_person(entry: Entry) -> None:
        if entry.key:
            raise Refused("42501", "person_required")

    @staticmethod
    def _delegated(role: str, dealt: str) -> None:
        if dealt not in DELEGATION[role]:
            raise Refused("42501", "delegation_denied")

    # -- what more than one subject asks ---------------------------------------

    def _is_last_owner(self, organization: str, person: str) -> bool:
        owners = [who for (tenant, who), role in self.roles.items() if tenant == organization and role == "owner"]
        return owners == [person]

    def _with_email(self, email: str) -> list[str]:
        return [name for name, person in self.people.items() if person.email.lower() == email.lower()]

    def _empty(self, workspace: str) -> None:
        self.keys = {name: key for name, key in self.keys.items() if key.workspace != workspace}
        self.instances = {name: i for name, i in self.instances.items() if i.workspace != workspace}
        self.models = {name: m for name, m in self.models.items() if m.workspace != workspace}
        self.notes = {name: note for name, note in self.notes.items() if note.instance in self.instances}
