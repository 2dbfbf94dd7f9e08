"""An application with protected tables, in which tests plant holes."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from support.application import Application, Connection, application
from support.server import Logins, Server


@pytest.fixture(scope="module")
def app(server: Server, logins: Logins) -> Iterator[Application]:
    """Return the application with protected tables; no test changes it."""
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
    """Return the superuser's connection in a transaction that is rolled back."""
    with _superuser.transaction(force_rollback=True):
        yield _superuser
