"""FinOps in the Python client: the same results and Decimals with every driver."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest

from pg_tenancy.errors import InvalidArgumentError, PermissionDeniedError
from pg_tenancy.results import CostForecast, Costs, CostsBucket, CostsPart
from support.clients import Client, assert_error
from support.people import Organization, People

Connection = psycopg.Connection[tuple[Any, ...]]

JANUARY = (datetime(2026, 1, 1, tzinfo=timezone.utc), datetime(2026, 2, 1, tzinfo=timezone.utc))
COSTS = Costs(Decimal("1.5001"), Decimal(0), Decimal("1.5"), Decimal("0.0001"), 1, 12)
NONE = Costs(Decimal(0), Decimal(0), Decimal(0), Decimal(0), 0, 0)


@pytest.fixture
def acme(people: People, admin: Connection) -> Organization:
    acme = people.organization("Acme", user=people.user("uma"))
    (instance, provider) = admin.execute(
        "WITH p AS (INSERT INTO public.providers (name) VALUES ('Cloud') RETURNING id)"
        " INSERT INTO public.instances (organization_id, provider_id, status, hourly_price_eur)"
        " SELECT %s, id, 'ready', 0.50 FROM p RETURNING id, provider_id",
        [acme.id],
    ).fetchone() or (None, None)
    admin.execute(
        "INSERT INTO finops.cost_actual_minute (bucket_minute, provider_id, instance_id, amount_eur)"
        " VALUES (%s, %s, %s, 1.5000)",
        [JANUARY[0], provider, instance],
    )
    admin.execute(
        "INSERT INTO finops.inference_usage (occurred_at, consumer_organization_id, charged_amount_eur, total_tokens)"
        " VALUES (%s, %s, 0.00010, 12)",
        [JANUARY[0] + timedelta(minutes=5), acme.id],
    )
    return acme


def who(acme: Organization, user_id: UUID | None = None) -> dict[str, UUID]:
    return {"user_id": user_id or acme.owner.id, "organization_id": acme.id}


async def test_costs_are_decimals_as_the_rows_have_them(client: Client, conn: Any, acme: Organization) -> None:
    async with client.workspace(conn, **who(acme)) as ws:
        assert await ws.costs_summary(*JANUARY) == COSTS
        assert await ws.costs_series(*JANUARY, "month", "UTC") == [CostsBucket(JANUARY[0], COSTS)]
        cloud, rest = await ws.costs_by(*JANUARY, "provider")
        assert (cloud.name, cloud.costs) == (
            "Cloud",
            Costs(Decimal("1.5"), Decimal(0), Decimal("1.5"), Decimal(0), 0, 0),
        )
        calls = Costs(Decimal("0.0001"), Decimal(0), Decimal(0), Decimal("0.0001"), 1, 12)
        assert rest == CostsPart(None, None, calls)
        window = await ws.costs_window("hour")
        assert (window.ends_at - window.starts_at, window.costs) == (timedelta(hours=1), NONE)
        now = await ws.cost_current("Europe/Rome")
        assert (now.eur_per_hour, now.running_instances, now.today_eur) == (Decimal("0.5"), 1, Decimal(0))
        assert await ws.cost_forecast("day") == [CostForecast("day", Decimal("0.5"), Decimal(12))]
        assert len(await ws.cost_forecast()) == 5


async def test_every_refusal_has_a_class(client: Client, conn: Any, acme: Organization, admin: Connection) -> None:
    (uma,) = admin.execute("SELECT id FROM public.users WHERE username = 'uma'").fetchone() or (None,)
    with pytest.raises(PermissionDeniedError) as denied:
        async with client.workspace(conn, **who(acme, uma)) as ws:
            await ws.costs_summary(*JANUARY)
    assert_error(denied.value, PermissionDeniedError, "42501", "permission_denied")
    calls: list[tuple[Callable[[Any], Awaitable[object]], str]] = [
        (lambda ws: ws.costs_summary(*JANUARY[::-1]), "range_invalid"),
        (lambda ws: ws.costs_series(*JANUARY, "week"), "bucket_invalid"),
        (lambda ws: ws.costs_series(*JANUARY, "day", "Nowhere"), "time_zone_invalid"),
        (lambda ws: ws.costs_series(JANUARY[0] - timedelta(days=999), JANUARY[1], "minute"), "too_many_buckets"),
        (lambda ws: ws.costs_by(*JANUARY, "weather"), "dimension_invalid"),
        (lambda ws: ws.costs_window("week"), "span_invalid"),
        (lambda ws: ws.cost_forecast("week"), "span_invalid"),
    ]
    for call, name in calls:
        with pytest.raises(InvalidArgumentError) as refused:
            async with client.workspace(conn, **who(acme)) as ws:
                await call(ws)
        assert_error(refused.value, InvalidArgumentError, "22023", name)
