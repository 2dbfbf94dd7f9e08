"""Fixtures: a server for the run, a deployed template, and a copy of it for each test.

README.md in this folder says how to use them.
"""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import sql
from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]

from pg_tenancy.tools.embedded import EmbeddedServer
from pg_tenancy.tools.sqitch import Sqitch
from support.clients import CLIENTS, Client
from support.database import Database
from support.people import Organization, People, User
from support.server import Logins, Server, server_of_this_run, start_embedded
from support.shared import Shared

Connection = psycopg.Connection[tuple[Any, ...]]

_run = ExitStack()

# The slowest files, in this order: a worker takes a file at a time, and the run ends
# with the last one. "./dev test --durations=0" shows the durations.
SLOWEST = (
    "proof/test_mutation.py",
    "command/test_demo.py",
    "command/test_protect.py",
    "command/test_cli.py",
    "adoption/test_replay.py",
    "adoption/test_round_trip.py",
    "adoption/test_online_kernel.py",
    "console/test_browser.py",
    "adoption/test_old_application.py",
    "adoption/test_deployer.py",
    "adoption/test_lossless_tables.py",
    "adoption/test_lossless_revert.py",
    "adoption/test_verify.py",
    "adoption/test_tenant_columns.py",
    "command/test_bundle.py",
    "adoption/test_stopped.py",
    "adoption/test_refused.py",
    "command/test_stopping.py",
    "adoption/test_online_phase_0.py",
    "proof/test_property.py",
    "command/test_embedded.py",
    "adoption/test_online_tables.py",
    "adoption/test_hanging_partitions.py",
    "adoption/test_hanging_columns.py",
    "adoption/test_hanging_rules.py",
    "adoption/test_hanging_triggers.py",
    "kernel/test_last_owner.py",
    "phases/users/test_hidden_accounts.py",
    "adoption/test_phase_0_keys.py",
)


def pytest_configure(config: pytest.Config) -> None:
    """Start the server before the workers, so that they inherit it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # Background jobs of a script ignore it, and so would programs that the tests start.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    distributed = getattr(config.option, "dist", "no") != "no"
    if distributed and not config.option.collectonly and not hasattr(config, "workerinput"):
        os.environ.update(_run.enter_context(server_of_this_run()).environment())


class Scheduling(LoadFileScheduling):  # type: ignore[misc]
    """Gives a worker a file at a time, but single items of the mutations, which all workers share."""

    def _split_scope(self, nodeid: str) -> str:
        return nodeid if "::test_mutations[" in nodeid else str(super()._split_scope(nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling | None:
    """Use this scheduler."""
    return Scheduling(config, log) if config.getoption("dist") == "loadfile" else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let workers begin with the slowest files."""
    if not hasattr(config, "workerinput"):
        return
    folder = Path(__file__).parent
    order = {folder / name: number for number, name in enumerate(SLOWEST)}
    items.sort(key=lambda item: order.get(item.path, len(order)))


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the server, if this process started it."""
    _run.close()


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """Return the server of this run."""
    with server_of_this_run() as server:
        yield server


@pytest.fixture(scope="session")
def template(server: Server) -> str:
    """Return the name of the database that the whole plan was deployed to."""
    return server.template()


@pytest.fixture(scope="session")
def logins(server: Server) -> Logins:
    """Return the names of the run's logins."""
    return server.logins()


@pytest.fixture
def _logins_of_the_test(server: Server) -> Iterator[list[str]]:
    # Databases depend on this, so that they are dropped before the logins, which may own
    # objects in them.
    names: list[str] = []
    yield names
    server.execute(*(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)) for name in names))


@pytest.fixture(scope="module")
def _shared(server: Server, template: str, logins: Logins) -> Iterator[Shared]:
    shared = Shared(lambda: server.create(template))
    yield shared
    shared.close()


@pytest.fixture
def database(
    request: pytest.FixtureRequest, server: Server, template: str, logins: Logins, _logins_of_the_test: list[str]
) -> Iterator[Database]:
    """Return a database with everything deployed: a separate one, or the shared one of the file's marked tests."""
    marker = request.node.get_closest_marker("shared_database")
    if marker is not None and marker.args != (False,):
        shared: Shared = request.getfixturevalue("_shared")
        yield shared.database()
        shared.empty()
        return
    database = server.create(template)
    yield database
    server.drop(database.name)


@pytest.fixture
def state(server: Server, _logins_of_the_test: list[str]) -> Iterator[Callable[..., Database]]:
    """Return a function that creates a database with an application's tables and a part of the plan.

    ``state(KEYLESS + ROWS)``, ``state(KEYLESS, "@phase-3")`` or ``state(KEYLESS, "@phase-3", owned=True)``;
    see ``Server.state``.
    """
    made: list[str] = []

    def make(tables: str = "", at: str | None = None, *, owned: bool = False) -> Database:
        database = server.create(server.state(tables, at, owned=owned))
        made.append(database.name)
        return database

    yield make
    server.drop(*made)


@pytest.fixture
def database_at(state: Callable[..., Database]) -> Callable[[str], Database]:
    """Return a function that creates a database deployed up to a tag or change."""
    return lambda to: state(at=to)


@pytest.fixture
def empty_database(state: Callable[..., Database]) -> Database:
    """Return a database in which nothing was deployed."""
    return state()


@pytest.fixture
def sqitch() -> Callable[[Database], Sqitch]:
    """Return a function that returns sqitch for a database."""
    return lambda database: database.server.sqitch(database.name)


@pytest.fixture
def admin(database: Database) -> Iterator[Connection]:
    """Return the superuser's connection to the test's database, in autocommit."""
    with database.session(autocommit=True) as connection:
        yield connection


@pytest.fixture
def people(admin: Connection) -> People:
    """Return a factory for users, organizations and memberships."""
    return People(admin)


@pytest.fixture
def connect(database: Database) -> Iterator[Callable[..., Connection]]:
    """Return a function that opens connections; they are closed after the test.

    ``connect(logins.app)`` or ``connect(logins.app, autocommit=True)``
    """
    with ExitStack() as stack:
        yield lambda login=None, *, autocommit=False: stack.enter_context(
            database.connect(login, autocommit=autocommit)
        )


@pytest.fixture
def dsn(database: Database, logins: Logins) -> str:
    """Return the URI by which the application connects to the test's database."""
    return database.dsn(logins.app)


@pytest.fixture(params=CLIENTS, ids=repr)
def client(request: pytest.FixtureRequest) -> Client:
    """Return each flavour of the Python client in turn."""
    client: Client = request.param
    return client


@pytest.fixture(params=CLIENTS[:2], ids=repr)
def psycopg_client(request: pytest.FixtureRequest) -> Client:
    """Return the two flavours for psycopg in turn."""
    client: Client = request.param
    return client


@pytest.fixture(params=CLIENTS[1:], ids=repr)
def async_client(request: pytest.FixtureRequest) -> Client:
    """Return the two flavours in which a task can be cancelled in turn."""
    client: Client = request.param
    return client


@pytest.fixture
async def conn(client: Client, dsn: str) -> AsyncIterator[Any]:
    """Yield the flavour's connection as the application."""
    async with client.connect(dsn) as conn:
        yield conn


Entered = Callable[..., AbstractContextManager[Connection]]


@pytest.fixture
def as_app(database: Database, logins: Logins) -> Entered:
    """Return a function that opens a transaction of the application in a workspace.

    ``with as_app(user, organization) as connection:`` and without an
    organization for the personal workspace.
    """

    def enter(user: User | UUID, organization: Organization | UUID | None = None) -> AbstractContextManager[Connection]:
        return database.entered(logins.app, user, organization)

    return enter


@pytest.fixture
def new_login(server: Server, _logins_of_the_test: list[str]) -> Callable[..., str]:
    """Return a function that creates a login for this test.

    ``new_login("tenancy_service")`` or, with no group at all, ``new_login()``.
    """

    def make(*groups: str) -> str:
        _logins_of_the_test.append(server.create_login(server.new_name("login"), *groups))
        return _logins_of_the_test[-1]

    return make


@pytest.fixture
def own_server() -> Iterator[EmbeddedServer]:
    """Return a separate server for this test, to crash it or to change its roles."""
    with start_embedded() as server:
        yield server
