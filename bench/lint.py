"""The findings of several linters for row-level security, in ten databases with one fault each.

The other tools are installed into a temporary directory. Each first checks the same application
without a fault; it has found a fault if it then reports something new. The application is
written as these tools expect: a role authenticated, claims in request.jwt.claims, tables in
public.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg

from pg_tenancy.tools.embedded import EmbeddedServer
from pg_tenancy.tools.lint import lint
from pg_tenancy.tools.sqitch import Sqitch

_TENANT = "org_id = ((SELECT auth.jwt()) ->> 'org_id')::uuid"
_MAY = f"USING ({_TENANT}) WITH CHECK ({_TENANT})"

_ROLES = """
CREATE ROLE authenticated NOLOGIN;
CREATE ROLE anon NOLOGIN;
CREATE ROLE service_role NOLOGIN BYPASSRLS;
CREATE ROLE owner NOLOGIN;
CREATE ROLE application LOGIN IN ROLE authenticated;
"""

_APPLICATION = f"""
CREATE SCHEMA auth;
GRANT USAGE ON SCHEMA auth TO authenticated, anon;
CREATE FUNCTION auth.jwt() RETURNS jsonb LANGUAGE sql STABLE PARALLEL SAFE
AS $$ SELECT nullif(current_setting('request.jwt.claims', true), '')::jsonb $$;

CREATE TABLE public.organizations (id uuid PRIMARY KEY, name text NOT NULL);
CREATE TABLE public.projects (
    org_id uuid NOT NULL REFERENCES public.organizations ON DELETE CASCADE,
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    name text,
    PRIMARY KEY (org_id, id)
);
CREATE TABLE public.tasks (
    org_id uuid NOT NULL REFERENCES public.organizations ON DELETE CASCADE,
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    project_id uuid,
    title text,
    PRIMARY KEY (org_id, id),
    CONSTRAINT tasks_project_fkey FOREIGN KEY (org_id, project_id) REFERENCES public.projects ON DELETE CASCADE
);
CREATE INDEX tasks_project_idx ON public.tasks (org_id, project_id);
ALTER TABLE public.organizations OWNER TO owner;
ALTER TABLE public.projects OWNER TO owner;
ALTER TABLE public.tasks OWNER TO owner;

ALTER TABLE public.organizations ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.organizations FORCE ROW LEVEL SECURITY;
CREATE POLICY organizations_select ON public.organizations FOR SELECT TO authenticated
USING (id = ((SELECT auth.jwt()) ->> 'org_id')::uuid);
ALTER TABLE public.projects ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.projects FORCE ROW LEVEL SECURITY;
CREATE POLICY projects_floor ON public.projects AS RESTRICTIVE TO authenticated {_MAY};
CREATE POLICY projects_all ON public.projects TO authenticated {_MAY};
ALTER TABLE public.tasks ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.tasks FORCE ROW LEVEL SECURITY;
CREATE POLICY tasks_floor ON public.tasks AS RESTRICTIVE TO authenticated {_MAY};
CREATE POLICY tasks_all ON public.tasks TO authenticated {_MAY};
GRANT SELECT ON public.organizations TO authenticated;
GRANT SELECT, INSERT (id, org_id, name), UPDATE (name), DELETE ON public.projects TO authenticated;
GRANT SELECT, INSERT (id, org_id, project_id, title), UPDATE (project_id, title), DELETE ON public.tasks
TO authenticated;
"""

_NO_FLOORS = "DROP POLICY tasks_floor ON public.tasks; DROP POLICY projects_floor ON public.projects;\n"

FAULTS = {
    "a select policy of true": _NO_FLOORS
    + "CREATE POLICY tasks_open ON public.tasks FOR SELECT TO authenticated USING (true);",
    "the floor of one table dropped": "DROP POLICY tasks_floor ON public.tasks;",
    "no FORCE": "ALTER TABLE public.tasks NO FORCE ROW LEVEL SECURITY;",
    "a view with its owner's rights": "CREATE VIEW public.all_tasks AS SELECT * FROM public.tasks;\n"
    "GRANT SELECT ON public.all_tasks TO authenticated;",
    "row-level security off": "ALTER TABLE public.tasks DISABLE ROW LEVEL SECURITY;",
    "a write check of true": _NO_FLOORS + "ALTER POLICY tasks_all ON public.tasks WITH CHECK (true);",
    "a public definer function without a path": "CREATE FUNCTION public.count_tasks() RETURNS bigint LANGUAGE sql"
    " SECURITY DEFINER AS 'SELECT count(*) FROM public.tasks';",
    "an open partition": "CREATE TABLE public.events (org_id uuid NOT NULL, day date NOT NULL)"
    " PARTITION BY RANGE (day);\nCREATE TABLE public.events_2026 PARTITION OF public.events DEFAULT;\n"
    "CREATE INDEX events_idx ON public.events (org_id, day);\n"
    "ALTER TABLE public.events OWNER TO owner;\nALTER TABLE public.events_2026 OWNER TO owner;\n"
    "ALTER TABLE public.events ENABLE ROW LEVEL SECURITY;\nALTER TABLE public.events FORCE ROW LEVEL SECURITY;\n"
    f"CREATE POLICY events_floor ON public.events AS RESTRICTIVE TO authenticated {_MAY};\n"
    f"CREATE POLICY events_all ON public.events TO authenticated {_MAY};\n"
    "GRANT SELECT ON public.events, public.events_2026 TO authenticated;",
    "a foreign key across tenants": "CREATE UNIQUE INDEX projects_id_key ON public.projects (id);\n"
    "ALTER TABLE public.tasks DROP CONSTRAINT tasks_project_fkey;\n"
    "ALTER TABLE public.tasks ADD CONSTRAINT tasks_project_fkey FOREIGN KEY (project_id)"
    " REFERENCES public.projects (id);",
    "an index on an enum, which policies make useless": "CREATE TYPE public.state AS ENUM ('open', 'done');\n"
    "ALTER TABLE public.tasks ADD COLUMN state public.state;\nCREATE INDEX tasks_state_idx ON public.tasks (state);",
}

_PYPI = {
    "pgrls": "pgrls==0.57.1",
    "rlsautotest": "rlsautotest==0.7.1",
    "rlsgrid": "rlsgrid==0.5.7",
    "trespass": "trespass-rls==0.2.0",
}
# Splinter is SQL in a repository; this package runs its rules.
_NPM = "@postgres-language-server/cli@0.25.5"

# A tool's findings in a database, as short names.
Found = set[tuple[str, str]]


class Tools:
    """The other tools, in a temporary directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        for name, package in _PYPI.items():
            venv.create(directory / name, with_pip=True)
            self._run(directory / name / "bin" / "pip", "install", "--quiet", package)
        npm = directory / "npm"
        npm.mkdir()
        self._run("npm", "install", "--silent", "--no-fund", "--no-audit", _NPM, cwd=npm)
        self._run(npm / "node_modules/.bin/postgres-language-server", "init", cwd=npm)

    def _run(self, *command: str | Path, check: bool = True, **options: Any) -> str:
        done = subprocess.run(command, text=True, capture_output=True, check=False, timeout=300, **options)
        if check and done.returncode:
            sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
        return done.stdout

    def pgrls(self, dsn: str, _: str, schemas: str = "public") -> Found:
        """Return the violations of pgrls lint that are not information."""
        document = json.loads(
            self._run(
                self._directory / "pgrls/bin/pgrls",
                "lint",
                "--database-url",
                dsn,
                "--schemas",
                schemas,
                "--format",
                "json",
                check=False,
            )
        )
        return {(each["rule_id"], each["location"]) for each in document["violations"] if each["severity"] != "info"}

    def splinter(self, dsn: str, _: str) -> Found:
        """Return the findings of splinter that are not information."""
        host = psycopg.conninfo.conninfo_to_dict(dsn)
        place = f"postgresql://{host['user']}@{quote(str(host['host']), safe='')}:{host['port']}/{host['dbname']}"
        document = json.loads(
            self._run(
                "node_modules/.bin/postgres-language-server",
                "dblint",
                "--connection-string",
                place,
                "--reporter",
                "json",
                check=False,
                cwd=self._directory / "npm",
            )
        )
        return {
            (each["category"].rpartition("/")[2], each["message"])
            for each in document["diagnostics"]
            if each["severity"] not in ("info", "hint")
        }

    def rlsautotest(self, dsn: str, _: str) -> Found:
        """Return the tables that rlsautotest calls exposed, its failed cells and its leaks."""
        report = self._directory / "report.json"
        self._run(
            self._directory / "rlsautotest/bin/rlsautotest",
            "--schema",
            "public",
            "--db-url",
            dsn,
            "--report",
            "--report-json",
            report,
            check=False,
        )
        document = json.loads(report.read_text())
        found: Found = {("bypass", f"{each['type']} {each['object']}") for each in document["bypass_surfaces"]}
        for table in document["tables"]:
            name = table["table"]
            if not table.get("rls_enabled", True) or table.get("exposed"):
                found.add(("exposed", name))
            found |= {
                ("leak", f"{name} {each}")
                for each in (*table.get("leak_cells", ()), *table.get("transition_leaks", ()))
            }
            # The other notes name what it could not test.
            found |= {("review", f"{name} {each}") for each in table.get("footguns", ()) if each.endswith("(review)")}
            found |= {
                ("failed", f"{name} {command} {identity}")
                for command, cells in table.get("idgrid", {}).items()
                for identity, cell in cells.items()
                if cell.get("pass") is False
            }
        return found

    def rlsgrid(self, dsn: str, _: str) -> Found:
        """Return the breaches that rlsgrid's fuzzer found."""
        with tempfile.TemporaryDirectory() as place:
            options: dict[str, Any] = {"cwd": place, "env": {**os.environ, "DATABASE_URL": dsn}}
            program = self._directory / "rlsgrid/bin/rlsgrid"
            self._run(program, "init", "--from-db", "--force", **options)
            document = json.loads(self._run(program, "check", "--json", check=False, **options))
        if document["no_probes"] or document["skipped"] == document["iterations"]:
            return {("not tested", "everything was skipped")}
        return {("breach", f"{each['table']} {each['operation']}") for each in document["breaches"]}

    def trespass(self, _: str, script: str) -> Found:
        """Return the findings of trespass, which reads only the script."""
        with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
            file.write(script)
            file.flush()
            document = json.loads(
                self._run(self._directory / "trespass/bin/trespass", "check", "--json", file.name, check=False)
            )
        return {
            (each["rule"], f"{each['table']} {each.get('command')} {each.get('policy')}")
            for each in document["findings"]
            if each["verdict"] in ("vulnerable", "unknown")
        }


def _ours(dsn: str, _: str) -> Found:
    """Return the findings of pg-tenancy lint that are not information."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        return {(each.rule, each.object) for each in lint(connection).at_least("warning")}


@contextmanager
def _database(server: EmbeddedServer, name: str, script: str) -> Iterator[str]:
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}".encode())
        # The schemas that PostgREST serves; splinter checks only these.
        admin.execute(f"ALTER DATABASE {name} SET pgrst.db_schemas = 'public'".encode())
        with psycopg.connect(server.dsn(dbname=name), autocommit=True) as connection:
            connection.execute(script.encode())
        yield server.dsn(dbname=name)
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def compare(tools: dict[str, Callable[[str, str], Found]]) -> dict[str, dict[str, list[str]]]:
    """Return the rules that found each fault, by fault and tool.

    Args:
        tools: a function for each tool, which takes a DSN and the script that created the database.

    """
    found: dict[str, dict[str, list[str]]] = {}
    with EmbeddedServer(durable=False) as server:
        with psycopg.connect(server.dsn(), autocommit=True) as admin:
            admin.execute(_ROLES.encode())
        with _database(server, "clean", _APPLICATION) as dsn:
            clean = {name: ask(dsn, _APPLICATION) for name, ask in tools.items()}
        found["(without a fault)"] = {name: sorted({rule for rule, _ in said}) for name, said in clean.items()}
        for number, (fault, statements) in enumerate(FAULTS.items()):
            script = f"{_APPLICATION}\n{statements}\n"
            with _database(server, f"faulty_{number}", script) as dsn:
                found[fault] = {
                    name: sorted({rule for rule, _ in ask(dsn, script) - clean[name]}) for name, ask in tools.items()
                }
    return found


def table(found: dict[str, dict[str, list[str]]]) -> str:
    """Return the result as a table for docs/linters.md."""
    names = list(next(iter(found.values())))
    lines = [f"| fault | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for fault, by_tool in found.items():
        cells = [", ".join(f"`{rule}`" for rule in by_tool[name]) or "no" for name in names]
        lines.append(f"| {fault} | {' | '.join(cells)} |")
    counts = [
        f"{sum(bool(by_tool[name]) for fault, by_tool in found.items() if fault in FAULTS)} of {len(FAULTS)}"
        for name in names
    ]
    return "\n".join([*lines, f"| found | {' | '.join(counts)} |"])


def unanswered(tools: Tools) -> list[str]:
    """Return the findings of pgrls and splinter in the whole plan that docs/linters.json does not answer."""
    answers = json.loads((Path(__file__).resolve().parents[1] / "docs" / "linters.json").read_text())
    left = []
    with EmbeddedServer(durable=False) as server:
        Sqitch(server.dsn(), isolated=True, program_directory=server.bin_dir).deploy()
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            connection.execute("ALTER DATABASE postgres SET pgrst.db_schemas = 'public,finops,tenancy'")
            # Without these roles splinter skips its rules on what PostgREST serves.
            connection.execute("CREATE ROLE anon; CREATE ROLE authenticated; CREATE ROLE service_role")
            connection.execute("SET search_path = pg_catalog, pg_temp")
            said = {
                "pgrls 0.57.1": tools.pgrls(server.dsn(), "", "public,finops,tenancy,tenancy_private"),
                "splinter": {(rule, _named(text)) for rule, text in tools.splinter(server.dsn(), "")},
            }
            for tool, found in said.items():
                for rule in sorted({rule for rule, _ in found}):
                    query = answers[tool].get(rule, {"objects": "SELECT NULL WHERE false"})["objects"]
                    answered = {name for (name,) in connection.execute(query).fetchall()}
                    left += [f"{tool} {rule} {name}" for each, name in found if each == rule and name not in answered]
                print(f"{tool}: {len(found)} findings")
    return sorted(left)


def _named(text: str) -> str:
    # Its messages have names in backticks: a table and sometimes a policy.
    names = re.findall(r"`([^`\\]+)\\?`", text)
    return ".".join(names[: 2 if "policy" in text else 1])


def main() -> None:
    """Install the tools, run them, and print the table."""
    parser = argparse.ArgumentParser(prog="./dev bench lint", description=__doc__, allow_abbrev=False)
    parser.add_argument("--ours", action="store_true", help="run only pg-tenancy lint, and install nothing")
    parser.add_argument("--own", action="store_true", help="run pgrls and splinter on pg-tenancy's own database")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="linters-") as directory:
        asked: dict[str, Callable[[str, str], Found]] = {"pg-tenancy lint": _ours}
        if not options.ours:
            tools = Tools(Path(directory))
            if options.own:
                left = unanswered(tools)
                sys.exit("\n".join(["without an answer in docs/linters.json:", *left]) if left else 0)
            asked |= {
                "pgrls 0.57.1": tools.pgrls,
                "splinter": tools.splinter,
                "rlsautotest 0.7.1": tools.rlsautotest,
                "rlsgrid 0.5.7": tools.rlsgrid,
                "trespass-rls 0.2.0": tools.trespass,
            }
        print(table(compare(asked)))
