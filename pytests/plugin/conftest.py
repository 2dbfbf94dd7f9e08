"""An application whose protected tables are proved, and get holes."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from support.application import Application, Connection, application
from support.server import Logins, Server


@pytest.fixture(scope="module")
def app(server: Server, logins: Logins) -> Iterator[Application]:
    """Return the application with its tables protected, which no test changes."""
    made = application(server, logins, protected=True)
    yield made
    server.drop(made.database.name)


@pytest.fixture(scope="module")
def _superuser(app: Application) -> Iterator[Connection]:
    with app.database.connect() as connection:
        yield connection
        connection.rollback()


@pytest.fixture
def admin(_superuser: psycopg.Connection) -> Iterator[Connection]:
    """Return the superuser's connection in a transaction of which nothing stays."""
    with _superuser.transaction(force_rollback=True):
        yield _superuser
