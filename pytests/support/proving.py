"""The common beginning of the long runs of ``./dev prove``: a number, a seed, and a separate server."""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from support.server import Server, start_embedded

__all__ = ["proving"]


@contextmanager
def proving(what: str, about: str | None, often: int, arguments: Sequence[str]) -> Iterator[tuple[int, int, Server]]:
    """Read the arguments and start a server; yield the number, the seed, and the server.

    Args:
        what: the counted things, which is also the option of ``./dev prove``.
        about: the module's docstring, whose first line is the help.
        often: the default number.
        arguments: of the command line.

    """
    parser = argparse.ArgumentParser(prog=f"./dev prove --{what}", description=(about or "").splitlines()[0])
    parser.add_argument("often", metavar=what, type=int, nargs="?", default=often)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    options = parser.parse_args(arguments)
    print(f"seed {options.seed}", flush=True)
    with start_embedded() as embedded:
        yield (
            options.often,
            options.seed,
            Server(embedded.dsn(), what, "secret", str(embedded.bin_dir), embedded.version),
        )
