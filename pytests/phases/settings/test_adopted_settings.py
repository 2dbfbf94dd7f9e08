"""An application's existing settings: values stay in its tables, and both sides see the same."""

# ruff: noqa: S608  (the names are the test's own)

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from support.database import Database
from support.people import Organization, People, User
from support.platform import KEYLESS, ROWS
from support.racing import name_of
from support.replay import Replay
from support.roles import Place
from support.scripts import ScriptError
from support.server import Logins

State = Callable[..., Database]
Connection = psycopg.Connection[tuple[Any, ...]]

# The platform's tables: organizations' values, definitions, and global values.
ADOPTED = (
    KEYLESS.replace(
        "CREATE TABLE public.provider_settings (\n    id uuid, provider_id uuid, key text,",
        "CREATE TABLE public.provider_settings (\n    id uuid DEFAULT gen_random_uuid(), provider_id uuid NOT NULL,"
        " key text NOT NULL, organization_id uuid NOT NULL, updated_at timestamptz,",
    )
    + """
ALTER TABLE public.provider_settings ADD UNIQUE (provider_id, key, organization_id);
CREATE TABLE public.settings_definitions (
    key varchar(60) PRIMARY KEY, scope text, value_type text, min_int integer, max_int integer,
    default_int integer, default_bool boolean, default_text text, default_json jsonb, description text
);
CREATE TABLE public.global_settings (
    key varchar(60) PRIMARY KEY, value_int integer, value_bool boolean, value_text text, value_json jsonb,
    updated_at timestamptz
);
INSERT INTO public.settings_definitions (key, scope, value_type, min_int, max_int, default_int, default_text) VALUES
    ('quota', 'provider', 'int', 1, 100, 5, NULL),
    ('CLOUD_SECRET_KEY', 'provider', 'text', NULL, NULL, NULL, 'none'),
    ('greeting', 'global', 'text', NULL, NULL, NULL, 'hello'),
    ('odd', 'planet', 'float', NULL, NULL, NULL, NULL);
INSERT INTO public.global_settings (key, value_text) VALUES ('greeting', 'welcome');
"""
    + ROWS.replace(
        "INSERT INTO public.provider_settings (id, provider_id, key, value_int) VALUES\n"
        "    ('00000000-0000-0000-0003-00000000000a', '00000000-0000-0000-0002-00000000000a', 'quota', 3);",
        "",
    )
    + """
INSERT INTO public.provider_settings (provider_id, key, organization_id, value_int, value_text)
SELECT '00000000-0000-0000-0002-00000000000a', v.key, '00000000-0000-0000-0001-00000000000a', v.i, v.t
FROM (VALUES ('quota', 3, NULL), ('CLOUD_SECRET_KEY', NULL, 's3cr3t')) AS v (key, i, t);
"""
)
PROVIDER, ACME = "00000000-0000-0000-0002-00000000000a", "00000000-0000-0000-0001-00000000000a"
ANN, BOB = "00000000-0000-0000-0000-00000000000a", "00000000-0000-0000-0000-00000000000b"
BULK = "00000000-0000-0000-0001-00000000000b"
SET = "SELECT tenancy.set_setting(%s, %s, %s)"
STORED = "SELECT organization_id::text, key, value_int, value_text FROM public.provider_settings ORDER BY 1, 2"


class Adopted:
    """A database with existing settings, and helpers to query it."""

    def __init__(self, database: Database, logins: Logins) -> None:
        self.database, self.logins = database, logins

    def ask(self, user: str, organization: str | None, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with self.database.connect(self.logins.app) as connection:
            if organization == "platform":
                connection.execute("SELECT tenancy.enter_platform(%s)", [user])
            else:
                connection.execute("SELECT tenancy.enter(%s, %s)", [user, organization])
            return connection.execute(query.encode(), values or None).fetchall()

    def shown(self, user: str, organization: str) -> dict[str, tuple[Any, ...]]:
        query = "SELECT key, value, level, is_configured FROM tenancy.settings()"
        return {key: tuple(rest) for key, *rest in self.ask(user, organization, query)}


@pytest.fixture
def adopted(state: State, logins: Logins) -> Adopted:
    return Adopted(state(ADOPTED, "@phase-8", owned=True), logins)


def test_adopted_values_count_and_names_of_secrets_are_taken_for_secrets(adopted: Adopted) -> None:
    assert adopted.shown(ANN, ACME) == {
        "CLOUD_SECRET_KEY": (None, "organization", True),
        "quota": (3, "organization", True),
        "greeting": ("welcome", "platform", True),
    }
    assert adopted.shown(BOB, BULK) == {
        "CLOUD_SECRET_KEY": (None, None, False),
        "quota": (5, "default", True),
        "greeting": ("welcome", "platform", True),
    }


def test_values_are_stored_where_the_old_application_reads_them(adopted: Adopted) -> None:
    adopted.ask(ANN, ACME, SET, PROVIDER, "quota", "7")
    adopted.ask(BOB, BULK, SET, PROVIDER, "quota", "8")
    adopted.ask(ANN, "platform", SET, None, "greeting", "hi")
    stored = [(ACME, "CLOUD_SECRET_KEY", None, "s3cr3t"), (ACME, "quota", 7, None), (BULK, "quota", 8, None)]
    assert adopted.database.fetch(STORED) == stored
    assert adopted.database.fetch("SELECT value_text FROM public.global_settings") == [("hi",)]
    assert adopted.database.fetch("SELECT count(*) FROM tenancy.settings") == [(0,)]
    adopted.ask(BOB, BULK, "SELECT tenancy.unset_setting(%s, 'quota')", PROVIDER)
    assert adopted.database.fetch(STORED) == stored[:2]
    # And the other way round.
    adopted.database.execute(
        "UPDATE public.provider_settings SET value_int = 9 WHERE key = 'quota'",
        "UPDATE public.settings_definitions SET max_int = 9, default_int = 6 WHERE key = 'quota'",
        "INSERT INTO public.settings_definitions (key, scope, value_type, default_bool)"
        " VALUES ('signup', 'global', 'bool', true)",
        "DELETE FROM public.settings_definitions WHERE key = 'greeting'",
    )
    assert adopted.shown(ANN, ACME) == {
        "CLOUD_SECRET_KEY": (None, "organization", True),
        "quota": (9, "organization", True),
        "signup": (True, "default", True),
    }
    with pytest.raises(psycopg.Error) as raised:
        adopted.ask(ANN, ACME, SET, PROVIDER, "quota", "10")
    assert name_of(raised.value) == "setting_value_invalid"


def test_the_platforms_level_lives_beside_a_column_that_is_never_null(adopted: Adopted) -> None:
    adopted.ask(ANN, "platform", SET, PROVIDER, "quota", "50")
    assert adopted.shown(BOB, BULK)["quota"] == (50, "platform", True)
    assert adopted.shown(ANN, ACME)["quota"] == (3, "organization", True)
    assert adopted.database.fetch("SELECT workspace_id::text, value FROM tenancy.settings") == [
        ("00000000-0000-0000-0000-000000000000", 50)
    ]
    adopted.ask(ANN, "platform", "SELECT tenancy.unset_setting(%s, 'quota')", PROVIDER)
    assert adopted.shown(BOB, BULK)["quota"] == (5, "default", True)


def test_values_that_the_old_application_wrote_meanwhile_are_noticed(adopted: Adopted) -> None:
    ((version,),) = adopted.ask(ANN, ACME, "SELECT version FROM tenancy.settings() WHERE key = 'quota'")
    with adopted.database.connect(adopted.logins.old) as connection:
        connection.execute("UPDATE public.provider_settings SET value_int = 9 WHERE key = 'quota'")
    with pytest.raises(psycopg.Error) as raised:
        adopted.ask(ANN, ACME, "SELECT tenancy.set_setting(%s, 'quota', '7', %s)", PROVIDER, version)
    assert name_of(raised.value) == "setting_changed"


def test_an_adopted_secret_is_read_by_services_and_moves_when_it_is_replaced(adopted: Adopted) -> None:
    read = "SELECT convert_from(value, 'UTF8') FROM tenancy.read_secret(%s, %s, 'CLOUD_SECRET_KEY')"

    def secret() -> Any:
        with adopted.database.connect(adopted.logins.service) as connection:
            return connection.execute(read, [ACME, PROVIDER]).fetchone()

    assert secret() == ("s3cr3t",)
    for login in (adopted.logins.app, adopted.logins.credentialed, adopted.logins.auditor):
        with adopted.database.connect(login) as connection, pytest.raises(psycopg.Error) as raised:
            connection.execute("SELECT value_text FROM public.provider_settings")
        assert raised.value.sqlstate == "42501"
    adopted.ask(ANN, ACME, SET, PROVIDER, "CLOUD_SECRET_KEY", "n3w")
    assert secret() == ("n3w",)
    assert adopted.database.fetch(STORED) == [(ACME, "quota", 3, None)]
    assert "s3cr3t" not in str(adopted.database.fetch("SELECT a::text FROM tenancy.audit_log AS a"))


def test_a_column_that_is_too_narrow_and_rules_of_the_application_are_named(adopted: Adopted) -> None:
    adopted.database.execute("UPDATE public.settings_definitions SET max_int = NULL WHERE key = 'quota'")
    adopted.database.execute("ALTER TABLE public.provider_settings ADD CHECK (value_int <> 13)")
    for value in ("13", "99999999999"):
        with pytest.raises(psycopg.Error) as raised:
            adopted.ask(ANN, ACME, SET, PROVIDER, "quota", value)
        assert name_of(raised.value) == "setting_value_invalid"
        assert raised.value.diag.message_detail is None


def test_a_purged_organization_takes_its_settings_along(place: Place, admin: Connection) -> None:
    admin.execute("SELECT tenancy.define_setting('quota', 'int', 'subject')")
    admin.execute("SELECT tenancy.define_setting('theme', 'text')")
    admin.execute("SELECT tenancy.define_setting('token', 'text', secret => true)")
    place.ask("owner", SET, place.provider, "quota", "7")
    place.ask("owner", SET, None, "theme", "dark")
    place.ask("owner", SET, None, "token", "x")
    place.ask("owner", "SELECT tenancy.delete_organization()")
    with place.database.connect(place.logins.service) as connection:
        connection.execute("SELECT tenancy.purge_organization(%s)", [place.acme.id])
    for table in ("tenancy.settings", "tenancy_private.secrets", "public.provider_settings"):
        assert admin.execute(f"SELECT count(*) FROM {table}".encode()).fetchone() == (0,)


# -- There and back --------------------------------------------------------------------------------


def test_a_revert_restores_the_schema_and_the_values(adopted: Adopted, state: State) -> None:
    before = state(ADOPTED, "@phase-10", owned=True)
    adopted.ask(ANN, ACME, SET, PROVIDER, "quota", "7")
    adopted.ask(ANN, ACME, SET, PROVIDER, "CLOUD_SECRET_KEY", "n3w")
    adopted.ask(ANN, "platform", SET, PROVIDER, "quota", "50")
    adopted.ask(ANN, "platform", "SELECT tenancy.lock_setting(%s, 'quota')", PROVIDER)
    stored = adopted.database.fetch(STORED)
    shown = adopted.shown(ANN, ACME)
    Replay(adopted.database).verify()
    Replay(adopted.database).revert("@phase-10")
    assert adopted.database.dump() == before.dump()
    assert adopted.database.fetch(STORED) == stored
    Replay(adopted.database).deploy("@phase-8")
    assert (
        adopted.shown(ANN, ACME)
        == shown
        == {
            "CLOUD_SECRET_KEY": (None, "organization", True),
            "quota": (50, "platform", True),
            "greeting": ("welcome", "platform", True),
        }
    )
    with adopted.database.connect(adopted.logins.service) as connection:
        row = connection.execute(
            "SELECT value FROM tenancy.read_secret(%s, %s, 'CLOUD_SECRET_KEY')", [ACME, PROVIDER]
        ).fetchone()
    assert row == (b"n3w",)
    assert adopted.database.fetch("SELECT to_regnamespace('tenancy_archive')") == [(None,)]


def test_organizations_values_return_where_the_column_is_ours(state: State, logins: Logins) -> None:
    database = state(KEYLESS + ROWS, "@phase-8", owned=True)
    before = state(KEYLESS + ROWS, "@phase-10", owned=True)
    database.execute("SELECT tenancy.define_setting('quota', 'int', 'subject')")
    here = Adopted(database, logins)
    # Existing values belong to the platform.
    assert here.shown(BOB, BULK)["quota"] == (3, "platform", True)
    here.ask(ANN, ACME, SET, PROVIDER, "quota", "7")
    here.ask(ANN, "platform", SET, PROVIDER, "quota", "4")
    assert database.fetch(STORED) == [(ACME, "quota", 7, None), (None, "quota", 4, None)]
    Replay(database).revert("@phase-10")
    assert database.dump() == before.dump()
    assert database.fetch("SELECT key, value_int FROM public.provider_settings") == [("quota", 4)]
    Replay(database).deploy("@phase-8")
    assert database.fetch(STORED) == [(ACME, "quota", 7, None), (None, "quota", 4, None)]


def test_a_key_from_before_tenancy_keeps_organizations_values_beside(state: State, logins: Logins) -> None:
    tables = KEYLESS + ROWS + "ALTER TABLE public.provider_settings ADD UNIQUE (provider_id, key);"
    here = Adopted(state(tables, "@phase-8"), logins)
    here.database.execute("SELECT tenancy.define_setting('quota', 'int', 'subject')")
    here.ask(ANN, ACME, SET, PROVIDER, "quota", "7")
    here.ask(ANN, "platform", SET, PROVIDER, "quota", "4")
    assert here.database.fetch(STORED) == [(None, "quota", 4, None)]
    assert here.shown(ANN, ACME)["quota"] == (7, "organization", True)
    assert here.shown(BOB, BULK)["quota"] == (4, "platform", True)


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (
            "INSERT INTO public.provider_settings (id, provider_id, key, value_int)"
            f" VALUES (gen_random_uuid(), '{PROVIDER}', 'quota', 4)",
            "1 key of a provider has more than one value",
        ),
        ("ALTER TABLE public.provider_settings ADD organization_id text", "organization_id is text, and must be uuid"),
        (
            "ALTER TABLE public.provider_settings ADD organization_id uuid;"
            " UPDATE public.provider_settings SET organization_id = gen_random_uuid()",
            "organization_id",
        ),
    ],
)
def test_obstacles_are_named_and_nothing_is_changed(state: State, damage: str, complaint: str) -> None:
    database = state(KEYLESS + ROWS, "@phase-10")
    database.execute(damage)
    Replay(database).deploy("kernel/settings_policies")
    before = database.dump()
    with pytest.raises(ScriptError, match=complaint):
        Replay(database).deploy("@phase-8")
    assert database.dump() == before


def test_the_kernel_has_settings_without_providers(people: People, admin: Connection, as_app: Any) -> None:
    """Subjects are the application's own: their existence is not checked."""
    admin.execute(
        "DROP FUNCTION tenancy_private.adopted_settings(uuid, uuid, text);"
        "DROP FUNCTION tenancy_private.write_adopted_setting(uuid, uuid, text, jsonb);"
        "DROP FUNCTION tenancy_private.setting_subjects()"
    )
    admin.execute("SELECT tenancy.define_setting('limit', 'int', 'subject', default_value => '1')")
    acme: Organization = people.organization("Acme")
    owner: User = acme.owner
    with as_app(owner, acme) as connection:
        assert connection.execute("SELECT * FROM tenancy.settings()").fetchall() == []
        connection.execute("SELECT tenancy.set_setting(%s, 'limit', '2')", [acme.id])
        found = connection.execute("SELECT subject_id, value, level FROM tenancy.settings()").fetchall()
        assert found == [(acme.id, 2, "organization")]
        connection.execute("SELECT tenancy.unset_setting(%s, 'limit')", [acme.id])
        assert connection.execute("SELECT tenancy.setting(%s, 'limit')", [acme.id]).fetchall() == [(1,)]
