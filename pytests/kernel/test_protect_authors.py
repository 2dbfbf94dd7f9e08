"""Rows with an author under protect(): own rows, and shared rows of others."""

# ruff: noqa: S608  (statements are the tests' own)

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from support.activation import activate_all
from support.application import Application, Connection, all_of, one
from support.two_tenants import refused

BODIES = "SELECT body FROM public.notes"


@contextmanager
def with_key(app: Application, who: str) -> Iterator[Connection]:
    """Yield a connection that entered Acme with a key; only the key stays."""
    with app.entered(who, app.acme, keep=True) as connection:
        key = one(connection, "SELECT key FROM tenancy.create_api_key('program')")
    with app.database.connect() as admin:
        activate_all(admin)
    with app.connected(app.logins.app) as connection:
        connection.execute("SELECT tenancy.enter_with_api_key(%s)", [key])
        yield connection


def test_one_sees_ones_own_and_what_is_shared_in_the_workspace(app: Application) -> None:
    for who, organization, bodies in (
        ("abe", app.acme, ["abe private", "abe shared", "uma shared"]),
        ("uma", app.acme, ["abe shared", "uma private", "uma shared"]),
        ("ann", app.acme, ["abe shared", "uma shared"]),
        ("gina", app.globex, ["gina private", "gina shared"]),
        ("gus", app.globex, ["gina shared"]),
        ("pat", None, ["pat private", "pat shared"]),
        # Own rows are those of the workspace.
        ("abe", None, []),
    ):
        with app.entered(who, organization) as connection:
            assert all_of(connection, BODIES) == bodies
    with app.on_the_platform() as connection:
        assert all_of(connection, BODIES) == []


def test_a_row_with_shared_null_is_the_authors(own_app: Application) -> None:
    own_app.run(
        "ALTER TABLE public.notes ALTER COLUMN is_shared DROP NOT NULL",
        "UPDATE public.notes SET is_shared = NULL",
    )
    with own_app.entered("abe", own_app.acme) as connection:
        assert all_of(connection, BODIES) == ["abe private", "abe shared"]
    with own_app.entered("ann", own_app.acme) as connection:
        assert all_of(connection, BODIES) == []


def test_the_author_comes_by_itself_and_can_be_nobody_else(app: Application) -> None:
    with app.entered("uma", app.acme) as connection:
        made = "INSERT INTO public.notes (body) VALUES ('new') RETURNING user_id"
        assert one(connection, made) == app.users["uma"].id
        for other in (app.users["abe"].id, app.users["gina"].id, None):
            with refused("42501"), connection.transaction():
                connection.execute("INSERT INTO public.notes (body, user_id) VALUES ('x', %s)", [other])
        with refused("42501"), connection.transaction():
            connection.execute("UPDATE public.notes SET user_id = %s WHERE body = 'new'", [app.users["abe"].id])


@pytest.mark.parametrize("statement", ["UPDATE public.notes SET is_shared = is_shared", "DELETE FROM public.notes"])
def test_one_writes_ones_own_and_moderators_what_is_shared(app: Application, statement: str) -> None:
    for who, organization, bodies in (
        # Not the moderator: shared rows of others stay.
        ("uma", app.acme, ["uma private", "uma shared"]),
        ("max", app.acme, []),
        # A moderator, only in the own organization.
        ("ann", app.acme, ["abe shared", "uma shared"]),
        ("abe", app.acme, ["abe private", "abe shared", "uma shared"]),
        ("gina", app.globex, ["gina private", "gina shared"]),
        ("pat", None, ["pat private", "pat shared"]),
    ):
        with app.entered(who, organization) as connection:
            assert all_of(connection, f"{statement} RETURNING body") == bodies


def test_a_moderator_cannot_hide_or_take_a_note(app: Application) -> None:
    with app.entered("ann", app.acme) as connection:
        for change in ("is_shared = false", "is_shared = NULL"):
            with refused("42501"), connection.transaction():
                connection.execute(f"UPDATE public.notes SET {change} WHERE body = 'uma shared'".encode())
        private = "UPDATE public.notes SET is_shared = true WHERE body = 'uma private'"
        assert connection.execute(private).rowcount == 0


def test_a_program_with_a_key_is_nobodys_author(app: Application) -> None:
    with with_key(app, "abe") as connection:
        assert all_of(connection, BODIES) == ["abe shared", "uma shared"]
        for statement in (
            "INSERT INTO public.notes (body) VALUES ('x')",
            "UPDATE public.notes SET body = 'x'",
            "DELETE FROM public.notes",
        ):
            with refused("42501", "person_required"), connection.transaction():
                connection.execute(statement.encode())


def test_private_rows_of_a_former_member_stay_private(own_app: Application) -> None:
    uma = own_app.users["uma"]
    own_app.run(f"DELETE FROM public.organization_memberships WHERE user_id = '{uma.id}'")
    with own_app.entered("ann", own_app.acme) as connection:
        assert all_of(connection, BODIES) == ["abe shared", "uma shared"]
        assert connection.execute("DELETE FROM public.notes WHERE body = 'uma private'").rowcount == 0
    with own_app.entered("uma") as connection:
        assert all_of(connection, BODIES) == []


def test_without_a_column_that_shares_everything_is_the_authors_own(bare_app: Application) -> None:
    bare_app.run(
        "SELECT tenancy.define_permission(p, '{owner,user}') FROM unnest('{notes.view,notes.moderate}'::text[]) AS p",
        "CALL tenancy.protect('public.notes', author => 'user_id')",
        "CALL tenancy.allow('public.notes', 'SELECT', 'notes.view', columns => 'body')",
        "CALL tenancy.allow('public.notes', 'INSERT', 'notes.view', columns => 'body, is_shared')",
        "CALL tenancy.allow('public.notes', 'UPDATE', 'notes.view', columns => 'body')",
    )
    for who in ("ann", "uma"):
        with bare_app.entered(who, bare_app.acme, keep=True) as connection:
            connection.execute("INSERT INTO public.notes (body, is_shared) VALUES (%s, true)", [who])
    with bare_app.entered("ann", bare_app.acme) as connection:
        assert all_of(connection, BODIES) == ["ann"]
        assert connection.execute("UPDATE public.notes SET body = 'x'").rowcount == 1
