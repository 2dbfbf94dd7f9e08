#!/usr/bin/env bash
# sqitch 1.3.1 (Debian's package, with libdbd-pg-perl), PostgreSQL 18.6.
#
# A change is deployed, and later in the plan it is reworked. In a database that stops
# before the rework, `sqitch verify` does not run the verify script of the change, nor
# that of the rework, says "ok" for it and ends with 0, whatever the database is like.
# With the rework taken out of the plan the same verify fails, as it should.
#
# Seen: "reworked later: 0; not reworked: 1".
# shellcheck source=server.sh
source "$(dirname "$0")/server.sh"
command -v sqitch >/dev/null || apt-get install -y sqitch libdbd-pg-perl postgresql-client >/dev/null
start_server
sqitch --version

mkdir "$work/project" "$work/home"
export HOME=$work/home
cd "$work/project"
sqitch init things --engine pg --target "db:pg://postgres@/postgres?host=$work/socket" >/dev/null
sqitch config --user user.name Somebody
sqitch config --user user.email somebody@example.com
sqitch add table -n "A table." >/dev/null
echo "CREATE TABLE things (id integer);" >deploy/table.sql
echo "DROP TABLE things;" >revert/table.sql
echo "SELECT 1 / count(*) FROM pg_class WHERE relname = 'things';" >verify/table.sql
sqitch tag v1 -n "One." >/dev/null
cp sqitch.plan before.plan
sqitch rework table -n "Another table." >/dev/null
sqitch deploy --to @v1 >/dev/null
sql postgres -c "DROP TABLE things"

status() { sqitch verify >/dev/null 2>&1 && echo 0 || echo 1; }
reworked=$(status)
cp before.plan sqitch.plan
for folder in deploy revert verify; do mv "$folder/table@v1.sql" "$folder/table.sql"; done
as_before "reworked later: $reworked; not reworked: $(status)" "reworked later: 0; not reworked: 1"
