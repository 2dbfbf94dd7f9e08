"""Endpoints for offerings: prices, shares, requests, agreements and the catalog."""

# Without "from __future__ import annotations": FastAPI reads the annotations.

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi import Body as BodyOf
from pydantic import AwareDatetime, Field

from pg_tenancy.errors import OfferingNotFoundError, ShareNotFoundError
from pg_tenancy.fastapi.access import NewId
from pg_tenancy.fastapi.answers import START, After, Body, Entered, Limit, Page, answers, page, rows_of
from pg_tenancy.results import AccessRequest, CatalogEntry, CatalogPreferences, ResolvedOffering, SharedOffering

router = APIRouter(tags=["offerings"])

# -- what the organization offers -----------------------------------------------------


@dataclass(frozen=True, slots=True)
class Offering:
    """A model that the organization offers. A trial ends after days or tokens."""

    id: UUID
    model_id: UUID
    code: str
    name: str
    description: str | None
    visibility: str
    access_policy: str
    eur_per_1k: Decimal | None
    trial_days: int | None
    trial_tokens: int | None
    is_active: bool
    is_operational: bool


@dataclass(frozen=True, slots=True)
class Price:
    """The price of 1,000 tokens from a time on. If two have the same time, the later one counts."""

    eur_per_1k: Decimal
    valid_from: datetime
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Share:
    """A share of an offering with an organization. Without a price of its own, the offering's price applies."""

    id: UUID
    organization_id: UUID
    status: str
    eur_per_1k: Decimal | None
    starts_at: datetime | None
    ends_at: datetime | None


@dataclass(frozen=True, slots=True)
class Agreement:
    """A workspace's right to use an offering: an approved request or a trial."""

    id: UUID
    offering_id: UUID
    workspace_id: UUID
    kind: str
    starts_at: datetime
    ends_at: datetime | None
    quota_tokens: int | None
    used_tokens: int
    eur_per_1k: Decimal | None


Visibility = Literal["public", "unlisted", "private"]
Policy = Literal["free", "pay_per_token", "subscription_required", "request_required", "trial"]
PriceField = Annotated[Decimal | None, Field(ge=0, description="Null for the offering's price.", examples=["0.20"])]
Ends = Annotated[AwareDatetime | None, Field(description="With a time zone; null for never.")]
Starts = Annotated[AwareDatetime | None, Field(description="With a time zone, not in the past; null for now.")]


class NewOffering(Body):
    """A new offering of the organization's own model or of a public one."""

    model_id: UUID
    code: str = Field(examples=["sales-bot"])
    name: str = Field(examples=["Sales bot"])
    description: str | None = None
    visibility: Visibility = "private"
    access_policy: Policy = "request_required"
    eur_per_1k: Decimal | None = Field(default=None, ge=0, description="Null to set it later.", examples=["0.20"])
    trial_days: int | None = Field(default=None, ge=1, description="Length of a trial in days.", examples=[14])
    trial_tokens: int | None = Field(default=None, ge=1, description="Number of tokens in a trial.", examples=[100_000])


class OfferingChange(Body):
    """Changes to an offering. Omitted fields stay unchanged. `is_active: false` pauses it."""

    name: str | None = Field(default=None, examples=["Sales bot"])
    code: str | None = None
    description: str | None = None
    visibility: Visibility | None = None
    access_policy: Policy | None = None
    is_active: bool | None = None
    trial_days: int | None = Field(default=None, ge=1, examples=[14])
    trial_tokens: int | None = Field(default=None, ge=1, examples=[100_000])


class NewPrice(Body):
    """A price from a time on."""

    eur_per_1k: Decimal = Field(ge=0, examples=["0.20"])
    valid_from: AwareDatetime | None = Field(default=None, description="Within a year; null for now.", examples=[None])


class NewShare(Body):
    """A new share, with its price."""

    organization_id: UUID
    eur_per_1k: PriceField = None
    starts_at: Starts = None
    ends_at: Ends = None


class Approval(Body):
    """The terms of an approved request."""

    starts_at: Starts = None
    ends_at: Ends = None
    quota_tokens: int | None = Field(default=None, ge=1, description="Null for no limit.", examples=[1_000_000])
    eur_per_1k: PriceField = None


class Denial(Body):
    """The reason for a denial, shown to the requester."""

    reason: str | None = None


_OFFERING = (
    "SELECT o.id, o.model_id, o.code, o.name, o.description, o.visibility, o.access_policy,"
    " (SELECT p.eur_per_1k FROM tenancy.offering_prices AS p WHERE p.offering_id = o.id AND p.valid_from <= now()"
    " ORDER BY p.valid_from DESC, p.number DESC LIMIT 1) AS eur_per_1k,"
    " o.trial_days, o.trial_tokens, o.is_active, o.is_operational FROM public.organization_models AS o"
)
_SHARE = (
    "SELECT id, consumer_organization_id AS organization_id, status::text AS status,"
    " (pricing ->> 'eur_per_1k')::numeric AS eur_per_1k, starts_at, ends_at FROM public.organization_model_shares"
)
_AGREEMENT = (
    "SELECT id, offering_id, consumer_id AS workspace_id, kind, starts_at,"
    " nullif(ends_at, 'infinity') AS ends_at, quota_tokens, used_tokens, eur_per_1k FROM tenancy.entitlements"
)


async def _offering(ws: Entered, offering_id: UUID) -> Offering:
    found = await rows_of(ws, Offering, f"{_OFFERING} WHERE o.id = %s", [offering_id])
    if not found:
        raise OfferingNotFoundError("the organization has no such offering")
    return found[0]


@router.get("/organizations/current/models", responses=answers(Page[Offering]))
async def offerings(ws: Entered, limit: Limit = 100, after: After = None) -> Page[Offering]:
    """List the organization's offerings, by id."""
    query = f"{_OFFERING} WHERE o.id > %(after)s ORDER BY o.id LIMIT %(limit)s"
    return page(await rows_of(ws, Offering, query, {"after": after or START, "limit": limit + 1}), limit)


@router.post("/organizations/current/models", status_code=201, responses=answers(NewId, 201))
async def publish(ws: Entered, new: NewOffering) -> NewId:
    """Offer a model. A repeated request fails with `offering_code_taken`."""
    return NewId(await ws.publish_offering(**new.model_dump()))


@router.get("/organizations/current/models/{offering_id}", responses=answers(Offering))
async def offering(ws: Entered, offering_id: UUID) -> Offering:
    """Return an offering of the organization."""
    return await _offering(ws, offering_id)


@router.patch("/organizations/current/models/{offering_id}", status_code=204, responses=answers(None, 204))
async def update_offering(ws: Entered, offering_id: UUID, change: OfferingChange) -> None:
    """Change, pause or resume an offering."""
    await ws.update_offering(offering_id, **change.model_dump())


@router.get("/organizations/current/models/{offering_id}/prices", responses=answers(list[Price]))
async def prices(ws: Entered, offering_id: UUID) -> list[Price]:
    """List the latest 100 prices of an offering, including future ones, the latest first."""
    await _offering(ws, offering_id)
    query = (
        "SELECT eur_per_1k, valid_from, created_at FROM tenancy.offering_prices WHERE offering_id = %s"
        " ORDER BY valid_from DESC, number DESC LIMIT 100"
    )
    return await rows_of(ws, Price, query, [offering_id])


@router.post("/organizations/current/models/{offering_id}/prices", status_code=204, responses=answers(None, 204))
async def set_price(ws: Entered, offering_id: UUID, new: NewPrice) -> None:
    """Set the price of an offering from a time on; earlier calls keep their price. Can be repeated."""
    await ws.set_offering_price(offering_id, new.eur_per_1k, valid_from=new.valid_from)


# -- to whom ---------------------------------------------------------------------------


@router.get("/organizations/current/models/{offering_id}/shares", responses=answers(Page[Share]))
async def shares(ws: Entered, offering_id: UUID, limit: Limit = 100, after: After = None) -> Page[Share]:
    """List the shares of an offering, by id."""
    query = f"{_SHARE} WHERE organization_model_id = %(offering)s AND id > %(after)s ORDER BY id LIMIT %(limit)s"
    values = {"offering": offering_id, "after": after or START, "limit": limit + 1}
    return page(await rows_of(ws, Share, query, values), limit)


@router.post("/organizations/current/models/{offering_id}/shares", status_code=201, responses=answers(NewId, 201))
async def share(ws: Entered, offering_id: UUID, new: NewShare) -> NewId:
    """Share an offering. A repeated request fails with `already_shared`."""
    return NewId(await ws.share_offering(offering_id, **new.model_dump()))


@router.post(
    "/organizations/current/models/{offering_id}/shares/{share_id}/{action}",
    status_code=204,
    responses=answers(None, 204),
)
async def change_share(
    ws: Entered, offering_id: UUID, share_id: UUID, action: Literal["pause", "resume", "revoke"]
) -> None:
    """Pause, resume or revoke a share."""
    query = "SELECT id FROM public.organization_model_shares WHERE id = %s AND organization_model_id = %s"
    if await ws.fetch_value(query, [share_id, offering_id]) is None:
        raise ShareNotFoundError("the offering has no such share")
    await {"pause": ws.pause_share, "resume": ws.resume_share, "revoke": ws.revoke_share}[action](share_id)


@router.get("/organizations/current/requests", responses=answers(Page[AccessRequest]))
async def requests(
    ws: Entered,
    limit: Limit = 100,
    after: After = None,
    status: Annotated[Literal["pending", "approved", "denied"] | None, Query()] = None,
) -> Page[AccessRequest]:
    """List the access requests that the workspace made and received, the newest first."""
    return page(await ws.access_requests(status), limit, after)


@router.post("/organizations/current/requests/{request_id}/approve", status_code=201, responses=answers(NewId, 201))
async def approve(ws: Entered, request_id: UUID, approval: Annotated[Approval | None, BodyOf()] = None) -> NewId:
    """Approve a request, and return the agreement. A repeated request fails with `request_not_pending`."""
    return NewId(await ws.approve_access(request_id, **(approval or Approval()).model_dump()))


@router.post("/organizations/current/requests/{request_id}/deny", status_code=204, responses=answers(None, 204))
async def deny(ws: Entered, request_id: UUID, denial: Annotated[Denial | None, BodyOf()] = None) -> None:
    """Deny a request. A repeated request fails with `request_not_pending`."""
    await ws.deny_access(request_id, denial.reason if denial else None)


@router.get("/organizations/current/agreements", responses=answers(Page[Agreement]))
async def agreements(ws: Entered, limit: Limit = 100, after: After = None) -> Page[Agreement]:
    """List agreements and trials, except revoked ones, by id."""
    query = f"{_AGREEMENT} WHERE revoked_at IS NULL AND id > %(after)s ORDER BY id LIMIT %(limit)s"
    return page(await rows_of(ws, Agreement, query, {"after": after or START, "limit": limit + 1}), limit)


@router.delete("/organizations/current/agreements/{agreement_id}", status_code=204, responses=answers(None, 204))
async def revoke_agreement(ws: Entered, agreement_id: UUID) -> None:
    """End an agreement or a trial. A repeated request fails with `entitlement_not_found`."""
    await ws.revoke_entitlement(agreement_id)


# -- what others offer ----------------------------------------------------------------


@router.get("/models/community", responses=answers(Page[CatalogEntry]))
async def community(ws: Entered, limit: Limit = 100, after: After = None) -> Page[CatalogEntry]:
    """List the public offerings of other organizations, and whether they can be used here."""
    return page(await ws.community_catalog(after_id=after, page_size=limit + 1), limit)


class Preferences(Body):
    """Which offerings the catalog shows. Omitted fields stay unchanged."""

    shows_public: bool | None = Field(default=None, description="Public offerings.")
    shows_paid: bool | None = Field(default=None, description="Paid offerings.")
    shows_contracts: bool | None = Field(default=None, description="Paid offerings that need an agreement.")


@router.get("/models/community/preferences", responses=answers(CatalogPreferences))
async def preferences(ws: Entered) -> CatalogPreferences:
    """Return which offerings this workspace's catalog shows."""
    return await ws.catalog_preferences()


@router.patch("/models/community/preferences", responses=answers(CatalogPreferences))
async def set_preferences(ws: Entered, change: Preferences) -> CatalogPreferences:
    """Choose which offerings this workspace's catalog shows."""
    await ws.set_catalog_preferences(**change.model_dump())
    return await ws.catalog_preferences()


@router.get("/models/shared", responses=answers(list[SharedOffering]))
async def shared(ws: Entered) -> list[SharedOffering]:
    """List the offerings that this workspace has a right to use."""
    return await ws.shared_offerings()


@router.post("/models/community/{offering_id}/request", status_code=201, responses=answers(NewId, 201))
async def request_access(ws: Entered, offering_id: UUID, message: Annotated[str | None, Query()] = None) -> NewId:
    """Request access to an offering. A repeated request fails with `already_requested`."""
    return NewId(await ws.request_access(offering_id, message))


@router.get("/chat/models/resolve", responses=answers(ResolvedOffering))
async def resolve(ws: Entered, name: Annotated[str, Query(examples=["acme/sales-bot"])]) -> ResolvedOffering:
    """Find an offering by its name for clients, and whether this workspace may use it."""
    return await ws.resolve_offering(name)
