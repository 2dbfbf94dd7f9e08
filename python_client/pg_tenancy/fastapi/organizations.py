"""Endpoints for organizations, members and invitations."""

# Without "from __future__ import annotations": FastAPI reads the annotations.

from datetime import timedelta
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi import Body as BodyOf
from pydantic import Field

from pg_tenancy.aio import accept_invitation, peek_invitation
from pg_tenancy.errors import MemberNotFoundError
from pg_tenancy.fastapi.answers import After, Body, Entered, Limit, Page, Pool, answers, page
from pg_tenancy.results import (
    AcceptedInvitation,
    CurrentWorkspace,
    Invitation,
    InvitationPreview,
    Member,
    NewInvitation,
    Organization,
    OrganizationChoice,
)

router = APIRouter(tags=["organizations"])
public = APIRouter(tags=["invitations"])

Role = Literal["owner", "admin", "manager", "user"]


class NewOrganization(Body):
    """A new organization."""

    name: str = Field(examples=["Acme"])
    slug: str | None = Field(default=None, examples=["acme"], description="Default: derived from the name.")


class OrganizationChange(Body):
    """Changes to an organization. Omitted fields stay unchanged."""

    name: str | None = Field(default=None, examples=["Acme"])
    slug: str | None = None
    color: str | None = Field(default=None, examples=["#1d4ed8"])


@router.get("/organizations", responses=answers(list[OrganizationChoice]))
async def organizations(ws: Entered) -> list[OrganizationChoice]:
    """List the organizations that the caller may enter."""
    return await ws.my_organizations()


@router.post("/organizations", status_code=201, responses=answers(Organization, 201))
async def create_organization(ws: Entered, new: NewOrganization) -> Organization:
    """Create an organization owned by the caller. Repeating a slug fails with `organization_slug_taken`."""
    return await ws.create_organization(new.name, new.slug)


@router.get("/organizations/current", responses=answers(CurrentWorkspace))
async def current(ws: Entered) -> CurrentWorkspace:
    """Return the workspace of the request."""
    return await ws.current()


@router.patch("/organizations/current", responses=answers(Organization))
async def update_organization(ws: Entered, change: OrganizationChange) -> Organization:
    """Change name, slug and color."""
    return await ws.update_organization(change.name, change.slug, change.color)


@router.delete("/organizations/current", status_code=204, responses=answers(None, 204))
async def delete_organization(ws: Entered) -> None:
    """Delete the organization: nobody can enter it anymore."""
    await ws.delete_organization()


# -- members -------------------------------------------------------------------------


class RoleChange(Body):
    """The new role of a member."""

    role: Role


@router.get("/organizations/current/members", responses=answers(Page[Member]))
async def members(ws: Entered, limit: Limit = 100, after: After = None) -> Page[Member]:
    """List the members, by id."""
    return page(sorted(await ws.members(), key=lambda member: member.user_id), limit, after, key="user_id")


@router.get("/organizations/current/members/{user_id}", responses=answers(Member))
async def member(ws: Entered, user_id: UUID) -> Member:
    """Return a member."""
    found = await ws.member(user_id)
    if found is None:
        raise MemberNotFoundError("the organization has no such member")
    return found


@router.patch("/organizations/current/members/{user_id}", status_code=204, responses=answers(None, 204))
async def change_member_role(ws: Entered, user_id: UUID, change: RoleChange) -> None:
    """Change a member's role."""
    await ws.change_member_role(user_id, change.role)


@router.delete("/organizations/current/members/{user_id}", status_code=204, responses=answers(None, 204))
async def remove_member(ws: Entered, user_id: UUID) -> None:
    """Remove a member."""
    await ws.remove_member(user_id)


@router.post("/organizations/current/leave", status_code=204, responses=answers(None, 204))
async def leave(ws: Entered) -> None:
    """Leave the organization."""
    await ws.leave_organization()


# -- invitations ---------------------------------------------------------------------


class InvitationRequest(Body):
    """A new invitation."""

    email: str = Field(examples=["zoe@example.com"])
    role: Role = "user"
    expires_in_days: int | None = Field(default=None, ge=1, le=90, description="Null for 7.")


@router.get("/organizations/current/invitations", responses=answers(Page[Invitation]))
async def invitations(
    ws: Entered,
    limit: Limit = 100,
    after: After = None,
    status: Annotated[Literal["pending", "accepted", "revoked", "expired"] | None, Query()] = None,
) -> Page[Invitation]:
    """List the invitations, the newest first."""
    found = [each for each in await ws.invitations() if status in (None, each.status)]
    return page(found, limit, after)


@router.post("/organizations/current/invitations", status_code=201, responses=answers(NewInvitation, 201))
async def invite(ws: Entered, new: InvitationRequest) -> NewInvitation:
    """Invite somebody. Send the token only to the e-mail address, never to the inviter's browser.

    A repeated request fails with `invitation_pending`.
    """
    expires_in = timedelta(days=new.expires_in_days) if new.expires_in_days is not None else None
    return await ws.invite_member(new.email, new.role, expires_in)


@router.delete("/organizations/current/invitations/{invitation_id}", status_code=204, responses=answers(None, 204))
async def revoke_invitation(ws: Entered, invitation_id: UUID) -> None:
    """Revoke a pending invitation."""
    await ws.revoke_invitation(invitation_id)


class NewAccount(Body):
    """The new account of an invited person."""

    username: str | None = Field(default=None, examples=["zoe"])
    first_name: str | None = None
    last_name: str | None = None


@public.get("/organizations/invitations/{token}", responses=answers(InvitationPreview))
async def peek(pool: Pool, token: str) -> InvitationPreview:
    """Return an invitation's details to anybody with its token."""
    return await peek_invitation(pool, token)


@public.post("/organizations/invitations/{token}/accept", responses=answers(AcceptedInvitation))
async def accept(pool: Pool, token: str, account: Annotated[NewAccount | None, BodyOf()] = None) -> AcceptedInvitation:
    """Make the invited person a member; if necessary, create an account without a password.

    This works once. The token only proves access to the mailbox: an existing account must log in.
    """
    return await accept_invitation(pool, token, **(account.model_dump() if account else {}))
