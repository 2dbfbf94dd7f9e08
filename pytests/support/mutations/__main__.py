"""Make every mutation, say which ones nothing noticed, and keep in ``noticed.txt`` what noticed the others.

``./dev prove --mutations``
"""

from __future__ import annotations

import sys
from contextlib import closing

from support.mutations import noticed
from support.mutations.items import ITEMS, REDUNDANT
from support.mutations.trials import Trials
from support.probes import SUMMARIES, probes
from support.server import server_of_this_run


def main() -> int:
    """Return the exit status: 1 when something that is not redundant was not noticed."""
    found: dict[str, str | None] = {}
    with server_of_this_run() as server, closing(Trials(server, server.template(), server.logins())) as trials:
        for item in ITEMS:
            answers = trials.run(item, redundant=True)
            survivors = [name for name, probe in answers.items() if probe is None and name not in REDUNDANT]
            print(f"{item}: {len(answers)}", *(f"    not noticed: {name}" for name in survivors), sep="\n", flush=True)
            found |= answers
    # Those are asked first anyway.
    summaries = {probe.text for probe in probes()[:SUMMARIES]}
    noticed.write({name: probe for name, probe in found.items() if probe is not None and probe not in summaries})
    missed = [name for name, probe in found.items() if probe is None and name not in REDUNDANT]
    print(f"{len(found)} mutations, {len(missed)} not noticed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
