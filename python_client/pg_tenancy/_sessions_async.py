"""Starting, switching and ending sessions, with which people stay logged in: outside of workspaces, over psycopg."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pg_tenancy._opening import starting_session
from pg_tenancy._psycopg_async import Workspace

if TYPE_CHECKING:
    from uuid import UUID

    from pg_tenancy._psycopg_async import Source
    from pg_tenancy.results import NewSession


async def start_session(
    source: Source[Any],
    *,
    user_id: UUID | str | None = None,
    organization_id: UUID | str | None = None,
    ticket: str | None = None,
    client: str | None = None,
    lasts: timedelta = timedelta(days=30),
) -> NewSession:
    """Start a session of a person who has just authenticated.

    This is a separate transaction, which is committed when the function returns.

    Args:
        source: an idle connection, or a pool.
        user_id: the person; give this or a ticket.
        organization_id: with user_id, the organization in which the session starts; None
            for the personal workspace.
        ticket: a signed ticket, at most 10,000 characters.
        client: a name by which the person recognizes the session, such as the browser's; at
            most 10,000 characters, of which the first 200 are kept.
        lasts: its lifetime, more than 0 and at most 366 days.

    Returns:
        The session's id, the only copy of its token, and when it expires.

    Raises:
        TypeError: not exactly one of user_id and ticket, or organization_id with a ticket.
        UserRequiredError: neither user_id nor ticket was given.
        NotAMemberError: the person does not exist or is not in the organization.
        TicketError: the ticket is not valid.
        InvalidArgumentError: ``lasts`` is out of range, or a value has the wrong type.
        ConnectionNotIdleError: the connection is in a transaction or a pipeline,
            closed or busy.
    """
    call, values = starting_session(
        {"user_id": user_id, "organization_id": organization_id, "ticket": ticket}, client, lasts
    )
    async with Workspace(source, None, {}) as outside:
        return await outside._start_session(call, *values)


async def switch_session(source: Source[Any], token: str, organization_id: UUID | str | None = None) -> None:
    """Move a session to another workspace.

    From now on ``workspace(..., session=token)`` enters that workspace.

    Args:
        source: an idle connection, or a pool.
        token: the session's token, at most 10,000 characters.
        organization_id: the organization; None for the personal workspace.

    Raises:
        SessionError: the session is unknown, revoked or expired.
        NotAMemberError: the person is not in the organization. The session keeps its workspace.
        ConnectionNotIdleError: the connection is in a transaction or a pipeline,
            closed or busy.
    """
    async with Workspace(source, None, {}) as outside:
        await outside._switch_session(token, organization_id)


async def end_session(source: Source[Any], token: str) -> None:
    """End a session: the person logs out.

    Args:
        source: an idle connection, or a pool.
        token: the session's token, at most 10,000 characters.

    Raises:
        SessionError: the session is unknown, revoked or expired.
        ConnectionNotIdleError: the connection is in a transaction or a pipeline,
            closed or busy.
    """
    async with Workspace(source, None, {}) as outside:
        await outside._end_session(token)
