"""Users: with outdated statistics of small tables, no query reads a whole table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from support.database import Database
from support.people import Organization, People
from support.server import Server
from support.users import one

Connection = psycopg.Connection[tuple[Any, ...]]
AsApp = Callable[..., Any]


@pytest.fixture(scope="module")
def outgrown(server: Server, template: str) -> Iterator[tuple[str, Organization]]:
    """Return a database that has grown a lot since it was analyzed, and an organization with 100 members."""
    database = server.create(template)
    with database.connect(autocommit=True) as admin:
        people = People(admin)
        first = people.organization("First", owner=people.user("ann"))
        make = (
            "INSERT INTO public.users (id, email)"
            " SELECT gen_random_uuid(), n || '@example.com' FROM generate_series(%s::int, %s::int) AS n"
        )
        admin.execute(make, [1, 500])
        admin.execute(
            "INSERT INTO public.organization_memberships (organization_id, user_id)"
            " SELECT %s, id FROM public.users WHERE email ~ '^[0-9]' LIMIT 99",
            [first.id],
        )
        admin.execute("ANALYZE")
        admin.execute(make, [501, 20000])
        admin.execute(
            "INSERT INTO public.organizations (name, slug) SELECT n, 'o-' || n FROM generate_series(501, 1500) AS n"
        )
        admin.execute(
            "INSERT INTO public.organization_memberships (organization_id, user_id, role)"
            " SELECT o.id, u.id, 'owner' FROM public.organizations AS o JOIN public.users AS u"
            " ON u.email IN (o.name || '@example.com', o.name || '0@example.com')"
        )
        # So that autovacuum, which uses these counters, creates no newer statistics.
        admin.execute("SELECT pg_stat_force_next_flush()")
        admin.execute("SELECT pg_stat_reset()")
    yield database.name, first
    server.drop(database.name)


@pytest.fixture
def database(server: Server, outgrown: tuple[str, Organization]) -> Iterator[Database]:
    """Return a copy of the outgrown database for each test."""
    database = server.create(outgrown[0])
    yield database
    server.drop(database.name)


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("SELECT * FROM tenancy.members()", 100),
        ("SELECT * FROM tenancy.member(tenancy.current_user_id())", 1),
        ("SELECT id FROM public.users", 100),
        ("SELECT unnest(tenancy.visible_user_ids())", 100),
    ],
)
def test_old_statistics_make_nobody_read_a_whole_table(
    outgrown: tuple[str, Organization], as_app: AsApp, admin: Connection, query: str, rows: int
) -> None:
    first = outgrown[1]
    # The number of sequential scans in this transaction.
    admin.execute("GRANT EXECUTE ON FUNCTION pg_stat_get_xact_numscans(oid) TO PUBLIC")
    scans = (
        "SELECT sum(pg_stat_get_xact_numscans(oid)) FROM pg_class"
        " WHERE oid IN ('public.users'::regclass, 'public.organization_memberships'::regclass)"
    )
    with as_app(first.owner, first) as connection:
        before = one(connection, scans)
        for _ in range(8):
            assert len(connection.execute(query).fetchall()) == rows
        assert one(connection, scans) == before
