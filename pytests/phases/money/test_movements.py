"""Money moves once, whole, and never below a wallet's limit."""

from __future__ import annotations

from decimal import Decimal

import psycopg
import pytest

from phases.money.conftest import Money
from support.people import Organization


def test_a_movement_is_a_pair_of_entries(money: Money, acme: Organization, globex: Organization) -> None:
    money.top_up(acme.id, "10")
    with money.inside() as connection:
        moved = money.move(connection, acme.id, globex.id, "2.5", "call-1")
    assert (moved.replayed, moved.charged, moved.unpaid) == (False, Decimal("2.5"), 0)
    assert (money.balance(acme.id), money.balance(globex.id)) == (Decimal("7.5"), Decimal("2.5"))
    assert money.problems() == []
