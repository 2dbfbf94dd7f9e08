"""FinOps: results equal the sums of the rows, for people who may see them."""

# ruff: noqa: S608, E501  (the statements are the tests' own)

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest

from phases.finops.conftest import Costs
from support.database import PLATFORM, Database
from support.server import Logins

pytestmark = pytest.mark.shared_database

Connection = psycopg.Connection[tuple[Any, ...]]
Enter = Callable[..., AbstractContextManager[Connection]]
AsApp = Callable[..., AbstractContextManager[Connection]]

NOW = datetime.now(timezone.utc).replace(second=0, microsecond=0)
RANGES = [
    (NOW - timedelta(days=70), NOW + timedelta(minutes=1)),
    (NOW - timedelta(days=41, minutes=13), NOW - timedelta(days=2, minutes=7, seconds=1)),
    (NOW - timedelta(minutes=50), NOW - timedelta(minutes=10)),
]
FUNCTIONS = [
    "finops.cost_current()",
    "finops.costs_summary('2026-01-01', '2026-02-01')",
    "finops.costs_window('day')",
    "finops.costs_series('2026-01-01', '2026-02-01', 'day')",
    "finops.costs_by('2026-01-01', '2026-02-01', 'model')",
    "finops.cost_forecast('day')",
]
DIMENSIONS = ["provider", "region", "instance type", "instance", "model", "user", "API key", "offering"]
SUMS = "instances_eur, inference_eur, earned_eur"


def compare(costs: Costs, enter: Enter) -> None:
    """Compare every function with the rows, in every workspace."""
    for name, workspace in costs.workspaces.items():
        with enter(name) as connection:
            for start, end in RANGES:
                wanted = costs.rows(workspace, start, end)
                (*sums, consumed) = (
                    connection.execute(
                        f"SELECT {SUMS}, consumed_eur FROM finops.costs_summary(%s, %s)",
                        [start, end],
                    ).fetchone()
                    or ()
                )
                assert dict(zip(wanted, sums, strict=True)) == wanted, (name, start, end)
                assert consumed == wanted["instances"] + wanted["inference"]
                for zone, bucket in (("UTC", "hour"), ("Asia/Kolkata", "day"), ("America/New_York", "month")):
                    series = connection.execute(
                        f"SELECT bucket_start, {SUMS} FROM finops.costs_series(%s, %s, %s, %s)",
                        [start, end, bucket, zone],
                    ).fetchall()
                    assert series == by_bucket(costs, workspace, start, end, bucket, zone), (name, bucket, zone)
                for dimension in DIMENSIONS:
                    found = (
                        connection.execute(
                            "SELECT coalesce(sum(instances_eur), 0), coalesce(sum(inference_eur), 0),"
                            " coalesce(sum(earned_eur), 0), count(DISTINCT coalesce(key, '')) = count(*)"
                            " FROM finops.costs_by(%s, %s, %s)",
                            [start, end, dimension],
                        ).fetchone()
                        or ()
                    )
                    assert found == (*wanted.values(), True), (name, dimension, start)


def by_bucket(costs: Costs, workspace: UUID, start: datetime, end: datetime, bucket: str, zone: str) -> list[Any]:
    """Return the series from a query on the rows."""
    return costs.admin.execute(
        "SELECT date_trunc(%(b)s, t, %(zone)s), sum(i), sum(u), sum(e) FROM ("
        " SELECT bucket_minute AS t, amount_eur AS i, 0 AS u, 0 AS e FROM finops.cost_actual_minute"
        " WHERE workspace_id = %(w)s AND instance_id IS NOT NULL"
        " UNION ALL SELECT occurred_at, 0, charged_amount_eur, 0 FROM finops.inference_usage WHERE workspace_id = %(w)s"
        " UNION ALL SELECT occurred_at, 0, 0, charged_amount_eur FROM finops.inference_usage"
        " WHERE provider_organization_id = %(w)s) AS r"
        " WHERE t >= %(a)s AND t < %(z)s GROUP BY 1 ORDER BY 1",
        {"b": bucket, "zone": zone, "w": workspace, "a": start, "z": end},
    ).fetchall()


def test_answers_are_the_sums_of_the_rows(spent: Costs, enter: Enter) -> None:
    compare(spent, enter)
    assert spent.roll_up() > 0
    assert spent.admin.execute("SELECT count(*) > 300 FROM tenancy_private.cost_hours").fetchone() == (True,)
    assert spent.admin.execute("SELECT count(*) > 100 FROM tenancy_private.cost_day_parts").fetchone() == (True,)
    compare(spent, enter)
    # Late, corrected, moved and deleted rows, before and after they are rolled up again.
    spent.minutes("acme", NOW - timedelta(days=33, minutes=1), 3, step=1441)
    spent.admin.execute(
        "UPDATE finops.cost_actual_minute SET amount_eur = amount_eur * 2 WHERE extract(MINUTE FROM bucket_minute) = 7"
    )
    spent.admin.execute("DELETE FROM finops.cost_actual_minute WHERE extract(MINUTE FROM bucket_minute) = 11")
    spent.admin.execute(
        "UPDATE finops.inference_usage SET occurred_at = occurred_at - interval '26 hours', consumer_organization_id = %s"
        " WHERE extract(DAY FROM occurred_at)::integer %% 2 = 0",
        [spent.acme.id],
    )
    spent.admin.execute("DELETE FROM public.api_keys WHERE id = %s", [spent.keys["pat"]])
    compare(spent, enter)
    assert spent.roll_up() > 0
    assert spent.admin.execute("SELECT count(*) FROM tenancy_private.cost_marks").fetchone() == (0,)
    compare(spent, enter)


@pytest.mark.shared_database(False)
def test_everything_truncated_is_everything_gone(spent: Costs, enter: Enter) -> None:
    spent.roll_up()
    spent.admin.execute("TRUNCATE finops.cost_actual_minute")
    compare(spent, enter)
    spent.roll_up()
    compare(spent, enter)


def test_whose_a_call_is(costs: Costs) -> None:
    pat, acme, globex = costs.users["pat"].id, costs.acme.id, costs.globex.id
    at = NOW - timedelta(days=1)
    keys, instances = costs.keys, costs.instances
    calls = {
        costs.call(at, api_key_id=keys["acme"]): (acme, costs.users["ann"].id),
        costs.call(at, api_key_id=keys["pat"], instance_id=instances["acme"]): (pat, pat),
        costs.call(at, api_key_id=keys["pat"], consumer_organization_id=globex): (globex, pat),
        costs.call(at, user_id=pat, instance_id=instances["acme"]): (pat, pat),
        costs.call(at, user_id=pat, api_key_id=keys["acme"]): (acme, pat),
        costs.call(at, instance_id=instances["globex"]): (globex, None),
        costs.call(at, instance_id=instances["legacy"]): (PLATFORM, None),
        costs.call(at): (PLATFORM, None),
    }
    found = "SELECT id, workspace_id, user_id FROM finops.inference_usage"
    assert {i: (w, u) for i, w, u in costs.admin.execute(found).fetchall()} == calls
    # Rows that lose their key or consumer stay; rows whose consumer is set later move.
    costs.admin.execute("DELETE FROM public.api_keys")
    costs.admin.execute("UPDATE finops.inference_usage SET consumer_organization_id = NULL")
    assert {i: (w, u) for i, w, u in costs.admin.execute(found).fetchall()} == calls
    costs.admin.execute("UPDATE finops.inference_usage SET consumer_organization_id = %s WHERE user_id IS NULL", [acme])
    assert costs.admin.execute(
        "SELECT DISTINCT workspace_id FROM finops.inference_usage WHERE user_id IS NULL"
    ).fetchall() == [(acme,)]


def test_a_service_that_works_somewhere_writes_there(costs: Costs, database: Database, logins: Logins) -> None:
    with database.connect(logins.service) as service:
        service.execute("SELECT tenancy.enter_as_service(%s, %s)", [costs.users["uma"].id, costs.acme.id])
        service.execute("INSERT INTO finops.inference_usage (charged_amount_eur) VALUES (1)")
    assert costs.admin.execute("SELECT workspace_id, user_id FROM finops.inference_usage").fetchall() == [
        (costs.acme.id, costs.users["uma"].id)
    ]


def test_minutes_stay_where_the_instance_was(costs: Costs, database: Database, logins: Logins) -> None:
    costs.minutes("legacy", NOW - timedelta(hours=2), 2)
    with database.connect(logins.service) as service:
        service.execute("SELECT tenancy.assign('public.instances', %s)", [costs.acme.id])
    costs.minutes("legacy", NOW - timedelta(hours=1), 2)
    query = "SELECT workspace_id FROM finops.cost_actual_minute ORDER BY bucket_minute"
    assert costs.admin.execute(query).fetchall() == [(PLATFORM,), (PLATFORM,), (costs.acme.id,), (costs.acme.id,)]
    # Unless they are assigned too.
    with database.connect(logins.service) as service:
        service.execute("SELECT tenancy.assign('finops.cost_actual_minute', %s)", [costs.acme.id])
    assert costs.admin.execute(query).fetchall() == [(costs.acme.id,)] * 4


@pytest.mark.parametrize("function", FUNCTIONS)
def test_only_who_may_sees_costs(
    spent: Costs, as_app: AsApp, database: Database, logins: Logins, function: str
) -> None:
    for name in ("ann", "abe", "max"):
        with as_app(spent.users[name], spent.acme) as connection:
            assert connection.execute(f"SELECT count(*) FROM {function}").fetchone() is not None
    with (
        as_app(spent.users["uma"], spent.acme) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege) as refused,
    ):
        connection.execute(f"SELECT * FROM {function}")
    assert refused.value.diag.constraint_name == "permission_denied"
    with as_app(spent.users["uma"]) as connection:
        assert connection.execute(f"SELECT count(*) FROM {function}").fetchone() is not None
    for login in (logins.app, logins.credentialed, logins.service):
        with (
            database.connect(login) as connection,
            pytest.raises(psycopg.errors.InvalidAuthorizationSpecification) as closed,
        ):
            connection.execute(f"SELECT * FROM {function}")
        assert closed.value.diag.constraint_name == "no_context"


@pytest.mark.shared_database(False)
def test_tables_show_what_functions_add_up(spent: Costs, as_app: AsApp, enter: Enter) -> None:
    spent.admin.execute(
        "ALTER TABLE finops.cost_actual_minute DROP CONSTRAINT cost_actual_minute_tenancy_pkey CASCADE,"
        " ALTER instance_id DROP NOT NULL, ALTER provider_id DROP NOT NULL"
    )
    spent.admin.execute(
        "INSERT INTO finops.cost_actual_minute (bucket_minute, amount_eur) VALUES (%s, 1000000)",
        [NOW - timedelta(days=1)],
    )
    for name, workspace in spent.workspaces.items():
        wanted = spent.rows(workspace, *RANGES[0])
        with enter(name) as connection:
            found = connection.execute(
                "SELECT (SELECT sum(amount_eur) FROM finops.cost_actual_minute WHERE instance_id IS NOT NULL),"
                " (SELECT coalesce(sum(charged_amount_eur), 0) FROM finops.inference_usage),"
                " (SELECT count(*) FROM finops.cost_actual_minute WHERE instance_id IS NULL)"
            ).fetchone()
        # Only the platform sees totals, and no sum includes them.
        assert found == (wanted["instances"], wanted["inference"], int(name == "platform"))
    compare(spent, enter)
    with as_app(spent.users["uma"], spent.acme) as connection:
        assert connection.execute("SELECT count(*) FROM finops.cost_actual_minute").fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM finops.inference_usage").fetchone() == (0,)


def test_rollups_are_nobodys_to_read(spent: Costs, enter: Enter, database: Database, logins: Logins) -> None:
    spent.roll_up()
    for table in ("cost_state", "cost_marks", "cost_hours", "cost_hour_parts", "cost_day_parts"):
        with enter("acme") as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(f"SELECT * FROM tenancy_private.{table}")
        with database.connect(logins.service) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(f"SELECT * FROM tenancy_private.{table}")
    with enter("acme") as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("SELECT finops.roll_up()")


def test_what_it_costs_now(spent: Costs, enter: Enter) -> None:
    spent.admin.execute("UPDATE public.instances SET status = 'failed' WHERE id = %s", [spent.instances["acme 2"]])
    for name, price in (("acme", "1.25"), ("globex", "7"), ("pat", "3"), ("platform", "11")):
        with enter(name) as connection:
            now, today, earned, start = connection.execute(
                "SELECT eur_per_hour, today_eur, today_earned_eur, today_starts_at FROM finops.cost_current('UTC')"
            ).fetchone() or (None, None, None, None)
            assert now == Decimal(price)
            rows = spent.rows(spent.workspaces[name], start, NOW + timedelta(minutes=1))
            assert (today, earned) == (rows["instances"] + rows["inference"], rows["earned"])
            forecast = connection.execute("SELECT horizon_name, forecast_eur FROM finops.cost_forecast()").fetchall()
            assert ("365 days", Decimal(price) * 8760) in forecast
            assert [horizon for horizon, _ in forecast] == ["minute", "hour", "day", "30 days", "365 days"]


@pytest.mark.shared_database(False)
def test_a_price_is_the_instances_or_its_types(costs: Costs, enter: Enter) -> None:
    costs.admin.execute(
        "CREATE TABLE public.instance_types (id uuid PRIMARY KEY, name text, cost_per_hour double precision);"
        "ALTER TABLE public.instances ADD instance_type_id uuid;"
        "INSERT INTO public.instance_types VALUES ('00000000-0000-0000-0000-000000000001', 'H100', 2.5);"
        "GRANT SELECT ON public.instance_types TO tenancy_owner;"
        "UPDATE public.instances SET instance_type_id = '00000000-0000-0000-0000-000000000001', hourly_price_eur = NULL;"
        # A DBA adds types that are created after the phase.
        "CREATE OR REPLACE FUNCTION finops.hourly_price(instance uuid) RETURNS numeric LANGUAGE sql STABLE SECURITY DEFINER"
        " SET search_path = pg_catalog, pg_temp SET debug_print_plan = off AS 'SELECT coalesce(i.hourly_price_eur,"
        " t.cost_per_hour::numeric) FROM public.instances AS i LEFT JOIN public.instance_types AS t"
        " ON i.instance_type_id = t.id WHERE i.id = hourly_price.instance'"
    )
    costs.minutes("acme", NOW - timedelta(days=1), 1)
    with enter("acme") as connection:
        assert connection.execute("SELECT eur_per_hour FROM finops.cost_current()").fetchone() == (Decimal(5),)
        assert connection.execute(
            "SELECT name FROM finops.costs_by(%s, %s, 'instance type')", RANGES[0]
        ).fetchall() == [("H100",)]


def test_what_a_dimension_is_called(spent: Costs, enter: Enter) -> None:
    names: dict[str, set[str | None]] = {
        "provider": {"Cloud", None},
        "instance type": {"h100", None},
        "model": {"Small", None},
        "user": {"ann", None},
        "API key": {"acme", None},
        "offering": {"acme/sales-bot", None},
    }
    with enter("acme") as connection:
        for dimension, wanted in names.items():
            rows = connection.execute(
                "SELECT name, key FROM finops.costs_by(%s, %s, %s)", [*RANGES[0], dimension]
            ).fetchall()
            assert {name for name, _ in rows} == wanted, dimension
            assert all((name is None) == (key is None) for name, key in rows)
        keys = connection.execute("SELECT key FROM finops.costs_by(%s, %s, 'instance')", RANGES[0]).fetchall()
    assert {key for (key,) in keys} == {str(spent.instances["acme"]), str(spent.instances["acme 2"]), None}


@pytest.mark.parametrize(
    ("call", "name"),
    [
        ("costs_summary('2026-02-01', '2026-02-01')", "range_invalid"),
        ("costs_summary('2026-02-02', '2026-02-01')", "range_invalid"),
        ("costs_summary('-infinity', '2026-02-01')", "range_invalid"),
        ("costs_summary('2026-02-01', 'infinity')", "range_invalid"),
        ("costs_summary(NULL, '2026-02-01')", "range_invalid"),
        ("costs_by('2026-02-01', NULL, 'model')", "range_invalid"),
        ("costs_series('2026-02-01', '2026-01-01', 'day')", "range_invalid"),
        ("costs_series('2026-01-01', '2026-02-01', 'fortnight')", "bucket_invalid"),
        ("costs_series('2026-01-01', '2026-02-01', NULL)", "bucket_invalid"),
        ("costs_series('2026-01-01', '2026-02-01', 'day', 'Europe/Atlantis')", "time_zone_invalid"),
        ("cost_current('Europe/Atlantis')", "time_zone_invalid"),
        ("costs_series('2026-01-01', '2027-06-01', 'minute')", "too_many_buckets"),
        ("costs_series('1970-01-01', '9000-01-01', 'month')", "too_many_buckets"),
        ("costs_by('2026-01-01', '2026-02-01', 'weather')", "dimension_invalid"),
        ("costs_by('2026-01-01', '2026-02-01', NULL)", "dimension_invalid"),
        ("costs_window('fortnight')", "span_invalid"),
        ("costs_window(NULL)", "span_invalid"),
        ("cost_forecast('fortnight')", "span_invalid"),
    ],
)
def test_invalid_arguments_are_refused(enter: Enter, call: str, name: str) -> None:
    with enter("acme") as connection, pytest.raises(psycopg.errors.InvalidParameterValue) as refused:
        connection.execute(f"SELECT * FROM finops.{call}".encode())
    assert refused.value.diag.constraint_name == name
    assert refused.value.diag.message_hint


@pytest.mark.parametrize(
    "zone", ["America/Havana", "Africa/Cairo", "Australia/Lord_Howe", "Asia/Kathmandu", "America/St_Johns"]
)
def test_odd_days_add_up(costs: Costs, enter: Enter, zone: str) -> None:
    # Two midnights, none, days of 23, 23.5, 24.5 and 25 hours, and hours of zones that begin elsewhere.
    starts = [
        datetime(2025, *day, 12, tzinfo=timezone.utc) for day in ((3, 8), (4, 5), (4, 24), (10, 4), (10, 30), (11, 1))
    ]
    for start in starts:
        costs.minutes("acme", start, 250, step=11)
    costs.roll_up()
    with enter("acme") as connection:
        for start in starts:
            end = start + timedelta(days=2, minutes=3)
            for bucket in ("hour", "day", "month"):
                found = connection.execute(
                    f"SELECT bucket_start, {SUMS} FROM finops.costs_series(%s, %s, %s, %s)",
                    [start, end, bucket, zone],
                ).fetchall()
                assert found == by_bucket(costs, costs.acme.id, start, end, bucket, zone), (start, bucket)


@pytest.mark.parametrize(
    ("zone", "changed"), [("America/Caracas", (2007, 12, 9, 7)), ("Asia/Pyongyang", (2015, 8, 14, 15))]
)
def test_a_zone_that_left_the_hour_adds_up(
    costs: Costs, enter: Enter, zone: str, changed: tuple[int, int, int, int]
) -> None:
    # It moved by half an hour for good, less than a day before the end of the range.
    start = datetime(*changed, tzinfo=timezone.utc) - timedelta(hours=9)
    end = start + timedelta(hours=14)
    costs.minutes("acme", start, 80, step=11)
    costs.roll_up()
    with enter("acme") as connection:
        found = connection.execute(
            f"SELECT bucket_start, {SUMS} FROM finops.costs_series(%s, %s, 'hour', %s)", [start, end, zone]
        ).fetchall()
    assert found == by_bucket(costs, costs.acme.id, start, end, "hour", zone)


def test_amounts_are_finite(costs: Costs) -> None:
    for amount in ("NaN", "Infinity", "-Infinity"):
        with pytest.raises(psycopg.errors.CheckViolation):
            costs.call(NOW, charged_amount_eur=amount)
        with pytest.raises(psycopg.errors.CheckViolation):
            costs.admin.execute(
                "INSERT INTO finops.cost_actual_minute (bucket_minute, provider_id, instance_id, amount_eur)"
                " VALUES (%s, %s, %s, %s)",
                [NOW, costs.provider, costs.instances["acme"], amount],
            )


@pytest.mark.parametrize("hour", ["past", "now"])
def test_an_hour_that_ends_between_tests_is_nobodys_change(costs: Costs, hour: str) -> None:
    # The first leaves the shared database as if it had been deployed two hours ago, the second as it is now.
    costs.minutes("acme", NOW - timedelta(hours=3), 1)
    costs.roll_up()
    if hour == "past":
        costs.admin.execute(
            "UPDATE tenancy_private.cost_state"
            " SET marked_before = marked_before - interval '2 hours', rolled_before = rolled_before - interval '2 hours'"
        )
    found = "SELECT rolled_before > now() - interval '70 minutes' FROM tenancy_private.cost_state"
    assert costs.admin.execute(found).fetchone() == (hour == "now",)
