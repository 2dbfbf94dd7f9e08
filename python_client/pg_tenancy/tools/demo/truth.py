"""What is so on the platform, worked out without the database, and the people who are shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from pg_tenancy.tools.demo.data import COLUMNS, Organization, Person, Platform

__all__ = ["PLATFORM", "Cast", "Instance", "Invitation", "Truth"]

PLATFORM: Final = UUID(int=0)
"""The workspace of what is public and of what is from before."""


@dataclass(frozen=True)
class Instance:
    """What is known about a row of ``instances``."""

    workspace: UUID
    status: str
    profile: str


@dataclass(frozen=True)
class Invitation:
    """What is known about a row of ``tenancy.invitations``."""

    organization: UUID
    email: str
    role: str
    status: str = "pending"


@dataclass
class Truth:
    """What is so, by the generated rows and by what was done since.

    Attributes:
        memberships: (organization, person) to role.
        permissions: role to how many permissions it holds, ``""`` for all there are.
        provider: one that instances can be made at.
        models: each one's workspace.
        api_keys: each one's workspace.
        audit: workspace to how often each (action, object) was recorded.
        secrets: tokens and keys that were shown once, by what they are.

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
        """Return the truth about a platform in which nothing happened since it was migrated.

        Args:
            platform: its rows.
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
            # Instances had no owner before, models were for everybody, and a key was its user's.
            {
                row[0]: Instance(PLATFORM, str(row[1]), str(row[2]))
                for row in columns("public.instances", "id", "status", "gpu_profile")
            },
            {row[0]: PLATFORM for row in columns("public.models", "id")},
            {row[0]: row[1] for row in columns("public.api_keys", "id", "user_id")},
        )

    def record(self, workspace: UUID, action: str, object_id: UUID) -> None:
        """Note that the audit log must have an entry."""
        self.audit.setdefault(workspace, Counter())[action, object_id] += 1

    def members(self, organization: UUID) -> dict[UUID, str]:
        """Return who is in an organization, as what."""
        return {person: role for (where, person), role in self.memberships.items() if where == organization}

    def profile(self, name: str) -> str:
        """Return a profile as the platform's column has it: as text, or as a string of JSON."""
        return next(each.profile for each in self.instances.values() if each.profile.strip('"') == name)

    def instance(self, workspace: UUID, status: str | None = None) -> UUID:
        """Return one of the instances of a workspace.

        Args:
            workspace: whose.
            status: in which state, None for any.

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
    """Owns the first organization alone, manages the second, is a user of the third."""
    admin: Person
    manager: Person
    user: Person
    other_owner: Person
    """Owns the second organization, and is not in the first."""
    staff: Person
    """Administers the platform, and is a user of the second organization."""
    nobody: Person
    """Is in no organization."""
    founder: Person
    """Is in no organization at first."""
    guest: Person
    """Is in no organization, joins the first and leaves it again."""

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
