"""API keys: a use is recorded without blocking anybody."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from psycopg import IsolationLevel

from support.api_keys import ENTER, Acme, Make, WithKey, one
from support.server import Logins
from support.two_tenants import refused

pytestmark = pytest.mark.shared_database

Connection = psycopg.Connection[tuple[Any, ...]]
Connect = Callable[..., Connection]


def test_sessions_with_one_key_do_not_wait_for_each_other(
    acme: Acme, make: Make, with_key: WithKey, admin: Connection
) -> None:
    made = make(acme.ann, acme.organization)
    with with_key(made) as holding:
        assert holding.info.transaction_status == psycopg.pq.TransactionStatus.INTRANS
        for _ in range(8):
            with with_key(made) as connection:
                connection.execute("SET LOCAL lock_timeout = '1s'")
                connection.execute(ENTER, [made.key])
                assert one(connection, "SELECT count(*) FROM public.api_keys") == 1
        # Only the first has written, and has not committed yet.
        assert one(admin, "SELECT last_used_at FROM public.api_keys WHERE id = %s", made.id) is None
    assert one(admin, "SELECT last_used_at IS NOT NULL FROM public.api_keys WHERE id = %s", made.id)


def test_a_use_is_written_once_a_minute(acme: Acme, make: Make, with_key: WithKey, admin: Connection) -> None:
    made = make(acme.ann)
    seen = set()
    for _ in range(5):
        with with_key(made):
            pass
        seen.add(one(admin, "SELECT xmin::text, last_used_at FROM public.api_keys WHERE id = %s", made.id))
    assert len(seen) == 1
    admin.execute("UPDATE public.api_keys SET last_used_at = now() - interval '59 s'")
    before = one(admin, "SELECT xmin::text FROM public.api_keys WHERE id = %s", made.id)
    with with_key(made):
        pass
    assert one(admin, "SELECT xmin::text FROM public.api_keys WHERE id = %s", made.id) == before
    admin.execute("UPDATE public.api_keys SET last_used_at = now() - interval '61 s'")
    with with_key(made):
        pass
    assert one(admin, "SELECT last_used_at > now() - interval '30 s' FROM public.api_keys WHERE id = %s", made.id)


def test_a_transaction_that_is_rolled_back_has_used_nothing(
    acme: Acme, make: Make, connect: Connect, logins: Logins, admin: Connection
) -> None:
    made = make(acme.ann)
    connection = connect(logins.app)
    connection.execute(ENTER, [made.key])
    connection.rollback()
    assert one(admin, "SELECT last_used_at FROM public.api_keys") is None
    assert one(admin, "SELECT count(*) FROM tenancy_private.revocations") == 0


def test_values_left_over_in_the_variables_do_not_prevent_entering(
    acme: Acme, make: Make, connect: Connect, logins: Logins, admin: Connection
) -> None:
    made = make(acme.ann)
    connection = connect(logins.app)
    connection.execute("SET tenancy.context = 'left over'")
    connection.execute(ENTER, [made.key])
    connection.commit()
    assert one(admin, "SELECT last_used_at IS NOT NULL FROM public.api_keys")


def test_read_only_writes_nothing(acme: Acme, make: Make, connect: Connect, logins: Logins, admin: Connection) -> None:
    made = make(acme.ann)
    connection = connect(logins.app)
    connection.read_only = True
    connection.execute(ENTER, [made.key])
    assert one(connection, "SELECT count(*) FROM public.api_keys") == 1
    connection.commit()
    assert one(admin, "SELECT last_used_at FROM public.api_keys") is None


@pytest.mark.parametrize("level", [IsolationLevel.REPEATABLE_READ, IsolationLevel.SERIALIZABLE], ids=lambda v: v.name)
def test_other_isolation_levels_write_it_too_and_fail_for_no_use_of_others(
    acme: Acme,
    make: Make,
    connect: Connect,
    logins: Logins,
    with_key: WithKey,
    admin: Connection,
    level: IsolationLevel,
) -> None:
    made = make(acme.ann)
    connection = connect(logins.app)
    connection.isolation_level = level
    connection.execute(ENTER, [made.key])
    connection.commit()
    assert one(admin, "SELECT last_used_at IS NOT NULL FROM public.api_keys")
    admin.execute("UPDATE public.api_keys SET last_used_at = NULL")
    connection.execute("SELECT 1")
    with with_key(made):
        pass
    # Its snapshot is older than that use, so only a retry can tell whether the key is valid.
    with refused("40001"):
        connection.execute(ENTER, [made.key])
