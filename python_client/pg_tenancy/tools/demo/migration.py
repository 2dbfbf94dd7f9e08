"""The migration, phase by phase, and the effects of each phase."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import psycopg
from psycopg import sql

from pg_tenancy.tools.demo.data import COLUMNS, Platform
from pg_tenancy.tools.demo.place import Place
from pg_tenancy.tools.demo.platform import OldApplication, Seen
from pg_tenancy.tools.demo.truth import PLATFORM
from pg_tenancy.tools.phases import Phase, Progress

__all__ = ["Effect", "PhaseReport", "compare", "deploy_phase", "snapshot"]

_TABLES: Final = list(COLUMNS)

# The names of adopted rows with an owner, and of those without.
_OWNED: Final = {
    "public.api_keys": ("personal API keys", "API keys of nobody"),
    "public.instances": ("instances of somebody", "legacy instances"),
    "public.models": ("models of somebody", "public models"),
}

# Counted before and after each phase.
_COUNTS: Final = """
SELECT
    count(*) FILTER (WHERE c.contype IN ('p', 'u')) AS "primary keys",
    count(*) FILTER (WHERE c.contype = 'f') AS "foreign keys",
    count(*) FILTER (WHERE c.contype = 'c') AS "checks",
    (SELECT count(*) FROM pg_index AS i INNER JOIN pg_class AS t ON i.indrelid = t.oid
        WHERE t.relnamespace = ANY(n.oids)) AS "indexes",
    (SELECT count(*) FROM pg_class AS t WHERE t.relnamespace = ANY(n.oids) AND t.relkind = 'r') AS "tables",
    (SELECT count(*) FROM pg_class AS t WHERE t.relnamespace = ANY(n.oids) AND t.relforcerowsecurity)
        AS "tables under row-level security",
    (SELECT count(*) FROM pg_policy AS p INNER JOIN pg_class AS t ON p.polrelid = t.oid
        WHERE t.relnamespace = ANY(n.oids)) AS "policies",
    (SELECT count(*) FROM pg_trigger AS g INNER JOIN pg_class AS t ON g.tgrelid = t.oid
        WHERE t.relnamespace = ANY(n.oids) AND NOT g.tgisinternal) AS "triggers",
    (SELECT count(*) FROM pg_proc AS f WHERE f.pronamespace = to_regnamespace('tenancy')) AS "functions"
FROM pg_constraint AS c
CROSS JOIN (
    SELECT array_agg(s.oid) AS oids FROM pg_namespace AS s WHERE s.nspname IN ('public', 'finops', 'tenancy')
) AS n
WHERE c.connamespace = ANY(n.oids)
GROUP BY n.oids
"""


@dataclass(frozen=True)
class Effect:
    """A count before and after a phase."""

    what: str
    before: int
    after: int


@dataclass
class PhaseReport:
    """The effects of a phase."""

    tag: str
    title: str
    changes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    seconds: float = 0.0
    effects: list[Effect] = field(default_factory=list)
    old_rows: int = 0
    failures: list[str] = field(default_factory=list)


def snapshot(connection: psycopg.Connection[Any]) -> dict[str, int]:
    """Count the keys, policies, workspaces and so on of the database."""
    cursor = connection.execute(_COUNTS)
    counts = dict(zip([column.name for column in cursor.description or ()], cursor.fetchall()[0], strict=True))
    if _exists(connection, "tenancy.workspaces"):
        kinds = dict(connection.execute("SELECT kind, count(*) FROM tenancy.workspaces GROUP BY kind").fetchall())
        counts |= {f"{kind} workspaces": kinds.get(kind, 0) for kind in ("personal", "organization", "platform")}
    if _exists(connection, "tenancy.role_permissions"):
        counts["permissions of roles"] = connection.execute("SELECT count(*) FROM tenancy.role_permissions").fetchall()[
            0
        ][0]
    for table, (owned, legacy) in _OWNED.items():
        if _has_workspaces(connection, table):
            query = sql.SQL(
                "SELECT count(*) FILTER (WHERE workspace_id <> %(platform)s),"
                " count(*) FILTER (WHERE workspace_id = %(platform)s) FROM {}"
            ).format(sql.Identifier(*table.split(".")))
            counted = connection.execute(query, {"platform": PLATFORM}).fetchall()[0]
            counts |= zip((owned, legacy), counted, strict=True)
    return counts


def deploy_phase(
    place: Place,
    phase: Phase,
    platform: Platform,
    old: OldApplication,
    before: Seen,
    on_change: Callable[[str], None],
) -> PhaseReport:
    """Deploy one phase, and check its effects.

    Args:
        place: the database.
        phase: the phase to deploy.
        platform: the original rows.
        old: the old application.
        before: what it saw before.
        on_change: called with the name of each deployed change.

    Raises:
        SqitchError: the deploy failed.

    """
    report = PhaseReport(phase.tag, phase.title)

    def changed(name: str) -> None:
        report.changes.append(name)
        on_change(name)

    with place.connect() as connection:
        counted = snapshot(connection)
    sqitch = place.sqitch()
    sqitch.on_line = Progress(changed, report.warnings.append)
    started = time.monotonic()
    sqitch.deploy(f"@{phase.tag}" if phase.tag else None)
    report.seconds = time.monotonic() - started
    with place.connect() as connection:
        after = snapshot(connection)
        report.failures += _keys(connection)
    report.effects = [
        Effect(what, counted.get(what, 0), count) for what, count in after.items() if count != counted.get(what, 0)
    ]
    wanted = [change.name for change in phase.changes]
    if report.changes != wanted:
        report.failures.append(f"sqitch deployed {', '.join(report.changes)} instead of {', '.join(wanted)}")
    people, organizations = len(platform.people), len(platform.organizations)
    for what, count in (("personal", people), ("organization", organizations), ("platform", 1)):
        found = after.get(f"{what} workspaces", count)
        if found != count:
            report.failures.append(f"there are {found} {what} workspaces instead of {count}")
    for table, (owned, legacy) in _OWNED.items():
        # Keys had an owner before; nothing else did.
        rows = len(platform.rows[table])
        for what, count in ((owned, rows), (legacy, 0)) if table == "public.api_keys" else ((owned, 0), (legacy, rows)):
            found = after.get(what, count)
            if found != count:
                report.failures.append(f"there are {found} {what} instead of {count}")
    seen = old.look()
    report.old_rows = sum(seen.rows.values())
    report.failures += compare(before, seen)
    return report


def compare(before: Seen, after: Seen) -> list[str]:
    """Return what the old application sees or does differently, in words."""
    differences = list(after.failures)
    for table in _TABLES:
        if before.rows.get(table) != after.rows.get(table):
            differences.append(
                f"the old application sees {after.rows.get(table)} rows of {table}; before, it saw"
                f" {before.rows.get(table)}"
            )
        elif before.contents.get(table) != after.contents.get(table):
            differences.append(f"the old application sees other values in {table} than before")
    differences += [
        f"the old application gets another answer about {question}"
        for question, answer in before.answers.items()
        if after.answers.get(question) != answer
    ]
    return differences


def _keys(connection: psycopg.Connection[Any]) -> Iterator[str]:
    """Return a failure for each table without a key. Costs may have a unique one, as their instance may be NULL."""
    without = connection.execute(
        "SELECT t.name FROM unnest(%s::text[]) AS t (name) WHERE NOT EXISTS ("
        "SELECT FROM pg_constraint AS c WHERE c.conrelid = t.name::regclass AND c.contype IN ('p', 'u'))",
        [_TABLES],
    )
    return (f"{name} has no key" for (name,) in without.fetchall())


def _exists(connection: psycopg.Connection[Any], table: str) -> bool:
    return bool(connection.execute("SELECT to_regclass(%s) IS NOT NULL", [table]).fetchall()[0][0])


def _has_workspaces(connection: psycopg.Connection[Any], table: str) -> bool:
    return bool(
        connection.execute(
            "SELECT FROM pg_attribute AS a WHERE a.attrelid = %s::regclass AND a.attname = 'workspace_id'", [table]
        ).fetchall()
    )
