"""An application's own columns: sequences, defaults, generated columns and required values."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import psycopg
import pytest

from support.database import Database
from support.hanging import HANGING, NUMBERED, State, refused
from support.platform import KEYLESS, ROWS
from support.replay import WHOLE_PLAN, Replay
from support.scripts import ScriptError
from support.server import Logins
from support.users import error_of, one, words_of

ANN, BOB = (UUID(f"00000000-0000-0000-0000-00000000000{letter}") for letter in "ab")
ACME = UUID("00000000-0000-0000-0001-00000000000a")


@pytest.fixture
def hanging(state: State) -> Database:
    return state(HANGING, WHOLE_PLAN, owned=True)


def test_an_id_is_what_the_column_gives(hanging: Database, logins: Logins) -> None:
    with hanging.entered(logins.app, ANN) as connection:
        made = one(connection, "SELECT (tenancy.create_organization('Two words')).id")
    assert str(made).startswith("0b")
    with hanging.entered(logins.app, ANN, made) as connection:
        assert str(one(connection, "SELECT tenancy.create_user('carl@example.com')")).startswith("0a")
        key, secret = connection.execute("SELECT id, key FROM tenancy.create_api_key('nightly')").fetchone() or ("", "")
        for aspect in ("tech", "eco"):
            connection.execute("SELECT tenancy.activate('api_key', %s, %s)", [key, aspect])
    assert str(key).startswith("0c")
    with hanging.connect(logins.app) as connection:
        connection.execute("SELECT tenancy.enter_with_api_key(%s)", [secret])
        assert one(connection, "SELECT tenancy.current_organization_id()") == made


def test_ids_and_times_that_have_no_default_get_one(state: State, logins: Logins) -> None:
    database = state(KEYLESS + ROWS)
    database.execute(
        "ALTER TABLE public.organization_memberships ADD id uuid, ADD updated_at timestamp",
        "UPDATE public.organization_memberships SET id = gen_random_uuid(), updated_at = now()",
        "ALTER TABLE public.organization_memberships ADD PRIMARY KEY (id), ALTER updated_at SET NOT NULL",
    )
    Replay(database).deploy("@phase-3")
    with database.entered(logins.app, ANN) as connection:
        made = one(connection, "SELECT (tenancy.create_organization('Two')).id")
    rows = database.fetch(
        "SELECT id IS NOT NULL, updated_at IS NOT NULL FROM public.organization_memberships WHERE organization_id = %s",
        made,
    )
    assert rows == [(True, True)]


def test_tenants_take_numbers_from_sequences(state: State, logins: Logins) -> None:
    database = state(KEYLESS + ROWS + NUMBERED, WHOLE_PLAN, owned=True)
    with database.entered(logins.app, ANN, ACME) as connection:
        for insert in (
            "INSERT INTO public.instances (status) VALUES ('provisioning') RETURNING id",
            "INSERT INTO public.models (name, model_id) VALUES ('Own', 'own') RETURNING id",
        ):
            assert one(connection, insert) is not None
    ((number, ticket),) = database.fetch("SELECT number, ticket FROM public.instances WHERE organization_id = %s", ACME)
    assert number is not None
    assert ticket is not None


def test_a_generated_name_is_left_out(hanging: Database, logins: Logins) -> None:
    with hanging.entered(logins.app, ANN, ACME) as connection:
        made = one(connection, "SELECT tenancy.create_user('carl@example.com', first_name => 'Carl')")
        connection.execute("SELECT tenancy.update_user(%s, first_name => 'Karl')", [made])
        for call in ("create_user('dora@example.com'", f"update_user('{made}'"):
            assert words_of(error_of(connection, f"SELECT tenancy.{call}, username => 'dora')")) == (
                "22023",
                "user_data_invalid",
                "the column username of public.users is generated, and cannot be given",
                None,
                "Leave username out.",
            )
    assert hanging.fetch("SELECT first_name, username FROM public.users WHERE id = %s", made) == [("Karl", "carl")]


@pytest.mark.parametrize(
    ("column", "told"),
    [
        ("organizations ADD handle text GENERATED ALWAYS AS (slug || '') STORED", None),
        ("organizations DROP slug, ADD slug text GENERATED ALWAYS AS (name || '') STORED", "public.organizations.slug"),
        ("users DROP email, ADD email text GENERATED ALWAYS AS (id::text || '') STORED", "public.users.email"),
        ("instances DROP status, ADD status text GENERATED ALWAYS AS ('ready') STORED", "public.instances.status"),
    ],
)
def test_a_generated_column_that_functions_write_is_refused(state: State, column: str, told: str | None) -> None:
    database = state(KEYLESS + ROWS)
    database.execute(f"ALTER TABLE public.{column}")
    if told is None:
        Replay(database).deploy("@phase-0")
    else:
        assert f"{told} is generated, and must be an ordinary column" in refused(database)


@pytest.mark.parametrize(
    "column",
    [
        "organizations.billing_email text",
        "organization_memberships.invited_by uuid",
        "users.phone text",
        "api_keys.scope text",
    ],
)
def test_a_value_that_nobody_would_give_is_asked_for_first(state: State, logins: Logins, column: str) -> None:
    database = state(KEYLESS + ROWS)
    table, name, type_ = column.replace(".", " ").split()
    value = "gen_random_uuid()" if type_ == "uuid" else "'x'"
    database.execute(
        f"ALTER TABLE public.{table} ADD {name} {type_} NOT NULL DEFAULT {value}",
        f"ALTER TABLE public.{table} ALTER {name} DROP DEFAULT",
    )
    output = refused(database)
    assert f"public.{table}.{name} may not be null and has no default, and functions add rows" in output
    statement = f"ALTER TABLE public.{table} ALTER COLUMN {name} SET DEFAULT "
    assert f"{statement}...;" in output
    # Also if the application's own trigger sets it.
    database.execute(
        f"CREATE FUNCTION public.give() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN new.{name} := coalesce(new.{name}, {value}); RETURN new; END $$",
        f"CREATE TRIGGER give BEFORE INSERT ON public.{table} FOR EACH ROW EXECUTE FUNCTION public.give()",
    )
    # The tag with the function that adds a row.
    to = {"api_keys": "@phase-4", "users": "@phase-7"}.get(table, "@phase-2")
    Replay(database).deploy(to)
    with database.entered(logins.app, ANN) as connection:
        connection.execute("SELECT tenancy.create_organization('Two words')")
    # If the trigger is dropped later, the error has a name.
    database.execute(f"DROP TRIGGER give ON public.{table}")
    call = {
        "organizations": "create_organization('Three words')",
        "organization_memberships": "create_organization('Three words')",
        "users": "create_user('carl@example.com')",
        "api_keys": "create_api_key('nightly')",
    }[table]
    noun = {"organization_memberships": "membership"}.get(table, table.removesuffix("s"))
    with database.entered(logins.app, ANN, ACME) as connection:
        assert words_of(error_of(connection, f"SELECT tenancy.{call}"))[:3] == (
            "22023",
            f"{noun}_data_invalid",
            f"the column {name} of public.{table} has to have a value",
        )


@contextmanager
def _in_zone(database: Database, login: str, zone: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    with database.connect(login) as connection:
        connection.execute("SELECT set_config('TimeZone', %s, false)", [zone])
        yield connection


def test_when_a_key_was_used_does_not_depend_on_the_zone_of_a_session(hanging: Database, logins: Logins) -> None:
    with hanging.entered(logins.app, ANN) as connection:
        secret = one(connection, "SELECT key FROM tenancy.create_api_key('nightly')")

    def used(zone: str) -> object:
        with _in_zone(hanging, logins.app, zone) as connection:
            connection.execute("SELECT tenancy.enter_with_api_key(%s)", [secret])
        ((when,),) = hanging.fetch("SELECT last_used_at FROM public.api_keys WHERE key_prefix = %s", secret[:12])
        return when

    first = used("Pacific/Kiritimati")
    # The superuser's session has the database's time zone.
    assert hanging.fetch("SELECT abs(extract(EPOCH FROM now() - %s::timestamp)) < 60", first) == [(True,)]
    assert used("Pacific/Pago_Pago") == first
    assert used("UTC") == first
    hanging.execute("UPDATE public.api_keys SET last_used_at = last_used_at - interval '2 minutes'")
    for zone in ("Pacific/Pago_Pago", "Pacific/Kiritimati"):
        before = hanging.fetch("SELECT now()::timestamp - interval '1 minute'")[0][0]
        assert used(zone) > before
        hanging.execute("UPDATE public.api_keys SET last_used_at = last_used_at - interval '2 minutes'")


def test_an_unknown_zone_of_the_deployer_counts_for_nothing(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGTZ", "Pacific/Kiritimati")
    database = state(KEYLESS + ROWS)
    database.execute(f"ALTER DATABASE {database.name} SET timezone = 'Asia/Tokyo'")
    Replay(database).deploy("@phase-1")
    (settings,) = database.fetch("SELECT proconfig FROM pg_proc WHERE proname = 'insert_row'")[0]
    assert "TimeZone=Asia/Tokyo" in settings


def test_a_deploy_that_was_refused_says_each_thing_once(state: State) -> None:
    database = state(KEYLESS + ROWS)
    database.execute("ALTER TABLE public.organizations ADD x text NOT NULL DEFAULT ''")
    database.execute("ALTER TABLE public.organizations ALTER x DROP DEFAULT")
    with pytest.raises(ScriptError) as error:
        Replay(database).deploy("@phase-0")
    assert "one problem must be fixed before the deploy" in error.value.output
