"""``pg-tenancy lint``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import psycopg

from pg_tenancy.tools._terminal import Terminal
from pg_tenancy.tools.commands._database import chosen_dsn, connected
from pg_tenancy.tools.commands._endings import FAILED, OK, USAGE, MistakeError, complain, in_words, version
from pg_tenancy.tools.lint import Baseline, BaselineError, lint, read_baseline
from pg_tenancy.tools.lint_changes import read_base, read_changes, read_snapshot
from pg_tenancy.tools.lint_formats import FORMATS, print_table

__all__ = ["check"]


def check(
    dsn: str | None,
    *,
    form: str,
    baseline_file: Path | None,
    fail_on: str,
    tenant_columns: Sequence[str],
    trusted_roles: Sequence[str],
    against: str | None,
) -> int:
    """Lint a database."""
    try:
        given = read_baseline(baseline_file) if baseline_file else Baseline()
        baseline = Baseline(
            given.exemptions,
            tuple(tenant_columns or given.tenant_columns),
            (*given.trusted_roles, *trusted_roles),
        )
        known, before = read_base(against, baseline) if against else (None, {})
        with connected(chosen_dsn(dsn)) as connection:
            snapshot = read_snapshot(connection)
            changes = read_changes(before, snapshot) if against else []
            report = lint(connection, baseline=baseline, known=known, changes=changes)
        report = replace(report, snapshot=snapshot)
    except BaselineError as error:
        raise MistakeError(str(error)) from None
    except psycopg.Error as error:
        complain(in_words(error))
        return USAGE
    if form == "table":
        print_table(report, Terminal.stdout())
    else:
        print(FORMATS[form](report, version()))
    if report.failures:
        complain(f"{len(report.failures)} of {len(report.rules)} rules could not run: {', '.join(report.failures)}")
        return USAGE
    return FAILED if report.at_least(fail_on) else OK
