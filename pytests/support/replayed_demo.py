"""The demonstration with the plan's scripts in one psql, for tests that are not about sqitch.

``python -m support.replayed_demo [arguments]`` is such a ``pg-tenancy demo``, as a program within a run.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from pg_tenancy.tools.cli import main
from pg_tenancy.tools.demo.place import Place
from pg_tenancy.tools.phases import Phase
from pg_tenancy.tools.sqitch import read_plan
from support.database import Database
from support.replay import PLAN, Replay
from support.server import Server, server_of_this_run

__all__ = ["in_one_go", "replay_in_one_go"]


def in_one_go() -> list[Phase]:
    """Return all changes as one phase, so that sqitch is started once."""
    return [Phase("", "all of them", tuple(read_plan()))]


class _Replayed:
    """The part of sqitch that the demonstration uses, done by a replay."""

    def __init__(self, database: Database) -> None:
        self._replay = Replay(database)
        self.on_line: Callable[[str], None] = lambda line: None

    def deploy(self, to: str | None = None) -> None:
        self._replay.deploy(to)
        self._say()

    def verify(self) -> None:
        self._replay.verify()
        self._say()

    def _say(self) -> None:
        for change in read_plan():
            self.on_line(f"  + {change.name} .. ok")


def replay_in_one_go(patch: pytest.MonkeyPatch, server: Server) -> None:
    """Let the following demonstrations deploy everything at once, by a replay.

    Args:
        patch: undoes it.
        server: the run's, which they use unless they start one of their own.

    """

    def replayed(place: Place) -> _Replayed:
        own = place.server
        there = Server(own.dsn(), "demo", "", str(own.bin_dir), own.version) if own else server
        return _Replayed(Database(there, place.database))

    patch.setattr("pg_tenancy.tools.demo.run.read_phases", in_one_go)
    patch.setattr(Place, "sqitch", replayed)


def _main(arguments: list[str]) -> int:
    with server_of_this_run() as server, pytest.MonkeyPatch.context() as patch:
        # sqitch's registry is read on the run's server, which has it already, and not on a separate one.
        database = server.create()
        try:
            Replay(database).deploy(PLAN[0].script)
        finally:
            server.drop(database.name)
        replay_in_one_go(patch, server)
        return main(["demo", *arguments])


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
