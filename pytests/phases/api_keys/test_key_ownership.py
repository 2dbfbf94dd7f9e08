"""API keys: their owners, who may see and change them, and look-ups."""

# ruff: noqa: S608  (the statements are the test's own)

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from support.activation import activate_all
from support.api_keys import LIST, Acme, Make, WithKey, one
from support.people import People
from support.racing import name_of
from support.server import Logins
from support.two_tenants import refused

pytestmark = pytest.mark.shared_database

Connection = psycopg.Connection[tuple[Any, ...]]
Connect = Callable[..., Connection]
AsApp = Callable[..., AbstractContextManager[Connection]]


# -- whose keys ----------------------------------------------------------------


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


@pytest.mark.shared_database(False)
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
        " WHERE object_kind = 'api_key' ORDER BY occurred_at, action DESC"
    ).fetchall() == [
        ("api_key.create", acme.ann.id, acme.id, ["key_prefix", "name", "organization_id", "user_id"]),
        ("api_key.activate_tech", None, acme.id, ["tech_activated_at"]),
        ("api_key.activate_eco", None, acme.id, ["eco_activated_at"]),
        ("api_key.update", acme.abe.id, acme.id, ["name"]),
        ("api_key.update", acme.abe.id, acme.id, ["revoked_at"]),
    ]


# -- finding a key -------------------------------------------------------------


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
    assert "api_keys_tenancy_key_prefix_idx" in plan, plan
    assert "Seq Scan on api_keys" not in plan, plan


@pytest.mark.parametrize("prefix", ["sk-l", "sk_live_", "acme-platform-key-000001"])
@pytest.mark.parametrize("organization", [True, False])
def test_keys_of_the_application_from_before_work(
    acme: Acme,
    with_key: WithKey,
    connect: Connect,
    logins: Logins,
    admin: Connection,
    prefix: str,
    organization: bool,
) -> None:
    key = f"{prefix}9f3KxQ7pLm2Z"
    with connect(logins.old) as old:
        # It knows no workspaces, but perhaps organizations.
        columns, values = ("organization_id, ", "%s, ") if organization else ("", "")
        old.execute(
            f"INSERT INTO api_keys ({columns}user_id, name, key_prefix, key_hash) VALUES ({values}%s, 'k', %s, %s)",
            [*([acme.id] if organization else []), acme.ann.id, prefix, hashlib.sha256(key.encode()).hexdigest()],
        )
    if organization:
        with refused("55000", "not_operational"), with_key(key):
            pass
        activate_all(admin)
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
    acme: Acme, people: People, make: Make, with_key: WithKey, connect: Connect, logins: Logins, admin: Connection
) -> None:
    made, globex = make(acme.ann, acme.organization), people.organization("Globex")
    with connect(logins.service) as service:
        service.execute("UPDATE public.api_keys SET organization_id = %s WHERE id = %s", [globex.id, made.id])
    # There it works once it is activated there.
    with refused("55000", "not_operational"), with_key(made):
        pass
    activate_all(admin)
    with with_key(made) as connection:
        assert one(connection, "SELECT tenancy.current_workspace_id()") == globex.id
