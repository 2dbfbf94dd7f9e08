"""Shared by the tests of API keys: an organization, a key as shown at its creation, and entering with it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg

from support.people import Organization, User

__all__ = ["ENTER", "LIST", "Acme", "Made", "Make", "WithKey", "one"]

Connection = psycopg.Connection[tuple[Any, ...]]

ENTER = "SELECT tenancy.enter_with_api_key(%s)"
LIST = (
    "SELECT id, user_id, organization_id, workspace_id, name, key_prefix, created_at, expires_at, last_used_at,"
    " revoked_at FROM public.api_keys ORDER BY created_at, id"
)


@dataclass
class Acme:
    """An organization with a member of each role, and a person outside of it."""

    organization: Organization
    ann: User
    abe: User
    max: User
    uma: User
    pat: User

    @property
    def id(self) -> UUID:
        """The organization's."""
        return self.organization.id


@dataclass(frozen=True)
class Made:
    """A key as shown at its creation."""

    id: UUID
    key: str


WithKey = Callable[..., AbstractContextManager[Connection]]
Make = Callable[..., Made]


def one(connection: Connection, query: str, *values: Any) -> Any:
    """Return the first row, or its value if it has only one."""
    row = connection.execute(query, values or None).fetchone()
    assert row is not None
    return row[0] if len(row) == 1 else row
