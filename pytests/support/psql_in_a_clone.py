"""psql, as pg_prove calls it, on a database created for this file."""

from __future__ import annotations

import os
import subprocess
import sys

from pg_tenancy.tools.sqitch import libpq_environment
from support.server import server_of_this_run


def main(arguments: list[str]) -> int:
    """Run psql with the arguments; return its exit status."""
    with server_of_this_run() as server:
        database = server.create(server.tap_template())
        try:
            return subprocess.call(
                [server.program("psql"), *arguments],
                env={
                    **os.environ,
                    **libpq_environment(database.dsn()),
                    # All names except pgTAP's own functions are qualified.
                    "PGOPTIONS": "-c search_path=tap",
                },
            )
        finally:
            server.drop(database.name)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
