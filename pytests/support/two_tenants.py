"""Two tenants in one database, with a row of every kind on both sides.

Tests of isolation that only read or roll back share one of these.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import sql

from support.activation import activate_all
from support.database import Database, id_of
from support.people import Organization, People, User
from support.server import Logins, Server

__all__ = ["Connection", "Key", "TwoTenants", "base64url", "refused", "two_tenants"]

Connection = psycopg.Connection[tuple[Any, ...]]


def base64url(data: bytes) -> str:
    """Return the data as encoded in a JWT."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@dataclass(frozen=True)
class Key:
    """A key to sign tickets."""

    id: str
    secret: str = field(repr=False)

    def ticket(self, user: User | UUID, organization: Organization | UUID | None = None, **claims: Any) -> str:
        """Sign a ticket that is valid for a minute, or with other ``claims``; None omits a claim."""
        named = {"sub": str(id_of(user)), "exp": int(time.time()) + 60}
        if organization is not None:
            named["org"] = str(id_of(organization))
        return self.sign({name: value for name, value in (named | claims).items() if value is not None})

    def sign(self, claims: object, header: object = None) -> str:
        """Sign any claims with any header; bytes are used as they are."""
        header = {"alg": "HS256", "typ": "JWT", "kid": self.id} if header is None else header
        parts = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, claims)]
        message = ".".join(base64url(part) for part in parts)
        return f"{message}.{base64url(hmac.digest(self.secret.encode(), message.encode(), hashlib.sha256))}"


@contextmanager
def refused(sqlstate: str, constraint: str | None = None) -> Iterator[None]:
    """Expect an error of the database with this code and, if it has one, this name."""
    with pytest.raises(psycopg.Error) as raised:
        yield
    assert (raised.value.sqlstate, raised.value.diag.constraint_name) == (sqlstate, constraint), raised.value


@dataclass(frozen=True, eq=False)
class TwoTenants:
    """Acme with one member of each role, Globex with an owner, and people outside of them.

    ``nobody`` is a login without groups.
    """

    database: Database
    logins: Logins
    nobody: str
    acme: Organization
    globex: Organization
    members: dict[str, User]
    outsider: User
    person: User
    staff: User
    key: Key
    rows: dict[str, dict[str, UUID]] = field(repr=False)
    api_keys: dict[str, str] = field(repr=False)
    """Two keys that Acme's owner made: ``organization`` for Acme, ``personal`` without an organization."""
    tokens: dict[str, str] = field(repr=False)
    """The token of an invitation of each organization, for an admin."""

    @contextmanager
    def session(self, login: str, *, autocommit: bool = False) -> Iterator[Connection]:
        """Yield a connection whose open transaction is rolled back at the end."""
        connection = self.database.connect(login, autocommit=autocommit)
        try:
            yield connection
        finally:
            connection.close()

    @contextmanager
    def entered(
        self, user: User | None = None, organization: Organization | None = None, login: str | None = None
    ) -> Iterator[Connection]:
        """Yield a connection in a transaction in a workspace, by default Acme's as its owner.

        It is rolled back.
        """
        if user is None:
            user, organization = self.members["owner"], self.acme
        with self.session(login or self.logins.app) as connection:
            self.enter(connection, user, organization)
            yield connection

    def enter(self, connection: Connection, user: User, organization: Organization | None = None) -> None:
        """Enter a workspace in the way that the connection's login may use."""
        if connection.info.user == self.logins.credentialed:
            connection.execute("SELECT tenancy.enter_with_ticket(%s)", [self.key.ticket(user, organization)])
        else:
            connection.execute("SELECT tenancy.enter(%s, %s)", [user.id, id_of(organization)])

    def admin(self) -> Connection:
        """Open the superuser's connection, in autocommit; the caller closes it."""
        return self.database.connect(autocommit=True)


_MONEY = """
DO $$
BEGIN
    PERFORM tenancy.top_up('{payer}', 10, 'top-up');
    PERFORM tenancy.grant_credit('{payer}', 1, 'gift');
    PERFORM tenancy.set_spending_limit('{payer}', 10000);
    PERFORM tenancy.hold_amount('{payer}', 1, '1 day', 'open');
    PERFORM tenancy.charge('{payer}', '{payee}', 5, 'order', 'order');
    PERFORM tenancy.charge(
        '{payer}', '{payee}', {price}, 'order', 'more', hold => tenancy.hold_amount('{payer}', 1, '1 day', 'x')
    );
    PERFORM tenancy.top_up('{payer}', {price}, 'another');
END;
$$
"""


@contextmanager
def two_tenants(server: Server, template: str, logins: Logins) -> Iterator[TwoTenants]:
    """Create a database with two tenants for the duration of the block."""
    database = server.create(template)
    nobody = server.create_login(server.new_name("nobody"))
    try:
        with database.connect(autocommit=True) as connection:
            people = People(connection)
            members = {role: people.user(f"{role}-of-acme") for role in ("owner", "admin", "manager", "user")}
            outsider, person = people.user("outsider"), people.user("person")
            staff = people.user("staff", role="admin")
            acme = people.organization("Acme", **members)
            globex = people.organization("Globex", owner=outsider, user=people.user("user-of-globex"))
            rows = {
                "own": _rows_of_an_organization(connection, acme, members["owner"]),
                "other": _rows_of_an_organization(connection, globex, outsider),
                "platform": _rows_of_the_platform(connection),
            }
            rows |= {
                name: _rows_of_a_person(connection, user, rows["own"]["provider"])
                for name, user in {
                    "owner": members["owner"],
                    "person": person,
                    "staff": staff,
                    "outsider": outsider,
                }.items()
            }
            key = Key(*connection.execute("SELECT key_id, secret FROM tenancy.create_ticket_key()").fetchone() or ())
            tokens = {"own": "inv_" + "a" * 64, "other": "inv_" + "b" * 64}
            for side, organization in (("own", acme), ("other", globex)):
                rows[side]["invitation"] = uuid4()
                connection.execute(
                    "INSERT INTO tenancy.invitations"
                    " (id, organization_id, email, role, token_hash, invited_by_user_id, expires_at)"
                    " VALUES (%s, %s, %s, 'admin', sha256(convert_to(%s, 'UTF8')), %s, 'infinity')",
                    [
                        rows[side]["invitation"],
                        organization.id,
                        f"invited-by-{organization.slug}@example.com",
                        tokens[side],
                        organization.owner.id,
                    ],
                )
            for arguments in ("'theme', 'text'", "'signup', 'bool', 'global'", "'token', 'text', secret => true"):
                connection.execute(f"SELECT tenancy.define_setting({arguments})".encode())
            connection.execute(
                "INSERT INTO tenancy.settings (workspace_id, key, value)"
                " SELECT w.id, 'theme', '\"dark\"' FROM tenancy.workspaces AS w WHERE w.kind <> 'personal'"
            )
            # Rows in every table of money, in both organizations.
            for payer, payee, price in ((acme, globex, 100), (globex, acme, 1000)):
                connection.execute(_MONEY.format(payer=payer.id, payee=payee.id, price=price))
            connection.execute("SELECT tenancy.take_checkpoint()")
            # Offerings of each to the other, and their usage.
            activate_all(connection)
            for name, provider, consumer in (("own", acme, globex), ("other", globex, acme)):
                rows[name] |= _offerings_between(connection, rows[name]["offering"], provider, consumer)
            # Entries in every workspace's audit log, including the platform's.
            connection.execute("UPDATE tenancy.workspaces SET plan = 'subscriber'")
        api_keys = {
            "organization": _new_api_key(database, logins, members["owner"], acme),
            "personal": _new_api_key(database, logins, members["owner"]),
        }
        with database.connect(autocommit=True) as connection:
            activate_all(connection)
        yield TwoTenants(
            database, logins, nobody, acme, globex, members, outsider, person, staff, key, rows, api_keys, tokens
        )
    finally:
        server.drop(database.name)
        server.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(nobody)))


def _new_api_key(database: Database, logins: Logins, user: User, organization: Organization | None = None) -> str:
    with database.entered(logins.app, user, organization) as connection:
        (key,) = connection.execute("SELECT key FROM tenancy.create_api_key('of a program')").fetchone() or ("",)
    return str(key)


def _rows_of_an_organization(connection: Connection, organization: Organization, user: User) -> dict[str, UUID]:
    """Insert a row into every table of the platform, for one tenant; return their ids.

    ``spare_model`` is a model that nothing uses.
    """
    names = ("provider", "setting", "model", "spare_model", "instance", "api_key", "offering", "share", "usage")
    ids = {name: uuid4() for name in names}
    statements: list[tuple[str, list[Any]]] = [
        ("INSERT INTO public.providers (id, name) VALUES (%s, %s)", [ids["provider"], organization.name]),
        (
            "INSERT INTO public.provider_settings (id, provider_id, key, organization_id, value_int)"
            " VALUES (%s, %s, 'limit', %s, 1)",
            [ids["setting"], ids["provider"], organization.id],
        ),
        *(
            (
                "INSERT INTO public.models (id, organization_id, name, model_id) VALUES (%s, %s, %s, %s)",
                [ids[name], organization.id, f"{name} of {organization.name}", f"{organization.slug}/{name}"],
            )
            for name in ("model", "spare_model")
        ),
        (
            "INSERT INTO public.instances (id, organization_id, provider_id, model_id, status)"
            " VALUES (%s, %s, %s, %s, 'ready')",
            [ids["instance"], organization.id, ids["provider"], ids["model"]],
        ),
        (
            "INSERT INTO public.api_keys (id, user_id, organization_id, name, key_prefix, key_hash)"
            " VALUES (%s, %s, %s, 'key', %s, %s)",
            [ids["api_key"], user.id, organization.id, organization.slug, f"hash of {organization.slug}"],
        ),
        (
            "INSERT INTO public.organization_models (id, organization_id, model_id, name, code)"
            " VALUES (%s, %s, %s, 'offering', 'offering')",
            [ids["offering"], organization.id, ids["model"]],
        ),
        (
            "INSERT INTO public.organization_model_shares"
            " (id, provider_organization_id, consumer_organization_id, organization_model_id)"
            " VALUES (%s, %s, %s, %s)",
            [ids["share"], organization.id, organization.id, ids["offering"]],
        ),
        (
            "INSERT INTO finops.inference_usage (id, customer_id, api_key_id, model_id) VALUES (%s, %s, %s, %s)",
            [ids["usage"], user.id, ids["api_key"], ids["model"]],
        ),
        (
            "INSERT INTO finops.cost_actual_minute (bucket_minute, provider_id, instance_id, amount_eur)"
            " VALUES (date_trunc('minute', now()), %s, %s, 1)",
            [ids["provider"], ids["instance"]],
        ),
    ]
    for statement, values in statements:
        connection.execute(statement, values)
    return ids


def _offerings_between(
    connection: Connection, offering: UUID, provider: Organization, consumer: Organization
) -> dict[str, UUID]:
    """Insert a row into every table of offerings, for a provider and its consumer; return their ids.

    ``authorization`` is the provider's own, as a consumer.
    """
    ids = {name: uuid4() for name in ("request", "entitlement", "authorization", "call")}
    statements: list[tuple[str, list[Any]]] = [
        (
            "INSERT INTO tenancy.offering_prices (organization_id, offering_id, valid_from, number, eur_per_1k)"
            " VALUES (%s, %s, now() - interval '1 day', 1, 0.001)",
            [provider.id, offering],
        ),
        (
            "INSERT INTO tenancy.access_requests (organization_id, id, offering_id, consumer_id)"
            " VALUES (%s, %s, %s, %s)",
            [provider.id, ids["request"], offering, consumer.id],
        ),
        (
            "INSERT INTO tenancy.entitlements (organization_id, id, offering_id, consumer_id, kind, starts_at)"
            " VALUES (%s, %s, %s, %s, 'contract', now() - interval '1 day')",
            [provider.id, ids["entitlement"], offering, consumer.id],
        ),
        ("INSERT INTO tenancy.catalog_preferences VALUES (%s, true, true, true)", [provider.id]),
        (
            "INSERT INTO tenancy.usage_authorizations (workspace_id, id, provider_id, offering_id, access, eur_per_1k,"
            " max_tokens, expires_at) VALUES (%s, %s, %s, %s, 'own', 0, 10, now() + interval '1 hour')",
            [provider.id, ids["authorization"], provider.id, offering],
        ),
    ]
    for statement, values in statements:
        connection.execute(statement, values)
    row = connection.execute(
        "SELECT usage_id FROM tenancy.record_usage_for(%s, 'call', %s, 500, 500)", [consumer.id, offering]
    ).fetchone()
    return ids | {"call": row[0]} if row else ids


def _rows_of_a_person(connection: Connection, user: User, provider: UUID) -> dict[str, UUID]:
    """Insert an instance and an API key into somebody's personal workspace; return their ids."""
    ids = {"instance": uuid4(), "api_key": uuid4()}
    connection.execute(
        "INSERT INTO public.instances (id, user_id, provider_id, status) VALUES (%s, %s, %s, 'ready')",
        [ids["instance"], user.id, provider],
    )
    connection.execute(
        "INSERT INTO public.api_keys (id, user_id, name, key_prefix, key_hash) VALUES (%s, %s, 'key', %s, %s)",
        [ids["api_key"], user.id, user.username, f"hash of {user.username}"],
    )
    connection.execute("INSERT INTO finops.inference_usage (api_key_id) VALUES (%s)", [ids["api_key"]])
    return ids


def _rows_of_the_platform(connection: Connection) -> dict[str, UUID]:
    """Insert two public models, one of them spare, and a legacy instance with costs."""
    ids = {"model": uuid4(), "spare_model": uuid4(), "instance": uuid4()}
    for name in ("model", "spare_model"):
        connection.execute(
            "INSERT INTO public.models (id, name, model_id) VALUES (%s, %s, %s)",
            [ids[name], f"public {name}", f"public/{name}"],
        )
    connection.execute(
        "INSERT INTO public.instances (id, provider_id, model_id, status)"
        " SELECT %s, p.id, %s, 'ready' FROM public.providers AS p LIMIT 1",
        [ids["instance"], ids["model"]],
    )
    connection.execute("INSERT INTO finops.inference_usage (instance_id) VALUES (%s)", [ids["instance"]])
    connection.execute(
        "INSERT INTO finops.cost_actual_minute (bucket_minute, provider_id, instance_id, amount_eur)"
        " SELECT date_trunc('minute', now()), i.provider_id, i.id, 1 FROM public.instances AS i WHERE i.id = %s",
        [ids["instance"]],
    )
    return ids
