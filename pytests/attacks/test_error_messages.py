"""Attacks that learn about rows without reading them: by errors or their absence."""

# ruff: noqa: S608  (the statements are the attacks, and their ids are the test's own)

from __future__ import annotations

import re
from collections.abc import Iterator
from uuid import UUID, uuid4

import psycopg
import pytest

from support.contexts import Sealed, context, set_context
from support.database import Database
from support.guesses import KEYS, PLANNERS, PROBES, TABLES, choosing, guesses, two_tenants_and_a_crowd
from support.server import Logins, Server
from support.two_tenants import TwoTenants, refused


@pytest.fixture(scope="module")
def tenants(server: Server, template: str, logins: Logins) -> Iterator[TwoTenants]:
    with two_tenants_and_a_crowd(server, template, logins) as tenants:
        yield tenants


# -- errors --------------------------------------------------------------------


@pytest.mark.parametrize("state", ["no_context", "invalid_context"])
def test_without_a_context_the_error_does_not_depend_on_a_row(tenants: TwoTenants, login: str, state: str) -> None:
    answers: dict[tuple[str, str, str], set[tuple[str | None, ...]]] = {}
    with tenants.session(login) as connection:
        if state == "invalid_context":
            connection.execute("SELECT set_config('tenancy.context', %s, true)", ["0" * 72 + "1" * 200 + "_owner_"])
            connection.execute("SELECT set_config('tenancy.current_user_id', %s, true)", [str(tenants.outsider.id)])
        questions = [
            (table, probe, guess)
            for table, probes in PROBES.items()
            for probe in probes
            for pair in guesses(tenants, table)
            for guess in pair
        ]
        for planner in PLANNERS:
            with choosing(connection, planner):
                for table, probe, guess in questions:
                    with pytest.raises(psycopg.Error) as raised, connection.transaction():
                        connection.execute(f"SELECT 1 FROM {table} WHERE {probe}", guess)
                    diag = raised.value.diag
                    # The first of the calls depends on the plan, which is fine. PL/pgSQL names an expression only
                    # when it plans it, which is the first time in a session.
                    where = re.sub(r'(PL/pgSQL|SQL) expression "tenancy.verify_context\(\)"\n', "", str(diag.context))
                    answers.setdefault((table, probe, str(planner)), set()).add(
                        (diag.sqlstate, diag.constraint_name, diag.message_primary, diag.message_detail, where)
                    )
    assert {key: len(answer) for key, answer in answers.items() if len(answer) != 1} == {}
    assert {(code, name) for answer in answers.values() for code, name, *_ in answer} == {("28000", state)}


SHAPES = (
    "SELECT count(*) FROM {table}",
    "SELECT 1 FROM {table} LIMIT 1",
    "SELECT min({key}) FROM {table}",
    "SELECT EXISTS (SELECT FROM {table})",
    "SELECT (SELECT {key} FROM {table} LIMIT 1)",
    "SELECT t.{key} FROM (VALUES (%(guess)s::uuid)) AS v (id) LEFT JOIN {table} AS t ON t.{key} = v.id",
    "SELECT 1 FROM (VALUES (%(guess)s::uuid)) AS v (id) JOIN {table} AS t ON t.{key} = v.id",
    "SELECT 1 FROM (VALUES (%(guess)s::uuid)) AS v (id) WHERE EXISTS (SELECT FROM {table} AS t WHERE t.{key} = v.id)",
    "SELECT 1 FROM (VALUES (%(guess)s::uuid)) AS v (id) WHERE v.id NOT IN (SELECT {key} FROM {table})",
    "SELECT 1 FROM (VALUES (%(guess)s::uuid)) AS v (id), LATERAL (SELECT FROM {table} AS t WHERE t.{key} = v.id) AS q",
    "SELECT 1 FROM {table} TABLESAMPLE SYSTEM (100) WHERE {key} = %(guess)s",
    "WITH q AS MATERIALIZED (SELECT {key} FROM {table}) SELECT 1 FROM q WHERE {key} = %(guess)s",
    "SELECT 1 FROM {table} AS a JOIN {table} AS b USING ({key}) WHERE {key} = %(guess)s",
    "SELECT 1 FROM {table} WHERE {key} = %(guess)s ORDER BY {key}",
    "SELECT 1 FROM {table} WHERE {key} = %(guess)s GROUP BY {key} HAVING count(*) > 0",
    "SELECT 1 FROM {table} WHERE {key} = %(guess)s UNION SELECT 1 WHERE false",
    "SELECT 1 FROM {table} WHERE {key} = ANY (ARRAY[%(guess)s]::uuid[])",
    "SELECT 1 FROM {table} WHERE {key} = %(guess)s OR {key} > %(guess)s",
    "SELECT 1 FROM {table} WHERE {key} IS NULL OR {key} = %(guess)s",
    "COPY {table} ({key}) TO STDOUT",
)


@pytest.mark.parametrize("shape", SHAPES)
def test_without_a_context_every_shape_of_query_fails_before_a_row_is_reached(
    tenants: TwoTenants, login: str, shape: str
) -> None:
    with tenants.session(login) as connection:
        for table in (*TABLES, "public.api_keys", "public.instances", "public.models"):
            key = KEYS.get(table, "id")
            column = f"{key}::text" if "min(" in shape else key
            for guess in (tenants.outsider.id, tenants.globex.id, uuid4()):
                with refused("28000", "no_context"), connection.transaction():
                    statement = shape.format(table=table, key=column)
                    if statement.startswith("COPY"):
                        with connection.cursor().copy(statement) as copy:
                            list(copy)
                    else:
                        connection.execute(statement, {"guess": guess})


# Values of a variable, alone or with others: the result is an error, the same for every guess.
GARBAGE = {
    "no user": {"current_user_id": ""},
    "a user who is none": {"current_user_id": "garbage"},
    "another user": {"current_user_id": "{outsider}"},
    "no organization": {"current_organization_id": ""},
    "an organization that is none": {"current_organization_id": "garbage"},
    "another organization": {"current_organization_id": "{globex}"},
    "the platform": {"current_organization_id": "00000000-0000-0000-0000-000000000000"},
    "no context": {"context": ""},
    "a context that is none": {"context": "garbage"},
    "slashes": {"context": "/" * 200, "current_user_id": "/", "current_organization_id": "/"},
    "every permission": {"context": "{every}"},
    "nothing": {"context": "", "current_user_id": "", "current_organization_id": ""},
    "all of another": {"context": "{every}", "current_user_id": "{outsider}", "current_organization_id": "{globex}"},
}
STATEMENTS = (
    "SELECT 1 FROM {table} WHERE {key} = %(guess)s",
    "SELECT count(*) FROM {table} WHERE {key} IN (%(guess)s, gen_random_uuid())",
    "SELECT t.{key} FROM (VALUES (%(guess)s::uuid)) AS v (id) LEFT JOIN {table} AS t ON t.{key} = v.id",
    "SELECT t.{key} FROM (VALUES (%(guess)s::uuid)) AS v (id) FULL JOIN {table} AS t ON t.{key} = v.id",
    "SELECT 1 WHERE EXISTS (SELECT FROM {table} WHERE {key} = %(guess)s)",
    "SELECT {key} FROM {table} WHERE {key} = %(guess)s FOR UPDATE",
    "DELETE FROM {table} WHERE {key} = %(guess)s",
    "UPDATE {table} SET {column} = {column} WHERE {key} = %(guess)s RETURNING {key}",
    "INSERT INTO {table} ({column}) SELECT {column} FROM {table} WHERE {key} = %(guess)s",
    "INSERT INTO {table} ({key}) SELECT %(guess)s ON CONFLICT DO NOTHING",
    "MERGE INTO {table} AS t USING (VALUES (%(guess)s::uuid)) AS v (id) ON t.{key} = v.id WHEN MATCHED THEN DO NOTHING",
)
EVERY_TABLE = {
    "public.users": ("id", "username", "outsider"),
    "public.organizations": ("id", "name", "globex"),
    "public.organization_memberships": ("user_id", "role", "outsider"),
    "public.instances": ("id", "gpu_profile", "instance"),
    "public.models": ("id", "name", "model"),
    "tenancy.audit_log": ("user_id", "action", "outsider"),
}


@pytest.mark.parametrize("garbage", GARBAGE)
@pytest.mark.parametrize("personal", [False, True], ids=["organization", "personal"])
def test_garbage_in_a_variable_is_answered_alike_whatever_row_is_asked_about(
    tenants: TwoTenants, login: str, garbage: str, personal: bool
) -> None:
    known = {"outsider": tenants.outsider.id, "globex": tenants.globex.id} | tenants.rows["other"]
    told = []
    user, organization = (tenants.person, None) if personal else (tenants.members["user"], tenants.acme)
    with tenants.entered(user, organization, login) as connection:
        values = {"outsider": str(tenants.outsider.id), "globex": str(tenants.globex.id)}
        entered = context(connection)
        values["every"] = Sealed.of(entered).with_every_permission()
        forged = {name: value.format(**values) for name, value in GARBAGE[garbage].items()}
        if entered | forged == entered:
            assert personal  # where there is no organization, and every permission is held
            return
        set_context(connection, forged)
        for planner in ("as it is", "bitmap scans only"):
            with choosing(connection, planner):
                for table, (key, column, hit) in EVERY_TABLE.items():
                    for statement in STATEMENTS:
                        answers = set()
                        # The nearest existing id.
                        for guess in (known[hit], UUID(int=known[hit].int ^ 1)):
                            with pytest.raises(psycopg.Error) as raised, connection.transaction():
                                connection.execute(
                                    statement.format(table=table, key=key, column=column).encode(), {"guess": guess}
                                )
                            diag = raised.value.diag
                            answers.add((diag.sqlstate, diag.constraint_name, diag.message_primary))
                        if len(answers) != 1 or {code for code, *_ in answers} - {"28000", "42501", "22P02"}:
                            told.append((planner, table, statement, answers))
    assert told == []


def test_on_an_empty_table_the_error_is_the_same(database: Database, logins: Logins) -> None:
    with database.connect(logins.app) as connection:
        for table in TABLES:
            with refused("28000", "no_context"), connection.transaction():
                connection.execute(f"SELECT 1 FROM {table}")


@pytest.mark.parametrize(
    "leak",
    [
        "email::integer > 0",
        "to_jsonb(t)::text::integer > 0",
        "1 / (length(email) - length(email)) > 0",
        "CASE WHEN email = 'ann' THEN true ELSE email::integer > 0 END",
        "email::integer = ANY (ARRAY[1, 2])",
        "(email, id) IN (SELECT email, id FROM public.users WHERE email::integer > 0)",
    ],
)
def test_an_error_inside_a_condition_shows_no_hidden_value(tenants: TwoTenants, login: str, leak: str) -> None:
    with tenants.entered(tenants.person, None, login) as connection:
        for planner in PLANNERS:
            with pytest.raises(psycopg.Error) as raised, choosing(connection, planner):
                connection.execute(f"SELECT 1 FROM (SELECT id, email FROM public.users) AS t WHERE {leak}")
            for secret in ("outsider", "of-acme", "user1@"):
                assert secret not in str(raised.value)


def test_a_function_that_costs_nothing_sees_no_hidden_row(tenants: TwoTenants, login: str) -> None:
    with tenants.admin() as admin:
        admin.execute(
            "CREATE OR REPLACE FUNCTION public.leak(value text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001"
            " AS $$ BEGIN RAISE NOTICE 'saw %', value; RETURN true; END; $$"
        )
    seen: list[str] = []
    with tenants.entered(tenants.person, None, login) as connection:
        connection.add_notice_handler(lambda diag: seen.append(diag.message_primary or ""))
        for planner in PLANNERS:
            for condition in (
                "public.leak(email)",
                "public.leak(email) AND id IS NOT NULL",
                "public.leak(id::text)",
                "public.leak(t::text)",
            ):
                with choosing(connection, planner):
                    connection.execute(
                        f"SELECT count(*) FROM (SELECT id, email FROM public.users) AS t WHERE {condition}"
                    )
    assert seen
    assert [line for line in seen if str(tenants.person.id) not in line and tenants.person.email not in line] == []


# -- the oracle that has to be: a slug is taken or not -------------------------


def test_a_taken_slug_tells_no_more_than_that(tenants: TwoTenants, login: str) -> None:
    with tenants.admin() as admin:
        admin.execute("UPDATE tenancy.workspaces SET deleted_at = now() WHERE id = %s", [tenants.globex.id])
    answers = set()
    for slug in ("globex", "acme"):  # somebody else's, deleted, and the own
        for call in ("create_organization('Another', %s)", "update_organization(slug => %s)"):
            if slug == "acme" and call.startswith("update"):
                continue
            with tenants.entered(login=login) as connection, pytest.raises(psycopg.Error) as raised:
                connection.execute(f"SELECT tenancy.{call}", [slug])
            diag = raised.value.diag
            answers.add(
                (diag.sqlstate, diag.constraint_name, diag.message_primary, diag.message_detail, diag.table_name)
            )
    with tenants.admin() as admin:
        admin.execute("UPDATE tenancy.workspaces SET deleted_at = NULL WHERE id = %s", [tenants.globex.id])
    assert answers == {("23505", "organization_slug_taken", "this slug is taken", None, None)}


def test_a_slug_made_from_a_name_does_not_count_its_namesakes(tenants: TwoTenants, login: str) -> None:
    with tenants.entered(login=login) as connection:
        slugs = [
            (connection.execute("SELECT slug FROM tenancy.create_organization('Globex')").fetchone() or ("",))[0]
            for _ in range(3)
        ]
    assert len(set(slugs)) == 3
    for slug in slugs:
        assert len(slug) == len("globex-0000")


def test_a_member_who_is_not_there_is_the_same_whoever_it_is(tenants: TwoTenants, login: str) -> None:
    for call in ("remove_member(%s)", "change_member_role(%s, 'user')"):
        answers = set()
        for user in (tenants.outsider.id, tenants.person.id, uuid4(), tenants.globex.id):
            with tenants.entered(login=login) as connection, pytest.raises(psycopg.Error) as raised:
                connection.execute(f"SELECT tenancy.{call}", [user])
            diag = raised.value.diag
            answers.add((diag.sqlstate, diag.constraint_name, diag.message_primary, diag.message_detail))
        assert answers == {("P0002", "member_not_found", "the organization has no such member", None)}
