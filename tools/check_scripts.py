"""Check that every script of the plan records itself: ``python tools/check_scripts.py``.

A script without its preamble works until something is killed at the wrong moment, so only a check
of its text finds it.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "python_client"))

from pg_tenancy.tools.sqitch import read_plan  # noqa: E402

BEGUN, DONE = (f"\\ir ../../notes/{when}.psql" for when in ("begun", "done"))
NO_TIMEOUTS = "\\ir ../../notes/no_timeouts.psql"
ADOPTS = ("CALL tenancy_private.adopt_online(", "CALL tenancy_private.adopt_cost_table(")
# The table of records is created with the roles, and dropped with them.
WITHOUT_NOTE = {"platform/existing_tables", "kernel/existing_tables"}
DROPS_NOTES = "DROP TABLE tenancy_private.changes;"


def problems_of(kind: str, script: str, name: str, text: str) -> list[str]:
    """Return what is wrong with a deploy or a revert script.

    Args:
        kind: ``deploy`` or ``revert``.
        script: the name of the file, from its folder on and without ``.sql``.
        name: the name of the change's note.
        text: the file's text.

    """
    lines = text.splitlines()
    preamble = [f"\\set change {name}", f"\\ir ../../notes/begin_{kind}.psql", "\\if :done \\quit \\endif"]
    first = next((at for at, line in enumerate(lines) if line and not line.startswith("--")), 0)
    found = []
    if lines[first : first + 3] != preamble:
        found.append("does not begin with\n    " + "\n    ".join(preamble))
    if script in WITHOUT_NOTE:
        return found
    # A single transaction records only its end. Any other script records its beginning too, or a revert would
    # not find it.
    commands = [line for line in lines if line in ("BEGIN;", "COMMIT;")]
    ends = DROPS_NOTES if (kind, script) == ("revert", "kernel/roles") else DONE
    is_transaction = commands == ["BEGIN;", "COMMIT;"] and BEGUN not in lines
    if lines.count(ends) != 1:
        found.append(f"must have exactly one line {ends}")
    elif is_transaction:
        if not lines.index("BEGIN;") < lines.index(ends) < lines.index("COMMIT;"):
            found.append(f"has {ends} outside its transaction")
    else:
        # These two record the beginning themselves, after their checks.
        begins = [at for at, line in enumerate(lines) if line == BEGUN or line.startswith(ADOPTS)]
        if len(begins) != 1 or begins[0] > lines.index(ends):
            found.append(f"is not one transaction, but has neither {BEGUN} nor {ADOPTS[0]}")
        if any(line and not line.startswith(("COMMIT;", "\\ir", "--")) for line in lines[lines.index(ends) + 1 :]):
            found.append(f"does something after {ends}")
    return found


def main() -> int:
    """Print what is wrong and return the exit status."""
    plan = read_plan(ROOT)
    names = {change.script: change.noted_as for change in plan}
    problems = []
    for kind in ("deploy", "revert"):
        for script, name in names.items():
            text = (ROOT / "sql" / kind / f"{script}.sql").read_text()
            problems += [f"sql/{kind}/{script}.sql {problem}" for problem in problems_of(kind, script, name, text)]
    for path in sorted((ROOT / "sql" / "verify").glob("*/*.sql")):
        if NO_TIMEOUTS not in path.read_text().splitlines():
            problems.append(f"{path.relative_to(ROOT)} has no line {NO_TIMEOUTS}")
    # Earlier scripts of reworked changes, whose names follow no rule.
    wanted = {(name, script) for script, name in names.items() if "@" in script}
    listed = re.findall(r"\('([^']+)', '([^']+@[^']+)'\)", (ROOT / "sql" / "notes" / "do_other.psql").read_text())
    if set(listed) != wanted:
        problems.append(f"sql/notes/do_other.psql lists {sorted(listed)}, wanted {sorted(wanted)}")
    print("\n".join(problems), end="\n" if problems else "", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
