"""Users: who may delete which account, what is deleted with it, and what prevents it."""

# ruff: noqa: S608  (the statements are the test's own)

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import IsolationLevel

from support.activation import activate_all
from support.database import PLATFORM
from support.people import Organization, People, User
from support.racing import Session
from support.server import Logins
from support.two_tenants import refused
from support.users import NOBODY, ROLES, api_key_of, error_of, one, usernames, words_of

pytestmark = pytest.mark.shared_database

Connection = psycopg.Connection[tuple[Any, ...]]
Connect = Callable[..., Connection]
AsApp = Callable[..., Any]


# -- deleting: in an organization ----------------------------------------------

# The roles that each role may remove: users.delete, and the delegation pairs.
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
            error = error_of(connection, "SELECT tenancy.delete_user(%s)", other.id)
            assert (error.sqlstate, error.diag.constraint_name) == ("42501", wanted)
    there = admin.execute(
        "SELECT organization_id FROM public.organization_memberships WHERE user_id = %s", [other.id]
    ).fetchall()
    wanted_there = {elsewhere.id} | (set() if held in ENDS[acting] else {acme.id})
    assert {organization for (organization,) in there} == wanted_there
    assert one(admin, "SELECT count(*) FROM public.users WHERE id = %s", other.id) == 1


def test_the_last_owner_is_not_deleted_in_an_organization(acme: Organization, as_app: AsApp) -> None:
    with as_app(acme.owner, acme) as connection:
        error = error_of(connection, "SELECT tenancy.delete_user(%s)", acme.owner.id)
        assert (error.sqlstate, error.diag.constraint_name) == ("23514", "organization_keeps_an_owner")


# -- deleting: the account -----------------------------------------------------


def test_an_account_is_deleted_by_the_person_or_by_staff_and_by_nobody_else(
    acme: Organization, people: People, staff: User, as_app: AsApp, admin: Connection
) -> None:
    ann, bob = people.user("ann"), people.user("bob")
    with as_app(ann) as connection:
        error = error_of(connection, "SELECT tenancy.delete_user(%s)", bob.id)
        assert (error.sqlstate, error.diag.constraint_name) == ("42501", "permission_denied")
        connection.execute("SELECT tenancy.delete_user(%s)", [ann.id])
    with as_app(staff) as connection:
        assert (
            error_of(connection, "SELECT tenancy.delete_user(%s)", bob.id).diag.constraint_name == "permission_denied"
        )
    with as_app(staff, PLATFORM) as connection:
        connection.execute("SELECT tenancy.delete_user(%s)", [bob.id])
        for unknown in (bob.id, NOBODY, None):
            error = error_of(connection, "SELECT tenancy.delete_user(%s)", unknown)
            assert (error.sqlstate, error.diag.constraint_name) == ("P0002", "user_not_found")
    assert one(admin, "SELECT count(*) FROM public.users WHERE username IN ('ann', 'bob')") == 0
    with pytest.raises(psycopg.Error) as raised, as_app(ann):
        pass
    assert raised.value.diag.constraint_name == "not_a_member"


def test_deleting_an_account_deletes_its_own_rows_and_keeps_others(
    acme: Organization, people: People, as_app: AsApp, admin: Connection, connect: Connect, logins: Logins
) -> None:
    ann = people.member(acme, "admin", "ann")
    provider = one(admin, "INSERT INTO public.providers (name) VALUES ('p') RETURNING id")
    with as_app(ann) as connection:
        mine = connection.execute("SELECT id, key FROM tenancy.create_api_key('mine')").fetchone()
        connection.execute("INSERT INTO public.instances (provider_id) VALUES (%s)", [provider])
        own = one(connection, "SELECT id FROM public.instances")
    with as_app(ann, acme) as connection:
        theirs = connection.execute("SELECT id, key FROM tenancy.create_api_key('theirs')").fetchone()
        connection.execute("INSERT INTO public.models (name, model_id) VALUES ('m', 'acme/m')")
        connection.execute("INSERT INTO public.instances (provider_id) VALUES (%s)", [provider])
        kept = one(connection, "SELECT id FROM public.instances")
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
    before = one(admin, entries, ann.id, ann.id)
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
    assert one(admin, entries, ann.id, ann.id) >= before
    activate_all(admin)
    connection = connect(logins.credentialed)
    connection.execute("SELECT tenancy.enter_with_api_key(%s)", [theirs[1]])
    assert one(connection, "SELECT tenancy.current_organization_id()") == acme.id
    assert usernames(connection) == sorted(ROLES)
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
    for actor, where in ((ann, None), (staff, PLATFORM)):
        with as_app(actor, where) as connection:
            error = error_of(connection, "SELECT tenancy.delete_user(%s)", ann.id)
            assert (error.sqlstate, error.diag.constraint_name) == ("23514", "organization_keeps_an_owner")
            assert error.diag.message_primary == (
                "the person is the last owner of Acme (acme), Acme (zoo), Bee (bee, deleted), Cee (cee)"
            )
    assert one(admin, "SELECT count(*) FROM public.organization_memberships WHERE user_id = %s", ann.id) == 6


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


@pytest.mark.shared_database(False)
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
        error = error_of(connection, "SELECT tenancy.delete_user(%s)", ann.id)
        assert (error.sqlstate, error.diag.constraint_name) == ("23503", "user_in_use")
        assert error.diag.message_primary == "rows of the table public.orders refer to the account"
        shown = f"{error} {error.diag.message_detail} {error.diag.context}"
        assert "secret" not in shown
        assert str(ann.id) not in shown
    assert one(admin, "SELECT count(*) FROM public.users WHERE username = 'ann'") == 1


DEFERRED = [
    ("users", "DEFERRABLE INITIALLY DEFERRED", "SELECT 1"),
    ("users", "ON DELETE RESTRICT DEFERRABLE INITIALLY DEFERRED", "SELECT 1"),
    ("users", "DEFERRABLE", "SET CONSTRAINTS ALL DEFERRED"),
    ("users", "DEFERRABLE INITIALLY DEFERRED", "SET CONSTRAINTS ALL IMMEDIATE"),
    ("instances", "DEFERRABLE INITIALLY DEFERRED", "SELECT 1"),
    ("api_keys", "DEFERRABLE INITIALLY DEFERRED", "SELECT 1"),
]


@pytest.mark.shared_database(False)
@pytest.mark.parametrize(("referred", "key", "before"), DEFERRED)
def test_a_key_of_the_application_that_is_checked_at_commit_is_asked_at_once(
    people: People, as_app: AsApp, admin: Connection, referred: str, key: str, before: str
) -> None:
    ann = people.user("ann")
    api_key_of(as_app, ann)
    admin.execute("INSERT INTO public.providers (name) VALUES ('p')")
    admin.execute("INSERT INTO public.instances (provider_id, user_id) SELECT id, %s FROM public.providers", [ann.id])
    admin.execute(f"CREATE TABLE public.orders (id serial, of uuid REFERENCES public.{referred} (id) {key})")
    column = "id" if referred == "users" else "user_id"
    admin.execute(f"INSERT INTO public.orders (of) SELECT id FROM public.{referred} WHERE {column} = %s", [ann.id])
    with as_app(ann) as connection:
        connection.execute(before.encode())
        error = error_of(connection, "SELECT tenancy.delete_user(%s)", ann.id)
        assert words_of(error) == (
            "23503",
            "user_in_use",
            "rows of the table public.orders refer to the account",
            None,
            "Delete them first, or let them refer to somebody else.",
        )
    assert one(admin, "SELECT count(*) FROM public.users WHERE username = 'ann'") == 1
    admin.execute("DELETE FROM public.orders")
    with as_app(ann) as connection:
        connection.execute("SELECT tenancy.delete_user(%s)", [ann.id])
    assert one(admin, "SELECT count(*) FROM public.users WHERE username = 'ann'") == 0


@pytest.mark.shared_database(False)
@pytest.mark.parametrize("mode", ["DEFERRED", "IMMEDIATE"])
def test_deferrable_constraints_keep_their_mode(
    people: People, connect: Connect, logins: Logins, admin: Connection, mode: str
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
    connection.execute("SELECT tenancy.enter_as_service(%s)", [ann.id])
    connection.execute(f"SET CONSTRAINTS public.orders_of_fkey {mode}".encode())
    role = "UPDATE public.organization_memberships SET role = %s WHERE organization_id = %s"
    connection.execute(role, ["admin", acme.id])
    connection.execute("SELECT tenancy.delete_user(%s)", [ann.id])
    if mode == "IMMEDIATE":
        error = error_of(connection, "INSERT INTO public.orders VALUES (%s)", NOBODY)
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


@pytest.mark.shared_database(False)
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
        error = error_of(connection, "SELECT tenancy.delete_user(%s)", ann.id)
        assert (error.sqlstate, error.diag.constraint_name) == ("23503", "unpaid")


def test_after_deleting_ones_own_account_the_transaction_can_do_nothing_more(
    acme: Organization, people: People, as_app: AsApp
) -> None:
    ann = people.user("ann")
    with as_app(ann) as connection:
        connection.execute("SELECT tenancy.delete_user(%s)", [ann.id])
        assert usernames(connection) == []
        for call in ("create_organization('New')", "create_api_key('k')", f"update_user('{ann.id}', username => 'x')"):
            error = error_of(connection, f"SELECT tenancy.{call}")
            assert (error.sqlstate, error.diag.constraint_name) in {
                ("22023", "organization_data_invalid"),
                ("22023", "api_key_data_invalid"),
                ("P0002", "user_not_found"),
            }, call
        assert error_of(connection, "SELECT tenancy.delete_user(%s)", ann.id).diag.constraint_name == "user_not_found"
