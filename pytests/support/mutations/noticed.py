"""The probe that noticed each mutation the last time, kept in ``noticed.txt``.

It only decides which probe runs first: missing or wrong entries only cost time.
``./dev prove --mutations`` writes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

__all__ = ["noticed_by", "write"]

FILE = Path(__file__).with_name("noticed.txt")


def noticed_by() -> dict[str, str]:
    """Return the texts of the probes that noticed mutations, by the mutations' names."""
    found, probe = {}, ""
    for line in FILE.read_text().splitlines() if FILE.exists() else []:
        if line.startswith("    "):
            found[line[4:]] = probe
        else:
            probe = line
    return found


def write(noticed: Mapping[str, str]) -> None:
    """Write the probe that noticed each mutation: a line for each probe, and the mutations below it."""
    by_probe: dict[str, list[str]] = {}
    for mutation, probe in noticed.items():
        by_probe.setdefault(probe, []).append(mutation)
    lines = [
        line for probe in sorted(by_probe) for line in (probe, *(f"    {name}" for name in sorted(by_probe[probe])))
    ]
    FILE.write_text("".join(f"{line}\n" for line in lines))
