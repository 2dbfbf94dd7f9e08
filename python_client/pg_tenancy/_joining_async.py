"""Accepting an invitation, and signing up: outside of workspaces, over psycopg."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pg_tenancy._psycopg_async import Workspace

if TYPE_CHECKING:
    from uuid import UUID

    from pg_tenancy._psycopg_async import Source
    from pg_tenancy.results import AcceptedInvitation, InvitationPreview


async def peek_invitation(source: Source[Any], token: str) -> InvitationPreview:
    """Return the organization and the role of an invitation, to show to the invited person.

    Args:
        source: an idle connection, or a pool.
        token: the token from ``invite_member``, as the invited person presents it; at
            most 10,000 characters.

    Returns:
        The organization's name, the role, and whether the address has an account.

    Raises:
        InvitationError: the token is unknown, used, revoked, expired or None.
        ConnectionNotIdleError: the connection is in a transaction or a pipeline,
            closed or busy.
    """
    async with Workspace(source, None, {}) as outside:
        return await outside._peek_invitation(token)


async def accept_invitation(
    source: Source[Any],
    token: str,
    *,
    username: str | None = None,
    first_name: str | None = None,
    last_name: str | None = None,
    password_hash: str | None = None,
) -> AcceptedInvitation:
    """Make the invited person a member, with a new account if necessary.

    This is a separate transaction, which is committed when the function returns. The
    token works once: if two calls use it at the same time, one fails.

    Args:
        source: an idle connection, or a pool.
        token: the token from ``invite_member``, as the invited person presents it; at
            most 10,000 characters.
        username: for a new account. If the address already has an account, this and the
            following arguments are ignored, and the account is not changed.
        first_name: for a new account.
        last_name: for a new account.
        password_hash: for a new account, in the application's format.

    Returns:
        The ids of the person and the organization.

    Raises:
        InvitationError: the token is unknown, used, revoked, expired or None.
        EmailAmbiguousError: several accounts have the invited address.
        UsernameTakenError: another account has the username.
        InvalidArgumentError: a value for the new account is not text, is longer than
            10,000 characters, or violates a rule of the application's own table.
        ConnectionNotIdleError: the connection is in a transaction or a pipeline,
            closed or busy.
    """
    async with Workspace(source, None, {}) as outside:
        return await outside._accept_invitation(token, username, first_name, last_name, password_hash)


async def sign_up(
    source: Source[Any],
    email: str,
    *,
    username: str | None = None,
    first_name: str | None = None,
    last_name: str | None = None,
    password_hash: str | None = None,
) -> UUID:
    """Create an account without an organization, such as for the first person of a new customer.

    This is a separate transaction, which is committed when the function returns. First
    verify that the address is the person's: the owner of an account can accept the
    invitations to its address.

    Args:
        source: an idle connection, or a pool.
        email: the address, at most 254 characters.
        username: if the application's table has this column.
        first_name: if the application's table has this column.
        last_name: if the application's table has this column.
        password_hash: the password's hash in the application's format.

    Returns:
        The id of the account, with which its personal workspace can be entered, for example
        to create an organization there.

    Raises:
        EmailTakenError: the address already has an account.
        UsernameTakenError: another account has the username.
        InvalidArgumentError: the address is invalid, or a value is not text, is longer than
            10,000 characters, or violates a rule of the application's own table.
        ConnectionNotIdleError: the connection is in a transaction or a pipeline,
            closed or busy.
    """
    async with Workspace(source, None, {}) as outside:
        return await outside._sign_up(email, username, first_name, last_name, password_hash)
