"""Errors for a login that lacks rights: what is missing and what to do, never a traceback."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from pg_tenancy.tools.cli import main
from support.command import Answer, answer
from support.database import Database
from support.server import Logins

ON_A_DATABASE = {
    "status": (),
    "deploy": (),
    "verify": (),
    "revert": ("--all", "--yes"),
    "lint": (),
    "matrix": (),
    "console": ("--prepare",),
    "assign": ("public.users", "acme", "--yes"),
}


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Answer:
    """Return a function that runs a command on a database, and returns its exit status, output and errors."""
    monkeypatch.delenv("PG_TENANCY_DSN", raising=False)

    def run(name: str, dsn: str, *arguments: str) -> tuple[int, str, str]:
        return answer(capsys, name, dsn, *(arguments or ON_A_DATABASE[name]))

    return run


@pytest.mark.parametrize(
    ("name", "missing", "remedy"),
    [
        ("status", "permission denied for schema sqitch", "GRANT USAGE ON SCHEMA sqitch TO {login}; GRANT SELECT ON"),
        ("deploy", "permission denied for schema sqitch", "Connect as the login that deployed, {owner}, or as a"),
        ("verify", "permission denied for schema sqitch", "Connect as the login that deployed, {owner}, or as a"),
        ("revert", "permission denied for schema sqitch", "Connect as the login that deployed, {owner}, or as a"),
        ("matrix", "permission denied for schema tenancy", "GRANT tenancy_service TO {login}; or connect as the login"),
        (
            "console",
            "permission denied to create role",
            "--prepare creates two logins and a key: connect as a superuser",
        ),
        (
            "assign",
            "{login} may not assign rows",
            "GRANT tenancy_service TO {login}; or use a login that is granted it",
        ),
    ],
)
def test_a_login_without_rights_is_told_what_is_missing_and_what_to_do(
    database: Database, new_login: Callable[..., str], run: Answer, name: str, missing: str, remedy: str
) -> None:
    login = new_login()
    with database.connect() as connection:
        named = {"login": login, "owner": connection.info.user}
    status, output, complaint = run(name, database.dsn(login))
    assert (status, output) == (1, "")
    first, second = complaint.splitlines()
    assert first.startswith(f"pg-tenancy: {missing.format(**named)}")
    assert second.startswith(remedy.format(**named))


def test_the_login_of_an_application_is_told_who_sees_the_matrix(
    database: Database, logins: Logins, run: Answer
) -> None:
    for login in (logins.app, logins.credentialed):
        status, output, complaint = run("matrix", database.dsn(login))
        assert (status, output) == (1, "")
        first, second = complaint.splitlines()
        assert first == f"pg-tenancy: {login} sees the permissions only in a workspace"
        assert second.startswith("Connect as a login of tenancy_service, or as the login that deployed, ")
    for allowed in (logins.service, None):
        assert run("matrix", database.dsn(allowed))[0] == 0


def test_the_url_of_sqlalchemy_is_recognized(database: Database, run: Answer) -> None:
    for scheme in ("postgresql+psycopg", "postgres+asyncpg"):
        status, _, complaint = run("status", database.dsn().replace("postgresql", scheme, 1))
        driver = scheme[scheme.index("+") :]
        assert (status, complaint) == (2, f"pg-tenancy: the DSN is a URL of SQLAlchemy: leave out {driver}\n")


def test_the_document_shows_what_is_said(database: Database, new_login: Callable[..., str], run: Answer) -> None:
    document = (Path(__file__).resolve().parents[2] / "docs" / "commands.md").read_text()
    login = new_login()
    assert f"\n{run('status', database.dsn(login))[2].replace(login, 'ann')}```\n" in document


def test_a_login_that_may_look_does_as_it_was_told(
    database: Database, new_login: Callable[..., str], run: Answer
) -> None:
    login = new_login()
    told = run("status", database.dsn(login))[2].splitlines()[1]
    database.execute(*told.removesuffix(";").split("; "))
    status, output, _ = run("status", database.dsn(login))
    assert status == 0
    assert output.count("this login may not see that: connect as the login that deployed") == 2
    document = json.loads(run("status", database.dsn(login), "--json")[1])
    assert (document["unprotected_tables"], document["ways_around"]) == (None, None)
    assert document["unrestricted_logins"]
    # A login that may read sqitch's records may not deploy.
    for name, what in (("deploy", "deploy or revert"), ("revert", "deploy or revert"), ("verify", "verify what")):
        status, _, complaint = run(name, database.dsn(login))
        assert (status, f"{login} may not {what}" in complaint) == (1, True)
        assert "Connect as the login that deployed, " in complaint


def test_whoever_may_make_no_schema_is_told_before_sqitch_begins(
    empty_database: Database, new_login: Callable[..., str], run: Answer
) -> None:
    login, name = new_login(), empty_database.name
    status, output, complaint = run("deploy", empty_database.dsn(login))
    assert (status, output) == (1, "")
    first, second = complaint.splitlines()
    assert first == f"pg-tenancy: {login} may not create schemas in database {name}"
    assert second.startswith(f"GRANT CREATE ON DATABASE {name} TO {login}; or connect as its owner, ")
    empty_database.execute(second.partition("; ")[0])
    # The first change reports what else is missing.
    status, _, complaint = run("deploy", empty_database.dsn(login))
    assert (status, "Give the deployer what it lacks" in complaint) == (1, True)


@pytest.mark.parametrize(
    ("name", "ends", "says"),
    [
        ("status", 0, "nothing is deployed"),
        ("verify", 1, "nothing is deployed to this database"),
        ("revert", 0, "Nothing to revert"),
        ("lint", 1, "tenants_not_found"),
        ("matrix", 1, "deploy phase-1"),
        ("assign", 1, "comes with phase 4"),
    ],
)
def test_a_database_where_nothing_is_installed(
    empty_database: Database, new_login: Callable[..., str], run: Answer, name: str, ends: int, says: str
) -> None:
    for login in (None, new_login()):
        status, output, complaint = run(name, empty_database.dsn(login))
        assert (status, says in output + complaint) == (ends, True)


def test_a_console_of_nothing_is_neither_prepared_nor_served(
    empty_database: Database, run: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PG_TENANCY_AUTHENTICATOR_DSN", "dbname=x")
    monkeypatch.setenv("PG_TENANCY_TICKET_KEY", f"id:{'0' * 64}")
    for arguments in (("--prepare",), ("--port", "47511")):
        status, output, complaint = run("console", empty_database.dsn(), *arguments)
        assert (status, output, "Run pg-tenancy deploy first" in complaint) == (1, "", True)


@pytest.mark.parametrize("name", ON_A_DATABASE)
def test_a_server_that_does_not_answer(tmp_path: Path, run: Answer, name: str) -> None:
    status, output, complaint = run(name, f"host={tmp_path} dbname=d")
    assert (status, output) == (2 if name == "lint" else 1, "")
    assert "No such file or directory" in complaint
    assert "Traceback" not in complaint


def test_the_demonstration_needs_a_superuser(
    empty_database: Database,
    new_login: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PG_TENANCY_DSN", empty_database.dsn(new_login()))
    assert main(["demo"]) == 1
    assert "set PG_TENANCY_DSN to a superuser's" in capsys.readouterr().err


def test_nobody_waits_for_minutes_for_a_server_that_says_nothing(monkeypatch: pytest.MonkeyPatch, run: Answer) -> None:
    given: list[object] = []

    def refuse(dsn: str, **settings: object) -> None:
        given.append(settings.get("connect_timeout"))
        raise psycopg.OperationalError("no")

    monkeypatch.delenv("PGCONNECT_TIMEOUT", raising=False)
    monkeypatch.setattr(psycopg, "connect", refuse)
    run("status", "dbname=d")
    run("status", "dbname=d connect_timeout=3")
    monkeypatch.setenv("PGCONNECT_TIMEOUT", "5")
    run("status", "dbname=d")
    assert given == [15, None, None]
