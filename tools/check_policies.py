"""Keep the revisions of policies as they were released.

sqitch compares the scripts that it deploys, but not the files that they include. If one changed
after its release, databases that sqitch reports as up to date would differ. So each included file
is listed with its checksum, and the checksum of a released one stays.

    python tools/check_policies.py            fails and says what differs
    python tools/check_policies.py --update   lists new files, and changed ones
                                              that no release has
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("sql/policies", "sql/adoption")
SUMS = Path("sql/policies/SHA256SUMS")
# Files that no script includes may change with every commit.
NOT_INCLUDED = (SUMS, Path("sql/policies/README.md"), Path("sql/policies/EXPANDED.sql"))


def main() -> int:
    """Check or update the list; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--update", action="store_true", help="write the list")
    parser.add_argument("--root", type=Path, default=ROOT, help="the repository")
    arguments = parser.parse_args()
    root: Path = arguments.root

    present = {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in FOLDERS
        for path in sorted((root / folder).rglob("*"))
        if path.is_file() and path.relative_to(root) not in NOT_INCLUDED
    }
    released = _released(root)
    problems = [
        f"{path} differs from release {tag}: write the next revision instead"
        for path, (tag, checksum) in sorted(released.items())
        if path in present and present[path] != checksum
    ]
    problems += [
        f"{path} is in release {tag}, but is missing"
        for path, (tag, _) in sorted(released.items())
        if path not in present
    ]
    if arguments.update and not problems:
        _write(root, present)
    else:
        problems += _differences(_read(root), present)
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


def _differences(listed: dict[str, str], present: dict[str, str]) -> list[str]:
    advice = "python tools/check_policies.py --update"
    problems = [f"{path} is not in {SUMS}: {advice}" for path in present if path not in listed]
    problems += [f"{path} is in {SUMS}, but is missing" for path in listed if path not in present]
    problems += [
        f"{path} differs from {SUMS}: {advice}, if no release contains it"
        for path in present
        if path in listed and listed[path] != present[path]
    ]
    return problems


def _released(root: Path) -> dict[str, tuple[str, str]]:
    """Return the files of every release, with the release and the checksum."""
    if not (root / ".git").exists():
        return {}
    files: dict[str, tuple[str, str]] = {}
    for tag in _git(root, "tag", "--list", "v*", "--sort=-creatordate").decode().split():
        if not re.fullmatch(r"v\d+\.\d+\.\d+", tag):
            continue
        for path in _git(root, "ls-tree", "-r", "--name-only", tag, "--", *FOLDERS).decode().splitlines():
            if Path(path) not in NOT_INCLUDED:
                files[path] = (tag, hashlib.sha256(_git(root, "show", f"{tag}:{path}")).hexdigest())
    return files


def _git(root: Path, *arguments: str) -> bytes:
    return subprocess.run(["git", "-C", str(root), *arguments], check=True, capture_output=True).stdout


def _read(root: Path) -> dict[str, str]:
    if not (root / SUMS).exists():
        return {}
    # The list has sha256sum's format, with paths relative to its folder.
    pairs = (line.split(maxsplit=1) for line in (root / SUMS).read_text().splitlines())
    return {os.path.normpath(SUMS.parent / path): checksum for checksum, path in pairs}


def _write(root: Path, present: dict[str, str]) -> None:
    lines = [f"{checksum}  {os.path.relpath(path, SUMS.parent)}\n" for path, checksum in sorted(present.items())]
    (root / SUMS).write_text("".join(lines))


if __name__ == "__main__":
    sys.exit(main())
