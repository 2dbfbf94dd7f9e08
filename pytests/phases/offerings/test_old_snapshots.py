"""A transaction with an old snapshot keeps no right that has ended, no earlier price and no unused quota."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import IsolationLevel

from phases.offerings.conftest import Market
from support.racing import attempt

Connect = Callable[..., psycopg.Connection[tuple[Any, ...]]]

CALLS = [
    "SELECT tenancy.authorize_usage(%s, 100)",
    "SELECT tenancy.record_usage('r', %s, 100, 0)",
    "SELECT * FROM tenancy.record_usages(ARRAY[ROW('r', %s, 100, 0, NULL, NULL)::tenancy.usage_request])",
]
OLD = [IsolationLevel.REPEATABLE_READ, IsolationLevel.SERIALIZABLE]


@pytest.fixture
def old(market: Market, connect: Connect) -> Callable[..., psycopg.Connection[Any]]:
    """Return a function that begins a consumer's transaction, whose snapshot is taken now."""

    def begin(level: IsolationLevel = IsolationLevel.REPEATABLE_READ) -> psycopg.Connection[Any]:
        connection = connect(market.logins.app)
        connection.isolation_level = level
        connection.execute("SELECT tenancy.enter(%s, %s)", [market.users["uma"].id, market.globex.id])
        return connection

    return begin


@pytest.mark.parametrize("level", OLD, ids=lambda level: level.name)
@pytest.mark.parametrize("call", CALLS, ids=["authorize", "record", "batch"])
def test_a_right_that_has_ended_since(market: Market, old: Any, call: str, level: IsolationLevel) -> None:
    secret = market.publish("secret", "0", visibility="private")
    share = market.call("ann", "share_offering", secret, market.globex.id)
    with old(level) as connection:
        market.call("ann", "revoke_share", share)
        assert attempt(connection, call, secret) == "read_committed_required"
    assert (market.left(), market.problems()) == ((0, 0, 0, 0, 0), [])


@pytest.mark.parametrize("call", CALLS, ids=["authorize", "record", "batch"])
def test_a_price_from_before_it_rose(market: Market, old: Any, call: str) -> None:
    bot = market.publish("bot", "1", visibility="public", access_policy="pay_per_token")
    with old() as connection:
        market.call("ann", "set_offering_price", bot, Decimal(5))
        assert attempt(connection, call, bot) == "read_committed_required"
    assert market.balance("uma") == 100


def test_several_old_snapshots_do_not_use_one_quota_each(market: Market, old: Any) -> None:
    bot = market.publish("bot", "0", visibility="public")
    market.agree("uma", bot, quota_tokens=100)
    with old() as first, old() as second:
        told = [attempt(first, CALLS[0], bot), attempt(second, CALLS[0], bot)]
    assert told == ["read_committed_required"] * 2
    assert attempt_in_uma(market, CALLS[0], bot) == "done"
    assert attempt_in_uma(market, CALLS[0], bot) == "quota_exhausted"


def attempt_in_uma(market: Market, call: str, offering: UUID) -> str:
    with market.at("uma") as connection:
        return attempt(connection, call, offering)


def test_an_authorized_call_is_recorded_whatever_the_snapshot(market: Market, old: Any) -> None:
    bot = market.publish("bot", "1", visibility="public", access_policy="pay_per_token")
    hold = market.call("uma", "authorize_usage", bot, 1000)
    with old() as connection:
        connection.execute("SELECT tenancy.record_usage('r', %s, 1000, 0, hold => %s)", [bot, hold])
    assert (market.balance("uma"), market.problems()) == (Decimal(99), [])
