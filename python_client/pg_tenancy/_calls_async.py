"""The functions of pg-tenancy as methods, with any driver."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

from pg_tenancy import _sql
from pg_tenancy._offerings_async import OfferingCalls
from pg_tenancy._settings_async import SettingsCalls
from pg_tenancy._sql import Call
from pg_tenancy.errors import InvalidArgumentError
from pg_tenancy.results import (
    AcceptedInvitation,
    ApiKey,
    CostForecast,
    Costs,
    CostsBucket,
    CostsNow,
    CostsPart,
    CostsWindow,
    CurrentWorkspace,
    Invitation,
    InvitationPreview,
    LegacyInstance,
    Member,
    NewApiKey,
    NewInvitation,
    NewSession,
    Organization,
    OrganizationChoice,
    Session,
    StatementEntry,
    StatementProblem,
    User,
    Wallet,
)


class Calls(SettingsCalls, OfferingCalls):
    """The calls of a workspace, besides the application's own SQL.

    Every method checks its arguments before sending anything: an id must be a UUID or the
    text of one, other text at most 10,000 characters without NUL. Otherwise it raises
    InvalidArgumentError, and the transaction can continue.
    """

    @abstractmethod
    async def _send(self, call: Call, values: Sequence[object]) -> Sequence[Sequence[Any]]:
        """Run one statement of pg-tenancy and return its rows."""

    async def _call(self, call: Call, *values: object) -> Sequence[Sequence[Any]]:
        """Check the values, run one statement of pg-tenancy, and return its rows."""
        return await self._send(call, call.checked(values))

    async def current(self) -> CurrentWorkspace:
        """Return the workspace as a banner shows it."""
        (row,) = await self._call(_sql.CURRENT_WORKSPACE)
        return CurrentWorkspace(*row)

    async def has_permission(self, permission: str) -> bool:
        """Return whether the user holds the permission in this workspace.

        Args:
            permission: its name, such as ``instances.terminate``.
        """
        (row,) = await self._call(_sql.HAS_PERMISSION, permission)
        return bool(row[0])

    async def my_permissions(self) -> frozenset[str]:
        """Return the permissions that the user holds in this workspace."""
        return frozenset(row[0] for row in await self._call(_sql.MY_PERMISSIONS))

    async def my_organizations(self) -> list[OrganizationChoice]:
        """Return the organizations that the user may enter, for a switcher."""
        return [OrganizationChoice(*row) for row in await self._call(_sql.MY_ORGANIZATIONS)]

    async def create_organization(self, name: str, slug: str | None = None) -> Organization:
        """Create an organization owned by the user.

        The transaction stays in its workspace: enter the new organization in the next one.

        Args:
            name: the name shown to people.
            slug: its part in URLs; None derives a unique one from the name.

        Raises:
            InvalidArgumentError: the name or the slug is not acceptable.
            SlugTakenError: another organization has this slug.
        """
        (row,) = await self._call(_sql.CREATE_ORGANIZATION, name, slug)
        return Organization(*row)

    async def update_organization(
        self, name: str | None = None, slug: str | None = None, color: str | None = None
    ) -> Organization:
        """Change the current organization; None leaves a value unchanged.

        Raises:
            OrganizationRequiredError: the workspace is not an organization's.
            PermissionDeniedError: the role lacks ``organization.update``.
            InvalidArgumentError: the name, the slug or the color is not acceptable.
            SlugTakenError: another organization has this slug.
        """
        (row,) = await self._call(_sql.UPDATE_ORGANIZATION, name, slug, color)
        return Organization(*row)

    async def delete_organization(self) -> None:
        """Delete the current organization: nobody can enter it anymore, but its rows are kept.

        Raises:
            OrganizationRequiredError: the workspace is not an organization's.
            PermissionDeniedError: the role lacks ``organization.delete``.
        """
        await self._call(_sql.DELETE_ORGANIZATION)

    async def members(self) -> list[Member]:
        """Return the members of the current organization.

        Raises:
            OrganizationRequiredError: the workspace is not an organization's.
            PermissionDeniedError: the role lacks ``members.view``.
        """
        return [Member(*row) for row in await self._call(_sql.MEMBERS)]

    async def member(self, user_id: UUID | str) -> Member | None:
        """Return one member of the current organization, or None if the person is not a member.

        Raises:
            OrganizationRequiredError: the workspace is not an organization's.
            PermissionDeniedError: the role lacks ``members.view``.
        """
        rows = await self._call(_sql.MEMBER, user_id)
        return Member(*rows[0]) if rows else None

    async def change_member_role(self, user_id: UUID | str, role: str) -> None:
        """Give a member of the current organization another role.

        Args:
            user_id: the member.
            role: ``owner``, ``admin``, ``manager`` or ``user``.

        Raises:
            OrganizationRequiredError: the workspace is not an organization's.
            PermissionDeniedError: the role lacks ``members.change_role``.
            DelegationDeniedError: the role may not grant ``role``, or not to this member.
            MemberNotFoundError: the person is not a member.
            LastOwnerError: the person is the last owner. The server may notice only at
                COMMIT, so this can be raised at the end of the block.
            InvalidArgumentError: the role is unknown.
        """
        await self._call(_sql.CHANGE_MEMBER_ROLE, user_id, role)

    async def remove_member(self, user_id: UUID | str) -> None:
        """Remove a member from the current organization.

        Raises:
            OrganizationRequiredError: the workspace is not an organization's.
            PermissionDeniedError: the role lacks ``members.remove``.
            DelegationDeniedError: the role may not remove this member.
            MemberNotFoundError: the person is not a member.
            LastOwnerError: as for ``change_member_role``.
        """
        await self._call(_sql.REMOVE_MEMBER, user_id)

    async def leave_organization(self) -> None:
        """Leave the current organization.

        Raises:
            OrganizationRequiredError: the workspace is not an organization's.
            LastOwnerError: as for ``change_member_role``.
        """
        await self._call(_sql.LEAVE_ORGANIZATION)

    async def invite_member(self, email: str, role: str = "user", expires_in: timedelta | None = None) -> NewInvitation:
        """Invite somebody to the current organization.

        The result has the only copy of the token. Send it to the address and nowhere else:
        presenting it proves access to the mailbox.

        Args:
            email: the person's address, whether or not it has an account.
            role: the person's role: ``owner``, ``admin``, ``manager`` or ``user``.
            expires_in: how long the token is valid, more than 0 and at most 90 days;
                None for the server's default, 7 days.

        Raises:
            OrganizationRequiredError: the workspace is not an organization's.
            PermissionDeniedError: the role lacks ``members.invite``.
            PersonRequiredError: the workspace was entered with an API key.
            DelegationDeniedError: the role may not grant ``role``.
            AlreadyAMemberError: the address belongs to a member.
            InvitationPendingError: the address already has a pending invitation; revoke it first.
            EmailAmbiguousError: several accounts have the address.
            InvalidArgumentError: the address, the role or the time is not acceptable.
        """
        if expires_in is None:
            (row,) = await self._call(_sql.INVITE_MEMBER, email, role)
        else:
            (row,) = await self._call(_sql.INVITE_MEMBER_FOR, email, role, expires_in)
        return NewInvitation(*row)

    async def invitations(self) -> list[Invitation]:
        """Return the invitations to the current organization, newest first.

        Raises:
            OrganizationRequiredError: the workspace is not an organization's.
            PermissionDeniedError: the role lacks ``members.invite``.
        """
        return [Invitation(*row) for row in await self._call(_sql.INVITATIONS)]

    async def revoke_invitation(self, invitation_id: UUID | str) -> None:
        """Revoke a pending invitation: its token is no longer valid.

        Raises:
            OrganizationRequiredError: the workspace is not an organization's.
            PermissionDeniedError: the role lacks ``members.invite``.
            DelegationDeniedError: the role may not grant the invitation's role.
            InvitationNotFoundError: the organization has no such invitation.
            InvitationNotPendingError: it was accepted or revoked, or has expired.
        """
        await self._call(_sql.REVOKE_INVITATION, invitation_id)

    async def create_api_key(self, name: str, expires_at: datetime | None = None) -> NewApiKey:
        """Create an API key: a personal one, or one of the current organization.

        The result has the only copy of the key.

        Args:
            name: the name shown in lists.
            expires_at: when it expires, with a time zone; None for never.

        Raises:
            PermissionDeniedError: the role lacks ``api_keys.create``.
            PersonRequiredError: the workspace was entered with an API key.
            InvalidArgumentError: the name or the time is not acceptable.
        """
        (row,) = await self._call(_sql.CREATE_API_KEY, name, expires_at)
        return NewApiKey(*row)

    async def api_keys(self) -> list[ApiKey]:
        """Return the API keys of this workspace, including revoked ones, newest first."""
        return [ApiKey(*row) for row in await self._call(_sql.API_KEYS)]

    async def rename_api_key(self, api_key_id: UUID | str, name: str) -> None:
        """Rename an API key of this workspace.

        Raises:
            PermissionDeniedError: the role lacks ``api_keys.update``.
            PersonRequiredError: the workspace was entered with an API key.
            ApiKeyNotFoundError: the workspace has no such key.
            InvalidArgumentError: the name is not acceptable.
        """
        await self._call(_sql.RENAME_API_KEY, api_key_id, name)

    async def revoke_api_key(self, api_key_id: UUID | str) -> None:
        """Revoke an API key of this workspace permanently; repeating it is not an error.

        Raises:
            PermissionDeniedError: the role lacks ``api_keys.revoke``.
            PersonRequiredError: the workspace was entered with an API key.
            ApiKeyNotFoundError: the workspace has no such key.
        """
        await self._call(_sql.REVOKE_API_KEY, api_key_id)

    async def sessions(self, token: str | None = None) -> list[Session]:
        """Return the person's own valid sessions in all workspaces, most recently used first.

        Args:
            token: the token of the current session, to mark it as such.

        Raises:
            PersonRequiredError: the workspace was entered with an API key.
        """
        return [Session(*row) for row in await self._call(_sql.SESSIONS, token)]

    async def revoke_session(self, session_id: UUID | str) -> None:
        """End one of the person's own sessions; repeating it is not an error.

        Raises:
            PersonRequiredError: the workspace was entered with an API key.
            SessionNotFoundError: the person has no such session.
        """
        await self._call(_sql.REVOKE_SESSION, session_id)

    async def revoke_sessions(self, keep: UUID | str | None = None) -> int:
        """End all of the person's own sessions, and return how many were ended.

        Args:
            keep: the id of a session to keep.

        Raises:
            PersonRequiredError: the workspace was entered with an API key.
        """
        ((revoked,),) = await self._call(_sql.REVOKE_SESSIONS, keep)
        return int(revoked)

    async def terminate_instance(self, instance_id: UUID | str) -> None:
        """Order the termination of an instance of this workspace.

        Raises:
            PermissionDeniedError: the role lacks ``instances.terminate``.
            InstanceNotFoundError: this workspace has no such instance.
            InstanceStateError: its state does not allow it.
        """
        await self._call(_sql.TERMINATE_INSTANCE, instance_id)

    async def reinstall_instance(self, instance_id: UUID | str) -> None:
        """Order the reinstallation of an instance of this workspace.

        Raises:
            PermissionDeniedError: the role lacks ``instances.reinstall``.
            InstanceNotFoundError: this workspace has no such instance.
            InstanceStateError: its state does not allow it.
        """
        await self._call(_sql.REINSTALL_INSTANCE, instance_id)

    async def legacy_instances(
        self, *, after_id: UUID | str | None = None, page_size: int = 100
    ) -> list[LegacyInstance]:
        """Return a page of the legacy instances, which belong to nobody, by id: for everybody in personal mode.

        Args:
            after_id: the last id of the previous page; None for the first page.
            page_size: the maximum number of instances, 1 to 10,000.

        Raises:
            PermissionDeniedError: the workspace is not the user's own.
            InvalidArgumentError: the page size is out of range.
        """
        return [LegacyInstance(*row) for row in await self._call(_sql.LEGACY_INSTANCES, after_id, page_size)]

    async def delete_model(self, model_id: UUID | str) -> None:
        """Delete a model of this workspace: an organization's, or a public one in the platform's.

        Raises:
            PermissionDeniedError: the role lacks ``models.delete``.
            ModelNotFoundError: this workspace has no such model.
            ModelInUseError: instances or offerings use it.
        """
        await self._call(_sql.DELETE_MODEL, model_id)

    async def create_user(
        self,
        email: str,
        *,
        username: str | None = None,
        first_name: str | None = None,
        last_name: str | None = None,
        password_hash: str | None = None,
    ) -> UUID:
        """Create an account; in an organization, the person also becomes a member with the role ``user``.

        Args:
            email: the address, which must be new.
            username: the name shown to others.
            first_name: the person's first name.
            last_name: the person's last name.
            password_hash: the password's hash in the application's format; None for an
                account without a password.

        Returns:
            The id of the user.

        Raises:
            PermissionDeniedError: the role lacks ``users.create``.
            PersonRequiredError: the workspace was entered with an API key.
            OrganizationRequiredError: the workspace is personal.
            EmailTakenError: the address already has an account; invite the person instead.
            UsernameTakenError: another account has the username.
            InvalidArgumentError: the address is not acceptable, or a value violates a
                rule of the application's own table.
        """
        (row,) = await self._call(_sql.CREATE_USER, email, username, first_name, last_name, password_hash)
        user_id: UUID = row[0]
        return user_id

    async def update_user(
        self,
        user_id: UUID | str,
        *,
        email: str | None = None,
        username: str | None = None,
        first_name: str | None = None,
        last_name: str | None = None,
        password_hash: str | None = None,
    ) -> None:
        """Change an account; None leaves a value unchanged.

        Everybody may change their own account. In an organization, the names of a member
        can be changed too; in the platform's workspace, staff can change any account.

        Args:
            user_id: the account.
            email: the new address, which no other account may have.
            username: the name shown to others.
            first_name: the person's first name.
            last_name: the person's last name.
            password_hash: the password's hash in the application's format.

        Raises:
            PermissionDeniedError: the role lacks ``users.update``, or the e-mail address
                or password is another person's.
            PersonRequiredError: the workspace was entered with an API key.
            MemberNotFoundError: the person is not a member of the organization.
            UserNotFoundError: the user does not exist, or this workspace cannot see it.
            EmailTakenError: another account has the address.
            UsernameTakenError: another account has the username.
            InvalidArgumentError: the address is not acceptable, or a value violates a
                rule of the application's own table.
        """
        await self._call(_sql.UPDATE_USER, user_id, email, username, first_name, last_name, password_hash)

    async def delete_user(self, user_id: UUID | str) -> None:
        """Remove a member in an organization; in other workspaces, delete an account.

        In the personal workspace this is the user's own account, in the platform's
        workspace any account. Everything in the account's personal workspace is deleted
        with it; what belongs to organizations is kept.

        Raises:
            PermissionDeniedError: the role lacks ``users.delete``, or the account is
                another person's.
            DelegationDeniedError: the role may not remove this member.
            PersonRequiredError: the workspace was entered with an API key.
            MemberNotFoundError: the person is not a member of the organization.
            UserNotFoundError: the user does not exist.
            LastOwnerError: as for ``change_member_role``; the message names the
                organizations.
        """
        await self._call(_sql.DELETE_USER, user_id)

    async def all_users(
        self, email: str | None = None, *, after_id: UUID | str | None = None, page_size: int = 100
    ) -> list[User]:
        """Return a page of all users, by id: for platform staff.

        Args:
            email: return only users with this address, in upper or lower case, and ignore
                the other arguments.
            after_id: the last id of the previous page; None for the first page.
            page_size: the maximum number of users, 1 to 10,000.

        Raises:
            PermissionDeniedError: the user is not platform staff, or the workspace is an
                organization's; it must be personal or the platform's.
            InvalidArgumentError: the page size is out of range.
        """
        return [User(*row) for row in await self._call(_sql.ALL_USERS, email, after_id, page_size)]

    async def wallet(self) -> Wallet:
        """Return the workspace's wallet, with zeros if it was never used.

        Raises:
            PermissionDeniedError: the role lacks ``finops.view``.
        """
        (row,) = await self._call(_sql.WALLET)
        return Wallet(*row)

    async def statement(self, *, since: datetime | None = None, until: datetime | None = None) -> list[StatementEntry]:
        """Return the entries of the workspace's wallet in order.

        Args:
            since: the start, inclusive, with a time zone; None for no limit.
            until: the end, exclusive, with a time zone; None for no limit.

        Raises:
            PermissionDeniedError: the role lacks ``finops.view``.
            InvalidArgumentError: a time has no time zone.
        """
        return [StatementEntry(*row) for row in await self._call(_sql.STATEMENT, since, until)]

    async def verify_statement(self, *, known: Wallet | None = None) -> list[StatementProblem]:
        """Verify the statement; return its errors, normally none.

        Args:
            known: an earlier ``wallet()`` of this workspace, kept where nobody with access
                to the database can change it.

        Raises:
            PermissionDeniedError: the role lacks ``finops.view``.
            InvalidArgumentError: ``known`` is not a ``Wallet``.
        """
        if known is not None and not isinstance(known, Wallet):
            raise InvalidArgumentError(f"known must be a Wallet, not {type(known).__name__}")
        version, chain = (str(known.version), known.chain.hex()) if known is not None else (None, None)
        return [StatementProblem(*row) for row in await self._call(_sql.VERIFY_STATEMENT, version, chain)]

    async def cost_current(self, time_zone: str | None = None) -> CostsNow:
        """Return the workspace's current hourly cost, and its spending and earnings today.

        Args:
            time_zone: the time zone that defines the day, such as ``Europe/Rome``; None for
                the session's.

        Raises:
            PermissionDeniedError: the role lacks ``finops.view``.
            InvalidArgumentError: the time zone is unknown.
        """
        (row,) = await self._call(_sql.COST_CURRENT, time_zone)
        return CostsNow(*row)

    async def costs_summary(self, starts_at: datetime, ends_at: datetime) -> Costs:
        """Return the workspace's spending and earnings in a period.

        Args:
            starts_at: the start, inclusive, with a time zone.
            ends_at: the end, exclusive, with a time zone.

        Raises:
            PermissionDeniedError: the role lacks ``finops.view``.
            InvalidArgumentError: the end is not after the start.
        """
        (row,) = await self._call(_sql.COSTS_SUMMARY, starts_at, ends_at)
        return Costs(*row)

    async def costs_window(self, span: str) -> CostsWindow:
        """Return the workspace's spending and earnings in a period up to now.

        Args:
            span: ``minute``, ``hour``, ``day``, ``30 days`` or ``365 days``.

        Raises:
            PermissionDeniedError: the role lacks ``finops.view``.
            InvalidArgumentError: the span is unknown.
        """
        (row,) = await self._call(_sql.COSTS_WINDOW, span)
        return CostsWindow(row[0], row[1], Costs(*row[2:]))

    async def costs_series(
        self, starts_at: datetime, ends_at: datetime, bucket: str = "day", time_zone: str | None = None
    ) -> list[CostsBucket]:
        """Return the workspace's spending and earnings by time bucket, without empty buckets.

        Args:
            starts_at: the start, inclusive, with a time zone.
            ends_at: the end, exclusive, with a time zone.
            bucket: ``minute``, ``hour``, ``day`` or ``month``; at most 10,000 of them.
            time_zone: the time zone that defines days and months; None for the session's.

        Raises:
            PermissionDeniedError: the role lacks ``finops.view``.
            InvalidArgumentError: the range, the bucket or the time zone is not
                acceptable, or there are too many buckets.
        """
        rows = await self._call(_sql.COSTS_SERIES, starts_at, ends_at, bucket, time_zone)
        return [CostsBucket(row[0], Costs(*row[1:])) for row in rows]

    async def costs_by(self, starts_at: datetime, ends_at: datetime, dimension: str) -> list[CostsPart]:
        """Return the workspace's spending and earnings by dimension, largest first.

        Args:
            starts_at: the start, inclusive, with a time zone.
            ends_at: the end, exclusive, with a time zone.
            dimension: ``provider``, ``region``, ``instance type``, ``instance``,
                ``model``, ``user``, ``API key`` or ``offering``.

        Raises:
            PermissionDeniedError: the role lacks ``finops.view``.
            InvalidArgumentError: the range or the dimension is not acceptable.
        """
        rows = await self._call(_sql.COSTS_BY, starts_at, ends_at, dimension)
        return [CostsPart(row[0], row[1], Costs(*row[2:])) for row in rows]

    async def cost_forecast(self, horizon: str | None = None) -> list[CostForecast]:
        """Return the future cost of the running instances, if they keep running.

        Args:
            horizon: ``minute``, ``hour``, ``day``, ``30 days`` or ``365 days``; None
                for all of them.

        Raises:
            PermissionDeniedError: the role lacks ``finops.view``.
            InvalidArgumentError: the horizon is unknown.
        """
        return [CostForecast(*row) for row in await self._call(_sql.COST_FORECAST, horizon)]

    # For use outside of workspaces, and therefore not public: see peek_invitation(),
    # accept_invitation(), sign_up() and the functions for sessions.

    async def _peek_invitation(self, token: str) -> InvitationPreview:
        (row,) = await self._call(_sql.PEEK_INVITATION, token)
        return InvitationPreview(*row)

    async def _accept_invitation(self, token: str, *account: str | None) -> AcceptedInvitation:
        (row,) = await self._call(_sql.ACCEPT_INVITATION, token, *account)
        return AcceptedInvitation(*row)

    async def _sign_up(self, email: str, *account: str | None) -> UUID:
        ((user_id,),) = await self._call(_sql.SIGN_UP, email, *account)
        return cast(UUID, user_id)

    async def _start_session(self, call: Call, *values: object) -> NewSession:
        (row,) = await self._call(call, *values)
        return NewSession(*row)

    async def _switch_session(self, token: str, organization_id: UUID | str | None) -> None:
        await self._call(_sql.SWITCH_SESSION, token, organization_id)

    async def _end_session(self, token: str) -> None:
        await self._call(_sql.END_SESSION, token)

    async def activate(self, kind: str, object_id: UUID | str, aspect: str) -> bool:
        """Give an object of the current organization one of its two activations.

        An existing activation keeps its person and time.

        Args:
            kind: ``instance``, ``model``, ``api_key`` or ``offering``.
            object_id: the object's id.
            aspect: ``tech`` or ``eco``.

        Returns:
            Whether the object is operational now.

        Raises:
            OrganizationRequiredError: the workspace is not an organization's.
            PermissionDeniedError: the role may not give this activation.
            PersonRequiredError: the workspace was entered with an API key.
            NotFoundError: the organization has no such object.
            InvalidArgumentError: the kind or the aspect is unknown.
        """
        (row,) = await self._call(_sql.ACTIVATE, kind, object_id, aspect)
        return bool(row[0])

    async def deactivate(self, kind: str, object_id: UUID | str, aspect: str) -> bool:
        """Withdraw an activation: from the next transaction on, the object cannot be used.

        Args:
            kind: as for ``activate``.
            object_id: the object's id.
            aspect: ``tech`` or ``eco``.

        Returns:
            Whether the object is operational now.

        Raises:
            TenancyError: as for ``activate``.
        """
        (row,) = await self._call(_sql.DEACTIVATE, kind, object_id, aspect)
        return bool(row[0])

    async def require_operational(self, kind: str, object_id: UUID | str) -> None:
        """Raise an error unless an object has both activations, or needs none.

        Raises:
            NotOperationalError: one or both are missing.
            NotFoundError: the workspace has no such object.
            PermissionDeniedError: the role may not use such objects.
            InvalidArgumentError: the kind is unknown.
        """
        await self._call(_sql.REQUIRE_OPERATIONAL, kind, object_id)
