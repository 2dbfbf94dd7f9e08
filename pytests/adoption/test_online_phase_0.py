"""Phase 0 on a busy database: it blocks nobody, and after an interruption anywhere continues in either direction."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from pg_tenancy.tools.sqitch import Sqitch, SqitchError
from support.database import Database
from support.platform import KEYLESS, ROWS
from support.replay import Replay
from support.scripts import ScriptError
from support.server import Server

Real = Callable[[Database], Sqitch]

# Raises at the n-th statement that changes a table or an index.
SABOTAGE = """
CREATE SCHEMA sabotage;
CREATE SEQUENCE sabotage.statements;
CREATE FUNCTION sabotage.stop() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
    IF nextval('sabotage.statements') = current_setting('sabotage.at')::bigint THEN
        RAISE EXCEPTION 'stopped by the test';
    END IF;
END; $$;
CREATE EVENT TRIGGER sabotage ON ddl_command_end
WHEN TAG IN ('ALTER TABLE', 'ALTER INDEX', 'CREATE INDEX', 'DROP INDEX', 'COMMENT')
EXECUTE FUNCTION sabotage.stop();
"""
MEND = "DROP EVENT TRIGGER sabotage; DROP SCHEMA sabotage CASCADE"


@dataclass(frozen=True)
class Stages:
    """A platform without keys, before and after phase 0."""

    prepared: str
    deployed: str
    before: str
    after: str
    statements: int
    statements_back: int


def _arm(database: Database, at: int) -> None:
    with database.connect(autocommit=True) as connection:
        connection.execute(SABOTAGE)
        connection.execute(f"ALTER DATABASE {database.name} SET sabotage.at = {at}")


def _disarm(database: Database) -> int:
    with database.connect(autocommit=True) as connection:
        row = connection.execute("SELECT last_value FROM sabotage.statements").fetchone()
        connection.execute(MEND)
        connection.execute(f"ALTER DATABASE {database.name} RESET sabotage.at")
    assert row is not None
    return int(row[0])


@pytest.fixture(scope="module")
def stages(server: Server) -> Iterator[Stages]:
    untouched, prepared = server.state(KEYLESS + ROWS), server.state(KEYLESS + ROWS, "kernel/base_tables")
    before = server.create(untouched)
    deployed = server.create(prepared)
    _arm(deployed, 0)
    Replay(deployed).deploy("@phase-0")
    statements = _disarm(deployed)
    reverted = server.create(deployed.name)
    _arm(reverted, 0)
    Replay(reverted).revert("kernel/base_tables")
    statements_back = _disarm(reverted)
    yield Stages(prepared, deployed.name, before.dump(), deployed.dump(), statements, statements_back)
    server.drop(before.name, deployed.name, reverted.name)


@pytest.fixture
def clone(server: Server) -> Iterator[Callable[[str], Database]]:
    made: list[str] = []

    def make(template: str) -> Database:
        made.append(server.create(template).name)
        return Database(server, made[-1])

    yield make
    server.drop(*made)


def _fails(action: Callable[[], Any]) -> str:
    with pytest.raises((SqitchError, ScriptError)) as error:
        action()
    assert isinstance(error.value, SqitchError | ScriptError)
    return error.value.output


# -- stopped, and then ----------------------------------------------------------------

PLACES = [0.0, 0.1, 0.25, 0.37, 0.65, 0.99]
# At one place of each test sqitch runs it, for comparison; the other places use replays.
BY_SQITCH = {0.25, 0.3, 0.5}


def _tool(database: Database, place: float) -> Sqitch | Replay:
    return database.server.sqitch(database.name) if place in BY_SQITCH else Replay(database)


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES)
def test_a_deploy_that_was_stopped_goes_on(stages: Stages, clone: Any, place: float) -> None:
    database = clone(stages.prepared)
    _arm(database, 1 + int(place * (stages.statements - 1)))
    run = _tool(database, place)
    assert "stopped by the test" in _fails(lambda: run.deploy("@phase-0"))
    _disarm(database)
    run.deploy("@phase-0")
    assert database.dump() == stages.after


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES)
def test_a_deploy_that_was_stopped_can_be_reverted(stages: Stages, clone: Any, place: float) -> None:
    database = clone(stages.prepared)
    _arm(database, 1 + int(place * (stages.statements - 1)))
    run = _tool(database, place)
    assert "stopped by the test" in _fails(lambda: run.deploy("@phase-0"))
    _disarm(database)
    run.revert()
    assert database.dump() == stages.before


@pytest.mark.slow
@pytest.mark.parametrize("place", [0.0, 0.3, 0.6, 0.99])
def test_a_revert_that_was_stopped_goes_on(stages: Stages, clone: Any, place: float) -> None:
    database = clone(stages.deployed)
    _arm(database, 1 + int(place * (stages.statements_back - 1)))
    run = _tool(database, place)
    assert "stopped by the test" in _fails(lambda: run.revert())
    _disarm(database)
    run.revert()
    assert database.dump() == stages.before


@pytest.mark.slow
@pytest.mark.parametrize("place", [0.1, 0.5, 0.9])
def test_a_revert_that_was_stopped_can_be_deployed_again(stages: Stages, clone: Any, place: float) -> None:
    database = clone(stages.deployed)
    _arm(database, 1 + int(place * (stages.statements_back - 1)))
    run = _tool(database, place)
    assert "stopped by the test" in _fails(lambda: run.revert())
    _disarm(database)
    # What the interrupted revert removed is missing until it is completed.
    run.revert("kernel/base_tables")
    run.deploy("@phase-0")
    assert database.dump() == stages.after


def test_a_build_that_was_killed_is_begun_anew(stages: Stages, clone: Any, sqitch: Real) -> None:
    database = clone(stages.prepared)
    with database.connect(autocommit=True) as connection:
        connection.execute("ALTER TABLE public.users ALTER COLUMN id SET NOT NULL")
    before = database.dump()
    with database.connect() as writer, database.connect(autocommit=True) as killer:
        writer.execute("INSERT INTO public.users (id) VALUES (gen_random_uuid())")
        failures: list[str] = []
        deploy = threading.Thread(target=lambda: failures.append(_fails(lambda: sqitch(database).deploy("@phase-0"))))
        deploy.start()
        while not killer.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
            " AND query LIKE 'CREATE UNIQUE INDEX CONCURRENTLY%users%' AND wait_event_type = 'Lock'"
        ).fetchone():
            assert deploy.is_alive(), "the build did not wait for the writer"
            time.sleep(0.05)
        deploy.join()
        assert len(failures) == 1
        invalid = "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid"
        assert killer.execute(invalid).fetchall() == [("users_tenancy_pkey_tenancy_building",)]
        writer.commit()
        Replay(database).deploy("@phase-0")
        assert killer.execute(invalid).fetchall() == []
    Replay(database).verify()
    Replay(database).revert("kernel/base_tables")
    assert database.dump() == before


@pytest.mark.parametrize(
    ("to", "lock"),
    [
        ("kernel/primary_keys", "LOCK TABLE public.users IN ACCESS SHARE MODE"),
        ("kernel/foreign_keys", "LOCK TABLE public.users IN ROW EXCLUSIVE MODE"),
    ],
)
def test_a_long_transaction_stops_the_deploy_and_says_how_it_goes_on(
    stages: Stages, clone: Any, sqitch: Real, to: str, lock: str
) -> None:
    database = clone(stages.prepared)
    if to == "kernel/foreign_keys":
        Replay(database).deploy("kernel/foreign_key_indexes")
    run = replace(sqitch(database), environment={"PGOPTIONS": "-c tenancy.lock_attempts=2"})
    with database.connect() as busy:
        busy.execute(lock)
        output = _fails(lambda: run.deploy("@phase-0"))
    assert "no lock in 2 attempts:" in output
    assert "it continues here" in output
    Replay(database).deploy("@phase-0")
    assert database.dump() == stages.after


def test_orphans_that_came_meanwhile_are_counted_and_can_be_found(stages: Stages, clone: Any) -> None:
    database = clone(stages.prepared)
    Replay(database).deploy("kernel/foreign_key_indexes")
    with database.connect(autocommit=True) as connection:
        connection.execute(
            "INSERT INTO public.api_keys (id, user_id) SELECT gen_random_uuid(), gen_random_uuid()"
            " FROM generate_series(1, 3)"
        )
    output = _fails(lambda: Replay(database).deploy("@phase-0"))
    assert "public.api_keys: 3 rows whose user_id refers to no row of public.users" in output
    query = next(line for line in output.splitlines() if line.startswith("DETAIL:")).removeprefix("DETAIL:").strip()
    with database.connect(autocommit=True) as connection:
        assert len(connection.execute(query).fetchall()) == 3
        # No more of them can come.
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            connection.execute(
                "INSERT INTO public.api_keys (id, user_id) VALUES (gen_random_uuid(), gen_random_uuid())"
            )
        connection.execute(query.replace("SELECT *", "DELETE", 1))
    Replay(database).deploy("@phase-0")
    assert database.dump() == stages.after


# -- while everybody works ------------------------------------------------------------


@dataclass
class Traffic:
    """Sessions that read and write all the time, and their results."""

    database: Database
    users: list[UUID]
    longest: float = 0.0
    statements: int = 0
    failures: list[Exception] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def session(self, work: Callable[[Callable[..., Any]], None]) -> None:
        """Repeat one kind of work until the end."""
        with self.database.connect() as connection:

            def timed(query: str, *parameters: Any) -> Any:
                began = time.monotonic()
                answer = connection.execute(query, parameters)
                self.longest = max(self.longest, time.monotonic() - began)
                self.statements += 1
                return answer

            while not self.stop.is_set():
                try:
                    with connection.transaction():
                        work(timed)
                except psycopg.Error as error:
                    self.failures.append(error)
                    return
                time.sleep(random.random() / 50)

    def read(self, timed: Callable[..., Any]) -> None:
        """Read columns that have no index at first."""
        timed("SELECT count(*) FROM public.api_keys WHERE user_id = %s", random.choice(self.users))
        timed("SELECT * FROM public.users WHERE id = %s", random.choice(self.users))

    def write(self, timed: Callable[..., Any]) -> None:
        """Write the two tables in the order opposite to that of the foreign key."""
        user = uuid4()
        timed("INSERT INTO public.users (id, email) VALUES (%s, 'new@example.com')", user)
        timed("INSERT INTO public.api_keys (id, user_id) VALUES (%s, %s)", uuid4(), user)

    def change(self, timed: Callable[..., Any]) -> None:
        """Write them in the other order."""
        key = timed(
            "SELECT id, user_id FROM public.api_keys TABLESAMPLE SYSTEM (0.1) LIMIT 1",
        ).fetchone()
        if key is not None:
            timed("UPDATE public.api_keys SET last_used_at = now() WHERE id = %s", key[0])
            timed("UPDATE public.users SET updated_at = now() WHERE id = %s", key[1])


@pytest.mark.slow
def test_readers_and_writers_go_on_during_deploy_and_revert(
    empty_database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    with empty_database.connect() as connection:
        connection.execute(KEYLESS)
        connection.execute(
            "INSERT INTO public.users (id, email) SELECT gen_random_uuid(), n || '@example.com'"
            " FROM generate_series(1, 30000) AS n"
        )
        connection.execute(
            "INSERT INTO public.api_keys (id, user_id, name, key_prefix, key_hash)"
            " SELECT gen_random_uuid(), u.id, 'key', 'pk', repeat('x', 64)"
            " FROM public.users AS u, generate_series(1, 10)"
        )
        users = [id_ for (id_,) in connection.execute("SELECT id FROM public.users LIMIT 1000").fetchall()]
    before = empty_database.dump()
    traffic = Traffic(empty_database, users)
    sessions = [
        threading.Thread(target=traffic.session, args=[work])
        for work in (traffic.read, traffic.write, traffic.write, traffic.change)
    ]
    for session in sessions:
        session.start()
    try:
        time.sleep(1)
        idle, traffic.longest = traffic.longest, 0.0
        Replay(empty_database).deploy("@phase-0")
        deploying, traffic.longest = traffic.longest, 0.0
        Replay(empty_database).revert()
        reverting = traffic.longest
    finally:
        traffic.stop.set()
        for session in sessions:
            session.join()
    with capsys.disabled():
        print(
            f"\n{traffic.statements} statements; the longest took {idle:.2f} s before,"
            f" {deploying:.2f} s during the deploy, {reverting:.2f} s during the revert"
        )
    assert traffic.failures == []
    # Nobody waits behind a requested lock for more than half a second, and at most two are requested at once.
    assert max(deploying, reverting) < 1 + 1
    assert empty_database.dump() == before
