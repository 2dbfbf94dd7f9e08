"""Organizations: members, invitations, the models they offer, and with whom they share them."""

# Without "from __future__ import annotations": FastAPI reads the annotations.

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Body, Query
from pydantic import BaseModel, Field

from pg_tenancy.aio import accept_invitation, peek_invitation
from pg_tenancy.fastapi.access import NewId
from pg_tenancy.fastapi.answers import After, Entered, Limit, Page, Pool, answers, page, rows_of
from pg_tenancy.results import (
    AcceptedInvitation,
    AccessRequest,
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


class NewOrganization(BaseModel):
    """An organization to make."""

    name: str = Field(examples=["Acme"])
    slug: str | None = Field(default=None, examples=["acme"], description="Without one it is made of the name.")


class OrganizationChange(BaseModel):
    """Changes of an organization; omitted fields stay."""

    name: str | None = Field(default=None, examples=["Acme"])
    slug: str | None = None
    color: str | None = Field(default=None, examples=["#1d4ed8"])


@router.get("/organizations", responses=answers(list[OrganizationChoice]))
async def organizations(ws: Entered) -> list[OrganizationChoice]:
    """List the organizations that the caller may enter: for a switcher."""
    return await ws.my_organizations()


@router.post("/organizations", status_code=201, responses=answers(Organization, 201))
async def create_organization(ws: Entered, new: NewOrganization) -> Organization:
    """Make an organization, with the caller as its owner. Repeated with a slug, it is the problem `slug_taken`."""
    return await ws.create_organization(new.name, new.slug)


@router.get("/organizations/current", responses=answers(CurrentWorkspace))
async def current(ws: Entered) -> CurrentWorkspace:
    """Return the workspace of the request, as a banner shows it."""
    return await ws.current()


@router.patch("/organizations/current", responses=answers(Organization))
async def update_organization(ws: Entered, change: OrganizationChange) -> Organization:
    """Change name, slug and color."""
    return await ws.update_organization(change.name, change.slug, change.color)


@router.delete("/organizations/current", status_code=204, responses=answers(None, 204))
async def delete_organization(ws: Entered) -> None:
    """Close the organization: nobody can enter it from then on."""
    await ws.delete_organization()


# -- members -------------------------------------------------------------------------


class RoleChange(BaseModel):
    """The new role of a member."""

    role: Role


@router.get("/organizations/current/members", responses=answers(Page[Member]))
async def members(ws: Entered, limit: Limit = 100, after: After = None) -> Page[Member]:
    """List the members, by id."""
    return page(sorted(await ws.members(), key=lambda member: member.user_id), limit, after, key="user_id")


@router.patch("/organizations/current/members/{user_id}", status_code=204, responses=answers(None, 204))
async def change_member_role(ws: Entered, user_id: UUID, change: RoleChange) -> None:
    """Give a member another role."""
    await ws.change_member_role(user_id, change.role)


@router.delete("/organizations/current/members/{user_id}", status_code=204, responses=answers(None, 204))
async def remove_member(ws: Entered, user_id: UUID) -> None:
    """End somebody's membership."""
    await ws.remove_member(user_id)


@router.post("/organizations/current/leave", status_code=204, responses=answers(None, 204))
async def leave(ws: Entered) -> None:
    """End the caller's own membership."""
    await ws.leave_organization()


# -- invitations ---------------------------------------------------------------------


class InvitationRequest(BaseModel):
    """Somebody to invite."""

    email: str = Field(examples=["zoe@example.com"])
    role: Role = "user"
    expires_in_days: int | None = Field(default=None, ge=1, le=90, description="Null for the server's 7.")


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
    """Invite somebody. The token is for the address and nobody else, the browser of the inviter included.

    Repeated, it is the problem `invitation_pending`.
    """
    expires_in = timedelta(days=new.expires_in_days) if new.expires_in_days is not None else None
    return await ws.invite_member(new.email, new.role, expires_in)


@router.delete("/organizations/current/invitations/{invitation_id}", status_code=204, responses=answers(None, 204))
async def revoke_invitation(ws: Entered, invitation_id: UUID) -> None:
    """Make the token of a pending invitation useless."""
    await ws.revoke_invitation(invitation_id)


class NewAccount(BaseModel):
    """The account of an invited person who has none; `password_hash` as the application hashes passwords."""

    username: str | None = Field(default=None, examples=["zoe"])
    first_name: str | None = None
    last_name: str | None = None


@public.get("/organizations/invitations/{token}", responses=answers(InvitationPreview))
async def peek(pool: Pool, token: str) -> InvitationPreview:
    """Return what an invitation is for: whoever has the token may ask."""
    return await peek_invitation(pool, token)


@public.post("/organizations/invitations/{token}/accept", responses=answers(AcceptedInvitation))
async def accept(pool: Pool, token: str, account: Annotated[NewAccount | None, Body()] = None) -> AcceptedInvitation:
    """Make the invited person a member, with a new account if necessary, which has no password yet.

    It works once. The token proves who reads the mail: an existing account still has to log in.
    """
    return await accept_invitation(pool, token, **(account.model_dump() if account else {}))


# -- what the organization offers -----------------------------------------------------


@dataclass(frozen=True, slots=True)
class Offering:
    """A model that the organization offers."""

    id: UUID
    model_id: UUID
    code: str
    name: str
    description: str | None
    visibility: str
    access_policy: str
    is_active: bool
    is_operational: bool


@dataclass(frozen=True, slots=True)
class Share:
    """An organization with which an offering is shared."""

    id: UUID
    organization_id: UUID
    status: str
    starts_at: datetime | None
    ends_at: datetime | None


Visibility = Literal["public", "unlisted", "private"]
Policy = Literal["free", "pay_per_token", "subscription_required", "request_required", "trial"]


class NewOffering(BaseModel):
    """A model to offer."""

    model_id: UUID
    code: str = Field(examples=["sales-bot"])
    name: str = Field(examples=["Sales bot"])
    description: str | None = None
    visibility: Visibility = "private"
    access_policy: Policy = "request_required"
    eur_per_1k: Decimal | None = Field(default=None, examples=["0.20"])


class OfferingChange(BaseModel):
    """Changes of an offering; omitted fields stay."""

    name: str | None = None
    code: str | None = None
    description: str | None = None
    visibility: Visibility | None = None
    access_policy: Policy | None = None
    is_active: bool | None = None


class NewShare(BaseModel):
    """With whom to share, and at which price."""

    organization_id: UUID
    eur_per_1k: Decimal | None = None
    ends_at: datetime | None = None


@router.get("/organizations/current/models", responses=answers(Page[Offering]))
async def offerings(ws: Entered, limit: Limit = 100, after: After = None) -> Page[Offering]:
    """List what the organization offers."""
    query = (
        "SELECT id, model_id, code, name, description, visibility, access_policy, is_active, is_operational"
        " FROM public.organization_models"
        " WHERE %(after)s::uuid IS NULL OR id > %(after)s ORDER BY id LIMIT %(limit)s"
    )
    return page(await rows_of(ws, Offering, query, {"after": after, "limit": limit + 1}), limit)


@router.post("/organizations/current/models", status_code=201, responses=answers(NewId, 201))
async def publish(ws: Entered, new: NewOffering) -> NewId:
    """Offer a model. Repeated, it is the problem `offering_code_taken`."""
    return NewId(await ws.publish_offering(**new.model_dump()))


@router.patch("/organizations/current/models/{offering_id}", status_code=204, responses=answers(None, 204))
async def update_offering(ws: Entered, offering_id: UUID, change: OfferingChange) -> None:
    """Change an offering."""
    await ws.update_offering(offering_id, **change.model_dump())


@router.get("/organizations/current/models/{offering_id}/shares", responses=answers(Page[Share]))
async def shares(ws: Entered, offering_id: UUID, limit: Limit = 100, after: After = None) -> Page[Share]:
    """List the organizations with which an offering is shared."""
    query = (
        "SELECT id, consumer_organization_id AS organization_id, status::text AS status, starts_at, ends_at"
        " FROM public.organization_model_shares WHERE organization_model_id = %(offering)s"
        " AND (%(after)s::uuid IS NULL OR id > %(after)s) ORDER BY id LIMIT %(limit)s"
    )
    values = {"offering": offering_id, "after": after, "limit": limit + 1}
    return page(await rows_of(ws, Share, query, values), limit)


@router.post("/organizations/current/models/{offering_id}/shares", status_code=201, responses=answers(NewId, 201))
async def share(ws: Entered, offering_id: UUID, new: NewShare) -> NewId:
    """Share an offering. Repeated, it is the problem `already_shared`."""
    return NewId(
        await ws.share_offering(offering_id, new.organization_id, eur_per_1k=new.eur_per_1k, ends_at=new.ends_at)
    )


@router.post(
    "/organizations/current/models/{offering_id}/shares/{share_id}/{action}",
    status_code=204,
    responses=answers(None, 204),
)
async def change_share(
    ws: Entered, offering_id: UUID, share_id: UUID, action: Literal["pause", "resume", "revoke"]
) -> None:
    """Pause, resume or revoke a share."""
    await {"pause": ws.pause_share, "resume": ws.resume_share, "revoke": ws.revoke_share}[action](share_id)


@router.get("/organizations/current/requests", responses=answers(Page[AccessRequest]))
async def requests(ws: Entered, limit: Limit = 100, after: After = None) -> Page[AccessRequest]:
    """List the requests for access that the workspace has made and received."""
    return page(await ws.access_requests(), limit, after)
