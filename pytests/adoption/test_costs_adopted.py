"""Phase 9 on the tables of a live platform: the owners of rows, a round trip, and refusals."""

# ruff: noqa: S608, E501  (the statements are the tests' own)

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import psycopg
import pytest

from support.database import Database
from support.platform import KEYLESS, ROWS
from support.replay import PLAN, Replay, Step, position
from support.scripts import ScriptError
from support.server import Logins

Connection = psycopg.Connection[tuple[Any, ...]]

# Three levels in one table, under a key of generated columns; calls by month.
REAL = """
DROP TABLE finops.cost_actual_minute;
CREATE TABLE finops.cost_actual_minute (
    bucket_minute timestamptz NOT NULL, provider_id uuid, instance_id uuid, amount_eur numeric(18,6) NOT NULL,
    provider_id_key uuid GENERATED ALWAYS AS (coalesce(provider_id, '00000000-0000-0000-0000-000000000000')) STORED,
    instance_id_key uuid GENERATED ALWAYS AS (coalesce(instance_id, '00000000-0000-0000-0000-000000000000')) STORED,
    PRIMARY KEY (bucket_minute, provider_id_key, instance_id_key)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON finops.cost_actual_minute TO tenancy_service;
CALL tenancy_private.grant_to_owner('finops.cost_actual_minute');
INSERT INTO public.instances (id, provider_id, organization_id, status, created_at)
SELECT gen_random_uuid(), '00000000-0000-0000-0002-00000000000a', o.id, 'ready', now() FROM public.organizations AS o;
INSERT INTO finops.cost_actual_minute (bucket_minute, provider_id, instance_id, amount_eur)
SELECT m, i.provider_id, i.id, 0.01
FROM public.instances AS i, generate_series('2026-01-01'::timestamptz, '2026-01-04', '1 minute') AS m;
INSERT INTO finops.cost_actual_minute (bucket_minute, provider_id, amount_eur)
SELECT bucket_minute, provider_id, sum(amount_eur) FROM finops.cost_actual_minute GROUP BY 1, 2;
INSERT INTO finops.cost_actual_minute (bucket_minute, amount_eur)
SELECT bucket_minute, sum(amount_eur) FROM finops.cost_actual_minute WHERE instance_id IS NULL GROUP BY 1;
INSERT INTO finops.inference_usage (id, occurred_at, api_key_id, consumer_organization_id, charged_amount_eur, total_tokens)
SELECT gen_random_uuid(), '2026-01-01'::timestamptz + n * interval '7 minutes', '00000000-0000-0000-0006-00000000000a',
    CASE n % 3 WHEN 0 THEN '00000000-0000-0000-0001-00000000000b'::uuid END, n, n
FROM generate_series(1, 600) AS n;
"""
UPSERT = (
    "INSERT INTO finops.cost_actual_minute (bucket_minute, provider_id, instance_id, amount_eur)"
    " SELECT '2026-01-02'::timestamptz, i.provider_id, i.id, 1 FROM public.instances AS i UNION ALL"
    " SELECT '2026-01-02', NULL, NULL, 3"
    " ON CONFLICT (bucket_minute, provider_id_key, instance_id_key) DO UPDATE SET amount_eur = excluded.amount_eur"
)
# The sums of each workspace's rows, without columns that a phase added.
OWNED = (
    "SELECT coalesce(i.organization_id, i.user_id), sum(c.amount_eur) FROM finops.cost_actual_minute AS c"
    " INNER JOIN public.instances AS i ON i.id = c.instance_id GROUP BY 1 ORDER BY 1"
)
WORKSPACES = (
    "SELECT nullif(workspace_id, '00000000-0000-0000-0000-000000000000'), sum(amount_eur) FROM finops.cost_actual_minute"
    " WHERE instance_id IS NOT NULL GROUP BY 1 ORDER BY 1"
)
ANN = "00000000-0000-0000-0000-00000000000a"
ACME = "00000000-0000-0000-0001-00000000000a"


@pytest.fixture
def platform(state: Callable[..., Database]) -> Database:
    """Return a platform at phase 7, with organizations that have instances and costs."""
    database = state(KEYLESS + ROWS, "@phase-7")
    database.execute(REAL)
    return database


def test_rows_go_where_their_instances_and_keys_are(platform: Database, logins: Logins) -> None:
    before = platform.dump()
    kept = platform.fetch("SELECT id, charged_amount_eur FROM finops.inference_usage ORDER BY id")
    Replay(platform).deploy("@phase-9")
    Replay(platform).run(*(Step("verify", change) for change in PLAN[position("@phase-7") : position("@phase-9")]))
    assert platform.fetch(WORKSPACES) == platform.fetch(OWNED)
    by_workspace = dict(platform.fetch("SELECT workspace_id::text, count(*) FROM finops.inference_usage GROUP BY 1"))
    assert by_workspace == {"00000000-0000-0000-0001-00000000000b": 200, ANN: 401}
    assert platform.fetch("SELECT DISTINCT user_id::text FROM finops.inference_usage") == [(ANN,)]

    # The old job continues, and its late rows are counted once.
    with platform.connect(logins.old) as old:
        old.execute(UPSERT.encode())
    assert platform.fetch(WORKSPACES) == platform.fetch(OWNED)
    with platform.connect(logins.service) as service:
        service.execute("SELECT tenancy.enter_as_service(%s, %s)", [ANN, ACME])
        (sums,) = service.execute(
            "SELECT instances_eur FROM finops.costs_summary('2026-01-01', '2026-02-01')"
        ).fetchone() or (None,)
    assert sums == dict(platform.fetch("SELECT coalesce(k::text, ''), v FROM (" + OWNED + ") AS o (k, v)"))[ACME]

    # Data that the earlier schema cannot hold.
    platform.execute(
        "UPDATE finops.inference_usage SET user_id = '00000000-0000-0000-0000-00000000000b' WHERE charged_amount_eur = 7",
        f"UPDATE finops.inference_usage SET workspace_id = '{ACME}' WHERE charged_amount_eur = 8",
    )
    whose = "SELECT id, workspace_id, user_id FROM finops.inference_usage ORDER BY id"
    wanted, minutes = platform.fetch(whose), platform.fetch(WORKSPACES)
    Replay(platform).revert("@phase-7")
    assert platform.dump() == before
    assert platform.fetch("SELECT id, charged_amount_eur FROM finops.inference_usage ORDER BY id") == kept
    # A call's owner cannot be derived again once its key is deleted.
    platform.execute("DELETE FROM public.api_keys")
    Replay(platform).deploy("@phase-9")
    assert platform.fetch(whose) == wanted
    assert platform.fetch(WORKSPACES) == minutes
    assert platform.fetch("SELECT to_regnamespace('tenancy_archive')") == [(None,)]


def test_costs_of_before_are_added_up(platform: Database) -> None:
    Replay(platform).deploy("@phase-9")
    hours = (
        "SELECT nullif(workspace_id, '00000000-0000-0000-0000-000000000000'), sum(instances_eur)"
        " FROM tenancy_private.cost_hours WHERE instances_eur > 0 GROUP BY 1 ORDER BY 1"
    )
    assert platform.fetch(hours) == platform.fetch(WORKSPACES)
    (rolled, marks) = platform.fetch(
        "SELECT (SELECT rolled_before FROM tenancy_private.cost_state), (SELECT count(*) FROM tenancy_private.cost_marks)"
    )[0]
    assert rolled > datetime.now(timezone.utc) - timedelta(hours=2)
    assert marks == 0


@pytest.mark.parametrize(
    ("spoilt", "said"),
    [
        ("ALTER TABLE finops.inference_usage ADD workspace_id text", "workspace_id"),
        ("ALTER TABLE finops.inference_usage ALTER occurred_at TYPE timestamp", "timestamptz"),
        ("ALTER TABLE finops.inference_usage ADD user_id integer", "user_id"),
    ],
)
def test_obstacles_are_reported_and_nothing_is_changed(platform: Database, spoilt: str, said: str) -> None:
    platform.execute(spoilt)
    before = platform.dump()
    with pytest.raises(ScriptError, match=said) as refused:
        Replay(platform).deploy("@phase-9")
    assert "Nothing was changed." in refused.value.output
    Replay(platform).revert("@phase-7")
    assert platform.dump() == before


def test_a_row_that_is_locked_is_waited_for(platform: Database) -> None:
    Replay(platform).deploy("@phase-9")
    call = (
        "CALL tenancy_private.by_pages('platform/finops_functions', 'a test', 'finops.inference_usage', $$"
        "WITH w AS (SELECT id FROM %1$s WHERE ctid >= $1 AND ctid < $2 AND input_tokens IS NULL),"
        " f AS (SELECT t.id FROM %1$s AS t INNER JOIN w USING (id) FOR NO KEY UPDATE OF t SKIP LOCKED),"
        " u AS (UPDATE %1$s AS t SET input_tokens = 1 FROM f WHERE t.id = f.id RETURNING 1)"
        " SELECT (SELECT count(*) FROM w) AS wanted, (SELECT count(*) FROM u) AS changed$$)"
    )
    left = "SELECT count(*) FROM finops.inference_usage WHERE input_tokens IS NULL"
    with platform.connect() as busy, platform.connect(autocommit=True) as deployer:
        busy.execute("SELECT FROM finops.inference_usage WHERE charged_amount_eur = 5 FOR UPDATE")
        deployer.execute("SET tenancy.lock_attempts = 2")
        with pytest.raises(psycopg.errors.LockNotAvailable) as refused:
            deployer.execute(call.encode())
        assert refused.value.diag.constraint_name == "lock_attempts"
        assert platform.fetch(left) == [(1,)]
        busy.rollback()
        deployer.execute(call.encode())
    assert platform.fetch(left) == [(0,)]
