"""Which offerings a workspace can find and resolve, and what is never revealed."""

from __future__ import annotations

from uuid import UUID, uuid4

import psycopg
import pytest

from phases.offerings.conftest import Market
from support.planner import pages_of
from support.two_tenants import refused

pytestmark = pytest.mark.shared_database


def listed(market: Market, who: str, function: str = "community_catalog") -> list[str]:
    with market.at(who) as connection:
        return [str(row[0]) for row in connection.execute(f"SELECT name FROM tenancy.{function}() ORDER BY 1")]  # noqa: S608


@pytest.fixture
def shop(market: Market) -> Market:
    for code, price, policy in (
        ("gift", None, "free"), ("zero", "0", "pay_per_token"), ("paid", "1", "pay_per_token"),
        ("contract", "1", "request_required"), ("plan", "1", "subscription_required"),
    ):  # fmt: skip
        market.publish(code, price, visibility="public", access_policy=policy)
    market.publish("unlisted", "1", visibility="unlisted", access_policy="free")
    market.publish("secret", "1", visibility="private", access_policy="free")
    market.publish("off", "1", visibility="public", access_policy="free")
    market.call("ann", "update_offering", market.offerings["off"], is_active=False)
    return market


@pytest.mark.parametrize(
    ("switches", "found"),
    [
        ({}, "contract gift paid plan zero"),
        ({"shows_contracts": False}, "gift paid plan zero"),
        ({"shows_paid": False}, "gift zero"),
        ({"shows_public": False}, ""),
    ],
)
def test_three_switches(shop: Market, switches: dict[str, bool], found: str) -> None:
    shop.call("gus", "set_catalog_preferences", **switches)
    assert listed(shop, "uma") == [f"acme/{code}" for code in found.split()]
    assert listed(shop, "pat") == [f"acme/{code}" for code in ["contract", "gift", "paid", "plan", "zero"]]
    with refused("42501", "permission_denied"):
        shop.call("uma", "set_catalog_preferences", shows_public=True)


def test_pages(shop: Market) -> None:
    with shop.at("uma") as connection:
        everything = connection.execute("SELECT id FROM tenancy.community_catalog()").fetchall()
        pages, last = [], None
        while page := connection.execute("SELECT id FROM tenancy.community_catalog(%s, 2)", [last]).fetchall():
            pages.extend(page)
            last = page[-1][0]
        assert pages == everything
        assert len(pages) == 5


def test_a_page_of_many_is_read_in_the_order_of_the_index(shop: Market) -> None:
    shop.admin.execute(
        "INSERT INTO public.organization_models"
        " (organization_id, model_id, name, code, visibility, access_policy, tech_activated_at, eco_activated_at)"
        " SELECT o.organization_id, o.model_id, 'many', 'many-' || n, 'public', 'free', now(), now()"
        " FROM public.organization_models AS o CROSS JOIN generate_series(1, 5000) AS n WHERE o.id = %s",
        [shop.offerings["gift"]],
    )
    shop.admin.execute("ANALYZE public.organization_models")
    with shop.at("uma") as connection:
        for after in ("NULL", "'80000000-0000-0000-0000-000000000000'"):
            page = f"SELECT * FROM tenancy.community_catalog({after}, 10)"  # noqa: S608
            pages_of(connection, page)
            assert pages_of(connection, page) < 600


def test_the_order_in_which_names_are_read(shop: Market) -> None:
    public = uuid4()
    shop.admin.execute("INSERT INTO public.models (id, name, model_id) VALUES (%s, 'm', 'acme/paid')", [public])
    assert shop.call("uma", "resolve_offering", "acme/paid")[:3] == ("model", None, public)
    assert shop.call("uma", "resolve_offering", str(public))[:3] == ("model", None, public)
    offering = shop.offerings["gift"]
    for name in ("acme/gift", str(offering), str(offering).upper()):
        assert shop.call("uma", "resolve_offering", name)[:5] == (
            "offering",
            offering,
            shop.model,
            shop.acme.id,
            "acme/gift",
        )
    for name in ("gift", "acme-bot", ""):
        with refused("55000", "organization_required"):
            shop.call("uma", "resolve_offering", name)


def test_unlisted_is_found_by_its_name_and_used_by_a_right(shop: Market) -> None:
    assert shop.call("uma", "resolve_offering", "acme/unlisted")[5:7] == (False, "request_required")
    shop.agree("gus", shop.offerings["unlisted"])
    assert shop.call("uma", "resolve_offering", "acme/unlisted")[5:8] == (True, None, "contract")


def told(market: Market, who: str, function: str, *values: object) -> tuple[object, ...]:
    """Return all parts of an error."""
    with pytest.raises(psycopg.Error) as caught:
        market.call(who, function, *values)
    said = caught.value.diag
    return (
        said.sqlstate, said.constraint_name, said.message_primary, said.message_detail, said.message_hint, said.context,
        said.table_name, said.column_name, said.schema_name,
    )  # fmt: skip


@pytest.mark.parametrize("who", ["uma", "gus", "ida", "pat"])
def test_nobody_learns_what_a_private_offering_is_called(shop: Market, who: str) -> None:
    secret = shop.offerings["secret"]
    # After a revoked share a workspace sees no more than others.
    share = shop.call("ann", "share_offering", secret, shop.globex.id)
    shop.call("ann", "revoke_share", share)
    assert told(shop, who, "resolve_offering", "acme/secret") == told(shop, who, "resolve_offering", "acme/nothing")
    assert told(shop, who, "resolve_offering", "acme/secret") == told(shop, who, "resolve_offering", "nobody/secret")
    for function, before, after in (
        ("resolve_offering", (), ()),
        ("request_access", (), ()),
        ("authorize_usage", (), (1,)),
        ("record_usage", ("r",), (1, 1)),
    ):
        asked = [
            told(shop, who, function, *before, str(i) if function == "resolve_offering" else i, *after)
            for i in (secret, uuid4())
        ]
        assert asked[0] == asked[1]
    assert "acme/secret" not in listed(shop, who) + listed(shop, who, "shared_offerings")
    with shop.at(who) as connection:
        for table in ("public.organization_models", "public.organization_model_shares", "tenancy.offering_prices"):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)  # noqa: S608


def test_an_offering_that_becomes_private_looks_deleted(market: Market) -> None:
    """Having requested, used or tried it does not reveal its current name."""
    paid = market.publish("paid", visibility="public", access_policy="pay_per_token")
    taste = market.publish("taste", visibility="public", access_policy="trial", trial_tokens=1000)
    market.call("gus", "request_access", paid)
    market.call("uma", "record_usage", "r1", paid, 1000, 0)
    market.call("uma", "record_usage", "r2", taste, 10, 0)
    places = (
        "SELECT name FROM tenancy.community_catalog()",
        "SELECT name FROM tenancy.shared_offerings()",
        "SELECT name FROM tenancy.access_requests()",
        "SELECT name FROM finops.costs_by(now() - interval '1 day', now() + interval '1 day', 'offering')",
    )

    def seen() -> list[set[str | None]]:
        with market.at("gus") as connection:
            return [{row[0] for row in connection.execute(place.encode())} for place in places]

    both = {"acme/paid", "acme/taste"}
    assert seen() == [both, {"acme/taste"}, {"acme/paid"}, both]
    for code, offering in (("codename", paid), ("other", taste)):
        market.call("ann", "update_offering", offering, code=code, visibility="private")
    assert seen() == [set(), set(), set(), {None}]
    for call in (("request_access", taste), ("authorize_usage", taste, 1), ("record_usage", "r3", taste, 1, 0)):
        assert told(market, "gus", *call)[1] == "offering_not_found"
    # Payments stay visible, and a repeated request returns the same.
    assert market.call("uma", "record_usage", "r1", paid, 1000, 0)[5] is True
    share = market.call("ann", "share_offering", paid, market.globex.id)
    assert seen()[1:3] == [{"acme/codename"}, {"acme/codename"}]
    market.call("ann", "revoke_share", share)
    assert seen()[1:3] == [set(), set()]


@pytest.mark.parametrize(
    "function", ["update_offering", "set_offering_price", "share_offering", "pause_share", "approve_access"]
)
def test_another_organizations_offerings_cannot_be_changed(shop: Market, function: str) -> None:
    offering = shop.offerings["paid"]
    share = shop.call("ann", "share_offering", offering, shop.globex.id)
    request = shop.call("pat", "request_access", offering)
    values: tuple[UUID | int, ...] = {
        "update_offering": (offering,),
        "set_offering_price": (offering, 1),
        "share_offering": (offering, shop.acme.id),
        "pause_share": (share,),
        "approve_access": (request,),
    }[function]
    mine = told(shop, "ida", function, *values)
    assert mine == told(shop, "ida", function, *([uuid4(), *values[1:]]))
    assert mine[0] == "P0002"


def test_what_is_shared_with_me(shop: Market) -> None:
    shop.call("ann", "share_offering", shop.offerings["secret"], shop.globex.id)
    shop.agree("gus", shop.offerings["contract"], quota_tokens=10)
    with shop.at("uma") as connection:
        rows = connection.execute(
            "SELECT name, right_kind, status, eur_per_1k, quota_tokens FROM tenancy.shared_offerings()"
        ).fetchall()
    assert rows == [("acme/contract", "contract", "active", 1, 10), ("acme/secret", "share", "active", 0, None)]
    assert listed(shop, "ida", "shared_offerings") == []


def test_a_request_is_asked_answered_and_shown_to_both(shop: Market) -> None:
    offering = shop.offerings["contract"]
    request = shop.call("uma", "request_access", offering, "please")
    with refused("23505", "already_requested"):
        shop.call("gus", "request_access", offering)
    columns = "direction, name, other_name, message, request_status, reason"
    with shop.at("max") as connection:
        received = connection.execute(f"SELECT {columns} FROM tenancy.access_requests()").fetchall()  # noqa: S608
    assert received == [("received", "acme/contract", "Globex", "please", "pending", None)]
    shop.call("max", "deny_access", request, "no")
    with refused("55000", "request_not_pending"):
        shop.call("max", "approve_access", request)
    with shop.at("uma") as connection:
        made = connection.execute(f"SELECT {columns} FROM tenancy.access_requests()").fetchall()  # noqa: S608
    assert made == [("made", "acme/contract", "Acme", "please", "denied", "no")]
    entitlement = shop.agree("gus", offering)
    with refused("23505", "access_granted"):
        shop.call("uma", "request_access", offering)
    shop.call("max", "revoke_entitlement", entitlement)
    assert shop.call("uma", "resolve_offering", "acme/contract")[6] == "request_required"


@pytest.mark.parametrize(
    "pricing",
    [
        '{"version":1,"type":"per_1k_tokens","eur_per_1k":-1}',
        '{"version":1,"type":"per_1k_tokens","eur_per_1k":"NaN"}',
        '{"version":2,"type":"per_1k_tokens","eur_per_1k":1}', '{"version":1,"type":"flat","eur_per_1k":1}',
        '{"version":1,"type":"per_1k_tokens","eur_per_1k":0.0000001}', '[]', '"x"',
        '{"version":1,"type":"per_1k_tokens","eur_per_1k":1,"discount":1}',
    ],
)  # fmt: skip
def test_pricing_that_is_refused(shop: Market, pricing: str) -> None:
    with refused("22023", "pricing_invalid"):
        shop.call("ann", "share_offering", shop.offerings["paid"], shop.globex.id, pricing)


@pytest.mark.parametrize("consumer", ["itself", "a person", "nobody", "deleted"])
def test_whom_an_offering_is_shared_with(shop: Market, consumer: str) -> None:
    if consumer == "deleted":
        with shop.at("ida") as connection:
            connection.execute("SELECT tenancy.delete_organization()")
    named = {"itself": shop.acme.id, "a person": shop.users["pat"].id, "nobody": uuid4(), "deleted": shop.initech.id}
    with refused("P0002", "consumer_not_found"):
        shop.call("ann", "share_offering", shop.offerings["paid"], named[consumer])


def test_one_share_at_a_time(shop: Market) -> None:
    share = shop.call("ann", "share_offering", shop.offerings["paid"], shop.globex.id)
    for change in ("pause_share", "resume_share"):
        with refused("23505", "already_shared"):
            shop.call("ann", "share_offering", shop.offerings["paid"], shop.globex.id)
        shop.call("ann", change, share)
    shop.call("ann", "revoke_share", share)
    shop.call("ann", "share_offering", shop.offerings["paid"], shop.globex.id)
    with pytest.raises(psycopg.errors.UniqueViolation), shop.service() as connection:
        connection.execute("UPDATE public.organization_model_shares SET status = 'active'")


@pytest.mark.parametrize("whose", ["globex", "nobody"])
def test_an_organization_offers_its_own_models_and_public_ones(shop: Market, whose: str) -> None:
    foreign = uuid4()
    if whose == "globex":
        shop.admin.execute(
            "INSERT INTO public.models (id, name, model_id, organization_id) VALUES (%s, 'g', 'g', %s)",
            [foreign, shop.globex.id],
        )
    with refused("P0002", "model_not_found"):
        shop.call("ann", "publish_offering", foreign, "x", "X")
    with shop.service() as connection, refused("23503", "organization_models_model_id_fkey"):
        connection.execute(
            "INSERT INTO public.organization_models (organization_id, model_id, name, code) VALUES (%s, %s, 'x', 'x')",
            [shop.acme.id, foreign],
        )
