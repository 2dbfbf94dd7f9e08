"""The time of a chart of costs, compared with the same sums over the original rows.

Every organization has an instance that costs something each minute for so many days, and
calls beside it. The plain query reads the rows by the same index, with a hand-written
WHERE and without row-level security; both run on one core and take turns.

Then two writers insert rows, and wait for each commit: into the table as it is, into the
table without the marks that keep the sums right, and into one with the same rows, keys and
indexes, and without triggers and policies. Late rows are of hours that are already added up.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from bench.timing import Libpq, compare, pin
from pg_tenancy.tools.embedded import EmbeddedServer
from pg_tenancy.tools.sqitch import Sqitch

Connection = psycopg.Connection[tuple[Any, ...]]

APP, PLAIN, SERVICE = "bench_app", "bench_plain", "bench_service"
_LOGINS = f"""
CREATE ROLE {APP} LOGIN IN ROLE tenancy_app;
CREATE ROLE {SERVICE} LOGIN IN ROLE tenancy_service;
CREATE ROLE {PLAIN} LOGIN BYPASSRLS;
"""
# The first one has members, so that it can be entered.
_ORGANIZATIONS = """
INSERT INTO public.users (id, email, username) VALUES ('00000000-0000-0000-0001-000000000000', 'a@example.com', 'ann');
INSERT INTO public.organizations (id, name, slug, created_by_user_id)
SELECT gen_random_uuid(), 'Organization ' || n, 'organization-' || n, '00000000-0000-0000-0001-000000000000'
FROM generate_series(1, {organizations}) AS n;
INSERT INTO public.organization_memberships (organization_id, user_id, role)
SELECT o.id, '00000000-0000-0000-0001-000000000000', 'owner' FROM public.organizations AS o;
INSERT INTO public.providers (name) VALUES ('Cloud');
INSERT INTO public.instances (provider_id, organization_id, workspace_id, status, gpu_profile)
SELECT p.id, o.id, o.id, 'ready', 'H100' FROM public.organizations AS o CROSS JOIN public.providers AS p;
"""
# As a replica, without triggers that look up a row's workspace. In chronological order.
_MINUTES = """
SET session_replication_role = replica;
INSERT INTO finops.cost_actual_minute (bucket_minute, provider_id, instance_id, amount_eur, workspace_id)
SELECT m.minute, i.provider_id, i.id, round((random() * 0.05)::numeric, 6), i.workspace_id
FROM generate_series(
    date_trunc('day', now()) - make_interval(days => %(days)s - %(day)s),
    date_trunc('day', now()) - make_interval(days => %(days)s - %(day)s - 1) - interval '1 minute', interval '1 minute'
) AS m (minute)
CROSS JOIN public.instances AS i;
INSERT INTO finops.inference_usage (occurred_at, instance_id, total_tokens, charged_amount_eur, workspace_id)
SELECT
    date_trunc('day', now()) - make_interval(days => %(days)s - %(day)s) + random() * interval '1 day',
    i.id, 1000, round((random() * 0.01)::numeric, 6), i.workspace_id
FROM public.instances AS i CROSS JOIN generate_series(1, %(calls)s) AS n;
RESET session_replication_role;
"""
_SERIES = "SELECT * FROM finops.costs_series($1::timestamptz, $2::timestamptz, $3, $4)"
_ROWS = """
SELECT
    date_trunc($3, p.at, $4) AS bucket_start, sum(p.instances + p.inference), sum(p.instances), sum(p.inference),
    sum(p.calls), sum(p.tokens)
FROM (
    SELECT c.bucket_minute AS at, c.amount_eur AS instances, 0 AS inference, 0 AS calls, 0 AS tokens
    FROM finops.cost_actual_minute AS c
    WHERE c.workspace_id = $5::uuid AND c.bucket_minute >= $1::timestamptz AND c.bucket_minute < $2::timestamptz
    UNION ALL
    SELECT u.occurred_at, 0, u.charged_amount_eur, 1, u.total_tokens
    FROM finops.inference_usage AS u
    WHERE u.workspace_id = $5::uuid AND u.occurred_at >= $1::timestamptz AND u.occurred_at < $2::timestamptz
) AS p
GROUP BY 1
ORDER BY 1
"""
_PLAIN_TABLE = """
CREATE SCHEMA plain;
CREATE TABLE plain.cost_actual_minute (
    LIKE finops.cost_actual_minute INCLUDING ALL,
    FOREIGN KEY (instance_id) REFERENCES public.instances,
    FOREIGN KEY (provider_id) REFERENCES public.providers
);
GRANT USAGE ON SCHEMA plain TO {plain};
GRANT INSERT ON plain.cost_actual_minute TO {plain};
GRANT USAGE ON SCHEMA finops TO {plain};
GRANT SELECT ON finops.cost_actual_minute, finops.inference_usage, public.instances TO {plain};
"""
# A row's minute is the writer's next one, after the first minute or before it.
_BATCH = """
INSERT INTO {table} (bucket_minute, provider_id, instance_id, amount_eur{column})
SELECT $1::timestamptz + $2 * interval '1 minute', '{provider}', v.id, 0.001234{value}
FROM unnest($3::uuid[], $4::uuid[]) AS v (id, workspace_id)
"""
_MARKS = "cost_actual_minute_tenancy_mark_insert"
_WRITERS = 2


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="bench costs", description=__doc__)
    parser.add_argument("--organizations", type=int, default=20, help="default 20")
    parser.add_argument("--days", type=int, default=365, help="days of minutes (default 365)")
    parser.add_argument("--calls", type=int, default=50, help="calls of each organization per day (default 50)")
    parser.add_argument("--turns", type=int, default=15, help="runs of each chart and insert (default 15)")
    parser.add_argument("--seconds", type=float, default=1.5, help="seconds of each run of inserts (default 1.5)")
    parser.add_argument("--inserts-only", action="store_true", help="leave out the charts")
    arguments = parser.parse_args()
    if not arguments.inserts_only:
        _charts(arguments)
    _inserts(arguments)


@contextmanager
def _filled(organizations: int, days: int, calls: int, *, durable: bool) -> Iterator[tuple[EmbeddedServer, Connection]]:
    with EmbeddedServer(durable=durable, settings={"max_wal_size": "8GB", "shared_buffers": "1GB"}) as server:
        Sqitch(server.dsn(), isolated=True, program_directory=server.bin_dir).deploy()
        with psycopg.connect(server.dsn(), autocommit=True) as admin:
            admin.execute(_LOGINS.encode())
            admin.execute(_ORGANIZATIONS.format(organizations=organizations).encode())
            _fill(admin, organizations, days, calls)
            admin.execute(_PLAIN_TABLE.format(plain=PLAIN).encode())
            yield server, admin


def _fill(admin: Connection, organizations: int, days: int, calls: int) -> None:
    for day in range(days):
        admin.execute(
            psycopg.ClientCursor(admin).mogrify(_MINUTES, {"days": days, "day": day, "calls": calls}).encode()
        )
    admin.execute("VACUUM ANALYZE finops.cost_actual_minute, finops.inference_usage")
    start, hours = time.perf_counter(), 0
    while (done := (admin.execute("SELECT finops.roll_up(10000)").fetchone() or (0,))[0]) > 0:
        hours += done
    seconds = time.perf_counter() - start
    (rows,) = admin.execute("SELECT count(*) FROM finops.cost_actual_minute").fetchone() or (0,)
    admin.execute("VACUUM ANALYZE")
    print(
        f"{organizations:,} organizations, {rows:,} minutes; rolled up:"
        f" {hours / seconds:,.0f} hours a second, {rows / seconds:,.0f} rows a second",
        flush=True,
    )


def _charts(arguments: argparse.Namespace) -> None:
    # The server inherits the core.
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    pinned = pin()
    with _filled(arguments.organizations, arguments.days, arguments.calls, durable=False) as (server, admin):
        title = f"PostgreSQL {server.version}, {'one core' if pinned else 'not pinned'}, medians in milliseconds"
        print(f"{title}\n{'':34}{'rows':>9}{'costs_series':>14}{'times as fast':>15}{'server':>9}", flush=True)
        (organization,) = admin.execute("SELECT min(id::text) FROM public.organizations").fetchone() or (None,)
        ours, plain = Libpq(server.dsn(user=APP)), Libpq(server.dsn(user=PLAIN))
        for session in (ours, plain):
            # As in an application: the functions' queries are planned for their arguments.
            session.execute("SET plan_cache_mode = auto")
        ours.execute("BEGIN")
        ours.execute("SELECT tenancy.enter($1::uuid, $2::uuid)", "00000000-0000-0000-0001-000000000000", organization)
        zones = {"on the hour": "Europe/Paris", "off the hour": "Asia/Kolkata"}
        for bucket, zone in itertools.product(("hour", "day", "month"), zones.values()):
            _chart(admin, (plain, ours), organization, (arguments.days, bucket, zone), arguments.turns)
        ours.execute("COMMIT")
        ours.close()
        plain.close()
    if cores is not None:
        os.sched_setaffinity(0, cores)


def _chart(
    admin: Connection, sessions: tuple[Libpq, Libpq], organization: Any, chart: tuple[int, str, str], turns: int
) -> None:
    days, bucket, zone = chart
    plain, ours = sessions
    (ends,) = admin.execute("SELECT date_trunc('day', now())").fetchone() or (None,)
    (starts,) = admin.execute("SELECT %s - make_interval(days => %s)", [ends, days]).fetchone() or (None,)
    values = (starts, ends, bucket, zone)
    times = compare(
        lambda: plain.execute(_ROWS, *values, organization),
        lambda: ours.execute(_SERIES, *values),
        pids=(plain.pid, ours.pid),
        turns=turns,
        block=1,
    ).over(1000)
    name = f"{days} days by {bucket}, {zone}"
    walls = f"{times.plain:9.1f}{times.protected:14.1f}{times.plain / times.protected:15.1f}"
    print(f"{name:34}{walls}{times.protected_cpu:9.1f}", flush=True)


def _inserts(arguments: argparse.Namespace) -> None:
    with _filled(200, 2, 5, durable=True) as (server, admin):
        admin.execute("INSERT INTO plain.cost_actual_minute SELECT * FROM finops.cost_actual_minute")
        admin.execute("VACUUM ANALYZE plain.cost_actual_minute")
        title = f"PostgreSQL {server.version}, {_WRITERS} writers, statements a second, each committed"
        print(f"{title}\n{'rows of a statement':34}{'plain':>9}{'ours':>14}{'of the speed':>15}{'marks alone':>14}")
        writers = _Writers(server, admin)
        ways = ("plain", "ours", "without marks")
        for late, rows in itertools.product((False, True), (1, 20, 200)):
            turns = []
            for turn in range(arguments.turns):
                # Each goes first equally often.
                order = ways[turn % 3 :] + ways[: turn % 3]
                turns.append({way: writers.speed(way, rows, late, arguments.seconds) for way in order})
            plain, ours = (statistics.median(turn[way] for turn in turns) for way in ways[:2])
            whole = statistics.median(turn["ours"] / turn["plain"] for turn in turns)
            marks = statistics.median(turn["ours"] / turn["without marks"] for turn in turns)
            name = f"{rows:,}{', late' if late else ''}"
            print(f"{name:34}{plain:9,.0f}{ours:14,.0f}{whole:15.2f}{marks:14.2f}", flush=True)


class _Writers:
    """Sessions that insert rows of random instances at once."""

    def __init__(self, server: EmbeddedServer, admin: Connection) -> None:
        self._server, self._admin = server, admin
        self._instances = admin.execute("SELECT id, workspace_id FROM public.instances").fetchall()
        (self._provider,) = admin.execute("SELECT id FROM public.providers").fetchone() or (None,)
        self._minutes = itertools.count(1)

    def speed(self, way: str, rows: int, late: bool, seconds: float) -> float:
        """Return the statements a second of one way to insert so many rows."""
        is_plain = way == "plain"
        query = _BATCH.format(
            table="plain.cost_actual_minute" if is_plain else "finops.cost_actual_minute",
            column=", workspace_id" if is_plain else "",
            value=", v.workspace_id" if is_plain else "",
            provider=self._provider,
        )
        state = "DISABLE" if way == "without marks" else "ENABLE ALWAYS"
        self._admin.execute(f"ALTER TABLE finops.cost_actual_minute {state} TRIGGER {_MARKS}".encode())
        done: list[int] = []

        def write() -> None:
            session = Libpq(self._server.dsn(user=PLAIN if is_plain else SERVICE), pinned=False)
            number, ends = 0, time.perf_counter() + seconds
            while time.perf_counter() < ends:
                chosen = random.sample(self._instances, rows)
                ids, workspaces = ("{" + ",".join(str(row[column]) for row in chosen) + "}" for column in (0, 1))
                minute = next(self._minutes)
                session.execute(query, *(("2000-01-01", -minute) if late else ("2100-01-01", minute)), ids, workspaces)
                number += 1
            session.close()
            done.append(number)

        threads = [threading.Thread(target=write) for _ in range(_WRITERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if len(done) < _WRITERS:
            raise RuntimeError("a writer failed")
        return sum(done) / seconds


if __name__ == "__main__":
    main()
