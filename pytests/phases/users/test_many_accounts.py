"""Users: in a large table an organization's members are found by an index."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from support.database import Database
from support.people import Organization, People
from support.planner import pages_of
from support.server import Server

Connection = psycopg.Connection[tuple[Any, ...]]
AsApp = Callable[..., Any]


@pytest.fixture(scope="module")
def crowded(server: Server, template: str) -> Iterator[tuple[str, Organization, Organization]]:
    """Return a database with 20,000 users and two organizations, of 200 and of 5,000 members."""
    database = server.create(template)
    with database.connect(autocommit=True) as admin:
        people = People(admin)
        crowd = people.organization("Crowd", owner=people.user("crowd-owner"))
        throng = people.organization("Throng", owner=people.user("throng-owner"))
        admin.execute(
            "INSERT INTO public.users (id, email, username)"
            " SELECT gen_random_uuid(), 'u' || n || '@example.com', 'u' || n FROM generate_series(1, 20000) AS n"
        )
        admin.execute(
            "INSERT INTO public.organization_memberships (organization_id, user_id)"
            " SELECT %s, id FROM public.users WHERE username ~ '^u[0-9]+00$' ORDER BY id LIMIT 199",
            [crowd.id],
        )
        admin.execute(
            "INSERT INTO public.organization_memberships (organization_id, user_id)"
            " SELECT %s, id FROM public.users WHERE username ~ '^u' ORDER BY id LIMIT 4999",
            [throng.id],
        )
        # So that autovacuum, which uses these counters, creates no statistics.
        admin.execute("SELECT pg_stat_force_next_flush()")
        admin.execute("SELECT pg_stat_reset()")
    yield database.name, crowd, throng
    server.drop(database.name)


@pytest.fixture
def database(server: Server, crowded: tuple[str, Organization, Organization]) -> Iterator[Database]:
    """Return a copy of the crowded database for each test."""
    database = server.create(crowded[0])
    yield database
    server.drop(database.name)


@pytest.fixture
def crowd(crowded: tuple[str, Organization, Organization]) -> Organization:
    return crowded[1]


@pytest.fixture
def throng(crowded: tuple[str, Organization, Organization]) -> Organization:
    return crowded[2]


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
    assert any(n.get("Index Name") == "users_tenancy_pkey" for n in nodes)
    # For each member an index entry, a row and at most a descent of the index.
    assert root["Shared Hit Blocks"] + root["Shared Read Blocks"] <= 200 * 4 + 100


@pytest.mark.parametrize("statistics", ["ANALYZE", "SELECT 1"])
def test_members_reads_a_few_blocks_a_member(
    crowd: Organization, as_app: AsApp, admin: Connection, statistics: str
) -> None:
    admin.execute(statistics.encode())
    with as_app(crowd.owner, crowd) as connection:
        for _ in range(10):
            assert len(connection.execute("SELECT * FROM tenancy.members()", prepare=True).fetchall()) == 200
        assert pages_of(connection, "SELECT * FROM tenancy.members()") <= 200 * 5 + 100


@pytest.mark.parametrize("statistics", ["ANALYZE", "SELECT 1"])
@pytest.mark.parametrize("plans", ["auto", "force_generic_plan", "force_custom_plan"])
def test_a_member_by_id_takes_as_many_blocks_in_a_large_organization(
    crowd: Organization, throng: Organization, as_app: AsApp, admin: Connection, plans: str, statistics: str
) -> None:
    admin.execute(statistics.encode())
    blocks = []
    for organization in (crowd, throng):
        with as_app(organization.owner, organization) as connection:
            connection.execute(f"SET LOCAL plan_cache_mode = {plans}")
            query = "SELECT * FROM tenancy.member(tenancy.current_user_id())"
            for _ in range(10):
                assert len(connection.execute(query).fetchall()) == 1
            blocks.append(pages_of(connection, query))
    # The keys of both tables, and the verification of the context. An index scan may need one more page.
    assert max(blocks) <= 25, blocks
    assert abs(blocks[0] - blocks[1]) <= 2, blocks
