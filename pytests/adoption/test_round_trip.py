"""Every change of the plan goes back to exactly where it came from."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from psycopg import sql

from pg_tenancy.embedded import EmbeddedServer
from pg_tenancy.sqitch import Sqitch, read_plan
from support.database import Database
from support.platform import KEYLESS, NAMED_KEYS, ROWS, rows_of
from support.scripts import SQL, differences, privileges, run_script
from support.server import Server

Run = Callable[[Database], Sqitch]
NewLogin = Callable[..., str]

PLAN = read_plan()
TAGS = [f"@{tag}" for change in PLAN for tag in change.tags]

# What an application has done to its tables before anybody thought of tenants.
GRANTED = """
GRANT SELECT ON public.users TO {reader};
GRANT SELECT (id, name) ON public.organizations TO {reader} WITH GRANT OPTION;
GRANT SELECT, INSERT, UPDATE, DELETE ON public.organization_memberships TO {writer};
GRANT UPDATE (name) ON public.organizations TO {writer};
GRANT USAGE ON SCHEMA finops TO {reader};
GRANT CREATE ON SCHEMA public TO PUBLIC;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO {reader};
"""


def _adopt(database: Database, tables: str, new_login: NewLogin) -> str:
    """Fill a database with the tables of an application, owned by its login, which is returned."""
    owner, reader, writer = new_login(), new_login(), new_login()
    database.server.execute(
        sql.SQL("ALTER DATABASE {} OWNER TO {}").format(sql.Identifier(database.name), sql.Identifier(owner)),
        sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(sql.Identifier(database.name), sql.Identifier(reader)),
    )
    with database.connect(owner) as connection:
        connection.execute(tables.encode())
    run = sql.SQL(GRANTED).format(reader=sql.Identifier(reader), writer=sql.Identifier(writer))
    with database.connect(owner) as connection:
        connection.execute(run)
    return owner


def _memberships(database: Database) -> list[tuple[Any, ...]]:
    """Return who belongs to the groups, of the roles that this test made."""
    with database.connect() as connection:
        return connection.execute(
            """
            SELECT m.member::regrole::text, m.roleid::regrole::text
            FROM pg_auth_members AS m
            WHERE EXISTS (
                SELECT FROM pg_database AS d, aclexplode(d.datacl) AS acl
                WHERE d.datname = current_database() AND m.member IN (d.datdba, acl.grantee)
            )
            ORDER BY 1, 2
            """
        ).fetchall()


def _state(database: Database) -> str:
    with database.connect() as connection:
        catalog = privileges(connection)
    members = [f"-- {member} is a member of {group}" for member, group in _memberships(database)]
    return "\n".join([database.dump(), *members, *catalog])


def _walk(database: Database) -> None:
    """Deploy change by change, then revert change by change, comparing each state."""
    before: list[str] = []
    for change in PLAN:
        before.append(_state(database))
        run_script(database, SQL / "deploy" / f"{change.script}.sql")
    wrong = []
    for change, wanted in zip(reversed(PLAN), reversed(before), strict=True):
        run_script(database, SQL / "revert" / f"{change.script}.sql")
        difference = differences(wanted, _state(database))
        if difference:
            wrong.append(f"{change.name} does not go back to where it came from:\n{difference}")
    assert not wrong, "\n\n".join(wrong)


def _leftovers(database: Database) -> list[str]:
    with database.connect() as connection:
        rows = connection.execute("SELECT nspname FROM pg_namespace WHERE nspname ~ '^tenancy'")
        return [str(name) for (name,) in rows.fetchall()]


# -- change by change ----------------------------------------------------------------


def test_every_change_goes_back_in_an_empty_database(empty_database: Database) -> None:
    _walk(empty_database)
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
    _adopt(empty_database, tables + rows, new_login)
    kept = ["public.users", "public.organizations", "public.organization_memberships", "public.providers"]
    with empty_database.connect() as connection:
        before = rows_of(connection, *kept)
    _walk(empty_database)
    with empty_database.connect() as connection:
        assert rows_of(connection, *kept) == before
    assert _leftovers(empty_database) == []


# -- tag by tag, with sqitch -----------------------------------------------------------


def test_sqitch_deploys_verifies_and_reverts_at_each_tag_and_again(
    empty_database: Database, sqitch: Run, new_login: NewLogin
) -> None:
    _adopt(empty_database, KEYLESS + ROWS, new_login)
    run = sqitch(empty_database)
    states = [_state(empty_database)]
    for tag in TAGS:
        run.deploy(tag)
        run.verify()
        states.append(_state(empty_database))
    for to, wanted in zip(reversed([None, *TAGS[:-1]]), reversed(states[:-1]), strict=True):
        run.revert(to)
        assert differences(wanted, _state(empty_database)) == "", f"revert to {to}"
    run.deploy()
    assert differences(states[-1], _state(empty_database)) == "", "deployed again"
    run.verify()


@pytest.mark.parametrize("middle", TAGS[:-1])
def test_a_deploy_goes_on_from_the_middle(database: Database, sqitch: Run, middle: str) -> None:
    wanted = _state(database)
    run = sqitch(database)
    run.revert(middle)
    run.verify()
    run.deploy()
    assert differences(wanted, _state(database)) == ""


def test_roles_and_memberships_of_the_cluster_are_as_they_were(own_server: EmbeddedServer) -> None:
    server = Server(own_server.dsn(), "own", "secret", str(own_server.bin_dir), own_server.version)
    names: list[str] = []

    def new_login(*groups: str) -> str:
        names.append(server.create_login(server.new_name("login"), *groups))
        return names[-1]

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

    database = server.create()
    owner = _adopt(database, KEYLESS + ROWS, new_login)
    before = roles()
    server.sqitch(database.name).deploy()
    with database.connect() as connection:
        told = connection.execute("SELECT pg_has_role(%s, 'tenancy_service', 'USAGE')", [owner]).fetchone()
    assert told == (True,)
    # Granted by a person since, and gone with the group.
    server.execute(sql.SQL("GRANT tenancy_app TO {}").format(sql.Identifier(owner)))
    server.sqitch(database.name).revert()
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
    assert {path.stem for path in (SQL / kind).iterdir()} == {change.script for change in PLAN}
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
