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
    """Return the console for a database, with the two secrets from the environment.

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
    """Prepare a database, and return the shell commands that set the environment. They contain secrets.

    Args:
        dsn: a superuser's DSN.
        login: the name of the first login.

    Raises:
        psycopg.Error: the login lacks rights, or pg-tenancy is not deployed.
    """
    made: Prepared = prepare(dsn, login=login, authenticator=f"{login}_authenticator")
    key = f"{made.ticket_key.key_id}:{made.ticket_key.secret}"
    return "\n".join(
        f"export {name}={shlex.quote(value)}"
        for name, value in (("PG_TENANCY_DSN", made.dsn), (AUTHENTICATOR, made.authenticator), (TICKET_KEY, key))
    )


def why_not_free(host: str, port: int) -> str | None:
    """Return why the server cannot listen on an address, or None if it can."""
    try:
        # As in uvicorn, so that a port is free as soon as its server has ended.
        with socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET):
            return None
    except OSError as error:
        # create_server() repeats the address in strerror; an unknown host has no system errno.
        why = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or str(error)
        return f"cannot listen on {host}, port {port}: {why}"


def serve(app: Starlette, host: str, port: int) -> None:
    """Serve an application until Ctrl-C."""
    # uvicorn stops, and then raises the Ctrl-C that stopped it.
    with suppress(KeyboardInterrupt):
        # An access log would contain addresses, and so the tokens of invitations.
        uvicorn.run(app, host=host, port=port, log_level="warning", access_log=False, server_header=False)
