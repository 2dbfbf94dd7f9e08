"""The command line: effects, output and exit status; no password is shown."""

from __future__ import annotations

import json
import os
import shutil
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from secrets import token_urlsafe

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from pg_tenancy.tools.phases import read_phases, read_status
from pg_tenancy.tools.sqitch import Sqitch, SqitchError, read_plan
from support.command import Answer, answer, command, environment, on_a_terminal, processes
from support.command import run as run_program
from support.database import Database
from support.replay import Replay
from support.server import Logins

PHASES = [phase.tag for phase in read_phases() if phase.tag]
LAST = PHASES[-1]


@pytest.fixture(autouse=True)
def _no_given_server(monkeypatch: pytest.MonkeyPatch) -> None:
    # A run on a given server sets this, and the commands would use it.
    monkeypatch.delenv("PG_TENANCY_DSN", raising=False)
    monkeypatch.setenv("SQITCH_FULLNAME", "Ann Admin")
    monkeypatch.setenv("SQITCH_EMAIL", "ann@example.com")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Answer:
    """Return a function that runs a command, and returns its exit status, output and errors."""

    def run(*arguments: str) -> tuple[int, str, str]:
        return answer(capsys, *arguments)

    return run


def _phase(dsn: str) -> str | None:
    with psycopg.connect(dsn) as connection:
        return read_status(connection).phase


# -- status -----------------------------------------------------------------------


@pytest.mark.parametrize("tag", PHASES)
def test_status_says_the_phase_and_what_is_pending(
    database_at: Callable[[str], Database], run: Answer, tag: str
) -> None:
    dsn = database_at(f"@{tag}").dsn()
    status, output, _ = run("status", dsn)
    assert status == 0
    assert output.startswith(f"phase {tag.removeprefix('phase-')}, ")
    # Changes after the last phase belong to the next one.
    assert ("up to date" in output) is (tag == LAST and bool(read_plan()[-1].tags))

    status, output, _ = run("status", "--json", dsn)
    assert status == 0
    document = json.loads(output)
    assert (document["plan"], document["phase"]) == ("platform", tag)
    names = [change["name"] for change in document["deployed"]] + document["pending"]
    assert names == [change.name for change in read_plan()]
    assert document["unknown"] == []


def test_status_of_an_empty_database(empty_database: Database, run: Answer) -> None:
    status, output, _ = run("status", empty_database.dsn())
    assert status == 0
    assert output.startswith("nothing is deployed.")


def test_status_between_two_phases(database_at: Callable[[str], Database]) -> None:
    with database_at("kernel/roles").connect() as connection:
        status = read_status(connection)
    assert status.phase is None
    assert [change.name for change in status.deployed] == [
        "platform/existing_tables",
        "kernel/existing_tables",
        "kernel/roles",
    ]


def test_a_change_that_this_version_does_not_know_is_reported(database: Database) -> None:
    plan = read_plan()
    with database.connect() as connection:
        status = read_status(connection, plan[:-2])
    assert status.unknown == tuple(change.name for change in plan[-2:])
    assert status.pending == ()


def test_status_names_the_logins_that_policies_do_not_keep_to_a_workspace(
    database: Database, run: Answer, logins: Logins, new_login: Callable[..., str]
) -> None:
    def unrestricted() -> dict[str, list[str]]:
        found: dict[str, list[str]] = json.loads(run("status", "--json", database.dsn())[1])["unrestricted_logins"]
        return found

    superuser = conninfo_to_dict(database.dsn())["user"]
    before = unrestricted()
    assert before[str(superuser)] == ["superuser"]
    assert before[logins.service] == before[logins.old] == ["tenancy_service"]
    assert not {logins.app, logins.credentialed} & before.keys()

    groups = ("tenancy_service", "tenancy_legacy", "tenancy_owner", "tenancy_writer")
    several, bypass, elevated, through, elsewhere = (
        new_login(*granted) for granted in (groups, (), (), (), ("tenancy_service",))
    )
    group = new_login("tenancy_writer")
    database.execute(
        f"ALTER ROLE {bypass} BYPASSRLS",
        f"ALTER ROLE {elevated} SUPERUSER",
        # It cannot log in, and its member does not inherit.
        f"ALTER ROLE {group} NOLOGIN",
        f"ALTER ROLE {through} NOINHERIT",
        f"GRANT {group}, {bypass} TO {through}",
        f"REVOKE CONNECT ON DATABASE {database.name} FROM PUBLIC, tenancy_service",
    )
    after = unrestricted()
    assert {name: after.get(name) for name in (several, bypass, elevated, through, group, elsewhere)} == {
        several: sorted(groups),
        bypass: None,
        elevated: ["superuser"],
        through: None,
        group: None,
        elsewhere: None,
    }
    database.execute(f"GRANT CONNECT ON DATABASE {database.name} TO PUBLIC")
    after = unrestricted()
    assert after[bypass] == ["BYPASSRLS"]
    assert sorted(after[through]) == sorted([f"{bypass} (BYPASSRLS)", "tenancy_writer"])
    assert group not in after

    shown = run("status", database.dsn())[1].partition("Logins that see everything")[2]
    assert [line.split(maxsplit=1) for line in shown.splitlines() if through in line] == [
        [through, ", ".join(after[through])]
    ]


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

    # A phase can be named by its number and with an @.
    assert run("deploy", "--to", f"@{PHASES[1]}")[0] == 0
    assert _phase(dsn) == PHASES[1]
    status, output, _ = run("deploy", "--to", "0")
    assert (status, output.startswith("Nothing to deploy: ")) == (0, True)
    assert _phase(dsn) == PHASES[1]

    # The phases in between are the same again.
    Replay(empty_database).deploy(f"@{PHASES[-2]}")
    assert run("deploy")[0] == 0
    assert _phase(dsn) == LAST
    status, output, _ = run("deploy")
    assert (status, output.startswith("Nothing to deploy: ")) == (0, True)

    status, output, _ = run("verify")
    assert status == 0
    assert f"{len(read_plan())} changes" in output

    Replay(empty_database).revert(f"@{PHASES[2]}")
    assert run("revert", "--to", PHASES[0], "--yes")[0] == 0
    assert _phase(dsn) == PHASES[0]
    status, _, complaint = run("revert", "--to", LAST, "--yes")
    assert (status, "is not deployed" in complaint) == (2, True)

    status, output, _ = run("revert", "--all", "--yes")
    assert (status, output.splitlines()[-1]) == (0, "Reverted: nothing is deployed.")
    assert run("revert", "--all", "--yes")[:2] == (0, "Nothing to revert: nothing is deployed.\n")


def test_the_plan_of_the_kernel_is_found_by_whoever_comes_later(
    empty_database: Database, run: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    dsn, kernel = empty_database.dsn(), read_plan(plan="kernel")
    monkeypatch.setenv("PG_TENANCY_DSN", dsn)

    status, output, complaint = run("deploy", "--plan", "kernel", "--to", PHASES[1])
    assert (status, complaint) == (0, "")
    assert "platform/" not in output

    def known() -> tuple[str, str, list[str]]:
        document = json.loads(run("status", "--json")[1])
        assert document["unknown"] == []
        names = [change["name"] for change in document["deployed"]] + document["pending"]
        return document["plan"], document["phase"], names

    names = [change.name for change in kernel]
    assert known() == ("kernel", PHASES[1], names)

    # It continues with its first plan, and refuses another one.
    status, _, complaint = run("deploy", "--plan", "platform")
    assert (status, "was deployed with the plan kernel, not with platform" in complaint) == (2, True)
    status, _, complaint = run("deploy", "--to", "instances_policies")
    assert (status, "no phase or change instances_policies" in complaint) == (2, True)
    with pytest.raises(SqitchError, match="Cannot find change"):
        empty_database.server.sqitch(empty_database.name).deploy()
    assert known() == ("kernel", PHASES[1], names)

    assert run("deploy")[0] == 0
    assert known() == ("kernel", LAST, names)
    status, output, _ = run("status")
    assert output.startswith(f"phase {LAST.removeprefix('phase-')}, {len(kernel)} changes, up to date.\nplan: kernel\n")
    # Tags of phases that add nothing to the kernel are not its phases.
    headings = [line for line in output.splitlines() if line.startswith("@")]
    assert headings == [
        f"@{phase.tag}: {phase.title}"
        for phase in read_phases()
        if phase.tag and phase.title not in ("Instances", "Models", "FinOps")
    ]
    with empty_database.connect() as connection:
        assert connection.execute("SELECT to_regclass('public.instances')").fetchone() == (None,)

    status, output, _ = run("verify")
    assert (status, f"{len(kernel)} changes" in output) == (0, True)
    empty_database.execute("DROP POLICY api_keys_tenant ON public.api_keys")
    status, _, complaint = run("verify")
    assert (status, "kernel/api_keys_policies" in complaint) == (1, True)

    # A phase of the other plan stands for the last phase before it.
    assert run("revert", "--to", "phase-6", "--yes")[0] == 0
    assert known() == ("kernel", "phase-4", names)
    status, output, _ = run("revert", "--all", "--yes")
    assert (status, output.splitlines()[-1]) == (0, "Reverted: nothing is deployed.")
    # Then the plan can be chosen again.
    assert run("deploy", "--to", "platform/existing_tables")[0] == 0
    assert json.loads(run("status", "--json")[1])["plan"] == "platform"


def test_a_database_of_the_platform_refuses_the_plan_of_the_kernel(database: Database, run: Answer) -> None:
    status, _, complaint = run("deploy", "--plan", "kernel", database.dsn())
    assert (status, "was deployed with the plan platform, not with kernel" in complaint) == (2, True)
    sqitch = database.server.sqitch(database.name)
    sqitch.plan = "kernel"
    with pytest.raises(SqitchError, match="Cannot find change"):
        sqitch.deploy()
    with pytest.raises(SqitchError, match="Not present in the plan"):
        sqitch.verify()
    assert _phase(database.dsn()) == LAST


@pytest.mark.parametrize("name", ["roles", "kernel/roles"])
def test_a_change_is_known_with_its_folder_and_without(empty_database: Database, run: Answer, name: str) -> None:
    assert run("deploy", "--to", name, empty_database.dsn())[0] == 0
    assert run("revert", "--to", "kernel/existing_tables", "--yes", empty_database.dsn())[0] == 0
    assert run("deploy", "--to", name, empty_database.dsn())[0] == 0
    assert run("revert", "--to", name, "--yes", empty_database.dsn())[1].startswith("Nothing to revert")
    with empty_database.connect() as connection:
        assert read_status(connection).deployed[-1].name == "kernel/roles"


def test_verify_fails_and_names_what_is_wrong(database_at: Callable[[str], Database], run: Answer) -> None:
    database = database_at("@phase-2")
    with database.connect(autocommit=True) as connection:
        connection.execute("DROP FUNCTION tenancy.members()")
    status, _, complaint = run("verify", database.dsn())
    assert status == 1
    assert "kernel/memberships_functions" in complaint


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
    ended, output = on_a_terminal(["revert", "--to", PHASES[-2], database.dsn()], answer + "\n")
    assert ended == status
    assert "Continue? [y/N]" in output
    assert _phase(database.dsn()) == phase


def test_colors_are_for_terminals_that_want_them(database: Database, run: Answer) -> None:
    assert "\033[" in on_a_terminal(["status", database.dsn()], "")[1]
    assert "\033" not in on_a_terminal(["status", database.dsn()], "", NO_COLOR="1")[1]
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


def test_sqitch_calls_the_newest_psql_and_not_debians_script_that_looks_for_it(
    empty_database: Database, run: Answer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script, versions = tmp_path / "pg_wrapper", tmp_path / "versions"
    script.write_text("#!/bin/sh\nexit 1\n")
    script.chmod(0o755)
    (tmp_path / "psql").symlink_to(script)
    for version, program in (("9.6", script), ("15", script), ("100", empty_database.server.program("psql"))):
        (versions / version / "bin").mkdir(parents=True)
        (versions / version / "bin" / "psql").symlink_to(program)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    for place, status in ((tmp_path / "nowhere", 1), (versions, 0)):
        monkeypatch.setattr("pg_tenancy.tools.sqitch._VERSIONS", place)
        assert run("deploy", "--to", "kernel/roles", empty_database.dsn())[0] == status


def test_help_says_what_each_command_is_for(run: Answer) -> None:
    status, output, _ = run("--help")
    assert status == 0
    for name in ("demo", "deploy", "status", "verify", "revert", "matrix"):
        assert f"\n  {name} " in output
        status, text, _ = run(name, "--help")
        assert (status, "Exit status: 0" in text) == (0, True)


# -- passwords --------------------------------------------------------------------------


def test_no_password_is_printed_or_in_the_list_of_processes(empty_database: Database) -> None:
    # test_demo.py tests the demonstration. A server without passwords accepts one too.
    password = str(conninfo_to_dict(empty_database.dsn()).get("password") or token_urlsafe())
    dsn = make_conninfo(empty_database.dsn(), password=password)
    said = ""
    with processes() as seen:
        for arguments in (["deploy", "--to", PHASES[0]], ["verify"], ["status"], ["revert", "--all", "--yes"]):
            ended = run_program(command(*arguments), env=environment(PG_TENANCY_DSN=dsn))
            assert ended.returncode == 0, ended.stderr
            said += ended.stdout + ended.stderr
    for action in ("deploy", "verify", "revert"):
        assert any(f"sqitch\0{action}" in arguments for arguments in seen)
    assert not [arguments for arguments in seen if password in arguments]
    assert password not in said


# -- matrix -------------------------------------------------------------------------------


def test_the_matrix_of_a_database(database: Database, run: Answer, tmp_path: Path) -> None:
    picture = tmp_path / "matrix.svg"
    status, output, _ = run("matrix", database.dsn(), "--svg", str(picture))
    assert status == 0
    rows = {line.split()[0]: line.split()[1:] for line in output.splitlines() if "." in line}
    assert rows["organization.delete"] == ["x"]
    assert rows["members.view"] == ["x"] * 5
    assert rows["finops.price"] == ["x"] * 2
    assert output.splitlines()[0].split() == ["permission", "owner", "admin", "manager", "user", "staff"]
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
    assert document["permissions"]["models.update"] == ["owner", "admin", "staff"]
    assert document["delegations"] == {
        "owner": ["owner", "admin", "manager", "user"],
        "admin": ["admin", "user"],
        "manager": ["manager", "user"],
        "user": [],
    }


def test_the_matrix_follows_the_database(database: Database, run: Answer) -> None:
    with database.connect(autocommit=True) as connection:
        connection.execute("DELETE FROM tenancy.role_permissions WHERE role <> 'owner'")
        connection.execute("SELECT tenancy.define_permission('boats.sail', ARRAY['staff', 'user'])")
        connection.execute("SELECT tenancy.define_permission('boats.sink')")
    document = json.loads(run("matrix", "--json", database.dsn())[1])
    assert document["permissions"]["boats.sail"] == ["user", "staff"]
    # Nobody in an organization holds it, but everybody in their personal workspace.
    assert document["permissions"]["boats.sink"] == []
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
