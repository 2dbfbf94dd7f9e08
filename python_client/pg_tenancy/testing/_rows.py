"""Rows for any table, from the catalog alone."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, time, timedelta
from ipaddress import IPv4Address
from itertools import count
from secrets import randbelow, token_hex
from typing import Any, Final
from uuid import UUID, uuid4

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

__all__ = ["Place", "RowMaker", "RowOf", "SetUpError", "Table", "Values", "made_of"]

Connection = psycopg.Connection[Any]
Row = dict[str, Any]
Values = Mapping[str, Any] | Callable[[int], Mapping[str, Any]]
"""Values by column, or a function that takes a row's number and returns them."""

COLUMNS: Final = """
SELECT
    a.attname AS name,
    coalesce(b.typname, t.typname) AS type,
    t.typcategory AS category,
    t.typtype AS kind,
    CASE WHEN t.typname IN ('varchar', 'bpchar') AND a.atttypmod > 4 THEN a.atttypmod - 4 END AS length,
    (
        SELECT e.enumlabel FROM pg_catalog.pg_enum AS e
        WHERE e.enumtypid = coalesce(b.oid, t.oid) ORDER BY e.enumsortorder LIMIT 1
    ) AS label,
    a.attnotnull AND NOT a.atthasdef AND a.attidentity = '' AS is_required,
    a.attgenerated <> '' OR a.attidentity = 'a' AS is_made,
    f.confrelid AS referred,
    f.column_name AS referred_column
FROM pg_catalog.pg_attribute AS a
INNER JOIN pg_catalog.pg_type AS t ON a.atttypid = t.oid
LEFT JOIN pg_catalog.pg_type AS b ON t.typbasetype = b.oid
LEFT JOIN LATERAL (
    SELECT c.confrelid, r.attname AS column_name
    FROM pg_catalog.pg_constraint AS c
    INNER JOIN pg_catalog.pg_attribute AS r
        ON c.confrelid = r.attrelid AND r.attnum = c.confkey[array_position(c.conkey, a.attnum)]
    WHERE c.contype = 'f' AND c.conrelid = a.attrelid AND a.attnum = ANY(c.conkey)
        -- In a key that includes the workspace, the other column is the reference.
        AND (cardinality(c.conkey) = 1 OR a.attname <> %(key)s)
    ORDER BY cardinality(c.conkey) DESC, c.conname
    LIMIT 1
) AS f ON true
WHERE a.attrelid = %(table)s AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
"""

# The arguments of protect() for a table, and of allow() for each command.
TABLE: Final = """
SELECT
    c.oid,
    n.nspname AS schema,
    c.relname AS name,
    p.shape,
    p.key,
    p.parent,
    p.author,
    p.shared,
    coalesce(p.shipped, false) AS is_shipped,
    coalesce((
        SELECT jsonb_object_agg(a.command, jsonb_build_object(
            'permission', a.permission, 'columns', a.columns, 'workspace', a.workspace,
            'roles', ARRAY(SELECT r.role FROM tenancy.role_permissions AS r WHERE r.permission = a.permission)
        ))
        FROM tenancy_private.access AS a WHERE a.table_name = c.oid
    ), '{}') AS access
FROM pg_catalog.pg_class AS c
INNER JOIN pg_catalog.pg_namespace AS n ON c.relnamespace = n.oid
LEFT JOIN tenancy_private.protected_tables AS p ON p.table_name = c.oid
WHERE c.oid = %s::pg_catalog.regclass
"""

PROTECTED: Final = """
SELECT p.table_name::pg_catalog.oid FROM tenancy_private.protected_tables AS p
WHERE NOT p.shipped AND p.shape <> 'published' ORDER BY p.table_name::text
"""

# The test always has rows of these tables.
PEOPLE: Final = {"public.users": "user_id", "public.organizations": "organization_id", "tenancy.workspaces": "id"}

# Random days of one year would soon be equal, and a table may have partitions for few years.
_TURNS: Final = count(randbelow(1_000))

# Until the row's own key is known.
_ITSELF: Final = object()

ORGANIZATION_ROLES: Final = ("owner", "admin", "manager", "user")


class SetUpError(Exception):
    """The test could not be prepared, so nothing was tested."""


@dataclass(frozen=True)
class RowOf:
    """An argument of a function: a column of the row that the test created in a table.

    Attributes:
        table: the table's name, such as ``public.projects``.
        column: the column's name.

    """

    table: str
    column: str = "id"


@dataclass(frozen=True, eq=False)
class Place:
    """Somebody in a workspace.

    Attributes:
        name: for messages.
        user_id: the person.
        organization_id: None for the personal workspace.

    """

    name: str
    user_id: UUID
    organization_id: UUID | None

    @property
    def id(self) -> UUID:
        """Return the id of the workspace."""
        return self.organization_id or self.user_id


@dataclass(frozen=True, eq=False)
class Table:
    """A table, with its arguments of ``protect`` and ``allow``."""

    oid: int
    schema: str
    name: str
    shape: str | None
    key: str | None
    parent: str | None
    author: str | None
    shared: str | None
    is_shipped: bool
    access: dict[str, dict[str, Any]]

    @classmethod
    def of(cls, connection: Connection, table: str | int) -> Table:
        """Look up a table by its name or OID.

        Raises:
            SetUpError: it does not exist.
        """
        try:
            with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:
                row = cursor.execute(TABLE, [str(table)]).fetchone()
        except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName) as error:
            raise SetUpError(f"table {table} does not exist, or pg-tenancy is not deployed: {error}") from error
        if row is None:
            raise SetUpError(f"table {table} does not exist")
        return cls(**row)

    @property
    def full_name(self) -> str:
        """Return the name with its schema as SQL writes it, for messages and as an argument of ``of``."""
        return ".".join(
            part if re.fullmatch("[a-z_][a-z0-9_$]*", part) else '"' + part.replace('"', '""') + '"'
            for part in (self.schema, self.name)
        )

    @property
    def sql(self) -> sql.Identifier:
        """Return the name with its schema, for statements."""
        return sql.Identifier(self.schema, self.name)

    @property
    def owner_column(self) -> str:
        """Return the column that holds the owner of a row.

        Raises:
            SetUpError: the table is not protected.
        """
        if self.key is None:
            raise SetUpError(f"{self.full_name} is not protected: CALL tenancy.protect('{self.full_name}')")
        return self.key

    def role_for(self, *commands: str, having: bool = True) -> str | None:
        """Return an organization role that may use all these commands, or none of them."""
        for role in ORGANIZATION_ROLES:
            may = [self._may(role, command) for command in commands]
            if all(may) if having else not any(may):
                return role
        return None

    def _may(self, role: str, command: str) -> bool:
        allowed = self.access.get(command)
        return allowed is not None and (allowed["permission"] is None or role in allowed["roles"])


@dataclass(eq=False)
class RowMaker:
    """Creates rows as the superuser, with a value for each column that requires one.

    Args:
        connection: the superuser's, in a transaction that is rolled back.
        values: values that the developer chose, by table.

    """

    connection: Connection
    values: Mapping[str, Values] = field(default_factory=dict)
    _made: int = 0
    _parents: dict[tuple[int, UUID], Row] = field(default_factory=dict)
    _tables: dict[str | int, Table] = field(default_factory=dict)
    _columns: dict[int, list[Row]] = field(default_factory=dict)

    def table(self, name: str | int) -> Table:
        """Look up a table, with a cache; see ``Table.of``."""
        if name not in self._tables:
            self._tables[name] = Table.of(self.connection, name)
        return self._tables[name]

    def columns(self, table: Table) -> list[Row]:
        """Return the catalog's data about a table's columns, with a cache."""
        if table.oid not in self._columns:
            with self.connection.cursor(row_factory=dict_row) as cursor:
                values = {"table": table.oid, "key": table.key or ""}
                self._columns[table.oid] = cursor.execute(COLUMNS, values).fetchall()
        return self._columns[table.oid]

    def row(self, table: Table, place: Place, **given: Any) -> Row:
        """Create a row in a workspace, and return all its columns.

        Raises:
            SetUpError: it could not be created.
        """
        if table.key is not None and table.shape != "published":
            given.setdefault(table.key, place.id)
        if table.author is not None:
            given.setdefault(table.author, place.user_id)
        if table.parent is not None:
            given |= {
                name: value for name, value in self.filled(table, place, {table.parent}).items() if name not in given
            }
        return self.plain_row(table, place, given)

    def plain_row(self, table: Table, place: Place, given: Mapping[str, Any]) -> Row:
        """Create a row of any table, protected or not, and return all its columns."""
        values = {**self.filled(table, place, None, set(given)), **given}
        names = list(values)
        statement = sql.SQL("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE VALUES ({}) RETURNING *").format(
            table.sql,
            sql.SQL(", ").join(map(sql.Identifier, names)),
            sql.SQL(", ").join(map(sql.Placeholder, names)),
        )
        if not names:
            statement = sql.SQL("INSERT INTO {} DEFAULT VALUES RETURNING *").format(table.sql)
        try:
            with self.connection.transaction(), self.connection.cursor(row_factory=dict_row) as cursor:
                row = cursor.execute(statement, values).fetchone()
        except psycopg.Error as error:
            raise SetUpError(
                f"a row of {table.full_name} could not be created: {error.diag.message_primary}."
                f' Give values={{"{table.full_name}": {{"column": ...}}}}.'
            ) from error
        if row is None:
            raise SetUpError(f"a trigger of {table.full_name} discarded the test's row")
        return row

    def filled(
        self, table: Table, place: Place, names: set[str] | None, known: set[str] | frozenset[str] = frozenset()
    ) -> Row:
        """Return a value for each of these columns, or for each that requires one, except known ones."""
        self._made += 1
        given = self.values.get(table.full_name, {})
        given = dict(given(self._made) if callable(given) else given)
        filled: Row = {}
        for column in self.columns(table):
            name = column["name"]
            if name in known or (names is not None and name not in names):
                continue
            if name in given:
                filled[name] = given[name]
            elif column["is_required"] if names is None else not column["is_made"]:
                filled[name] = self._value(table, place, column)
        self._root(table, place, filled)
        return filled

    def _root(self, table: Table, place: Place, filled: Row) -> None:
        """Let a row of a tree refer to itself where it must refer to a row of its table."""
        columns = {column["name"]: column for column in self.columns(table)}
        for name in [name for name in filled if filled[name] is _ITSELF]:
            key = columns[name]["referred_column"]
            filled[name] = filled[key] = filled.get(key) or self._value(table, place, columns[key])

    def _value(self, table: Table, place: Place, column: Row) -> Any:
        if column["referred"] is not None:
            return self._reference(table, place, column)
        if column["label"] is not None:
            return column["label"]
        if column["category"] == "A":
            return []
        made = made_of(column["type"], column["length"])
        if made is None:
            raise SetUpError(
                f"{table.full_name}.{column['name']} is a {column['type']}, for which the test cannot generate a value:"
                f' give values={{"{table.full_name}": {{"{column["name"]}": ...}}}}'
            )
        return made

    def _reference(self, table: Table, place: Place, column: Row) -> Any:
        if column["referred"] == table.oid:
            return _ITSELF if column["is_required"] else None
        referred = self.table(column["referred"])
        at_hand = PEOPLE.get(referred.full_name)
        if at_hand is not None and column["referred_column"] == "id":
            return getattr(place, at_hand) or place.user_id
        if (referred.oid, place.id) not in self._parents:
            self._parents[referred.oid, place.id] = self.row(referred, place)
        return self._parents[referred.oid, place.id][column["referred_column"]]


def made_of(type_name: str, length: int | None) -> Any:
    """Return a value of a type, unique if possible; None for an unknown type."""
    number = int(token_hex(3), 16)
    turn = next(_TURNS)
    day = str(date(2020, 1, 1) + timedelta(days=turn % 366))
    if type_name in ("text", "varchar", "bpchar", "citext", "name"):
        return f"tenancy test {token_hex(8)}"[: length or None] if (length or 99) > 20 else token_hex(8)[:length]
    if type_name in ("bytea",):
        return token_hex(8).encode()
    makers: dict[str, Callable[[], Any]] = {
        "uuid": uuid4,
        "bool": lambda: False,
        "int2": lambda: number % 32_000,
        "int4": lambda: number,
        "int8": lambda: number,
        "numeric": lambda: number % 100,
        "float4": lambda: number % 100,
        "float8": lambda: number % 100,
        "date": lambda: day,
        "timestamp": lambda: day,
        "timestamptz": lambda: f"{day} 00:00:00+00",
        "time": lambda: str(time(turn // 60 % 24, turn % 60)),
        "timetz": lambda: f"{time(turn // 60 % 24, turn % 60)}+00",
        "interval": lambda: f"{turn % 366 + 1} days",
        "json": lambda: json.dumps({}),
        "jsonb": lambda: json.dumps({}),
        "inet": lambda: str(IPv4Address("198.18.0.0") + turn % 2**17),
        "cidr": lambda: f"{IPv4Address('198.18.0.0') + turn % 2**17}/32",
        "macaddr": lambda: f"08:00:2b:{turn >> 16 & 255:02x}:{turn >> 8 & 255:02x}:{turn & 255:02x}",
        "money": lambda: "1",
        "tsvector": lambda: "",
        "xml": lambda: "<x/>",
        "bit": lambda: "0",
        "varbit": lambda: "0",
    }
    if type_name.endswith("range"):
        return "empty"
    maker = makers.get(type_name)
    return maker() if maker else None
