"""Tables in another schema or under a similar name: the deploy does not create empty ones beside them."""

from __future__ import annotations

import os

import pytest

from support.database import Database
from support.hanging import State, refused
from support.platform import KEYLESS, ROWS, TABLES
from support.replay import Replay


def test_tables_in_another_schema_are_found(state: State) -> None:
    database = state(KEYLESS + ROWS)
    moves = [
        f"ALTER TABLE {table} SET SCHEMA app"
        for table in TABLES
        if table.startswith("public.") and "share" not in table
    ]
    database.execute("CREATE SCHEMA app", *moves)
    output = refused(database)
    for table in ("users", "organizations", "organization_memberships", "api_keys", "instances", "models"):
        statement = f"ALTER TABLE app.{table} SET SCHEMA public;"
        assert f"public.{table} is absent, and app.{table} looks like it: {statement}" in output
    assert "Move a table that is meant to where pg-tenancy looks for it" in output
    for table in TABLES:
        if f"ALTER TABLE app.{table.partition('.')[2]} SET SCHEMA public;" in output:
            database.execute(f"ALTER TABLE app.{table.partition('.')[2]} SET SCHEMA public")
    Replay(database).deploy("@phase-0")
    assert database.fetch("SELECT count(*) FROM public.users") == [(2,)]


@pytest.mark.parametrize("name", ['"User"', '"Users"', "user"])
def test_a_table_under_a_name_that_is_nearly_the_one(state: State, name: str) -> None:
    database = state(KEYLESS + ROWS)
    quoted = '"user"' if name == "user" else name
    database.execute(f"ALTER TABLE public.users RENAME TO {quoted}")
    statement = f"ALTER TABLE public.{quoted} RENAME TO users;"
    assert f"public.users is absent, and public.{quoted} looks like it: {statement}" in refused(database)
    database.execute(statement)
    Replay(database).deploy("@phase-0")


def test_unrelated_tables_of_the_same_name_are_explained(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    database: Database = state()
    database.execute(
        "CREATE SCHEMA auth",
        "CREATE TABLE auth.users (id uuid PRIMARY KEY)",
        # A common name, but without the columns.
        "CREATE SCHEMA ml",
        "CREATE TABLE ml.models (id uuid PRIMARY KEY)",
        "CREATE TABLE auth.providers (number bigint)",
    )
    output = refused(database)
    assert "one problem must be fixed" in output
    assert "public.users is absent, and auth.users looks like it" in output
    monkeypatch.setenv("PGOPTIONS", os.environ.get("PGOPTIONS", "") + " -c tenancy.other_tables=auth.users")
    Replay(database).deploy("@phase-1")
    assert database.fetch("SELECT count(*) FROM public.users") == [(0,)]
