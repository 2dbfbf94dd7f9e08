"""Runs the plan's scripts in a single psql.

sqitch starts a psql for each script, which takes most of the time of a deploy. For tests about the
scripts and not about sqitch, this runs the same files in the same order, resets the session before
each, and fills sqitch's registry as sqitch does, so that each can continue where the other stopped.
``adoption/test_replay.py`` proves that both have the same result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from pg_tenancy.tools.sqitch import Change, read_plan
from support.database import Database
from support.scripts import SQL, psql, said, started

if TYPE_CHECKING:
    from support.server import Server

__all__ = ["PLAN", "TAGS", "WHOLE_PLAN", "Replay", "Step", "position"]

PLAN = read_plan()
TAGS = [f"@{tag}" for change in PLAN for tag in change.tags]
WHOLE_PLAN = PLAN[-1].script

# DISCARD ALL without DISCARD PLANS: plans are replaced if they must be, and replacing all of them
# for each script takes a tenth of a deploy.
NEW_SESSION = """
DO $$
BEGIN
    IF now() <> statement_timestamp() THEN
        RAISE EXCEPTION 'the script left its transaction open';
    END IF;
    PERFORM pg_advisory_unlock_all();
END;
$$;
CLOSE ALL;
SET SESSION AUTHORIZATION DEFAULT;
RESET ALL;
RESET ROLE;
DEALLOCATE ALL;
UNLISTEN *;
DISCARD TEMP;
DISCARD SEQUENCES;
"""

Row = dict[str, object]

_TIMES = {"committed_at", "created_at", "installed_at"}


def position(to: str | None) -> int:
    """Return the number of changes up to a tag or a change, without one 0.

    Args:
        to: a tag with its @, or the name of a change's script.

    """
    if to is None:
        return 0
    for number, change in enumerate(PLAN, start=1):
        if to == change.script or to in (f"@{tag}" for tag in change.tags):
            return number
    raise ValueError(f"the plan has no {to}")


@dataclass(frozen=True)
class Step:
    """One script.

    Attributes:
        kind: ``deploy``, ``revert`` or ``verify``.
        change: the change of the script.
        is_noted: whether sqitch's registry is updated.
        is_run: whether it is run; otherwise only the registry is updated.

    """

    kind: str
    change: Change
    is_noted: bool = True
    is_run: bool = True


@dataclass(frozen=True)
class Replay:
    """The plan on one database, with the interface of ``pg_tenancy.tools.sqitch.Sqitch``.

    A failing script raises a ``ScriptError`` with ``.output``. The changes before it stay deployed,
    as with sqitch, but the failure itself is not recorded.

    Args:
        database: the database of the scripts.
        login: the role to connect as; default: the superuser.
        scripts: the folder of the scripts; default: the repository's.

    """

    database: Database
    login: str | None = None
    scripts: Path = SQL

    def deploy(self, to: str | None = None) -> str:
        """Deploy the changes up to one, or all of them, and return psql's output."""
        done = self._deployed()
        changes = PLAN[done or 0 : len(PLAN) if to is None else position(to)]
        return self._run(done, [Step("deploy", change) for change in changes])

    def revert(self, to: str | None = None) -> str:
        """Revert the changes after one, or all of them, and return psql's output."""
        done, stays = self._deployed(), position(to)
        if stays > (done or 0):
            raise ValueError(f"{to} is not deployed")
        return self._run(done, [Step("revert", change) for change in PLAN[stays : done or 0][::-1]])

    def verify(self) -> str:
        """Run the verify scripts of the deployed changes, and return psql's output."""
        done = self._deployed()
        return self._run(done, [Step("verify", change) for change in PLAN[: done or 0]])

    def _deployed(self) -> int | None:
        # None if there is no registry yet.
        with self.database.connect() as connection:
            if connection.execute("SELECT to_regclass('sqitch.changes')").fetchone() == (None,):
                return None
            (count,) = connection.execute("SELECT count(*) FROM sqitch.changes").fetchone() or (0,)
        return int(count)

    def run(self, *steps: Step) -> str:
        """Run any scripts in this order, and return psql's output."""
        return self._run(self._deployed(), steps)

    def _run(self, done: int | None, steps: Sequence[Step]) -> str:
        registry = _registry(self.database.server)
        noted = {"deploy": registry.deployed, "revert": registry.reverted, "verify": {}}
        arguments = ["--file=-"]
        for step in steps:
            script = step.change.script
            if step.is_run:
                arguments.append(f"--file={self.scripts / step.kind / script}.sql")
            if step.is_noted and script in noted[step.kind]:
                arguments.append(f"--command={noted[step.kind][script]}")
            # Like a new session, except for psql's own variables.
            arguments.append(f"--command={NEW_SESSION}")
        first = registry.tables if done is None else ""
        return psql(self.database, *arguments, login=self.login, script=first)

    @contextmanager
    def step_by_step(self) -> Iterator[Callable[[Step], str]]:
        """Yield a function that runs a script in the same session as those before it.

        So somebody can look at the database between two scripts, and the session keeps its plans.
        """
        registry = _registry(self.database.server)
        noted = {"deploy": registry.deployed, "revert": registry.reverted, "verify": {}}
        first = registry.tables if self._deployed() is None else ""
        with started(self.database, login=self.login) as process:

            def run(step: Step) -> str:
                nonlocal first
                script = step.change.script
                included = f"\\i {self.scripts / step.kind / script}.sql"
                lines = [first, included, noted[step.kind].get(script, ""), NEW_SESSION]
                first = ""
                return said(process, "\n".join(lines))

            yield run


# -- sqitch's registry -------------------------------------------------------------------


@dataclass(frozen=True)
class Registry:
    """sqitch's records: its tables, and the statements for each change by the name of its script."""

    tables: str
    deployed: Mapping[str, str]
    reverted: Mapping[str, str]


_read: list[Registry] = []


def _registry(server: Server) -> Registry:
    # It is the same on every server, so a process reads it once.
    if not _read:
        _read.append(_read_registry(server))
    return _read[0]


def _read_registry(server: Server) -> Registry:
    """Let sqitch fill a registry without running a script, and read it."""
    name = server.once(
        "registry", lambda building: server.sqitch(building.name).run("deploy", "--log-only", "--no-verify")
    )
    dump = server.pg_dump(name, "--schema=sqitch", "--schema-only", "--no-owner")
    # The dump begins with settings, some of which an older server does not know.
    tables = [line for line in dump.splitlines() if not line.startswith(("SET ", "SELECT "))]
    with psycopg.connect(server.uri(name), row_factory=dict_row) as connection:

        def rows(table: str, order: str = "committed_at") -> list[Row]:
            query = sql.SQL("SELECT * FROM sqitch.{} ORDER BY {}").format(*map(sql.Identifier, (table, order)))
            return connection.execute(query).fetchall()

        def insert(table: str, *given: Row) -> str:
            statements = []
            for row in given:
                # Times are defaults of their columns.
                kept = {name: value for name, value in row.items() if name not in _TIMES}
                statement = sql.SQL("INSERT INTO sqitch.{} ({}) VALUES ({});").format(
                    sql.Identifier(table),
                    sql.SQL(", ").join(map(sql.Identifier, kept)),
                    sql.SQL(", ").join(map(sql.Literal, kept.values())),
                )
                statements.append(statement.as_string(connection))
            return "\n".join(statements)

        first = [insert("releases", *rows("releases", "version")), insert("projects", *rows("projects", "project"))]
        dependencies, tags = rows("dependencies", "dependency"), rows("tags")
        deployed, reverted = {}, {}
        for change, row, event in zip(PLAN, rows("changes"), rows("events"), strict=True):
            assert row["change"] == event["change"] == change.name
            id_ = row["change_id"]
            deployed[change.script] = "\n".join(
                [
                    insert("changes", row),
                    insert("dependencies", *(each for each in dependencies if each["change_id"] == id_)),
                    insert("tags", *(each for each in tags if each["change_id"] == id_)),
                    insert("events", event),
                ]
            )
            reverted[change.script] = "\n".join(
                [
                    f"DELETE FROM sqitch.tags WHERE change_id = '{id_}';",  # noqa: S608
                    f"DELETE FROM sqitch.changes WHERE change_id = '{id_}';",  # noqa: S608
                    insert("events", event | {"event": "revert"}),
                ]
            )
    return Registry("\n".join([*tables, *first]), deployed, reverted)
