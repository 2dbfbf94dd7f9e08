"""psql as sqitch calls it, and comparable parts of a database besides its dump."""

from __future__ import annotations

import difflib
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from pg_tenancy.tools.sqitch import libpq_environment, project_directory
from support.database import Database

__all__ = ["SQL", "ScriptError", "differences", "everything", "no_dump_tells", "psql", "said", "started"]

SQL = project_directory() / "sql"

# What a started psql says at the end of each script.
_END = "that is all of this script"


class ScriptError(RuntimeError):
    """psql stopped at an error.

    Attributes:
        output: all of its output, the error message last.

    """

    def __init__(self, output: str) -> None:
        super().__init__(f"psql stopped:\n{''.join(output.splitlines(keepends=True)[-15:]).strip()}")
        self.output = output


def psql(database: Database, *arguments: str, login: str | None = None, script: str = "") -> str:
    """Run psql with the options that sqitch gives it, and return its output.

    Args:
        database: where to run it.
        arguments: further arguments; ``--file=-`` is the place of the script.
        login: the role to connect as; default: the superuser.
        script: what psql reads from its standard input.

    Raises:
        ScriptError: it stopped at an error.

    """
    done = subprocess.run(
        [*_command(database), *arguments],
        env=_environment(database, login),
        input=script,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        raise ScriptError(done.stdout)
    return done.stdout


def _command(database: Database) -> list[str]:
    options = ("quiet", "no-psqlrc", "no-align", "tuples-only", "set=ON_ERROR_STOP=1", "set=registry=sqitch")
    return [database.server.program("psql"), *(f"--{option}" for option in options)]


def _environment(database: Database, login: str | None) -> dict[str, str]:
    return {**os.environ, **libpq_environment(database.dsn(login))}


@contextmanager
def started(database: Database, *, login: str | None = None) -> Iterator[subprocess.Popen[str]]:
    """Yield a psql with the same options that ``said`` tells what to do."""
    with subprocess.Popen(
        [*_command(database), "--file=-"],
        env=_environment(database, login),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        yield process


def said(process: subprocess.Popen[str], script: str) -> str:
    """Let a started psql run a script to its end, and return its output.

    Raises:
        ScriptError: it stopped at an error.

    """
    assert process.stdin is not None
    assert process.stdout is not None
    # Before it calls another program, psql writes what it has kept back.
    process.stdin.write(f"{script}\n\\! echo {_END}\n")
    process.stdin.flush()
    output = ""
    for line in process.stdout:
        if line == f"{_END}\n":
            return output
        output += line
    raise ScriptError(output)


def _privileges(connection: psycopg.Connection[tuple[Any, ...]]) -> list[str]:
    """Return PostgreSQL's own functions whose privileges are not a new function's, which dumps omit."""
    rows = connection.execute(
        """
        SELECT f.name || ' ' || f.privileges::text
        FROM (
            SELECT
                p.oid::regprocedure::text AS name,
                ARRAY(SELECT unnest(p.proacl)::text ORDER BY 1) AS privileges,
                ARRAY(SELECT unnest(acldefault('f', p.proowner))::text ORDER BY 1) AS usual
            FROM pg_catalog.pg_proc AS p
            WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.proacl IS NOT NULL
        ) AS f
        WHERE f.privileges <> f.usual
        ORDER BY 1
        """
    )
    return [str(line) for (line,) in rows.fetchall()]


def no_dump_tells(connection: psycopg.Connection[tuple[Any, ...]]) -> list[str]:
    """Return the state of a database that its dump omits, as lines."""
    # The members of the groups among the roles that own the database or may connect to it.
    members = connection.execute(
        """
        SELECT m.member::regrole::text, m.roleid::regrole::text
        FROM pg_auth_members AS m
        WHERE EXISTS (
            SELECT FROM pg_database AS d, aclexplode(d.datacl) AS acl
            WHERE d.datname = current_database() AND m.member IN (d.datdba, acl.grantee)
        )
        ORDER BY 1, 2
        """
    ).fetchall()
    return [*(f"-- {member} is a member of {group}" for member, group in members), *_privileges(connection)]


def everything(database: Database) -> str:
    """Return everything of a database except rows as text: its dump, and what dumps omit."""
    with database.connect() as connection:
        besides = no_dump_tells(connection)
    return "\n".join([database.dump(), *besides])


def differences(wanted: str, found: str) -> str:
    """Return the lines in which two dumps differ, none if they are equal."""
    if wanted == found:
        return ""
    return "\n".join(difflib.unified_diff(wanted.splitlines(), found.splitlines(), "before", "after", lineterm="", n=2))
