"""Prepares a database for the console: two logins and a key for tickets."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from pg_tenancy.fastapi.tickets import TicketKey

__all__ = ["Prepared", "prepare"]


@dataclass(frozen=True, slots=True)
class Prepared:
    """The secrets that start the console.

    Attributes:
        dsn: the DSN of the login that enters workspaces, with its password.
        authenticator: the DSN of the login that checks passwords, with its password.
        ticket_key: the key that signs tickets for the first login.
    """

    dsn: str = field(repr=False)
    authenticator: str = field(repr=False)
    ticket_key: TicketKey


def prepare(
    dsn: str, *, login: str = "console", authenticator: str = "console_authenticator", password: str | None = None
) -> Prepared:
    """Prepare a database for the console. Existing logins keep their rights and get new passwords.

    Args:
        dsn: a superuser's DSN: only a superuser can create a login that sees all accounts.
        login: the name of the login that enters workspaces with tickets.
        authenticator: the name of the login that checks passwords.
        password: the password of both; None generates one for each.

    Returns:
        The only copy of the three secrets.

    Raises:
        psycopg.Error: the login lacks rights, or pg-tenancy is not deployed.
    """
    with psycopg.connect(dsn) as connection:
        passwords = {}
        for name, attributes in ((login, "LOGIN"), (authenticator, "LOGIN BYPASSRLS")):
            passwords[name] = password or secrets.token_urlsafe(24)
            _login(connection, name, attributes, passwords[name])
        for grant, to in (
            ("tenancy_credentialed", login),
            ("USAGE ON SCHEMA public", login),
            ("USAGE ON SCHEMA public", authenticator),
            ("SELECT (id, email, password_hash) ON public.users", authenticator),
        ):
            connection.execute(sql.SQL("GRANT {} TO {}").format(sql.SQL(grant), sql.Identifier(to)))
        if _exists(connection, "public.providers"):
            readable = sql.SQL("GRANT SELECT (id, name) ON public.providers TO {}")
            connection.execute(readable.format(sql.Identifier(login)))
        row = connection.execute("SELECT key_id, secret FROM tenancy.create_ticket_key()").fetchall()[0]
    return Prepared(
        make_conninfo(dsn, user=login, password=passwords[login]),
        make_conninfo(dsn, user=authenticator, password=passwords[authenticator]),
        TicketKey(*row),
    )


def _login(connection: psycopg.Connection[Any], name: str, attributes: str, password: str) -> None:
    exists = connection.execute("SELECT FROM pg_catalog.pg_roles WHERE rolname = %s", [name]).fetchall()
    # Sent as a hash, to keep it out of server logs.
    hashed = connection.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256").decode()
    connection.execute(
        sql.SQL("{} ROLE {} {} PASSWORD {}").format(
            sql.SQL("ALTER" if exists else "CREATE"),
            sql.Identifier(name),
            sql.SQL(attributes),
            sql.Literal(hashed),
        )
    )


def _exists(connection: psycopg.Connection[Any], table: str) -> bool:
    return bool(connection.execute("SELECT to_regclass(%s) IS NOT NULL", [table]).fetchall()[0][0])
