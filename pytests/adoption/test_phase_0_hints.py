"""The first change's messages: obstacles, their remedies, and an outdated server."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest

from support.database import Database
from support.replay import Replay
from support.scripts import SQL, ScriptError

Warn = Callable[..., "str | None"]

RELEASES = SQL / "adoption" / "server_release.psql"

TABLES = "Make the tables and columns above what they must be."
ROWS = "Each query above finds the rows concerned: correct or delete them."
USERS = (
    "CREATE TABLE public.users (id {id}, email text, username text, first_name text, last_name text,"
    " password_hash text, role text, created_at timestamptz, updated_at timestamptz){partitions}"
)


@pytest.mark.parametrize(
    ("statements", "remedies"),
    [
        ([USERS.format(id="bigint PRIMARY KEY", partitions="")], [TABLES]),
        (["CREATE VIEW public.users AS SELECT gen_random_uuid() AS id"], [TABLES]),
        (["CREATE TABLE public.providers (id uuid)"], [TABLES]),
        ([USERS.format(id="uuid", partitions=" PARTITION BY HASH (id)")], [TABLES]),
        ([USERS.format(id="uuid", partitions=""), "INSERT INTO public.users (role) VALUES ('user')"], [ROWS]),
        (
            [
                USERS.format(id="uuid", partitions=""),
                "INSERT INTO public.users (role) VALUES ('user')",
                "CREATE TABLE public.providers (id bigint, name bigint)",
            ],
            [TABLES, ROWS],
        ),
    ],
    ids=["bigint ids", "a view", "a column is missing", "partitions", "a row without an id", "several"],
)
def test_a_refusal_says_what_to_do_before_the_next_deploy(
    empty_database: Database, statements: list[str], remedies: list[str]
) -> None:
    empty_database.execute(*statements)
    with pytest.raises(ScriptError) as refusal:
        Replay(empty_database).deploy("platform/existing_tables")
    hints = re.findall(r"HINT:  (.*)", refusal.value.output)
    assert hints == [" ".join(["Nothing was changed.", *remedies, "Then deploy again."])]


# -- the server's release ------------------------------------------------------------------


@pytest.fixture
def warning(empty_database: Database) -> Iterator[Warn]:
    """Return a function that returns the warning about a release, by default the server's."""
    with empty_database.connect() as connection:
        connection.execute(RELEASES.read_bytes())

        def ask(version: int | None = None) -> str | None:
            row = connection.execute(
                "SELECT pg_temp.release_warning(%s)", [version or connection.info.server_version]
            ).fetchone()
            assert row is not None
            return None if row[0] is None else str(row[0])

        yield ask


@pytest.mark.parametrize(("major", "closing"), [(15, 20), (16, 16), (17, 12), (18, 7)])
def test_the_release_that_closes_the_holes_is_named(warning: Warn, major: int, closing: int) -> None:
    for minor in range(closing):
        assert warning(major * 10_000 + minor) == (
            f"PostgreSQL {major}.{minor} has holes in row-level security that {major}.{closing} closes:"
            " update the server"
        )
    for minor in range(closing, closing + 5):
        assert warning(major * 10_000 + minor) is None


def test_nothing_is_said_of_a_major_release_that_came_later(warning: Warn) -> None:
    assert warning(190_000) is None
    assert warning(200_003) is None


def test_a_deploy_warns_of_the_release_that_it_runs_on(empty_database: Database, warning: Warn) -> None:
    said = re.findall(r"WARNING:  (PostgreSQL .*)", Replay(empty_database).deploy("platform/existing_tables"))
    assert said == [sentence for sentence in [warning()] if sentence is not None]
