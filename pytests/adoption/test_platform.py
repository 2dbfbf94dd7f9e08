"""Phase 0 on databases that exist already, and on an empty one: what it adds, refuses, keeps and gives back."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from pg_tenancy.embedded import EmbeddedServer
from pg_tenancy.sqitch import Sqitch, SqitchError
from support.database import Database
from support.platform import KEYLESS, NAMED_KEYS, ROWS, TABLES, rows_of
from support.server import Server

Run = Callable[[Database], Sqitch]

PRIMARY_KEYS = {
    **{table: ["id"] for table in TABLES},
    "public.organization_memberships": ["organization_id", "user_id"],
    "finops.cost_actual_minute": ["bucket_minute", "provider_id", "instance_id"],
}

# (table, column, referred table, what a delete does)
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


def _fetch(database: Database, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
    with database.connect() as connection:
        connection.execute("SET search_path = pg_catalog")
        return connection.execute(query, parameters).fetchall()


def _execute(database: Database, *statements: str) -> None:
    with database.connect(autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def _keys(database: Database, kind: str) -> dict[str, list[str]]:
    rows = _fetch(
        database,
        "SELECT c.conrelid::regclass::text, a.attname FROM pg_constraint AS c"
        " CROSS JOIN LATERAL unnest(c.conkey) WITH ORDINALITY AS k (attnum, position)"
        " JOIN pg_attribute AS a ON a.attrelid = c.conrelid AND a.attnum = k.attnum"
        " WHERE c.contype = %s AND c.connamespace IN ('public'::regnamespace, to_regnamespace('finops'))"
        " ORDER BY 1, k.position",
        kind,
    )
    keys: dict[str, list[str]] = {}
    for table, column in rows:
        keys.setdefault(table, []).append(column)
    return keys


def _foreign_keys(database: Database) -> list[tuple[str, str, str, str]]:
    return _fetch(
        database,
        "SELECT c.conrelid::regclass::text, a.attname::text, c.confrelid::regclass::text,"
        " CASE c.confdeltype WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN 'SET NULL' WHEN 'r' THEN 'RESTRICT' ELSE '-' END"
        " FROM pg_constraint AS c JOIN pg_attribute AS a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]"
        " WHERE c.contype = 'f' AND c.convalidated AND cardinality(c.conkey) = 1"
        " AND c.connamespace IN ('public'::regnamespace, 'finops'::regnamespace) ORDER BY 1, 2",
    )


def _refusal(sqitch: Sqitch) -> str:
    with pytest.raises(SqitchError) as error:
        sqitch.deploy("@phase-0")
    return error.value.output


def _problems(output: str) -> dict[tuple[str, str], tuple[int, str]]:
    lines = re.findall(r"^(?:DETAIL:\s*)?(\S+): (\d+) rows? whose (.*): (SELECT .*);$", output, re.M)
    return {(table, what): (int(count), query) for table, count, what, query in lines}


# -- a platform without any key ----------------------------------------------------


@pytest.fixture
def keyless(empty_database: Database) -> Database:
    _execute(empty_database, KEYLESS, ROWS)
    return empty_database


def test_a_platform_without_keys_gets_every_key(keyless: Database, sqitch: Run) -> None:
    with keyless.connect() as connection:
        before = rows_of(connection)
    sqitch(keyless).deploy("@phase-0")
    assert _keys(keyless, "p") == PRIMARY_KEYS
    found = _foreign_keys(keyless)
    assert set(found) == FOREIGN_KEYS
    assert len(found) == len(FOREIGN_KEYS)
    sqitch(keyless).verify()
    with keyless.connect() as connection:
        assert rows_of(connection) == before


def test_every_foreign_key_has_an_index(keyless: Database, sqitch: Run) -> None:
    sqitch(keyless).deploy("@phase-0")
    without = _fetch(
        keyless,
        "SELECT c.conrelid::regclass::text, c.conname FROM pg_constraint AS c WHERE c.contype = 'f'"
        " AND c.connamespace IN ('public'::regnamespace, 'finops'::regnamespace)"
        " AND NOT EXISTS (SELECT FROM pg_index AS i WHERE i.indrelid = c.conrelid AND i.indkey[0] = c.conkey[1]"
        " AND i.indisvalid AND i.indpred IS NULL)",
    )
    assert without == []
    assert _fetch(
        keyless,
        "SELECT pg_get_indexdef(indexrelid) FROM pg_index"
        " WHERE indexrelid = 'public.organization_memberships_user_id_idx'::regclass",
    ) == [
        (
            "CREATE INDEX organization_memberships_user_id_idx ON public.organization_memberships"
            " USING btree (user_id, organization_id)",
        )
    ]


def test_the_revert_gives_a_platform_without_keys_back_as_it_was(keyless: Database, sqitch: Run) -> None:
    before = keyless.dump()
    with keyless.connect() as connection:
        rows = rows_of(connection)
    for _ in range(2):
        sqitch(keyless).deploy("@phase-0")
        assert keyless.dump() != before
        sqitch(keyless).revert()
        assert keyless.dump() == before
    with keyless.connect() as connection:
        assert rows_of(connection) == rows


def test_each_change_can_be_taken_back_by_itself(keyless: Database, sqitch: Run) -> None:
    dumps = {}
    for change in ("roles", "base_tables", "primary_keys", "foreign_key_indexes", "foreign_keys"):
        sqitch(keyless).deploy(change)
        dumps[change] = keyless.dump()
    assert len(set(dumps.values())) == len(dumps)
    for change in ("foreign_key_indexes", "primary_keys", "base_tables", "roles"):
        sqitch(keyless).revert(change)
        assert keyless.dump() == dumps[change]


def test_adopted_tables_keep_their_owner_and_their_grants(keyless: Database, sqitch: Run, new_login: Any) -> None:
    owner, reader = new_login(), new_login()
    _execute(
        keyless,
        *(f"ALTER TABLE {table} OWNER TO {owner}" for table in TABLES),
        f"GRANT SELECT (id, email) ON public.users TO {reader}",
        f"GRANT SELECT ON public.models TO PUBLIC, {reader}",
    )
    before = keyless.dump()
    sqitch(keyless).deploy("@phase-0")
    owners = "SELECT DISTINCT pg_get_userbyid(relowner) FROM pg_class WHERE oid = ANY (%s::regclass[])"
    assert _fetch(keyless, owners, list(TABLES)) == [(owner,)]
    assert _fetch(keyless, "SELECT has_column_privilege(%s, 'public.users', 'email', 'SELECT')", reader) == [(True,)]
    sqitch(keyless).verify()
    sqitch(keyless).revert()
    assert keyless.dump() == before


def test_workers_reach_the_tables_and_nobody_else_does(empty_database: Database, sqitch: Run, new_login: Any) -> None:
    sqitch(empty_database).deploy("@phase-0")
    service, app, nobody = new_login("tenancy_service"), new_login("tenancy_app"), new_login()
    for table in TABLES:
        for privilege in ("SELECT", "INSERT", "UPDATE", "DELETE"):
            query = "SELECT has_table_privilege(%s, %s, %s)"
            assert _fetch(empty_database, query, service, table, privilege) == [(True,)]
            assert _fetch(empty_database, query, app, table, privilege) == [(False,)]
            assert _fetch(empty_database, query, nobody, table, privilege) == [(False,)]
        assert _fetch(empty_database, query, service, table, "TRUNCATE") == [(False,)]
    with empty_database.connect(service) as connection:
        connection.execute(ROWS)
        assert connection.execute("SELECT count(*) FROM finops.inference_usage").fetchone() == (1,)


# -- a platform with keys of its own ---------------------------------------------------


@pytest.fixture
def named(empty_database: Database) -> Database:
    _execute(empty_database, NAMED_KEYS)
    return empty_database


def test_keys_that_are_there_are_kept_under_their_names(named: Database, sqitch: Run) -> None:
    before = named.dump()
    output = sqitch(named).deploy("@phase-0")
    sqitch(named).verify()
    constraints = {
        name
        for (name,) in _fetch(
            named,
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
        "organization_memberships_organization_id_user_id_key",
        "organization_memberships_organization_id_fkey",
        "organization_memberships_user_id_fkey",
        # The usual name belongs to an index that is no key.
        "providers_pkey1",
        "provider_settings_pkey",
        "settings_provider",
    }
    indexes = {
        name
        for (name,) in _fetch(
            named,
            "SELECT indexrelid::regclass::text FROM pg_index"
            " WHERE indrelid IN ('public.organization_memberships'::regclass, 'public.provider_settings'::regclass)",
        )
    }
    assert indexes == {
        "public.memberships_primary",
        "public.memberships_of_user",
        "public.organization_memberships_organization_id_user_id_key",
        "public.provider_settings_pkey",
        "public.settings_some",
        "public.provider_settings_provider_id_idx",
    }
    # The column cannot be null, so that a delete of the creator is refused, as it was.
    assert _fetch(named, "SELECT confdeltype FROM pg_constraint WHERE conname = 'tenants_by'") == [("a",)]
    assert "public.users.created_at" in output
    assert "time zone" in output
    sqitch(named).revert()
    assert named.dump() == before


def test_set_null_becomes_restrict_where_a_column_cannot_be_null(named: Database, sqitch: Run) -> None:
    _execute(named, "ALTER TABLE public.organizations DROP CONSTRAINT tenants_by")
    sqitch(named).deploy("@phase-0")
    assert ("public.organizations", "created_by_user_id", "public.users", "RESTRICT") in _foreign_keys(named)


def test_a_foreign_key_of_somebody_else_that_is_not_validated_stays_so(keyless: Database, sqitch: Run) -> None:
    _execute(
        keyless,
        "CREATE UNIQUE INDEX users_unique ON public.users (id)",
        "ALTER TABLE public.api_keys ADD CONSTRAINT later FOREIGN KEY (user_id) REFERENCES public.users (id) NOT VALID",
        "SET session_replication_role = replica",
        "INSERT INTO public.api_keys (id, user_id) VALUES (gen_random_uuid(), gen_random_uuid())",
    )
    before = keyless.dump()
    output = sqitch(keyless).deploy("@phase-0")
    assert "later on public.api_keys was there before and is not validated" in output
    assert _fetch(
        keyless, "SELECT count(*) FROM pg_constraint WHERE conrelid = 'public.api_keys'::regclass AND contype = 'f'"
    ) == [(1,)]
    sqitch(keyless).revert()
    assert keyless.dump() == before


@pytest.mark.parametrize("there", [("users",), ("instances",), ("users", "api_keys", "finops.cost_actual_minute")])
def test_what_is_absent_is_made_and_what_is_there_is_kept(
    empty_database: Database, sqitch: Run, there: tuple[str, ...]
) -> None:
    names = {table if "." in table else f"public.{table}" for table in there}
    absent = ", ".join(table for table in TABLES if table not in names)
    _execute(empty_database, KEYLESS, f"DROP TABLE {absent}", "DROP SCHEMA IF EXISTS empty")
    if "finops.cost_actual_minute" not in names:
        _execute(empty_database, "DROP SCHEMA finops")
    before = empty_database.dump()
    sqitch(empty_database).deploy("@phase-0")
    assert _keys(empty_database, "p") == PRIMARY_KEYS
    assert set(_foreign_keys(empty_database)) == FOREIGN_KEYS
    made = _fetch(
        empty_database,
        "SELECT oid::regclass::text, pg_get_userbyid(relowner) = 'tenancy_owner' FROM pg_class"
        " WHERE oid = ANY (%s::regclass[])",
        list(TABLES),
    )
    assert dict(made) == {table: table not in names for table in TABLES}
    sqitch(empty_database).revert()
    assert empty_database.dump() == before


# -- what is refused -------------------------------------------------------------------


def test_everything_that_is_wrong_is_said_at_once_and_nothing_is_changed(keyless: Database, sqitch: Run) -> None:
    _execute(
        keyless,
        "ALTER TABLE public.users DROP COLUMN email, ALTER COLUMN role TYPE integer USING 1",
        "ALTER TABLE public.instances ALTER COLUMN hourly_price_eur TYPE double precision",
        "CREATE TYPE public.state AS ENUM ('pending', 'active')",
        "ALTER TABLE public.organization_model_shares ALTER COLUMN status TYPE public.state USING 'active'",
        "DROP TABLE public.providers CASCADE",
        "CREATE VIEW public.providers AS SELECT gen_random_uuid() AS id, 'Cloud'::text AS name",
        "INSERT INTO public.models (id) VALUES (NULL)",
    )
    before = keyless.dump()
    output = _refusal(sqitch(keyless))
    assert "6 problems have to be mended before the deploy" in output
    for problem in (
        "public.users.email is missing, and must be text, varchar or citext",
        "public.users.role is integer, and must be text, varchar or citext",
        "public.instances.hourly_price_eur is double precision, and must be numeric",
        "public.organization_model_shares.status is public.state, and must be text, varchar or citext",
        "public.providers is a view, and must be an ordinary table",
        "public.models: 1 row whose id is null: SELECT * FROM public.models WHERE id IS NULL;",
    ):
        assert problem in output
    assert "Nothing was changed. Make the tables and columns above what they must be. Each query above finds" in output
    assert keyless.dump() == before


def test_rows_that_a_key_would_not_allow_are_counted_with_a_query_that_finds_them(
    keyless: Database, sqitch: Run
) -> None:
    _execute(
        keyless,
        "INSERT INTO public.users SELECT * FROM public.users WHERE email = 'ann@example.com'",
        "INSERT INTO public.users (email) VALUES ('carl@example.com'), ('dora@example.com')",
        "INSERT INTO finops.cost_actual_minute SELECT c.* FROM finops.cost_actual_minute AS c, generate_series(1, 2)",
        "INSERT INTO public.organization_memberships (user_id) VALUES ('00000000-0000-0000-0000-00000000000a')",
        "INSERT INTO public.api_keys (id, user_id) SELECT gen_random_uuid(), gen_random_uuid()"
        " FROM generate_series(1, 3)",
        "UPDATE public.organizations SET created_by_user_id = gen_random_uuid() WHERE slug = 'acme'",
        "UPDATE finops.inference_usage SET instance_id = gen_random_uuid()",
    )
    before = keyless.dump()
    output = _refusal(sqitch(keyless))
    found = _problems(output)
    assert {key: count for key, (count, _) in found.items()} == {
        ("public.users", "id is null"): 2,
        ("public.users", "id is not unique"): 2,
        ("public.organization_memberships", "organization_id is null"): 1,
        ("public.api_keys", "user_id refers to no row of public.users"): 3,
        ("public.organizations", "created_by_user_id refers to no row of public.users"): 1,
        ("finops.inference_usage", "instance_id refers to no row of public.instances"): 1,
        ("finops.cost_actual_minute", "bucket_minute, provider_id, instance_id is not unique"): 3,
    }
    assert "7 problems" in output
    for count, query in found.values():
        assert len(_fetch(keyless, query)) == count
    assert keyless.dump() == before

    # To mend a row can leave others without it, which the next deploy says.
    for _ in range(3):
        _execute(keyless, *(query.replace("SELECT *", "DELETE", 1) for _, query in found.values()))
        try:
            sqitch(keyless).deploy("@phase-0")
            break
        except SqitchError as error:
            found = _problems(error.output)
    sqitch(keyless).verify()


def test_references_to_a_table_that_is_absent_are_refused(keyless: Database, sqitch: Run) -> None:
    _execute(keyless, "DROP TABLE public.models")
    output = _refusal(sqitch(keyless))
    assert (
        "public.instances: 1 row whose model_id refers to no row of public.models:"
        " SELECT * FROM public.instances WHERE model_id IS NOT NULL;" in output
    )


def test_a_partitioned_table_without_its_keys_is_refused(keyless: Database, sqitch: Run) -> None:
    _execute(
        keyless,
        "DROP TABLE finops.cost_actual_minute",
        "CREATE TABLE finops.cost_actual_minute (bucket_minute timestamptz NOT NULL, provider_id uuid NOT NULL,"
        " instance_id uuid NOT NULL, amount_eur numeric, PRIMARY KEY (bucket_minute, provider_id, instance_id))"
        " PARTITION BY RANGE (bucket_minute)",
        "CREATE TABLE finops.cost_2026 PARTITION OF finops.cost_actual_minute FOR VALUES FROM ('2026-01-01')"
        " TO ('2027-01-01')",
    )
    output = _refusal(sqitch(keyless))
    assert (
        "finops.cost_actual_minute is partitioned and lacks a foreign key on instance_id, a foreign key on provider_id,"
        " an index that begins with instance_id, an index that begins with provider_id" in output
    )
    # With them it is adopted like any other.
    _execute(
        keyless,
        "ALTER TABLE public.providers ADD PRIMARY KEY (id)",
        "ALTER TABLE public.instances ADD PRIMARY KEY (id)",
        "ALTER TABLE finops.cost_actual_minute ADD FOREIGN KEY (provider_id) REFERENCES public.providers (id)",
        "ALTER TABLE finops.cost_actual_minute ADD FOREIGN KEY (instance_id) REFERENCES public.instances (id)",
        "CREATE INDEX ON finops.cost_actual_minute (provider_id)",
        "CREATE INDEX ON finops.cost_actual_minute (instance_id)",
    )
    before = keyless.dump()
    sqitch(keyless).deploy("@phase-0")
    sqitch(keyless).revert()
    assert keyless.dump() == before


# -- what users entered is not lost ----------------------------------------------------


def test_an_empty_database_is_as_before_after_the_revert(empty_database: Database, sqitch: Run) -> None:
    before = empty_database.dump()
    sqitch(empty_database).deploy("@phase-0")
    sqitch(empty_database).revert()
    assert empty_database.dump() == before
    assert _fetch(empty_database, "SELECT to_regnamespace('tenancy_archive')") == [(None,)]


def test_rows_wait_in_the_archive_for_the_next_deploy(
    empty_database: Database, sqitch: Run, new_login: Callable[..., str]
) -> None:
    before = empty_database.dump()
    sqitch(empty_database).deploy("@phase-0")
    deployed = empty_database.dump()
    _execute(empty_database, ROWS)
    with empty_database.connect() as connection:
        rows = rows_of(connection)

    sqitch(empty_database).revert()
    assert empty_database.dump() == before
    archived = {f"tenancy_archive.{table.removeprefix('public.').replace('.', '_')}": table for table in TABLES}
    with empty_database.connect() as connection:
        kept = rows_of(connection, *archived)
    assert {archived[table]: kept[table] for table in archived} == rows
    anybody = new_login()
    assert _fetch(empty_database, "SELECT has_schema_privilege(%s, 'tenancy_archive', 'USAGE')", anybody) == [(False,)]

    sqitch(empty_database).deploy("@phase-0")
    sqitch(empty_database).verify()
    assert empty_database.dump() == deployed
    with empty_database.connect() as connection:
        assert rows_of(connection) == rows
    assert _fetch(empty_database, "SELECT to_regnamespace('tenancy_archive')") == [(None,)]


def test_only_tables_with_rows_are_kept(empty_database: Database, sqitch: Run) -> None:
    sqitch(empty_database).deploy("@phase-0")
    _execute(empty_database, "INSERT INTO public.users (email) VALUES ('ann@example.com')")
    output = sqitch(empty_database).revert()
    assert "the rows of public.users are kept in tenancy_archive.users" in output
    names = "SELECT relname::text FROM pg_class WHERE relnamespace = 'tenancy_archive'::regnamespace AND relkind = 'r'"
    assert _fetch(empty_database, names) == [("users",)]
    sqitch(empty_database).deploy("@phase-0")
    assert _fetch(empty_database, "SELECT email FROM public.users") == [("ann@example.com",)]


def test_a_table_made_since_and_one_in_the_archive_are_not_mixed(empty_database: Database, sqitch: Run) -> None:
    sqitch(empty_database).deploy("@phase-0")
    _execute(empty_database, ROWS)
    sqitch(empty_database).revert()
    _execute(empty_database, KEYLESS)
    before = empty_database.dump()
    output = _refusal(sqitch(empty_database))
    assert "there are two tables" in output
    assert "tenancy_archive" in output
    sqitch(empty_database).revert()
    assert empty_database.dump() == before
    assert _fetch(empty_database, "SELECT count(*) FROM tenancy_archive.users") == [(2,)]


def test_what_somebody_else_put_into_the_schema_finops_stays(empty_database: Database, sqitch: Run) -> None:
    sqitch(empty_database).deploy("@phase-0")
    _execute(empty_database, "CREATE TABLE finops.budgets (amount numeric)")
    output = sqitch(empty_database).revert()
    assert "the schema finops stays" in output
    assert _fetch(empty_database, "SELECT to_regclass('finops.budgets')::text") == [("finops.budgets",)]


# -- roles, which belong to the whole cluster --------------------------------------------


@pytest.fixture
def alone(own_server: EmbeddedServer) -> Server:
    """Return a server that no other test shares the roles of."""
    return Server(own_server.dsn(), "alone", "secret", str(own_server.bin_dir), own_server.version)


def _tenancy_roles(server: Server) -> set[str]:
    with psycopg.connect(server.dsn) as connection:
        rows = connection.execute("SELECT rolname FROM pg_roles WHERE starts_with(rolname, 'tenancy_')")
        return {str(name) for (name,) in rows.fetchall()}


GROUPS = {"tenancy_owner", "tenancy_app", "tenancy_credentialed", "tenancy_service", "tenancy_auditor"}


def test_roles_stay_until_the_last_database_that_uses_them(alone: Server, sqitch: Run) -> None:
    one, two = alone.create(), alone.create()
    sqitch(one).deploy("@phase-0")
    sqitch(two).deploy("roles")
    login = alone.create_login("worker", "tenancy_service", "tenancy_app")
    output = sqitch(one).revert()
    for role in GROUPS:
        assert f"role {role} stays, because it is still needed" in output
    assert _tenancy_roles(alone) == GROUPS
    assert _fetch(two, "SELECT pg_has_role(%s, 'tenancy_service', 'MEMBER')", login) == [(True,)]
    sqitch(two).verify()
    sqitch(two).revert()
    assert _tenancy_roles(alone) == set()


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("CREATE ROLE tenancy_app LOGIN", "LOGIN"),
        ("CREATE ROLE tenancy_service BYPASSRLS", "BYPASSRLS"),
        ("CREATE ROLE tenancy_owner SUPERUSER CREATEDB", "SUPERUSER, CREATEDB"),
        ("CREATE ROLE tenancy_auditor IN ROLE pg_read_all_data", "member of pg_read_all_data"),
    ],
)
def test_a_role_of_that_name_that_is_no_plain_group_is_refused(
    alone: Server, sqitch: Run, statement: str, reason: str
) -> None:
    database = alone.create()
    _execute(database, statement)
    before = database.dump()
    output = _refusal(sqitch(database))
    assert f"exists and is not a plain group: {reason}" in output
    assert database.dump() == before


def test_two_databases_can_be_deployed_and_reverted_at_once(alone: Server, sqitch: Run) -> None:
    databases = [alone.create() for _ in range(3)]
    failures: list[Exception] = []

    def run(action: Callable[[Sqitch], Any]) -> None:
        def guarded(database: Database) -> None:
            try:
                action(sqitch(database))
            except SqitchError as error:
                failures.append(error)

        threads = [threading.Thread(target=guarded, args=[database]) for database in databases]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    run(lambda each: each.deploy("roles"))
    assert failures == []
    run(lambda each: each.revert())
    assert failures == []


@pytest.mark.parametrize("platform", ["", KEYLESS + ROWS, NAMED_KEYS], ids=["empty", "keyless", "named"])
def test_the_owner_of_a_database_who_may_make_roles_can_deploy(alone: Server, sqitch: Run, platform: str) -> None:
    database = alone.create()
    _execute(
        database,
        "CREATE ROLE dba LOGIN CREATEROLE PASSWORD 'secret'",
        f"ALTER DATABASE {database.name} OWNER TO dba",
    )
    with database.connect("dba", autocommit=True) as connection:
        if platform:
            connection.execute(platform)
    before = database.dump()
    run = replace(sqitch(database), dsn=database.dsn("dba"))
    run.deploy("@phase-0")
    run.verify()
    assert set(_keys(database, "p")) >= set(PRIMARY_KEYS)
    run.revert()
    assert database.dump() == before
    assert _tenancy_roles(alone) == set()


def test_a_deployer_is_told_every_privilege_that_is_missing(alone: Server, sqitch: Run) -> None:
    database = alone.create()
    _execute(
        database,
        KEYLESS,
        "CREATE ROLE dba LOGIN PASSWORD 'secret'",
        "CREATE ROLE tenancy_owner",
        # sqitch's own tables come before anything of ours.
        f"GRANT CREATE, TEMPORARY ON DATABASE {database.name} TO dba",
    )
    output = _refusal(replace(sqitch(database), dsn=database.dsn("dba")))
    for problem in (
        f"dba does not own the database {database.name}",
        "dba has not CREATEROLE, and the role tenancy_app has to be made",
        "dba is not a member of the role tenancy_owner, which is there already",
        "dba may not grant USAGE and CREATE on the schema public",
        "dba is neither the owner of public.users nor a member of its owner",
        # Who is a member of a superuser can become it.
        "as a superuser, ALTER TABLE public.users OWNER TO dba;",
    ):
        assert problem in output
    assert "Each query above" not in output


# -- verify ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (
            "ALTER DEFAULT PRIVILEGES FOR ROLE tenancy_owner GRANT EXECUTE ON FUNCTIONS TO PUBLIC",
            "functions that tenancy_owner makes can be executed by PUBLIC",
        ),
        (
            "ALTER TABLE public.models DROP COLUMN metadata",
            "public.models.metadata is missing, and must be jsonb or json",
        ),
        (
            "REVOKE DELETE ON public.models FROM tenancy_service",
            "tenancy_service lacks privileges on public.models (DELETE)",
        ),
        ("GRANT SELECT ON public.models TO PUBLIC", "PUBLIC has privileges on public.models"),
        (
            "REVOKE USAGE ON SCHEMA finops FROM tenancy_service",
            "USAGE is missing on the schemas finops (tenancy_service)",
        ),
        (
            "ALTER TABLE finops.cost_actual_minute DROP CONSTRAINT cost_actual_minute_pkey",
            "without a primary or unique key: finops.cost_actual_minute (bucket_minute, provider_id, instance_id)",
        ),
        ("DROP INDEX public.api_keys_user_id_idx", "references are without an index: public.api_keys (user_id)"),
        (
            "ALTER TABLE public.api_keys DROP CONSTRAINT api_keys_user_id_fkey",
            "references are without a foreign key: public.api_keys (user_id)",
        ),
        (
            "ALTER TABLE public.api_keys DROP CONSTRAINT api_keys_user_id_fkey, ADD CONSTRAINT api_keys_user_id_fkey"
            " FOREIGN KEY (user_id) REFERENCES public.users (id) ON DELETE SET NULL;"
            " COMMENT ON CONSTRAINT api_keys_user_id_fkey ON public.api_keys IS 'Added by pg-tenancy.'",
            "a delete does not do what it should: api_keys_user_id_fkey on public.api_keys",
        ),
    ],
)
def test_verify_names_what_is_wrong(
    database_at: Callable[[str], Database], sqitch: Run, damage: str, complaint: str
) -> None:
    database = database_at("@phase-0")
    _execute(database, damage)
    with pytest.raises(SqitchError) as error:
        sqitch(database).verify()
    assert complaint in error.value.output
