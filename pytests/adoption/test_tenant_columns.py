"""Phases 4 to 6 on an application's tables: the columns and rows that they accept, refuse and restore."""

# ruff: noqa: S608  (the names are the test's own)

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from support.database import Database
from support.platform import KEYLESS, NAMED_KEYS, ROWS
from support.replay import TAGS, Replay
from support.scripts import ScriptError, differences
from support.server import Logins

State = Callable[..., Database]

BEFORE = TAGS[TAGS.index("@phase-4") - 1]
NIL = UUID(int=0)

ANN, BOB = (UUID(f"00000000-0000-0000-0000-00000000000{letter}") for letter in "ab")
ACME, BULK = (UUID(f"00000000-0000-0000-0001-00000000000{letter}") for letter in "ab")


def _execute(database: Database, *statements: str) -> None:
    """Run statements as the superuser, with names for four people and organizations."""
    for name, id_ in (("ann", ANN), ("bob", BOB), ("acme", ACME), ("bulk", BULK)):
        statements = tuple(statement.replace(f"{{{name}}}", f"'{id_}'") for statement in statements)
    database.execute(*statements)


def _refusal(run: Replay, to: str) -> str:
    with pytest.raises(ScriptError) as error:
        run.deploy(to)
    return error.value.output


def _just_before(state: State, tag: str) -> Database:
    """Return a database right before the phase's first table."""
    return state(KEYLESS + ROWS, "kernel/tenant_tables" if tag == "@phase-4" else TAGS[TAGS.index(tag) - 1])


@pytest.fixture
def keyless(state: State) -> Database:
    return state(KEYLESS + ROWS)


@pytest.mark.parametrize("tables", [KEYLESS, NAMED_KEYS], ids=["keyless", "keys of its own"])
def test_each_phase_goes_back_to_where_it_came_from(state: State, tables: str) -> None:
    database = state(tables, BEFORE, owned=True)
    run = Replay(database)
    states = [database.dump()]
    for tag in ("@phase-4", "@phase-5", "@phase-6"):
        run.deploy(tag)
        run.verify()
        states.append(database.dump())
    for tag, wanted in zip(("@phase-5", "@phase-4", BEFORE), reversed(states[:-1]), strict=True):
        run.revert(tag)
        assert differences(wanted, database.dump()) == "", tag


@pytest.mark.parametrize(
    ("to", "change", "told"),
    [
        ("@phase-4", "api_keys ADD organization_id text", "organization_id is text, and must be uuid"),
        ("@phase-4", "api_keys ADD workspace_id uuid", "workspace_id is already a column"),
        ("@phase-4", "api_keys ADD expires_at date", "expires_at is date, and must be timestamp with time zone"),
        ("@phase-4", "api_keys ADD organization_id uuid NOT NULL DEFAULT {acme}", "organization_id is NOT NULL"),
        ("@phase-5", "instances ADD user_id bigint", "user_id is bigint, and must be uuid"),
        (
            "@phase-5",
            "instances ADD user_id text, ADD organization_id varchar(36)",
            "organization_id is character varying(36), and must be uuid",
        ),
        ("@phase-5", "instances ADD workspace_id text", "workspace_id is already a column"),
        ("@phase-6", "models ADD organization_id integer", "organization_id is integer, and must be uuid"),
        ("@phase-6", "instances ADD model_workspace_id uuid", "model_workspace_id exists, and pg-tenancy needs"),
    ],
)
def test_a_column_in_the_way_is_named_and_nothing_is_changed(state: State, to: str, change: str, told: str) -> None:
    keyless = state(KEYLESS + ROWS, TAGS[TAGS.index(to) - 1])
    run = Replay(keyless)
    table = "public." + change.split()[0]
    _execute(keyless, f"ALTER TABLE public.{change}")

    def columns() -> Any:
        return keyless.fetch("SELECT attname, atttypid FROM pg_attribute WHERE attrelid = %s::regclass", table)

    was = columns()
    output = _refusal(run, to)
    assert told in output
    assert "Nothing was changed. Rename the column or change its type, then deploy again." in output
    assert columns() == was
    name = change.split()[2]
    _execute(keyless, f"ALTER TABLE {table} RENAME {name} TO theirs")
    if "," in change:
        _execute(keyless, f"ALTER TABLE {table} RENAME organization_id TO theirs_too")
    run.deploy(to)
    run.verify()


@pytest.mark.parametrize(
    ("to", "table", "column", "type_", "needed"),
    [
        ("@phase-4", "api_keys", "key_prefix", "varchar(8)", 12),
        ("@phase-4", "api_keys", "key_hash", "varchar(60)", 64),
        ("@phase-5", "instances", "status", "varchar(10)", 11),
    ],
)
def test_a_column_that_is_too_short_is_named_and_nothing_is_changed(
    state: State, to: str, table: str, column: str, type_: str, needed: int
) -> None:
    keyless = _just_before(state, to)
    run = Replay(keyless)
    _execute(keyless, f"ALTER TABLE public.{table} ALTER {column} TYPE {type_} USING left({column}, 8)")
    was = keyless.dump()
    output = _refusal(run, to)
    long = type_.replace("varchar", "character varying")
    assert f"public.{table}: {column} is {long}, and must hold {needed} characters" in output
    assert differences(was, keyless.dump()) == ""
    _execute(keyless, f"ALTER TABLE public.{table} ALTER {column} TYPE varchar({needed})")
    run.deploy(to)


def test_two_organizations_may_have_had_one_model_before(state: State) -> None:
    keyless = state(KEYLESS + ROWS, BEFORE)
    run = Replay(keyless)
    _execute(
        keyless,
        "ALTER TABLE public.models ADD organization_id uuid",
        "INSERT INTO public.models (id, model_id, organization_id)"
        " VALUES (gen_random_uuid(), 'hub/ours', {acme}), (gen_random_uuid(), 'hub/ours', {bulk})",
    )
    run.deploy("@phase-6")
    run.verify()


def test_rows_with_an_organization_get_its_workspace_and_keep_it(keyless: Database) -> None:
    run = Replay(keyless)
    _execute(
        keyless,
        "ALTER TABLE public.instances ADD organization_id uuid, ADD user_id uuid",
        "ALTER TABLE public.models ADD organization_id uuid",
        "UPDATE public.instances SET organization_id = {acme}",
        "INSERT INTO public.instances (id, user_id, status) VALUES ({bulk}, {bob}, 'ready')",
        "INSERT INTO public.models (id, model_id, organization_id) VALUES ({bulk}, 'hub/bulk', {bulk})",
    )
    run.deploy(BEFORE)
    before = keyless.dump()
    run.deploy("@phase-6")
    run.verify()
    owners = "SELECT organization_id, user_id, workspace_id FROM public.instances ORDER BY id"
    assert sorted(keyless.fetch(owners), key=str) == [(None, BOB, BOB), (ACME, None, ACME)]
    assert set(keyless.fetch("SELECT organization_id, workspace_id FROM public.models")) == {
        (None, NIL),
        (BULK, BULK),
    }
    run.revert(BEFORE)
    assert differences(before, keyless.dump()) == ""
    assert set(keyless.fetch("SELECT organization_id, user_id FROM public.instances")) == {(ACME, None), (None, BOB)}
    # The column is the application's, so its current value counts.
    _execute(
        keyless,
        "UPDATE public.instances SET organization_id = {bulk} WHERE organization_id = {acme}",
        "UPDATE public.instances SET user_id = {ann} WHERE user_id = {bob}",
    )
    run.deploy("@phase-6")
    run.verify()
    assert sorted(keyless.fetch(owners), key=str) == [(None, ANN, ANN), (BULK, None, BULK)]


@pytest.mark.parametrize(
    ("to", "table", "column", "referred"),
    [
        ("@phase-4", "api_keys", "organization_id", "public.organizations"),
        ("@phase-5", "instances", "organization_id", "public.organizations"),
        ("@phase-5", "instances", "user_id", "public.users"),
        ("@phase-6", "models", "organization_id", "public.organizations"),
    ],
)
def test_rows_of_nobody_are_counted_and_found_before_anything_is_changed(
    state: State, to: str, table: str, column: str, referred: str
) -> None:
    keyless = _just_before(state, to)
    run = Replay(keyless)
    _execute(
        keyless,
        f"ALTER TABLE public.{table} ADD {column} uuid",
        f"UPDATE public.{table} SET {column} = gen_random_uuid()",
    )
    was = keyless.dump()
    output = _refusal(run, to)
    ((count,),) = keyless.fetch(f"SELECT count(*) FROM public.{table}")
    counted = "1 row" if count == 1 else f"{count} rows"
    assert f"public.{table}: {counted} whose {column} refers to no row of {referred}" in output
    assert "Nothing was changed." in output
    assert differences(was, keyless.dump()) == ""
    query = next(line for line in output.splitlines() if line.startswith("DETAIL:")).removeprefix("DETAIL:").strip()
    assert len(keyless.fetch(query)) == count
    _execute(keyless, f"UPDATE public.{table} SET {column} = NULL")
    run.deploy(to)
    run.verify()


def test_rows_whose_organization_went_meanwhile_are_counted_and_can_be_cleared(state: State) -> None:
    keyless = state(KEYLESS + ROWS, "@phase-4")
    run = Replay(keyless)
    _execute(
        keyless,
        "ALTER TABLE public.instances ADD organization_id uuid",
        "UPDATE public.instances SET organization_id = {bulk}",
    )
    _execute(
        keyless,
        "CREATE FUNCTION public.stop() RETURNS event_trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'stopped'; END $$",
        "CREATE EVENT TRIGGER stop ON ddl_command_start WHEN TAG IN ('CREATE INDEX') EXECUTE FUNCTION public.stop()",
    )
    assert "stopped" in _refusal(run, "@phase-5")
    _execute(
        keyless,
        "DROP EVENT TRIGGER stop",
        "DELETE FROM public.organization_memberships WHERE organization_id = {bulk};"
        " DELETE FROM public.organizations WHERE id = {bulk}",
    )
    output = _refusal(run, "@phase-5")
    assert "public.instances: 1 row whose workspace_id refers to no row of tenancy.workspaces" in output
    assert "it continues here" in output
    _execute(keyless, "UPDATE public.instances SET organization_id = NULL")
    run.deploy("@phase-5")
    run.verify()
    assert keyless.fetch("SELECT organization_id, user_id, workspace_id FROM public.instances") == [(None, None, NIL)]


def test_what_people_make_says_whose_it_is_in_columns_that_were_there(state: State, logins: Logins) -> None:
    keyless = state(KEYLESS + ROWS, BEFORE)
    run = Replay(keyless)
    _execute(keyless, "ALTER TABLE public.instances ADD organization_id uuid, ADD user_id uuid")
    before = keyless.dump()
    run.deploy("@phase-6")
    made = "INSERT INTO public.instances (provider_id, status) VALUES ('00000000-0000-0000-0002-00000000000a', 'ready')"
    for organization in (ACME, None):
        with keyless.entered(logins.app, ANN, organization) as connection:
            connection.execute(f"{made} RETURNING id")
    owners = "SELECT organization_id, user_id, workspace_id FROM public.instances"
    assert set(keyless.fetch(owners)) == {(ACME, None, ACME), (None, ANN, ANN), (None, None, NIL)}
    run.revert(BEFORE)
    assert differences(before, keyless.dump()) == ""


def test_an_expiry_that_was_there_stays(state: State) -> None:
    keyless = state(KEYLESS + ROWS, BEFORE)
    run = Replay(keyless)
    _execute(
        keyless,
        "ALTER TABLE public.api_keys ADD expires_at timestamptz",
        "UPDATE public.api_keys SET expires_at = '2001-01-01'",
    )
    before = keyless.dump()
    expired = "SELECT expires_at < '2002-01-01', revoked_at FROM public.api_keys"
    for _ in range(2):
        run.deploy("@phase-4")
        run.verify()
        assert keyless.fetch(expired) == [(True, None)]
        run.revert(BEFORE)
        assert differences(before, keyless.dump()) == ""
        # The expiry is up to the application, as before.
        assert keyless.fetch(expired) == [(True, None)]


@pytest.mark.parametrize("default", [False, True])
def test_defaults_are_given_where_there_were_none_and_taken_back(state: State, default: bool) -> None:
    keyless = state(KEYLESS + ROWS, BEFORE)
    run = Replay(keyless)
    if default:
        _execute(keyless, "ALTER TABLE public.instances ALTER created_at SET DEFAULT '2001-01-01'")
    before = keyless.dump()
    run.deploy("@phase-6")
    with keyless.connect(autocommit=True) as connection:
        row = connection.execute(
            "INSERT INTO public.instances (status) VALUES ('ready') RETURNING id IS NOT NULL, created_at < '2002-01-01'"
        ).fetchone()
        assert row == (True, default)
        connection.execute("INSERT INTO public.models (name) VALUES ('Small')")
    run.revert(BEFORE)
    assert differences(before, keyless.dump()) == ""


@pytest.mark.parametrize("required", [False, True])
def test_a_maker_that_was_required_is_required_again(state: State, required: bool) -> None:
    keyless = state(KEYLESS + ROWS, BEFORE)
    run = Replay(keyless)
    if required:
        _execute(keyless, "ALTER TABLE public.api_keys ALTER user_id SET NOT NULL")
    before = keyless.dump()
    run.deploy("@phase-4")
    _execute(
        keyless,
        "INSERT INTO public.api_keys (id, organization_id, name)"
        " VALUES ({acme}, {acme}, 'nobody''s'), ({bulk}, {bulk}, 'nobody''s')",
    )
    run.revert(BEFORE)
    assert differences(before, keyless.dump()) == ""
    keys = "SELECT user_id, revoked_at IS NOT NULL FROM public.api_keys WHERE name = 'nobody''s' ORDER BY id"
    assert keyless.fetch(keys) == ([(ANN, True), (BOB, True)] if required else [(None, True), (None, True)])
    run.deploy("@phase-4")
    assert keyless.fetch(keys) == [(None, False), (None, False)]
