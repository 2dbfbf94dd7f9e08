"""The command line: ``pg-tenancy``.

Ends with 0 when all went well, 1 when something failed, 2 when it was called wrongly.
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
        arguments: without the program's name; default: those of the process.

    Returns:
        the exit status: 0, 1 or 2.

    """
    if find_spec("click") is None:  # it is an extra: applications need none of this
        print('pg-tenancy: the command line needs more: pip install "pg-tenancy[cli]"', file=sys.stderr)
        return FAILED
    from pg_tenancy.tools.commands import run

    return run(arguments)
