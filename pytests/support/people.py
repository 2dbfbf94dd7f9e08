"""Users and organizations for a test, as plain inserts by the superuser."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import psycopg

__all__ = ["Organization", "People", "User"]


@dataclass(frozen=True)
class User:
    """A row of ``users``."""

    id: UUID
    email: str
    username: str


@dataclass(frozen=True)
class Organization:
    """A row of ``organizations``."""

    id: UUID
    name: str
    slug: str
    owner: User


class People:
    """Creates users, organizations and memberships.

    Args:
        connection: the superuser's, in autocommit.

    """

    def __init__(self, connection: psycopg.Connection[tuple[Any, ...]]) -> None:
        self._connection = connection
        self._numbers = itertools.count(1)

    def user(self, username: str | None = None, *, email: str | None = None, role: str = "user") -> User:
        """Create a user.

        Args:
            username: default: a new one, ``user1`` and so on.
            email: default: the name at example.com.
            role: ``admin`` for platform staff.

        """
        username = username or f"user{next(self._numbers)}"
        user = User(uuid4(), email or f"{username}@example.com", username)
        self._connection.execute(
            "INSERT INTO public.users (id, email, username, first_name, last_name, password_hash, role)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s)",
            [user.id, user.email, username, username.title(), "Example", f"hash of {username}", role],
        )
        return user

    def organization(self, name: str | None = None, *, owner: User | None = None, **members: User) -> Organization:
        """Create an organization with its owner, and members by role.

        ``people.organization("Acme", owner=ann, manager=bob)``

        Args:
            name: default: a new one.
            owner: default: a new user.
            members: one user each for ``admin``, ``manager`` and ``user``.

        """
        name = name or f"Organization {next(self._numbers)}"
        owner = owner or self.user()
        organization = Organization(uuid4(), name, name.lower().replace(" ", "-"), owner)
        # One transaction, because a database may refuse an organization without an owner.
        with self._connection.transaction():
            self._connection.execute(
                "INSERT INTO public.organizations (id, name, slug, created_by_user_id) VALUES (%s, %s, %s, %s)",
                [organization.id, name, organization.slug, owner.id],
            )
            self.membership(organization, owner, "owner")
            for role, user in members.items():
                self.membership(organization, user, role)
        return organization

    def membership(self, organization: Organization, user: User, role: str = "user") -> None:
        """Make a user a member of an organization."""
        self._connection.execute(
            "INSERT INTO public.organization_memberships (organization_id, user_id, role) VALUES (%s, %s, %s)",
            [organization.id, user.id, role],
        )

    def member(self, organization: Organization, role: str = "user", username: str | None = None) -> User:
        """Create a user who is a member of an organization."""
        user = self.user(username)
        self.membership(organization, user, role)
        return user
