"""The attempts on a table, and their results."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any, Final

from psycopg import sql

from pg_tenancy.testing._cells import Connection, Outcome, Report, Statement, Untested, act, undone
from pg_tenancy.testing._doors import Rows, definer_functions, function_door, go_through, views_of
from pg_tenancy.testing._rows import Place, SetUpError, Values
from pg_tenancy.testing._subject import Subject

__all__ = ["Questions"]

# The role's rights other than reading and writing rows, and those that bypass policies.
TOO_MUCH: Final = """
SELECT concat_ws(', ',
    CASE WHEN r.rolsuper THEN 'it is a superuser' END,
    CASE WHEN r.rolbypassrls THEN 'it has BYPASSRLS' END,
    CASE WHEN pg_has_role(r.oid, c.relowner, 'MEMBER') THEN 'it owns the table, or is a member of its owner' END,
    CASE WHEN pg_has_role(r.oid, 'tenancy_service', 'MEMBER') THEN 'it is a member of tenancy_service' END,
    (
        SELECT 'it has ' || string_agg(p.privilege, ', ')
        FROM unnest(ARRAY['TRUNCATE', 'REFERENCES', 'TRIGGER']) AS p (privilege)
        WHERE has_table_privilege(r.oid, c.oid, p.privilege)
    ),
    (
        SELECT 'it may use ' || string_agg(i.inhrelid::regclass::text, ', ') || ', which holds rows of the table'
        FROM pg_catalog.pg_inherits AS i
        WHERE i.inhparent = c.oid
            AND (has_any_column_privilege(r.oid, i.inhrelid, 'SELECT, INSERT, UPDATE')
                OR has_table_privilege(r.oid, i.inhrelid, 'DELETE'))
    )
)
FROM pg_catalog.pg_class AS c, pg_catalog.pg_roles AS r
WHERE c.oid = %s AND r.rolname = %s
"""

FORCED: Final = """
SELECT CASE
    WHEN NOT c.relrowsecurity THEN 'row-level security is disabled'
    WHEN NOT c.relforcerowsecurity THEN 'its owner''s views and functions see every row: FORCE ROW LEVEL SECURITY'
END
FROM pg_catalog.pg_class AS c WHERE c.oid = %s
"""

TRIGGERS: Final = """
SELECT t.tgname FROM pg_catalog.pg_trigger AS t
INNER JOIN pg_catalog.pg_proc AS p ON t.tgfoid = p.oid
WHERE t.tgrelid = %s AND NOT t.tgisinternal AND p.pronamespace::regnamespace::text IN ('tenancy', 'tenancy_private')
"""

KEY: Final = """
SELECT a.attname FROM pg_catalog.pg_index AS i
INNER JOIN pg_catalog.pg_attribute AS a ON i.indrelid = a.attrelid AND a.attnum = ANY(i.indkey)
WHERE i.indrelid = %s AND i.indisprimary
"""

POLICIES: Final = "SELECT p.polname FROM pg_catalog.pg_policy AS p WHERE p.polrelid = %s ORDER BY p.polname"

# insufficient_privilege, and a missing or forged context.
REFUSALS: Final = ("42501", "28000")

# A row that refers to another tenant's parent is refused like one with a nonexistent parent.
NO_PARENT: Final = "23503"

# A taken key is the same error whoever has it.
TAKEN: Final = "23505"


class Questions(Subject):
    """All attempts on a table.

    Args:
        connection: as for ``Subject``.
        table: as for ``Subject``.
        role: as for ``Subject``.
        values: as for ``Subject``.
        functions: arguments for functions that use the table.
        exempt: views and functions to leave out, with the reasons.

    Raises:
        SetUpError: as for ``Subject``.

    """

    def __init__(
        self,
        connection: Connection,
        table: str,
        role: str,
        values: Mapping[str, Values],
        functions: Mapping[str, Sequence[object]],
        exempt: Mapping[str, str],
    ) -> None:
        super().__init__(connection, table, role, values)
        self._functions = functions
        self._exempt = exempt

    def ask(self, report: Report) -> Generator[None]:
        """Make all attempts; a generator, so that the caller can stop after each."""
        for group in (
            [self._catalog, self._published, self._services]
            if self.table.shape == "published"
            else [
                self._catalog,
                self._reading,
                self._writing,
                self._elsewhere,
                self._opened,
                self._services,
                self._doors,
            ]
        ):
            yield from group(report)

    def cover(self, report: Report) -> None:
        """Remove each rule in turn, and report whether an attempt notices."""
        table = self.table.sql
        policies = [name for (name,) in self.connection.execute(POLICIES, [self.table.oid]).fetchall()]
        changes = [
            (f"policy {name} is dropped", sql.SQL("DROP POLICY {} ON {}").format(sql.Identifier(name), table))
            for name in policies
        ]
        changes += [
            (words, sql.SQL(statement).format(table))
            for words, statement in (
                ("row-level security is disabled", "ALTER TABLE {} DISABLE ROW LEVEL SECURITY"),
                ("row-level security is not forced", "ALTER TABLE {} NO FORCE ROW LEVEL SECURITY"),
            )
        ]
        for words, change in changes:
            noticed = Report(report.subject)
            with undone(self.connection):
                self.connection.execute(change)
                try:
                    with closing(self.ask(noticed)) as asked:
                        next((True for _ in asked if noticed.problems), None)
                except SetUpError as error:
                    noticed.not_tested("everything", str(error))
            report.add(
                "isolation",
                f"a test notices when {words}",
                None if any(cell.is_tested for cell in noticed.problems) else "no attempt has another result",
            )

    # -- what there is ---------------------------------------------------------------------

    def _catalog(self, report: Report) -> Iterator[None]:
        (answer,) = self.one(FORCED, self.table.oid)
        report.add("isolation", "row-level security is enabled and forced", answer)
        yield
        row = self.connection.execute(TOO_MUCH, [self.table.oid, self.role]).fetchone()
        if row is None:
            raise SetUpError(f"role {self.role} does not exist")
        report.add("isolation", f"{self.role} is subject to policies, and may only read and write rows", row[0] or None)
        yield

    def _published(self, report: Report) -> Iterator[None]:
        count = self.plain("SELECT")
        (total,) = self.one(count)
        for place in (self.here, self.both["other"], self.both["personal"]):
            outcome = self.act(count, place)
            seen = _number(outcome)
            report.add("control", f"{place.name} reads it", None if seen == total else f"{outcome}: {seen} of {total}")
            yield
        report.add("isolation", "nobody reads it outside of workspaces", _unless_refused(self.act(count, None)))
        yield
        for words, statement in (
            ("INSERT", sql.SQL("INSERT INTO {} DEFAULT VALUES").format(self.table.sql)),
            ("DELETE", sql.SQL("DELETE FROM {}").format(self.table.sql)),
        ):
            report.add("isolation", f"nobody may {words}", _unless_refused(self.act(statement, self.here)))
            yield

    # -- as it stands ----------------------------------------------------------------------

    def _reading(self, report: Report) -> Iterator[None]:
        count = self.plain("SELECT")
        if "SELECT" not in self.table.access or self.table.role_for("SELECT") is None:
            report.add("isolation", "nobody may SELECT", _unless_refused_or_empty(self.act(count, self.here)))
            yield
            return
        places = [self.here, self.there, self.both["own"], self.both["other"]]
        places += [self.both["personal"]] if self.is_personal else []
        for place in places:
            yield from self._counted(report, place, self.act(count, place), "SELECT")
        if (lacking := self.table.role_for("SELECT", having=False)) is not None:
            outcome = self.act(count, self.cast.place("own", lacking))
            report.add(
                "isolation",
                f"{self.cast.place('own', lacking).name}, who lacks the permission, sees nothing",
                _unless_refused_or_empty(outcome),
            )
            yield

    def _counted(self, report: Report, place: Place, outcome: Outcome, words: str) -> Iterator[None]:
        """Compare the number of rows somebody sees with the number they must see."""
        own, seen = self.visible(place), _number(outcome)
        if seen is None:
            report.add("control", f"{place.name}: {words} reaches the workspace's rows", str(outcome))
        else:
            found = f"{seen} rows, and the workspace has {own}"
            report.add(
                "control",
                f"{place.name}: {words} reaches the workspace's rows",
                found if seen < own or not own else None,
            )
            report.add("isolation", f"{place.name}: {words} reaches no others", found if seen > own else None)
        yield

    def _writing(self, report: Report) -> Iterator[None]:
        for command, write in (("INSERT", self._inserting), ("UPDATE", self._updating), ("DELETE", self._deleting)):
            role = self.table.role_for(command)
            if role is None:
                report.add(
                    "isolation", f"nobody may {command}", _unless_refused(self.act(self.plain(command), self.here))
                )
                yield
                continue
            yield from write(report, self.writer(command))
            if (lacking := self.table.role_for(command, having=False)) is not None:
                person = self.cast.place("own", lacking)
                answer = _unless_refused(self.act(self.plain(command), person))
                report.add("isolation", f"{person.name}, who lacks the permission, may not {command}", answer)
                yield

    def _inserting(self, report: Report, place: Place) -> Iterator[None]:
        allowed = set(self.table.access["INSERT"]["columns"])
        known = {self.table.owner_column, self.table.author or "", self.table.parent or ""}
        values = self.maker.filled(self.table, place, None, known)
        if self.table.parent in allowed and self.table.parent is not None:
            values[self.table.parent] = self.parents[self.here]
        values = {name: value for name, value in values.items() if name in allowed}
        yield from self._insert(report, place, values, "INSERT")
        forged = [("names another workspace", {**values, self.table.owner_column: self.there.id})]
        if self.table.parent in values:
            forged.append(
                ("refers to a parent of another workspace", {**values, self.table.parent: self.parents[self.there]})
            )
        for words, row in forged:
            with self.vacant(self.there):
                answer = _unless_refused(self.act(self.insert_of(row), place, row), NO_PARENT)
            report.add("isolation", f"{place.name}: an INSERT that {words} is refused", answer)
            yield
        keys = [name for (name,) in self.connection.execute(KEY, [self.table.oid]).fetchall()]
        if keys and allowed.issuperset(keys):
            yield from self._taken(report, place, values, keys)

    def _taken(self, report: Report, place: Place, values: Mapping[str, Any], keys: Sequence[str]) -> Iterator[None]:
        """Try to insert a row with the key of another workspace's row, also with an upsert."""
        row = {**values, **{name: self.rows[self.there][name] for name in keys}}
        insert, before = self.insert_of(row), self.state(place)
        changes = [name for name in self.table.access.get("UPDATE", {}).get("columns", ()) if name not in keys]
        upsert = sql.SQL("{} ON CONFLICT ({}) DO UPDATE SET {} = DEFAULT")
        for words, statement in (
            ("an INSERT", insert),
            *(
                (
                    "an upsert",
                    upsert.format(insert, sql.SQL(", ").join(map(sql.Identifier, keys)), sql.Identifier(name)),
                )
                for name in changes[:1]
            ),
        ):
            outcome = self.act(statement, place, row, look=lambda: self.state(place))
            answer = self.others(before, outcome) or _unless_refused(outcome, TAKEN)
            report.add("isolation", f"{place.name}: {words} with the key of another workspace's row is refused", answer)
            yield

    def _insert(self, report: Report, place: Place, values: Mapping[str, Any], words: str) -> Iterator[None]:
        with self.vacant(place):
            before = self.state(place)
            outcome = self.act(self.insert_of(values), place, values, look=lambda: self.state(place))
        landed = outcome.error is None and outcome.looked[0] == before[0] + 1
        found = f"{outcome}, and the workspace has {outcome.looked[0] - before[0]} rows more"
        report.add("control", f"{place.name}: {words} creates a row of the workspace", None if landed else found)
        report.add("isolation", f"{place.name}: {words} creates none of another", self.others(before, outcome))
        yield

    def _updating(self, report: Report, place: Place) -> Iterator[None]:
        allowed = self.table.access["UPDATE"]["columns"]
        column, value = self.change(place)
        yield from self._written(report, place, self.update(column), [value], f"UPDATE of {column}")
        moves = [("another workspace", self.table.owner_column, self.there.id)]
        if self.table.parent in allowed and self.table.parent is not None:
            moves.append(("a parent of another workspace", self.table.parent, self.parents[self.there]))
        for words, name, where in moves:
            with self.vacant(self.there):
                answer = _unless_refused(self.act(self.update(name), place, [where]), NO_PARENT)
            report.add("isolation", f"{place.name}: an UPDATE that moves rows to {words} is refused", answer)
            yield

    def _deleting(self, report: Report, place: Place) -> Iterator[None]:
        yield from self._written(report, place, self.plain("DELETE"), None, "DELETE")

    def _written(self, report: Report, place: Place, statement: Statement, values: Any, words: str) -> Iterator[None]:
        """Run a write without a condition, and check which rows it reached."""
        before, own = self.state(place), self.own(place)
        outcome = self.act(statement, place, values, look=lambda: self.state(place))
        reached = outcome.error is None and outcome.count >= 1
        report.add("control", f"{place.name}: {words} reaches the workspace's rows", None if reached else str(outcome))
        answer = self.others(before, outcome)
        if answer is None and outcome.count > own:
            answer = f"it reached {outcome.count} rows, of which {own} are the person's own"
        report.add("isolation", f"{place.name}: {words} reaches no others", answer)
        yield

    def _elsewhere(self, report: Report) -> Iterator[None]:
        """Try outside of workspaces, and with a forged workspace."""
        for command in self.table.access:
            outcome = self.act(self.plain(command), None)
            report.add("isolation", f"nobody may {command} outside of workspaces", _unless_refused(outcome))
            yield
        if "SELECT" not in self.table.access:
            return
        for name, value in (("organization", self.there.id), ("user", self.there.user_id)):
            forge = sql.SQL("SELECT set_config({}, {}, true)").format(f"tenancy.current_{name}_id", str(value))
            outcome = self.act(self.plain("SELECT"), self.here, before=forge)
            report.add("isolation", f"nobody sees a row with a forged {name}", _unless_refused(outcome))
            yield

    # -- the floor alone -------------------------------------------------------------------

    def _opened(self, report: Report) -> Iterator[None]:
        """Grant everything, and add a policy that permits everything, so that only the floor is left."""
        with undone(self.connection):
            self._open()
            place = self.here
            count = self.plain("SELECT")
            if "SELECT" not in self.table.access or self.table.role_for("SELECT") is not None:
                yield from self._counted(report, place, self.act(count, place), "SELECT with everything granted")
            own = self.row_of(self.here)
            writer = self.writer("INSERT")
            yield from self._insert(report, writer, {**own, **self.author_of(writer)}, "INSERT with everything granted")
            forged = {**self.row_of(self.there), **self.author_of(writer)}
            yield from self._refused(report, writer, "INSERT into another workspace", self.insert_of(forged), forged)
            if self.table.author is not None:
                theirs = {**own, self.table.author: self.colleague.user_id}
                yield from self._refused(report, writer, "INSERT for another author", self.insert_of(theirs), theirs)
            writer = self.writer("UPDATE")
            same = self.update(self.table.owner_column)
            yield from self._written(report, writer, same, [self.here.id], "UPDATE with everything granted")
            if self.table.author is not None:
                given_away = self.update(self.table.author)
                yield from self._refused(
                    report, writer, "UPDATE to another author", given_away, [self.colleague.user_id]
                )
            where = (self.table.owner_column, self.table.parent)
            moved = {name: value for name, value in self.row_of(self.there).items() if name in where}
            yield from self._refused(
                report, writer, "UPDATE to another workspace", self.update(*moved), list(moved.values())
            )
            writer = self.writer("DELETE")
            yield from self._written(report, writer, self.plain("DELETE"), None, "DELETE with everything granted")

    def _refused(self, report: Report, place: Place, words: str, statement: Statement, values: Any) -> Iterator[None]:
        """Try something that the floor alone must refuse."""
        with self.vacant(self.there):
            outcome = self.act(statement, place, values)
        report.add("isolation", f"{place.name}: the floor refuses an {words}", _unless_refused(outcome))
        yield

    def _open(self) -> None:
        names = {"table": self.table.sql, "role": sql.Identifier(self.role)}
        for statement in (
            "GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {role}",
            "CREATE POLICY tenancy_test_opens_all ON {table} TO {role} USING (true) WITH CHECK (true)",
        ):
            self.connection.execute(sql.SQL(statement).format(**names))
        # The permission is checked before the floor.
        for (name,) in self.connection.execute(TRIGGERS, [self.table.oid]).fetchall():
            disable = sql.SQL("ALTER TABLE {} DISABLE TRIGGER {}")
            self.connection.execute(disable.format(self.table.sql, sql.Identifier(name)))

    # -- everybody else, and other ways ----------------------------------------------------

    def _services(self, report: Report) -> Iterator[None]:
        count = self.plain("SELECT")
        (total,) = self.one(count)
        roles = ["tenancy_service"]
        if self.one("SELECT has_any_column_privilege('tenancy_auditor', %s::oid, 'SELECT')", self.table.oid)[0]:
            roles.append("tenancy_auditor")
        for role in roles:
            outcome = act(self.connection, count, place=None, role=role)
            seen = _number(outcome)
            report.add("control", f"{role} sees every row", None if seen == total else f"{outcome}: {seen} of {total}")
            yield

    def _doors(self, report: Report) -> Iterator[None]:
        rows = Rows(self.maker, [self.table])
        unknown = set(self._exempt)
        for name, is_materialized, doors in views_of(self.connection, self.table, self.role):
            if name in self._exempt:
                unknown.discard(name)
            elif is_materialized:
                report.add(
                    "isolation", f"the view {name} isolates", "it is materialized, and policies do not apply to it"
                )
            else:
                for door in doors:
                    with undone(self.connection):
                        self._clear()
                        go_through(self.connection, door, rows, self.cast, self.role, self.reader, report)
            yield
        functions = dict(self._functions)
        for signature in definer_functions(self.connection, self.table, self.role):
            arguments = functions.pop(signature, None)
            if signature in self._exempt:
                unknown.discard(signature)
            elif arguments is None:
                report.not_tested(
                    f"the function {signature} isolates",
                    "it uses the table with the rights of its owner: give "
                    f'functions={{"{signature}": [arguments]}}'
                    " or exempt={...} with the reason",
                )
            else:
                functions[signature] = arguments
            yield
        for function, arguments in functions.items():
            door = function_door(self.connection, function, arguments)
            with undone(self.connection):
                self._clear()
                go_through(self.connection, door, rows, self.cast, self.role, self.reader, report)
            yield
        for name in sorted(unknown):
            report.not_tested(f"{name} is exempt", "no such door leads to the table: remove the exemption")

    def _clear(self) -> None:
        """Remove the test's own rows, so that doors can be tried with and without them."""
        organizations = [self.here.id, self.there.id]
        self.connection.execute(
            sql.SQL("DELETE FROM {} WHERE {} = ANY(%s)").format(self.table.sql, self.key), [organizations]
        )


def _number(outcome: Outcome) -> int | None:
    """Return the result of a count(*), None if it was refused."""
    return None if outcome.error is not None else int(outcome.rows[0][0])


def _unless_refused(outcome: Outcome, *also: str) -> str | None:
    """Return what happened instead of a refusal. An error for another reason is not a refusal."""
    if outcome.error is None:
        return f"it was not refused: {outcome}"
    if outcome.error.sqlstate in (*REFUSALS, *also):
        return None
    return Untested(f"it failed for another reason: {outcome}")


def _unless_refused_or_empty(outcome: Outcome) -> str | None:
    seen = _number(outcome)
    return _unless_refused(outcome) if seen is None else f"{seen} rows" if seen else None
