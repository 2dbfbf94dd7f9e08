"""Offerings and their usage, as methods of a workspace."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from pg_tenancy import _sql
from pg_tenancy._sql import Call
from pg_tenancy.errors import InvalidArgumentError
from pg_tenancy.results import (
    AccessRequest,
    CatalogEntry,
    CatalogPreferences,
    OfferingCall,
    OfferingEarnings,
    RecordedUsage,
    ResolvedOffering,
    Reversal,
    SharedOffering,
    UsageRequest,
)


def _flag(name: str, value: bool | None) -> str | None:
    if value is None:
        return None
    if not isinstance(value, bool):
        raise InvalidArgumentError(f"{name} must be a bool, not {type(value).__name__}")
    return "true" if value else "false"


def _whole(name: str, value: int | None) -> str | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidArgumentError(f"{name} must be an int, not {type(value).__name__}")
    if not 0 <= value < 2**63:
        raise InvalidArgumentError(f"{name} must be 0 to {2**63 - 1:,}")
    return str(int(value))


def _number(name: str, value: Decimal | int | None) -> str | None:
    if value is None:
        return None
    if not isinstance(value, Decimal | int) or isinstance(value, bool):
        raise InvalidArgumentError(f"{name} must be a Decimal or an int, not {type(value).__name__}")
    number = Decimal(value)
    if not number.is_finite() or not -(10**12) < number < 10**12:
        raise InvalidArgumentError(f"{name} is out of range")
    return format(number, "f")


class OfferingCalls(ABC):
    """The calls of phase 12 for offerings.

    Prices are in euros for 1,000 tokens, as Decimal or int. A float is refused, because it
    seldom has exactly the value that was written.
    """

    @abstractmethod
    async def _call(self, call: Call, *values: object) -> Sequence[Sequence[Any]]:
        """Check the values, run one statement of pg-tenancy, and return its rows."""

    async def catalog_preferences(self) -> CatalogPreferences:
        """Return which offerings of others this workspace's catalog shows.

        Raises:
            PermissionDeniedError: the role lacks ``offerings.view``.
        """
        (row,) = await self._call(_sql.CATALOG_PREFERENCES)
        return CatalogPreferences(*row)

    async def set_catalog_preferences(
        self, *, shows_public: bool | None = None, shows_paid: bool | None = None, shows_contracts: bool | None = None
    ) -> None:
        """Change which offerings this workspace's catalog shows; None leaves a value unchanged.

        Args:
            shows_public: whether it shows public offerings at all.
            shows_paid: whether it shows paid ones.
            shows_contracts: whether it shows paid ones that need an agreement.

        Raises:
            PermissionDeniedError: the role lacks ``settings.update``.
            PersonRequiredError: the workspace was entered with an API key.
        """
        switches = {"shows_public": shows_public, "shows_paid": shows_paid, "shows_contracts": shows_contracts}
        await self._call(_sql.SET_CATALOG_PREFERENCES, *(_flag(name, value) for name, value in switches.items()))

    async def community_catalog(
        self, *, after_id: UUID | str | None = None, page_size: int = 100
    ) -> list[CatalogEntry]:
        """Return a page of the public offerings of other organizations, by id.

        Args:
            after_id: the last id of the previous page; None for the first page.
            page_size: the maximum number of rows, 1 to 10,000.

        Raises:
            PermissionDeniedError: the role lacks ``offerings.view``.
            InvalidArgumentError: the page size is out of range.
        """
        return [CatalogEntry(*row) for row in await self._call(_sql.COMMUNITY_CATALOG, after_id, page_size)]

    async def shared_offerings(self) -> list[SharedOffering]:
        """Return the offerings that this workspace may use by a share, an agreement or a trial, by name.

        Raises:
            PermissionDeniedError: the role lacks ``offerings.view``.
        """
        return [SharedOffering(*row) for row in await self._call(_sql.SHARED_OFFERINGS)]

    async def resolve_offering(self, name: str) -> ResolvedOffering:
        """Find an offering by its name for clients, and return whether it may be used here.

        Args:
            name: an id, a public model's name, or ``organization/code``; tried in this order.

        Raises:
            PermissionDeniedError: the role lacks ``offerings.view``.
            OrganizationRequiredError: the name has no organization.
            OfferingNotFoundError: it does not exist, or this workspace cannot see it.
        """
        (row,) = await self._call(_sql.RESOLVE_OFFERING, name)
        return ResolvedOffering(*row)

    async def publish_offering(
        self,
        model_id: UUID | str,
        code: str,
        name: str,
        *,
        visibility: str = "private",
        access_policy: str = "request_required",
        eur_per_1k: Decimal | int | None = None,
        description: str | None = None,
        trial_days: int | None = None,
        trial_tokens: int | None = None,
    ) -> UUID:
        """Offer a model to others, as ``organization/code``; return the offering's id.

        Args:
            model_id: the model's id: the organization's own model, or a public one.
            code: 1 to 63 lowercase letters and digits, with ``.``, ``_`` and ``-`` between them.
            name: the name shown to people.
            visibility: ``public``, ``unlisted`` or ``private``.
            access_policy: ``free``, ``subscription_required``, ``request_required``,
                ``pay_per_token`` or ``trial``.
            eur_per_1k: the price of 1,000 tokens, with at most 6 decimals; None to set it later.
            description: the description shown to people.
            trial_days: the length of a trial in days.
            trial_tokens: the number of tokens in a trial.

        Raises:
            OrganizationRequiredError: the workspace is not an organization's.
            PermissionDeniedError: the role lacks ``offerings.publish``, or ``offerings.price`` if a
                price is given.
            PersonRequiredError: the workspace was entered with an API key.
            ModelNotFoundError: the organization has no such model.
            CodeTakenError: the organization already has an offering with this code.
            InvalidArgumentError: a value is not acceptable.
        """
        (row,) = await self._call(
            _sql.PUBLISH_OFFERING, model_id, code, name, visibility, access_policy,
            _number("eur_per_1k", eur_per_1k), description, _whole("trial_days", trial_days),
            _whole("trial_tokens", trial_tokens),
        )  # fmt: skip
        offering_id: UUID = row[0]
        return offering_id

    async def update_offering(
        self,
        offering_id: UUID | str,
        *,
        name: str | None = None,
        code: str | None = None,
        description: str | None = None,
        visibility: str | None = None,
        access_policy: str | None = None,
        is_active: bool | None = None,
        trial_days: int | None = None,
        trial_tokens: int | None = None,
    ) -> None:
        """Change an offering of the organization; None leaves a value unchanged.

        The arguments are those of ``publish_offering``.

        Raises:
            OrganizationRequiredError: the workspace is not an organization's.
            PermissionDeniedError: the role lacks ``offerings.update``.
            PersonRequiredError: the workspace was entered with an API key.
            OfferingNotFoundError: the organization has no such offering.
            CodeTakenError: another offering of the organization has this code.
            InvalidArgumentError: a value is not acceptable.
        """
        await self._call(
            _sql.UPDATE_OFFERING, offering_id, name, code, description, visibility, access_policy,
            _flag("is_active", is_active), _whole("trial_days", trial_days), _whole("trial_tokens", trial_tokens),
        )  # fmt: skip

    async def set_offering_price(
        self, offering_id: UUID | str, eur_per_1k: Decimal | int, *, valid_from: datetime | None = None
    ) -> None:
        """Set the price of 1,000 tokens from a time on; earlier calls keep their price.

        Args:
            offering_id: the offering.
            eur_per_1k: the price, with at most 6 decimals.
            valid_from: a time from now to a year ahead, with a time zone; None for now.

        Raises:
            OrganizationRequiredError: the workspace is not an organization's.
            PermissionDeniedError: the role lacks ``offerings.price``.
            PersonRequiredError: the workspace was entered with an API key.
            OfferingNotFoundError: the organization has no such offering.
            InvalidArgumentError: the price or the time is not acceptable.
        """
        await self._call(_sql.SET_OFFERING_PRICE, offering_id, _number("eur_per_1k", eur_per_1k), valid_from)

    async def share_offering(
        self,
        offering_id: UUID | str,
        organization_id: UUID | str,
        *,
        eur_per_1k: Decimal | int | None = None,
        starts_at: datetime | None = None,
        ends_at: datetime | None = None,
    ) -> UUID:
        """Let another organization use an offering, whatever its visibility and policy; return the share's id.

        Args:
            offering_id: the offering.
            organization_id: the organization that may use it.
            eur_per_1k: a separate price; None for the offering's.
            starts_at: the start, with a time zone; None for now.
            ends_at: the end, with a time zone; None for no end.

        Raises:
            OrganizationRequiredError: the workspace is not an organization's.
            PermissionDeniedError: the role lacks ``offerings.share``.
            PersonRequiredError: the workspace was entered with an API key.
            OfferingNotFoundError: the organization has no such offering.
            OrganizationNotFoundError: no other organization has this id.
            AlreadySharedError: the offering is already shared with this organization.
            InvalidArgumentError: the price or the period is not acceptable.
        """
        price = _number("eur_per_1k", eur_per_1k)
        pricing = None
        if price is not None:
            pricing = json.dumps({"version": 1, "type": "per_1k_tokens"})[:-1] + f', "eur_per_1k": {price}}}'
        (row,) = await self._call(_sql.SHARE_OFFERING, offering_id, organization_id, pricing, starts_at, ends_at)
        share_id: UUID = row[0]
        return share_id

    async def pause_share(self, share_id: UUID | str) -> None:
        """Pause a share: it allows no calls until it is resumed.

        Raises:
            OrganizationRequiredError: the workspace is not an organization's.
            PermissionDeniedError: the role lacks ``offerings.share``.
            PersonRequiredError: the workspace was entered with an API key.
            ShareNotFoundError: the organization gave no such share.
            ShareStateError: it is not active.
        """
        await self._call(_sql.PAUSE_SHARE, share_id)

    async def resume_share(self, share_id: UUID | str) -> None:
        """Resume a paused share; errors as for ``pause_share``."""
        await self._call(_sql.RESUME_SHARE, share_id)

    async def revoke_share(self, share_id: UUID | str) -> None:
        """End a share permanently; errors as for ``pause_share``."""
        await self._call(_sql.REVOKE_SHARE, share_id)

    async def request_access(self, offering_id: UUID | str, message: str | None = None) -> UUID:
        """Request access to an offering from its provider; return the request's id.

        Raises:
            PermissionDeniedError: the role lacks ``offerings.request``.
            PersonRequiredError: the workspace was entered with an API key.
            OfferingNotFoundError: it does not exist, or this workspace cannot see it.
            AccessRequestedError: the workspace has already requested access, or already has it.
        """
        (row,) = await self._call(_sql.REQUEST_ACCESS, offering_id, message)
        request_id: UUID = row[0]
        return request_id

    async def access_requests(self, status: str | None = None) -> list[AccessRequest]:
        """Return the requests that this workspace made or received, newest first.

        Args:
            status: ``pending``, ``approved`` or ``denied``; None for all.

        Raises:
            PermissionDeniedError: the role lacks ``offerings.view``.
        """
        return [AccessRequest(*row) for row in await self._call(_sql.ACCESS_REQUESTS, status)]

    async def approve_access(
        self,
        request_id: UUID | str,
        *,
        ends_at: datetime | None = None,
        quota_tokens: int | None = None,
        eur_per_1k: Decimal | int | None = None,
        starts_at: datetime | None = None,
    ) -> UUID:
        """Approve a request; return the agreement's id.

        Args:
            request_id: the request.
            ends_at: the end, with a time zone; None for no end.
            quota_tokens: the maximum number of tokens; None for no limit.
            eur_per_1k: a separate price; None for the offering's.
            starts_at: the start, with a time zone; None for now.

        Raises:
            OrganizationRequiredError: the workspace is not an organization's.
            PermissionDeniedError: the role lacks ``offerings.approve``.
            PersonRequiredError: the workspace was entered with an API key.
            RequestNotFoundError: the organization received no such request.
            RequestNotPendingError: the request has already been decided.
            InvalidArgumentError: a value is not acceptable.
        """
        (row,) = await self._call(
            _sql.APPROVE_ACCESS, request_id, ends_at, _whole("quota_tokens", quota_tokens),
            _number("eur_per_1k", eur_per_1k), starts_at,
        )  # fmt: skip
        entitlement_id: UUID = row[0]
        return entitlement_id

    async def deny_access(self, request_id: UUID | str, reason: str | None = None) -> None:
        """Deny a request; errors as for ``approve_access``."""
        await self._call(_sql.DENY_ACCESS, request_id, reason)

    async def revoke_entitlement(self, entitlement_id: UUID | str) -> None:
        """End an agreement or a trial.

        Raises:
            OrganizationRequiredError: the workspace is not an organization's.
            PermissionDeniedError: the role lacks ``offerings.approve``.
            PersonRequiredError: the workspace was entered with an API key.
            EntitlementNotFoundError: the organization has no agreement with this id in force.
        """
        await self._call(_sql.REVOKE_ENTITLEMENT, entitlement_id)

    async def authorize_usage(
        self, offering_id: UUID | str, max_tokens: int, expires_in: timedelta = timedelta(minutes=10)
    ) -> UUID:
        """Before a call is served, hold its maximum cost; return the hold for ``record_usage``.

        Args:
            offering_id: the offering.
            max_tokens: the maximum number of tokens, input and output together.
            expires_in: how long the money is held, at most a day.

        Raises:
            PermissionDeniedError: the role lacks ``offerings.use``.
            OfferingNotFoundError: it does not exist, or this workspace cannot see it.
            OfferingAccessError: the workspace may not use it; ``constraint`` says why.
            OfferingStateError: it cannot be used now; ``constraint`` says why.
            InsufficientFundsError: the wallet does not hold enough.
            SpendingLimitError: the key, the person or the workspace would exceed its limit for this month.
            InvalidArgumentError: a value is out of range.
        """
        (row,) = await self._call(_sql.AUTHORIZE_USAGE, offering_id, _whole("max_tokens", max_tokens), expires_in)
        hold: UUID = row[0]
        return hold

    async def release_usage(self, hold: UUID | str) -> None:
        """Release the hold of ``authorize_usage``, for a call that was not served.

        Raises:
            PermissionDeniedError: the role lacks ``offerings.use``.
            NotFoundError: the workspace has no such hold.
        """
        await self._call(_sql.RELEASE_USAGE, hold)

    async def record_usage(
        self,
        request_id: str,
        offering_id: UUID | str,
        input_tokens: int,
        output_tokens: int,
        *,
        occurred_at: datetime | None = None,
        hold: UUID | str | None = None,
    ) -> RecordedUsage:
        """Charge a call to this workspace, only once for each request id.

        Args:
            request_id: 1 to 200 characters, never reused; the same call with the same id returns the same result.
            offering_id: the offering.
            input_tokens: 0 or more.
            output_tokens: 0 or more.
            occurred_at: the time that decides the price, at most 35 days ago, with a time zone; None for now.
            hold: the hold from ``authorize_usage``; with it the call is recorded even if the wallet does not cover it.

        Raises:
            ReferenceReusedError: another call has this request id.
            NotFoundError: the workspace has no such hold for this offering.
            TenancyError: as for ``authorize_usage``.
        """
        (row,) = await self._call(
            _sql.RECORD_USAGE, request_id, offering_id, _whole("input_tokens", input_tokens),
            _whole("output_tokens", output_tokens), occurred_at, hold,
        )  # fmt: skip
        return RecordedUsage(request_id, *row)

    async def record_usages(self, requests: Iterable[UsageRequest]) -> list[RecordedUsage]:
        """Charge up to 10,000 calls at once, all of them or none; errors as for ``record_usage``."""
        calls = list(requests)
        if not calls:
            return []
        columns = (
            [call.request_id for call in calls],
            [call.offering_id for call in calls],
            [_whole("input_tokens", call.input_tokens) for call in calls],
            [_whole("output_tokens", call.output_tokens) for call in calls],
            [call.occurred_at for call in calls],
            [call.hold for call in calls],
        )
        return [RecordedUsage(*row) for row in await self._call(_sql.RECORD_USAGES, *columns)]

    async def reverse_usage(self, usage_id: UUID | str) -> Reversal:
        """Reverse a call that the organization served; repeating this returns the same result.

        Raises:
            OrganizationRequiredError: the workspace is not an organization's.
            PermissionDeniedError: the role lacks ``offerings.price``.
            PersonRequiredError: the workspace was entered with an API key.
            UsageNotFoundError: the organization served no such call.
        """
        (row,) = await self._call(_sql.REVERSE_USAGE, usage_id)
        return Reversal(*row)

    async def offering_earnings(
        self, *, since: datetime | None = None, until: datetime | None = None
    ) -> list[OfferingEarnings]:
        """Return the totals of other workspaces' calls of the organization's offerings, by offering.

        Args:
            since: the start, inclusive, with a time zone; None for no limit.
            until: the end, exclusive, with a time zone; None for no limit.

        Raises:
            OrganizationRequiredError: the workspace is not an organization's.
            PermissionDeniedError: the role lacks ``finops.view``.
        """
        return [OfferingEarnings(*row) for row in await self._call(_sql.OFFERING_EARNINGS, since, until)]

    async def offering_calls(
        self,
        offering_id: UUID | str,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        page_size: int = 100,
    ) -> list[OfferingCall]:
        """Return calls that an offering of the organization served, newest first, without the callers.

        Args:
            offering_id: the offering.
            since: the start, inclusive, with a time zone; None for no limit.
            until: the end, exclusive, with a time zone; for the next page, the time of the last call.
            page_size: the maximum number of rows, 1 to 10,000.

        Raises:
            OrganizationRequiredError: the workspace is not an organization's.
            PermissionDeniedError: the role lacks ``finops.view``.
            InvalidArgumentError: the page size is out of range.
        """
        rows = await self._call(_sql.OFFERING_CALLS, offering_id, since, until, page_size)
        return [OfferingCall(*row) for row in rows]
