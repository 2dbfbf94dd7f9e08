"""The command line: what it does to a database, what it says, how it ends, and that no password is shown."""

from __future__ import annotations

import json
import os
import pty
import shutil
import socket
import subprocess
import sys
import threading
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from pg_tenancy.cli import main
from pg_tenancy.embedded import EmbeddedServer
from pg_tenancy.phases import read_phases, read_status
from pg_tenancy.sqitch import Sqitch, read_plan
from support.database import Database

PHASES = [phase.tag for phase in read_phases() if phase.tag]
LAST = PHASES[-1]


@pytest.fixture(autouse=True)
def _no_given_server(monkeypatch: pytest.MonkeyPatch) -> None:
    # A run on a given server has this set, and the commands would use it.
    monkeypatch.delenv("PG_TENANCY_DSN", raising=False)
    monkeypatch.setenv("SQITCH_FULLNAME", "Ann Admin")
    monkeypatch.setenv("SQITCH_EMAIL", "ann@example.com")


Answer = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Answer:
    """Return a function that runs a command: its exit status, output and complaints."""

    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        try:
            status = main(arguments)
        except SystemExit as end:
            status = int(end.code or 0)
        return status, *capsys.readouterr()

    return run


def _phase(dsn: str) -> str | None:
    with psycopg.connect(dsn) as connection:
        return read_status(connection).phase


def _environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "PYTHON"))}
    return kept | {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONIOENCODING": "utf-8"} | more


# -- status -----------------------------------------------------------------------


@pytest.mark.parametrize("tag", PHASES)
def test_status_says_the_phase_and_what_is_pending(
    database_at: Callable[[str], Database], run: Answer, tag: str
) -> None:
    dsn = database_at(f"@{tag}").dsn()
    status, output, _ = run("status", dsn)
    assert status == 0
    assert output.startswith(f"phase {tag.removeprefix('phase-')}, ")
    assert ("up to date" in output) is (tag == LAST)

    status, output, _ = run("status", "--json", dsn)
    assert status == 0
    document = json.loads(output)
    assert document["phase"] == tag
    names = [change["name"] for change in document["deployed"]] + document["pending"]
    assert names == [change.name for change in read_plan()]
    assert document["unknown"] == []


def test_status_of_an_empty_database(empty_database: Database, run: Answer) -> None:
    status, output, _ = run("status", empty_database.dsn())
    assert status == 0
    assert output.startswith("nothing is deployed.")


def test_status_between_two_phases(database_at: Callable[[str], Database]) -> None:
    with database_at("roles").connect() as connection:
        status = read_status(connection)
    assert status.phase is None
    assert [change.name for change in status.deployed] == ["existing_tables", "roles"]


def test_a_change_that_this_version_does_not_know_is_reported(database: Database) -> None:
    plan = read_plan()
    with database.connect() as connection:
        status = read_status(connection, plan[:-2])
    assert status.unknown == tuple(change.name for change in plan[-2:])
    assert status.pending == ()


# -- deploy, verify, revert ----------------------------------------------------------


def test_deploy_revert_and_verify_follow_the_phases(
    empty_database: Database, run: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    dsn = empty_database.dsn()
    monkeypatch.setenv("PG_TENANCY_DSN", dsn)

    status, _, complaint = run("verify")
    assert (status, "nothing is deployed" in complaint) == (1, True)

    status, output, complaint = run("deploy", "--to", PHASES[0])
    assert (status, complaint) == (0, "")
    assert _phase(dsn) == PHASES[0]
    assert all(change.name in output for change in read_phases()[0].changes)
    assert "Ann Admin" in run("status")[1]

    # A phase is known by its number and with its @, too.
    assert run("deploy", "--to", f"@{PHASES[1]}")[0] == 0
    assert _phase(dsn) == PHASES[1]
    status, output, _ = run("deploy", "--to", "0")
    assert (status, output.startswith("Nothing to deploy: ")) == (0, True)
    assert _phase(dsn) == PHASES[1]

    assert run("deploy")[0] == 0
    assert _phase(dsn) == LAST
    status, output, _ = run("deploy")
    assert (status, output.startswith("Nothing to deploy: ")) == (0, True)

    status, output, _ = run("verify")
    assert status == 0
    assert f"{len(read_plan())} changes" in output

    assert run("revert", "--to", PHASES[0], "--yes")[0] == 0
    assert _phase(dsn) == PHASES[0]
    status, _, complaint = run("revert", "--to", LAST, "--yes")
    assert (status, "is not deployed" in complaint) == (2, True)

    status, output, _ = run("revert", "--all", "--yes")
    assert (status, output.splitlines()[-1]) == (0, "Reverted: nothing is deployed.")
    assert run("revert", "--all", "--yes")[:2] == (0, "Nothing to revert: nothing is deployed.\n")


def test_verify_fails_and_names_what_is_wrong(database: Database, run: Answer) -> None:
    with database.connect(autocommit=True) as connection:
        connection.execute("DROP FUNCTION tenancy.members()")
    status, _, complaint = run("verify", database.dsn())
    assert status == 1
    assert "memberships_functions" in complaint


def test_a_deploy_that_fails_says_why_and_changes_nothing(empty_database: Database, run: Answer) -> None:
    with empty_database.connect(autocommit=True) as connection:
        connection.execute("CREATE TABLE public.users (id uuid, email integer)")
    status, _, complaint = run("deploy", empty_database.dsn())
    assert status == 1
    assert "sqitch deploy failed" in complaint
    assert "email" in complaint
    assert _phase(empty_database.dsn()) is None


def test_revert_asks_nobody_where_nobody_can_answer(
    database: Database, run: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open(os.devnull) as nobody:
        monkeypatch.setattr(sys, "stdin", nobody)
        status, _, complaint = run("revert", "--to", PHASES[0], database.dsn())
    assert (status, "--yes" in complaint) == (2, True)
    assert _phase(database.dsn()) == LAST


@pytest.mark.parametrize(("answer", "status", "phase"), [("n", 1, LAST), ("", 1, LAST), ("y", 0, PHASES[-2])])
def test_revert_asks_on_a_terminal(database: Database, answer: str, status: int, phase: str) -> None:
    ended, output = _on_a_terminal(["revert", "--to", PHASES[-2], database.dsn()], answer + "\n")
    assert ended == status
    assert "Go on? [y/N]" in output
    assert _phase(database.dsn()) == phase


def _on_a_terminal(arguments: list[str], typed: str, **more: str) -> tuple[int, str]:
    try:
        ours, theirs = pty.openpty()
    except OSError as error:  # a bare chroot has no /dev/pts
        pytest.skip(f"this machine gives no terminals: {error}")
    with subprocess.Popen(
        [sys.executable, "-m", "pg_tenancy", *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=_environment(TERM="xterm", **more),
    ) as process:
        os.close(theirs)
        os.write(ours, typed.encode())
        output = b""
        try:
            while part := os.read(ours, 65536):
                output += part
        except OSError:
            # That is how a terminal ends.
            pass
        finally:
            os.close(ours)
        process.wait(60)
    return process.returncode, output.decode()


def test_colors_are_for_terminals_that_want_them(database: Database, run: Answer) -> None:
    assert "\033[" in _on_a_terminal(["status", database.dsn()], "")[1]
    assert "\033" not in _on_a_terminal(["status", database.dsn()], "", NO_COLOR="1")[1]
    assert "\033" not in run("status", database.dsn())[1]


# -- what is given wrongly ------------------------------------------------------------


@pytest.mark.parametrize(
    "dsn",
    [
        "hunter2",
        "postgresql://ann:hunter2",
        "postgresql://ann:hunter2@host:notaport/d",
        "postgresql://ann:x@hunter2@host/d",
        "password=hunter2 nonsense=1",
        "postgresql://ann:hunter2@host/d?nonsense=1",
        "mysql://ann:hunter2@host/d",
        "password='hunter2",
    ],
)
@pytest.mark.parametrize("command", ["status", "deploy", "demo"])
def test_a_bad_dsn_is_a_mistake_of_the_caller_and_is_not_shown(
    run: Answer, monkeypatch: pytest.MonkeyPatch, command: str, dsn: str
) -> None:
    monkeypatch.setenv("PG_TENANCY_DSN", dsn)
    status, output, complaint = run(command)
    assert status == 2
    assert "PG_TENANCY_DSN" in complaint
    assert "hunter2" not in output + complaint


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nonsense"],
        ["status"],
        ["deploy", "--to", "phase-99", "host=x"],
        ["revert", "host=x"],
        ["revert", "--all", "--to", "phase-0", "host=x"],
        ["demo", "--scale", "0"],
        ["demo", "--scale", "many"],
    ],
)
def test_a_wrong_call_ends_with_2_and_says_how(run: Answer, arguments: list[str]) -> None:
    status, output, complaint = run(*arguments)
    assert (status, output) == (2, "")
    assert complaint.strip()


@pytest.mark.parametrize("command", ["status", "deploy", "verify", "matrix"])
def test_a_server_that_is_not_there(run: Answer, command: str, tmp_path: Path) -> None:
    status, _, complaint = run(command, f"host={tmp_path} dbname=d password=hunter2")
    assert status == 1
    assert "No such file or directory" in complaint
    assert "hunter2" not in complaint


@pytest.mark.parametrize("missing", ["sqitch", "psql"])
def test_a_missing_program_comes_with_the_line_that_installs_it(
    empty_database: Database, run: Answer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, missing: str
) -> None:
    for program in {"sqitch", "psql"} - {missing}:
        found = shutil.which(program)
        assert found is not None
        (tmp_path / program).symlink_to(found)
    monkeypatch.setenv("PATH", str(tmp_path))
    status, _, complaint = run("deploy", empty_database.dsn())
    assert status == 1
    assert f"{missing} is not installed" in complaint
    assert "apt-get install sqitch libdbd-pg-perl postgresql-client" in complaint


def test_help_says_what_each_command_is_for(run: Answer) -> None:
    status, output, _ = run("--help")
    assert status == 0
    for command in ("demo", "deploy", "status", "verify", "revert", "matrix"):
        assert f"\n    {command} " in output
        status, text, _ = run(command, "--help")
        assert (status, "It ends with 0" in text) == (0, True)


# -- passwords --------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="needs /proc to look at other processes")
def test_no_password_is_printed_or_in_the_list_of_processes() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    seen: set[str] = set()
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.005):
            for process in filter(str.isdigit, os.listdir("/proc")):
                try:
                    seen.add(Path("/proc", process, "cmdline").read_bytes().decode(errors="replace"))
                except OSError:
                    continue

    with EmbeddedServer(port=port, durable=False) as server:
        dsn = f"postgresql://postgres:{server.password}@127.0.0.1:{port}/postgres"
        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            said = ""
            for command in (
                ["deploy", "--to", PHASES[0]],
                ["verify"],
                ["status"],
                ["revert", "--all", "--yes"],
                ["demo", "--scale", "0.05"],
            ):
                ended = subprocess.run(
                    [sys.executable, "-m", "pg_tenancy", *command],
                    env=_environment(PG_TENANCY_DSN=dsn),
                    capture_output=True,
                    text=True,
                    timeout=300,
                )
                assert ended.returncode == 0, ended.stderr
                said += ended.stdout + ended.stderr
        finally:
            done.set()
            watcher.join()
        password = server.password or ""
    assert password
    assert any("sqitch\0deploy" in arguments for arguments in seen)
    assert not [arguments for arguments in seen if password in arguments]
    assert password not in said


# -- matrix -------------------------------------------------------------------------------


def test_the_matrix_of_a_database(database: Database, run: Answer, tmp_path: Path) -> None:
    picture = tmp_path / "matrix.svg"
    status, output, _ = run("matrix", database.dsn(), "--svg", str(picture))
    assert status == 0
    rows = {line.split()[0]: line.split()[1:] for line in output.splitlines() if "." in line}
    assert rows["organization.delete"] == ["x"]
    assert rows["members.view"] == ["x"] * 4
    assert rows["finops.price"] == ["x"] * 2
    marks = sum(map(len, rows.values()))

    with database.connect() as connection:
        held = connection.execute("SELECT count(*) FROM tenancy.role_permissions").fetchall()[0][0]
    assert marks == held
    tree = ET.fromstring(picture.read_text())  # noqa: S314
    titles = [title.text or "" for title in tree.iter("{http://www.w3.org/2000/svg}title")]
    assert sum(" holds " in title for title in titles) == held

    status, output, _ = run("matrix", "--json", database.dsn())
    document = json.loads(output)
    assert document["permissions"]["finops.price"] == ["owner", "manager"]
    assert document["delegations"] == {
        "owner": ["owner", "admin", "manager", "user"],
        "admin": ["admin", "user"],
        "manager": ["manager", "user"],
        "user": [],
    }


def test_the_matrix_follows_the_database(database: Database, run: Answer) -> None:
    with database.connect(autocommit=True) as connection:
        connection.execute("DELETE FROM tenancy.role_permissions WHERE role <> 'owner'")
        connection.execute("INSERT INTO tenancy.role_permissions VALUES ('boats.sail', 'user')")
    document = json.loads(run("matrix", "--json", database.dsn())[1])
    assert document["permissions"]["boats.sail"] == ["user"]
    assert document["permissions"]["members.view"] == ["owner"]


def test_the_matrix_of_what_is_not_there_or_not_visible(
    database_at: Callable[[str], Database],
    database: Database,
    new_login: Callable[..., str],
    run: Answer,
    tmp_path: Path,
) -> None:
    status, _, complaint = run("matrix", database_at("@phase-0").dsn())
    assert (status, "deploy phase-1" in complaint) == (1, True)
    status, _, complaint = run("matrix", database.dsn(new_login()))
    assert status == 1
    assert "permission denied" in complaint
    status, _, complaint = run("matrix", database.dsn(), "--svg", str(tmp_path / "none" / "matrix.svg"))
    assert (status, "cannot be written" in complaint) == (1, True)


@pytest.mark.slow
def test_the_matrix_without_a_database_is_what_is_deployed(database: Database, run: Answer) -> None:
    assert run("matrix", "--json")[:2] == run("matrix", "--json", database.dsn())[:2]


def test_sqitch_itself_agrees_with_status(
    database_at: Callable[[str], Database], sqitch: Callable[[Database], Sqitch]
) -> None:
    database = database_at("@phase-1")
    said = sqitch(database).status()
    with database.connect() as connection:
        status = read_status(connection)
    assert f"# Name:     {status.deployed[-1].name}" in said
    assert f"@{status.phase}" in said
    for change in status.pending:
        assert f"* {change.name}" in said
