"""The functions of pg-tenancy as methods, whichever driver carries them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from pg_tenancy import _sql
from pg_tenancy._sql import Call
from pg_tenancy.results import CurrentWorkspace, Member, Organization, OrganizationChoice


class Calls(ABC):
    """What can be asked and done in a workspace besides the application's own SQL."""

    @abstractmethod
    async def _call(self, call: Call, *values: object) -> Sequence[Sequence[Any]]:
        """Run one statement of pg-tenancy and return its rows."""

    async def current(self) -> CurrentWorkspace:
        """Return the workspace as a banner shows it."""
        (row,) = await self._call(_sql.CURRENT_WORKSPACE)
        return CurrentWorkspace(*row)

    async def has_permission(self, permission: str) -> bool:
        """Return whether the user holds the permission in this workspace.

        Args:
            permission: a word like ``instances.terminate``.
        """
        (row,) = await self._call(_sql.HAS_PERMISSION, permission)
        return bool(row[0])

    async def my_permissions(self) -> frozenset[str]:
        """Return every permission that the user holds in this workspace."""
        return frozenset(row[0] for row in await self._call(_sql.MY_PERMISSIONS))

    async def my_organizations(self) -> list[OrganizationChoice]:
        """Return the organizations that the user may enter: the switcher's list."""
        return [OrganizationChoice(*row) for row in await self._call(_sql.MY_ORGANIZATIONS)]

    async def create_organization(self, name: str, slug: str | None = None) -> Organization:
        """Make an organization with the user as its owner.

        The workspace stays what it is: enter the new organization in the next
        transaction.

        Args:
            name: what people see.
            slug: what addresses show; without one it is derived from the name and
                made unique.

        Raises:
            InvalidArgumentError: the name or the slug is not acceptable.
            SlugTakenError: another organization has this slug.
        """
        (row,) = await self._call(_sql.CREATE_ORGANIZATION, name, slug)
        return Organization(*row)

    async def update_organization(
        self, name: str | None = None, slug: str | None = None, color: str | None = None
    ) -> Organization:
        """Change the current organization; what is None stays as it is.

        Raises:
            OrganizationRequiredError: the workspace is personal.
            PermissionDeniedError: the role does not hold ``organization.update``.
            InvalidArgumentError: the name, the slug or the color is not acceptable.
            SlugTakenError: another organization has this slug.
        """
        (row,) = await self._call(_sql.UPDATE_ORGANIZATION, name, slug, color)
        return Organization(*row)

    async def delete_organization(self) -> None:
        """Close the current organization: nobody can enter it, nothing is lost.

        Raises:
            OrganizationRequiredError: the workspace is personal.
            PermissionDeniedError: the role does not hold ``organization.delete``.
        """
        await self._call(_sql.DELETE_ORGANIZATION)

    async def members(self) -> list[Member]:
        """Return the people of the current organization.

        Raises:
            OrganizationRequiredError: the workspace is personal.
        """
        return [Member(*row) for row in await self._call(_sql.MEMBERS)]

    async def change_member_role(self, user_id: UUID, role: str) -> None:
        """Give a member of the current organization another role.

        Args:
            user_id: the member.
            role: ``owner``, ``admin``, ``manager`` or ``user``.

        Raises:
            OrganizationRequiredError: the workspace is personal.
            PermissionDeniedError: the role does not hold ``members.change_role``.
            DelegationDeniedError: it does, but not from or to these roles.
            MemberNotFoundError: the person is not a member.
            LastOwnerError: the person is the last owner. The server may find that
                only at COMMIT, so it can come from the end of the block.
            InvalidArgumentError: there is no such role.
        """
        await self._call(_sql.CHANGE_MEMBER_ROLE, user_id, role)

    async def remove_member(self, user_id: UUID) -> None:
        """End somebody's membership of the current organization.

        Raises:
            OrganizationRequiredError: the workspace is personal.
            PermissionDeniedError: the role does not hold ``members.remove``.
            DelegationDeniedError: it does, but not over this member.
            MemberNotFoundError: the person is not a member.
            LastOwnerError: as for ``change_member_role``.
        """
        await self._call(_sql.REMOVE_MEMBER, user_id)

    async def leave_organization(self) -> None:
        """End the user's own membership of the current organization.

        Raises:
            OrganizationRequiredError: the workspace is personal.
            LastOwnerError: as for ``change_member_role``.
        """
        await self._call(_sql.LEAVE_ORGANIZATION)
