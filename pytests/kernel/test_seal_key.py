"""The key of the seal is rotated while everybody works."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest
from psycopg import IsolationLevel

from pg_tenancy.tools.embedded import EmbeddedServer
from support.contexts import seal_contexts
from support.database import Database
from support.people import People
from support.racing import name_of
from support.server import Logins, Server

Connection = psycopg.Connection[tuple[Any, ...]]
Connect = Callable[..., Connection]


@pytest.fixture(params=["carried", "sealed"])
def proof(request: pytest.FixtureRequest, database: Database) -> str:
    """Return each proof of contexts in turn."""
    if request.param == "sealed":
        seal_contexts(database)
    return str(request.param)


def _work(database: Database, logins: Logins, people: People, rotate: Callable[[], None]) -> tuple[list[str], int]:
    """Let six sessions enter and query while the key is rotated repeatedly."""
    stop, outcomes = threading.Event(), []
    organizations = [people.organization() for _ in range(6)]

    def run(number: int) -> None:
        organization = organizations[number]
        with database.connect(logins.app) as connection:
            if number % 2:
                connection.isolation_level = IsolationLevel.REPEATABLE_READ
            while not stop.is_set():
                try:
                    connection.execute("SELECT tenancy.enter(%s, %s)", [organization.owner.id, organization.id])
                    for _ in range(3):
                        row = connection.execute("SELECT id FROM public.organizations").fetchall()
                        assert row == [(organization.id,)]
                        # The second time under the newest key, in the same transaction.
                        connection.execute("SELECT tenancy.enter(%s, %s)", [organization.owner.id, organization.id])
                    connection.execute("SELECT tenancy.update_organization(name => %s)", [f"name {time.time()}"])
                    connection.commit()
                    outcomes.append("done")
                except psycopg.Error as error:
                    connection.rollback()
                    outcomes.append(name_of(error))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    rotations, end = 0, time.monotonic() + 2
    while time.monotonic() < end:
        rotate()
        rotations += 1
    stop.set()
    for thread in threads:
        thread.join()
    return outcomes, rotations


@pytest.mark.usefixtures("proof")
def test_nobody_notices_a_rotation(database: Database, logins: Logins, people: People, admin: Connection) -> None:
    outcomes, rotations = _work(
        database, logins, people, lambda: (admin.execute("SELECT tenancy.rotate_seal_key()"), None)[1]
    )
    assert set(outcomes) == {"done"}
    assert len(outcomes) > 6
    assert rotations > 10
    count = admin.execute("SELECT count(*) FROM tenancy_private.seal_keys").fetchone()
    # None of them is an hour old.
    assert count == (rotations + 1,)


@pytest.mark.usefixtures("proof")
def test_a_rotation_that_keeps_nothing_ends_only_what_was_open(
    database: Database, logins: Logins, people: People, admin: Connection
) -> None:
    def rotate() -> None:
        admin.execute("SELECT tenancy.rotate_seal_key('0')")
        time.sleep(0.05)

    outcomes, _ = _work(database, logins, people, rotate)
    # Sessions that entered before, and query or enter again.
    assert set(outcomes) <= {"done", "invalid_context", "context_already_set"}
    assert outcomes.count("done") > 6
    assert admin.execute("SELECT count(*) FROM tenancy_private.seal_keys").fetchone() == (1,)


@pytest.mark.usefixtures("proof")
def test_what_is_open_at_a_rotation(people: People, admin: Connection, connect: Connect, logins: Logins) -> None:
    organization = people.organization()
    entered, kept = connect(logins.app), connect(logins.app)
    for connection in (entered, kept):
        connection.execute("SELECT tenancy.enter(%s, %s)", [organization.owner.id, organization.id])
    admin.execute("SELECT tenancy.rotate_seal_key()")
    assert kept.execute("SELECT count(*) FROM public.organizations").fetchone() == (1,)
    admin.execute("SELECT tenancy.rotate_seal_key('0')")
    with pytest.raises(psycopg.Error) as error:
        entered.execute("SELECT count(*) FROM public.organizations")
    assert name_of(error.value) == "invalid_context"
    entered.rollback()
    entered.execute("SELECT tenancy.enter(%s, %s)", [organization.owner.id, organization.id])
    assert entered.execute("SELECT count(*) FROM public.organizations").fetchone() == (1,)
    # Nothing is left to show that the other one is the same person.
    with pytest.raises(psycopg.Error) as error:
        kept.execute("SELECT tenancy.enter(%s, %s)", [organization.owner.id, organization.id])
    assert name_of(error.value) == "context_already_set"


@pytest.mark.usefixtures("proof")
def test_entering_again_as_oneself_outlives_a_rotation_and_a_change_of_role(
    people: People, admin: Connection, connect: Connect, logins: Logins
) -> None:
    organization = people.organization()
    member = people.member(organization, "admin")
    connection = connect(logins.app)
    connection.execute("SELECT tenancy.enter(%s, %s)", [member.id, organization.id])
    admin.execute("SELECT tenancy.rotate_seal_key()")
    connection.execute("SELECT tenancy.enter(%s, %s)", [member.id, organization.id])
    admin.execute("UPDATE public.organization_memberships SET role = 'user' WHERE user_id = %s", [member.id])
    connection.execute("SELECT tenancy.enter(%s, %s)", [member.id, organization.id])
    assert connection.execute("SELECT tenancy.current_role()").fetchone() == ("user",)


def test_many_rotations_at_once_leave_one_current_key(database: Database, admin: Connection) -> None:
    outcomes = []

    def rotate() -> None:
        with database.connect(autocommit=True) as connection:
            for _ in range(10):
                try:
                    connection.execute("SELECT tenancy.rotate_seal_key('1 minute')")
                    outcomes.append("done")
                except psycopg.Error as error:
                    outcomes.append(name_of(error))

    threads = [threading.Thread(target=rotate) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == ["done"] * 40
    assert admin.execute(
        "SELECT count(*) FILTER (WHERE superseded_at IS NULL), count(*) FROM tenancy_private.seal_keys"
    ).fetchone() == (1, 41)


def test_only_the_owner_rotates(connect: Connect, logins: Logins) -> None:
    for login in (logins.app, logins.service, logins.auditor, logins.credentialed):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connect(login).execute("SELECT tenancy.rotate_seal_key()")


# -- many connections ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def roomy() -> Iterator[Server]:
    with EmbeddedServer(durable=False, settings={"max_connections": "230"}).start() as embedded:
        yield Server(embedded.dsn(), "own", "secret", str(embedded.bin_dir), embedded.version)


def test_two_hundred_transactions_hold_their_workspaces(roomy: Server, record_property: Callable[..., None]) -> None:
    database, logins = Database(roomy, roomy.template()), roomy.logins()
    enter = "SELECT tenancy.enter(%s, %s)"
    with ExitStack() as stack:
        admin = stack.enter_context(database.connect(autocommit=True))
        organization = People(admin).organization()
        probe = stack.enter_context(database.connect(logins.app))

        def cost() -> float:
            """Return the microseconds of entering, the best of several rounds."""
            rounds = []
            for _ in range(30):
                start = time.perf_counter()
                probe.execute(enter, [organization.owner.id, organization.id])
                rounds.append(time.perf_counter() - start)
                probe.rollback()
            return min(rounds) * 1e6

        alone = cost()
        connections = [stack.enter_context(database.connect(logins.app)) for _ in range(200)]
        for connection in connections:
            connection.execute(enter, [organization.owner.id, organization.id])
        crowded = cost()
        for connection in connections:
            assert connection.execute("SELECT tenancy.current_organization_id()").fetchone() == (organization.id,)
            with pytest.raises(psycopg.Error) as error:
                connection.execute(enter, [organization.owner.id, None])
            assert name_of(error.value) == "context_already_set"
    record_property("enter_alone_us", round(alone))
    record_property("enter_beside_200_us", round(crowded))
    print(f"\nentering takes {alone:.0f} us alone and {crowded:.0f} us beside 200 open transactions")
