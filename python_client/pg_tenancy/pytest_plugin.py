"""The pytest plugin: proofs that an application's tables are isolated, and fixtures for its own tests.

```python
def test_projects_are_isolated(assert_isolated):
    assert_isolated("public.projects")
```

It requires a database with pg-tenancy and the application's tables, and a superuser's DSN for
it: ``tenancy_dsn`` in pytest's settings, ``--tenancy-dsn``, or the environment variable
``PG_TENANCY_TEST_DSN``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from pg_tenancy.testing import Report
    from pg_tenancy.testing.database import Tenancy

SUMMARY: Final = "pg_tenancy"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the settings and the options of the same names."""
    group = parser.getgroup("pg-tenancy", "isolation of tenants")
    for name, words in (
        ("dsn", "a superuser's DSN of the test database (also PG_TENANCY_TEST_DSN)"),
        ("app_dsn", "the application's DSN (also PG_TENANCY_TEST_APP_DSN); default: a temporary login"),
    ):
        group.addoption(f"--tenancy-{name.replace('_', '-')}", dest=f"tenancy_{name}", help=words)
        parser.addini(f"tenancy_{name}", words)
    group.addoption(
        "--tenancy-coverage",
        action="store_true",
        help="drop each policy of the tables in turn, and fail if assert_isolated does not notice",
    )
    parser.addini("tenancy_allow_database", "names of test databases that look live", type="args")


def _setting(config: pytest.Config, name: str) -> str | None:
    """Return a setting from the command line, the environment or pytest's settings, in this order."""
    found = config.getoption(name) or os.environ.get(f"PG_{name.upper().replace('TENANCY', 'TENANCY_TEST')}")
    return found or config.getini(name) or None


@pytest.fixture(scope="session")
def _tenancy_admin(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Return the superuser's connection to the developer's database, in autocommit."""
    import psycopg

    from pg_tenancy.testing.database import LiveDatabaseError, refuse_live

    dsn = _setting(request.config, "tenancy_dsn")
    if dsn is None:
        pytest.fail("set tenancy_dsn, --tenancy-dsn or PG_TENANCY_TEST_DSN to a test database", pytrace=False)
    try:
        connection = psycopg.connect(dsn, autocommit=True)
    except psycopg.Error as error:
        pytest.fail(f"tenancy_dsn: {error}", pytrace=False)
    # A proof compares rows before and after a statement, so it must not see other programs' writes.
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    with connection:
        try:
            refuse_live(connection, request.config.getini("tenancy_allow_database"))
        except (LiveDatabaseError, ValueError) as error:
            pytest.fail(str(error), pytrace=False)
        yield connection


@pytest.fixture(scope="session")
def _tenancy_app_dsn(request: pytest.FixtureRequest, _tenancy_admin: Any) -> Iterator[str]:
    """Return the DSN of the application's login.

    It is ``tenancy_app_dsn``, or belongs to a temporary login in ``tenancy_app``.
    """
    from pg_tenancy.testing.database import temporary_login

    given = _setting(request.config, "tenancy_app_dsn")
    if given is not None:
        yield given
        return
    with temporary_login(_tenancy_admin, _setting(request.config, "tenancy_dsn") or "") as dsn:
        yield dsn


@pytest.fixture(scope="session")
def _tenancy_role(request: pytest.FixtureRequest, _tenancy_admin: Any) -> str:
    """Return the role for proofs: the application's login, or else the group."""
    import psycopg

    given = _setting(request.config, "tenancy_app_dsn")
    if given is None:
        return "tenancy_app"
    try:
        with psycopg.connect(given) as connection:
            return connection.info.user
    except psycopg.Error as error:
        pytest.fail(f"tenancy_app_dsn: {error}", pytrace=False)


@pytest.fixture
def tenancy(_tenancy_admin: Any, _tenancy_app_dsn: str) -> Iterator[Tenancy]:
    """Return a factory for people, organizations, workspaces and connections; see ``Tenancy``."""
    from pg_tenancy.testing.database import Tenancy

    made = Tenancy(_tenancy_admin, _tenancy_app_dsn)
    yield made
    made.close()


@pytest.fixture
def assert_isolated(request: pytest.FixtureRequest, _tenancy_admin: Any, _tenancy_role: str) -> Callable[..., Report]:
    """Return a function that fails unless a table or a function is isolated.

    ``assert_isolated("public.projects")`` takes the arguments of
    ``pg_tenancy.testing.check_table``, ``assert_isolated(function="public.report",
    arguments=[...])`` those of ``check_function``.
    """

    def check(
        table: str | None = None, *, function: str | None = None, arguments: Sequence[object] = (), **options: Any
    ) -> Report:
        from pg_tenancy.testing import check_function, check_table

        __tracebackhide__ = True
        if (table is None) == (function is None):
            msg = "assert_isolated() takes a table or a function"
            raise TypeError(msg)
        options.setdefault("role", _tenancy_role)
        if function is not None:
            report = check_function(_tenancy_admin, function, arguments, **options)
        else:
            options.setdefault("coverage", request.config.getoption("tenancy_coverage"))
            report = check_table(_tenancy_admin, str(table), **options)
        return _required(request, report)

    return check


@pytest.fixture
def assert_contract(request: pytest.FixtureRequest, _tenancy_admin: Any, _tenancy_role: str) -> Callable[..., Report]:
    """Return a function that fails if a table differs from what ``protect`` and ``allow`` made of it.

    ``assert_contract("public.projects")``; see ``pg_tenancy.testing.check_contract``.
    """

    def check(table: str, **options: Any) -> Report:
        from pg_tenancy.testing import check_contract

        __tracebackhide__ = True
        return _required(request, check_contract(_tenancy_admin, table, **{"role": _tenancy_role, **options}))

    return check


def _required(request: pytest.FixtureRequest, report: Report) -> Report:
    __tracebackhide__ = True
    # Sent in the test's report, because with xdist tests run in other processes.
    request.node.user_properties.append((SUMMARY, report.summary))
    if report.failure is not None:
        pytest.fail(report.failure)
    return report


class _Counts:
    """Collects the counts of tests from all processes."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call":
            self.lines += [str(value) for name, value in report.user_properties if name == SUMMARY]

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.lines:
            terminalreporter.section("isolation of tenants")
        for line in self.lines:
            terminalreporter.write_line(line)


def pytest_configure(config: pytest.Config) -> None:
    """Print the counts at the end."""
    config.pluginmanager.register(_Counts())
