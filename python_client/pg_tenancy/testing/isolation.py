"""Whether a table or a function shows or changes rows of another tenant.

A table is tried as it stands; then with everything granted and a policy that opens
everything beside its floor, which alone has to isolate; and through the views and
functions that lead to it. What nobody may do proves something only where the same works
on one's own rows, so that is tried, too, and counted.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg import sql

from pg_tenancy.testing._cells import Cast, Connection, Outcome, Report, Statement, act, alone, undone
from pg_tenancy.testing._doors import Rows, definer_functions, function_door, go_through, state_of, views_of
from pg_tenancy.testing._rows import PROTECTED, Place, RowMaker, SetUpError, Table, Values

__all__ = ["check_function", "check_table"]

COMMANDS: Final = ("SELECT", "INSERT", "UPDATE", "DELETE")

# What the role may do beside reading and writing rows, and what frees it of policies.
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

# Unique indexes of the column that says whose a row is, alone: a workspace has one row.
ONE_EACH: Final = """
SELECT EXISTS (
    SELECT FROM pg_catalog.pg_index AS i
    INNER JOIN pg_catalog.pg_attribute AS a ON i.indrelid = a.attrelid AND i.indkey[0] = a.attnum
    WHERE i.indrelid = %s AND i.indisunique AND i.indnkeyatts = 1 AND a.attname = %s
)
"""

TRIGGERS: Final = """
SELECT t.tgname FROM pg_catalog.pg_trigger AS t
INNER JOIN pg_catalog.pg_proc AS p ON t.tgfoid = p.oid
WHERE t.tgrelid = %s AND NOT t.tgisinternal AND p.pronamespace::regnamespace::text IN ('tenancy', 'tenancy_private')
"""

OF_ORGANIZATIONS: Final = """
SELECT EXISTS (
    SELECT FROM pg_catalog.pg_constraint AS c
    INNER JOIN pg_catalog.pg_attribute AS a ON c.conrelid = a.attrelid AND c.conkey = ARRAY[a.attnum]
    WHERE c.contype = 'f' AND c.conrelid = %s AND a.attname = %s
        AND c.confrelid = 'public.organizations'::pg_catalog.regclass
)
"""

KEY: Final = """
SELECT a.attname FROM pg_catalog.pg_index AS i
INNER JOIN pg_catalog.pg_attribute AS a ON i.indrelid = a.attrelid AND a.attnum = ANY(i.indkey)
WHERE i.indrelid = %s AND i.indisprimary
"""

POLICIES: Final = "SELECT p.polname FROM pg_catalog.pg_policy AS p WHERE p.polrelid = %s ORDER BY p.polname"

# insufficient_privilege, and a context that is missing or forged.
REFUSALS: Final = ("42501", "28000")
# A row that refers to a parent of another tenant is refused as one without a parent.
NO_PARENT: Final = "23503"

# A key that is taken is the same error whoever has it.
TAKEN: Final = "23505"

# The workspace of the platform, whose rows of a catalogue everybody reads.
PLATFORM: Final = UUID(int=0)


def check_table(
    connection: Connection,
    table: str,
    *,
    role: str = "tenancy_app",
    values: Mapping[str, Values] | None = None,
    functions: Mapping[str, Sequence[object]] | None = None,
    exempt: Mapping[str, str] | None = None,
    coverage: bool = False,
) -> Report:
    """Try to see and change rows of another tenant in a protected table.

    Args:
        connection: a superuser's; what happens in it is undone.
        table: the table's name, with its schema where the search path needs it.
        role: the role of the application's login.
        values: values of columns that the test would choose badly, by the name of the
            table with its schema: of this table and of those that it refers to.
        functions: arguments for each function that uses the table with the rights of its
            owner, by its signature, such as ``public.total(uuid)``.
        exempt: views and functions that need not be isolated, each with the reason.
        coverage: also drop each policy in turn, and switch row-level security off, and
            require that something notices.

    Returns:
        What was tried; ``Report.require`` raises what is wrong.

    Raises:
        ValueError: an exemption without a reason.
    """
    if not all(reason.strip() for reason in (exempt or {}).values()):
        msg = "an exemption needs a reason"
        raise ValueError(msg)
    report = Report(table)
    with alone(connection):
        try:
            checked = _Checked(connection, table, role, values or {}, functions or {}, exempt or {})
            report = Report(checked.table.full_name)
            for _ in checked.ask(report):
                pass
            if coverage and not report.problems:
                checked.cover(report)
        except (SetUpError, psycopg.Error) as error:
            report.not_tested("everything", str(error))
    return report


def check_function(
    connection: Connection,
    function: str,
    arguments: Sequence[object] = (),
    *,
    role: str = "tenancy_app",
    organization_role: str = "owner",
    values: Mapping[str, Values] | None = None,
    tables: Sequence[str] | None = None,
) -> Report:
    """Try to learn of another tenant's rows by calling a function, or to change them.

    What the function returns or raises must be the same whether another tenant has rows
    or not, and must differ when one's own rows come: that is the control.

    Args:
        connection: a superuser's; what happens in it is undone.
        function: its name with its schema, such as ``public.report``, or its signature.
        arguments: the values that it is called with; ``RowOf("public.projects")`` stands
            for the id of a row.
        role: the role of the application's login.
        organization_role: the role of the person who calls it in the organization.
        values: as for ``check_table``.
        tables: the protected tables in which rows are made; all of them, if left out.

    Returns:
        What was tried.
    """
    report = Report(function)
    with alone(connection):
        try:
            maker = RowMaker(connection, values or {})
            cast = Cast(connection, maker)
            names: Sequence[str | int] = tables or [oid for (oid,) in connection.execute(PROTECTED).fetchall()]
            rows = Rows(maker, [Table.of(connection, name) for name in names])
            door = function_door(connection, function, arguments)
            go_through(connection, door, rows, cast, role, organization_role, report)
        except (SetUpError, psycopg.Error) as error:
            report.not_tested("everything", str(error))
    return report


class _Checked:
    """A table with rows of two organizations and of a person in both."""

    def __init__(
        self,
        connection: Connection,
        table: str,
        role: str,
        values: Mapping[str, Values],
        functions: Mapping[str, Sequence[object]],
        exempt: Mapping[str, str],
    ) -> None:
        self.connection = connection
        self.table = Table.of(connection, table)
        self.role = role
        self.functions = functions
        self.exempt = exempt
        if self.table.is_shipped:
            raise SetUpError(f"{table} came with pg-tenancy, whose own tests prove it")
        if self.table.shape is None:
            raise SetUpError(f"{table} is not protected: CALL tenancy.protect('{self.table.full_name}')")
        self.maker = RowMaker(connection, values)
        self.cast = Cast(connection, self.maker)
        self.reader = self.table.role_for("SELECT") or "owner"
        self.both = self.cast.in_both(self.reader)
        self.here, self.there = (self.cast.place(name, self.reader) for name in ("own", "other"))
        if self.table.shape == "published":
            self.maker.row(self.table, self.here)
            return
        self.key = sql.Identifier(self.table.owner_column)
        (self.one_each,) = self._one(ONE_EACH, self.table.oid, self.table.key)
        self.parents = {place: self._parent(place) for place in (self.here, self.there)}
        self.rows = {place: self.maker.row(self.table, place) for place in (self.here, self.there)}
        if self.table.author is not None:
            roles = (self.table.role_for(command) for command in COMMANDS)
            for writer in {self.reader, *(found for found in roles if found is not None)}:
                for name in ("own", "other"):
                    self.maker.row(self.table, self.cast.in_both(writer)[name])
            # What another member keeps to themselves.
            self.colleague = self.cast.place("own", "admin" if self.reader != "admin" else "user")
            self.maker.row(self.table, self.colleague)
        (of_organizations,) = self._one(OF_ORGANIZATIONS, self.table.oid, self.table.key)
        self.is_personal = not of_organizations and self.table.access.get("SELECT", {}).get("workspace") is None
        if self.is_personal:
            self.maker.row(self.table, self.both["personal"])

    def ask(self, report: Report) -> Generator[None]:
        """Try everything, and stop after each thing for whoever has seen enough."""
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
        """Take each rule away in turn, and write down whether something notices."""
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
                f"it is noticed when {words}",
                None if any(cell.is_tested for cell in noticed.problems) else "no question has another answer then",
            )

    # -- what there is ---------------------------------------------------------------------

    def _catalog(self, report: Report) -> Iterator[None]:
        (answer,) = self._one(FORCED, self.table.oid)
        report.add("isolation", "row-level security is enabled and forced", answer)
        yield
        row = self.connection.execute(TOO_MUCH, [self.table.oid, self.role]).fetchone()
        if row is None:
            raise SetUpError(f"there is no role {self.role}")
        report.add("isolation", f"{self.role} is subject to policies, and may only read and write rows", row[0] or None)
        yield

    def _published(self, report: Report) -> Iterator[None]:
        count = sql.SQL("SELECT count(*) FROM {}").format(self.table.sql)
        (total,) = self._one(count)
        for place in (self.here, self.both["other"], self.both["personal"]):
            outcome = self._act(count, place)
            seen = _number(outcome)
            report.add("control", f"{place.name} reads it", None if seen == total else f"{outcome}: {seen} of {total}")
            yield
        report.add("isolation", "nobody reads it outside of workspaces", _unless_refused(self._act(count, None)))
        yield
        for words, statement in (
            ("INSERT", sql.SQL("INSERT INTO {} DEFAULT VALUES").format(self.table.sql)),
            ("DELETE", sql.SQL("DELETE FROM {}").format(self.table.sql)),
        ):
            report.add("isolation", f"nobody may {words}", _unless_refused(self._act(statement, self.here)))
            yield

    # -- as it stands ----------------------------------------------------------------------

    def _reading(self, report: Report) -> Iterator[None]:
        count = sql.SQL("SELECT count(*) FROM {}").format(self.table.sql)
        if "SELECT" not in self.table.access or self.table.role_for("SELECT") is None:
            report.add("isolation", "nobody may SELECT", _unless_refused_or_empty(self._act(count, self.here)))
            yield
            return
        places = [self.here, self.there, self.both["own"], self.both["other"]]
        places += [self.both["personal"]] if self.is_personal else []
        for place in places:
            yield from self._counted(report, place, self._act(count, place), "SELECT")
        if (lacking := self.table.role_for("SELECT", having=False)) is not None:
            outcome = self._act(count, self.cast.place("own", lacking))
            report.add(
                "isolation",
                f"{self.cast.place('own', lacking).name}, who lacks the permission, sees nothing",
                _unless_refused_or_empty(outcome),
            )
            yield

    def _counted(self, report: Report, place: Place, outcome: Outcome, words: str) -> Iterator[None]:
        """Compare how many rows somebody sees with how many there are for them."""
        own, seen = self._visible(place), _number(outcome)
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
                    "isolation", f"nobody may {command}", _unless_refused(self._act(self._plain(command), self.here))
                )
                yield
                continue
            yield from write(report, self._writer(command))
            if (lacking := self.table.role_for(command, having=False)) is not None:
                person = self.cast.place("own", lacking)
                answer = _unless_refused(self._act(self._plain(command), person))
                report.add("isolation", f"{person.name}, who lacks the permission, may not {command}", answer)
                yield

    def _inserting(self, report: Report, place: Place) -> Iterator[None]:
        allowed = set(self.table.access["INSERT"]["columns"])
        values = self.maker.filled(self.table, place, None, {self.table.owner_column, self.table.author or ""})
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
            outcome = self._act(self._insert_of(row), place, row)
            answer = _unless_refused(outcome, NO_PARENT)
            report.add("isolation", f"{place.name}: an INSERT that {words} is refused", answer)
            yield
        keys = [name for (name,) in self.connection.execute(KEY, [self.table.oid]).fetchall()]
        if keys and allowed.issuperset(keys):
            yield from self._taken(report, place, values, keys)

    def _taken(self, report: Report, place: Place, values: Mapping[str, Any], keys: Sequence[str]) -> Iterator[None]:
        """Try to insert a row with the key of another workspace's, and to change that one so."""
        row = {**values, **{name: self.rows[self.there][name] for name in keys}}
        insert, before = self._insert_of(row), self._state(place)
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
            outcome = self._act(statement, place, row, look=lambda: self._state(place))
            answer = self._others(before, outcome) or _unless_refused(outcome, TAKEN)
            report.add("isolation", f"{place.name}: {words} with the key of another workspace's row is refused", answer)
            yield

    def _insert(self, report: Report, place: Place, values: Mapping[str, Any], words: str) -> Iterator[None]:
        with undone(self.connection):
            if self.one_each:
                self.connection.execute(
                    sql.SQL("DELETE FROM {} WHERE {} = %s").format(self.table.sql, self.key), [place.id]
                )
            before = self._state(place)
            outcome = self._act(self._insert_of(values), place, values, look=lambda: self._state(place))
        landed = outcome.error is None and outcome.looked[0] == before[0] + 1
        found = f"{outcome}, and the workspace has {outcome.looked[0] - before[0]} rows more"
        report.add("control", f"{place.name}: {words} makes a row of the workspace", None if landed else found)
        report.add("isolation", f"{place.name}: {words} makes none of another", self._others(before, outcome))
        yield

    def _updating(self, report: Report, place: Place) -> Iterator[None]:
        allowed = list(self.table.access["UPDATE"]["columns"])
        special = {self.table.parent, self.table.author, self.table.shared}
        column = next((name for name in allowed if name not in special), allowed[0])
        value = self.maker.filled(self.table, place, {column}).get(column)
        value = {
            self.table.parent: self.parents[self.here],
            self.table.author: place.user_id,
            self.table.shared: False,
        }.get(column, value)
        yield from self._written(report, place, self._update(column), [value], f"UPDATE of {column}")
        moves = [("another workspace", self.table.owner_column, self.there.id)]
        if self.table.parent in allowed and self.table.parent is not None:
            moves.append(("a parent of another workspace", self.table.parent, self.parents[self.there]))
        for words, name, where in moves:
            outcome = self._act(self._update(name), place, [where])
            answer = _unless_refused(outcome, NO_PARENT)
            report.add("isolation", f"{place.name}: an UPDATE that moves rows to {words} is refused", answer)
            yield

    def _deleting(self, report: Report, place: Place) -> Iterator[None]:
        yield from self._written(report, place, self._plain("DELETE"), None, "DELETE")

    def _written(self, report: Report, place: Place, statement: Statement, values: Any, words: str) -> Iterator[None]:
        """Run a write without a condition, and see which rows it reached."""
        before, own = self._state(place), self._own(place)
        outcome = self._act(statement, place, values, look=lambda: self._state(place))
        reached = outcome.error is None and outcome.count >= 1
        report.add("control", f"{place.name}: {words} reaches the workspace's rows", None if reached else str(outcome))
        answer = self._others(before, outcome)
        if answer is None and outcome.count > own:
            answer = f"it reached {outcome.count} rows, and {own} are theirs"
        report.add("isolation", f"{place.name}: {words} reaches no others", answer)
        yield

    def _elsewhere(self, report: Report) -> Iterator[None]:
        """Try outside of workspaces, and in one that somebody has forged."""
        for command in self.table.access:
            outcome = self._act(self._plain(command), None)
            report.add("isolation", f"nobody may {command} outside of workspaces", _unless_refused(outcome))
            yield
        if "SELECT" not in self.table.access:
            return
        for name, value in (("organization", self.there.id), ("user", self.there.user_id)):
            forge = sql.SQL("SELECT set_config({}, {}, true)").format(f"tenancy.current_{name}_id", str(value))
            outcome = self._act(self._plain("SELECT"), self.here, before=forge)
            report.add("isolation", f"nobody sees a row with a forged {name}", _unless_refused(outcome))
            yield

    # -- the floor alone -------------------------------------------------------------------

    def _opened(self, report: Report) -> Iterator[None]:
        """Grant everything and open everything beside the floor."""
        with undone(self.connection):
            self._open()
            place = self.here
            count = sql.SQL("SELECT count(*) FROM {}").format(self.table.sql)
            if "SELECT" not in self.table.access or self.table.role_for("SELECT") is not None:
                yield from self._counted(report, place, self._act(count, place), "SELECT with everything granted")
            own = self._values(self.here)
            writer = self._writer("INSERT")
            yield from self._insert(report, writer, {**own, **self._author(writer)}, "INSERT with everything granted")
            forged = {**self._values(self.there), **self._author(writer)}
            outcome = self._act(self._insert_of(forged), writer, forged)
            report.add(
                "isolation",
                f"{writer.name}: the floor refuses an INSERT into another workspace",
                _unless_refused(outcome),
            )
            yield
            if self.table.author is not None:
                forged = {**own, self.table.author: self.colleague.user_id}
                answer = _unless_refused(self._act(self._insert_of(forged), writer, forged))
                report.add("isolation", f"{writer.name}: an INSERT that names another author is refused", answer)
                yield
            writer = self._writer("UPDATE")
            same = self._update(self.table.owner_column)
            yield from self._written(report, writer, same, [self.here.id], "UPDATE with everything granted")
            if self.table.author is not None:
                answer = _unless_refused(self._act(self._update(self.table.author), writer, [self.colleague.user_id]))
                report.add("isolation", f"{writer.name}: an UPDATE that names another author is refused", answer)
                yield
            moved = {
                name: value
                for name, value in self._values(self.there).items()
                if name in (self.table.owner_column, self.table.parent)
            }
            outcome = self._act(self._update(*moved), writer, list(moved.values()))
            report.add(
                "isolation",
                f"{writer.name}: the floor refuses to move rows to another workspace",
                _unless_refused(outcome),
            )
            yield
            writer = self._writer("DELETE")
            yield from self._written(report, writer, self._plain("DELETE"), None, "DELETE with everything granted")

    def _open(self) -> None:
        names = {"table": self.table.sql, "role": sql.Identifier(self.role)}
        for statement in (
            "GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {role}",
            "CREATE POLICY tenancy_test_opens_all ON {table} TO {role} USING (true) WITH CHECK (true)",
        ):
            self.connection.execute(sql.SQL(statement).format(**names))
        # What asks for the permission stands before the floor.
        for (name,) in self.connection.execute(TRIGGERS, [self.table.oid]).fetchall():
            disable = sql.SQL("ALTER TABLE {} DISABLE TRIGGER {}")
            self.connection.execute(disable.format(self.table.sql, sql.Identifier(name)))

    # -- everybody else, and other ways ----------------------------------------------------

    def _services(self, report: Report) -> Iterator[None]:
        count = sql.SQL("SELECT count(*) FROM {}").format(self.table.sql)
        (total,) = self._one(count)
        roles = ["tenancy_service"]
        if self._one("SELECT has_any_column_privilege('tenancy_auditor', %s::oid, 'SELECT')", self.table.oid)[0]:
            roles.append("tenancy_auditor")
        for role in roles:
            outcome = act(self.connection, count, place=None, role=role)
            seen = _number(outcome)
            report.add("control", f"{role} sees every row", None if seen == total else f"{outcome}: {seen} of {total}")
            yield

    def _doors(self, report: Report) -> Iterator[None]:
        rows = Rows(self.maker, [self.table])
        unknown = set(self.exempt)
        for name, is_materialized, doors in views_of(self.connection, self.table, self.role):
            if name in self.exempt:
                unknown.discard(name)
            elif is_materialized:
                report.add("isolation", f"the view {name} isolates", "it is materialized, and so can have no policies")
            else:
                for door in doors:
                    with undone(self.connection):
                        self._clear()
                        go_through(self.connection, door, rows, self.cast, self.role, self.reader, report)
            yield
        functions = dict(self.functions)
        for signature in definer_functions(self.connection, self.table, self.role):
            arguments = functions.pop(signature, None)
            if signature in self.exempt:
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
            report.not_tested(f"{name} is exempt", "no such door leads to the table: take the exemption out")

    def _clear(self) -> None:
        """Take the test's own rows away, so that a door is tried with and without."""
        organizations = [self.here.id, self.there.id]
        self.connection.execute(
            sql.SQL("DELETE FROM {} WHERE {} = ANY(%s)").format(self.table.sql, self.key), [organizations]
        )

    # -- pieces ----------------------------------------------------------------------------

    def _act(
        self,
        statement: Statement,
        place: Place | None,
        values: Any = None,
        *,
        look: Any = None,
        before: Statement | None = None,
    ) -> Outcome:
        return act(self.connection, statement, values, place=place, role=self.role, look=look, before=before)

    def _one(self, query: Any, *values: Any) -> tuple[Any, ...]:
        row = self.connection.execute(query, values or None).fetchone()
        if row is None:
            raise SetUpError("the catalog has no answer")
        return tuple(row)

    def _writer(self, *commands: str) -> Place:
        """Return who tries a write: a member of both organizations, who is the author of rows in both."""
        return self.cast.in_both(self.table.role_for(*commands) or self.reader)["own"]

    def _parent(self, place: Place) -> Any:
        if self.table.parent is None:
            return None
        return self.maker.filled(self.table, place, {self.table.parent})[self.table.parent]

    def _author(self, place: Place) -> dict[str, Any]:
        return {self.table.author: place.user_id} if self.table.author is not None else {}

    def _values(self, place: Place) -> dict[str, Any]:
        """Return a row that is a workspace's."""
        values = self.maker.filled(self.table, place, None, {self.table.owner_column})
        if self.table.parent is not None:
            values[self.table.parent] = self.parents[place]
        return {**values, self.table.owner_column: place.id}

    def _mine(self, place: Place, *, reading: bool) -> tuple[Statement, list[Any]]:
        """Return the condition that the rows meet which somebody may reach."""
        workspaces = [place.id, *([PLATFORM] if reading and self.table.shape == "catalogue" else [])]
        condition: Statement = sql.SQL("{} = ANY(%s::uuid[])").format(self.key)
        if self.table.author is None:
            return condition, [workspaces]
        whose = sql.SQL("{} = %s").format(sql.Identifier(self.table.author))
        if reading and self.table.shared is not None:
            whose = sql.SQL("({} OR {})").format(whose, sql.Identifier(self.table.shared))
        return sql.SQL("{} AND {}").format(condition, whose), [workspaces, place.user_id]

    def _own(self, place: Place, *, reading: bool = False) -> int:
        condition, values = self._mine(place, reading=reading)
        (count,) = self._one(sql.SQL("SELECT count(*) FROM {} WHERE {}").format(self.table.sql, condition), *values)
        return int(count)

    def _visible(self, place: Place) -> int:
        return self._own(place, reading=True)

    def _state(self, place: Place) -> tuple[int, int, list[Any]]:
        """Return how many rows somebody has, how many there are besides, and those of the other organization."""
        own = self._own(place)
        (total,) = self._one(sql.SQL("SELECT count(*) FROM {}").format(self.table.sql))
        return own, int(total) - own, state_of(self.connection, [self.table], self.there)

    @staticmethod
    def _others(before: tuple[int, int, list[Any]], outcome: Outcome) -> str | None:
        after = outcome.looked
        if after[2] != before[2]:
            return "rows of the other organization were changed"
        return None if after[1] == before[1] else f"there are {after[1]} rows of others, and {before[1]} before"

    def _plain(self, command: str) -> Statement:
        """Return the plainest statement of a command, which no WHERE keeps from any row."""
        table = self.table.sql
        if command == "SELECT":
            return sql.SQL("SELECT count(*) FROM {}").format(table)
        if command == "DELETE":
            return sql.SQL("DELETE FROM {}").format(table)
        allowed = self.table.access.get(command, {}).get("columns") or [self.table.owner_column]
        name = sql.Identifier(allowed[0])
        if command == "INSERT":
            return sql.SQL("INSERT INTO {} ({}) VALUES (DEFAULT)").format(table, name)
        return sql.SQL("UPDATE {} SET {} = DEFAULT").format(table, name)

    def _insert_of(self, values: Mapping[str, Any]) -> Statement:
        if not values:
            return sql.SQL("INSERT INTO {} DEFAULT VALUES").format(self.table.sql)
        return sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
            self.table.sql,
            sql.SQL(", ").join(map(sql.Identifier, values)),
            sql.SQL(", ").join(map(sql.Placeholder, values)),
        )

    def _update(self, *names: str) -> Statement:
        assignments = [sql.SQL("{} = %s").format(sql.Identifier(name)) for name in names]
        return sql.SQL("UPDATE {} SET {}").format(self.table.sql, sql.SQL(", ").join(assignments))


def _number(outcome: Outcome) -> int | None:
    """Return what a count(*) answered, None where it was refused."""
    return None if outcome.error is not None else int(outcome.rows[0][0])


def _unless_refused(outcome: Outcome, *also: str) -> str | None:
    """Return what happened instead of a refusal; an error for another reason is none."""
    if outcome.error is None:
        return f"it was not refused: {outcome}"
    if outcome.error.sqlstate in (*REFUSALS, *also):
        return None
    return f"it failed for another reason, so nothing was found out: {outcome}"


def _unless_refused_or_empty(outcome: Outcome) -> str | None:
    seen = _number(outcome)
    return _unless_refused(outcome) if seen is None else f"{seen} rows" if seen else None
