"""Calls are charged once, at the price of their time, from one wallet to the other."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from threading import Barrier
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.types.composite import CompositeInfo, register_composite
from psycopg.types.json import Jsonb

from phases.offerings.conftest import Connection, Market
from support.racing import at_once
from support.two_tenants import refused


@pytest.fixture
def bot(market: Market) -> UUID:
    return market.publish("bot", "0.2", visibility="public", access_policy="pay_per_token")


def priced_since(market: Market, offering: UUID, price: str, ago: str) -> None:
    """Backdate a price, which the functions do not allow."""
    market.admin.execute(
        "INSERT INTO tenancy.offering_prices (organization_id, offering_id, valid_from, number, eur_per_1k)"
        " VALUES (%s, %s, now() - %s::interval, 1, %s)",
        [market.acme.id, offering, ago, price],
    )


def ago(market: Market, interval: str) -> object:
    row = market.admin.execute("SELECT now() - %s::interval", [interval]).fetchone()
    return row and row[0]


@pytest.mark.parametrize("who", ["uma", "pat"])
def test_a_call_is_paid_once(market: Market, bot: UUID, who: str) -> None:
    first = market.call(who, "record_usage", "r1", bot, 1000, 234)
    assert first[1:] == (Decimal("0.2"), Decimal("0.2468"), Decimal("0.2468"), 0, False)
    assert market.call(who, "record_usage", "r1", bot, 1000, 234) == (*first[:5], True)
    assert (market.balance(who), market.balance("ann")) == (Decimal("99.7532"), Decimal("0.2468"))
    assert (market.left()[:3], market.problems()) == ((1, 1, 1), [])


def test_the_id_is_the_payers_own(market: Market, bot: UUID) -> None:
    assert {market.call(who, "record_usage", "r1", bot, 10, 0)[5] for who in ("uma", "pat")} == {False}


@pytest.mark.parametrize("change", ["tokens", "split", "offering"])
def test_another_call_under_the_same_id(market: Market, bot: UUID, change: str) -> None:
    market.call("uma", "record_usage", "r1", bot, 10, 20)
    other = market.publish("other", "0.2", visibility="public", access_policy="pay_per_token")
    asked = {"tokens": (bot, 10, 21), "split": (bot, 20, 10), "offering": (other, 10, 20)}[change]
    with refused("23505", "reference_reused"):
        market.call("uma", "record_usage", "r1", *asked)
    assert market.left()[:3] == (1, 1, 1)


def test_a_retry_answers_as_before_whatever_changed(market: Market) -> None:
    offering = market.publish("bot", "0.2", visibility="private")
    share = market.call("ann", "share_offering", offering, market.globex.id)
    first = market.call("uma", "record_usage", "r1", offering, 1000, 0)
    market.call("ann", "set_offering_price", offering, 7)
    market.call("ann", "revoke_share", share)
    market.call("ann", "update_offering", offering, is_active=False)
    assert market.call("uma", "record_usage", "r1", offering, 1000, 0) == (*first[:5], True)
    market.admin.execute("DELETE FROM public.organization_models WHERE id = %s", [offering])
    assert market.call("uma", "record_usage", "r1", offering, 1000, 0) == (*first[:5], True)


def test_a_call_has_the_price_of_its_moment(market: Market, bot: UUID) -> None:
    market.admin.execute("DELETE FROM tenancy.offering_prices")
    for price, since in (("1", "30 days"), ("2", "10 days"), ("3", "1 hour")):
        priced_since(market, bot, price, since)
    market.call("max", "set_offering_price", bot, 9, ago(market, "-1 hour"))
    expected = {"29 days": 1, "10 days": 2, "2 hours": 2, "1 minute": 3, "-4 minutes": 3}
    for when, found in expected.items():
        assert market.call("uma", "record_usage", when, bot, 1000, 0, ago(market, when))[1] == found
    with refused("55000", "offering_price_missing"):
        market.call("uma", "record_usage", "r9", bot, 1000, 0, ago(market, "31 days"))
    assert market.problems() == []


def test_a_share_that_never_began_prices_no_call(market: Market) -> None:
    offering = market.publish("bot", "0.2", visibility="private")
    begins = ago(market, "-300 milliseconds")
    cheap = {"version": 1, "type": "per_1k_tokens", "eur_per_1k": 0.01}
    until = ago(market, "-1 hour")
    unbegun = market.call("ann", "share_offering", offering, market.globex.id, Jsonb(cheap), begins, until)
    market.call("ann", "revoke_share", unbegun)
    market.admin.execute("SELECT pg_sleep(0.5)")
    used_at = ago(market, "100 milliseconds")
    market.call("ann", "share_offering", offering, market.globex.id)
    assert market.call("uma", "record_usage", "r1", offering, 1000, 0, used_at)[1] == Decimal("0.2")
    row = market.admin.execute(
        "SELECT ends_at - starts_at, starts_at < %s FROM public.organization_model_shares WHERE id = %s",
        [used_at, unbegun],
    ).fetchone()
    assert row == (timedelta(microseconds=1), True)


@pytest.mark.parametrize("when", ["35 days 1 minute", "-6 minutes"])
def test_times_that_are_refused(market: Market, bot: UUID, when: str) -> None:
    with refused("22023", "occurred_at_invalid"):
        market.call("uma", "record_usage", "r1", bot, 1, 1, ago(market, when))


@pytest.mark.parametrize(("input_tokens", "output_tokens"), [(-1, 5), (5, -1), (None, 1), (10**13, 1)])
def test_tokens_that_are_refused(market: Market, bot: UUID, input_tokens: int | None, output_tokens: int) -> None:
    with refused("22023", "tokens_invalid"):
        market.call("uma", "record_usage", "r1", bot, input_tokens, output_tokens)
    assert market.left() == (0, 0, 0, 0, 0)


def test_a_refused_call_may_succeed_later(market: Market, bot: UUID) -> None:
    with refused("P0001", "insufficient_funds"):
        market.call("uma", "record_usage", "r1", bot, 10**6, 0)
    assert market.left() == (0, 0, 0, 0, 0)
    with market.service() as connection:
        connection.execute("SELECT tenancy.top_up(%s, 200, 'more')", [market.globex.id])
    assert market.call("uma", "record_usage", "r1", bot, 10**6, 0)[3] == 200


def test_a_hold_covers_the_worst_case_and_frees_the_rest(market: Market, bot: UUID) -> None:
    hold = market.call("uma", "authorize_usage", bot, 400_000)
    with refused("P0001", "insufficient_funds"):
        market.call("uma", "authorize_usage", bot, 200_000)
    assert market.call("uma", "record_usage", "r1", bot, 5_000, 0, hold=hold)[3] == 1
    with refused("P0002", "hold_not_found"):
        market.call("uma", "record_usage", "r2", bot, 5_000, 0, hold=hold)
    hold = market.call("uma", "authorize_usage", bot, 490_000)
    market.call("uma", "release_usage", hold)
    market.call("uma", "authorize_usage", bot, 490_000)
    assert market.problems() == []


def test_a_price_that_is_known_to_rise_is_held(market: Market, bot: UUID) -> None:
    market.call("max", "set_offering_price", bot, 200, ago(market, "-5 minutes"))
    with refused("P0001", "insufficient_funds"):
        market.call("uma", "authorize_usage", bot, 1000)
    market.call("uma", "authorize_usage", bot, 1000, expires_in="1 minute")


def test_an_excess_over_hold_and_balance_is_unpaid(market: Market, bot: UUID) -> None:
    hold = market.call("uma", "authorize_usage", bot, 1000)
    _, _, amount, charged, unpaid, _ = market.call("uma", "record_usage", "r1", bot, 10**6, 0, hold=hold)
    assert (amount, charged, unpaid) == (200, 100, 100)
    for function, values in (("authorize_usage", (bot, 1)), ("record_usage", ("r2", bot, 1, 0))):
        with refused("P0001", "insufficient_funds"):
            market.call("uma", function, *values)
    assert market.call("max", "offering_earnings")[2:] == (1, 10**6, 200, 100, 0)
    assert market.problems() == []


def test_a_hold_is_for_one_offering_and_one_workspace(market: Market, bot: UUID) -> None:
    dear = market.publish("dear", "50", visibility="public", access_policy="pay_per_token")
    hold = market.call("uma", "authorize_usage", bot, 1000)
    for who, offering in (("uma", dear), ("pat", bot)):
        with refused("P0002", "hold_not_found"):
            market.call(who, "record_usage", "r1", offering, 1000, 0, hold=hold)
    assert market.call("uma", "record_usage", "r1", bot, 1000, 0, hold=hold)[5] is False


def test_an_agreement_has_a_price_and_a_quota(market: Market) -> None:
    offering = market.publish("bot", "0.2", visibility="public")
    market.agree("gus", offering, quota_tokens=1000, eur_per_1k=Decimal("0.05"))
    assert market.call("uma", "record_usage", "r1", offering, 600, 0)[3] == Decimal("0.03")
    with refused("42501", "quota_exhausted"):
        market.call("uma", "record_usage", "r2", offering, 401, 0)
    with refused("42501", "quota_exhausted"):
        market.call("uma", "authorize_usage", offering, 401)
    hold = market.call("uma", "authorize_usage", offering, 400)
    assert market.call("uma", "record_usage", "r3", offering, 900, 0, hold=hold)[3] == Decimal("0.045")
    assert market.call("uma", "resolve_offering", "acme/bot")[6] == "quota_exhausted"
    market.agree("gus", offering)
    assert market.call("uma", "record_usage", "r4", offering, 1000, 0)[3] == Decimal("0.2")


def test_many_at_once_use_up_a_quota_exactly(market: Market) -> None:
    offering = market.publish("bot", "0.2", visibility="public")
    market.agree("gus", offering, quota_tokens=100)

    def use(number: int, barrier: Barrier) -> None:
        with market.at("uma") as connection:
            barrier.wait()
            connection.execute("SELECT tenancy.record_usage(%s, %s, 30, 0)", [f"r{number}", offering])

    assert at_once(6, use) == ["done"] * 3 + ["quota_exhausted"] * 3
    assert market.problems() == []


def test_many_at_once_record_one_call_once(market: Market, bot: UUID) -> None:
    hold = market.call("uma", "authorize_usage", bot, 1000)

    def use(number: int, barrier: Barrier) -> None:
        with market.at("uma") as connection:
            barrier.wait()
            connection.execute("SELECT tenancy.record_usage('r1', %s, 1000, 0, hold => %s)", [bot, hold])

    assert at_once(4, use) == ["done"] * 4
    assert (market.balance("uma"), market.left()[:3], market.problems()) == (Decimal("99.8"), (1, 1, 1), [])


def batch(connection: Connection, *calls: tuple[object, ...]) -> list[tuple[object, ...]]:
    info = CompositeInfo.fetch(connection, "tenancy.usage_request")
    assert info is not None
    register_composite(info, connection)
    assert info.python_type is not None
    return connection.execute(
        "SELECT request_id, amount, replayed FROM tenancy.record_usages(%s::tenancy.usage_request[])",
        [[info.python_type(*call) for call in calls]],
    ).fetchall()


def test_a_batch_is_as_its_calls(market: Market, bot: UUID) -> None:
    agreed = market.publish("agreed", "0.2", visibility="public")
    market.agree("gus", agreed, quota_tokens=1000, eur_per_1k=1)
    shared = market.publish("shared", "0.4")
    market.call("ann", "share_offering", shared, market.globex.id)
    market.call("uma", "record_usage", "old", bot, 7, 0)
    hold = market.call("uma", "authorize_usage", bot, 1000)
    with market.at("uma") as connection:
        answers = batch(
            connection,
            ("b", bot, 1000, 0, None, None), ("a", bot, 500, 0, None, None), ("b", bot, 1000, 0, None, None),
            ("c", agreed, 100, 0, None, None), ("old", bot, 7, 0, None, None), ("d", shared, 1000, 1000, None, None),
            ("e", bot, 1000, 0, None, hold),
        )  # fmt: skip
    assert answers == [
        ("b", Decimal("0.2"), False), ("a", Decimal("0.1"), False), ("b", Decimal("0.2"), True),
        ("c", Decimal("0.1"), False),
        ("old", Decimal("0.0014"), True), ("d", Decimal("0.8"), False), ("e", Decimal("0.2"), False),
    ]  # fmt: skip
    assert market.balance("uma") == 100 - Decimal("1.4014")
    assert market.problems() == []


def test_batches_that_pay_each_other_wait_in_order(market: Market, bot: UUID) -> None:
    """Everybody pays everybody, in batches of several providers."""
    organizations = {"ann": market.acme, "gus": market.globex, "ida": market.initech}
    offerings = {"ann": bot}
    for who in ("gus", "ida"):
        model = uuid4()
        market.admin.execute(
            "INSERT INTO public.models (id, name, model_id, organization_id) VALUES (%s, 'm', 'm', %s)",
            [model, organizations[who].id],
        )
        offerings[who] = market.call(
            who, "publish_offering", model, "bot", "Bot", "public", "pay_per_token", Decimal("0.2")
        )
        for aspect in ("tech", "eco"):
            market.call(who, "activate", "offering", offerings[who], aspect)
    with market.service() as connection:
        for who in ("ann", "ida"):
            connection.execute("SELECT tenancy.top_up(%s, 100, 'opening')", [organizations[who].id])

    def pay(number: int, barrier: Barrier) -> None:
        payer = list(organizations)[number % 3]
        for turn in range(5):
            barrier.wait()
            with market.at(payer) as connection:
                batch(
                    connection,
                    *(
                        (f"{number}-{turn}-{who}", offerings[who], 100, 0, None, None)
                        for who in offerings
                        if who != payer
                    ),
                )

    assert at_once(6, pay) == ["done"] * 6
    assert (market.left()[0], market.problems()) == (60, [])


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (("x", None, 1, 0, None, None), "offering_not_found"),
        (("a", "bot", 2, 0, None, None), "reference_reused"),
        (("x", "bot", -1, 0, None, None), "tokens_invalid"),
        ((None, "bot", 1, 0, None, None), "request_id_invalid"),
        (("x", "bot", 10**9, 0, None, None), "insufficient_funds"),
        (("x", "bot", 1, 0, None, uuid4()), "hold_not_found"),
    ],
)
def test_a_batch_is_recorded_whole_or_not(market: Market, bot: UUID, call: tuple[object, ...], name: str) -> None:
    call = tuple(bot if value == "bot" else value for value in call)
    with pytest.raises(psycopg.Error) as caught, market.at("uma") as connection:
        batch(connection, ("a", bot, 1, 0, None, None), call)
    assert (caught.value.diag.constraint_name, market.left()) == (name, (0, 0, 0, 0, 0))


def test_services_name_the_payer(market: Market, bot: UUID) -> None:
    with market.service() as connection:
        hold = connection.execute(
            "SELECT tenancy.authorize_usage_for(%s, %s, 1000)", [market.globex.id, bot]
        ).fetchone()
        connection.execute(
            "SELECT tenancy.record_usage_for(%s, 'r1', %s, 1000, 0, hold => %s)",
            [market.globex.id, bot, hold and hold[0]],
        )
        for nobody in (uuid4(), UUID(int=0), None):
            with refused("P0002", "consumer_not_found"):
                connection.execute("SELECT tenancy.record_usage_for(%s, 'r1', %s, 1000, 0)", [nobody, bot])
    assert (market.balance("uma"), market.problems()) == (Decimal("99.8"), [])


@pytest.mark.parametrize("who", ["max", "service"])
def test_a_reversal_gives_money_and_tokens_back(market: Market, who: str) -> None:
    offering = market.publish("bot", "0.2", visibility="public")
    market.agree("gus", offering, quota_tokens=1000)
    usage = market.call("uma", "record_usage", "r1", offering, 1000, 0)[0]
    with refused("42501", "permission_denied"):
        market.call("abe", "reverse_usage", usage)
    for stranger in ("gus", "ida"):
        with refused("P0002", "usage_not_found"):
            market.call(stranger, "reverse_usage", usage)
    answers = []
    for _ in range(2):
        if who == "max":
            answers.append(market.call("max", "reverse_usage", usage))
        else:
            with market.service() as connection:
                answers.append(connection.execute("SELECT * FROM tenancy.reverse_usage(%s)", [usage]).fetchone())
    assert answers == [(Decimal("0.2"), 0, False), (Decimal("0.2"), 0, True)]
    assert (market.balance("uma"), market.balance("ann"), market.problems()) == (Decimal(100), Decimal(0), [])
    assert market.call("uma", "record_usage", "r1", offering, 1000, 0)[5] is True
    assert market.call("uma", "record_usage", "r2", offering, 1000, 0)[5] is False


def test_limits_are_asked_before(market: Market, bot: UUID) -> None:
    with market.service() as connection:
        connection.execute("SELECT tenancy.set_spending_limit(%s, 1)", [market.globex.id])
    with refused("P0001", "spending_limit_reached"):
        market.call("uma", "authorize_usage", bot, 5001)
    market.call("uma", "authorize_usage", bot, 5000)


DAMAGE: dict[str, Callable[[Market], tuple[str, list[object]]]] = {
    "call_without_movement": lambda _: (
        "UPDATE tenancy.offering_usage SET id = gen_random_uuid()", []),
    "call_differs": lambda _: ("UPDATE tenancy.offering_usage SET input_tokens = 1", []),
    "movement_without_call": lambda _: ("DELETE FROM tenancy.offering_usage", []),
    "reversal_differs": lambda _: ("UPDATE tenancy.offering_usage SET reversed_at = now()", []),
    "cost_differs": lambda _: ("UPDATE finops.inference_usage SET charged_amount_eur = 0.1", []),
}  # fmt: skip


@pytest.mark.parametrize("problem", DAMAGE)
def test_reconciling_finds_what_differs(market: Market, bot: UUID, problem: str) -> None:
    market.call("uma", "record_usage", "r1", bot, 1000, 0)
    market.admin.execute(*DAMAGE[problem](market))
    assert problem in {row[0] for row in market.problems()}


@pytest.mark.parametrize("computed", [False, True])
def test_finops_has_every_call(market: Market, bot: UUID, computed: bool) -> None:
    if computed:
        market.admin.execute(
            "ALTER TABLE finops.inference_usage DROP COLUMN total_tokens,"
            " ADD COLUMN total_tokens bigint GENERATED ALWAYS AS (input_tokens + output_tokens) STORED"
        )
    market.call("uma", "record_usage", "r1", bot, 1000, 5)
    market.call("max", "record_usage", "r1", bot, 1000, 0)
    market.call("max", "reverse_usage", market.call("pat", "record_usage", "r1", bot, 2000, 0)[0])
    rows = market.admin.execute(
        "SELECT consumer_organization_id, charged_amount_eur, input_tokens, output_tokens, total_tokens FROM"
        " finops.inference_usage WHERE (provider_organization_id, organization_model_id, model_id) = (%s, %s, %s)"
        " AND unit_price_eur_per_1k_tokens = 0.2 ORDER BY total_tokens DESC",
        [market.acme.id, bot, market.model],
    ).fetchall()
    assert rows == [
        (None, 0, 2000, 0, 2000),
        (market.globex.id, Decimal("0.201"), 1000, 5, 1005),
        (market.acme.id, 0, 1000, 0, 1000),
    ]


def test_the_example_of_the_documents(market: Market) -> None:
    text = (Path(__file__).parents[3] / "docs" / "offerings.md").read_text()
    script = text.split("```sql\n")[1].split("```")[0]
    whose = {
        "Acme's owner": "ann", "somebody in Globex": "uma", "Acme's manager": "max",
        "what serves a call, in Globex's workspace": "uma", "Acme's manager again": "max",
    }  # fmt: skip
    who, known = "", {"model": market.model}
    row: tuple[Any, ...] | None = None
    for line in script.splitlines():
        if line.startswith("-- "):
            who = whose.pop(line[3:])
            continue
        with market.at(who) as connection:
            row = connection.execute(
                re.sub("<([^>]*)>", lambda m: str(known.get(m[1], m[1])), line).encode()
            ).fetchone()
        assert row is not None, line
        for name, function in (
            ("offering", "publish_offering"), ("request", "request_access"), ("hold", "authorize_usage"),
        ):  # fmt: skip
            if f"{function}(" in line:
                known[name] = row[0]
    assert row is not None
    assert row[2:5] == (1, 2000, Decimal("0.3"))
    assert (whose, market.problems()) == ({}, [])


def test_a_price_set_after_the_authorization_does_not_raise_the_cost_of_a_call(market: Market, bot: UUID) -> None:
    """A provider that sees a long call running would be paid the consumer's whole balance."""
    hold = market.call("uma", "authorize_usage", bot, 1000)
    market.call("max", "set_offering_price", bot, 900_000)
    cost = Decimal("0.2")
    assert market.call("uma", "record_usage", "r1", bot, 1000, 0, hold=hold)[1:5] == (cost, cost, cost, 0)
    assert market.problems() == []


def test_a_price_that_falls_or_was_known_to_rise_counts_for_an_authorized_call(market: Market, bot: UUID) -> None:
    hold = market.call("uma", "authorize_usage", bot, 1000)
    market.call("max", "set_offering_price", bot, Decimal("0.1"))
    assert market.call("uma", "record_usage", "r1", bot, 1000, 0, hold=hold)[3] == Decimal("0.1")
    market.call("max", "set_offering_price", bot, Decimal("0.4"), ago(market, "-1 minute"))
    hold = market.call("uma", "authorize_usage", bot, 1000)
    later = ago(market, "-2 minutes")
    assert market.call("uma", "record_usage", "r2", bot, 1000, 0, later, hold)[3] == Decimal("0.4")


def test_calls_that_are_authorized_at_once_share_a_quota(market: Market) -> None:
    """Of a trial, too: otherwise as many calls as are served at once could each use all of it."""
    agreed = market.publish("agreed", "0.2", visibility="public")
    market.agree("gus", agreed, quota_tokens=100)
    tried = market.publish("tried", visibility="public", access_policy="trial", trial_tokens=100)
    for offering, problem in ((agreed, "quota_exhausted"), (tried, "trial_ended")):
        hold = market.call("uma", "authorize_usage", offering, 60)
        for function, values in (("authorize_usage", (offering, 41)), ("record_usage", ("r1", offering, 41, 0))):
            with refused("42501", problem):
                market.call("uma", function, *values)
        market.call("uma", "authorize_usage", offering, 40, expires_in="1 second")
        market.call("uma", "release_usage", hold)
        market.call("uma", "authorize_usage", offering, 60)
        # A call is recorded, and its tokens count once.
        market.admin.execute("UPDATE tenancy.usage_authorizations SET expires_at = now()")
        hold = market.call("uma", "authorize_usage", offering, 60)
        market.call("uma", "record_usage", f"{offering}", offering, 10, 0, hold=hold)
        market.call("uma", "authorize_usage", offering, 90)


def test_what_has_become_free_costs_an_authorized_call_nothing(market: Market, bot: UUID) -> None:
    """Neither the price that it had, nor the one that is to follow."""
    market.call("ann", "share_offering", bot, market.globex.id)
    market.call("ann", "update_offering", bot, access_policy="free")
    market.call("ann", "set_offering_price", bot, Decimal("0.7"), ago(market, "-5 minutes"))
    hold = market.call("uma", "authorize_usage", bot, 1000)
    assert market.call("uma", "record_usage", "held", bot, 1000, 0, hold=hold)[2] == 0
    assert market.call("uma", "record_usage", "plain", bot, 1000, 0)[2] == 0
    assert (market.balance("uma"), market.problems()) == (Decimal(100), [])


@pytest.mark.parametrize("lasts", ["1 day 1 microsecond", "1200 months -35999 days", "-12 months 361 days", "0", None])
def test_a_hold_lasts_a_day_at_most_however_it_is_written(market: Market, bot: UUID, lasts: str | None) -> None:
    """PostgreSQL compares intervals by months of 30 days, and adds calendar months."""
    with refused("22023", "hold_expiry_invalid"):
        market.call("uma", "authorize_usage", bot, 1, lasts)
    with market.service() as service, refused("22023", "hold_expiry_invalid"):
        service.execute("SELECT tenancy.hold_amount(%s, 1, %s, 'hold')", [market.globex.id, lasts])


def test_a_hold_may_last_a_day(market: Market, bot: UUID) -> None:
    hold = market.call("uma", "authorize_usage", bot, 1, "1 year -364 days -6 hours")
    row = market.admin.execute(
        "SELECT a.expires_at - a.created_at, h.expires_at - h.created_at FROM tenancy.usage_authorizations AS a"
        " INNER JOIN tenancy.wallet_holds AS h ON a.hold_id = h.id WHERE a.id = %s",
        [hold],
    ).fetchone()
    assert row == (timedelta(days=1), timedelta(days=1))


@pytest.mark.parametrize("right", ["share", "agreement"])
@pytest.mark.parametrize(("policy", "price"), [("pay_per_token", "0.2"), ("free", "0")])
def test_a_right_does_not_raise_the_price_of_calls_before_it(
    market: Market, right: str, policy: str, price: str
) -> None:
    """A provider shares without asking the consumer, whose calls may have been served and not recorded yet."""
    bot = market.publish("often", None, visibility="public", access_policy=policy)
    priced_since(market, bot, "0.2", "1 hour")
    if right == "share":
        pricing = Jsonb({"version": 1, "type": "per_1k_tokens", "eur_per_1k": 90})
        market.call("ann", "share_offering", bot, market.globex.id, pricing)
    else:
        market.agree("uma", bot, eur_per_1k=90)
    served = ago(market, "10 minutes")
    assert market.call("uma", "record_usage", "before", bot, 1000, 0, served)[1] == Decimal(price)
    batch = (
        "SELECT eur_per_1k FROM tenancy.record_usages(ARRAY[ROW('two', %s, 1000, 0, %s, NULL)::tenancy.usage_request])"
    )
    with market.at("uma") as connection:
        assert connection.execute(batch, [bot, served]).fetchall() == [(Decimal(price),)]
    assert market.call("uma", "record_usage", "after", bot, 1000, 0)[1] == 90
    assert market.problems() == []


def test_the_end_of_a_right_does_not_raise_the_price_of_calls_before_it(market: Market, bot: UUID) -> None:
    priced_since(market, bot, "0.2", "1 hour")
    pricing = Jsonb({"version": 1, "type": "per_1k_tokens", "eur_per_1k": 0.01})
    share = market.call("ann", "share_offering", bot, market.globex.id, pricing)
    agreement = market.agree("pat", bot, eur_per_1k=Decimal("0.01"))
    served = ago(market, "0")
    market.call("ann", "revoke_share", share)
    market.call("ann", "revoke_entitlement", agreement)
    for who in ("uma", "pat"):
        assert market.call(who, "record_usage", "before", bot, 1000, 0, served)[1] == Decimal("0.01")
        assert market.call(who, "record_usage", "after", bot, 1000, 0)[1] == Decimal("0.2")
    assert market.problems() == []


def test_the_end_of_a_free_offer_does_not_raise_the_price_of_calls_before_it(market: Market) -> None:
    bot = market.publish("gift", "0.2", visibility="public", access_policy="free")
    priced_since(market, bot, "0.3", "1 hour")
    market.call("max", "set_offering_price", bot, Decimal("0.7"), ago(market, "-1 day"))
    served = ago(market, "0")
    market.call("ann", "update_offering", bot, access_policy="pay_per_token")
    assert market.call("uma", "record_usage", "before", bot, 1000, 0, served)[1] == 0
    assert market.call("uma", "record_usage", "long before", bot, 1000, 0, ago(market, "10 minutes"))[1] == 0
    # The price that was set meanwhile begins now, and the later one later.
    assert market.call("uma", "record_usage", "after", bot, 1000, 0)[1] == Decimal("0.2")
    later = market.admin.execute(
        "SELECT eur_per_1k FROM tenancy.offering_prices ORDER BY valid_from DESC LIMIT 1"
    ).fetchone()
    assert (later, market.problems()) == ((Decimal("0.7"),), [])
