"""Violations of an application's own constraints have clear errors, and money must be a finite number."""

# ruff: noqa: S608  (the names are the test's own)

from __future__ import annotations

from uuid import UUID

import psycopg
import pytest

from support.database import Database
from support.hanging import HANGING, State, refused
from support.platform import KEYLESS, ROWS
from support.replay import WHOLE_PLAN, Replay
from support.scripts import ScriptError, differences
from support.server import Logins
from support.users import error_of, one, words_of

ANN = UUID("00000000-0000-0000-0000-00000000000a")
ACME = UUID("00000000-0000-0000-0001-00000000000a")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            "{organization}name => 'Nobody')",
            (
                "22023",
                "organization_data_invalid",
                "the constraint organizations_named of public.organizations does not allow this",
                "It says: CHECK (name::text <> 'Nobody'::text).",
            ),
        ),
        (
            "{organization}name => repeat('a', 31))",
            (
                "22023",
                "organization_data_invalid",
                "the column name of public.organizations takes 30 characters at most",
                "Give a shorter value.",
            ),
        ),
        (
            "{organization}name => 'Bulk')",
            (
                "22023",
                "organization_data_invalid",
                "another organization has a value that organizations_name_once allows once in public.organizations",
                "Give another value for name.",
            ),
        ),
        (
            "{organization}name => 'Other', slug => 'bulk')",
            ("23505", "organization_slug_taken", "this slug is taken", "Give another slug."),
        ),
        (
            "{key}name => 'nobody')",
            (
                "22023",
                "api_key_data_invalid",
                "the constraint api_keys_named of public.api_keys does not allow this",
                "It says: CHECK (name <> 'nobody'::text).",
            ),
        ),
    ],
)
def test_a_rule_of_the_application_is_refused_in_words(
    state: State, logins: Logins, call: str, words: tuple[str, ...]
) -> None:
    database = state(HANGING, WHOLE_PLAN, owned=True)
    with database.entered(logins.app, ANN, ACME) as connection:
        key = one(connection, "SELECT id FROM tenancy.create_api_key('nightly')")
        for beginnings in (
            {"organization": "create_organization(", "key": "create_api_key("},
            {"organization": "update_organization(", "key": f"rename_api_key('{key}', "},
        ):
            sqlstate, constraint, message, detail, hint = words_of(
                error_of(connection, f"SELECT tenancy.{call.format(**beginnings)}")
            )
            assert (sqlstate, constraint, message, hint) == words
            assert detail is None


def test_a_slug_that_the_applications_key_refuses_is_made_anew(state: State, logins: Logins) -> None:
    database = state(HANGING, WHOLE_PLAN, owned=True)
    database.execute("UPDATE public.organizations SET name = 'Mass' WHERE slug = 'bulk'")
    with database.entered(logins.app, ANN) as connection:
        slug = one(connection, "SELECT (tenancy.create_organization('Bulk')).slug")
    assert slug.startswith("bulk-")


AMOUNTS = {
    "public.instances": ("hourly_price_eur",),
    "finops.inference_usage": ("unit_price_eur_per_1k_tokens", "charged_amount_eur"),
    "finops.cost_actual_minute": ("amount_eur",),
}


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
def test_an_amount_that_is_no_number_is_refused_whoever_writes_it(state: State, logins: Logins, value: str) -> None:
    database = state(KEYLESS + ROWS, WHOLE_PLAN)
    database.execute(
        "GRANT USAGE ON SCHEMA finops TO tenancy_service",
        f"GRANT UPDATE (hourly_price_eur) ON public.instances TO {logins.app}",
        f"UPDATE public.instances SET organization_id = '{ACME}'",
    )

    def refusal(connection: psycopg.Connection[tuple[object, ...]], table: str, column: str) -> tuple[object, ...]:
        error = error_of(connection, f"UPDATE {table} SET {column} = %s", value)
        return error.sqlstate, error.diag.constraint_name

    with database.connect(logins.service) as connection:
        for table, columns in AMOUNTS.items():
            for column in columns:
                if table == "public.instances" and value != "NaN":
                    continue  # It has a precision, which nothing infinite fits.
                name = table.partition(".")[2] + "_tenancy_amounts_check"
                assert refusal(connection, table, column) == ("23514", name), column
    if value == "NaN":
        with database.entered(logins.app, ANN, ACME) as connection:
            refused_with = refusal(connection, "public.instances", "hourly_price_eur")
        assert refused_with == ("23514", "instances_tenancy_amounts_check")


@pytest.mark.parametrize("table", AMOUNTS)
def test_amounts_from_before_that_are_no_numbers_are_counted_first(state: State, table: str) -> None:
    database = state(KEYLESS + ROWS)
    column = AMOUNTS[table][0]
    database.execute(f"UPDATE {table} SET {column} = 'NaN'")
    output = refused(database)
    query = f"SELECT * FROM {table} WHERE {column} IN ('NaN', 'Infinity', '-Infinity')"
    assert f"{table}: 1 row whose {column} is NaN or infinite: {query};" in output
    database.execute(f"UPDATE {table} SET {column} = 0")
    Replay(database).deploy("kernel/existing_tables")
    # A later one is found when the constraint is added, and the deploy continues there.
    database = state(KEYLESS + ROWS, "@phase-4")
    run = Replay(database)
    before = database.dump()
    database.execute(f"UPDATE {table} SET {column} = 'NaN'")
    with pytest.raises(ScriptError) as error:
        run.deploy("@phase-5")
    assert f"{table}: 1 row" in error.value.output
    assert query in error.value.output
    database.execute(f"UPDATE {table} SET {column} = 0")
    run.deploy("@phase-5")
    run.verify()
    run.revert("@phase-4")
    assert differences(before, database.dump()) == ""


def test_a_rule_that_does_something_else_instead_is_refused(state: State) -> None:
    database = state(KEYLESS + ROWS)
    database.execute("CREATE RULE gone AS ON DELETE TO public.users DO INSTEAD NOTHING")
    assert "public.users has the rule gone, which does something else instead" in refused(database)


def test_the_values_of_rows_stay(state: State) -> None:
    database: Database = state(KEYLESS + ROWS, WHOLE_PLAN)
    assert database.fetch("SELECT count(*) FROM finops.cost_actual_minute WHERE amount_eur = 0.0123") == [(1,)]
