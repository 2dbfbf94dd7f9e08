"""README.md, docs/testing.md and docs/integrations.md describe the plugin and errors correctly."""

from __future__ import annotations

import configparser
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from pg_tenancy import workspace
from pg_tenancy.errors import PermissionDeniedError
from pg_tenancy.problems import problem
from pg_tenancy.testing import check_table
from plugin.test_plugin import outcome_of
from support.database import Database
from support.people import People
from support.server import Logins, Server
from support.transcript import fenced

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "projects"
TESTING = (ROOT / "docs" / "testing.md").read_text()


@pytest.fixture(scope="module")
def example(server: Server, template: str) -> Iterator[Database]:
    """Return a database with the tables of the example."""
    database = server.create(template)
    database.execute((EXAMPLE / "schema.sql").read_text())
    yield database
    server.drop(database.name)


def test_the_counts_are_those_of_the_example(example: Database) -> None:
    with example.connect() as admin:
        summary = check_table(admin, "public.projects").require().summary
    assert f"```text\n{summary}\n```" in TESTING
    assert (
        '```python\ndef test_projects(assert_isolated):\n    assert_isolated("public.projects")\n```'
        in (ROOT / "README.md").read_text()
    )


def test_the_tests_of_the_example_pass(example: Database) -> None:
    variable, program, *arguments = shlex.split(fenced((EXAMPLE / "README.md").read_text(), "sh")[1])
    assert (variable, program) == ("PG_TENANCY_TEST_DSN=$DSN", "pytest")
    allowed, where = f"tenancy_allow_database={example.name}", {"PG_TENANCY_TEST_DSN": example.dsn()}
    status, output = outcome_of(EXAMPLE, *arguments, "-o", allowed, environment=where)
    assert status == 0, output
    assert "6 passed" in output
    assert re.search(r"public\.tasks: \d+ controls and \d+ refusals held$", output, re.MULTILINE)


def test_the_settings_exist_and_are_all_described(pytestconfig: pytest.Config) -> None:
    shown = configparser.ConfigParser()
    (text,) = re.findall(r"^```ini\n(.*?)^```$", TESTING, re.M | re.S)
    shown.read_string(text)
    for name, value in shown["pytest"].items():
        pytestconfig.getini(name)
        assert value.startswith("postgresql://")
    source = (ROOT / "python_client" / "pg_tenancy" / "pytest_plugin.py").read_text()
    for name in ("tenancy_dsn", "tenancy_app_dsn", "tenancy_allow_database", "--tenancy-coverage"):
        assert name.removeprefix("tenancy_").removeprefix("--") in source
        assert f"`{name}`" in TESTING
    assert "pip install 'pg-tenancy[binary,pytest]'" in TESTING
    pyproject = (ROOT / "pyproject.toml").read_text()
    assert re.search(r"^pytest = \[", pyproject, re.M)


def test_a_refusal_is_the_document_that_is_shown(example: Database, logins: Logins) -> None:
    with example.connect(autocommit=True) as admin:
        people = People(admin)
        acme = people.organization(user=(user := people.user()))
    with (
        pytest.raises(PermissionDeniedError) as raised,
        example.connect(logins.app) as connection,
        workspace(connection, user_id=user.id, organization_id=acme.id) as ws,
    ):
        ws.execute("INSERT INTO projects (name) VALUES ('Website')")
    (text,) = re.findall(r"^```json\n(.*?)^```$", (ROOT / "docs" / "integrations.md").read_text(), re.M | re.S)
    assert problem(raised.value).document == json.loads(text)
