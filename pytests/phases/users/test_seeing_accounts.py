"""Users: who may see which accounts, and that nobody sees any without a context."""

# ruff: noqa: S608  (the statements are the test's own)

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import psycopg
import pytest

from support.database import PLATFORM
from support.people import Organization, People, User
from support.server import Logins
from support.users import NOBODY, ROLES, api_key_of, error_of, one, usernames

pytestmark = pytest.mark.shared_database

Connection = psycopg.Connection[tuple[Any, ...]]
Connect = Callable[..., Connection]
AsApp = Callable[..., Any]


# -- who is seen ---------------------------------------------------------------


@pytest.mark.parametrize("role", ROLES)
def test_every_member_sees_the_members_and_nobody_else(
    acme: Organization, globex: Organization, staff: User, member: Callable[[str], UUID], as_app: AsApp, role: str
) -> None:
    with as_app(member(role), acme) as connection:
        assert usernames(connection) == sorted(ROLES)
        assert one(connection, "SELECT count(*) FROM public.users WHERE id = %s", globex.owner.id) == 0
        assert one(connection, "SELECT count(*) FROM public.users WHERE email = 'gina@example.com'") == 0


@pytest.mark.parametrize("role", ROLES)
def test_in_the_personal_workspace_a_person_sees_the_own_account(
    acme: Organization, member: Callable[[str], UUID], as_app: AsApp, role: str
) -> None:
    with as_app(member(role)) as connection:
        assert usernames(connection) == [role]
        assert error_of(connection, "SELECT * FROM tenancy.all_users()").diag.constraint_name == "permission_denied"


def test_members_appear_and_disappear_with_the_next_transaction(
    acme: Organization, people: People, as_app: AsApp, admin: Connection
) -> None:
    newt = people.user("newt")
    with as_app(acme.owner, acme) as connection:
        assert "newt" not in usernames(connection)
    people.membership(acme, newt)
    with as_app(acme.owner, acme) as connection:
        assert "newt" in usernames(connection)
    with as_app(newt, acme) as connection:
        assert usernames(connection) == sorted([*ROLES, "newt"])
        connection.execute("SELECT tenancy.leave_organization()")
    with as_app(acme.owner, acme) as connection:
        assert "newt" not in usernames(connection)
    with as_app(newt) as connection:
        assert usernames(connection) == ["newt"]


@pytest.mark.shared_database(False)
def test_without_members_view_nobody_is_seen_and_nobody_is_named(
    acme: Organization, member: Callable[[str], UUID], as_app: AsApp, admin: Connection
) -> None:
    admin.execute("DELETE FROM tenancy.role_permissions WHERE permission = 'members.view' AND role = 'user'")
    with as_app(member("user"), acme) as connection:
        assert usernames(connection) == []
        assert one(connection, "SELECT tenancy.visible_user_ids()") == []
    with as_app(member("manager"), acme) as connection:
        assert usernames(connection) == sorted(ROLES)


def test_platform_staff_list_everybody_in_the_platforms_workspace_and_by_function_at_home(
    acme: Organization, globex: Organization, staff: User, as_app: AsApp, admin: Connection
) -> None:
    columns = "id, email, username, first_name, last_name, role, created_at"
    everybody = admin.execute(f"SELECT {columns} FROM public.users ORDER BY id").fetchall()
    assert len(everybody) == 7
    with as_app(staff) as connection:
        assert usernames(connection) == ["staff"]
        assert connection.execute("SELECT * FROM tenancy.all_users()").fetchall() == everybody
    with as_app(staff, PLATFORM) as connection:
        assert connection.execute(f"SELECT {columns} FROM public.users ORDER BY id").fetchall() == everybody
        assert one(connection, "SELECT username FROM public.users WHERE email = 'gina@example.com'") == "gina"
        assert connection.execute("SELECT * FROM tenancy.all_users()").fetchall() == everybody
        first = connection.execute("SELECT * FROM tenancy.all_users(page_size => 4)").fetchall()
        rest = connection.execute("SELECT * FROM tenancy.all_users(after_id => %s)", [first[-1][0]]).fetchall()
        assert first + rest == everybody
        found = connection.execute("SELECT username FROM tenancy.all_users(' GINA@Example.com ')").fetchall()
        assert found == [("gina",)]
        assert connection.execute("SELECT * FROM tenancy.all_users('nobody@example.com')").fetchall() == []
        for size in ("0", "10001", "NULL"):
            error = error_of(connection, f"SELECT * FROM tenancy.all_users(page_size => {size})")
            assert (error.sqlstate, error.diag.constraint_name) == ("22023", "page_size_invalid")


def test_platform_staff_see_in_an_organization_what_its_members_see(
    acme: Organization, globex: Organization, staff: User, people: People, as_app: AsApp
) -> None:
    people.membership(acme, staff, "user")
    with as_app(staff, acme) as connection:
        assert usernames(connection) == sorted([*ROLES, "staff"])
        assert error_of(connection, "SELECT * FROM tenancy.all_users()").diag.constraint_name == "permission_denied"


def test_a_change_of_platform_staff_takes_effect_with_the_next_transaction(
    staff: User, people: People, as_app: AsApp, admin: Connection
) -> None:
    other = people.user("other")
    with as_app(staff) as connection:
        admin.execute("UPDATE public.users SET role = 'user' WHERE id = %s", [staff.id])
        assert len(connection.execute("SELECT * FROM tenancy.all_users()").fetchall()) == 2
    with as_app(staff) as connection:
        assert usernames(connection) == ["staff"]
        assert error_of(connection, "SELECT * FROM tenancy.all_users()").diag.constraint_name == "permission_denied"
        error = error_of(connection, "SELECT tenancy.delete_user(%s)", other.id)
        assert error.diag.constraint_name == "permission_denied"


def test_an_api_key_sees_what_its_workspace_sees_and_is_never_staff(
    acme: Organization, globex: Organization, staff: User, as_app: AsApp, connect: Connect, logins: Logins
) -> None:
    keys = {
        "acme": (api_key_of(as_app, acme.owner, acme), sorted(ROLES)),
        "owner": (api_key_of(as_app, acme.owner), ["owner"]),
        "staff": (api_key_of(as_app, staff), ["staff"]),
    }
    connection = connect(logins.credentialed)
    for key, seen in keys.values():
        connection.execute("SELECT tenancy.enter_with_api_key(%s)", [key])
        assert usernames(connection) == seen
        assert error_of(connection, "SELECT * FROM tenancy.all_users()").diag.constraint_name == "permission_denied"
        connection.rollback()


# -- no context ----------------------------------------------------------------


@pytest.mark.parametrize(
    "where",
    ["", "WHERE id = '{there}'", "WHERE id = '{absent}'", "WHERE email = '{email}'", "WHERE email = 'x'"],
)
def test_without_a_context_the_error_is_the_same_whether_or_not_there_is_a_row(
    acme: Organization, connect: Connect, logins: Logins, where: str
) -> None:
    connection = connect(logins.app)
    query = "SELECT id FROM public.users " + where.format(there=acme.owner.id, absent=NOBODY, email=acme.owner.email)
    assert error_of(connection, query).diag.constraint_name == "no_context"


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
    error = error_of(connect(getattr(logins, login)), f"SELECT {filled}")
    assert (error.sqlstate, error.diag.constraint_name) == ("28000", "no_context")
