"""Listing the members of an organization in a table of a million users.

The times are the server's, from EXPLAIN ANALYZE, for planning and execution, as the
application's login in a workspace, and as the superuser, without row-level security and with
a join on the organization. The two take turns. They are measured with current statistics,
with those of a table of a thousand users, and with none.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg

from pg_tenancy.tools.embedded import EmbeddedServer
from pg_tenancy.tools.sqitch import Sqitch

Connection = psycopg.Connection[tuple[Any, ...]]

_LOGIN = "CREATE ROLE bench_login LOGIN IN ROLE tenancy_app"

# As a replica, without triggers and foreign keys, so that a million rows take seconds.
_USERS = """
SET session_replication_role = replica;
WITH made AS (
    INSERT INTO public.users (id, email, username, first_name, last_name, password_hash, created_at)
    SELECT
        gen_random_uuid(), 'user-' || n || '@example.com', 'user-' || n, 'First ' || n, 'Last ' || n, repeat('h', 60),
        now() - random() * interval '1000 days'
    FROM generate_series({first}, {last}) AS n
    RETURNING id, email
), homes AS (
    INSERT INTO tenancy.workspaces (id, kind, user_id, color)
    SELECT m.id, 'personal', m.id, '#1d4ed8' FROM made AS m
)
INSERT INTO tenancy_private.user_emails (email, user_id)
SELECT m.email, m.id FROM made AS m;
RESET session_replication_role;
"""
_ORGANIZATION = """
BEGIN;
INSERT INTO public.organizations (name, slug) VALUES ('Bench', 'bench');
INSERT INTO public.organization_memberships (organization_id, user_id, role)
SELECT o.id, u.id, CASE row_number() OVER (ORDER BY u.id) WHEN 1 THEN 'owner' ELSE 'user' END
FROM public.organizations AS o CROSS JOIN (SELECT id FROM public.users ORDER BY id LIMIT {members}) AS u
WHERE o.slug = 'bench';
COMMIT;
"""
# More organizations, so that the table of memberships is large too.
_OTHERS = """
SET session_replication_role = replica;
WITH made AS (
    INSERT INTO public.organizations (id, name, slug)
    SELECT gen_random_uuid(), 'Organization ' || n, 'organization-' || n FROM generate_series(1, {organizations}) AS n
    RETURNING id
), homes AS (
    INSERT INTO tenancy.workspaces (id, kind, organization_id, color)
    SELECT m.id, 'organization', m.id, '#1d4ed8' FROM made AS m
), numbered AS (
    SELECT m.id, row_number() OVER () AS number FROM made AS m
)
INSERT INTO public.organization_memberships (organization_id, user_id, role)
SELECT n.id, u.id, 'owner'
FROM (SELECT id, row_number() OVER () % {organizations} + 1 AS number FROM public.users LIMIT {organizations} * 20) AS u
INNER JOIN numbered AS n ON u.number = n.number;
RESET session_replication_role;
"""
_WITHOUT_STATISTICS = """
DELETE FROM pg_statistic WHERE starelid IN ('public.users'::regclass, 'public.organization_memberships'::regclass);
UPDATE pg_class SET reltuples = -1, relpages = 0 WHERE oid IN (
    SELECT 'public.users'::regclass UNION ALL SELECT 'public.organization_memberships'::regclass
    UNION ALL SELECT indexrelid FROM pg_index
    WHERE indrelid IN ('public.users'::regclass, 'public.organization_memberships'::regclass)
);
"""
_JOIN = (
    "SELECT u.id, u.email, u.username FROM public.users AS u"
    " INNER JOIN public.organization_memberships AS m ON u.id = m.user_id WHERE m.organization_id = $1"
)


@dataclass(frozen=True)
class Query:
    """A query of the application, and the same without row-level security."""

    name: str
    protected: str
    plain: str
    takes_id: bool = False


_QUERIES = (
    Query(
        "members()",
        "SELECT * FROM tenancy.members()",
        "SELECT u.id, u.email, u.username, u.first_name, u.last_name, m.role, m.created_at FROM public.users AS u"
        " INNER JOIN public.organization_memberships AS m ON u.id = m.user_id WHERE m.organization_id = $1"
        " ORDER BY m.created_at, m.user_id",
    ),
    Query("the user list", "SELECT id, email, username FROM public.users", _JOIN),
    Query(
        "the newest 20",
        "SELECT id, email, username FROM public.users ORDER BY created_at DESC LIMIT 20",
        f"{_JOIN} ORDER BY u.created_at DESC LIMIT 20",
    ),
    Query(
        "the first 20 by id",
        "SELECT id, email, username FROM public.users ORDER BY id LIMIT 20",
        f"{_JOIN} ORDER BY u.id LIMIT 20",
    ),
    Query(
        "one by id",
        "SELECT id, email, username FROM public.users WHERE id = $1",
        f"{_JOIN} AND u.id = $2",
        takes_id=True,
    ),
    Query(
        "a member by id",
        "SELECT user_id, email, username FROM tenancy.member($1)",
        f"{_JOIN} AND u.id = $2",
        takes_id=True,
    ),
    Query(
        "one by e-mail",
        "SELECT id, email, username FROM public.users WHERE email = 'user-7@example.com'",
        f"{_JOIN} AND u.email = 'user-7@example.com'",
    ),
)


def _prepare(connection: Connection, name: str, text: str, values: list[UUID]) -> str:
    connection.execute("DEALLOCATE ALL")
    types = f"({', '.join('uuid' for _ in values)})" if values else ""
    connection.execute(f"PREPARE {name}{types} AS {text}".encode())
    arguments = f"({', '.join(repr(str(value)) for value in values)})" if values else ""
    return f"EXECUTE {name}{arguments}"


def _server_time(connection: Connection, execute: str) -> float:
    """Return the milliseconds of planning and execution."""
    row = connection.execute(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {execute}".encode()).fetchone()
    assert row is not None
    (explained,) = row[0] if isinstance(row[0], list) else json.loads(row[0])
    return float(explained["Planning Time"]) + float(explained["Execution Time"])


def _measure(
    app: Connection, owner: Connection, query: Query, ids: tuple[UUID, UUID], turns: int
) -> tuple[float, float]:
    organization, user = ids
    protected = _prepare(app, "q", query.protected, [user] if query.takes_id else [])
    plain = _prepare(owner, "q", query.plain, [organization, user] if query.takes_id else [organization])
    for _ in range(10):  # from the sixth run on a prepared statement may have a generic plan
        app.execute(protected.encode()).fetchall()
    for _ in range(6):
        owner.execute(plain.encode()).fetchall()
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(turns):
        times[0].append(_server_time(app, protected))
        if len(times[1]) < 3 or times[1][-1] < 100:
            times[1].append(_server_time(owner, plain))
    return statistics.median(times[0]), statistics.median(times[1])


def _explain(connection: Connection, execute: str) -> None:
    for (line,) in connection.execute(f"EXPLAIN (ANALYZE, BUFFERS) {execute}".encode()):
        print("   ", line)


def main() -> None:
    """Measure, and print a table and the plans."""
    parser = argparse.ArgumentParser(prog="bench users", description=__doc__)
    parser.add_argument("--users", type=int, default=1_000_000, help="users in the table (default 1000000)")
    parser.add_argument("--members", type=int, default=200, help="members of the organization (default 200)")
    parser.add_argument("--turns", type=int, default=20, help="runs of each query (default 20)")
    parser.add_argument("--no-plans", action="store_true", help="print no plans")
    arguments = parser.parse_args()

    with EmbeddedServer(durable=False) as server:
        Sqitch(server.dsn(), isolated=True, program_directory=server.bin_dir).deploy()
        with psycopg.connect(server.dsn(), autocommit=True) as owner:
            owner.prepare_threshold = None
            for table in ("public.users", "public.organization_memberships", "tenancy.workspaces"):
                owner.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = false)".encode())
            owner.execute(_LOGIN)
            started = time.monotonic()
            owner.execute(_USERS.format(first=1, last=1000).encode())
            owner.execute(_ORGANIZATION.format(members=arguments.members).encode())
            owner.execute("ANALYZE")
            owner.execute(_USERS.format(first=1001, last=arguments.users).encode())
            owner.execute("UPDATE public.users SET role = 'admin' WHERE username = 'user-8'")
            owner.execute(_OTHERS.format(organizations=min(5000, arguments.users // 20)).encode())
            row = owner.execute(
                "SELECT m.organization_id, m.user_id FROM public.organization_memberships AS m"
                " INNER JOIN public.organizations AS o ON m.organization_id = o.id"
                " WHERE o.slug = 'bench' AND m.role = 'owner'"
            ).fetchone()
            assert row is not None
            organization, user = row
            print(
                f"PostgreSQL {server.version}, {arguments.users} users, an organization of {arguments.members};"
                f" loaded in {time.monotonic() - started:.0f} s; medians of {arguments.turns}"
            )
            print(f"{'server time':44}{'protected':>12}{'plain':>12}{'ratio':>8}")
            for kind, prepare in (
                ("old statistics", "SELECT 1"),
                ("no statistics", _WITHOUT_STATISTICS),
                ("VACUUM ANALYZE", "VACUUM ANALYZE"),
            ):
                owner.execute(prepare.encode())
                for mode in ("auto", "force_custom_plan", "force_generic_plan"):
                    _rows(server, owner, arguments.turns, kind, mode, (organization, user))
            if arguments.no_plans:
                return
            with psycopg.connect(server.dsn(user="bench_login")) as app:
                app.prepare_threshold = None
                app.execute("SELECT tenancy.enter(%s, %s)", [user, organization])
                for query in _QUERIES:
                    print(f"\n{query.name}, protected: {query.protected}")
                    _explain(app, _prepare(app, "q", query.protected, [user] if query.takes_id else []))
                    print(f"\n{query.name}, plain: {query.plain}")
                    values = [organization, user] if query.takes_id else [organization]
                    _explain(owner, _prepare(owner, "q", query.plain, values))
                app.rollback()


def _rows(server: EmbeddedServer, owner: Connection, turns: int, kind: str, mode: str, ids: tuple[UUID, UUID]) -> None:
    organization, user = ids
    # A new session, because functions keep their plans until it ends.
    with psycopg.connect(server.dsn(user="bench_login")) as app:
        app.prepare_threshold = None
        app.execute(f"SET plan_cache_mode = {mode}".encode())
        owner.execute(f"SET plan_cache_mode = {mode}".encode())
        app.execute("SELECT tenancy.enter(%s, %s)", [user, organization])
        for query in _QUERIES:
            protected, plain = _measure(app, owner, query, ids, turns)
            name = f"{query.name}, {kind}, {mode.removeprefix('force_').removesuffix('_plan')}"
            print(f"{name:44}{protected:9.2f} ms{plain:9.2f} ms{protected / plain:8.2f}")
        app.rollback()
        (staff,) = owner.execute("SELECT id FROM public.users WHERE username = 'user-8'").fetchone() or (None,)
        app.execute("SELECT tenancy.enter(%s)", [staff])
        for what, call in (
            ("a page of all", "SELECT * FROM tenancy.all_users()"),
            ("a later page", "SELECT * FROM tenancy.all_users(after_id => 'c0000000-0000-0000-0000-000000000000')"),
            ("all by e-mail", "SELECT * FROM tenancy.all_users('User-999@example.com')"),
        ):
            for _ in range(10):
                app.execute(call.encode()).fetchall()
            times = [_server_time(app, call) for _ in range(turns)]
            print(f"{f'{what}, {kind}':44}{statistics.median(times):9.2f} ms")


if __name__ == "__main__":
    main()
