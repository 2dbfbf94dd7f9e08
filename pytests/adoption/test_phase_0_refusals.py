"""Phase 0 reports all obstacles of existing tables at once, and changes nothing until they are removed."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from support.database import Database
from support.platform import KEYLESS, ROWS
from support.replay import Replay
from support.scripts import ScriptError


@pytest.fixture
def keyless(state: Callable[..., Database]) -> Database:
    return state(KEYLESS + ROWS)


def _refusal(run: Replay) -> str:
    with pytest.raises(ScriptError) as error:
        run.deploy("@phase-0")
    return error.value.output


def _problems(output: str) -> dict[tuple[str, str], tuple[int, str]]:
    lines = re.findall(r"^(?:DETAIL:\s*)?(\S+): (\d+) rows? whose (.*): (SELECT .*);$", output, re.M)
    return {(table, what): (int(count), query) for table, count, what, query in lines}


def test_everything_that_is_wrong_is_said_at_once_and_nothing_is_changed(keyless: Database) -> None:
    keyless.execute(
        "ALTER TABLE public.users DROP COLUMN email, ALTER COLUMN role TYPE integer USING 1",
        "ALTER TABLE public.instances ALTER COLUMN hourly_price_eur TYPE double precision",
        "ALTER TABLE public.organization_model_shares ALTER COLUMN status TYPE boolean USING true",
        "DROP TABLE public.providers CASCADE",
        "CREATE VIEW public.providers AS SELECT gen_random_uuid() AS id, 'Cloud'::text AS name",
        "INSERT INTO public.models (id) VALUES (NULL)",
    )
    before = keyless.dump()
    output = _refusal(Replay(keyless))
    assert "6 problems must be fixed before the deploy" in output
    for problem in (
        "public.users.email is missing, and must be text, varchar, citext or an enum",
        "public.users.role is integer, and must be text, varchar, citext or an enum",
        "public.instances.hourly_price_eur is double precision, and must be numeric",
        "public.organization_model_shares.status is boolean, and must be text, varchar, citext or an enum",
        "public.providers is a view, and must be an ordinary table",
        "public.models: 1 row whose id is null: SELECT * FROM public.models WHERE id IS NULL;",
    ):
        assert problem in output
    assert "Nothing was changed. Make the tables and columns above what they must be. Each query above finds" in output
    assert keyless.dump() == before


def test_rows_that_a_key_would_not_allow_are_counted_with_a_query_that_finds_them(keyless: Database) -> None:
    keyless.execute(
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
    output = _refusal(Replay(keyless))
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
        assert len(keyless.fetch(query)) == count
    assert keyless.dump() == before

    # Correcting a row can leave dangling references to it, which the next deploy reports.
    for _ in range(3):
        keyless.execute(*(query.replace("SELECT *", "DELETE", 1) for _, query in found.values()))
        try:
            Replay(keyless).deploy("@phase-0")
            break
        except ScriptError as error:
            found = _problems(error.output)
    Replay(keyless).verify()


def test_references_to_a_table_that_is_absent_are_refused(keyless: Database) -> None:
    keyless.execute("DROP TABLE public.models")
    output = _refusal(Replay(keyless))
    assert (
        "public.instances: 1 row whose model_id refers to no row of public.models:"
        " SELECT * FROM public.instances WHERE model_id IS NOT NULL;" in output
    )


def test_a_partitioned_table_is_adopted_with_the_key_that_it_has(keyless: Database) -> None:
    keyless.execute(
        "DROP TABLE finops.cost_actual_minute",
        "CREATE TABLE finops.cost_actual_minute (bucket_minute timestamptz NOT NULL, provider_id uuid NOT NULL,"
        " instance_id uuid NOT NULL, amount_eur numeric, PRIMARY KEY (bucket_minute, provider_id, instance_id))"
        " PARTITION BY RANGE (bucket_minute)",
        "CREATE TABLE finops.cost_2026 PARTITION OF finops.cost_actual_minute FOR VALUES FROM ('2026-01-01')"
        " TO ('2027-01-01')",
    )
    before = keyless.dump()
    Replay(keyless).deploy("@phase-0")
    Replay(keyless).verify()
    Replay(keyless).revert()
    assert keyless.dump() == before
