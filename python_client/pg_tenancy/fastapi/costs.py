"""Endpoints for costs and wallets."""

# Without "from __future__ import annotations": FastAPI reads the annotations.

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from itertools import accumulate
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AwareDatetime

from pg_tenancy.fastapi.answers import Entered, answers
from pg_tenancy.results import (
    CostForecast,
    Costs,
    CostsBucket,
    CostsNow,
    CostsPart,
    CostsWindow,
    StatementEntry,
    Wallet,
)

router = APIRouter(tags=["costs"])

Zone = Annotated[
    str | None, Query(description="The time zone of days, such as `Europe/Rome`.", examples=["Europe/Rome"])
]
From = Annotated[AwareDatetime, Query(description="Start, inclusive, with a time zone.")]
Until = Annotated[AwareDatetime, Query(description="End, exclusive, with a time zone.")]
Dimension = Literal["provider", "region", "instance type", "instance", "model", "user", "API key", "offering"]
Minutes = Annotated[int, Query(ge=1, le=1440, description="Number of minutes up to now.")]


@router.get("/finops/cost/current", responses=answers(CostsNow))
@router.get("/finops/dashboard/costs/current", responses=answers(CostsNow))
async def current(ws: Entered, time_zone: Zone = None) -> CostsNow:
    """Return the current cost per hour, and what was spent and earned today."""
    return await ws.cost_current(time_zone)


@router.get("/finops/cost/actual/minute", responses=answers(list[CostsBucket]))
async def actual(ws: Entered, minutes: Minutes = 60) -> list[CostsBucket]:
    """Return the costs of the last minutes, one by one, without empty minutes."""
    now = datetime.now(timezone.utc)
    return await ws.costs_series(now - timedelta(minutes=minutes), now, "minute", "UTC")


@dataclass(frozen=True, slots=True)
class Cumulative:
    """Total spending from the start of the period to the end of a minute."""

    bucket_start: datetime
    consumed_eur: Decimal


@router.get("/finops/cost/cumulative/minute", responses=answers(list[Cumulative]))
async def cumulative(ws: Entered, minutes: Minutes = 60) -> list[Cumulative]:
    """Return the cumulative costs of the last minutes."""
    buckets = await actual(ws, minutes)
    sums = accumulate(bucket.costs.consumed_eur for bucket in buckets)
    return [Cumulative(bucket.bucket_start, total) for bucket, total in zip(buckets, sums, strict=True)]


@router.get("/finops/cost/forecast/minute", responses=answers(list[CostForecast]))
async def forecast(
    ws: Entered,
    horizon: Annotated[Literal["minute", "hour", "day", "30 days", "365 days"] | None, Query()] = None,
) -> list[CostForecast]:
    """Return what the running instances will cost, if they keep running."""
    return await ws.cost_forecast(horizon)


@router.get("/finops/dashboard/costs/summary", responses=answers(Costs))
async def summary(ws: Entered, starts_at: From, ends_at: Until) -> Costs:
    """Return what was spent and earned in a period."""
    return await ws.costs_summary(starts_at, ends_at)


@router.get("/finops/dashboard/costs/window", responses=answers(CostsWindow))
async def window(
    ws: Entered, span: Annotated[Literal["minute", "hour", "day", "30 days", "365 days"], Query()] = "30 days"
) -> CostsWindow:
    """Return what was spent and earned in a period up to now."""
    return await ws.costs_window(span)


@router.get("/finops/dashboard/costs/series", responses=answers(list[CostsBucket]))
async def series(
    ws: Entered,
    starts_at: From,
    ends_at: Until,
    bucket: Annotated[Literal["minute", "hour", "day", "month"], Query()] = "day",
    time_zone: Zone = None,
) -> list[CostsBucket]:
    """Return what was spent and earned, by time bucket, without empty buckets."""
    return await ws.costs_series(starts_at, ends_at, bucket, time_zone)


@router.get("/finops/dashboard/costs/by", responses=answers(list[CostsPart]))
async def by(ws: Entered, starts_at: From, ends_at: Until, dimension: Dimension = "model") -> list[CostsPart]:
    """Return what was spent and earned, by provider, model, user and so on, the largest first."""
    return await ws.costs_by(starts_at, ends_at, dimension)


@dataclass(frozen=True, slots=True)
class Balance:
    """The wallet of the workspace. The newest entry's hash is hexadecimal."""

    workspace_id: UUID
    currency: str
    balance: Decimal
    held: Decimal
    granted: Decimal
    unpaid: Decimal
    overdraft: Decimal
    available: Decimal
    version: int
    chain: str


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the statement. The reference is null if another workspace paid."""

    version: int
    transfer_id: UUID
    kind: str
    reference: str | None
    amount: Decimal
    balance_after: Decimal
    occurred_at: datetime
    chain: str


def _balance(wallet: Wallet) -> Balance:
    fields = {name: getattr(wallet, name) for name in Wallet.__slots__}
    return Balance(**{**fields, "chain": wallet.chain.hex()})


def _entry(entry: StatementEntry) -> Entry:
    fields = {name: getattr(entry, name) for name in Entry.__slots__}
    return Entry(**{**fields, "chain": entry.chain.hex()})


@router.get("/wallet", tags=["money"], responses=answers(Balance))
async def wallet(ws: Entered) -> Balance:
    """Return the workspace's wallet."""
    return _balance(await ws.wallet())


@router.get("/wallet/statement", tags=["money"], responses=answers(list[Entry]))
async def statement(ws: Entered, since: From, until: Until) -> list[Entry]:
    """Return the entries of the wallet in order."""
    return [_entry(entry) for entry in await ws.statement(since=since, until=until)]
