"""A seal of one database opens no other: not a copy of it, and not what a dump of it restores.

A copy has the keys of its original, and so has a restored dump. So the tests make seals as somebody would who has
read them, for the very transaction, and with one thing at a time from the original.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from uuid import UUID

import pytest

from pg_tenancy.sqitch import libpq_environment
from support.contexts import context, names, set_context
from support.database import Database
from support.server import Logins, Server
from support.two_tenants import Connection, TwoTenants, refused


@dataclass(frozen=True)
class Secrets:
    """What the seal of a database is made from."""

    key_id: str
    inner_block: bytes
    outer_block: bytes
    incarnation: UUID
    file: str

    @classmethod
    def of(cls, database: Database) -> Secrets:
        """Read them as only a superuser can."""
        with database.connect() as admin:
            row = admin.execute(
                "SELECT k.id, k.inner_block, k.outer_block, i.id, pg_relation_filepath('tenancy_private.seal_keys')"
                " FROM tenancy_private.seal_keys AS k CROSS JOIN tenancy_private.incarnations AS i"
                " WHERE k.superseded_at IS NULL"
            ).fetchone()
        assert row is not None
        return cls(*row)

    def context_of(self, now: bytes, user: UUID, organization: UUID, facts: str) -> dict[str, str]:
        """Seal a context for a transaction that started then."""
        text = f"36/36/{user}{organization}{facts}/{self.file}"
        inner = hashlib.sha256(self.inner_block + now + self.incarnation.bytes + text.encode()).digest()
        return {
            "current_user_id": str(user),
            "current_organization_id": str(organization),
            "context": self.key_id + hashlib.sha256(self.outer_block + inner).hexdigest() + facts,
        }


@contextmanager
def _restored(tenants: TwoTenants) -> Iterator[Database]:
    original = tenants.database
    server = original.server
    restored = server.create()
    try:
        dump = subprocess.run(
            [server.program("pg_dump")],
            env={**os.environ, **libpq_environment(server.uri(original.name))},
            check=True,
            capture_output=True,
        ).stdout
        subprocess.run(
            [server.program("psql"), "-q", "-X", "-v", "ON_ERROR_STOP=1"],
            env={**os.environ, **libpq_environment(server.uri(restored.name))},
            input=dump,
            check=True,
            capture_output=True,
        )
        yield restored
    finally:
        server.drop(restored.name)


@pytest.fixture(scope="module", params=["a copy", "a restored dump"])
def other(request: pytest.FixtureRequest, server: Server, tenants: TwoTenants) -> Iterator[Database]:
    if request.param == "a restored dump":
        with _restored(tenants) as database:
            yield database
        return
    database = server.create(tenants.database.name)
    yield database
    server.drop(database.name)


def _now(connection: Connection) -> bytes:
    row = connection.execute("SELECT timestamptz_send(now())").fetchone()
    assert row is not None
    return bytes(row[0])


def test_the_seal_is_what_this_file_takes_it_for(tenants: TwoTenants, other: Database, logins: Logins) -> None:
    for database in (tenants.database, other):
        with database.connect(logins.app) as connection:
            forged = Secrets.of(database).context_of(
                _now(connection), tenants.outsider.id, tenants.globex.id, "1" * 200 + "/owner/"
            )
            set_context(connection, forged)
            assert names(connection) == ["Globex"]


def test_the_two_have_the_same_keys(tenants: TwoTenants, other: Database) -> None:
    # Otherwise what follows would prove nothing.
    here, there = Secrets.of(tenants.database), Secrets.of(other)
    assert (here.key_id, here.inner_block, here.outer_block) == (there.key_id, there.inner_block, there.outer_block)
    assert here.file != there.file


def test_a_seal_of_the_original_opens_nothing(
    tenants: TwoTenants, other: Database, login: str, request: pytest.FixtureRequest
) -> None:
    here, there = Secrets.of(tenants.database), Secrets.of(other)
    forgeries = {"all": here, "the file": replace(there, file=here.file)}
    if "dump" in request.node.callspec.params["other"]:
        assert here.incarnation != there.incarnation
        forgeries["the incarnation"] = replace(there, incarnation=here.incarnation)
    for name, secrets in forgeries.items():
        with other.connect(login) as connection:
            facts = "1" * 200 + "/owner/"
            set_context(connection, secrets.context_of(_now(connection), tenants.outsider.id, tenants.globex.id, facts))
            for table in ("public.organizations", "public.instances", "public.models", "tenancy.audit_log"):
                with refused("28000", "invalid_context"), connection.transaction():
                    connection.execute(f"SELECT count(*) FROM {table}".encode())  # noqa: S608
        assert name


def test_a_seal_of_the_other_opens_nothing_in_the_original(tenants: TwoTenants, other: Database, login: str) -> None:
    secrets = Secrets.of(other)
    with tenants.session(login) as connection:
        facts = "1" * 200 + "/owner/"
        set_context(connection, secrets.context_of(_now(connection), tenants.outsider.id, tenants.globex.id, facts))
        with refused("28000", "invalid_context"):
            names(connection)


def test_a_context_that_was_copied_from_the_one_is_refused_in_the_other(
    tenants: TwoTenants, other: Database, login: str
) -> None:
    with tenants.entered(login=login) as here, other.connect(login) as there:
        set_context(there, context(here))
        with refused("28000", "invalid_context"), there.transaction():
            names(there)
        # And there it works as ever.
        tenants.enter(there, tenants.outsider, tenants.globex)
        assert names(there) == ["Globex"]


def test_a_seal_of_another_instant_opens_nothing(tenants: TwoTenants, login: str) -> None:
    secrets = Secrets.of(tenants.database)
    with tenants.session(login) as connection:
        now = int.from_bytes(_now(connection), "big", signed=True)
        for other in (now - 1, now + 1, 0):
            forged = secrets.context_of(
                other.to_bytes(8, "big", signed=True), tenants.outsider.id, tenants.globex.id, "1" * 200 + "/owner/"
            )
            set_context(connection, forged)
            with refused("28000", "invalid_context"), connection.transaction():
                names(connection)
