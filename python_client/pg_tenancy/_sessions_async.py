"""How people stay logged in: starting, moving and ending a session. Without a workspace, over psycopg."""

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
    """Start a session of a person who has just proved who it is.

    It is a transaction of its own, and committed when the function returns.

    Args:
        source: a connection that nothing else uses, or a pool.
        user_id: the person; this or a ticket.
        organization_id: with user_id, the workspace in which the session is at first;
            None for the person's own.
        ticket: a signed ticket, at most 10,000 characters.
        client: what the person knows the session by, such as the name of the browser, at
            most 10,000 characters; the first 200 are kept.
        lasts: for how long, more than 0 and at most 366 days.

    Returns:
        The session's id, its token, of which this is the only copy, and when it expires.

    Raises:
        TypeError: not exactly one of user_id and ticket, or organization_id with a ticket.
        UserRequiredError: neither user_id nor ticket was given.
        NotAMemberError: the person does not exist or is not in the organization.
        TicketError: the ticket is not valid.
        InvalidArgumentError: ``lasts`` is out of its range, or a value of another type.
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

    ``workspace(..., session=token)`` enters there from now on.

    Args:
        source: a connection that nothing else uses, or a pool.
        token: the session's, at most 10,000 characters.
        organization_id: where to; None for the person's own workspace.

    Raises:
        SessionError: the session is unknown, revoked or expired.
        NotAMemberError: the person is not in the organization. The session stays where it is.
        ConnectionNotIdleError: the connection is in a transaction or a pipeline,
            closed or busy.
    """
    async with Workspace(source, None, {}) as outside:
        await outside._switch_session(token, organization_id)


async def end_session(source: Source[Any], token: str) -> None:
    """End a session: the person logs out.

    Args:
        source: a connection that nothing else uses, or a pool.
        token: the session's, at most 10,000 characters.

    Raises:
        SessionError: the session is unknown, revoked or expired already.
        ConnectionNotIdleError: the connection is in a transaction or a pipeline,
            closed or busy.
    """
    async with Workspace(source, None, {}) as outside:
        await outside._end_session(token)
