"""A platform to measure on: organizations of several sizes, one of which owns half of everything."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg

from pg_tenancy.tools.embedded import EmbeddedServer
from pg_tenancy.tools.sqitch import Sqitch

__all__ = ["LOGIN", "MEMBERS", "PLAIN_LOGIN", "Platform", "Tenant", "platform"]

LOGIN, PLAIN_LOGIN = "bench_app", "bench_plain"

# The measured organizations, and their numbers of instances. The giant has as many as
# all others together.
SIZES = {"small": 2_000, "middle": 10_000, "large": 50_000}
# Members of the large one; the others have twenty, or fewer if there are not enough people.
MEMBERS = 5_009

_LOGINS = """
CREATE ROLE {LOGIN} LOGIN IN ROLE tenancy_app;
CREATE ROLE {PLAIN_LOGIN} LOGIN BYPASSRLS;
GRANT SELECT, INSERT, UPDATE ON public.instances, public.users, public.organization_memberships TO {PLAIN_LOGIN};
GRANT USAGE ON SCHEMA tenancy, tenancy_private TO {PLAIN_LOGIN};
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA tenancy TO {PLAIN_LOGIN};
INSERT INTO public.providers (name) VALUES ('Cloud');
"""
# As a replica, without triggers and foreign keys, so that rows take microseconds.
_TENANTS = """
SET session_replication_role = replica;
CREATE TEMP TABLE made ON COMMIT DROP AS
SELECT gen_random_uuid() AS id, gen_random_uuid() AS user_id, n FROM generate_series(1, {tenants}) AS n;
INSERT INTO public.users (id, email, username)
SELECT m.user_id, 'user-' || m.n || '@example.com', 'user-' || m.n FROM made AS m;
INSERT INTO public.organizations (id, name, slug)
SELECT m.id, 'Organization ' || m.n, 'organization-' || m.n FROM made AS m;
INSERT INTO tenancy.workspaces (id, kind, user_id, organization_id, color)
SELECT m.user_id, 'personal', m.user_id, NULL, '#1d4ed8' FROM made AS m
UNION ALL
SELECT m.id, 'organization', NULL, m.id, '#1d4ed8' FROM made AS m;
INSERT INTO public.organization_memberships (organization_id, user_id, role)
SELECT m.id, m.user_id, 'owner' FROM made AS m;
-- And nineteen more people in each.
INSERT INTO public.organization_memberships (organization_id, user_id, role)
SELECT m.id, u.user_id, 'user'
FROM made AS m
CROSS JOIN generate_series(1, least(19, {tenants} - 1)) AS k (ahead)
INNER JOIN made AS u ON u.n = (m.n + k.ahead - 1) % {tenants} + 1;
WITH added AS (
    INSERT INTO public.users (id, email, username)
    SELECT gen_random_uuid(), 'member-' || n || '@example.com', 'member-' || n
    FROM generate_series(1, {members} - (
        SELECT count(*)
        FROM made AS m INNER JOIN public.organization_memberships AS o ON m.id = o.organization_id
        WHERE m.n = 3
    )) AS n
    RETURNING id
)
INSERT INTO public.organization_memberships (organization_id, user_id, role)
SELECT m.id, a.id, 'user' FROM made AS m CROSS JOIN added AS a WHERE m.n = 3;
INSERT INTO public.instances (provider_id, workspace_id, organization_id, status, ip_address, gpu_profile, created_at)
SELECT
    (SELECT p.id FROM public.providers AS p), m.id, m.id,
    (ARRAY['ready', 'running', 'stopped', 'failed', 'terminated'])[m.r % 5 + 1], '10.0.0.1', 'H100',
    now() - random() * interval '1000 days'
FROM (
    SELECT
        s.id,
        generate_series(1, CASE s.n WHEN 1 THEN {small} WHEN 2 THEN {middle} WHEN 3 THEN {large} ELSE {rows} END) AS r
    FROM made AS s
    WHERE s.n <> 4
) AS m
ORDER BY random();
INSERT INTO public.instances (provider_id, workspace_id, organization_id, status, ip_address, gpu_profile, created_at)
SELECT i.provider_id, m.id, m.id, i.status, i.ip_address, i.gpu_profile, now() - random() * interval '1000 days'
FROM made AS m CROSS JOIN public.instances AS i WHERE m.n = 4;
RESET session_replication_role;
"""


@dataclass(frozen=True)
class Tenant:
    """An organization, its owner, and some of its instances."""

    organization: UUID
    owner: UUID
    instances: tuple[UUID, ...]


@dataclass(frozen=True)
class Platform:
    """A server with the whole plan and these tenants."""

    server: EmbeddedServer
    tenants: int
    rows: int
    named: dict[str, Tenant]
    provider: UUID


@contextmanager
def platform(tenants: int, rows: int) -> Iterator[Platform]:
    """Start a server and fill it.

    Args:
        tenants: the number of organizations, 4 or more.
        rows: the number of instances of each organization that is not measured.

    """
    with EmbeddedServer(durable=False) as server:
        Sqitch(server.dsn(), isolated=True, program_directory=server.bin_dir).deploy()
        with psycopg.connect(server.dsn(), autocommit=True) as owner:
            owner.execute("ALTER TABLE public.instances SET (autovacuum_enabled = false)")
            owner.execute(_LOGINS.format(LOGIN=LOGIN, PLAIN_LOGIN=PLAIN_LOGIN).encode())
            owner.execute(
                f"BEGIN; {_TENANTS.format(tenants=tenants, rows=rows, members=MEMBERS, **SIZES)}; COMMIT".encode()
            )
            owner.execute("VACUUM ANALYZE")
            named = {name: _tenant(owner, n) for n, name in enumerate((*SIZES, "giant"), 1)}
            counted = owner.execute("SELECT count(*), min(provider_id::text)::uuid FROM public.instances").fetchone()
            assert counted is not None
        yield Platform(server, tenants, counted[0], named, counted[1])


def _tenant(owner: psycopg.Connection[Any], number: int) -> Tenant:
    row = owner.execute(
        "SELECT o.id, m.user_id, ARRAY(SELECT i.id FROM public.instances AS i WHERE i.workspace_id = o.id"
        " AND i.status = 'ready' ORDER BY i.id LIMIT 200)"
        " FROM public.organizations AS o INNER JOIN public.organization_memberships AS m ON o.id = m.organization_id"
        " WHERE o.slug = %s AND m.role = 'owner'",
        [f"organization-{number}"],
    ).fetchone()
    assert row is not None
    return Tenant(row[0], row[1], tuple(row[2]))
