"""The example applications serve two organizations, each with its own rows."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import sys
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from psycopg import sql

from support.command import run
from support.database import Database
from support.languages import EXPECTED, prints
from support.people import Organization, People
from support.server import Logins, Server
from support.transcript import enter_commands, fenced

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "projects"
README = (EXAMPLE / "README.md").read_text()

DJANGO = """
import sys
import django
django.setup()
from django.test import Client

def sender(entry):
    user, organization = entry.split("/")
    return {"X-User": user, "X-Organization": organization}

acme, globex = map(sender, sys.argv[1:])
client = Client()
made = client.post("/projects", {"name": "Website", "task": ["Design", "Build"]}, headers=acme)
assert made.status_code == 201, made.content
assert client.get("/projects", headers=acme).json() == {"Website": ["Design", "Build"]}
assert client.get("/projects", headers=globex).json() == {}
assert client.get("/projects", headers=acme | {"X-User": globex["X-User"]}).status_code == 403
assert client.get("/projects").status_code == 401
"""


@pytest.fixture
def example(server: Server, template: str) -> Iterator[Database]:
    """Return a database with the example's tables."""
    database = server.create(template)
    database.execute((EXAMPLE / "schema.sql").read_text())
    yield database
    server.drop(database.name)


@pytest.fixture
def organizations(example: Database) -> list[Organization]:
    with example.connect(autocommit=True) as connection:
        people = People(connection)
        return [people.organization(name) for name in ("Acme", "Globex")]


def sender(organization: Organization) -> dict[str, str]:
    """Return the header fields of the owner's requests."""
    return {"X-User": str(organization.owner.id), "X-Organization": str(organization.id)}


def test_the_commands_of_the_readme_make_the_application(server: Server, template: str) -> None:
    # test_documented.py runs the other block.
    install, deploy, *rest = fenced(README, "sh")[0].splitlines()
    # The deploy is that of the other README, which is followed from the beginning.
    assert f"{deploy} " in fenced((EXAMPLE.parent / "invoicing" / "README.md").read_text(), "sh")[0]
    name, extras = re.fullmatch(r"pip install '([\w-]+)\[([\w,]+)\]' uvicorn", install).groups()  # type: ignore[union-attr]
    provided = distribution(name).metadata.get_all("Provides-Extra") or []
    assert set(extras.split(",")) <= set(provided)
    database, login = server.create(template), server.new_name("app")
    try:
        enter_commands("\n".join(rest).replace("ROLE app ", f"ROLE {login} "), EXAMPLE, server, DSN=database.dsn())
        with (
            psycopg.connect(database.dsn(), user=login, password="app") as connection,
            pytest.raises(psycopg.errors.InvalidAuthorizationSpecification, match="in no workspace"),
        ):
            connection.execute("SELECT name FROM projects")
    finally:
        server.drop(database.name)
        server.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(login)))


def loaded(name: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a module of the example, which the application's server would import."""
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


async def test_fastapi(
    example: Database, organizations: list[Organization], logins: Logins, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", example.dsn(logins.app))
    module = loaded("fastapi_app", monkeypatch)
    acme, globex = organizations
    transport = httpx.ASGITransport(module.app)
    async with module.lifespan(module.app), httpx.AsyncClient(transport=transport, base_url="http://app") as client:
        made = await client.post("/projects", json={"name": "Website"}, headers=sender(acme))
        assert made.status_code == 201
        project: dict[str, Any] = {"id": made.json(), "name": "Website", "progress": None}
        assert (await client.get("/projects", headers=sender(acme))).json() == [project]
        assert (await client.get("/projects", headers=sender(globex))).json() == []
        assert (await client.get("/members", headers=sender(globex))).json() == {globex.owner.email: "owner"}
        stranger = sender(acme) | {"X-User": str(globex.owner.id)}
        refused = await client.get("/projects", headers=stranger)
        assert (refused.status_code, refused.json()["name"]) == (403, "not_a_member")
        assert (await client.get("/projects")).status_code == 401


async def test_starlette(
    example: Database, organizations: list[Organization], logins: Logins, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", example.dsn(logins.app).replace("postgresql://", "postgresql+psycopg://"))
    module = loaded("starlette_app", monkeypatch)
    acme, globex = organizations
    transport = httpx.ASGITransport(module.app)
    async with module.lifespan(module.app), httpx.AsyncClient(transport=transport, base_url="http://app") as client:
        made = await client.post("/projects", json={"name": "Website"}, headers=sender(acme))
        assert (made.status_code, sorted(made.json())) == (201, ["created_at", "id"])
        assert (await client.get("/projects", headers=sender(acme))).json() == ["Website"]
        assert (await client.get("/projects", headers=sender(globex))).json() == []
        stranger = sender(acme) | {"X-User": str(globex.owner.id)}
        refused = await client.get("/projects", headers=stranger)
        assert (refused.status_code, refused.json()["name"]) == (403, "not_a_member")
        assert refused.headers["content-type"] == "application/problem+json"
        assert (await client.get("/projects")).status_code == 401
        assert (await client.get("/health")).text == "ready"


def test_the_examples_use_public_names_only() -> None:
    used = set()
    for path in EXAMPLE.parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] == "pg_tenancy":
                used |= {(str(node.module), alias.name) for alias in node.names}
            elif isinstance(node, ast.Import):
                assert not any(alias.name.startswith("pg_tenancy") for alias in node.names), path
    assert len({module for module, _ in used}) > 5
    for module, name in used:
        assert name in importlib.import_module(module).__all__, module


def test_sqlalchemy(example: Database, organizations: list[Organization], logins: Logins) -> None:
    url = example.dsn(logins.app).replace("postgresql://", "postgresql+psycopg://")
    for organization in organizations:
        said = run(
            [sys.executable, "sqlalchemy_app.py", str(organization.owner.id), str(organization.id)],
            cwd=EXAMPLE,
            env=os.environ | {"DATABASE_URL": url},
            check=True,
        )
        assert said.stdout == "Website: 1 of 2 tasks done\n"


def test_django(example: Database, organizations: list[Organization], logins: Logins) -> None:
    environment = {"DATABASE_URL": example.dsn(logins.app), "DJANGO_SETTINGS_MODULE": "django_app.settings"}
    said = run(
        [sys.executable, "-c", DJANGO, *(f"{each.owner.id}/{each.id}" for each in organizations)],
        cwd=EXAMPLE,
        env=os.environ | environment,
    )
    assert said.returncode == 0, said.stderr


def test_sql_alone(example: Database, organizations: list[Organization], logins: Logins) -> None:
    organization, _, outside, *_ = EXPECTED.splitlines()
    said = prints("sql", example, logins.app, organizations[0])
    assert said.startswith(f"{organization}\n0 in the personal workspace\n")
    assert outside.partition(",")[0] in said


def test_node(example: Database, organizations: list[Organization], logins: Logins) -> None:
    assert prints("node", example, logins.app, organizations[0]) == EXPECTED
