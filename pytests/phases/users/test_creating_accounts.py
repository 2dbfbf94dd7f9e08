"""Users: who may create accounts, with which addresses, and the order of refusals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import IsolationLevel

from support.database import PLATFORM
from support.people import Organization, User
from support.racing import Session
from support.server import Logins
from support.users import ROLES, api_key_of, error_of, one, usernames

pytestmark = pytest.mark.shared_database

Connection = psycopg.Connection[tuple[Any, ...]]
Connect = Callable[..., Connection]
AsApp = Callable[..., Any]


@pytest.mark.parametrize("role", ROLES)
def test_who_may_create_an_account_in_an_organization(
    acme: Organization, member: Callable[[str], UUID], as_app: AsApp, admin: Connection, role: str
) -> None:
    with as_app(member(role), acme) as connection:
        call = "SELECT tenancy.create_user(' New@Example.com ', 'new', 'Ne', 'W', 'hash')"
        if role not in {"owner", "admin"}:
            assert error_of(connection, call).diag.constraint_name == "permission_denied"
            return
        new = one(connection, call)
        assert "new" in usernames(connection)
    assert admin.execute(
        "SELECT u.id, u.email, u.username, u.first_name, u.last_name, u.password_hash, u.role, m.role, w.kind,"
        " u.created_at = m.created_at, u.updated_at = u.created_at"
        " FROM public.users AS u JOIN public.organization_memberships AS m ON u.id = m.user_id"
        " JOIN tenancy.workspaces AS w ON w.id = u.id"
        " WHERE m.organization_id = %s AND u.username = 'new'",
        [acme.id],
    ).fetchall() == [
        (new, "New@Example.com", "new", "Ne", "W", "hash", "user", "user", "personal", True, True),
    ]
    with as_app(new, acme) as connection:
        assert one(connection, "SELECT tenancy.current_role()") == "user"


def test_staff_make_accounts_in_the_platforms_workspace_and_nobody_in_a_personal_one(
    acme: Organization, staff: User, as_app: AsApp, admin: Connection
) -> None:
    with as_app(staff, PLATFORM) as connection:
        new = one(connection, "SELECT tenancy.create_user('new@example.com')")
    assert admin.execute(
        "SELECT role, password_hash FROM public.users WHERE id = %s AND NOT EXISTS"
        " (SELECT FROM public.organization_memberships WHERE user_id = %s)",
        [new, new],
    ).fetchall() == [("user", None)]
    for person in (acme.owner, staff):
        with as_app(person) as connection:
            error = error_of(connection, "SELECT tenancy.create_user('another@example.com')")
            assert (error.sqlstate, error.diag.constraint_name) == ("55000", "organization_required")


@pytest.mark.parametrize("email", ["GINA@example.com", " gina@Example.COM\n", "gina@example.com"])
def test_an_address_that_has_an_account_is_taken_in_every_spelling(
    acme: Organization, globex: Organization, as_app: AsApp, admin: Connection, email: str
) -> None:
    before = one(admin, "SELECT array_agg(u::text ORDER BY u::text) FROM public.users AS u")
    with as_app(acme.owner, acme) as connection:
        for call in ("create_user(%s)", f"update_user('{acme.owner.id}', %s)"):
            error = error_of(connection, f"SELECT tenancy.{call}", email)
            assert (error.sqlstate, error.diag.constraint_name) == ("23505", "email_taken")
            assert "gina" not in (str(error) + str(error.diag.message_detail)).lower()
    assert one(admin, "SELECT array_agg(u::text ORDER BY u::text) FROM public.users AS u") == before
    assert one(admin, "SELECT count(*) FROM public.organization_memberships WHERE organization_id = %s", acme.id) == 4


@pytest.mark.parametrize("email", ["", "x", "a b@x", "a@x\nBcc: b@x", None])
def test_an_invalid_address_creates_no_account(acme: Organization, as_app: AsApp, email: str | None) -> None:
    with as_app(acme.owner, acme) as connection:
        assert error_of(connection, "SELECT tenancy.create_user(%s)", email).diag.constraint_name == "email_invalid"
        if email is not None:
            error = error_of(connection, "SELECT tenancy.update_user(%s, %s)", acme.owner.id, email)
            assert error.diag.constraint_name == "email_invalid"


@pytest.mark.parametrize("level", [IsolationLevel.READ_COMMITTED, IsolationLevel.REPEATABLE_READ])
def test_of_two_sessions_that_make_one_address_at_once_one_does(
    acme: Organization, globex: Organization, connect: Connect, logins: Logins, admin: Connection, level: IsolationLevel
) -> None:
    sessions = []
    for organization, email in ((acme, "New@example.com"), (globex, "new@EXAMPLE.com")):
        connection = connect(logins.app)
        connection.isolation_level = level
        connection.execute("SELECT tenancy.enter(%s, %s)", [organization.owner.id, organization.id])
        session = Session(connection, admin)
        session.start(lambda c, email=email: c.execute("SELECT tenancy.create_user(%s)", [email]))  # type: ignore[misc]
        sessions.append(session)
    for session in sessions:
        session.commit()
    second = "email_taken" if level is IsolationLevel.READ_COMMITTED else "40001"
    assert [session.outcome() for session in sessions] == ["done", second]
    assert one(admin, "SELECT count(*) FROM public.users WHERE lower(email) = 'new@example.com'") == 1


@pytest.mark.parametrize(
    ("role", "call", "name"),
    [
        ("user", "create_user('bad')", "permission_denied"),
        ("user", "update_user('{owner}', 'bad')", "permission_denied"),
        ("admin", "update_user('{owner}', 'bad')", "delegation_denied"),
        ("admin", "update_user('{user}', 'bad')", "credentials_denied"),
        ("user", "all_users(page_size => 0)", "permission_denied"),
        ("user", "invite_member('bad', 'king', '0')", "permission_denied"),
        ("manager", "invite_member('bad', 'admin', '0')", "delegation_denied"),
        ("user", "change_member_role('{owner}', 'king')", "permission_denied"),
        ("manager", "change_member_role('{owner}', 'king')", "delegation_denied"),
        ("user", "update_organization('', 'not a slug', 'red')", "permission_denied"),
    ],
)
def test_a_missing_permission_is_reported_before_invalid_arguments(
    acme: Organization, member: Callable[[str], UUID], as_app: AsApp, role: str, call: str, name: str
) -> None:
    with as_app(member(role), acme) as connection:
        statement = "SELECT tenancy." + call.format(owner=acme.owner.id, user=member("user"))
        assert error_of(connection, statement).diag.constraint_name == name


def test_a_program_is_told_that_it_is_none_before_what_is_wrong_with_the_arguments(
    acme: Organization, as_app: AsApp, connect: Connect, logins: Logins
) -> None:
    connection = connect(logins.credentialed)
    connection.execute("SELECT tenancy.enter_with_api_key(%s)", [api_key_of(as_app, acme.owner)])
    for call in ("create_organization('')", f"update_user('{acme.owner.id}', 'bad')", "create_user('bad')"):
        assert error_of(connection, f"SELECT tenancy.{call}").diag.constraint_name == "person_required"
