"""Protect a large table of an application without blocking anybody.

``tenancy.protect()`` works in one transaction, during which nobody can read the table. Here only
short steps take such a lock: adding the column with a constant default, and adding keys NOT VALID.
The other steps block nobody: children move to their parents' workspaces in batches, indexes are
built concurrently, keys are validated. ``tenancy.protect()`` comes last and finds it all done.
Each step checks what the database has, so the same call continues after an interruption.

Of a partitioned table the steps are those of its leaves, whose indexes and keys become the table's.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from psycopg import Connection, sql
from psycopg.pq import TransactionStatus

from pg_tenancy._values import how_to_name
from pg_tenancy.errors import InvalidArgumentError, PermissionDeniedError, PhaseNotDeployedError, is_transient

__all__ = ["BEGUN", "Protection", "Shape"]

OnProgress = Callable[[int, int], object]
"""Called with how much of a step is done, and the total."""

# The lock that every script holds (sql/notes/begin.psql).
_DEPLOY_LOCK: Final = 8100420170330141

# Seconds to wait for another call. The server finishes the current statement of a killed one.
_PATIENCE: Final = 10

# How often locked rows are retried before a long transaction is reported.
_PASSES: Final = 20

# What adding a key locks: readers go on.
_WRITERS: Final = "SHARE ROW EXCLUSIVE"

BEGUN: Final = "Finished steps stay: the same command continues. CALL tenancy.unprotect() undoes them."


@dataclass(frozen=True)
class Shape:
    """The options of ``tenancy.protect()``, except ``key``, which makes every step short."""

    parent: str | None = None
    author: str | None = None
    shared: str | None = None
    catalogue: bool = False


class Protection:
    """A table to protect, looked up and checked; nothing is changed yet.

    Args:
        conn: an idle connection in autocommit mode, of a superuser, or of the login that deployed if it
            owns the table.
        table: the table, with its schema unless the search path finds it.
        shape: the options of ``tenancy.protect()``.

    Attributes:
        table: the table with its schema, quoted as SQL needs it.
        is_protected: whether nothing is left to do.
        is_shipped: whether one of pg-tenancy's own changes protects it.
        rows: the planner's estimate of its rows; None before the first ANALYZE.

    Raises:
        InvalidArgumentError: there is no such table, or one of its partitions is a foreign table.
        PhaseNotDeployedError: the database has nothing to protect it with.
        PermissionDeniedError: the login may not protect it.
        psycopg.Error: the table cannot be protected, with the reason.

    """

    def __init__(self, conn: Connection[Any], table: str, shape: Shape) -> None:
        self._conn = conn
        self._shape = shape
        ((deployed, may, login),) = conn.execute(_MAY).fetchall()
        if not deployed:
            raise PhaseNotDeployedError(1, "tenancy.protect")
        if not may:
            raise PermissionDeniedError(
                f"{login} may not protect tables",
                hint="Connect as a superuser, or as the login that deployed if it owns the table.",
            )
        self._oid, self.table, self._pages, self.rows, kind = self._find(table)
        self._is_partitioned = kind == "p"
        shipped = conn.execute(
            "SELECT p.shipped FROM tenancy_private.protected_tables AS p WHERE p.table_name = %s", [self._oid]
        ).fetchone()
        self.is_protected = shipped is not None
        self.is_shipped = shipped is not None and bool(shipped[0])
        if not self.is_protected:
            self._check()

    def run(self, batch_size: int, contract: str, on_step: Callable[[str], OnProgress]) -> None:
        """Protect the table.

        Args:
            batch_size: about how many rows a transaction reads, 1 or more.
            contract: SQL to run in the transaction that closes the table, such as calls of
                ``tenancy.allow()``.
            on_step: called with the name of each step; returns a function that takes its progress.

        Raises:
            psycopg.Error: the server refused something. Finished steps stay.

        """
        with self._alone():
            self._begin(on_step)
            self._build_indexes(on_step)
            # Where unprotect() kept them.
            self._conn.execute("CALL tenancy_private.return_workspaces(%s)", [self._oid])
            while True:
                self._add_part_keys()
                if self._shape.parent is not None:
                    self._follow_parents(batch_size, on_step)
                self._validate(on_step)
                if self._join_part_keys():
                    break
            self._close(contract, on_step)

    # -- the steps ---------------------------------------------------------------

    def _begin(self, on_step: Callable[[str], OnProgress]) -> None:
        on_step("the column, and keys for new rows")
        # The defaults are functions that the application's logins must be able to call.
        self._conn.execute("CALL tenancy_private.keep_legacy_logins(ARRAY[%s::oid::regclass], true)", [self._oid])
        self._conn.execute("DELETE FROM tenancy_private.wanted_indexes WHERE table_name = %s", [self._oid])
        adopt = sql.SQL("CALL tenancy_private.adopt_table({}, {}, {}, online => true)").format(
            sql.Literal(self.table), self._shape.parent, self._shape.author
        )
        # Locked in the order in which writers lock: the parent first.
        self._patiently(adopt.as_string(self._conn), *self._parent(), self._oid)
        self._add_part_keys()

    def _build_indexes(self, on_step: Callable[[str], OnProgress]) -> None:
        # A concurrent build waits for open transactions, and nobody waits for it.
        self._conn.execute("SET lock_timeout = 0")
        is_missing = True
        while is_missing:
            for (command,) in self._conn.execute("SELECT tenancy_private.index_builds()").fetchall():
                if command.startswith("DROP"):
                    self._conn.execute(command)
                    continue
                with self._watched(on_step(f"the index on {command.partition(' ON ')[2].strip()}")):
                    self._conn.execute(command)
            self._conn.execute("CALL tenancy_private.join_part_indexes()")
            # That of a partition which came meanwhile.
            is_missing = self._one("SELECT EXISTS (SELECT FROM tenancy_private.missing_part_indexes())")
        self._conn.execute("RESET lock_timeout")
        self._conn.execute("CALL tenancy_private.place_indexes()")

    def _follow_parents(self, batch_size: int, on_step: Callable[[str], OnProgress]) -> None:
        total = self._left()
        if not total:
            return
        report = on_step("rows to the workspaces of their parents")
        step = max(1, batch_size * max(self._pages, 1) // max(self.rows or 0, 1))
        moved = idle = 0
        while left := self._left():
            before = moved
            for leaf, *_ in self._leaves():
                end = self._one("SELECT pg_relation_size(%s::oid) / current_setting('block_size')::bigint", leaf)
                for block in range(0, end or 0, step):
                    moved += self._move(leaf, block, block + step)
                    report(moved, max(total, moved))
            idle = 0 if moved > before else idle + 1
            if idle >= _PASSES:
                raise psycopg.errors.LockNotAvailable(f"{left} rows of {self.table} are locked by other transactions")
            if moved == before:
                time.sleep(min(0.1 * idle, 1))

    def _move(self, leaf: int, first: int, following: int) -> int:
        for _ in range(_PASSES):
            try:
                with self._conn.transaction():
                    self._conn.execute("SELECT set_config('lock_timeout', '300ms', true)")
                    return int(
                        self._one(
                            "SELECT tenancy_private.move_to_parents(%s, %s, %s, %s)",
                            leaf,
                            self._shape.parent,
                            first,
                            following,
                        )
                    )
            except psycopg.errors.LockNotAvailable:
                break
            except psycopg.Error as error:
                # A parent that moves meanwhile is found by the next pass.
                if not is_transient(error) and not isinstance(error, psycopg.errors.ForeignKeyViolation):
                    raise
        return 0  # for the next pass

    def _validate(self, on_step: Callable[[str], OnProgress]) -> None:
        for leaf, part, name, is_valid in self._keys():
            if is_valid is False:
                on_step(f"the key {name}" if leaf == self._oid else f"the key {name} of {part}")
                self._conn.execute("CALL tenancy_private.validate_constraint(%s::oid::regclass, %s)", [leaf, name])

    def _add_part_keys(self) -> None:
        for leaf, *_ in self._leaves():
            if leaf != self._oid:
                self._patiently(self._add_keys(leaf, online=True), *self._parent(), leaf, mode=_WRITERS)

    def _join_part_keys(self) -> bool:
        """Return whether the table has its keys: not if partitions came meanwhile, which need theirs first."""
        if not self._is_partitioned:
            return True
        workspaces = self._one("SELECT 'tenancy.workspaces'::regclass::oid")
        with self._conn.transaction():
            self._patiently("SELECT", workspaces, *self._parent(), self._oid, mode=_WRITERS)
            if not all(is_valid for *_, is_valid in self._keys()):
                return False
            self._conn.execute(self._add_keys(self._oid, online=False).encode())
        return True

    def _close(self, contract: str, on_step: Callable[[str], OnProgress]) -> None:
        on_step("policies, grants and triggers")
        with self._conn.transaction():
            self._patiently("SELECT", *self._parent(), self._oid)
            self._conn.execute(
                "CALL tenancy.protect(%s::oid::regclass, parent => %s, author => %s, shared => %s, catalogue => %s)",
                [self._oid, self._shape.parent, self._shape.author, self._shape.shared, self._shape.catalogue],
            )
            if contract:
                self._conn.execute(contract.encode())

    # -- what they share ---------------------------------------------------------

    def _check(self) -> None:
        """Refuse first what protect() would refuse at the end."""
        shape = self._shape
        for check, values in (
            ("refuse_shipped(%s::oid::regclass)", []),
            ("check_adoptable(%s::oid::regclass)", []),
            ("require_columns(%s::oid::regclass, %s::name[])", [[shape.parent, shape.author, shape.shared]]),
            ("require_type(%s::oid::regclass, %s::name[], 'uuid')", [["workspace_id", shape.author]]),
            ("require_type(%s::oid::regclass, %s::name[], 'boolean')", [[shape.shared]]),
            ("require_closed_partitions(%s::oid::regclass)", []),
        ):
            self._conn.execute(f"CALL tenancy_private.{check}".encode(), [self._oid, *values])
        for _, leaf, kind in self._leaves():
            if kind == "f":
                raise InvalidArgumentError(
                    f"{self.table} has a partition that is a foreign table: {leaf}",
                    hint="Detach partitions that are elsewhere.",
                )
        policies = self._one(
            "SELECT string_agg(polname, ', ') FROM pg_catalog.pg_policy WHERE polrelid = %s", self._oid
        )
        if policies:
            raise InvalidArgumentError(
                f"table {self.table} has row-level security policies of its own: {policies}",
                hint="Drop them: access is defined in one place.",
            )

    def _find(self, table: str) -> tuple[int, str, int, int, str]:
        try:
            rows = self._conn.execute(_TABLE, [table]).fetchall()
        except (psycopg.errors.InvalidName, psycopg.errors.SyntaxError, psycopg.errors.FeatureNotSupported):
            rows = []  # not a valid name
        if not rows:
            raise InvalidArgumentError(f"there is no table {table}", hint=how_to_name(table, "public.projects"))
        found: tuple[int, str, int, int, str] = rows[0]
        return found

    def _leaves(self) -> list[tuple[int, str, str]]:
        return self._conn.execute(_LEAVES, {"table": self._oid}).fetchall()

    def _keys(self) -> list[tuple[int, str, str, bool | None]]:
        return self._conn.execute(_KEYS, {"table": self._oid}).fetchall()

    def _parent(self) -> list[int]:
        if self._shape.parent is None:
            return []
        found = self._conn.execute(
            "SELECT k.referred::oid FROM tenancy_private.key_of_one_column(%s, %s) AS k",
            [self._oid, self._shape.parent],
        ).fetchall()
        return [oid for (oid,) in found if oid != self._oid]

    def _left(self) -> int:
        found = self._conn.execute(
            "SELECT k.* FROM tenancy_private.key_of_one_column(%s, %s) AS k", [self._oid, self._shape.parent]
        ).fetchone()
        if found is None:
            return 0
        _, referred, key, column, *_ = found
        query = sql.SQL(
            "SELECT count(*) FROM {} AS t INNER JOIN {} AS p ON p.{} = t.{} WHERE t.workspace_id <> p.{}"
        ).format(
            sql.SQL(self.table),
            sql.SQL(referred),
            sql.Identifier(column),
            sql.Identifier(str(self._shape.parent)),
            sql.Identifier(key),
        )
        return int(self._conn.execute(query).fetchall()[0][0])

    def _add_keys(self, part: int, online: bool) -> str:
        values = (sql.Literal(self.table), self._shape.parent, sql.Literal(part), online)
        return sql.SQL("CALL tenancy_private.add_keys({}, {}, {}::oid, {})").format(*values).as_string(self._conn)

    def _patiently(self, command: str, *tables: int, mode: str = "ACCESS EXCLUSIVE") -> None:
        self._conn.execute(
            "CALL tenancy_private.patiently(%s::oid[]::regclass[], %s, %s)", [list(tables), mode, command]
        )

    def _one(self, query: str, *values: object) -> Any:
        return self._conn.execute(query.encode(), values).fetchall()[0][0]

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep deploys, reverts and other calls away."""
        late = time.monotonic() + _PATIENCE
        while not self._one("SELECT pg_catalog.pg_try_advisory_lock(%s)", _DEPLOY_LOCK):
            if time.monotonic() > late:
                raise psycopg.errors.LockNotAvailable(
                    "a deploy, a revert or another protect is running in this database, or the server has not"
                    " yet ended a killed one"
                )
            time.sleep(0.2)
        try:
            yield
        finally:
            if self._conn.info.transaction_status == TransactionStatus.IDLE:
                self._conn.execute("SELECT pg_catalog.pg_advisory_unlock(%s)", [_DEPLOY_LOCK])
            else:
                # Broken, or interrupted with an answer still to come: the end of the session releases it.
                self._conn.close()

    @contextmanager
    def _watched(self, report: OnProgress) -> Iterator[None]:
        """Report the progress of the index that the connection builds during the block."""
        ended = threading.Event()
        pid = self._conn.info.backend_pid

        def watch() -> None:
            with psycopg.connect(self._conn.info.dsn, password=self._conn.info.password, autocommit=True) as watching:
                while not ended.wait(0.5):
                    for done, total in watching.execute(_BUILDING, [pid]).fetchall():
                        report(done, total)

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join()


_MAY: Final = """
SELECT
    EXISTS (
        SELECT FROM pg_catalog.pg_proc AS p INNER JOIN pg_catalog.pg_namespace AS n ON p.pronamespace = n.oid
        WHERE (n.nspname, p.proname) = ('tenancy_private', 'move_to_parents')
    ),
    coalesce(pg_catalog.pg_has_role(to_regrole('tenancy_owner'), 'MEMBER'), false),
    pg_catalog.quote_ident(session_user)
"""

_TABLE: Final = """
SELECT c.oid, pg_catalog.format('%%I.%%I', n.nspname, c.relname), s.pages, s.rows, c.relkind
FROM pg_catalog.pg_class AS c
INNER JOIN pg_catalog.pg_namespace AS n ON c.relnamespace = n.oid
CROSS JOIN LATERAL (
    SELECT
        coalesce(sum(l.relpages), 0)::bigint AS pages,
        CASE WHEN min(l.reltuples) >= 0 THEN sum(l.reltuples)::bigint END AS rows
    FROM pg_catalog.pg_class AS l
    WHERE l.oid = c.oid AND l.relkind <> 'p' OR l.oid IN (
        SELECT t.relid FROM pg_catalog.pg_partition_tree(c.oid) AS t WHERE t.isleaf
    )
) AS s
WHERE c.oid = to_regclass(%s)
"""

# The table, or the partitions that hold its rows.
_LEAVES: Final = """
SELECT c.oid, pg_catalog.format('%%I.%%I', n.nspname, c.relname) AS name, c.relkind
FROM pg_catalog.pg_class AS c
INNER JOIN pg_catalog.pg_namespace AS n ON c.relnamespace = n.oid
WHERE c.relkind IN ('r', 'f') AND (
    c.oid = %(table)s OR c.oid IN (SELECT t.relid FROM pg_catalog.pg_partition_tree(%(table)s::oid::regclass) AS t)
)
ORDER BY c.oid
"""

# The keys that they must have, and NULL for those that they lack.
_KEYS: Final = f"""
SELECT l.oid, l.name, p.name, c.convalidated
FROM tenancy_private.adopted_parts AS p
CROSS JOIN ({_LEAVES}) AS l
LEFT JOIN pg_catalog.pg_constraint AS c ON l.oid = c.conrelid AND p.name = c.conname
WHERE p.table_name = %(table)s AND p.kind = 'constraint'
ORDER BY p.name, l.oid
"""  # noqa: S608

_BUILDING: Final = """
SELECT
    CASE WHEN tuples_total > 0 THEN tuples_done ELSE blocks_done END,
    CASE WHEN tuples_total > 0 THEN tuples_total ELSE blocks_total END
FROM pg_catalog.pg_stat_progress_create_index
WHERE pid = %s AND (tuples_total > 0 OR blocks_total > 0)
"""
