"""The cost of a movement of money, compared with a plain transaction that writes the same rows.

The plain transaction is BEGIN, INSERT of the transfer, two UPDATEs of wallets, INSERT of two
entries, COMMIT, prepared and sent as one pipeline. Its tables have the same columns and
indexes, but no row-level security, triggers, limits, lock order or hashes. Both wait for their
commit, take turns, and pay between a thousand wallets; then many sessions pay one wallet.

A tenant's call is an entry into its workspace and record_usage(), in one pipeline. Its plain
transaction also inserts the call and its cost, with prices that it knows.
"""

from __future__ import annotations

import argparse
import random
import statistics
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg

from bench.timing import Libpq
from pg_tenancy.tools.embedded import EmbeddedServer
from pg_tenancy.tools.sqitch import Sqitch

Connection = psycopg.Connection[tuple[Any, ...]]

_LOGINS = """
CREATE ROLE bench_service LOGIN IN ROLE tenancy_service;
CREATE ROLE bench_app LOGIN IN ROLE tenancy_app;
CREATE ROLE bench_plain LOGIN;
"""
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
_BATCH = (
    "SELECT count(*) FROM tenancy_private.move_money_batch($1, $2, 'usage', $3,"
    " (SELECT array_agg(sha256(convert_to(r, 'UTF8'))) FROM unnest($3::text[]) AS r),"
    " array_fill(0.001::numeric, ARRAY[20]), array_fill(now(), ARRAY[20]))"
)
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
_USAGE = (
    "INSERT INTO plain.offering_usage (workspace_id, request_id, id, provider_id, offering_id, access, user_id,"
    " input_tokens, output_tokens, eur_per_1k, amount, unpaid, occurred_at)"
    " VALUES ($1, $3, $4, $2, $5, 'pay_per_token', $6, 5, 0, 0.2, 0.001, 0, now())"
)
_COST = (
    "INSERT INTO plain.inference_usage (id, occurred_at, input_tokens, total_tokens, unit_price_eur_per_1k_tokens,"
    " charged_amount_eur, provider_organization_id, consumer_organization_id, organization_model_id, workspace_id,"
    " user_id) VALUES ($3, now(), 5, 5, 0.2, 0.001, $2, $1, $4, $1, $5)"
)
# Everybody's organizations, each with an offering.
_ORGANIZATIONS = """
INSERT INTO public.organizations (id, name, slug, created_by_user_id)
SELECT gen_random_uuid(), 'Organization ' || n, 'organization-' || n, u.id
FROM generate_series(1, {organizations}) AS n CROSS JOIN (SELECT id FROM public.users LIMIT 1) AS u;
INSERT INTO public.organization_memberships (organization_id, user_id, role)
SELECT o.id, o.created_by_user_id, 'owner' FROM public.organizations AS o;
INSERT INTO public.models (id, name, model_id, organization_id)
SELECT o.id, 'Bot', 'bot', o.id FROM public.organizations AS o;
SELECT tenancy.top_up(o.id, 100000, 'bench') FROM public.organizations AS o;
CREATE TABLE plain.offering_usage (LIKE tenancy.offering_usage INCLUDING ALL);
CREATE TABLE plain.inference_usage (LIKE finops.inference_usage INCLUDING ALL);
ALTER TABLE plain.inference_usage ALTER workspace_id DROP DEFAULT, ALTER user_id DROP DEFAULT;
INSERT INTO plain.wallets SELECT * FROM tenancy.wallets ON CONFLICT DO NOTHING;
GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA plain TO bench_plain;
"""
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


def _plain_movement(payer: UUID, payee: UUID, reference: str, transfer: UUID) -> list[tuple[str, tuple[object, ...]]]:
    first, second = sorted([(payer, _DEBIT), (payee, _CREDIT)])
    return [
        (_TRANSFER, (payer, payee, reference, transfer)),
        (first[1], (first[0],)),
        (second[1], (second[0],)),
        (_ENTRIES, (payer, payee, transfer, "\\x" + "00" * 32)),
    ]


def _plain(connection: Libpq, payer: UUID, payee: UUID, reference: str) -> None:
    transfer = UUID(int=random.getrandbits(128))
    connection.pipeline(("BEGIN", ()), *_plain_movement(payer, payee, reference, transfer), ("COMMIT", ()))


def _ours(connection: Libpq, payer: UUID, payee: UUID, reference: str) -> None:
    connection.execute(_CHARGE, payer, payee, reference)


@dataclass(frozen=True)
class Market:
    """Organizations that use each other's offerings; one person is the owner of all."""

    person: UUID
    offerings: dict[UUID, UUID]

    def pair(self, chance: random.Random) -> tuple[UUID, UUID]:
        """Return a consumer and a provider."""
        payer, payee = chance.sample(list(self.offerings), 2)
        return payer, payee

    def plain(self, connection: Libpq, payer: UUID, payee: UUID, reference: str) -> None:
        """Write the rows of a call."""
        transfer = UUID(int=random.getrandbits(128))
        connection.pipeline(
            ("BEGIN", ()),
            *_plain_movement(payer, payee, reference, transfer),
            (_USAGE, (payer, payee, reference, transfer, self.offerings[payee], self.person)),
            (_COST, (payer, payee, transfer, self.offerings[payee], self.person)),
            ("COMMIT", ()),
        )

    def ours(self, connection: Libpq, payer: UUID, payee: UUID, reference: str) -> None:
        """Enter and record a call."""
        connection.pipeline(
            ("BEGIN", ()),
            ("SELECT tenancy.enter($1, $2)", (self.person, payer)),
            ("SELECT tenancy.record_usage($1, $2, 5, 0)", (reference, self.offerings[payee])),
            ("COMMIT", ()),
        )


def _market(admin: Connection, app: str, organizations: int) -> Market:
    admin.execute(_ORGANIZATIONS.format(organizations=organizations))
    offerings = {}
    people = admin.execute("SELECT id, created_by_user_id FROM public.organizations").fetchall()
    with psycopg.connect(app, autocommit=True) as connection:
        for organization, person in people:
            with connection.transaction():
                connection.execute("SELECT tenancy.enter(%s, %s)", [person, organization])
                (offering,) = connection.execute(
                    "SELECT tenancy.publish_offering(%s, 'bot', 'Bot', 'public', 'pay_per_token', 0.2)", [organization]
                ).fetchone()
                for aspect in ("tech", "eco"):
                    connection.execute("SELECT tenancy.activate('offering', %s, %s)", [offering, aspect])
            offerings[organization] = offering
    admin.execute("VACUUM ANALYZE")
    return Market(people[0][1], offerings)


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
        pay(connection, *pair(chance), f"{chance.getrandbits(64)}")  # which plans and compiles
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
    parser.add_argument("--organizations", type=int, default=200, help="organizations that call each other's models")
    parser.add_argument("--rounds", type=int, default=1500, help="movements of each kind, one after the other")
    parser.add_argument("--seconds", type=float, default=3, help="seconds of each measurement with many sessions")
    parser.add_argument("--looks", type=int, default=3)
    parser.add_argument("--sessions", type=int, default=16)
    parser.add_argument("--entries", type=int, default=1_150_000, help="entries of the reconciled ledger")
    arguments = parser.parse_args()
    with EmbeddedServer(settings={"max_connections": "100", "max_wal_size": "4GB"}) as server:
        Sqitch(server.dsn(), isolated=True, program_directory=server.bin_dir).deploy()
        with psycopg.connect(server.dsn(), autocommit=True) as admin:
            admin.execute(_LOGINS)
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
            _hot_batches(server.dsn(), ours, wallets, arguments)
            _tenants(admin, server.dsn("postgres", "bench_app"), plain, arguments)
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


def _tenants(admin: Connection, ours: str, plain: str, arguments: argparse.Namespace) -> None:
    market = _market(admin, ours, arguments.organizations)
    for sessions in (1, 8):
        looks = [
            (
                _throughput(plain, sessions, arguments.seconds, market.plain, market.pair),
                _throughput(ours, sessions, arguments.seconds, market.ours, market.pair),
            )
            for _ in range(arguments.looks)
        ]
        _print_throughput(f"a tenant's enter and call, sessions: {sessions}", looks)


def _print(title: str, taken: list[tuple[float, float]]) -> None:
    plain, ours = (statistics.median(pair[place] for pair in taken) * 1000 for place in (0, 1))
    print(f"{title}: {ours:.2f} ms, plain {plain:.2f} ms, {ours / plain:.2f} times")


def _print_throughput(title: str, looks: list[tuple[float, float]]) -> None:
    plain, ours = (statistics.median(pair[place] for pair in looks) for place in (0, 1))
    ratio = statistics.median(mine / theirs for theirs, mine in looks)
    print(f"{title}: {ours:,.0f} a second, plain {plain:,.0f}, {ratio:.0%} of it, {1 / ratio:.2f} times the time")


def _batch(connection: Libpq, payer: UUID, payee: UUID, reference: str) -> None:
    references = "{" + ",".join(f"{reference}-{number}" for number in range(20)) + "}"
    connection.execute(_BATCH, payer, payee, references)


def _hot_batches(owner: str, service: str, wallets: list[UUID], arguments: argparse.Namespace) -> None:
    hot, *payers = wallets
    looks = [
        [
            _throughput(dsn, arguments.sessions, arguments.seconds, pay, lambda chance: (chance.choice(payers), hot))
            for dsn, pay in ((service, _ours), (owner, _batch))
        ]
        for _ in range(arguments.looks)
    ]
    ratio = statistics.median(20 * batches / calls for calls, batches in looks)
    print(f"batches of 20, many payers and one payee: {ratio:.1f} times as many movements as by single calls")


def _batches(owner: str, plain: str, wallets: list[UUID]) -> None:
    first, second = Libpq(plain), Libpq(owner)
    taken: dict[str, list[float]] = {"plain": [], "single": [], "batch": []}
    for number in range(60):
        payer, payee = random.sample(wallets, 2)
        for name in taken:
            start = time.perf_counter()
            if name == "batch":
                _batch(second, payer, payee, f"batch-{number}")
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
