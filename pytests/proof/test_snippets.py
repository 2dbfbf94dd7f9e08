"""The snippets in the documents work as they are."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID

import psycopg
import pytest
from fastapi import FastAPI
from psycopg import sql
from psycopg_pool import ConnectionPool

from pg_tenancy import workspace
from pg_tenancy.tools.cli import main
from pg_tenancy.tools.sqitch import Sqitch
from support.command import on_a_terminal
from support.database import Database
from support.people import Organization, People
from support.server import Logins

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "examples").rglob("*.md"))]


@dataclass(frozen=True)
class Snippet:
    """A fenced block, identified by its document and first line."""

    document: str
    language: str
    text: str

    @property
    def name(self) -> str:
        """Return the beginning of the first line that says something."""
        lines = [line for line in self.text.splitlines() if line != "BEGIN;"]
        return f"{self.document}: {lines[0][:56].strip()}"


def _snippets() -> Iterator[Snippet]:
    for path in DOCUMENTS:
        for language, text in re.findall(r"^```(\w*)\n(.*?)^```$", path.read_text(), re.MULTILINE | re.DOTALL):
            yield Snippet(path.relative_to(ROOT).as_posix(), language, text)


SNIPPETS = {snippet.name: snippet for snippet in _snippets()}


def test_every_snippet_is_run_by_a_test_here() -> None:
    assert len(SNIPPETS) == len(list(_snippets())), "two snippets of a document begin alike"
    assert [name for name, snippet in SNIPPETS.items() if not snippet.language] == [], "text is called text"
    run = {*PYTHON, *STATEMENTS, *PLANS, *SQITCH, *ELSEWHERE, *READ_BY, *PARTS, *TOLD_BY, *LINT, *FOLLOWED, CONSOLE}
    assert set(SNIPPETS) - run == set()
    assert run - set(SNIPPETS) == set()


# -- Python ---------------------------------------------------------------------------------

PYTHON = [
    "README.md: from pg_tenancy import workspace",
    "docs/python.md: from pg_tenancy import workspace",
    "docs/python.md: from pg_tenancy import accept_invitation, peek_invitatio",
    "docs/python.md: shown = peek_invitation(pool, token)  # organization_nam",
    "docs/python.md: with workspace(pool, user_id=ann, organization_id=acme)",
    "docs/python.md: from pg_tenancy import sign_up",
    "docs/python.md: from pg_tenancy import end_session, start_session, switc",
    "docs/operations.md: from datetime import date",
    "docs/python.md: from pg_tenancy import run",
    "docs/python.md: from pg_tenancy.tools.assign import assign",
    "docs/integrations.md: from pg_tenancy.context import outside_workspaces, works",
    "docs/integrations.md: from pg_tenancy.starlette import WorkspaceMiddleware",
    "docs/integrations.md: from pg_tenancy import TenancyError",
    "docs/sql.md: import jwt  # PyJWT",
    "docs/sql.md: with workspace(pool, user_id=user, organization_id=organ",
]


def _active_key(ws: Any) -> str:
    """Create a valid key of Acme."""
    new = ws.create_api_key("ci")
    for aspect in ("tech", "eco"):
        ws.activate("api_key", new.id, aspect)
    return str(new.key)


@pytest.fixture
def legacy_instance(admin: psycopg.Connection[Any]) -> UUID:
    row = admin.execute(
        "WITH provider AS (INSERT INTO public.providers (name) VALUES ('Cloud') RETURNING id)"
        " INSERT INTO public.instances (provider_id, status, ip_address) SELECT id, 'ready', '10.1.0.1' FROM provider"
        " RETURNING id"
    ).fetchone()
    assert row is not None
    instance: UUID = row[0]
    return instance


def _signed(claims: dict[str, Any], key: str, algorithm: str, *, headers: dict[str, Any]) -> str:
    """Do what PyJWT's encode() does."""

    def part(value: bytes) -> str:
        return base64.urlsafe_b64encode(value).rstrip(b"=").decode()

    assert algorithm == "HS256"
    parts = ({"alg": algorithm, "typ": "JWT", **headers}, claims)
    signed = ".".join(part(json.dumps(each).encode()) for each in parts)
    return f"{signed}.{part(hmac.digest(key.encode(), signed.encode(), hashlib.sha256))}"


@pytest.mark.parametrize("name", PYTHON)
def test_python_runs(
    name: str,
    database: Database,
    logins: Logins,
    people: People,
    acme: Organization,
    legacy_instance: UUID,
    admin: psycopg.Connection[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    owner = acme.owner.id
    jwt = ModuleType("jwt")
    vars(jwt)["encode"] = _signed
    monkeypatch.setitem(sys.modules, "jwt", jwt)
    row = admin.execute("SELECT key_id, secret FROM tenancy.create_ticket_key()").fetchone()
    assert row is not None
    sent: list[Any] = []
    with ConnectionPool(database.dsn(logins.app), min_size=1, open=True) as pool:
        with workspace(pool, user_id=owner, organization_id=acme.id) as ws:
            key, token = _active_key(ws), ws.invite_member("new@example.com").token
        admin.execute("UPDATE public.instances SET organization_id = %s", [acme.id])
        names: dict[str, Any] = {
            "app": FastAPI(),
            "pool": pool,
            "dsn": database.dsn(logins.service),
            "user": owner,
            "ann": owner,
            "organization": acme.id,
            "acme": acme.id,
            "key": key,
            "key_from_the_request": key,
            "token": token,
            "email": "zoe@example.com",
            "password": "secret",
            "key_id": row[0],
            "secret": row[1],
            "datetime": datetime,
            "timedelta": timedelta,
            "timezone": timezone,
            "time": time,
            "hash_of": lambda password: f"hash of {password}",
            "send_mail": lambda address, text: sent.append((address, text)),
            "send_letter": lambda address, text: sent.append((address, text)),
            "show_once": sent.append,
        }
        if name.startswith("docs/"):
            exec("from pg_tenancy import *", names)  # noqa: S102  (an earlier snippet has imported it)
        exec(compile(SNIPPETS[name].text, name, "exec"), names)  # noqa: S102
        if "jwt" in name:
            with workspace(pool, ticket=names["ticket"]) as ws:
                assert ws.current().id == acme.id


# -- SQL ------------------------------------------------------------------------------------

PROJECTS = "CREATE TABLE public.projects (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text, created_at date)"
DATASETS = """
CREATE TABLE public.datasets (id uuid PRIMARY KEY, name text);
SELECT tenancy.define_permission('datasets.view', roles => '{owner,admin,manager,user}');
CALL tenancy.protect('public.datasets');
CALL tenancy.allow('public.datasets', 'SELECT', 'datasets.view', columns => 'id, name');
"""
COLOR = "ALTER TABLE public.instances ADD color text"
POLICY = "CREATE TABLE public.projects (id bigint, workspace_id uuid)"
INCLUDED = {
    "<the variables have the permission>": "tenancy.has_permission('projects.view')",
    "<what they claim>": "tenancy.current_workspace_id()",
    "<permission>": "tenancy.has_permission('projects.view')",
    "<claimed>": "tenancy.current_workspace_id()",
}


@dataclass(frozen=True)
class Statements:
    """How statements are run: as which login, and after which others; rolled back if they change roles."""

    before: str = ""
    login: str | None = None
    undone: bool = False


STATEMENTS: dict[str, Statements] = {
    "README.md: SELECT tenancy.enter('<user id>', '<organization id>');": Statements(login="app"),
    "README.md: SELECT tenancy.define_permission('projects.view', roles": Statements(before=PROJECTS),
    "README.md: CREATE POLICY projects_tenant ON public.projects": Statements(before=POLICY),
    "docs/dba.md: CALL tenancy_private.record_contract('public.instances')": Statements(),
    "docs/dba.md: GRANT SELECT (color), INSERT (color), UPDATE (color) ON": Statements(before=COLOR, undone=True),
    "docs/dba.md: SELECT tenancy.assign('public.instances', '<organization": Statements(login="service"),
    "docs/dba.md: INSERT INTO tenancy.instance_transitions (action, from_s": Statements(),
    "docs/dba.md: SELECT conrelid::regclass, conname, confdeltype FROM pg_": Statements(),
    "docs/dba.md: REVOKE tenancy_service, tenancy_legacy FROM old_login;": Statements(undone=True),
    "docs/dba.md: INSERT INTO tenancy.role_permissions (permission, role)": Statements(),
    "docs/dba.md: SELECT * FROM tenancy.explain_access('public.instances',": Statements(login="service"),
    "docs/dba.md: SELECT tenancy.rotate_seal_key();       -- running trans": Statements(),
    "docs/dba.md: GRANT SET ON PARAMETER backtrace_functions TO tenancy_ow": Statements(),
    "docs/dba.md: CALL tenancy.harden_database();": Statements(),
    "docs/dba.md: ALTER ROLE app_login SET idle_in_transaction_session_tim": Statements(undone=True),
    "docs/activation.md: CALL tenancy_private.make_activatable(": Statements(before=DATASETS),
    "docs/lint.md: SELECT * FROM tenancy.lint();   -- the same rules where": Statements(),
    "docs/languages.md: SELECT tenancy.enter($1, $2);  -- the user; the organiza": Statements(login="app"),
    "docs/finops.md: SELECT tenancy.enter('<user id>', '<organization id>');": Statements(login="app"),
    "docs/finops.md: SELECT tenancy.assign('finops.cost_actual_minute', '<org": Statements(login="service"),
    "docs/finops.md: SELECT finops.roll_up();  -- until it returns 0, each ti": Statements(login="service"),
    "docs/finops.md: UPDATE tenancy_private.cost_state SET rolled_before = '-": Statements(),
    "docs/operations.md: CALL tenancy.harden_database();": Statements(),
    "docs/orms.md: SELECT * FROM tenancy.writable_columns('public.instances": Statements(login="app"),
    "docs/planner.md: CREATE POLICY projects_tenant ON public.projects": Statements(before=POLICY),
    "docs/planner.md: USING ((tableoid = tableoid, tableoid = tableoid) = (SEL": Statements(before=POLICY),
    "docs/protect.md: SELECT tenancy.define_permission('projects.view', roles": Statements(before=PROJECTS),
    "docs/sql.md: SELECT * FROM tenancy.create_ticket_key();  -- as a DBA:": Statements(),
    "docs/sql.md: REVOKE EXECUTE ON FUNCTION tenancy.sign_up(text, text, t": Statements(undone=True),
    "docs/sql.md: SELECT tenancy.enter_with_api_key($1);": Statements(login="credentialed"),
    "docs/sql.md: SELECT tenancy.enter($1, $2);": Statements(login="app"),
    "docs/sql.md: SELECT session_id, token, expires_at FROM tenancy.start_": Statements(login="app"),
    "docs/sql.md: CREATE ROLE authenticator LOGIN BYPASSRLS;": Statements(undone=True),
}


def _statements(text: str) -> list[str]:
    """Return the statements of a script, which has no semicolon in a text."""
    without_comments = re.sub(r"--.*", "", text)
    return [statement for each in without_comments.split(";") if (statement := each.strip())]


@pytest.mark.parametrize("name", STATEMENTS)
def test_statements_run(
    name: str,
    database: Database,
    logins: Logins,
    acme: Organization,
    legacy_instance: UUID,
    admin: psycopg.Connection[Any],
) -> None:
    how, text = STATEMENTS[name], SNIPPETS[name].text
    with database.connect(logins.app) as app, workspace(app, user_id=acme.owner.id, organization_id=acme.id) as ws:
        key = _active_key(ws)
    (provider,) = admin.execute("SELECT id FROM public.providers").fetchone() or (None,)
    if how.before:
        admin.execute(how.before.encode())
    values = {
        "$1": f"'{key if 'api_key' in name else acme.owner.id}'",
        "$2": f"'{acme.id}'",
        "$3": f"'{provider}'",
        "$4": "NULL",
        "<user id>": str(acme.owner.id),
        "<organization id>": str(acme.id),
        "app_login": sql.Identifier(logins.app).as_string(),
        "old_login": sql.Identifier(logins.old).as_string(),
        "<instance id>": str(legacy_instance),
        "authenticator": sql.Identifier(f"{database.name}_auth").as_string(),
        **INCLUDED,
    }
    for placeholder, value in values.items():
        text = text.replace(placeholder, value)
    if text.startswith("USING"):
        text = f"CREATE POLICY a_policy ON public.projects {text}"
    login = getattr(logins, how.login) if how.login else None
    with database.connect(login, autocommit=True) as connection:
        if how.undone:
            connection.execute("BEGIN")
        for statement in _statements(text):
            connection.execute(statement.encode())
        if how.undone:
            connection.execute("ROLLBACK")


# Plans that are shown in part, and the queries that have them.
PLANS = {
    "docs/planner.md: Result": "SELECT name FROM public.projects WHERE id = '00000000-0000-0000-0000-00000000000a'",
    "docs/planner.md: Filter: (CASE WHEN (workspace_id = ANY (ARRAY[(InitPlan": (
        "SELECT id FROM public.projects WHERE name = ANY('{x}')"
    ),
}


@pytest.mark.parametrize("name", PLANS)
def test_plans_have_the_lines_that_are_shown(
    name: str, database: Database, logins: Logins, acme: Organization, admin: psycopg.Connection[Any]
) -> None:
    if database.server.version < 18:
        pytest.skip("an earlier release calls the results of an InitPlan otherwise")
    admin.execute((ROOT / "examples" / "projects" / "schema.sql").read_bytes())
    with database.entered(logins.app, acme.owner, acme) as connection:
        plan = connection.execute(f"EXPLAIN (COSTS OFF) {PLANS[name]}".encode()).fetchall()
    lines = iter(line.strip() for (line,) in plan)
    for shown in SNIPPETS[name].text.splitlines():
        assert shown.strip() in lines, f"{shown}\nis not where it is shown in\n{plan}"


# -- programs -------------------------------------------------------------------------------

SQITCH = [
    "README.md: sqitch deploy --to @phase-0 db:pg://dba@host/application",
    "docs/dba.md: sqitch deploy --to @phase-0 db:pg://dba@host/application",
    "docs/dba.md: sqitch revert --to @phase-1 db:pg://dba@host/application",
]


@pytest.mark.slow
@pytest.mark.parametrize("name", SQITCH)
def test_sqitch_runs(name: str, database_at: Callable[[str], Database], sqitch: Callable[[Database], Sqitch]) -> None:
    commands = [shlex.split(line, comments=True) for line in SNIPPETS[name].text.splitlines()]
    database = database_at("@phase-2" if commands[0][1] == "revert" else "kernel/roles")
    runner = sqitch(database)
    if commands[0][1] == "deploy":
        runner.revert()
    for program, command, *arguments, target in commands:
        assert (program, target) == ("sqitch", "db:pg://dba@host/application")
        if command == "revert" and "@phase-0" in arguments:
            runner.deploy("@phase-1")  # as the comment says, when one is ready
        runner.run(command, *arguments, *(["-y"] if command == "revert" else []))


CONSOLE = "docs/python.md: $ pg-tenancy assign postgresql://worker@host/app public."


def test_the_console_says_what_it_says_there(
    database: Database, logins: Logins, acme: Organization, legacy_instance: UUID
) -> None:
    typed, *said = SNIPPETS[CONSOLE].text.splitlines()
    program, command, dsn, *arguments = shlex.split(typed.removeprefix("$ "))
    assert (program, dsn) == ("pg-tenancy", "postgresql://worker@host/app")
    status, screen = on_a_terminal([command, database.dsn(logins.service), *arguments], "y\n")
    assert status == 0, screen
    for line in said:
        assert line.replace("48,210 rows", "1 row").replace("0b6f…", str(acme.id)) in screen


# Snippets that are parts of tested files: models of ORM projects, and the examples.
_EXAMPLE = "examples/projects"
_DJANGO = f"{_EXAMPLE}/django_app"
_ORMS = "pytests/orms"
_LANGUAGES = "examples/languages"
PARTS = {
    "docs/languages.md: async function inWorkspace(pool, user, organization, wor": f"{_LANGUAGES}/app.js",
    "docs/languages.md: func InWorkspace(": f"{_LANGUAGES}/app.go",
    "docs/languages.md: def in_workspace(connection, user, organization, isolati": f"{_LANGUAGES}/app.rb",
    "docs/orms.md: from collections.abc import Iterator": f"{_ORMS}/sqlalchemy/models.py",
    "docs/orms.md: import uuid": f"{_ORMS}/django/models.py",
    'docs/orms.md: import "reflect-metadata";': f"{_ORMS}/node/typeorm/models.ts",
    'docs/orms.md: import { sql } from "drizzle-orm";': f"{_ORMS}/node/drizzle/models.ts",
    "docs/orms.md: import { DataTypes, Model, Sequelize, Transaction } from": f"{_ORMS}/node/sequelize/models.ts",
    'docs/orms.md: import type { Knex } from "knex";': f"{_ORMS}/node/knex/models.ts",
    "docs/orms.md: model Project {": f"{_ORMS}/node/prisma/schema.prisma",
    'docs/orms.md: import { Prisma, PrismaClient } from "@prisma/client";': f"{_ORMS}/node/prisma/models.ts",
    'docs/integrations.md: engine = enter_workspaces(create_engine(os.environ["DATA': f"{_EXAMPLE}/sqlalchemy_app.py",
    "docs/integrations.md: class Project(Base):": f"{_EXAMPLE}/sqlalchemy_app.py",
    "docs/integrations.md: except DBAPIError as error:": f"{_ORMS}/sqlalchemy/test_sessions.py",
    "docs/integrations.md: def who(": f"{_EXAMPLE}/fastapi_app.py",
    "docs/integrations.md: async def context(entry: Annotated[dict[str, Any], Depen": "pytests/web/test_starlette.py",
    'docs/integrations.md: "ENGINE": "pg_tenancy.django",': f"{_DJANGO}/settings.py",
    "docs/integrations.md: # List it after the middleware that authenticates.": f"{_DJANGO}/settings.py",
    "docs/integrations.md: with workspace_context(user_id=user, organization_id=org": (
        "pytests/orms/django/test_requests.py"
    ),
    "docs/testing.md: def test_projects(assert_isolated, assert_contract):": f"{_EXAMPLE}/test_isolation.py",
    'docs/testing.md: PROGRESS = {"progress(uuid)": [RowOf("public.tasks", "pr': f"{_EXAMPLE}/test_isolation.py",
    "docs/testing.md: def test_no_table_is_forgotten(tenancy):": f"{_EXAMPLE}/test_isolation.py",
    "docs/testing.md: def test_progress(assert_isolated):": f"{_EXAMPLE}/test_isolation.py",
    "docs/testing.md: def test_an_organization_sees_its_own_projects(tenancy):": f"{_EXAMPLE}/test_isolation.py",
}


def _unindented(text: str) -> str:
    return "\n".join(line.strip() for line in text.strip().splitlines())


@pytest.mark.parametrize("name", PARTS)
def test_what_is_shown_is_a_part_of_what_runs(name: str) -> None:
    assert _unindented(SNIPPETS[name].text) in _unindented((ROOT / PARTS[name]).read_text())


# Snippets that a test compares with the real thing.
TOLD_BY = {
    "README.md: def test_projects(assert_isolated):": "plugin/test_documented.py",
    "docs/commands.md: $ pg-tenancy status postgresql://ann@host/application": "command/test_rights.py",
    'docs/commands.md: eval "$(pg-tenancy completion bash)"    # in ~/.bashrc;': "command/test_help.py",
    "docs/commands.md: pg-tenancy matrix --tables --role app --svg tables.svg p": "command/test_doors.py",
    "docs/integrations.md: {": "plugin/test_documented.py",
    "docs/protect.md: pg-tenancy protect postgresql://dba@host/application pub": "command/test_protect.py",
    "docs/testing.md: pip install 'pg-tenancy[binary,pytest]'": "plugin/test_documented.py",
    "docs/testing.md: [pytest]": "plugin/test_documented.py",
    "docs/testing.md: public.projects: 15 controls and 31 refusals held": "plugin/test_documented.py",
}


@pytest.mark.parametrize("name", TOLD_BY)
def test_a_test_compares_what_is_told(name: str) -> None:
    assert Path(name.split(":")[0]).name in (ROOT / "pytests" / TOLD_BY[name]).read_text()


# Documents that a test follows from the first command to the last.
_FOLLOWERS = {
    "docs/getting-started.md": ("command/test_bundle.py", '"docs" / "getting-started.md"'),
    "examples/invoicing/README.md": ("adoption/test_example_invoicing.py", 'EXAMPLE / "README.md"'),
    "examples/languages/README.md": ("support/languages.py", 'EXAMPLES / "README.md"'),
    "examples/projects/README.md": ("web/test_examples.py", 'EXAMPLE / "README.md"'),
}
FOLLOWED = [name for name in SNIPPETS if name.split(": ")[0] in _FOLLOWERS]


@pytest.mark.parametrize("document", _FOLLOWERS)
def test_a_test_follows_the_whole_page(document: str) -> None:
    follower, reading = _FOLLOWERS[document]
    assert reading in (ROOT / "pytests" / follower).read_text()
    assert any(name.startswith(f"{document}: ") for name in FOLLOWED)


# Snippets that tests elsewhere run.
ELSEWHERE = {
    "README.md: ./dev wheel                                  # builds th": (
        "command/test_bundle.py",
        "test_an_installed_package_says_its_version",
    ),
    "README.md: ./dev run     # creates a small platform without tenants": ("command/test_demo.py", "test_"),
    "docs/console.md: ./dev run --console    # on the demonstration's data, wi": (
        "command/test_demo.py",
        "test_the_console_shows_the_data_to_people_of_each_role",
    ),
}

EXEMPTIONS = "docs/lint.md: # lint.toml; or use JSON in a file whose name ends in .j"
LINT = [
    "README.md: pg-tenancy lint postgresql://ann@host/application",
    "docs/lint.md: pg-tenancy lint postgresql://ann@host/application",
    'docs/lint.md: - run: pg-tenancy lint "$DSN" --baseline lint.toml --for',
    'docs/lint.md: pg-tenancy lint "$MAIN" --format json > base.json      #',
    EXEMPTIONS,
]


@pytest.mark.parametrize("name", LINT)
def test_lint_runs(
    name: str,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lint.toml").write_text(SNIPPETS[EXEMPTIONS].text)
    commands = re.findall(r"pg-tenancy (lint .*)", SNIPPETS[name].text) or ["lint DSN --baseline lint.toml"]
    for line in commands:
        command, _, file = line.partition(" #")[0].partition(">")
        arguments = [database.dsn() if re.search("DSN|MAIN|://", word) else word for word in shlex.split(command)]
        # Findings are fine; status 2 would mean that it could not run.
        assert main(arguments) in {0, 1}
        if file:
            (tmp_path / file.strip()).write_text(capsys.readouterr().out)


# Snippets that a test runs as the people that they name.
READ_BY = {
    "docs/data-apis.md: CREATE ROLE web NOLOGIN IN ROLE tenancy_app;": "web/test_postgrest.py",
    "docs/data-apis.md: SELECT tenancy.enter_with_ticket(substr(current_setting(": "web/test_postgrest.py",
    'docs/data-apis.md: db-uri = "postgres://authenticator@/application"': "web/test_postgrest.py",
    "docs/offerings.md: -- Acme's owner": "phases/offerings/test_recording_calls.py",
    "docs/console.md: from contextlib import asynccontextmanager": "console/test_documents.py",
    "docs/console.md: from pg_tenancy.console import console_app": "console/test_documents.py",
    "docs/console.md: pg-tenancy console --prepare postgresql://dba@host/appli": "console/test_command.py",
    "docs/money.md: SELECT tenancy.top_up('<acme>', 50, 'invoice-2026-11-001": "phases/money/test_movements.py",
}


@pytest.mark.parametrize("name", READ_BY)
def test_a_test_reads_the_example_from_the_document(name: str) -> None:
    text = (ROOT / "pytests" / READ_BY[name]).read_text()
    document = Path(name.split(":")[0]).name
    assert re.search(rf'def test_the_example_of_the_documents\(.*?/ "docs" / "{document}"', text, re.DOTALL)


@pytest.mark.parametrize("name", ELSEWHERE)
def test_commands_of_the_repository_exist(name: str) -> None:
    file, test = ELSEWHERE[name]
    assert f"def {test}" in (ROOT / "pytests" / file).read_text()
    script = (ROOT / "dev").read_text()
    commands = re.findall(r"^\./dev (\w+)", SNIPPETS[name].text, re.MULTILINE)
    assert commands
    for command in commands:
        assert f"\ncmd_{command}() {{" in script
