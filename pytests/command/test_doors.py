"""``pg-tenancy matrix --doors``: what an application's role reaches, found out by trying."""

from __future__ import annotations

import json
import re
import shlex
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pg_tenancy.tools.cli import main
from pg_tenancy.tools.doors import read_doors
from pg_tenancy.tools.reach import NOTHING, OTHERS, OWN, REACHES, UNTRACED
from support.command import Answer, answer
from support.database import Database
from support.server import Logins, Server

TABLES = """
CREATE TABLE public.projects (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text NOT NULL DEFAULT 'p');
CREATE TABLE public.tasks (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    project_id uuid REFERENCES public.projects (id),
    title text NOT NULL DEFAULT 't'
);
CREATE TABLE public.notes (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    project_id uuid CONSTRAINT notes_project_id_fkey REFERENCES public.projects (id)
);
SELECT tenancy.define_permission('projects.use', ARRAY['owner', 'admin']);
CALL tenancy.protect('public.projects');
CALL tenancy.allow('public.projects', 'SELECT', 'projects.use', columns => 'id, name');
CALL tenancy.allow('public.projects', 'INSERT', 'projects.use', columns => 'id, name');
CALL tenancy.allow('public.projects', 'UPDATE', 'projects.use', columns => 'name');
CALL tenancy.protect('public.tasks', parent => 'project_id');
CALL tenancy.allow('public.tasks', 'SELECT', 'projects.use', columns => 'id, project_id, title');
CALL tenancy.allow('public.tasks', 'INSERT', 'projects.use', columns => 'id, project_id, title');
CALL tenancy.protect('public.notes');
CALL tenancy.allow('public.notes', 'SELECT', 'projects.use', columns => 'id, project_id');
"""

DOORS = """
CREATE VIEW public.v_own WITH (security_invoker) AS SELECT name FROM public.projects;
CREATE VIEW public.v_all AS SELECT name FROM public.projects;
CREATE VIEW public.v_none WITH (security_invoker) AS SELECT name FROM public.projects WHERE false;
CREATE MATERIALIZED VIEW public.v_kept AS SELECT name FROM public.projects;
GRANT SELECT ON public.v_own, public.v_all, public.v_none, public.v_kept TO {app};
CREATE FUNCTION public.f_own() RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER
RETURN (SELECT count(*) FROM public.projects AS p WHERE p.workspace_id = tenancy.current_workspace_id());
CREATE FUNCTION public.f_all() RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER
RETURN (SELECT count(*) FROM public.projects);
CREATE FUNCTION public.f_by_id(uuid) RETURNS text LANGUAGE sql STABLE SECURITY DEFINER
RETURN (SELECT p.name FROM public.projects AS p WHERE p.id = $1);
CREATE FUNCTION public.f_of(text) RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER
RETURN (SELECT count(*) FROM public.projects AS p WHERE p.name = $1);
CREATE FUNCTION public.f_point(point) RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER
RETURN (SELECT count(*) FROM public.projects);
CREATE FUNCTION public.f_dynamic(name) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
AS $$ DECLARE n bigint; BEGIN EXECUTE format('SELECT count(*) FROM %I', $1) INTO n; RETURN n; END; $$;
CREATE FUNCTION public.t_all() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
AS $$ BEGIN UPDATE public.tasks SET title = new.name; RETURN NULL; END; $$;
CREATE FUNCTION public.t_own() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
AS $$ BEGIN INSERT INTO public.notes (project_id, workspace_id) VALUES (new.id, new.workspace_id); RETURN NULL; END; $$;
CREATE FUNCTION public.t_none() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN new; END; $$;
CREATE FUNCTION public.t_refuse() RETURNS trigger LANGUAGE plpgsql
AS $$ BEGIN IF pg_has_role('tenancy_credentialed', 'USAGE') AND NOT pg_has_role('tenancy_owner', 'USAGE') THEN
    RAISE 'no' ; END IF; RETURN new; END; $$;
CREATE TRIGGER t_all AFTER UPDATE ON public.projects FOR EACH ROW EXECUTE FUNCTION public.t_all();
CREATE TRIGGER t_own AFTER INSERT ON public.projects FOR EACH ROW EXECUTE FUNCTION public.t_own();
CREATE TRIGGER t_none BEFORE INSERT ON public.projects FOR EACH ROW EXECUTE FUNCTION public.t_none();
CREATE TRIGGER t_never BEFORE DELETE ON public.projects FOR EACH ROW EXECUTE FUNCTION public.t_none();
CREATE TRIGGER t_refuse BEFORE INSERT ON public.tasks FOR EACH ROW EXECUTE FUNCTION public.t_refuse();
"""


@pytest.fixture(scope="module")
def doors(server: Server, template: str, logins: Logins) -> Iterator[Database]:
    """Yield a database with a door of each kind."""
    database = server.create(template)
    database.execute(TABLES, DOORS.format(app="tenancy_app"))
    yield database
    server.drop(database.name)


@pytest.fixture
def run(doors: Database, capsys: pytest.CaptureFixture[str]) -> Answer:
    """Return a function that tries the doors, and returns its exit status, output and errors."""

    def run(*arguments: str, login: str | None = None) -> tuple[int, str, str]:
        return answer(capsys, "matrix", "--doors", "--allow-database", doors.name, *arguments, doors.dsn(login))

    return run


WANTED = {
    "v_own": OWN,
    "v_all": OTHERS,
    "v_none": NOTHING,
    "v_kept": OTHERS,
    "f_own()": OWN,
    "f_all()": OTHERS,
    "f_by_id(uuid)": OTHERS,
    "f_of(text)": UNTRACED,
    "f_point(point)": UNTRACED,
    "f_dynamic(name)": UNTRACED,
    "t_all": OTHERS,
    "t_own": OWN,
    "t_none": NOTHING,
    "t_never": NOTHING,
    "t_refuse": UNTRACED,
    "tasks_tenancy_project_id_fkey": UNTRACED,
    "notes_project_id_fkey": NOTHING,
}


def test_each_door_reaches_what_trying_shows(doors: Database, run: Answer) -> None:
    before = doors.dump()
    status, output, _ = run("--json")
    assert status == 0
    document = json.loads(output)
    found = {each["name"].partition(" ")[0].removeprefix("public."): each for each in document["doors"]}
    assert {name: each["reach"] for name, each in found.items()} == WANTED
    assert len(found) == len(document["doors"])
    assert document["tables"] == ["public.notes", "public.projects", "public.tasks"]
    assert document["permissions"]["projects.use"] == ["owner", "admin"]
    assert found["t_all"]["why"] == "UPDATE changes rows of another tenant in public.tasks"
    assert found["t_own"]["why"] == "in public.notes"
    assert found["t_never"]["why"] == "nobody may DELETE"
    assert "is refused: no" in found["t_refuse"]["why"]
    assert "argument of type point" in found["f_point(point)"]["why"]
    assert "rows of another tenant" not in found["v_own"]["why"]
    # The worst first, and nothing stays.
    reaches = [each["reach"] for each in document["doors"]]
    assert reaches == sorted(reaches, key=[OTHERS, UNTRACED, OWN, NOTHING].index)
    assert doors.dump() == before
    with doors.connect() as connection:
        assert connection.execute("SELECT count(*) FROM public.projects").fetchone() == (0,)


def test_keys_are_tried_with_rows_of_another_tenant(doors: Database, run: Answer, server: Server) -> None:
    """Without the refusing trigger, a key of one column leads to other tenants, and one of two columns does not."""
    doors.execute(
        "ALTER TABLE public.tasks DISABLE TRIGGER t_refuse",
        "INSERT INTO tenancy_private.access VALUES"
        " ('public.notes', 'INSERT', 'projects.use', '{id,project_id}', false, NULL)",
        "GRANT INSERT (id, project_id) ON public.notes TO tenancy_credentialed",
        "CREATE POLICY opened ON public.notes FOR INSERT TO tenancy_credentialed WITH CHECK (true)",
    )
    try:
        found = {each["name"].partition(" ")[0]: each for each in json.loads(run("--json")[1])["doors"]}
    finally:
        doors.execute(
            "ALTER TABLE public.tasks ENABLE TRIGGER t_refuse",
            "DELETE FROM tenancy_private.access WHERE table_name = 'public.notes'::regclass AND command = 'INSERT'",
            "REVOKE INSERT (id, project_id) ON public.notes FROM tenancy_credentialed",
            "DROP POLICY opened ON public.notes",
        )
    assert found["tasks_tenancy_project_id_fkey"]["reach"] == OWN
    assert found["notes_project_id_fkey"]["reach"] == OTHERS
    assert found["notes_project_id_fkey"]["why"] == "INSERT may refer to a row of another tenant"


def test_names_that_sql_quotes_and_columns_without_a_default_are_tried(server: Server, template: str) -> None:
    database = server.create(template)
    database.execute("""
        CREATE SCHEMA "My App";
        CREATE TABLE "My App"."Ward" (
            "Id" uuid PRIMARY KEY DEFAULT gen_random_uuid(), "Code" text NOT NULL, opened date, UNIQUE (opened)
        );
        CREATE TABLE "My App"."Bed" (
            id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
            "Ward Id" uuid CONSTRAINT "Bed Ward" REFERENCES "My App"."Ward"
        );
        SELECT tenancy.define_permission('wards.use', ARRAY['owner']);
        CALL tenancy.protect('"My App"."Ward"');
        CALL tenancy.allow('"My App"."Ward"', 'SELECT', 'wards.use', columns => '"Id", "Code" ,opened');
        CALL tenancy.allow('"My App"."Ward"', 'UPDATE', 'wards.use', columns => 'Code, opened');
        CALL tenancy.protect('"My App"."Bed"', parent => 'Ward Id');
        CALL tenancy.allow('"My App"."Bed"', 'SELECT', 'wards.use', columns => 'id, Ward Id');
        CALL tenancy.allow('"My App"."Bed"', 'INSERT', 'wards.use', columns => 'id, Ward Id');
        CREATE FUNCTION "My App".beds(uuid) RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER
        RETURN (SELECT count(*) FROM "My App"."Ward" AS w WHERE w."Id" = $1);
        CREATE FUNCTION "My App".trim() RETURNS trigger LANGUAGE plpgsql
        AS $$ BEGIN new."Code" := lower(new."Code"); RETURN new; END; $$;
        CREATE TRIGGER trim BEFORE UPDATE ON "My App"."Ward" FOR EACH ROW EXECUTE FUNCTION "My App".trim();
    """)
    with database.connect(autocommit=True) as connection:
        found = {(door.name, door.reach, door.why) for door in read_doors(connection, "tenancy_app").doors}
    server.drop(database.name)
    assert found == {
        ('"My App".beds(uuid)', OTHERS, "it answers with 1 row, and then with 1 row of other values"),
        ('trim on "My App"."Ward"', NOTHING, "it changes no protected row"),
        ('Bed_tenancy_Ward Id_fkey of "My App"."Bed"', OWN, ""),
    }


def test_it_is_a_table_and_a_picture(run: Answer, tmp_path: Path) -> None:
    picture = tmp_path / "doors.svg"
    status, output, _ = run("--svg", str(picture))
    assert status == 0
    assert output.startswith("permission")
    shown = output.partition("Doors of tenancy_app: views, functions, triggers and foreign keys")[2]
    for name, reach in WANTED.items():
        assert re.search(rf"{re.escape(name)}.*  {reach}\b", shown), name
    assert f"{UNTRACED}: could not be tried" in shown
    tree = ET.fromstring(picture.read_text())  # noqa: S314
    titles = [title.text or "" for title in tree.iter("{http://www.w3.org/2000/svg}title")]
    assert "view public.v_all to public.projects: others" in "\n".join(titles)
    # An unreadable function may lead to each of the three tables.
    assert len(titles) - 1 == len(WANTED) + 2


def test_a_role_that_may_nothing_reaches_nothing(run: Answer, new_login: Callable[..., str]) -> None:
    reached = {each["name"]: each["reach"] for each in json.loads(run("--json", "--role", new_login())[1])["doors"]}
    assert not [name for name in reached if name.startswith("public.v_")]
    # Everybody may call a new function until that is revoked.
    assert reached["f_all()"] == OTHERS
    assert reached["t_all on public.projects"] == UNTRACED


def test_what_it_needs_is_said(
    doors: Database, run: Answer, logins: Logins, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, complaint = run("--role", "nobody at all")
    assert (status, complaint) == (1, "pg-tenancy: role nobody at all does not exist\n")
    status, _, complaint = run(login=logins.service)
    assert (status, "require a superuser" in complaint) == (1, True)
    # Its name does not look like a test database's.
    assert main(["matrix", "--doors", doors.dsn()]) == 1
    complaint = capsys.readouterr().err
    assert f"the database {doors.name} looks live" in complaint
    assert f"use a copy, or allow it with --allow-database {doors.name}" in complaint


def test_the_calls_of_the_document(
    doors: Database, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    document = (Path(__file__).resolve().parents[2] / "docs" / "commands.md").read_text()
    printed = ""
    for call in re.findall(r"^pg-tenancy matrix (.*) postgresql://\S+$", document, re.M):
        arguments = [{"app": "tenancy_app"}.get(word, word) for word in shlex.split(call)]
        status, output, _ = answer(capsys, "matrix", *arguments, "--allow-database", doors.name, doors.dsn())
        assert status == 0
        printed += output
    assert "view public.v_all" in printed
    assert "public.tasks     INSERT" in printed
    assert {path.name for path in tmp_path.iterdir()} == {"tables.svg", "doors.svg"}
    # Each reach is explained.
    assert set(re.findall(r"^\| `([a-z ]+)` \|", document.partition("| reaches |")[2], re.M)) >= set(REACHES)


def test_doors_are_of_a_database(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("PG_TENANCY_DSN", raising=False)
    assert main(["matrix", "--doors"]) == 2
    assert "give its DSN" in capsys.readouterr().err


def test_without_tables_of_an_application_there_is_no_door(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["matrix", "--doors", "--allow-database", database.name, database.dsn()]) == 0
    assert "none lead to a protected table" in capsys.readouterr().out
