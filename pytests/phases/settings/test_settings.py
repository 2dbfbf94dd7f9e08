"""The effective value, who may see and set it, and concurrent changes."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from support.database import Database
from support.racing import Session, name_of
from support.roles import Place
from support.server import Logins

pytestmark = pytest.mark.shared_database

Connection = psycopg.Connection[tuple[Any, ...]]

SET = "SELECT tenancy.set_setting(%s, %s, %s)"
GET = "SELECT tenancy.setting(%s, %s)"


@pytest.fixture(autouse=True)
def definitions(admin: Connection) -> None:
    """Define a setting of each scope and type."""
    for arguments in (
        "'quota', 'int', 'subject', default_value => '5', min_int => 1, max_int => 100",
        "'region', 'text', 'subject'",
        "'theme', 'text', default_value => '\"dark\"'",
        "'flags', 'json'",
        "'beta', 'bool', default_value => 'false'",
        "'signup', 'bool', 'global', default_value => 'true'",
    ):
        admin.execute(f"SELECT tenancy.define_setting({arguments})".encode())


def value(place: Place, who: str, key: str, subject: Any = None) -> Any:
    return place.ask(who, GET, subject, key)[0][0]


def level(place: Place, who: str, key: str) -> tuple[Any, ...]:
    (row,) = place.ask(who, "SELECT value, level, locked FROM tenancy.settings() WHERE key = %s", key)
    return row


def test_an_organizations_value_stands_above_the_platforms_and_that_above_the_default(place: Place) -> None:
    assert level(place, "manager", "quota") == (5, "default", False)
    place.ask("platform", SET, place.provider, "quota", "10")
    assert level(place, "manager", "quota") == (10, "platform", False)
    place.ask("admin", SET, place.provider, "quota", "20")
    assert level(place, "manager", "quota") == (20, "organization", False)
    assert level(place, "outsider", "quota") == (10, "platform", False)
    assert level(place, "platform", "quota") == (10, "platform", False)
    assert value(place, "owner", "quota", place.provider) == 20
    place.ask("owner", "SELECT tenancy.unset_setting(%s, 'quota')", place.provider)
    assert level(place, "manager", "quota") == (10, "platform", False)
    place.ask("platform", "SELECT tenancy.unset_setting(%s, 'quota')", place.provider)
    assert level(place, "manager", "quota") == (5, "default", False)
    assert level(place, "manager", "region") == (None, None, False)


def test_each_type_comes_back_as_it_is(place: Place) -> None:
    for key, given, wanted in (
        ("theme", "light", "light"),
        ("theme", "42", "42"),
        ("flags", '{"a": [1, null]}', {"a": [1, None]}),
        ("beta", "true", True),
    ):
        place.ask("owner", SET, None, key, given)
        assert value(place, "admin", key) == wanted
    place.ask("owner", SET, place.provider, "quota", "+7")
    assert value(place, "admin", "quota", place.provider) == 7


@pytest.mark.parametrize(
    ("who", "sees", "sets"),
    [
        ("owner", "done", "done"),
        ("admin", "done", "done"),
        ("manager", "done", "permission_denied"),
        ("user", "permission_denied", "permission_denied"),
        ("person", "done", "organization_required"),
        ("staff", "done", "organization_required"),
        ("platform", "done", "done"),
    ],
)
def test_owners_and_admins_set_managers_see_and_users_do_neither(place: Place, who: str, sees: str, sets: str) -> None:
    for query in (
        "SELECT * FROM tenancy.settings()",
        "SELECT tenancy.setting(NULL, 'theme')",
        "SELECT * FROM tenancy.explain_setting(NULL, 'theme')",
        "SELECT * FROM tenancy.provider_status()",
    ):
        assert place.error(who, query) == sees, query
    for query in ("SELECT tenancy.set_setting(NULL, 'theme', 'new')", "SELECT tenancy.unset_setting(NULL, 'theme')"):
        assert place.error(who, query) == sets, query


def test_a_platform_setting_is_set_in_the_platforms_workspace(place: Place) -> None:
    assert place.error("owner", SET, None, "signup", "false") == "setting_of_platform"
    assert place.error("owner", "SELECT tenancy.unset_setting(NULL, 'signup')") == "setting_of_platform"
    assert place.error("owner", "SELECT tenancy.lock_setting(NULL, 'theme')") == "setting_of_platform"
    assert place.error("manager", "SELECT tenancy.lock_setting(NULL, 'theme')") == "permission_denied"
    place.ask("platform", SET, None, "signup", "false")
    assert level(place, "owner", "signup") == (False, "platform", False)


def test_a_locked_setting_is_the_platforms_in_all_workspaces(place: Place) -> None:
    place.ask("owner", SET, place.provider, "quota", "20")
    place.ask("platform", SET, place.provider, "quota", "10")
    place.ask("platform", "SELECT tenancy.lock_setting(%s, 'quota')", place.provider)
    assert level(place, "owner", "quota") == (10, "platform", True)
    assert place.error("owner", SET, place.provider, "quota", "30") == "setting_locked"
    explained = place.ask("owner", "SELECT * FROM tenancy.explain_setting(%s, 'quota')", place.provider)
    assert [row[:5] for row in explained] == [
        ("organization", 20, True, False, False),
        ("platform", 10, True, True, True),
        ("default", 5, True, False, False),
    ]
    place.ask("platform", "SELECT tenancy.unset_setting(%s, 'quota')", place.provider)
    assert level(place, "owner", "quota") == (5, "default", True)
    place.ask("platform", "SELECT tenancy.lock_setting(%s, 'quota', false)", place.provider)
    assert level(place, "owner", "quota") == (20, "organization", False)


WRONG = [
    ("quota", "0"),
    ("quota", "101"),
    ("quota", "ten"),
    ("quota", "1.5"),
    ("quota", ""),
    ("quota", " 5"),
    ("quota", "99999999999999999999"),
    ("quota", None),
    ("beta", "yes"),
    ("theme", "x" * 10001),
    ("flags", "{"),
    ("flags", "null"),
    ("flags", '"\\u0000"'),
]


def test_a_value_of_another_type_or_out_of_range_is_refused_and_not_repeated(place: Place) -> None:
    for key, given in WRONG:
        subject = place.provider if key == "quota" else None
        with pytest.raises(psycopg.Error) as raised:
            place.ask("owner", SET, subject, key, given)
        assert (raised.value.sqlstate, name_of(raised.value)) == ("22023", "setting_value_invalid"), (key, given)
        if given:
            message = f"{raised.value.diag.message_primary} {raised.value.diag.message_detail}"
            assert len(given) < 3 or given not in message
    assert level(place, "owner", "quota") == (5, "default", False)


@pytest.mark.parametrize(
    ("subject", "key", "error"),
    [
        (None, "none", "setting_not_found"),
        (None, None, "setting_not_found"),
        (None, "quota", "setting_subject_invalid"),
        ("provider", "theme", "setting_subject_invalid"),
        ("nobody", "quota", "setting_not_found"),
        ("nil", "quota", "setting_not_found"),
    ],
)
def test_a_setting_that_does_not_exist_is_an_error(place: Place, subject: str | None, key: str, error: str) -> None:
    what = {"provider": place.provider, "nobody": uuid4(), "nil": "0" * 32}.get(subject or "")
    for query in (GET, "SELECT tenancy.set_setting(%s, %s, '1')", "SELECT tenancy.unset_setting(%s, %s)"):
        assert place.error("owner", query, what, key) == error
    assert place.error("platform", "SELECT tenancy.lock_setting(%s, %s)", what, key) == error


def test_a_setting_is_of_those_providers_that_have_it(place: Place, admin: Connection) -> None:
    other = uuid4()
    admin.execute("INSERT INTO public.providers (id, name) VALUES (%s, 'Other')", [other])
    admin.execute("SELECT tenancy.define_setting('zone', 'text', 'subject', subjects => %s)", [[other]])
    found = place.ask("owner", "SELECT subject_id FROM tenancy.settings() WHERE key = 'zone'")
    assert found == [(other,)]
    assert place.error("owner", SET, place.provider, "zone", "a") == "setting_not_found"
    assert place.error("owner", SET, other, "zone", "a") == "done"


def test_an_expected_version_keeps_two_people_apart(place: Place) -> None:
    expected = "SELECT tenancy.set_setting(%s, 'quota', %s, %s)"
    ((first,),) = place.ask("owner", expected, place.provider, "7", 0)
    assert place.error("admin", expected, place.provider, "8", 0) == "setting_changed"
    ((second,),) = place.ask("admin", expected, place.provider, "8", first)
    assert first != second
    assert place.ask("owner", "SELECT version FROM tenancy.settings() WHERE key = 'quota'") == [(second,)]
    unset = "SELECT tenancy.unset_setting(%s, 'quota', %s)"
    assert place.error("owner", unset, place.provider, first) == "setting_changed"
    assert place.error("owner", unset, place.provider, second) == "done"
    assert place.error("owner", expected, place.provider, "9", second) == "setting_changed"


def test_of_two_at_once_one_is_told(place: Place, database: Database, logins: Logins, admin: Connection) -> None:
    set_it = "SELECT tenancy.set_setting(%s, 'quota', %s, 0)"
    with database.connect(logins.app) as one, database.connect(logins.app) as two:
        place.enter(one, "owner")
        place.enter(two, "admin")
        one.execute(set_it, [place.provider, "7"])
        session = Session(two, admin)
        session.start(lambda other: other.execute(set_it, [place.provider, "8"]))
        one.commit()
        assert session.outcome() == "setting_changed"
    assert value(place, "manager", "quota", place.provider) == 7


@pytest.mark.shared_database(False)
def test_changes_are_in_the_audit_log(place: Place) -> None:
    place.ask("owner", SET, place.provider, "quota", "7")
    place.ask("admin", SET, place.provider, "quota", "8")
    place.ask("admin", SET, place.provider, "quota", "8")
    place.ask("owner", "SELECT tenancy.unset_setting(%s, 'quota')", place.provider)
    place.ask("owner", "SELECT tenancy.unset_setting(%s, 'quota')", place.provider)
    entries = (
        "SELECT action, object_id, old_values -> 'value', new_values -> 'value' FROM tenancy.audit_log"
        " WHERE object_kind = 'setting' ORDER BY occurred_at"
    )
    name = f"{place.provider} quota"
    assert place.ask("owner", entries) == [
        ("setting.create", name, None, 7),
        ("setting.update", name, 7, 8),
        ("setting.delete", name, 8, None),
    ]
    assert place.ask("outsider", entries) == []
    place.ask("platform", "SELECT tenancy.lock_setting(NULL, 'theme')")
    place.ask("platform", "SELECT tenancy.lock_setting(NULL, 'theme')")
    place.ask("platform", "SELECT tenancy.lock_setting(NULL, 'theme', false)")
    locks = "SELECT action, object_id FROM tenancy.audit_log WHERE object_kind = 'setting_lock' ORDER BY occurred_at"
    assert place.ask("platform", locks) == [("setting_lock.create", "theme"), ("setting_lock.delete", "theme")]


def test_one_organization_knows_nothing_of_anothers(place: Place) -> None:
    place.ask("owner", SET, place.provider, "quota", "77")
    place.ask("owner", SET, None, "theme", "acme only")
    shown = str(place.ask("outsider", "SELECT * FROM tenancy.settings()"))
    shown += str(place.ask("outsider", "SELECT * FROM tenancy.explain_setting(NULL, 'theme')"))
    shown += str(place.ask("outsider", "SELECT subject_id, key FROM tenancy.settings"))
    shown += str(place.ask("person", "SELECT * FROM tenancy.settings()"))
    assert not re.search(r"\b77\b", shown)
    assert "acme only" not in shown
    assert place.ask("manager", "SELECT key FROM tenancy.settings") == [("theme",)]
    assert place.ask("user", "SELECT key FROM tenancy.settings") == []
    for query in (
        "SELECT value FROM tenancy.settings",
        "SELECT value_int FROM public.provider_settings",
        "SELECT value_text FROM public.provider_settings",
        "INSERT INTO tenancy.settings (workspace_id, key, value) VALUES (gen_random_uuid(), 'theme', '1')",
        "UPDATE tenancy.settings SET key = 'theme'",
        "DELETE FROM tenancy.settings",
        "UPDATE public.provider_settings SET value_int = 1",
        "SELECT tenancy.define_setting('quota', 'int', 'subject')",
        "UPDATE tenancy.settings_definitions SET max_int = NULL",
        "SELECT tenancy_private.write_setting(NULL, NULL, 'theme', '1', NULL)",
    ):
        assert place.error("owner", query) == "42501", query


def test_staff_who_are_so_no_longer_set_nothing(
    place: Place, database: Database, logins: Logins, admin: Connection
) -> None:
    with database.connect(logins.app) as connection:
        place.enter(connection, "platform")
        admin.execute("UPDATE public.users SET role = 'user' WHERE id = %s", [place.users["staff"].id])
        with pytest.raises(psycopg.Error) as raised:
            connection.execute(SET, [None, "signup", "false"])
        assert name_of(raised.value) == "not_a_member"


def test_an_api_key_sets_nothing(place: Place, database: Database, logins: Logins) -> None:
    ((made, key),) = place.ask("owner", "SELECT id, key FROM tenancy.create_api_key('ci')")
    place.ask("owner", "SELECT tenancy.activate('api_key', %s, a) FROM unnest(ARRAY['tech', 'eco']) AS a", made)
    with database.connect(logins.credentialed) as connection:
        connection.execute("SELECT tenancy.enter_with_api_key(%s)", [key])
        with pytest.raises(psycopg.Error) as raised:
            connection.execute(SET, [None, "theme", "mine"])
        assert name_of(raised.value) == "permission_denied"


@pytest.mark.shared_database(False)
def test_a_provider_is_ready_once_it_has_what_it_requires(place: Place, admin: Connection) -> None:
    admin.execute("SELECT tenancy.define_setting('project', 'text', 'subject', required => true)")
    admin.execute("SELECT tenancy.define_setting('access_key', 'text', 'subject', secret => true, required => true)")
    status = "SELECT ready, missing FROM tenancy.provider_status()"
    provision = "SELECT allowed, state, providers, missing FROM tenancy.can_provision()"
    assert place.ask("manager", status) == [(False, ["access_key", "project"])]
    assert place.ask("owner", provision) == [(False, "settings_missing", [], ["Cloud: access_key", "Cloud: project"])]
    assert place.ask("user", provision) == [(False, "forbidden", [], [])]
    place.ask("platform", SET, place.provider, "project", "everybody's")
    assert place.ask("manager", status) == [(False, ["access_key"])]
    place.ask("owner", SET, place.provider, "access_key", "s3cret")
    assert place.ask("manager", status) == [(True, [])]
    assert place.ask("owner", provision) == [(True, "ready", [place.provider], [])]
    assert place.ask("outsider", status) == [(False, ["access_key"])]
    admin.execute("ALTER TABLE public.providers ADD is_active boolean NOT NULL DEFAULT false")
    assert place.ask("manager", "SELECT is_active, ready FROM tenancy.provider_status()") == [(False, False)]
    assert place.ask("owner", provision) == [(False, "no_provider", [], [])]


SENSELESS = [
    "'1', 'int'",
    "NULL, 'int'",
    "'a b', 'int'",
    "'a', 'date'",
    "'a', 'int', 'moon'",
    "'a', 'int', min_int => 2, max_int => 1",
    "'a', 'text', min_int => 2",
    "'a', 'text', default_value => '\"x\"', secret => true",
    "'a', 'int', secret => true",
    "'a', 'int', subjects => '{}'",
    "'a', 'text', required => NULL",
    "'a', 'int', default_value => '\"5\"'",
    "'a', 'text', default_value => '5'",
]


def test_a_definition_that_makes_no_sense_is_refused(admin: Connection) -> None:
    for arguments in SENSELESS:
        with pytest.raises(psycopg.Error) as raised:
            admin.execute(f"SELECT tenancy.define_setting({arguments})".encode())
        assert (raised.value.sqlstate, name_of(raised.value)) == ("22023", "setting_invalid"), arguments
    with pytest.raises(psycopg.Error) as raised:
        admin.execute("SELECT tenancy.define_setting('a', 'int', default_value => '0', min_int => 1)")
    assert name_of(raised.value) == "setting_value_invalid"
