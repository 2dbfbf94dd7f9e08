"""``pg-tenancy demo``."""

from __future__ import annotations

import json
import os
import signal
import sys

import psycopg

from pg_tenancy.tools._terminal import Terminal
from pg_tenancy.tools.commands._database import chosen_dsn
from pg_tenancy.tools.commands._endings import FAILED, OK, FailedError, in_words
from pg_tenancy.tools.commands.serving import require_console, require_port
from pg_tenancy.tools.demo import GROWN, RENTAL, Demonstration, demonstrate
from pg_tenancy.tools.demo.place import Place
from pg_tenancy.tools.demo.truth import Cast
from pg_tenancy.tools.embedded import EmbeddedServerError
from pg_tenancy.tools.sqitch import SqitchError, SqitchStoppedError

__all__ = ["demo"]


def demo(*, keep: bool, as_json: bool, scale: float, platform: bool, console: bool, port: int) -> int:
    """Migrate a sample platform and show the result."""
    terminal = Terminal(None) if as_json else Terminal.stdout()
    dsn = chosen_dsn(None) if os.environ.get("PG_TENANCY_DSN") else None
    if console:
        # Checked before the migration, which takes minutes.
        require_console()
        require_port("127.0.0.1", port)
    try:
        with Place(dsn) as place:
            result = demonstrate(place, terminal, scale=scale, shape=RENTAL if platform else GROWN)
            if not keep:
                # The database will be dropped.
                result.connections, result.statements = {}, []
            if console and result.cast is not None:
                _show_console(terminal, place, result.cast, port)
            if as_json:
                print(json.dumps(result.document(), indent=2), flush=True)
            else:
                _tell_end(terminal, place, result, kept=keep)
            if keep and place.server is not None:
                _wait(terminal)
            elif keep:
                place.keep()
    except SqitchStoppedError:
        # The database is dropped, so the same command starts again from the beginning.
        raise KeyboardInterrupt from None
    except (SqitchError, EmbeddedServerError, psycopg.Error) as error:
        if as_json:
            message = in_words(error) if isinstance(error, psycopg.Error) else error
            print(json.dumps({"ok": False, "failures": [str(message)]}, indent=2))
        if isinstance(error, psycopg.errors.InsufficientPrivilege):
            raise FailedError(
                f"{error.diag.message_primary}\nThe demonstration creates roles and a database: set PG_TENANCY_DSN to a"
                " superuser's, or unset it to start a private server."
            ) from error
        raise
    return FAILED if result.failures else OK


def _show_console(terminal: Terminal, place: Place, cast: Cast, port: int) -> None:
    from pg_tenancy.tools.console import serve
    from pg_tenancy.tools.demo.console import console_of

    with console_of(place, cast) as shown:
        terminal.heading("The console")
        terminal.line(f"  http://127.0.0.1:{port}/  until Ctrl-C, with the password {shown.password}")
        terminal.table(["log in as", "role", "in"], [[email, what, where] for what, email, where in shown.people])
        serve(shown.app, "127.0.0.1", port)


def _tell_end(terminal: Terminal, place: Place, result: Demonstration, *, kept: bool) -> None:
    if kept:
        terminal.heading("Try it")
        for who, shown in result.connections.items():
            terminal.line(f"  {who + ':':<17}{shown}")
        terminal.line()
        for statement in result.statements:
            terminal.line(f"  {statement}")
    terminal.line()
    if result.failures:
        terminal.check(False, f"{len(result.failures)} checks failed:")
        for failure in result.failures:
            terminal.line(f"    {failure}")
    else:
        terminal.check(True, f"all checks passed, in {result.seconds:.1f} s")
    if kept and place.server is None:
        terminal.line("  To remove everything:")
        for command in place.how_to_remove:
            terminal.line(f"  {command}")
    elif not kept:
        terminal.line("  Everything was removed. To try things yourself: pg-tenancy demo --keep")


def _wait(terminal: Terminal) -> None:
    try:
        terminal.line("  The server runs until Ctrl-C.")
        while True:
            signal.pause()
    except KeyboardInterrupt:
        print(file=sys.stderr)
