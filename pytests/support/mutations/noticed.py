"""Which probe noticed each mutation the last time, kept in ``noticed.txt``.

It only says what to ask first: whatever is missing in it or wrong costs time and
nothing else. ``./dev prove --mutations`` writes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

__all__ = ["noticed_by", "write"]

FILE = Path(__file__).with_name("noticed.txt")


def noticed_by() -> dict[str, str]:
    """Return by the name of a mutation the text of the probe that noticed it."""
    found, probe = {}, ""
    for line in FILE.read_text().splitlines() if FILE.exists() else []:
        if line.startswith("    "):
            found[line[4:]] = probe
        else:
            probe = line
    return found


def write(noticed: Mapping[str, str]) -> None:
    """Keep what noticed each mutation: a line for each probe, and below it the mutations."""
    by_probe: dict[str, list[str]] = {}
    for mutation, probe in noticed.items():
        by_probe.setdefault(probe, []).append(mutation)
    lines = [
        line for probe in sorted(by_probe) for line in (probe, *(f"    {name}" for name in sorted(by_probe[probe])))
    ]
    FILE.write_text("".join(f"{line}\n" for line in lines))
