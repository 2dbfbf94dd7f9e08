"""The examples in other languages, in their own database.

``PYTHONPATH=pytests python -m support.languages`` runs those whose toolchains take too long to
install in every run of the tests.
"""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

from pg_tenancy.tools.sqitch import libpq_environment
from support.command import run
from support.database import Database
from support.node import NODE, packages
from support.people import Organization, People
from support.server import server_of_this_run
from support.transcript import fenced

__all__ = ["EXPECTED", "prints"]

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples" / "languages"

README = (EXAMPLES / "README.md").read_text()

(_TYPED,), (EXPECTED,) = fenced(README, "sh"), fenced(README, "text")

_PROGRAMS = {"sql": "psql", "node": "node", "ruby": "ruby", "go": "go"}


def _command(language: str, organization: Organization) -> list[str]:
    """Return the README's command for the owner of an organization."""
    (line,) = (line for line in _TYPED.splitlines() if line.startswith(f"{_PROGRAMS[language]} "))
    line = line.replace("USER", str(organization.owner.id)).replace("ORGANIZATION", str(organization.id))
    return [str(NODE) if word == "node" else word for word in shlex.split(line)]


_VERSIONS = {
    "ruby": ["ruby", "-rpg", "-e", 'puts "Ruby #{RUBY_VERSION}, pg #{PG::VERSION}"'],
    "go": ["go", "version"],
}


def prints(language: str, database: Database, login: str, organization: Organization) -> str:
    """Return the output of a language's example, for the owner of an organization without projects."""
    # Debian's packages of Go libraries install their sources there.
    of_language = {
        "node": lambda: {"NODE_PATH": str(packages(ROOT / "pytests" / "orms" / "node"))},
        "go": lambda: {"GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOFLAGS": ""},
    }.get(language, dict)()
    environment = os.environ | libpq_environment(database.dsn(login)) | of_language
    done = run(_command(language, organization), cwd=EXAMPLES, env=environment)
    return done.stdout + done.stderr


def main() -> int:
    """Run the examples whose languages ``./dev prove --languages`` installs; return the exit status."""
    failed = False
    with server_of_this_run() as server:
        database = server.create(server.template())
        try:
            database.execute((ROOT / "examples" / "projects" / "schema.sql").read_text())
            with database.connect(autocommit=True) as admin:
                people = People(admin)
                organizations = {language: people.organization() for language in _VERSIONS}
            for language, version in _VERSIONS.items():
                said = prints(language, database, server.logins().app, organizations[language])
                failed = failed or said != EXPECTED
                print(run(version, check=True).stdout.strip(), said, sep="\n", flush=True)
        finally:
            server.drop(database.name)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
