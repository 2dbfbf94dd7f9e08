"""``pg-tenancy matrix``."""

from __future__ import annotations

import json
import os
from pathlib import Path

from pg_tenancy.testing._rows import SetUpError
from pg_tenancy.testing.database import LiveDatabaseError, refuse_live
from pg_tenancy.tools._terminal import Terminal, printable
from pg_tenancy.tools.commands._database import chosen_dsn, connected, reading_roles
from pg_tenancy.tools.commands._endings import OK, FailedError
from pg_tenancy.tools.doors import Doors, meanings, read_doors
from pg_tenancy.tools.embedded import EmbeddedServer
from pg_tenancy.tools.matrix import Matrix, read_matrix
from pg_tenancy.tools.sqitch import Sqitch

__all__ = ["matrix"]


def matrix(
    dsn: str | None, *, svg: Path | None, as_json: bool, with_doors: bool, role: str, allowed: str | None
) -> int:
    """Print who may do what."""
    if dsn or os.environ.get("PG_TENANCY_DSN"):
        found = _matrix_of(chosen_dsn(dsn))
    else:
        with EmbeddedServer(durable=False) as server:
            programs = server.bin_dir if (server.bin_dir / "psql").exists() else None
            # Nothing to verify: this database is only read, and then removed.
            Sqitch(server.dsn(), isolated=True, program_directory=programs).run("deploy", "--no-verify")
            found = _matrix_of(server.dsn())
    doors = _doors_of(chosen_dsn(dsn), role, allowed) if with_doors else None
    if svg:
        try:
            svg.write_text((doors or found).svg(), encoding="utf-8")
        except OSError as error:
            raise FailedError(f"{svg} cannot be written: {error.strerror}") from None
    if as_json:
        print(json.dumps(found.document() | (doors.document() if doors else {}), indent=2))
        return OK
    print(found.text())
    if doors is not None:
        _print_doors(Terminal.stdout(), doors)
    return OK


def _print_doors(terminal: Terminal, doors: Doors) -> None:
    terminal.heading(f"Doors of {doors.role}: views, functions, triggers and foreign keys")
    if not doors.doors:
        terminal.line("  none lead to a protected table of the application")
        return
    rows = [
        [printable(door), table, terminal.style(reach, *doors.styles(reach)), printable(why)]
        for door, table, reach, why in doors.rows()
    ]
    terminal.table(["through", "to rows of", "reaches", "because"], rows)
    terminal.line()
    for meaning in meanings():
        terminal.line(f"  {meaning}", "dim")


def _doors_of(dsn: str, role: str, allowed: str | None) -> Doors:
    # Even rolled back, it runs triggers, advances sequences and briefly locks tables.
    with connected(dsn) as connection:
        try:
            refuse_live(connection, [allowed] if allowed else [])
            return read_doors(connection, role)
        except LiveDatabaseError as error:
            why = str(error).partition(". If it is")[0]
            raise FailedError(
                f"{why}.\nDoors are tried in a transaction that is rolled back: use a copy, or allow it with"
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
        matrix = read_matrix(connection)
    if not matrix.holders:
        raise FailedError("this login cannot see any permission: connect as a member of tenancy_service")
    return matrix
