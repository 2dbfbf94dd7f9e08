"""``pg-tenancy matrix``."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from psycopg import sql

from pg_tenancy.testing._rows import SetUpError
from pg_tenancy.testing.database import LiveDatabaseError, refuse_live
from pg_tenancy.tools._terminal import Terminal, printable
from pg_tenancy.tools.commands._database import chosen_dsn, connected, deployer, reading_roles
from pg_tenancy.tools.commands._endings import OK, FailedError
from pg_tenancy.tools.doors import Doors, read_doors
from pg_tenancy.tools.embedded import EmbeddedServer
from pg_tenancy.tools.matrix import Matrix, read_matrix
from pg_tenancy.tools.reach import NOTHING, OTHERS, OWN, REACHES, STYLES, UNTRACED, meanings
from pg_tenancy.tools.sqitch import Sqitch
from pg_tenancy.tools.tables import WHO, Tables, read_tables

__all__ = ["matrix"]

# A login that is subject to the policies of tenants.
_LOGIN: Final = """
SELECT
    quote_ident(session_user),
    row_security_active('tenancy.role_permissions') AND pg_has_role('tenancy_credentialed', 'USAGE')
    AND NOT pg_has_role('tenancy_service', 'USAGE')
"""


def matrix(
    dsn: str | None, *, svg: Path | None, as_json: bool, tried: str | None, role: str, allowed: str | None
) -> int:
    """Print who may do what, and what was found out by trying ``tables`` or ``doors``."""
    if dsn or os.environ.get("PG_TENANCY_DSN"):
        found = _matrix_of(chosen_dsn(dsn))
    else:
        with EmbeddedServer(durable=False) as server:
            programs = server.bin_dir if (server.bin_dir / "psql").exists() else None
            # Nothing to verify: this database is only read, and then removed.
            Sqitch(server.dsn(), isolated=True, program_directory=programs).run("deploy", "--no-verify")
            found = _matrix_of(server.dsn())
    reached = _tried(chosen_dsn(dsn), tried, role, allowed) if tried else None
    if svg:
        try:
            svg.write_text((reached or found).svg(), encoding="utf-8")
        except OSError as error:
            raise FailedError(f"{svg} cannot be written: {error.strerror}") from None
    if as_json:
        print(json.dumps(found.document() | (reached.document() if reached else {}), indent=2))
        return OK
    print(found.text())
    terminal = Terminal.stdout()
    if isinstance(reached, Doors):
        _print_doors(terminal, reached)
    elif reached is not None:
        _print_tables(terminal, reached)
    return OK


def _print_doors(terminal: Terminal, doors: Doors) -> None:
    terminal.heading(f"Doors of {doors.role}: views, functions, triggers and foreign keys")
    if not doors.doors:
        terminal.line("  none lead to a protected table of the application")
        return
    rows = [
        [printable(door), table, terminal.style(reach, *STYLES[reach]), printable(why)]
        for door, table, reach, why in doors.rows()
    ]
    terminal.table(["through", "to rows of", "reaches", "because"], rows)
    _print_lines(terminal, meanings(OWN, OTHERS, NOTHING, UNTRACED), "dim")


def _print_tables(terminal: Terminal, tables: Tables) -> None:
    terminal.heading(f"Tables as {tables.role}")
    if not tables.found:
        terminal.line("  the application has no protected table")
        return
    rows = [
        [table, command, *(terminal.style(people[who].reach, *STYLES[people[who].reach]) for who in WHO)]
        for (table, command), people in tables.lines().items()
    ]
    terminal.table(["table", "command", *WHO], rows)
    _print_lines(terminal, map(printable, tables.reasons()), "yellow")
    _print_lines(terminal, meanings(*REACHES), "dim")


def _print_lines(terminal: Terminal, lines: Iterable[str], style: str) -> None:
    for number, line in enumerate(lines):
        if number == 0:
            terminal.line()
        terminal.line(f"  {line}", style)


def _tried(dsn: str, what: str, role: str, allowed: str | None) -> Doors | Tables:
    # Even rolled back, it runs triggers, advances sequences and briefly locks tables.
    with connected(dsn) as connection:
        try:
            refuse_live(connection, [allowed] if allowed else [])
            name = sql.Identifier(role).as_string()
            if not connection.execute("SELECT to_regrole(%s) IS NOT NULL", [name]).fetchall()[0][0]:
                raise FailedError(f"role {role} does not exist")
            return read_doors(connection, role) if what == "doors" else read_tables(connection, role)
        except LiveDatabaseError as error:
            why = str(error).partition(". If it is")[0]
            raise FailedError(
                f"{why}.\nEverything is tried in a transaction that is rolled back: use a copy, or allow it with"
                f" --allow-database {connection.info.dbname}"
            ) from None
        except ValueError as error:
            raise FailedError(str(error).removesuffix(": tenancy_dsn")) from None
        except SetUpError as error:
            raise FailedError(str(error)) from None


def _matrix_of(dsn: str) -> Matrix:
    with connected(dsn, reading_roles) as connection:
        if not connection.execute("SELECT to_regclass('tenancy.role_permissions') IS NOT NULL").fetchall()[0][0]:
            raise FailedError("this database has no permission matrix yet: deploy phase-1")
        (login, is_tenant), *_ = connection.execute(_LOGIN).fetchall()
        if is_tenant:
            raise FailedError(
                f"{login} sees the permissions only in a workspace\n"
                f"Connect as a login of tenancy_service, or as the login that deployed{deployer(connection)}."
            )
        matrix = read_matrix(connection)
    if not matrix.holders:
        raise FailedError("this login cannot see any permission: connect as a member of tenancy_service")
    return matrix
