"""Payments during which the server is killed: ``./dev prove --payments 200``.

Eight services authorize and record calls, and move money, in shared wallets. Now and then a working
backend is killed with SIGKILL, so that the server disconnects all of them and recovers. Each
service repeats its call with the same reference until it is answered; in the end wallets, ledger
and calls must match the answers.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import psycopg

from support.activation import activate_all
from support.database import Database
from support.people import People
from support.proving import proving
from support.server import Server

__all__ = ["Paying", "main"]

WRITERS = 8
OPENING = Decimal(1_000_000)
PRICE = Decimal(2)
# The server does not wait for the disk, but loses nothing when it is killed, because the machine
# keeps running.
_OPTIONS = "-c synchronous_commit=on -c lock_timeout=20s"
_LOST = (psycopg.OperationalError, psycopg.InterfaceError)
# Retried like transactions that the server's restart has undone.
_AGAIN = {"40001", "40P01", "57P01", "57P02", "57P03"}


@dataclass(frozen=True)
class _Answer:
    """The answer to a payment: payer, payee, amount and reference."""

    kind: str
    payer: UUID | None
    payee: UUID
    amount: Decimal
    reference: str
    id: UUID


@dataclass
class Paying:
    """A database in which money moves while backends are killed.

    Args:
        server: a server that nobody else uses.
        choose: the source of random choices: the victim, the moment, and the payments.

    """

    server: Server
    choose: random.Random
    killed: int = 0
    answers: list[_Answer] = field(default_factory=list)
    lost: Counter[str] = field(default_factory=Counter)
    """What was under way each time when a connection was lost; an answer, if it was committed."""

    def __post_init__(self) -> None:
        """Create the database, with wallets and offerings."""
        self._login = self.server.logins().service
        self._database: Database = self.server.create(self.server.template())
        self._failed: list[BaseException] = []
        self._is_over = threading.Event()
        with self._database.connect(autocommit=True) as admin:
            people = People(admin)
            self._wallets = [people.organization(owner=people.user()).id for _ in range(4)]
            model = uuid4()
            admin.execute("INSERT INTO public.models (id, name, model_id) VALUES (%s, 'm', 'm')", [model])
            self._offerings = {wallet: uuid4() for wallet in self._wallets[:2]}
            for wallet, offering in self._offerings.items():
                admin.execute(
                    "INSERT INTO public.organization_models (id, organization_id, model_id, name, code, visibility,"
                    " access_policy) VALUES (%s, %s, %s, 'bot', 'bot', 'public', 'pay_per_token')",
                    [offering, wallet, model],
                )
                admin.execute(
                    "INSERT INTO tenancy.offering_prices (organization_id, offering_id, valid_from, number, eur_per_1k)"
                    " VALUES (%s, %s, now() - interval '1 day', 1, %s)",
                    [wallet, offering, PRICE],
                )
            activate_all(admin)
            for wallet in self._wallets:
                admin.execute("SELECT tenancy.top_up(%s, %s, 'opening')", [wallet, OPENING])

    def kill(self, times: int) -> None:
        """Let everybody pay, and kill a working backend this number of times.

        Raises:
            AssertionError: the final state differs from the answers.

        """
        self._is_over.clear()
        writers = [threading.Thread(target=self._work, args=[number]) for number in range(WRITERS)]
        for writer in writers:
            writer.start()
        try:
            for _ in range(times):
                self._kill_one()
        finally:
            self._is_over.set()
            for writer in writers:
                writer.join()
        if self._failed:
            raise self._failed[0]
        self.check()

    def check(self) -> None:
        """Compare the state with the answers."""
        with self._database.connect(autocommit=True) as admin:

            def rows(query: str) -> list[Any]:
                return admin.execute(query.encode()).fetchall()

            assert rows("SELECT * FROM tenancy.reconcile()") == []
            assert rows("SELECT * FROM tenancy.reconcile_usage()") == []
            calls = [answer for answer in self.answers if answer.kind == "call"]
            assert sorted(rows("SELECT request_id, id, workspace_id, amount FROM tenancy.offering_usage")) == sorted(
                (answer.reference, answer.id, answer.payer, answer.amount) for answer in calls
            )
            in_finops = rows("SELECT id FROM finops.inference_usage")
            assert sorted(in_finops) == sorted((answer.id,) for answer in calls)
            moved = rows("SELECT reference, id FROM tenancy.transfers WHERE kind IN ('order', 'top_up')")
            assert sorted(row for row in moved if row[0] != "opening") == sorted(
                (answer.reference, answer.id) for answer in self.answers if answer.kind != "call"
            )
            wanted = dict.fromkeys(self._wallets, OPENING)
            for answer in self.answers:
                wanted[answer.payee] += answer.amount
                if answer.payer:
                    wanted[answer.payer] -= answer.amount
            assert dict(rows("SELECT workspace_id, balance FROM tenancy.wallets")) == wanted

    def _kill_one(self) -> None:
        """Kill a working backend, after some more answers."""
        least = len(self.answers) + self.choose.randrange(WRITERS, 4 * WRITERS)
        while not self._failed:
            time.sleep(self.choose.uniform(0.001, 0.02))
            if len(self.answers) < least:
                continue
            try:
                with self._database.connect(autocommit=True) as admin:
                    pids = admin.execute(
                        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND state <> 'idle'"
                        " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
                    ).fetchall()
                if pids:
                    os.kill(int(self.choose.choice(pids)[0]), signal.SIGKILL)
                    self.killed += 1
                    return
            except (*_LOST, ProcessLookupError):
                continue

    def _work(self, number: int) -> None:
        service = _Service(self._database.dsn(self._login), self.lost)
        choose = random.Random(f"{number} {self.choose.random()}")
        try:
            while not self._is_over.is_set():
                self.answers.append(self._pay(service, choose, str(uuid4())))
        except BaseException as error:
            self._failed.append(error)
            self._is_over.set()
        finally:
            service.close()

    def _pay(self, service: _Service, choose: random.Random, reference: str) -> _Answer:
        payee, payer = choose.sample(self._wallets, 2)
        kind = choose.choice(["call", "held call", "order", "top-up"])
        if "call" in kind:
            payee = choose.choice([wallet for wallet in self._offerings if wallet != payer])
            offering, tokens = self._offerings[payee], choose.randrange(1, 5000)
            hold = None
            if kind == "held call":
                # A hold whose answer was lost is unknown, and expires by itself.
                authorize = "SELECT tenancy.authorize_usage_for(%s, %s, 5000), false"
                hold, _ = service.ask("authorization", authorize, payer, offering)
            record = "SELECT usage_id, replayed, amount FROM tenancy.record_usage_for(%s, %s, %s, %s, 0, hold => %s)"
            usage, _, amount = service.ask(kind, record, payer, reference, offering, tokens, hold)
            assert amount == tokens * PRICE / 1000
            return _Answer("call", payer, payee, amount, reference, usage)
        amount = Decimal(choose.randrange(1, 10_000_000)) / 1_000_000
        if kind == "order":
            # The same payment with another time would be a different one.
            charge = "SELECT transfer_id, replayed FROM tenancy.charge(%s, %s, %s, 'order', %s, '2026-01-01')"
            transfer, _ = service.ask(kind, charge, payer, payee, amount, reference)
            return _Answer(kind, payer, payee, amount, reference, transfer)
        transfer, _ = service.ask(kind, "SELECT tenancy.top_up(%s, %s, %s), false", payee, amount, reference)
        return _Answer(kind, None, payee, amount, reference, transfer)


class _Service:
    """A connection that is reopened when it is lost.

    Args:
        dsn: the database.
        lost: counts the interrupted calls by kind.

    """

    def __init__(self, dsn: str, lost: Counter[str]) -> None:
        self._dsn, self._lost = dsn, lost
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None

    def ask(self, kind: str, query: str, *values: Any) -> tuple[Any, ...]:
        """Repeat a transaction until it is answered; the second value says whether the answer is a repeated one."""
        while True:
            try:
                if self._connection is None:
                    self._connection = psycopg.connect(self._dsn, options=_OPTIONS)
            except psycopg.OperationalError:
                # The server is recovering.
                time.sleep(0.01)
                continue
            try:
                with self._connection.transaction():
                    row = self._connection.execute(query.encode(), values).fetchone()
            except psycopg.Error as error:
                self.close()
                if not (isinstance(error, _LOST) or error.sqlstate in _AGAIN):
                    raise
                self._lost[kind] += 1
                continue
            assert row is not None
            self._lost["answer"] += bool(row[1])
            return row

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None


def main(arguments: list[str]) -> int:
    """Kill this number of times; return the exit status."""
    with proving("payments", __doc__, 200, arguments) as (kills, seed, server):
        paying = Paying(server, random.Random(seed))
        while paying.killed < kills:
            paying.kill(min(20, kills - paying.killed))
            done = Counter(answer.kind for answer in paying.answers)
            print(f"{paying.killed} kills, {dict(paying.lost)} lost; each once: {dict(done)}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
