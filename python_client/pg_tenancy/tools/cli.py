"""The command line: ``pg-tenancy``.

Its exit status is 0 on success, 1 on failure, 2 for a usage error.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.util import find_spec

__all__ = ["main"]

FAILED = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: without the program's name; default: the process's arguments.

    Returns:
        the exit status: 0, 1 or 2.

    """
    if find_spec("click") is None:  # an extra: applications do not need it
        print('pg-tenancy: the command line needs an extra: pip install "pg-tenancy[cli]"', file=sys.stderr)
        return FAILED
    from pg_tenancy.tools.commands import run

    return run(arguments)
