"""The statements in docs/operations.md about PostgreSQL and drivers are true."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import date, datetime, timedelta, timezone
from typing import Any

import asyncpg  # type: ignore[import-untyped, unused-ignore]
import psycopg
import pytest

from support.people import Organization
from support.server import Logins

Connection = psycopg.Connection[tuple[Any, ...]]
AsApp = Callable[..., AbstractContextManager[Connection]]


@pytest.mark.parametrize(
    ("value", "cast", "is_trusted"),
    [
        (datetime.now(timezone.utc), "", True),
        (date.today(), "", False),
        (datetime(2026, 1, 1), "", False),
        (date.today(), "::timestamptz", True),
    ],
    ids=["timestamptz", "date", "timestamp", "a date that is cast"],
)
def test_an_index_serves_comparisons_with_its_own_type(
    acme: Organization, as_app: AsApp, value: date, cast: str, is_trusted: bool
) -> None:
    with as_app(acme.owner, acme) as connection:
        connection.execute("SET LOCAL enable_seqscan = off")
        connection.execute("SET LOCAL enable_bitmapscan = off")
        plan = connection.execute(
            f"EXPLAIN (COSTS OFF) SELECT id FROM public.instances WHERE created_at >= %s{cast} ORDER BY created_at",  # noqa: S608
            [value],
        ).fetchall()
    (condition,) = (line for (line,) in plan if "Index Cond" in line)
    assert "workspace_id" in condition
    assert ("created_at" in condition) is is_trusted


def test_statements_that_were_prepared_are_gone_after_discard_all(connect: Callable[..., Connection]) -> None:
    for threshold, fails in ((5, True), (None, False)):
        connection = connect(autocommit=True)
        connection.prepare_threshold = threshold
        for number in range(8):
            connection.execute("SELECT %s::integer", [number])
        connection.pgconn.exec_(b"DISCARD ALL")
        if fails:
            with pytest.raises(psycopg.errors.InvalidSqlStatementName):
                connection.execute("SELECT %s::integer", [1])
        else:
            connection.execute("SELECT %s::integer", [1])


async def test_a_number_is_the_same_however_it_is_printed(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        amount = await connection.fetchval("SELECT 10000::numeric")
    finally:
        await connection.close()
    assert (str(amount), f"{amount:f}", amount) == ("1E+4", "10000", 10000)


async def test_the_last_day_and_the_first_are_infinite_for_asyncpg(
    dsn: str, connect: Callable[..., Connection]
) -> None:
    ends = [date.max, date.min]
    connection = await asyncpg.connect(dsn)
    try:
        assert tuple(await connection.fetchrow("SELECT $1::date::text, $2::date::text", *ends)) == (
            "infinity",
            "-infinity",
        )
    finally:
        await connection.close()
    assert connect().execute("SELECT %s::date::text, %s::date::text", ends).fetchone() == ("9999-12-31", "0001-01-01")
    with pytest.raises(psycopg.DataError):
        connect().execute("SELECT date 'infinity'").fetchone()


def test_an_infinite_interval_is_none_at_all_for_psycopg() -> None:
    # The format from PostgreSQL 17 on.
    loader = psycopg.adapt.Transformer().get_loader(psycopg.adapters.types["interval"].oid, psycopg.pq.Format.TEXT)
    assert loader.load(b"infinity") == timedelta(0)


def test_copy_writes_generated_columns_under_row_level_security(
    new_login: Callable[..., str], connect: Callable[..., Connection], admin: Connection
) -> None:
    reader = new_login()
    admin.execute("CREATE TABLE public.prices (net integer, twice integer GENERATED ALWAYS AS (net * 2) STORED)")
    admin.execute("INSERT INTO public.prices VALUES (10)")
    admin.execute("ALTER TABLE public.prices ENABLE ROW LEVEL SECURITY")
    admin.execute("CREATE POLICY all_rows ON public.prices USING (true)")
    admin.execute(psycopg.sql.SQL("GRANT SELECT ON public.prices TO {}").format(psycopg.sql.Identifier(reader)))
    for connection, row in ((admin, b"10\n"), (connect(reader), b"10\t20\n")):
        with connection.cursor().copy("COPY public.prices TO STDOUT") as copied:
            assert [bytes(block) for block in copied] == [row]


def test_a_dump_cannot_refresh_a_view_over_a_protected_table(logins: Logins, admin: Connection) -> None:
    admin.execute("CREATE MATERIALIZED VIEW public.counted AS SELECT count(*) FROM public.organizations")
    admin.execute(
        psycopg.sql.SQL("ALTER MATERIALIZED VIEW public.counted OWNER TO {}").format(
            psycopg.sql.Identifier(logins.service)
        )
    )
    admin.execute("REFRESH MATERIALIZED VIEW public.counted")
    admin.execute("SET row_security = off")  # a dump's first lines
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="would be affected by row-level security"):
        admin.execute("REFRESH MATERIALIZED VIEW public.counted")


def test_another_login_copies_nothing_of_a_protected_table(
    acme: Organization,
    logins: Logins,
    new_login: Callable[..., str],
    connect: Callable[..., Connection],
    admin: Connection,
) -> None:
    reader = new_login()
    admin.execute(psycopg.sql.SQL("GRANT SELECT ON public.organizations TO {}").format(psycopg.sql.Identifier(reader)))
    for login, rows in ((reader, 0), (logins.service, 1)):
        with connect(login).cursor().copy("COPY public.organizations (id) TO STDOUT") as copied:
            assert len(list(copied)) == rows
