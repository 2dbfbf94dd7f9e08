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
        raise InvalidArgumentError(f"{name} is out of its range")
    return format(number, "f")


class OfferingCalls(ABC):
    """The calls of phase 12 for offerings.

    Prices are euros for 1,000 tokens, as Decimal or int: a float is not accepted, because
    it is seldom the number that was written.
    """

    @abstractmethod
    async def _call(self, call: Call, *values: object) -> Sequence[Sequence[Any]]:
        """Run one statement of pg-tenancy, unless a value is not acceptable, and return its rows."""

    async def catalog_preferences(self) -> CatalogPreferences:
        """Return which offerings of others this workspace wants to see.

        Raises:
            PermissionDeniedError: the role does not hold ``offerings.view``.
        """
        (row,) = await self._call(_sql.CATALOG_PREFERENCES)
        return CatalogPreferences(*row)

    async def set_catalog_preferences(
        self, *, shows_public: bool | None = None, shows_paid: bool | None = None, shows_contracts: bool | None = None
    ) -> None:
        """Change which offerings this workspace wants to see; None leaves a value as it is.

        Args:
            shows_public: public offerings of others at all.
            shows_paid: those that cost something.
            shows_contracts: those that cost something and need an agreement.

        Raises:
            PermissionDeniedError: the role does not hold ``settings.update``.
            PersonRequiredError: the transaction was entered with an API key.
        """
        switches = {"shows_public": shows_public, "shows_paid": shows_paid, "shows_contracts": shows_contracts}
        await self._call(_sql.SET_CATALOG_PREFERENCES, *(_flag(name, value) for name, value in switches.items()))

    async def community_catalog(
        self, *, after_id: UUID | str | None = None, page_size: int = 100
    ) -> list[CatalogEntry]:
        """Return a page of the public offerings of other organizations, by id.

        Args:
            after_id: the last id of the page before; None for the first page.
            page_size: how many at most, 1 to 10,000.

        Raises:
            PermissionDeniedError: the role does not hold ``offerings.view``.
            InvalidArgumentError: the size is out of its range.
        """
        return [CatalogEntry(*row) for row in await self._call(_sql.COMMUNITY_CATALOG, after_id, page_size)]

    async def shared_offerings(self) -> list[SharedOffering]:
        """Return the offerings that this workspace may use: shares, agreements and trials, by name.

        Raises:
            PermissionDeniedError: the role does not hold ``offerings.view``.
        """
        return [SharedOffering(*row) for row in await self._call(_sql.SHARED_OFFERINGS)]

    async def resolve_offering(self, name: str) -> ResolvedOffering:
        """Find an offering by a client's name, and whether it may be used here.

        Args:
            name: an id, a public model's, or ``organization/code``; looked up in this order.

        Raises:
            PermissionDeniedError: the role does not hold ``offerings.view``.
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
            model_id: the organization's own, or a public one.
            code: 1 to 63 small letters, digits, and between them ``.``, ``_``, ``-``.
            name: the name for people.
            visibility: ``public``, ``unlisted`` or ``private``.
            access_policy: ``free``, ``subscription_required``, ``request_required``,
                ``pay_per_token`` or ``trial``.
            eur_per_1k: what 1,000 tokens cost, with 6 decimals at most; None to say so later.
            description: the description for people.
            trial_days: how long a trial lasts.
            trial_tokens: how many tokens a trial has.

        Raises:
            OrganizationRequiredError: the workspace is not an organization's.
            PermissionDeniedError: the role does not hold ``offerings.publish``, or names a price
                without ``offerings.price``.
            PersonRequiredError: the transaction was entered with an API key.
            ModelNotFoundError: the organization has no such model.
            CodeTakenError: the organization has an offering with this code.
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
        """Change an offering of the organization; None leaves a value as it is.

        The values are those of ``publish_offering``.

        Raises:
            OrganizationRequiredError: the workspace is not an organization's.
            PermissionDeniedError: the role does not hold ``offerings.update``.
            PersonRequiredError: the transaction was entered with an API key.
            OfferingNotFoundError: the organization has no such offering.
            CodeTakenError: another one has this code.
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
            eur_per_1k: the price, with 6 decimals at most.
            valid_from: now or within a year, with a time zone; None for now.

        Raises:
            OrganizationRequiredError: the workspace is not an organization's.
            PermissionDeniedError: the role does not hold ``offerings.price``.
            PersonRequiredError: the transaction was entered with an API key.
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
            eur_per_1k: a price of its own; None for the offering's.
            starts_at: with a time zone; None for now.
            ends_at: with a time zone; None for no end.

        Raises:
            OrganizationRequiredError: the workspace is not an organization's.
            PermissionDeniedError: the role does not hold ``offerings.share``.
            PersonRequiredError: the transaction was entered with an API key.
            OfferingNotFoundError: the organization has no such offering.
            OrganizationNotFoundError: no other organization has this id.
            AlreadySharedError: the two have a share of it.
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
        """Refuse further calls by a share, until it is resumed.

        Raises:
            OrganizationRequiredError: the workspace is not an organization's.
            PermissionDeniedError: the role does not hold ``offerings.share``.
            PersonRequiredError: the transaction was entered with an API key.
            ShareNotFoundError: the organization gave no such share.
            ShareStateError: it is not active.
        """
        await self._call(_sql.PAUSE_SHARE, share_id)

    async def resume_share(self, share_id: UUID | str) -> None:
        """Let a paused share go on; errors as of ``pause_share``."""
        await self._call(_sql.RESUME_SHARE, share_id)

    async def revoke_share(self, share_id: UUID | str) -> None:
        """End a share for good; errors as of ``pause_share``."""
        await self._call(_sql.REVOKE_SHARE, share_id)

    async def request_access(self, offering_id: UUID | str, message: str | None = None) -> UUID:
        """Request access to an offering from its provider; return the request's id.

        Raises:
            PermissionDeniedError: the role does not hold ``offerings.request``.
            PersonRequiredError: the transaction was entered with an API key.
            OfferingNotFoundError: it does not exist, or this workspace cannot see it.
            AccessRequestedError: it has already requested access, or has it.
        """
        (row,) = await self._call(_sql.REQUEST_ACCESS, offering_id, message)
        request_id: UUID = row[0]
        return request_id

    async def access_requests(self, status: str | None = None) -> list[AccessRequest]:
        """Return the requests that this workspace made or received, newest first.

        Args:
            status: ``pending``, ``approved`` or ``denied``; None for all.

        Raises:
            PermissionDeniedError: the role does not hold ``offerings.view``.
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
            ends_at: with a time zone; None for no end.
            quota_tokens: how many tokens; None for as many as it likes.
            eur_per_1k: a price of its own; None for the offering's.
            starts_at: with a time zone; None for now.

        Raises:
            OrganizationRequiredError: the workspace is not an organization's.
            PermissionDeniedError: the role does not hold ``offerings.approve``.
            PersonRequiredError: the transaction was entered with an API key.
            RequestNotFoundError: the organization received no such request.
            RequestNotPendingError: it was decided already.
            InvalidArgumentError: a value is not acceptable.
        """
        (row,) = await self._call(
            _sql.APPROVE_ACCESS, request_id, ends_at, _whole("quota_tokens", quota_tokens),
            _number("eur_per_1k", eur_per_1k), starts_at,
        )  # fmt: skip
        entitlement_id: UUID = row[0]
        return entitlement_id

    async def deny_access(self, request_id: UUID | str, reason: str | None = None) -> None:
        """Say no to a request; errors as of ``approve_access``."""
        await self._call(_sql.DENY_ACCESS, request_id, reason)

    async def revoke_entitlement(self, entitlement_id: UUID | str) -> None:
        """End an agreement or a trial.

        Raises:
            OrganizationRequiredError: the workspace is not an organization's.
            PermissionDeniedError: the role does not hold ``offerings.approve``.
            PersonRequiredError: the transaction was entered with an API key.
            EntitlementNotFoundError: the organization has none of this id in force.
        """
        await self._call(_sql.REVOKE_ENTITLEMENT, entitlement_id)

    async def authorize_usage(
        self, offering_id: UUID | str, max_tokens: int, expires_in: timedelta = timedelta(minutes=10)
    ) -> UUID:
        """Before a call is served, hold its maximum cost; return the hold for ``record_usage``.

        Args:
            offering_id: the offering.
            max_tokens: of input and output together.
            expires_in: how long the money is held, a day at most.

        Raises:
            PermissionDeniedError: the role does not hold ``offerings.use``.
            OfferingNotFoundError: it does not exist, or this workspace cannot see it.
            OfferingAccessError: the workspace may not use it; ``constraint`` says why.
            OfferingStateError: it cannot be used now; ``constraint`` says why.
            InsufficientFundsError: the wallet does not hold enough.
            SpendingLimitError: the key, the person or the workspace has spent enough.
            InvalidArgumentError: a value is out of its range.
        """
        (row,) = await self._call(_sql.AUTHORIZE_USAGE, offering_id, _whole("max_tokens", max_tokens), expires_in)
        hold: UUID = row[0]
        return hold

    async def release_usage(self, hold: UUID | str) -> None:
        """Release the hold of ``authorize_usage``, for a call that was not served.

        Raises:
            PermissionDeniedError: the role does not hold ``offerings.use``.
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
        """Charge a call to this workspace, once for each request id, for ever.

        Args:
            request_id: of 1 to 200 characters; the same call under it returns the same answer.
            offering_id: the offering.
            input_tokens: 0 or more.
            output_tokens: 0 or more.
            occurred_at: the time of the price: at most 35 days ago, with a time zone; None for now.
            hold: of ``authorize_usage``: then the call is booked whole, covered or not.

        Raises:
            ReferenceReusedError: another call has this request id.
            NotFoundError: the workspace has no such hold for this offering.
            TenancyError: as of ``authorize_usage``.
        """
        (row,) = await self._call(
            _sql.RECORD_USAGE, request_id, offering_id, _whole("input_tokens", input_tokens),
            _whole("output_tokens", output_tokens), occurred_at, hold,
        )  # fmt: skip
        return RecordedUsage(request_id, *row)

    async def record_usages(self, requests: Iterable[UsageRequest]) -> list[RecordedUsage]:
        """Charge up to 10,000 calls at once, all of them or none; errors as of ``record_usage``."""
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
        """Reverse a call that the organization served; a repeated call returns the same answer.

        Raises:
            OrganizationRequiredError: the workspace is not an organization's.
            PermissionDeniedError: the role does not hold ``offerings.price``.
            PersonRequiredError: the transaction was entered with an API key.
            UsageNotFoundError: the organization served no such call.
        """
        (row,) = await self._call(_sql.REVERSE_USAGE, usage_id)
        return Reversal(*row)

    async def offering_earnings(
        self, *, since: datetime | None = None, until: datetime | None = None
    ) -> list[OfferingEarnings]:
        """Return the totals of others' calls of the organization's offerings, by offering.

        Args:
            since: occurred from here on, with a time zone; None for all.
            until: occurred before, with a time zone; None for all.

        Raises:
            OrganizationRequiredError: the workspace is not an organization's.
            PermissionDeniedError: the role does not hold ``finops.view``.
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
            since: occurred from here on, with a time zone; None for all.
            until: occurred before, with a time zone; for the next page the last one's.
            page_size: how many at most, 1 to 10,000.

        Raises:
            OrganizationRequiredError: the workspace is not an organization's.
            PermissionDeniedError: the role does not hold ``finops.view``.
            InvalidArgumentError: the size is out of its range.
        """
        rows = await self._call(_sql.OFFERING_CALLS, offering_id, since, until, page_size)
        return [OfferingCall(*row) for row in rows]
