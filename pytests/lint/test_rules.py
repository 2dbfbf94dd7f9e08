"""Each rule finds its planted fault, and nothing in similar correct objects."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pg_tenancy.tools.lint import SEVERITIES, Baseline, Finding, Rule, lint, read_rules
from support.linted import PLANTS, Plant

from .conftest import Stranger

Connection = psycopg.Connection[tuple[Any, ...]]

RULES = {rule.name: rule for rule in read_rules()}


@pytest.fixture(scope="module")
def admin_of_the_stranger(stranger: Stranger) -> Iterator[Connection]:
    with stranger.database.connect(autocommit=True) as connection:
        yield connection


def _found(connection: Connection, stranger: Stranger, statements: str, *rules: Rule) -> list[Finding]:
    """Return the rules' findings after these statements, and roll them back."""
    with connection.transaction(force_rollback=True):
        if statements:
            connection.execute(stranger.sql(statements).encode())
        report = lint(connection, baseline=Baseline(trusted_roles=(stranger.names["trusted"],)), rules=rules)
    assert report.failures == {}
    return list(report.findings)


def _name(plant: Plant) -> str:
    return f"{plant.rule}-{plant.severity}"


@pytest.mark.parametrize("plant", PLANTS, ids=_name)
def test_a_fault_is_found(admin_of_the_stranger: Connection, stranger: Stranger, plant: Plant) -> None:
    fault = plant.fault
    if "NOT ENFORCED" in fault and admin_of_the_stranger.info.server_version < 180000:
        # It is not reported before; other findings are excluded.
        fault, plant = fault.replace("NOT ENFORCED", "NOT VALID"), Plant(plant.rule, "", plant.object, "warning", "")
    found = _found(admin_of_the_stranger, stranger, fault, RULES[plant.rule])
    assert (stranger.sql(plant.object), plant.severity) in [(each.object, each.severity) for each in found]
    assert all(each.problem and each.remedy for each in found)


@pytest.mark.parametrize("plant", PLANTS, ids=_name)
def test_what_is_right_is_not(admin_of_the_stranger: Connection, stranger: Stranger, plant: Plant) -> None:
    found = _found(admin_of_the_stranger, stranger, plant.right, RULES[plant.rule])
    objects = [each.object for each in found if each.severity != "info" or plant.severity == "info"]
    assert stranger.sql(plant.object) not in objects
    assert [each for each in found if each.severity != "info"] == []


def test_every_rule_has_a_planted_fault() -> None:
    assert {plant.rule for plant in PLANTS} | {"server_outdated"} == set(RULES)


def test_every_rule_is_in_the_document_with_what_it_says_and_how_bad_it_is() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "lint.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| ([\w, ]+) \| (.+?) \| .+ \|$", text, re.MULTILINE)
    assert len(rows) == len({name for name, _, _ in rows})
    listed = {name: (severities.split(", "), what) for name, severities, what in rows}
    assert set(listed) == set(RULES)
    for name, (severities, what) in listed.items():
        assert what.startswith(RULES[name].description.removesuffix(".")), name
        assert severities[0] in SEVERITIES
    for plant in PLANTS:
        severities, what = listed[plant.rule]
        assert plant.severity in severities or plant.severity in what.lower(), plant


def test_a_well_made_application_has_no_finding_above_info(
    admin_of_the_stranger: Connection, stranger: Stranger
) -> None:
    others = [rule for rule in RULES.values() if rule.name != "server_outdated"]
    found = _found(admin_of_the_stranger, stranger, "", *others)
    assert [each for each in found if each.severity != "info"] == []
    # Roles belong to the whole server, and other tests create some meanwhile.
    assert {each.rule for each in found if not each.object.startswith("role ")} == {
        "new_tables_unguarded",
        "sessions_public",
        "statistics_public",
    }


@pytest.mark.parametrize(
    ("number", "closed"),
    [
        ("130023", "14.25"),
        ("140024", "14.25"),
        ("140025", None),
        ("150019", "15.20"),
        ("150020", None),
        ("160015", "16.16"),
        ("160016", None),
        ("170011", "17.12"),
        ("170012", None),
        ("180006", "18.7"),
        ("180007", None),
        ("190000", None),
    ],
)
def test_a_server_without_the_minor_release_is_found(
    admin_of_the_stranger: Connection, stranger: Stranger, number: str, closed: str | None
) -> None:
    rule = RULES["server_outdated"]
    query = rule.query.replace("current_setting('server_version_num')", f"'{number}'")
    assert query != rule.query
    found = _found(admin_of_the_stranger, stranger, "", Rule(rule.name, rule.description, query))
    assert [(each.object, each.severity) for each in found] == ([("server", "error")] if closed else [])
    assert all(f"{closed} closes them" in each.problem for each in found)


SEVEN = {
    "a select policy of true": "DROP POLICY tasks_floor ON app.tasks; DROP POLICY projects_floor ON app.projects;"
    "CREATE POLICY open ON app.tasks FOR SELECT TO {app} USING (true)",
    "the floor dropped": "DROP POLICY tasks_floor ON app.tasks",
    "no FORCE": "ALTER TABLE app.tasks NO FORCE ROW LEVEL SECURITY",
    "an owner's view": "CREATE VIEW app.v AS SELECT * FROM app.tasks; GRANT SELECT ON app.v TO {app}",
    "row-level security off": "ALTER TABLE app.tasks DISABLE ROW LEVEL SECURITY",
    "a write check of true": "DROP POLICY tasks_floor ON app.tasks; DROP POLICY projects_floor ON app.projects;"
    "ALTER POLICY tasks_app ON app.tasks WITH CHECK (true)",
    "a public definer function without a path": "CREATE FUNCTION app.f() RETURNS bigint LANGUAGE sql SECURITY DEFINER"
    " AS 'SELECT count(*) FROM app.tasks'",
}


@pytest.mark.parametrize("fault", SEVEN)
def test_the_seven_usual_faults_are_errors(admin_of_the_stranger: Connection, stranger: Stranger, fault: str) -> None:
    others = [rule for rule in RULES.values() if rule.name != "server_outdated"]
    found = _found(admin_of_the_stranger, stranger, SEVEN[fault], *others)
    assert "error" in [each.severity for each in found]


OWN_NAMES = """
ALTER TABLE app.projects RENAME COLUMN org_id TO company_id;
ALTER TABLE app.tasks RENAME COLUMN org_id TO company_id;
ALTER FUNCTION app.tenant() RENAME TO whose;
CREATE FUNCTION app.count_tasks({argument} uuid) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$ BEGIN {check} RETURN (SELECT count(*) FROM app.tasks AS t WHERE t.company_id = $1); END $$;
"""


@pytest.mark.parametrize("argument", ["company_id", "p_company", "_company", "for_company", ""])
@pytest.mark.parametrize(
    ("check", "severities"),
    [
        ("", ["warning"]),
        ("PERFORM app.others();", ["warning"]),
        ("IF $1 <> app.whose() THEN RETURN NULL; END IF;", []),
        ("IF $1 <> current_setting('app.company')::uuid THEN RETURN NULL; END IF;", []),
    ],
)
def test_a_tenant_argument_and_its_check_may_have_names_of_their_own(
    admin_of_the_stranger: Connection, stranger: Stranger, argument: str, check: str, severities: list[str]
) -> None:
    statements = OWN_NAMES.replace("{argument}", argument).replace("{check}", check)
    with admin_of_the_stranger.transaction(force_rollback=True):
        admin_of_the_stranger.execute(stranger.sql(statements).encode())
        report = lint(
            admin_of_the_stranger,
            baseline=Baseline(tenant_columns=("company_id",)),
            rules=[RULES["definer_tenant_argument"]],
        )
    assert report.failures == {}
    assert [each.severity for each in report.findings] == severities
    assert all(each.object == "function app.count_tasks(uuid)" for each in report.findings)


def test_the_same_logins_are_one(admin_of_the_stranger: Connection, stranger: Stranger) -> None:
    (found,) = _found(
        admin_of_the_stranger, stranger, "ALTER TABLE app.tasks DISABLE ROW LEVEL SECURITY", RULES["rls_disabled"]
    )
    names = sorted((stranger.names["login"], stranger.names["other"]))
    assert f"open to {names[0]} (and 1 more)" in found.problem


def test_the_remedy_of_a_view_mends_it(admin_of_the_stranger: Connection, stranger: Stranger) -> None:
    plant = next(plant for plant in PLANTS if plant.rule == "view_as_owner")
    (found,) = _found(admin_of_the_stranger, stranger, plant.fault, RULES["view_as_owner"])
    assert _found(admin_of_the_stranger, stranger, f"{plant.fault}; {found.remedy}", RULES["view_as_owner"]) == []
