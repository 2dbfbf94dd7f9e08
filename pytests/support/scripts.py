"""The plan's scripts, each run by itself, and what can be compared of a database besides its dump."""

from __future__ import annotations

import difflib
import os
import subprocess
from pathlib import Path
from typing import Any

import psycopg

from pg_tenancy.sqitch import libpq_environment, project_directory
from support.database import Database

__all__ = ["SQL", "ScriptError", "differences", "privileges", "run_script"]

SQL = project_directory() / "sql"


class ScriptError(RuntimeError):
    """psql stopped at an error; the message is all that it wrote."""


def run_script(database: Database, path: Path, login: str | None = None) -> str:
    """Run a script with psql, with the options that sqitch gives it, and return what it wrote.

    Args:
        database: where to run it.
        path: the script.
        login: the role to connect as; default: the superuser.

    """
    done = subprocess.run(
        [
            database.server.program("psql"),
            "--quiet",
            "--no-psqlrc",
            "--no-align",
            "--tuples-only",
            "--set=ON_ERROR_STOP=1",
            "--set=registry=sqitch",
            f"--file={path}",
        ],
        env={**os.environ, **libpq_environment(database.dsn(login))},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        raise ScriptError(f"{path.parent.name}/{path.name}: {done.stdout}")
    return done.stdout


def privileges(connection: psycopg.Connection[tuple[Any, ...]]) -> list[str]:
    """Return who may call PostgreSQL's own functions, which no dump tells."""
    rows = connection.execute(
        """
        SELECT p.oid::regprocedure || ' ' || acl.grantee::regrole || ' ' || acl.privilege_type
        FROM pg_catalog.pg_proc AS p
        CROSS JOIN LATERAL aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS acl
        WHERE p.pronamespace = 'pg_catalog'::regnamespace
        ORDER BY 1
        """
    )
    return [str(line) for (line,) in rows.fetchall()]


def differences(wanted: str, found: str) -> str:
    """Return the lines in which two dumps differ, empty when they are the same."""
    return "\n".join(difflib.unified_diff(wanted.splitlines(), found.splitlines(), "before", "after", lineterm="", n=2))
