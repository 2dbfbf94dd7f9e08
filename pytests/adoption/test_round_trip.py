"""Every change of the plan reverts to exactly the state before it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql

from pg_tenancy.tools.embedded import EmbeddedServer
from support.database import Database
from support.platform import KEYLESS, NAMED_KEYS, ROWS, fill_and_grant, rows_of
from support.replay import PLAN, TAGS, Replay
from support.scripts import SQL, differences, everything
from support.server import Server
from support.states import on_the_way_down

NewLogin = Callable[..., str]


def _walk(run: Replay) -> None:
    """Deploy change by change, then revert change by change, comparing each state."""
    before: list[str] = []
    for change in PLAN:
        before.append(everything(run.database))
        run.deploy(change.script)
    wrong = []
    earlier = [None, *(change.script for change in PLAN[:-1])]
    for change, to, wanted in zip(PLAN[::-1], earlier[::-1], before[::-1], strict=True):
        run.revert(to)
        difference = differences(wanted, everything(run.database))
        if difference:
            wrong.append(f"{change.name} does not go back to where it came from:\n{difference}")
    assert not wrong, "\n\n".join(wrong)


def _leftovers(database: Database) -> list[tuple[Any, ...]]:
    return database.fetch("SELECT nspname FROM pg_namespace WHERE nspname ~ '^tenancy'")


# -- change by change ----------------------------------------------------------------


def test_every_change_goes_back_in_an_empty_database(empty_database: Database) -> None:
    _walk(Replay(empty_database))
    assert _leftovers(empty_database) == []


@pytest.mark.parametrize("tables", [KEYLESS, NAMED_KEYS], ids=["keyless", "keys of its own"])
def test_every_change_goes_back_in_an_adopted_database(
    empty_database: Database, new_login: NewLogin, tables: str
) -> None:
    rows = ROWS
    if tables is NAMED_KEYS:
        rows = "".join(
            statement + ";"
            for statement in ROWS.split(";")
            if re.search(r"public\.(users|organizations|organization_memberships|providers) ", statement)
        )
    fill_and_grant(empty_database, tables + rows, new_login(), new_login(), new_login())
    kept = ["public.users", "public.organizations", "public.organization_memberships", "public.providers"]
    with empty_database.connect() as connection:
        before = rows_of(connection, *kept)
    _walk(Replay(empty_database))
    with empty_database.connect() as connection:
        assert rows_of(connection, *kept) == before
    # A call's owner is kept, because its key may be deleted before the next deploy.
    assert _leftovers(empty_database) == ([("tenancy_archive",)] if tables is KEYLESS else [])


# -- tag by tag ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def reverted(server: Server, template: str) -> Iterator[dict[str | None, Database]]:
    """Yield a database at each tag to which the whole plan was reverted."""
    database = server.create(template)
    copies = {TAGS[-1]: server.create(template), **on_the_way_down(database, TAGS[-2::-1])}
    yield copies
    server.drop(database.name, *(copy.name for copy in copies.values()))


@pytest.mark.parametrize("middle", TAGS[:-1])
def test_a_deploy_goes_on_from_the_middle(reverted: dict[str | None, Database], middle: str) -> None:
    run = Replay(reverted[middle])
    run.verify()
    run.deploy()
    assert differences(everything(reverted[TAGS[-1]]), everything(run.database)) == ""


def test_roles_and_memberships_of_the_cluster_are_as_they_were(own_server: EmbeddedServer) -> None:
    server = Server(own_server.dsn(), "own", "secret", str(own_server.bin_dir), own_server.version)

    def roles() -> list[tuple[Any, ...]]:
        with psycopg.connect(server.dsn) as connection:
            return connection.execute(
                """
                SELECT r.rolname, r.rolsuper, r.rolinherit, r.rolcanlogin, r.rolbypassrls, s.setconfig::text,
                    array(
                        SELECT m.roleid::regrole::text || m.admin_option
                        FROM pg_auth_members AS m WHERE m.member = r.oid ORDER BY 1
                    )
                FROM pg_roles AS r LEFT JOIN pg_db_role_setting AS s ON s.setrole = r.oid
                ORDER BY 1, 6
                """
            ).fetchall()

    database, (owner, reader, writer) = server.create(), map(server.login, ("owner", "reader", "writer"))
    fill_and_grant(database, KEYLESS + ROWS, owner, reader, writer)
    before = roles()
    Replay(database).deploy()
    assert database.fetch("SELECT pg_has_role(%s, 'tenancy_service', 'USAGE')", owner) == [(True,)]
    # Granted by a person, and removed with the group.
    server.execute(sql.SQL("GRANT tenancy_app TO {}").format(sql.Identifier(owner)))
    Replay(database).revert()
    assert roles() == before


# -- the scripts ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "heading"),
    [
        ("deploy", "-- Deploy pg-tenancy:{} to pg"),
        ("revert", "-- Revert pg-tenancy:{} from pg"),
        ("verify", "-- Verify pg-tenancy:{} on pg"),
    ],
)
def test_every_change_has_its_three_scripts(kind: str, heading: str) -> None:
    folder = SQL / kind
    scripts = {str(path.relative_to(folder).with_suffix("")) for path in folder.rglob("*.sql")}
    assert scripts == {change.script for change in PLAN}
    for change in PLAN:
        lines = (SQL / kind / f"{change.script}.sql").read_text().splitlines()
        assert lines[0] == heading.format(change.name)


@pytest.mark.parametrize("change", PLAN, ids=lambda change: change.script)
def test_a_deploy_script_requires_what_the_plan_says(change: Any) -> None:
    text = (SQL / "deploy" / f"{change.script}.sql").read_text()
    assert tuple(re.findall(r"^-- requires: (\S+)$", text, re.M)) == change.requires


def test_the_plan_depends_only_on_what_comes_before() -> None:
    seen: set[str] = set()
    for change in PLAN:
        assert {name.partition("@")[0] for name in change.requires} <= seen, change.name
        assert change.note.endswith("."), change.name
        seen.add(change.name)
