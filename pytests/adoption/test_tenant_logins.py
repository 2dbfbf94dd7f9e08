"""Phases 4 to 6 close tables: which logins keep working, are warned about, and lose groups in the revert."""

# ruff: noqa: S608  (the names are the test's own)

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

from support.database import Database
from support.platform import KEYLESS, ROWS
from support.replay import PLAN, TAGS, Replay, position
from support.scripts import ScriptError, differences

State = Callable[..., Database]
NewLogin = Callable[..., str]

BEFORE = TAGS[TAGS.index("@phase-4") - 1]


@pytest.mark.parametrize(("table", "to"), [("api_keys", "@phase-4"), ("instances", "@phase-5"), ("models", "@phase-6")])
def test_logins_that_may_write_keep_working_and_lose_the_group_on_revert(
    state: State, new_login: NewLogin, table: str, to: str
) -> None:
    writer, reader, earlier = new_login(), new_login(), TAGS[TAGS.index(to) - 1]
    keyless = state(KEYLESS + ROWS, earlier)
    run = Replay(keyless)
    keyless.execute(
        f"GRANT SELECT, INSERT, UPDATE ON public.{table} TO {writer}",
        f"GRANT SELECT ON public.{table} TO {reader}",
    )
    before = keyless.dump()
    member = "SELECT pg_has_role(%s, 'tenancy_legacy', 'MEMBER')"
    output = run.deploy(to)
    assert f"granted tenancy_legacy to {writer}, which keeps the rights it has" in output
    assert f"{reader} can read tables that this phase closes to it" in output
    assert keyless.fetch(member, writer) == [(True,)]
    assert keyless.fetch(member, reader) == [(False,)]
    with keyless.connect(writer) as connection:
        connection.execute(f"INSERT INTO public.{table} (id) VALUES (gen_random_uuid())")
        assert connection.execute(f"SELECT count(*) FROM public.{table}").fetchone() == (2,)
    with keyless.connect(reader) as connection:
        assert connection.execute(f"SELECT count(*) FROM public.{table}").fetchone() == (0,)
    run.revert(earlier)
    assert keyless.fetch(member, writer) == [(False,)]
    assert differences(before, keyless.dump()) == ""
    with keyless.connect(reader) as connection:
        assert connection.execute(f"SELECT count(*) FROM public.{table}").fetchone() == (2,)


@pytest.mark.parametrize(
    ("change", "table", "back_to"),
    [
        ("kernel/api_keys_workspaces", "api_keys", "@phase-2"),
        ("platform/instances_workspaces", "instances", "kernel/api_keys_functions"),
        ("platform/models_workspaces", "models", "platform/instances_functions"),
    ],
)
def test_half_a_deploy_that_is_reverted_lets_everybody_go(
    state: State, new_login: NewLogin, change: str, table: str, back_to: str
) -> None:
    keyless, writer = state(KEYLESS + ROWS, back_to), new_login()
    run = Replay(keyless)
    keyless.execute(f"GRANT INSERT ON public.{table} TO {writer}")
    before = keyless.dump()
    run.deploy(PLAN[position(change) - 2].script)
    # Somebody else's object has the name of the last one that the change adds.
    theirs = f"{table}_tenancy_workspace_id_fkey"
    keyless.execute(f"ALTER TABLE public.{table} ADD CONSTRAINT {theirs} CHECK (id IS NULL) NOT VALID")
    with pytest.raises(ScriptError):
        run.deploy(change)
    member = "SELECT pg_has_role(%s, 'tenancy_legacy', 'MEMBER')"
    assert keyless.fetch(member, writer) == [(True,)]
    run.revert(back_to)
    keyless.execute(f"ALTER TABLE public.{table} DROP CONSTRAINT {theirs}")
    assert keyless.fetch(member, writer) == [(False,)]
    assert differences(before, keyless.dump()) == ""


def test_a_login_of_its_own_survives_the_cut_over_of_another(state: State, new_login: NewLogin) -> None:
    """If a person granted the group to a login, deploy and revert keep it."""
    keyless, granted = state(KEYLESS + ROWS, BEFORE), new_login("tenancy_service")
    run = Replay(keyless)
    keyless.execute(f"GRANT INSERT ON public.instances TO {granted}")
    run.deploy("@phase-6")
    run.revert(BEFORE)
    with keyless.connect(granted) as connection, pytest.raises(psycopg.errors.NotNullViolation):
        connection.execute("INSERT INTO public.instances (status) VALUES ('x')")
    assert keyless.fetch("SELECT pg_has_role(%s, 'tenancy_service', 'MEMBER')", granted) == [(True,)]
