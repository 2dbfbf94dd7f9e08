"""In a deployed database tenancy.lint() and the command report the same, and nothing above info."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pg_tenancy.tools.demo.rental import TABLES
from pg_tenancy.tools.lint import Baseline, Finding, lint, read_rules
from pg_tenancy.tools.sqitch import read_plan
from support.application import Application, application
from support.database import Database
from support.rental import ROWS
from support.replay import WHOLE_PLAN, Replay, Step
from support.scripts import psql
from support.server import Logins, Server

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def _of_this_database(findings: Iterable[Finding]) -> set[Finding]:
    # Roles belong to the whole server, and other tests create and drop some meanwhile.
    return {each for each in findings if not each.object.startswith("role ")}


def _called(connection: psycopg.Connection[Any]) -> set[Finding]:
    return {Finding(*row) for row in connection.execute("SELECT * FROM tenancy.lint()").fetchall()}


def _asked(connection: psycopg.Connection[Any]) -> set[Finding]:
    report = lint(connection)
    assert report.failures == {}
    return set(report.findings)


def _above_info(database: Database) -> list[Finding]:
    with database.connect(autocommit=True) as admin:
        called = _called(admin)
        assert _of_this_database(called) == _of_this_database(_asked(admin))
    assert len(called) > 10, "it looked at nothing"
    # The server's release does not depend on the database.
    return [each for each in called if each.severity != "info" and each.rule != "server_outdated"]


@pytest.fixture(scope="module")
def app(server: Server, logins: Logins) -> Iterator[Application]:
    """Yield an application with protected tables, for tests that leave nothing behind."""
    made = application(server, logins, protected=True)
    yield made
    server.drop(made.database.name)


def test_the_whole_plan_has_no_finding_above_info(database: Database, logins: Logins) -> None:
    assert _above_info(database) == []
    # Nor one with an impossible remedy: pg-tenancy's changes made these tables.
    with database.connect(autocommit=True) as admin:
        rules = {each.rule for each in _called(admin)}
    assert rules & {"owner_column_unused", "tenant_column_nullable"} == set()


def test_protected_tables_have_no_finding_above_info(app: Application) -> None:
    assert _above_info(app.database) == []


def _make_invoicing(database: Database, logins: Logins) -> None:
    with database.connect(autocommit=True) as admin:
        admin.execute(f'GRANT CREATE ON SCHEMA public TO "{logins.old}"'.encode())
    with database.connect(logins.old, autocommit=True) as old:
        old.execute((EXAMPLES / "invoicing" / "before.sql").read_bytes())
    with database.connect(autocommit=True) as admin:
        admin.execute((EXAMPLES / "invoicing" / "1_accounts.sql").read_bytes())
        Replay(database).run(*(Step("deploy", change, is_noted=False) for change in read_plan(plan="kernel")))
        admin.execute((EXAMPLES / "invoicing" / "2_contracts.sql").read_bytes())


def _make_projects(database: Database, logins: Logins) -> None:
    database.execute((EXAMPLES / "projects" / "schema.sql").read_text())


def _make_rental(database: Database, logins: Logins) -> None:
    psql(database, f"--file={EXAMPLES / 'rental' / 'contracts.sql'}")


# Each example's SQL, and the database in which it is run.
MAKERS: dict[str, tuple[Callable[[Database, Logins], None], Callable[[Server], str]]] = {
    "invoicing": (_make_invoicing, lambda _: "template0"),
    "projects": (_make_projects, Server.template),
    "rental": (_make_rental, lambda server: server.state(TABLES + ROWS, WHOLE_PLAN)),
}


def test_every_example_is_made_here() -> None:
    # That of other languages uses the tables of the projects.
    assert {path.parent.name for path in EXAMPLES.rglob("*.sql")} == {*MAKERS, "languages"}


@pytest.mark.parametrize("name", MAKERS)
def test_an_example_has_no_finding_above_info(name: str, server: Server, logins: Logins) -> None:
    make, template = MAKERS[name]
    database = server.create(template(server))
    try:
        # The platform of the rental example has findings of its own.
        before = _above_info(database) if name == "rental" else []
        make(database, logins)
        assert [each for each in _above_info(database) if each not in before] == []
    finally:
        server.drop(database.name)


# Damages to a protected table, and the rules that find them.
HOLES = {
    "ALTER TABLE public.tasks DISABLE ROW LEVEL SECURITY": {"rls_disabled"},
    "ALTER TABLE public.tasks NO FORCE ROW LEVEL SECURITY": {"rls_not_forced"},
    "DROP POLICY tasks_tenant ON public.tasks": {"floor_missing", "policy_always_true"},
    "DROP POLICY tasks_tenant_insert ON public.tasks": {"floor_missing", "policy_check_open"},
    "DROP POLICY tasks_tenant_update ON public.tasks": {"floor_missing", "policy_always_true"},
    "DROP POLICY tasks_tenant_delete ON public.tasks": {"floor_missing", "policy_always_true"},
    "ALTER POLICY tasks_tenant ON public.tasks USING (true)": {"floor_missing", "policy_always_true"},
    "ALTER TABLE public.tasks ALTER COLUMN workspace_id DROP NOT NULL": {"tenant_column_nullable"},
    "CREATE VIEW public.v AS SELECT * FROM public.tasks; GRANT SELECT ON public.v TO tenancy_app": {"view_as_owner"},
    "GRANT SELECT ON public.tasks TO tenancy_credentialed": {"column_grant_void"},
    "GRANT tenancy_service TO {app}": {"login_trusted"},
}


@pytest.mark.parametrize("hole", HOLES)
def test_a_hole_in_a_protected_table_is_found(app: Application, hole: str) -> None:
    with app.database.connect() as admin:
        admin.execute(hole.replace("{app}", f'"{app.logins.app}"').encode())
        called = _called(admin)
        assert _of_this_database(called) == _of_this_database(_asked(admin))
        admin.rollback()
    seen = _of_this_database(called) | {each for each in called if app.logins.app in each.object}
    found = {each.rule for each in seen if each.severity in ("error", "warning")} - {"server_outdated"}
    assert found >= HOLES[hole]
    assert found - {"command_without_policy"} == HOLES[hole]


def test_the_function_takes_columns_and_roles(
    database: Database, admin: psycopg.Connection[Any], logins: Logins, new_login: Callable[..., str]
) -> None:
    service = new_login()
    admin.execute(
        "CREATE TABLE public.things (company integer NOT NULL, name text);"
        f'GRANT SELECT ON public.things TO "{service}"'.encode()
    )
    asked = "SELECT object FROM tenancy.lint(%s::text[], %s::text[]) WHERE rule = 'rls_disabled' AND severity = 'error'"
    assert admin.execute(asked, [None, None]).fetchall() == []
    assert admin.execute(asked, [["company"], None]).fetchall() == [("table public.things",)]
    assert admin.execute(asked, [["company"], [service]]).fetchall() == []
    report = lint(admin, baseline=Baseline(tenant_columns=("company",)))
    assert ("rls_disabled", "table public.things") in [(each.rule, each.object) for each in report.at_least("error")]


def test_a_rule_that_fails_fails_the_function(admin: psycopg.Connection[Any]) -> None:
    admin.execute(
        "CREATE OR REPLACE FUNCTION tenancy_private.lint_rls_disabled()"
        " RETURNS TABLE (severity text, object text, problem text, remedy text) LANGUAGE sql"
        " AS 'SELECT NULL::text, NULL::text, NULL::text, (1 / 0)::text'"
    )
    with pytest.raises(psycopg.errors.DivisionByZero):
        admin.execute("SELECT * FROM tenancy.lint()")


def test_tenants_cannot_call_it(database: Database, logins: Logins) -> None:
    for login in (logins.app, logins.credentialed, logins.auditor, logins.service):
        with database.connect(login) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT * FROM tenancy.lint()")


def test_every_rule_is_a_function_and_nothing_else_is(admin: psycopg.Connection[Any]) -> None:
    functions = admin.execute(
        "SELECT substr(proname, 6), obj_description(oid) FROM pg_proc"
        " WHERE pronamespace = 'tenancy_private'::regnamespace AND proname LIKE 'lint\\_%'"
    ).fetchall()
    assert dict(functions) == {rule.name: rule.description for rule in read_rules()}


def test_it_reverts_and_comes_again(database: Database) -> None:
    before = database.dump()
    Replay(database).revert("@phase-12")
    assert database.fetch("SELECT count(*) FROM pg_proc WHERE proname ~ '^lint(ed)?(_|$)'") == [(0,)]
    Replay(database).deploy()
    Replay(database).verify()
    assert database.dump() == before
