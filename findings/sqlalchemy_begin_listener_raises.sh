#!/usr/bin/env bash
# SQLAlchemy 2.1.9, with the sqlite3 of Python.
#
# A listener of the event "begin" that raises once leaves its Connection taking itself to
# be beginning: the next statement begins nothing and calls no listener. It runs outside
# of any transaction of SQLAlchemy's, so commit() has nothing to commit and the row is
# lost. What raises in the dialect's do_begin() instead is handled: the flag is reset, and
# the next statement begins.
#
# Seen: "refused; inserted, in a transaction: False; listener called 1 times; rows: 0".
# shellcheck source=server.sh
source "$(dirname "$0")/server.sh"
install "sqlalchemy==2.1.9"
seen=$("$python" - "$work/database" <<'PY'
import sys

from sqlalchemy import create_engine, event, text

engine = create_engine(f"sqlite:///{sys.argv[1]}")
with engine.begin() as connection:
    connection.execute(text("CREATE TABLE things (id int)"))
calls = []


@event.listens_for(engine, "begin")
def begin(connection):
    calls.append(connection)
    if len(calls) == 1:
        raise RuntimeError("not now")


with engine.connect() as connection:
    try:
        connection.execute(text("SELECT 1"))
    except RuntimeError:
        print("refused", end="; ")
    connection.execute(text("INSERT INTO things VALUES (1)"))
    print("inserted, in a transaction:", connection.in_transaction(), end="; ")
    connection.commit()
print("listener called", len(calls), "times", end="; ")
with engine.connect() as connection:
    print("rows:", connection.execute(text("SELECT count(*) FROM things")).scalar_one())
PY
)
as_before "$seen" "refused; inserted, in a transaction: False; listener called 1 times; rows: 0"
