"""The command line after an interruption: by Ctrl-C, by a kill, or by dependencies of the application."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path

import pytest

from pg_tenancy.tools.cli import main
from pg_tenancy.tools.phases import read_status
from support.database import Database
from support.platform import KEYLESS, ROWS
from support.replay import PLAN, WHOLE_PLAN, Replay, Step, position
from support.scripts import everything

State = Callable[..., Database]


def _interrupted(arguments: list[str], after: str) -> tuple[int, str]:
    """Run pg-tenancy on a terminal, press Ctrl-C after some output, and return its status and output."""
    ours, theirs = pty.openpty()

    def take_terminal() -> None:
        os.setsid()
        fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)

    process = subprocess.Popen(
        [sys.executable, "-m", "pg_tenancy.tools", *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        preexec_fn=take_terminal,
    )
    os.close(theirs)
    output = ""
    pressed = False
    while True:
        try:
            read = os.read(ours, 4096)
        except OSError:  # nobody writes any more
            break
        if not read:
            break
        output += read.decode()
        if after in output and not pressed:
            pressed = True
            os.write(ours, b"\x03")
    os.close(ours)
    return process.wait(), output


def _status(database: Database) -> tuple[int, list[str]]:
    with database.connect(autocommit=True) as connection:
        status = read_status(connection)
    return len(status.deployed), [f"{each.command} {each.change.name}" for each in status.stopped]


def test_a_demonstration_that_is_stopped_promises_nothing() -> None:
    code, output = _interrupted(["demo", "--scale", "0.05"], "kernel/roles")
    assert (code, "Traceback" in output) == (1, False)
    assert output.rstrip().endswith("pg-tenancy: interrupted")
    assert "the same command continues" not in output


def test_ctrl_c_ends_a_deploy_and_a_revert_after_a_change(empty_database: Database) -> None:
    dsn = empty_database.dsn()
    code, output = _interrupted(["deploy", "--to", "phase-0", dsn], "kernel/existing_tables")
    assert code == 1
    assert "stopping after this change" in output
    assert "stopped as requested. Finished changes stay, and the same command continues" in output
    assert "Traceback" not in output
    deployed, stopped = _status(empty_database)
    assert (0 < deployed < 11, stopped) == (True, [])
    assert main(["deploy", "--to", "phase-0", dsn]) == 0
    assert _status(empty_database) == (11, [])
    code, output = _interrupted(["revert", "--all", "--yes", dsn], "platform/foreign_keys")
    assert (code, "stopped as requested" in output, "Traceback" in output) == (1, True, False)
    left, stopped = _status(empty_database)
    assert (0 < left < 11, stopped) == (True, [])
    assert main(["revert", "--all", "--yes", dsn]) == 0
    assert _status(empty_database) == (0, [])


@pytest.mark.parametrize("command", ["deploy", "revert"])
@pytest.mark.parametrize("stopped", ["deploy", "revert"])
def test_a_killed_change_is_reported_and_either_command_continues(
    state: State, capsys: pytest.CaptureFixture[str], stopped: str, command: str
) -> None:
    """After a killed revert of the last change sqitch alone would always report that everything is deployed."""
    last, before = PLAN[position("@phase-0") - 1], PLAN[position("@phase-0") - 2]
    database = state(KEYLESS + ROWS, (last if stopped == "revert" else before).script)
    Replay(database).run(Step(stopped, last, is_noted=False))
    assert _status(database)[1] == [f"{stopped} {last.name}"]
    assert main(["status", database.dsn()]) == 0
    told = capsys.readouterr().out
    assert f"a {stopped} was interrupted here" in told
    assert "this phase is half done" in told
    assert main(["verify", database.dsn()]) == 1
    what = "after it took back" if stopped == "revert" else "after"
    assert f"a {stopped} was stopped {what} {last.noted_as}" in capsys.readouterr().err
    to = ["--to", "phase-0"] if command == "deploy" else ["--to", before.name, "--yes"]
    assert main([command, *to, database.dsn()]) == 0
    assert _status(database) == (position("@phase-0") - (command == "revert"), [])
    Replay(database).verify()


def test_a_revert_refuses_before_its_first_change(state: State, capsys: pytest.CaptureFixture[str]) -> None:
    database = state(KEYLESS + ROWS, WHOLE_PLAN)
    database.execute(
        "CREATE TABLE public.notes (by uuid DEFAULT tenancy.current_user_id())",
        "CREATE TABLE public.own (id bigint PRIMARY KEY)",
        "CALL tenancy.protect('public.own')",
    )
    before = everything(database)
    assert main(["revert", "--all", "--yes", database.dsn()]) == 1
    told = capsys.readouterr().err
    assert "nothing was reverted" in told
    assert "ALTER TABLE public.notes ALTER COLUMN by DROP DEFAULT;" in told
    assert "CALL tenancy.unprotect('public.own');" in told
    assert everything(database) == before
    assert _status(database) == (len(PLAN), [])


def test_a_signal_to_the_command_is_a_ctrl_c(empty_database: Database, tmp_path: Path) -> None:
    with (tmp_path / "output").open("w+") as output:
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "pg_tenancy.tools", "deploy", empty_database.dsn()],
            stdout=output,
            stderr=output,
        )
        while "kernel/roles" not in (tmp_path / "output").read_text():
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 1
    assert "stopped as requested" in (tmp_path / "output").read_text()
    deployed, stopped = _status(empty_database)
    assert (0 < deployed < len(PLAN), stopped) == (True, [])


def test_ctrl_c_ends_a_verify_at_once(database: Database) -> None:
    with database.connect() as connection:
        # It must wait for this.
        connection.execute("LOCK TABLE tenancy_private.protected_tables")
        process = subprocess.Popen(
            [sys.executable, "-m", "pg_tenancy.tools", "verify", database.dsn()], stderr=subprocess.PIPE, text=True
        )
        waiting = (
            "SELECT count(*) FROM pg_locks"
            " WHERE NOT granted AND relation = 'tenancy_private.protected_tables'::regclass"
        )
        while connection.execute(waiting).fetchone() == (0,):
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
    assert process.returncode == 1
    assert "interrupted" in errors
    assert "Traceback" not in errors


def test_a_time_limit_of_a_database_does_not_stop_sqitch(empty_database: Database) -> None:
    """While a script runs, sqitch's own session waits in a transaction."""
    empty_database.execute(f"ALTER DATABASE {empty_database.name} SET idle_in_transaction_session_timeout = '10ms'")
    dsn = empty_database.dsn()
    assert main(["deploy", "--to", "phase-0", dsn]) == 0
    assert main(["revert", "--all", "--yes", dsn]) == 0
