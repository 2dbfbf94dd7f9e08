"""Views and functions that lead to a table, and whether they isolate."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import psycopg
from psycopg import sql

from pg_tenancy.testing._cells import Cast, Connection, Report, Statement, act, undone
from pg_tenancy.testing._rows import Place, Row, RowMaker, RowOf, SetUpError, Table

__all__ = ["Door", "Rows", "definer_functions", "function_door", "go_through", "state_of", "views_of"]

# Includes views of views. The columns are those that the role may read.
# A door's answer, starting with the part that may be printed, and whether it changed rows of each tenant.
Used: TypeAlias = tuple[tuple[str, object], bool, bool]

VIEWS: Final = """
WITH RECURSIVE reached AS (
    SELECT %(table)s::pg_catalog.oid AS id
    UNION
    SELECT w.ev_class
    FROM reached AS r
    INNER JOIN pg_catalog.pg_depend AS d
        ON d.refclassid = 'pg_class'::regclass AND d.refobjid = r.id AND d.classid = 'pg_rewrite'::regclass
    INNER JOIN pg_catalog.pg_rewrite AS w ON d.objid = w.oid AND w.ev_class <> r.id
)
SELECT
    n.nspname, c.relname, c.relkind = 'm',
    ARRAY(
        SELECT a.attname FROM pg_catalog.pg_attribute AS a
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
            AND has_column_privilege(%(role)s, c.oid, a.attnum, 'SELECT')
        ORDER BY a.attnum
    ),
    has_table_privilege(%(role)s, c.oid, 'DELETE')
FROM reached AS r
INNER JOIN pg_catalog.pg_class AS c ON r.id = c.oid
INNER JOIN pg_catalog.pg_namespace AS n ON c.relnamespace = n.oid
WHERE c.relkind IN ('v', 'm') AND {condition}
ORDER BY 1, 2
"""

USABLE: Final = """
(has_any_column_privilege(%(role)s, c.oid, 'SELECT') OR has_table_privilege(%(role)s, c.oid, 'DELETE'))
"""

# All functions of the application. Only a function's text shows which tables it uses.
FUNCTIONS: Final = """
SELECT
    p.oid::regprocedure::text,
    p.proname,
    coalesce(pg_catalog.pg_get_function_sqlbody(p.oid), p.prosrc),
    p.prosecdef
    AND p.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)
    AND has_function_privilege(%s, p.oid, 'EXECUTE')
FROM pg_catalog.pg_proc AS p
INNER JOIN pg_catalog.pg_namespace AS n ON p.pronamespace = n.oid
WHERE p.prokind IN ('f', 'p')
    AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'tenancy', 'tenancy_private', 'tenancy_archive')
    -- Functions of extensions do not use the application's tables.
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS d WHERE d.objid = p.oid AND d.deptype = 'e')
ORDER BY 1
"""

FUNCTION: Final = """
SELECT p.oid::regprocedure::text, p.prokind::text, n.nspname, p.proname
FROM pg_catalog.pg_proc AS p
INNER JOIN pg_catalog.pg_namespace AS n ON p.pronamespace = n.oid
WHERE p.oid = CASE WHEN %(name)s ~ '[(]' THEN to_regprocedure(%(name)s)::oid ELSE to_regproc(%(name)s)::oid END
"""


@dataclass(frozen=True, eq=False)
class Door:
    """A statement that may lead to rows of a table.

    Attributes:
        name: for messages.
        statement: what is run.
        arguments: the values of its placeholders; ``RowOf`` stands for a row's value.

    """

    name: str
    statement: Statement
    arguments: Sequence[object] = ()

    @property
    def takes_rows(self) -> bool:
        """Return whether the door takes a row's value."""
        return any(isinstance(argument, RowOf) for argument in self.arguments)

    def values(self, rows: Mapping[str, Row]) -> list[Any]:
        """Return the arguments, with the values of these rows for ``RowOf``.

        Raises:
            SetUpError: the test creates no row in that table.
        """
        return [_value(argument, rows) if isinstance(argument, RowOf) else argument for argument in self.arguments]


def _value(argument: RowOf, rows: Mapping[str, Row]) -> Any:
    try:
        return rows[argument.table][argument.column]
    except KeyError:
        raise SetUpError(f"the test has no {argument.column} of {argument.table} to call a function with") from None


class Rows:
    """Creates a row in each of some tables."""

    def __init__(self, maker: RowMaker, tables: Sequence[Table]) -> None:
        self._maker = maker
        self.tables = tables

    def make(self, place: Place) -> dict[str, Row]:
        """Create the rows of a workspace, and return them by table name."""
        return {table.full_name: self._maker.row(table, place) for table in self.tables}


def state_of(connection: Connection, tables: Sequence[Table], place: Place) -> list[Any]:
    """Return all rows of a workspace in these tables, with xmin, so that even a write without changes shows."""
    state: list[Any] = []
    for table in tables:
        query = sql.SQL("SELECT t.xmin::text || t::text FROM {} AS t WHERE t.{} = %s ORDER BY 1")
        state += connection.execute(query.format(table.sql, sql.Identifier(table.owner_column)), [place.id]).fetchall()
    return state


def views_of(connection: Connection, table: Table, role: str) -> list[tuple[str, bool, list[Door]]]:
    """Return the views of a table that a role may use: name, whether it is materialized, and the ways through it."""
    found = []
    rows = connection.execute(VIEWS.format(condition=USABLE), {"table": table.oid, "role": role}).fetchall()
    for schema, view, is_materialized, columns, may_delete in rows:
        identifier, name = sql.Identifier(schema, view), f"{schema}.{view}"
        doors = []
        if columns:
            listed = sql.SQL(", ").join(map(sql.Identifier, columns))
            query = sql.SQL("SELECT v::text FROM (SELECT {} FROM {}) AS v ORDER BY 1")
            doors.append(Door(f"the view {name}", query.format(listed, identifier)))
        if may_delete:
            doors.append(Door(f"DELETE on the view {name}", sql.SQL("DELETE FROM {}").format(identifier)))
        found.append((name, is_materialized, doors))
    return found


def definer_functions(connection: Connection, table: Table, role: str) -> list[str]:
    """Return the signatures of functions that use a table with their owners' rights and that a role may call.

    These are functions whose text names the table, a view of it, or another such function.
    """
    views = connection.execute(VIEWS.format(condition="true"), {"table": table.oid, "role": role}).fetchall()
    names = {table.name, *(view for _, view, *_ in views)}
    functions = connection.execute(FUNCTIONS, [role]).fetchall()
    found: dict[str, bool] = {}
    while True:
        pattern = re.compile(rf"(?<!\w)({'|'.join(map(re.escape, names))})(?!\w)", re.IGNORECASE)
        more = [function for function in functions if function[0] not in found and pattern.search(function[2])]
        if not more:
            return sorted(signature for signature, is_door in found.items() if is_door)
        found |= {signature: is_door for signature, _, _, is_door in more}
        names |= {name for _, name, _, _ in more}


def function_door(connection: Connection, function: str, arguments: Sequence[object]) -> Door:
    """Return the call of a function or procedure.

    Raises:
        SetUpError: the name matches no function, or several.
    """
    try:
        with connection.transaction():
            row = connection.execute(FUNCTION, {"name": function}).fetchone()
    except psycopg.Error as error:
        raise SetUpError(f"{function} is not a function: {error.diag.message_primary}") from error
    if row is None:
        raise SetUpError(f"{function} matches no function, or several: give its signature, as in public.total(uuid)")
    signature, kind, schema, name = row
    template = sql.SQL("CALL {}({})") if kind == "p" else sql.SQL("SELECT f::text FROM {}({}) AS f")
    placeholders = sql.SQL(", ").join([sql.Placeholder()] * len(arguments))
    return Door(signature, template.format(sql.Identifier(schema, name), placeholders), arguments)


def _in_comparison(answer: Used, other: Used) -> str:
    said = answer[0][0]
    return f"{said} of other values" if said == other[0][0] else said


def go_through(
    connection: Connection, door: Door, rows: Rows, cast: Cast, role: str, organization_role: str, report: Report
) -> None:
    """Use a door with and without own rows and another tenant's rows, and report the differences."""
    here, there = (cast.place(name, organization_role) for name in ("own", "other"))

    def use(given: Mapping[str, Row]) -> Used:
        """Return the door's answer, starting with the printable part, and whether it changed rows of each tenant."""
        before = [state_of(connection, rows.tables, place) for place in (here, there)]
        outcome = act(
            connection,
            door.statement,
            door.values(given) or None,
            place=here,
            role=role,
            look=lambda: [state_of(connection, rows.tables, place) for place in (here, there)],
        )
        return (str(outcome), outcome.rows), before[0] != outcome.looked[0], before[1] != outcome.looked[1]

    with undone(connection):
        own = rows.make(here)
        alone = use(own)
        if alone != use(own):
            report.not_tested(f"{door.name} shows nothing of another tenant", "its answer differs each time")
            return
        by_id = None
        with undone(connection):
            other = rows.make(there)
            beside = use(own)
            if door.takes_rows:
                by_id = use(other)
        absent = use(other) if door.takes_rows else None
    with undone(connection):
        empty = use(own)
    report.add(
        "control",
        f"{door.name} shows or changes rows of the workspace",
        None
        if alone[1] or alone[0] != empty[0]
        else f"it answers with {alone[0][0]}, with and without them. If it shows rows of another table,"
        " prove it with that table, and exempt it here with that reason",
    )
    report.add(
        "isolation",
        f"{door.name} shows nothing of another tenant",
        None
        if beside[0] == alone[0]
        else f"it answers with {alone[0][0]}, and when another tenant has rows with {_in_comparison(beside, alone)}",
    )
    report.add(
        "isolation",
        f"{door.name} changes nothing of another tenant",
        "it changed rows of another tenant" if beside[2] or (by_id and by_id[2]) else None,
    )
    if by_id and absent:
        report.add(
            "isolation",
            f"{door.name} answers to another tenant's row as to one that does not exist",
            None
            if by_id[0] == absent[0]
            else f"it answers with {by_id[0][0]}, and then with {_in_comparison(absent, by_id)}",
        )
