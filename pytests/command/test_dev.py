"""The development tools work as documented."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path

import pytest

from support.command import environment, run

ROOT = Path(__file__).resolve().parents[2]


class Repository:
    """A small repository with policies, to release and to change."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.policy("users.r1.sql", "-- revision 1\n")
        self.git("init", "--quiet")

    def policy(self, name: str, text: str) -> None:
        path = self.root / "sql" / "policies" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def git(self, *arguments: str) -> None:
        identity = ("-c", "user.name=Test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false")
        run(["git", "-C", str(self.root), *identity, *arguments], check=True)

    def release(self, version: str) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", version)
        self.git("tag", version)

    def check(self, *arguments: str) -> tuple[int, str]:
        answer = run([sys.executable, str(ROOT / "tools" / "check_policies.py"), "--root", str(self.root), *arguments])
        return answer.returncode, answer.stderr


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    repository = Repository(tmp_path)
    assert repository.check("--update") == (0, "")
    return repository


def test_policies_that_are_listed_pass(repository: Repository) -> None:
    assert repository.check() == (0, "")


def test_the_list_is_one_that_sha256sum_reads(repository: Repository) -> None:
    run(["sha256sum", "--quiet", "--check", "SHA256SUMS"], check=True, cwd=repository.root / "sql/policies")


def test_a_policy_that_is_not_listed_fails_and_is_named(repository: Repository) -> None:
    repository.policy("users.r2.sql", "-- revision 2\n")
    status, errors = repository.check()
    assert status == 1
    assert "sql/policies/users.r2.sql is not in" in errors


def test_a_changed_policy_fails_until_it_is_listed_again(repository: Repository) -> None:
    repository.policy("users.r1.sql", "-- another revision 1\n")
    assert repository.check()[0] == 1
    assert repository.check("--update") == (0, "")
    assert repository.check() == (0, "")


def test_a_missing_policy_fails(repository: Repository) -> None:
    (repository.root / "sql/policies/users.r1.sql").unlink()
    status, errors = repository.check()
    assert status == 1
    assert "users.r1.sql is in sql/policies/SHA256SUMS, but is missing" in errors


def test_a_released_policy_cannot_be_listed_again_after_a_change(repository: Repository) -> None:
    repository.release("v1.0.0")
    repository.policy("users.r1.sql", "-- another revision 1\n")
    before = (repository.root / "sql/policies/SHA256SUMS").read_text()
    status, errors = repository.check("--update")
    assert status == 1
    assert "differs from release v1.0.0" in errors
    assert (repository.root / "sql/policies/SHA256SUMS").read_text() == before


def test_a_released_policy_cannot_be_removed(repository: Repository) -> None:
    repository.release("v1.0.0")
    (repository.root / "sql/policies/users.r1.sql").unlink()
    status, errors = repository.check("--update")
    assert status == 1
    assert "is in release v1.0.0, but is missing" in errors


def test_a_new_revision_after_a_release_is_listed(repository: Repository) -> None:
    repository.release("v1.0.0")
    repository.policy("users.r2.sql", "-- revision 2\n")
    assert repository.check("--update") == (0, "")


def test_dev_without_a_command_says_what_there_is() -> None:
    said = run([str(ROOT / "dev")], check=True).stdout
    for command in ("run", "test", "prove", "lint", "bench", "bundle", "wheel", "matrix"):
        assert f"./dev {command}" in said


def test_dev_refuses_a_command_that_it_does_not_know() -> None:
    answer = run([str(ROOT / "dev"), "no-such-command"])
    assert answer.returncode == 2
    assert "./dev test" in answer.stderr


def test_dev_collects_tests_without_a_server_and_without_pgtap(tmp_path: Path) -> None:
    listed = run(
        [str(ROOT / "dev"), "test", "-q", "--co", "pytests/command/test_dev.py"],
        # Without a server to start.
        env=environment(PG_TENANCY_PG_BIN=str(tmp_path)),
    )
    assert (listed.returncode, listed.stderr) == (0, "")
    *ids, empty, closing = listed.stdout.splitlines()
    assert "pytests/command/test_dev.py::test_policies_that_are_listed_pass" in ids
    assert all(line.startswith("pytests/command/test_dev.py::") for line in ids)
    assert (empty, closing.partition(" in ")[0]) == ("", f"{len(ids)} tests collected")


def test_the_fast_part_reverts_the_plan_and_reads_every_table() -> None:
    listed = run([str(ROOT / "dev"), "test", "--fast", "-q", "--co"], check=True).stdout.splitlines()
    tests = [line for line in listed if "::" in line]
    assert f"{len(tests)} tests collected" in listed[-1]
    reading = [test for test in tests if "::test_reading[" in test]
    assert (len(reading) > 700, len(tests) - len(reading)) == (True, 1)


def test_the_files_that_workers_begin_with_are_there() -> None:
    text = (ROOT / "pytests" / "conftest.py").read_text()
    names = re.findall(r'^    "(\w+/test_\w+\.py)",$', text, re.M)
    assert len(names) > 10
    assert [name for name in names if not (ROOT / "pytests" / name).is_file()] == []


# -- what a script must note ---------------------------------------------------

SCRIPT = """-- Deploy pg-tenancy:kernel/things to pg

\\set change kernel/things
\\ir ../../notes/begin_deploy.psql
\\if :done \\quit \\endif

BEGIN;
CREATE TABLE public.things (id integer);
\\ir ../../notes/done.psql
COMMIT;
"""


def _problems(text: str) -> str:
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        check_scripts = importlib.import_module("check_scripts")
    finally:
        sys.path.pop(0)
    return "\n".join(check_scripts.problems_of("deploy", "kernel/things", "kernel/things", text))


@pytest.mark.parametrize(
    ("was", "becomes", "told"),
    [
        ("", "", ""),
        ("\\if :done \\quit \\endif\n", "", "does not begin with"),
        ("\\set change kernel/things", "\\set change kernel/thing", "does not begin with"),
        ("begin_deploy", "begin_revert", "does not begin with"),
        ("\\ir ../../notes/done.psql\n", "", "must have exactly one line"),
        ("\\ir ../../notes/done.psql\nCOMMIT;", "COMMIT;\n\\ir ../../notes/done.psql", "outside its transaction"),
        ("BEGIN;\n", "", "is not one transaction"),
        ("COMMIT;\n", "COMMIT;\nBEGIN;\nSELECT 1;\nCOMMIT;\n", "is not one transaction"),
    ],
)
def test_a_script_that_does_not_note_what_it_does_is_named(was: str, becomes: str, told: str) -> None:
    found = _problems(SCRIPT.replace(was, becomes) if was else SCRIPT)
    assert (told in found) if told else found == ""


def test_all_scripts_note_what_they_do() -> None:
    run([sys.executable, str(ROOT / "tools" / "check_scripts.py")], check=True)
