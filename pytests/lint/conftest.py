"""An application without pg-tenancy, in which faults are planted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from psycopg import sql

from support.database import Database
from support.linted import WELL_MADE
from support.server import Server


@dataclass(frozen=True)
class Stranger:
    """Its database, and the names for SQL in ``support/linted.py``."""

    database: Database
    names: dict[str, str]

    def sql(self, text: str) -> str:
        """Return the text with the names."""
        for key, name in self.names.items():
            text = text.replace("tenancy_service_{app}" if key == "trusted" else f"{{{key}}}", name)
        return text


@pytest.fixture(scope="session")
def stranger(server: Server) -> Iterator[Stranger]:
    """Return it; tests must leave it unchanged."""
    database = server.create()
    names = {"trusted": server.new_name("trusted"), "app": server.new_name("app"), "owner": server.new_name("owner")}
    for name in names.values():
        server.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(name)))
    for key, groups in (("login", [names["app"]]), ("other", [names["app"]]), ("outside", [])):
        names[key] = server.create_login(server.new_name(key), *groups)
    stranger = Stranger(database, names | {"database": database.name})
    database.execute(stranger.sql(WELL_MADE))
    yield stranger
    server.drop(database.name)
    server.execute(*(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)) for name in names.values()))
