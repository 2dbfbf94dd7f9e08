"""Phases 4 to 6 on large, busy tables: nobody fails or waits for long, and no owner is lost."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest
from psycopg import sql

from support.busy import Busy, Statement, patiently
from support.database import Database
from support.replay import TAGS, Replay

NewLogin = Callable[..., str]

BEFORE = TAGS[TAGS.index("@phase-4") - 1]
WAY = [BEFORE, "@phase-4", "@phase-5", "@phase-6"]

# With PG_TENANCY_TEST_ROWS=1000000 every wrong lock shows.
INSTANCES = int(os.environ.get("PG_TENANCY_TEST_ROWS", "20000"))
API_KEYS = INSTANCES * 3 // 10
MODELS = INSTANCES // 10
PEOPLE = INSTANCES // 20
ORGANIZATIONS = 200

FILL = f"""
CREATE FUNCTION pg_temp.numbered(kind integer, n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE RETURN
    ('00000000-0000-0000-' || lpad(to_hex(kind), 4, '0') || '-' || lpad(to_hex(n), 12, '0'))::uuid;
INSERT INTO public.users (id, email, username, role)
SELECT pg_temp.numbered(0, n), n || '@example.com', 'user' || n, 'user' FROM generate_series(1, {PEOPLE}) AS n;
INSERT INTO public.organizations (id, name, slug, created_by_user_id)
SELECT pg_temp.numbered(1, n), 'Organization ' || n, 'organization-' || n, pg_temp.numbered(0, n)
FROM generate_series(1, {ORGANIZATIONS}) AS n;
INSERT INTO public.organization_memberships (organization_id, user_id, role)
SELECT pg_temp.numbered(1, n), pg_temp.numbered(0, n), 'owner' FROM generate_series(1, {ORGANIZATIONS}) AS n;
INSERT INTO public.providers (id, name) VALUES (pg_temp.numbered(2, 1), 'Cloud');
INSERT INTO public.models (id, name, model_id)
SELECT pg_temp.numbered(4, n), 'Model ' || n, 'hub/' || n FROM generate_series(1, {MODELS}) AS n;
INSERT INTO public.instances (id, provider_id, model_id, status, gpu_profile, created_at)
SELECT pg_temp.numbered(5, n), pg_temp.numbered(2, 1), pg_temp.numbered(4, 1 + n % ({MODELS} / 2)), 'ready',
    repeat('x', 60), now() - n * interval '1 second'
FROM generate_series(1, {INSTANCES}) AS n;
INSERT INTO public.api_keys (id, user_id, name, key_prefix, key_hash, created_at)
SELECT pg_temp.numbered(6, n), pg_temp.numbered(0, 1 + n % {PEOPLE}), 'key', 'pk_' || n, repeat('x', 64), now()
FROM generate_series(1, {API_KEYS}) AS n;
"""  # noqa: S608


def _id(kind: int, number: int) -> UUID:
    return UUID(int=(kind << 48) + number)


def _work(choose: random.Random, session: int) -> list[Statement]:
    """Return the application's next statements, so that two sessions do not change the same rows."""

    def mine(kind: int, number: int) -> UUID:
        return _id(kind, choose.randrange(number // 4) * 4 + session % 4 or 4)

    action = choose.randrange(7)
    if action == 0:
        # With columns: a prepared "SELECT *" fails once after any new column.
        return [
            ("SELECT id, status FROM public.instances WHERE id = %s", mine(5, INSTANCES)),
            ("SELECT id, name FROM public.models WHERE id = %s", mine(4, MODELS)),
            ("SELECT count(*) FROM public.api_keys WHERE user_id = %s", _id(0, choose.randint(1, PEOPLE))),
        ]
    state = ("UPDATE public.instances SET status = %s WHERE id = %s", choose.choice(["ready", "stopped"]))
    used = ("UPDATE public.api_keys SET last_used_at = now() WHERE id = %s", mine(6, API_KEYS))
    renamed = ("UPDATE public.models SET name = 'Renamed' WHERE id = %s", mine(4, MODELS // 2))
    if action == 1:
        # Neighbours in a batch, in either order.
        first = choose.randrange(INSTANCES // 8 - 1) * 8 + session + 1
        return choose.sample([(*state, _id(5, first)), (*state, _id(5, first + 4))], 2)
    if action in (2, 3):
        return choose.sample([(*state, mine(5, INSTANCES)), used, renamed], 3)
    key, model, instance, usage = uuid4(), uuid4(), uuid4(), uuid4()
    person = _id(0, choose.randint(1, PEOPLE))
    new_key = (
        "INSERT INTO public.api_keys (id, user_id, name, key_prefix, key_hash) VALUES (%s, %s, 'new', 'pk_new', 'x')",
        key,
        person,
    )
    new_model = ("INSERT INTO public.models (id, name, model_id) VALUES (%s, 'New', %s)", model, str(model))
    new_instance = (
        "INSERT INTO public.instances (id, provider_id, model_id, status, created_at)"
        " VALUES (%s, %s, %s, 'provisioning', now())",
        instance,
        _id(2, 1),
        model,
    )
    new_usage = (
        "INSERT INTO finops.inference_usage (id, occurred_at, customer_id, api_key_id, model_id, instance_id)"
        " VALUES (%s, now(), %s, %s, %s, %s)",
        usage,
        person,
        mine(6, API_KEYS),
        mine(4, MODELS // 2),
        mine(5, INSTANCES),
    )
    if action == 4:
        return [new_key, new_usage, new_model, new_instance]
    if action == 5:
        return [new_model, new_instance, new_usage, new_key]
    return [
        new_model,
        new_instance,
        ("UPDATE public.instances SET model_id = %s WHERE id = %s", _id(4, 1), instance),
        new_key,
        ("DELETE FROM public.instances WHERE id = %s", instance),
        ("DELETE FROM public.models WHERE id = %s", model),
        ("DELETE FROM public.api_keys WHERE id = %s", key),
    ]


@pytest.fixture
def large(server: Any, _logins_of_the_test: list[str]) -> Iterator[Database]:
    database = server.create(server.template(BEFORE))
    with database.connect() as connection:
        connection.execute(FILL)
    with database.connect(autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
    # A default server's setting, not a test's.
    server.execute(sql.SQL("ALTER DATABASE {} SET deadlock_timeout = '1s'").format(sql.Identifier(database.name)))
    yield database
    server.drop(database.name)


def _assign(database: Database) -> None:
    """Assign half of everything to organizations, in batches like a DBA, and some of the rest to people."""
    with database.connect(autocommit=True) as connection:
        organizations = [_id(1, number) for number in range(1, 11)]
        for place, organization in enumerate(organizations):
            for table, kind, first, number in (
                ("public.models", 4, MODELS // 2 + 1, MODELS // 20),
                ("public.instances", 5, 1, INSTANCES // 20),
            ):
                start = first + place * number
                condition = f"id BETWEEN '{_id(kind, start)}' AND '{_id(kind, start + number - 1)}'"
                while connection.execute(
                    "SELECT tenancy.assign(%s, %s, %s, 1000)", [table, organization, condition]
                ).fetchone() != (0,):
                    pass
            # A service writes the key's organization.
            for first in range(place * 500, API_KEYS, 10_000):
                connection.execute(
                    "UPDATE public.api_keys SET organization_id = %s,"
                    " expires_at = CASE WHEN key_prefix ~ '5$' THEN now() + interval '1 year' END,"
                    " revoked_at = CASE WHEN key_prefix ~ '7$' THEN now() - interval '1 hour' END"
                    " WHERE id BETWEEN %s AND %s",
                    [organization, _id(6, first), _id(6, first + 499)],
                )


def _owned(database: Database) -> dict[str, tuple[Any, ...] | None]:
    """Return a digest of the rows with owners, from columns that the application never changes."""
    columns = {
        "public.instances": "id, organization_id, user_id, workspace_id, model_workspace_id",
        "public.models": "id, organization_id, workspace_id",
        "public.api_keys": "id, user_id, organization_id, workspace_id, expires_at, revoked_at",
    }
    with database.connect() as connection:
        return {
            table: connection.execute(
                f"SELECT count(*), sum(hashtextextended(({names})::text, 0)) FROM {table}"  # noqa: S608
                " WHERE organization_id IS NOT NULL"
            ).fetchone()
            for table, names in columns.items()
        }


@pytest.mark.slow
def test_nobody_fails_while_the_phases_come_and_go(
    large: Database, new_login: NewLogin, record_property: Callable[..., None]
) -> None:
    old, run = new_login("tenancy_service"), Replay(large)
    waits: dict[str, float] = {}
    idle = 0.0

    def during(name: str, work: Callable[[], Any]) -> None:
        with Busy(large, old, _work).working() as busy:
            start = time.monotonic()
            again = patiently(work)
            took = time.monotonic() - start
        waits[name] = busy.longest[0]
        print(
            f"{name}: {took:.1f} s, {again} times again, {busy.done} transactions,"
            f" the longest wait {busy.longest[0] * 1000:.0f} ms for {busy.longest[1]}"
        )
        record_property(name, round(busy.longest[0] * 1000))
        assert busy.errors == [], name
        assert busy.done > 10

    during("nothing", lambda: time.sleep(1))
    idle = waits.pop("nothing")
    print(f"longest without a change: {idle * 1000:.0f} ms")
    for tag in WAY[1:]:
        during(f"deploy {tag}", partial(run.deploy, tag))
    during("assign", lambda: _assign(large))
    owned = _owned(large)
    for table, found in owned.items():
        assert found is not None
        assert found[0] > 0, table
    for to in reversed(WAY[:-1]):
        during(f"revert to {to}", partial(run.revert, to))
    for tag in WAY[1:]:
        during(f"deploy {tag} again", partial(run.deploy, tag))
    assert _owned(large) == owned
    run.verify()
    # The wait for a lock is limited to half a second, and so is the wait behind it; there are up to four.
    assert max(waits.values()) < 5
