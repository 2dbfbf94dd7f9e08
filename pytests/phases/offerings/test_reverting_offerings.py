"""Reverting and redeploying offerings in a database that had some before."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import psycopg
import pytest

from phases.offerings.conftest import Connection, Market
from support.database import Database
from support.platform import KEYLESS, ROWS
from support.replay import Replay
from support.scripts import ScriptError
from support.two_tenants import refused

BEFORE = "kernel/wallets_policies"
TABLES = (
    "tenancy.offering_prices", "tenancy.access_requests", "tenancy.entitlements", "tenancy.catalog_preferences",
    "tenancy.usage_authorizations", "tenancy.offering_usage",
)  # fmt: skip
OFFERING = "00000000-0000-0000-0007-00000000000a"


def rows(admin: Connection) -> dict[str, list[str]]:
    return {
        table: [str(row) for (row,) in admin.execute(f"SELECT t::text FROM {table} AS t ORDER BY 1")]  # noqa: S608
        for table in (
            *TABLES,
            "public.organization_models",
            "public.organization_model_shares",
            "finops.inference_usage",
        )
    }


def test_a_revert_loses_nothing(market: Market) -> None:
    offering = market.publish("bot", "0.2", visibility="public", access_policy="trial", trial_tokens=10)
    other = market.publish("other", "0.4", visibility="unlisted", access_policy="free")
    market.call("uma", "record_usage", "r1", offering, 5, 5)
    market.agree("gus", other, quota_tokens=1000)
    market.call("uma", "authorize_usage", other, 10)
    market.call("gus", "set_catalog_preferences", shows_paid=False)
    market.call("ann", "share_offering", other, market.initech.id)
    kept = rows(market.admin)
    Replay(market.database).revert(BEFORE)
    Replay(market.database).deploy()
    assert rows(market.admin) == kept
    assert all(kept[table] for table in TABLES)
    assert market.problems() == []
    assert market.call("uma", "record_usage", "r1", offering, 5, 5)[5] is True


def test_rows_deleted_meanwhile_stay_deleted(market: Market) -> None:
    offering = market.publish("bot", "0.2", visibility="public")
    market.agree("gus", offering)
    market.call("uma", "record_usage", "r1", offering, 5, 5)
    Replay(market.database).revert(BEFORE)
    market.admin.execute("DELETE FROM public.organization_models WHERE id = %s", [offering])
    Replay(market.database).deploy()
    left = {table: len(found) for table, found in rows(market.admin).items() if found}
    assert left == {"tenancy.offering_usage": 1, "finops.inference_usage": 1}


def test_offerings_from_before_are_adopted(state: Callable[..., Database]) -> None:
    database = state(KEYLESS + ROWS, BEFORE, owned=True)
    before = database.dump()
    Replay(database).deploy()
    with database.connect() as admin:
        found = admin.execute(
            "SELECT o.visibility, o.access_policy, a.is_allowed, a.reason FROM public.organization_models AS o,"
            " tenancy_private.offering_access('00000000-0000-0000-0001-00000000000b', o.id, now()) AS a"
        ).fetchall()
        assert found == [("private", "request_required", False, "price_missing")]
        admin.execute(
            """UPDATE public.organization_model_shares
            SET pricing = '{"version": 1, "type": "per_1k_tokens", "eur_per_1k": 0.2}'"""
        )
        found = admin.execute(
            "SELECT a.access, a.eur_per_1k FROM"
            " tenancy_private.offering_access('00000000-0000-0000-0001-00000000000b', %s, now()) AS a",
            [OFFERING],
        ).fetchall()
        assert found == [("share", Decimal("0.2"))]
        admin.rollback()
    Replay(database).revert(BEFORE)
    assert database.dump() == before


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        (
            "ALTER TABLE public.organization_models ADD COLUMN visibility text",
            "has the columns visibility, and pg-tenancy needs these names",
        ),
        (
            "INSERT INTO public.organization_models (id, organization_id, model_id, name, code)"
            " SELECT gen_random_uuid(), organization_id, model_id, name, code FROM public.organization_models",
            "1 code is that of more than one offering",
        ),
        (
            "INSERT INTO public.organization_model_shares (id, provider_organization_id, consumer_organization_id,"
            " organization_model_id, status) SELECT gen_random_uuid(), provider_organization_id,"
            " consumer_organization_id, organization_model_id, status FROM public.organization_model_shares",
            "1 offering is shared more than once",
        ),
    ],
)
def test_obstacles_are_named(state: Callable[..., Database], statement: str, message: str) -> None:
    database = state(KEYLESS + ROWS, BEFORE)
    with database.connect(autocommit=True) as admin:
        admin.execute(statement)
    with pytest.raises(ScriptError, match=message):
        Replay(database).deploy()


def test_the_old_application_goes_on(market: Market, logins: object) -> None:
    offering = market.publish("bot", "0.2", visibility="private")
    with market.database.connect(market.logins.old, autocommit=True) as old:
        old.execute(
            "INSERT INTO public.organization_models (organization_id, model_id, name, code)"
            " VALUES (%s, %s, 'n', 'old')",
            [market.acme.id, market.model],
        )
        old.execute(
            "INSERT INTO public.organization_model_shares (provider_organization_id, consumer_organization_id,"
            " organization_model_id, pricing, starts_at) VALUES (%s, %s, %s, %s, now())",
            [market.acme.id, market.globex.id, offering, '{"version":1,"type":"per_1k_tokens","eur_per_1k":0.1}'],
        )
        assert old.execute("SELECT count(*) FROM public.organization_models").fetchone() == (2,)
    assert market.call("uma", "resolve_offering", "acme/bot")[7:] == ("share", Decimal("0.1"))
    with refused("P0002", "offering_not_found"):
        market.call("uma", "resolve_offering", "acme/old")
    with pytest.raises(psycopg.errors.CheckViolation), market.service() as connection:
        connection.execute("UPDATE public.organization_models SET visibility = 'everybody'")
