"""The synchronous modules match the asynchronous ones from which they are generated."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from support.command import run

TOOL = Path(__file__).resolve().parents[2] / "tools" / "generate_sync.py"


def test_the_synchronous_modules_are_current() -> None:
    pytest.importorskip("ruff", reason="ruff lays out the generated modules")
    done = run([sys.executable, str(TOOL), "--check"])
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
