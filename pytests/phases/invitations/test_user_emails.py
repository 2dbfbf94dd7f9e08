"""Invitations: accounts are found by address with an index, and revealed to nobody."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any
from uuid import UUID

import psycopg
import pytest

from support.database import Database
from support.people import Organization, People, User
from support.replay import Replay
from support.scripts import ScriptError
from support.server import Logins
from support.two_tenants import refused

Connection = psycopg.Connection[tuple[Any, ...]]
Connect = Callable[..., Connection]


def keys(admin: Connection) -> list[tuple[str, UUID]]:
    return admin.execute("SELECT email, user_id FROM tenancy_private.user_emails ORDER BY 1, 2").fetchall()


def test_addresses_follow_the_table_of_users(
    admin: Connection, connect: Connect, logins: Logins, people: People
) -> None:
    # As in a table that was adopted.
    admin.execute("ALTER TABLE public.users ALTER COLUMN email DROP NOT NULL")
    service = connect(logins.service, autocommit=True)
    ids = [UUID(int=number) for number in range(1, 9)]
    service.cursor().executemany(
        "INSERT INTO public.users (id, email) VALUES (%s, %s)",
        zip(
            ids,
            ["A@x", " b@X\n", "a@x", None, "", "  ", "x" * 321, "ÉTÉ@x"],
            strict=True,
        ),
    )
    assert keys(admin) == [("a@x", ids[0]), ("a@x", ids[2]), ("b@x", ids[1]), ("été@x", ids[7])]

    change = "UPDATE public.users SET email = %s WHERE id = %s"
    for id_, email in ((ids[0], "C@x"), (ids[1], None), (ids[3], "d@x"), (ids[7], "Été@x"), (ids[6], "z" * 9000)):
        service.execute(change, [email, id_])
    assert keys(admin) == [("a@x", ids[2]), ("c@x", ids[0]), ("d@x", ids[3]), ("été@x", ids[7])]

    service.execute("UPDATE public.users SET email = lower(email) || '.org' WHERE email ~ '@x$'")
    service.execute("DELETE FROM public.users WHERE id = %s", [ids[2]])
    assert keys(admin) == [("c@x.org", ids[0]), ("d@x.org", ids[3]), ("été@x.org", ids[7])]

    service.execute(
        "INSERT INTO public.users (id, email) VALUES (%s, 'new@x'), (%s, 'other@x')"
        " ON CONFLICT (id) DO UPDATE SET email = excluded.email",
        [ids[0], UUID(int=99)],
    )
    with admin.cursor().copy("COPY public.users (id, email) FROM STDIN") as copy:
        copy.write_row((UUID(int=100), "copied@x"))
    assert [email for email, _ in keys(admin)] == ["copied@x", "d@x.org", "new@x", "other@x", "été@x.org"]


def test_an_address_is_found_among_many_by_an_index(admin: Connection, people: People) -> None:
    admin.execute(
        "INSERT INTO public.users (email) SELECT 'user' || n || '@example.com' FROM generate_series(1, 20000) AS n"
    )
    admin.execute("ANALYZE tenancy_private.user_emails")
    found = admin.execute(
        "SELECT u.email FROM public.users AS u WHERE u.id = tenancy_private.user_with_email(' USER777@example.com')"
    ).fetchall()
    assert found == [("user777@example.com",)]
    plan = admin.execute(
        "EXPLAIN SELECT user_id FROM tenancy_private.user_emails WHERE email = tenancy_private.email_key('A@b')"
    ).fetchall()
    assert "user_emails_pkey" in str(plan)


MANY = 30_000
FILL = (
    "INSERT INTO public.users (id, email) SELECT ('00000000-0000-0000-0001-' || lpad(to_hex(n), 12, '0'))::uuid,"
    " CASE WHEN n %% 100 > 0 THEN 'User' || n %% 29000 || '@example.com' WHEN n %% 200 > 0 THEN ' ' END"
    " FROM generate_series(1, %s) AS n"
)
WRONG = """
SELECT count(*) FROM public.users AS u FULL JOIN tenancy_private.user_emails AS e ON u.id = e.user_id
WHERE e.email IS DISTINCT FROM nullif(btrim(lower(u.email)), '')
"""


@pytest.fixture
def unfilled(database_at: Callable[[str], Database]) -> Database:
    """Return a database at phase 2 with many users, some of them without an address or with another's."""
    database = database_at("@phase-2")
    with database.connect() as connection:
        connection.execute("ALTER TABLE public.users ALTER COLUMN email DROP NOT NULL")
        connection.execute(FILL, [MANY])
    return database


def test_the_addresses_of_those_who_were_here_before_are_taken(unfilled: Database, logins: Logins) -> None:
    run, locked = Replay(unfilled), UUID(int=(1 << 48) + 7)
    # It does not wait for locked rows, and the value written there counts.
    with unfilled.connect(logins.old) as old, unfilled.connect(autocommit=True) as admin:
        run.deploy("kernel/user_emails")
        old.execute("UPDATE public.users SET updated_at = now() WHERE id = %s", [UUID(int=(1 << 48) + 8)])
        old.execute("UPDATE public.users SET email = 'Changed@example.com' WHERE id = %s", [locked])
        timer = threading.Timer(1.0, old.commit)
        timer.start()
        run.deploy("@phase-3")
        timer.join()
        run.verify()
        assert admin.execute(WRONG).fetchone() == (0,)
        found = admin.execute("SELECT email FROM tenancy_private.user_emails WHERE user_id = %s", [locked]).fetchone()
        assert found == ("changed@example.com",)
        assert admin.execute("SELECT count(*) FROM tenancy_private.user_emails").fetchone() == (MANY * 99 // 100,)


def test_a_backfill_that_was_killed_goes_on(unfilled: Database) -> None:
    run = Replay(unfilled)
    run.deploy("kernel/user_emails")
    with unfilled.connect(autocommit=True) as watcher:

        def kill() -> None:
            while True:
                count = watcher.execute("SELECT count(*) FROM tenancy_private.user_emails").fetchone()
                if count is not None and count[0] >= 4000:
                    break
            watcher.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND query LIKE '%in_batches%' AND pid <> pg_backend_pid()"
            )

        killer = threading.Thread(target=kill)
        killer.start()
        with pytest.raises(ScriptError):
            run.deploy("kernel/user_emails_backfill")
        killer.join()
        kept = watcher.execute("SELECT count(*) FROM tenancy_private.user_emails").fetchone()
        assert kept is not None
        assert 4000 < kept[0] < MANY * 99 // 100
        run.deploy("@phase-3")
        run.verify()
        assert watcher.execute(WRONG).fetchone() == (0,)


def test_the_old_application_goes_on_with_several_accounts_of_one_address(
    connect: Connect, logins: Logins, admin: Connection
) -> None:
    old = connect(logins.old, autocommit=True)
    for _ in range(3):
        old.execute("INSERT INTO public.users (email, username) VALUES ('shared@example.com', 'shared')")
    old.execute("UPDATE public.users SET email = 'SHARED@example.com' WHERE username = 'shared'")
    assert [email for email, _ in keys(admin)] == ["shared@example.com"] * 3


def test_no_application_role_finds_out_which_addresses_there_are(
    people: People, acme: Organization, connect: Connect, logins: Logins
) -> None:
    people.user("bob")
    for login in (logins.app, logins.credentialed, logins.service, logins.auditor):
        connection = connect(login, autocommit=True)
        for statement in (
            "SELECT email FROM tenancy_private.user_emails",
            "SELECT tenancy_private.user_with_email('bob@example.com')",
            "SELECT tenancy_private.lock_email('bob@example.com')",
            "SELECT tenancy_private.new_user('x@example.com', NULL, NULL, NULL, NULL)",
            "SELECT tenancy_private.add_member(NULL, NULL, 'owner')",
        ):
            with refused("42501"):
                connection.execute(statement)


def test_an_account_of_a_known_address_is_not_made(admin: Connection, people: People) -> None:
    bob: User = people.user("bob")
    statement = "SELECT tenancy_private.new_user(%s, 'b', NULL, NULL, NULL)"
    admin.execute("SET ROLE tenancy_owner")
    with refused("23505", "email_taken"):
        admin.execute(statement, [bob.email.upper()])
    with refused("22023", "email_invalid"):
        admin.execute(statement, ["bob"])
    admin.execute(statement, [" robert@example.com "])
    assert admin.execute("SELECT email FROM public.users WHERE username = 'b'").fetchall() == [("robert@example.com",)]
