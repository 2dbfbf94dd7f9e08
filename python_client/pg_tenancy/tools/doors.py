"""Find out by trying which objects lead an application's role to rows of protected tables.

A view, a function, a trigger or a foreign key is a door to a table. Each door is used by a member
of one organization, with rows of that organization and of another one, in a transaction that is
rolled back. A door that cannot be tried, such as a function whose arguments cannot be generated,
is reported as such, never as harmless.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Final

import psycopg
from psycopg import sql

from pg_tenancy.testing._cells import Cast, Connection, Outcome, Report, alone, undone
from pg_tenancy.testing._doors import Rows, definer_functions, function_door, go_through, state_of, views_of
from pg_tenancy.testing._rows import PROTECTED, Place, RowMaker, RowOf, SetUpError, Table, made_of
from pg_tenancy.testing._subject import Subject
from pg_tenancy.tools.pictures import grid
from pg_tenancy.tools.reach import AUTHOR, COLORS, NOTHING, OTHERS, OWN, REACHES, UNTRACED

__all__ = ["Door", "Doors", "read_doors"]

# Functions whose tables are unknown: dynamic SQL, and languages other than SQL and PL/pgSQL.
_OPAQUE: Final = """
SELECT p.oid::regprocedure::text
FROM pg_catalog.pg_proc AS p
INNER JOIN pg_catalog.pg_namespace AS n ON p.pronamespace = n.oid
INNER JOIN pg_catalog.pg_language AS l ON p.prolang = l.oid
WHERE p.prosecdef
    AND p.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)
    AND has_function_privilege(%s, p.oid, 'EXECUTE')
    AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'tenancy', 'tenancy_private', 'tenancy_archive')
    AND (l.lanname NOT IN ('sql', 'plpgsql') OR l.lanname = 'plpgsql' AND p.prosrc ~* '\\mexecute\\M')
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS d WHERE d.objid = p.oid AND d.deptype = 'e')
ORDER BY 1
"""

_ARGUMENTS: Final = """
SELECT t.typname
FROM pg_catalog.pg_proc AS p
CROSS JOIN LATERAL unnest(p.proargtypes::oid[]) WITH ORDINALITY AS a (type, place)
INNER JOIN pg_catalog.pg_type AS t ON a.type = t.oid
WHERE p.oid = %s::regprocedure AND a.place <= p.pronargs - p.pronargdefaults
ORDER BY a.place
"""

_TRIGGERS: Final = """
SELECT
    t.tgname,
    ARRAY(
        SELECT c.command FROM (VALUES (4, 'INSERT'), (8, 'DELETE'), (16, 'UPDATE')) AS c (bit, command)
        WHERE t.tgtype & c.bit > 0
    )
FROM pg_catalog.pg_trigger AS t
INNER JOIN pg_catalog.pg_proc AS p ON t.tgfoid = p.oid
INNER JOIN pg_catalog.pg_namespace AS n ON p.pronamespace = n.oid
WHERE t.tgrelid = %s AND NOT t.tgisinternal AND t.tgenabled <> 'D' AND n.nspname NOT IN ('tenancy', 'tenancy_private')
ORDER BY 1
"""

# Foreign keys between protected tables, with their columns except the workspace's.
_KEYS: Final = """
SELECT
    c.conname, c.confrelid,
    ARRAY(
        SELECT ARRAY[a.attname, r.attname]
        FROM unnest(c.conkey, c.confkey) AS k (here, there)
        INNER JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.conrelid AND a.attnum = k.here
        INNER JOIN pg_catalog.pg_attribute AS r ON r.attrelid = c.confrelid AND r.attnum = k.there
        WHERE a.attname <> p.key
    )
FROM pg_catalog.pg_constraint AS c
INNER JOIN tenancy_private.protected_tables AS p ON c.conrelid = p.table_name
INNER JOIN tenancy_private.protected_tables AS o ON c.confrelid = o.table_name AND NOT o.shipped
WHERE c.contype = 'f' AND c.conrelid = %s AND o.shape <> 'published'
ORDER BY 1
"""


@dataclass(frozen=True)
class Door:
    """A way to rows of a table.

    Attributes:
        kind: ``view``, ``function``, ``trigger`` or ``foreign key``.
        name: its name, with arguments for a function.
        table: the table; every table if that is unknown.
        reach: ``own``, ``others``, ``nothing`` or ``cannot be traced``.
        why: what was seen, if the reach does not say it all.

    """

    kind: str
    name: str
    table: str
    reach: str
    why: str = ""


@dataclass(frozen=True)
class Doors:
    """All doors of a database.

    Attributes:
        role: the role that tried them.
        tables: the protected tables of the application.
        doors: the doors, widest reach first.

    """

    role: str
    tables: tuple[str, ...]
    doors: tuple[Door, ...]

    def rows(self) -> list[list[str]]:
        """Return the rows of a printed table: door, table, reach and reason."""
        return [[f"{door.kind} {door.name}", door.table, door.reach, door.why] for door in self.doors]

    def document(self) -> dict[str, Any]:
        """Return it as a JSON document."""
        return {"role": self.role, "tables": list(self.tables), "doors": [asdict(door) for door in self.doors]}

    def svg(self) -> str:
        """Return it as an SVG: a line for each door, a column for each table."""
        lines: dict[str, dict[str, tuple[str, str]]] = {}
        for door in self.doors:
            cells = lines.setdefault(f"{door.kind} {door.name}", {})
            for table in self.tables if door.table == _ALL else [door.table]:
                why = f" ({door.why})" if door.why else ""
                cells[table] = COLORS[door.reach], f"{door.kind} {door.name} to {table}: {door.reach}{why}"
        legend = {reach: COLORS[reach] for reach in REACHES if reach != AUTHOR}
        return grid(f"what {self.role} reaches through each door", self.tables, lines, legend)


_ALL: Final = "(any table)"


def read_doors(connection: Connection, role: str) -> Doors:
    """Try every door to the application's protected tables.

    Args:
        connection: a superuser's connection in autocommit; all changes are rolled back.
        role: the role of the application's login; it must exist.

    """
    with alone(connection):
        tables = [Table.of(connection, oid) for (oid,) in connection.execute(PROTECTED).fetchall()]
        found = [door for table in tables for door in _doors_of(connection, table, tables, role)]
        told = {door.name for door in found if door.kind == "function"}
        found += [
            Door("function", name, _ALL, UNTRACED, "it runs dynamic SQL with its owner's rights")
            for (name,) in connection.execute(_OPAQUE, [role]).fetchall()
            if name not in told
        ]
    found.sort(key=lambda door: REACHES.index(door.reach))
    return Doors(role, tuple(table.full_name for table in tables), tuple(found))


def _doors_of(connection: Connection, table: Table, tables: list[Table], role: str) -> Iterator[Door]:
    tried = partial(_tried, connection)
    for name, is_materialized, _ in views_of(connection, table, role):
        if is_materialized:
            yield Door("view", name, table.full_name, OTHERS, "it is materialized, and policies do not apply to it")
        else:
            yield tried("view", name, table, partial(_through_view, connection, table, role, name))
    for name in definer_functions(connection, table, role):
        yield tried("function", name, table, partial(_through_function, connection, table, role, name))
    for name, commands in connection.execute(_TRIGGERS, [table.oid]).fetchall():
        attempt = partial(_through_trigger, connection, table, tables, role, name, commands)
        yield tried("trigger", f"{name} on {table.full_name}", table, attempt)
    for name, referred, columns in connection.execute(_KEYS, [table.oid]).fetchall():
        to = Table.of(connection, referred)
        attempt = partial(_through_key, connection, table, to, role, dict(columns))
        yield tried("foreign key", f"{name} of {table.full_name}", to, attempt)


def _tried(connection: Connection, kind: str, name: str, table: Table, attempt: Callable[[], tuple[str, str]]) -> Door:
    try:
        with undone(connection):
            reach, why = attempt()
    except (SetUpError, psycopg.Error) as error:
        reach, why = UNTRACED, str(error).splitlines()[0]
    return Door(kind, name, table.full_name, reach, why)


def _told(report: Report) -> tuple[str, str]:
    """Return the reach that a door's cells show."""
    wrong = [cell for cell in report.problems if cell.kind == "isolation" and cell.is_tested]
    if wrong:
        return OTHERS, str(wrong[0].answer)
    untested = [cell for cell in report.problems if not cell.is_tested]
    if untested:
        return UNTRACED, str(untested[0].answer)
    # A view can have several ways through it; one that shows the right rows is enough.
    if report.count("control"):
        return OWN, ""
    return NOTHING, str(next((cell.answer for cell in report.problems), "")).partition(",")[0]


def _through_view(connection: Connection, table: Table, role: str, name: str) -> tuple[str, str]:
    report = Report(name)
    maker = RowMaker(connection)
    cast = Cast(maker)
    for view, _, doors in views_of(connection, table, role):
        for door in doors if view == name else ():
            go_through(connection, door, Rows(maker, [table]), cast, role, table.role_for("SELECT") or "owner", report)
    return _told(report)


def _through_function(connection: Connection, table: Table, role: str, signature: str) -> tuple[str, str]:
    arguments: list[object] = []
    ids = [
        column["name"]
        for column in RowMaker(connection).columns(table)
        if column["type"] == "uuid" and column["name"] not in (table.key, table.author)
    ]
    for (type_name,) in connection.execute(_ARGUMENTS, [signature]).fetchall():
        # A uuid is most likely the row's id; if that is a number, its parent's.
        if type_name == "uuid" and ids:
            value: object = RowOf(table.full_name, "id" if "id" in ids else ids[0])
        else:
            value = made_of(type_name, None)
        if value is None:
            raise SetUpError(f"no value can be generated for its argument of type {type_name}")
        arguments.append(value)
    report = Report(signature)
    maker = RowMaker(connection)
    door = function_door(connection, signature, arguments)
    person = table.role_for("SELECT") or "owner"
    go_through(connection, door, Rows(maker, [table]), Cast(maker), role, person, report)
    reach, why = _told(report)
    if reach == NOTHING and arguments:
        # Other arguments might reach more.
        return UNTRACED, f"with generated arguments: {why}"
    return reach, why


def _through_trigger(
    connection: Connection, table: Table, tables: list[Table], role: str, name: str, commands: list[str]
) -> tuple[str, str]:
    subject = Subject(connection, table.full_name, role, {})
    may = [command for command in commands if table.role_for(command)]
    if not may:
        return NOTHING, f"nobody may {' or '.join(commands)}"
    # Both tenants need rows that the trigger might change.
    empty = [each.full_name for each in tables if each.oid != table.oid and not _peopled(subject, each)]
    reached: set[str] = set()
    for command in may:
        place = subject.writer(command)
        with_it = _written(subject, tables, command, place)
        with undone(connection):
            connection.execute(
                sql.SQL("ALTER TABLE {} DISABLE TRIGGER {}").format(table.sql, sql.Identifier(name)),
            )
            without = _written(subject, tables, command, place)
        if with_it["others"] - without["others"]:
            return OTHERS, f"{command} changes rows of another tenant in {', '.join(sorted(with_it['others']))}"
        reached |= with_it[OWN] - without[OWN]
    if empty:
        raise SetUpError(f"no row could be generated in {', '.join(empty)}, which it might change")
    return (OWN, f"in {', '.join(sorted(reached))}") if reached else (NOTHING, "it changes no protected row")


def _peopled(subject: Subject, table: Table) -> bool:
    try:
        for place in (subject.here, subject.there):
            subject.maker.row(table, place)
    except SetUpError:
        return False
    return True


def _written(subject: Subject, tables: list[Table], command: str, place: Place) -> dict[str, set[str]]:
    """Return the tables in which a write changes rows of the writer's own workspace, and of another one."""
    statement, given = subject.write(command, place)

    def look() -> list[tuple[Table, list[Any], list[Any]]]:
        connection = subject.connection
        return [
            (each, state_of(connection, [each], place), state_of(connection, [each], subject.there)) for each in tables
        ]

    before = look()
    outcome = subject.act(statement, place, given, look=look)
    _require_done(outcome, command)
    own, others = set(), set()
    for (table, mine, theirs), (_, mine_after, theirs_after) in zip(before, outcome.looked, strict=True):
        own |= {table.full_name} if mine != mine_after else set()
        others |= {table.full_name} if theirs != theirs_after else set()
    return {OWN: own, "others": others}


def _require_done(outcome: Outcome, what: str) -> None:
    if outcome.error is not None:
        raise SetUpError(f"{what} of the caller's own row is refused: {outcome.error.diag.message_primary}")
    if not outcome.count:
        raise SetUpError(f"{what} of the caller's own row touches no row")


def _through_key(
    connection: Connection, table: Table, to: Table, role: str, columns: dict[str, str]
) -> tuple[str, str]:
    writable = [command for command in ("INSERT", "UPDATE") if _may_write(table, command, columns)]
    if not writable:
        return NOTHING, f"nobody may write {', '.join(columns)}"
    subject = Subject(connection, table.full_name, role, {})
    command = writable[0]
    place = subject.writer(command)
    made = {whose: subject.maker.row(to, whose) for whose in (place, subject.there)}
    outcomes = []
    for whose in (place, subject.there):
        referring = {here: made[whose][there] for here, there in columns.items()}
        if command == "INSERT":
            values = subject.new_row(place) | referring
            outcomes.append(subject.act(subject.insert_of(values), place, values))
        else:
            outcomes.append(subject.act(subject.update(*referring), place, list(referring.values())))
    _require_done(outcomes[0], command)
    if outcomes[1].error is None and outcomes[1].count:
        return OTHERS, f"{command} may refer to a row of another tenant"
    return OWN, ""


def _may_write(table: Table, command: str, columns: dict[str, str]) -> bool:
    allowed = table.access.get(command, {}).get("columns") or []
    return table.role_for(command) is not None and set(columns) <= set(allowed)
