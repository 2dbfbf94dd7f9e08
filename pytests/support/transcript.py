"""A document to follow at a keyboard: its files, its commands, and their output."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from support.command import environment as own_environment
from support.command import run
from support.server import Server

__all__ = ["enter_commands", "fenced", "follow", "write_files"]

_FILE = re.compile(r"`([\w.]+)`:\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CONSOLE = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)
# Parts that differ each time.
_SECONDS = re.compile(r"\bin \d+\.\d\ds")


def fenced(document: str, language: str) -> list[str]:
    """Return the blocks of a language in a document, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", document, re.MULTILINE | re.DOTALL)


def enter_commands(commands: str, directory: Path, server: Server, **variables: str) -> None:
    """Run commands in one shell, with psql and ``pg-tenancy`` in its path; each of them must succeed."""
    where = server.environment()
    with TemporaryDirectory() as folder:
        # psql goes on after an error in a file, unless it is told not to.
        (settings := Path(folder) / "psqlrc").write_text("\\set ON_ERROR_STOP on\n")
        where |= {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{where['PATH']}", "PSQLRC": str(settings)}
        done = run(["bash", "-ec", commands], cwd=directory, env=own_environment(**where, **variables))
    assert done.returncode == 0, f"{commands}\n{done.stdout}{done.stderr}"


def write_files(document: str, directory: Path) -> list[str]:
    """Write the files whose names precede their text, and return the names."""
    files: dict[str, str] = dict(_FILE.findall(document))
    for name, text in files.items():
        (directory / name).write_text(text)
    return list(files)


def follow(document: str, directory: Path, environment: Mapping[str, str]) -> int:
    """Run every command of a document in one shell, compare the output, and return the number of commands.

    A line ``...`` stands for any lines. A command succeeds, unless the document shows an ``ERROR:``.
    """
    steps: list[tuple[str, str]] = [step for block in _CONSOLE.findall(document) for step in _COMMAND.findall(block)]
    typed = "\n".join(f"{command}\nprintf '\\036%s\\036' $?" for command, _ in steps)
    printed = run(["bash", "-c", f"exec 2>&1\n{typed}"], cwd=directory, env=environment).stdout
    *parts, rest = printed.split("\036")
    assert rest == ""
    for (command, shown), said, status in zip(steps, parts[::2], parts[1::2], strict=True):
        assert (status == "0") != ("ERROR:" in shown), f"$ {command}\n{said}(status {status})"
        assert re.fullmatch(_pattern(shown), _SECONDS.sub("in 0s", said)), f"$ {command}\n{said}instead of\n{shown}"
    return len(steps)


def _pattern(shown: str) -> str:
    lines = _SECONDS.sub("in 0s", shown).splitlines()
    return "".join(r"(?:.*\n)*" if line == "..." else re.escape(line) + r"\n" for line in lines)
