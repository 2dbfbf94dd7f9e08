"""Write kernel.plan from sqitch.plan.

    python tools/generate_kernel_plan.py           writes it
    python tools/generate_kernel_plan.py --check   fails if it is not current

It is the plan for any other application than the platform: the changes in ``kernel/``, and all
tags, because sqitch names the scripts of a reworked change after the last tag before the rework.
Both plans are one project with one set of scripts. The first change of the other plan is the
platform's, so that sqitch refuses the wrong plan for a database.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def kernel_plan(plan: str) -> str:
    """Return the kernel's part of the whole plan.

    Raises:
        ValueError: a change of the kernel requires one of the platform.

    """
    lines: list[str] = []
    begun = False
    for line in plan.splitlines():
        if line.startswith("kernel/"):
            requirements = line.partition("[")[2].partition("]")[0] if " [" in line.partition("#")[0] else ""
            if "platform/" in requirements:
                raise ValueError(f"the kernel requires the platform: {line}")
            begun = True
        elif line.startswith("platform/") or (line.startswith("@") and not begun):
            continue
        if line or (lines and lines[-1]):
            lines.append(line)
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write the plan or check it; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing, fail if the file is not current")
    arguments = parser.parse_args()
    wanted, target = kernel_plan((ROOT / "sqitch.plan").read_text()), ROOT / "kernel.plan"
    if arguments.check:
        if not target.exists() or target.read_text() != wanted:
            print("kernel.plan is not current: python tools/generate_kernel_plan.py", file=sys.stderr)
            return 1
        return 0
    target.write_text(wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main())
