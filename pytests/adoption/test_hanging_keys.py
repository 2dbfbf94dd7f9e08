"""Keys of PostgreSQL 18: NOT ENFORCED ones do not count, NOT VALID ones are validated."""

# ruff: noqa: S608  (the names are the test's own)

from __future__ import annotations

from uuid import UUID

import psycopg
import pytest

from support.database import Database
from support.hanging import State, refused
from support.platform import KEYLESS, ROWS
from support.replay import WHOLE_PLAN, Replay
from support.scripts import differences
from support.server import Logins, Server

ANN, BOB = (UUID(f"00000000-0000-0000-0000-00000000000{letter}") for letter in "ab")
BULK = UUID("00000000-0000-0000-0001-00000000000b")

# Syntax of 18; on an older server there is no equivalent, so nothing is created.
UNENFORCED = """
ALTER TABLE public.users ADD PRIMARY KEY (id);
ALTER TABLE public.organization_memberships ADD CONSTRAINT theirs FOREIGN KEY (user_id) REFERENCES public.users (id)
ON DELETE CASCADE NOT ENFORCED;
"""
UNCHECKED = """
ALTER TABLE public.users ADD CONSTRAINT users_have_ids NOT NULL id NOT VALID;
ALTER TABLE public.organization_memberships ADD CONSTRAINT members_have_users NOT NULL user_id NOT VALID;
"""


@pytest.fixture
def version(server: Server) -> int:
    return int(server.version)


def _tables(version: int, further: str) -> str:
    if version < 18:
        further = further.replace(" NOT ENFORCED", " NOT VALID").partition("ALTER TABLE public.users ADD CONSTRAINT")[0]
    return KEYLESS + ROWS + further


def test_a_key_that_is_not_enforced_gets_one_beside_it(state: State, logins: Logins, version: int) -> None:
    database = state(_tables(version, UNENFORCED))
    before = database.dump()
    run = Replay(database)
    # Everything that has to do with users and memberships.
    run.deploy("@phase-3")
    run.verify()
    with database.entered(logins.app, BOB, BULK):
        pass
    database.execute(
        f"INSERT INTO public.organization_memberships (organization_id, user_id, role)"
        f" VALUES ('{BULK}', '{ANN}', 'owner')",
        f"DELETE FROM public.users WHERE id = '{BOB}'",
    )
    assert database.fetch("SELECT count(*) FROM public.organization_memberships WHERE user_id = %s", BOB) == [(0,)]
    with pytest.raises(psycopg.Error, match="no such membership"), database.entered(logins.app, BOB, BULK):
        pass
    # The application's own key stays unchanged.
    run.revert()
    assert differences(before, database.dump()) == ""


def test_orphans_behind_a_key_that_is_not_enforced_are_counted(state: State, version: int) -> None:
    database = state(_tables(version, UNENFORCED if version >= 18 else ""))
    database.execute(f"DELETE FROM public.users WHERE id = '{BOB}'")
    output = refused(database)
    assert "public.organization_memberships: 1 row whose user_id refers to no row of public.users" in output


def test_a_childs_key_that_is_not_enforced_makes_no_child(state: State, version: int) -> None:
    database: Database = state(KEYLESS + ROWS, WHOLE_PLAN)
    database.execute(
        "CREATE TABLE public.projects (id uuid PRIMARY KEY)",
        "CREATE TABLE public.tasks (id uuid PRIMARY KEY, project_id uuid)",
        "CALL tenancy.protect('public.projects')",
    )
    if version >= 18:
        database.execute(
            "ALTER TABLE public.tasks ADD FOREIGN KEY (project_id) REFERENCES public.projects (id) NOT ENFORCED"
        )
    with pytest.raises(psycopg.Error, match="project_id refers to no protected table"):
        database.execute("CALL tenancy.protect('public.tasks', parent => 'project_id')")


def test_an_unvalidated_key_is_validated_and_restored_unvalidated(state: State, version: int) -> None:
    database = state(_tables(version, UNCHECKED))
    before = database.dump()
    run = Replay(database)
    run.deploy("@phase-0")
    run.verify()
    (keys,) = database.fetch(
        "SELECT count(*) FROM pg_constraint WHERE contype = 'p' AND conrelid::regclass::text ~ 'users'"
    )
    assert keys == (1,)
    run.revert()
    assert differences(before, database.dump()) == ""


def test_rows_that_a_check_would_find_are_counted_first(state: State, version: int) -> None:
    database = state(KEYLESS + ROWS)
    database.execute("INSERT INTO public.users (email) VALUES ('nobody@example.com')")
    if version >= 18:
        database.execute(UNCHECKED.splitlines()[1])
    assert "public.users: 1 row whose id is null" in refused(database)
