#!/usr/bin/env bash
# pgTAP 1.2.0 (the SQL of Debian's postgresql-15-pgtap 1.2.0-3), PostgreSQL 18.6.
#
# policies_are(table, policies), without a schema, finds policies that a table has too
# many among its own, and policies that it lacks among those of all tables. So a table
# that lacks its policy passes when any other table has a policy of that name. With the
# schema as the first argument it fails.
#
# Seen: "without a schema: ok; with it: not ok".
# shellcheck source=server.sh
source "$(dirname "$0")/server.sh"
start_server
(cd "$work" && apt-get -qq -o APT::Sandbox::User=root download postgresql-15-pgtap=1.2.0-3 >/dev/null && dpkg-deb -x ./*.deb pgtap)
sql postgres -c "CREATE SCHEMA tap"
PGOPTIONS="-c search_path=tap -c client_min_messages=error" \
    sql postgres -f "$work/pgtap/usr/share/postgresql/15/extension/pgtap--1.2.0.sql" >/dev/null
sql postgres <<'SQL'
CREATE TABLE public.things (id integer);
CREATE TABLE public.others (id integer);
CREATE POLICY mine ON public.others USING (true);
SQL

result() {
    PGOPTIONS="-c search_path=public,tap" sql postgres -c "BEGIN" -c "SELECT plan(1)" -c "SELECT policies_are($1 ARRAY['mine'])" |
        sed -nE 's/^((not )?ok) .*/\1/p'
}
as_before "without a schema: $(result "'things',"); with it: $(result "'public', 'things',")" \
    "without a schema: ok; with it: not ok"
