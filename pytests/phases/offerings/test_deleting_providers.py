"""Deleting an organization with offerings keeps other workspaces' calls."""

from __future__ import annotations

from uuid import UUID

import pytest

from phases.offerings.conftest import Market


@pytest.mark.parametrize("way", ["DELETE", "purge"])
def test_calls_by_others_outlive_the_provider(market: Market, way: str) -> None:
    bot: UUID = market.publish("bot", "0.2", visibility="public", access_policy="pay_per_token")
    for who in ("uma", "max"):
        market.call(who, "record_usage", "r1", bot, 1000, 234)
    if way == "DELETE":
        with market.service() as service:
            service.execute("DELETE FROM public.organizations WHERE id = %s", [market.acme.id])
    else:
        market.call("ann", "delete_organization")
        with market.service() as service:
            service.execute("SELECT tenancy.purge_organization(%s)", [market.acme.id])
    kept = market.admin.execute(
        "SELECT workspace_id, total_tokens, organization_model_id, provider_organization_id FROM finops.inference_usage"
        " WHERE workspace_id = %s",
        [market.globex.id],
    ).fetchall()
    assert kept == [(market.globex.id, 1234, None, None)]
