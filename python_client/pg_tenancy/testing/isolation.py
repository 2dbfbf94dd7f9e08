"""Whether a table or a function shows or changes rows of another tenant.

A table is tried as it stands; then with everything granted and a policy that opens
everything beside its floor, which alone has to isolate; and through the views and
functions that lead to it. What nobody may do proves something only where the same works
on one's own rows, so that is tried, too, and counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import psycopg

from pg_tenancy.testing._cells import Cast, Connection, Report, alone
from pg_tenancy.testing._doors import Rows, function_door, go_through
from pg_tenancy.testing._questions import Questions
from pg_tenancy.testing._rows import PROTECTED, RowMaker, SetUpError, Table, Values

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
    """Try to see and change rows of another tenant in a protected table.

    Args:
        connection: a superuser's; what happens in it is undone.
        table: the table's name, with its schema where the search path needs it.
        role: the role of the application's login.
        values: values of columns that the test would choose badly, by the name of the
            table with its schema: of this table and of those that it refers to.
        functions: arguments for each function that uses the table with the rights of its
            owner, by its signature, such as ``public.total(uuid)``.
        exempt: views and functions that need not be isolated, each with the reason.
        coverage: also drop each policy in turn, and switch row-level security off, and
            require that something notices.

    Returns:
        What was tried; ``Report.require`` raises what is wrong.

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
    """Try to learn of another tenant's rows by calling a function, or to change them.

    What the function returns or raises must be the same whether another tenant has rows
    or not, and must differ when one's own rows come: that is the control.

    Args:
        connection: a superuser's; what happens in it is undone.
        function: its name with its schema, such as ``public.report``, or its signature.
        arguments: the values that it is called with; ``RowOf("public.projects")`` stands
            for the id of a row.
        role: the role of the application's login.
        organization_role: the role of the person who calls it in the organization.
        values: as for ``check_table``.
        tables: the protected tables in which rows are made; all of them, if left out.

    Returns:
        What was tried.
    """
    report = Report(function)
    with alone(connection):
        try:
            maker = RowMaker(connection, values or {})
            cast = Cast(connection, maker)
            names: Sequence[str | int] = tables or [oid for (oid,) in connection.execute(PROTECTED).fetchall()]
            rows = Rows(maker, [Table.of(connection, name) for name in names])
            door = function_door(connection, function, arguments)
            go_through(connection, door, rows, cast, role, organization_role, report)
        except (SetUpError, psycopg.Error) as error:
            report.not_tested("everything", str(error))
    return report
