"""Users: no query, no function and no error shows a password hash."""

# ruff: noqa: S608  (the statements are the test's own)

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from support.people import Organization, People, User
from support.server import Logins
from support.users import api_key_of, error_of

Connection = psycopg.Connection[tuple[Any, ...]]
Connect = Callable[..., Connection]
AsApp = Callable[..., Any]


READERS = [
    "SELECT password_hash FROM public.users",
    "SELECT * FROM public.users",
    "TABLE public.users",
    "SELECT u FROM public.users AS u",
    "SELECT u.* FROM public.users AS u",
    "SELECT to_jsonb(u) FROM public.users AS u",
    "SELECT row_to_json(u) FROM public.users AS u",
    "SELECT u::text FROM public.users AS u",
    "SELECT count(u) FROM public.users AS u",
    "SELECT count(*) FROM public.users WHERE password_hash LIKE 'hash%'",
    "SELECT tableoid, ctid FROM public.users",
    "SELECT id FROM public.users WHERE ctid = '(0,1)'",
    "SELECT id FROM public.users ORDER BY password_hash",
    "SELECT count(*) FROM public.users GROUP BY password_hash",
    "SELECT u.id FROM public.users AS u JOIN public.users AS v USING (password_hash)",
    "SELECT u.id FROM public.users AS u NATURAL JOIN public.users AS v",
    "SELECT query_to_xml('SELECT * FROM public.users', true, false, '')",
    "SELECT table_to_xml('public.users', true, false, '')",
    "SELECT id FROM public.users WHERE password_hash::int > 0",
    "COPY public.users TO STDOUT",
    "COPY (SELECT * FROM public.users) TO STDOUT",
    "DECLARE c CURSOR FOR SELECT * FROM public.users",
    "PREPARE p AS SELECT password_hash FROM public.users; EXECUTE p",
    "UPDATE public.users SET username = username RETURNING password_hash",
    "INSERT INTO public.users (email) VALUES ('x') RETURNING password_hash",
    "MERGE INTO public.users AS u USING public.users AS v ON u.id = v.id WHEN MATCHED THEN DELETE",
    "SELECT most_common_vals FROM pg_stats WHERE attname = 'password_hash' AND most_common_vals IS NOT NULL",
    "SELECT histogram_bounds FROM pg_stats WHERE attname = 'password_hash' AND histogram_bounds IS NOT NULL",
]


@pytest.mark.parametrize("login", ["app", "credentialed", "auditor"])
def test_a_password_hash_is_never_read(
    acme: Organization,
    as_app: AsApp,
    connect: Connect,
    logins: Logins,
    admin: Connection,
    login: str,
) -> None:
    admin.execute("ANALYZE public.users")
    connection = connect(getattr(logins, login))
    if login == "app":
        connection.execute("SELECT tenancy.enter(%s, %s)", [acme.owner.id, acme.id])
    elif login == "credentialed":
        connection.execute("SELECT tenancy.enter_with_api_key(%s)", [api_key_of(as_app, acme.owner, acme)])
    for statement in READERS:
        if "pg_stats" in statement:
            assert connection.execute(statement).fetchall() == []
            continue
        error = error_of(connection, statement)
        # Not every server was built with XML.
        assert error.sqlstate in ({"42501", "0A000"} if "_xml" in statement else {"42501"}), statement
        assert "hash of" not in f"{error} {error.diag.message_detail} {error.diag.context}"


def test_no_function_returns_a_password_hash(acme: Organization, staff: User, as_app: AsApp, admin: Connection) -> None:
    calls = [
        "members()",
        "member('{id}')",
        "visible_user_ids()",
        "my_organizations()",
        "current_workspace()",
        "badge('{id}')",
    ]
    with as_app(acme.owner, acme) as connection:
        for call in calls:
            answer = connection.execute(f"SELECT * FROM tenancy.{call.format(id=acme.owner.id)} AS x").fetchall()
            assert "hash of" not in str(answer)
        connection.execute("SELECT tenancy.update_user(%s, password_hash => 'hash of a secret')", [acme.owner.id])
        connection.execute("SELECT tenancy.create_user('n@example.com', password_hash => 'hash of another')")
        audit = connection.execute("SELECT * FROM tenancy.audit_log").fetchall()
        assert "hash of" not in str(audit)
    with as_app(staff) as connection:
        assert "hash of" not in str(connection.execute("SELECT * FROM tenancy.all_users()").fetchall())
    assert "hash of" not in str(admin.execute("SELECT * FROM tenancy.audit_log").fetchall())


@pytest.mark.parametrize(
    ("call", "constraint"),
    [
        ("create_user('new@example.com', 'taken', password_hash => 'hash of x')", "username_taken"),
        ("create_user('owner@example.com', password_hash => 'hash of x')", "email_taken"),
        ("update_user('{id}', username => 'taken', password_hash => 'hash of x')", "username_taken"),
        ("update_user('{id}', password_hash => 'hash of a long one')", "user_data_invalid"),
    ],
)
def test_no_error_shows_a_row(
    acme: Organization, people: People, as_app: AsApp, admin: Connection, call: str, constraint: str
) -> None:
    people.user("taken")
    admin.execute("ALTER TABLE public.users ADD CONSTRAINT users_username_key UNIQUE (username)")
    admin.execute(
        "ALTER TABLE public.users ADD CONSTRAINT users_password_hash_check CHECK (length(password_hash) < 18)"
    )
    with as_app(acme.owner, acme) as connection:
        error = error_of(connection, "SELECT tenancy." + call.format(id=acme.owner.id))
        assert error.diag.constraint_name == constraint
        assert error.diag.message_detail is None
        assert "hash of" not in f"{error} {error.diag.context}"
