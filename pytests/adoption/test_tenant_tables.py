"""Phases 4 to 6 on tables that an application made: what they adopt, refuse, warn of and give back."""

# ruff: noqa: S608  (the names are the test's own)

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import sql

from pg_tenancy.sqitch import Sqitch, SqitchError, read_plan
from support.database import Database
from support.platform import KEYLESS, NAMED_KEYS, ROWS
from support.scripts import differences
from support.server import Logins

Run = Callable[[Database], Sqitch]
NewLogin = Callable[..., str]

TAGS = [f"@{tag}" for change in read_plan() for tag in change.tags]
BEFORE = TAGS[TAGS.index("@phase-4") - 1]
NIL = UUID(int=0)

ANN, BOB = (UUID(f"00000000-0000-0000-0000-00000000000{letter}") for letter in "ab")
ACME, BULK = (UUID(f"00000000-0000-0000-0001-00000000000{letter}") for letter in "ab")


def _execute(database: Database, *statements: str) -> None:
    """Run statements as the superuser, who knows four people and organizations by name."""
    with database.connect(autocommit=True) as connection:
        for statement in statements:
            for name, id_ in (("ann", ANN), ("bob", BOB), ("acme", ACME), ("bulk", BULK)):
                statement = statement.replace(f"{{{name}}}", f"'{id_}'")
            connection.execute(statement.encode())


def _fetch(database: Database, query: str, *values: Any) -> list[tuple[Any, ...]]:
    with database.connect() as connection:
        return connection.execute(query.encode(), values).fetchall()


def _refusal(run: Sqitch, to: str) -> str:
    with pytest.raises(SqitchError) as error:
        run.deploy(to)
    return error.value.output


@pytest.fixture
def keyless(empty_database: Database) -> Database:
    _execute(empty_database, KEYLESS, ROWS)
    return empty_database


@pytest.mark.parametrize("tables", [KEYLESS, NAMED_KEYS], ids=["keyless", "keys of its own"])
def test_each_phase_goes_back_to_where_it_came_from(
    empty_database: Database, sqitch: Run, new_login: NewLogin, tables: str
) -> None:
    owner, run = new_login(), sqitch(empty_database)
    empty_database.server.execute(
        sql.SQL("ALTER DATABASE {} OWNER TO {}").format(*map(sql.Identifier, (empty_database.name, owner)))
    )
    with empty_database.connect(owner) as connection:
        connection.execute(tables.encode())
    run.deploy(BEFORE)
    states = [empty_database.dump()]
    for tag in ("@phase-4", "@phase-5", "@phase-6"):
        run.deploy(tag)
        run.verify()
        states.append(empty_database.dump())
    for tag, wanted in zip(("@phase-5", "@phase-4", BEFORE), reversed(states[:-1]), strict=True):
        run.revert(tag)
        assert differences(wanted, empty_database.dump()) == "", tag


# -- columns that are there ----------------------------------------------------------


@pytest.mark.parametrize(
    ("to", "change", "told"),
    [
        ("@phase-4", "api_keys ADD organization_id text", "organization_id is text, and must be uuid"),
        ("@phase-4", "api_keys ADD workspace_id uuid", "workspace_id is there, and must be free for pg-tenancy"),
        ("@phase-4", "api_keys ADD expires_at date", "expires_at is date, and must be timestamp with time zone"),
        ("@phase-4", "api_keys ADD organization_id uuid NOT NULL DEFAULT {acme}", "organization_id is NOT NULL"),
        ("@phase-5", "instances ADD user_id bigint", "user_id is bigint, and must be uuid"),
        (
            "@phase-5",
            "instances ADD user_id text, ADD organization_id varchar(36)",
            "organization_id is character varying(36), and must be uuid",
        ),
        ("@phase-5", "instances ADD workspace_id text", "workspace_id is there, and must be free for pg-tenancy"),
        ("@phase-6", "models ADD organization_id integer", "organization_id is integer, and must be uuid"),
        ("@phase-6", "instances ADD model_workspace_id uuid", "model_workspace_id is there, and must be free"),
    ],
)
def test_a_column_in_the_way_is_named_and_nothing_is_changed(
    keyless: Database, sqitch: Run, to: str, change: str, told: str
) -> None:
    run, before = sqitch(keyless), TAGS[TAGS.index(to) - 1]
    run.deploy(before)
    table = "public." + change.split()[0]
    _execute(keyless, f"ALTER TABLE public.{change}")

    def columns() -> Any:
        return _fetch(keyless, "SELECT attname, atttypid FROM pg_attribute WHERE attrelid = %s::regclass", table)

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
        ("@phase-5", "instances", "status", "varchar(11)", 12),
    ],
)
def test_a_column_that_is_too_short_is_named_and_nothing_is_changed(
    keyless: Database, sqitch: Run, to: str, table: str, column: str, type_: str, needed: int
) -> None:
    run, before = sqitch(keyless), "tenant_tables" if to == "@phase-4" else TAGS[TAGS.index(to) - 1]
    _execute(keyless, f"ALTER TABLE public.{table} ALTER {column} TYPE {type_} USING left({column}, 8)")
    run.deploy(before)
    was = keyless.dump()
    output = _refusal(run, to)
    long = type_.replace("varchar", "character varying")
    assert f"public.{table}: {column} is {long}, and must hold {needed} characters" in output
    assert differences(was, keyless.dump()) == ""
    _execute(keyless, f"ALTER TABLE public.{table} ALTER {column} TYPE varchar({needed})")
    run.deploy(to)


def test_two_organizations_may_have_had_one_model_before(keyless: Database, sqitch: Run) -> None:
    run = sqitch(keyless)
    _execute(
        keyless,
        "ALTER TABLE public.models ADD organization_id uuid",
        "INSERT INTO public.models (id, model_id, organization_id)"
        " VALUES (gen_random_uuid(), 'hub/ours', {acme}), (gen_random_uuid(), 'hub/ours', {bulk})",
    )
    run.deploy("@phase-6")
    run.verify()


def test_rows_with_an_organization_get_its_workspace_and_keep_it(keyless: Database, sqitch: Run) -> None:
    run = sqitch(keyless)
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
    assert sorted(_fetch(keyless, owners), key=str) == [(None, BOB, BOB), (ACME, None, ACME)]
    assert set(_fetch(keyless, "SELECT organization_id, workspace_id FROM public.models")) == {
        (None, NIL),
        (BULK, BULK),
    }
    run.revert(BEFORE)
    assert differences(before, keyless.dump()) == ""
    assert set(_fetch(keyless, "SELECT organization_id, user_id FROM public.instances")) == {(ACME, None), (None, BOB)}
    # The column is the application's, and what it says now counts.
    _execute(
        keyless,
        "UPDATE public.instances SET organization_id = {bulk} WHERE organization_id = {acme}",
        "UPDATE public.instances SET user_id = {ann} WHERE user_id = {bob}",
    )
    run.deploy("@phase-6")
    run.verify()
    assert sorted(_fetch(keyless, owners), key=str) == [(None, ANN, ANN), (BULK, None, BULK)]


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
    keyless: Database, sqitch: Run, to: str, table: str, column: str, referred: str
) -> None:
    run, before = sqitch(keyless), "tenant_tables" if to == "@phase-4" else TAGS[TAGS.index(to) - 1]
    _execute(
        keyless,
        f"ALTER TABLE public.{table} ADD {column} uuid",
        f"UPDATE public.{table} SET {column} = gen_random_uuid()",
    )
    run.deploy(before)
    was = keyless.dump()
    output = _refusal(run, to)
    ((count,),) = _fetch(keyless, f"SELECT count(*) FROM public.{table}")
    counted = "1 row" if count == 1 else f"{count} rows"
    assert f"public.{table}: {counted} whose {column} refers to no row of {referred}" in output
    assert "Nothing was changed." in output
    assert differences(was, keyless.dump()) == ""
    query = next(line for line in output.splitlines() if line.startswith("DETAIL:")).removeprefix("DETAIL:").strip()
    assert len(_fetch(keyless, query)) == count
    _execute(keyless, f"UPDATE public.{table} SET {column} = NULL")
    run.deploy(to)
    run.verify()


def test_rows_whose_organization_went_meanwhile_are_counted_and_can_be_cleared(keyless: Database, sqitch: Run) -> None:
    run = sqitch(keyless)
    _execute(
        keyless,
        "ALTER TABLE public.instances ADD organization_id uuid",
        "UPDATE public.instances SET organization_id = {bulk}",
    )
    run.deploy("@phase-4")
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
    assert "it goes on here" in output
    _execute(keyless, "UPDATE public.instances SET organization_id = NULL")
    run.deploy("@phase-5")
    run.verify()
    assert _fetch(keyless, "SELECT organization_id, user_id, workspace_id FROM public.instances") == [(None, None, NIL)]


def test_what_people_make_says_whose_it_is_in_columns_that_were_there(
    keyless: Database, sqitch: Run, logins: Logins
) -> None:
    run = sqitch(keyless)
    _execute(keyless, "ALTER TABLE public.instances ADD organization_id uuid, ADD user_id uuid")
    run.deploy(BEFORE)
    before = keyless.dump()
    run.deploy("@phase-6")
    made = "INSERT INTO public.instances (provider_id, status) VALUES ('00000000-0000-0000-0002-00000000000a', 'ready')"
    for organization in (ACME, None):
        with keyless.entered(logins.app, ANN, organization) as connection:
            connection.execute(f"{made} RETURNING id")
    owners = "SELECT organization_id, user_id, workspace_id FROM public.instances"
    assert set(_fetch(keyless, owners)) == {(ACME, None, ACME), (None, ANN, ANN), (None, None, NIL)}
    run.revert(BEFORE)
    assert differences(before, keyless.dump()) == ""


def test_an_expiry_that_was_there_stays(keyless: Database, sqitch: Run) -> None:
    run = sqitch(keyless)
    _execute(
        keyless,
        "ALTER TABLE public.api_keys ADD expires_at timestamptz",
        "UPDATE public.api_keys SET expires_at = '2001-01-01'",
    )
    run.deploy(BEFORE)
    before = keyless.dump()
    expired = "SELECT expires_at < '2002-01-01', revoked_at FROM public.api_keys"
    for _ in range(2):
        run.deploy("@phase-4")
        run.verify()
        assert _fetch(keyless, expired) == [(True, None)]
        run.revert(BEFORE)
        assert differences(before, keyless.dump()) == ""
        # When it expired is the application's business as before.
        assert _fetch(keyless, expired) == [(True, None)]


@pytest.mark.parametrize("default", [False, True])
def test_defaults_are_given_where_there_were_none_and_taken_back(keyless: Database, sqitch: Run, default: bool) -> None:
    run = sqitch(keyless)
    if default:
        _execute(keyless, "ALTER TABLE public.instances ALTER created_at SET DEFAULT '2001-01-01'")
    run.deploy(BEFORE)
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
def test_a_maker_that_was_required_is_required_again(keyless: Database, sqitch: Run, required: bool) -> None:
    run = sqitch(keyless)
    if required:
        _execute(keyless, "ALTER TABLE public.api_keys ALTER user_id SET NOT NULL")
    run.deploy(BEFORE)
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
    assert _fetch(keyless, keys) == ([(ANN, True), (BOB, True)] if required else [(None, True), (None, True)])
    run.deploy("@phase-4")
    assert _fetch(keyless, keys) == [(None, False), (None, False)]


# -- indexes -------------------------------------------------------------------------


def test_models_that_are_there_twice_are_refused_with_the_query(keyless: Database, sqitch: Run) -> None:
    run = sqitch(keyless)
    run.deploy("@phase-5")
    _execute(
        keyless,
        "INSERT INTO public.models (id, name, model_id) SELECT gen_random_uuid(), 'twice', 'hub/small'",
        # NULL is not a name twice.
        "INSERT INTO public.models (id, name) SELECT gen_random_uuid(), 'none' FROM generate_series(1, 3)",
    )
    before = keyless.dump()
    output = _refusal(run, "@phase-6")
    assert "public.models: 1 value of model_id is that of more than one model" in output
    assert "Nothing was changed." in output
    assert differences(before, keyless.dump()) == ""
    query = next(line for line in output.splitlines() if line.startswith("DETAIL:")).removeprefix("DETAIL:").strip()
    ((name, ids),) = _fetch(keyless, query)
    assert (name, len(ids)) == ("hub/small", 2)
    _execute(keyless, "DELETE FROM public.models WHERE name = 'twice'")
    run.deploy("@phase-6")
    run.verify()


def test_a_unique_index_that_knows_no_workspace_is_warned_of(keyless: Database, sqitch: Run) -> None:
    run = sqitch(keyless)
    run.deploy("@phase-5")
    _execute(keyless, "CREATE UNIQUE INDEX theirs ON public.models (model_id)")
    output = run.deploy("@phase-6")
    assert "WARNING:  a unique index on public.models (model_id) keeps two organizations from having the same" in output
    assert "Drop it when the application can do without" in output
    assert _fetch(keyless, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'public.theirs'::regclass") == [(True,)]


def test_an_index_of_the_application_keeps_its_name(keyless: Database, sqitch: Run) -> None:
    run = sqitch(keyless)
    run.deploy(BEFORE)
    _execute(
        keyless,
        "CREATE INDEX api_keys_key_prefix_idx ON public.api_keys (lower(key_prefix))",
        "CREATE INDEX instances_workspace_id_created_at_idx ON public.instances (created_at)",
        "CREATE TABLE public.models_workspace_id_id_key (i integer)",
    )
    before = keyless.dump()
    run.deploy("@phase-6")
    run.verify()
    definitions = dict(
        _fetch(
            keyless,
            "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid"
            " IN ('public.api_keys'::regclass, 'public.instances'::regclass, 'public.models'::regclass)",
        )
    )
    assert definitions["api_keys_key_prefix_idx"].endswith("(lower(key_prefix))")
    assert definitions["api_keys_key_prefix_idx1"].endswith("(key_prefix, workspace_id)")
    assert definitions["instances_workspace_id_created_at_idx"].endswith("(created_at)")
    assert definitions["instances_workspace_id_created_at_idx1"].endswith("(workspace_id, created_at)")
    assert definitions["models_workspace_id_id_key1"].endswith("(workspace_id, id)")
    run.revert(BEFORE)
    assert differences(before, keyless.dump()) == ""


# -- who goes on writing ----------------------------------------------------------------


@pytest.mark.parametrize(("table", "to"), [("api_keys", "@phase-4"), ("instances", "@phase-5"), ("models", "@phase-6")])
def test_who_may_write_goes_on_and_is_let_go_by_the_revert(
    keyless: Database, sqitch: Run, new_login: NewLogin, table: str, to: str
) -> None:
    writer, reader, run = new_login(), new_login(), sqitch(keyless)
    earlier = TAGS[TAGS.index(to) - 1]
    run.deploy(earlier)
    _execute(
        keyless,
        f"GRANT SELECT, INSERT, UPDATE ON public.{table} TO {writer}",
        f"GRANT SELECT ON public.{table} TO {reader}",
    )
    before = keyless.dump()
    member = "SELECT pg_has_role(%s, 'tenancy_service', 'MEMBER')"
    output = run.deploy(to)
    assert f"granted tenancy_service to {writer}" in output
    assert f"{writer} may now read and write all tables of the platform" in output
    assert f"{reader} can read tables that are about to be closed to it" in output
    assert _fetch(keyless, member, writer) == [(True,)]
    assert _fetch(keyless, member, reader) == [(False,)]
    with keyless.connect(writer) as connection:
        connection.execute(f"INSERT INTO public.{table} (id) VALUES (gen_random_uuid())")
        assert connection.execute(f"SELECT count(*) FROM public.{table}").fetchone() == (2,)
    with keyless.connect(reader) as connection:
        assert connection.execute(f"SELECT count(*) FROM public.{table}").fetchone() == (0,)
    run.revert(earlier)
    assert _fetch(keyless, member, writer) == [(False,)]
    assert differences(before, keyless.dump()) == ""
    with keyless.connect(reader) as connection:
        assert connection.execute(f"SELECT count(*) FROM public.{table}").fetchone() == (2,)


@pytest.mark.parametrize(
    ("change", "table", "back_to"),
    [
        ("api_keys_workspaces", "api_keys", "@phase-2"),
        ("instances_workspaces", "instances", "api_keys_functions"),
        ("models_workspaces", "models", "instances_functions"),
    ],
)
def test_half_a_deploy_that_is_reverted_lets_everybody_go(
    keyless: Database, sqitch: Run, new_login: NewLogin, change: str, table: str, back_to: str
) -> None:
    writer, run = new_login(), sqitch(keyless)
    run.deploy(back_to)
    _execute(keyless, f"GRANT INSERT ON public.{table} TO {writer}")
    before = keyless.dump()
    names = [change_.name for change_ in read_plan()]
    run.deploy(names[names.index(change) - 1])
    # The last thing that the change adds is there already, as somebody else's.
    _execute(
        keyless, f"ALTER TABLE public.{table} ADD CONSTRAINT {table}_workspace_id_fkey CHECK (id IS NULL) NOT VALID"
    )
    with pytest.raises(SqitchError):
        run.deploy(change)
    member = "SELECT pg_has_role(%s, 'tenancy_service', 'MEMBER')"
    assert _fetch(keyless, member, writer) == [(True,)]
    run.revert(back_to)
    _execute(keyless, f"ALTER TABLE public.{table} DROP CONSTRAINT {table}_workspace_id_fkey")
    assert _fetch(keyless, member, writer) == [(False,)]
    assert differences(before, keyless.dump()) == ""


def test_a_login_of_its_own_survives_the_cut_over_of_another(
    keyless: Database, sqitch: Run, new_login: NewLogin
) -> None:
    """A login that a person granted the group keeps it through deploy and revert."""
    granted, run = new_login("tenancy_service"), sqitch(keyless)
    run.deploy(BEFORE)
    _execute(keyless, f"GRANT INSERT ON public.instances TO {granted}")
    run.deploy("@phase-6")
    run.revert(BEFORE)
    with keyless.connect(granted) as connection, pytest.raises(psycopg.errors.NotNullViolation):
        connection.execute("INSERT INTO public.instances (status) VALUES ('x')")
    assert _fetch(keyless, "SELECT pg_has_role(%s, 'tenancy_service', 'MEMBER')", granted) == [(True,)]
