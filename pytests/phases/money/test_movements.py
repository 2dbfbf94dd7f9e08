"""Money moves once, whole, and never below a wallet's limit."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import errors

from support.people import Organization, People


def test_a_movement_is_a_pair_of_entries(money: Any, acme: Organization, globex: Organization) -> None:
    money.top_up(acme.id, "10")
    with money.inside() as connection:
        moved = money.move(connection, acme.id, globex.id, "2.5", "call-1")
        entries = connection.execute(
            "SELECT workspace_id, amount, balance_after FROM tenancy.ledger_entries"
            " WHERE transfer_id = %s ORDER BY amount",
            [moved.transfer_id],
        ).fetchall()
    assert (moved.replayed, moved.charged, moved.unpaid) == (False, Decimal("2.5"), 0)
    assert entries == [
        (acme.id, Decimal("-2.5"), Decimal("7.5")),
        (globex.id, Decimal("2.5"), Decimal("2.5")),
    ]
    assert (money.balance(acme.id), money.balance(globex.id)) == (Decimal("7.5"), Decimal("2.5"))
    assert money.problems() == []


def test_the_same_request_answers_as_it_did(money: Any, acme: Organization, globex: Organization) -> None:
    money.top_up(acme.id, "10")
    with money.inside() as connection:
        first = money.move(connection, acme.id, globex.id, "2", "call-1")
        # The price may have changed since, but the request is the same.
        again = money.move(connection, acme.id, globex.id, "3", "call-1")
        assert (again.transfer_id, again.replayed, again.charged) == (first.transfer_id, True, 2)
        with pytest.raises(errors.UniqueViolation) as refused:
            money.move(connection, acme.id, globex.id, "2", "call-1", asked="something else")
        assert refused.value.diag.constraint_name == "reference_reused"
        # Another payer's reference is another one.
        money.top_up(globex.id, "1")
        assert not money.move(connection, globex.id, acme.id, "1", "call-1").replayed
    assert money.balance(acme.id) == 9


def test_a_refused_attempt_leaves_its_reference_free(money: Any, acme: Organization, globex: Organization) -> None:
    money.top_up(acme.id, "1")
    with money.inside() as connection:
        with pytest.raises(psycopg.Error) as refused:
            money.move(connection, acme.id, globex.id, "2", "call-1")
        assert refused.value.diag.constraint_name == "insufficient_funds"
        money.top_up(acme.id, "1", "second")
        assert not money.move(connection, acme.id, globex.id, "2", "call-1").replayed
    assert money.balance(acme.id) == 0
    assert money.problems() == []


def test_an_amount_that_is_none_is_refused(money: Any, acme: Organization, globex: Organization) -> None:
    money.top_up(acme.id, "1")
    with money.inside() as inside, money.service() as service:
        for amount in ("NaN", "Infinity", "-Infinity", "-0.000001", "100000000000000", None):
            with pytest.raises(psycopg.Error) as refused:
                money.move(inside, acme.id, globex.id, amount, "call")
            assert refused.value.diag.constraint_name == "amount_invalid"
            with pytest.raises(psycopg.Error) as refused:
                inside.execute("SELECT tenancy_private.hold_money(%s, %s, '1 minute', 'hold')", [acme.id, amount])
            assert refused.value.diag.constraint_name == "amount_invalid"
            for call in ("top_up(%s, %s, 'x')", "pay_out(%s, %s, 'x')", "grant_credit(%s, %s, 'x')",
                         "set_overdraft(%s, %s)"):  # fmt: skip
                with pytest.raises(psycopg.Error) as refused:
                    service.execute(f"SELECT tenancy.{call}".encode(), [acme.id, amount])
                assert refused.value.diag.constraint_name == "amount_invalid"
    assert money.wallet(acme.id)["balance"] == 1
    assert money.problems() == []


def test_an_amount_is_rounded_once(money: Any, acme: Organization, globex: Organization) -> None:
    money.top_up(acme.id, "1")
    with money.inside() as connection:
        assert money.move(connection, acme.id, globex.id, "0.0000005", "half").charged == Decimal("0.000001")
        assert money.move(connection, acme.id, globex.id, "0.00000049", "less").charged == 0
    assert money.balance(acme.id) + money.balance(globex.id) == 1
    assert money.balance(globex.id) == Decimal("0.000001")
    assert money.problems() == []


def test_free_and_own_calls_are_recorded_and_move_no_money(
    money: Any, acme: Organization, globex: Organization
) -> None:
    with money.inside() as connection:
        free = money.move(connection, acme.id, globex.id, 0, "free")
        own = money.move(connection, acme.id, acme.id, 5, "own")
        assert (free.charged, own.charged) == (0, 0)
        assert money.move(connection, acme.id, acme.id, 5, "own") == type(own)(own.transfer_id, True, Decimal(0), 0)
        assert money.one(connection, "SELECT count(*) FROM tenancy.transfers") == 2
        assert money.one(connection, "SELECT count(*) FROM tenancy.ledger_entries") == 0
    assert money.problems() == []


def test_a_payee_without_a_workspace_is_refused(money: Any, acme: Organization) -> None:
    money.top_up(acme.id, "1")
    for nobody in (UUID(int=1), UUID(int=2**128 - 1)):
        with money.inside() as connection, pytest.raises(errors.NoDataFound) as refused:
            money.move(connection, acme.id, nobody, 1, "call")
        assert refused.value.diag.constraint_name == "workspace_not_found"
    assert money.balance(acme.id) == 1


def test_wallets_of_different_currencies_move_nothing(money: Any, acme: Organization, globex: Organization) -> None:
    money.top_up(acme.id, "1")
    with money.service() as service:
        service.execute("SELECT tenancy.set_currency(%s, 'USD')", [globex.id])
        with pytest.raises(psycopg.Error) as refused:
            service.execute("SELECT tenancy.set_currency(%s, 'USD')", [acme.id])
        assert refused.value.diag.constraint_name == "wallet_in_use"
    for payer, payee in ((acme.id, globex.id), (globex.id, acme.id)):
        money.top_up(payer, "1", "both")
        with money.inside() as connection, pytest.raises(psycopg.Error) as refused:
            money.move(connection, payer, payee, 1, "call")
        assert refused.value.diag.constraint_name == "currency_mismatch"
    assert money.problems() == []


@pytest.fixture
def both_orders(people: People) -> list[tuple[UUID, UUID]]:
    """Return payer and payee twice: once with the smaller id first, once with the larger."""
    first, second = sorted(people.organization(f"Org {number}").id for number in range(2))
    return [(first, second), (second, first)]


def test_a_hold_charges_what_it_was_and_frees_the_rest(money: Any, both_orders: list[tuple[UUID, UUID]]) -> None:
    for number, (payer, payee) in enumerate(both_orders):
        money.top_up(payer, "10", f"top-{number}")
        before = money.balance(payer)
        with money.inside() as connection:
            hold = money.one(connection, "SELECT tenancy_private.hold_money(%s, 8, '1 minute', 'h')", payer)
            assert hold == money.one(connection, "SELECT tenancy_private.hold_money(%s, 8, '1 minute', 'h')", payer)
            with pytest.raises(psycopg.Error) as refused:
                money.move(connection, payer, payee, before - 7, "too much")
            assert refused.value.diag.constraint_name == "insufficient_funds"
            moved = money.move(connection, payer, payee, 3, "call", hold=hold)
            assert (moved.charged, moved.unpaid) == (3, 0)
            assert money.wallet(payer)["held"] == 0
            with pytest.raises(errors.NoDataFound) as refused:
                money.move(connection, payer, payee, 3, "call-2", hold=hold)
            assert refused.value.diag.constraint_name == "hold_not_found"
        assert money.balance(payer) == before - 3
    assert money.problems() == []


def test_an_excess_over_hold_and_balance_is_booked_and_the_next_call_refused(
    money: Any, both_orders: list[tuple[UUID, UUID]]
) -> None:
    payer, payee = both_orders[0]
    for payer, payee in both_orders:
        money.top_up(payer, "2", f"begin-{payer}")
        before, earned = money.balance(payer), money.wallet(payee)["balance"] if payee != both_orders[0][1] else 0
        with money.inside() as connection:
            hold = money.one(connection, "SELECT tenancy_private.hold_money(%s, 1, '1 minute', 'h')", payer)
            moved = money.move(connection, payer, payee, before + 3, f"call-{payer}", hold=hold)
            assert (moved.charged, moved.unpaid) == (before, 3)
            assert money.move(connection, payer, payee, before + 3, f"call-{payer}", hold=hold).unpaid == 3
            with pytest.raises(psycopg.Error) as refused:
                money.move(connection, payer, payee, "0.01", "next")
            assert refused.value.diag.constraint_name == "insufficient_funds"
        assert (money.balance(payer), money.wallet(payer)["unpaid"]) == (0, 3)
        assert money.balance(payee) == earned + before
        assert money.problems() == []
        # Part of it, and then the rest.
        money.top_up(payer, "1", f"part-{payer}")
        assert (money.balance(payer), money.wallet(payer)["unpaid"]) == (0, 2)
        money.top_up(payer, "5", f"rest-{payer}")
        assert (money.balance(payer), money.wallet(payer)["unpaid"]) == (3, 0)
        assert money.balance(payee) == earned + before + 3
        assert money.problems() == []


def test_an_expired_hold_frees_itself_when_the_wallet_is_touched(
    money: Any, acme: Organization, globex: Organization
) -> None:
    money.top_up(acme.id, "10")
    with money.inside() as connection:
        hold = money.one(connection, "SELECT tenancy_private.hold_money(%s, 10, '1 millisecond', 'h')", acme.id)
        connection.execute("SELECT pg_sleep(0.01)")
        assert money.move(connection, acme.id, globex.id, 4, "other").charged == 4
        assert money.wallet(acme.id)["held"] == 0
        # The call was served all the same.
        assert money.move(connection, acme.id, globex.id, 7, "served", hold=hold).unpaid == 1
    assert money.problems() == []


def test_a_released_hold_is_over(money: Any, acme: Organization, globex: Organization) -> None:
    money.top_up(acme.id, "10")
    with money.inside() as connection:
        hold = money.one(connection, "SELECT tenancy_private.hold_money(%s, 10, '1 minute', 'h')", acme.id)
        for _ in range(2):
            connection.execute("SELECT tenancy_private.release_hold(%s)", [hold])
        assert money.wallet(acme.id)["held"] == 0
        # An empty hold, or another payer's, does not reduce the price.
        for number, unknown in enumerate((hold, uuid4())):
            with pytest.raises(errors.NoDataFound):
                money.move(connection, acme.id, globex.id, 100, f"call-{number}", hold=unknown)
        others = money.one(connection, "SELECT tenancy_private.hold_money(%s, 0, '1 minute', 'h')", globex.id)
        with pytest.raises(errors.NoDataFound):
            money.move(connection, acme.id, globex.id, 100, "call", hold=others)
    assert money.problems() == []


def test_a_batch_is_all_or_nothing_and_answers_in_its_order(money: Any, both_orders: list[tuple[UUID, UUID]]) -> None:
    batch = "SELECT * FROM tenancy_private.move_money_batch(%s, %s, 'usage', %s, %s, %s, %s)"
    for payer, payee in both_orders:
        money.top_up(payer, "10", f"top-{payer}")
        before = money.balance(payer)
        references = ["c", "a", "b", "a"]
        prints = [(name * 32).encode() for name in references]
        with money.inside() as connection:
            times = [money.one(connection, "SELECT now()")] * 4
            answers = connection.execute(batch, [payer, payee, references, prints, [1, 2, 0, 2], times]).fetchall()
            assert [(row[0], row[2], row[3]) for row in answers] == [
                ("c", False, 1), ("a", False, 2), ("b", False, 0), ("a", True, 2),
            ]  # fmt: skip
            again = connection.execute(batch, [payer, payee, references, prints, [9, 9, 9, 9], times]).fetchall()
            assert [(row[1], row[2], row[3]) for row in again] == [(row[1], True, row[3]) for row in answers]
            for wrong, amounts, name in (
                (["d", "e"], [1, 1000], "insufficient_funds"),
                (["d", "a"], [1, 1], "reference_reused"),
                (["d", "d"], [1, 1], "reference_reused"),
                (["d", "e"], [Decimal(1), Decimal("NaN")], "amount_invalid"),
                (["d", "e"], [1], "batch_invalid"),
            ):
                with pytest.raises(psycopg.Error) as refused:
                    connection.execute(batch, [payer, payee, wrong, [b"d" * 32, b"e" * 32], amounts, times[:2]])
                assert refused.value.diag.constraint_name == name
        assert money.balance(payer) == before - 3
        assert money.problems() == []


def test_a_reversal_gives_back_once(money: Any, both_orders: list[tuple[UUID, UUID]]) -> None:
    reverse = "SELECT charged, unpaid, replayed FROM tenancy_private.reverse_transfer(%s, %s)"
    for payer, payee in both_orders:
        money.top_up(payer, "10", f"top-{payer}")
        before = money.balance(payer)
        with money.inside() as connection:
            moved = money.move(connection, payer, payee, 4, f"call-{payer}")
            assert connection.execute(reverse, [moved.transfer_id, "sorry"]).fetchone() == (4, 0, False)
            assert connection.execute(reverse, [moved.transfer_id, "sorry"]).fetchone() == (4, 0, True)
            with pytest.raises(errors.UniqueViolation) as refused:
                connection.execute(reverse, [moved.transfer_id, "again"])
            assert refused.value.diag.constraint_name == "already_reversed"
            back = money.one(connection, "SELECT id FROM tenancy.transfers WHERE reverses = %s", moved.transfer_id)
            for other in (back, uuid4()):
                with pytest.raises(errors.NoDataFound):
                    connection.execute(reverse, [other, "back"])
        assert money.balance(payer) == before
        assert money.problems() == []


def test_a_provider_owes_reversed_money_that_is_spent(money: Any, both_orders: list[tuple[UUID, UUID]]) -> None:
    for payer, payee in both_orders:
        money.top_up(payer, "10", f"top-{payer}")
        with money.inside() as connection, money.service() as service:
            moved = money.move(connection, payer, payee, 4, f"call-{payer}")
            out = money.balance(payee) - 1
            service.execute("SELECT tenancy.pay_out(%s, %s, 'out')", [payee, out])
            answer = connection.execute(
                "SELECT charged, unpaid FROM tenancy_private.reverse_transfer(%s, 'sorry')", [moved.transfer_id]
            ).fetchone()
            assert answer == (1, 3)
            assert (money.balance(payee), money.wallet(payee)["unpaid"]) == (0, 3)
            # Its next earnings cannot be paid out.
            money.move(connection, payer, payee, 2, f"next-{payer}")
            with pytest.raises(psycopg.Error) as refused:
                service.execute("SELECT tenancy.pay_out(%s, 1, 'more')", [payee])
            assert refused.value.diag.constraint_name == "insufficient_funds"
            assert money.one(service, "SELECT tenancy.settle(%s)", payee) == 2
            money.top_up(payee, "10", f"debts-{payee}")
            assert money.wallet(payee)["unpaid"] == 0
        assert money.problems() == []


def test_unpaid_money_is_not_given_back(money: Any, acme: Organization, globex: Organization) -> None:
    money.top_up(acme.id, "2")
    with money.inside() as connection:
        hold = money.one(connection, "SELECT tenancy_private.hold_money(%s, 1, '1 minute', 'h')", acme.id)
        moved = money.move(connection, acme.id, globex.id, 5, "call", hold=hold)
        answer = connection.execute(
            "SELECT charged, unpaid FROM tenancy_private.reverse_transfer(%s, 'sorry')", [moved.transfer_id]
        ).fetchone()
        assert answer == (2, 0)
    assert (money.balance(acme.id), money.wallet(acme.id)["unpaid"], money.balance(globex.id)) == (2, 0, 0)
    assert money.problems() == []


def test_an_overdraft_is_a_limit_and_cannot_be_taken_below_what_is_used(
    money: Any, acme: Organization, globex: Organization
) -> None:
    with money.service() as service, money.inside() as connection:
        service.execute("SELECT tenancy.set_overdraft(%s, 5)", [acme.id])
        money.move(connection, acme.id, globex.id, 5, "call")
        with pytest.raises(psycopg.Error) as refused:
            money.move(connection, acme.id, globex.id, "0.000001", "call-2")
        assert refused.value.diag.constraint_name == "insufficient_funds"
        with pytest.raises(psycopg.Error) as refused:
            service.execute("SELECT tenancy.set_overdraft(%s, 4)", [acme.id])
        assert refused.value.diag.constraint_name == "overdraft_in_use"
    assert money.problems() == []


def test_grants_are_spent_in_order_expire_and_are_never_paid_out(
    money: Any, acme: Organization, globex: Organization
) -> None:
    give = "SELECT tenancy.grant_credit(%s, %s, %s, now() + %s, %s)"
    money.top_up(acme.id, "1")
    with money.service() as service, money.inside() as connection:
        later = money.one(service, give, acme.id, 2, "later", "2 days", 100)
        sooner = money.one(service, give, acme.id, 2, "sooner", "1 day", 100)
        first = money.one(service, give, acme.id, 1, "first", "9 days", 1)
        assert money.wallet(acme.id)["granted"] == 5
        with pytest.raises(psycopg.Error) as refused:
            service.execute("SELECT tenancy.pay_out(%s, 2, 'out')", [acme.id])
        assert refused.value.diag.constraint_name == "insufficient_funds"
        moved = money.move(connection, acme.id, globex.id, 2, "call")
        left = dict(service.execute("SELECT id, remaining FROM tenancy.credit_grants").fetchall())
        assert left == {first: 0, sooner: 1, later: 2}
        # A refund returns to the grant and does not become money.
        service.execute("SELECT tenancy.refund(%s, 'sorry')", [moved.transfer_id])
        left = dict(service.execute("SELECT id, remaining FROM tenancy.credit_grants").fetchall())
        assert left == {first: 1, sooner: 2, later: 2}
        assert money.wallet(acme.id)["granted"] == 5

        service.execute(give, [acme.id, 3, "short", "0.2 seconds", 1])
        connection.execute("SELECT pg_sleep(0.25)")
        with pytest.raises(psycopg.Error) as refused:
            money.move(connection, acme.id, globex.id, 7, "call-2")
        assert refused.value.diag.constraint_name == "insufficient_funds"
        money.move(connection, acme.id, globex.id, 6, "call-3")
        assert money.one(service, "SELECT amount FROM tenancy.transfers WHERE kind = 'grant_expiry'") == 3
    assert (money.balance(acme.id), money.wallet(acme.id)["granted"]) == (0, 0)
    assert money.problems() == []


def test_limits_count_what_is_spent_and_held(money: Any, acme: Organization, globex: Organization) -> None:
    key, person = uuid4(), uuid4()
    money.top_up(acme.id, "100")
    hold = "SELECT tenancy_private.hold_money(%s, %s, '1 minute', %s, %s, %s)"
    with money.service() as service, money.inside() as connection:
        service.execute("SELECT tenancy.set_spending_limit(%s, 5, api_key_id => %s)", [acme.id, key])
        service.execute("SELECT tenancy.set_spending_limit(%s, 8, user_id => %s)", [acme.id, person])
        held = money.one(connection, hold, acme.id, 4, "one", key, person)
        with pytest.raises(psycopg.Error) as refused:
            connection.execute(hold, [acme.id, 2, "two", key, person])
        assert refused.value.diag.constraint_name == "spending_limit_reached"
        with pytest.raises(psycopg.Error) as refused:
            connection.execute("SELECT tenancy_private.check_spending_limits(%s, %s, %s, 2)", [acme.id, key, person])
        assert refused.value.diag.constraint_name == "spending_limit_reached"
        money.move(connection, acme.id, globex.id, 1, "call", hold=held)
        connection.execute(hold, [acme.id, 4, "three", key, person])
        connection.execute(hold, [acme.id, 3, "four", None, person])
        with pytest.raises(psycopg.Error):
            connection.execute(hold, [acme.id, "0.000001", "five", None, person])
        # A limit that is set later counts earlier spending.
        service.execute("SELECT tenancy.set_spending_limit(%s, 8)", [acme.id])
        with pytest.raises(psycopg.Error):
            money.move(connection, acme.id, globex.id, 1, "whole")
        service.execute("SELECT tenancy.set_spending_limit(%s, NULL)", [acme.id])
        money.move(connection, acme.id, globex.id, 1, "whole")
    assert money.problems() == []


def test_a_limit_begins_anew_with_the_month(money: Any, acme: Organization, globex: Organization, admin: Any) -> None:
    money.top_up(acme.id, "100")
    with money.service() as service, money.inside() as connection:
        service.execute("SELECT tenancy.set_spending_limit(%s, 5)", [acme.id])
        money.move(connection, acme.id, globex.id, 5, "call")
        with pytest.raises(psycopg.Error):
            money.move(connection, acme.id, globex.id, 1, "call-2")
        admin.execute("UPDATE tenancy.spending_limits SET spent_in = spent_in - interval '1 month'")
        money.move(connection, acme.id, globex.id, 1, "call-2")
        assert money.one(service, "SELECT spent FROM tenancy.spending_limits") == 1


def test_what_waited_while_the_month_ended_counts_in_the_new_one(
    money: Any, acme: Organization, globex: Organization, admin: Any
) -> None:
    """Otherwise any number of calls that begin just before midnight and wait for the wallet would escape the limit."""
    money.top_up(acme.id, "100")
    with money.service() as service, money.inside() as connection:
        service.execute("SELECT tenancy.set_spending_limit(%s, 5)", [acme.id])
        # As if a call of the next month had been faster.
        admin.execute("UPDATE tenancy.spending_limits SET spent = 1, spent_in = spent_in + interval '1 month'")
        late = money.move(connection, acme.id, globex.id, 4, "late")
        with pytest.raises(psycopg.Error) as refused:
            money.move(connection, acme.id, globex.id, 1, "later")
        assert refused.value.diag.constraint_name == "spending_limit_reached"
        # Its reversal is of the month that has ended.
        service.execute("SELECT tenancy.refund(%s, 'back')", [late.transfer_id])
        assert money.one(service, "SELECT spent FROM tenancy.spending_limits") == 5


def test_a_reversal_gives_the_limit_back_to_the_key_of_the_hold(
    money: Any, acme: Organization, globex: Organization
) -> None:
    key, person = uuid4(), uuid4()
    money.top_up(acme.id, "100")
    hold = "SELECT tenancy_private.hold_money(%s, 4, '1 minute', 'hold', %s, %s)"
    with money.service() as service, money.inside() as connection:
        service.execute("SELECT tenancy.set_spending_limit(%s, 5, api_key_id => %s)", [acme.id, key])
        service.execute("SELECT tenancy.set_spending_limit(%s, 5, user_id => %s)", [acme.id, person])
        held = money.one(connection, hold, acme.id, key, person)
        moved = money.move(connection, acme.id, globex.id, 4, "call", hold=held)
        spent = "SELECT array_agg(spent) FROM tenancy.spending_limits"
        assert money.one(service, spent) == [4, 4]
        service.execute("SELECT tenancy.refund(%s, 'back')", [moved.transfer_id])
        assert money.one(service, spent) == [0, 0]


def test_a_deferred_wallet_has_its_entries_once_they_are_folded(
    money: Any, acme: Organization, globex: Organization, people: People
) -> None:
    somebody = people.user("somebody").id
    money.top_up(acme.id, "100")
    money.top_up(globex.id, "1")
    money.top_up(somebody, "1")
    with money.service() as service, money.inside() as connection:
        service.execute("SELECT tenancy.set_deferred_credit(%s, true)", [globex.id])
        for number in range(5):
            money.move(connection, acme.id, globex.id, 2, f"call-{number}")
        assert money.balance(globex.id) == 1
        for wallet in (None, acme.id, globex.id, somebody):
            assert money.problems(wallet) == [], "credits wait, and nothing is wrong with anybody's wallet"
        # Waiting credits can be spent.
        assert money.move(connection, globex.id, acme.id, 4, "back").charged == 4
        assert money.balance(globex.id) == 7
        money.move(connection, acme.id, globex.id, 2, "late")
        assert money.one(service, "SELECT tenancy.fold_credits()") == 1
        assert money.one(service, "SELECT tenancy.fold_credits()") == 0
    assert money.balance(globex.id) == 9
    assert money.problems() == []


def test_charging_refunding_and_holding_by_a_service(money: Any, acme: Organization, globex: Organization) -> None:
    money.top_up(acme.id, "10")
    with money.service() as service:
        hold = money.one(service, "SELECT tenancy.hold_amount(%s, 5, '1 minute', 'order-1')", acme.id)
        (transfer, replayed, charged, unpaid) = service.execute(
            "SELECT * FROM tenancy.charge(%s, %s, 4, 'order', 'order-1', hold => %s)", [acme.id, globex.id, hold]
        ).fetchone()
        assert (replayed, charged, unpaid) == (False, 4, 0)
        with pytest.raises(errors.UniqueViolation):
            service.execute("SELECT tenancy.charge(%s, %s, 5, 'order', 'order-1')", [acme.id, globex.id])
        with pytest.raises(psycopg.Error) as refused:
            service.execute("SELECT tenancy.charge(%s, %s, 5, 'top_up', 'x')", [acme.id, globex.id])
        assert refused.value.diag.constraint_name == "kind_reserved"
        service.execute("SELECT tenancy.refund(%s, 'order-1')", [transfer])
        service.execute("SELECT tenancy.release_amount(%s)", [hold])
    assert Counter({money.balance(acme.id): 1, money.balance(globex.id): 1}) == Counter({10: 1, 0: 1})
    assert money.problems() == []


def test_the_example_of_the_documents(money: Any, acme: Organization, globex: Organization) -> None:
    text = (Path(__file__).parents[3] / "docs" / "money.md").read_text()
    known = {"<acme>": str(acme.id), "<globex>": str(globex.id)}
    with money.service() as service:
        for line in text.split("```sql\n")[1].split("```")[0].splitlines():
            for name, value in known.items():
                line = line.replace(name, value)
            row = service.execute(line.encode()).fetchone()
            assert row is not None
            known["<hold>"] = str(row[0])
    assert (money.balance(acme.id), money.balance(globex.id)) == (Decimal("49.69"), Decimal("0.31"))
    assert money.problems() == []
