"""Many sessions move money at the same time; a server crashes in the middle."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from pg_tenancy.tools.embedded import EmbeddedServer
from support.people import Organization, People
from support.server import Server


def test_one_request_from_ten_sessions_is_one_movement(money: Any, acme: Organization, globex: Organization) -> None:
    money.top_up(acme.id, "10")
    answers = money.at_once(10, lambda c, _: money.move(c, acme.id, globex.id, 1, "call"))
    assert Counter(answer.replayed for answer in answers) == {False: 1, True: 9}
    assert len({answer.transfer_id for answer in answers}) == 1
    assert money.balance(globex.id) == 1


def test_ten_requests_under_one_reference_are_one_movement(
    money: Any, acme: Organization, globex: Organization
) -> None:
    money.top_up(acme.id, "100")
    answers = money.at_once(10, lambda c, n: money.move(c, acme.id, globex.id, n + 1, "call", asked=str(n)))
    assert Counter(answer if isinstance(answer, str) else "ok" for answer in answers) == {
        "ok": 1,
        "reference_reused": 9,
    }
    assert money.problems() == []


@pytest.mark.parametrize("isolation", ["read committed", "repeatable read"])
def test_fifty_debits_at_once_leave_a_wallet_at_its_limit(
    money: Any, acme: Organization, globex: Organization, isolation: str
) -> None:
    money.top_up(acme.id, "9")
    with money.service() as service:
        service.execute("SELECT tenancy.set_overdraft(%s, 1)", [acme.id])

    def pay(connection: psycopg.Connection[Any], number: int) -> str:
        connection.execute(f"SET default_transaction_isolation = '{isolation}'".encode())
        while True:
            with suppress(psycopg.errors.SerializationFailure):
                money.move(connection, acme.id, globex.id, 1, f"call-{number}")
                return "ok"

    answers = Counter(money.at_once(50, pay))
    assert answers == {"ok": 10, "insufficient_funds": 40}
    # The payee's wallet was made by one of them.
    assert (money.balance(acme.id), money.balance(globex.id)) == (-1, 10)
    assert money.problems() == []


def test_holds_at_once_promise_nothing_twice(money: Any, acme: Organization, globex: Organization) -> None:
    money.top_up(acme.id, "10")

    def serve(connection: psycopg.Connection[Any], number: int) -> str:
        hold = money.one(
            connection, "SELECT tenancy_private.hold_money(%s, 2, '1 minute', %s)", acme.id, f"hold-{number}"
        )
        time.sleep(0.05)
        assert money.move(connection, acme.id, globex.id, 2, f"call-{number}", hold=hold).unpaid == 0
        return "ok"

    assert Counter(money.at_once(20, serve)) == {"ok": 5, "insufficient_funds": 15}
    assert money.balance(acme.id) == 0
    assert money.problems() == []


def test_a_limit_holds_for_many_at_once(money: Any, acme: Organization, globex: Organization) -> None:
    money.top_up(acme.id, "100")
    with money.service() as service:
        service.execute("SELECT tenancy.set_spending_limit(%s, 5)", [acme.id])
    answers = money.at_once(20, lambda c, n: money.move(c, acme.id, globex.id, 1, f"call-{n}").charged)
    assert Counter(answers) == {Decimal(1): 5, "spending_limit_reached": 15}


def test_a_reversal_from_ten_sessions_happens_once(money: Any, acme: Organization, globex: Organization) -> None:
    money.top_up(acme.id, "10")
    with money.inside() as connection:
        moved = money.move(connection, acme.id, globex.id, 4, "call")
    answers = money.at_once(
        10,
        lambda c, n: money.one(
            c, "SELECT replayed FROM tenancy_private.reverse_transfer(%s, %s)", moved.transfer_id, f"sorry-{n}"
        ),
    )
    assert Counter(answers) == {False: 1, "already_reversed": 9}
    assert money.balance(acme.id) == 10
    assert money.problems() == []


def test_concurrent_movements_never_deadlock(money: Any, people: People) -> None:
    """Sixteen sessions pay, hold, top up, reverse, settle and batch between three wallets, one of them deferred."""
    wallets = [people.organization(f"Org {number}").id for number in range(3)]
    for wallet in wallets:
        money.top_up(wallet, "3")
    with money.service() as service:
        service.execute("SELECT tenancy.set_deferred_credit(%s, true)", [wallets[2]])
        service.execute("SELECT tenancy.grant_credit(%s, 2, 'gift', now() + '1 second')", [wallets[0]])
        service.execute("SELECT tenancy.set_spending_limit(%s, 100)", [wallets[1]])

    def deeds(connection: psycopg.Connection[Any], number: int) -> Counter[str]:
        chance = random.Random(number)
        done: Counter[str] = Counter()
        for step in range(50):
            payer, payee = chance.sample(wallets, 2)
            name, amount = f"{number}-{step}", Decimal(chance.randrange(1, 2_000_000)) / 1_000_000
            try:
                match chance.randrange(8):
                    case 0 | 1 | 2:
                        money.move(connection, payer, payee, amount, name)
                    case 3 | 4:
                        hold = money.one(
                            connection,
                            "SELECT tenancy_private.hold_money(%s, %s, %s, %s)",
                            payer, amount, chance.choice(["1 millisecond", "1 minute"]), name,
                        )  # fmt: skip
                        money.move(connection, payer, payee, amount * chance.randrange(3), name, hold=hold)
                    case 5:
                        connection.execute("SET SESSION ROLE NONE")
                        connection.execute("SELECT tenancy.top_up(%s, 1, %s)", [payer, name])
                        connection.execute("SELECT tenancy.settle(%s)", [payee])
                        connection.execute("SELECT tenancy.fold_credits()")
                        connection.execute("SET SESSION ROLE tenancy_owner")
                    case 6:
                        moved = money.move(connection, payer, payee, amount, name)
                        connection.execute("SELECT tenancy_private.reverse_transfer(%s, %s)", [moved.transfer_id, name])
                    case _:
                        connection.execute(
                            "SELECT tenancy_private.move_money_batch(%s, %s, 'usage', %s, %s, %s, %s)",
                            [payer, payee, [f"{step % 7}", f"{step % 5}-b"], [b"a" * 32] * 2, [amount, Decimal(0)],
                             ["2026-11-01"] * 2],
                        )  # fmt: skip
                done["ok"] += 1
            except psycopg.Error as error:
                connection.execute("SET SESSION ROLE tenancy_owner")
                done[error.diag.constraint_name or error.sqlstate or str(error)] += 1
        return done

    answers: Counter[str] = sum(money.at_once(16, deeds), Counter())
    assert set(answers) <= {"ok", "insufficient_funds", "spending_limit_reached", "reference_reused"}, answers
    assert answers["ok"] > 300
    assert money.problems() == []


def test_hot_wallets_that_pay_each_other_do_not_deadlock(money: Any, acme: Organization, globex: Organization) -> None:
    money.top_up(acme.id, "100")
    money.top_up(globex.id, "100")

    def pay(connection: psycopg.Connection[Any], number: int) -> str:
        for step in range(100):
            pair = (acme.id, globex.id) if (number + step) % 2 else (globex.id, acme.id)
            money.move(connection, *pair, "0.01", f"{number}-{step}")
        return "ok"

    assert Counter(money.at_once(16, pay)) == {"ok": 16}
    assert money.balance(acme.id) + money.balance(globex.id) == 200
    assert money.problems() == []


@pytest.fixture
def durable() -> Iterator[EmbeddedServer]:
    """Return a separate server that has passed its committed data to the operating system, which is not killed."""
    with EmbeddedServer(durable=False, settings={"synchronous_commit": "on"}) as server:
        yield server


def test_a_killed_server_leaves_whole_movements(durable: EmbeddedServer, money: Any) -> None:
    server = Server(durable.dsn(), "own", "secret", str(durable.bin_dir), durable.version)
    database = server.create(server.template())
    database.execute("CREATE ROLE own_service LOGIN IN ROLE tenancy_service PASSWORD 'secret'")
    money = type(money)(database, replace(money.logins, service="own_service"))
    with database.connect(autocommit=True) as admin:
        people = People(admin)
        acme, globex = people.organization("Acme").id, people.organization("Globex").id
    money.top_up(acme, "100000")
    stop = threading.Event()
    done: list[str] = []

    def pay(number: int) -> None:
        with suppress(psycopg.Error), money.inside() as connection:
            for step in range(100_000):
                if stop.is_set():
                    return
                money.move(connection, acme, globex, "0.5", f"{number}-{step}")
                done.append(f"{number}-{step}")

    threads = [threading.Thread(target=pay, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    while len(done) < 200:
        time.sleep(0.01)
    durable.restart(crash=True)
    stop.set()
    for thread in threads:
        thread.join()
    assert money.problems() == []
    with money.inside() as connection:
        kept = {row[0] for row in connection.execute("SELECT reference FROM tenancy.transfers WHERE kind = 'usage'")}
        # Confirmed movements exist; requests during the crash can be repeated.
        assert set(done) <= kept
        for reference in [*done[-20:], *(f"{number}-again" for number in range(4))]:
            moved = money.move(connection, acme, globex, "0.5", reference)
            assert moved.replayed == (reference in kept)
    assert money.problems() == []
