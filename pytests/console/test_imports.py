"""API and console are examples: the product does not need them, and they need only the client."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "python_client" / "pg_tenancy"

# The client's public modules, and the types of its arguments.
CLIENT = {
    "pg_tenancy._opening",
    "pg_tenancy._values",
    "pg_tenancy.aio",
    "pg_tenancy.errors",
    "pg_tenancy.problems",
    "pg_tenancy.results",
    "pg_tenancy.starlette",
}


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, path
            module = str(node.module)
            for alias in node.names:
                # A module of a package, or a name of a module.
                place = ROOT / "python_client" / module.replace(".", "/") / f"{alias.name}.py"
                yield f"{module}.{alias.name}" if place.exists() else module


def _ours(folder: Path) -> dict[Path, set[str]]:
    return {
        path: {name for name in _imports(path) if name.split(".")[0] == "pg_tenancy"}
        for path in sorted(folder.rglob("*.py"))
    }


def test_they_import_only_the_client() -> None:
    for name, beside in (("fastapi", ("fastapi",)), ("console", ("console", "fastapi"))):
        own = tuple(f"pg_tenancy.{each}" for each in beside)
        found = _ours(PACKAGE / name)
        assert len(found) > 3
        for path, imported in found.items():
            assert {each for each in imported if not each.startswith(own)} <= CLIENT, path


def test_the_client_imports_nothing_of_them() -> None:
    clients = {
        path: imported
        for path, imported in _ours(PACKAGE).items()
        if not {"console", "fastapi", "tools"} & set(path.relative_to(PACKAGE).parts)
    }
    assert PACKAGE / "aio.py" in clients
    for path, imported in clients.items():
        assert not [each for each in imported if re.match(r"pg_tenancy\.(console|fastapi)", each)], path


def test_the_client_and_the_command_line_start_without_them() -> None:
    script = (
        "import sys, pg_tenancy, pg_tenancy.aio, pg_tenancy.tools.cli;"
        "print(sorted({'fastapi', 'starlette', 'jinja2', 'uvicorn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


def test_the_kernel_mentions_nothing_of_them() -> None:
    scripts = [*(ROOT / "sql").rglob("*.sql"), *(ROOT / "sql").rglob("*.psql")]
    assert len(scripts) > 100
    for path in scripts:
        assert not re.search(r"fastapi|pg_tenancy\.console", path.read_text()), path
