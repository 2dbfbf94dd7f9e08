"""TypeORM, Drizzle, Sequelize, knex and Prisma write rows of protected tables as they write any others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from psycopg.conninfo import conninfo_to_dict

from orms.conftest import Ids
from support.node import node
from support.two_tenants import TwoTenants

PROGRAM = Path(__file__).with_name("run.cjs")
TAKEN = {
    "code": "23505",
    "message": 'duplicate key value violates unique constraint "projects_pkey"',
    "detail": None,
}
DENIED = {"code": "42501", "message": "permission denied for table projects", "detail": None}

# The result of each step of each ORM; see its steps.ts.
EXPECTED: dict[str, Any] = {
    "create": [True, "open", True],
    "made": [36, "open"],
    "bulk": 4,
    "change": ["Shop", "closed"],
    "upsert": 2,
    "children": [2, 0],
    "platform": [True, "provisioning"],
    "takenByOneself": TAKEN,
    "takenByAnother": TAKEN,
    "saveOfAnothers": TAKEN,
    "upsertOfAnothers": TAKEN,
    "ignoredOfAnothers": TAKEN,
    "changeOfAnothers": [0, 0, 0],
    "childOfAnothers": {
        "code": "23503",
        "message": 'insert or update on table "tasks" violates foreign key constraint "tasks_tenancy_project_id_fkey"',
        "detail": 'Key is not present in table "projects".',
    },
    "ownerNamed": DENIED,
    "anotherOwnerNamed": DENIED,
    "moved": DENIED,
}
# Results that differ.
OTHERWISE: dict[str, dict[str, Any]] = {
    "typeorm": {"upsertOfEverything": DENIED},
    "sequelize": {"upsertOfEverything": DENIED},
    "knex": {"upsertOfEverything": DENIED},
    "prisma": {
        # Prisma does not pass on the server's detail.
        "childOfAnothers": EXPECTED["childOfAnothers"] | {"detail": None},
        **dict.fromkeys(
            ("ownerNamed", "anotherOwnerNamed", "moved"), DENIED | {"message": "permission denied for table models"}
        ),
    },
}


@pytest.mark.parametrize("orm", ["typeorm", "drizzle", "sequelize", "knex", "prisma"])
def test_steps(orm: str, tenants: TwoTenants, ids: Ids) -> None:
    given = {
        "database": conninfo_to_dict(tenants.database.dsn(tenants.logins.app)),
        "user": str(tenants.members["owner"].id),
        "organization": str(tenants.acme.id),
        "other": str(tenants.globex.id),
        "chosen": str(uuid4()),
        "taken": str(ids["other"]["project"]),
        "provider": str(ids["own"]["provider"]),
        "model": str(ids["own"]["model"]),
    }
    with tenants.admin() as admin:
        admin.execute("DELETE FROM public.projects WHERE name IN ('bulk', 'Upserted')")
    found = json.loads(node(PROGRAM, orm, json.dumps(given)))
    assert found == EXPECTED | OTHERWISE.get(orm, {})
