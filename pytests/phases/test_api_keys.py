"""API keys: whose they are, what they open, and what using and revoking them costs others."""

# ruff: noqa: S608  (the statements are the test's own)

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import IsolationLevel

from support.database import Database
from support.people import Organization, People, User
from support.racing import name_of
from support.server import Logins
from support.two_tenants import refused

Connection = psycopg.Connection[tuple[Any, ...]]
Connect = Callable[..., Connection]
AsApp = Callable[..., AbstractContextManager[Connection]]

ENTER = "SELECT tenancy.enter_with_api_key(%s)"
LIST = (
    "SELECT id, user_id, organization_id, workspace_id, name, key_prefix, created_at, expires_at, last_used_at,"
    " revoked_at FROM public.api_keys ORDER BY created_at, id"
)


@dataclass
class Acme:
    """An organization with a member of each role, and a person beside it."""

    organization: Organization
    ann: User
    abe: User
    max: User
    uma: User
    pat: User

    @property
    def id(self) -> UUID:
        return self.organization.id


@pytest.fixture
def acme(people: People) -> Acme:
    ann, abe, max_, uma, pat = (people.user(name) for name in ("ann", "abe", "max", "uma", "pat"))
    return Acme(people.organization("Acme", owner=ann, admin=abe, manager=max_, user=uma), ann, abe, max_, uma, pat)


@dataclass(frozen=True)
class Made:
    """A key as it was shown."""

    id: UUID
    key: str


@pytest.fixture
def make(as_app: AsApp) -> Callable[..., Made]:
    """Return a function that makes a key as somebody somewhere."""

    def make(user: User, organization: Organization | None = None, expires: str | None = None) -> Made:
        with as_app(user, organization) as connection:
            row = connection.execute(
                "SELECT id, key FROM tenancy.create_api_key('program', now() + %s::interval)", [expires]
            ).fetchone()
        assert row is not None
        return Made(*row)

    return make


@pytest.fixture
def with_key(database: Database, logins: Logins) -> Callable[..., AbstractContextManager[Connection]]:
    """Return a function that opens a transaction which entered with a key."""

    @contextmanager
    def enter(key: str | Made, login: str | None = None) -> Iterator[Connection]:
        with database.connect(login or logins.app) as connection:
            connection.execute(ENTER, [key.key if isinstance(key, Made) else key])
            yield connection

    return enter


WithKey = Callable[..., AbstractContextManager[Connection]]
Make = Callable[..., Made]


def one(connection: Connection, query: str, *values: Any) -> Any:
    row = connection.execute(query, values or None).fetchone()
    assert row is not None
    return row[0] if len(row) == 1 else row


# -- whose keys ------------------------------------------------------------------


def test_personal_and_organization_keys_lie_side_by_side(acme: Acme, as_app: AsApp, make: Make) -> None:
    mine, ours = make(acme.ann), make(acme.ann, acme.organization)
    theirs = make(acme.pat)
    with as_app(acme.ann) as connection:
        assert [row[:4] for row in connection.execute(LIST)] == [(mine.id, acme.ann.id, None, acme.ann.id)]
    for member in (acme.ann, acme.abe, acme.max, acme.uma):
        with as_app(member, acme.organization) as connection:
            assert [row[:4] for row in connection.execute(LIST)] == [(ours.id, acme.ann.id, acme.id, acme.id)]
    with as_app(acme.pat) as connection:
        assert [row[0] for row in connection.execute(LIST)] == [theirs.id]


def test_a_key_is_shown_once_and_kept_as_a_hash(acme: Acme, make: Make, as_app: AsApp, admin: Connection) -> None:
    made, again = make(acme.ann, acme.organization), make(acme.ann, acme.organization)
    assert made.key != again.key
    prefix, digest = one(admin, "SELECT key_prefix, key_hash FROM public.api_keys WHERE id = %s", made.id)
    assert made.key.startswith(prefix + "_")
    assert len(prefix) == 12
    assert digest == hashlib.sha256(made.key.encode()).hexdigest()
    with as_app(acme.ann, acme.organization) as connection:
        for column in ("key_hash", "*"):
            with refused("42501"), connection.transaction():
                connection.execute(f"SELECT {column} FROM public.api_keys")
        with refused("42501"), connection.transaction():
            connection.execute("SELECT to_jsonb(k) FROM public.api_keys AS k")
        with refused("42501"), connection.transaction():
            connection.execute("SELECT name FROM public.api_keys ORDER BY key_hash")
        with refused("42501"), connection.transaction():
            connection.execute("UPDATE public.api_keys SET name = name WHERE key_hash > ''")
        with refused("42501"), connection.transaction():
            connection.execute("COPY public.api_keys TO STDOUT")
    entries = str(admin.execute("SELECT to_jsonb(a) FROM tenancy.audit_log AS a").fetchall())
    assert str(made.id) in entries
    assert made.key not in entries
    assert digest not in entries


@pytest.mark.parametrize("who", ["max", "uma"])
def test_a_manager_and_a_user_see_keys_and_change_none(acme: Acme, as_app: AsApp, make: Make, who: str) -> None:
    made = make(acme.ann, acme.organization)
    with as_app(getattr(acme, who), acme.organization) as connection:
        assert len(connection.execute(LIST).fetchall()) == 1
        for call, value in (("create_api_key", "x"), ("revoke_api_key", str(made.id))):
            with refused("42501", "permission_denied"), connection.transaction():
                connection.execute(f"SELECT tenancy.{call}(%s)", [value])
        with refused("42501", "permission_denied"), connection.transaction():
            connection.execute("SELECT tenancy.rename_api_key(%s, 'x')", [made.id])
        with refused("42501", "permission_denied"), connection.transaction():
            connection.execute("UPDATE public.api_keys SET name = 'x'")


@pytest.mark.parametrize("whose", ["personal", "other person", "other organization", "nobody", "null"])
def test_keys_of_others_are_not_there(
    acme: Acme, people: People, as_app: AsApp, make: Make, admin: Connection, whose: str
) -> None:
    globex = people.organization("Globex")
    keys = {
        "personal": make(acme.ann).id,
        "other person": make(acme.pat).id,
        "other organization": make(globex.owner, globex).id,
        "nobody": uuid4(),
        "null": None,
    }
    with as_app(acme.ann, acme.organization) as connection:
        for statement in ("SELECT tenancy.revoke_api_key(%s)", "SELECT tenancy.rename_api_key(%s, 'x')"):
            with pytest.raises(psycopg.Error) as raised, connection.transaction():
                connection.execute(statement, [keys[whose]])
            assert name_of(raised.value) == "api_key_not_found"
            assert str(keys[whose]) not in str(raised.value)
    assert one(admin, "SELECT count(*) FROM public.api_keys WHERE name = 'x' OR revoked_at IS NOT NULL") == 0


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 201, None])
def test_a_key_has_a_name(acme: Acme, as_app: AsApp, make: Make, name: str | None) -> None:
    made = make(acme.ann)
    with as_app(acme.ann) as connection:
        with refused("22023", "api_key_name_invalid"), connection.transaction():
            connection.execute("SELECT tenancy.create_api_key(%s)", [name])
        with refused("22023", "api_key_name_invalid"), connection.transaction():
            connection.execute("SELECT tenancy.rename_api_key(%s, %s)", [made.id, name])
        connection.execute("SELECT tenancy.rename_api_key(%s, ' new name ')", [made.id])
        assert one(connection, "SELECT name FROM public.api_keys") == "new name"


def test_a_key_does_not_expire_before_it_is_made(acme: Acme, as_app: AsApp) -> None:
    with as_app(acme.ann) as connection:
        for when in ("now()", "now() - interval '1 day'", "'-infinity'"):
            with refused("22023", "api_key_expiry_invalid"), connection.transaction():
                connection.execute(f"SELECT tenancy.create_api_key('x', {when})")


def test_changes_of_keys_are_in_the_audit_log_and_uses_are_not(
    acme: Acme, as_app: AsApp, make: Make, with_key: WithKey, admin: Connection
) -> None:
    made = make(acme.ann, acme.organization)
    with with_key(made):
        pass
    assert one(admin, "SELECT last_used_at IS NOT NULL FROM public.api_keys WHERE id = %s", made.id)
    with as_app(acme.abe, acme.organization) as connection:
        connection.execute("SELECT tenancy.rename_api_key(%s, 'new')", [made.id])
        connection.execute("SELECT tenancy.revoke_api_key(%s)", [made.id])
        connection.execute("SELECT tenancy.revoke_api_key(%s)", [made.id])
    assert admin.execute(
        "SELECT action, user_id, workspace_id, ARRAY(SELECT k FROM jsonb_object_keys(new_values) AS k"
        " WHERE new_values -> k <> 'null' ORDER BY k) FROM tenancy.audit_log"
        " WHERE object_kind = 'api_key' ORDER BY occurred_at"
    ).fetchall() == [
        ("api_key.create", acme.ann.id, acme.id, ["key_prefix", "name", "organization_id", "user_id"]),
        ("api_key.update", acme.abe.id, acme.id, ["name"]),
        ("api_key.update", acme.abe.id, acme.id, ["revoked_at"]),
    ]


# -- what a key opens --------------------------------------------------------------


@pytest.mark.parametrize("login", ["app", "credentialed", "service"])
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


def test_an_auditor_enters_with_no_key(acme: Acme, make: Make, connect: Connect, logins: Logins) -> None:
    made = make(acme.ann)
    with refused("42501"):
        connect(logins.auditor).execute(ENTER, [made.key])


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
    # A key that is nobody's, as the application from before may have left one.
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


def test_what_is_the_persons_no_key_does(acme: Acme, people: People, make: Make, with_key: WithKey) -> None:
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
        assert one(connection, "SELECT current_setting('tenancy.current_role')") == ""
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
        # What it may do as a user, it does.
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


# -- one identity a transaction ----------------------------------------------------


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
        # Again with the same is entering again as oneself.
        connection.execute(ENTER, [ours.key])
        for call, values in (("enter(%s, %s)", [acme.ann.id, acme.id]), ("enter(%s)", [acme.ann.id])):
            with refused("28000", "context_already_set"), connection.transaction():
                connection.execute(f"SELECT tenancy.{call}", values)
        # Nor with the variables cleared first, or in a savepoint that is taken back.
        with refused("28000", "context_already_set"), connection.transaction():
            connection.execute("SELECT set_config('tenancy.seal', '', true)")
            connection.execute("SELECT tenancy.enter(%s, %s)", [acme.ann.id, acme.id])


def test_the_credential_is_sealed_like_everything_else(
    acme: Acme, make: Make, with_key: WithKey, as_app: AsApp
) -> None:
    ours = make(acme.ann, acme.organization)
    for value in ("", str(uuid4())):
        with with_key(ours) as connection:
            connection.execute("SELECT set_config('tenancy.current_credential_id', %s, true)", [value])
            for statement in ("SELECT tenancy.current_credential_id()", "SELECT count(*) FROM public.api_keys"):
                with refused("28000", "invalid_context"), connection.transaction():
                    connection.execute(statement)
    with as_app(acme.ann, acme.organization) as connection:
        connection.execute("SELECT set_config('tenancy.current_credential_id', %s, true)", [str(ours.id)])
        with refused("28000", "invalid_context"), connection.transaction():
            connection.execute("SELECT tenancy.current_role()")
    # A character moved from one variable to the next makes another seal.
    with with_key(ours) as connection:
        connection.execute("SELECT set_config('tenancy.current_role', 'user/', true)")
        with refused("28000", "invalid_context"), connection.transaction():
            connection.execute("SELECT tenancy.current_role()")


def test_a_key_in_autocommit_is_told_to_begin(acme: Acme, make: Make, connect: Connect, logins: Logins) -> None:
    made = make(acme.ann)
    connection = connect(logins.app, autocommit=True)
    with refused("25P01", "transaction_required"):
        connection.execute(f"SELECT tenancy.enter_with_api_key('{made.key}')")


# -- last_used_at -------------------------------------------------------------------


def test_sessions_with_one_key_do_not_wait_for_each_other(
    acme: Acme, make: Make, with_key: WithKey, admin: Connection
) -> None:
    made = make(acme.ann, acme.organization)
    with with_key(made) as holding:
        assert holding.info.transaction_status == psycopg.pq.TransactionStatus.INTRANS
        for _ in range(8):
            with with_key(made) as connection:
                connection.execute("SET LOCAL lock_timeout = '1s'")
                connection.execute(ENTER, [made.key])
                assert one(connection, "SELECT count(*) FROM public.api_keys") == 1
        # Only the first has written, and has not committed yet.
        assert one(admin, "SELECT last_used_at FROM public.api_keys WHERE id = %s", made.id) is None
    assert one(admin, "SELECT last_used_at IS NOT NULL FROM public.api_keys WHERE id = %s", made.id)


def test_a_use_is_written_once_a_minute(acme: Acme, make: Make, with_key: WithKey, admin: Connection) -> None:
    made = make(acme.ann)
    seen = set()
    for _ in range(5):
        with with_key(made):
            pass
        seen.add(one(admin, "SELECT xmin::text, last_used_at FROM public.api_keys WHERE id = %s", made.id))
    assert len(seen) == 1
    admin.execute("UPDATE public.api_keys SET last_used_at = now() - interval '59 s'")
    before = one(admin, "SELECT xmin::text FROM public.api_keys WHERE id = %s", made.id)
    with with_key(made):
        pass
    assert one(admin, "SELECT xmin::text FROM public.api_keys WHERE id = %s", made.id) == before
    admin.execute("UPDATE public.api_keys SET last_used_at = now() - interval '61 s'")
    with with_key(made):
        pass
    assert one(admin, "SELECT last_used_at > now() - interval '30 s' FROM public.api_keys WHERE id = %s", made.id)


def test_a_transaction_that_is_rolled_back_has_used_nothing(
    acme: Acme, make: Make, connect: Connect, logins: Logins, admin: Connection
) -> None:
    made = make(acme.ann)
    connection = connect(logins.app)
    connection.execute(ENTER, [made.key])
    connection.rollback()
    assert one(admin, "SELECT last_used_at FROM public.api_keys") is None
    assert one(admin, "SELECT count(*) FROM tenancy_private.revoked_api_keys") == 0


def test_what_was_left_over_in_the_variables_is_no_hindrance(
    acme: Acme, make: Make, connect: Connect, logins: Logins, admin: Connection
) -> None:
    made = make(acme.ann)
    connection = connect(logins.app)
    connection.execute("SET tenancy.seal = 'left over'")
    connection.execute(ENTER, [made.key])
    connection.commit()
    assert one(admin, "SELECT last_used_at IS NOT NULL FROM public.api_keys")


def test_read_only_writes_nothing(acme: Acme, make: Make, connect: Connect, logins: Logins, admin: Connection) -> None:
    made = make(acme.ann)
    connection = connect(logins.app)
    connection.read_only = True
    connection.execute(ENTER, [made.key])
    assert one(connection, "SELECT count(*) FROM public.api_keys") == 1
    connection.commit()
    assert one(admin, "SELECT last_used_at FROM public.api_keys") is None


@pytest.mark.parametrize("level", [IsolationLevel.REPEATABLE_READ, IsolationLevel.SERIALIZABLE], ids=lambda v: v.name)
def test_other_isolation_levels_write_it_too_and_fail_for_no_use_of_others(
    acme: Acme,
    make: Make,
    connect: Connect,
    logins: Logins,
    with_key: WithKey,
    admin: Connection,
    level: IsolationLevel,
) -> None:
    made = make(acme.ann)
    connection = connect(logins.app)
    connection.isolation_level = level
    connection.execute(ENTER, [made.key])
    connection.commit()
    assert one(admin, "SELECT last_used_at IS NOT NULL FROM public.api_keys")
    admin.execute("UPDATE public.api_keys SET last_used_at = NULL")
    connection.execute("SELECT 1")
    with with_key(made):
        pass
    # Its snapshot is from before that use: what the key is can be told only by trying again.
    with refused("40001"):
        connection.execute(ENTER, [made.key])


# -- revoking -------------------------------------------------------------------------


def test_revoking_waits_for_nobody_who_uses_the_key(
    acme: Acme, make: Make, with_key: WithKey, as_app: AsApp, admin: Connection
) -> None:
    made = make(acme.ann, acme.organization)
    with with_key(made) as using:
        assert using.info.transaction_status == psycopg.pq.TransactionStatus.INTRANS
        with as_app(acme.ann, acme.organization) as connection:
            connection.execute("SET LOCAL lock_timeout = '500ms'")
            connection.execute("SELECT tenancy.revoke_api_key(%s)", [made.id])
        with refused("28000", "invalid_api_key"), with_key(made):
            pass
        # Again is no error, and another change waits for nobody either.
        with as_app(acme.abe, acme.organization) as connection:
            connection.execute("SET LOCAL lock_timeout = '500ms'")
            connection.execute("SELECT tenancy.revoke_api_key(%s)", [made.id])
            connection.execute("SELECT tenancy.create_api_key('next')")
    with refused("28000", "invalid_api_key"), with_key(made):
        pass
    # With the next change the row says it too, with the time when it was revoked.
    with as_app(acme.ann, acme.organization) as connection:
        connection.execute("SELECT tenancy.create_api_key('one more')")
    assert one(admin, "SELECT revoked_at IS NOT NULL FROM public.api_keys WHERE id = %s", made.id)
    assert one(admin, "SELECT count(*) FROM tenancy_private.revoked_api_keys") == 0
    with refused("28000", "invalid_api_key"), with_key(made):
        pass


def test_whoever_holds_the_row_of_a_key_does_not_keep_it_from_being_revoked(
    acme: Acme, make: Make, with_key: WithKey, as_app: AsApp
) -> None:
    made = make(acme.ann)
    with with_key(made) as holding:
        holding.execute("SELECT id FROM public.api_keys FOR UPDATE")
        with as_app(acme.ann) as connection:
            connection.execute("SET LOCAL lock_timeout = '500ms'")
            connection.execute("SELECT tenancy.revoke_api_key(%s)", [made.id])
        with refused("28000", "invalid_api_key"), with_key(made):
            pass


def test_the_log_says_who_revoked_a_key_that_was_in_use(
    acme: Acme, make: Make, with_key: WithKey, as_app: AsApp, admin: Connection
) -> None:
    revocations = (
        "SELECT user_id, workspace_id, role, old_values, new_values ->> 'revoked_at' IS NOT NULL FROM tenancy.audit_log"
        " WHERE object_id = %s AND action = 'api_key.update'"
    )
    made = make(acme.ann, acme.organization)
    with with_key(made):
        for who in (acme.abe, acme.ann):  # the second finds it done
            with as_app(who, acme.organization) as connection:
                connection.execute("SELECT tenancy.revoke_api_key(%s)", [made.id])
    once = [(acme.abe.id, acme.id, "admin", {"revoked_at": None}, True)]
    assert admin.execute(revocations, [str(made.id)]).fetchall() == once
    # It reaches the row with somebody else's change, which is not a revocation.
    with as_app(acme.ann, acme.organization) as connection:
        connection.execute("SELECT tenancy.create_api_key('next')")
    assert one(admin, "SELECT revoked_at IS NOT NULL FROM public.api_keys WHERE id = %s", made.id)
    assert admin.execute(revocations, [str(made.id)]).fetchall() == once
    directly = make(acme.ann, acme.organization)
    with as_app(acme.abe, acme.organization) as connection:
        connection.execute("SELECT tenancy.revoke_api_key(%s)", [directly.id])
    assert admin.execute(revocations, [str(directly.id)]).fetchall() == once


def test_a_key_that_is_nobodys_opens_nothing(acme: Acme, make: Make, with_key: WithKey, admin: Connection) -> None:
    made = make(acme.ann)
    admin.execute("UPDATE public.api_keys SET user_id = NULL WHERE id = %s", [made.id])
    with refused("28000", "invalid_api_key"), with_key(made):
        pass


def test_a_revocation_that_is_rolled_back_leaves_the_key(
    acme: Acme, make: Make, with_key: WithKey, connect: Connect, logins: Logins
) -> None:
    made = make(acme.ann)
    connection = connect(logins.app)
    for _ in range(2):
        connection.execute("SELECT tenancy.enter(%s)", [acme.ann.id])
        connection.execute("SELECT tenancy.revoke_api_key(%s)", [made.id])
        connection.rollback()
        with with_key(made):
            pass


@pytest.mark.parametrize("held", [False, True])
@pytest.mark.parametrize("level", [IsolationLevel.REPEATABLE_READ, IsolationLevel.SERIALIZABLE], ids=lambda v: v.name)
def test_an_old_snapshot_opens_with_no_revoked_key(
    acme: Acme,
    make: Make,
    with_key: WithKey,
    as_app: AsApp,
    connect: Connect,
    logins: Logins,
    level: IsolationLevel,
    held: bool,
) -> None:
    made = make(acme.ann, acme.organization)
    old = connect(logins.app)
    old.isolation_level = level
    old.execute("SELECT 1")
    with with_key(made) as using:
        if not held:
            using.commit()
        with as_app(acme.ann, acme.organization) as connection:
            connection.execute("SELECT tenancy.revoke_api_key(%s)", [made.id])
        for read_only in (False, True):
            mode = "READ ONLY" if read_only else "READ WRITE"
            with pytest.raises(psycopg.Error) as raised, old.transaction():
                old.execute(f"SET TRANSACTION {mode}; SELECT tenancy.enter_with_api_key('{made.key}')")
            assert name_of(raised.value) in {"40001", "snapshot_not_checked"}


def test_an_old_snapshot_opens_no_deleted_organization(
    acme: Acme, make: Make, as_app: AsApp, connect: Connect, logins: Logins
) -> None:
    made = make(acme.ann, acme.organization)
    old = connect(logins.app)
    old.isolation_level = IsolationLevel.REPEATABLE_READ
    old.execute("SELECT 1")
    with as_app(acme.ann, acme.organization) as connection:
        connection.execute("SELECT tenancy.delete_organization()")
    with refused("40001"):
        old.execute(ENTER, [made.key])


def test_a_key_that_is_being_revoked_is_not_waited_for(
    acme: Acme, make: Make, with_key: WithKey, connect: Connect, logins: Logins
) -> None:
    made = make(acme.ann, acme.organization)
    revoking = connect(logins.app)
    revoking.execute("SELECT tenancy.enter(%s, %s)", [acme.ann.id, acme.id])
    revoking.execute("SELECT tenancy.revoke_api_key(%s)", [made.id])
    with with_key(made) as connection:
        connection.execute("SET LOCAL lock_timeout = '500ms'")
        connection.execute(ENTER, [made.key])
    revoking.commit()
    with refused("28000", "invalid_api_key"), with_key(made):
        pass


@pytest.mark.parametrize("demoted", [True, False])
def test_who_lost_the_right_meanwhile_makes_no_key(acme: Acme, as_app: AsApp, admin: Connection, demoted: bool) -> None:
    with as_app(acme.abe, acme.organization) as connection:
        change = (
            "UPDATE public.organization_memberships SET role = 'user'"
            if demoted
            else ("DELETE FROM public.organization_memberships")
        )
        admin.execute(f"{change} WHERE user_id = %s", [acme.abe.id])
        with refused(*(("42501", "permission_denied") if demoted else ("28000", "not_a_member"))):
            connection.execute("SELECT tenancy.create_api_key('x')")


# -- finding a key --------------------------------------------------------------------


def test_a_key_is_found_by_its_index(acme: Acme, make: Make, admin: Connection) -> None:
    made = make(acme.ann, acme.organization)
    admin.execute(
        "INSERT INTO public.api_keys (user_id, name, key_prefix, key_hash)"
        " SELECT %s, 'n', 'pgt_' || substr(md5(n::text), 1, 8), md5(n::text) FROM generate_series(1, 20000) AS n",
        [acme.ann.id],
    )
    admin.execute("ANALYZE public.api_keys")
    body = one(admin, "SELECT prosrc FROM pg_proc WHERE proname = 'find_api_key'")
    look_up = "SELECT" + body.partition("SELECT")[2].rpartition(";\nEND")[0].partition("LIMIT 1")[0]
    look_up = look_up.replace("INTO find_api_key.id, find_api_key.user_id, find_api_key.organization_id,", "")
    look_up = look_up.replace("find_api_key.last_used_at", "").replace("convert_to(key", f"convert_to('{made.key}'")
    look_up = look_up.replace("left(key", f"left('{made.key}'")
    with admin.transaction():
        admin.execute("SET LOCAL ROLE tenancy_owner")
        plan = "\n".join(line for (line,) in admin.execute(f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) {look_up}"))
    assert "api_keys_key_prefix_idx" in plan, plan
    assert "Seq Scan on api_keys" not in plan, plan


@pytest.mark.parametrize("prefix", ["sk-l", "sk_live_", "acme-platform-key-000001"])
@pytest.mark.parametrize("organization", [True, False])
def test_keys_of_the_application_from_before_work(
    acme: Acme, with_key: WithKey, connect: Connect, logins: Logins, prefix: str, organization: bool
) -> None:
    key = f"{prefix}9f3KxQ7pLm2Z"
    with connect(logins.old) as old:
        # It knows of no workspace, and maybe of organizations.
        columns, values = ("organization_id, ", "%s, ") if organization else ("", "")
        old.execute(
            f"INSERT INTO api_keys ({columns}user_id, name, key_prefix, key_hash) VALUES ({values}%s, 'k', %s, %s)",
            [*([acme.id] if organization else []), acme.ann.id, prefix, hashlib.sha256(key.encode()).hexdigest()],
        )
    with with_key(key) as connection:
        assert one(connection, "SELECT tenancy.current_workspace_id()") == (acme.id if organization else acme.ann.id)
        assert one(connection, "SELECT key_prefix FROM public.api_keys") == prefix
    with refused("28000", "invalid_api_key"), with_key(key + "x"):
        pass
    with connect(logins.old) as old:
        assert old.execute("UPDATE api_keys SET revoked_at = now() WHERE user_id = %s", [acme.ann.id]).rowcount == 1
    with refused("28000", "invalid_api_key"), with_key(key):
        pass
    with connect(logins.old) as old:
        assert old.execute("DELETE FROM api_keys").rowcount == 1


def test_a_service_in_no_workspace_moves_a_key_with_its_organization(
    acme: Acme, people: People, make: Make, with_key: WithKey, connect: Connect, logins: Logins
) -> None:
    made, globex = make(acme.ann, acme.organization), people.organization("Globex")
    with connect(logins.service) as service:
        service.execute("UPDATE public.api_keys SET organization_id = %s WHERE id = %s", [globex.id, made.id])
    with with_key(made) as connection:
        assert one(connection, "SELECT tenancy.current_workspace_id()") == globex.id
