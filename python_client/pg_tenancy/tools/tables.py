"""Find out by trying which rows of the application's tables each role reads and writes.

A member with each role of two organizations, the same person in the personal workspace, and
somebody outside of any workspace use each command on each table, with rows of both organizations,
in a transaction that is rolled back. What cannot be tried is reported as such, never as harmless.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from psycopg import sql

from pg_tenancy.testing._cells import Connection, Outcome, Statement, alone, undone
from pg_tenancy.testing._questions import REFUSALS
from pg_tenancy.testing._rows import ORGANIZATION_ROLES, PROTECTED, Place, SetUpError, Table
from pg_tenancy.testing._subject import COMMANDS, PLATFORM, Subject
from pg_tenancy.tools.pictures import grid
from pg_tenancy.tools.reach import AUTHOR, COLORS, NOTHING, OTHERS, OWN, REACHES, UNTRACED

__all__ = ["WHO", "Access", "Tables", "read_tables"]

WHO: Final = (*ORGANIZATION_ROLES, "personal", "outside")
"""The roles of an organization, a member in the personal workspace, somebody in no workspace."""


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
        if self._table.author is not None:
            for place in self._people.values():
                if place is not None and place.organization_id is not None:
                    subject.maker.row(self._table, place)
            # A row of somebody else that the others may see.
            if self._table.shared is not None:
                subject.maker.row(self._table, subject.colleague, **{self._table.shared: True})

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
        if command == "SELECT":
            return self._read(place)
        reach, why = NOTHING, ""
        for number, (statement, values) in enumerate(self._writes(command, place)):
            before = self._others(place)
            outcome = self._act(command, statement, place, values)
            if outcome.error is None and outcome.count and (number or outcome.looked != before):
                return OTHERS, f"{command} reaches rows of another tenant, or puts one there"
            if number == 0:
                reach, why = self._written(command, outcome, place)
        return reach, why

    def _act(self, command: str, statement: Statement, place: Place | None, values: Any) -> Outcome:
        def attempt() -> Outcome:
            return self._subject.act(statement, place, values, look=lambda: self._others(place))

        if command != "INSERT" or place is None:
            return attempt()
        with self._subject.vacant(place):
            return attempt()

    def _read(self, place: Place | None) -> tuple[str, str]:
        outcome = self._subject.act(self._subject.plain("SELECT"), place)
        if outcome.error is not None:
            return self._refused(outcome)
        seen = int(outcome.rows[0][0])
        if place is not None and seen <= self._rows(place, with_platform=True):
            return self._of(seen, place), ""
        return (OTHERS, f"{seen} rows are seen") if seen else (NOTHING, "")

    def _written(self, command: str, outcome: Outcome, place: Place | None) -> tuple[str, str]:
        if outcome.error is not None:
            return self._refused(outcome)
        if place is None:
            return (OTHERS, f"{outcome.count} rows are written") if outcome.count else (NOTHING, "")
        if command == "INSERT":
            return (OWN if self._table.author is None else AUTHOR) if outcome.count else NOTHING, ""
        return self._of(outcome.count, place), ""

    def _of(self, count: int, place: Place) -> str:
        """Return the reach to that many rows of a workspace."""
        if count == 0:
            return NOTHING
        return AUTHOR if self._table.author is not None and count <= self._rows(place, authored=True) else OWN

    @staticmethod
    def _refused(outcome: Outcome) -> tuple[str, str]:
        assert outcome.error is not None  # noqa: S101
        return (NOTHING, "") if outcome.error.sqlstate in REFUSALS else (UNTRACED, str(outcome))

    def _rows(self, place: Place, *, authored: bool = False, with_platform: bool = False) -> int:
        workspaces = [place.id, *([PLATFORM] if with_platform and self._table.shape == "catalogue" else [])]
        query = sql.SQL("SELECT count(*) FROM {} WHERE {} = ANY(%s)").format(self._table.sql, self._subject.key)
        values: list[Any] = [workspaces]
        if authored:
            query += sql.SQL(" AND {} = %s").format(sql.Identifier(self._table.author or ""))
            values.append(place.user_id)
        return int(self._subject.one(query, *values)[0])

    def _others(self, place: Place | None) -> list[Any]:
        """Return all rows of other workspaces, with xmin, so that even a write without changes shows."""
        query = sql.SQL("SELECT t.xmin::text || t::text FROM {} AS t WHERE t.{} IS DISTINCT FROM %s ORDER BY 1")
        whose = place.id if place is not None else None
        return self._subject.connection.execute(query.format(self._table.sql, self._subject.key), [whose]).fetchall()

    def _writes(self, command: str, place: Place | None) -> Iterator[tuple[Statement, Any]]:
        """Yield the plain statement of a command, then those that name another organization."""
        subject, table = self._subject, self._table
        allowed = table.access.get(command, {}).get("columns") or []
        elsewhere = {table.owner_column: subject.there.id, table.parent: subject.parents[subject.there]}
        other: Mapping[str, Any] = {name: value for name, value in elsewhere.items() if name and name in allowed}
        statement, values = subject.write(command, place or subject.here)
        yield statement, values
        for name, value in other.items():
            if command == "INSERT":
                yield subject.insert_of(values | {name: value}), values | {name: value}
            else:
                yield subject.update(name), [value]
