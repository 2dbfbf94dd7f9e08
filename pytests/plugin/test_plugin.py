"""A developer's project runs the plugin, which leaves the database unchanged."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import psycopg
import pytest

from pg_tenancy.testing import check_table
from pg_tenancy.testing.database import LiveDatabaseError, refuse_live
from support.application import Application, Connection
from support.command import run
from support.server import Server

SOUND = """
import psycopg
import pytest

@pytest.mark.parametrize("table", ["customers", "projects", "tasks", "notes", "countries"])
def test_tables(assert_isolated, assert_contract, table):
    assert_isolated(f"public.{table}")
    assert_contract(f"public.{table}")

def test_own_workflow(tenancy):
    ann, bob = tenancy.user(first_name="Ann"), tenancy.user()
    acme = tenancy.organization(owner=ann, admin=bob)
    uma = tenancy.member(acme)
    globex = tenancy.organization()
    with tenancy.workspace(ann, acme) as ws:
        ws.execute("INSERT INTO customers (name) VALUES ('of Acme')")
    for user, organization, expected in (
        (bob, acme, [("of Acme",)]), (uma, acme, [("of Acme",)]), (globex.owner, globex, []), (ann, None, []),
    ):
        with tenancy.workspace(user, organization, read_only=True) as ws:
            assert ws.fetch_all("SELECT name FROM customers") == expected
    with tenancy.connection() as connection, pytest.raises(psycopg.Error):
        connection.execute("SELECT name FROM customers")
    with psycopg.connect(tenancy.dsn) as connection:
        assert connection.info.user != "postgres"
    assert tenancy.admin.execute("SELECT first_name FROM users WHERE id = %s", [ann.id]).fetchone() == ("Ann",)
    assert ann.email.endswith("@example.com")
"""

LEAKY = """
import pytest
from pg_tenancy.testing import RowOf

def test_table(assert_isolated):
    assert_isolated("public.customers")

def test_contract(assert_contract):
    assert_contract("public.customers")

def test_function(assert_isolated):
    assert_isolated(function="public.name_of", arguments=[RowOf("public.customers")])

def test_neither(assert_isolated):
    with pytest.raises(TypeError):
        assert_isolated()
"""


def project(directory: Path, tests: str, **settings: str) -> Path:
    """Write a project with one file of tests."""
    lines = ["[pytest]", *(f"{name} = {value}" for name, value in settings.items())]
    (directory / "pytest.ini").write_text("\n".join(lines))
    (directory / "test_isolation.py").write_text(tests)
    return directory


def outcome_of(directory: Path, *options: str, environment: dict[str, str] | None = None) -> tuple[int, str]:
    """Run a project's tests; return the exit status and the output."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "PG_TENANCY"))}
    # Without the other plugins that are installed here, which take longer than the tests. That ours
    # is found by itself is tried with the wheel.
    own |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    plugins = ["-p", "pg_tenancy.pytest_plugin", "-p", "no:cacheprovider"]
    finished = run([sys.executable, "-m", "pytest", *plugins, *options], cwd=directory, env=own | (environment or {}))
    return finished.returncode, finished.stdout + finished.stderr


def counted(app: Application) -> list[tuple[int, ...]]:
    """Return how many people, organizations, workspaces, customers and logins of tests there are."""
    return app.database.fetch(
        "SELECT (SELECT count(*) FROM public.users), (SELECT count(*) FROM public.organizations),"
        " (SELECT count(*) FROM tenancy.workspaces), (SELECT count(*) FROM public.customers),"
        " (SELECT count(*) FROM pg_roles WHERE rolname ~ '^tenancy_test_')"
    )


def test_a_sound_project_passes_and_says_what_was_tried(app: Application, tmp_path: Path) -> None:
    before = counted(app)
    directory = project(
        tmp_path, SOUND, tenancy_dsn=app.database.dsn(), tenancy_allow_database=app.database.name, addopts="-p xdist"
    )
    status, output = outcome_of(directory, "-n", "1")
    assert status == 0, output
    assert "6 passed" in output
    assert "isolation of tenants" in output
    # Both for each table, from any process.
    assert output.count(" controls and ") == 10
    assert "public.notes: 14 controls and " in output
    assert counted(app) == before


def test_holes_fail_the_run_and_so_does_a_policy_that_nothing_needs(
    app: Application, server: Server, tmp_path: Path
) -> None:
    database = server.create(app.database.name)
    try:
        # One of the two makes no difference, as the other says the same.
        database.execute("CREATE POLICY idle ON public.countries FOR SELECT TO tenancy_auditor USING (false)")
        directory = project(
            tmp_path,
            "def test_table(assert_isolated):\n    assert_isolated('public.countries')\n",
            tenancy_allow_database=f"another {database.name}",
        )
        options = ["--tenancy-dsn", database.dsn()]
        status, output = outcome_of(directory, *options, "--tenancy-coverage")
        assert status == 1
        assert "FAILED: a test notices when policy idle is dropped" in output
        database.execute(
            "CREATE FUNCTION public.name_of(uuid) RETURNS text LANGUAGE sql SECURITY DEFINER"
            " AS 'SELECT name FROM public.customers WHERE id = $1'",
            "ALTER POLICY customers_tenant ON public.customers USING (true)",
        )
        project(tmp_path, LEAKY, tenancy_allow_database=database.name)
        login = {"PG_TENANCY_TEST_DSN": database.dsn(), "PG_TENANCY_TEST_APP_DSN": database.dsn(app.logins.app)}
        status, output = outcome_of(directory, environment=login)
        assert status == 1
        assert "3 failed, 1 passed" in output
        for words in (
            "an owner of the first organization: SELECT reaches no others",
            "NOT TESTED: the function name_of(uuid) isolates",
            "policy customers_tenant differs",
            "name_of(uuid) answers to another tenant's row as to one that does not exist",
        ):
            assert words in output, output
    finally:
        server.drop(database.name)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "set tenancy_dsn, --tenancy-dsn or PG_TENANCY_TEST_DSN"),
        ({"tenancy_dsn": "{dsn}"}, "looks live: its name does not contain test, dev, ci, local or sandbox"),
        (
            {"tenancy_dsn": "{dsn}", "tenancy_allow_database": "{name}", "tenancy_app_dsn": "host=/nowhere"},
            "tenancy_app_dsn: connection",
        ),
    ],
)
def test_untested_cells_fail_and_are_not_skipped(
    app: Application, tmp_path: Path, settings: dict[str, str], words: str
) -> None:
    place = {"dsn": app.database.dsn(), "name": app.database.name}
    tests = "def test_table(assert_isolated):\n    assert_isolated('public.customers')\n"
    directory = project(tmp_path, tests, **{name: value.format(**place) for name, value in settings.items()})
    status, output = outcome_of(directory)
    assert status == 1
    assert words in output
    assert "1 error" in output


def test_a_database_that_looks_live_is_refused(admin: Connection, app: Application) -> None:
    name = app.database.name
    with pytest.raises(LiveDatabaseError, match=f"set tenancy_allow_database = {name}$"):
        refuse_live(admin)
    refuse_live(admin, [name])
    admin.execute(
        "INSERT INTO public.users (email, username, first_name, last_name, password_hash)"
        " SELECT n || '@example.com', n, '', '', '' FROM generate_series(1, 1001) AS n"
    )
    with pytest.raises(LiveDatabaseError, match="it has more than 1000 users"):
        refuse_live(admin)
    refuse_live(admin, ["another", name])


@pytest.mark.parametrize("name", ["shop_test", "test", "ci-12", "my.dev", "localhost_local", "sandbox3"])
def test_names_of_databases_for_tests_are_accepted(server: Server, app: Application, name: str) -> None:
    with psycopg.connect(app.database.dsn()) as connection:
        # Only the name on the server counts.
        connection.execute("CREATE SCHEMA named")
        connection.execute(f"CREATE FUNCTION named.current_database() RETURNS text RETURN '{name}'".encode())
        connection.execute("SET search_path = named, pg_catalog, public")
        refuse_live(connection)
        connection.rollback()


@pytest.mark.parametrize("name", ["latest", "prod_dev_copy", "shop", "developers_live", "specifics"])
def test_other_names_are_refused(app: Application, name: str) -> None:
    with psycopg.connect(app.database.dsn()) as connection:
        connection.execute("CREATE SCHEMA named")
        connection.execute(f"CREATE FUNCTION named.current_database() RETURNS text RETURN '{name}'".encode())
        connection.execute("SET search_path = named, pg_catalog, public")
        with pytest.raises(LiveDatabaseError):
            refuse_live(connection)
        connection.rollback()


def test_only_a_superuser_can_act_as_everybody(app: Application) -> None:
    with app.connected(app.logins.service) as connection, pytest.raises(ValueError, match="require a superuser"):
        refuse_live(connection, [app.database.name])


def test_a_database_without_pg_tenancy_is_refused(admin: Connection) -> None:
    admin.execute("ALTER TABLE public.users RENAME TO people")
    with pytest.raises(ValueError, match="pg-tenancy deploy --plan kernel"):
        refuse_live(admin)


def test_a_login_that_enters_with_credentials_is_proved_too(admin: Connection, app: Application) -> None:
    check_table(admin, "public.customers", role=app.logins.credentialed, coverage=True).require()
