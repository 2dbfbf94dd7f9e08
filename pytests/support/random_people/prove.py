"""Search for new stories, and let random people act for long.

``PYTHONPATH=pytests python -m support.random_people.prove [--plays N] [--hole WORDS]``
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from hypothesis import settings

from support.random_people.holes import HOLES
from support.random_people.machine import THOROUGH, find_story, play
from support.random_people.play import Difference
from support.random_people.stage import Stage
from support.random_people.stories import ReplayError, Story, read_stories, replay, write_stories
from support.run import temporary_directory
from support.server import Server, server_of_this_run

SEARCHES = 5  # for one hole, because found stories cannot all be shortened equally


def main(arguments: list[str]) -> int:
    """Run with these arguments; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="./dev prove", description="Look for a shorter story of each hole, and play for long."
    )
    parser.add_argument("--hole", metavar="WORDS", help="only for the holes with these words in their name")
    parser.add_argument("--plays", type=int, default=THOROUGH.max_examples, help="how many; 0 to look for stories only")
    chosen = parser.parse_args(arguments)
    done = []
    with temporary_directory(), server_of_this_run() as server, _stage(server) as sound:
        for hole in HOLES:
            if (chosen.hole or "") in hole:
                with _reporting(hole) as said, _stage(server) as stage:
                    said.append(_look_for_a_story(hole, stage, sound))
                done.append(bool(said))
        if chosen.plays and not chosen.hole:
            with _reporting(f"{chosen.plays} plays") as said:
                play(sound, settings(THOROUGH, max_examples=chosen.plays))
                said.append("no difference")
            done.append(bool(said))
    return 0 if all(done) else 1


@contextmanager
def _reporting(what: str) -> Iterator[list[str]]:
    """Print the result and the time, or the reason for none."""
    began, said = time.monotonic(), list[str]()
    try:
        yield said
    except (Difference, LookupError) as error:
        print(f"{what}: {error}", flush=True)
    else:
        print(f"{what}: {', '.join(said)}, after {time.monotonic() - began:.0f} s", flush=True)


def _look_for_a_story(hole: str, stage: Stage, sound: Stage) -> str:
    """Keep the shortest story that finds a hole, and describe it."""
    HOLES[hole](stage.admin)
    kept = _kept(hole, stage, sound)
    stories = [story for story in (kept, *(find_story(stage, sound) for _ in range(SEARCHES))) if story]
    if not stories:
        raise LookupError("no story finds it")
    shortest = min(stories, key=lambda story: len(story.steps))
    stories_by_hole = read_stories() | {hole: str(shortest).splitlines()}
    write_stories({name: stories_by_hole[name] for name in HOLES if name in stories_by_hole})
    return f"{'the kept' if shortest is kept else 'a new'} story, steps: {len(shortest.steps)}"


def _kept(hole: str, stage: Stage, sound: Stage) -> Story | None:
    """Return the kept story in its current form, if it still finds the hole."""
    try:
        steps = Story.read(read_stories()[hole]).steps
        difference = None if replay(steps, sound) else replay(steps, stage)
    except (KeyError, ReplayError):
        return None
    return Story.of(difference) if difference else None


@contextmanager
def _stage(server: Server) -> Iterator[Stage]:
    """Yield a stage with its own database."""
    database = server.create(server.template())
    stage = Stage(database, server.logins())
    try:
        yield stage
    finally:
        stage.close()
        server.drop(database.name)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
