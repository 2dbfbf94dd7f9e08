"""Users: who may change what in which account, and that nobody can change platform staff."""

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
from support.two_tenants import refused
from support.users import NOBODY, ROLES, api_key_of, error_of, one, words_of

pytestmark = pytest.mark.shared_database

Connection = psycopg.Connection[tuple[Any, ...]]
Connect = Callable[..., Connection]
AsApp = Callable[..., Any]

UPDATE = "SELECT tenancy.update_user(%(id)s, {} => %(value)s)"


# -- changing ------------------------------------------------------------------


def test_an_admin_is_told_who_changes_the_profile_of_an_owner(
    acme: Organization, member: Callable[[str], UUID], as_app: AsApp
) -> None:
    with as_app(member("admin"), acme) as connection:
        error = error_of(connection, "SELECT tenancy.update_user(%s, first_name => 'x')", acme.owner.id)
    assert words_of(error) == (
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
    assert one(admin, "SELECT count(*) FROM public.users WHERE password_hash = 'secret'") == 1


def test_staff_change_everything_of_everybody_in_the_platforms_workspace_only(
    acme: Organization, staff: User, people: People, as_app: AsApp, admin: Connection
) -> None:
    with as_app(staff) as connection:
        error = error_of(connection, "SELECT tenancy.update_user(%s, username => 'x')", acme.owner.id)
        assert error.diag.constraint_name == "permission_denied"
    with as_app(staff, PLATFORM) as connection:
        connection.execute(
            "SELECT tenancy.update_user(%s, 'o@example.org', password_hash => 'secret')", [acme.owner.id]
        )
        for unknown in (NOBODY, None):
            error = error_of(connection, "SELECT tenancy.update_user(%s, 'x@example.org')", unknown)
            assert (error.sqlstate, error.diag.constraint_name) == ("P0002", "user_not_found")
    assert admin.execute("SELECT email, password_hash FROM public.users WHERE id = %s", [acme.owner.id]).fetchone() == (
        "o@example.org",
        "secret",
    )
    people.membership(acme, staff, "user")
    with as_app(staff, acme) as connection:
        error = error_of(connection, "SELECT tenancy.update_user(%s, username => 'x')", acme.owner.id)
        assert error.diag.constraint_name == "permission_denied"


def test_a_missing_member_and_a_missing_account_raise_the_same_error(
    acme: Organization, globex: Organization, as_app: AsApp
) -> None:
    with as_app(acme.owner, acme) as connection:
        for call in ("update_user(%s, username => 'x')", "update_user(%s, 'gina@example.com')", "delete_user(%s)"):
            answers = {
                words_of(error)
                for error in (
                    error_of(connection, f"SELECT tenancy.{call}", user) for user in (globex.owner.id, NOBODY, None)
                )
            }
            assert {answer[:2] for answer in answers} == {("P0002", "member_not_found")}
            assert len(answers) == 1
    with as_app(acme.owner) as connection:
        for call in ("update_user(%s, username => 'x')", "update_user(%s, 'gina@example.com')", "delete_user(%s)"):
            answers = {
                words_of(error)
                for error in (
                    error_of(connection, f"SELECT tenancy.{call}", user) for user in (globex.owner.id, NOBODY, None)
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
        (acme.owner, api_key_of(as_app, acme.owner, acme)),
        (acme.owner, api_key_of(as_app, acme.owner)),
        (staff, api_key_of(as_app, staff)),
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
            error = error_of(connection, f"SELECT tenancy.{call}")
            assert (error.sqlstate, error.diag.constraint_name) == ("42501", "person_required"), call
        connection.rollback()


# -- platform staff stay who they are ------------------------------------------


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
        connection.execute("SELECT tenancy.enter_with_api_key(%s)", [api_key_of(as_app, acme.owner, acme)])
    error = error_of(connection, statement.format(me=acme.owner.id, other=globex.owner.id))
    assert (error.sqlstate, error.diag.constraint_name) == ("42501", None)


def test_no_account_is_made_where_one_is_changed(staff: User, as_app: AsApp, admin: Connection) -> None:
    before = one(admin, "SELECT count(*) FROM public.users")
    with as_app(staff, PLATFORM) as connection, refused("P0002", "user_not_found"):
        connection.execute("SELECT tenancy.update_user(NULL, first_name => 'x')")
    write = "SELECT tenancy_private.write_user('{\"id\": null}', 'new@example.com', NULL, NULL, NULL, NULL)"
    assert one(admin, write) is None
    assert one(admin, "SELECT count(*) FROM public.users") == before


def test_no_function_gives_or_takes_the_role_of_platform_staff(
    acme: Organization, staff: User, people: People, as_app: AsApp, admin: Connection
) -> None:
    people.membership(acme, staff, "user")
    with as_app(acme.owner, acme) as connection:
        connection.execute("SELECT tenancy.update_user(%s, username => 'admin', first_name => 'x')", [staff.id])
        connection.execute("SELECT tenancy.change_member_role(%s, 'admin')", [staff.id])
        connection.execute("SELECT tenancy.create_user('new@example.com', 'admin')")
    with as_app(staff, PLATFORM) as connection:
        connection.execute("SELECT tenancy.create_user('newer@example.com', 'admin')")
        connection.execute("SELECT tenancy.update_user(%s, username => 'admin')", [acme.owner.id])
        connection.execute("SELECT tenancy.update_user(%s, username => 'user')", [staff.id])
    assert admin.execute("SELECT id FROM public.users WHERE role <> 'user'").fetchall() == [(staff.id,)]
    functions = admin.execute(
        "SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace::regnamespace::text LIKE 'tenancy%'"
        " AND prosrc ~* '(UPDATE|INSERT INTO|insert_row[(]|update_rows[(]|write_data[(])[[:space:]]*''?public.users'"
        " ORDER BY 1"
    ).fetchall()
    assert functions == [("tenancy_private.write_user(jsonb,text,text,text,text,text)",)]
