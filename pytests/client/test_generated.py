"""The synchronous modules are those that the asynchronous ones make."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).resolve().parents[2] / "tools" / "generate_sync.py"


def test_the_synchronous_modules_are_current() -> None:
    pytest.importorskip("ruff", reason="ruff lays out the generated modules")
    done = subprocess.run([sys.executable, str(TOOL), "--check"], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
