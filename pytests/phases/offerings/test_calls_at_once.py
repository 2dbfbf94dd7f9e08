"""Many sessions of tenants call offerings at the same time, some of them maliciously."""

from __future__ import annotations

import random
from collections import Counter
from decimal import Decimal
from threading import Barrier
from uuid import UUID, uuid4

import psycopg
import pytest

from phases.offerings.conftest import Market
from support.racing import at_once, attempt
from support.two_tenants import refused


@pytest.fixture
def bot(market: Market) -> UUID:
    return market.publish("bot", "1", visibility="public", access_policy="pay_per_token")


def spend_all_but(market: Market, who: str, amount: int) -> None:
    with market.service() as connection:
        connection.execute(
            "SELECT tenancy.pay_out(%s, %s, 'away')", [market.workspace(who), market.balance(who) - amount]
        )


@pytest.mark.parametrize("overdraft", [0, 3])
def test_fifty_calls_of_a_wallet_never_take_it_below_its_limit(market: Market, bot: UUID, overdraft: int) -> None:
    spend_all_but(market, "uma", 7)
    with market.service() as connection:
        connection.execute("SELECT tenancy.set_overdraft(%s, %s)", [market.globex.id, overdraft])

    def call(number: int, barrier: Barrier) -> None:
        with market.at(("uma", "gus")[number % 2]) as connection:
            barrier.wait()
            connection.execute("SELECT tenancy.record_usage(%s, %s, 600, 400)", [f"r{number}", bot])

    outcomes = Counter(at_once(50, call))
    assert outcomes == {"done": 7 + overdraft, "insufficient_funds": 43 - overdraft}
    assert (market.balance("uma"), market.balance("ann")) == (Decimal(-overdraft), Decimal(7 + overdraft))
    assert market.problems() == []


def test_one_request_id_from_ten_sessions_with_other_numbers(market: Market, bot: UUID) -> None:
    def call(number: int, barrier: Barrier) -> None:
        with market.at("uma") as connection:
            barrier.wait()
            connection.execute("SELECT tenancy.record_usage('r', %s, %s, 0)", [bot, 1000 + number])

    assert at_once(10, call) == ["done"] + ["reference_reused"] * 9
    # One of the ten is a repeated call.
    assert at_once(10, call) == ["done"] + ["reference_reused"] * 9
    assert market.left()[0] == 1
    assert market.problems() == []


def test_one_hold_pays_one_call(market: Market, bot: UUID) -> None:
    hold = market.call("uma", "authorize_usage", bot, 5000)

    def end(number: int, barrier: Barrier) -> None:
        with market.at("uma") as connection:
            barrier.wait()
            if number % 2:
                connection.execute("SELECT tenancy.release_usage(%s)", [hold])
            else:
                connection.execute(
                    "SELECT tenancy.record_usage(%s, %s, 1000, 0, hold => %s)", [f"r{number}", bot, hold]
                )

    assert at_once(8, end) == ["done"] + ["hold_not_found"] * 7
    row = market.admin.execute(
        "SELECT held FROM tenancy.wallets WHERE workspace_id = %s", [market.globex.id]
    ).fetchone()
    assert row == (0,)
    assert market.problems() == []


def test_a_trial_that_ten_begin_at_once_is_one_trial(market: Market) -> None:
    taste = market.publish("taste", "1", visibility="public", access_policy="trial", trial_tokens=100)

    def call(number: int, barrier: Barrier) -> None:
        with market.at("uma") as connection:
            barrier.wait()
            connection.execute("SELECT tenancy.record_usage(%s, %s, 30, 0)", [f"r{number}", taste])

    assert at_once(10, call) == ["done"] * 3 + ["trial_ended"] * 7
    assert (market.left()[3], market.balance("uma"), market.problems()) == (1, Decimal(100), [])


def offering_of_globex(market: Market) -> UUID:
    """Let Globex offer something, too, and give Acme the money for it."""
    model = uuid4()
    market.admin.execute(
        "INSERT INTO public.models (id, name, model_id, organization_id) VALUES (%s, 'm', 'm', %s)",
        [model, market.globex.id],
    )
    other: UUID = market.call("gus", "publish_offering", model, "bot", "Bot", "public", "pay_per_token", Decimal("0.5"))
    for aspect in ("tech", "eco"):
        market.call("gus", "activate", "offering", other, aspect)
    with market.service() as connection:
        connection.execute("SELECT tenancy.top_up(%s, 100, 'opening')", [market.acme.id])
    return other


def test_authorizing_and_recording_in_one_transaction_ends_with_one_of_two(market: Market, bot: UUID) -> None:
    """As the document says: what the other had done is undone as a whole, and succeeds when it is repeated."""
    calls = (("uma", bot), ("ann", offering_of_globex(market)))
    undone: list[int] = []

    def serve(number: int, barrier: Barrier | None = None) -> None:
        who, offering = calls[number]
        with market.at(who) as connection:
            (hold,) = connection.execute("SELECT tenancy.authorize_usage(%s, 100)", [offering]).fetchone() or ()
            if barrier:
                barrier.wait()
            try:
                connection.execute("SELECT tenancy.record_usage('once', %s, 100, 0, hold => %s)", [offering, hold])
            except psycopg.errors.DeadlockDetected:
                undone.append(number)
                raise

    assert at_once(2, serve) == ["40P01", "done"]
    assert (market.left()[:3], market.problems()) == ((1, 1, 1), [])
    (again,) = undone
    serve(again)
    assert (market.left()[:3], market.problems()) == ((2, 2, 2), [])


def test_two_organizations_that_call_each_other_wait_in_no_circle(market: Market, bot: UUID) -> None:
    """Sixteen sessions of both authorize, record, release and reverse calls, while prices change."""
    other = offering_of_globex(market)
    expected = {"done", "insufficient_funds", "already_reversed"}
    outcomes: Counter[str] = Counter()

    def deeds(number: int, barrier: Barrier) -> None:
        chance = random.Random(number)
        mine: list[UUID] = []
        who, offering = (("uma", bot), ("ann", other))[number % 2]
        provider = ("gus", "ann")[who == "uma"]
        barrier.wait()
        for step in range(12):
            name, deed = f"{number}-{step}", chance.randrange(6)
            if deed == 5 and mine:
                with market.at(provider) as connection:
                    outcomes[attempt(connection, "SELECT tenancy.reverse_usage(%s)", chance.choice(mine))] += 1
                continue
            if deed == 4:
                with market.at(provider) as connection:
                    outcomes[attempt(connection, "SELECT tenancy.set_offering_price(%s, %s)", offering, deed)] += 1
                continue
            tokens, hold = chance.randrange(1, 3000), None
            try:
                if deed > 1:
                    hold = market.call(who, "authorize_usage", offering, 3000)
                mine.append(market.call(who, "record_usage", name, offering, tokens, 0, hold=hold)[0])
                outcomes["done"] += 1
            except psycopg.Error as error:
                outcomes[str(error.diag.constraint_name or error.sqlstate)] += 1

    assert at_once(16, deeds) == ["done"] * 16
    assert set(outcomes) <= expected, outcomes
    assert market.balance("uma") + market.balance("ann") == 200
    assert market.problems() == []


def test_a_share_that_ends_while_many_call(market: Market) -> None:
    """Every recorded call was allowed when it began; after the revocation none is."""
    secret = market.publish("secret", "1", visibility="private")
    share = market.call("ann", "share_offering", secret, market.globex.id)
    told: list[str] = []

    def deeds(number: int, barrier: Barrier) -> None:
        barrier.wait()
        if number == 0:
            for function in ("pause_share", "resume_share", "revoke_share"):
                market.call("ann", function, share)
            return
        for step in range(10):
            with market.at("uma") as connection:
                told.append(
                    attempt(connection, "SELECT tenancy.record_usage(%s, %s, 10, 0)", f"{number}-{step}", secret)
                )

    assert at_once(6, deeds) == ["done"] * 6
    assert set(told) <= {"done", "share_paused", "offering_not_found"}
    with refused("P0002", "offering_not_found"):
        market.call("uma", "record_usage", "late", secret, 10, 0)
    assert market.left()[0] == Counter(told)["done"]
    assert market.problems() == []


@pytest.mark.parametrize("price", ["NaN", "Infinity", "-Infinity", "-0.000001", "1000000"])
def test_a_price_that_is_none(market: Market, price: str) -> None:
    offering = market.publish("bot", "1", visibility="public", access_policy="request_required")
    with refused("22023", "price_invalid"):
        market.call("ann", "set_offering_price", offering, Decimal(price))
    with refused("22023", "price_invalid"):
        market.call("ann", "publish_offering", market.model, "x", "X", eur_per_1k=Decimal(price))
    request = market.call("gus", "request_access", offering)
    with refused("22023", "price_invalid"):
        market.call("ann", "approve_access", request, eur_per_1k=Decimal(price))


def test_the_least_price_there_is(market: Market) -> None:
    with refused("22023", "price_invalid"):
        market.publish("less", "0.0000005")
    offering = market.publish("bot", "0.000001", visibility="public", access_policy="pay_per_token")
    price, amount, charged = market.call("uma", "record_usage", "r1", offering, 1500, 0)[1:4]
    assert (price, amount, charged) == (Decimal("0.000001"), Decimal("0.000002"), Decimal("0.000002"))
    # Half of the least is rounded up, less than that is nothing, and neither is lost.
    assert market.call("uma", "record_usage", "r2", offering, 500, 0)[2] == Decimal("0.000001")
    assert market.call("uma", "record_usage", "r3", offering, 499, 0)[2] == 0
    assert market.balance("uma") + market.balance("ann") == 100
    assert market.problems() == []
