"""Acme with a member of each role, Globex beside it, and platform staff."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import psycopg
import pytest

from support.people import Organization, People, User
from support.users import ROLES, one


@pytest.fixture
def acme(people: People) -> Organization:
    """Return an organization whose members are named by their roles."""
    return people.organization("Acme", **{role: people.user(role) for role in ROLES})


@pytest.fixture
def globex(people: People) -> Organization:
    """Return an organization of other people."""
    return people.organization("Globex", owner=people.user("gina"), user=people.user("gus"))


@pytest.fixture
def staff(people: People) -> User:
    """Return one of the platform's staff."""
    return people.user("staff", role="admin")


@pytest.fixture
def member(acme: Organization, admin: psycopg.Connection[tuple[Any, ...]]) -> Callable[[str], UUID]:
    """Return a function that gives the id of Acme's member with a role."""
    return lambda role: one(admin, "SELECT id FROM public.users WHERE username = %s", role)
