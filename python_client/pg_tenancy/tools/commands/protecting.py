"""``pg-tenancy protect``."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg

from pg_tenancy.errors import TenancyError
from pg_tenancy.tools._terminal import Terminal, progress_bar
from pg_tenancy.tools.commands._database import Connection, chosen_dsn, connected, deploying
from pg_tenancy.tools.commands._endings import OK, FailedError, MistakeError, reason
from pg_tenancy.tools.protect import BEGUN, OnProgress, Protection, Shape

__all__ = ["protect"]


@contextmanager
def _silent_driver() -> Iterator[None]:
    """Keep psycopg from logging that a rollback failed after Ctrl-C, which the command reports itself."""
    log = logging.getLogger("psycopg")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)


class _Steps:
    """Shows the steps with their progress, and the server's notices after each step."""

    def __init__(self, terminal: Terminal, connection: Connection) -> None:
        self._terminal = terminal
        self._current = ""
        self._stack = ExitStack()
        self._remarks: list[str] = []
        connection.add_notice_handler(self._remark)

    def begin(self, what: str) -> OnProgress:
        self.end(True)
        self._current = what
        shown: list[OnProgress] = []

        def report(done: int, total: int) -> None:
            # Created at the first report, because many steps take only an instant.
            if not shown:
                shown.append(self._stack.enter_context(progress_bar(self._terminal, what)))
            shown[0](done, total)

        return report

    def end(self, well: bool) -> None:
        self._stack.close()
        if self._current:
            self._terminal.check(well, self._current)
        self._current = ""
        for remark in self._remarks:
            self._terminal.line(f"  ! {remark}", "yellow")
        self._remarks.clear()

    def _remark(self, notice: psycopg.errors.Diagnostic) -> None:
        if notice.severity_nonlocalized in ("WARNING", "NOTICE"):
            more = [each for each in (notice.message_detail, notice.message_hint) if each]
            self._remarks.append("\n    ".join([notice.message_primary or "", *more]))


def protect(
    dsn: str | None,
    table_name: str,
    *,
    parent: str | None,
    author: str | None,
    shared: str | None,
    catalogue: bool,
    contract_file: Path | None,
    batch_size: int,
) -> int:
    """Protect a table without blocking anybody."""
    if (parent is not None) + (author is not None) + catalogue > 1 or (shared is not None and author is None):
        raise MistakeError("--parent, --author and --catalogue exclude each other, and --shared goes with --author")
    try:
        contract = contract_file.read_text(encoding="utf-8") if contract_file else ""
    except OSError as error:
        raise MistakeError(f"{contract_file} cannot be read: {error.strerror}") from None
    terminal = Terminal.stdout()
    with _silent_driver(), connected(chosen_dsn(dsn), deploying) as connection:
        protection = Protection(connection, table_name, Shape(parent, author, shared, catalogue))
        table = protection.table
        if protection.is_protected:
            remark = (
                "Its access is defined by pg-tenancy's own changes."
                if protection.is_shipped
                else "CALL tenancy.protect() changes its options."
            )
            terminal.line(f"Nothing to do: {table} is protected. {remark}")
            return OK
        steps = _Steps(terminal, connection)
        about = "" if protection.rows is None else f", about {protection.rows:,} rows"
        terminal.line(f"{table}{about}. Everybody can keep working.", "bold")
        try:
            protection.run(batch_size, contract, steps.begin)
        except (KeyboardInterrupt, TenancyError, psycopg.Error) as error:
            steps.end(False)
            why = "interrupted" if isinstance(error, KeyboardInterrupt) else reason(error)
            raise FailedError(f"{why}\n{BEGUN}") from error
        steps.end(True)
    opened = "opened by the contract" if contract else "closed until tenancy.allow() opens it"
    terminal.check(True, f"{table} is protected, and {opened}")
    return OK
