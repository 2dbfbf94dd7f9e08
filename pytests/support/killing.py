"""Deploys and reverts that are killed at any moment, and the next command: ``./dev prove --kills 200``.

One database goes back and forth between the tags. On the way sqitch is killed, or its psql, or the
server's process that works for it, which makes the whole server recover. The next command is the
same or another one; in the end the database must be the same as without any kill.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field

import psycopg

from pg_tenancy.tools.sqitch import Sqitch, find_sqitch
from support.database import Database
from support.platform import KEYLESS, ROWS, TABLES
from support.proving import proving
from support.replay import PLAN, TAGS, Replay, position
from support.scripts import differences, everything
from support.server import Server

__all__ = ["Killing", "main"]

# Enough rows for several batches of a backfill.
MANY = """
INSERT INTO public.users (id, email, role)
SELECT ('00000000-0000-0000-0001-' || lpad(n::text, 12, '0'))::uuid, n || '@example.com', 'user'
FROM generate_series(1, 2500) AS n;
INSERT INTO public.organizations (id, name, slug)
SELECT ('00000000-0000-0000-0002-' || lpad(n::text, 12, '0'))::uuid, 'O', 'o-' || n FROM generate_series(1, 1500) AS n;
INSERT INTO public.api_keys (id, user_id, name, key_prefix, key_hash)
SELECT u.id, u.id, 'a key', 'pk', 'x' FROM public.users AS u;
"""
VICTIMS = ("psql", "sqitch", "server")
PLACES: tuple[str | None, ...] = (None, *TAGS)


@dataclass(frozen=True)
class _Found:
    """A database without any kill: its schema as text, and the rows of the application."""

    schema: str
    rows: dict[str, list[str]]


# The times of the deploy's own activations are ignored.
_ROW = """regexp_replace(to_jsonb(t)::text, '("\\w+_activated_at": )"[^"]+"', '\\1"then"', 'g')"""


def _found(database: Database) -> _Found:
    return _Found(everything(database), database.values(dict.fromkeys(TABLES, _ROW)))


@dataclass
class Killing:
    """A database whose deploys and reverts are killed.

    Args:
        server: a server that nobody else uses.
        choose: the source of random choices: the target, the victim and the moment.
        places: the possible target tags, and None for nothing deployed.

    """

    server: Server
    choose: random.Random
    places: tuple[str | None, ...] = PLACES
    killed: dict[str, int] = field(default_factory=lambda: dict.fromkeys(VICTIMS, 0))
    _place: str | None = None
    _seconds_a_change: float = 0.15

    def __post_init__(self) -> None:
        """Create the database, and others to compare it with."""
        self._database = self.server.create()
        self._database.fill(KEYLESS + ROWS + MANY)
        calm = self.server.create()
        calm.fill(KEYLESS + ROWS + MANY)
        # With sqitch's schema from the start, which the other one has after its first command.
        self._wanted: dict[str | None, _Found] = {None: _found(calm)}
        run = Replay(calm)
        for tag in filter(None, self.places):
            run.deploy(tag)
            self._wanted[tag] = _found(calm)

    def round(self) -> None:
        """Move to another tag, kill something on the way, and compare."""
        to = self.choose.choice([place for place in self.places if place != self._place])
        command = self._command(to)
        print(f"{' '.join(command)}: ", end="", flush=True)
        done = self._run_and_kill(command, abs(position(to) - position(self._place)))
        # It may be killed again before it may finish.
        while not done and self.choose.random() < 0.3:
            done = self._run_and_kill(command, 5)
        if not done and self.choose.random() < 0.3:
            # Or somebody changes the target.
            to = self.choose.choice(self.places)
            print(f"then to {to}: ", end="", flush=True)
            self._go_by_command_line(to)
        else:
            self._run(command)
        self._place = to
        found, wanted = _found(self._database), self._wanted[to]
        assert differences(wanted.schema, found.schema) == "", to
        for table, rows in wanted.rows.items():
            assert found.rows[table] == rows, f"{table} at {to}"
        Replay(self._database).verify()
        print("the same")

    def _command(self, to: str | None) -> list[str]:
        kind = "deploy" if position(to) > position(self._place) else "revert"
        return [kind, *(["-y"] if kind == "revert" else []), *(["--to-change", to] if to else [])]

    def _sqitch(self) -> Sqitch:
        return self.server.sqitch(self._database.name)

    def _start(self, command: list[str]) -> subprocess.Popen[str]:
        sqitch = self._sqitch()
        environment = sqitch._environment()
        return subprocess.Popen(
            [find_sqitch(), *command, sqitch._target(environment)],
            cwd=sqitch.project,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def _run_and_kill(self, command: list[str], changes: int) -> bool:
        """Run a command, kill something in the middle, and return whether it had finished before."""
        began = time.monotonic()
        with self._start(command) as process:
            time.sleep(self.choose.uniform(0.1, 0.2 + 0.8 * self._seconds_a_change * changes))
            victim = self.choose.choice(VICTIMS)
            killed = False
            # Between two scripts no psql is running.
            while process.poll() is None and not killed:
                killed = self._kill(victim, process.pid)
            output, _ = process.communicate()
        if killed:
            self.killed[victim] += 1
            print(f"{victim} killed after {time.monotonic() - began:.1f} s; ", end="", flush=True)
            self._wait_for_the_server()
            return False
        assert process.returncode == 0 or _has_nothing_to_do(output), output
        return True

    def _run(self, command: list[str]) -> None:
        began = time.monotonic()
        with self._start(command) as process:
            output, _ = process.communicate()
        assert process.returncode == 0 or _has_nothing_to_do(output), output
        done = output.count(".. ok")
        if done > 5:
            self._seconds_a_change = (time.monotonic() - began) / done

    def _go_by_command_line(self, to: str | None) -> None:
        # The interrupted change may be on either side. sqitch alone would report that the database is
        # up to date.
        arguments = [f"--to={to}"] if to else ["--all"]
        for command in (["deploy", *arguments] if to else [], ["revert", *arguments, "--yes"]):
            if command:
                done = subprocess.run(
                    [sys.executable, "-m", "pg_tenancy.tools", *command, self._database.dsn()],
                    capture_output=True,
                    text=True,
                )
                assert done.returncode == 0, done.stdout + done.stderr

    def _kill(self, victim: str, sqitch: int) -> bool:
        """Kill one of the processes, if it exists."""
        try:
            if victim == "sqitch":
                os.kill(sqitch, signal.SIGKILL)
                return True
            if victim == "psql":
                children = subprocess.run(
                    ["ps", "-o", "pid=,comm=", "--ppid", str(sqitch)], capture_output=True, text=True
                )
                pids = [int(line.split()[0]) for line in children.stdout.splitlines() if "psql" in line]
            else:
                with self._database.connect() as connection:
                    pids = [
                        int(pid)
                        for (pid,) in connection.execute(
                            "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
                            " AND pid <> pg_backend_pid() AND application_name = 'psql'"
                        ).fetchall()
                    ]
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
        except (ProcessLookupError, psycopg.OperationalError):
            return False
        return bool(pids)

    def _wait_for_the_server(self) -> None:
        for _ in range(200):
            try:
                with self._database.connect():
                    return
            except psycopg.OperationalError:
                time.sleep(0.1)


def _has_nothing_to_do(output: str) -> bool:
    return "Nothing to" in output or "No changes deployed since" in output


def main(arguments: list[str]) -> int:
    """Kill this number of times; return the exit status."""
    with proving("kills", __doc__, 200, arguments) as (kills, seed, server):
        killing = Killing(server, random.Random(seed))
        while sum(killing.killed.values()) < kills:
            killing.round()
    print(f"killed and gone on: {killing.killed}, {len(PLAN)} changes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
