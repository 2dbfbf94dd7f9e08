"""``pg-tenancy assign``."""

from __future__ import annotations

import psycopg

from pg_tenancy.errors import TenancyError
from pg_tenancy.tools._terminal import Terminal, printable, progress_bar
from pg_tenancy.tools.assign import Assignment
from pg_tenancy.tools.commands._database import chosen_dsn, confirm, connected
from pg_tenancy.tools.commands._endings import OK, FailedError, reason

__all__ = ["assign"]


def assign(dsn: str | None, table_name: str, organization: str, *, condition: str, batch_size: int, yes: bool) -> int:
    """Assign legacy rows to an organization, after a confirmation."""
    terminal = Terminal.stdout()
    with connected(chosen_dsn(dsn)) as connection:
        assignment = Assignment(connection, table_name, organization, condition=condition, batch_size=batch_size)
        table, total = assignment.table, assignment.total
        name = printable(assignment.organization_name)
        if not total:
            terminal.line(f"Nothing to assign: {table} has no such legacy rows.")
            return OK
        rows = f"{total:,} {'row' if total == 1 else 'rows'} of {table}"
        if not yes:
            confirm(
                f"This assigns {rows} to {name} ({assignment.organization_id}). No command takes them back.",
                unasked=f"this assigns {rows} to {name}",
                refused="nothing was assigned",
            )
        given = 0
        with progress_bar(terminal, table) as show:

            def on_batch(done: int, of: int) -> None:
                nonlocal given
                given = done
                show(done, of)

            try:
                assignment.run(on_batch)
            except (KeyboardInterrupt, TenancyError, psycopg.Error) as error:
                why = "interrupted" if isinstance(error, KeyboardInterrupt) else reason(error)
                if not given and why != "interrupted":
                    raise FailedError(why) from error
                raise FailedError(
                    f"{why}\n{given:,} of {total:,} rows were assigned and stay assigned; the same command continues"
                ) from error
    terminal.check(True, f"{given:,} {'row' if given == 1 else 'rows'} of {table} assigned to {name}")
    return OK
