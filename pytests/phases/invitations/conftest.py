"""Acme, and invitations into it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import psycopg
import pytest

from support.invitations import Invitation, Invite, invite
from support.people import Organization, People


@pytest.fixture
def acme(people: People) -> Organization:
    """Return an organization whose only member is its owner."""
    return people.organization("Acme", owner=people.user("ann"))


@pytest.fixture
def invited(as_app: Callable[..., AbstractContextManager[psycopg.Connection[tuple[Any, ...]]]]) -> Invite:
    """Return a function that invites an address to an organization as its owner, and commits."""

    def make(organization: Organization, email: str = "new@example.com", *values: Any) -> Invitation:
        with as_app(organization.owner, organization) as connection:
            return invite(connection, email, *values)

    return make
