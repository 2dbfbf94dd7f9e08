"""Judge what a schema change does to access, for the verdict on a pull request.

It compares snapshots of row-level security before and after. Each difference is dangerous
(somebody may see or write more, or that is unknown), breaking (something that worked may
fail) or safe.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import psycopg

from pg_tenancy.tools.lint import Baseline, BaselineError, Finding, lint, reading

__all__ = ["Snapshot", "read_base", "read_changes", "read_snapshot"]

# Names of objects and their descriptions. Part of a report as JSON.
Snapshot = Mapping[str, str]

_SNAPSHOT: Final = """
WITH relations AS (
    SELECT c.*
    FROM pg_class AS c
    INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
    WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') AND c.relpersistence <> 't'
        AND NOT EXISTS (
            SELECT FROM pg_depend AS d
            WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
        )
),
definers AS (
    SELECT p.*
    FROM pg_proc AS p
    INNER JOIN pg_namespace AS n ON p.pronamespace = n.oid
    WHERE p.prosecdef AND n.nspname NOT IN ('pg_catalog', 'information_schema')
        AND NOT EXISTS (
            SELECT FROM pg_depend AS d
            WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
        )
)
SELECT
    'table ' || c.oid::regclass,
    concat_ws(
        ', ', CASE WHEN c.relrowsecurity THEN 'row-level security' ELSE 'no row-level security' END,
        CASE WHEN c.relforcerowsecurity THEN 'forced' END
    )
FROM relations AS c
WHERE c.relkind IN ('r', 'p')
UNION ALL
SELECT
    'column ' || c.oid::regclass || '.' || quote_ident(a.attname),
    format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END
FROM relations AS c
INNER JOIN pg_attribute AS a ON c.oid = a.attrelid
WHERE c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
UNION ALL
SELECT
    format('policy %I on %s', p.polname, c.oid::regclass),
    concat_ws(
        ' ',
        CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
        'FOR ' || CASE p.polcmd
            WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL'
        END,
        'TO ' || (
            SELECT string_agg(CASE r.role WHEN 0 THEN 'public' ELSE r.role::regrole::text END, ', ' ORDER BY r.role = 0,
                r.role::regrole::text)
            FROM unnest(p.polroles) AS r (role)
        ),
        'USING (' || pg_get_expr(p.polqual, p.polrelid) || ')',
        'WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')'
    )
FROM relations AS c
INNER JOIN pg_policy AS p ON c.oid = p.polrelid
UNION ALL
SELECT
    format('grant of %s on %s to %s', a.privilege, c.oid::regclass, coalesce(quote_ident(r.rolname), 'PUBLIC')), ''
FROM relations AS c
CROSS JOIN LATERAL (
    SELECT x.privilege_type AS privilege, x.grantee FROM aclexplode(c.relacl) AS x
    UNION
    SELECT format('%s (%I)', x.privilege_type, k.attname), x.grantee
    FROM pg_attribute AS k
    CROSS JOIN LATERAL aclexplode(k.attacl) AS x
    WHERE k.attrelid = c.oid
) AS a
LEFT JOIN pg_roles AS r ON a.grantee = r.oid
WHERE a.grantee <> c.relowner
UNION ALL
SELECT
    'view ' || c.oid::regclass,
    CASE
        WHEN c.relkind = 'm' THEN 'materialized'
        WHEN coalesce((
            SELECT o.option_value::boolean
            FROM pg_options_to_table(c.reloptions) AS o
            WHERE o.option_name = 'security_invoker'
        ), false) THEN 'with the rights of its caller'
        ELSE 'with the rights of its owner'
    END
FROM relations AS c
WHERE c.relkind IN ('v', 'm')
UNION ALL
SELECT
    'function ' || p.oid::regprocedure,
    format(
        'SECURITY DEFINER of %s, %s', p.proowner::regrole,
        md5(concat_ws(' ', coalesce(pg_get_function_sqlbody(p.oid), p.prosrc), p.proconfig::text))
    )
FROM definers AS p
UNION ALL
SELECT
    format('grant of EXECUTE on %s to %s', p.oid::regprocedure, coalesce(quote_ident(r.rolname), 'PUBLIC')), ''
FROM definers AS p
CROSS JOIN LATERAL aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS a
LEFT JOIN pg_roles AS r ON a.grantee = r.oid
WHERE a.grantee <> p.proowner
UNION ALL
SELECT
    format('trigger %I on %s', t.tgname, c.oid::regclass),
    pg_get_triggerdef(t.oid) || CASE t.tgenabled WHEN 'D' THEN ' (disabled)' ELSE '' END
FROM relations AS c
INNER JOIN pg_trigger AS t ON c.oid = t.tgrelid
WHERE NOT t.tgisinternal
"""


def read_snapshot(connection: psycopg.Connection[Any]) -> dict[str, str]:
    """Return the parts of row-level security in a database's catalog.

    Args:
        connection: of any login, in autocommit.

    """
    with reading(connection):
        connection.execute("SELECT set_config('search_path', 'pg_catalog, pg_temp', true)")
        rows = connection.execute(_SNAPSHOT.encode()).fetchall()
    return dict(sorted((str(name), str(state)) for name, state in rows))


def read_base(place: str, baseline: Baseline) -> tuple[frozenset[tuple[str, str]], Snapshot]:
    """Return the keys of the base's findings, and its snapshot.

    Args:
        place: a file written with ``--format json``, or a DSN.
        baseline: settings for a DSN.

    Raises:
        BaselineError: the file is not such a report, or a rule failed in it.
        psycopg.Error: the database cannot be read.

    """
    try:
        is_file = Path(place).is_file()
    except OSError:  # too long for a name
        is_file = False
    if not is_file:
        if "=" not in place and "://" not in place:
            raise BaselineError(f"{place} is neither a file nor a DSN")
        with psycopg.connect(place, autocommit=True) as connection:
            report = lint(connection, baseline=Baseline((), baseline.tenant_columns, baseline.trusted_roles))
            if report.failures:
                raise BaselineError(f"the base could not be checked: {', '.join(report.failures)} could not run")
            return report.known, read_snapshot(connection)
    try:
        document = json.loads(Path(place).read_text(encoding="utf-8"))
        found = [
            Finding(*(each[key] for key in ("rule", "severity", "object", "problem", "remedy")))
            for each in (*document["findings"], *document["exempted"])
        ]
        if document["failures"]:
            raise BaselineError(f"{place}: in this report a rule could not run: {', '.join(document['failures'])}")
        return frozenset(each.key for each in found), dict(document["snapshot"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, BaselineError):
            raise
        raise BaselineError(f"{place}: not a report written with --format json") from None


def read_changes(before: Snapshot, after: Snapshot) -> list[Finding]:
    """Return the differences, as findings of the rules of ``lint.CHANGES``.

    Args:
        before: the base's snapshot.
        after: the changed database's snapshot.

    """
    return list(_changes(before, after))


_EXPLANATIONS: Final = {
    "dangerous": "somebody may see or write more than before",
    "breaking": "what worked may find no rows or be refused",
    "safe": "nobody sees or writes more or less",
}
_REMEDIES: Final = {
    "dangerous": "if it is intended, exempt it with a reason",
    "breaking": "first deploy the application that expects it",
    "safe": "nothing to do",
}
_SEVERITIES: Final = {"dangerous": "warning", "breaking": "info", "safe": "info"}


def _changes(before: Snapshot, after: Snapshot) -> Iterator[Finding]:
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        if old == new or _goes_with_its_table(name, before, after):
            continue
        verdict = _verdict(name, old, new, before, after)
        if old is None:
            what = f"it is new: {new}" if new else "it is new"
        elif new is None:
            what = f"it is gone: {old}" if old else "it is gone"
        else:
            what = f"it was {old}, and is {new}"
        yield Finding(
            f"change_{verdict}", _SEVERITIES[verdict], name, f"{what}; {_EXPLANATIONS[verdict]}", _REMEDIES[verdict]
        )


def _place_of(name: str) -> str:
    """Return the object that a column, a grant, a policy or a trigger belongs to."""
    kind, _, rest = name.partition(" ")
    if kind == "column":
        return rest.rpartition(".")[0]
    on = rest.rpartition(" on ")[2]
    return on.rpartition(" to ")[0] if kind == "grant" else on


def _goes_with_its_table(name: str, before: Snapshot, after: Snapshot) -> bool:
    # A dropped or new table is one change; its columns are not reported again.
    table = f"table {_place_of(name)}"
    if name.startswith("table ") or table not in {*before, *after}:
        return False
    return table not in after or (table not in before and name.startswith("column "))


def _closed(state: str) -> int:
    return ("row-level security", "row-level security, forced").index(state) + 1 if state.startswith("row") else 0


def _verdict(name: str, old: str | None, new: str | None, before: Snapshot, after: Snapshot) -> str:
    kind, place = name.partition(" ")[0], _place_of(name)
    if kind == "table":
        if new is None:
            return "breaking"
        if old is None:
            # An open table shows its rows to its owner and to every later grantee.
            return "safe" if _closed(new) else "dangerous"
        step = _closed(new) - _closed(old)
        return "breaking" if step > 0 else "dangerous" if step < 0 else "safe"
    # The parts of a new table that is closed from the start change nobody's access.
    if f"table {place}" not in before and _closed(after.get(f"table {place}", "")) == 2:
        return "safe"
    if kind == "policy" and (old is None or new is None):
        # A permissive policy lets more through, a restrictive one less.
        is_restrictive = (new or old or "").startswith("RESTRICTIVE")
        return "breaking" if is_restrictive is (old is None) else "dangerous"
    if kind == "column":
        return "safe" if old is None and "NOT NULL" not in (new or "") else "breaking"
    if kind == "view" and (new is None or new == "with the rights of its caller"):
        return "safe" if old is None else "breaking"
    if kind == "trigger":
        return "breaking" if old is None else "dangerous"
    if kind in ("grant", "function") and new is None:
        return "breaking"
    if kind == "grant" and after.get(f"view {place}") == "with the rights of its caller":
        return "safe"
    return "dangerous"
