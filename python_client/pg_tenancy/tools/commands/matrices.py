"""``pg-tenancy matrix``."""

from __future__ import annotations

import json
import os
from pathlib import Path

from pg_tenancy.tools.commands._database import chosen_dsn, connected, reading_roles
from pg_tenancy.tools.commands._endings import OK, FailedError
from pg_tenancy.tools.embedded import EmbeddedServer
from pg_tenancy.tools.matrix import Matrix, read_matrix
from pg_tenancy.tools.sqitch import Sqitch

__all__ = ["matrix"]


def matrix(dsn: str | None, *, svg: Path | None, as_json: bool) -> int:
    """Print who may do what."""
    if dsn or os.environ.get("PG_TENANCY_DSN"):
        found = _matrix_of(chosen_dsn(dsn))
    else:
        with EmbeddedServer(durable=False) as server:
            programs = server.bin_dir if (server.bin_dir / "psql").exists() else None
            Sqitch(server.dsn(), isolated=True, program_directory=programs).deploy()
            found = _matrix_of(server.dsn())
    if svg:
        try:
            svg.write_text(found.svg(), encoding="utf-8")
        except OSError as error:
            raise FailedError(f"{svg} cannot be written: {error.strerror}") from None
    print(json.dumps(found.document(), indent=2) if as_json else found.text())
    return OK


def _matrix_of(dsn: str) -> Matrix:
    with connected(dsn, reading_roles) as connection:
        if not connection.execute("SELECT to_regclass('tenancy.role_permissions') IS NOT NULL").fetchall()[0][0]:
            raise FailedError("this database has no permission matrix yet: deploy phase-1")
        matrix = read_matrix(connection)
    if not matrix.holders:
        raise FailedError("no permission is visible to this login: connect as a member of tenancy_service")
    return matrix
