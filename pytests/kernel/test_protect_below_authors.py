"""Children of rows with an author under protect(): visible with their parent."""

# ruff: noqa: S608  (statements are the tests' own)

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from support.application import PROTECTION, Application, all_of, application, one
from support.planner import pages_of
from support.server import Logins, Server
from support.two_tenants import refused

TABLES = """
CREATE TABLE public.answers (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, text text NOT NULL,
    note_id uuid REFERENCES public.notes ON DELETE CASCADE
);
CREATE TABLE public.quotes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, text text NOT NULL,
    answer_id bigint REFERENCES public.answers ON DELETE CASCADE
);
"""
CONTRACTS = "".join(
    f"CALL tenancy.protect('public.{table}', parent => '{parent}');"
    f"CALL tenancy.allow('public.{table}', 'SELECT', 'notes.view', columns => 'id, text, {parent}');"
    f"CALL tenancy.allow('public.{table}', 'INSERT', 'notes.write', columns => 'text, {parent}');"
    f"CALL tenancy.allow('public.{table}', 'UPDATE', 'notes.write', columns => 'text, {parent}');"
    f"CALL tenancy.allow('public.{table}', 'DELETE', 'notes.write');"
    for table, parent in (("answers", "note_id"), ("quotes", "answer_id"))
)
ROWS = """
INSERT INTO public.answers (text, note_id) SELECT 'to ' || body, id FROM public.notes WHERE body <> 'legacy note';
INSERT INTO public.quotes (text, answer_id) SELECT text, id FROM public.answers;
"""
NOTES = PROTECTION[PROTECTION.index("CALL tenancy.protect('public.notes'") : PROTECTION.index("CALL tenancy.publish")]


@pytest.fixture(scope="module")
def app(server: Server, logins: Logins) -> Iterator[Application]:
    """Yield the application with answers to notes, and quotes of answers."""
    made = application(server, logins, protected=True)
    made.run(TABLES + CONTRACTS + ROWS)
    # An answer without a note belongs to the workspace.
    with made.entered("uma", made.acme, keep=True) as connection:
        connection.execute("INSERT INTO public.answers (text) VALUES ('loose')")
    yield made
    server.drop(made.database.name)


@pytest.fixture
def own_app(server: Server, logins: Logins) -> Iterator[Application]:
    """Yield the application with nothing protected below notes yet."""
    made = application(server, logins, protected=True)
    made.run(TABLES)
    yield made
    server.drop(made.database.name)


@pytest.mark.parametrize("table", ["answers", "quotes"])
def test_children_are_visible_to_those_who_see_the_parent(app: Application, table: str) -> None:
    loose = ["loose"] if table == "answers" else []
    for who, organization, texts in (
        ("abe", app.acme, [*loose, "to abe private", "to abe shared", "to uma shared"]),
        ("uma", app.acme, [*loose, "to abe shared", "to uma private", "to uma shared"]),
        ("ann", app.acme, [*loose, "to abe shared", "to uma shared"]),
        ("gina", app.globex, ["to gina private", "to gina shared"]),
        ("gus", app.globex, ["to gina shared"]),
        ("pat", None, ["to pat private", "to pat shared"]),
        ("abe", None, []),
    ):
        with app.entered(who, organization) as connection:
            assert all_of(connection, f"SELECT text FROM public.{table}") == texts, who
            assert one(connection, f"SELECT count(*) FROM public.{table}") == len(texts)
    with app.connected(app.logins.service) as connection:
        assert one(connection, f"SELECT count(*) FROM public.{table}") == 8 + len(loose)


def test_only_the_author_writes_below_a_row(app: Application) -> None:
    note, private = app.number("public.notes", "abe shared"), app.number("public.notes", "abe private")
    insert = "INSERT INTO public.answers (text, note_id) VALUES ('new', %s) RETURNING id"
    quote = "INSERT INTO public.quotes (text, answer_id) VALUES ('new', %s)"
    with app.entered("abe", app.acme, keep=True) as connection:
        answer = one(connection, insert, private)
        connection.execute(quote, [answer])
        connection.execute("DELETE FROM public.quotes WHERE text = 'new'")
        connection.execute("UPDATE public.answers SET note_id = %s WHERE id = %s", [note, answer])
        connection.execute("DELETE FROM public.answers WHERE id = %s", [answer])
        # Kept for what follows.
        answer = one(connection, insert, note)
    with app.entered("uma", app.acme) as connection:
        # A hidden note is refused like a nonexistent one, and so is a shared one.
        for other in (private, note, app.number("public.notes", "gina shared"), "99999999-0000-4000-8000-000000000000"):
            with refused("42501"), connection.transaction():
                connection.execute(insert, [other])
        with refused("42501"), connection.transaction():
            connection.execute(quote, [answer])
        theirs = "text LIKE 'to abe%' OR text = 'new'"
        assert connection.execute(f"UPDATE public.answers SET text = 'x' WHERE {theirs}").rowcount == 0
        assert connection.execute(f"DELETE FROM public.answers WHERE {theirs}").rowcount == 0
        assert connection.execute(f"DELETE FROM public.quotes WHERE {theirs}").rowcount == 0
        own = "UPDATE public.answers SET note_id = %s WHERE text = 'to uma shared'"
        with refused("42501"), connection.transaction():
            connection.execute(own, [note])
        assert connection.execute("UPDATE public.answers SET text = 'x' WHERE text = 'to uma shared'").rowcount == 1
    app.run("DELETE FROM public.answers WHERE text = 'new'")


def test_a_table_with_children_does_not_get_authors_unnoticed(own_app: Application) -> None:
    own_app.run("CALL tenancy.unprotect('public.notes')", "CALL tenancy.protect('public.notes')", CONTRACTS)
    with (
        own_app.connected() as admin,
        pytest.raises(
            psycopg.errors.ObjectNotInPrerequisiteState, match="still be seen by the whole workspace"
        ) as raised,
    ):
        admin.execute("CALL tenancy.protect('public.notes', author => 'user_id')")
    assert "tenancy.unprotect('answers')" in str(raised.value.diag.message_hint).replace("public.", "")


def test_what_begins_anew_above_is_followed_still(own_app: Application) -> None:
    own_app.run(CONTRACTS, ROWS, NOTES)
    with own_app.entered("ann", own_app.acme) as connection:
        assert all_of(connection, "SELECT text FROM public.quotes") == ["to abe shared", "to uma shared"]
    with own_app.connected() as admin:
        assert admin.execute("SELECT * FROM tenancy_private.broken_contracts()").fetchall() == []


def test_a_page_of_children_reads_few_parents(own_app: Application) -> None:
    """Each child that the query reads looks up its parent once, by the index."""
    own_app.run(
        CONTRACTS,
        ROWS,
        "INSERT INTO public.answers (text, note_id)"
        " SELECT n::text, id FROM public.notes, generate_series(1, 3000) AS n WHERE body = 'abe shared'",
        "ANALYZE public.answers, public.notes",
    )
    latest = "SELECT text FROM public.answers ORDER BY id DESC LIMIT 20"
    with own_app.entered("ann", own_app.acme) as connection:
        pages = pages_of(connection, latest)
        assert len(all_of(connection, latest)) == 20
        assert one(connection, "SELECT count(*) FROM public.answers") == 3002
    assert pages < 200


@pytest.mark.parametrize(
    ("who", "where"), [("abe", "acme"), ("uma", "acme"), ("ann", "acme"), ("gus", "globex"), ("pat", None)]
)
def test_why_a_child_is_seen_or_not_is_explained(app: Application, who: str, where: str | None) -> None:
    organization = getattr(app, where) if where else None
    place = organization.id if organization else None
    told = "SELECT allowed FROM tenancy.explain_access(%s::text::regclass, %s::text, %s, %s) WHERE command = %s"
    with (
        app.connected() as admin,
        app.connected(app.logins.service) as service,
        app.entered(who, organization) as tenant,
    ):
        for table in ("public.answers", "public.quotes"):
            for row in all_of(admin, f"SELECT id FROM {table}"):
                seen = one(tenant, f"SELECT count(*) FROM {table} WHERE id = %s", row) == 1
                written = tenant.execute(f"UPDATE {table} SET text = text WHERE id = %s", [row]).rowcount == 1
                for command, found in (("SELECT", seen), ("UPDATE", written), ("DELETE", written)):
                    assert one(service, told, table, row, app.users[who].id, place, command) == found, (
                        table,
                        row,
                        command,
                    )


def test_renamed_answers_still_follow_when_the_contract_of_notes_runs_first(own_app: Application) -> None:
    own_app.run(CONTRACTS, "ALTER TABLE public.answers RENAME TO replies", NOTES)
    own_app.run(CONTRACTS.replace("public.answers", "public.replies"))
    with own_app.connected() as connection:
        connection.execute("CALL tenancy_private.verify_contracts()")


def test_a_column_that_was_renamed_above_is_not_overlooked(own_app: Application) -> None:
    """Quotes would not follow: their parent's own contract must run first."""
    own_app.run(CONTRACTS, "ALTER TABLE public.answers RENAME note_id TO on_note")
    with own_app.connected() as connection, refused("42703", "column_missing"):
        connection.execute("CALL tenancy.protect('public.quotes', parent => 'answer_id')")


def test_quotes_are_written_also_where_nobody_reads_the_note_of_an_answer(own_app: Application) -> None:
    own_app.run(CONTRACTS.replace("'id, text, note_id'", "'id, text'"))
    with own_app.entered("uma", own_app.acme) as connection:
        note = one(connection, "INSERT INTO public.notes (body) VALUES ('mine') RETURNING id")
        answer = one(connection, "INSERT INTO public.answers (text, note_id) VALUES ('x', %s) RETURNING id", note)
        connection.execute("INSERT INTO public.quotes (text, answer_id) VALUES ('x', %s)", [answer])
        assert all_of(connection, "SELECT text FROM public.quotes") == ["x"]
        with refused("42501"):
            connection.execute(
                "INSERT INTO public.quotes (text, answer_id) SELECT 'x', id FROM public.answers WHERE false"
                " UNION ALL SELECT 'x', %s",
                [answer + 1],
            )
