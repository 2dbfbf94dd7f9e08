"""A protected table with rows of two tenants, and the statements to try on it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from uuid import UUID

from psycopg import sql

from pg_tenancy.testing._cells import Cast, Connection, Outcome, Statement, act, undone
from pg_tenancy.testing._doors import state_of
from pg_tenancy.testing._rows import Place, RowMaker, SetUpError, Table, Values

__all__ = ["COMMANDS", "PLATFORM", "State", "Subject"]

State = tuple[int, int, list[Any]]
"""The number of a person's rows, the number of other rows, and the other organization's rows."""

COMMANDS: Final = ("SELECT", "INSERT", "UPDATE", "DELETE")

# A unique index on the owner column alone: each workspace has at most one row.
ONE_EACH: Final = """
SELECT EXISTS (
    SELECT FROM pg_catalog.pg_index AS i
    INNER JOIN pg_catalog.pg_attribute AS a ON i.indrelid = a.attrelid AND i.indkey[0] = a.attnum
    WHERE i.indrelid = %s AND i.indisunique AND i.indnkeyatts = 1 AND a.attname = %s
)
"""

OF_ORGANIZATIONS: Final = """
SELECT EXISTS (
    SELECT FROM pg_catalog.pg_constraint AS c
    INNER JOIN pg_catalog.pg_attribute AS a ON c.conrelid = a.attrelid AND c.conkey = ARRAY[a.attnum]
    WHERE c.contype = 'f' AND c.conrelid = %s AND a.attname = %s
        AND c.confrelid = 'public.organizations'::pg_catalog.regclass
)
"""

# The platform's workspace. Everybody reads its rows of a catalogue.
PLATFORM: Final = UUID(int=0)


class Subject:
    """A table with rows of two organizations and of people in both.

    Args:
        connection: the superuser's, in a transaction that is rolled back.
        table: the table's name.
        role: the role of the application's login.
        values: values that the developer chose, by table.

    Raises:
        SetUpError: it is not a protected table of the application, or the rows could not be created.

    """

    def __init__(
        self,
        connection: Connection,
        table: str,
        role: str,
        values: Mapping[str, Values],
    ) -> None:
        self.connection = connection
        self.table = Table.of(connection, table)
        self.role = role
        if self.table.is_shipped:
            raise SetUpError(f"{table} belongs to pg-tenancy, whose own tests prove it")
        if self.table.shape is None:
            raise SetUpError(f"{table} is not protected: CALL tenancy.protect('{self.table.full_name}')")
        self.maker = RowMaker(connection, values)
        self.cast = Cast(self.maker)
        self.reader = self.table.role_for("SELECT") or "owner"
        self.both = self.cast.in_both(self.reader)
        self.here, self.there = (self.cast.place(name, self.reader) for name in ("own", "other"))
        if self.table.shape == "published":
            self.maker.row(self.table, self.here)
            return
        self.key = sql.Identifier(self.table.owner_column)
        (self.one_each,) = self.one(ONE_EACH, self.table.oid, self.table.key)
        self.parents = {place: self._parent(place) for place in (self.here, self.there)}
        self.rows = {place: self.maker.row(self.table, place) for place in (self.here, self.there)}
        if self.table.author is not None:
            roles = (self.table.role_for(command) for command in COMMANDS)
            for writer in {self.reader, *(found for found in roles if found is not None)}:
                for name in ("own", "other"):
                    self.maker.row(self.table, self.cast.in_both(writer)[name])
            # Another member's private rows.
            self.colleague = self.cast.place("own", "admin" if self.reader != "admin" else "user")
            self.maker.row(self.table, self.colleague)
        (of_organizations,) = self.one(OF_ORGANIZATIONS, self.table.oid, self.table.key)
        self.is_personal = not of_organizations and self.table.access.get("SELECT", {}).get("workspace") is None
        if self.is_personal:
            self.maker.row(self.table, self.both["personal"])

    def act(
        self,
        statement: Statement,
        place: Place | None,
        values: Any = None,
        *,
        look: Callable[[], Any] | None = None,
        before: Statement | None = None,
    ) -> Outcome:
        return act(self.connection, statement, values, place=place, role=self.role, look=look, before=before)

    def one(self, query: Any, *values: Any) -> tuple[Any, ...]:
        row = self.connection.execute(query, values or None).fetchone()
        if row is None:
            raise SetUpError("the catalog has no answer")
        return tuple(row)

    @contextmanager
    def vacant(self, place: Place) -> Iterator[None]:
        """If a workspace can have only one row, remove it for the block, so that an insert is possible."""
        with undone(self.connection):
            if self.one_each:
                delete = sql.SQL("DELETE FROM {} WHERE {} = %s")
                self.connection.execute(delete.format(self.table.sql, self.key), [place.id])
            yield

    def writer(self, *commands: str) -> Place:
        """Return the person who tries a write: a member of both organizations and an author in both."""
        return self.cast.in_both(self.table.role_for(*commands) or self.reader)["own"]

    def _parent(self, place: Place) -> Any:
        if self.table.parent is None:
            return None
        (column,) = (each for each in self.maker.columns(self.table) if each["name"] == self.table.parent)
        if column["referred"] == self.table.oid:
            # In a tree a row of the workspace itself, so that references to another workspace are tried too.
            return self.maker.row(self.table, place)[column["referred_column"]]
        return self.maker.filled(self.table, place, {self.table.parent})[self.table.parent]

    def author_of(self, place: Place) -> dict[str, Any]:
        return {self.table.author: place.user_id} if self.table.author is not None else {}

    def row_of(self, place: Place) -> dict[str, Any]:
        """Return a row of a workspace."""
        values = self.maker.filled(self.table, place, None, {self.table.owner_column, self.table.parent or ""})
        if self.table.parent is not None:
            values[self.table.parent] = self.parents[place] if place in self.parents else self._parent(place)
        return {**values, self.table.owner_column: place.id}

    def _mine(self, place: Place, *, reading: bool) -> tuple[Statement, list[Any]]:
        """Return the condition for the rows that a person may reach."""
        workspaces = [place.id, *([PLATFORM] if reading and self.table.shape == "catalogue" else [])]
        condition: Statement = sql.SQL("{} = ANY(%s::uuid[])").format(self.key)
        if self.table.author is None:
            return condition, [workspaces]
        whose = sql.SQL("{} = %s").format(sql.Identifier(self.table.author))
        if reading and self.table.shared is not None:
            whose = sql.SQL("({} OR {})").format(whose, sql.Identifier(self.table.shared))
        return sql.SQL("{} AND {}").format(condition, whose), [workspaces, place.user_id]

    def own(self, place: Place, *, reading: bool = False) -> int:
        condition, values = self._mine(place, reading=reading)
        (count,) = self.one(sql.SQL("SELECT count(*) FROM {} WHERE {}").format(self.table.sql, condition), *values)
        return int(count)

    def visible(self, place: Place) -> int:
        return self.own(place, reading=True)

    def state(self, place: Place) -> State:
        """Return the number of a person's rows, the number of other rows, and the other organization's rows."""
        own = self.own(place)
        (total,) = self.one(sql.SQL("SELECT count(*) FROM {}").format(self.table.sql))
        return own, int(total) - own, state_of(self.connection, [self.table], self.there)

    @staticmethod
    def others(before: State, outcome: Outcome) -> str | None:
        after = outcome.looked
        if after[2] != before[2]:
            return "rows of the other organization were changed"
        return None if after[1] == before[1] else f"others have {after[1]} rows instead of {before[1]}"

    def plain(self, command: str, preferred: Collection[str] = ()) -> Statement:
        """Return the simplest statement of a command, without a WHERE; it names a preferred column if it may."""
        table = self.table.sql
        if command == "SELECT":
            return sql.SQL("SELECT count(*) FROM {}").format(table)
        if command == "DELETE":
            return sql.SQL("DELETE FROM {}").format(table)
        allowed = self.table.access.get(command, {}).get("columns") or [self.table.owner_column]
        name = sql.Identifier(next((column for column in allowed if column in preferred), allowed[0]))
        if command == "INSERT":
            return sql.SQL("INSERT INTO {} ({}) VALUES (DEFAULT)").format(table, name)
        return sql.SQL("UPDATE {} SET {} = DEFAULT").format(table, name)

    def row_by(self, place: Place) -> dict[str, Any]:
        """Return a row of a workspace by this person; of a member of both organizations, of the one where they are."""
        return self.row_of(self.here if place.id == self.here.id else place) | self.author_of(place)

    def new_row(self, place: Place) -> dict[str, Any]:
        """Return the part of a new row of a workspace that the application may give."""
        allowed = (self.table.access.get("INSERT") or {}).get("columns") or []
        return {name: value for name, value in self.row_by(place).items() if name in allowed}

    def change(self, place: Place) -> tuple[str, Any]:
        """Return a column that the application may update, and a value; an ordinary column if there is one."""
        allowed = list(self.table.access["UPDATE"]["columns"])
        special = {
            self.table.parent: self.parents[self.here],
            self.table.author: place.user_id,
            self.table.shared: False,
        }
        name = next((name for name in allowed if name not in special), allowed[0])
        return name, special.get(name, self.maker.filled(self.table, place, {name}).get(name))

    def write(self, command: str, place: Place) -> tuple[Statement, Any]:
        """Return the simplest write that the application may use, and its values.

        An update prefers a column that accepts its DEFAULT, so that unique columns stay unique.
        """
        if command == "INSERT":
            values = self.new_row(place)
            return self.insert_of(values), values
        allowed = (self.table.access.get(command) or {}).get("columns") or []
        optional = {column["name"] for column in self.maker.columns(self.table) if not column["is_required"]}
        if command == "DELETE" or not allowed or optional.intersection(allowed):
            return self.plain(command, optional), None
        name, value = self.change(place)
        return self.update(name), [value]

    def insert_of(self, values: Mapping[str, Any]) -> Statement:
        if not values:
            return sql.SQL("INSERT INTO {} DEFAULT VALUES").format(self.table.sql)
        return sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
            self.table.sql,
            sql.SQL(", ").join(map(sql.Identifier, values)),
            sql.SQL(", ").join(map(sql.Placeholder, values)),
        )

    def update(self, *names: str, of: sql.Identifier | None = None) -> Statement:
        """Return an update of these columns, possibly of a partition or a child."""
        assignments = [sql.SQL("{} = %s").format(sql.Identifier(name)) for name in names]
        return sql.SQL("UPDATE {} SET {}").format(of or self.table.sql, sql.SQL(", ").join(assignments))
