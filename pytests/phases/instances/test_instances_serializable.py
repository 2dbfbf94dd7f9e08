"""Instances: organizations that work side by side under SERIALIZABLE."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest
from psycopg import IsolationLevel

from support.instances import Platform
from support.server import Logins

Connection = psycopg.Connection[tuple[Any, ...]]
Connect = Callable[..., Connection]

LATEST = "SELECT id, status FROM public.instances ORDER BY created_at DESC LIMIT 20"
INSERT = "INSERT INTO public.instances (provider_id, status) VALUES (%s, 'provisioning')"


@pytest.fixture
def busy(platform: Platform) -> Platform:
    """Give both organizations enough instances to fill separate pages of the index."""
    for organization in (platform.acme, platform.globex):
        platform.admin.execute(
            "INSERT INTO public.instances (provider_id, organization_id, status, created_at)"
            " SELECT %s, %s, 'ready', now() - n * interval '1 minute' FROM generate_series(1, 2000) AS n",
            [platform.provider, organization.id],
        )
    platform.admin.execute("VACUUM ANALYZE public.instances")
    return platform


def commits(platform: Platform, connect: Connect, logins: Logins, query: str) -> list[str]:
    """Let both organizations read, then insert, then commit; return both results."""
    outcomes = []
    with ExitStack() as stack:
        sessions = []
        for organization in (platform.acme, platform.globex):
            session = connect(logins.app)
            session.autocommit = False
            session.isolation_level = IsolationLevel.SERIALIZABLE
            stack.callback(session.close)
            session.execute("SELECT tenancy.enter(%s, %s)", [organization.owner.id, organization.id])
            sessions.append(session)
        for session in sessions:
            assert len(session.execute(query.encode()).fetchall()) == 20
        for session in sessions:
            try:
                session.execute(INSERT, [platform.provider])
                session.commit()
                outcomes.append("done")
            except psycopg.errors.SerializationFailure:
                outcomes.append("40001")
    return outcomes


def test_organizations_that_read_their_latest_and_insert_do_not_conflict(
    busy: Platform, connect: Connect, logins: Logins
) -> None:
    assert commits(busy, connect, logins, LATEST) == ["done", "done"]


def test_those_that_read_every_page_do(busy: Platform, connect: Connect, logins: Logins) -> None:
    """A conflict is detected here, so the test above can fail."""
    everything = "SELECT id, status FROM public.instances WHERE status || '' = 'ready' ORDER BY id LIMIT 20"
    indexes = busy.admin.execute(
        "SELECT i.indexrelid::regclass::text FROM pg_index AS i"
        " WHERE i.indrelid = 'public.instances'::regclass AND NOT i.indisunique"
    ).fetchall()
    for (index,) in indexes:
        busy.admin.execute(f"DROP INDEX {index}".encode())
    assert sorted(commits(busy, connect, logins, everything)) == ["40001", "done"]
