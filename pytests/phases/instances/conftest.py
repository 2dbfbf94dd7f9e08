"""A platform with two organizations, people beside them, and models of each."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import psycopg
import pytest

from support.instances import Platform
from support.people import People


@pytest.fixture
def platform(people: People, admin: psycopg.Connection[tuple[Any, ...]]) -> Platform:
    """Return Acme and Globex with their models, a provider, and no instance yet."""
    users = {name: people.user(name) for name in ("ann", "abe", "max", "uma", "pat")}
    users["sam"] = people.user("sam", role="admin")
    acme = people.organization("Acme", owner=users["ann"], admin=users["abe"], manager=users["max"], user=users["uma"])
    globex = people.organization("Globex")
    provider, models = uuid4(), {"public": uuid4(), "acme": uuid4(), "globex": uuid4()}
    admin.execute("INSERT INTO public.providers (id, name) VALUES (%s, 'provider')", [provider])
    for name, owner in (("public", None), ("acme", acme.id), ("globex", globex.id)):
        admin.execute(
            "INSERT INTO public.models (id, name, model_id, organization_id, tech_activated_at, eco_activated_at)"
            " VALUES (%s, %s, 'm', %s, now(), now())",
            [models[name], name, owner],
        )
    return Platform(users, acme, globex, provider, models, admin)
