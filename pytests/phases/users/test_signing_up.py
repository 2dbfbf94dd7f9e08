"""Signing up: accounts without an invitation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from support.server import Logins
from support.users import error_of, one

Connection = psycopg.Connection[tuple[Any, ...]]
Connect = Callable[..., Connection]
AsApp = Callable[..., Any]

SIGN_UP = "SELECT tenancy.sign_up(%s, 'new', 'Ne', 'W', 'hash')"


@pytest.mark.parametrize("login", ["app", "credentialed", "service"])
def test_an_account_comes_without_a_context_and_without_rights(
    connect: Connect, logins: Logins, as_app: AsApp, admin: Connection, login: str
) -> None:
    connection = connect(getattr(logins, login))
    new = one(connection, SIGN_UP, "new@example.com")
    connection.commit()
    assert admin.execute(
        "SELECT u.email, u.username, u.role, u.password_hash, w.kind FROM public.users AS u"
        " JOIN tenancy.workspaces AS w USING (id) WHERE u.id = %s",
        [new],
    ).fetchall() == [("new@example.com", "new", "user", "hash", "personal")]
    with as_app(new) as connection:
        assert one(connection, "SELECT count(*) FROM tenancy.my_organizations()") == 0
        organization = one(connection, "SELECT id FROM tenancy.create_organization('Acme')")
    with as_app(new, organization) as connection:
        assert one(connection, "SELECT tenancy.current_role()") == "owner"


def test_signing_up_enters_nothing(connect: Connect, logins: Logins) -> None:
    connection = connect(logins.app)
    one(connection, SIGN_UP, "new@example.com")
    assert error_of(connection, "SELECT id FROM public.users").diag.constraint_name == "no_context"


@pytest.mark.parametrize(
    ("email", "name"),
    [("gina@EXAMPLE.com", "email_taken"), ("a@x\nBcc: b@x", "email_invalid"), (None, "email_invalid")],
)
def test_an_address_that_is_taken_or_invalid_makes_no_account(
    globex: Any, connect: Connect, logins: Logins, admin: Connection, email: str | None, name: str
) -> None:
    before = one(admin, "SELECT count(*) FROM public.users")
    connection = connect(logins.credentialed)
    error = error_of(connection, SIGN_UP, email)
    connection.commit()
    assert error.diag.constraint_name == name
    assert "gina" not in (str(error) + str(error.diag.message_detail)).lower()
    assert one(admin, "SELECT count(*) FROM public.users") == before


def test_an_auditor_signs_nobody_up(connect: Connect, logins: Logins) -> None:
    assert error_of(connect(logins.auditor), SIGN_UP, "new@example.com").sqlstate == "42501"
