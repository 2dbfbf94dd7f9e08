"""The application's existing balances stay synchronized with wallets, in both directions."""

# ruff: noqa: S608  (the statements name tables and ids of the test's own)

from __future__ import annotations

import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from support.database import Database
from support.platform import KEYLESS, ROWS
from support.replay import Replay

COLUMNS = """
ALTER TABLE public.users ADD COLUMN wallet_balance_eur numeric(10,2) NOT NULL DEFAULT 0;
ALTER TABLE public.organizations ADD COLUMN wallet_balance_eur numeric(10,2);
"""


@pytest.fixture
def adopted(state: Callable[..., Database], money: Any) -> tuple[Database, Any, UUID, UUID]:
    """Return a database with balances from before, its money, a user with 12.34 and an organization with -5."""
    database = state(KEYLESS + ROWS + COLUMNS, "@phase-7")
    ann, acme = uuid4(), uuid4()
    database.execute(
        "INSERT INTO public.users (id, email, username, wallet_balance_eur)"
        f" VALUES ('{ann}', 'ann@example.com', 'ann-with-money', 12.34)",
        f"INSERT INTO public.organizations (id, name, slug, wallet_balance_eur) VALUES ('{acme}', 'Rich', 'rich', -5)",
    )
    Replay(database).deploy("@phase-12")
    return database, type(money)(database, money.logins), ann, acme


def column(database: Database, table: str, row: UUID) -> Decimal:
    """Return the application's balance."""
    ((value,),) = database.fetch(f"SELECT wallet_balance_eur FROM public.{table} WHERE id = %s", row)
    return Decimal(value)


def test_balances_from_before_are_opening_entries(adopted: tuple[Database, Any, UUID, UUID]) -> None:
    database, money, ann, acme = adopted
    assert (money.balance(ann), money.balance(acme)) == (Decimal("12.34"), -5)
    assert database.fetch("SELECT kind, count(*) FROM tenancy.transfers GROUP BY kind") == [("opening", 2)]
    assert money.problems() == []
    Replay(database).verify()


def test_a_balance_written_by_the_old_application_becomes_an_entry(adopted: tuple[Database, Any, UUID, UUID]) -> None:
    database, money, ann, acme = adopted
    with database.connect(money.logins.old, autocommit=True) as old:
        old.execute("UPDATE public.users SET wallet_balance_eur = wallet_balance_eur - 2.34 WHERE id = %s", [ann])
        # It has no limit.
        old.execute("UPDATE public.organizations SET wallet_balance_eur = -7 WHERE id = %s", [acme])
        new = uuid4()
        old.execute(
            "INSERT INTO public.users (id, email, username, wallet_balance_eur) VALUES (%s, 'n@example.com', 'n', 3)",
            [new],
        )
        with pytest.raises(psycopg.Error) as refused:
            old.execute("UPDATE public.users SET wallet_balance_eur = 'NaN' WHERE id = %s", [ann])
        assert refused.value.diag.constraint_name == "amount_invalid"
        old.execute("UPDATE public.organizations SET wallet_balance_eur = NULL WHERE id = %s", [acme])
    assert (money.balance(ann), money.balance(acme), money.balance(new)) == (10, 0, 3)
    assert money.problems() == []


def test_a_movement_is_written_back_truncated_to_cents(adopted: tuple[Database, Any, UUID, UUID]) -> None:
    database, money, ann, acme = adopted
    with money.inside() as connection:
        money.move(connection, ann, acme, "0.001", "call-1")
        assert (money.balance(ann), column(database, "users", ann)) == (Decimal("12.339"), Decimal("12.33"))
        assert (money.balance(acme), column(database, "organizations", acme)) == (Decimal("-4.999"), Decimal("-4.99"))
        with database.connect(money.logins.old, autocommit=True) as old:
            old.execute("UPDATE public.users SET wallet_balance_eur = wallet_balance_eur + 1 WHERE id = %s", [ann])
        # Fractions of a cent are not lost.
        assert (money.balance(ann), column(database, "users", ann)) == (Decimal("13.339"), Decimal("13.33"))
    assert money.problems() == []


def test_old_and_new_at_once_lose_nothing_and_do_not_deadlock(adopted: tuple[Database, Any, UUID, UUID]) -> None:
    database, money, ann, acme = adopted
    money.top_up(ann, "100", "more")
    errors: list[BaseException] = []

    def old_application() -> None:
        try:
            with database.connect(money.logins.old, autocommit=True) as old:
                for _ in range(100):
                    for table, row in (("users", ann), ("organizations", acme)):
                        old.execute(
                            f"UPDATE public.{table} SET wallet_balance_eur = wallet_balance_eur + 0.01"
                            " WHERE id = %s".encode(),
                            [row],
                        )
        except psycopg.Error as error:
            errors.append(error)

    threads = [threading.Thread(target=old_application) for _ in range(3)]
    for thread in threads:
        thread.start()

    def pay(connection: psycopg.Connection[Any], number: int) -> str:
        for step in range(50):
            money.move(connection, ann, acme, "0.015", f"{number}-{step}")
        return "ok"

    assert money.at_once(4, pay) == ["ok"] * 4
    for thread in threads:
        thread.join()
    assert errors == []
    assert money.balance(ann) == Decimal("112.34") + 3 - Decimal("0.015") * 200
    assert money.balance(acme) == -5 + 3 + Decimal("0.015") * 200
    assert column(database, "users", ann) == Decimal("112.34")
    assert money.problems() == []


def test_a_revert_leaves_the_columns_and_a_deploy_takes_over_what_was_written(
    adopted: tuple[Database, Any, UUID, UUID],
) -> None:
    database, money, ann, acme = adopted
    with money.inside() as connection:
        money.move(connection, ann, acme, "2.001", "call-1")
    entries = database.fetch("SELECT * FROM tenancy.ledger_entries ORDER BY workspace_id, version, account")
    Replay(database).revert("@phase-7")
    assert column(database, "users", ann) == Decimal("10.33")
    with database.connect(money.logins.old, autocommit=True) as old:
        old.execute("UPDATE public.users SET wallet_balance_eur = wallet_balance_eur - 1 WHERE id = %s", [ann])
    Replay(database).deploy("@phase-12")
    assert money.balance(ann) == Decimal("9.339")
    again = database.fetch("SELECT * FROM tenancy.ledger_entries ORDER BY workspace_id, version, account")
    assert set(entries) < set(again)
    assert len(again) == len(entries) + 2
    assert money.problems() == []
    Replay(database).verify()
