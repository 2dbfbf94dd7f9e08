"""The example of another application is deployed, used and reverted as its README says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import sql

from pg_tenancy.tools.phases import plan_of, read_status
from pg_tenancy.tools.sqitch import SqitchError, read_plan
from support.database import Database
from support.people import People
from support.server import Logins, Server
from support.transcript import enter_commands, fenced

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "invoicing"
README = (EXAMPLE / "README.md").read_text()
PLATFORM = ("instances", "models", "providers", "organization_models", "inference_usage", "cost_actual_minute")

OLD_ROWS = """
INSERT INTO accounts (email, username) VALUES ('old@example.com', 'old');
INSERT INTO customers (name) VALUES ('Umbrella');
INSERT INTO projects (customer_id, name) SELECT id, 'Hive' FROM customers;
INSERT INTO tasks (project_id, title) SELECT id, 'Dig' FROM projects;
INSERT INTO invoices (customer_id, amount, margin) SELECT id, 100, 30 FROM customers;
INSERT INTO notes (account_id, body) SELECT id, 'mine' FROM accounts;
INSERT INTO currencies VALUES ('EUR', 'Euro');
"""


@pytest.fixture(scope="module")
def old_login(server: Server) -> Iterator[str]:
    """Yield the name of the login that the README calls ``invoicing``, which it creates."""
    name = server.new_name("invoicing")
    yield name
    server.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(name)))


@pytest.fixture(scope="module")
def invoicing(server: Server, logins: Logins, old_login: str) -> Iterator[Database]:
    """Yield the application's database, made and deployed as the README says, with rows from before."""
    # The groups exist: other tests use them at the same time.
    assert logins
    database = server.create()
    (commands,) = fenced(README, "sh")
    before, after = re.sub(r"\binvoicing\b", old_login, commands).split("\n\n")
    enter_commands(before, EXAMPLE, server, DSN=database.dsn())
    database.execute(f"ALTER ROLE {old_login} PASSWORD '{server.password}'")
    with database.connect(old_login, autocommit=True) as old:
        old.execute(OLD_ROWS.encode())
    enter_commands(after, EXAMPLE, server, DSN=database.dsn())
    yield database
    server.drop(database.name)


def test_the_statements_of_the_readme_go_as_it_says(server: Server, invoicing: Database, old_login: str) -> None:
    new, first, assign, work = fenced(README, "sql")
    copy, new_login = server.create(invoicing.name), server.new_name("invoicing_app")
    ids = {"<account id>": str(_one(copy, None, "SELECT id FROM users WHERE username = 'old'"))}

    def done(script: str, login: str | None) -> list[list[tuple[Any, ...]]]:
        for placeholder, value in {**ids, "invoicing_app": new_login}.items():
            script = script.replace(placeholder, value)
        with copy.connect(login, autocommit=True) as connection:
            cursor = connection.execute(script.encode())
            answers = [cursor.fetchall() if cursor.description else []]
            while cursor.nextset():
                answers.append(cursor.fetchall() if cursor.description else [])
        return answers

    try:
        done(new, None)
        copy.execute(f"ALTER ROLE {new_login} PASSWORD '{server.password}'")
        _, _, [(organization,)], _ = done(first, new_login)
        ids["<organization id>"] = str(organization)
        while done(assign, old_login) != [[(0,)]]:
            pass
        _, _, [(customer,)], titles, _ = done(work, new_login)
        assert (customer, titles) == (_one(copy, None, "SELECT max(id) FROM customers"), [("Dig",)])
    finally:
        server.drop(copy.name)
        server.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(new_login)))


def _one(database: Database, login: str | None, query: str, *values: Any) -> Any:
    with database.connect(login) as connection:
        (row,) = connection.execute(query.encode(), values).fetchall()
    return row[0]


def test_the_kernel_makes_nothing_of_the_platform(invoicing: Database) -> None:
    with invoicing.connect() as admin:
        assert plan_of(admin) == "kernel"
        assert read_status(admin).pending == ()
        assert admin.execute("SELECT relname FROM pg_class WHERE relname = ANY(%s)", [list(PLATFORM)]).fetchall() == []
        assert admin.execute("SELECT to_regnamespace('finops')").fetchall() == [(None,)]
        (words,) = admin.execute("SELECT array_agg(DISTINCT split_part(permission, '.', 1)) FROM tenancy.permissions")
        # finops.view also shows a workspace its wallet.
        assert not {"instances", "models", "offerings"} & set(words[0])


def test_the_kernels_scripts_do_not_mention_the_platform() -> None:
    scripts = Path(__file__).resolve().parents[2] / "sql"
    mentions = [
        f"{script.relative_to(scripts)}: {table}"
        for script in scripts.glob("*/kernel/*.sql")
        for table in ("public.instances", "public.models", "organization_models", "inference_usage", "cost_actual")
        if table in script.read_text()
    ]
    assert mentions == []
    assert all(change.name.startswith("kernel/") for change in read_plan(plan="kernel"))


def test_the_wrong_plan_is_refused(invoicing: Database) -> None:
    platform = replace(invoicing.server.sqitch(invoicing.name), plan="platform")
    for command in (platform.deploy, platform.verify, platform.status):
        with pytest.raises(SqitchError):
            command()
    replace(platform, plan="kernel").verify()


def test_the_old_application_goes_on(invoicing: Database, old_login: str) -> None:
    with invoicing.connect(old_login) as old:
        assert old.execute("SELECT count(*) FROM accounts WHERE username = 'old'").fetchall() == [(1,)]
        old.execute("INSERT INTO accounts (email, username) VALUES ('new@example.com', 'new')")
        (customer,) = old.execute("INSERT INTO customers (name) VALUES ('Initech') RETURNING id").fetchone() or ()
        (project,) = (
            old.execute(
                "INSERT INTO projects (customer_id, name) VALUES (%s, 'TPS') RETURNING id", [customer]
            ).fetchone()
            or ()
        )
        old.execute("INSERT INTO tasks (project_id, title) VALUES (%s, 'Cover sheet')", [project])
        assert old.execute("SELECT margin IS NOT NULL FROM invoices ORDER BY id LIMIT 1").fetchall() == [(True,)]
        old.rollback()


@pytest.fixture
def two_companies(invoicing: Database) -> Iterator[tuple[Database, dict[str, UUID]]]:
    """Yield the database with two organizations, and the people in it."""
    with invoicing.connect(autocommit=True) as admin:
        people = People(admin)
        ann, bob, eve = (people.user(name) for name in ("ann", "bob", "eve"))
        acme = people.organization("Acme", owner=ann, user=bob)
        globex = people.organization("Globex", owner=eve)
        yield (
            invoicing,
            {"ann": ann.id, "bob": bob.id, "eve": eve.id, "acme": acme.id, "globex": globex.id},
        )
        admin.execute("DELETE FROM public.organizations")
        admin.execute("DELETE FROM public.users WHERE username <> 'old'")


def test_each_company_sees_its_own(two_companies: tuple[Database, dict[str, UUID]], logins: Logins) -> None:
    database, ids = two_companies
    with database.entered(logins.app, ids["ann"], ids["acme"]) as ann:
        assert ann.execute("SELECT count(*) FROM customers").fetchall() == [(0,)]
        (customer,) = ann.execute("INSERT INTO customers (name) VALUES ('Initech') RETURNING id").fetchone() or ()
        (project,) = (
            ann.execute(
                "INSERT INTO projects (customer_id, name) VALUES (%s, 'TPS') RETURNING id", [customer]
            ).fetchone()
            or ()
        )
        ann.execute("INSERT INTO tasks (project_id, title) VALUES (%s, 'Cover sheet')", [project])
        ann.execute("INSERT INTO invoices (customer_id, amount) VALUES (%s, 12.5)", [customer])
        ann.execute("INSERT INTO notes (body) VALUES ('only mine')")
        ann.execute("INSERT INTO notes (body, is_shared) VALUES ('for all', true)")
    with database.entered(logins.app, ids["bob"], ids["acme"]) as bob:
        assert bob.execute("SELECT title FROM tasks").fetchall() == [("Cover sheet",)]
        assert bob.execute("SELECT count(*) FROM invoices").fetchall() == [(0,)]  # users do not see invoices
        assert bob.execute("SELECT body FROM notes").fetchall() == [("for all",)]
        assert bob.execute("SELECT name FROM currencies").fetchall() == [("Euro",)]
        with pytest.raises(psycopg.errors.InsufficientPrivilege), bob.transaction():
            bob.execute("INSERT INTO customers (name) VALUES ('Hooli')")
        with pytest.raises(psycopg.errors.InsufficientPrivilege), bob.transaction():
            bob.execute("SELECT margin FROM invoices")
    with database.entered(logins.app, ids["eve"], ids["globex"]) as eve:
        for table in ("customers", "projects", "tasks", "invoices", "notes"):
            assert eve.execute(f"SELECT count(*) FROM {table}".encode()).fetchall() == [(0,)]  # noqa: S608
        # Another company's parent and a nonexistent one raise the same error.
        for parent in (project, 10**9):
            with pytest.raises(psycopg.errors.ForeignKeyViolation) as error, eve.transaction():
                eve.execute("INSERT INTO tasks (project_id, title) VALUES (%s, 'Steal')", [parent])
            assert error.value.diag.message_detail == 'Key is not present in table "projects".'
    with database.connect(logins.app) as nobody, pytest.raises(psycopg.Error, match="in no workspace"):
        nobody.execute("SELECT count(*) FROM tasks")


def test_rows_from_before_are_assigned_with_their_children(
    two_companies: tuple[Database, dict[str, UUID]], logins: Logins
) -> None:
    database, ids = two_companies
    with database.connect(logins.service, autocommit=True) as service:
        while service.execute(
            "SELECT tenancy.assign('public.customers', %s, $$name = 'Umbrella'$$)", [ids["acme"]]
        ).fetchall() != [(0,)]:
            pass
    with database.entered(logins.app, ids["ann"], ids["acme"]) as ann:
        assert ann.execute("SELECT title FROM tasks").fetchall() == [("Dig",)]
        assert ann.execute("SELECT amount FROM invoices").fetchall() == [(100,)]
    with database.connect(autocommit=True) as admin:
        admin.execute("UPDATE customers SET workspace_id = '00000000-0000-0000-0000-000000000000'")
        assert _one(database, None, "SELECT count(*) FROM tasks WHERE workspace_id = %s", ids["acme"]) == 0


def test_everything_can_be_taken_back(server: Server, invoicing: Database) -> None:
    copy = server.create(invoicing.name)
    try:
        with copy.connect(autocommit=True) as admin:
            for table in ("notes", "invoices", "tasks", "projects", "customers", "currencies"):
                admin.execute(f"CALL tenancy.unprotect('public.{table}')".encode())
            admin.execute("CALL tenancy_private.verify_contracts()")
            assert admin.execute(
                "SELECT conname FROM pg_constraint WHERE conrelid = 'tasks'::regclass AND contype = 'f'"
            ).fetchall() == [("tasks_project_id_fkey",)]
            assert admin.execute(
                "SELECT count(*) FROM pg_attribute WHERE attname = 'workspace_id' AND NOT attisdropped"
                " AND attrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace"
                " AND relkind = 'r' AND relname <> 'api_keys')"
            ).fetchall() == [(0,)]
    finally:
        server.drop(copy.name)
