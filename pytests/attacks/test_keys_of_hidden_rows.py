"""Attacks with an upsert: PostgreSQL evaluates its WHERE for the row that has the key, before any policy.

So a write of a hidden row's key is refused first, however the index compares it and
whatever makes it.
"""

# ruff: noqa: S608  (the statements are the attacks)

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import psycopg
import pytest

from support.server import Logins, Server
from support.two_tenants import Connection, TwoTenants, refused, two_tenants


class Key(NamedTuple):
    """A table with a key, and what tenants write.

    ``columns`` are written, beside a secret, and ``read`` is not. ``hidden`` are the values of
    Globex's row, ``same`` those of a new row with the same key, and ``other`` of one with
    another, if there can be one.
    """

    create: str
    columns: str
    read: str
    hidden: str
    same: str
    other: str | None
    target: str


KEYS = {
    "generated": Key(
        "name text, key text GENERATED ALWAYS AS (lower(name)) STORED UNIQUE",
        *("name", "key", "'hidden'", "'HIDDEN'", "'mine'", "(key)"),
    ),
    "generated_and_cast": Key(
        "name text, key varchar(3) GENERATED ALWAYS AS (left(name, 3)) STORED UNIQUE",
        *("name", "key", "'hidden'", "'hid'", "'mine'", "(key)"),
    ),
    "generated_in_an_expression": Key(
        "name text, made text GENERATED ALWAYS AS (lower(name)) STORED);"
        " CREATE UNIQUE INDEX ON public.generated_in_an_expression (left(made, 3)) WHERE (made <> 'x'",
        *("name", "made", "'hidden'", "'HID'", "'mine'", "(left(made, 3)) WHERE made <> 'x'"),
    ),
    "null": Key(
        "name text, key text, UNIQUE NULLS NOT DISTINCT (name, key)",
        *("name, key", "", "'hidden', NULL", "'hidden', NULL", "'mine', NULL", "(name, key)"),
    ),
    "in_any_case": Key(
        "key public.citext UNIQUE",
        *("key", "", "'hidden'", "'HIDDEN'", "'mine'", "(key)"),
    ),
    "by_expression": Key(
        "key text); CREATE UNIQUE INDEX ON public.by_expression (lower(key)",
        *("key", "", "'hidden'", "'HIDDEN'", "'mine'", "(lower(key))"),
    ),
    "of_some_rows": Key(
        "key text, is_old boolean); CREATE UNIQUE INDEX ON public.of_some_rows (key) WHERE (NOT is_old",
        *("key, is_old", "", "'hidden', false", "'hidden', false", "'hidden', true", "(key) WHERE NOT is_old"),
    ),
    "by_expression_of_some_rows": Key(
        "key text); CREATE UNIQUE INDEX ON public.by_expression_of_some_rows ((key::integer))"
        " WHERE (public.is_number(key)",
        *("key", "", "'12'", "'012'", "'mine'", "((key::integer)) WHERE public.is_number(key)"),
    ),
    "by_pattern": Key(
        r"key text); CREATE UNIQUE INDEX ON public.by_pattern (key) WHERE (key ~ '^\d+$'",
        *("key", "", "'12'", "'12'", "'13'", r"(key) WHERE key ~ E'^\\d+$'"),
    ),
    # Settings decide how these constants are written.
    "by_constants": Key(
        "key text, at timestamptz, day date); CREATE UNIQUE INDEX ON public.by_constants ("
        r"(decode(key, 'hex') || '\x00a0'), (length(key) + '0.12345678901234567'::float8),"
        " (day - interval '-1 day +2:00'), greatest(day, '2020-02-01'), greatest(at, '2020-02-01 0:00+00')",
        *(
            "key, at, day",
            "",
            "'abcd', '2026-02-01 0:00+00', '2026-02-01'",
            "'abcd', '2026-02-01 0:00+00', '2026-02-01'",
        ),
        "'ef', '2026-02-01 0:00+00', '2026-02-01'",
        r"((decode(key, 'hex') || E'\\x00a0'), (length(key) + '0.12345678901234567'::float8),"
        " (day - interval '-1 day +2:00'), greatest(day, '2020-02-01'), greatest(at, '2020-02-01 0:00+00'))",
    ),
    "changed_by_a_trigger": Key(
        "key text UNIQUE); CREATE TRIGGER to_lower BEFORE INSERT ON public.changed_by_a_trigger"
        " FOR EACH ROW EXECUTE FUNCTION public.to_lower(",
        *("key", "", "'hidden'", "'HIDDEN'", "'mine'", "(key)"),
    ),
    "made_by_a_trigger": Key(
        "key text, made text UNIQUE); CREATE TRIGGER made BEFORE INSERT ON public.made_by_a_trigger"
        " FOR EACH ROW EXECUTE FUNCTION public.make_key(",
        *("key", "made", "'hidden'", "'HIDDEN'", "'mine'", "(made)"),
    ),
    "by_default": Key(
        "key text, is_first boolean UNIQUE DEFAULT true",
        *("key", "is_first", "'hidden'", "'mine'", None, "(is_first)"),
    ),
}

_SETUP = """
CREATE EXTENSION IF NOT EXISTS citext SCHEMA public;
CREATE FUNCTION public.to_lower() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN new.key := lower(new.key); RETURN new; END $$;
CREATE FUNCTION public.make_key() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN new.made := lower(new.key); RETURN new; END $$;
CREATE FUNCTION public.is_number(key text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE COST 1000 AS
$$ BEGIN RETURN key ~ '^[0-9]+$'; END $$;
SELECT tenancy.define_permission('things.' || word, roles => '{owner,admin,manager,user}')
FROM unnest('{view,create,update}'::text[]) AS word;

CREATE TABLE public.memos (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), workspace_id uuid NOT NULL DEFAULT tenancy.default_workspace_id()
    REFERENCES tenancy.workspaces ON DELETE CASCADE, user_id uuid, key text, secret text, UNIQUE (workspace_id, id),
    UNIQUE (workspace_id, key)
);
CREATE TABLE public.replies (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), workspace_id uuid NOT NULL DEFAULT tenancy.default_workspace_id()
    REFERENCES tenancy.workspaces ON DELETE CASCADE, memo_id uuid REFERENCES public.memos ON DELETE CASCADE,
    key text, secret text, UNIQUE (workspace_id, id), UNIQUE (workspace_id, key)
);
CREATE TABLE public.reactions (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), reply_id uuid REFERENCES public.replies ON DELETE CASCADE,
    key text UNIQUE, secret text
);
"""

# The tables of colleagues, by which column their shape goes, and their keys.
COLLEAGUES = {
    "memos": ("author", "user_id", "(workspace_id, key)"),
    "replies": ("parent", "memo_id", "(workspace_id, key)"),
    "reactions": ("parent", "reply_id", "(key)"),
}


def _protect(table: str, shape: str, columns: str, read: str) -> str:
    readable = f"id, secret, {columns}{read and ', '}{read}"
    return f"""
    CALL tenancy.protect('public.{table}'{shape});
    CALL tenancy.allow('public.{table}', 'SELECT', 'things.view', columns => '{readable}');
    CALL tenancy.allow('public.{table}', 'INSERT', 'things.create', columns => 'id, secret, {columns}');
    CALL tenancy.allow('public.{table}', 'UPDATE', 'things.update', columns => 'secret, {columns}');
    """


@pytest.fixture(scope="module")
def tenants(server: Server, template: str, logins: Logins) -> Iterator[TwoTenants]:
    """Return tenants with the tables; Globex and Acme's owner have rows in them."""
    with two_tenants(server, template, logins) as tenants:
        with tenants.admin() as admin:
            admin.execute(_SETUP.encode())
            for table, key in KEYS.items():
                start = f"CREATE TABLE public.{table} (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), secret text, "
                admin.execute(f"{start}{key.create})".encode())
                admin.execute(_protect(table, "", key.columns, key.read).encode())
            for table, (shape, column, _) in COLLEAGUES.items():
                admin.execute(_protect(table, f", {shape} => '{column}'", f"key, {column}", "").encode())
        with tenants.database.connect(logins.app) as connection:
            tenants.enter(connection, tenants.outsider, tenants.globex)
            for table, key in KEYS.items():
                insert = f"INSERT INTO public.{table} (secret, {key.columns}) VALUES ('S3', {key.hidden})"
                connection.execute(insert.encode())
        with tenants.database.connect(logins.app) as connection:
            tenants.enter(connection, tenants.members["owner"], tenants.acme)
            parent = tenants.members["owner"].id
            for table, (_, column, _) in COLLEAGUES.items():
                insert = f"INSERT INTO public.{table} (secret, key, {column}) VALUES ('S3', 'hidden', %s) RETURNING id"
                ((parent,),) = connection.execute(insert.encode(), [parent]).fetchall()
        yield tenants


def answer_of(connection: Connection, statement: str) -> str | None:
    """Run a statement, undo it, and return what it did or the code of its error, which does not have the secret."""
    try:
        with connection.transaction(force_rollback=True):
            return connection.execute(statement.encode()).statusmessage
    except psycopg.Error as error:
        return f"the secret: {error}" if "S3" in str(error) else error.sqlstate


def upserts(table: str, columns: str, values: str, target: str) -> list[str]:
    """Return upserts that would ask for the secret in ways that differ in their answers."""
    insert = (
        f"INSERT INTO public.{table} AS t (secret, {columns}) VALUES ('x', {values}) ON CONFLICT {target} DO UPDATE SET"
    )
    return [
        f"{insert} secret = 'taken' WHERE t.secret = 'S3'",
        f"{insert} secret = 'taken' WHERE t.secret = 'S4'",
        f"{insert} secret = 'taken' WHERE t.secret::integer = 1",
        f"{insert} secret = t.secret::integer::text",
    ]


@pytest.mark.parametrize("table", KEYS)
def test_no_upsert_asks_another_tenants_row(tenants: TwoTenants, login: str, table: str) -> None:
    key = KEYS[table]
    with tenants.entered(login=login) as connection:
        answers = [answer_of(connection, each) for each in upserts(table, key.columns, key.same, key.target)]
    assert answers == ["23505"] * 4


@pytest.mark.parametrize(
    "setting",
    [
        "quote_all_identifiers = on",
        "DateStyle = 'SQL, DMY'",
        "IntervalStyle = 'sql_standard'",
        "TimeZone = 'Asia/Kathmandu'",
        "bytea_output = 'escape'",
        "extra_float_digits = -15",
        "standard_conforming_strings = off",
    ],
)
def test_no_setting_keeps_a_key_from_being_found(tenants: TwoTenants, login: str, setting: str) -> None:
    """The check finds the index by how its columns are written, and the session parses the check."""
    with tenants.session(login) as connection:
        connection.execute(f"SET SESSION {setting}".encode())
        connection.commit()
        tenants.enter(connection, tenants.members["owner"], tenants.acme)
        for table, key in KEYS.items():
            answers = [answer_of(connection, each) for each in upserts(table, key.columns, key.same, key.target)]
            assert answers == ["23505"] * 4, table


@pytest.mark.parametrize("table", [table for table, key in KEYS.items() if key.other])
def test_a_key_of_ones_own_is_written_and_written_again(tenants: TwoTenants, login: str, table: str) -> None:
    key = KEYS[table]
    with tenants.entered(login=login) as connection:
        insert = f"INSERT INTO public.{table} (secret, {key.columns}) VALUES ('S4', {key.other})"
        connection.execute(insert.encode())
        answers = [answer_of(connection, each) for each in upserts(table, key.columns, key.other or "", key.target)[:2]]
    # A row that is not in the index has no key that another could have.
    is_outside = table in {"of_some_rows", "by_expression_of_some_rows"}
    assert answers == (["INSERT 0 1"] * 2 if is_outside else ["INSERT 0 0", "INSERT 0 1"])


@pytest.mark.parametrize("way", ["", "enable_indexscan = off", "enable_seqscan = off"])
def test_an_expression_is_evaluated_for_no_row_outside_of_its_index(tenants: TwoTenants, login: str, way: str) -> None:
    """It fails for such a row, and the error would have the hidden value."""
    key = KEYS["by_expression_of_some_rows"]
    with tenants.admin() as admin:
        admin.execute(
            "INSERT INTO public.by_expression_of_some_rows (workspace_id, key) VALUES (%s, 'not a number, S3')",
            [tenants.globex.id],
        )
    with tenants.session(login) as connection:
        if way:
            connection.execute(f"SET {way}; SET enable_bitmapscan = off; SET enable_indexonlyscan = off".encode())
            connection.commit()
        tenants.enter(connection, tenants.members["owner"], tenants.acme)
        insert = f"INSERT INTO public.by_expression_of_some_rows (secret, {key.columns}) VALUES ('x', %s)"
        for free in ("'13'", "'mine'"):
            assert answer_of(connection, insert.replace("%s", free)) == "INSERT 0 1"
        statements = upserts("by_expression_of_some_rows", key.columns, key.same, key.target)
        assert [answer_of(connection, each) for each in statements] == ["23505"] * 4
    with tenants.admin() as admin:
        admin.execute("DELETE FROM public.by_expression_of_some_rows WHERE key LIKE 'not%'")


@pytest.mark.parametrize("table", COLLEAGUES)
def test_no_upsert_asks_a_colleagues_private_row(tenants: TwoTenants, login: str, table: str) -> None:
    """Nor those below it, with a parent of one's own or without one."""
    _, column, target = COLLEAGUES[table]
    user = tenants.members["user"]
    with tenants.entered(user, tenants.acme, login) as connection:
        own = user.id
        for above, (_, its_column, _) in COLLEAGUES.items():
            if above == table:
                break
            insert = f"INSERT INTO public.{above} (key, {its_column}) VALUES ('mine', %s) RETURNING id"
            ((own,),) = connection.execute(insert.encode(), [own]).fetchall()
        parents = [f"'{own}'"] if table == "memos" else [f"'{own}'", "NULL"]
        for parent in parents:
            statements = upserts(table, f"key, {column}", f"'hidden', {parent}", target)
            assert [answer_of(connection, each) for each in statements] == ["23505"] * 4
            # One's own row is updated.
            insert = f"INSERT INTO public.{table} (secret, key, {column}) VALUES ('S4', 'own', {parent})"
            with connection.transaction(force_rollback=True):
                connection.execute(insert.encode())
                statements = upserts(table, f"key, {column}", f"'own', {parent}", target)
                assert [answer_of(connection, each) for each in statements[:2]] == ["INSERT 0 0", "INSERT 0 1"]


def test_a_key_that_is_added_later_is_reported_and_checked_after_the_repair(tenants: TwoTenants, login: str) -> None:
    table, key = "public.by_default", KEYS["by_default"]
    with tenants.admin() as admin:
        admin.execute("CALL tenancy_private.verify_keys()")
        admin.execute(f"CREATE UNIQUE INDEX ON {table} (key)".encode())
        with refused("55000", "keys_unchecked"):
            admin.execute("CALL tenancy_private.verify_keys()")
        ((name, repair),) = admin.execute("SELECT table_name, repair FROM tenancy_private.unchecked_keys()").fetchall()
        assert name == table
        admin.execute(repair.encode())
        admin.execute("CALL tenancy_private.verify_keys()")
        admin.execute("CALL tenancy_private.verify_contracts()")
    with tenants.entered(login=login) as connection:
        statements = upserts("by_default", key.columns, key.hidden, "(key)")
        assert [answer_of(connection, each) for each in statements] == ["23505"] * 4
    with tenants.admin() as admin:
        admin.execute("DROP INDEX public.by_default_key_idx")
        admin.execute(repair.encode())
