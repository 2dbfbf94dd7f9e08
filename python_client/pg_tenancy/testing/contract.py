"""Checks that a table is still as ``protect`` and ``allow`` made it."""

from __future__ import annotations

from typing import Any, Final

import psycopg

from pg_tenancy.testing._cells import Connection, Report, alone
from pg_tenancy.testing._rows import SetUpError, Table

__all__ = ["check_contract"]

# The same comparisons as in sqitch verify.
DIFFERENCES: Final = """
SELECT b.problem, b.repair FROM tenancy_private.broken_contracts() AS b
WHERE pg_catalog.to_regclass(b.table_name) = %(table)s::pg_catalog.regclass
UNION ALL
SELECT u.problem, u.repair FROM tenancy_private.unchecked_keys(%(table)s::pg_catalog.regclass) AS u
UNION ALL
SELECT r.problem, r.repair FROM tenancy_private.open_references(%(table)s::pg_catalog.regclass) AS r
"""

PARTS: Final = """
SELECT c.kind, c.name FROM tenancy_private.contracts AS c WHERE c.table_name = %s::pg_catalog.regclass ORDER BY 1, 2
"""

# The role's rights beyond those of the group tenancy_credentialed.
GRANTED_BESIDES: Final = """
SELECT string_agg(g.privilege || coalesce(' (' || g.columns || ')', ''), ', ' ORDER BY g.privilege)
FROM (
    SELECT p.privilege, NULL AS columns
    FROM unnest(ARRAY['DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) AS p (privilege)
    WHERE has_table_privilege(%(role)s, %(table)s::oid, p.privilege)
        AND NOT has_table_privilege('tenancy_credentialed', %(table)s::oid, p.privilege)
    UNION ALL
    SELECT p.privilege, string_agg(a.attname, ', ' ORDER BY a.attnum)
    FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE']) AS p (privilege)
    CROSS JOIN pg_catalog.pg_attribute AS a
    WHERE a.attrelid = %(table)s AND a.attnum > 0 AND NOT a.attisdropped
        AND has_column_privilege(%(role)s, a.attrelid, a.attnum, p.privilege)
        AND NOT has_column_privilege('tenancy_credentialed', a.attrelid, a.attnum, p.privilege)
    GROUP BY p.privilege
) AS g
"""

OWNER_COLUMN: Final = """
SELECT concat_ws(', ',
    CASE WHEN a.atttypid <> 'uuid'::regtype THEN 'it is not a uuid' END,
    CASE WHEN NOT a.attnotnull AND p.shape NOT IN ('self', 'members') THEN 'it may be NULL' END,
    CASE
        WHEN p.shape IN ('tenant', 'child', 'author', 'catalogue') AND 'INSERT' = ANY(ARRAY(
            SELECT x.command FROM tenancy_private.access AS x WHERE x.table_name = p.table_name
        )) AND NOT a.atthasdef
            THEN 'it has no default, and tenants may not write it'
    END,
    CASE
        WHEN NOT EXISTS (
            SELECT FROM pg_catalog.pg_constraint AS c
            WHERE c.contype = 'f' AND c.conrelid = a.attrelid AND a.attnum = ANY(c.conkey)
                AND (p.parent IS NULL OR cardinality(c.conkey) = 2)
        ) AND p.shape IN ('tenant', 'child', 'author', 'catalogue')
            THEN CASE
                WHEN p.parent IS NULL THEN 'no foreign key defines the owner of the rows'
                ELSE 'no foreign key keeps rows in the workspace of their parents'
            END
    END
)
FROM tenancy_private.protected_tables AS p
INNER JOIN pg_catalog.pg_attribute AS a ON a.attrelid = p.table_name AND a.attname = p.key
WHERE p.table_name = %s::pg_catalog.regclass
"""


def check_contract(connection: Connection, table: str, *, role: str = "tenancy_app") -> Report:
    """Compare a table with its ``protect`` and ``allow`` calls.

    A manually changed policy, grant, trigger or setting of row-level security is a finding, and
    so are other rights of the application's login.

    Args:
        connection: a superuser's.
        table: the table's name, with its schema unless the search path finds it.
        role: the role of the application's login.

    Returns:
        The comparisons.
    """
    report = Report(table)
    with alone(connection):
        try:
            _compare(connection, Table.of(connection, table), role, report)
        except (SetUpError, psycopg.Error) as error:
            report.not_tested("everything", str(error))
    return report


def _compare(connection: Connection, table: Table, role: str, report: Report) -> None:
    report.subject = f"the contract of {table.full_name}"
    if table.shape is None:
        raise SetUpError(f"{table.full_name} is not protected: CALL tenancy.protect('{table.full_name}')")
    differences = connection.execute(DIFFERENCES, {"table": str(table.oid)}).fetchall()
    for problem, repair in differences:
        report.add("isolation", "it is as protect() and allow() made it", f"{problem}. To repair it: {repair}")
    for kind, name in connection.execute(PARTS, [str(table.oid)]).fetchall():
        # The beginning of broken_contracts()'s text about a part.
        beginning = {"row-level security": kind, "privileges": f"{name} may"}.get(kind, f"{kind} {name} ")
        if not any(problem.startswith(beginning) for problem, _ in differences):
            report.add("control" if kind == "privileges" else "isolation", f"{kind} {name} is as it was made", None)
    values = {"role": role, "table": table.oid}
    try:
        besides = _first(connection.execute(GRANTED_BESIDES, values).fetchone())
    except psycopg.errors.UndefinedObject as error:
        raise SetUpError(f"role {role} does not exist") from error
    report.add("isolation", f"{role} has no further rights", f"it may {besides}" if besides else None)
    if table.key is not None and table.shape != "published":
        wrong = _first(connection.execute(OWNER_COLUMN, [str(table.oid)]).fetchone())
        report.add("isolation", f"{table.key} holds the owner of each row", wrong or None)


def _first(row: tuple[Any, ...] | None) -> Any:
    return None if row is None else row[0]
