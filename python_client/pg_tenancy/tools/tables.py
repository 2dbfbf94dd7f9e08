"""Find out by trying which rows of the application's tables each role reads and writes.

A member with each role of two organizations, the same person in the personal workspace, and
somebody outside of any workspace use each command on each table, with rows of both organizations,
in a transaction that is rolled back. What cannot be tried is reported as such, never as harmless.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Final

import psycopg
from psycopg import sql

from pg_tenancy.testing._cells import Connection, Outcome, Statement, alone, undone
from pg_tenancy.testing._questions import NO_PARENT, REFUSALS
from pg_tenancy.testing._rows import ORGANIZATION_ROLES, PROTECTED, Place, SetUpError, Table
from pg_tenancy.testing._subject import COMMANDS, PLATFORM, Subject
from pg_tenancy.tools.pictures import grid
from pg_tenancy.tools.reach import AUTHOR, COLORS, NOTHING, OTHERS, OWN, REACHES, UNTRACED

__all__ = ["WHO", "Access", "Tables", "read_tables"]

WHO: Final = (*ORGANIZATION_ROLES, "personal", "outside")
"""The roles of an organization, a member in the personal workspace, somebody in no workspace."""

# The columns that a role may name in a command, whoever granted it.
GRANTED: Final = """
SELECT a.attname
FROM (SELECT %s::name AS role, %s AS command, %s::oid AS table_name) AS g
INNER JOIN pg_catalog.pg_attribute AS a ON g.table_name = a.attrelid AND a.attnum > 0 AND NOT a.attisdropped
WHERE has_column_privilege(g.role, a.attrelid, a.attnum, g.command)
ORDER BY a.attnum
"""

# The partitions and children that a role may use by their own names.
CHILDREN: Final = """
WITH RECURSIVE below AS (
    SELECT i.inhrelid AS oid FROM pg_catalog.pg_inherits AS i WHERE i.inhparent = %s::oid
    UNION
    SELECT i.inhrelid FROM pg_catalog.pg_inherits AS i INNER JOIN below AS b ON i.inhparent = b.oid
)

SELECT n.nspname, c.relname, c.relispartition
FROM below AS b
INNER JOIN pg_catalog.pg_class AS c ON b.oid = c.oid
INNER JOIN pg_catalog.pg_namespace AS n ON c.relnamespace = n.oid
CROSS JOIN (SELECT %s::name AS role) AS r
WHERE c.relkind IN ('r', 'p') AND (
    has_any_column_privilege(r.role, c.oid, 'SELECT, INSERT, UPDATE')
    OR has_table_privilege(r.role, c.oid, 'DELETE, TRUNCATE')
)
ORDER BY 1, 2
"""


@dataclass(frozen=True)
class Access:
    """What somebody reaches by a command.

    Attributes:
        table: the table.
        command: ``SELECT``, ``INSERT``, ``UPDATE`` or ``DELETE``.
        who: one of ``WHO``.
        reach: ``own``, ``author``, ``others``, ``nothing`` or ``cannot be traced``.
        why: what was seen, if the reach does not say it all.

    """

    table: str
    command: str
    who: str
    reach: str
    why: str = ""


@dataclass(frozen=True)
class Tables:
    """The access to all tables of the application.

    Attributes:
        role: the role that tried it.
        found: the access, by table, command and person.

    """

    role: str
    found: tuple[Access, ...]

    def lines(self) -> dict[tuple[str, str], dict[str, Access]]:
        """Return the access of everybody in ``WHO``, by table and command."""
        lines: dict[tuple[str, str], dict[str, Access]] = {}
        for access in self.found:
            lines.setdefault((access.table, access.command), {})[access.who] = access
        return lines

    def reasons(self) -> list[str]:
        """Return a line for each access that should not be, or that could not be tried."""
        return [
            f"{access.table}: {access.command} as {access.who}: {access.reach}, {access.why}"
            for access in self.found
            if access.reach in (OTHERS, UNTRACED)
        ]

    def document(self) -> dict[str, Any]:
        """Return it as a JSON document."""
        return {"role": self.role, "access": [asdict(access) for access in self.found]}

    def svg(self) -> str:
        """Return it as an SVG: a line for each command on a table, a column for each role."""
        lines = {
            f"{table} {command}": {
                who: (
                    COLORS[access.reach],
                    f"{who} reaches by {command} of {table}: {access.reach}{f' ({access.why})' if access.why else ''}",
                )
                for who, access in people.items()
            }
            for (table, command), people in self.lines().items()
        }
        return grid(f"what {self.role} reaches in the tables", WHO, lines, {each: COLORS[each] for each in REACHES})


def read_tables(connection: Connection, role: str) -> Tables:
    """Try every command on the application's protected tables, as everybody in ``WHO``.

    Args:
        connection: a superuser's connection in autocommit; all changes are rolled back.
        role: the role of the application's login; it must exist.

    """
    found: list[Access] = []
    for (oid,) in connection.execute(PROTECTED).fetchall():
        with alone(connection):
            table = Table.of(connection, oid)
            try:
                found += _Tried(Subject(connection, table.full_name, role, {})).all()
            except SetUpError as error:
                found += [
                    Access(table.full_name, command, who, UNTRACED, str(error)) for command in COMMANDS for who in WHO
                ]
    return Tables(role, tuple(found))


class _Tried:
    """The attempts on a table.

    Args:
        subject: the table, with rows of two organizations.

    """

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._table = subject.table
        self._people: dict[str, Place | None] = {who: subject.cast.in_both(who)["own"] for who in ORGANIZATION_ROLES}
        self._people |= {"personal": subject.both["personal"], "outside": None}
        for who in ORGANIZATION_ROLES:
            # The same people's personal rows, which are of another workspace in the organization.
            personal = subject.cast.in_both(who)["personal"]
            if subject.is_personal and personal.id != subject.both["personal"].id:
                subject.maker.row(self._table, personal)
        if self._table.author is not None:
            for place in self._people.values():
                if place is not None and place.organization_id is not None:
                    subject.maker.row(self._table, place)
            # A row of somebody else that the others may see, and one of another organization.
            if self._table.shared is not None:
                for author in (subject.colleague, subject.there):
                    subject.maker.row(self._table, author, **{self._table.shared: True})
        # What the role was granted, which may be more than allow() knows.
        self._granted = {command: self._columns(command) for command in ("INSERT", "UPDATE")}
        self._relations = [self._table.sql]
        self._empty: list[str] = []
        for schema, name, is_partition in self._rows_of(CHILDREN, self._table.oid, subject.role):
            self._open_child(schema, name, is_partition=is_partition)

    def all(self) -> Iterator[Access]:
        for command in COMMANDS:
            for who, place in self._people.items():
                try:
                    with undone(self._subject.connection):
                        reach, why = self._reach(command, place)
                except SetUpError as error:
                    reach, why = UNTRACED, str(error)
                yield Access(self._table.full_name, command, who, reach, why)

    def _reach(self, command: str, place: Place | None) -> tuple[str, str]:
        found = self._inserted(place) if command == "INSERT" else self._reached(command, place)
        if found[0] not in (OTHERS, UNTRACED) and self._empty:
            return UNTRACED, f"{', '.join(self._empty)} may be used by name, and has no row to try"
        return found

    # -- reading, updating and deleting rows that exist ------------------------------------

    def _reached(self, command: str, place: Place | None) -> tuple[str, str]:
        others = self._reaches_others(command, place)
        if others is not None:
            return others
        if command == "SELECT":
            outcome = self._subject.act(self._subject.plain("SELECT"), place)
            if outcome.error is not None:
                return self._refused(outcome)
            seen = int(outcome.rows[0][0])
        else:
            reach = self._changes_of_others(command, place)
            if isinstance(reach, tuple):
                return reach
            seen = reach
        if place is None:
            return (OTHERS, f"{seen} rows are reached") if seen else (NOTHING, "")
        return self._of(seen, place), ""

    def _reaches_others(self, command: str, place: Place | None) -> tuple[str, str] | None:
        """Use each statement on rows of other workspaces alone: its answer must be that of an empty table.

        With the workspace's own rows among them, a refusal for one row would hide that others are
        reached, and a number of rows would not tell whose they are.
        """
        statements = list(self._alone(command, place))
        with self._without(self._mine(command, place), others=False):
            with_others = [self._subject.act(statement, place, values) for statement, values in statements]
        with self._without(None, others=False):
            with_nothing = [self._subject.act(statement, place, values) for statement, values in statements]
        for outcome, usual in zip(with_others, with_nothing, strict=True):
            if _told(outcome) != _told(usual):
                return OTHERS, f"{command} reaches rows of another tenant: {_words(outcome)}"
        return self._truncated(place) if command == "DELETE" else None

    def _truncated(self, place: Place | None) -> tuple[str, str] | None:
        """Return what TRUNCATE does, to which no policy applies; None if it is refused."""
        for relation in self._relations:
            outcome = self._subject.act(sql.SQL("TRUNCATE {}").format(relation), place)
            if outcome.error is None:
                return OTHERS, "TRUNCATE removes the rows of all tenants"
            if outcome.error.sqlstate not in REFUSALS:
                return UNTRACED, f"TRUNCATE: {outcome}"
        return None

    def _alone(self, command: str, place: Place | None) -> Iterator[tuple[Statement, Any]]:
        """Yield all statements of a command that reach rows, with no more than the role was granted."""
        for relation in self._relations:
            if command == "SELECT":
                yield sql.SQL("SELECT count(*) FROM {}").format(relation), None
            elif command == "DELETE":
                yield sql.SQL("DELETE FROM {}").format(relation), None
            else:
                for name in self._granted["UPDATE"] or [self._table.owner_column]:
                    yield _reset(relation, name), None
                for names in self._naming("UPDATE"):
                    values = self._elsewhere(names, self._subject.here if place is None else place)
                    yield self._subject.update(*values, of=relation), list(values.values())

    def _changes_of_others(self, command: str, place: Place | None) -> int | tuple[str, str]:
        """Write a workspace's rows: return how many, or what it reached instead."""
        subject = self._subject
        before = self._others(place)
        outcome = self._act(*self._own_write(command, place), place)
        if outcome.looked != before:
            return OTHERS, f"{command} changes rows of another tenant, or puts one there"
        if command == "UPDATE":
            for names in self._naming(command):
                values = self._elsewhere(names, subject.there)
                # Only own rows, so that no other's refusal hides a move.
                with self._without(self._mine(command, place), others=True):
                    moved = self._act(subject.update(*values), list(values.values()), place)
                if (found := self._put_elsewhere(command, names, moved)) is not None:
                    return found
        return self._refused(outcome) if outcome.error is not None else outcome.count

    def _own_write(self, command: str, place: Place | None) -> tuple[Statement, Any]:
        granted = self._granted.get(command, [])
        if command == "UPDATE" and "UPDATE" not in self._table.access and granted:
            return _reset(self._table.sql, granted[0]), None
        return self._subject.write(command, place or self._subject.here)

    # -- inserting -------------------------------------------------------------------------

    def _inserted(self, place: Place | None) -> tuple[str, str]:
        subject = self._subject
        who = place or subject.here
        values = subject.new_row(who)
        if "INSERT" not in self._table.access:
            row = subject.row_by(who)
            values = {name: row[name] for name in self._granted["INSERT"] if name in row and row[name] != who.id}
        with subject.vacant(who):
            before = self._others(place)
            outcome = self._act(subject.insert_of(values), values, place)
        # Also if the statement itself wrote no row, or failed.
        if outcome.looked != before:
            return OTHERS, "INSERT changes rows of another tenant, or puts one there"
        for names in self._naming("INSERT"):
            given = values | self._elsewhere(names, subject.there)
            with subject.vacant(subject.there):
                forged = self._act(subject.insert_of(given), given, place)
            if (found := self._put_elsewhere("INSERT", names, forged)) is not None:
                return found
        if outcome.error is not None:
            return self._refused(outcome)
        if place is None:
            return (OTHERS, f"{outcome.count} rows are written") if outcome.count else (NOTHING, "")
        return (OWN if self._table.author is None else AUTHOR) if outcome.count else NOTHING, ""

    def _put_elsewhere(self, command: str, names: tuple[str, ...], outcome: Outcome) -> tuple[str, str] | None:
        """Return what a statement that names another organization reached, None if it was refused."""
        if outcome.error is None:
            return (OTHERS, f"{command} puts a row in another tenant") if outcome.count else None
        # A parent of another workspace is refused like one that does not exist.
        refusals = (*REFUSALS, NO_PARENT) if self._table.parent in names else REFUSALS
        return None if outcome.error.sqlstate in refusals else (UNTRACED, str(outcome))

    # -- common ----------------------------------------------------------------------------

    def _naming(self, command: str) -> Iterator[tuple[str, ...]]:
        """Yield the columns that name a workspace, one by one and together, as far as they are granted."""
        names = [name for name in (self._table.owner_column, self._table.parent) if name in self._granted[command]]
        yield from ((name,) for name in names)
        if len(names) > 1:
            yield tuple(names)

    def _elsewhere(self, names: tuple[str, ...], place: Place) -> dict[str, Any]:
        """Return values of these columns that name a workspace."""
        subject = self._subject
        of = place if place in subject.parents else subject.here
        known = {self._table.owner_column: place.id, self._table.parent: subject.parents[of]}
        return {name: known[name] for name in names}

    def _act(self, statement: Statement, values: Any, place: Place | None) -> Outcome:
        return self._subject.act(statement, place, values, look=lambda: self._others(place))

    def _mine(self, command: str, place: Place | None) -> list[Any]:
        if place is None:
            return []
        return [place.id, *([PLATFORM] if command == "SELECT" and self._table.shape == "catalogue" else [])]

    @contextmanager
    def _without(self, workspaces: list[Any] | None, *, others: bool) -> Iterator[None]:
        """Remove the rows of these workspaces for the block, or those of others; None for all rows.

        Neither foreign keys nor triggers apply to the removal.
        """
        connection = self._subject.connection
        delete: Statement = sql.SQL("DELETE FROM {}").format(self._table.sql)
        if workspaces is not None:
            which = sql.SQL("<> ALL(%s)" if others else "= ANY(%s)")
            delete = sql.SQL("{} WHERE {} {}").format(delete, self._subject.key, which)
        with undone(connection):
            try:
                with connection.transaction():
                    connection.execute("SET LOCAL session_replication_role = replica")
                    connection.execute(delete, None if workspaces is None else [workspaces])
                    connection.execute("SET LOCAL session_replication_role = origin")
            except psycopg.Error as error:
                raise SetUpError(f"rows could not be removed: {error.diag.message_primary}") from error
            yield

    def _open_child(self, schema: str, name: str, *, is_partition: bool) -> None:
        """Try a partition or a child that the role may use by its name, with a row of another organization."""
        subject, relation = self._subject, sql.Identifier(schema, name)
        (there,) = subject.one(
            sql.SQL("SELECT count(*) FROM {} WHERE {} = %s").format(relation, subject.key), subject.there.id
        )
        if not there and not is_partition:
            child = subject.maker.table(f"{schema}.{name}")
            subject.maker.plain_row(child, subject.there, subject.row_by(subject.there))
        elif not there:
            self._empty.append(f"{schema}.{name}")
        self._relations.append(relation)

    def _columns(self, command: str) -> list[str]:
        return [name for (name,) in self._rows_of(GRANTED, self._subject.role, command, self._table.oid)]

    def _rows_of(self, query: Any, *values: Any) -> list[tuple[Any, ...]]:
        return self._subject.connection.execute(query, values).fetchall()

    def _of(self, count: int, place: Place) -> str:
        """Return the reach to that many rows of a workspace."""
        if count == 0:
            return NOTHING
        return AUTHOR if self._table.author is not None and count <= self._authored(place) else OWN

    @staticmethod
    def _refused(outcome: Outcome) -> tuple[str, str]:
        assert outcome.error is not None  # noqa: S101
        return (NOTHING, "") if outcome.error.sqlstate in REFUSALS else (UNTRACED, str(outcome))

    def _authored(self, place: Place) -> int:
        query = sql.SQL("SELECT count(*) FROM {} WHERE {} = %s AND {} = %s").format(
            self._table.sql, self._subject.key, sql.Identifier(self._table.author or "")
        )
        return int(self._subject.one(query, place.id, place.user_id)[0])

    def _others(self, place: Place | None) -> list[Any]:
        """Return all rows of other workspaces, with xmin, so that even a write without changes shows."""
        query = sql.SQL("SELECT t.xmin::text || t::text FROM {} AS t WHERE t.{} IS DISTINCT FROM %s ORDER BY 1")
        whose = place.id if place is not None else None
        return self._subject.connection.execute(query.format(self._table.sql, self._subject.key), [whose]).fetchall()


def _reset(relation: sql.Identifier, column: str) -> Statement:
    return sql.SQL("UPDATE {} SET {} = DEFAULT").format(relation, sql.Identifier(column))


def _told(outcome: Outcome) -> tuple[Any, ...]:
    """Return what the caller learns from a statement."""
    return (outcome.error.sqlstate,) if outcome.error is not None else (outcome.count, *outcome.rows)


def _words(outcome: Outcome) -> str:
    if outcome.error is None and outcome.rows:
        return f"{outcome.rows[0][0]} rows are seen"
    return str(outcome)
