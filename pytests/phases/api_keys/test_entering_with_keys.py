"""API keys: what a key opens, what it never allows, and that it adds nothing to a person who has entered."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from support.api_keys import ENTER, LIST, Acme, Make, WithKey, one
from support.database import Database
from support.people import People
from support.server import Logins
from support.two_tenants import refused

pytestmark = pytest.mark.shared_database

Connection = psycopg.Connection[tuple[Any, ...]]
Connect = Callable[..., Connection]
AsApp = Callable[..., AbstractContextManager[Connection]]


# -- what a key opens ----------------------------------------------------------


@pytest.mark.parametrize("login", ["app", "credentialed"])
def test_a_key_opens_its_own_workspace(acme: Acme, make: Make, with_key: WithKey, logins: Logins, login: str) -> None:
    mine, ours = make(acme.ann), make(acme.ann, acme.organization)
    where = (
        "SELECT tenancy.current_workspace_id(), tenancy.current_organization_id(), tenancy.current_user_id(),"
        " tenancy.current_role(), tenancy.current_credential_id()"
    )
    with with_key(mine, getattr(logins, login)) as connection:
        assert one(connection, where) == (acme.ann.id, None, acme.ann.id, None, mine.id)
    with with_key(ours, getattr(logins, login)) as connection:
        assert one(connection, where) == (acme.id, acme.id, acme.ann.id, "user", ours.id)


def test_an_auditor_and_a_service_enter_with_no_key(acme: Acme, make: Make, connect: Connect, logins: Logins) -> None:
    made = make(acme.ann)
    with refused("42501"):
        connect(logins.auditor).execute(ENTER, [made.key])
    with refused("28000", "login_sees_everything"):
        connect(logins.service).execute(ENTER, [made.key])


def test_every_key_that_does_not_work_is_one_error(
    acme: Acme, people: People, make: Make, as_app: AsApp, admin: Connection, connect: Connect, logins: Logins
) -> None:
    gone = people.organization("Gone", owner=acme.ann)
    revoked, expired, of_gone, legacy = (
        make(acme.ann, acme.organization),
        make(acme.ann, acme.organization, "1 hour"),
        make(acme.ann, gone),
        make(acme.pat),
    )
    with as_app(acme.ann, acme.organization) as connection:
        connection.execute("SELECT tenancy.revoke_api_key(%s)", [revoked.id])
    with as_app(acme.ann, gone) as connection:
        connection.execute("SELECT tenancy.delete_organization()")
    admin.execute("UPDATE public.api_keys SET expires_at = now() - interval '1 s' WHERE id = %s", [expired.id])
    # A key without an owner, as the old application may have left one.
    admin.execute("UPDATE public.api_keys SET user_id = NULL WHERE id = %s", [legacy.id])
    admin.execute(
        "INSERT INTO public.api_keys (user_id, name, key_prefix, key_hash) VALUES (NULL, 'n', 'old_legacy', %s)",
        [hashlib.sha256(b"old_legacy_1").hexdigest()],
    )
    good = make(acme.ann, acme.organization)
    errors = set()
    session = connect(logins.app)
    for key in (
        revoked.key,
        expired.key,
        of_gone.key,
        "old_legacy_1",
        None,
        "",
        "x",
        "pgt_",
        good.key[:-1],
        good.key + "0",
        good.key.upper(),
        good.key[:12],
        "pgt_00000000_" + "0" * 64,
        "x" * 100_000,
        "' OR true --",
        "pgt_%",
        "\x01",
        "é" * 30,
    ):
        with pytest.raises(psycopg.Error) as raised:
            session.execute(ENTER, [key])
        session.rollback()
        diag = raised.value.diag
        errors.add((diag.sqlstate, diag.constraint_name, diag.message_primary, diag.message_detail, diag.message_hint))
        assert diag.context is None or good.key[:12] not in diag.context
    assert len(errors) == 1
    assert next(iter(errors))[:2] == ("28000", "invalid_api_key")
    session.execute(ENTER, [good.key])


def test_a_restored_organization_has_its_keys_again(
    acme: Acme, make: Make, as_app: AsApp, with_key: WithKey, connect: Connect, logins: Logins
) -> None:
    made = make(acme.ann, acme.organization)
    with as_app(acme.ann, acme.organization) as connection:
        connection.execute("SELECT tenancy.delete_organization()")
    with refused("28000", "invalid_api_key"), with_key(made):
        pass
    with connect(logins.service) as service:
        service.execute("SELECT tenancy.restore_organization(%s)", [acme.id])
    with with_key(made):
        pass


def test_a_key_cannot_do_what_requires_a_person(acme: Acme, people: People, make: Make, with_key: WithKey) -> None:
    duo = people.organization("Duo", owner=acme.ann)
    mine, ours = make(acme.ann), make(acme.ann, acme.organization)
    for made, where in ((mine, []), (ours, [("Acme", "user", True)])):
        with with_key(made) as connection:
            assert (
                connection.execute("SELECT name, role, is_current FROM tenancy.my_organizations()").fetchall() == where
            )
            assert one(connection, "SELECT tenancy.badge(%s)", duo.id) is None
            assert one(connection, "SELECT tenancy.badge(%s)", acme.id) == ("Org: Acme" if where else None)
            for statement in (
                "SELECT tenancy.create_organization('New')",
                "SELECT tenancy.leave_organization()",
                "SELECT tenancy.create_api_key('another')",
                f"SELECT tenancy.revoke_api_key('{made.id}')",
                f"SELECT tenancy.rename_api_key('{made.id}', 'x')",
                f"SELECT tenancy.update_user('{acme.ann.id}', password_hash => 'x')",
                f"SELECT tenancy.delete_user('{acme.ann.id}')",
            ):
                with refused("42501", "person_required"), connection.transaction():
                    connection.execute(statement)
            with refused("42501", "person_required" if made is mine else "permission_denied"), connection.transaction():
                connection.execute("UPDATE public.api_keys SET name = 'x'")
    with with_key(ours) as connection:
        for statement in (
            "SELECT tenancy.update_organization('x')",
            "SELECT tenancy.delete_organization()",
            f"SELECT tenancy.remove_member('{acme.uma.id}')",
            f"SELECT tenancy.change_member_role('{acme.uma.id}', 'owner')",
            "SELECT tenancy.invite_member('x@example.com')",
        ):
            with refused("42501", "person_required"), connection.transaction():
                connection.execute(statement)
        with refused("42501", "permission_denied"), connection.transaction():
            connection.execute("SELECT tenancy.require_permission('instances.create')")


def test_a_key_is_never_platform_staff(people: People, make: Make, with_key: WithKey, admin: Connection) -> None:
    sam = people.user("sam", role="admin")
    admin.execute("INSERT INTO public.models (name, model_id) VALUES ('public', 'public')")
    with with_key(make(sam)) as connection:
        assert one(connection, "SELECT split_part(current_setting('tenancy.context'), '_', 2)") == ""
        for statement in ("UPDATE public.models SET name = 'x'", "INSERT INTO public.models (name) VALUES ('x')"):
            with refused("42501", "permission_denied"), connection.transaction():
                connection.execute(statement)
        assert one(connection, "SELECT count(*) FROM public.users") == 1


def test_an_organizations_key_outlives_its_makers_membership(
    acme: Acme, make: Make, as_app: AsApp, with_key: WithKey
) -> None:
    made, mine = make(acme.abe, acme.organization), make(acme.abe)
    with as_app(acme.ann, acme.organization) as connection:
        connection.execute("SELECT tenancy.remove_member(%s)", [acme.abe.id])
    with with_key(made) as connection:
        assert one(connection, "SELECT tenancy.current_role()") == "user"
    with with_key(mine) as connection:
        assert one(connection, "SELECT tenancy.current_workspace_id()") == acme.abe.id


@pytest.mark.parametrize("how", ["service", "superuser", "person"])
def test_an_organizations_key_outlives_its_makers_account(
    acme: Acme,
    make: Make,
    as_app: AsApp,
    with_key: WithKey,
    connect: Connect,
    logins: Logins,
    admin: Connection,
    how: str,
) -> None:
    made, mine = make(acme.abe, acme.organization), make(acme.abe)
    delete = "DELETE FROM public.users WHERE id = %s"
    if how == "service":
        with connect(logins.service) as service:
            service.execute(delete, [acme.abe.id])
    elif how == "person":
        with as_app(acme.abe) as connection:
            connection.execute("SELECT tenancy.delete_user(%s)", [acme.abe.id])
    else:
        admin.execute(delete, [acme.abe.id])
    with with_key(made) as connection:
        assert one(connection, "SELECT tenancy.current_user_id(), tenancy.current_organization_id()") == (None, acme.id)
        assert [row[:4] for row in connection.execute(LIST)] == [(made.id, None, acme.id, acme.id)]
        # It can do what the role user may do.
        assert one(connection, "SELECT count(*) FROM tenancy.members()") == 3
        assert connection.execute("SELECT name FROM tenancy.my_organizations()").fetchall() == [("Acme",)]
        assert one(connection, "SELECT tenancy.badge(%s)", acme.id) == "Org: Acme"
        assert one(connection, "SELECT name FROM tenancy.current_workspace()") == "Acme"
        assert connection.execute("SELECT id FROM public.instances").fetchall() == []
    with refused("28000", "invalid_api_key"), with_key(mine):
        pass
    assert one(admin, "SELECT count(*) FROM public.api_keys") == 1


def test_a_purged_organization_takes_its_keys_along(
    acme: Acme, make: Make, as_app: AsApp, connect: Connect, logins: Logins, admin: Connection
) -> None:
    make(acme.ann, acme.organization)
    mine = make(acme.ann)
    with as_app(acme.ann, acme.organization) as connection:
        connection.execute("SELECT tenancy.delete_organization()")
    with connect(logins.service) as service:
        service.execute("SELECT tenancy.purge_organization(%s)", [acme.id])
    assert admin.execute("SELECT id FROM public.api_keys").fetchall() == [(mine.id,)]


# -- one identity a transaction ------------------------------------------------


def test_a_key_does_not_change_who_has_entered(
    acme: Acme, make: Make, database: Database, logins: Logins, with_key: WithKey
) -> None:
    mine, ours, other = make(acme.ann), make(acme.ann, acme.organization), make(acme.ann, acme.organization)
    with database.connect(logins.app) as connection:
        for first, then in (
            (("enter(%s, %s)", [acme.ann.id, acme.id]), ours.key),
            (("enter(%s, %s)", [acme.uma.id, acme.id]), ours.key),
            (("enter(%s)", [acme.ann.id]), mine.key),
        ):
            connection.execute(f"SELECT tenancy.{first[0]}", first[1])
            with refused("28000", "context_already_set"):
                connection.execute(ENTER, [then])
            connection.rollback()
        for made, second in ((ours, other), (mine, ours), (ours, mine)):
            connection.execute(ENTER, [made.key])
            with refused("28000", "context_already_set"):
                connection.execute(ENTER, [second.key])
            connection.rollback()
    with with_key(ours) as connection:
        # Entering again with the same key is allowed.
        connection.execute(ENTER, [ours.key])
        for call, values in (("enter(%s, %s)", [acme.ann.id, acme.id]), ("enter(%s)", [acme.ann.id])):
            with refused("28000", "context_already_set"), connection.transaction():
                connection.execute(f"SELECT tenancy.{call}", values)
        # Nor with cleared variables, or in a savepoint that is rolled back.
        with refused("28000", "context_already_set"), connection.transaction():
            connection.execute("SELECT set_config('tenancy.context', '', true)")
            connection.execute("SELECT tenancy.enter(%s, %s)", [acme.ann.id, acme.id])


def test_the_credential_is_sealed_like_everything_else(
    acme: Acme, make: Make, with_key: WithKey, as_app: AsApp
) -> None:
    ours = make(acme.ann, acme.organization)
    change = "SELECT set_config('tenancy.context', regexp_replace(current_setting('tenancy.context'), %s, %s), true)"
    for value in ("", str(uuid4())):
        with with_key(ours) as connection:
            connection.execute(change, ["[^_]*$", value])
            for statement in ("SELECT tenancy.current_credential_id()", "SELECT count(*) FROM public.api_keys"):
                with refused("28000", "invalid_context"), connection.transaction():
                    connection.execute(statement)
    with as_app(acme.ann, acme.organization) as connection:
        connection.execute(change, ["$", str(ours.id)])
        with refused("28000", "invalid_context"), connection.transaction():
            connection.execute("SELECT tenancy.current_role()")
    # A character moved from one part to the next makes another seal.
    with with_key(ours) as connection:
        connection.execute(change, ["_user_", "_user__"])
        with refused("28000", "invalid_context"), connection.transaction():
            connection.execute("SELECT tenancy.current_role()")


def test_a_key_in_autocommit_is_told_to_begin(acme: Acme, make: Make, connect: Connect, logins: Logins) -> None:
    made = make(acme.ann)
    connection = connect(logins.app, autocommit=True)
    with refused("25P01", "transaction_required"):
        connection.execute(f"SELECT tenancy.enter_with_api_key('{made.key}')")
