"""The expected state of the platform, computed without the database, and the people who are shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from pg_tenancy.tools.demo.data import COLUMNS, Organization, Person, Platform

__all__ = ["PLATFORM", "Cast", "Instance", "Invitation", "Truth"]

PLATFORM: Final = UUID(int=0)
"""The workspace of public and legacy rows."""


@dataclass(frozen=True)
class Instance:
    """An expected row of ``instances``."""

    workspace: UUID
    status: str
    profile: str


@dataclass(frozen=True)
class Invitation:
    """An expected row of ``tenancy.invitations``."""

    organization: UUID
    email: str
    role: str
    status: str = "pending"


@dataclass
class Truth:
    """The expected state, from the generated rows and the work since.

    Attributes:
        memberships: (organization, person) to role.
        permissions: role to its number of permissions, ``""`` for the number of all permissions.
        provider: a provider for new instances.
        models: model to workspace.
        api_keys: key to workspace.
        audit: workspace to the number of entries of each (action, object).
        secrets: tokens and keys that were shown once, by name.

    """

    people: dict[UUID, Person]
    organizations: dict[UUID, str]
    memberships: dict[tuple[UUID, UUID], str]
    permissions: dict[str, int]
    provider: UUID
    instances: dict[UUID, Instance]
    models: dict[UUID, UUID]
    api_keys: dict[UUID, UUID]
    invitations: dict[UUID, Invitation] = field(default_factory=dict)
    audit: dict[UUID, Counter[tuple[str, UUID]]] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, platform: Platform, matrix: Iterable[tuple[str, str]]) -> Truth:
        """Return the expected state right after the migration.

        Args:
            platform: the platform's rows.
            matrix: (permission, role), read as the deployer.

        """
        pairs = set(matrix)
        permissions = Counter(role for _, role in pairs)
        permissions[""] = len({permission for permission, _ in pairs})

        def columns(table: str, *names: str) -> Iterable[tuple[UUID, ...]]:
            positions = [COLUMNS[table].split().index(name) for name in names]
            return (tuple(row[position] for position in positions) for row in platform.rows[table])

        return cls(
            {person.id: person for person in platform.people},
            {organization.id: organization.name for organization in platform.organizations},
            dict(platform.memberships),
            dict(permissions),
            platform.rows["public.providers"][0][0],
            # Instances had no owner, models were public, and each key belonged to its user.
            {
                row[0]: Instance(PLATFORM, str(row[1]), str(row[2]))
                for row in columns("public.instances", "id", "status", "gpu_profile")
            },
            {row[0]: PLATFORM for row in columns("public.models", "id")},
            {row[0]: row[1] for row in columns("public.api_keys", "id", "user_id")},
        )

    def record(self, workspace: UUID, action: str, object_id: UUID) -> None:
        """Expect an entry in the audit log."""
        self.audit.setdefault(workspace, Counter())[action, object_id] += 1

    def members(self, organization: UUID) -> dict[UUID, str]:
        """Return an organization's members with their roles."""
        return {person: role for (where, person), role in self.memberships.items() if where == organization}

    def profile(self, name: str) -> str:
        """Return a profile as the platform stores it: as text or as a JSON string."""
        return next(each.profile for each in self.instances.values() if each.profile.strip('"') == name)

    def instance(self, workspace: UUID, status: str | None = None) -> UUID:
        """Return one of the instances of a workspace.

        Args:
            workspace: the workspace.
            status: the status, None for any.

        """
        return next(
            number
            for number, instance in self.instances.items()
            if instance.workspace == workspace and status in (None, instance.status)
        )

    def model(self, workspace: UUID) -> UUID:
        """Return one of the models of a workspace."""
        return next(number for number, owner in self.models.items() if owner == workspace)

    def api_key(self, workspace: UUID) -> UUID:
        """Return one of the API keys of a workspace."""
        return next(number for number, owner in self.api_keys.items() if owner == workspace)


@dataclass(frozen=True)
class Cast:
    """The people and organizations that the demonstration shows."""

    first: Organization
    second: Organization
    third: Organization
    owner: Person
    """The only owner of the first organization, a manager of the second, a user of the third."""
    admin: Person
    manager: Person
    user: Person
    other_owner: Person
    """An owner of the second organization, not a member of the first."""
    staff: Person
    """Platform staff, and a user of the second organization."""
    nobody: Person
    """Is in no organization."""
    founder: Person
    """Is in no organization at first."""
    guest: Person
    """Without an organization; joins the first and leaves it again."""

    @classmethod
    def of(cls, platform: Platform) -> Cast:
        """Choose them from the rows."""
        first, second, third = platform.organizations[:3]
        nobody, founder, guest, *_ = (person for person in platform.outsiders() if not person.is_staff)

        def outside(people: Sequence[Person]) -> Person:
            return next(person for person in people if (first.id, person.id) not in platform.memberships)

        return cls(
            first,
            second,
            third,
            owner=platform.members(first, "owner")[0],
            admin=platform.members(first, "admin")[0],
            manager=platform.members(first, "manager")[0],
            user=platform.members(first, "user")[-1],
            other_owner=outside(platform.members(second, "owner")),
            staff=next(person for person in platform.members(second) if person.is_staff),
            nobody=nobody,
            founder=founder,
            guest=guest,
        )
