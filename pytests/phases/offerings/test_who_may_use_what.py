"""Access to offerings: visibility, access policy, plan, share, request and agreement."""

from __future__ import annotations

import json
from decimal import Decimal
from itertools import product
from typing import Any
from uuid import UUID

import psycopg
import pytest

from phases.offerings.conftest import Connection, Market
from support.two_tenants import refused

VISIBILITIES = ("public", "unlisted", "private")
POLICIES = ("free", "subscription_required", "request_required", "pay_per_token", "trial")
PLANS = ("free", "subscriber")
RIGHTS = ("nothing", "asked", "agreement", "ended", "used_up", "share", "paused", "revoked")


def expected(visibility: str, policy: str, plan: str, right: str) -> str:
    """Return the expected answer, computed in Python: a right, a reason, or unknown."""
    if right == "share":
        return "share"
    if right == "agreement":
        return "contract"
    if visibility == "private" and right in ("nothing", "asked", "revoked"):
        return "unknown"
    if visibility == "public":
        if policy in ("free", "pay_per_token", "trial"):
            return policy
        if policy == "subscription_required" and plan == "subscriber":
            return "subscription"
    if right in ("paused", "ended", "used_up", "asked"):
        return {
            "paused": "share_paused",
            "ended": "entitlement_ended",
            "used_up": "quota_exhausted",
            "asked": "request_pending",
        }[right]
    if visibility == "public" and policy == "subscription_required":
        return "subscription_required"
    return "request_required"


def prepare(market: Market, cases: list[tuple[str, str, str]]) -> dict[tuple[str, str, str], UUID]:
    """Create an offering for each case, with the consumer's right, in a transaction for each side."""
    with market.at("ann") as connection:
        ids = {
            case: connection.execute(
                "SELECT tenancy.publish_offering(%s, %s, 'n', 'public', %s, 0.2, trial_days => 7)",
                [market.model, code_of(case), case[1]],
            ).fetchone()[0]  # type: ignore[index]
            for case in cases
        }
        connection.execute(
            "SELECT tenancy.activate('offering', o.id, a.aspect) FROM unnest(%s) AS o (id),"
            " unnest('{tech,eco}'::text[]) AS a (aspect)",
            [list(ids.values())],
        )
        for case, offering in ids.items():
            if case[2] in ("share", "paused", "revoked"):
                share = connection.execute(
                    "SELECT tenancy.share_offering(%s, %s)", [offering, market.globex.id]
                ).fetchone()
                change = {"share": None, "paused": "pause_share", "revoked": "revoke_share"}[case[2]]
                if change is not None:
                    connection.execute(f"SELECT tenancy.{change}(%s)", share)
    asking = [ids[case] for case in cases if case[2] in ("asked", "agreement", "ended", "used_up")]
    with market.at("gus") as connection:
        connection.cursor().executemany("SELECT tenancy.request_access(%s)", [[offering] for offering in asking])
    with market.at("ann") as connection:
        connection.execute(
            "SELECT tenancy.approve_access(r.id, quota_tokens => 1000) FROM tenancy.access_requests AS r"
            " WHERE r.offering_id = ANY(%s)",
            [[offering for case, offering in ids.items() if case[2] in ("agreement", "ended", "used_up")]],
        )
        connection.cursor().executemany(
            "SELECT tenancy.update_offering(%s, visibility => %s)", [[ids[case], case[0]] for case in cases]
        )
    market.admin.execute(
        "UPDATE tenancy.entitlements SET starts_at = now() - interval '2 h', ends_at = now() - interval '1 h'"
        " WHERE offering_id = ANY(%s)",
        [[offering for case, offering in ids.items() if case[2] == "ended"]],
    )
    market.admin.execute(
        "UPDATE tenancy.entitlements SET used_tokens = 1000 WHERE offering_id = ANY(%s)",
        [[offering for case, offering in ids.items() if case[2] == "used_up"]],
    )
    return ids


def code_of(case: tuple[str, str, str]) -> str:
    return "-".join(case).replace("_", "-")


@pytest.mark.parametrize("plan", PLANS)
def test_table(market: Market, plan: str) -> None:
    """120 cases for each plan, each asked by resolving, authorizing and recording."""
    cases = list(product(VISIBILITIES, POLICIES, RIGHTS))
    ids = prepare(market, cases)
    market.admin.execute("UPDATE tenancy.workspaces SET plan = %s WHERE id = %s", [plan, market.globex.id])
    wrong = []
    with market.at("uma") as connection:
        for case in cases:
            want, found = (
                expected(case[0], case[1], plan, case[2]),
                asked(connection, f"acme/{code_of(case)}", ids[case]),
            )
            if found != [want] * 4:
                wrong.append((*case, want, found))
    assert not wrong


def asked(connection: Connection, name: str, offering: UUID) -> list[str]:
    """Resolve by name and by id, authorize and record; all four must agree."""
    resolve = "SELECT CASE WHEN is_allowed THEN access ELSE reason END FROM tenancy.resolve_offering(%s)"
    answers = []
    for statement, values in (
        (resolve, [name]),
        (resolve, [str(offering)]),
        ("SELECT tenancy.authorize_usage(%s, 10)", [offering]),
        ("SELECT usage_id FROM tenancy.record_usage('r', %s, 5, 5)", [offering]),
    ):
        connection.execute("SAVEPOINT asking")
        try:
            row = connection.execute(statement, values).fetchone()
            if statement != resolve:
                row = connection.execute(resolve, [name]).fetchone()
            answers.append(str(row and row[0]))
        except psycopg.Error as error:
            refusal = str(error.diag.constraint_name)
            answers.append("unknown" if refusal == "offering_not_found" else refusal)
        connection.execute("ROLLBACK TO asking")
    return answers


def test_own_offerings_cost_nothing(market: Market) -> None:
    offering = market.publish("own", visibility="private")
    assert market.call("max", "resolve_offering", "acme/own")[5:8] == (True, None, "own")
    _, _, amount, charged, *_ = market.call("max", "record_usage", "r1", offering, 10, 10)
    assert (amount, charged, market.problems()) == (0, 0, [])
    assert market.left()[:3] == (1, 1, 1)


@pytest.mark.parametrize("state", ["inactive", "no price", "deleted provider"])
def test_what_is_not_offered_now(market: Market, state: str) -> None:
    offering = market.publish(
        "bot", None if state == "no price" else "1", visibility="public", access_policy="pay_per_token"
    )
    if state == "inactive":
        market.call("ann", "update_offering", offering, is_active=False)
    elif state == "deleted provider":
        with market.at("ann") as connection:
            connection.execute("SELECT tenancy.delete_organization()")
    names = {
        "inactive": "offering_inactive",
        "no price": "offering_price_missing",
        "deleted provider": "offering_not_found",
    }
    with refused("P0002" if state == "deleted provider" else "55000", names[state]):
        market.call("gus", "record_usage", "r1", offering, 10, 10)
    assert market.left() == (0, 0, 0, 0, 0)
    with market.at("gus") as connection:
        listed = connection.execute("SELECT id FROM tenancy.community_catalog()").fetchall()
    assert bool(listed) == (state == "no price")


@pytest.mark.parametrize("who", ["pat", "gus", "uma"])
def test_a_trial_ends_by_tokens_and_happens_once(market: Market, who: str) -> None:
    offering = market.publish("taste", visibility="public", access_policy="trial", trial_tokens=100)
    assert market.call(who, "record_usage", "r1", offering, 60, 20)[1:4] == (0, 0, 0)
    with refused("42501", "trial_ended"):
        market.call(who, "record_usage", "r2", offering, 20, 1)
    market.call(who, "record_usage", "r3", offering, 20, 0)
    with refused("42501", "trial_ended"):
        market.call(who, "authorize_usage", offering, 1)
    market.admin.execute("UPDATE tenancy.entitlements SET revoked_at = now()")
    with refused("42501", "trial_ended"):
        market.call(who, "record_usage", "r4", offering, 1, 0)
    assert (market.balance(who), market.problems()) == (Decimal(100), [])


def test_a_trial_ends_by_date(market: Market) -> None:
    offering = market.publish("taste", visibility="public", access_policy="trial", trial_days=2)
    market.call("gus", "record_usage", "r1", offering, 60, 20)
    market.admin.execute(
        "UPDATE tenancy.entitlements SET starts_at = now() - interval '3 d', ends_at = now() - interval '1 s'"
    )
    with refused("42501", "trial_ended"):
        market.call("gus", "record_usage", "r2", offering, 1, 0)
    market.agree("gus", offering)
    assert (
        market.call("gus", "record_usage", "r2", offering, 1000, 0)[1]
        == market.call("gus", "resolve_offering", "acme/taste")[8]
    )


def test_pausing_and_revoking_in_the_middle(market: Market) -> None:
    offering = market.publish("bot", "1", visibility="private")
    pricing = json.dumps({"version": 1, "type": "per_1k_tokens", "eur_per_1k": 0.5})
    share = market.call("max", "share_offering", offering, market.globex.id, pricing)
    holds = [market.call("uma", "authorize_usage", offering, 10_000) for _ in range(2)]
    market.call("max", "pause_share", share)
    with refused("42501", "share_paused"):
        market.call("uma", "authorize_usage", offering, 10)
    with refused("42501", "share_paused"):
        market.call("uma", "record_usage", "r0", offering, 10, 10)
    assert market.call("uma", "record_usage", "r1", offering, 1000, 1000, hold=holds[0])[3] == 1
    market.call("max", "resume_share", share)
    market.call("max", "revoke_share", share)
    with refused("P0002", "offering_not_found"):
        market.call("uma", "authorize_usage", offering, 10)
    assert market.call("uma", "record_usage", "r2", offering, 2000, 1000, hold=holds[1])[3] == 1.5
    for function in ("pause_share", "resume_share", "revoke_share"):
        with refused("55000", "share_state_invalid"):
            market.call("max", function, share)
    assert (market.balance("uma"), market.balance("ann"), market.problems()) == (Decimal("97.5"), Decimal("2.5"), [])
    market.call("max", "share_offering", offering, market.globex.id)
    assert market.call("uma", "resolve_offering", "acme/bot")[8] == 1


def test_an_offering_is_used_once_it_is_activated_twice(market: Market) -> None:
    offering = market.publish("bot", "1", activated=False, visibility="public", access_policy="pay_per_token")
    given = []
    for who, aspect in ((None, None), ("abe", "tech"), ("max", "eco")):
        if who is not None:
            market.call(who, "activate", "offering", offering, aspect)
        given.append(market.call("uma", "resolve_offering", "acme/bot")[5:7])
        with market.at("uma") as connection:
            listed = connection.execute("SELECT count(*) FROM tenancy.community_catalog()").fetchone()
        assert listed == (int(given[-1][0]),)
    assert given == [(False, "not_operational"), (False, "not_operational"), (True, None)]
    hold = market.call("uma", "authorize_usage", offering, 1000)
    # Nobody keeps it alive by holding its row, and what was authorized before is still charged.
    with market.database.connect() as holder:
        holder.execute("SELECT FROM public.organization_models WHERE id = %s FOR NO KEY UPDATE", [offering])
        market.call("max", "deactivate", "offering", offering, "eco")
        for who in ("uma", "ann"):
            with pytest.raises(psycopg.Error, match="it lacks the economic activation") as caught:
                market.call(who, "authorize_usage", offering, 10)
            assert caught.value.diag.constraint_name == "not_operational"
        with refused("55000", "not_operational"), market.service() as connection:
            connection.execute("SELECT tenancy.record_usage_for(%s, 'r', %s, 10, 10)", [market.globex.id, offering])
    assert market.call("uma", "record_usage", "r1", offering, 1000, 0, hold=hold)[3] == 1
    assert (market.balance("ann"), market.problems()) == (Decimal(1), [])


def test_an_activation_tells_nothing_of_a_private_offering(market: Market) -> None:
    offering = market.publish("bot", "1", activated=False, visibility="private")
    for function, values in (("resolve_offering", ("acme/bot",)), ("authorize_usage", (offering, 10))):
        with refused("P0002", "offering_not_found"):
            market.call("uma", function, *values)
    for function in ("activate", "deactivate"):
        with refused("P0002", "offering_not_found"):
            market.call("gus", function, "offering", offering, "tech")
    with refused("P0002", "offering_not_found"):
        market.call("gus", "require_operational", "offering", offering)


@pytest.mark.parametrize(
    ("who", "function", "permission"),
    [
        ("max", "publish_offering", None),
        ("abe", "set_offering_price", "offerings.price"),
        ("abe", "share_offering", "offerings.share"),
        ("abe", "approve_access", "offerings.approve"),
        ("max", "update_offering", "offerings.update"),
        ("uma", "set_offering_price", "offerings.price"),
    ],
)
def test_permissions(market: Market, who: str, function: str, permission: str | None) -> None:
    offering = market.publish("bot", visibility="public")
    values: dict[str, list[Any]] = {
        "publish_offering": [market.model, "x", "X"],
        "set_offering_price": [offering, 1],
        "share_offering": [offering, market.globex.id],
        "approve_access": [market.call("gus", "request_access", offering)],
        "update_offering": [offering],
    }
    with refused("42501", "permission_denied"):
        market.call(who, function, *values[function])
