"""PostgREST as in docs/data-apis.md: the statements that it sends for a request, in its order."""

from __future__ import annotations

import configparser
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import psycopg
import pytest
from psycopg import sql

from support.database import Database
from support.server import Logins, Server
from support.transcript import fenced
from support.two_tenants import two_tenants

ROOT = Path(__file__).resolve().parents[2]
NAMES = "SELECT name FROM public.projects"
INSERT = "INSERT INTO public.projects (name) VALUES (%s)"
ENTERING = "SELECT public.enter_workspace()"


def test_the_example_of_the_documents(server: Server, template: str, logins: Logins) -> None:
    text = (ROOT / "docs" / "data-apis.md").read_text()
    (roles, by_ticket), (ini,) = fenced(text, "sql"), fenced(text, "ini")
    settings = configparser.ConfigParser()
    settings.read_string(f"[postgrest]\n{ini}")
    connected, called = (settings["postgrest"][name].strip('"') for name in ("db-uri", "db-pre-request"))
    assert (urlsplit(connected).username, ENTERING) == ("authenticator", f"SELECT {called}()")
    with two_tenants(server, template, logins) as tenants, _roles(tenants.database, roles) as (authenticator, web):
        tenants.database.execute((ROOT / "examples" / "projects" / "schema.sql").read_text())
        send = _Requests(tenants.database, authenticator, web)
        ann, uma, acme = tenants.members["owner"].id, tenants.members["user"].id, tenants.acme.id
        send(INSERT, "Website", sub=ann, org=acme)
        send(INSERT, "Shop", sub=tenants.globex.owner.id, org=tenants.globex.id)
        assert send(NAMES, sub=ann, org=acme, read_only=True) == [("Website",)]
        assert send(NAMES, sub=ann, read_only=True) == []
        refused: list[tuple[str, dict[str, Any]]] = [
            ("28000", {"sub": ann, "org": tenants.globex.id}),
            ("42501", {"sub": uma, "org": acme}),
            ("22004", {}),
        ]
        for sqlstate, claims in refused:
            with pytest.raises(psycopg.Error) as error:
                send(INSERT, "Forged", **claims)
            assert error.value.sqlstate == sqlstate
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="permission denied for table users"):
            send("SELECT * FROM public.users", sub=ann, org=acme, read_only=True)

        # With tickets the role may name nobody.
        tenants.database.execute(f"REVOKE tenancy_app FROM {web}", f"GRANT tenancy_credentialed TO {web}")
        token = tenants.key.ticket(ann, tenants.acme, role=web)
        assert send(NAMES, entering=by_ticket, token=token, read_only=True) == [("Website",)]
        with pytest.raises(psycopg.errors.InvalidAuthorizationSpecification):
            send(NAMES, entering=by_ticket, token=f"{token[:-3]}AAA")
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="permission denied for function enter"):
            send(NAMES, sub=ann, org=acme)


@contextmanager
def _roles(database: Database, statements: str) -> Iterator[tuple[str, str]]:
    """Make the roles of the document under names of the run, and drop them."""
    authenticator, web = (database.server.new_name(name) for name in ("authenticator", "web"))
    statements = re.sub(r"\bweb\b", web, statements).replace("authenticator", authenticator)
    database.execute(statements, f"ALTER ROLE {authenticator} PASSWORD '{database.server.password}'")
    try:
        yield authenticator, web
    finally:
        database.execute(f"DROP OWNED BY {web}", f"DROP ROLE {web}", f"DROP ROLE {authenticator}")


class _Requests:
    """Sends what PostgREST sends for a request, and returns the rows."""

    def __init__(self, database: Database, authenticator: str, web: str) -> None:
        self._database, self._authenticator, self._web = database, authenticator, web

    def __call__(
        self,
        statement: str,
        *values: object,
        entering: str = ENTERING,
        token: str = "",
        read_only: bool = False,
        **claims: UUID,
    ) -> Any:
        settings = {
            "role": self._web,
            "request.jwt.claims": json.dumps({"role": self._web, **claims}, default=str),
            "request.headers": json.dumps({"authorization": f"Bearer {token}"}),
        }
        with self._database.connect(self._authenticator, autocommit=True) as connection:
            connection.read_only = read_only
            with connection.transaction():
                calls = (sql.SQL("set_config({}, {}, true)").format(*setting) for setting in settings.items())
                connection.execute(sql.SQL("SELECT {}").format(sql.SQL(", ").join(calls)))
                connection.execute(entering.encode())
                cursor = connection.execute(statement.encode(), values)
                return cursor.fetchall() if cursor.description else None
