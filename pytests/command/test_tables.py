"""``pg-tenancy matrix --tables``: who reads and writes what, found out by trying."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pg_tenancy.tools.cli import main
from pg_tenancy.tools.reach import AUTHOR, NOTHING, OTHERS, OWN, UNTRACED
from pg_tenancy.tools.tables import WHO, read_tables
from support.command import Answer, answer
from support.database import Database
from support.server import Server

TABLES = """
CREATE TABLE public.projects (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text NOT NULL DEFAULT 'p');
CREATE TABLE public.tasks (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    project_id uuid NOT NULL REFERENCES public.projects (id),
    title text NOT NULL
);
CREATE TABLE public.notes (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    author_id uuid NOT NULL,
    is_shared boolean NOT NULL DEFAULT false,
    body text
);
CREATE TABLE public.drafts (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), author_id uuid NOT NULL, body text);
CREATE TABLE public.templates (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), body text);
CREATE TABLE public.limits (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), amount integer NOT NULL DEFAULT 1);
CREATE TABLE public.folders (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    folder_id uuid REFERENCES public.folders (id),
    name text
);
SELECT tenancy.define_permission('projects.read', ARRAY['owner', 'admin', 'manager', 'user']);
SELECT tenancy.define_permission('projects.write', ARRAY['owner', 'admin']);

CALL tenancy.protect('public.projects');
CALL tenancy.allow('public.projects', 'SELECT', 'projects.read', columns => 'id, name');
CALL tenancy.allow('public.projects', 'INSERT', 'projects.write', columns => 'id, name');
CALL tenancy.allow('public.projects', 'UPDATE', 'projects.write', columns => 'name');
CALL tenancy.protect('public.folders', parent => 'folder_id');
CALL tenancy.allow('public.folders', 'SELECT', 'projects.read', columns => 'id, folder_id, name');
CALL tenancy.allow('public.folders', 'INSERT', 'projects.write', columns => 'folder_id, name');
CALL tenancy.allow('public.folders', 'UPDATE', 'projects.write', columns => 'folder_id');
CALL tenancy.protect('public.tasks', parent => 'project_id');
CALL tenancy.allow('public.tasks', 'SELECT', 'projects.read', columns => 'id, project_id, title');
CALL tenancy.allow('public.tasks', 'INSERT', 'projects.write', columns => 'id, project_id, title');
CALL tenancy.allow('public.tasks', 'UPDATE', 'projects.write', columns => 'project_id, title');
CALL tenancy.allow('public.tasks', 'DELETE', 'projects.write');
CALL tenancy.protect('public.notes', author => 'author_id', shared => 'is_shared');
CALL tenancy.allow('public.notes', 'SELECT', NULL, columns => 'id, is_shared, body');
CALL tenancy.allow('public.notes', 'INSERT', 'projects.read', columns => 'id, body');
CALL tenancy.allow('public.notes', 'DELETE', 'projects.read');
CALL tenancy.protect('public.drafts', author => 'author_id');
CALL tenancy.allow('public.drafts', 'SELECT', NULL, columns => 'id, body');
CALL tenancy.allow('public.drafts', 'UPDATE', 'projects.write', columns => 'body');
CALL tenancy.protect('public.templates', catalogue => true);
CALL tenancy.allow('public.templates', 'SELECT', NULL, columns => 'id, body');
CALL tenancy.allow('public.templates', 'INSERT', 'projects.write', columns => 'id, body');
CALL tenancy.protect('public.limits', key => 'workspace_id');
CALL tenancy.allow('public.limits', 'SELECT', NULL, columns => 'id, amount');
CALL tenancy.allow('public.limits', 'UPDATE', 'projects.write', columns => 'amount');
CREATE UNIQUE INDEX one_each ON public.limits (workspace_id);
"""


def people(letters: str) -> list[str]:
    """Return the reach of everybody in ``WHO``, from a letter for each."""
    reaches = {"w": OWN, "a": AUTHOR, "-": NOTHING, "!": OTHERS, "?": UNTRACED}
    return [reaches[letter] for letter in letters]


WANTED = {
    "public.drafts SELECT": people("aaaaa-"),
    "public.drafts INSERT": people("------"),
    "public.drafts UPDATE": people("aa--a-"),
    "public.drafts DELETE": people("------"),
    "public.folders SELECT": people("wwwww-"),
    "public.folders INSERT": people("ww--w-"),
    "public.folders UPDATE": people("ww--w-"),
    "public.folders DELETE": people("------"),
    "public.limits SELECT": people("wwwww-"),
    "public.limits INSERT": people("------"),
    "public.limits UPDATE": people("ww--w-"),
    "public.limits DELETE": people("------"),
    "public.notes SELECT": people("wwwwa-"),
    "public.notes INSERT": people("aaaaa-"),
    "public.notes UPDATE": people("------"),
    "public.notes DELETE": people("aaaaa-"),
    "public.projects SELECT": people("wwwww-"),
    "public.projects INSERT": people("ww--w-"),
    "public.projects UPDATE": people("ww--w-"),
    "public.projects DELETE": people("------"),
    "public.tasks SELECT": people("wwwww-"),
    "public.tasks INSERT": people("ww--w-"),
    "public.tasks UPDATE": people("ww--w-"),
    "public.tasks DELETE": people("ww--w-"),
    "public.templates SELECT": people("wwwww-"),
    "public.templates INSERT": people("ww--w-"),
    "public.templates UPDATE": people("------"),
    "public.templates DELETE": people("------"),
}


@pytest.fixture(scope="module")
def tables(server: Server, template: str) -> Iterator[Database]:
    """Yield a database with a table of each shape."""
    database = server.create(template)
    database.execute(TABLES)
    yield database
    server.drop(database.name)


@pytest.fixture
def run(tables: Database, capsys: pytest.CaptureFixture[str]) -> Answer:
    """Return a function that tries the tables, and returns its exit status, output and errors."""

    def run(*arguments: str, login: str | None = None) -> tuple[int, str, str]:
        return answer(capsys, "matrix", "--tables", "--allow-database", tables.name, *arguments, tables.dsn(login))

    return run


def reached(run: Answer, *arguments: str) -> dict[str, list[str]]:
    """Return the reach of everybody, by table and command."""
    status, output, _ = run("--json", *arguments)
    assert status == 0
    found: dict[str, list[str]] = {}
    for each in json.loads(output)["access"]:
        found.setdefault(f"{each['table']} {each['command']}", []).append(each["reach"])
    return found


def test_each_role_reaches_what_trying_shows(tables: Database, run: Answer) -> None:
    before = tables.dump()
    assert reached(run) == WANTED
    assert tables.dump() == before
    with tables.connect() as connection:
        assert connection.execute("SELECT count(*) FROM public.tasks").fetchone() == (0,)


def opened(table: str, command: str, letter: str, using: str, check: str | None = None, grant: str = "") -> str:
    """Return SQL that replaces a command's policies on a table, and leaves no trigger to refuse it."""
    privileges = f"GRANT {grant} ON public.{table} TO tenancy_credentialed;" if grant else ""
    conditions = (f"USING ({using}) " if command != "INSERT" else "") + (f"WITH CHECK ({check})" if check else "")
    return f"""
        DO $$
        DECLARE
            p record;
        BEGIN
            FOR p IN SELECT polname FROM pg_policy
                WHERE polrelid = 'public.{table}'::regclass AND polcmd IN ('{letter}', '*')
            LOOP
                EXECUTE format('DROP POLICY %I ON public.{table}', p.polname);
            END LOOP;
        END $$;
        ALTER TABLE public.{table} DISABLE TRIGGER USER;
        CREATE POLICY opened ON public.{table} FOR {command} TO tenancy_credentialed {conditions};
        {privileges}
    """  # noqa: S608


OWN_ROWS = "workspace_id = tenancy.current_workspace_id()"

HOLES = {
    "only rows of others are seen": (
        opened("projects", "SELECT", "r", f"NOT ({OWN_ROWS}) AND workspace_id <> tenancy.current_user_id()"),
        {"public.projects SELECT": people("!!!!!-")},
    ),
    "rows of another workspace that are shared there": (
        opened("notes", "SELECT", "r", f"is_shared OR {OWN_ROWS}"),
        {"public.notes SELECT": people("!!!!!-")},
    ),
    "personal rows in the organization": (
        opened(
            "projects", "SELECT", "r", "workspace_id IN (tenancy.current_workspace_id(), tenancy.current_user_id())"
        ),
        {"public.projects SELECT": people("!!!!w-")},
    ),
    "an update of others' rows whose new values are refused": (
        opened("projects", "UPDATE", "w", "true", OWN_ROWS),
        {"public.projects UPDATE": people("!!!!!!")},
    ),
    "an update of others' rows that violates a constraint": (
        opened("tasks", "UPDATE", "w", "true") + "REVOKE UPDATE (project_id) ON public.tasks FROM tenancy_credentialed",
        {"public.tasks UPDATE": people("!!!!!!")},
    ),
    "a column that was granted without allow()": (
        opened("notes", "UPDATE", "w", "true", "true", "UPDATE (body)"),
        {"public.notes UPDATE": people("!!!!!!")},
    ),
    "own rows can be moved to another workspace": (
        opened("projects", "UPDATE", "w", OWN_ROWS, "true", "UPDATE (workspace_id)"),
        {"public.projects UPDATE": people("!!!!!-")},
    ),
    "a row can be put in another workspace": (
        opened("projects", "INSERT", "a", "", "true", "INSERT (workspace_id)"),
        {"public.projects INSERT": people("!!!!!!")},
    ),
    "a row can be put in another workspace that has room for one": (
        opened("limits", "INSERT", "a", "", "true", "INSERT (workspace_id, amount)"),
        {"public.limits INSERT": people("!!!!!!")},
    ),
    "a default that is another workspace": (
        opened("projects", "INSERT", "a", "", "true")
        + "ALTER TABLE public.projects ALTER workspace_id SET DEFAULT '00000000-0000-0000-0000-000000000000'",
        {"public.projects INSERT": people("!!!!!!")},
    ),
    "a trigger that writes elsewhere instead": (
        "CREATE FUNCTION public.away() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN"
        " IF current_setting('role') = 'none' THEN RETURN new; END IF;"
        " UPDATE public.projects SET name = 'x' WHERE workspace_id <> new.workspace_id; RETURN NULL; END; $$;"
        " CREATE TRIGGER zz_away BEFORE INSERT ON public.projects FOR EACH ROW EXECUTE FUNCTION public.away()",
        {"public.projects INSERT": people("!!--!-")},
    ),
    "rows can be deleted": (
        opened("projects", "DELETE", "d", "true", grant="DELETE"),
        {"public.projects DELETE": people("!!!!!!")},
    ),
    "all rows can be truncated": (
        "GRANT TRUNCATE ON public.drafts TO tenancy_credentialed",
        {"public.drafts DELETE": people("!!!!!!")},
    ),
    "a child that may be read by its name": (
        "CREATE TABLE public.more () INHERITS (public.projects); GRANT SELECT ON public.more TO tenancy_credentialed",
        {"public.projects SELECT": people("!!!!!!")},
    ),
    "the floor and the policy of reading are gone": (
        "DO $$ DECLARE p record; BEGIN FOR p IN SELECT polname FROM pg_policy"
        " WHERE polrelid = 'public.projects'::regclass AND polcmd IN ('r', '*') LOOP"
        " EXECUTE format('DROP POLICY %I ON public.projects', p.polname); END LOOP; END $$;"
        " CREATE POLICY opened ON public.projects FOR SELECT TO tenancy_credentialed USING (true)",
        {"public.projects SELECT": people("!!!!!!")},
    ),
    "row-level security is off": (
        "ALTER TABLE public.drafts DISABLE ROW LEVEL SECURITY",
        # The grants are to the login, whoever is in the workspace.
        {"public.drafts SELECT": people("!!!!!!"), "public.drafts UPDATE": people("!!!!!!")},
    ),
    "a trigger refuses": (
        "CREATE FUNCTION public.never() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'closed'; END; $$;"
        " CREATE TRIGGER never BEFORE DELETE ON public.tasks FOR EACH ROW EXECUTE FUNCTION public.never()",
        {"public.tasks DELETE": people("??--?-")},
    ),
}


@pytest.mark.parametrize("hole", HOLES)
def test_a_hole_shows(server: Server, tables: Database, hole: str) -> None:
    damage, wanted = HOLES[hole]
    database = server.create(tables.name)
    database.execute(damage)
    with database.connect(autocommit=True) as connection:
        found = read_tables(connection, "tenancy_app")
    server.drop(database.name)
    shown = {
        f"{table} {command}": [people[who].reach for who in WHO] for (table, command), people in found.lines().items()
    }
    assert shown == WANTED | wanted
    told = "\n".join(found.reasons())
    assert all(re.search(rf"^{line.replace(' ', ': ')} as ", told, re.M) for line in wanted)


PARTITIONED = """
CREATE TABLE public.events (id uuid NOT NULL DEFAULT gen_random_uuid(), at date NOT NULL DEFAULT '2020-02-02')
PARTITION BY RANGE (at);
CREATE TABLE public.events_now PARTITION OF public.events FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE TABLE public.events_later PARTITION OF public.events FOR VALUES FROM ('2030-01-01') TO ('2031-01-01');
CALL tenancy.protect('public.events');
CALL tenancy.allow('public.events', 'SELECT', NULL, columns => 'id, at');
"""


@pytest.mark.parametrize(
    ("partition", "reached"),
    [
        ("", {"SELECT": people("wwwww-"), "DELETE": people("------")}),
        ("events_now", {"SELECT": people("!!!!!!"), "DELETE": people("------")}),
        # Without a row there is nothing to see.
        ("events_later", {"SELECT": people("??????"), "DELETE": people("??????")}),
    ],
)
def test_a_partition_that_may_be_used_by_its_name_shows(
    server: Server, template: str, partition: str, reached: dict[str, list[str]]
) -> None:
    database = server.create(template)
    database.execute(PARTITIONED)
    if partition:
        database.execute(f"GRANT SELECT ON public.{partition} TO tenancy_app")
    with database.connect(autocommit=True) as connection:
        lines = read_tables(connection, "tenancy_app").lines()
    server.drop(database.name)
    assert {
        command: [lines["public.events", command][who].reach for who in WHO] for command in ("SELECT", "DELETE")
    } == reached


def test_a_table_without_generated_rows_cannot_be_traced(server: Server, template: str) -> None:
    database = server.create(template)
    database.execute("""
        CREATE TABLE public.places (id uuid PRIMARY KEY, at point NOT NULL);
        CALL tenancy.protect('public.places');
        CALL tenancy.allow('public.places', 'SELECT', NULL, columns => 'id, at');
    """)
    with database.connect(autocommit=True) as connection:
        found = read_tables(connection, "tenancy_app")
    server.drop(database.name)
    assert {access.reach for access in found.found} == {UNTRACED}
    assert len(found.found) == 4 * len(WHO)
    assert "public.places.at is a point" in found.reasons()[0]


def test_it_is_a_table_and_a_picture(run: Answer, tmp_path: Path) -> None:
    picture = tmp_path / "tables.svg"
    status, output, _ = run("--svg", str(picture))
    assert status == 0
    assert output.startswith("permission")
    shown = output.partition("Tables as tenancy_app")[2]
    for name, reaches in WANTED.items():
        assert re.search(rf"{name.replace(' ', ' +')} +{' +'.join(reaches)}\n", shown), name
    assert f"{AUTHOR}: only rows of which the caller is the author" in shown
    titles = [
        title.text or ""
        for title in ET.fromstring(picture.read_text()).iter("{http://www.w3.org/2000/svg}title")  # noqa: S314
    ]
    assert "user reaches by SELECT of public.notes: own" in titles
    assert len(titles) - 1 == len(WANTED) * len(WHO)


def test_a_role_that_may_nothing_reaches_nothing(run: Answer, new_login: Callable[..., str]) -> None:
    found = reached(run, "--role", new_login())
    assert found.keys() == WANTED.keys()
    assert {reach for reaches in found.values() for reach in reaches} == {NOTHING}


def test_tables_are_of_a_database(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("PG_TENANCY_DSN", raising=False)
    assert main(["matrix", "--tables"]) == 2
    assert "--tables needs a database: give its DSN" in capsys.readouterr().err


def test_without_tables_of_an_application_there_is_nothing_to_try(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["matrix", "--tables", "--allow-database", database.name, database.dsn()]) == 0
    assert "the application has no protected table" in capsys.readouterr().out
