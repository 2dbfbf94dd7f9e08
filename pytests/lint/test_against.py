"""``pg-tenancy lint --against BASE``: new findings, and the effects of differences."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pg_tenancy.tools.cli import main
from pg_tenancy.tools.lint_changes import read_changes, read_snapshot
from support.database import Database
from support.server import Server

from .conftest import Stranger

Answer = Callable[..., tuple[int, str, str]]

NEW_TABLE = (
    "CREATE TABLE app.notes (org_id uuid NOT NULL, PRIMARY KEY (org_id));"
    "ALTER TABLE app.notes ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;"
    "CREATE POLICY notes_app ON app.notes TO {app} USING (org_id = (SELECT app.tenant()));"
    "GRANT SELECT ON app.notes TO {app};"
)

# A statement, and the verdict on each object that differs.
DIFFERENCES = {
    "ALTER TABLE app.tasks DISABLE ROW LEVEL SECURITY": {"table app.tasks": "dangerous"},
    "ALTER TABLE app.tasks NO FORCE ROW LEVEL SECURITY": {"table app.tasks": "dangerous"},
    "ALTER TABLE app.countries ENABLE ROW LEVEL SECURITY": {"table app.countries": "breaking"},
    "ALTER TABLE app.countries FORCE ROW LEVEL SECURITY": {"table app.countries": "safe"},
    "DROP TABLE app.countries": {"table app.countries": "breaking"},
    "ALTER TABLE app.countries RENAME TO states": {
        "table app.countries": "breaking",
        "table app.states": "dangerous",
        "grant of SELECT on app.states to {app}": "dangerous",
    },
    NEW_TABLE: {
        "table app.notes": "safe",
        "policy notes_app on app.notes": "safe",
        "grant of SELECT on app.notes to {app}": "safe",
    },
    "CREATE TABLE app.notes (org_id uuid)": {"table app.notes": "dangerous"},
    "CREATE TABLE app.notes (org_id uuid); ALTER TABLE app.notes ENABLE ROW LEVEL SECURITY": {
        "table app.notes": "safe"
    },
    "CREATE TABLE app.notes (org_id uuid); GRANT SELECT ON app.notes TO {app}": {
        "table app.notes": "dangerous",
        "grant of SELECT on app.notes to {app}": "dangerous",
    },
    "DROP POLICY tasks_floor ON app.tasks": {"policy tasks_floor on app.tasks": "dangerous"},
    "DROP POLICY tasks_app ON app.tasks": {"policy tasks_app on app.tasks": "breaking"},
    "CREATE POLICY more ON app.tasks USING (title = 'public')": {"policy more on app.tasks": "dangerous"},
    "CREATE POLICY less ON app.tasks AS RESTRICTIVE USING (true)": {"policy less on app.tasks": "breaking"},
    "ALTER POLICY tasks_app ON app.tasks USING (true)": {"policy tasks_app on app.tasks": "dangerous"},
    "ALTER POLICY tasks_app ON app.tasks TO PUBLIC": {"policy tasks_app on app.tasks": "dangerous"},
    "GRANT UPDATE (org_id) ON app.tasks TO {app}": {"grant of UPDATE (org_id) on app.tasks to {app}": "dangerous"},
    "REVOKE DELETE ON app.tasks FROM {app}": {"grant of DELETE on app.tasks to {app}": "breaking"},
    "ALTER TABLE app.tasks ADD COLUMN due date": {"column app.tasks.due": "safe"},
    "ALTER TABLE app.tasks ADD COLUMN due date NOT NULL": {"column app.tasks.due": "breaking"},
    "ALTER TABLE app.tasks ALTER COLUMN title TYPE varchar": {"column app.tasks.title": "breaking"},
    "CREATE VIEW app.v AS SELECT title FROM app.tasks; GRANT SELECT ON app.v TO {app}": {
        "view app.v": "dangerous",
        "grant of SELECT on app.v to {app}": "dangerous",
    },
    "CREATE VIEW app.v WITH (security_invoker) AS SELECT title FROM app.tasks; GRANT SELECT ON app.v TO {app}": {
        "view app.v": "safe",
        "grant of SELECT on app.v to {app}": "safe",
    },
    "CREATE FUNCTION app.f() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'": {
        "function app.f()": "dangerous",
        "grant of EXECUTE on app.f() to PUBLIC": "dangerous",
    },
    "CREATE FUNCTION app.f() RETURNS int LANGUAGE sql AS 'SELECT 1'": {},
    "CREATE TRIGGER t BEFORE INSERT ON app.tasks EXECUTE FUNCTION suppress_redundant_updates_trigger()": {
        "trigger t on app.tasks": "breaking"
    },
    "CREATE INDEX ON app.tasks (org_id, title)": {},
}


@pytest.mark.parametrize("statements", DIFFERENCES)
def test_what_a_difference_does(stranger: Stranger, statements: str) -> None:
    with stranger.database.connect() as connection:
        before = read_snapshot(connection)
        connection.execute(stranger.sql(statements).encode())
        after = read_snapshot(connection)
        connection.rollback()
    found = {each.object: each.rule.removeprefix("change_") for each in read_changes(before, after)}
    assert found == {stranger.sql(name): verdict for name, verdict in DIFFERENCES[statements].items()}
    assert all(each.problem and each.remedy for each in read_changes(before, after))


def test_new_findings_are_fixed_ones_the_other_way_round(stranger: Stranger) -> None:
    with stranger.database.connect() as connection:
        before = read_snapshot(connection)
        connection.execute(
            b"CREATE FUNCTION app.f() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1';"
            b"CREATE VIEW app.v AS SELECT title FROM app.tasks;"
            b"CREATE TRIGGER t BEFORE INSERT ON app.tasks EXECUTE FUNCTION suppress_redundant_updates_trigger()"
        )
        after = read_snapshot(connection)
        connection.rollback()
    assert {each.object: each.rule for each in read_changes(after, before)} == {
        "function app.f()": "change_breaking",
        "grant of EXECUTE on app.f() to PUBLIC": "change_breaking",
        "view app.v": "change_breaking",
        "trigger t on app.tasks": "change_dangerous",
    }


# -- the command ---------------------------------------------------------------


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Answer:
    """Return a function that lints a database, and returns its exit status, output and errors."""
    monkeypatch.delenv("PG_TENANCY_DSN", raising=False)

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        capsys.readouterr()
        return main(["lint", *map(str, arguments)]), *capsys.readouterr()

    return run


@pytest.fixture
def changed(server: Server, stranger: Stranger) -> Iterator[Database]:
    """Yield a copy of the stranger's database in which a pull request has lost the floor of one table."""
    database = server.create(stranger.database.name)
    database.execute("DROP POLICY tasks_floor ON app.tasks")
    yield database
    server.drop(database.name)


def _found(output: str) -> list[tuple[str, str]]:
    # Roles belong to the whole server, and other tests create some meanwhile.
    return [
        (each["rule"], each["object"])
        for each in json.loads(output)["findings"]
        if not each["object"].startswith("role ")
    ]


NEW = [
    ("floor_missing", "table app.tasks"),
    ("change_dangerous", "policy tasks_floor on app.tasks"),
]


def test_only_what_is_new_is_reported(changed: Database, stranger: Stranger, run: Answer, tmp_path: Path) -> None:
    base = tmp_path / "base.json"
    base.write_text(run(stranger.database.dsn(), "--format", "json")[1])
    for against in (base, stranger.database.dsn()):
        status, output, complaints = run(changed.dsn(), "--format", "json", "--against", against)
        assert (status, complaints) == (1, "")
        assert _found(output) == NEW
    # Without a change nothing is reported, whatever the base has.
    status, output, _ = run(changed.dsn(), "--format", "json", "--against", changed.dsn())
    assert (status, _found(output)) == (0, [])


def test_a_change_that_is_meant_is_exempted_and_then_no_more(
    changed: Database, stranger: Stranger, run: Answer, tmp_path: Path
) -> None:
    baseline = tmp_path / "lint.json"
    reasons = [{"rule": rule, "object": name, "reason": "one floor for all is coming"} for rule, name in NEW]
    baseline.write_text(json.dumps({"exempt": reasons}))
    arguments: list[Any] = [changed.dsn(), "--baseline", baseline, "--format", "json"]
    status, output, _ = run(*arguments, "--against", stranger.database.dsn())
    assert (status, _found(output)) == (0, [])
    # Compared with itself there is no such change; without a base it is not checked.
    status, output, _ = run(*arguments, "--against", changed.dsn())
    assert (status, _found(output)) == (1, [("exemption_unused", f"{NEW[1][0]}: {NEW[1][1]}")])
    assert ("exemption_unused", f"{NEW[1][0]}: {NEW[1][1]}") not in _found(run(*arguments)[1])


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"findings": [], "exempted": [], "failures": {}}'])
def test_a_base_that_is_no_report(stranger: Stranger, run: Answer, tmp_path: Path, text: str) -> None:
    (tmp_path / "base.json").write_text(text)
    status, output, complaints = run(stranger.database.dsn(), "--against", tmp_path / "base.json")
    assert (status, output) == (2, "")
    assert "base.json" in complaints


def test_a_base_that_is_neither_a_file_nor_a_dsn(stranger: Stranger, run: Answer) -> None:
    status, _, complaints = run(stranger.database.dsn(), "--against", "base.jsn")
    assert (status, complaints) == (2, "pg-tenancy: base.jsn is neither a file nor a DSN\n")


def test_a_base_that_cannot_be_reached(stranger: Stranger, run: Answer) -> None:
    status, output, complaints = run(stranger.database.dsn(), "--against", "postgresql://127.0.0.1:1/nowhere")
    assert (status, output) == (2, "")
    assert complaints


def test_the_other_formats_have_the_changes(changed: Database, stranger: Stranger, run: Answer) -> None:
    for form, text in (
        ("table", "change_dangerous"),
        ("sarif", '"ruleId": "change_dangerous"'),
        ("github", "::warning"),
    ):
        assert text in run(changed.dsn(), "--format", form, "--against", stranger.database.dsn())[1]


def test_a_broken_connection_is_an_error(stranger: Stranger) -> None:
    with stranger.database.connect(autocommit=True) as connection:
        connection.close()
        with pytest.raises(psycopg.Error):
            read_snapshot(connection)
