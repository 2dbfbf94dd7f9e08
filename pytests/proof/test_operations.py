"""The statements in docs/operations.md about PostgreSQL and drivers are true."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import date, datetime, timezone
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
