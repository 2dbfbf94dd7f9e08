"""What row-level security costs: the same queries with and without it, paired in one run.

Each query runs as the application's login over the same connection, once on a
protected table in a workspace and once on an unprotected copy with the tenant
named in its WHERE. The two take turns, so that whatever else the machine does
meets both; a ratio is that of the medians.
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
from psycopg.abc import Query

from pg_tenancy import fetch_all
from pg_tenancy.embedded import EmbeddedServer
from pg_tenancy.sqitch import Sqitch
from support.proxy import Proxy

_TABLES = """
CREATE ROLE bench_login LOGIN IN ROLE tenancy_app;
INSERT INTO public.users (id, email, username) VALUES (gen_random_uuid(), 'bench@example.com', 'bench');
INSERT INTO public.organizations (id, name, slug)
SELECT gen_random_uuid(), 'Organization ' || n, 'organization-' || n FROM generate_series(1, {tenants}) AS n;
INSERT INTO public.organization_memberships (organization_id, user_id, role)
SELECT o.id, u.id, 'owner' FROM public.organizations AS o CROSS JOIN public.users AS u;

CREATE TABLE public.bench_protected (
    workspace_id uuid NOT NULL,
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    status text NOT NULL,
    amount numeric NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT bench_protected_pkey PRIMARY KEY (workspace_id, id)
);
INSERT INTO public.bench_protected (workspace_id, status, amount, created_at)
SELECT w.id, 'status ' || n % 5, n, now() - n * interval '1 second' - random() * interval '1 hour'
FROM tenancy.workspaces AS w CROSS JOIN generate_series(1, {rows}) AS n
WHERE w.kind = 'organization'
ORDER BY random();
CREATE INDEX bench_protected_created_at_idx ON public.bench_protected (workspace_id, created_at);
CREATE TABLE public.bench_plain (LIKE public.bench_protected INCLUDING ALL);
INSERT INTO public.bench_plain SELECT * FROM public.bench_protected;
GRANT SELECT ON public.bench_protected, public.bench_plain TO tenancy_app;

ALTER TABLE public.bench_protected ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY bench_protected_workspace ON public.bench_protected
AS RESTRICTIVE FOR ALL TO tenancy_app USING (workspace_id = (SELECT tenancy.current_workspace_id()));
CREATE POLICY bench_protected_select ON public.bench_protected
FOR SELECT TO tenancy_app USING (workspace_id = (SELECT tenancy.workspace_for('instances.view')));
"""


@dataclass(frozen=True)
class Pair:
    """One query: on the protected table, and on the plain one with its tenant named."""

    name: str
    target: float
    protected: str
    plain: str


_PAIRS = (
    Pair(
        "point read",
        1.40,
        "SELECT status, amount FROM public.bench_protected WHERE id = %(id)s",
        "SELECT status, amount FROM public.bench_plain WHERE workspace_id = %(tenant)s AND id = %(id)s",
    ),
    Pair(
        "latest 20",
        1.10,
        "SELECT id, status, amount FROM public.bench_protected ORDER BY created_at DESC LIMIT 20",
        "SELECT id, status, amount FROM public.bench_plain WHERE workspace_id = %(tenant)s"
        " ORDER BY created_at DESC LIMIT 20",
    ),
    Pair(
        "aggregate of a tenant",
        1.05,
        "SELECT status, count(*), sum(amount) FROM public.bench_protected GROUP BY status",
        "SELECT status, count(*), sum(amount) FROM public.bench_plain WHERE workspace_id = %(tenant)s GROUP BY status",
    ),
)


def _once(connection: psycopg.Connection[Any], query: Query, params: dict[str, object]) -> float:
    started = time.perf_counter()
    connection.execute(query, params, prepare=True).fetchall()
    return time.perf_counter() - started


def _compare(
    connection: psycopg.Connection[Any], pair: Pair, params: dict[str, object], turns: int
) -> tuple[float, float]:
    for query in (pair.protected, pair.plain):
        for _ in range(10):
            _once(connection, query.encode(), params)
    protected, plain = [], []
    for turn in range(turns):
        # Whoever comes second finds warmer caches, so they take turns in that too.
        if turn % 2:
            protected.append(_once(connection, pair.protected.encode(), params))
            plain.append(_once(connection, pair.plain.encode(), params))
        else:
            plain.append(_once(connection, pair.plain.encode(), params))
            protected.append(_once(connection, pair.protected.encode(), params))
    return statistics.median(protected), statistics.median(plain)


def _transactions(
    connection: psycopg.Connection[Any], params: dict[str, object], user: UUID, tenant: UUID, turns: int
) -> tuple[float, float]:
    """Return the seconds of a whole transaction, in a workspace and without one."""
    point = _PAIRS[0]
    entered, plain = [], []
    for turn in range(turns * 2):
        started = time.perf_counter()
        if turn % 2:
            fetch_all(connection, point.protected.encode(), params, user_id=user, organization_id=tenant)
            entered.append(time.perf_counter() - started)
        else:
            # As an application does it: BEGIN, the query and COMMIT, one after the other.
            connection.execute(point.plain.encode(), params, prepare=True).fetchall()
            connection.commit()
            plain.append(time.perf_counter() - started)
    return statistics.median(entered), statistics.median(plain)


def _print(name: str, protected: float, plain: float, target: float) -> None:
    print(f"{name:24}{plain * 1e6:9.0f} us{protected * 1e6:9.0f} us{protected / plain:8.2f}{target:8.2f}")


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tenants", type=int, default=100, help="organizations (default 100)")
    parser.add_argument("--rows", type=int, default=2000, help="rows in each (default 2000)")
    parser.add_argument("--turns", type=int, default=2000, help="pairs of runs of each query (default 2000)")
    parser.add_argument("--plans", action="store_true", help="print the plans of the protected queries too")
    arguments = parser.parse_args()

    with EmbeddedServer(durable=False) as server:
        Sqitch(server.dsn(), isolated=True, program_directory=server.bin_dir).deploy()
        with psycopg.connect(server.dsn(), autocommit=True) as owner:
            owner.execute(_TABLES.format(tenants=arguments.tenants, rows=arguments.rows).encode())
            owner.execute("VACUUM ANALYZE")
            row = owner.execute(
                "SELECT m.user_id, m.organization_id, b.id FROM public.organization_memberships AS m"
                " INNER JOIN public.bench_plain AS b ON m.organization_id = b.workspace_id LIMIT 1"
            ).fetchone()
            assert row is not None
            user, tenant, known_id = row
        with psycopg.connect(server.dsn(user="bench_login")) as connection:
            print(f"PostgreSQL {server.version}, {arguments.tenants} tenants of {arguments.rows} rows, medians")
            print(f"{'':24}{'plain':>12}{'protected':>12}{'ratio':>8}{'target':>8}")
            params: dict[str, object] = {"id": known_id, "tenant": tenant}
            connection.execute("SELECT tenancy.enter(%s, %s)", [user, tenant])
            for pair in _PAIRS:
                turns = arguments.turns if pair.target > 1.05 else max(arguments.turns // 10, 50)
                protected, plain = _compare(connection, pair, params, turns)
                _print(pair.name, protected, plain, pair.target)
                if arguments.plans:
                    query = f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF) {pair.protected}".encode()
                    for (line,) in connection.execute(query, params):
                        print("   ", line)
            connection.rollback()
            _print("whole transaction", *_transactions(connection, params, user, tenant, arguments.turns), 1.0)
        with Proxy(server.dsn(user="bench_login")) as proxy, psycopg.connect(proxy.dsn) as connection:
            proxy.delay = 0.001
            turns = max(arguments.turns // 10, 50)
            _print("the same, 1 ms away", *_transactions(connection, params, user, tenant, turns), 1.0)


if __name__ == "__main__":
    main()
