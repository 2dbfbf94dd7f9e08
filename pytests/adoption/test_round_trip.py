"""Every change of the plan reverts to exactly the state before it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from psycopg import sql

from pg_tenancy.tools.embedded import EmbeddedServer
from support.catalog import Catalog
from support.database import Database
from support.platform import KEYLESS, NAMED_KEYS, ROWS, fill_and_grant, rows_of
from support.replay import PLAN, TAGS, Replay, Step
from support.scripts import SQL, differences, everything
from support.server import Server
from support.states import all_rows, on_the_way_down

NewLogin = Callable[..., str]


def _walk(run: Replay) -> None:
    """Deploy change by change, then revert change by change, comparing each state; test_replay.py dumps each tag."""
    wrong, before, dump = [], [], everything(run.database)
    with Catalog(run.database) as catalog, run.step_by_step() as step:
        for change in PLAN:
            before.append(catalog.state())
            step(Step("deploy", change))
        for change, wanted in zip(PLAN[::-1], before[::-1], strict=True):
            step(Step("revert", change))
            difference = catalog.differences(wanted, catalog.state())
            if difference:
                wrong.append(f"{change.script} does not go back to where it came from:\n{difference}")
    assert not wrong, "\n\n".join(wrong)
    assert differences(dump, everything(run.database)) == ""


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


# -- at a stroke -----------------------------------------------------------------------


def test_the_whole_plan_is_verified_and_leaves_nothing_when_it_goes(
    database: Database, empty_database: Database
) -> None:
    run = Replay(database)
    run.verify()
    run.revert()
    assert differences(everything(empty_database), everything(database)) == ""
    assert _leftovers(database) == []


# -- tag by tag ------------------------------------------------------------------------


@dataclass(frozen=True)
class Found:
    """A database as it was found."""

    schema: str
    rows: dict[str, list[str]]


def _found(database: Database) -> Found:
    return Found(everything(database), all_rows(database))


@dataclass(frozen=True)
class Reverted:
    """A database at a tag to which the whole plan was reverted, and what was found in it."""

    database: Database
    found: Found


@pytest.fixture(scope="module")
def reverted(server: Server, template: str) -> Iterator[dict[str | None, Reverted]]:
    """Yield one for each tag but the last, and with None the whole plan."""
    database = server.create(template)
    copies = {None: server.create(template), **on_the_way_down(database, TAGS[-2::-1])}
    yield {tag: Reverted(copy, _found(copy)) for tag, copy in copies.items()}
    server.drop(database.name, *(copy.name for copy in copies.values()))


@pytest.mark.parametrize("middle", TAGS[:-1])
def test_a_deploy_goes_on_from_the_middle(reverted: dict[str | None, Reverted], middle: str) -> None:
    """Up to the next tag, to the same as was reverted to there, from where the next of these tests goes on."""
    then = TAGS[TAGS.index(middle) + 1]
    to = None if then == TAGS[-1] else then
    database = reverted[middle].database
    run = Replay(database)
    run.verify()
    run.deploy(to)
    found, wanted = _found(database), reverted[to].found
    assert differences(wanted.schema, found.schema) == ""
    assert found.rows == wanted.rows


# One of each kind of thing that a script may make, change or leave behind.
LEFT_BEHIND = [
    "CREATE SCHEMA s",
    "CREATE TABLE s.t (a integer NOT NULL, b text)",
    "ALTER TABLE s.t ADD c integer DEFAULT 1",
    "ALTER TABLE s.t ALTER c SET DEFAULT 2",
    "ALTER TABLE s.t ALTER b SET NOT NULL",
    "ALTER TABLE s.t ALTER b TYPE varchar(20)",
    "ALTER TABLE s.t RENAME c TO d",
    "ALTER TABLE s.t ALTER b SET STORAGE EXTERNAL",
    "ALTER TABLE s.t ALTER b SET STATISTICS 7",
    "ALTER TABLE s.t DROP b; ALTER TABLE s.t ADD b varchar(20) NOT NULL",
    "ALTER TABLE s.t SET (fillfactor = 50)",
    "ALTER TABLE s.t ADD CONSTRAINT t_check CHECK (a > 0) NOT VALID",
    "ALTER TABLE s.t VALIDATE CONSTRAINT t_check",
    "ALTER TABLE s.t DROP CONSTRAINT t_check, ADD CONSTRAINT t_check CHECK (a > 1)",
    "ALTER TABLE s.t ADD CONSTRAINT t_pkey PRIMARY KEY (a)",
    "ALTER TABLE s.t ADD CONSTRAINT t_fkey FOREIGN KEY (d) REFERENCES s.t (a) ON DELETE CASCADE",
    "CREATE INDEX t_idx ON s.t (lower(b)) WHERE d > 1",
    "DROP INDEX s.t_idx; CREATE INDEX t_idx ON s.t (lower(b)) WHERE d > 2",
    "ALTER TABLE s.t REPLICA IDENTITY FULL",
    "ALTER TABLE s.t CLUSTER ON t_pkey",
    "ALTER TABLE s.t ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE s.t FORCE ROW LEVEL SECURITY",
    "CREATE POLICY p ON s.t USING (a > 1)",
    "ALTER POLICY p ON s.t USING (a > 2)",
    "ALTER POLICY p ON s.t TO CURRENT_USER",
    "CREATE FUNCTION s.f(x integer DEFAULT 1) RETURNS integer LANGUAGE sql AS 'SELECT x'",
    "CREATE FUNCTION s.g() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
    "CREATE OR REPLACE FUNCTION s.g() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END'",
    "ALTER FUNCTION s.g() SECURITY DEFINER",
    "ALTER FUNCTION s.g() SET search_path = pg_catalog",
    "REVOKE EXECUTE ON FUNCTION s.g() FROM PUBLIC",
    "CREATE TRIGGER r BEFORE INSERT ON s.t FOR EACH ROW EXECUTE FUNCTION s.g()",
    "ALTER TABLE s.t ENABLE ALWAYS TRIGGER r",
    "DROP TRIGGER r ON s.t; CREATE TRIGGER r BEFORE INSERT ON s.t FOR EACH ROW WHEN (new.a > 1) EXECUTE FUNCTION s.g()",
    "CREATE VIEW s.v AS SELECT a FROM s.t WHERE a > 1",
    "CREATE OR REPLACE VIEW s.v AS SELECT a FROM s.t WHERE a > 2",
    "ALTER VIEW s.v SET (security_invoker = true)",
    "CREATE SEQUENCE s.q",
    "ALTER SEQUENCE s.q INCREMENT 2",
    "ALTER SEQUENCE s.q OWNED BY s.t.a",
    "CREATE TYPE s.e AS ENUM ('a')",
    "ALTER TYPE s.e ADD VALUE 'b'",
    "CREATE DOMAIN s.d AS integer CHECK (value > 0)",
    "COMMENT ON TABLE s.t IS 'one'",
    "COMMENT ON COLUMN s.t.a IS 'one'",
    "COMMENT ON SCHEMA public IS 'ours'",
    "GRANT SELECT ON s.t TO PUBLIC",
    "GRANT UPDATE (a) ON s.t TO PUBLIC",
    "GRANT USAGE ON SCHEMA s TO PUBLIC",
    "REVOKE USAGE ON SCHEMA public FROM PUBLIC",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA s GRANT SELECT ON TABLES TO PUBLIC",
    "CREATE TABLE s.parts (a integer) PARTITION BY RANGE (a)",
    "CREATE TABLE s.part PARTITION OF s.parts FOR VALUES FROM (1) TO (2)",
    "CREATE TABLE s.child () INHERITS (s.t)",
    "CREATE STATISTICS s.x ON a, d FROM s.t",
    "CREATE RULE i AS ON INSERT TO s.v DO INSTEAD NOTHING",
    "CREATE EVENT TRIGGER tenancy_test ON ddl_command_end WHEN TAG IN ('CREATE CAST') EXECUTE FUNCTION public.h()",
    "CREATE PUBLICATION b FOR TABLE s.t WHERE (a > 1)",
    "CREATE EXTENSION hstore SCHEMA s",
]


def test_whatever_a_change_leaves_behind_is_seen_in_the_catalog(empty_database: Database) -> None:
    """Everything that a dump shows is in the catalog too; otherwise the comparison of each change would miss it."""
    empty_database.execute("CREATE FUNCTION public.h() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'")
    with Catalog(empty_database) as catalog:
        state, dump = catalog.state(), everything(empty_database)
        for statement in LEFT_BEHIND:
            empty_database.execute(statement)
            found, dumped = catalog.state(), everything(empty_database)
            assert dumped != dump, f"{statement} changes nothing"
            assert catalog.differences(state, found) != "", statement
            state, dump = found, dumped


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
