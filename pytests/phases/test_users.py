"""Users: who sees, makes, changes and deletes which account, and what goes with one."""

# ruff: noqa: S608  (the statements are the test's own)

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import IsolationLevel

from support.database import Database
from support.people import Organization, People, User
from support.planner import SETTINGS, plan_of
from support.racing import Session
from support.server import Logins
from support.two_tenants import refused

Connection = psycopg.Connection[tuple[Any, ...]]
Connect = Callable[..., Connection]
AsApp = Callable[..., Any]

ROLES = ("owner", "admin", "manager", "user")
NOBODY = UUID("99999999-0000-4000-8000-000000000000")
UPDATE = "SELECT tenancy.update_user(%(id)s, {} => %(value)s)"


def _one(connection: Connection, query: str, *values: Any) -> Any:
    row = connection.execute(query, values or None).fetchone()
    assert row is not None
    return row[0]


def _seen(connection: Connection) -> list[str]:
    return sorted(name for (name,) in connection.execute("SELECT username FROM public.users").fetchall())


def _error(connection: Connection, statement: str, *values: Any) -> psycopg.Error:
    """Return a statement's error, and go on as if nothing had been."""
    with pytest.raises(psycopg.Error) as raised, connection.transaction():
        connection.execute(statement, values or None)
    return raised.value


def _words(error: psycopg.Error) -> tuple[str | None, ...]:
    """Return what an error says, but for the statements that led to it."""
    diag = error.diag
    return diag.sqlstate, diag.constraint_name, diag.message_primary, diag.message_detail, diag.message_hint


@pytest.fixture
def acme(people: People) -> Organization:
    return people.organization("Acme", **{role: people.user(role) for role in ROLES})


@pytest.fixture
def globex(people: People) -> Organization:
    return people.organization("Globex", owner=people.user("gina"), user=people.user("gus"))


@pytest.fixture
def staff(people: People) -> User:
    return people.user("staff", role="admin")


@pytest.fixture
def member(acme: Organization, admin: Connection) -> Callable[[str], UUID]:
    """Return a function that gives the id of Acme's member with a role."""
    return lambda role: _one(admin, "SELECT id FROM public.users WHERE username = %s", role)


# -- who is seen ---------------------------------------------------------------------


@pytest.mark.parametrize("role", ROLES)
def test_every_member_sees_the_members_and_nobody_else(
    acme: Organization, globex: Organization, staff: User, member: Callable[[str], UUID], as_app: AsApp, role: str
) -> None:
    with as_app(member(role), acme) as connection:
        assert _seen(connection) == sorted(ROLES)
        assert _one(connection, "SELECT count(*) FROM public.users WHERE id = %s", globex.owner.id) == 0
        assert _one(connection, "SELECT count(*) FROM public.users WHERE email = 'gina@example.com'") == 0


@pytest.mark.parametrize("role", ROLES)
def test_in_the_personal_workspace_a_person_sees_the_own_account(
    acme: Organization, member: Callable[[str], UUID], as_app: AsApp, role: str
) -> None:
    with as_app(member(role)) as connection:
        assert _seen(connection) == [role]
        assert _error(connection, "SELECT * FROM tenancy.all_users()").diag.constraint_name == "permission_denied"


def test_who_joins_and_who_leaves_is_seen_and_not_from_the_next_transaction_on(
    acme: Organization, people: People, as_app: AsApp, admin: Connection
) -> None:
    newt = people.user("newt")
    with as_app(acme.owner, acme) as connection:
        assert "newt" not in _seen(connection)
    people.membership(acme, newt)
    with as_app(acme.owner, acme) as connection:
        assert "newt" in _seen(connection)
    with as_app(newt, acme) as connection:
        assert _seen(connection) == sorted([*ROLES, "newt"])
        connection.execute("SELECT tenancy.leave_organization()")
    with as_app(acme.owner, acme) as connection:
        assert "newt" not in _seen(connection)
    with as_app(newt) as connection:
        assert _seen(connection) == ["newt"]


def test_without_members_view_nobody_is_seen_and_nobody_is_named(
    acme: Organization, member: Callable[[str], UUID], as_app: AsApp, admin: Connection
) -> None:
    admin.execute("DELETE FROM tenancy.role_permissions WHERE permission = 'members.view' AND role = 'user'")
    with as_app(member("user"), acme) as connection:
        assert _seen(connection) == []
        assert _one(connection, "SELECT tenancy.visible_user_ids()") == []
    with as_app(member("manager"), acme) as connection:
        assert _seen(connection) == sorted(ROLES)


def test_platform_staff_list_everybody_in_the_personal_workspace(
    acme: Organization, globex: Organization, staff: User, as_app: AsApp, admin: Connection
) -> None:
    columns = "id, email, username, first_name, last_name, role, created_at"
    everybody = admin.execute(f"SELECT {columns} FROM public.users ORDER BY id").fetchall()
    assert len(everybody) == 7
    with as_app(staff) as connection:
        assert connection.execute(f"SELECT {columns} FROM public.users ORDER BY id").fetchall() == everybody
        assert _one(connection, "SELECT username FROM public.users WHERE email = 'gina@example.com'") == "gina"
        assert connection.execute("SELECT * FROM tenancy.all_users()").fetchall() == everybody
        first = connection.execute("SELECT * FROM tenancy.all_users(page_size => 4)").fetchall()
        rest = connection.execute("SELECT * FROM tenancy.all_users(after_id => %s)", [first[-1][0]]).fetchall()
        assert first + rest == everybody
        found = connection.execute("SELECT username FROM tenancy.all_users(' GINA@Example.com ')").fetchall()
        assert found == [("gina",)]
        assert connection.execute("SELECT * FROM tenancy.all_users('nobody@example.com')").fetchall() == []
        for size in ("0", "10001", "NULL"):
            error = _error(connection, f"SELECT * FROM tenancy.all_users(page_size => {size})")
            assert (error.sqlstate, error.diag.constraint_name) == ("22023", "page_size_invalid")


def test_platform_staff_see_in_an_organization_what_its_members_see(
    acme: Organization, globex: Organization, staff: User, people: People, as_app: AsApp
) -> None:
    people.membership(acme, staff, "user")
    with as_app(staff, acme) as connection:
        assert _seen(connection) == sorted([*ROLES, "staff"])
        assert _error(connection, "SELECT * FROM tenancy.all_users()").diag.constraint_name == "permission_denied"


def test_whoever_becomes_or_was_platform_staff_is_it_from_the_next_transaction_on(
    staff: User, people: People, as_app: AsApp, admin: Connection
) -> None:
    other = people.user("other")
    with as_app(staff) as connection:
        admin.execute("UPDATE public.users SET role = 'user' WHERE id = %s", [staff.id])
        assert len(connection.execute("SELECT * FROM tenancy.all_users()").fetchall()) == 2
    with as_app(staff) as connection:
        assert _seen(connection) == ["staff"]
        assert _error(connection, "SELECT * FROM tenancy.all_users()").diag.constraint_name == "permission_denied"
        error = _error(connection, "SELECT tenancy.delete_user(%s)", other.id)
        assert error.diag.constraint_name == "permission_denied"


def _api_key(as_app: AsApp, user: User | UUID, organization: Organization | None = None) -> str:
    with as_app(user, organization) as connection:
        return str(_one(connection, "SELECT key FROM tenancy.create_api_key('k')"))


def test_an_api_key_sees_what_its_workspace_sees_and_is_never_staff(
    acme: Organization, globex: Organization, staff: User, as_app: AsApp, connect: Connect, logins: Logins
) -> None:
    keys = {
        "acme": (_api_key(as_app, acme.owner, acme), sorted(ROLES)),
        "owner": (_api_key(as_app, acme.owner), ["owner"]),
        "staff": (_api_key(as_app, staff), ["staff"]),
    }
    connection = connect(logins.credentialed)
    for key, seen in keys.values():
        connection.execute("SELECT tenancy.enter_with_api_key(%s)", [key])
        assert _seen(connection) == seen
        assert _error(connection, "SELECT * FROM tenancy.all_users()").diag.constraint_name == "permission_denied"
        connection.rollback()


# -- no context ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "where",
    ["", "WHERE id = '{there}'", "WHERE id = '{absent}'", "WHERE email = '{email}'", "WHERE email = 'x'"],
)
def test_without_a_context_the_error_is_the_same_whether_or_not_there_is_a_row(
    acme: Organization, connect: Connect, logins: Logins, where: str
) -> None:
    connection = connect(logins.app)
    query = "SELECT id FROM public.users " + where.format(there=acme.owner.id, absent=NOBODY, email=acme.owner.email)
    assert _error(connection, query).diag.constraint_name == "no_context"


def _plan(connection: Connection, query: str) -> str:
    return "\n".join(line for (line,) in connection.execute(f"EXPLAIN (COSTS OFF) {query}").fetchall())


@pytest.mark.parametrize("where", ["", "WHERE id = '{absent}'", "WHERE email = 'x'", "ORDER BY id LIMIT 20"])
def test_the_context_is_looked_at_before_the_table(people: People, as_app: AsApp, where: str) -> None:
    with as_app(people.user()) as connection:
        plan = _plan(connection, "SELECT id FROM public.users " + where.format(absent=NOBODY))
    assert "One-Time Filter" in plan.split(" on users")[0], plan


@pytest.mark.parametrize(
    "call",
    [
        "tenancy.create_user('new@example.com')",
        "tenancy.create_user('bad')",
        "tenancy.update_user('{there}', username => 'x')",
        "tenancy.update_user('{there}', 'bad')",
        "tenancy.delete_user('{there}')",
        "tenancy.delete_user('{absent}')",
        "tenancy.visible_user_ids()",
        "tenancy.all_users()",
        "tenancy.all_users('{email}')",
    ],
)
@pytest.mark.parametrize("login", ["app", "credentialed", "service"])
def test_every_function_wants_a_context(
    acme: Organization, connect: Connect, logins: Logins, call: str, login: str
) -> None:
    filled = call.format(there=acme.owner.id, absent=NOBODY, email=acme.owner.email)
    error = _error(connect(getattr(logins, login)), f"SELECT {filled}")
    assert (error.sqlstate, error.diag.constraint_name) == ("28000", "no_context")


# -- making ------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ROLES)
def test_who_makes_an_account_in_an_organization(
    acme: Organization, member: Callable[[str], UUID], as_app: AsApp, admin: Connection, role: str
) -> None:
    with as_app(member(role), acme) as connection:
        call = "SELECT tenancy.create_user(' New@Example.com ', 'new', 'Ne', 'W', 'hash')"
        if role not in {"owner", "admin"}:
            assert _error(connection, call).diag.constraint_name == "permission_denied"
            return
        new = _one(connection, call)
        assert "new" in _seen(connection)
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
        assert _one(connection, "SELECT tenancy.current_role()") == "user"


def test_staff_make_accounts_in_the_personal_workspace_and_others_do_not(
    acme: Organization, staff: User, as_app: AsApp, admin: Connection
) -> None:
    with as_app(staff) as connection:
        new = _one(connection, "SELECT tenancy.create_user('new@example.com')")
    assert admin.execute(
        "SELECT role, password_hash FROM public.users WHERE id = %s AND NOT EXISTS"
        " (SELECT FROM public.organization_memberships WHERE user_id = %s)",
        [new, new],
    ).fetchall() == [("user", None)]
    with as_app(acme.owner) as connection:
        error = _error(connection, "SELECT tenancy.create_user('another@example.com')")
        assert (error.sqlstate, error.diag.constraint_name) == ("55000", "organization_required")


@pytest.mark.parametrize("email", ["GINA@example.com", " gina@Example.COM\n", "gina@example.com"])
def test_an_address_that_has_an_account_is_taken_in_every_spelling(
    acme: Organization, globex: Organization, as_app: AsApp, admin: Connection, email: str
) -> None:
    before = _one(admin, "SELECT array_agg(u::text ORDER BY u::text) FROM public.users AS u")
    with as_app(acme.owner, acme) as connection:
        for call in ("create_user(%s)", f"update_user('{acme.owner.id}', %s)"):
            error = _error(connection, f"SELECT tenancy.{call}", email)
            assert (error.sqlstate, error.diag.constraint_name) == ("23505", "email_taken")
            assert "gina" not in (str(error) + str(error.diag.message_detail)).lower()
    assert _one(admin, "SELECT array_agg(u::text ORDER BY u::text) FROM public.users AS u") == before
    assert _one(admin, "SELECT count(*) FROM public.organization_memberships WHERE organization_id = %s", acme.id) == 4


@pytest.mark.parametrize("email", ["", "x", "a b@x", "a@x\nBcc: b@x", None])
def test_what_is_no_address_makes_no_account(acme: Organization, as_app: AsApp, email: str | None) -> None:
    with as_app(acme.owner, acme) as connection:
        assert _error(connection, "SELECT tenancy.create_user(%s)", email).diag.constraint_name == "email_invalid"
        if email is not None:
            error = _error(connection, "SELECT tenancy.update_user(%s, %s)", acme.owner.id, email)
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
    assert _one(admin, "SELECT count(*) FROM public.users WHERE lower(email) = 'new@example.com'") == 1


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
def test_who_may_not_is_told_so_and_not_what_is_wrong_with_the_arguments(
    acme: Organization, member: Callable[[str], UUID], as_app: AsApp, role: str, call: str, name: str
) -> None:
    with as_app(member(role), acme) as connection:
        statement = "SELECT tenancy." + call.format(owner=acme.owner.id, user=member("user"))
        assert _error(connection, statement).diag.constraint_name == name


def test_a_program_is_told_that_it_is_none_before_what_is_wrong_with_the_arguments(
    acme: Organization, as_app: AsApp, connect: Connect, logins: Logins
) -> None:
    connection = connect(logins.credentialed)
    connection.execute("SELECT tenancy.enter_with_api_key(%s)", [_api_key(as_app, acme.owner)])
    for call in ("create_organization('')", f"update_user('{acme.owner.id}', 'bad')", "create_user('bad')"):
        assert _error(connection, f"SELECT tenancy.{call}").diag.constraint_name == "person_required"


# -- changing ----------------------------------------------------------------------------


def test_an_admin_is_told_who_changes_the_profile_of_an_owner(
    acme: Organization, member: Callable[[str], UUID], as_app: AsApp
) -> None:
    with as_app(member("admin"), acme) as connection:
        error = _error(connection, "SELECT tenancy.update_user(%s, first_name => 'x')", acme.owner.id)
    assert _words(error) == (
        "42501",
        "delegation_denied",
        "the role admin may not change the profile of an owner",
        None,
        "The person may, and of the roles: owner.",
    )


@pytest.mark.parametrize("held", ROLES)
@pytest.mark.parametrize("acting", ROLES)
def test_who_changes_whose_names(
    acme: Organization,
    people: People,
    member: Callable[[str], UUID],
    as_app: AsApp,
    admin: Connection,
    acting: str,
    held: str,
) -> None:
    other = people.member(acme, held, "other")
    with as_app(member(acting), acme) as connection:
        for column in ("username", "first_name", "last_name"):
            call = UPDATE.format(column)
            values = {"id": other.id, "value": "changed"}
            if acting not in {"owner", "admin"}:
                with refused("42501", "permission_denied"), connection.transaction():
                    connection.execute(call, values)
            elif held == "owner" and acting != "owner":
                with refused("42501", "delegation_denied"), connection.transaction():
                    connection.execute(call, values)
            else:
                connection.execute(call, values)
    changed = acting == "owner" or (acting == "admin" and held != "owner")
    assert admin.execute(
        "SELECT username = 'changed', first_name = 'changed', last_name = 'changed', email, password_hash, role"
        " FROM public.users WHERE id = %s",
        [other.id],
    ).fetchone() == (changed, changed, changed, other.email, "hash of other", "user")


@pytest.mark.parametrize("column", ["email", "password_hash"])
@pytest.mark.parametrize("held", ROLES)
@pytest.mark.parametrize("acting", ROLES)
def test_nobody_changes_how_another_member_is_known(
    acme: Organization,
    people: People,
    member: Callable[[str], UUID],
    as_app: AsApp,
    admin: Connection,
    acting: str,
    held: str,
    column: str,
) -> None:
    other = people.member(acme, held, "other")
    with as_app(member(acting), acme) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege) as raised, connection.transaction():
            connection.execute(UPDATE.format(column), {"id": other.id, "value": "taken@example.com"})
        if acting in {"owner", "admin"} and not (acting == "admin" and held == "owner"):
            assert raised.value.diag.constraint_name == "credentials_denied"
    assert admin.execute("SELECT email, password_hash FROM public.users WHERE id = %s", [other.id]).fetchone() == (
        other.email,
        "hash of other",
    )


@pytest.mark.parametrize("where", [*ROLES, None])
def test_a_person_changes_everything_of_the_own_account_in_every_workspace(
    acme: Organization,
    member: Callable[[str], UUID],
    as_app: AsApp,
    admin: Connection,
    where: str | None,
) -> None:
    me = member(where or "user")
    with as_app(me, acme if where else None) as connection:
        connection.execute("SELECT tenancy.update_user(%s, 'Me@Example.org', 'me', 'M', 'E', 'secret')", [me])
        connection.execute("SELECT tenancy.update_user(%s)", [me])
        connection.execute("SELECT tenancy.update_user(%s, 'ME@example.org')", [me])
    columns = "email, username, first_name, last_name, password_hash, role, updated_at > created_at"
    assert admin.execute(f"SELECT {columns} FROM public.users WHERE id = %s", [me]).fetchone() == (
        "ME@example.org",
        "me",
        "M",
        "E",
        "secret",
        "user",
        True,
    )
    assert _one(admin, "SELECT count(*) FROM public.users WHERE password_hash = 'secret'") == 1


def test_staff_change_everything_of_everybody_in_the_personal_workspace_only(
    acme: Organization, staff: User, people: People, as_app: AsApp, admin: Connection
) -> None:
    with as_app(staff) as connection:
        connection.execute(
            "SELECT tenancy.update_user(%s, 'o@example.org', password_hash => 'secret')", [acme.owner.id]
        )
        for unknown in (NOBODY, None):
            error = _error(connection, "SELECT tenancy.update_user(%s, 'x@example.org')", unknown)
            assert (error.sqlstate, error.diag.constraint_name) == ("P0002", "user_not_found")
    assert admin.execute("SELECT email, password_hash FROM public.users WHERE id = %s", [acme.owner.id]).fetchone() == (
        "o@example.org",
        "secret",
    )
    people.membership(acme, staff, "user")
    with as_app(staff, acme) as connection:
        error = _error(connection, "SELECT tenancy.update_user(%s, username => 'x')", acme.owner.id)
        assert error.diag.constraint_name == "permission_denied"


def test_who_is_no_member_cannot_be_told_from_who_does_not_exist(
    acme: Organization, globex: Organization, as_app: AsApp
) -> None:
    with as_app(acme.owner, acme) as connection:
        for call in ("update_user(%s, username => 'x')", "update_user(%s, 'gina@example.com')", "delete_user(%s)"):
            answers = {
                _words(error)
                for error in (
                    _error(connection, f"SELECT tenancy.{call}", user) for user in (globex.owner.id, NOBODY, None)
                )
            }
            assert {answer[:2] for answer in answers} == {("P0002", "member_not_found")}
            assert len(answers) == 1
    with as_app(acme.owner) as connection:
        for call in ("update_user(%s, username => 'x')", "update_user(%s, 'gina@example.com')", "delete_user(%s)"):
            answers = {
                _words(error)
                for error in (
                    _error(connection, f"SELECT tenancy.{call}", user) for user in (globex.owner.id, NOBODY, None)
                )
            }
            assert {answer[:2] for answer in answers} == {("42501", "permission_denied")}
            assert len(answers) == 1


def test_an_api_key_makes_changes_and_deletes_no_account(
    acme: Organization, staff: User, people: People, as_app: AsApp, connect: Connect, logins: Logins
) -> None:
    other = people.member(acme, "user", "other")
    connection = connect(logins.credentialed)
    for who, key in (
        (acme.owner, _api_key(as_app, acme.owner, acme)),
        (acme.owner, _api_key(as_app, acme.owner)),
        (staff, _api_key(as_app, staff)),
    ):
        connection.execute("SELECT tenancy.enter_with_api_key(%s)", [key])
        for call in (
            "create_user('new@example.com')",
            f"update_user('{who.id}', 'new@example.com')",
            f"update_user('{who.id}', username => 'x')",
            f"update_user('{other.id}', password_hash => 'x')",
            f"delete_user('{who.id}')",
            f"delete_user('{other.id}')",
        ):
            error = _error(connection, f"SELECT tenancy.{call}")
            assert (error.sqlstate, error.diag.constraint_name) == ("42501", "person_required"), call
        connection.rollback()


# -- platform staff stay who they are ----------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE public.users SET role = 'admin' WHERE id = '{me}'",
        "UPDATE public.users SET role = 'admin'",
        "INSERT INTO public.users (email, role) VALUES ('x@example.com', 'admin')",
        "INSERT INTO public.users (id, email, role) VALUES ('{me}', 'x', 'admin')"
        " ON CONFLICT (id) DO UPDATE SET role = 'admin'",
        "INSERT INTO public.users (id, email) VALUES ('{other}', 'x') ON CONFLICT DO NOTHING",
        "MERGE INTO public.users AS u USING (VALUES (1)) AS v ON u.id = '{me}'"
        " WHEN MATCHED THEN UPDATE SET role = 'admin'",
        "DELETE FROM public.users WHERE id = '{me}'",
        "COPY public.users (email, role) FROM STDIN",
        "TRUNCATE public.users",
        "SELECT id FROM public.users FOR UPDATE",
        "SELECT id FROM public.users FOR KEY SHARE",
        "LOCK TABLE public.users IN SHARE MODE",
        "WITH u AS (UPDATE public.users SET username = 'x' RETURNING id) SELECT * FROM u",
    ],
)
@pytest.mark.parametrize("login", ["app", "credentialed", "auditor"])
def test_no_login_of_the_application_writes_the_table(
    acme: Organization,
    globex: Organization,
    as_app: AsApp,
    connect: Connect,
    logins: Logins,
    statement: str,
    login: str,
) -> None:
    connection = connect(getattr(logins, login))
    if login == "app":
        connection.execute("SELECT tenancy.enter(%s, %s)", [acme.owner.id, acme.id])
    elif login == "credentialed":
        connection.execute("SELECT tenancy.enter_with_api_key(%s)", [_api_key(as_app, acme.owner, acme)])
    error = _error(connection, statement.format(me=acme.owner.id, other=globex.owner.id))
    assert (error.sqlstate, error.diag.constraint_name) == ("42501", None)


def test_no_function_gives_or_takes_the_role_of_platform_staff(
    acme: Organization, staff: User, people: People, as_app: AsApp, admin: Connection
) -> None:
    people.membership(acme, staff, "user")
    with as_app(acme.owner, acme) as connection:
        connection.execute("SELECT tenancy.update_user(%s, username => 'admin', first_name => 'x')", [staff.id])
        connection.execute("SELECT tenancy.change_member_role(%s, 'admin')", [staff.id])
        connection.execute("SELECT tenancy.create_user('new@example.com', 'admin')")
    with as_app(staff) as connection:
        connection.execute("SELECT tenancy.create_user('newer@example.com', 'admin')")
        connection.execute("SELECT tenancy.update_user(%s, username => 'admin')", [acme.owner.id])
        connection.execute("SELECT tenancy.update_user(%s, username => 'user')", [staff.id])
    assert admin.execute("SELECT id FROM public.users WHERE role <> 'user'").fetchall() == [(staff.id,)]
    functions = admin.execute(
        "SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace::regnamespace::text LIKE 'tenancy%'"
        " AND prosrc ~* '(UPDATE|INSERT INTO) public.users' ORDER BY 1"
    ).fetchall()
    assert functions == [("tenancy_private.write_user(uuid,boolean,text,text,text,text,text)",)]


# -- deleting: in an organization ----------------------------------------------------------

# Who ends whose membership: users.delete, and the delegation pairs.
ENDS = {"owner": set(ROLES), "admin": {"admin", "user"}, "manager": set(), "user": set()}


@pytest.mark.parametrize("held", ROLES)
@pytest.mark.parametrize("acting", ROLES)
def test_in_an_organization_deleting_ends_the_membership(
    acme: Organization,
    people: People,
    member: Callable[[str], UUID],
    as_app: AsApp,
    admin: Connection,
    acting: str,
    held: str,
) -> None:
    other = people.member(acme, held, "other")
    elsewhere = people.organization("Elsewhere", owner=other)
    with as_app(member(acting), acme) as connection:
        if held in ENDS[acting]:
            connection.execute("SELECT tenancy.delete_user(%s)", [other.id])
        else:
            wanted = "permission_denied" if not ENDS[acting] else "delegation_denied"
            error = _error(connection, "SELECT tenancy.delete_user(%s)", other.id)
            assert (error.sqlstate, error.diag.constraint_name) == ("42501", wanted)
    there = admin.execute(
        "SELECT organization_id FROM public.organization_memberships WHERE user_id = %s", [other.id]
    ).fetchall()
    wanted_there = {elsewhere.id} | (set() if held in ENDS[acting] else {acme.id})
    assert {organization for (organization,) in there} == wanted_there
    assert _one(admin, "SELECT count(*) FROM public.users WHERE id = %s", other.id) == 1


def test_the_last_owner_is_not_deleted_in_an_organization(acme: Organization, as_app: AsApp) -> None:
    with as_app(acme.owner, acme) as connection:
        error = _error(connection, "SELECT tenancy.delete_user(%s)", acme.owner.id)
        assert (error.sqlstate, error.diag.constraint_name) == ("23514", "organization_keeps_an_owner")


# -- deleting: the account -------------------------------------------------------------------


def test_an_account_is_deleted_by_the_person_or_by_staff_and_by_nobody_else(
    acme: Organization, people: People, staff: User, as_app: AsApp, admin: Connection
) -> None:
    ann, bob = people.user("ann"), people.user("bob")
    with as_app(ann) as connection:
        error = _error(connection, "SELECT tenancy.delete_user(%s)", bob.id)
        assert (error.sqlstate, error.diag.constraint_name) == ("42501", "permission_denied")
        connection.execute("SELECT tenancy.delete_user(%s)", [ann.id])
    with as_app(staff) as connection:
        connection.execute("SELECT tenancy.delete_user(%s)", [bob.id])
        for unknown in (bob.id, NOBODY, None):
            error = _error(connection, "SELECT tenancy.delete_user(%s)", unknown)
            assert (error.sqlstate, error.diag.constraint_name) == ("P0002", "user_not_found")
    assert _one(admin, "SELECT count(*) FROM public.users WHERE username IN ('ann', 'bob')") == 0
    with pytest.raises(psycopg.Error) as raised, as_app(ann):
        pass
    assert raised.value.diag.constraint_name == "not_a_member"


def test_what_goes_with_an_account_and_what_stays(
    acme: Organization, people: People, as_app: AsApp, admin: Connection, connect: Connect, logins: Logins
) -> None:
    ann = people.member(acme, "admin", "ann")
    provider = _one(admin, "INSERT INTO public.providers (name) VALUES ('p') RETURNING id")
    with as_app(ann) as connection:
        mine = connection.execute("SELECT id, key FROM tenancy.create_api_key('mine')").fetchone()
        connection.execute("INSERT INTO public.instances (provider_id) VALUES (%s)", [provider])
        own = _one(connection, "SELECT id FROM public.instances")
    with as_app(ann, acme) as connection:
        theirs = connection.execute("SELECT id, key FROM tenancy.create_api_key('theirs')").fetchone()
        connection.execute("INSERT INTO public.models (name, model_id) VALUES ('m', 'acme/m')")
        connection.execute("INSERT INTO public.instances (provider_id) VALUES (%s)", [provider])
        kept = _one(connection, "SELECT id FROM public.instances")
        connection.execute("SELECT tenancy.invite_member('guest@example.com')")
    assert mine is not None
    assert theirs is not None
    for instance in (own, kept):
        admin.execute(
            "INSERT INTO finops.cost_actual_minute (bucket_minute, provider_id, instance_id, amount_eur)"
            " VALUES (date_trunc('minute', now()), %s, %s, 1)",
            [provider, instance],
        )
    for key in (mine[0], theirs[0]):
        admin.execute(
            "INSERT INTO finops.inference_usage (customer_id, api_key_id, instance_id) VALUES (%s, %s, %s)",
            [ann.id, key, own],
        )
    entries = "SELECT count(*) FROM tenancy.audit_log WHERE user_id = %s OR workspace_id = %s"
    before = _one(admin, entries, ann.id, ann.id)
    assert before

    with as_app(ann) as connection:
        connection.execute("SELECT tenancy.delete_user(%s)", [ann.id])

    def ids(query: str) -> list[Any]:
        return [value for (value,) in admin.execute(query).fetchall()]

    assert ann.id not in ids("SELECT user_id FROM public.organization_memberships")
    assert ann.id not in ids("SELECT id FROM tenancy.workspaces")
    assert ann.id not in ids("SELECT user_id FROM tenancy_private.user_emails")
    assert ids("SELECT id FROM public.instances") == [kept]
    assert ids("SELECT instance_id FROM finops.cost_actual_minute") == [kept]
    assert ids("SELECT name FROM public.models") == ["m"]
    assert admin.execute("SELECT id, user_id, organization_id FROM public.api_keys").fetchall() == [
        (theirs[0], None, acme.id)
    ]
    assert ids("SELECT email FROM tenancy.invitations") == ["guest@example.com"]
    assert ids("SELECT invited_by_user_id FROM tenancy.invitations") == [None]
    assert len(ids("SELECT id FROM finops.inference_usage")) == 2
    assert ids("SELECT DISTINCT customer_id FROM finops.inference_usage") == [None]
    assert _one(admin, entries, ann.id, ann.id) >= before
    connection = connect(logins.credentialed)
    connection.execute("SELECT tenancy.enter_with_api_key(%s)", [theirs[1]])
    assert _one(connection, "SELECT tenancy.current_organization_id()") == acme.id
    assert _seen(connection) == sorted(ROLES)
    connection.rollback()
    with refused("28000", "invalid_api_key"):
        connection.execute("SELECT tenancy.enter_with_api_key(%s)", [mine[1]])
    # And the address is free again.
    with as_app(acme.owner, acme) as connection:
        connection.execute("SELECT tenancy.create_user('ann@example.com')")


def test_the_refusal_names_every_organization_of_which_one_is_the_last_owner(
    people: People, staff: User, as_app: AsApp, admin: Connection
) -> None:
    ann, bob = people.user("ann"), people.user("bob")
    for name in ("Cee", "Acme", "Bee", "Zoo"):
        people.organization(name, owner=ann)
    admin.execute("UPDATE public.organizations SET name = 'Acme' WHERE name = 'Zoo'")
    shared = people.organization("Shared", owner=ann)
    people.membership(shared, bob, "owner")
    people.organization("Elsewhere", owner=bob, user=ann)
    admin.execute(
        "UPDATE tenancy.workspaces SET deleted_at = now() WHERE id ="
        " (SELECT id FROM public.organizations WHERE name = 'Bee')"
    )
    for actor in (ann, staff):
        with as_app(actor) as connection:
            error = _error(connection, "SELECT tenancy.delete_user(%s)", ann.id)
            assert (error.sqlstate, error.diag.constraint_name) == ("23514", "organization_keeps_an_owner")
            assert error.diag.message_primary == (
                "the person is the last owner of Acme (acme), Acme (zoo), Bee (bee, deleted), Cee (cee)"
            )
    assert _one(admin, "SELECT count(*) FROM public.organization_memberships WHERE user_id = %s", ann.id) == 6


@pytest.mark.parametrize("level", [IsolationLevel.READ_COMMITTED, IsolationLevel.REPEATABLE_READ])
@pytest.mark.parametrize("second", ["delete_user('{bob}')", "leave_organization()"])
def test_of_two_owners_who_go_at_once_one_stays(
    people: People,
    connect: Connect,
    logins: Logins,
    admin: Connection,
    level: IsolationLevel,
    second: str,
) -> None:
    ann, bob = people.user("ann"), people.user("bob")
    organizations = [people.organization(owner=ann) for _ in range(3)]
    for organization in organizations:
        people.membership(organization, bob, "owner")
    sessions = []
    calls = [f"delete_user('{ann.id}')", second.format(bob=bob.id)]
    for user, call in zip((ann, bob), calls, strict=True):
        connection = connect(logins.app)
        connection.isolation_level = level
        where = organizations[1].id if call.startswith("leave") else None
        connection.execute("SELECT tenancy.enter(%s, %s)", [user.id, where])
        sessions.append(Session(connection, admin))
    for session, call in zip(sessions, calls, strict=True):
        session.start(lambda c, call=call: c.execute(f"SELECT tenancy.{call}"))  # type: ignore[misc]
    for session in sessions:
        session.commit()
    refusal = "organization_keeps_an_owner" if level is IsolationLevel.READ_COMMITTED else "40001"
    assert [session.outcome() for session in sessions] == ["done", refusal]
    assert admin.execute(
        "SELECT count(*), count(DISTINCT organization_id) FROM public.organization_memberships WHERE role = 'owner'"
    ).fetchone() == (3, 3)


@pytest.mark.parametrize("action", ["NO ACTION", "RESTRICT"])
def test_rows_of_the_application_keep_an_account_without_being_shown(
    people: People, as_app: AsApp, admin: Connection, action: str
) -> None:
    ann = people.user("ann")
    admin.execute(
        "CREATE TABLE public.orders (id serial PRIMARY KEY, secret text,"
        f" customer uuid REFERENCES public.users (id) ON DELETE {action})"
    )
    admin.execute("INSERT INTO public.orders (secret, customer) VALUES ('a secret', %s)", [ann.id])
    with as_app(ann) as connection:
        error = _error(connection, "SELECT tenancy.delete_user(%s)", ann.id)
        assert (error.sqlstate, error.diag.constraint_name) == ("23503", "user_in_use")
        assert error.diag.message_primary == "rows of the table public.orders refer to the account"
        shown = f"{error} {error.diag.message_detail} {error.diag.context}"
        assert "secret" not in shown
        assert str(ann.id) not in shown
    assert _one(admin, "SELECT count(*) FROM public.users WHERE username = 'ann'") == 1


DEFERRED = [
    ("users", "DEFERRABLE INITIALLY DEFERRED", "SELECT 1"),
    ("users", "ON DELETE RESTRICT DEFERRABLE INITIALLY DEFERRED", "SELECT 1"),
    ("users", "DEFERRABLE", "SET CONSTRAINTS ALL DEFERRED"),
    ("users", "DEFERRABLE INITIALLY DEFERRED", "SET CONSTRAINTS ALL IMMEDIATE"),
    ("instances", "DEFERRABLE INITIALLY DEFERRED", "SELECT 1"),
    ("api_keys", "DEFERRABLE INITIALLY DEFERRED", "SELECT 1"),
]


@pytest.mark.parametrize(("referred", "key", "before"), DEFERRED)
def test_a_key_of_the_application_that_is_checked_at_commit_is_asked_at_once(
    people: People, as_app: AsApp, admin: Connection, referred: str, key: str, before: str
) -> None:
    ann = people.user("ann")
    _api_key(as_app, ann)
    admin.execute("INSERT INTO public.providers (name) VALUES ('p')")
    admin.execute("INSERT INTO public.instances (provider_id, user_id) SELECT id, %s FROM public.providers", [ann.id])
    admin.execute(f"CREATE TABLE public.orders (id serial, of uuid REFERENCES public.{referred} (id) {key})")
    column = "id" if referred == "users" else "user_id"
    admin.execute(f"INSERT INTO public.orders (of) SELECT id FROM public.{referred} WHERE {column} = %s", [ann.id])
    with as_app(ann) as connection:
        connection.execute(before.encode())
        error = _error(connection, "SELECT tenancy.delete_user(%s)", ann.id)
        assert _words(error) == (
            "23503",
            "user_in_use",
            "rows of the table public.orders refer to the account",
            None,
            "Delete them first, or let them refer to somebody else.",
        )
    assert _one(admin, "SELECT count(*) FROM public.users WHERE username = 'ann'") == 1
    admin.execute("DELETE FROM public.orders")
    with as_app(ann) as connection:
        connection.execute("SELECT tenancy.delete_user(%s)", [ann.id])
    assert _one(admin, "SELECT count(*) FROM public.users WHERE username = 'ann'") == 0


@pytest.mark.parametrize("mode", ["DEFERRED", "IMMEDIATE"])
def test_what_is_checked_at_commit_is_as_it_was_afterwards(
    people: People, staff: User, connect: Connect, logins: Logins, admin: Connection, mode: str
) -> None:
    """The application's keys, and the rule that an organization keeps an owner."""
    ann, bob = people.user("ann"), people.user("bob")
    acme = people.organization("Acme", owner=bob)
    admin.execute(
        "CREATE TABLE public.orders (of uuid CONSTRAINT orders_of_fkey REFERENCES public.users (id) DEFERRABLE"
        " INITIALLY DEFERRED)"
    )
    admin.execute("GRANT INSERT ON public.orders TO tenancy_service")
    connection = connect(logins.service)
    connection.execute("SELECT tenancy.enter(%s)", [staff.id])
    connection.execute(f"SET CONSTRAINTS public.orders_of_fkey {mode}".encode())
    role = "UPDATE public.organization_memberships SET role = %s WHERE organization_id = %s"
    connection.execute(role, ["admin", acme.id])
    connection.execute("SELECT tenancy.delete_user(%s)", [ann.id])
    if mode == "IMMEDIATE":
        error = _error(connection, "INSERT INTO public.orders VALUES (%s)", NOBODY)
        assert error.sqlstate == "23503"
        with pytest.raises(psycopg.Error) as raised:
            connection.commit()
        assert raised.value.diag.constraint_name == "organization_keeps_an_owner"
        return
    connection.execute("INSERT INTO public.orders VALUES (%s)", [NOBODY])
    connection.execute(role, ["owner", acme.id])
    with pytest.raises(psycopg.Error) as raised:
        connection.commit()
    assert raised.value.diag.constraint_name == "orders_of_fkey"


def test_a_trigger_of_the_application_may_refuse_in_its_own_words(
    people: People, as_app: AsApp, admin: Connection
) -> None:
    ann = people.user("ann")
    admin.execute(
        "CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " RAISE EXCEPTION 'unpaid bills' USING ERRCODE = '23503', CONSTRAINT = 'unpaid'; END; $$"
    )
    admin.execute("CREATE TRIGGER refuse BEFORE DELETE ON public.users FOR EACH ROW EXECUTE FUNCTION public.refuse()")
    with as_app(ann) as connection:
        error = _error(connection, "SELECT tenancy.delete_user(%s)", ann.id)
        assert (error.sqlstate, error.diag.constraint_name) == ("23503", "unpaid")


def test_who_deletes_the_own_account_does_nothing_more_in_that_transaction(
    acme: Organization, people: People, as_app: AsApp
) -> None:
    ann = people.user("ann")
    with as_app(ann) as connection:
        connection.execute("SELECT tenancy.delete_user(%s)", [ann.id])
        assert _seen(connection) == []
        for call in ("create_organization('New')", "create_api_key('k')", f"update_user('{ann.id}', username => 'x')"):
            error = _error(connection, f"SELECT tenancy.{call}")
            assert error.sqlstate in {"23503", "P0002", "28000"}, call
        assert _error(connection, "SELECT tenancy.delete_user(%s)", ann.id).diag.constraint_name == "user_not_found"


# -- password_hash ---------------------------------------------------------------------------

READERS = [
    "SELECT password_hash FROM public.users",
    "SELECT * FROM public.users",
    "TABLE public.users",
    "SELECT u FROM public.users AS u",
    "SELECT u.* FROM public.users AS u",
    "SELECT to_jsonb(u) FROM public.users AS u",
    "SELECT row_to_json(u) FROM public.users AS u",
    "SELECT u::text FROM public.users AS u",
    "SELECT count(u) FROM public.users AS u",
    "SELECT count(*) FROM public.users WHERE password_hash LIKE 'hash%'",
    "SELECT tableoid, ctid FROM public.users",
    "SELECT id FROM public.users WHERE ctid = '(0,1)'",
    "SELECT id FROM public.users ORDER BY password_hash",
    "SELECT count(*) FROM public.users GROUP BY password_hash",
    "SELECT u.id FROM public.users AS u JOIN public.users AS v USING (password_hash)",
    "SELECT u.id FROM public.users AS u NATURAL JOIN public.users AS v",
    "SELECT query_to_xml('SELECT * FROM public.users', true, false, '')",
    "SELECT table_to_xml('public.users', true, false, '')",
    "SELECT id FROM public.users WHERE password_hash::int > 0",
    "COPY public.users TO STDOUT",
    "COPY (SELECT * FROM public.users) TO STDOUT",
    "DECLARE c CURSOR FOR SELECT * FROM public.users",
    "PREPARE p AS SELECT password_hash FROM public.users; EXECUTE p",
    "UPDATE public.users SET username = username RETURNING password_hash",
    "INSERT INTO public.users (email) VALUES ('x') RETURNING password_hash",
    "MERGE INTO public.users AS u USING public.users AS v ON u.id = v.id WHEN MATCHED THEN DELETE",
    "SELECT most_common_vals FROM pg_stats WHERE attname = 'password_hash' AND most_common_vals IS NOT NULL",
    "SELECT histogram_bounds FROM pg_stats WHERE attname = 'password_hash' AND histogram_bounds IS NOT NULL",
]


@pytest.mark.parametrize("login", ["app", "credentialed", "auditor"])
def test_a_password_hash_is_never_read(
    acme: Organization,
    as_app: AsApp,
    connect: Connect,
    logins: Logins,
    admin: Connection,
    login: str,
) -> None:
    admin.execute("ANALYZE public.users")
    connection = connect(getattr(logins, login))
    if login == "app":
        connection.execute("SELECT tenancy.enter(%s, %s)", [acme.owner.id, acme.id])
    elif login == "credentialed":
        connection.execute("SELECT tenancy.enter_with_api_key(%s)", [_api_key(as_app, acme.owner, acme)])
    for statement in READERS:
        if "pg_stats" in statement:
            assert connection.execute(statement).fetchall() == []
            continue
        error = _error(connection, statement)
        # Not every server was built with XML.
        assert error.sqlstate in ({"42501", "0A000"} if "_xml" in statement else {"42501"}), statement
        assert "hash of" not in f"{error} {error.diag.message_detail} {error.diag.context}"


def test_no_function_returns_a_password_hash(acme: Organization, staff: User, as_app: AsApp, admin: Connection) -> None:
    calls = ["members()", "visible_user_ids()", "my_organizations()", "current_workspace()", "badge('{id}')"]
    with as_app(acme.owner, acme) as connection:
        for call in calls:
            answer = connection.execute(f"SELECT * FROM tenancy.{call.format(id=acme.owner.id)} AS x").fetchall()
            assert "hash of" not in str(answer)
        connection.execute("SELECT tenancy.update_user(%s, password_hash => 'hash of a secret')", [acme.owner.id])
        connection.execute("SELECT tenancy.create_user('n@example.com', password_hash => 'hash of another')")
        audit = connection.execute("SELECT * FROM tenancy.audit_log").fetchall()
        assert "hash of" not in str(audit)
    with as_app(staff) as connection:
        assert "hash of" not in str(connection.execute("SELECT * FROM tenancy.all_users()").fetchall())
    assert "hash of" not in str(admin.execute("SELECT * FROM tenancy.audit_log").fetchall())


@pytest.mark.parametrize(
    ("call", "constraint"),
    [
        ("create_user('new@example.com', 'taken', password_hash => 'hash of x')", "username_taken"),
        ("create_user('owner@example.com', password_hash => 'hash of x')", "email_taken"),
        ("update_user('{id}', username => 'taken', password_hash => 'hash of x')", "username_taken"),
        ("update_user('{id}', password_hash => 'hash of a long one')", "user_data_invalid"),
    ],
)
def test_no_error_shows_a_row(
    acme: Organization, people: People, as_app: AsApp, admin: Connection, call: str, constraint: str
) -> None:
    people.user("taken")
    admin.execute("ALTER TABLE public.users ADD CONSTRAINT users_username_key UNIQUE (username)")
    admin.execute(
        "ALTER TABLE public.users ADD CONSTRAINT users_password_hash_check CHECK (length(password_hash) < 18)"
    )
    with as_app(acme.owner, acme) as connection:
        error = _error(connection, "SELECT tenancy." + call.format(id=acme.owner.id))
        assert error.diag.constraint_name == constraint
        assert error.diag.message_detail is None
        assert "hash of" not in f"{error} {error.diag.context}"


# -- rules of the table's own -----------------------------------------------------------------

RULES = (
    "ALTER TABLE public.users ALTER username TYPE varchar(10)",
    "ALTER TABLE public.users ALTER username SET NOT NULL",
    "ALTER TABLE public.users ADD CONSTRAINT users_username_key UNIQUE (username)",
    "ALTER TABLE public.users ADD CONSTRAINT users_last_name_check CHECK (last_name <> 'Nobody')",
    "CREATE UNIQUE INDEX users_first_name_idx ON public.users (lower(first_name)) WHERE first_name <> 'Example'",
)
# What is given to any of the functions, and what comes of it: SQLSTATE, name, message, hint.
BROKEN: list[tuple[str, str, tuple[str, str, str, str]]] = [
    (
        "a username that is taken",
        "username => 'taken'",
        ("23505", "username_taken", "an account has this username", "Give another username."),
    ),
    (
        "another unique value",
        "username => 'new', first_name => 'TAKEN'",
        (
            "22023",
            "user_data_invalid",
            "another account has a value that users_first_name_idx allows once in public.users",
            "Give another value for lower(first_name).",
        ),
    ),
    (
        "one that is too long",
        "username => 'eleven char'",
        (
            "22023",
            "user_data_invalid",
            "the column username of public.users takes 10 characters at most",
            "Give a shorter value.",
        ),
    ),
    (
        "what a constraint forbids",
        "username => 'new', last_name => 'Nobody'",
        (
            "22023",
            "user_data_invalid",
            "the constraint users_last_name_check of public.users does not allow this",
            "It says: CHECK (last_name <> 'Nobody'::text).",
        ),
    ),
]


@pytest.fixture
def adopted(people: People, admin: Connection) -> User:
    """Give the users rules of the application's own, and return one whose name is taken."""
    for rule in RULES:
        admin.execute(rule)
    return people.user("taken")


def _accepting(as_app: AsApp, acme: Organization) -> str:
    with as_app(acme.owner, acme) as connection:
        token = _one(connection, "SELECT token FROM tenancy.invite_member('new@example.com')")
    return f"accept_invitation('{token}'"


def _calls(as_app: AsApp, acme: Organization) -> list[str]:
    """Return the beginnings of all calls that write an account."""
    return ["create_user('new@example.com'", f"update_user('{acme.owner.id}'", _accepting(as_app, acme)]


@pytest.mark.parametrize(("given", "words"), [case[1:] for case in BROKEN], ids=[case[0] for case in BROKEN])
def test_a_rule_of_an_adopted_table_is_refused_in_words(
    acme: Organization, adopted: User, as_app: AsApp, given: str, words: tuple[str, ...]
) -> None:
    calls = _calls(as_app, acme)
    with as_app(acme.owner, acme) as connection:
        for call in calls:
            error = _error(connection, f"SELECT tenancy.{call}, {given})")
            sqlstate, constraint, message, detail, hint = _words(error)
            assert (sqlstate, constraint, message, hint) == words, call
            assert detail is None


def test_a_value_that_has_to_be_there_is_asked_for(
    acme: Organization, adopted: User, as_app: AsApp, admin: Connection
) -> None:
    creating, _, accepting = _calls(as_app, acme)
    calls = [creating, accepting]
    message = "the column {} of public.users has to have a value"
    with as_app(acme.owner, acme) as connection:
        for call in calls:
            words = _words(_error(connection, f"SELECT tenancy.{call})"))
            assert words == ("22023", "user_data_invalid", message.format("username"), None, "Give a username.")
    admin.execute("ALTER TABLE public.users ADD COLUMN phone text")
    admin.execute("ALTER TABLE public.users ADD CONSTRAINT users_phone_check CHECK (phone IS NOT NULL) NOT VALID")
    admin.execute("UPDATE public.users SET phone = '1'")
    admin.execute("ALTER TABLE public.users ALTER phone SET NOT NULL")
    hint = "Nothing gives it one here: it needs a default."
    with as_app(acme.owner, acme) as connection:
        for call in calls:
            words = _words(_error(connection, f"SELECT tenancy.{call}, 'new')"))
            assert words == ("22023", "user_data_invalid", message.format("phone"), None, hint)


def test_a_domain_of_the_application_is_a_rule_too(acme: Organization, as_app: AsApp, admin: Connection) -> None:
    admin.execute("CREATE DOMAIN public.handle AS varchar(10) CONSTRAINT handle_check CHECK (value ~ '^[a-z]+$')")
    admin.execute("ALTER TABLE public.users ALTER username TYPE public.handle")
    calls = _calls(as_app, acme)
    with as_app(acme.owner, acme) as connection:
        for call in calls:
            words = _words(_error(connection, f"SELECT tenancy.{call}, username => 'UPPER')"))
            assert words[1:3] == (
                "user_data_invalid",
                "the constraint handle_check of public.handle does not allow this",
            )
            words = _words(_error(connection, f"SELECT tenancy.{call}, username => 'aaaaabbbbbc')"))
            assert words[1:3] == (
                "user_data_invalid",
                "the column username of public.users takes 10 characters at most",
            )
    admin.execute("ALTER DOMAIN public.handle SET NOT NULL")
    with as_app(acme.owner, acme) as connection:
        words = _words(_error(connection, f"SELECT tenancy.{calls[0]})"))
        assert words[1:3] == ("user_data_invalid", "the column username of public.users has to have a value")


@pytest.mark.parametrize(
    "key",
    [
        "ALTER TABLE public.users ADD CONSTRAINT u UNIQUE (username) INCLUDE (email)",
        "ALTER TABLE public.users ADD CONSTRAINT u UNIQUE (role, username)",
        "CREATE UNIQUE INDEX u ON public.users (lower(username))",
        "CREATE UNIQUE INDEX u ON public.users (username) WHERE role = 'user'",
    ],
)
def test_a_username_is_taken_whatever_the_key_is_called(
    acme: Organization, people: People, as_app: AsApp, admin: Connection, key: str
) -> None:
    people.user("taken")
    admin.execute(key)
    calls = _calls(as_app, acme)
    with as_app(acme.owner, acme) as connection:
        for call in calls:
            error = _error(connection, f"SELECT tenancy.{call}, username => 'taken')")
            assert (error.sqlstate, error.diag.constraint_name) == ("23505", "username_taken")


def test_a_key_of_the_application_on_addresses_says_that_the_address_is_taken(
    acme: Organization, people: People, as_app: AsApp, admin: Connection
) -> None:
    """One that finds more alike than pg-tenancy does, here because the dots do not count."""
    people.user("taken", email="t.aken@example.com")
    admin.execute("CREATE UNIQUE INDEX u ON public.users (replace(email, '.', '')) INCLUDE (username)")
    with as_app(acme.owner, acme) as connection:
        for call in ("create_user('taken@example.com')", f"update_user('{acme.owner.id}', 'taken@example.com')"):
            error = _error(connection, f"SELECT tenancy.{call}")
            assert (error.sqlstate, error.diag.constraint_name) == ("23505", "email_taken")


@pytest.mark.parametrize(
    ("state", "also"),
    [("23514", ""), ("23505", ", CONSTRAINT = 'own', TABLE = 'orders', SCHEMA = 'public'"), ("22001", "")],
)
def test_what_a_trigger_of_the_application_refuses_stays_in_its_words(
    acme: Organization, as_app: AsApp, admin: Connection, state: str, also: str
) -> None:
    admin.execute(
        "CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" RAISE EXCEPTION 'own words' USING ERRCODE = '{state}'{also}; END; $$"
    )
    calls = _calls(as_app, acme)
    admin.execute(
        "CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON public.users FOR EACH ROW EXECUTE FUNCTION public.refuse()"
    )
    with as_app(acme.owner, acme) as connection:
        for call in calls:
            error = _error(connection, f"SELECT tenancy.{call}, username => 'new')")
            assert (error.sqlstate, error.diag.message_primary) == (state, "own words")


def test_what_is_allowed_is_written(acme: Organization, adopted: User, as_app: AsApp, admin: Connection) -> None:
    calls = _calls(as_app, acme)
    for number, call in enumerate(calls):
        with as_app(acme.owner, acme) as connection:
            connection.execute(f"SELECT tenancy.{call}, username => 'new{number}     ')")
        if number == 0:
            admin.execute("DELETE FROM public.users WHERE username LIKE 'new0%'")
    assert admin.execute(
        "SELECT trim(username) FROM public.users WHERE username LIKE 'new%' ORDER BY 1"
    ).fetchall() == [
        ("new1",),
        ("new2",),
    ]


# -- attacks: an account that one does not see ----------------------------------------------

# The same question about somebody hidden and about nobody.
QUESTIONS = {
    "any of one": "email = ANY('{{{email}}}')",
    "any of one, and more": "email >= ANY('{{{email}}}') AND email <= ANY('{{{email}}}')"
    " AND username <> (SELECT current_setting('server_version'))",
    "id": "id = '{id}'",
    "id, not twice": "id IN ('{id}', '11111111-0000-4000-8000-000000000000')",
    "id, or": "id = '{id}' OR id = '11111111-0000-4000-8000-000000000000'",
    "id, as a row": "(id, email) = ('{id}', '{email}')",
    "ids from": "id >= '{id}' AND id <= '{id}'",
    "e-mail": "email = '{email}'",
    "e-mails from": "email >= '{email}' AND email <= '{email}'",
    "e-mail, in": "email IN ('{email}', 'x')",
    "e-mail, like": "email LIKE '{email}'",
    "e-mail, not": "NOT email <> '{email}'",
    "username": "username = '{username}'",
    "both": "email = '{email}' AND username = '{username}'",
    "exists": "EXISTS (SELECT FROM public.users AS v WHERE v.email = '{email}')",
    "join": "id IN (SELECT v.id FROM public.users AS v WHERE v.email = '{email}')",
}


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("mode", ["organization", "personal"])
def test_no_plan_tells_a_hidden_account_from_none(
    acme: Organization, globex: Organization, as_app: AsApp, admin: Connection, mode: str, settings: str
) -> None:
    admin.execute(
        "INSERT INTO public.users (id, email, username)"
        " SELECT gen_random_uuid(), 'u' || n || '@example.com', 'u' || n FROM generate_series(1, 2000) AS n"
    )
    admin.execute("ANALYZE public.users")
    somebody = {"id": globex.owner.id, "email": globex.owner.email, "username": globex.owner.username}
    nobody = {"id": NOBODY, "email": "mary@example.com", "username": "mary"}

    def seen(connection: Connection, question: str, about: dict[str, Any]) -> tuple[Any, str]:
        query = f"SELECT id FROM public.users WHERE {question.format(**about)}"
        return connection.execute(query).fetchall(), plan_of(connection, query, settings, about.values())

    wrong = []
    with as_app(acme.owner, acme if mode == "organization" else None) as connection:
        for name, question in QUESTIONS.items():
            for about in (somebody, nobody):  # what is read first from the catalogs is no answer
                seen(connection, question, about)
            there, absent = seen(connection, question, somebody), seen(connection, question, nobody)
            if there != absent or there[0]:
                wrong.append(f"{name}\n{there[1]}\n--\n{absent[1]}")
    assert not wrong, "\n\n".join(wrong)


@pytest.mark.parametrize("settings", ["as it is", "no index", "no bitmap", "no index scan"])
def test_the_counters_of_ones_own_transaction_tell_nothing(
    acme: Organization, globex: Organization, as_app: AsApp, admin: Connection, settings: str
) -> None:
    admin.execute("GRANT EXECUTE ON FUNCTION pg_stat_get_xact_tuples_fetched(oid) TO PUBLIC")
    admin.execute("GRANT EXECUTE ON FUNCTION pg_stat_get_xact_tuples_returned(oid) TO PUBLIC")
    counters = (
        "SELECT pg_stat_get_xact_tuples_fetched(c.oid), pg_stat_get_xact_tuples_returned(c.oid)"
        " FROM (VALUES ('public.users'::regclass), ('public.users_pkey'), ('public.organization_memberships'))"
        " AS c (oid)"
    )
    answers = {}
    for about in (globex.owner.id, NOBODY):
        with as_app(acme.owner, acme) as connection:
            connection.execute(SETTINGS[settings])
            connection.execute("SELECT count(*) FROM public.users WHERE id = %s", [about])
            before = connection.execute(counters).fetchall()
            connection.execute(f"SELECT count(*) FROM public.users WHERE id = '{about}'")
            after = connection.execute(counters).fetchall()
            answers[about] = [(b[0] - a[0], b[1] - a[1]) for a, b in zip(before, after, strict=True)]
    assert len({str(answer) for answer in answers.values()}) == 1, answers


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO public.instances (provider_id, user_id) SELECT id, '{user}' FROM public.providers",
        "INSERT INTO public.instances (provider_id, workspace_id) SELECT id, '{user}' FROM public.providers",
        "UPDATE public.instances SET user_id = '{user}'",
        "INSERT INTO public.api_keys (user_id, name, key_prefix, key_hash) VALUES ('{user}', 'n', 'p', 'h')",
        "UPDATE public.api_keys SET user_id = '{user}'",
        "INSERT INTO public.models (name, model_id, workspace_id) VALUES ('x', 'x', '{user}')",
        "INSERT INTO public.organization_memberships (organization_id, user_id) VALUES ('{acme}', '{user}')",
        "INSERT INTO public.organizations (name, slug, created_by_user_id) VALUES ('x', 'x', '{user}')",
        "UPDATE public.organizations SET created_by_user_id = '{user}'",
        "INSERT INTO tenancy.workspaces (id, kind, user_id, color) VALUES ('{user}', 'personal', '{user}', '#000000')",
        "INSERT INTO finops.inference_usage (customer_id) VALUES ('{user}')",
        "CREATE TABLE public.probe (u uuid REFERENCES public.users (id))",
        "CREATE TEMPORARY TABLE probe (u uuid REFERENCES public.users (id))",
    ],
)
def test_no_foreign_key_answers_for_a_stranger(
    acme: Organization, globex: Organization, as_app: AsApp, admin: Connection, statement: str
) -> None:
    admin.execute("INSERT INTO public.providers (name) VALUES ('p')")
    with as_app(acme.owner, acme) as connection:
        answers = set()
        for user in (globex.owner.id, NOBODY):
            answers.add(_words(_error(connection, statement.format(user=user, acme=acme.id))))
        assert len(answers) == 1, answers
        assert {answer[0] for answer in answers} == {"42501"}


@pytest.mark.parametrize(
    "call",
    [
        "change_member_role('{user}', 'user')",
        "remove_member('{user}')",
        "delete_user('{user}')",
        "update_user('{user}', username => 'x')",
        "update_user('{user}', email => 'x@example.com')",
        "badge('{user}')",
    ],
)
@pytest.mark.parametrize("mode", ["organization", "personal"])
def test_no_function_answers_for_a_stranger(
    acme: Organization, globex: Organization, as_app: AsApp, call: str, mode: str
) -> None:
    with as_app(acme.owner, acme if mode == "organization" else None) as connection:
        answers = []
        for user in (globex.owner.id, NOBODY):
            try:
                with connection.transaction(force_rollback=True):
                    answers.append(str(connection.execute(f"SELECT tenancy.{call.format(user=user)}").fetchall()))
            except psycopg.Error as error:
                answers.append(str(_words(error)))
        assert len(set(answers)) == 1, answers


@pytest.mark.parametrize(
    "expression",
    [
        "CASE WHEN username = 'gina' THEN email ELSE '1' END::int > 0",
        "1 / CASE WHEN username = 'gina' THEN 0 ELSE 1 END > 0",
        "CASE WHEN username = 'gina' THEN email || '(' ELSE 'x' END::tsquery IS NULL",
    ],
)
@pytest.mark.parametrize("settings", ["as it is", "no index", "cheap"])
def test_no_error_quotes_a_hidden_account(
    acme: Organization, globex: Organization, as_app: AsApp, expression: str, settings: str
) -> None:
    with as_app(acme.owner, acme) as connection:
        connection.execute(SETTINGS[settings])
        try:
            with connection.transaction():
                connection.execute(f"SELECT id FROM public.users WHERE username = 'gina' AND {expression}").fetchall()
        except psycopg.Error as error:
            pytest.fail(f"a hidden row was reached: {error}")


def test_the_id_of_a_hidden_account_cannot_be_found_by_halving(
    acme: Organization, globex: Organization, as_app: AsApp
) -> None:
    with as_app(acme.owner, acme) as connection:
        for settings in ("as it is", "no bitmap"):
            plans = set()
            for low, high in (
                ("00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"),
                (str(globex.owner.id), str(globex.owner.id)),
            ):
                with connection.transaction(force_rollback=True):
                    connection.execute(SETTINGS[settings])
                    rows = connection.execute(
                        "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, BUFFERS OFF) SELECT id FROM"
                        f" public.users WHERE id BETWEEN '{low}' AND '{high}' AND id <> ALL (%s)",
                        [[UUID(int=0), uuid4()]],
                    ).fetchall()
                plans.add(re.findall(r"Rows Removed by Filter: (\d+)", str(rows)).__str__())
            # Those that the filter takes away are members, or none at all.
            assert plans <= {"[]", "['1']"} | {f"['{n}']" for n in range(5)}, plans


# -- fast in a large table -----------------------------------------------------------------


@pytest.fixture
def crowd(database: Database, people: People, admin: Connection) -> Organization:
    """Make 20,000 users, of whom 200 are members of an organization."""
    organization = people.organization("Crowd", owner=people.user("crowd-owner"))
    admin.execute(
        "INSERT INTO public.users (id, email, username)"
        " SELECT gen_random_uuid(), 'u' || n || '@example.com', 'u' || n FROM generate_series(1, 20000) AS n"
    )
    admin.execute(
        "INSERT INTO public.organization_memberships (organization_id, user_id)"
        " SELECT %s, id FROM public.users WHERE username ~ '^u[0-9]+00$' ORDER BY id LIMIT 199",
        [organization.id],
    )
    return organization


def _scans(node: dict[str, Any]) -> list[dict[str, Any]]:
    below = [scan for child in node.get("Plans", []) for scan in _scans(child)]
    return [node, *below]


@pytest.mark.parametrize("statistics", ["ANALYZE", "ANALYZE public.users", "SELECT 1"])
@pytest.mark.parametrize("plans", ["auto", "force_generic_plan", "force_custom_plan"])
@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("SELECT id, email, username FROM public.users", 200),
        ("SELECT id, email, username FROM public.users ORDER BY created_at DESC LIMIT 20", 20),
        ("SELECT id, email, username FROM public.users ORDER BY id LIMIT 20", 20),
        ("SELECT id, email, username FROM public.users WHERE username = 'u100'", None),
    ],
)
def test_the_members_are_found_by_the_primary_key(
    crowd: Organization, as_app: AsApp, admin: Connection, query: str, rows: int | None, plans: str, statistics: str
) -> None:
    admin.execute(statistics.encode())
    with as_app(crowd.owner, crowd) as connection:
        connection.execute(f"SET LOCAL plan_cache_mode = {plans}")
        connection.execute(query)
        if rows is not None:
            assert len(connection.execute(query).fetchall()) == rows
        ((explained,),) = connection.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {query}").fetchall()
    root = explained[0]["Plan"]
    nodes = _scans(root)
    assert not [n for n in nodes if n["Node Type"] == "Seq Scan"]
    assert any(n.get("Index Name") == "users_pkey" for n in nodes)
    # An index entry, a row and, at the most, the way down the index for each member.
    assert root["Shared Hit Blocks"] + root["Shared Read Blocks"] <= 200 * 4 + 100


@pytest.mark.parametrize("statistics", ["ANALYZE", "SELECT 1"])
def test_members_reads_a_few_blocks_a_member(
    crowd: Organization, as_app: AsApp, admin: Connection, statistics: str
) -> None:
    admin.execute(statistics.encode())
    with as_app(crowd.owner, crowd) as connection:
        for _ in range(10):
            assert len(connection.execute("SELECT * FROM tenancy.members()", prepare=True).fetchall()) == 200
        ((explained,),) = connection.execute(
            "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT * FROM tenancy.members()"
        ).fetchall()
    root = explained[0]["Plan"]
    assert root["Shared Hit Blocks"] + root["Shared Read Blocks"] <= 200 * 5 + 100


@pytest.mark.parametrize(
    "query",
    ["SELECT * FROM tenancy.members()", "SELECT id FROM public.users", "SELECT unnest(tenancy.visible_user_ids())"],
)
def test_old_statistics_make_nobody_read_a_whole_table(
    people: People, as_app: AsApp, admin: Connection, query: str
) -> None:
    first = people.organization("First", owner=people.user("ann"))
    make = (
        "INSERT INTO public.users (id, email)"
        " SELECT gen_random_uuid(), n || '@example.com' FROM generate_series(%s::int, %s::int) AS n"
    )
    admin.execute(make, [1, 500])
    admin.execute(
        "INSERT INTO public.organization_memberships (organization_id, user_id)"
        " SELECT %s, id FROM public.users WHERE email ~ '^[0-9]' LIMIT 99",
        [first.id],
    )
    admin.execute("ANALYZE")
    admin.execute(make, [501, 20000])
    admin.execute(
        "INSERT INTO public.organizations (name, slug) SELECT n, 'o-' || n FROM generate_series(501, 1500) AS n"
    )
    admin.execute(
        "INSERT INTO public.organization_memberships (organization_id, user_id, role)"
        " SELECT o.id, u.id, 'owner' FROM public.organizations AS o JOIN public.users AS u"
        " ON u.email IN (o.name || '@example.com', o.name || '0@example.com')"
    )
    # How many scans of whole tables there were in this transaction.
    admin.execute("GRANT EXECUTE ON FUNCTION pg_stat_get_xact_numscans(oid) TO PUBLIC")
    scans = (
        "SELECT sum(pg_stat_get_xact_numscans(oid)) FROM pg_class"
        " WHERE oid IN ('public.users'::regclass, 'public.organization_memberships'::regclass)"
    )
    with as_app(first.owner, first) as connection:
        before = _one(connection, scans)
        for _ in range(8):
            assert len(connection.execute(query).fetchall()) == 100
        assert _one(connection, scans) == before
