"""How people come: accepting an invitation, or signing up. Without a workspace, over psycopg."""

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
        source: a connection that nothing else uses, or a pool.
        token: the token from ``invite_member``, as it came back from the invited
            person, at most 10,000 characters.

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

    It is a transaction of its own, and committed when the function returns. The
    token is used up: where two try it at once, one gets in.

    Args:
        source: a connection that nothing else uses, or a pool.
        token: the token from ``invite_member``, as it came back from the invited
            person, at most 10,000 characters.
        username: for the new account. This and what follows is not looked at when
            the address has an account: nothing of that is changed.
        first_name: for the new account.
        last_name: for the new account.
        password_hash: for the new account, as the application hashes passwords.

    Returns:
        The ids of the person and of the organization.

    Raises:
        InvitationError: the token is unknown, used, revoked, expired or None.
        EmailAmbiguousError: several accounts have the invited address.
        UsernameTakenError: another account has the username.
        InvalidArgumentError: a value for the new account is not a text, longer than
            10,000 characters, or not to a rule of the application's own table.
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
    """Make an account that belongs to no organization: for the first person of a new customer.

    It is a transaction of its own, and committed when the function returns. Call it
    once the address is known to be the person's: an account takes the invitations
    that are sent to its address.

    Args:
        source: a connection that nothing else uses, or a pool.
        email: one address, at most 254 characters.
        username: where the application's table has such a column.
        first_name: where the application's table has such a column.
        last_name: where the application's table has such a column.
        password_hash: as the application hashes passwords.

    Returns:
        The id of the account, to enter its personal workspace with and to create an
        organization there.

    Raises:
        EmailTakenError: an account has the address.
        UsernameTakenError: another account has the username.
        InvalidArgumentError: the address is invalid, or what is given is not text, longer
            than 10,000 characters, or against a rule of the application's own table.
        ConnectionNotIdleError: the connection is in a transaction or a pipeline,
            closed or busy.
    """
    async with Workspace(source, None, {}) as outside:
        return await outside._sign_up(email, username, first_name, last_name, password_hash)
