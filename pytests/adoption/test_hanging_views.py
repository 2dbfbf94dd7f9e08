"""A deploy, protect() and status list views, functions and children through which rows stay visible."""

from __future__ import annotations

import json
from collections.abc import Callable
from uuid import UUID

import pytest

from pg_tenancy.tools import cli
from support.database import Database
from support.hanging import State
from support.platform import KEYLESS, ROWS
from support.replay import WHOLE_PLAN, Replay
from support.server import Logins

NewLogin = Callable[..., str]

ANN = UUID("00000000-0000-0000-0000-00000000000a")
ACME = UUID("00000000-0000-0000-0001-00000000000a")

# Objects that show everybody's instances, and others that do not.
VIEWS = """
CREATE VIEW public.fleet AS SELECT id, status FROM public.instances;
CREATE VIEW public.fleet_size AS SELECT count(*) FROM public.fleet;
CREATE MATERIALIZED VIEW public.fleet_copy AS SELECT * FROM public.fleet;
CREATE VIEW public.own_fleet WITH (security_invoker = true) AS SELECT id FROM public.instances;
CREATE VIEW public.hidden_fleet AS SELECT id FROM public.instances;
CREATE FUNCTION public.count_fleet() RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER AS
$$ BEGIN RETURN (SELECT count(*) FROM ONLY public.instances AS i); END $$;
CREATE FUNCTION public.count_by_view() RETURNS bigint LANGUAGE sql SECURITY DEFINER
BEGIN ATOMIC SELECT count(*) FROM public.fleet; END;
CREATE FUNCTION public.count_own() RETURNS bigint LANGUAGE sql AS $$ SELECT count(*) FROM public.instances $$;
CREATE FUNCTION public.instances_of_time() RETURNS text LANGUAGE sql SECURITY DEFINER AS $$ SELECT 'instances' $$;
CREATE FUNCTION public.kept() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS $$ SELECT count(*) FROM instances $$;
REVOKE ALL ON FUNCTION public.kept() FROM PUBLIC;
"""
SHOWN = [
    "function public.count_by_view()",
    "function public.count_fleet()",
    "materialized view public.fleet_copy",
    "view public.fleet",
    "view public.fleet_size",
]


def _granted(database: Database, login: str) -> None:
    for view in ("fleet", "fleet_size", "fleet_copy", "own_fleet"):
        database.execute(f"GRANT SELECT ON public.{view} TO {login}")


@pytest.mark.parametrize("owned", [True, False], ids=["a login's", "the superuser's"])
def test_ways_around_the_policies_are_listed_when_a_phase_closes_the_table(
    state: State, new_login: NewLogin, capsys: pytest.CaptureFixture[str], owned: bool
) -> None:
    database = state(KEYLESS + ROWS + VIEWS, "@phase-4", owned=owned)
    login = new_login("tenancy_app")
    _granted(database, login)
    output = Replay(database).deploy("@phase-5")
    (warning,) = [line for line in output.splitlines() if "stay visible through" in line]
    assert "rows of public.instances stay visible through function" in warning
    for shown in SHOWN:
        assert f"{shown} (" in warning
    for hidden in ("own_fleet", "hidden_fleet", "count_own", "instances_of_time", "kept"):
        assert hidden not in warning
    # And it is so.
    with database.entered(login, ANN, ACME) as connection:
        assert connection.execute("SELECT id FROM public.instances").fetchall() == []
        for query in (
            "SELECT count(*) FROM public.fleet",
            "SELECT * FROM public.fleet_size",
            "SELECT count(*) FROM public.fleet_copy",
            "SELECT public.count_fleet()",
            "SELECT public.count_by_view()",
        ):
            assert connection.execute(query.encode()).fetchone() == (1,), query
        assert connection.execute("SELECT count(*) FROM public.own_fleet").fetchone() == (0,)
    # Also later, until the statements are run.
    capsys.readouterr()
    cli.main(["status", "--json", database.dsn()])
    ways = json.loads(capsys.readouterr().out)["ways_around"]
    assert [way["object"] for way in ways] == SHOWN
    assert {way["table"] for way in ways} == {"public.instances"}
    assert {way["open_to"] for way in ways} == {login, "PUBLIC"}
    cli.main(["status", database.dsn()])
    assert "view public.fleet_size" in capsys.readouterr().out
    database.execute(*(way["remedy"] for way in ways))
    cli.main(["status", "--json", database.dsn()])
    assert json.loads(capsys.readouterr().out)["ways_around"] == []


def test_protect_lists_views_and_status_lists_children(
    state: State, logins: Logins, capsys: pytest.CaptureFixture[str]
) -> None:
    database = state(KEYLESS + ROWS, WHOLE_PLAN)
    database.execute(
        "CREATE TABLE public.projects (id uuid PRIMARY KEY, name text)",
        "CREATE VIEW public.all_projects AS SELECT * FROM public.projects",
        "GRANT SELECT ON public.all_projects TO PUBLIC",
    )
    with database.connect() as connection:
        told: list[str] = []
        connection.add_notice_handler(lambda notice: told.append(f"{notice.message_primary} {notice.message_detail}"))
        connection.execute("CALL tenancy.protect('public.projects')")
    assert told == [
        "rows of public.projects stay visible through view public.all_projects (PUBLIC)"
        " ALTER VIEW public.all_projects SET (security_invoker = true);"
    ]
    database.execute(
        "ALTER VIEW public.all_projects SET (security_invoker = true)",
        "CREATE TABLE public.old_projects () INHERITS (public.projects)",
        f"GRANT SELECT ON public.old_projects TO {logins.app}",
    )
    cli.main(["status", "--json", database.dsn()])
    (way,) = json.loads(capsys.readouterr().out)["ways_around"]
    assert way == {
        "table": "public.projects",
        "object": "table public.old_projects",
        "open_to": logins.app,
        "remedy": f"REVOKE ALL ON public.old_projects FROM {logins.app};",
    }
