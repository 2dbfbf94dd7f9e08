"""A late page of the API takes no longer than the first one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest

from pg_tenancy.fastapi import things
from pg_tenancy.fastapi.answers import START
from support.database import Database
from support.people import Organization, People
from support.planner import pages_of
from support.server import Server

ROWS = 20_000


@pytest.fixture(scope="module")
def stocked(server: Server, template: str) -> Iterator[tuple[Database, Organization]]:
    """Return a database with an organization that has many instances and models, and the organization."""
    database = server.create(template)
    with database.connect(autocommit=True) as admin:
        people = People(admin)
        acme = people.organization("Acme", owner=people.user("ann"))
        admin.execute(
            "INSERT INTO public.providers (id, name) VALUES ('00000000-0000-0000-0000-000000000001', 'Cumulus')"
        )
        admin.execute(
            "INSERT INTO public.instances (organization_id, provider_id, status)"
            " SELECT %s, '00000000-0000-0000-0000-000000000001', 'ready' FROM generate_series(1, %s)",
            [acme.id, ROWS],
        )
        admin.execute(
            "INSERT INTO public.models (organization_id, name, model_id)"
            " SELECT %s, 'm' || n, 'acme/m' || n FROM generate_series(1, %s) AS n",
            [acme.id, ROWS],
        )
        admin.execute("VACUUM ANALYZE public.instances, public.models")
    yield database, acme
    server.drop(database.name)


@pytest.fixture
def database(stocked: tuple[Database, Organization]) -> Database:
    return stocked[0]


@pytest.mark.parametrize("plans", ["auto", "force_generic_plan", "force_custom_plan"])
@pytest.mark.parametrize("name", ["instances", "models"])
async def test_the_last_page_reads_as_much_as_the_first(
    name: str,
    plans: str,
    stocked: tuple[Database, Organization],
    as_app: Callable[..., Any],
    admin: psycopg.Connection[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []

    async def recorded(_ws: object, _kind: object, query: str, _values: object) -> list[object]:
        asked.append(query)
        return []

    monkeypatch.setattr(things, "rows_of", recorded)
    await getattr(things, name)(None, 100, None)
    query = re.sub(
        r"%\((\w+)\)s", lambda found: {"after": "$1", "limit": "$2", "status": "$3::text"}[found[1]], asked[0]
    )
    acme = stocked[1]
    last = _last(admin, name, acme)
    with as_app(acme.owner, acme) as connection:
        connection.execute(f"SET LOCAL plan_cache_mode = {plans}")
        connection.execute(f"PREPARE page (uuid, bigint{', text' if '$3' in query else ''}) AS {query}")
        more = ", NULL" if "$3" in query else ""
        first = [f"EXECUTE page ('{START}', 101{more})" for _ in range(7)]
        assert len(connection.execute(first[0]).fetchall()) == 101
        pages = [pages_of(connection, each) for each in first][-1]
        assert len(connection.execute(f"EXECUTE page ('{last}', 101{more})").fetchall()) == 100
        assert pages_of(connection, f"EXECUTE page ('{last}', 101{more})") <= pages + 20
    assert pages <= 400


def _last(admin: psycopg.Connection[Any], name: str, organization: Organization) -> UUID:
    """Return the id after which 100 rows are left."""
    query = f"SELECT id FROM public.{name} WHERE organization_id = %s ORDER BY id DESC OFFSET 100 LIMIT 1"  # noqa: S608
    ((found,),) = admin.execute(query.encode(), [organization.id]).fetchall()
    return UUID(str(found))
