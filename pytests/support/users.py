"""Shared by the tests of users: Acme's roles, visible rows, and errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import psycopg
import pytest

from support.activation import activate
from support.people import Organization, User

__all__ = ["NOBODY", "ROLES", "api_key_of", "error_of", "one", "usernames", "words_of"]

Connection = psycopg.Connection[tuple[Any, ...]]

ROLES = ("owner", "admin", "manager", "user")
NOBODY = UUID("99999999-0000-4000-8000-000000000000")


def one(connection: Connection, query: str, *values: Any) -> Any:
    """Return the first value of the first row."""
    row = connection.execute(query, values or None).fetchone()
    assert row is not None
    return row[0]


def usernames(connection: Connection) -> list[str]:
    """Return the names of the visible accounts."""
    return sorted(name for (name,) in connection.execute("SELECT username FROM public.users").fetchall())


def error_of(connection: Connection, statement: str, *values: Any) -> psycopg.Error:
    """Return a statement's error, and roll it back."""
    with pytest.raises(psycopg.Error) as raised, connection.transaction():
        connection.execute(statement, values or None)
    return raised.value


def words_of(error: psycopg.Error) -> tuple[str | None, ...]:
    """Return the text of an error, without the statements that led to it."""
    diag = error.diag
    return diag.sqlstate, diag.constraint_name, diag.message_primary, diag.message_detail, diag.message_hint


def api_key_of(as_app: Callable[..., Any], user: User | UUID, organization: Organization | None = None) -> str:
    """Create a key as a person, in an organization or in the personal workspace."""
    with as_app(user, organization) as connection:
        made, key = connection.execute("SELECT id, key FROM tenancy.create_api_key('k')").fetchall()[0]
    if organization is not None:
        activate(as_app, organization, "api_key", made)
    return str(key)
