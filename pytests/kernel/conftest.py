"""An application's own tables: protected and shared by a file's tests, or a copy for one test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.application import Application, application
from support.server import Logins, Server


@pytest.fixture(scope="module")
def app(server: Server, logins: Logins) -> Iterator[Application]:
    """Return the application with protected tables, for tests that leave nothing behind."""
    made = application(server, logins, protected=True)
    yield made
    server.drop(made.database.name)


@pytest.fixture
def own_app(server: Server, logins: Logins) -> Iterator[Application]:
    """Return the application with protected tables, for one test."""
    made = application(server, logins, protected=True)
    yield made
    server.drop(made.database.name)


@pytest.fixture
def bare_app(server: Server, logins: Logins) -> Iterator[Application]:
    """Return the application with unprotected tables, for one test."""
    made = application(server, logins, protected=False)
    yield made
    server.drop(made.database.name)
