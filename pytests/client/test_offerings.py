"""Offerings and their usage through the Python client."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from pg_tenancy.errors import (
    AccessRequestedError,
    AlreadySharedError,
    CodeTakenError,
    EntitlementNotFoundError,
    InsufficientFundsError,
    InvalidArgumentError,
    ModelNotFoundError,
    NotFoundError,
    OfferingAccessError,
    OfferingNotFoundError,
    OfferingStateError,
    OrganizationNotFoundError,
    OrganizationRequiredError,
    PhaseNotDeployedError,
    ReferenceReusedError,
    RequestNotFoundError,
    RequestNotPendingError,
    ShareNotFoundError,
    ShareStateError,
    TenancyError,
    UsageNotFoundError,
)
from pg_tenancy.results import (
    CatalogPreferences,
    OfferingEarnings,
    RecordedUsage,
    ResolvedOffering,
    Reversal,
    UsageRequest,
)
from support.clients import Client
from support.people import Organization, People


@dataclass
class Market:
    """Acme offers a model, and Globex has 10 euros."""

    client: Client
    conn: Any
    acme: Organization
    globex: Organization
    model: UUID

    def provider(self) -> Any:
        return self._enter(self.acme)

    def consumer(self) -> Any:
        return self._enter(self.globex)

    def _enter(self, organization: Organization) -> Any:
        return self.client.workspace(self.conn, user_id=organization.owner.id, organization_id=organization.id)

    async def publish(self, code: str = "bot", **more: Any) -> UUID:
        async with self.provider() as ws:
            terms = {"visibility": "public", "access_policy": "pay_per_token", "eur_per_1k": Decimal("0.2")} | more
            offering: UUID = await ws.publish_offering(self.model, code, "Bot", **terms)
            assert [await ws.activate("offering", offering, aspect) for aspect in ("tech", "eco")] == [False, True]
        return offering


@pytest.fixture
def market(client: Client, conn: Any, people: People, admin: Any) -> Market:
    acme, globex = people.organization("Acme"), people.organization("Globex")
    model = uuid4()
    admin.execute(
        "INSERT INTO public.models (id, name, model_id, organization_id) VALUES (%s, 'm', 'm', %s)", [model, acme.id]
    )
    admin.execute("SELECT tenancy.top_up(%s, 10, 'opening')", [globex.id])
    return Market(client, conn, acme, globex, model)


async def test_an_offering_is_found_used_and_paid(market: Market) -> None:
    slug = market.acme.slug
    bot = await market.publish(description="Sells.")
    async with market.consumer() as ws:
        (listed,) = [entry for entry in await ws.community_catalog() if entry.id == bot]
        assert (listed.name, listed.title, listed.description, listed.is_allowed) == (
            f"{slug}/bot",
            "Bot",
            "Sells.",
            True,
        )
        assert await ws.community_catalog(after_id=bot, page_size=1) == []
        assert await ws.resolve_offering(f"{slug}/bot") == ResolvedOffering(
            "offering", bot, market.model, market.acme.id, f"{slug}/bot", True, None, "pay_per_token", Decimal("0.2")
        )
        hold = await ws.authorize_usage(bot, 1000, timedelta(minutes=1))
        first = await ws.record_usage("r1", bot, 500, 500, hold=hold, occurred_at=datetime.now(timezone.utc))
        assert first == RecordedUsage(
            "r1", first.usage_id, Decimal("0.2"), Decimal("0.2"), Decimal("0.2"), Decimal(0), False
        )
        assert (await ws.record_usage("r1", bot, 500, 500)).replayed
        batch = await ws.record_usages([UsageRequest("r1", bot, 500, 500), UsageRequest("r2", str(bot), 0, 2000)])
        assert [(call.request_id, call.amount, call.replayed) for call in batch] == [
            ("r1", Decimal("0.2"), True),
            ("r2", Decimal("0.4"), False),
        ]
        assert await ws.record_usages([]) == []
        await ws.release_usage(await ws.authorize_usage(bot, 10))
    async with market.provider() as ws:
        assert await ws.offering_earnings() == [
            OfferingEarnings(bot, "bot", 2, 3000, Decimal("0.6"), Decimal(0), Decimal(0))
        ]
        assert [call.amount for call in await ws.offering_calls(bot, page_size=10)] == [Decimal("0.4"), Decimal("0.2")]
        assert await ws.reverse_usage(first.usage_id) == Reversal(Decimal("0.2"), Decimal(0), False)
        assert (await ws.wallet()).balance == Decimal("0.4")


async def test_a_request_is_approved(market: Market) -> None:
    bot = await market.publish(access_policy="request_required")
    async with market.consumer() as ws:
        request = await ws.request_access(bot, "please")
        assert [(asked.direction, asked.status) for asked in await ws.access_requests()] == [("made", "pending")]
    async with market.provider() as ws:
        (received,) = await ws.access_requests("pending")
        assert (received.id, received.direction, received.message, received.other_name) == (
            request, "received", "please", market.globex.name,
        )  # fmt: skip
        until = datetime.now(timezone.utc) + timedelta(days=1)
        entitlement = await ws.approve_access(request, ends_at=until, quota_tokens=10, eur_per_1k=Decimal("0.1"))
    async with market.consumer() as ws:
        (shared,) = await ws.shared_offerings()
        assert (shared.right_kind, shared.eur_per_1k, shared.quota_tokens, shared.ends_at) == (
            "contract", Decimal("0.1"), 10, until,
        )  # fmt: skip
    async with market.provider() as ws:
        await ws.revoke_entitlement(entitlement)
    async with market.consumer() as ws:
        assert await ws.shared_offerings() == []
        request = await ws.request_access(bot)
    async with market.provider() as ws:
        await ws.deny_access(request, "no")


async def test_a_share_has_its_own_price(market: Market) -> None:
    bot = await market.publish(visibility="private")
    async with market.provider() as ws:
        share = await ws.share_offering(bot, market.globex.id, eur_per_1k=Decimal("0.000001"))
        await ws.pause_share(share)
        await ws.resume_share(share)
        await ws.set_offering_price(bot, 3, valid_from=datetime.now(timezone.utc) + timedelta(days=1))
        await ws.update_offering(bot, name="Robot", trial_tokens=5, is_active=True)
    async with market.consumer() as ws:
        assert (await ws.resolve_offering(str(bot))).eur_per_1k == Decimal("0.000001")
    async with market.provider() as ws:
        await ws.revoke_share(share)
    with pytest.raises(OfferingNotFoundError):
        async with market.consumer() as ws:
            await ws.resolve_offering(str(bot))


async def test_preferences(market: Market) -> None:
    async with market.consumer() as ws:
        await ws.set_catalog_preferences(shows_paid=False)
        assert await ws.catalog_preferences() == CatalogPreferences(True, False, True)


REFUSED: list[tuple[str, bool, Any, type[Exception]]] = [
    ("no slug", False, lambda ws, m, bot: ws.resolve_offering("bot"), OrganizationRequiredError),
    ("unknown", False, lambda ws, m, bot: ws.resolve_offering("acme/nothing"), OfferingNotFoundError),
    ("no approval", False, lambda ws, m, bot: ws.authorize_usage(bot, 1), OfferingAccessError),
    ("own offering", True, lambda ws, m, bot: ws.request_access(bot), AccessRequestedError),
    ("code taken", True, lambda ws, m, bot: ws.publish_offering(m.model, "bot", "Bot"), CodeTakenError),
    ("bad code", True, lambda ws, m, bot: ws.publish_offering(m.model, "Not a code", "Bot"), InvalidArgumentError),
    ("a model of others", False, lambda ws, m, bot: ws.publish_offering(m.model, "x", "X"), ModelNotFoundError),
    ("a float", True, lambda ws, m, bot: ws.set_offering_price(bot, 0.2), InvalidArgumentError),
    ("no number", True, lambda ws, m, bot: ws.set_offering_price(bot, Decimal("NaN")), InvalidArgumentError),
    ("a price below 0", True, lambda ws, m, bot: ws.set_offering_price(bot, -1), InvalidArgumentError),
    ("a boolean quota", True, lambda ws, m, bot: ws.approve_access(bot, quota_tokens=True), InvalidArgumentError),
    ("no request", True, lambda ws, m, bot: ws.approve_access(bot), RequestNotFoundError),
    ("no share", True, lambda ws, m, bot: ws.pause_share(bot), ShareNotFoundError),
    ("no agreement", True, lambda ws, m, bot: ws.revoke_entitlement(bot), EntitlementNotFoundError),
    ("no call", True, lambda ws, m, bot: ws.reverse_usage(bot), UsageNotFoundError),
    ("no hold", True, lambda ws, m, bot: ws.record_usage("r", bot, 1, 1, hold=bot), NotFoundError),
    ("itself", True, lambda ws, m, bot: ws.share_offering(bot, m.acme.id), OrganizationNotFoundError),
    ("tokens below 0", True, lambda ws, m, bot: ws.record_usage("r", bot, -1, 1), InvalidArgumentError),
    ("half a token", True, lambda ws, m, bot: ws.record_usage("r", bot, 0.5, 1), InvalidArgumentError),
    ("no time zone", True, lambda ws, m, bot: ws.record_usages(
        [UsageRequest("r", bot, 1, 1, occurred_at=datetime(2026, 1, 1))]), InvalidArgumentError),
    ("no flag", True, lambda ws, m, bot: ws.set_catalog_preferences(shows_paid="yes"), InvalidArgumentError),
]  # fmt: skip


async def test_what_is_refused(market: Market) -> None:
    bot = await market.publish(access_policy="request_required")
    for name, provides, act, expected in REFUSED:
        with pytest.raises(TenancyError) as caught:
            async with market.provider() if provides else market.consumer() as ws:
                await act(ws, market, bot)
        assert type(caught.value) is expected, name


async def test_what_depends_on_the_state(market: Market) -> None:
    bot = await market.publish(eur_per_1k=Decimal(100))
    async with market.consumer() as ws:
        await ws.record_usage("r1", bot, 10, 0)
    with pytest.raises(ReferenceReusedError):
        async with market.consumer() as ws:
            await ws.record_usage("r1", bot, 11, 0)
    with pytest.raises(InsufficientFundsError):
        async with market.consumer() as ws:
            await ws.authorize_usage(bot, 1000)
    async with market.provider() as ws:
        share = await ws.share_offering(bot, market.globex.id)
    with pytest.raises(AlreadySharedError):
        async with market.provider() as ws:
            await ws.share_offering(bot, market.globex.id)
    with pytest.raises(ShareStateError):
        async with market.provider() as ws:
            await ws.resume_share(share)
    async with market.provider() as ws:
        await ws.update_offering(bot, is_active=False)
    with pytest.raises(OfferingStateError):
        async with market.consumer() as ws:
            await ws.authorize_usage(bot, 1)


async def test_a_request_is_decided_once(market: Market) -> None:
    bot = await market.publish(access_policy="request_required")
    async with market.consumer() as ws:
        request = await ws.request_access(bot)
    async with market.provider() as ws:
        await ws.deny_access(request)
    with pytest.raises(RequestNotPendingError):
        async with market.provider() as ws:
            await ws.approve_access(request)


@pytest.mark.parametrize("method", ["community_catalog", "record_usages"])
async def test_before_its_phase_it_says_so(
    client: Client, database_at: Any, logins: Any, people: People, method: str
) -> None:
    database = database_at("@phase-7")
    with database.connect(autocommit=True) as admin:
        ann = People(admin).user()
    async with client.connect(database.dsn(logins.app)) as conn:
        with pytest.raises(PhaseNotDeployedError) as caught:
            async with client.workspace(conn, user_id=ann.id) as ws:
                await (
                    ws.record_usages([UsageRequest("r", ann.id, 1, 1)])
                    if method == "record_usages"
                    else ws.community_catalog()
                )
    assert caught.value.phase == 12
