"""Attempts as different people, and their results."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Literal
from uuid import uuid4

import psycopg
from psycopg import sql

from pg_tenancy.testing._rows import ORGANIZATION_ROLES, Place, Row, RowMaker, SetUpError

__all__ = ["Cast", "Connection", "Outcome", "Report", "Statement", "Untested", "act", "alone", "undone"]

Connection = psycopg.Connection[Any]
Statement = sql.SQL | sql.Composed
Kind = Literal["control", "isolation"]


@dataclass(frozen=True)
class Cell:
    """One attempt.

    Attributes:
        question: what must be true.
        kind: ``control`` for something that must work; ``isolation`` for something that must not.
        answer: None if it is true, otherwise what was found.
        is_tested: False if nothing could be found out.

    """

    question: str
    kind: Kind
    answer: str | None = None
    is_tested: bool = True


class Untested(str):
    """The finding if nothing could be found out."""

    __slots__ = ()


@dataclass
class Report:
    """The attempts on a table or a function, and their results.

    Attributes:
        subject: the name of the table or the function.
        cells: everything that was tried.

    """

    subject: str
    cells: list[Cell] = field(default_factory=list)

    def add(self, kind: Kind, question: str, answer: str | None) -> None:
        """Add a cell; ``answer`` is None if the question is true."""
        self.cells.append(Cell(question, kind, answer, is_tested=not isinstance(answer, Untested)))

    def not_tested(self, question: str, why: str) -> None:
        """Add a cell for something that could not be found out."""
        self.add("isolation", question, Untested(why))

    @property
    def problems(self) -> list[Cell]:
        """Return the cells that failed or were not tested."""
        return [cell for cell in self.cells if cell.answer is not None]

    def count(self, kind: Kind) -> int:
        """Return how many cells of a kind passed."""
        return sum(cell.kind == kind and cell.answer is None for cell in self.cells)

    @property
    def summary(self) -> str:
        """Return the counts in one line."""
        broken = sum(cell.is_tested for cell in self.problems)
        untested = len(self.problems) - broken
        line = f"{self.subject}: {self.count('control')} controls and {self.count('isolation')} refusals held"
        return line + (f", {broken} FAILED" if broken else "") + (f", {untested} NOT TESTED" if untested else "")

    @property
    def failure(self) -> str | None:
        """Return the failures, None if everything was tested and passed."""
        if not self.problems and self.count("control") and self.count("isolation"):
            return None
        lines = [
            f"  {'FAILED' if cell.is_tested else 'NOT TESTED'}: {cell.question}\n      {cell.answer}"
            for cell in self.problems
        ] or ["  NOT TESTED: there was nothing to try that could have failed"]
        return "\n".join([self.summary, *lines])

    def require(self) -> Report:
        """Return the report if everything was tested and passed.

        Raises:
            AssertionError: something failed or was not tested; the message says what.
        """
        if self.failure is not None:
            raise AssertionError(self.failure)
        return self


@dataclass(frozen=True)
class Outcome:
    """The effect of a statement.

    Attributes:
        rows: the rows that it returned.
        count: the number of rows that it returned or wrote.
        error: the error, if it was refused.
        looked: what the superuser saw afterwards, before the rollback.

    """

    rows: Sequence[tuple[Any, ...]] = ()
    count: int = 0
    error: psycopg.Error | None = None
    looked: Any = None

    def __str__(self) -> str:
        if self.error is not None:
            return f"{self.error.sqlstate} {self.error.diag.message_primary}"
        return f"{self.count} row{'' if self.count == 1 else 's'}"


# A proof locks its table for a fraction of a second. Proofs in other processes wait for it, but
# it waits for other locks only for a limited time.
_ALONE: Final = "SELECT set_config('lock_timeout', '10s', true), pg_advisory_xact_lock(hashtext('pg_tenancy.testing'))"


@contextmanager
def alone(connection: Connection) -> Iterator[None]:
    """Roll back the block at its end, and let no other proof run meanwhile."""
    with undone(connection):
        connection.execute(_ALONE)
        yield


@contextmanager
def undone(connection: Connection) -> Iterator[None]:
    """Roll back the block at its end."""
    with connection.transaction(force_rollback=True):
        yield


def act(
    connection: Connection,
    statement: Statement,
    values: Any = None,
    *,
    place: Place | None,
    role: str,
    look: Callable[[], Any] | None = None,
    before: Statement | None = None,
) -> Outcome:
    """Run a statement as somebody, and roll it back.

    Args:
        connection: the superuser's, in a transaction.
        statement: the statement.
        values: the values of its placeholders.
        place: the person and workspace; None for no workspace.
        role: the role of the application's login.
        look: called afterwards, as the superuser; its result is kept.
        before: a statement that the same role runs first, in the workspace.

    Raises:
        SetUpError: the workspace could not be entered.
    """
    with undone(connection):
        if place is not None:
            _enter(connection, place, role)
        connection.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(role)))
        try:
            with connection.transaction():
                if before is not None:
                    connection.execute(before)
                cursor = connection.execute(statement, values)
                rows = cursor.fetchall() if cursor.description else []
                outcome = Outcome(rows, cursor.rowcount)
        except psycopg.Error as error:
            outcome = Outcome(error=error)
        if look is None:
            return outcome
        connection.execute("RESET ROLE")
        return Outcome(outcome.rows, outcome.count, outcome.error, look())


def _enter(connection: Connection, place: Place, role: str) -> None:
    """Enter a workspace as a role, or as tenancy_app if the role requires a ticket or a key."""
    query = "SELECT has_function_privilege(%s, 'tenancy.enter(uuid, uuid)', 'EXECUTE')"
    row = connection.execute(query, [role]).fetchone()
    entering = role if row and row[0] else "tenancy_app"
    connection.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(entering)))
    try:
        connection.execute("SELECT tenancy.enter(%s, %s)", [place.user_id, place.organization_id])
    except psycopg.Error as error:
        raise SetUpError(f"{entering} cannot enter as {place.name}: {error.diag.message_primary}") from error


# Names for messages. The acting people are members of the first organization.
_NAMES: Final = {"own": "first", "other": "second"}


def _a(role: str) -> str:
    return f"{'an' if role[0] in 'ao' else 'a'} {role}"


class Cast:
    """Two organizations, each with a member of each role, and a person who is a member of both.

    Args:
        maker: creates the rows, in a transaction that is rolled back.

    Raises:
        SetUpError: they could not be created.

    """

    def __init__(self, maker: RowMaker) -> None:
        self._maker = maker
        self._organizations: dict[str, Any] = {}
        self._people: dict[tuple[str, str], Any] = {}
        for name in _NAMES:
            owner = self._user()
            self._organizations[name] = self.organization(maker, owner)["id"]
            self._member(name, "owner", owner)
            for role in ORGANIZATION_ROLES[1:]:
                self._member(name, role, self._user())
        # Checked now, because there is no COMMIT. Every organization has an owner by now.
        maker.connection.execute("SET CONSTRAINTS ALL IMMEDIATE")

    def place(self, organization: str, role: str) -> Place:
        """Return a member of ``own`` or ``other`` there."""
        return Place(
            f"{_a(role)} of the {_NAMES[organization]} organization",
            self._people[organization, role],
            self._organizations[organization],
        )

    def in_both(self, role: str) -> dict[str, Place]:
        """Return a person with this role in both organizations: there, and in the personal workspace."""
        key = f"{role} of both"
        if ("own", key) not in self._people:
            user = self._user()
            for name in _NAMES:
                self._member(name, role, user, key)
        user = self._people["own", key]
        places = {
            name: Place(f"{_a(role)} of both organizations, in the {_NAMES[name]} one", user, organization)
            for name, organization in self._organizations.items()
        }
        return places | {"personal": Place("a member of both organizations, in the personal workspace", user, None)}

    def _user(self) -> Any:
        return self.person(self._maker)["id"]

    def _member(self, organization: str, role: str, user: Any, key: str | None = None) -> None:
        self._people[organization, key or role] = user
        self.membership(self._maker, self._organizations[organization], user, role)

    # An adopted table may lack some of these columns and require others.

    @classmethod
    def person(cls, maker: RowMaker, **columns: Any) -> Row:
        """Create a row of ``public.users``."""
        word = f"tenancy-test-{uuid4().hex}"
        usual = {"email": f"{word}@example.com", "username": word[:40], "first_name": "Test", "last_name": "Test"}
        return cls._made(maker, "public.users", usual | {"password_hash": "no password"}, columns)

    @classmethod
    def organization(cls, maker: RowMaker, owner: Any) -> Row:
        """Create a row of ``public.organizations``, without members."""
        word = f"tenancy-test-{uuid4().hex[:12]}"
        return cls._made(maker, "public.organizations", {"name": word, "slug": word, "created_by_user_id": owner}, {})

    @classmethod
    def membership(cls, maker: RowMaker, organization: Any, user: Any, role: str) -> None:
        """Make somebody a member."""
        given = {"organization_id": organization, "user_id": user, "role": role}
        cls._made(maker, "public.organization_memberships", {}, given)

    @staticmethod
    def _made(maker: RowMaker, name: str, usual: Row, given: Row) -> Row:
        table = maker.table(name)
        has = {column["name"] for column in maker.columns(table)}
        values = {column: value for column, value in usual.items() if column in has} | given
        return maker.plain_row(table, Place("nobody", uuid4(), None), values)
