"""Checks that a table or a function does not show or change another tenant's rows.

A table is tried as it is; then with everything granted and permitted, so that only its floor
isolates; and through the views and functions that lead to it. A refusal proves something only
if the same attempt works on the person's own rows, so these controls are made and counted too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import psycopg

from pg_tenancy.testing._cells import Cast, Connection, Report, alone
from pg_tenancy.testing._doors import Rows, function_door, go_through
from pg_tenancy.testing._questions import Questions
from pg_tenancy.testing._rows import PROTECTED, RowMaker, SetUpError, Values

__all__ = ["check_function", "check_table"]


def check_table(
    connection: Connection,
    table: str,
    *,
    role: str = "tenancy_app",
    values: Mapping[str, Values] | None = None,
    functions: Mapping[str, Sequence[object]] | None = None,
    exempt: Mapping[str, str] | None = None,
    coverage: bool = False,
) -> Report:
    """Try to see and change another tenant's rows in a protected table.

    Args:
        connection: a superuser's connection; all changes are rolled back.
        table: the table's name, with its schema unless the search path finds it.
        role: the role of the application's login.
        values: values for columns whose generated values would be wrong, by table with
            schema; for this table and those that it refers to.
        functions: arguments for each function that uses the table with its owner's rights, by
            signature, such as ``public.total(uuid)``.
        exempt: views and functions that need not be isolated, each with the reason.
        coverage: also drop each policy in turn, and disable row-level security, and require
            that an attempt notices.

    Returns:
        The attempts; ``Report.require`` raises an error if one failed.

    Raises:
        ValueError: an exemption without a reason.
    """
    if not all(reason.strip() for reason in (exempt or {}).values()):
        msg = "an exemption needs a reason"
        raise ValueError(msg)
    report = Report(table)
    with alone(connection):
        try:
            questions = Questions(connection, table, role, values or {}, functions or {}, exempt or {})
            report = Report(questions.table.full_name)
            for _ in questions.ask(report):
                pass
            if coverage and not report.problems:
                questions.cover(report)
        except (SetUpError, psycopg.Error) as error:
            report.not_tested("everything", str(error))
    return report


def check_function(
    connection: Connection,
    function: str,
    arguments: Sequence[object] = (),
    *,
    role: str = "tenancy_app",
    organization_role: str = "owner",
    values: Mapping[str, Values] | None = None,
    tables: Sequence[str] | None = None,
) -> Report:
    """Try to see or change another tenant's rows by calling a function.

    Its result or error must not depend on another tenant's rows, and must depend on the caller's
    own rows, which is the control.

    Args:
        connection: a superuser's connection; all changes are rolled back.
        function: its name with its schema, such as ``public.report``, or its signature.
        arguments: its arguments; ``RowOf("public.projects")`` stands for a row's id.
        role: the role of the application's login.
        organization_role: the role of the person who calls it in the organization.
        values: as for ``check_table``.
        tables: the protected tables in which to create rows; default: all.

    Returns:
        The attempts; ``Report.require`` raises an error if one failed.
    """
    report = Report(function)
    with alone(connection):
        try:
            maker = RowMaker(connection, values or {})
            cast = Cast(maker)
            names: Sequence[str | int] = tables or [oid for (oid,) in connection.execute(PROTECTED).fetchall()]
            rows = Rows(maker, [maker.table(name) for name in names])
            door = function_door(connection, function, arguments)
            go_through(connection, door, rows, cast, role, organization_role, report)
        except (SetUpError, psycopg.Error) as error:
            report.not_tested("everything", str(error))
    return report
