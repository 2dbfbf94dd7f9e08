"""Shared by the tests of invitations: the calls, and the resulting rows."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import IsolationLevel

from support.people import Organization

__all__ = [
    "ACCEPT",
    "ACCEPT_ALONE",
    "GIVEN",
    "PEEK",
    "REVOKE",
    "Invitation",
    "Invite",
    "by_level",
    "expire",
    "invite",
    "members",
    "statuses",
]

Connection = psycopg.Connection[tuple[Any, ...]]
Entered = Callable[..., AbstractContextManager[Connection]]

LEVELS = [IsolationLevel.READ_COMMITTED, IsolationLevel.REPEATABLE_READ, IsolationLevel.SERIALIZABLE]
by_level = pytest.mark.parametrize("level", LEVELS, ids=lambda level: level.name)

ACCEPT = "SELECT user_id, organization_id FROM tenancy.accept_invitation(%s, %s, %s, %s, %s)"
ACCEPT_ALONE = "SELECT user_id, organization_id FROM tenancy.accept_invitation(%s)"
PEEK = "SELECT * FROM tenancy.peek_invitation(%s)"
REVOKE = "SELECT tenancy.revoke_invitation(%s)"
GIVEN = ["newt", "New", "T.", "hash of newt"]


@dataclass(frozen=True)
class Invitation:
    """The result of an invitation."""

    id: UUID
    token: str


def invite(connection: Connection, *values: Any) -> Invitation:
    """Invite from the connection's workspace: e-mail, role, lifetime."""
    places = ", ".join(["%s"] * len(values))
    row = connection.execute(f"SELECT id, token FROM tenancy.invite_member({places})", values).fetchone()  # noqa: S608
    assert row is not None
    return Invitation(*row)


Invite = Callable[..., Invitation]


def expire(admin: Connection, invitation: Invitation) -> None:
    """Move the creation and the end of the invitation some days into the past."""
    admin.execute(
        "UPDATE tenancy.invitations SET created_at = now() - interval '9 days', expires_at = now() - interval '2 days'"
        " WHERE id = %s",
        [invitation.id],
    )


def members(admin: Connection, organization: Organization) -> dict[str, str]:
    """Return the members' roles by their e-mail addresses."""
    return dict(
        admin.execute(
            "SELECT u.email, m.role FROM public.organization_memberships AS m JOIN public.users AS u"
            " ON u.id = m.user_id WHERE m.organization_id = %s",
            [organization.id],
        ).fetchall()
    )


def statuses(as_app: Entered, organization: Organization) -> list[tuple[str, str]]:
    """Return the addresses and states of an organization's invitations, as its owner sees them."""
    with as_app(organization.owner, organization) as connection:
        return connection.execute("SELECT email, status FROM tenancy.invitations()").fetchall()
