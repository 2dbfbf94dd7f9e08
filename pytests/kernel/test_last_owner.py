"""An organization always keeps an owner, whatever several sessions do at once."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import IsolationLevel, sql

from pg_tenancy.tools.embedded import EmbeddedServer
from support.database import Database
from support.people import Organization, People, User
from support.racing import Session, name_of
from support.server import Logins, Server

pytestmark = pytest.mark.shared_database

Connection = psycopg.Connection[tuple[Any, ...]]
Connect = Callable[..., Connection]

LEVELS = [IsolationLevel.READ_COMMITTED, IsolationLevel.REPEATABLE_READ, IsolationLevel.SERIALIZABLE]

# Ways to remove an owner: by the owner, by the other owner, by a service.
BY_THE_OWNER = {
    "demotes": "SELECT tenancy.change_member_role(%(owner)s, 'user')",
    "leaves": "SELECT tenancy.leave_organization()",
}
BY_THE_OTHER = {
    "demoted by the other": "SELECT tenancy.change_member_role(%(owner)s, 'admin')",
    "removed by the other": "SELECT tenancy.remove_member(%(owner)s)",
}
BY_A_SERVICE = {
    "UPDATE": "UPDATE public.organization_memberships SET role = 'user'"
    " WHERE organization_id = %(organization)s AND user_id = %(owner)s",
    "DELETE": "DELETE FROM public.organization_memberships"
    " WHERE organization_id = %(organization)s AND user_id = %(owner)s",
    "DELETE of the user": "DELETE FROM public.users WHERE id = %(owner)s",
    "MERGE": "MERGE INTO public.organization_memberships AS m"
    " USING (VALUES (%(organization)s::uuid, %(owner)s::uuid)) AS v (organization_id, user_id)"
    " ON m.organization_id = v.organization_id AND m.user_id = v.user_id"
    " WHEN MATCHED THEN DELETE",
    "INSERT ON CONFLICT": "INSERT INTO public.organization_memberships (organization_id, user_id, role)"
    " VALUES (%(organization)s, %(owner)s, 'manager')"
    " ON CONFLICT (organization_id, user_id) DO UPDATE SET role = excluded.role",
    "move to another organization": "UPDATE public.organization_memberships SET organization_id = %(elsewhere)s"
    " WHERE organization_id = %(organization)s AND user_id = %(owner)s",
}
WAYS = {**BY_THE_OWNER, **BY_THE_OTHER, **BY_A_SERVICE}

# Possible errors of the second session. A person whom the first one demoted
# or removed cannot continue either.
REFUSALS = {
    "organization_keeps_an_owner",
    "40001",
    "not_a_member",
    "permission_denied",
    "delegation_denied",
    # Plain SQL locks the membership first, a function the organization.
    "40P01",
}


def _owners(connection: Connection, organization: Organization) -> int:
    row = connection.execute(
        "SELECT count(*) FROM public.organization_memberships WHERE organization_id = %s AND role = 'owner'",
        [organization.id],
    ).fetchone()
    assert row is not None
    return int(row[0])


@pytest.fixture
def two_owners(people: People) -> tuple[Organization, User, User]:
    ann, bob = people.user(), people.user()
    organization = people.organization("Acme", owner=ann)
    people.membership(organization, bob, "owner")
    return organization, ann, bob


# -- two sessions ----------------------------------------------------------------------


@pytest.mark.parametrize("level", LEVELS, ids=lambda level: level.name)
def test_of_two_sessions_that_take_the_two_owners_exactly_one_succeeds(
    database: Database, logins: Logins, admin: Connection, people: People, level: IsolationLevel
) -> None:
    with ExitStack() as stack:
        watcher = stack.enter_context(database.connect(autocommit=True))
        sessions = {}
        for place, login in itertools.product((0, 1), (logins.app, logins.service)):
            connection = stack.enter_context(database.connect(login))
            connection.isolation_level = level
            sessions[place, login] = Session(connection, watcher)

        def prepared(place: int, way: str, organization: Organization, owner: User, other: User) -> Session:
            session = sessions[place, logins.service if way in BY_A_SERVICE else logins.app]
            if way in BY_A_SERVICE:
                # The snapshot of REPEATABLE READ is taken here.
                session.connection.execute("SELECT FROM public.users LIMIT 1")
            else:
                actor = owner if way in BY_THE_OWNER else other
                session.connection.execute("SELECT tenancy.enter(%s, %s)", [actor.id, organization.id])
            return session

        def change(way: str, organization: Organization, owner: User) -> Callable[[Connection], Any]:
            values = {"organization": organization.id, "owner": owner.id, "elsewhere": elsewhere.id}
            return lambda connection: connection.execute(WAYS[way], values)

        elsewhere = people.organization("Elsewhere")
        wrong = []
        for first_way, second_way in itertools.product(WAYS, WAYS):
            ann, bob = people.user(), people.user()
            organization = people.organization(owner=ann)
            people.membership(organization, bob, "owner")
            first = prepared(0, first_way, organization, ann, bob)
            second = prepared(1, second_way, organization, bob, ann)
            first.start(change(first_way, organization, ann))
            second.start(change(second_way, organization, bob))
            first.commit()
            second.commit()
            outcomes = [first.outcome(), second.outcome()]
            refused = [outcome for outcome in outcomes if outcome != "done"]
            if len(refused) != 1 or not set(refused) <= REFUSALS or _owners(admin, organization) != 1:
                wrong.append((first_way, second_way, outcomes, _owners(admin, organization)))
    assert not wrong


# -- one session -------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
def test_the_last_owner_stays(people: People, connect: Connect, logins: Logins, admin: Connection, way: str) -> None:
    organization = people.organization("Acme")
    elsewhere = people.organization("Elsewhere")
    admin_there = people.member(organization, "admin")
    connection = connect(logins.service)
    if way not in BY_A_SERVICE:
        actor = organization.owner if way in BY_THE_OWNER else admin_there
        connection.execute("SELECT tenancy.enter_as_service(%s, %s)", [actor.id, organization.id])
    with pytest.raises(psycopg.Error) as error:  # noqa: PT012
        connection.execute(
            WAYS[way],
            {"organization": organization.id, "owner": organization.owner.id, "elsewhere": elsewhere.id},
        )
        connection.commit()
    wanted = "delegation_denied" if way in BY_THE_OTHER else "organization_keeps_an_owner"
    assert name_of(error.value) == wanted
    assert error.value.sqlstate == ("42501" if way in BY_THE_OTHER else "23514")
    connection.rollback()
    assert _owners(admin, organization) == 1


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM public.organization_memberships WHERE role = 'owner'",
        "DELETE FROM public.organization_memberships",
        "DELETE FROM public.users",
        "UPDATE public.organization_memberships SET role = 'admin'",
        "WITH gone AS (DELETE FROM public.organization_memberships RETURNING *) SELECT count(*) FROM gone",
    ],
)
def test_all_owners_at_once_cannot_go(
    two_owners: tuple[Organization, User, User], connect: Connect, logins: Logins, admin: Connection, statement: str
) -> None:
    connection = connect(logins.service)
    connection.execute(statement)
    with pytest.raises(psycopg.errors.CheckViolation) as error:
        connection.commit()
    assert name_of(error.value) == "organization_keeps_an_owner"
    assert _owners(admin, two_owners[0]) == 2


@pytest.mark.parametrize(
    "statement",
    [
        "TRUNCATE public.organization_memberships",
        "DELETE FROM public.organization_memberships",
        "UPDATE public.organization_memberships SET role = 'user'",
    ],
)
@pytest.mark.parametrize("replica", [False, True], ids=["", "as a replica"])
def test_not_even_a_superuser_takes_the_last_owner(
    two_owners: tuple[Organization, User, User], connect: Connect, admin: Connection, statement: str, replica: bool
) -> None:
    connection = connect()
    if replica:
        connection.execute("SET session_replication_role = replica")
    with pytest.raises(psycopg.errors.CheckViolation):  # noqa: PT012
        connection.execute(statement)
        connection.commit()
    connection.rollback()
    assert _owners(admin, two_owners[0]) == 2


def test_truncating_organizations_leaves_the_people_their_workspaces(people: People, connect: Connect) -> None:
    people.organization("Acme")
    connection = connect()
    with pytest.raises(psycopg.Error) as error:
        connection.execute("TRUNCATE public.organizations CASCADE")
    assert name_of(error.value) == "workspaces_are_kept"
    connection.rollback()
    missing = connection.execute(
        "SELECT u.id FROM public.users AS u WHERE NOT EXISTS"
        " (SELECT FROM tenancy.workspaces AS w WHERE w.id = u.id AND w.kind = 'personal')"
        " UNION ALL SELECT '00000000-0000-0000-0000-000000000000'"
        " WHERE NOT EXISTS (SELECT FROM tenancy.workspaces AS w WHERE w.kind = 'platform')"
    ).fetchall()
    assert missing == []


def test_a_service_hands_over_demoting_first(
    people: People, connect: Connect, logins: Logins, admin: Connection
) -> None:
    organization = people.organization("Acme")
    heir = people.member(organization, "user")
    connection = connect(logins.service)
    for user, role in ((organization.owner, "user"), (heir, "owner")):
        connection.execute(
            "UPDATE public.organization_memberships SET role = %s WHERE organization_id = %s AND user_id = %s",
            [role, organization.id, user.id],
        )
    connection.commit()
    assert _owners(admin, organization) == 1
    # By moving the membership to the successor, and by replacing the rows.
    connection.execute(
        "UPDATE public.organization_memberships SET user_id = %s WHERE user_id = %s", [people.user().id, heir.id]
    )
    connection.commit()
    connection.execute("DELETE FROM public.organization_memberships WHERE organization_id = %s", [organization.id])
    connection.execute(
        "INSERT INTO public.organization_memberships (organization_id, user_id, role) VALUES (%s, %s, 'owner')",
        [organization.id, heir.id],
    )
    connection.commit()
    assert _owners(admin, organization) == 1


def test_set_constraints_immediate_only_says_it_sooner(people: People, connect: Connect, logins: Logins) -> None:
    organization = people.organization("Acme")
    heir = people.member(organization, "user")
    demote = "UPDATE public.organization_memberships SET role = 'user' WHERE user_id = %s"
    promote = "UPDATE public.organization_memberships SET role = 'owner' WHERE user_id = %s"
    connection = connect(logins.service)
    connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
    with pytest.raises(psycopg.errors.CheckViolation):
        connection.execute(demote, [organization.owner.id])
    connection.rollback()
    # Done, compensated, checked, and then undone: it is checked again.
    connection.execute(demote, [organization.owner.id])
    connection.execute(promote, [heir.id])
    connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
    connection.execute("SET CONSTRAINTS ALL DEFERRED")
    connection.execute(demote, [heir.id])
    with pytest.raises(psycopg.errors.CheckViolation):
        connection.commit()


def test_savepoints_do_not_lose_the_check(people: People, connect: Connect, logins: Logins, admin: Connection) -> None:
    organization = people.organization("Acme")
    heir = people.member(organization, "user")
    change = "UPDATE public.organization_memberships SET role = %s WHERE user_id = %s"
    connection = connect(logins.service)
    # The compensating promotion is rolled back.
    connection.execute(change, ["user", organization.owner.id])
    connection.execute("SAVEPOINT s")
    connection.execute(change, ["owner", heir.id])
    connection.execute("ROLLBACK TO s")
    with pytest.raises(psycopg.errors.CheckViolation):
        connection.commit()
    # A demotion in a released savepoint counts, but not in one that was rolled back.
    connection.execute("SAVEPOINT s")
    connection.execute(change, ["user", organization.owner.id])
    connection.execute("RELEASE s")
    with pytest.raises(psycopg.errors.CheckViolation):
        connection.commit()
    connection.execute("SAVEPOINT s")
    connection.execute(change, ["user", organization.owner.id])
    connection.execute("ROLLBACK TO s")
    connection.commit()
    assert _owners(admin, organization) == 1


def test_an_organization_that_goes_takes_its_owners_along(people: People, connect: Connect, logins: Logins) -> None:
    organization = people.organization("Acme")
    connection = connect(logins.service)
    connection.execute("DELETE FROM public.organizations WHERE id = %s", [organization.id])
    connection.commit()
    # With its owner, in one transaction and in either order.
    for tables in (("organizations", "users"), ("users", "organizations")):
        organization = people.organization()
        ids = {"organizations": organization.id, "users": organization.owner.id}
        for table in tables:
            connection.execute(
                sql.SQL("DELETE FROM public.{} WHERE id = %s").format(sql.Identifier(table)), [ids[table]]
            )
        connection.commit()
    # The memberships first, like an application without foreign keys.
    organization = people.organization()
    connection.execute("DELETE FROM public.organization_memberships WHERE organization_id = %s", [organization.id])
    connection.execute("DELETE FROM public.organizations WHERE id = %s", [organization.id])
    connection.commit()


def test_no_application_role_switches_the_rule_off(
    two_owners: tuple[Organization, User, User], connect: Connect, logins: Logins
) -> None:
    for login in (logins.app, logins.service, logins.auditor):
        connection = connect(login)
        for statement in (
            "ALTER TABLE public.organization_memberships DISABLE TRIGGER ALL",
            "DROP TRIGGER organization_memberships_tenancy_owner ON public.organization_memberships",
            "SET session_replication_role = replica",
            "TRUNCATE public.organization_memberships",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)
            connection.rollback()


@pytest.fixture(scope="module")
def prepared_transactions() -> Iterator[Server]:
    with EmbeddedServer(durable=False, settings={"max_prepared_transactions": "4"}).start() as embedded:
        yield Server(embedded.dsn(), "own", "secret", str(embedded.bin_dir), embedded.version)


def test_a_prepared_transaction_is_checked_when_it_is_prepared(prepared_transactions: Server) -> None:
    database = Database(prepared_transactions, prepared_transactions.template())
    with ExitStack() as stack:
        admin, first, second = (stack.enter_context(database.connect(autocommit=True)) for _ in range(3))
        people = People(admin)
        ann, bob = people.user(), people.user()
        organization = people.organization("Acme", owner=ann)
        people.membership(organization, bob, "owner")
        first.execute("BEGIN")
        first.execute("DELETE FROM public.organization_memberships WHERE user_id = %s", [ann.id])
        first.execute("PREPARE TRANSACTION 'one'")
        second.execute("SET lock_timeout = '100ms'")
        second.execute("BEGIN")
        second.execute("DELETE FROM public.organization_memberships WHERE user_id = %s", [bob.id])
        # It waits for the prepared transaction, like for any other.
        with pytest.raises(psycopg.errors.LockNotAvailable):
            second.execute("PREPARE TRANSACTION 'two'")
        first.execute("COMMIT PREPARED 'one'")
        second.execute("BEGIN")
        second.execute("DELETE FROM public.organization_memberships WHERE user_id = %s", [bob.id])
        with pytest.raises(psycopg.errors.CheckViolation):
            second.execute("PREPARE TRANSACTION 'two'")
        assert _owners(admin, organization) == 1


# -- many sessions -------------------------------------------------------------------------


def test_random_changes_by_six_sessions_leave_every_organization_an_owner(
    database: Database, logins: Logins, people: People, admin: Connection
) -> None:
    users = [people.user() for _ in range(8)]
    organizations = [people.organization(owner=users[i]) for i in range(3)]
    for organization, user in itertools.product(organizations, users):
        if user != organization.owner:
            people.membership(organization, user, random.choice(["owner", "admin", "manager", "user"]))
    expected = REFUSALS | {
        "done",
        "member_not_found",
        "organization_memberships_tenancy_pkey",
        "organization_memberships_tenancy_user_id_fkey",
    }
    outcomes: list[str] = []
    ways = list(WAYS)

    def work(seed: int) -> None:
        choose = random.Random(seed)
        with database.connect(logins.app) as app, database.connect(logins.service) as service:
            for _ in range(20):
                organization, (owner, other) = choose.choice(organizations), choose.sample(users, 2)
                way, again = choose.choice(ways), 0
                connection = service if way in BY_A_SERVICE else app
                connection.isolation_level = choose.choice(LEVELS)
                if way == "DELETE of the user":
                    way = "DELETE"
                while True:
                    try:
                        if way not in BY_A_SERVICE:
                            actor = owner if way in BY_THE_OWNER else other
                            connection.execute("SELECT tenancy.enter(%s, %s)", [actor.id, organization.id])
                        connection.execute(
                            WAYS[way],
                            {
                                "organization": organization.id,
                                "owner": owner.id,
                                "elsewhere": choose.choice(organizations).id,
                            },
                        )
                        if choose.random() < 0.5:
                            # A new member replaces the lost one.
                            service.execute(
                                "INSERT INTO public.organization_memberships VALUES (%s, %s, 'owner')"
                                " ON CONFLICT DO NOTHING",
                                [organization.id, choose.choice(users).id],
                            ) if connection is service else None
                        connection.commit()
                        outcomes.append("done")
                    except psycopg.Error as error:
                        connection.rollback()
                        outcomes.append(name_of(error))
                        # Retryable errors are retried, as in an application.
                        if error.sqlstate in {"40001", "40P01"} and again < 10:
                            again += 1
                            # Entering does not wait for a running change, so the next attempt is later.
                            time.sleep(choose.random() * 0.002 * 2**again)
                            continue
                        if error.sqlstate in {"40001", "40P01"}:
                            outcomes.append("given up")
                    break

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counts = {name: outcomes.count(name) for name in sorted(set(outcomes))}
    assert set(outcomes) <= expected, counts
    assert counts.get("done", 0) > 10, counts
    for organization in organizations:
        assert _owners(admin, organization) >= 1, counts
    assert _workspaces_missing(admin) == []


def _workspaces_missing(connection: Connection) -> list[UUID]:
    rows = connection.execute(
        "SELECT t.id FROM (SELECT id FROM public.users UNION ALL SELECT id FROM public.organizations) AS t"
        " WHERE NOT EXISTS (SELECT FROM tenancy.workspaces AS w WHERE w.id = t.id)"
    )
    return [row[0] for row in rows.fetchall()]
