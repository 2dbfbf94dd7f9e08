"""Acme, and functions to create and use its keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import psycopg
import pytest

from support.api_keys import ENTER, Acme, Made, Make, WithKey
from support.database import Database
from support.people import Organization, People, User
from support.server import Logins

Connection = psycopg.Connection[tuple[Any, ...]]


@pytest.fixture
def acme(people: People) -> Acme:
    """Return an organization with a member of each role, and a person outside of it."""
    ann, abe, max_, uma, pat = (people.user(name) for name in ("ann", "abe", "max", "uma", "pat"))
    return Acme(people.organization("Acme", owner=ann, admin=abe, manager=max_, user=uma), ann, abe, max_, uma, pat)


@pytest.fixture
def make(as_app: Callable[..., AbstractContextManager[Connection]], admin: Connection) -> Make:
    """Return a function that creates and activates a key for a person in a workspace."""

    def make(user: User, organization: Organization | None = None, expires: str | None = None) -> Made:
        with as_app(user, organization) as connection:
            row = connection.execute(
                "SELECT id, key FROM tenancy.create_api_key('program', now() + %s::interval)", [expires]
            ).fetchone()
        assert row is not None
        admin.execute("UPDATE public.api_keys SET tech_activated_at = now(), eco_activated_at = now()")
        return Made(*row)

    return make


@pytest.fixture
def with_key(database: Database, logins: Logins) -> WithKey:
    """Return a function that opens a transaction entered with a key."""

    @contextmanager
    def enter(key: str | Made, login: str | None = None) -> Iterator[Connection]:
        with database.connect(login or logins.app) as connection:
            connection.execute(ENTER, [key.key if isinstance(key, Made) else key])
            yield connection

    return enter
