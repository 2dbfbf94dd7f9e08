"""A database's seal is not valid in another database, nor in a copy or a restored dump.

A copy has its original's keys in another file; a dump has none, and a restored database has new ones. So the tests
compute seals for a transaction with knowledge of all secrets, taking one part at a time from the original.
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

from pg_tenancy.tools.sqitch import libpq_environment
from support.contexts import context, names, set_context
from support.database import Database
from support.server import Logins, Server
from support.two_tenants import Connection, TwoTenants, refused


@dataclass(frozen=True)
class Secrets:
    """The inputs of a database's seal."""

    key_id: str
    inner_block: bytes
    outer_block: bytes
    file: str

    @classmethod
    def of(cls, database: Database) -> Secrets:
        """Read them as only a superuser can."""
        with database.connect() as admin:
            row = admin.execute(
                "SELECT k.id, k.inner_block, k.outer_block, pg_relation_filepath('tenancy_private.seal_keys')"
                " FROM tenancy_private.seal_keys AS k WHERE k.superseded_at IS NULL"
            ).fetchone()
        assert row is not None
        return cls(*row)

    def context_of(self, now: bytes, user: UUID, organization: UUID, facts: str) -> dict[str, str]:
        """Seal a context for a transaction that started then."""
        text = f"36/36/{user}{organization}{facts}/{self.file}"
        inner = hashlib.sha256(self.inner_block + now + text.encode()).digest()
        return {
            "current_user_id": str(user),
            "current_organization_id": str(organization),
            "context": self.key_id + hashlib.sha256(self.outer_block + inner).hexdigest() + facts,
        }


@pytest.fixture(scope="module")
def dump(tenants: TwoTenants) -> bytes:
    original = tenants.database
    with original.connect() as admin:
        # With an older key besides the current one, and with statistics of both.
        admin.execute("SELECT tenancy.rotate_seal_key()")
        admin.execute("ANALYZE")
    return subprocess.run(
        [original.server.program("pg_dump")],
        env={**os.environ, **libpq_environment(original.server.uri(original.name))},
        check=True,
        capture_output=True,
    ).stdout


@contextmanager
def _restored(server: Server, dump: bytes) -> Iterator[Database]:
    restored = server.create()
    try:
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
def other(request: pytest.FixtureRequest, server: Server, tenants: TwoTenants, dump: bytes) -> Iterator[Database]:
    if request.param == "a restored dump":
        with _restored(server, dump) as database:
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
                _now(connection), tenants.outsider.id, tenants.globex.id, "1" * 200 + "_owner_"
            )
            set_context(connection, forged)
            assert names(connection) == ["Globex"]


def test_a_copy_has_the_keys_and_a_restored_dump_has_others(
    tenants: TwoTenants, other: Database, request: pytest.FixtureRequest
) -> None:
    # Otherwise the following would prove nothing.
    here, there = Secrets.of(tenants.database), Secrets.of(other)
    assert here.key_id == there.key_id
    assert here.file != there.file
    is_copy = request.node.callspec.params["other"] == "a copy"
    assert (here.inner_block == there.inner_block) is is_copy
    assert (here.outer_block == there.outer_block) is is_copy


_KEYS = """
SELECT k.inner_block FROM tenancy_private.seal_keys AS k
UNION ALL
SELECT k.outer_block FROM tenancy_private.seal_keys AS k
UNION ALL
SELECT k.block FROM tenancy_private.email_lock_keys AS k
"""


def test_a_dump_has_the_ids_of_the_keys_and_no_key(tenants: TwoTenants, dump: bytes) -> None:
    with tenants.admin() as admin:
        ids = [key for (key,) in admin.execute("SELECT id FROM tenancy_private.seal_keys").fetchall()]
        keys = [bytes(key) for (key,) in admin.execute(_KEYS).fetchall()]
    assert len(ids) > 1
    assert all(key.encode() in dump for key in ids)
    assert len(keys) == len({*keys}) == 2 * len(ids) + 1
    for key in keys:
        assert len(key) == 64
        # Neither as text, nor half of it.
        for half in (key[:32], key[32:]):
            assert half.hex().encode() not in dump


def test_no_statistics_are_gathered_of_keys(tenants: TwoTenants, dump: bytes) -> None:
    # A dump with statistics contains column values.
    assert dump
    with tenants.admin() as admin:
        assert (
            admin.execute(
                "SELECT s.starelid::regclass::text, s.staattnum FROM pg_statistic AS s"
                " INNER JOIN pg_attribute AS a ON s.starelid = a.attrelid AND s.staattnum = a.attnum"
                " WHERE a.attname LIKE '%block' AND s.starelid IN ("
                "'tenancy_private.seal_keys'::regclass, 'tenancy_private.email_lock_keys'::regclass)"
            ).fetchall()
            == []
        )
        # It has values that are not secret.
        assert admin.execute(
            "SELECT count(*) > 0 FROM pg_statistic WHERE starelid = 'tenancy_private.seal_keys'::regclass"
        ).fetchone() == (True,)


def test_a_key_stays_what_it_was_made_as(tenants: TwoTenants) -> None:
    # A generated column is computed again when its source column is written.
    with tenants.admin() as admin:
        before = admin.execute("SELECT to_jsonb(k) - 'valid_until' FROM tenancy_private.seal_keys AS k").fetchall()
        admin.execute("UPDATE tenancy_private.seal_keys SET valid_until = valid_until")
        admin.execute("VACUUM FULL tenancy_private.seal_keys")
        after = admin.execute("SELECT to_jsonb(k) - 'valid_until' FROM tenancy_private.seal_keys AS k").fetchall()
    assert sorted(map(str, after)) == sorted(map(str, before))


def test_a_seal_of_the_original_opens_nothing(tenants: TwoTenants, other: Database, login: str) -> None:
    here, there = Secrets.of(tenants.database), Secrets.of(other)
    forgeries = {"all": here, "the file": replace(there, file=here.file)}
    if here.inner_block != there.inner_block:
        forgeries["the inner key"] = replace(there, inner_block=here.inner_block)
        forgeries["the outer key"] = replace(there, outer_block=here.outer_block)
    for name, secrets in forgeries.items():
        with other.connect(login) as connection:
            facts = "1" * 200 + "_owner_"
            set_context(connection, secrets.context_of(_now(connection), tenants.outsider.id, tenants.globex.id, facts))
            for table in ("public.organizations", "public.instances", "public.models", "tenancy.audit_log"):
                with refused("28000", "invalid_context"), connection.transaction():
                    connection.execute(f"SELECT count(*) FROM {table}".encode())  # noqa: S608
        assert name


def test_a_seal_of_the_other_opens_nothing_in_the_original(tenants: TwoTenants, other: Database, login: str) -> None:
    secrets = Secrets.of(other)
    with tenants.session(login) as connection:
        facts = "1" * 200 + "_owner_"
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
        # In its own database it still works.
        tenants.enter(there, tenants.outsider, tenants.globex)
        assert names(there) == ["Globex"]


def test_a_seal_of_another_instant_opens_nothing(tenants: TwoTenants, login: str) -> None:
    secrets = Secrets.of(tenants.database)
    with tenants.session(login) as connection:
        now = int.from_bytes(_now(connection), "big", signed=True)
        for other in (now - 1, now + 1, 0):
            forged = secrets.context_of(
                other.to_bytes(8, "big", signed=True), tenants.outsider.id, tenants.globex.id, "1" * 200 + "_owner_"
            )
            set_context(connection, forged)
            with refused("28000", "invalid_context"), connection.transaction():
                names(connection)
