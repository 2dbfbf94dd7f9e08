"""Attacks that learn about rows without reading them: by counters, statistics and plans."""

# ruff: noqa: S608  (the statements are the attacks, and their ids are the test's own)

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

import pytest
from psycopg import sql

from support.guesses import FORCED, KEYS, PROBES, TABLES, choosing, guesses, two_tenants_and_a_crowd
from support.server import Logins, Server
from support.two_tenants import Connection, TwoTenants, refused


@pytest.fixture(scope="module")
def tenants(server: Server, template: str, logins: Logins) -> Iterator[TwoTenants]:
    with two_tenants_and_a_crowd(server, template, logins) as tenants:
        yield tenants


# -- counters of the own transaction -------------------------------------------

COUNTERS = ("pg_stat_get_xact_numscans", "pg_stat_get_xact_tuples_returned", "pg_stat_get_xact_tuples_fetched")


@contextmanager
def may_read_counters(tenants: TwoTenants, login: str) -> Iterator[None]:
    """Grant the counters to PUBLIC again, as on a server where the deployer could not revoke them."""
    functions = sql.SQL(", ").join(sql.SQL("{}(oid)").format(sql.Identifier(name)) for name in COUNTERS)
    with tenants.admin() as admin:
        admin.execute(sql.SQL("GRANT EXECUTE ON FUNCTION {} TO {}").format(functions, sql.Identifier(login)))
        try:
            yield
        finally:
            admin.execute(sql.SQL("REVOKE EXECUTE ON FUNCTION {} FROM {}").format(functions, sql.Identifier(login)))


def counts(connection: Connection, table: str) -> list[tuple[Any, ...]]:
    """Return the counters of a table and its indexes."""
    return connection.execute(
        f"SELECT r.oid::regclass::text, {', '.join(f'{name}(r.oid)' for name in COUNTERS)} FROM ("
        " SELECT %(table)s::regclass::oid"
        " UNION ALL SELECT indexrelid FROM pg_index WHERE indrelid = %(table)s::regclass"
        ") AS r (oid) ORDER BY 1",
        {"table": table},
    ).fetchall()


@pytest.mark.parametrize("table", TABLES)
def test_counters_do_not_tell_a_guess_that_hits_from_one_that_misses(
    tenants: TwoTenants, login: str, table: str
) -> None:
    told = []
    with may_read_counters(tenants, login), tenants.entered(login=login) as connection:

        def moved(probe: str, guess: dict[str, Any]) -> list[int]:
            before = counts(connection, table)
            seen = connection.execute(f"SELECT count(*) FROM {table} WHERE {probe}", guess).fetchone()
            assert seen == (0,)
            after = counts(connection, table)
            # Statistics decide which of two indexes is used; only the rows found matter.
            return [
                sum(row[column] for row in after) - sum(row[column] for row in before)
                for column in range(1, 1 + len(COUNTERS))
            ]

        for planner in FORCED:
            with choosing(connection, planner):
                for probe in PROBES[table]:
                    for hit, miss in guesses(tenants, table):
                        if moved(probe, hit) != moved(probe, miss):
                            told.append((planner, probe, moved(probe, hit), moved(probe, miss)))
    assert told == []


@pytest.mark.parametrize("planner", FORCED)
def test_counters_do_not_tell_that_there_is_an_account_whose_member_is_asked_for(
    tenants: TwoTenants, login: str, planner: str
) -> None:
    with may_read_counters(tenants, login), tenants.entered(login=login) as connection, choosing(connection, planner):
        connection.execute("SET LOCAL plan_cache_mode = force_custom_plan")

        def moved(user: UUID) -> list[int]:
            tables = ("public.users", "public.organization_memberships")
            before = [row for table in tables for row in counts(connection, table)]
            assert connection.execute("SELECT * FROM tenancy.member(%s)", [user]).fetchall() == []
            after = [row for table in tables for row in counts(connection, table)]
            return [
                sum(row[column] for row in after) - sum(row[column] for row in before)
                for column in range(1, 1 + len(COUNTERS))
            ]

        # Another organization's member, and a person without an organization.
        for user in (tenants.outsider.id, tenants.person.id):
            assert moved(user) == moved(uuid4())


CALLS = (
    "pg_stat_get_xact_tuples_fetched('public.users'::regclass)",
    "pg_stat_get_xact_tuples_returned('public.users'::regclass)",
    "pg_stat_get_tuples_inserted('tenancy.audit_log'::regclass)",
    "pg_stat_get_live_tuples('public.users'::regclass)",
    "pg_stat_get_numscans('public.users'::regclass)",
    "pg_stat_get_blocks_fetched('public.users'::regclass)",
    "pg_stat_get_xact_function_calls('tenancy.enter'::regproc)",
    "pg_stat_get_db_tuples_fetched((SELECT oid FROM pg_database WHERE datname = current_database()))",
    "pg_stat_get_activity(NULL)",
    "pg_stat_get_backend_activity(1)",
    "pg_stat_get_progress_info('VACUUM')",
    "pg_terminate_backend(pg_backend_pid())",
    "pg_cancel_backend(pg_backend_pid())",
    "lo_create(0)",
    "lo_from_bytea(0, '')",
    "lo_get(1)",
    "lo_open(1, 262144)",
    "loread(1, 1)",
    "lo_import('/etc/hostname')",
)


def test_functions_that_show_or_disturb_other_sessions_are_not_callable(tenants: TwoTenants, login: str) -> None:
    with tenants.entered(login=login) as connection:
        for call in CALLS:
            with refused("42501"), connection.transaction():
                connection.execute(f"SELECT {call}")


VIEWS = (
    "pg_stat_activity",
    "pg_stat_user_tables",
    "pg_stat_xact_user_tables",
    "pg_stat_user_indexes",
    "pg_statio_user_tables",
    "pg_stat_database",
    "pg_stat_replication",
    "pg_stat_ssl",
    "pg_largeobject",
    "pg_statistic",
    "pg_authid",
    "pg_user_mapping",
    "pg_hba_file_rules",
    "pg_file_settings",
)


def test_no_view_shows_other_sessions_or_counts_hidden_rows(tenants: TwoTenants, login: str) -> None:
    with tenants.entered(login=login) as connection:
        for view in VIEWS:
            with refused("42501"), connection.transaction():
                connection.execute(f"SELECT * FROM {view}")


@pytest.mark.parametrize("view", ["pg_stats", "pg_stats_ext", "pg_stats_ext_exprs"])
def test_statistics_show_no_value_of_a_protected_table(tenants: TwoTenants, login: str, view: str) -> None:
    with tenants.entered(login=login) as connection:
        assert (
            connection.execute(
                f"SELECT tablename FROM {view} WHERE schemaname IN ('public', 'finops', 'tenancy')"
            ).fetchall()
            == []
        )


# -- plans ---------------------------------------------------------------------


@pytest.mark.parametrize("table", TABLES)
def test_explain_analyze_does_not_tell_a_guess_that_hits_from_one_that_misses(
    tenants: TwoTenants, login: str, table: str
) -> None:
    told = []
    with tenants.entered(login=login) as connection:

        def plan(probe: str, guess: dict[str, Any]) -> object:
            [(found,)] = connection.execute(
                "EXPLAIN (ANALYZE, BUFFERS OFF, TIMING OFF, SUMMARY OFF, COSTS OFF, FORMAT JSON)"
                f" SELECT {KEYS.get(table, 'id')} FROM {table} WHERE {probe}",
                guess,
            ).fetchall()
            return _numbers(found if not isinstance(found, str) else json.loads(found))

        for planner in FORCED:
            with choosing(connection, planner):
                for probe in PROBES[table]:
                    for hit, miss in guesses(tenants, table):
                        if plan(probe, hit) != plan(probe, miss):
                            told.append((planner, probe, plan(probe, hit), plan(probe, miss)))
    assert told == []


def _numbers(plan: Any) -> list[tuple[str, Any]]:
    """Return a plan's counts, node by node."""
    if isinstance(plan, list):
        return [pair for part in plan for pair in _numbers(part)]
    if not isinstance(plan, dict):
        return []
    own = [(str(key), value) for key, value in plan.items() if isinstance(value, int | float)]
    return own + [pair for value in plan.values() if isinstance(value, dict | list) for pair in _numbers(value)]
