"""Concurrent sessions, except for owners and keys."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest
from psycopg import IsolationLevel

from support.database import Database
from support.people import People
from support.racing import Session, at_once, name_of
from support.server import Logins
from support.two_tenants import Key

Connection = psycopg.Connection[tuple[Any, ...]]
Connect = Callable[..., Connection]

LEVELS = [IsolationLevel.READ_COMMITTED, IsolationLevel.REPEATABLE_READ, IsolationLevel.SERIALIZABLE]


@pytest.mark.parametrize("level", LEVELS, ids=lambda level: level.name)
def test_eight_organizations_of_one_name_get_eight_slugs(
    database: Database, logins: Logins, people: People, admin: Connection, level: IsolationLevel
) -> None:
    users = [people.user() for _ in range(8)]

    def create(number: int, barrier: threading.Barrier) -> None:
        with database.connect(logins.app) as connection:
            connection.isolation_level = level
            connection.execute("SELECT tenancy.enter(%s)", [users[number].id])
            barrier.wait(10)
            connection.execute("SELECT tenancy.create_organization('Acme')")
            connection.commit()

    outcomes = at_once(8, create)
    # SERIALIZABLE may require some of them to retry.
    assert set(outcomes) <= ({"done", "40001"} if level is IsolationLevel.SERIALIZABLE else {"done"})
    done = outcomes.count("done")
    assert done >= 1
    assert admin.execute(
        "SELECT count(*), count(DISTINCT slug), count(DISTINCT w.id) FROM public.organizations AS o"
        " JOIN public.organization_memberships AS m ON m.organization_id = o.id AND m.role = 'owner'"
        " JOIN tenancy.workspaces AS w ON w.organization_id = o.id"
    ).fetchone() == (done, done, done)


@pytest.mark.parametrize("level", LEVELS, ids=lambda level: level.name)
def test_of_eight_that_want_one_slug_one_gets_it(
    database: Database, logins: Logins, people: People, level: IsolationLevel
) -> None:
    users = [people.user() for _ in range(8)]

    def create(number: int, barrier: threading.Barrier) -> None:
        with database.connect(logins.app) as connection:
            connection.isolation_level = level
            connection.execute("SELECT tenancy.enter(%s)", [users[number].id])
            barrier.wait(10)
            connection.execute("SELECT tenancy.create_organization('Acme', 'acme')")
            connection.commit()

    assert at_once(8, create) == ["done"] + ["organization_slug_taken"] * 7


def test_two_that_change_to_one_slug(database: Database, logins: Logins, people: People) -> None:
    organizations = [people.organization(), people.organization()]

    def change(number: int, barrier: threading.Barrier) -> None:
        organization = organizations[number]
        with database.entered(logins.app, organization.owner, organization) as connection:
            barrier.wait(10)
            connection.execute("SELECT tenancy.update_organization(slug => 'wanted')")

    assert at_once(2, change) == ["done", "organization_slug_taken"]


def test_a_unique_name_of_the_application_itself_is_an_error_and_no_endless_search(
    people: People, admin: Connection, connect: Connect, logins: Logins
) -> None:
    admin.execute("ALTER TABLE public.organizations ADD CONSTRAINT one_name UNIQUE (name)")
    organization = people.organization("Acme")
    connection = connect(logins.app)
    connection.execute("SET statement_timeout = '2s'")
    connection.execute("SELECT tenancy.enter(%s)", [organization.owner.id])
    for arguments in ("'Acme'", "'Acme', 'another-slug'"):
        connection.execute("SELECT tenancy.enter(%s)", [organization.owner.id])
        with pytest.raises(psycopg.errors.InvalidParameterValue, match="one_name") as error:
            connection.execute(f"SELECT tenancy.create_organization({arguments})")
        assert name_of(error.value) == "organization_data_invalid"
        connection.rollback()


def test_a_membership_that_is_removed_stops_at_the_next_transaction(
    people: People, admin: Connection, connect: Connect, logins: Logins
) -> None:
    organization = people.organization()
    member = people.member(organization, "admin")
    connection = connect(logins.app)
    connection.execute("SELECT tenancy.enter(%s, %s)", [member.id, organization.id])
    admin.execute("DELETE FROM public.organization_memberships WHERE user_id = %s", [member.id])
    # It keeps reading until it ends, but can no longer write.
    assert connection.execute("SELECT count(*) FROM public.organizations").fetchone() == (1,)
    with pytest.raises(psycopg.Error) as error, connection.transaction():
        connection.execute("SELECT tenancy.leave_organization()")
    assert name_of(error.value) == "not_a_member"
    connection.commit()
    with pytest.raises(psycopg.Error) as error:
        connection.execute("SELECT tenancy.enter(%s, %s)", [member.id, organization.id])
    assert name_of(error.value) == "not_a_member"


def test_a_role_that_was_taken_meanwhile_gives_nothing_any_more(
    people: People, admin: Connection, connect: Connect, logins: Logins
) -> None:
    organization = people.organization()
    member, other = people.member(organization, "admin"), people.member(organization, "user")
    connection = connect(logins.app)
    connection.execute("SELECT tenancy.enter(%s, %s)", [member.id, organization.id])
    admin.execute("UPDATE public.organization_memberships SET role = 'user' WHERE user_id = %s", [member.id])
    assert connection.execute("SELECT tenancy.has_permission('members.change_role')").fetchone() == (True,)
    for statement in (
        "SELECT tenancy.change_member_role(%(other)s, 'admin')",
        "SELECT tenancy.remove_member(%(other)s)",
    ):
        with pytest.raises(psycopg.Error) as error, connection.transaction():
            connection.execute(statement, {"other": other.id})
        assert name_of(error.value) == "permission_denied"


def test_an_organization_that_was_deleted_meanwhile_is_not_changed(
    people: People, connect: Connect, logins: Logins, database: Database
) -> None:
    organization = people.organization()
    connection = connect(logins.app)
    connection.execute("SELECT tenancy.enter(%s, %s)", [organization.owner.id, organization.id])
    with database.entered(logins.app, organization.owner, organization) as another:
        another.execute("SELECT tenancy.delete_organization()")
    for statement in (
        "SELECT tenancy.update_organization(name => 'x')",
        "SELECT tenancy.delete_organization()",
        "SELECT tenancy.leave_organization()",
    ):
        with pytest.raises(psycopg.Error) as error, connection.transaction():
            connection.execute(statement)
        assert name_of(error.value) == "not_a_member"


@pytest.mark.parametrize("level", LEVELS, ids=lambda level: level.name)
@pytest.mark.parametrize("restored_first", [True, False])
def test_purge_and_restore_of_one_organization_exclude_each_other(
    people: People, admin: Connection, connect: Connect, logins: Logins, level: IsolationLevel, restored_first: bool
) -> None:
    organization = people.organization()
    admin.execute("UPDATE tenancy.workspaces SET deleted_at = now() WHERE id = %s", [organization.id])
    calls = ["SELECT tenancy.restore_organization(%s)", "SELECT tenancy.purge_organization(%s)"]
    sessions = []
    for _ in calls:
        connection = connect(logins.service)
        connection.isolation_level = level
        connection.execute("SELECT FROM public.users LIMIT 1")
        sessions.append(Session(connection, admin))
    order = calls if restored_first else calls[::-1]
    for session, call in zip(sessions, order, strict=True):
        session.start(lambda connection, call=call: connection.execute(call, [organization.id]))  # type: ignore[misc]
    for session in sessions:
        session.commit()
    outcomes = [session.outcome() for session in sessions]
    assert outcomes[0] == "done"
    assert outcomes[1] in {"deleted_organization_not_found", "40001"}
    there = admin.execute("SELECT count(*) FROM public.organizations WHERE id = %s", [organization.id]).fetchone()
    assert there == (1 if restored_first else 0,)


def test_a_user_and_a_membership_come_and_go_without_a_deadlock_that_stays(
    database: Database, logins: Logins, people: People, admin: Connection
) -> None:
    """Each of six sessions creates an organization, fills it, and deletes it, with the same few users."""
    users = [people.user() for _ in range(4)]

    def work(number: int, barrier: threading.Barrier) -> None:
        barrier.wait(10)
        with database.connect(logins.app) as app, database.connect(logins.service) as service:
            for turn in range(10):
                owner, member = users[(number + turn) % 4], users[(number + turn + 1) % 4]
                app.execute("SELECT tenancy.enter(%s)", [owner.id])
                row = app.execute("SELECT id FROM tenancy.create_organization('Acme')").fetchone()
                app.commit()
                assert row is not None
                service.execute(
                    "INSERT INTO public.organization_memberships (organization_id, user_id, role)"
                    " VALUES (%s, %s, 'admin')",
                    [row[0], member.id],
                )
                service.commit()
                app.execute("SELECT tenancy.enter(%s, %s)", [owner.id, row[0]])
                app.execute("SELECT tenancy.change_member_role(%s, 'owner')", [member.id])
                app.execute("SELECT tenancy.leave_organization()")
                app.commit()
                app.execute("SELECT tenancy.enter(%s, %s)", [member.id, row[0]])
                app.execute("SELECT tenancy.delete_organization()")
                app.commit()
                service.execute("SELECT tenancy.purge_organization(%s)", [row[0]])
                service.commit()

    assert at_once(6, work) == ["done"] * 6
    assert admin.execute("SELECT count(*) FROM tenancy.workspaces WHERE kind = 'organization'").fetchone() == (0,)


@pytest.mark.parametrize("login", ["app", "credentialed"])
def test_two_organizations_that_read_their_latest_and_add_one_do_not_conflict(
    database: Database, logins: Logins, people: People, admin: Connection, login: str
) -> None:
    """SERIALIZABLE tracks reads, which must be the workspace's own rows and not a shared page."""
    organizations = [people.organization(), people.organization()]
    admin.execute("INSERT INTO public.providers (name) VALUES ('Cloud')")
    for organization in organizations:
        admin.execute(
            "INSERT INTO public.instances (organization_id, provider_id, status, created_at)"
            " SELECT %s, p.id, 'ready', now() - n * interval '1 minute'"
            " FROM public.providers AS p, generate_series(1, 3000) AS n",
            [organization.id],
        )
    admin.execute("ANALYZE public.instances")
    key, secret = admin.execute("SELECT key_id, secret FROM tenancy.create_ticket_key()").fetchone() or ("", "")
    latest = "SELECT id FROM public.instances ORDER BY created_at DESC LIMIT 20"
    for _ in range(10):
        with ExitStack() as stack:
            sessions = []
            for organization in organizations:
                connection = stack.enter_context(database.connect(getattr(logins, login)))
                connection.isolation_level = IsolationLevel.SERIALIZABLE
                if login == "app":
                    connection.execute("SELECT tenancy.enter(%s, %s)", [organization.owner.id, organization.id])
                else:
                    ticket = Key(key, secret).ticket(organization.owner, organization)
                    connection.execute("SELECT tenancy.enter_with_ticket(%s)", [ticket])
                sessions.append(connection)
            for connection in sessions:
                assert len(connection.execute(latest.encode()).fetchall()) == 20
            for connection in sessions:
                connection.execute(
                    "INSERT INTO public.instances (provider_id, status) SELECT provider_id, 'failed'"
                    " FROM public.instances ORDER BY created_at DESC LIMIT 1"
                )
            for connection in sessions:
                connection.commit()
