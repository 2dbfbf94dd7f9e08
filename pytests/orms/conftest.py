"""Two tenants whose rows an ORM writes; each test checks that other tenants' rows stay the same."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import pytest

from support.own_tables import OWN_TABLES, make_own_tables
from support.server import Logins, Server
from support.two_tenants import TwoTenants, two_tenants

Ids = dict[str, dict[str, UUID]]
TABLES = (*OWN_TABLES, "public.instances", "public.models")


@pytest.fixture(scope="module")
def tenants(server: Server, template: str, logins: Logins) -> Iterator[TwoTenants]:
    """Return two tenants that the tests of a file share."""
    with two_tenants(server, template, logins) as tenants:
        yield tenants


@pytest.fixture(scope="module")
def ids(tenants: TwoTenants) -> Ids:
    """Return the ids of both tenants' rows, in the application's own tables and the platform's."""
    own = make_own_tables(tenants)
    return {side: own.get(side, {}) | tenants.rows[side] for side in ("own", "other", "platform")}


def _of_others(tenants: TwoTenants) -> dict[str, list[str]]:
    with tenants.admin() as admin:
        return {
            table: [
                row
                for (row,) in admin.execute(
                    f"SELECT t::text FROM {table} AS t WHERE workspace_id <> %s ORDER BY 1".encode(),  # noqa: S608
                    [tenants.acme.id],
                ).fetchall()
            ]
            for table in TABLES
        }


@pytest.fixture(autouse=True)
def _others_are_untouched(tenants: TwoTenants, ids: Ids) -> Iterator[None]:
    """Check that no write in Acme changes, adds or removes another tenant's row."""
    assert ids
    before = _of_others(tenants)
    yield
    assert _of_others(tenants) == before
