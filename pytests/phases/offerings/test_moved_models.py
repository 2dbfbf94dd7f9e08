"""A model that becomes an organization's is offered by nobody else."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from phases.offerings.conftest import AsApp, Market
from support.racing import Session, attempt

MOVE = "UPDATE public.models SET organization_id = %s WHERE id = %s"
GIVE_BACK = (
    "UPDATE public.models SET organization_id = NULL, workspace_id = '00000000-0000-0000-0000-000000000000'"
    " WHERE id = %s"
)
PUBLISH = "SELECT tenancy.publish_offering(%s, %s, 'Sold', 'public', 'pay_per_token', 1)"


@pytest.fixture
def model(market: Market) -> UUID:
    """Return a public model."""
    model = uuid4()
    market.admin.execute("INSERT INTO public.models (id, name, model_id) VALUES (%s, 'Hub', 'hub')", [model])
    return model


def test_a_public_model_that_others_offer_stays_public(market: Market, model: UUID) -> None:
    offering = market.call("ann", "publish_offering", model, "sold", "Sold", "public", "pay_per_token", 1)
    with market.service() as service:
        assert attempt(service, MOVE, market.initech.id, model) == "model_in_use"
        assert attempt(service, "SELECT tenancy.assign('public.models', %s)", market.initech.id) == "model_in_use"
        service.execute("UPDATE public.organization_models SET model_id = %s WHERE id = %s", [market.model, offering])
        assert attempt(service, MOVE, market.initech.id, model) == "done"


def test_the_organization_that_offers_a_model_may_get_it_and_give_it_back(market: Market, model: UUID) -> None:
    market.call("ann", "publish_offering", model, "sold", "Sold", "public", "pay_per_token", 1)
    with market.service() as service:
        assert attempt(service, MOVE, market.acme.id, model) == "done"
        assert attempt(service, GIVE_BACK, model) == "done"
    owner = market.admin.execute("SELECT organization_id FROM public.models WHERE id = %s", [model]).fetchone()
    assert owner == (None,)


def test_a_model_that_is_being_moved_is_not_offered_meanwhile(market: Market, model: UUID, as_app: AsApp) -> None:
    with (
        as_app(market.users["ann"], market.acme) as connection,
        market.database.session(market.logins.service) as service,
    ):
        service.execute(MOVE, [market.initech.id, model])
        waiting = Session(connection, market.admin)
        waiting.start(lambda connection: connection.execute(PUBLISH, [model, "sold"]))
        service.commit()
        assert waiting.outcome() == "organization_models_model_id_fkey"
