"""Users: violations of the application's own constraints and triggers have clear errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from support.people import Organization, People, User
from support.users import error_of, one, words_of

Connection = psycopg.Connection[tuple[Any, ...]]
AsApp = Callable[..., Any]


RULES = (
    "ALTER TABLE public.users ALTER username TYPE varchar(10)",
    "ALTER TABLE public.users ALTER username SET NOT NULL",
    "ALTER TABLE public.users ADD CONSTRAINT users_username_key UNIQUE (username)",
    "ALTER TABLE public.users ADD CONSTRAINT users_last_name_check CHECK (last_name <> 'Nobody')",
    "CREATE UNIQUE INDEX users_first_name_idx ON public.users (lower(first_name)) WHERE first_name <> 'Example'",
)
# Arguments of the functions, and the result: SQLSTATE, name, message, hint.
BROKEN: list[tuple[str, str, tuple[str, str, str, str]]] = [
    (
        "a username that is taken",
        "username => 'taken'",
        ("23505", "username_taken", "an account with this username exists", "Give another username."),
    ),
    (
        "another unique value",
        "username => 'new', first_name => 'TAKEN'",
        (
            "22023",
            "user_data_invalid",
            "another account has a value that users_first_name_idx allows once in public.users",
            "Give another value for lower(first_name).",
        ),
    ),
    (
        "one that is too long",
        "username => 'eleven char'",
        (
            "22023",
            "user_data_invalid",
            "the column username of public.users takes 10 characters at most",
            "Give a shorter value.",
        ),
    ),
    (
        "what a constraint forbids",
        "username => 'new', last_name => 'Nobody'",
        (
            "22023",
            "user_data_invalid",
            "the constraint users_last_name_check of public.users does not allow this",
            "It says: CHECK (last_name <> 'Nobody'::text).",
        ),
    ),
]


@pytest.fixture
def adopted(people: People, admin: Connection) -> User:
    """Add an application's own rules for users, and return a user whose name is taken."""
    for rule in RULES:
        admin.execute(rule)
    return people.user("taken")


def _accepting(as_app: AsApp, acme: Organization) -> str:
    with as_app(acme.owner, acme) as connection:
        token = one(connection, "SELECT token FROM tenancy.invite_member('new@example.com')")
    return f"accept_invitation('{token}'"


def _calls(as_app: AsApp, acme: Organization) -> list[str]:
    """Return the beginnings of all calls that write an account."""
    return ["create_user('new@example.com'", f"update_user('{acme.owner.id}'", _accepting(as_app, acme)]


@pytest.mark.parametrize(("given", "words"), [case[1:] for case in BROKEN], ids=[case[0] for case in BROKEN])
def test_a_rule_of_an_adopted_table_is_refused_in_words(
    acme: Organization, adopted: User, as_app: AsApp, given: str, words: tuple[str, ...]
) -> None:
    calls = _calls(as_app, acme)
    with as_app(acme.owner, acme) as connection:
        for call in calls:
            error = error_of(connection, f"SELECT tenancy.{call}, {given})")
            sqlstate, constraint, message, detail, hint = words_of(error)
            assert (sqlstate, constraint, message, hint) == words, call
            assert detail is None


def test_a_value_that_has_to_be_there_is_asked_for(
    acme: Organization, adopted: User, as_app: AsApp, admin: Connection
) -> None:
    creating, _, accepting = _calls(as_app, acme)
    calls = [creating, accepting]
    message = "the column {} of public.users has to have a value"
    with as_app(acme.owner, acme) as connection:
        for call in calls:
            words = words_of(error_of(connection, f"SELECT tenancy.{call})"))
            assert words == ("22023", "user_data_invalid", message.format("username"), None, "Give a username.")
    admin.execute("ALTER TABLE public.users ADD COLUMN phone text")
    admin.execute("ALTER TABLE public.users ADD CONSTRAINT users_phone_check CHECK (phone IS NOT NULL) NOT VALID")
    admin.execute("UPDATE public.users SET phone = '1'")
    admin.execute("ALTER TABLE public.users ALTER phone SET NOT NULL")
    hint = "Nothing gives it one here: it needs a default."
    with as_app(acme.owner, acme) as connection:
        for call in calls:
            words = words_of(error_of(connection, f"SELECT tenancy.{call}, 'new')"))
            assert words == ("22023", "user_data_invalid", message.format("phone"), None, hint)


def test_a_domain_of_the_application_is_a_rule_too(acme: Organization, as_app: AsApp, admin: Connection) -> None:
    admin.execute("CREATE DOMAIN public.handle AS varchar(10) CONSTRAINT handle_check CHECK (value ~ '^[a-z]+$')")
    admin.execute("ALTER TABLE public.users ALTER username TYPE public.handle")
    calls = _calls(as_app, acme)
    with as_app(acme.owner, acme) as connection:
        for call in calls:
            words = words_of(error_of(connection, f"SELECT tenancy.{call}, username => 'UPPER')"))
            assert words[1:3] == (
                "user_data_invalid",
                "the constraint handle_check of public.handle does not allow this",
            )
            words = words_of(error_of(connection, f"SELECT tenancy.{call}, username => 'aaaaabbbbbc')"))
            assert words[1:3] == (
                "user_data_invalid",
                "the column username of public.users takes 10 characters at most",
            )
    admin.execute("ALTER DOMAIN public.handle SET NOT NULL")
    with as_app(acme.owner, acme) as connection:
        words = words_of(error_of(connection, f"SELECT tenancy.{calls[0]})"))
        assert words[1:3] == ("user_data_invalid", "the column username of public.users has to have a value")


@pytest.mark.parametrize(
    "key",
    [
        "ALTER TABLE public.users ADD CONSTRAINT u UNIQUE (username) INCLUDE (email)",
        "ALTER TABLE public.users ADD CONSTRAINT u UNIQUE (role, username)",
        "CREATE UNIQUE INDEX u ON public.users (lower(username))",
        "CREATE UNIQUE INDEX u ON public.users (username) WHERE role = 'user'",
    ],
)
def test_a_username_is_taken_whatever_the_key_is_called(
    acme: Organization, people: People, as_app: AsApp, admin: Connection, key: str
) -> None:
    people.user("taken")
    admin.execute(key)
    calls = _calls(as_app, acme)
    with as_app(acme.owner, acme) as connection:
        for call in calls:
            error = error_of(connection, f"SELECT tenancy.{call}, username => 'taken')")
            assert (error.sqlstate, error.diag.constraint_name) == ("23505", "username_taken")


def test_a_key_of_the_application_on_addresses_says_that_the_address_is_taken(
    acme: Organization, people: People, as_app: AsApp, admin: Connection
) -> None:
    """A unique key that treats more values as equal than pg-tenancy, here because it ignores dots."""
    people.user("taken", email="t.aken@example.com")
    admin.execute("CREATE UNIQUE INDEX u ON public.users (replace(email, '.', '')) INCLUDE (username)")
    with as_app(acme.owner, acme) as connection:
        for call in ("create_user('taken@example.com')", f"update_user('{acme.owner.id}', 'taken@example.com')"):
            error = error_of(connection, f"SELECT tenancy.{call}")
            assert (error.sqlstate, error.diag.constraint_name) == ("23505", "email_taken")


@pytest.mark.parametrize(
    ("state", "also"),
    [("23514", ""), ("23505", ", CONSTRAINT = 'own', TABLE = 'orders', SCHEMA = 'public'"), ("22001", "")],
)
def test_an_error_of_the_applications_trigger_keeps_its_message(
    acme: Organization, as_app: AsApp, admin: Connection, state: str, also: str
) -> None:
    admin.execute(
        "CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" RAISE EXCEPTION 'own words' USING ERRCODE = '{state}'{also}; END; $$"
    )
    calls = _calls(as_app, acme)
    admin.execute(
        "CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON public.users FOR EACH ROW EXECUTE FUNCTION public.refuse()"
    )
    with as_app(acme.owner, acme) as connection:
        for call in calls:
            error = error_of(connection, f"SELECT tenancy.{call}, username => 'new')")
            assert (error.sqlstate, error.diag.message_primary) == (state, "own words")


def test_allowed_changes_are_written(acme: Organization, adopted: User, as_app: AsApp, admin: Connection) -> None:
    calls = _calls(as_app, acme)
    for number, call in enumerate(calls):
        with as_app(acme.owner, acme) as connection:
            connection.execute(f"SELECT tenancy.{call}, username => 'new{number}     ')")
        if number == 0:
            admin.execute("DELETE FROM public.users WHERE username LIKE 'new0%'")
    assert admin.execute(
        "SELECT trim(username) FROM public.users WHERE username LIKE 'new%' ORDER BY 1"
    ).fetchall() == [
        ("new1",),
        ("new2",),
    ]
