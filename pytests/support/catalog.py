"""A database's catalog as text, which can be read repeatedly in less time than a dump takes.

A dump of a deployed database takes a fifth of a second, and a comparison after each change of the plan needs
hundreds. Most rows of the catalog do not change in between, so here each is converted to text once.
"""

# ruff: noqa: S608  (the queries are made here)

from __future__ import annotations

import re
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import psycopg

from support.database import Database
from support.scripts import differences, no_dump_tells

__all__ = ["Catalog", "State"]

# The first oid of objects that do not come with PostgreSQL.
_FIRST = 16384

# Not compared: users' data, statistics, and anything that dumps omit: files, estimates and caches.
_NO_CATALOGS = {"pg_statistic", "pg_statistic_ext_data", "pg_largeobject", "pg_subscription_rel"}
_NO_COLUMNS = {
    "pg_attribute": {"attnum", "atthasmissing", "attmissingval"},  # the order is compared separately
    "pg_class": {
        *("relfilenode", "relpages", "reltuples", "relallvisible", "relallfrozen", "relfrozenxid", "relminmxid"),
        *("relnatts", "relhasindex", "relhasrules", "relhastriggers", "relhassubclass", "relrewrite"),
    },
    "pg_index": {"indcheckxmin"},
}

# Expressions as PostgreSQL prints them: they are stored as trees that contain oids.
_EXPRESSIONS = {
    ("pg_attrdef", "adbin"): "pg_get_expr(t.adbin, t.adrelid)",
    ("pg_class", "relpartbound"): "pg_get_expr(t.relpartbound, t.oid)",
    ("pg_constraint", "conbin"): "pg_get_constraintdef(t.oid)",
    ("pg_index", "indexprs"): "pg_get_indexdef(t.indexrelid)",
    ("pg_index", "indpred"): "pg_get_expr(t.indpred, t.indrelid)",
    ("pg_partitioned_table", "partexprs"): "pg_get_partkeydef(t.partrelid)",
    ("pg_policy", "polqual"): "pg_get_expr(t.polqual, t.polrelid)",
    ("pg_policy", "polwithcheck"): "pg_get_expr(t.polwithcheck, t.polrelid)",
    ("pg_proc", "proargdefaults"): "pg_get_function_arguments(t.oid)",
    ("pg_proc", "prosqlbody"): "pg_get_function_sqlbody(t.oid)",
    ("pg_publication_rel", "prqual"): "pg_get_expr(t.prqual, t.prrelid)",
    ("pg_rewrite", "ev_action"): "pg_get_ruledef(t.oid)",
    ("pg_rewrite", "ev_qual"): "NULL",  # a part of the previous one
    ("pg_statistic_ext", "stxexprs"): "pg_get_statisticsobjdef(t.oid)",
    ("pg_trigger", "tgqual"): "pg_get_triggerdef(t.oid)",
    ("pg_type", "typdefaultbin"): "pg_get_expr(t.typdefaultbin, 0)",
}

# NULL privileges equal the default ones.
_DEFAULT_ACL = {
    "pg_class": "acldefault(CASE t.relkind WHEN 'S' THEN 's' ELSE 'r' END::\"char\", t.relowner)",
    "pg_language": "acldefault('l', t.lanowner)",
    "pg_namespace": "acldefault('n', t.nspowner)",
    "pg_proc": "acldefault('f', t.proowner)",
    "pg_type": "acldefault('T', t.typowner)",
}

_NAMES = {
    "pg_authid": "pg_get_userbyid({})",
    "pg_class": "{}::regclass",
    "pg_namespace": "{}::regnamespace",
    "pg_proc": "{}::regprocedure",
    "pg_type": "{}::regtype",
}

# The schemas of sqitch and of archives, which dumps omit too, and PostgreSQL's own for TOAST and for sessions.
_IS_LEFT_OUT = re.compile(r'(^|[ ("])(sqitch|tenancy_archive|pg_toast|pg_(toast_)?temp_\d+)([. )]|$)')
# Names that contain an oid.
_NUMBERED = re.compile(r"(pg_toast_|RI_ConstraintTrigger_[ac]_)\d+")

State = frozenset[str]


@dataclass(frozen=True)
class _Table:
    """One of the catalog's tables: the rows to compare, the object of each, and a row as text."""

    name: str
    condition: str
    belongs_to: str
    text: str


class Catalog:
    """The catalog of a database, for repeated comparisons.

    Every column of every table of the catalog is compared, except those listed above, and objects by their names. A row
    is converted to text when it is first seen: until it is replaced, only the names of other objects can change in it,
    and these have their own rows.

    Args:
        database: the database; a connection to it stays open.

    """

    def __init__(self, database: Database) -> None:
        self._connection = database.connect()
        self._connection.execute("SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        self._connection.execute("SET search_path = pg_catalog")
        self._connection.commit()
        self._tables = {table.name: table for table in _tables(self._connection)}
        self._written: dict[str, str] = {}
        keys = (
            f"SELECT '{name} ' || t.ctid::text || ' ' || t.xmin::text AS key FROM {name} AS t WHERE {table.condition}"
            for name, table in self._tables.items()
        )
        self._keys = f"SELECT string_agg(k.key, E'\\n') FROM ({' UNION ALL '.join(keys)}) AS k"

    def __enter__(self) -> Catalog:
        """Return this."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection."""
        self._connection.close()

    def state(self) -> State:
        """Return the current state, for a comparison with a later one."""
        ((keys,),) = self._connection.execute(self._keys.encode()).fetchall()
        state = set(keys.split("\n"))
        new: dict[str, list[str]] = {}
        for key in state - self._written.keys():
            table, place, _ = key.split(" ")
            new.setdefault(table, []).append(place)
        for name, places in new.items():
            table = self._tables[name]
            rows = self._connection.execute(
                f"SELECT '{name} ' || t.ctid::text || ' ' || t.xmin::text, ({table.belongs_to})::text, {table.text}"
                f" FROM {name} AS t WHERE t.ctid = ANY(%s::tid[])".encode(),
                ["{" + ",".join(f'"{place}"' for place in places) + "}"],
            )
            for key, belongs_to, text in rows.fetchall():
                is_left_out = _IS_LEFT_OUT.search(belongs_to or "")
                self._written[key] = "" if is_left_out else name + " " + _NUMBERED.sub(r"\1", text)
        columns = self._connection.execute(
            f"""
            SELECT t.attrelid::regclass::text, string_agg(t.attname, ', ' ORDER BY t.attnum)
            FROM pg_attribute AS t
            WHERE t.attrelid >= {_FIRST} AND t.attnum > 0 AND NOT t.attisdropped
            GROUP BY t.attrelid
            """.encode()
        ).fetchall()
        besides = [f"columns of {name}: {names}" for name, names in columns if not _IS_LEFT_OUT.search(name)]
        besides += no_dump_tells(self._connection)
        ((granted,),) = self._connection.execute(
            """
            SELECT ARRAY(SELECT a::text FROM unnest(coalesce(d.datacl, acldefault('d', d.datdba))) AS a ORDER BY 1)
            FROM pg_database AS d WHERE d.datname = current_database()
            """
        ).fetchall()
        besides.append(f"on the database: {granted}")
        self._connection.rollback()
        self._written.update(zip(besides, besides, strict=True))
        return frozenset(state.union(besides))

    def differences(self, wanted: State, found: State) -> str:
        """Return the rows in which two states differ, none if they are equal."""
        return differences(self._text(wanted - found), self._text(found - wanted))

    def _text(self, keys: State) -> str:
        return "\n".join(sorted(filter(None, map(self._written.__getitem__, keys))))


def _tables(connection: psycopg.Connection[tuple[Any, ...]]) -> list[_Table]:
    columns = connection.execute(
        """
        SELECT c.relname,
            array_agg(a.attname::text ORDER BY a.attnum), array_agg(a.atttypid::regtype::text ORDER BY a.attnum)
        FROM pg_class AS c INNER JOIN pg_attribute AS a ON c.oid = a.attrelid AND a.attnum > 0
        WHERE c.relnamespace = 'pg_catalog'::regnamespace AND c.relkind = 'r' AND NOT c.relisshared
        GROUP BY c.relname
        """
    ).fetchall()
    references: dict[tuple[str, str], tuple[str, bool, str]] = {}
    for table, names, referred, is_array in connection.execute(
        "SELECT fktable::regclass::text, fkcols, pktable::regclass::text, is_array FROM pg_get_catalog_foreign_keys()"
    ).fetchall():
        references[table, names[-1]] = (referred, is_array, names[0])
    return [
        _table(name, dict(zip(names, types, strict=True)), references)
        for name, names, types in columns
        if name not in _NO_CATALOGS
    ]


def _table(name: str, columns: dict[str, str], references: dict[tuple[str, str], tuple[str, bool, str]]) -> _Table:
    first = next(iter(columns))
    # The schema public comes with PostgreSQL, but belongs to the application.
    condition = "true" if name == "pg_namespace" else f"t.{first} >= {_FIRST}"
    if name == "pg_depend":
        condition, described = f"t.objid >= {_FIRST}", "pg_describe_object(t.classid, t.objid, t.objsubid)"
        needed = "pg_describe_object(t.refclassid, t.refobjid, t.refobjsubid)"
        return _Table(
            name, condition, f"{described} || ' ' || {needed}", f"concat_ws(' ', {described}, t.deptype, {needed})"
        )
    if "classoid" in columns:
        condition += " OR t.classoid = 'pg_namespace'::regclass"
        described = "pg_describe_object(t.classoid, t.objoid, t.objsubid)"
        rest = [f"t.{column}::text" for column in columns if column not in ("objoid", "classoid", "objsubid")]
        return _Table(name, condition, described, f"concat_ws(' ', {described}, {', '.join(rest)})")
    if name == "pg_attribute":
        condition += " AND t.attnum > 0 AND NOT t.attisdropped"
    belongs_to, written = "t.nspname" if name == "pg_namespace" else "NULL", []
    for column, type_ in columns.items():
        if column == "oid" or column in _NO_COLUMNS.get(name, ()):
            continue
        referred, is_array, of = references.get((name, column), (None, False, None))
        if type_ == "pg_node_tree":
            text = _EXPRESSIONS[name, column]
        elif type_ == "aclitem[]":
            usual = _DEFAULT_ACL.get(name, "'{}'::aclitem[]")
            text = f"ARRAY(SELECT x::text FROM unnest(coalesce(t.{column}, {usual})) AS x ORDER BY 1)"
        elif referred == "pg_attribute":
            text = (
                f"ARRAY(SELECT a.attname FROM unnest({'' if is_array else 'ARRAY['}t.{column}{'' if is_array else ']'})"
                f" WITH ORDINALITY AS k (number, place)"
                f" LEFT JOIN pg_attribute AS a ON a.attrelid = t.{of} AND a.attnum = k.number ORDER BY k.place)"
            )
        elif referred is not None:
            called = _NAMES.get(referred, f"pg_describe_object('{referred}'::regclass, {{}}, 0)")
            text = (
                f"ARRAY(SELECT {called.format('k.number')} FROM unnest(t.{column}) WITH ORDINALITY AS k (number, place)"
                " ORDER BY k.place)"
                if is_array
                else called.format(f"t.{column}")
            )
            if referred in ("pg_class", "pg_namespace") and belongs_to == "NULL":
                belongs_to = text
        else:
            text = f"t.{column}"
        written.append(f"'{column}=' || ({text})::text")
    return _Table(name, condition, belongs_to, f"concat_ws(' ', {', '.join(written)})")
