"""Users: in a large table an organization's members are found by an index."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from support.database import Database
from support.people import Organization, People
from support.users import one

Connection = psycopg.Connection[tuple[Any, ...]]
AsApp = Callable[..., Any]


@pytest.fixture
def crowd(database: Database, people: People, admin: Connection) -> Organization:
    """Make 20,000 users, of whom 200 are members of an organization."""
    organization = people.organization("Crowd", owner=people.user("crowd-owner"))
    admin.execute(
        "INSERT INTO public.users (id, email, username)"
        " SELECT gen_random_uuid(), 'u' || n || '@example.com', 'u' || n FROM generate_series(1, 20000) AS n"
    )
    admin.execute(
        "INSERT INTO public.organization_memberships (organization_id, user_id)"
        " SELECT %s, id FROM public.users WHERE username ~ '^u[0-9]+00$' ORDER BY id LIMIT 199",
        [organization.id],
    )
    return organization


def _scans(node: dict[str, Any]) -> list[dict[str, Any]]:
    below = [scan for child in node.get("Plans", []) for scan in _scans(child)]
    return [node, *below]


@pytest.mark.parametrize("statistics", ["ANALYZE", "ANALYZE public.users", "SELECT 1"])
@pytest.mark.parametrize("plans", ["auto", "force_generic_plan", "force_custom_plan"])
@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("SELECT id, email, username FROM public.users", 200),
        ("SELECT id, email, username FROM public.users ORDER BY created_at DESC LIMIT 20", 20),
        ("SELECT id, email, username FROM public.users ORDER BY id LIMIT 20", 20),
        ("SELECT id, email, username FROM public.users WHERE username = 'u100'", None),
    ],
)
def test_the_members_are_found_by_the_primary_key(
    crowd: Organization, as_app: AsApp, admin: Connection, query: str, rows: int | None, plans: str, statistics: str
) -> None:
    admin.execute(statistics.encode())
    with as_app(crowd.owner, crowd) as connection:
        connection.execute(f"SET LOCAL plan_cache_mode = {plans}")
        connection.execute(query)
        if rows is not None:
            assert len(connection.execute(query).fetchall()) == rows
        ((explained,),) = connection.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {query}").fetchall()
    root = explained[0]["Plan"]
    nodes = _scans(root)
    assert not [n for n in nodes if n["Node Type"] == "Seq Scan"]
    assert any(n.get("Index Name") == "users_pkey" for n in nodes)
    # An index entry, a row and, at the most, the way down the index for each member.
    assert root["Shared Hit Blocks"] + root["Shared Read Blocks"] <= 200 * 4 + 100


@pytest.mark.parametrize("statistics", ["ANALYZE", "SELECT 1"])
def test_members_reads_a_few_blocks_a_member(
    crowd: Organization, as_app: AsApp, admin: Connection, statistics: str
) -> None:
    admin.execute(statistics.encode())
    with as_app(crowd.owner, crowd) as connection:
        for _ in range(10):
            assert len(connection.execute("SELECT * FROM tenancy.members()", prepare=True).fetchall()) == 200
        ((explained,),) = connection.execute(
            "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT * FROM tenancy.members()"
        ).fetchall()
    root = explained[0]["Plan"]
    assert root["Shared Hit Blocks"] + root["Shared Read Blocks"] <= 200 * 5 + 100


@pytest.mark.parametrize(
    "query",
    ["SELECT * FROM tenancy.members()", "SELECT id FROM public.users", "SELECT unnest(tenancy.visible_user_ids())"],
)
def test_old_statistics_make_nobody_read_a_whole_table(
    people: People, as_app: AsApp, admin: Connection, query: str
) -> None:
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
    # How many scans of whole tables there were in this transaction.
    admin.execute("GRANT EXECUTE ON FUNCTION pg_stat_get_xact_numscans(oid) TO PUBLIC")
    scans = (
        "SELECT sum(pg_stat_get_xact_numscans(oid)) FROM pg_class"
        " WHERE oid IN ('public.users'::regclass, 'public.organization_memberships'::regclass)"
    )
    with as_app(first.owner, first) as connection:
        before = one(connection, scans)
        for _ in range(8):
            assert len(connection.execute(query).fetchall()) == 100
        assert one(connection, scans) == before
