"""The tools around the code keep what they promise."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

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
        subprocess.run(["git", "-C", str(self.root), *identity, *arguments], check=True, stdin=subprocess.DEVNULL)

    def release(self, version: str) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", version)
        self.git("tag", version)

    def check(self, *arguments: str) -> tuple[int, str]:
        answer = subprocess.run(
            [sys.executable, str(ROOT / "tools" / "check_policies.py"), "--root", str(self.root), *arguments],
            capture_output=True,
            text=True,
        )
        return answer.returncode, answer.stderr


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    repository = Repository(tmp_path)
    assert repository.check("--update") == (0, "")
    return repository


def test_policies_that_are_listed_pass(repository: Repository) -> None:
    assert repository.check() == (0, "")


def test_the_list_is_one_that_sha256sum_reads(repository: Repository) -> None:
    subprocess.run(["sha256sum", "--quiet", "--check", "SHA256SUMS"], check=True, cwd=repository.root / "sql/policies")


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
    assert "users.r1.sql is in sql/policies/SHA256SUMS and missing" in errors


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
    assert "is in release v1.0.0 and gone" in errors


def test_a_new_revision_after_a_release_is_listed(repository: Repository) -> None:
    repository.release("v1.0.0")
    repository.policy("users.r2.sql", "-- revision 2\n")
    assert repository.check("--update") == (0, "")


def test_dev_without_a_command_says_what_there_is() -> None:
    said = subprocess.run([str(ROOT / "dev")], check=True, capture_output=True, text=True).stdout
    for command in ("run", "test", "prove", "lint", "bench", "bundle", "matrix"):
        assert f"./dev {command}" in said


def test_dev_refuses_a_command_that_it_does_not_know() -> None:
    answer = subprocess.run([str(ROOT / "dev"), "no-such-command"], capture_output=True, text=True)
    assert answer.returncode == 2
    assert "./dev test" in answer.stderr
