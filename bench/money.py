"""The cost of a movement of money, compared with a plain transaction that writes the same rows.

The plain transaction is BEGIN, INSERT of the transfer, two UPDATEs of wallets, INSERT of two
entries, COMMIT, prepared and sent as one pipeline. Its tables have the same columns and
indexes, but no row-level security, triggers, limits, lock order or hashes. Both wait for their
commit, take turns, and pay between a thousand wallets; then many sessions pay one wallet.
"""

from __future__ import annotations

import argparse
import random
import statistics
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import psycopg

from bench.timing import Libpq
from pg_tenancy.tools.embedded import EmbeddedServer
from pg_tenancy.tools.sqitch import Sqitch

Connection = psycopg.Connection[tuple[Any, ...]]

_SERVICE = "CREATE ROLE bench_service LOGIN IN ROLE tenancy_service; CREATE ROLE bench_plain LOGIN"
_PEOPLE = """
INSERT INTO public.users (id, email, username)
SELECT gen_random_uuid(), n || '@example.com', 'user-' || n FROM generate_series(1, {wallets}) AS n
"""
_PLAIN = """
CREATE SCHEMA plain;
CREATE TABLE plain.wallets (LIKE tenancy.wallets INCLUDING ALL) WITH (fillfactor = 50);
CREATE TABLE plain.transfers (LIKE tenancy.transfers INCLUDING ALL);
CREATE TABLE plain.ledger_entries (LIKE tenancy.ledger_entries INCLUDING ALL);
INSERT INTO plain.wallets SELECT * FROM tenancy.wallets;
GRANT USAGE ON SCHEMA plain TO bench_plain;
GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA plain TO bench_plain;
"""
_CHARGE = "SELECT tenancy.charge($1, $2, 0.001, 'usage', $3)"
_TRANSFER = (
    "INSERT INTO plain.transfers (workspace_id, kind, reference, id, payee_id, amount, fingerprint, occurred_at,"
    " created_at)"
    " VALUES ($1, 'usage', $3, $4, $2, 0.001, sha256(convert_to($3::text, 'UTF8')), now(), clock_timestamp())"
)
_DEBIT = (
    "UPDATE plain.wallets SET balance = balance - 0.001, version = version + 1"
    " WHERE workspace_id = $1 AND balance >= 0.001"
)
_CREDIT = "UPDATE plain.wallets SET balance = balance + 0.001, version = version + 1 WHERE workspace_id = $1"
_ENTRIES = (
    "INSERT INTO plain.ledger_entries (workspace_id, version, transfer_id, kind, amount, balance_after, occurred_at,"
    " created_at, digest, chain)"
    " SELECT w.workspace_id, w.version, $3, 'usage', CASE w.workspace_id WHEN $1 THEN -0.001 ELSE 0.001 END, w.balance,"
    " now(), clock_timestamp(), $4, $4 FROM plain.wallets AS w WHERE w.workspace_id IN ($1, $2)"
)
# Pairs and references are unique.
_LEDGER = """
SET session_replication_role = replica;
SELECT tenancy_private.move_money_batch(
    p.id, q.id, 'usage', array_agg(n::text), array_agg(sha256(convert_to(n::text, 'UTF8'))), array_agg(0.001::numeric),
    array_agg(now())
)
FROM (SELECT workspace_id AS id, row_number() OVER (ORDER BY workspace_id) AS place FROM tenancy.wallets) AS p
INNER JOIN (SELECT workspace_id AS id, row_number() OVER (ORDER BY workspace_id) AS place FROM tenancy.wallets) AS q
    ON q.place = p.place % (SELECT count(*) FROM tenancy.wallets) + 1
CROSS JOIN generate_series(1, {each}) AS n
GROUP BY p.id, q.id;
RESET session_replication_role;
"""


def _plain(connection: Libpq, payer: UUID, payee: UUID, reference: str) -> None:
    transfer = UUID(int=random.getrandbits(128))
    first, second = sorted([(payer, _DEBIT), (payee, _CREDIT)])
    connection.pipeline(
        ("BEGIN", ()),
        (_TRANSFER, (payer, payee, reference, transfer)),
        (first[1], (first[0],)),
        (second[1], (second[0],)),
        (_ENTRIES, (payer, payee, transfer, "\\x" + "00" * 32)),
        ("COMMIT", ()),
    )


def _ours(connection: Libpq, payer: UUID, payee: UUID, reference: str) -> None:
    connection.execute(_CHARGE, payer, payee, reference)


def _throughput(
    dsn: str,
    sessions: int,
    seconds: float,
    pay: Callable[[Libpq, UUID, UUID, str], None],
    pair: Callable[[random.Random], tuple[UUID, UUID]],
) -> float:
    """Return the movements per second of several sessions."""
    counts = [0] * sessions
    begin = threading.Barrier(sessions + 1)
    stop = threading.Event()

    def session(number: int) -> None:
        connection = Libpq(dsn, pinned=False)
        chance = random.Random()
        begin.wait()
        while not stop.is_set():
            pay(connection, *pair(chance), f"{chance.getrandbits(64)}")
            counts[number] += 1
        connection.close()

    threads = [threading.Thread(target=session, args=(number,)) for number in range(sessions)]
    for thread in threads:
        thread.start()
    begin.wait()
    start = time.perf_counter()
    time.sleep(seconds)
    made, taken = sum(counts), time.perf_counter() - start
    stop.set()
    for thread in threads:
        thread.join()
    return made / taken


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="The cost of a movement of money.")
    parser.add_argument("--wallets", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=1500, help="movements of each kind, one after the other")
    parser.add_argument("--seconds", type=float, default=3, help="seconds of each measurement with many sessions")
    parser.add_argument("--looks", type=int, default=3)
    parser.add_argument("--sessions", type=int, default=16)
    parser.add_argument("--entries", type=int, default=1_150_000, help="entries of the reconciled ledger")
    arguments = parser.parse_args()
    with EmbeddedServer(settings={"max_connections": "100", "max_wal_size": "4GB"}) as server:
        Sqitch(server.dsn(), isolated=True, program_directory=server.bin_dir).deploy()
        with psycopg.connect(server.dsn(), autocommit=True) as admin:
            admin.execute(_SERVICE)
            admin.execute(_PEOPLE.format(wallets=arguments.wallets))
            admin.execute("SELECT tenancy.top_up(id, 100000, 'bench') FROM public.users")
            admin.execute(_PLAIN)
            wallets = [row[0] for row in admin.execute("SELECT workspace_id FROM tenancy.wallets").fetchall()]
            hot = wallets.pop()
            ours, plain = server.dsn("postgres", "bench_service"), server.dsn("postgres", "bench_plain")

            _print("a service's call, a thousand wallets", _turns(ours, plain, wallets, arguments.rounds))
            with _deadlocks(admin):
                for title, pair in (
                    ("many payers, one payee", lambda chance: (chance.choice(wallets), hot)),
                    ("one payer and one payee", lambda chance: (wallets[0], hot)),
                ):
                    looks = [
                        (
                            _throughput(plain, arguments.sessions, arguments.seconds, _plain, pair),
                            _throughput(ours, arguments.sessions, arguments.seconds, _ours, pair),
                        )
                        for _ in range(arguments.looks)
                    ]
                    _print_throughput(title, looks)
                admin.execute("SELECT tenancy.set_deferred_credit(%s, true)", [hot])
                looks = [
                    (
                        _throughput(
                            plain, arguments.sessions, arguments.seconds, _plain, lambda c: (c.choice(wallets), hot)
                        ),
                        _throughput(
                            ours, arguments.sessions, arguments.seconds, _ours, lambda c: (c.choice(wallets), hot)
                        ),
                    )
                    for _ in range(arguments.looks)
                ]
                _print_throughput("many payers, one payee whose credit is deferred", looks)
                started = time.perf_counter()
                folded = admin.execute("SELECT tenancy.fold_credits()").fetchone()
                print(f"  folding them: {folded[0] / (time.perf_counter() - started):,.0f} a second")
            _batches(server.dsn(), plain, wallets)
            _reconcile(admin, arguments.entries, arguments.wallets, wallets)


@contextmanager
def _deadlocks(admin: Connection) -> Any:
    count = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    before = admin.execute(count).fetchone()[0]
    yield
    time.sleep(1.5)
    admin.execute("SELECT pg_stat_clear_snapshot()")
    print(f"deadlocks: {admin.execute(count).fetchone()[0] - before}")


def _turns(ours: str, plain: str, wallets: list[UUID], rounds: int) -> list[tuple[float, float]]:
    first, second = Libpq(plain), Libpq(ours)
    taken = []
    for number in range(rounds + 100):
        payer, payee = random.sample(wallets, 2)
        pair = []
        for connection, pay in ((first, _plain), (second, _ours)):
            start = time.perf_counter()
            pay(connection, payer, payee, f"turn-{number}")
            pair.append(time.perf_counter() - start)
        if number >= 100:
            taken.append((pair[0], pair[1]))
    first.close()
    second.close()
    return taken


def _print(title: str, taken: list[tuple[float, float]]) -> None:
    plain, ours = (statistics.median(pair[place] for pair in taken) * 1000 for place in (0, 1))
    print(f"{title}: {ours:.2f} ms, plain {plain:.2f} ms, {ours / plain:.2f} times")


def _print_throughput(title: str, looks: list[tuple[float, float]]) -> None:
    plain, ours = (statistics.median(pair[place] for pair in looks) for place in (0, 1))
    ratio = statistics.median(mine / theirs for theirs, mine in looks)
    print(f"{title}: {ours:,.0f} a second, plain {plain:,.0f}, {ratio:.0%}")


def _batches(owner: str, plain: str, wallets: list[UUID]) -> None:
    batch = (
        "SELECT count(*) FROM tenancy_private.move_money_batch($1, $2, 'usage', $3,"
        " (SELECT array_agg(sha256(convert_to(r, 'UTF8'))) FROM unnest($3::text[]) AS r),"
        " array_fill(0.001::numeric, ARRAY[20]), array_fill(now(), ARRAY[20]))"
    )
    first, second = Libpq(plain), Libpq(owner)
    taken: dict[str, list[float]] = {"plain": [], "single": [], "batch": []}
    for number in range(60):
        payer, payee = random.sample(wallets, 2)
        for name in taken:
            start = time.perf_counter()
            if name == "batch":
                references = "{" + ",".join(f"batch-{number}-{one}" for one in range(20)) + "}"
                second.execute(batch, payer, payee, references)
            else:
                for one in range(20):
                    pay, connection = (_plain, first) if name == "plain" else (_ours, second)
                    pay(connection, payer, payee, f"{name}-{number}-{one}")
            taken[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(times) * 1000 for name, times in taken.items()}
    print(
        f"a batch of 20: {medians['batch']:.2f} ms, {medians['single'] / medians['batch']:.1f} times as fast as"
        f" 20 calls and {medians['plain'] / medians['batch']:.1f} times as fast as 20 plain transactions"
    )


def _reconcile(admin: Connection, entries: int, count: int, wallets: list[UUID]) -> None:
    admin.execute(_LEDGER.format(each=max(1, entries // 2 // count)))
    admin.execute("VACUUM ANALYZE")
    (total,) = admin.execute("SELECT count(*) FROM tenancy.ledger_entries").fetchone()
    start = time.perf_counter()
    assert not admin.execute("SELECT * FROM tenancy.reconcile()").fetchall()
    whole = time.perf_counter() - start
    one = []
    for wallet in wallets[:20]:
        start = time.perf_counter()
        assert not admin.execute("SELECT * FROM tenancy.reconcile(%s)", [wallet]).fetchall()
        one.append(time.perf_counter() - start)
    print(f"reconcile() of {total:,} entries: {whole:.1f} s; one wallet: {statistics.median(one) * 1000:.0f} ms")
