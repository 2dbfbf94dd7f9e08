"""Acme, Globex, a person, and their costs."""

# ruff: noqa: S608  (the statements are the tests' own)

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from support.database import PLATFORM, Database
from support.people import Organization, People, User
from support.server import Logins

Connection = psycopg.Connection[tuple[Any, ...]]


@dataclass
class Costs:
    """Two organizations, people, their instances and keys, and rows of costs."""

    users: dict[str, User]
    acme: Organization
    globex: Organization
    provider: UUID
    instances: dict[str, UUID]
    keys: dict[str, UUID]
    model: UUID
    offering: UUID
    admin: Connection
    random: random.Random = field(default_factory=lambda: random.Random(9))

    @property
    def workspaces(self) -> dict[str, UUID]:
        """Return the workspaces by name."""
        return {"acme": self.acme.id, "globex": self.globex.id, "pat": self.users["pat"].id, "platform": PLATFORM}

    def minutes(self, instance: str, start: datetime, count: int, step: int = 1) -> None:
        """Add costs of an instance for every minute, or every few minutes."""
        with self.admin.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO finops.cost_actual_minute (bucket_minute, provider_id, instance_id, amount_eur)"
                " VALUES (%s, %s, %s, %s)",
                [
                    (start + timedelta(minutes=i * step), self.provider, self.instances[instance], self.amount())
                    for i in range(count)
                ],
            )

    def call(self, at: datetime, **columns: Any) -> UUID:
        """Add a call of a model."""
        made = uuid4()
        values = {
            "id": made,
            "occurred_at": at,
            "charged_amount_eur": self.amount(),
            "input_tokens": 10,
            "output_tokens": 5,
            "total_tokens": 15,
            **columns,
        }
        self.admin.execute(
            f"INSERT INTO finops.inference_usage ({', '.join(values)}) VALUES ({', '.join(['%s'] * len(values))})",
            list(values.values()),
        )
        return made

    def amount(self) -> Decimal:
        """Return a price with many decimals."""
        return Decimal(self.random.randrange(1, 10**9)) / Decimal(10**8)

    def roll_up(self) -> int:
        """Let a service add up everything, and return the number of calls."""
        rounds = 0
        while self.admin.execute("SELECT finops.roll_up(50)").fetchone() != (0,):
            rounds += 1
        return rounds

    def rows(self, workspace: UUID, start: datetime, end: datetime) -> dict[str, Decimal]:
        """Return the sums of a workspace's rows, without our functions."""
        (instances, inference, earned) = self.admin.execute(
            "SELECT (SELECT coalesce(sum(amount_eur), 0) FROM finops.cost_actual_minute WHERE workspace_id = %(w)s"
            " AND instance_id IS NOT NULL AND bucket_minute >= %(a)s AND bucket_minute < %(z)s),"
            " (SELECT coalesce(sum(charged_amount_eur), 0) FROM finops.inference_usage"
            " WHERE workspace_id = %(w)s AND occurred_at >= %(a)s AND occurred_at < %(z)s),"
            " (SELECT coalesce(sum(charged_amount_eur), 0) FROM finops.inference_usage"
            " WHERE provider_organization_id = %(w)s AND occurred_at >= %(a)s AND occurred_at < %(z)s)",
            {"w": workspace, "a": start, "z": end},
        ).fetchone() or (None, None, None)
        return {"instances": instances, "inference": inference, "earned": earned}


@pytest.fixture
def costs(people: People, admin: Connection) -> Costs:
    """Return the two organizations and their objects, without costs."""
    users = {name: people.user(name) for name in ("ann", "abe", "max", "uma", "pat")}
    users["sam"] = people.user("sam", role="admin")
    acme = people.organization("Acme", owner=users["ann"], admin=users["abe"], manager=users["max"], user=users["uma"])
    globex = people.organization("Globex", owner=people.user("gus"))
    (provider,) = admin.execute("INSERT INTO public.providers (name) VALUES ('Cloud') RETURNING id").fetchone() or (
        None,
    )
    (model,) = admin.execute(
        "INSERT INTO public.models (name, model_id) VALUES ('Small', 'hub/small') RETURNING id"
    ).fetchone() or (None,)
    (offering,) = admin.execute(
        "INSERT INTO public.organization_models (organization_id, model_id, name, code)"
        " VALUES (%s, %s, 'Sales bot', 'sales-bot') RETURNING id",
        [acme.id, model],
    ).fetchone() or (None,)
    instances: dict[str, UUID] = {}
    keys: dict[str, UUID] = {}
    owned: tuple[tuple[str, str, UUID | None, str], ...] = (
        ("acme", "organization_id", acme.id, "1.25"),
        ("acme 2", "organization_id", acme.id, "0.5"),
        ("globex", "organization_id", globex.id, "7"),
        ("pat", "user_id", users["pat"].id, "3"),
        ("legacy", "user_id", None, "11"),
    )
    for name, column, owner, price in owned:
        instances[name] = uuid4()
        admin.execute(
            f"INSERT INTO public.instances (id, provider_id, status, gpu_profile, hourly_price_eur, {column})"
            " VALUES (%s, %s, 'ready', 'h100', %s, %s)",
            [instances[name], provider, price, owner],
        )
    for name, maker, organization in (("acme", "ann", acme.id), ("pat", "pat", None)):
        keys[name] = uuid4()
        admin.execute(
            "INSERT INTO public.api_keys (id, user_id, organization_id, name, key_prefix, key_hash)"
            " VALUES (%s, %s, %s, %s, %s, %s)",
            [keys[name], users[maker].id, organization, name, f"sk-{name}", f"hash of {name}"],
        )
    return Costs(users, acme, globex, provider, instances, keys, model, offering, admin)


@pytest.fixture
def spent(costs: Costs, request: pytest.FixtureRequest) -> Costs:
    """Return the same with two months of costs, up to now."""
    now = request.module.NOW
    for number, name in enumerate(costs.instances):
        costs.minutes(name, now - timedelta(days=60, minutes=17 * number), 150, step=577)
        costs.minutes(name, now - timedelta(hours=3), 180, step=1)
    for days in range(0, 60, 3):
        at = now - timedelta(days=days, minutes=days * 7, seconds=13)
        costs.call(at, api_key_id=costs.keys["acme"], model_id=costs.model, instance_id=costs.instances["acme"])
        costs.call(at, api_key_id=costs.keys["pat"], model_id=costs.model)
        costs.call(
            at,
            consumer_organization_id=costs.globex.id,
            provider_organization_id=costs.acme.id,
            organization_model_id=costs.offering,
            model_id=costs.model,
        )
        costs.call(at, instance_id=costs.instances["legacy"])
    return costs


@pytest.fixture
def enter(database: Database, logins: Logins, costs: Costs) -> Any:
    """Return a function that enters a workspace as a person who may see its costs."""
    return lambda workspace, login=None: database.entered(
        login or logins.app,
        {
            "acme": costs.users["ann"],
            "globex": costs.globex.owner,
            "pat": costs.users["pat"],
            "platform": costs.users["sam"],
        }[workspace],
        {"acme": costs.acme, "globex": costs.globex, "pat": None, "platform": PLATFORM}[workspace],
    )
