"""``pg-tenancy console``."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Final

import psycopg

from pg_tenancy.tools.commands._database import chosen_dsn, connected
from pg_tenancy.tools.commands._endings import OK, FailedError, MistakeError

__all__ = ["require_console", "require_port", "serve_console"]

_UNDEPLOYED: Final = "pg-tenancy is not deployed to this database. Run pg-tenancy deploy first."


def serve_console(dsn: str | None, *, prepare: bool, login: str, host: str, port: int, address: str | None) -> int:
    """Serve the console, or prepare a database for it."""
    require_console()
    from pg_tenancy.tools.console import app_of, prepare_in_words, serve

    database = chosen_dsn(dsn)
    if prepare:
        try:
            print(prepare_in_words(database, login))
        except psycopg.errors.InsufficientPrivilege as error:
            raise FailedError(
                f"{error.diag.message_primary}\n--prepare creates two logins and a key: connect as a superuser."
            ) from error
        except (psycopg.errors.UndefinedObject, psycopg.errors.UndefinedTable) as error:
            raise FailedError(f"{error.diag.message_primary}\n{_UNDEPLOYED}") from error
        return OK
    try:
        app = app_of(database, secure=address is not None, address=address)
    except ValueError as error:
        raise MistakeError(str(error)) from None
    require_port(host, port)
    with connected(database) as connection:
        if connection.execute("SELECT to_regnamespace('tenancy') IS NULL").fetchone() == (True,):
            raise FailedError(_UNDEPLOYED)
    print(f"{address or f'http://{host}:{port}'}/  until Ctrl-C", flush=True)
    serve(app, host, port)
    return OK


def require_console() -> None:
    """Refuse if the console's dependencies are not installed."""
    if find_spec("uvicorn") is None or find_spec("jinja2") is None:
        raise FailedError('the console needs an extra: pip install "pg-tenancy[console]"')


def require_port(host: str, port: int) -> None:
    """Refuse if the port is in use."""
    from pg_tenancy.tools.console import why_not_free

    if why := why_not_free(host, port):
        raise FailedError(f"{why}\nChoose another one with --port.")
