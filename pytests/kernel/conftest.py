"""An application's own tables: protected and shared by a file's tests, or a copy for a test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.application import Application, application
from support.server import Logins, Server


@pytest.fixture(scope="module")
def app(server: Server, logins: Logins) -> Iterator[Application]:
    """Return the application with its tables protected, for tests that leave nothing behind."""
    made = application(server, logins, protected=True)
    yield made
    server.drop(made.database.name)


@pytest.fixture
def own_app(server: Server, logins: Logins) -> Iterator[Application]:
    """Return the application with its tables protected, for a test alone."""
    made = application(server, logins, protected=True)
    yield made
    server.drop(made.database.name)


@pytest.fixture
def bare_app(server: Server, logins: Logins) -> Iterator[Application]:
    """Return the application before anything of it was protected, for a test alone."""
    made = application(server, logins, protected=False)
    yield made
    server.drop(made.database.name)
