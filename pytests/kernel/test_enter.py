"""Entering a workspace, however the transaction is sent."""

from __future__ import annotations

import psycopg
import pytest

from support.database import Database
from support.people import People
from support.server import Logins

_ENTER = "SELECT tenancy.enter(%s, %s)"


def test_transactions_that_come_in_one_packet_are_each_in_their_own_workspace(
    database: Database, logins: Logins, people: People
) -> None:
    """Prepared and pipelined, BEGIN and the call start within the same microsecond."""
    users = [people.user() for _ in range(20)]
    with database.connect(logins.app, autocommit=True) as connection:
        for _ in range(20):
            with connection.pipeline():
                cursors = []
                for user in users:
                    connection.execute("BEGIN")
                    connection.execute(_ENTER, [user.id, None])
                    cursors.append(connection.execute("SELECT id FROM public.users"))
                    connection.execute("COMMIT")
            assert [cursor.fetchall() for cursor in cursors] == [[(user.id,)] for user in users]


@pytest.mark.parametrize("counting", ["on", "off"])
def test_a_second_identity_is_refused_whether_or_not_the_server_counts(
    database: Database, logins: Logins, people: People, admin: psycopg.Connection[tuple[object, ...]], counting: str
) -> None:
    alice, bob = people.user(), people.user()
    admin.execute(f'ALTER DATABASE "{database.name}" SET track_counts = {counting}'.encode())
    with database.connect(logins.app) as connection:
        for _ in range(3):  # the count of one transaction says nothing about the next
            connection.execute(_ENTER, [alice.id, None])
            connection.execute("RESET ALL")
            with pytest.raises(psycopg.errors.InvalidAuthorizationSpecification) as refused:
                connection.execute(_ENTER, [bob.id, None])
            assert refused.value.diag.constraint_name == "context_already_set"
            connection.rollback()
            connection.execute(_ENTER, [bob.id, None])
            assert connection.execute("SELECT id FROM public.users").fetchall() == [(bob.id,)]
            connection.commit()


def test_an_identity_that_was_rolled_back_makes_room_for_another(
    database: Database, logins: Logins, people: People
) -> None:
    alice, bob = people.user(), people.user()
    with database.connect(logins.app) as connection:
        connection.execute("SAVEPOINT before")
        connection.execute(_ENTER, [alice.id, None])
        connection.execute("ROLLBACK TO SAVEPOINT before")
        connection.execute(_ENTER, [bob.id, None])
        assert connection.execute("SELECT id FROM public.users").fetchall() == [(bob.id,)]


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_an_old_snapshot_does_not_keep_a_membership_alive(
    database: Database,
    logins: Logins,
    people: People,
    admin: psycopg.Connection[tuple[object, ...]],
    level: str,
) -> None:
    organization = people.organization()
    member = people.member(organization, "admin")
    with database.connect(logins.app) as connection:
        connection.execute(f"SET TRANSACTION ISOLATION LEVEL {level}".encode())
        connection.execute("SELECT 1")  # takes the snapshot
        admin.execute("DELETE FROM public.organization_memberships WHERE user_id = %s", [member.id])
        with pytest.raises(psycopg.errors.SerializationFailure):
            connection.execute(_ENTER, [member.id, organization.id])
        connection.rollback()
        with pytest.raises(psycopg.errors.InvalidAuthorizationSpecification) as refused:
            connection.execute(_ENTER, [member.id, organization.id])
        assert refused.value.diag.constraint_name == "not_a_member"


def test_an_entered_transaction_does_not_delay_the_end_of_its_membership(
    database: Database, logins: Logins, people: People, admin: psycopg.Connection[tuple[object, ...]]
) -> None:
    organization = people.organization()
    member = people.member(organization, "admin")
    with database.connect(logins.app) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        connection.execute(_ENTER, [member.id, organization.id])
        admin.execute("SET lock_timeout = '2s'")
        admin.execute("DELETE FROM public.organization_memberships WHERE user_id = %s", [member.id])


def test_a_read_only_transaction_can_be_entered(database: Database, logins: Logins, people: People) -> None:
    organization = people.organization()
    member = people.member(organization)
    with database.connect(logins.app) as connection:
        connection.execute("SET TRANSACTION READ ONLY")
        connection.execute(_ENTER, [member.id, organization.id])
        assert connection.execute("SELECT id FROM public.organizations").fetchall() == [(organization.id,)]


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_read_only_is_no_way_around_the_check_of_an_old_snapshot(
    database: Database, logins: Logins, people: People, level: str
) -> None:
    """READ ONLY ends with its savepoint, and the workspace stays."""
    organization = people.organization()
    member = people.member(organization)
    with database.connect(logins.app) as connection:
        connection.execute(f"SET TRANSACTION ISOLATION LEVEL {level}".encode())
        connection.execute("SELECT 1")
        connection.execute("SAVEPOINT s")
        connection.execute("SET TRANSACTION READ ONLY")
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction) as refused:
            connection.execute(_ENTER, [member.id, organization.id])
        assert refused.value.diag.constraint_name == "snapshot_not_checked"


def test_entering_does_not_wait_for_an_administrator(database: Database, logins: Logins, people: People) -> None:
    """A waiting transaction that held its membership would block the one that ends it."""
    organization = people.organization()
    owner, member = people.member(organization, "owner"), people.member(organization)
    with database.connect(logins.app) as first, database.connect(logins.app) as second:
        first.execute(_ENTER, [owner.id, organization.id])
        first.execute("SELECT tenancy.update_organization(name => 'Another')")
        second.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        with pytest.raises(psycopg.errors.SerializationFailure):
            second.execute(_ENTER, [member.id, organization.id])
        first.execute("SELECT tenancy.remove_member(%s)", [member.id])
