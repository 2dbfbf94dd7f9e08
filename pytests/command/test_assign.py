"""Legacy rows are assigned to an organization in batches, and an interrupted assignment continues."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from pg_tenancy.errors import (
    ConnectionNotIdleError,
    InvalidArgumentError,
    OrganizationNotFoundError,
    PermissionDeniedError,
    PhaseNotDeployedError,
    TableNotProtectedError,
)
from pg_tenancy.tools._terminal import Terminal, _bar, progress_bar
from pg_tenancy.tools.assign import Assignment, assign
from support.command import Answer, answer, command, on_a_terminal, started, without_signals
from support.database import Database
from support.people import Organization, People
from support.server import Logins

Connection = psycopg.Connection[tuple[Any, ...]]

ROWS = 25


@pytest.fixture
def dsn(database: Database, logins: Logins) -> str:
    return database.dsn(logins.service)


@pytest.fixture
def acme(people: People) -> Organization:
    return people.organization("Acme")


@pytest.fixture(autouse=True)
def _legacy_instances(admin: Connection) -> None:
    """Insert rows as the application did before the migration."""
    admin.execute(
        "WITH cloud AS (INSERT INTO public.providers (name) VALUES ('Cloud') RETURNING id)"
        " INSERT INTO public.instances (provider_id, status, gpu_profile)"
        " SELECT cloud.id, 'ready', CASE WHEN n %% 5 = 0 THEN 'large' ELSE 'small' END"
        " FROM cloud, generate_series(1, %s) AS n",
        [ROWS],
    )


def owned(admin: Connection, organization: Organization, condition: str = "true") -> int:
    query = f"SELECT count(*) FILTER (WHERE {condition}) FROM public.instances"  # noqa: S608
    query += " WHERE organization_id = %s AND workspace_id = organization_id"
    return int(admin.execute(query, [organization.id]).fetchall()[0][0])


# -- the function -----------------------------------------------------------------------


def test_all_legacy_rows_are_given_batch_by_batch(dsn: str, admin: Connection, acme: Organization) -> None:
    told: list[tuple[int, int]] = []
    given = assign(dsn, "public.instances", acme.id, batch_size=10, on_batch=lambda *done: told.append(done))
    assert (given, told) == (ROWS, [(10, 25), (20, 25), (25, 25)])
    assert owned(admin, acme) == ROWS
    assert assign(dsn, "public.instances", acme.id) == 0


def test_only_the_rows_of_the_condition_are_given(dsn: str, admin: Connection, acme: Organization) -> None:
    condition = "gpu_profile LIKE 'lar%' OR false -- the large ones"
    assert assign(dsn, "instances", acme.slug, condition=condition, batch_size=2) == 5
    assert owned(admin, acme) == owned(admin, acme, "gpu_profile = 'large'") == 5


def test_rows_that_belong_to_somebody_are_left_alone(
    dsn: str, admin: Connection, acme: Organization, people: People
) -> None:
    other = people.organization("Other")
    assign(dsn, "public.instances", other.id, condition="gpu_profile = 'large'")
    assert assign(dsn, "public.instances", acme.id) == ROWS - 5
    assert (owned(admin, other), owned(admin, acme)) == (5, ROWS - 5)


@pytest.mark.parametrize("autocommit", [True, False])
def test_a_connection_is_left_open_and_as_it_was(dsn: str, acme: Organization, autocommit: bool) -> None:
    with psycopg.connect(dsn, autocommit=autocommit) as connection:
        assert assign(connection, "public.instances", acme.id, batch_size=10) == ROWS
        assert not connection.closed
        assert connection.autocommit is autocommit
        assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE


def test_a_connection_in_a_transaction_is_refused(dsn: str, acme: Organization) -> None:
    with psycopg.connect(dsn) as connection:
        connection.execute("SELECT 1")
        with pytest.raises(ConnectionNotIdleError, match="already in a transaction"):
            assign(connection, "public.instances", acme.id)
        connection.rollback()


def test_what_was_given_before_a_failure_stays_and_the_rest_follows(
    dsn: str, admin: Connection, acme: Organization
) -> None:
    def stop(done: int, total: int) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        assign(dsn, "public.instances", acme.id, batch_size=10, on_batch=stop)
    assert owned(admin, acme) == 10
    told: list[tuple[int, int]] = []
    assert assign(dsn, "public.instances", acme.id, on_batch=lambda *done: told.append(done)) == 15
    assert told == [(15, 15)]


def test_looking_changes_nothing_and_says_what_would_be_done(dsn: str, admin: Connection, acme: Organization) -> None:
    with psycopg.connect(dsn) as connection:
        found = Assignment(connection, "instances", acme.slug)
    assert (found.table, found.total) == ('"public"."instances"', ROWS)
    assert (found.organization_id, found.organization_name) == (acme.id, "Acme")
    assert owned(admin, acme) == 0


def test_a_condition_that_writes_is_refused(dsn: str, admin: Connection, acme: Organization) -> None:
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        assign(dsn, "public.instances", acme.id, condition="true); DELETE FROM public.instances; SELECT (1")
    assert admin.execute("SELECT count(*) FROM public.instances").fetchone() == (ROWS,)


@pytest.mark.parametrize(
    "table", ["nothing", "public.nothing", "nowhere.instances", "a b", "instances;", "", "users_tenancy_pkey"]
)
def test_an_unknown_table_is_named(dsn: str, acme: Organization, table: str) -> None:
    with pytest.raises(InvalidArgumentError, match="there is no table"):
        assign(dsn, table, acme.id)


@pytest.mark.parametrize("table", ["public.users", "public.providers"])
def test_a_table_that_belongs_to_no_workspace_is_refused(dsn: str, acme: Organization, table: str) -> None:
    with pytest.raises(TableNotProtectedError, match=table) as raised:
        assign(dsn, table, acme.id)
    # Not PhaseNotDeployedError: the phase may be deployed.
    assert "has given a workspace_id" in (raised.value.hint or "")


def test_an_unknown_or_deleted_organization_is_refused(
    dsn: str, admin: Connection, acme: Organization, database: Database, logins: Logins
) -> None:
    with database.entered(logins.app, acme.owner, acme) as connection:
        connection.execute("SELECT tenancy.delete_organization()")
    for organization in (uuid4(), str(uuid4()), "no-such", acme.id, acme.slug):
        with pytest.raises(OrganizationNotFoundError, match=str(organization)):
            assign(dsn, "public.instances", organization)


def test_a_batch_has_rows(dsn: str, acme: Organization) -> None:
    with pytest.raises(InvalidArgumentError, match="at least 1 row"):
        assign(dsn, "public.instances", acme.id, batch_size=0)


def test_the_application_may_not_assign(database: Database, logins: Logins, acme: Organization) -> None:
    for login in (logins.app, logins.credentialed, logins.auditor):
        with pytest.raises(PermissionDeniedError) as raised:
            assign(database.dsn(login), "public.instances", acme.id)
        assert raised.value.message == f"{login} may not assign rows: it is not granted tenancy_service"
        assert raised.value.hint == f"GRANT tenancy_service TO {login}; or use a login that is granted it."


def test_a_login_without_any_right_is_told_the_same(
    database: Database, new_login: Callable[..., str], run: Answer, acme: Organization
) -> None:
    status, output, complaint = run("assign", database.dsn(new_login()), "public.instances", "acme", "--yes")
    assert (status, output) == (1, "")
    assert "it is not granted tenancy_service" in complaint


def test_before_its_phase_it_says_so(database_at: Callable[[str], Database], logins: Logins) -> None:
    with pytest.raises(PhaseNotDeployedError):
        assign(database_at("@phase-0").dsn(logins.service), "public.instances", uuid4())


def test_a_batch_that_met_another_transaction_is_tried_again(
    dsn: str, admin: Connection, acme: Organization, database: Database
) -> None:
    admin.execute("CREATE SEQUENCE public.attempts")
    admin.execute("GRANT USAGE ON SEQUENCE public.attempts TO tenancy_service")
    admin.execute(
        "CREATE FUNCTION public.collide() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN"
        " IF nextval('public.attempts') = 3 THEN RAISE EXCEPTION 'met' USING ERRCODE = '40P01'; END IF;"
        " RETURN true; END; $$"
    )
    # Counting is read-only, so it cannot use a sequence.
    with psycopg.connect(dsn, autocommit=True) as connection:
        found = Assignment(connection, "public.instances", acme.id)
        found._condition = "public.collide()"
        assert found.run() == ROWS
    assert owned(admin, acme) == ROWS


# -- the command ------------------------------------------------------------------------


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Answer:
    """Return a function that runs a command, and returns its exit status, output and errors."""
    # A run on a given server sets this, and the command would use it.
    monkeypatch.delenv("PG_TENANCY_DSN", raising=False)

    def run(*arguments: str) -> tuple[int, str, str]:
        return answer(capsys, *arguments)

    return run


def test_the_command_gives_and_counts_line_by_line(
    run: Answer, dsn: str, admin: Connection, acme: Organization
) -> None:
    status, output, complaint = run("assign", dsn, "public.instances", "acme", "--batch", "10", "--yes")
    assert (status, complaint) == (0, "")
    lines = [line.strip() for line in output.splitlines()]
    assert lines[:-1] == [f'"public"."instances": {done} of 25' for done in (10, 20, 25)]
    assert lines[-1].endswith('25 rows of "public"."instances" assigned to Acme')
    assert owned(admin, acme) == ROWS
    status, output, _ = run("assign", dsn, "public.instances", "acme")
    assert (status, output.startswith("Nothing to assign: ")) == (0, True)


def test_the_command_takes_the_dsn_from_the_environment_and_an_id(
    run: Answer, dsn: str, admin: Connection, acme: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PG_TENANCY_DSN", dsn)
    status, _, complaint = run("assign", "--yes", "--where", "gpu_profile = 'large'", "instances", str(acme.id))
    assert (status, complaint) == (0, "")
    assert owned(admin, acme) == 5


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("public.nothing", "acme"), "there is no table public.nothing"),
        (("nothing", "acme"), "Name it with its schema: public.instances."),
        (("public.Nothing", "acme"), 'Quote capitals as in SQL: public."Nothing".'),
        (("public.users", "acme"), "public.users do not belong to workspaces"),
        (("public.instances", "no-such"), "organization no-such does not exist"),
        (("public.instances", "acme", "--where", "no_such = 1"), 'column "no_such" does not exist'),
    ],
)
def test_the_command_says_what_is_wrong(
    run: Answer, dsn: str, acme: Organization, arguments: tuple[str, ...], said: str
) -> None:
    status, output, complaint = run("assign", dsn, *arguments, "--yes")
    assert (status, output) == (1, "")
    assert said in complaint


@pytest.mark.parametrize("batch", ["0", "-1", "many"])
def test_the_command_refuses_a_batch_that_is_none(run: Answer, dsn: str, batch: str) -> None:
    status, _, complaint = run("assign", dsn, "instances", "acme", "--batch", batch)
    assert (status, "a number from 1" in complaint) == (2, True)


def test_the_command_asks_nobody_where_nobody_can_answer(
    run: Answer, dsn: str, admin: Connection, acme: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open(os.devnull) as nobody:
        monkeypatch.setattr(sys, "stdin", nobody)
        status, _, complaint = run("assign", dsn, "public.instances", "acme")
    assert (status, "--yes" in complaint, "25 rows" in complaint) == (2, True, True)
    assert owned(admin, acme) == 0


@pytest.mark.parametrize(("answer", "status", "given"), [("n", 1, 0), ("", 1, 0), ("y", 0, ROWS)])
def test_the_command_asks_on_a_terminal_and_shows_a_bar(
    dsn: str, admin: Connection, acme: Organization, answer: str, status: int, given: int
) -> None:
    ended, output = on_a_terminal(["assign", dsn, "public.instances", "acme", "--batch", "10"], answer + "\n")
    assert ended == status
    assert "This assigns 25 rows" in output
    assert f"to Acme ({acme.id})" in output
    assert ("25/25" in output) is bool(given)
    assert owned(admin, acme) == given


def test_a_name_cannot_write_to_the_terminal_of_the_dba(run: Answer, dsn: str, people: People) -> None:
    acme = people.organization("Acme\x1b[2J")
    _, output, _ = run("assign", dsn, "public.instances", str(acme.id), "--yes")
    assert "\x1b" not in output


@pytest.mark.parametrize("ending", ["SIGINT", "SIGTERM"])
def test_an_interruption_leaves_what_is_done_and_says_how_to_go_on(
    dsn: str, admin: Connection, acme: Organization, ending: str
) -> None:
    """During the second batch, which is slow for every row."""
    given = "(SELECT count(*) FROM public.instances AS i WHERE i.organization_id IS NOT NULL)"
    slow = f"pg_catalog.pg_sleep(CASE {given} WHEN 0 THEN 0 ELSE 5 END) IS NOT NULL"
    assignment = command("assign", dsn, "public.instances", "acme", "--where", slow, "--batch", "10", "--yes")
    with started(without_signals(assignment), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert "10 of 25" in process.stdout.readline()
        process.send_signal(signal.Signals[ending])
        _, complaint = process.communicate()
    assert process.returncode == 1
    assert "interrupted" in complaint
    assert "10 of 25 rows were assigned and stay assigned; the same command continues" in complaint
    assert owned(admin, acme) == 10
    assert assign(dsn, "public.instances", acme.id) == 15


class _Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("installed", [True, False])
def test_without_rich_there_are_lines_instead_of_a_bar(monkeypatch: pytest.MonkeyPatch, installed: bool) -> None:
    if not installed:
        monkeypatch.setitem(sys.modules, "rich.progress", None)
    terminal = Terminal(_Screen())
    assert (_bar(terminal) is not None) is installed
    assert _bar(Terminal(io.StringIO())) is None
    if not installed:
        with progress_bar(terminal, "rows") as show:
            show(10, 25)
        assert isinstance(terminal._stream, _Screen)
        assert terminal._stream.getvalue() == "  rows: 10 of 25\n"
