"""What the calls of a workspace return."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

__all__ = ["CurrentWorkspace", "Member", "Organization", "OrganizationChoice"]


@dataclass(frozen=True, slots=True)
class CurrentWorkspace:
    """The workspace of the transaction, as a banner shows it.

    ``id`` is the user's in a personal workspace and the organization's in an
    organization; ``slug`` and ``role`` are None in a personal workspace.
    """

    kind: Literal["personal", "organization"]
    id: UUID
    name: str
    slug: str | None
    role: str | None
    color: str | None
    plan: str


@dataclass(frozen=True, slots=True)
class Organization:
    """An organization, as the calls that make or change one return it."""

    id: UUID
    name: str
    slug: str
    created_by_user_id: UUID | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class OrganizationChoice:
    """One line of the switcher: an organization that the user may enter."""

    id: UUID
    name: str
    slug: str
    role: str
    is_current: bool


@dataclass(frozen=True, slots=True)
class Member:
    """A person in the current organization."""

    user_id: UUID
    email: str
    username: str | None
    first_name: str | None
    last_name: str | None
    role: str
    member_since: datetime
