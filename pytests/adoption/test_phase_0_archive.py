"""A revert of phase 0 archives the rows of tables that it created."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from support.database import Database
from support.platform import KEYLESS, ROWS, TABLES, rows_of
from support.replay import Replay
from support.scripts import ScriptError


def test_an_empty_database_is_as_before_after_the_revert(empty_database: Database) -> None:
    before = empty_database.dump()
    Replay(empty_database).deploy("@phase-0")
    Replay(empty_database).revert()
    assert empty_database.dump() == before
    assert empty_database.fetch("SELECT to_regnamespace('tenancy_archive')") == [(None,)]


def test_rows_wait_in_the_archive_for_the_next_deploy(empty_database: Database, new_login: Callable[..., str]) -> None:
    before = empty_database.dump()
    Replay(empty_database).deploy("@phase-0")
    deployed = empty_database.dump()
    empty_database.execute(ROWS)
    with empty_database.connect() as connection:
        rows = rows_of(connection)

    Replay(empty_database).revert()
    assert empty_database.dump() == before
    archived = {f"tenancy_archive.{table.removeprefix('public.').replace('.', '_')}": table for table in TABLES}
    with empty_database.connect() as connection:
        kept = rows_of(connection, *archived)
    assert {archived[table]: kept[table] for table in archived} == rows
    anybody = new_login()
    assert empty_database.fetch("SELECT has_schema_privilege(%s, 'tenancy_archive', 'USAGE')", anybody) == [(False,)]

    Replay(empty_database).deploy("@phase-0")
    Replay(empty_database).verify()
    assert empty_database.dump() == deployed
    with empty_database.connect() as connection:
        assert rows_of(connection) == rows
    assert empty_database.fetch("SELECT to_regnamespace('tenancy_archive')") == [(None,)]


def test_only_tables_with_rows_are_kept(empty_database: Database) -> None:
    Replay(empty_database).deploy("@phase-0")
    empty_database.execute("INSERT INTO public.users (email) VALUES ('ann@example.com')")
    output = Replay(empty_database).revert()
    assert "the rows of public.users are kept in tenancy_archive.users" in output
    names = "SELECT relname::text FROM pg_class WHERE relnamespace = 'tenancy_archive'::regnamespace AND relkind = 'r'"
    assert empty_database.fetch(names) == [("users",)]
    Replay(empty_database).deploy("@phase-0")
    assert empty_database.fetch("SELECT email FROM public.users") == [("ann@example.com",)]


def test_a_table_made_since_and_one_in_the_archive_are_not_mixed(empty_database: Database) -> None:
    Replay(empty_database).deploy("@phase-0")
    empty_database.execute(ROWS)
    Replay(empty_database).revert()
    empty_database.execute(KEYLESS)
    before = empty_database.dump()
    with pytest.raises(ScriptError) as error:
        Replay(empty_database).deploy("@phase-0")
    output = error.value.output
    assert "two tables" in output
    assert "tenancy_archive" in output
    Replay(empty_database).revert()
    assert empty_database.dump() == before
    assert empty_database.fetch("SELECT count(*) FROM tenancy_archive.users") == [(2,)]


def test_foreign_objects_in_the_schema_finops_stay(empty_database: Database) -> None:
    Replay(empty_database).deploy("@phase-0")
    empty_database.execute("CREATE TABLE finops.budgets (amount numeric)")
    output = Replay(empty_database).revert()
    assert "the schema finops stays" in output
    assert empty_database.fetch("SELECT to_regclass('finops.budgets')::text") == [("finops.budgets",)]
