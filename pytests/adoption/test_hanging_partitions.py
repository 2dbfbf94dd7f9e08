"""Partitioned and inheriting tables: tables by month are adopted, others are refused by name."""

# ruff: noqa: S608  (the names are the test's own)

from __future__ import annotations

from uuid import UUID

import pytest

from support.database import Database
from support.hanging import State, refused
from support.platform import KEYLESS, ROWS
from support.replay import WHOLE_PLAN, Replay
from support.scripts import ScriptError, differences
from support.server import Logins

ANN = UUID("00000000-0000-0000-0000-00000000000a")
USAGE = "finops.inference_usage"

# By month, one month by provider once more, with one index and one key of its own, and a partition for the rest.
BY_MONTH = """
ALTER TABLE finops.inference_usage RENAME TO usage_before;
CREATE TABLE finops.inference_usage (LIKE finops.usage_before, PRIMARY KEY (id, occurred_at))
PARTITION BY RANGE (occurred_at);
CREATE TABLE finops.usage_2026_01 PARTITION OF finops.inference_usage
FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE finops.usage_2026_02 PARTITION OF finops.inference_usage
FOR VALUES FROM ('2026-02-01') TO ('2026-03-01') PARTITION BY HASH (id);
CREATE TABLE finops.usage_2026_02_0 PARTITION OF finops.usage_2026_02 FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE finops.usage_2026_02_1 PARTITION OF finops.usage_2026_02 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE finops.usage_rest PARTITION OF finops.inference_usage DEFAULT;
CREATE INDEX usage_january ON finops.usage_2026_01 (model_id);
ALTER TABLE public.api_keys ADD PRIMARY KEY (id);
ALTER TABLE finops.usage_rest ADD CONSTRAINT rest_key FOREIGN KEY (api_key_id) REFERENCES public.api_keys (id)
ON DELETE SET NULL;
INSERT INTO finops.inference_usage SELECT * FROM finops.usage_before;
INSERT INTO finops.inference_usage SELECT gen_random_uuid(), '2026-02-03', customer_id, api_key_id, model_id
FROM finops.usage_before, generate_series(1, 10);
INSERT INTO finops.inference_usage SELECT gen_random_uuid(), '2027-02-03', customer_id, api_key_id, model_id
FROM finops.usage_before;
DROP TABLE finops.usage_before;
"""


def test_records_by_month_are_adopted_and_given_back(state: State, logins: Logins) -> None:
    database = state(KEYLESS + ROWS + BY_MONTH, owned=True)
    before = database.dump()
    run = Replay(database)
    run.deploy()
    run.verify()
    keys = database.fetch(
        "SELECT count(*), bool_and(convalidated) FROM pg_constraint WHERE contype = 'f' AND conparentid = 0"
        " AND conrelid IN (SELECT relid FROM pg_partition_tree(%s))",
        USAGE,
    )
    assert keys == [(7, True)]
    # A later partition gets everything automatically.
    database.execute(
        "CREATE TABLE finops.usage_2026_03 PARTITION OF finops.inference_usage"
        " FOR VALUES FROM ('2026-03-01') TO ('2026-04-01')"
    )
    ((indexes,),) = database.fetch("SELECT count(*) FROM pg_indexes WHERE tablename = 'usage_2026_03'")
    assert indexes == 11
    # Used rows stay, without their person.
    database.execute(
        "INSERT INTO public.organization_memberships (organization_id, user_id, role)"
        f" SELECT o.id, u.id, 'owner' FROM public.organizations AS o, public.users AS u"
        f" WHERE o.slug = 'acme' AND u.id <> '{ANN}'"
    )
    with database.entered(logins.app, ANN) as connection:
        connection.execute("SELECT tenancy.delete_user(%s)", [ANN])
    assert database.fetch(f"SELECT count(*), count(customer_id), count(api_key_id) FROM {USAGE}") == [(12, 0, 0)]
    database.execute("DROP TABLE finops.usage_2026_03")
    run.revert()
    assert differences(before, database.dump()) == ""


def test_an_organization_goes_with_its_instances_and_records_by_month_stay(state: State, logins: Logins) -> None:
    database = state(KEYLESS + ROWS + BY_MONTH, WHOLE_PLAN, owned=True)
    acme = "00000000-0000-0000-0001-00000000000a"
    database.execute(f"UPDATE public.instances SET organization_id = '{acme}'")
    with database.entered(logins.app, ANN, UUID(acme)) as connection:
        connection.execute("SELECT tenancy.delete_organization()")
    with database.connect(logins.service) as connection:
        connection.execute("SELECT tenancy.purge_organization(%s)", [acme])
    assert database.fetch("SELECT count(*) FROM public.instances") == [(0,)]
    assert database.fetch(f"SELECT count(*), count(instance_id) FROM {USAGE}") == [(12, 0)]


@pytest.mark.parametrize("stops_at", ["CREATE INDEX", "ALTER TABLE"])
def test_a_deploy_that_was_stopped_among_partitions_goes_on_or_back(state: State, stops_at: str) -> None:
    database = state(KEYLESS + ROWS + BY_MONTH)
    before = database.dump()
    run = Replay(database)
    change = "platform/primary_keys" if stops_at == "CREATE INDEX" else "platform/foreign_key_indexes"
    run.deploy(change)
    # The third statement of the kind for a partition is one too many.
    database.execute(
        "CREATE SEQUENCE public.stops",
        # Indexes are built by separate statements that name the partition; keys are added in a block.
        "CREATE FUNCTION public.stop() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF (tg_tag = 'ALTER TABLE' OR current_query() ~ 'usage_') AND nextval('public.stops') > 3 THEN"
        " RAISE EXCEPTION 'stopped by the test'; END IF; END $$",
        f"CREATE EVENT TRIGGER stop ON ddl_command_start WHEN TAG IN ('{stops_at}') EXECUTE FUNCTION public.stop()",
    )
    with pytest.raises(ScriptError, match="stopped by the test"):
        run.deploy("@phase-0")
    database.execute("DROP EVENT TRIGGER stop", "DROP FUNCTION public.stop()", "DROP SEQUENCE public.stops")
    run.deploy("@phase-0")
    run.verify()
    run.revert()
    assert differences(before, database.dump()) == ""


def test_a_partitioned_table_without_a_key_is_told_which_it_can_have(state: State) -> None:
    database = state(KEYLESS + ROWS + BY_MONTH)
    database.execute(f"ALTER TABLE {USAGE} DROP CONSTRAINT inference_usage_pkey")
    output = refused(database)
    statement = f"ALTER TABLE {USAGE} ADD PRIMARY KEY (id, occurred_at);"
    assert f"{USAGE} is partitioned and lacks a primary key: {statement}" in output
    database.execute(statement)
    Replay(database).deploy("@phase-0")


@pytest.mark.parametrize("table", ["users", "organizations", "instances", "api_keys", "models"])
def test_a_partitioned_table_of_tenants_is_refused_by_name(state: State, table: str) -> None:
    database = state(KEYLESS + ROWS)
    database.execute(
        f"ALTER TABLE public.{table} RENAME TO before",
        f"CREATE TABLE public.{table} (LIKE public.before, PRIMARY KEY (id)) PARTITION BY HASH (id)",
        f"CREATE TABLE public.{table}_0 PARTITION OF public.{table} FOR VALUES WITH (MODULUS 1, REMAINDER 0)",
        f"INSERT INTO public.{table} SELECT * FROM public.before",
        "DROP TABLE public.before",
    )
    assert f"public.{table} is partitioned, and must be an ordinary table" in refused(database)


def test_children_and_partitions_of_something_else_are_refused_by_name(state: State) -> None:
    database: Database = state(KEYLESS + ROWS)
    database.execute(
        "CREATE TABLE public.instances_archive () INHERITS (public.instances)",
        "CREATE TABLE public.things (LIKE public.models) PARTITION BY LIST (model_id)",
        "ALTER TABLE public.things ATTACH PARTITION public.models DEFAULT",
        "CREATE TABLE public.people (id uuid)",
        "ALTER TABLE public.users INHERIT public.people",
    )
    output = refused(database)
    assert "public.instances has children that inherit from it: public.instances_archive" in output
    assert "public.models is a partition, and must be an ordinary table" in output
    assert "public.users inherits from public.people" in output
