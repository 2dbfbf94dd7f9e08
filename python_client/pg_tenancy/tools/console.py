"""``pg-tenancy console``: serves the console, and prepares a database for it."""

from __future__ import annotations

import os
import shlex
import socket
from contextlib import suppress
from typing import Final

import uvicorn
from starlette.applications import Starlette

from pg_tenancy.console import Prepared, TicketKey, console_app, prepare

__all__ = ["AUTHENTICATOR", "TICKET_KEY", "app_of", "prepare_in_words", "serve"]

AUTHENTICATOR: Final = "PG_TENANCY_AUTHENTICATOR_DSN"
TICKET_KEY: Final = "PG_TENANCY_TICKET_KEY"


def app_of(dsn: str, *, secure: bool, address: str | None = None) -> Starlette:
    """Return the console for a database, with the two secrets of the environment.

    Raises:
        ValueError: a secret is missing or malformed.
    """
    missing = [name for name in (AUTHENTICATOR, TICKET_KEY) if not os.environ.get(name)]
    if missing:
        msg = f"set {' and '.join(missing)}: pg-tenancy console --prepare prints them"
        raise ValueError(msg)
    return console_app(
        dsn,
        authenticator=os.environ[AUTHENTICATOR],
        ticket_key=TicketKey.parse(os.environ[TICKET_KEY]),
        secure=secure,
        address=address,
    )


def prepare_in_words(dsn: str, login: str) -> str:
    """Prepare a database, and return what to type then: with secrets in it.

    Args:
        dsn: the database, as a superuser.
        login: the name of the first of the two logins.

    Raises:
        psycopg.Error: the login may not, or pg-tenancy is not deployed there.
    """
    made: Prepared = prepare(dsn, login=login, authenticator=f"{login}_authenticator")
    key = f"{made.ticket_key.key_id}:{made.ticket_key.secret}"
    return "\n".join(
        f"export {name}={shlex.quote(value)}"
        for name, value in (("PG_TENANCY_DSN", made.dsn), (AUTHENTICATOR, made.authenticator), (TICKET_KEY, key))
    )


def why_not_free(host: str, port: int) -> str | None:
    """Return why nothing can listen at an address, or None if something can."""
    try:
        # As uvicorn does: a port whose last server has just ended is free.
        with socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET):
            return None
    except OSError as error:
        # create_server() repeats the address in strerror; a name that is not known has no errno of the system.
        why = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or str(error)
        return f"cannot listen on {host}, port {port}: {why}"


def serve(app: Starlette, host: str, port: int) -> None:
    """Serve an application until Ctrl-C."""
    # uvicorn ends, and then passes on the Ctrl-C that it was ended with.
    with suppress(KeyboardInterrupt):
        # Of each request its address would be logged, and with it the token of an invitation.
        uvicorn.run(app, host=host, port=port, log_level="warning", access_log=False, server_header=False)
