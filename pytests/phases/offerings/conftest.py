"""A provider, two consumers with money, and other people."""

# ruff: noqa: S608  (the statements are the test's own)

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from support.database import Database
from support.people import Organization, People, User
from support.server import Logins

Connection = psycopg.Connection[tuple[Any, ...]]
AsApp = Callable[..., AbstractContextManager[Connection]]


@dataclass
class Market:
    """Acme is the provider, Globex and pat are consumers, Initech is neither."""

    database: Database
    logins: Logins
    admin: Connection
    as_app: AsApp
    users: dict[str, User]
    acme: Organization
    globex: Organization
    initech: Organization
    model: UUID
    offerings: dict[str, UUID] = field(default_factory=dict)

    @contextmanager
    def at(self, who: str) -> Iterator[Connection]:
        """Enter a person's workspace: ann and max Acme, gus and uma Globex, ida Initech, pat the personal one."""
        place = {"ann": self.acme, "max": self.acme, "abe": self.acme, "gus": self.globex, "uma": self.globex}
        place["ida"] = self.initech
        with self.as_app(self.users[who], place.get(who)) as connection:
            yield connection

    @contextmanager
    def service(self) -> Iterator[Connection]:
        """Give a connection of a service."""
        with self.database.session(self.logins.service, autocommit=True) as connection:
            yield connection

    def workspace(self, who: str) -> UUID:
        """Return the workspace that somebody works in."""
        return {"gus": self.globex.id, "uma": self.globex.id, "ida": self.initech.id, "pat": self.users["pat"].id}.get(
            who, self.acme.id
        )

    def call(self, who: str, function: str, *values: Any, **named: Any) -> Any:
        """Call a function of tenancy as a person in a transaction, and return its row or its value."""
        arguments = ", ".join(["%s"] * len(values) + [f"{name} => %s" for name in named])
        with self.at(who) as connection:
            row = connection.execute(
                f"SELECT * FROM tenancy.{function}({arguments})", [*values, *named.values()]
            ).fetchone()
        return row[0] if row is not None and len(row) == 1 else row

    def publish(self, code: str, price: str | None = "0.2", activated: bool = True, **more: Any) -> UUID:
        """Publish an offering as Acme's owner, with both activations by default."""
        self.offerings[code] = self.call(
            "ann", "publish_offering", self.model, code, code.title(), eur_per_1k=price and Decimal(price), **more
        )
        if activated:
            for aspect in ("tech", "eco"):
                self.call("ann", "activate", "offering", self.offerings[code], aspect)
        return self.offerings[code]

    def agree(self, who: str, offering: UUID, **terms: Any) -> UUID:
        """Request and approve access."""
        request = self.call(who, "request_access", offering)
        return self.call("ann", "approve_access", request, **terms)  # type: ignore[no-any-return]

    def balance(self, who: str) -> Decimal:
        """Return a workspace's balance."""
        row = self.admin.execute(
            "SELECT balance FROM tenancy.wallets WHERE workspace_id = %s", [self.workspace(who)]
        ).fetchone()
        return Decimal(row[0]) if row else Decimal(0)

    def problems(self) -> list[tuple[Any, ...]]:
        """Return the differences between ledger, calls and FinOps."""
        with self.service() as connection:
            return [
                *connection.execute("SELECT * FROM tenancy.reconcile()").fetchall(),
                *connection.execute("SELECT * FROM tenancy.reconcile_usage()").fetchall(),
            ]

    def left(self) -> tuple[int, ...]:
        """Count the rows that calls create."""
        row = self.admin.execute(
            "SELECT (SELECT count(*) FROM tenancy.offering_usage), (SELECT count(*) FROM finops.inference_usage),"
            " (SELECT count(*) FROM tenancy.transfers WHERE kind = 'usage'),"
            " (SELECT count(*) FROM tenancy.entitlements WHERE kind = 'trial'),"
            " (SELECT count(*) FROM tenancy.usage_authorizations)"
        ).fetchone()
        assert row is not None
        return row


@pytest.fixture
def market(database: Database, logins: Logins, people: People, admin: Connection, as_app: AsApp) -> Market:
    """Yield a market without offerings."""
    users = {name: people.user(name) for name in ("ann", "abe", "max", "gus", "uma", "ida", "pat")}
    acme = people.organization("Acme", owner=users["ann"], admin=users["abe"], manager=users["max"])
    globex = people.organization("Globex", owner=users["gus"], user=users["uma"])
    initech = people.organization("Initech", owner=users["ida"])
    model = uuid4()
    admin.execute(
        "INSERT INTO public.models (id, name, model_id, organization_id) VALUES (%s, 'Bot', 'acme-bot', %s)",
        [model, acme.id],
    )
    market = Market(database, logins, admin, as_app, users, acme, globex, initech, model)
    with market.service() as connection:
        for consumer in (globex.id, users["pat"].id):
            connection.execute("SELECT tenancy.top_up(%s, 100, 'opening')", [consumer])
    return market
