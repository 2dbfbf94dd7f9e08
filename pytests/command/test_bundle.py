"""Bundle and wheel contain everything that a deploy needs."""

from __future__ import annotations

import email
import os
import re
import sys
import zipfile
from pathlib import Path

import pytest

from pg_tenancy.tools.sqitch import PLANS, project_directory, read_plan
from support.command import environment, run
from support.database import Database
from support.replay import Replay, Step
from support.server import Server, server_of_this_run
from support.transcript import follow, write_files

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    destination = tmp_path_factory.mktemp("bundle") / "pg-tenancy"
    run([str(ROOT / "dev"), "bundle", str(destination)], check=True, env=os.environ)
    return destination


@pytest.fixture(scope="module")
def kernel_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    destination = tmp_path_factory.mktemp("bundle") / "pg-tenancy-kernel"
    run([str(ROOT / "dev"), "bundle", "--kernel", str(destination)], check=True, env=os.environ)
    return destination


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    destination = tmp_path_factory.mktemp("dist")
    built = run([str(ROOT / "dev"), "wheel", str(destination)], check=True, env=os.environ).stdout.split()
    assert sorted(built) == sorted(str(path) for path in destination.iterdir())
    return destination


def _deployed_from(project: Path, server: Server) -> str:
    """Deploy a project's plan with its own scripts: sqitch the first phase, a replay the rest, which sqitch records."""
    database, plan = server.create(), read_plan(project)
    begun = next(number for number, change in enumerate(plan, start=1) if change.tags)
    try:
        sqitch = server.sqitch(database.name)
        sqitch.project = project
        sqitch.run("deploy", "--no-verify", "--to-change", f"@{plan[begun - 1].tags[0]}")
        replay = Replay(database, scripts=project / "sql")
        replay.run(*(Step("deploy", change, is_noted=False) for change in plan[begun:]))
        sqitch.run("deploy", "--log-only", "--no-verify")
        # Each change is verified once, where all of them are deployed.
        replay.run(*(Step("verify", change) for change in plan))
        return database.dump()
    finally:
        server.drop(database.name)


def _files(project: Path) -> dict[str, bytes]:
    return {
        path.relative_to(project).as_posix(): path.read_bytes()
        for name in ("sqitch.conf", *PLANS.values(), "sql")
        for path in sorted([project / name, *(project / name).rglob("*")])
        if path.is_file()
    }


SCRIPTS = ("deploy", "revert", "verify")


def _planned(plan: str = "platform") -> set[str]:
    scripts = {change.script for change in read_plan(ROOT, plan)}
    return {f"sql/{folder}/{name}.sql" for folder in SCRIPTS for name in scripts}


def _included() -> set[str]:
    return {
        path.relative_to(ROOT).as_posix()
        for folder in (ROOT / "sql").iterdir()
        if folder.is_dir() and folder.name not in SCRIPTS
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_bundle_holds_every_script_and_every_file_they_include(bundle: Path) -> None:
    files = _files(bundle)
    assert _planned() | _included() <= files.keys()
    assert files.items() <= _files(ROOT).items()
    assert "sqitch.plan" in files


def test_the_bundle_of_the_kernel_holds_its_scripts_alone_and_its_plan_by_the_usual_name(kernel_bundle: Path) -> None:
    files = _files(kernel_bundle)
    assert _planned("kernel") | _included() <= files.keys()
    assert [name for name in files if name.startswith(tuple(f"sql/{folder}/platform/" for folder in SCRIPTS))] == []
    assert files.pop("sqitch.plan") == (ROOT / "kernel.plan").read_bytes()
    assert "kernel.plan" not in files
    assert files.items() <= _files(ROOT).items()


def test_a_database_deployed_from_the_bundle_is_the_same(
    bundle: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Away from the repository's files.
    monkeypatch.chdir(bundle)
    assert _deployed_from(bundle, database.server) == database.dump()


def test_a_database_deployed_from_the_bundle_of_the_kernel_is_what_its_plan_makes(
    kernel_bundle: Path, server: Server, template: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(kernel_bundle)
    # Under the name of the platform's plan, because the bundle has only one plan.
    made = _deployed_from(kernel_bundle, server)
    planned = server.create()
    try:
        Replay(planned).run(*(Step("deploy", change, is_noted=False) for change in read_plan(ROOT, "kernel")))
        assert made == planned.dump()
    finally:
        server.drop(planned.name)
    assert "CREATE TABLE public.users " in made
    assert "public.instances" not in made


@pytest.mark.slow
def test_the_wheel_holds_the_project(distributions: Path, tmp_path: Path) -> None:
    (wheel,) = distributions.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    project = tmp_path / "pg_tenancy" / "tools" / "_sqitch"
    # The same files deploy the same. The afternoon below deploys with the installed wheel.
    assert _files(project) == _files(ROOT)


@pytest.mark.slow
def test_an_installed_package_finds_its_own_project(distributions: Path, tmp_path: Path) -> None:
    (wheel,) = distributions.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    look = "from pg_tenancy.tools.sqitch import project_directory; print(project_directory())"
    found = run(
        [sys.executable, "-c", look], check=True, env={**os.environ, "PYTHONPATH": str(tmp_path)}, cwd=tmp_path
    ).stdout.strip()
    assert Path(found) == (tmp_path / "pg_tenancy" / "tools" / "_sqitch").resolve()


@pytest.mark.slow
def test_the_source_distribution_builds_the_same_wheel(distributions: Path, tmp_path: Path) -> None:
    (source,) = distributions.glob("*.tar.gz")
    run(["tar", "-xzf", str(source), "-C", str(tmp_path)], check=True)
    (unpacked,) = tmp_path.iterdir()
    build = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(tmp_path / "again")]
    run([*build, str(unpacked)], check=True, env=os.environ)
    (first,), (second,) = distributions.glob("*.whl"), (tmp_path / "again").glob("*.whl")
    assert _contents(first) == _contents(second)


@pytest.mark.slow
def test_the_source_distribution_holds_every_file_of_the_repository(distributions: Path) -> None:
    (source,) = distributions.glob("*.tar.gz")
    held = {name.partition("/")[2] for name in run(["tar", "-tzf", str(source)], check=True).stdout.splitlines()}
    listed = run(["git", "-C", str(ROOT), "ls-files"], check=True).stdout.splitlines()
    assert {name for name in listed if (ROOT / name).exists()} - held == set()
    assert {"bench/client.py", "examples/invoicing/README.md", "docs/python.md", "sqitch.plan"} <= held


@pytest.mark.slow
def test_an_installed_package_says_its_version(distributions: Path, tmp_path: Path) -> None:
    (wheel,) = distributions.glob("*.whl")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--target", str(tmp_path)]
    run([*install, str(wheel)], check=True, env=os.environ)
    said = run(
        [str(tmp_path / "bin" / "pg-tenancy"), "--version"], check=True, env=environment(PYTHONPATH=str(tmp_path))
    )
    assert said.stdout == f"pg-tenancy {wheel.name.split('-')[1]}\n"


@pytest.mark.slow
def test_every_extra_installs_something_that_the_package_uses_and_is_explained(distributions: Path) -> None:
    (wheel,) = distributions.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = email.message_from_bytes(archive.read(name))
        code = "\n".join(archive.read(name).decode() for name in archive.namelist() if name.endswith(".py"))
    extras = metadata.get_all("Provides-Extra", [])
    table = (ROOT / "README.md").read_text().split("## See it work")[0]
    explained = [name for row in re.findall(r"^\| (`.*?) \|", table, re.M) for name in re.findall(r"`(\w+)`", row)]
    assert sorted(extras) == sorted(explained)
    for requirement in metadata.get_all("Requires-Dist", []):
        if "extra ==" in requirement:
            distribution = re.split(r"[<>=\[; ]", requirement)[0].lower().replace("-", "_")
            assert re.search(rf"\b{distribution}\b", code), requirement


@pytest.mark.slow
def test_an_afternoon_with_ones_own_application_goes_as_the_page_says(distributions: Path, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "getting-started.md").read_text()
    before, after = page.split("\n## 4.")
    assert write_files(page, tmp_path) == [
        *("application.sql", "accounts.sql", "contracts.sql"),
        *("app.py", "test_isolation.py"),
    ]
    (tmp_path / "dist").symlink_to(distributions)
    programs = tmp_path / "venv" / "bin"
    run([sys.executable, "-m", "venv", "--without-pip", str(programs.parent)], check=True, env=os.environ)
    # The existing pip, so that none must be installed into the environment.
    pip = f'exec {sys.executable} -m pip --python {programs / "python"} --disable-pip-version-check "$@"'
    (programs / "pip").write_text(f"#!/bin/sh\n{pip}\n")
    (programs / "pip").chmod(0o755)
    # A separate server, because the roles have the names on the page.
    with server_of_this_run({}) as server:
        database = server.create(name="shop_test")
        alone = {name: value for name, value in environment().items() if name != "PYTHONPATH"} | {
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "DSN": database.dsn(),
            "APP_DSN": server.uri("shop_test", "shop_app"),
        }
        follow(before, tmp_path, alone)
        schema = database.dump()
        assert "VIEW public.accounts" in schema
        assert follow(after, tmp_path, alone) >= 15
        assert database.dump() == schema


def _contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_a_checkout_is_its_own_project() -> None:
    assert project_directory() == ROOT


def test_every_phase_is_closed_by_its_tag_in_the_order_of_deployment() -> None:
    tags = [tag for change in read_plan(ROOT) for tag in change.tags if tag.startswith("phase-")]
    order = [f"phase-{number}" for number in (0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 8, 11, 12)]
    assert tags == order[: len(tags)]


def test_every_change_has_a_note_and_its_three_scripts() -> None:
    for change in read_plan(ROOT):
        assert change.note.endswith("."), f"the note of {change.name} is not a sentence"
    missing = [path for path in sorted(_planned()) if not (ROOT / path).is_file()]
    assert missing == []
