"""Acme with a member of each role, and one new object of each kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from support.people import Organization, People, User


@dataclass(frozen=True)
class Acme:
    """An organization, its people by role, and the ids of its objects by kind."""

    organization: Organization
    people: dict[str, User]
    objects: dict[str, UUID]


@pytest.fixture
def acme(people: People, admin: psycopg.Connection[tuple[Any, ...]]) -> Acme:
    """Return Acme with an instance, a model and an API key without activations."""
    users = {role: people.user(role) for role in ("owner", "admin", "manager", "user")}
    organization = people.organization("Acme", **users)
    provider, objects = uuid4(), {kind: uuid4() for kind in ("instance", "model", "api_key")}
    admin.execute("INSERT INTO public.providers (id, name) VALUES (%s, 'provider')", [provider])
    admin.execute(
        "INSERT INTO public.instances (id, provider_id, organization_id, status) VALUES (%s, %s, %s, 'provisioning')",
        [objects["instance"], provider, organization.id],
    )
    admin.execute(
        "INSERT INTO public.models (id, name, model_id, organization_id) VALUES (%s, 'm', 'm', %s)",
        [objects["model"], organization.id],
    )
    admin.execute(
        "INSERT INTO public.api_keys (id, user_id, organization_id, name, key_prefix, key_hash)"
        " VALUES (%s, %s, %s, 'k', 'pgt_00000000', encode(sha256('pgt_00000000_secret'), 'hex'))",
        [objects["api_key"], users["owner"].id, organization.id],
    )
    return Acme(organization, users, objects)
