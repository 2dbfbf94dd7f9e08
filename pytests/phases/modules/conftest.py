"""An organization with a member of each role, somebody outside, and platform staff."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from support.database import Database
from support.people import People
from support.roles import Place, place_of
from support.server import Logins


@pytest.fixture
def place(people: People, admin: psycopg.Connection[tuple[Any, ...]], database: Database, logins: Logins) -> Place:
    """Return Acme with its members, a person without an organization, and staff."""
    return place_of(people, admin, database, logins)
