"""Invitations: only a token's hash is stored, and the log records its use."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import psycopg

from pg_tenancy.tools.embedded import EmbeddedServer
from pg_tenancy.tools.sqitch import libpq_environment
from support.database import Database
from support.invitations import ACCEPT_ALONE, PEEK, REVOKE, Invite, invite
from support.people import Organization, People
from support.server import Logins, Server

Connection = psycopg.Connection[tuple[Any, ...]]
Connect = Callable[..., Connection]
Entered = Callable[..., AbstractContextManager[Connection]]


def test_a_token_is_in_no_table_no_log_no_statistics_and_no_dump(own_server: EmbeddedServer) -> None:
    server = Server(own_server.dsn(), "own", "secret", str(own_server.bin_dir), own_server.version)
    database, logins = Database(server, server.template()), server.logins()
    tokens: list[str] = []
    with database.connect(autocommit=True) as admin, database.connect(logins.app) as app:
        people = People(admin)
        acme = people.organization("Acme")

        def asked(statement: str, token: str) -> None:
            said = ""
            try:
                with app.transaction():
                    app.execute(statement, [token])
            except psycopg.Error as error:
                said = f"{error} {error.diag.message_detail} {error.diag.context}"
            assert token not in said
            # The statement as another session could see it meanwhile.
            seen = admin.execute("SELECT query FROM pg_stat_activity WHERE pid = %s", [app.info.backend_pid])
            assert token not in str(seen.fetchall())

        for email in ("one@example.com", "two@example.com", "three@example.com"):
            app.execute("SELECT tenancy.enter(%s, %s)", [acme.owner.id, acme.id])
            invitation = invite(app, email)
            if email.startswith("three"):
                app.execute(REVOKE, [invitation.id])
            app.commit()
            tokens.append(invitation.token)
        for token in (tokens[0], tokens[0], tokens[2], "inv_" + "7" * 64):
            for statement in (PEEK, ACCEPT_ALONE):
                asked(statement, token)
        tokens.append("inv_" + "7" * 64)
        entries = admin.execute(
            "SELECT action, count(*) FROM tenancy.audit_log WHERE object_kind = 'invitation' GROUP BY 1 ORDER BY 1"
        ).fetchall()
        secrets = admin.execute(
            "SELECT a::text FROM tenancy.audit_log AS a WHERE a::text ~ 'token|inv_|x[0-9a-f]{64}'"
        ).fetchall()
    assert entries == [("invitation.create", 3), ("invitation.update", 3)]
    assert secrets == []
    dump = subprocess.run(
        [server.program("pg_dump"), "--inserts"],
        env={**os.environ, **libpq_environment(database.dsn())},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    log = own_server.log_tail(1_000_000)
    assert "the invitation is not valid" in log
    assert "INSERT INTO tenancy.invitations VALUES" in dump
    for token in tokens:
        digits = token.removeprefix("inv_")
        assert digits not in log
        assert digits not in dump


def test_the_audit_log_has_one_entry_for_each_change(
    acme: Organization, invited: Invite, as_app: Entered, connect: Connect, logins: Logins
) -> None:
    first, second = invited(acme, "one@example.com", "admin"), invited(acme, "two@example.com")
    with as_app(acme.owner, acme) as connection:
        connection.execute(REVOKE, [second.id])
    row = connect(logins.app, autocommit=True).execute(ACCEPT_ALONE, [first.token]).fetchone()
    assert row is not None
    with as_app(acme.owner, acme) as connection:
        entries = connection.execute(
            "SELECT action, object_id, user_id, array(SELECT jsonb_object_keys(new_values) ORDER BY 1)"
            " FROM tenancy.audit_log WHERE object_kind = 'invitation' ORDER BY occurred_at"
        ).fetchall()
        (new_values,) = connection.execute(
            "SELECT new_values FROM tenancy.audit_log WHERE action = 'invitation.create' AND object_id = %s",
            [str(first.id)],
        ).fetchone() or ({},)
    made = ["accepted_at", "accepted_by_user_id", "created_at", "email", "expires_at", "invited_by_user_id"]
    assert [(action, object_id, user) for action, object_id, user, _ in entries] == [
        ("invitation.create", str(first.id), acme.owner.id),
        ("invitation.create", str(second.id), acme.owner.id),
        ("invitation.update", str(second.id), acme.owner.id),
        # Outside of a workspace: first its use, then the account.
        ("invitation.update", str(first.id), None),
        ("invitation.update", str(first.id), None),
    ]
    assert [keys for _, _, _, keys in entries][2:] == [["revoked_at"], ["accepted_at"], ["accepted_by_user_id"]]
    assert set(made) - {"accepted_at", "accepted_by_user_id"} <= set(new_values)
    assert (new_values["email"], new_values["role"]) == ("one@example.com", "admin")
