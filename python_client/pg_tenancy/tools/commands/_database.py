"""The database of a command, and what its login lacks."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any, Final

import psycopg
from psycopg.conninfo import conninfo_to_dict

from pg_tenancy.tools.commands._endings import FailedError, MistakeError
from pg_tenancy.tools.sqitch import libpq_environment

__all__ = ["chosen_dsn", "confirm", "connected", "deployer", "deploying", "looking", "reading_roles", "require_rights"]

# In seconds. By default libpq waits for minutes if no server answers.
_PATIENCE: Final[dict[str, Any]] = {"connect_timeout": 15}

Connection = psycopg.Connection[Any]

Remedy = Callable[[Connection, str], str]
"""Takes a connection and its login, quoted for SQL, and returns what to do if a right is missing."""


def chosen_dsn(given: str | None) -> str:
    """Return the DSN to use. Errors never show it, because it may hold a password."""
    dsn = given or os.environ.get("PG_TENANCY_DSN")
    whence = "the DSN" if given else "PG_TENANCY_DSN"
    if not dsn:
        raise MistakeError("no database given. Give a DSN, postgresql://user@host/database, or set PG_TENANCY_DSN")
    try:
        parts = conninfo_to_dict(dsn)
        libpq_environment(dsn)
    except psycopg.Error:
        driver = re.match(r"postgres(?:ql)?(\+\w+)://", dsn)
        if driver:
            raise MistakeError(f"{whence} is a URL of SQLAlchemy: leave out {driver[1]}") from None
        raise MistakeError(
            f'{whence} is neither a URI (postgresql://user@host/database) nor a list "keyword=value ..." of'
            " libpq's keywords"
        ) from None
    except ValueError as error:
        raise MistakeError(f"{whence}: {error}") from None
    # An unescaped @ in a password makes its rest part of the host, which errors show.
    if "@" in str(parts.get("host") or "") or not str(parts.get("port") or "0").replace(",", "").isdigit():
        raise MistakeError(f"{whence} has no valid host and port: write an @ in the password as %40, a / as %2F")
    return dsn


@contextmanager
def connected(dsn: str, remedy: Remedy | None = None) -> Iterator[Connection]:
    """Yield a connection, closed at the end of the block.

    Args:
        dsn: the database.
        remedy: what to do if the login lacks a right that the block needs.

    Raises:
        FailedError: the login lacks a right; the message has the remedy.

    """
    patience = {} if "connect_timeout" in conninfo_to_dict(dsn) or os.environ.get("PGCONNECT_TIMEOUT") else _PATIENCE
    with closing(
        psycopg.connect(dsn, autocommit=True, fallback_application_name="pg-tenancy", **patience)
    ) as connection:
        try:
            yield connection
        except psycopg.errors.InsufficientPrivilege as error:
            if remedy is None or connection.closed:
                raise
            raise FailedError(f"{error.diag.message_primary}\n{remedy(connection, _login(connection))}") from error


def _login(connection: Connection) -> str:
    return str(connection.execute("SELECT pg_catalog.quote_ident(session_user)").fetchall()[0][0])


def looking(_connection: Connection, login: str) -> str:
    """Return how a login can be allowed to read sqitch's records."""
    return f"GRANT USAGE ON SCHEMA sqitch TO {login}; GRANT SELECT ON ALL TABLES IN SCHEMA sqitch TO {login};"


def deploying(connection: Connection, _login: str) -> str:
    """Return which login can deploy, verify and revert."""
    return f"Connect as the login that deployed{deployer(connection)}, or as a superuser."


def reading_roles(connection: Connection, login: str) -> str:
    """Return how a login can be allowed to read roles and permissions."""
    return f"GRANT tenancy_service TO {login}; or connect as the login that deployed{deployer(connection)}."


def require_rights(connection: Connection, *, write: bool) -> None:
    """Refuse a login that lacks rights, before sqitch starts.

    Args:
        connection: to the database.
        write: whether the command deploys or reverts, not only verifies.

    Raises:
        FailedError: the login lacks rights; the message says what to do.

    """
    may_create, has_record, may_note, may_compare, database, owner = connection.execute(_RIGHTS).fetchall()[0]
    login = _login(connection)
    if write and not has_record and not may_create:
        raise FailedError(
            f"{login} may not create schemas in database {database}\n"
            f"GRANT CREATE ON DATABASE {database} TO {login}; or connect as its owner, {owner}, or as a superuser."
        )
    if has_record and (not may_compare or (write and not may_note)):
        what = "deploy or revert here" if write else "verify what is deployed here"
        raise FailedError(f"{login} may not {what}\n{deploying(connection, login)}")


_RIGHTS: Final = """
SELECT
    has_database_privilege(d.oid, 'CREATE'),
    r.oid IS NOT NULL,
    has_table_privilege(r.oid, 'INSERT'),
    p.oid IS NULL OR has_schema_privilege(p.oid, 'USAGE'),
    quote_ident(d.datname),
    quote_ident(pg_get_userbyid(d.datdba))
FROM pg_catalog.pg_database AS d
LEFT JOIN (
    pg_catalog.pg_class AS r INNER JOIN pg_catalog.pg_namespace AS s
    ON r.relnamespace = s.oid AND (s.nspname, r.relname) = ('sqitch', 'changes')
) ON true
LEFT JOIN pg_catalog.pg_namespace AS p ON p.nspname = 'tenancy_private'
WHERE d.datname = current_database()
"""


def deployer(connection: Connection) -> str:
    """Return ``, `` and the login that deployed, or nothing if that is unknown."""
    # The owner of sqitch's schema, which every login may look up.
    found = connection.execute(
        "SELECT pg_catalog.quote_ident(r.rolname) FROM pg_catalog.pg_namespace AS n"
        " INNER JOIN pg_catalog.pg_roles AS r ON n.nspowner = r.oid WHERE n.nspname = 'sqitch'"
    ).fetchone()
    return f", {found[0]}" if found else ""


def confirm(what: str, *, unasked: str, refused: str) -> None:
    """Ask whether to continue.

    Args:
        what: what the command will do.
        unasked: the same in few words, for the error if the input is not a terminal.
        refused: the message after a no.

    """
    if not sys.stdin.isatty():
        raise MistakeError(f"{unasked}, and the input is not a terminal: confirm with --yes")
    print(what)
    try:
        answer = input("Continue? [y/N] ")
    except EOFError:
        answer = ""
    if answer.strip().lower() not in ("y", "yes"):
        raise FailedError(refused)
