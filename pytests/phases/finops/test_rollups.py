"""The rollups: always correct, maintained by workers, and rebuilt from the rows."""

# ruff: noqa: E501  (statements)

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime, timedelta, timezone
from typing import Any

import psycopg
import pytest

from phases.finops.conftest import Costs
from support.database import Database
from support.planner import pages_of
from support.server import Logins

Connection = psycopg.Connection[tuple[Any, ...]]
Enter = Callable[..., AbstractContextManager[Connection]]

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
# One statement, so one snapshot: the functions' results and the sums of the rows.
LOOK = """
SELECT
    (SELECT (instances_eur, inference_eur, earned_eur) FROM finops.costs_summary(%(a)s, %(z)s)),
    (SELECT (sum(instances_eur), sum(inference_eur), sum(earned_eur)) FROM finops.costs_series(%(a)s, %(z)s, 'day', 'UTC')),
    (SELECT (sum(instances_eur), sum(inference_eur), sum(earned_eur)) FROM finops.costs_by(%(a)s, %(z)s, 'instance')),
    (SELECT (
        (SELECT trim_scale(coalesce(sum(amount_eur), 0)) FROM finops.cost_actual_minute
        WHERE workspace_id = %(w)s AND bucket_minute >= %(a)s AND bucket_minute < %(z)s),
        (SELECT trim_scale(coalesce(sum(charged_amount_eur), 0)) FROM finops.inference_usage
        WHERE workspace_id = %(w)s AND occurred_at >= %(a)s AND occurred_at < %(z)s),
        (SELECT trim_scale(coalesce(sum(charged_amount_eur), 0)) FROM finops.inference_usage
        WHERE provider_organization_id = %(w)s AND occurred_at >= %(a)s AND occurred_at < %(z)s)
    ))
"""
WRITES = (
    "INSERT INTO finops.cost_actual_minute (bucket_minute, provider_id, instance_id, amount_eur)"
    " SELECT %(at)s + i * interval '31 minutes', %(p)s, %(i)s, %(n)s FROM generate_series(1, 5) AS i"
    " ON CONFLICT (bucket_minute, provider_id, instance_id) DO UPDATE"
    " SET amount_eur = cost_actual_minute.amount_eur + excluded.amount_eur",
    "UPDATE finops.cost_actual_minute SET amount_eur = amount_eur + 1"
    " WHERE bucket_minute >= %(at)s AND bucket_minute < %(at)s + interval '3 hours'",
    "DELETE FROM finops.cost_actual_minute WHERE bucket_minute >= %(at)s AND bucket_minute < %(at)s + interval '40 minutes'",
    "INSERT INTO finops.inference_usage (occurred_at, consumer_organization_id, provider_organization_id, charged_amount_eur)"
    " VALUES (%(at)s, %(c)s, %(o)s, %(n)s)",
    "UPDATE finops.inference_usage SET occurred_at = occurred_at + interval '5 hours'"
    " WHERE id IN (SELECT id FROM finops.inference_usage WHERE occurred_at >= %(at)s ORDER BY occurred_at LIMIT 2)",
)


@pytest.mark.parametrize("isolation", ["read committed", "repeatable read"])
def test_every_look_is_right_while_three_write_and_two_add_up(
    costs: Costs, database: Database, logins: Logins, isolation: str
) -> None:
    ended = threading.Event()
    problems: list[str] = []
    done = [0] * 6

    def run(number: int, work: Callable[[random.Random], None]) -> None:
        chance = random.Random(number)
        while not ended.is_set():
            try:
                work(chance)
                done[number] += 1
            except (psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected):
                continue
            except Exception as error:
                problems.append(repr(error))
                ended.set()

    def write(chance: random.Random) -> None:
        with database.session(logins.service) as connection:
            connection.execute(f"SET TRANSACTION ISOLATION LEVEL {isolation}".encode())
            for _ in range(chance.randrange(1, 4)):
                connection.execute(
                    chance.choice(WRITES).encode(),
                    {
                        # Some rows are later than the rollups, and some are not.
                        "at": datetime.now(timezone.utc) - timedelta(minutes=chance.randrange(60 * 60)),
                        "p": costs.provider,
                        "i": costs.instances[chance.choice(["acme", "acme 2"])],
                        "n": chance.randrange(10**6) / 1000,
                        "c": chance.choice([costs.acme.id, costs.globex.id]),
                        "o": chance.choice([costs.acme.id, costs.globex.id, None]),
                    },
                )

    def add_up(chance: random.Random) -> None:
        with database.session(logins.service) as connection:
            connection.execute("SELECT finops.roll_up(%s)", [chance.randrange(1, 40)])
        # Back to a time without marks, so that moving forward meets the writers repeatedly.
        if chance.random() < 0.03:
            admin.execute("UPDATE tenancy_private.cost_state SET rolled_before = '-infinity'")

    def look(chance: random.Random) -> None:
        end = datetime.now(timezone.utc) + timedelta(days=chance.randrange(2))
        values = {"w": costs.acme.id, "a": end - timedelta(hours=chance.randrange(1, 80)), "z": end}
        # A service also sees the consumers' rows, from which it earned.
        with database.session(logins.service) as connection:
            connection.execute("SELECT tenancy.enter_as_service(%s, %s)", [costs.users["ann"].id, costs.acme.id])
            summary, series, by, rows = connection.execute(LOOK.encode(), values).fetchone() or (None,) * 4
        if summary != rows or (any(map(float, rows)) and not (same(series, rows) and same(by, rows))):
            problems.append(f"{summary} {series} {by} {rows}")
            ended.set()

    def same(one: Any, other: Any) -> bool:
        return [float(value) for value in one] == [float(value) for value in other]

    with database.connect(autocommit=True) as admin:
        works = [write, write, write, add_up, add_up, look]
        threads = [threading.Thread(target=run, args=(number, work)) for number, work in enumerate(works)]
        for thread in threads:
            thread.start()
        ended.wait(2)
        ended.set()
        for thread in threads:
            thread.join()
    assert problems == []
    assert all(count > 5 for count in done), done


def test_two_workers_do_not_double_and_neither_waits(costs: Costs, database: Database, logins: Logins) -> None:
    costs.minutes("acme", START, 120)
    with database.connect(logins.service) as one, database.connect(logins.service) as other:
        assert one.execute("SELECT finops.roll_up() > 0").fetchone() == (True,)
        other.execute("SET statement_timeout = '2s'")
        assert other.execute("SELECT finops.roll_up()").fetchone() == (0,)
    costs.roll_up()
    found = costs.admin.execute("SELECT sum(instances_eur) FROM tenancy_private.cost_hours").fetchone()
    assert found == costs.admin.execute("SELECT sum(amount_eur) FROM finops.cost_actual_minute").fetchone()


def test_a_writer_that_stays_open_keeps_marks_where_they_are(costs: Costs, database: Database, logins: Logins) -> None:
    costs.admin.execute(
        "UPDATE tenancy_private.cost_state SET marked_before = '-infinity', rolled_before = '-infinity'"
    )
    with database.connect(logins.service) as writer:
        writer.execute("INSERT INTO finops.inference_usage (occurred_at, charged_amount_eur) VALUES (%s, 1)", [START])
        costs.roll_up()
        assert (
            costs.admin.execute(
                "SELECT marked_before FROM tenancy_private.cost_state WHERE isfinite(marked_before)"
            ).fetchall()
            == []
        )
    assert costs.roll_up() > 0
    assert costs.admin.execute("SELECT isfinite(rolled_before) FROM tenancy_private.cost_state").fetchone() == (True,)


def test_how_often_a_worker_is_asked_does_not_grow_with_the_hours_that_have_rows(costs: Costs) -> None:
    for number in range(60):
        costs.call(START - timedelta(hours=37 * number), consumer_organization_id=costs.acme.id)
    # To move forward, to add up, and to find nothing left.
    assert costs.roll_up() <= 4
    found = costs.admin.execute("SELECT count(*), sum(calls) FROM tenancy_private.cost_hours").fetchone()
    assert found == (60, 60)


@pytest.mark.parametrize("batch_size", [0, -1, 100001, None])
def test_a_batch_has_a_size(costs: Costs, database: Database, logins: Logins, batch_size: int | None) -> None:
    with database.connect(logins.service) as service, pytest.raises(psycopg.errors.InvalidParameterValue) as refused:
        service.execute("SELECT finops.roll_up(%s)", [batch_size])
    assert refused.value.diag.constraint_name == "batch_size_invalid"


def test_a_chart_reads_what_is_not_added_up_by_the_index(costs: Costs, as_app: Enter) -> None:
    days, span = 10, "'2026-01-01 00:00+00', '2026-01-10 23:50+00'"
    costs.admin.execute(
        "INSERT INTO finops.cost_actual_minute (bucket_minute, provider_id, instance_id, amount_eur)"
        " SELECT %s + n * interval '1 minute', %s, i.id, 0.01"
        " FROM generate_series(0, %s) AS n CROSS JOIN unnest(%s::uuid[]) AS i (id)",
        [START, costs.provider, days * 1440 - 1, [costs.instances[name] for name in ("acme", "globex", "pat")]],
    )
    costs.admin.execute("VACUUM ANALYZE finops.cost_actual_minute")
    while costs.admin.execute("SELECT finops.roll_up(1000)").fetchone() != (0,):
        pass
    costs.admin.execute("VACUUM ANALYZE")
    with as_app(costs.users["ann"], costs.acme) as connection:
        for call in (
            f"costs_series({span}, 'day', 'UTC')",
            f"costs_series({span}, 'day', 'Asia/Kolkata')",
            f"costs_by({span}, 'instance')",
        ):
            query = f"SELECT * FROM finops.{call}"  # noqa: S608
            pages_of(connection, query)
            assert pages_of(connection, query) < 100, call
