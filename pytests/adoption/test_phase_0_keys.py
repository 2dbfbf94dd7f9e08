"""Phase 0 adds missing keys and indexes, keeps existing ones, and a revert removes only its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from support.database import Database
from support.platform import KEYLESS, NAMED_KEYS, PRIMARY_KEYS, ROWS, TABLES, primary_keys, rows_of
from support.replay import Replay

# (table, column, referenced table, delete action)
FOREIGN_KEYS = {
    ("public.organizations", "created_by_user_id", "public.users", "SET NULL"),
    ("public.organization_memberships", "organization_id", "public.organizations", "CASCADE"),
    ("public.organization_memberships", "user_id", "public.users", "CASCADE"),
    ("public.provider_settings", "provider_id", "public.providers", "CASCADE"),
    ("public.instances", "provider_id", "public.providers", "RESTRICT"),
    ("public.instances", "model_id", "public.models", "RESTRICT"),
    ("public.api_keys", "user_id", "public.users", "CASCADE"),
    ("public.organization_models", "organization_id", "public.organizations", "CASCADE"),
    ("public.organization_models", "model_id", "public.models", "RESTRICT"),
    ("public.organization_model_shares", "provider_organization_id", "public.organizations", "CASCADE"),
    ("public.organization_model_shares", "consumer_organization_id", "public.organizations", "CASCADE"),
    ("public.organization_model_shares", "organization_model_id", "public.organization_models", "CASCADE"),
    ("finops.inference_usage", "customer_id", "public.users", "SET NULL"),
    ("finops.inference_usage", "api_key_id", "public.api_keys", "SET NULL"),
    ("finops.inference_usage", "model_id", "public.models", "SET NULL"),
    ("finops.inference_usage", "instance_id", "public.instances", "SET NULL"),
    ("finops.inference_usage", "provider_organization_id", "public.organizations", "SET NULL"),
    ("finops.inference_usage", "consumer_organization_id", "public.organizations", "SET NULL"),
    ("finops.inference_usage", "organization_model_id", "public.organization_models", "SET NULL"),
    ("finops.cost_actual_minute", "provider_id", "public.providers", "RESTRICT"),
    ("finops.cost_actual_minute", "instance_id", "public.instances", "RESTRICT"),
}


def _foreign_keys(database: Database) -> list[tuple[str, str, str, str]]:
    return database.fetch(
        "SELECT c.conrelid::regclass::text, a.attname::text, c.confrelid::regclass::text,"
        " CASE c.confdeltype WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN 'SET NULL' WHEN 'r' THEN 'RESTRICT' ELSE '-' END"
        " FROM pg_constraint AS c JOIN pg_attribute AS a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]"
        " WHERE c.contype = 'f' AND c.convalidated AND cardinality(c.conkey) = 1"
        " AND c.connamespace IN ('public'::regnamespace, 'finops'::regnamespace) ORDER BY 1, 2",
    )


# -- a platform without any key ----------------------------------------------------


@pytest.fixture
def keyless(state: Callable[..., Database]) -> Database:
    return state(KEYLESS + ROWS)


def test_a_platform_without_keys_gets_every_key(keyless: Database) -> None:
    with keyless.connect() as connection:
        before = rows_of(connection)
    Replay(keyless).deploy("@phase-0")
    # The instance of costs may be NULL, so they only get a unique key with NULLS NOT DISTINCT.
    costs = "finops.cost_actual_minute"
    assert primary_keys(keyless) == {table: key for table, key in PRIMARY_KEYS.items() if table != costs}
    query = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = %s::regclass AND contype = 'u'"
    assert keyless.fetch(query, costs) == [("UNIQUE NULLS NOT DISTINCT (bucket_minute, provider_id, instance_id)",)]
    found = _foreign_keys(keyless)
    wanted = {key for key in FOREIGN_KEYS if key[0] != costs}
    assert set(found) == wanted
    assert len(found) == len(wanted)
    Replay(keyless).verify()
    with keyless.connect() as connection:
        assert rows_of(connection) == before


def test_every_foreign_key_has_an_index(keyless: Database) -> None:
    Replay(keyless).deploy("@phase-0")
    without = keyless.fetch(
        "SELECT c.conrelid::regclass::text, c.conname FROM pg_constraint AS c WHERE c.contype = 'f'"
        " AND c.connamespace IN ('public'::regnamespace, 'finops'::regnamespace)"
        " AND NOT EXISTS (SELECT FROM pg_index AS i WHERE i.indrelid = c.conrelid AND i.indkey[0] = c.conkey[1]"
        " AND i.indisvalid AND i.indpred IS NULL)",
    )
    assert without == []
    assert keyless.fetch(
        "SELECT pg_get_indexdef(indexrelid) FROM pg_index"
        " WHERE indexrelid = 'public.organization_memberships_tenancy_user_id_idx'::regclass",
    ) == [
        (
            "CREATE INDEX organization_memberships_tenancy_user_id_idx ON public.organization_memberships"
            " USING btree (user_id, organization_id)",
        )
    ]


def test_the_revert_gives_a_platform_without_keys_back_as_it_was(keyless: Database) -> None:
    before = keyless.dump()
    with keyless.connect() as connection:
        rows = rows_of(connection)
    for _ in range(2):
        Replay(keyless).deploy("@phase-0")
        assert keyless.dump() != before
        Replay(keyless).revert()
        assert keyless.dump() == before
    with keyless.connect() as connection:
        assert rows_of(connection) == rows


def test_each_change_can_be_taken_back_by_itself(keyless: Database) -> None:
    dumps = {}
    for change in ("roles", "base_tables", "primary_keys", "foreign_key_indexes", "foreign_keys"):
        Replay(keyless).deploy(f"kernel/{change}")
        dumps[change] = keyless.dump()
    assert len(set(dumps.values())) == len(dumps)
    for change in ("foreign_key_indexes", "primary_keys", "base_tables", "roles"):
        Replay(keyless).revert(f"kernel/{change}")
        assert keyless.dump() == dumps[change]


def test_adopted_tables_keep_their_owner_and_their_grants(keyless: Database, new_login: Any) -> None:
    owner, reader = new_login(), new_login()
    keyless.execute(
        *(f"ALTER TABLE {table} OWNER TO {owner}" for table in TABLES),
        f"GRANT SELECT (id, email) ON public.users TO {reader}",
        f"GRANT SELECT ON public.models TO PUBLIC, {reader}",
    )
    before = keyless.dump()
    Replay(keyless).deploy("@phase-0")
    owners = "SELECT DISTINCT pg_get_userbyid(relowner) FROM pg_class WHERE oid = ANY (%s::regclass[])"
    assert keyless.fetch(owners, list(TABLES)) == [(owner,)]
    assert keyless.fetch("SELECT has_column_privilege(%s, 'public.users', 'email', 'SELECT')", reader) == [(True,)]
    Replay(keyless).verify()
    Replay(keyless).revert()
    assert keyless.dump() == before


def test_workers_reach_the_tables_and_nobody_else_does(empty_database: Database, new_login: Any) -> None:
    Replay(empty_database).deploy("@phase-0")
    service, app, nobody = new_login("tenancy_service"), new_login("tenancy_app"), new_login()
    for table in TABLES:
        for privilege in ("SELECT", "INSERT", "UPDATE", "DELETE"):
            query = "SELECT has_table_privilege(%s, %s, %s)"
            assert empty_database.fetch(query, service, table, privilege) == [(True,)]
            assert empty_database.fetch(query, app, table, privilege) == [(False,)]
            assert empty_database.fetch(query, nobody, table, privilege) == [(False,)]
        assert empty_database.fetch(query, service, table, "TRUNCATE") == [(False,)]
    with empty_database.connect(service) as connection:
        connection.execute(ROWS)
        assert connection.execute("SELECT count(*) FROM finops.inference_usage").fetchone() == (1,)


# -- a platform with keys of its own ---------------------------------------------------


@pytest.fixture
def named(state: Callable[..., Database]) -> Database:
    return state(NAMED_KEYS)


def test_keys_that_are_there_are_kept_under_their_names(named: Database) -> None:
    before = named.dump()
    output = Replay(named).deploy("@phase-0")
    Replay(named).verify()
    constraints = {
        name
        for (name,) in named.fetch(
            "SELECT conname::text FROM pg_constraint"
            " WHERE conrelid IN ('public.users'::regclass, 'public.organizations'::regclass,"
            " 'public.organization_memberships'::regclass, 'public.providers'::regclass,"
            " 'public.provider_settings'::regclass) AND contype IN ('p', 'u', 'f')",
        )
    }
    assert constraints == {
        "people_primary",
        "tenants_primary",
        "tenants_by",
        "memberships_primary",
        "organization_memberships_tenancy_key",
        "organization_memberships_tenancy_organization_id_fkey",
        "organization_memberships_tenancy_user_id_fkey",
        # An index that is not a key has the usual name.
        "providers_tenancy_pkey1",
        "provider_settings_pkey",
        "settings_provider",
    }
    indexes = {
        name
        for (name,) in named.fetch(
            "SELECT indexrelid::regclass::text FROM pg_index"
            " WHERE indrelid IN ('public.organization_memberships'::regclass, 'public.provider_settings'::regclass)",
        )
    }
    assert indexes == {
        "public.memberships_primary",
        "public.memberships_of_user",
        "public.organization_memberships_tenancy_key",
        "public.provider_settings_pkey",
        "public.settings_some",
        "public.provider_settings_tenancy_provider_id_idx",
    }
    # The column is NOT NULL, so deleting the creator is refused, as before.
    assert named.fetch("SELECT confdeltype FROM pg_constraint WHERE conname = 'tenants_by'") == [("a",)]
    assert "public.users.created_at" in output
    assert "time zone" in output
    Replay(named).revert()
    assert named.dump() == before


def test_set_null_becomes_restrict_where_a_column_cannot_be_null(named: Database) -> None:
    named.execute("ALTER TABLE public.organizations DROP CONSTRAINT tenants_by")
    Replay(named).deploy("@phase-0")
    assert ("public.organizations", "created_by_user_id", "public.users", "RESTRICT") in _foreign_keys(named)


def test_a_foreign_key_of_somebody_else_that_is_not_validated_stays_so(keyless: Database) -> None:
    keyless.execute(
        "CREATE UNIQUE INDEX users_unique ON public.users (id)",
        "ALTER TABLE public.api_keys ADD CONSTRAINT later FOREIGN KEY (user_id) REFERENCES public.users (id) NOT VALID",
        "SET session_replication_role = replica",
        "INSERT INTO public.api_keys (id, user_id) VALUES (gen_random_uuid(), gen_random_uuid())",
    )
    before = keyless.dump()
    output = Replay(keyless).deploy("@phase-0")
    assert "later on public.api_keys existed and is not validated" in output
    assert keyless.fetch(
        "SELECT count(*) FROM pg_constraint WHERE conrelid = 'public.api_keys'::regclass AND contype = 'f'"
    ) == [(1,)]
    Replay(keyless).revert()
    assert keyless.dump() == before


@pytest.mark.parametrize("there", [("users",), ("instances",), ("users", "api_keys", "finops.cost_actual_minute")])
def test_absent_tables_are_created_and_existing_ones_kept(empty_database: Database, there: tuple[str, ...]) -> None:
    names = {table if "." in table else f"public.{table}" for table in there}
    absent = ", ".join(table for table in TABLES if table not in names)
    empty_database.execute(KEYLESS, f"DROP TABLE {absent}", "DROP SCHEMA IF EXISTS empty")
    if "finops.cost_actual_minute" not in names:
        empty_database.execute("DROP SCHEMA finops")
    before = empty_database.dump()
    Replay(empty_database).deploy("@phase-0")
    # The instance of adopted costs may be NULL, so they get no primary key, and no foreign keys.
    adopted = names & {"finops.cost_actual_minute"}
    assert primary_keys(empty_database) == {table: key for table, key in PRIMARY_KEYS.items() if table not in adopted}
    assert set(_foreign_keys(empty_database)) == {key for key in FOREIGN_KEYS if key[0] not in adopted}
    made = empty_database.fetch(
        "SELECT oid::regclass::text, pg_get_userbyid(relowner) = 'tenancy_owner' FROM pg_class"
        " WHERE oid = ANY (%s::regclass[])",
        list(TABLES),
    )
    assert dict(made) == {table: table not in names for table in TABLES}
    Replay(empty_database).revert()
    assert empty_database.dump() == before
