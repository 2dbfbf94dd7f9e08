"""The phases of the plan, the status of a database, and the output of sqitch."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import psycopg

from pg_tenancy.tools.sqitch import Change, read_plan

__all__ = [
    "Deployed",
    "Phase",
    "Progress",
    "Status",
    "Stopped",
    "UnrestrictedLogin",
    "WayAround",
    "plan_of",
    "read_needing",
    "read_phases",
    "read_status",
    "read_unprotected_tables",
    "read_unrestricted_logins",
    "read_ways_around",
]


@dataclass(frozen=True)
class Phase:
    """A step of the migration: the changes up to a tag."""

    tag: str
    title: str
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class Deployed:
    """A deployed change."""

    name: str
    when: datetime
    by: str


@dataclass(frozen=True)
class Stopped:
    """A change whose script ended or was interrupted before sqitch recorded it.

    Attributes:
        change: the change of the plan.
        command: ``deploy`` or ``revert``.

    """

    change: Change
    command: str


@dataclass(frozen=True)
class Status:
    """The status of a database.

    Attributes:
        phase: the tag of the last complete phase, or None.
        deployed: the deployed changes, in the order they were deployed.
        pending: the changes that are not deployed.
        unknown: the names of deployed changes that are not in the plan.
        plan: the changes of the plan.
        stopped: interrupted changes that sqitch has not recorded.

    """

    phase: str | None
    deployed: tuple[Deployed, ...]
    pending: tuple[Change, ...]
    unknown: tuple[str, ...]
    plan: tuple[Change, ...] = ()
    stopped: tuple[Stopped, ...] = ()


@dataclass(frozen=True)
class UnrestrictedLogin:
    """A login that sees the rows of every workspace, or can grant itself that.

    Attributes:
        name: the login's.
        reasons: ``superuser``, ``BYPASSRLS``, or groups that it is a member of.

    """

    name: str
    reasons: tuple[str, ...]


def read_phases(plan: Sequence[Change] | None = None) -> list[Phase]:
    """Return the phases in the plan's order; changes after the last tag form a phase with the tag ``""``.

    The kernel's plan has tags of phases that add nothing to it; these are left out.
    """
    phases: list[Phase] = []
    changes: list[Change] = []
    for change in plan if plan is not None else read_plan():
        changes.append(change)
        if change.tags:
            phases.append(Phase(change.tags[0], change.tag_notes[0].rstrip("."), tuple(changes)))
            changes = []
    if changes:
        phases.append(Phase("", "not released", tuple(changes)))
    return phases


def plan_of(connection: psycopg.Connection[Any]) -> str | None:
    """Return the plan that a database was deployed with, ``platform`` or ``kernel``, or None.

    Args:
        connection: a connection of a role that may read sqitch's tables, such as the role that deployed.

    """
    if not connection.execute("SELECT to_regclass('sqitch.changes') IS NOT NULL").fetchall()[0][0]:
        return None
    (found,) = connection.execute(
        "SELECT bool_or(starts_with(change, 'platform/')) FROM sqitch.changes WHERE project = 'pg-tenancy'"
    ).fetchall()[0]
    return None if found is None else "platform" if found else "kernel"


def read_status(connection: psycopg.Connection[Any], plan: Sequence[Change] | None = None) -> Status:
    """Return the status of a database, from sqitch's records.

    Args:
        connection: a connection of a role that may read sqitch's tables, such as the role that deployed.
        plan: the changes; default: those of the plan that the database was deployed with.

    """
    changes = list(plan if plan is not None else read_plan(plan=plan_of(connection) or "platform"))
    found: list[tuple[str, datetime, str]] = []
    if connection.execute("SELECT to_regclass('sqitch.changes') IS NOT NULL").fetchall()[0][0]:
        found = connection.execute(
            "SELECT change, committed_at, committer_name FROM sqitch.changes"
            " WHERE project = 'pg-tenancy' ORDER BY committed_at"
        ).fetchall()
    # A reworked change has the same name several times, in the plan as in the database.
    left = [name for name, _, _ in found]
    pending: list[Change] = []
    phase: str | None = None
    for change in changes:
        if change.name in left:
            left.remove(change.name)
            if change.tags and not pending:
                phase = change.tags[0]
        else:
            pending.append(change)
    stopped = _stopped(connection, changes, [name for name, _, _ in found])
    return Status(phase, tuple(Deployed(*row) for row in found), tuple(pending), tuple(left), tuple(changes), stopped)


def _stopped(
    connection: psycopg.Connection[Any], plan: Sequence[Change], registered: Sequence[str]
) -> tuple[Stopped, ...]:
    """Compare the notes of the scripts with sqitch's records."""
    notes: dict[str, str] = {}
    found = connection.execute(
        "SELECT has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')"
        " FROM pg_catalog.pg_class AS c INNER JOIN pg_catalog.pg_namespace AS n ON c.relnamespace = n.oid"
        " WHERE (n.nspname, c.relname) = ('tenancy_private', 'changes')"
    ).fetchall()
    if found == [(False,)]:
        return ()  # not visible to this login
    if found:
        notes = dict(connection.execute("SELECT change, state FROM tenancy_private.changes").fetchall())
    stopped: list[Stopped] = []
    left = list(registered)
    for change in plan:
        state = notes.get(change.noted_as)
        is_registered = change.name in left
        if is_registered:
            left.remove(change.name)
        # Changes of this name create nothing, and record nothing.
        if change.name.endswith("/existing_tables") or is_registered == (state == "done"):
            continue
        if is_registered or state is not None:
            stopped.append(Stopped(change, "revert" if is_registered else "deploy"))
    return tuple(stopped)


def read_needing(connection: psycopg.Connection[Any], changes: Sequence[Change]) -> list[tuple[str, str]]:
    """Return the application's objects that depend on these changes, each with a statement that removes the dependency.

    Args:
        connection: a connection of a role that may revert.
        changes: the changes to revert.

    """
    if not connection.execute("SELECT to_regclass('tenancy_private.protected_tables') IS NOT NULL").fetchall()[0][0]:
        return []
    return connection.execute(
        "SELECT object, remedy FROM tenancy_private.in_the_way_of_revert(%s)", [[change.noted_as for change in changes]]
    ).fetchall()


# Membership counts even without INHERIT, because of SET ROLE. The four groups have policies that
# are always true; superusers and BYPASSRLS ignore policies.
_UNRESTRICTED: Final = """
SELECT l.rolname, array_agg(why.reason ORDER BY why.reason)
FROM pg_catalog.pg_roles AS l
CROSS JOIN LATERAL (
    SELECT CASE WHEN l.rolsuper THEN 'superuser' ELSE 'BYPASSRLS' END AS reason
    WHERE l.rolsuper OR l.rolbypassrls
    UNION ALL
    SELECT
        g.rolname || CASE WHEN g.rolsuper THEN ' (superuser)' WHEN g.rolbypassrls THEN ' (BYPASSRLS)' ELSE '' END
    FROM pg_catalog.pg_roles AS g
    WHERE NOT l.rolsuper
        AND g.oid <> l.oid
        AND (
            g.rolsuper OR g.rolbypassrls
            OR g.rolname IN ('tenancy_service', 'tenancy_legacy', 'tenancy_owner', 'tenancy_writer')
        )
        AND pg_catalog.pg_has_role(l.oid, g.oid, 'MEMBER')
) AS why
WHERE l.rolcanlogin
    AND pg_catalog.has_database_privilege(l.oid, pg_catalog.current_database(), 'CONNECT')
GROUP BY l.rolname
ORDER BY l.rolname
"""


def read_unrestricted_logins(connection: psycopg.Connection[Any]) -> list[UnrestrictedLogin]:
    """Return the logins that can connect and are not confined to a workspace.

    Args:
        connection: of any login.

    """
    found = connection.execute(_UNRESTRICTED.encode()).fetchall()
    return [UnrestrictedLogin(name, tuple(reasons)) for name, reasons in found]


def read_unprotected_tables(connection: psycopg.Connection[Any]) -> dict[str, str] | None:
    """Return tenants' tables that are not protected, with the tables that they refer to.

    Args:
        connection: of a login that may call ``tenancy.unprotected_tables()``; for others the result is None.
            If that is not deployed, the result is empty.

    """
    there = connection.execute(
        "SELECT pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_function_privilege(p.oid, 'EXECUTE')"
        " FROM pg_catalog.pg_proc AS p INNER JOIN pg_catalog.pg_namespace AS n ON p.pronamespace = n.oid"
        " WHERE (n.nspname, p.proname) = ('tenancy', 'unprotected_tables')"
        " AND EXISTS (SELECT FROM pg_catalog.pg_class AS c INNER JOIN pg_catalog.pg_namespace AS s"
        " ON c.relnamespace = s.oid WHERE (s.nspname, c.relname) = ('tenancy_private', 'protected_tables'))"
    ).fetchone()
    if there != (True,):
        return None if there else {}
    found = connection.execute("SELECT table_name::text, refers_to FROM tenancy.unprotected_tables()").fetchall()
    return {str(name): str(referred) for name, referred in found}


@dataclass(frozen=True)
class WayAround:
    """An object that shows rows of a protected table despite its policies.

    Attributes:
        table: the table.
        object: a view, a function, or a child of the table.
        open_to: the roles that may use it, including PUBLIC.
        remedy: the statement that closes it.

    """

    table: str
    object: str
    open_to: str
    remedy: str


def read_ways_around(connection: psycopg.Connection[Any]) -> list[WayAround] | None:
    """Return the objects that expose rows of protected tables; none before phase 1.

    Args:
        connection: of a login that may use ``tenancy_private``; for others the result is None.

    """
    there = connection.execute(
        "SELECT pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_table_privilege(c.oid, 'SELECT')"
        " FROM pg_catalog.pg_class AS c INNER JOIN pg_catalog.pg_namespace AS n ON c.relnamespace = n.oid"
        " WHERE (n.nspname, c.relname) = ('tenancy_private', 'protected_tables')"
    ).fetchone()
    if there != (True,):
        return None if there else []
    found = connection.execute(
        "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname), w.object, w.open_to, w.remedy"
        " FROM tenancy_private.protected_tables AS p INNER JOIN pg_catalog.pg_class AS c ON p.table_name = c.oid"
        " INNER JOIN pg_catalog.pg_namespace AS n ON c.relnamespace = n.oid"
        " CROSS JOIN LATERAL tenancy_private.ways_around(p.table_name) AS w"
        " WHERE p.shape <> 'published' ORDER BY 1, 2"
    ).fetchall()
    return [WayAround(*row) for row in found]


_CHANGE: Final = re.compile(r"  [+*-] (?P<name>[^\s@]+)(?: @\S+)* \.\.+ ?(?P<rest>.*)")
_SERVER: Final = re.compile(r"(?:psql:\S+ )?(?P<level>WARNING|NOTICE|HINT|DETAIL):\s+(?P<text>.*)")


@dataclass
class Progress:
    """Reads what sqitch prints, line by line.

    Args:
        on_change: called with the name of each finished change.
        on_warning: called with each warning of the server, followed by lines with its detail and hint.

    """

    on_change: Callable[[str], None]
    on_warning: Callable[[str], None]
    _current: str = ""
    _warnings: list[str] = field(default_factory=list)
    _is_warned: bool = False

    def __call__(self, line: str) -> None:
        """Take the next line."""
        found = _CHANGE.match(line)
        rest = line.strip()
        if found:
            self._current = found["name"]
            rest = found["rest"].strip()
        told = _SERVER.match(rest)
        level = told["level"] if told else None
        self._is_warned = level == "WARNING" or (
            self._is_warned and not found and level != "NOTICE" and rest not in {"ok", "not ok", ""}
        )
        if told and level == "WARNING":
            self._warnings.append(told["text"])
        elif self._is_warned:
            # The detail and the hint may have several lines.
            self._warnings[-1] += f"\n    {told['text'] if told else rest}"
        if rest == "ok" and self._current:
            self.on_change(self._current)
            self._current = ""
            for warning in self._warnings:
                self.on_warning(warning)
            self._warnings.clear()
