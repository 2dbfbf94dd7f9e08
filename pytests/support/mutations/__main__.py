"""Make every mutation, list those that nothing noticed, and record in ``noticed.txt`` which probes noticed the others.

``./dev prove --mutations [ITEM ...]``, such as "functions: costs"; the others stay as they are in the file.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import closing

from support.mutations import noticed
from support.mutations.items import ITEMS, REDUNDANT
from support.mutations.trials import Trials
from support.probes import SUMMARIES, probes
from support.server import server_of_this_run


def main(chosen: Sequence[str]) -> int:
    """Return the exit status: 1 if a mutation that is not redundant was not noticed."""
    if unknown := set(chosen) - set(ITEMS):
        print(f"no such item: {', '.join(sorted(unknown))}", "there are:", *ITEMS, sep="\n")
        return 2
    found: dict[str, str | None] = {}
    with server_of_this_run() as server, closing(Trials(server, server.template(), server.logins())) as trials:
        for item in chosen or ITEMS:
            answers = trials.run(item, redundant=True)
            survivors = [name for name, probe in answers.items() if probe is None and name not in REDUNDANT]
            print(f"{item}: {len(answers)}", *(f"    not noticed: {name}" for name in survivors), sep="\n", flush=True)
            found |= answers
    # These run first anyway.
    summaries = {probe.text for probe in probes()[:SUMMARIES]}
    kept = noticed.noticed_by() if chosen else {}
    noticed.write(kept | {name: probe for name, probe in found.items() if probe is not None and probe not in summaries})
    missed = [name for name, probe in found.items() if probe is None and name not in REDUNDANT]
    print(f"{len(found)} mutations, {len(missed)} not noticed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
