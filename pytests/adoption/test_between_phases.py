"""A DBA's changes between two phases stay, and stop neither the next phase nor a revert."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from support.database import Database
from support.platform import KEYLESS, ROWS
from support.replay import TAGS, Replay
from support.scripts import differences

State = Callable[..., Database]
NewLogin = Callable[..., str]

IS_MEMBER = "SELECT pg_has_role(%s, 'tenancy_legacy', 'MEMBER')"

# Changes at each tag in every table that a phase touches, with names of their own.
TABLES = ("users", "organizations", "organization_memberships", "api_keys", "instances", "models")
ACTIONS = """
ALTER TABLE public.{table} ADD note{number} text NOT NULL DEFAULT 'none', ADD old{number} integer;
ALTER TABLE public.{table} RENAME old{number} TO new{number};
CREATE INDEX {table}_note{number} ON public.{table} (note{number});
CREATE TRIGGER {table}_touch{number} BEFORE UPDATE ON public.{table} FOR EACH ROW EXECUTE FUNCTION public.touch();
GRANT SELECT (id, note{number}) ON public.{table} TO {login};
"""
TOUCH = """
CREATE FUNCTION public.touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN new; END $$;
ALTER TABLE public.organization_memberships ADD id uuid DEFAULT gen_random_uuid();
"""


def _act(database: Database, number: int, login: str) -> None:
    database.execute(*(ACTIONS.format(table=table, number=number, login=login) for table in TABLES))


def test_columns_triggers_indexes_and_grants_between_all_phases(state: State, new_login: NewLogin) -> None:
    database, login = state(KEYLESS + TOUCH + ROWS), new_login()
    run = Replay(database)
    for number, tag in enumerate(TAGS):
        _act(database, number, login)
        run.deploy(tag)
    run.verify()
    _act(database, len(TAGS), login)
    run.revert()
    # The same changes to tables that no phase has touched.
    untouched = state(KEYLESS + TOUCH + ROWS)
    for number in range(len(TAGS) + 1):
        _act(untouched, number, login)
    assert differences(untouched.dump(), database.dump()) == ""


@pytest.mark.parametrize("writes", [True, False], ids=["a writer", "the owner"])
def test_a_login_that_was_cut_over_stays_so_and_is_named(state: State, new_login: NewLogin, writes: bool) -> None:
    database, login = state(KEYLESS + ROWS), new_login()
    for table in TABLES:
        how = f"GRANT ALL ON public.{table} TO {login}" if writes else f"ALTER TABLE public.{table} OWNER TO {login}"
        database.execute(how)
    run = Replay(database)
    assert f"granted tenancy_legacy to {login}" in run.deploy("@phase-1")
    database.execute(f"REVOKE tenancy_legacy FROM {login}")
    for tag, table in (("@phase-4", "api_keys"), ("@phase-5", "instances"), ("@phase-6", "models")):
        output = run.deploy(tag)
        assert f"{login} was cut over and stays so: it sees nothing of public.{table}" in output
        assert database.fetch(IS_MEMBER, login) == [(False,)]
    run.verify()
    # A revert and a new deploy must not grant it everything again.
    run.revert("@phase-3")
    assert f"{login} was cut over" in run.deploy("@phase-4")
    assert database.fetch(IS_MEMBER, login) == [(False,)]
    run.revert()
