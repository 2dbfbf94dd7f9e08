"""Activations, for tests of other subjects."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any
from uuid import UUID

import psycopg

from support.people import Organization

__all__ = ["activate", "activate_all"]


def activate(
    as_app: Callable[..., AbstractContextManager[psycopg.Connection[tuple[Any, ...]]]],
    organization: Organization,
    kind: str,
    object_id: UUID | str,
) -> None:
    """Activate an object twice as the organization's owner."""
    with as_app(organization.owner, organization) as connection:
        for aspect in ("tech", "eco"):
            connection.execute("SELECT tenancy.activate(%s, %s, %s)", [kind, object_id, aspect])


def activate_all(admin: psycopg.Connection[tuple[Any, ...]]) -> None:
    """Activate all objects of organizations twice, as the superuser."""
    for table in ("models", "instances", "api_keys", "organization_models"):
        admin.execute(
            f"UPDATE public.{table} SET tech_activated_at = now(), eco_activated_at = now() WHERE NOT is_operational"  # noqa: S608
        )
