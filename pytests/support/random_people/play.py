"""A play: the same actions on the model and on a database, with compared results."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn
from uuid import UUID, uuid4

import psycopg

from support.random_people.model import PLATFORM, Entry, Platform, Refused
from support.random_people.stage import Stage

__all__ = ["PROVIDER", "Actor", "Difference", "Named", "Play", "Secret"]

PROVIDER = "the provider"


@dataclass(frozen=True)
class Named:
    """In a statement: the id of the object with this name."""

    name: str


@dataclass(frozen=True)
class Secret:
    """In a statement: the token of an invitation or the text of a key."""

    name: str


@dataclass(frozen=True)
class Actor:
    """The actor and one of the two logins: app, or credentialed with a ticket or a key."""

    entry: Entry
    login: str = "app"

    def __str__(self) -> str:
        return f"{self.entry} through {self.login}"

    @classmethod
    def read(cls, text: str) -> Actor:
        """Return the object with this text."""
        entry, through, login = text.rpartition(" through ")
        if not through:
            raise ValueError(f"{text!r} is nobody who acts")
        return cls(Entry.read(entry), login)


class Difference(AssertionError):  # noqa: N818  (it is an answer)
    """The database differed from the model.

    Args:
        story: the steps.
        expected: the model's result.
        found: the database's result, in words that are the same for all its versions.
        detail: its further output.

    """

    def __init__(self, story: Sequence[str], expected: str, found: str, detail: str = "") -> None:
        lines = [f"{number:3}. {line}" for number, line in enumerate(story, 1)]
        end = f"expected: {expected}", f"found:    {found}{detail and f': {detail}'}"
        super().__init__("\n".join(["the database did not do what it should", *lines, "", *end]))
        self.expected = expected
        self.found = found
        self.steps: tuple[Any, ...] = ()
        """The same as the story, so that it can be done again, if whoever played knows it so."""


class Play:
    """A model and a database with the same beginning and the same actions.

    Args:
        stage: where.
        model: the beginning, with which the database is filled.

    """

    def __init__(self, stage: Stage, model: Platform) -> None:
        self.stage = stage
        self.model = model
        self.ids: dict[str, UUID] = {PLATFORM: UUID(int=0), PROVIDER: uuid4()}
        self.secrets: dict[str, str] = {}
        self.story: list[str] = []
        self._begin()

    # -- the beginning ---------------------------------------------------------

    def _begin(self) -> None:
        model = self.model
        for name in (*model.people, *model.organizations, *model.models, *model.instances, *model.notes, *model.keys):
            self.ids[name] = uuid4()
        for name in model.invitations:
            self.ids[name], self.secrets[name] = uuid4(), f"inv_{secrets.token_hex(32)}"
        for name in model.keys:
            self.secrets[name] = f"pgt_{secrets.token_hex(4)}_{secrets.token_hex(32)}"
        ids: dict[str | None, UUID | None] = {None: None}
        ids.update(self.ids)
        self.stage.run(
            "admin",
            *(
                (f"DELETE FROM public.{table}", [])  # noqa: S608
                for table in ("instances", "models", "organizations", "users", "providers")
            ),
            ("INSERT INTO public.providers (id, name) VALUES (%s, 'provider')", [ids[PROVIDER]]),
            *(
                (
                    "INSERT INTO public.users (id, email, username, role, password_hash) VALUES (%s, %s, %s, %s, 'x')",
                    [ids[name], person.email, person.username, "admin" if person.staff else "user"],
                )
                for name, person in model.people.items()
            ),
            *(
                (
                    "INSERT INTO public.organizations (id, name, slug, created_by_user_id) VALUES (%s, %s, %s, %s)",
                    [ids[name], tenant.name, tenant.slug, ids[tenant.created_by]],
                )
                for name, tenant in model.organizations.items()
            ),
            *(
                (
                    "INSERT INTO public.organization_memberships (organization_id, user_id, role) VALUES (%s, %s, %s)",
                    [ids[tenant], ids[person], role],
                )
                for (tenant, person), role in model.roles.items()
            ),
            *(
                (
                    "INSERT INTO tenancy.invitations"
                    " (id, organization_id, email, role, token_hash, invited_by_user_id, expires_at)"
                    " VALUES (%s, %s, %s, %s, sha256(convert_to(%s, 'UTF8')), %s, now() + interval '7 days')",
                    [ids[name], ids[i.organization], i.email, i.role, self.secrets[name], ids[i.invited_by]],
                )
                for name, i in model.invitations.items()
            ),
            *(
                (
                    "INSERT INTO public.models (id, organization_id, name, model_id,"
                    " tech_activated_at, eco_activated_at)"
                    " VALUES (%s, %s, %s, %s, now(), now())",
                    [ids[name], self._tenant(m.workspace), m.name, m.model_id],
                )
                for name, m in model.models.items()
            ),
            *(
                (
                    "INSERT INTO public.instances (id, organization_id, user_id, provider_id, model_id, status,"
                    " tech_activated_at, eco_activated_at)"
                    " VALUES (%s, %s, %s, %s, %s, %s, now(), now())",
                    [
                        ids[name],
                        self._tenant(i.workspace),
                        self.ids[i.workspace] if i.workspace in model.people else None,
                        ids[PROVIDER],
                        ids[i.model],
                        i.status,
                    ],
                )
                for name, i in model.instances.items()
            ),
            *(
                (
                    "INSERT INTO public.notes (id, instance_id, text) VALUES (%s, %s, %s)",
                    [ids[name], ids[note.instance], note.text],
                )
                for name, note in model.notes.items()
            ),
            *(
                (
                    "INSERT INTO public.api_keys (id, organization_id, user_id, name, key_prefix, key_hash,"
                    " tech_activated_at, eco_activated_at)"
                    " VALUES (%s, %s, %s, %s, %s, %s, now(), now())",
                    [ids[name], self._tenant(key.workspace), ids[key.person], key.name, *self.key_columns(name)],
                )
                for name, key in model.keys.items()
            ),
        )

    def _tenant(self, workspace: str) -> UUID | None:
        return self.ids[workspace] if workspace in self.model.organizations else None

    def key_columns(self, name: str) -> tuple[str, str]:
        """Return the prefix and the hash of a key, for an INSERT."""
        text = self.secrets[name]
        return text[:12], hashlib.sha256(text.encode()).hexdigest()

    # -- what is done ----------------------------------------------------------

    def act(
        self, actor: Actor | str | None, statement: str, arguments: Sequence[Any], attempt: Callable[[], Any]
    ) -> None:
        """Do something to both, and compare the results.

        Args:
            actor: the person who enters, the name of a login that does not enter, or None for the application's.
            statement: the statement for the database.
            arguments: its values, some of them ``Named`` or ``Secret``.
            attempt: the call of the model. It returns a number of rows, a row whose new names get
                their ids here, or None if there is nothing to compare.

        """
        login = actor.login if isinstance(actor, Actor) else actor or "app"
        told = statement % tuple(_shown(argument) for argument in arguments)
        try:
            if isinstance(actor, Actor):
                self.model.enter(actor.entry)
            expected = attempt()
        except Refused as refused:
            expected = refused
        statements = [(statement, [self._value(argument) for argument in arguments])]
        if isinstance(actor, Actor):
            statements.insert(0, self._entering(actor))
        self.story.append(f"{actor or 'nobody through app'}: {told}")
        try:
            rows, count = self.stage.run(login, *statements)
        except psycopg.Error as error:
            self._check_error(expected, error)
            self.story[-1] += f" -> {expected}"
            return
        if isinstance(expected, Refused):
            self.fail(f"to be refused with {expected}", "it worked")
        self._check_answer(expected, rows, count)

    def _entering(self, actor: Actor) -> tuple[str, list[Any]]:
        entry = actor.entry
        if entry.key:
            return "SELECT tenancy.enter_with_api_key(%s)", [self.secrets[entry.key]]
        person = self.ids[entry.person or ""]
        if entry.platform:
            return "SELECT tenancy.enter_platform(%s)", [person]
        organization = self.ids[entry.organization] if entry.organization else None
        if actor.login == "credentialed":
            return "SELECT tenancy.enter_with_ticket(%s)", [self.stage.tickets.ticket(person, organization)]
        return "SELECT tenancy.enter(%s, %s)", [person, organization]

    def _value(self, argument: Any) -> Any:
        if isinstance(argument, Named):
            return self.ids[argument.name]
        return self.secrets[argument.name] if isinstance(argument, Secret) else argument

    def _check_error(self, expected: Any, error: psycopg.Error) -> None:
        if not isinstance(expected, Refused):
            self.fail(_answer(expected), _refusal(error), str(error))
        if not expected.is_it(error.sqlstate, error.diag.constraint_name):
            self.fail(f"to be refused with {expected}", _refusal(error), str(error))

    def _check_answer(self, expected: Any, rows: list[tuple[Any, ...]] | None, count: int) -> None:
        if isinstance(expected, int):
            self.story[-1] += f" -> {count} rows"
            if count != expected:
                self.fail(_answer(expected), _answer(count))
        elif expected is not None:
            row = list(rows[0]) if rows else []
            for position, cell in enumerate(expected):
                if position >= len(row):
                    break
                if isinstance(cell, Secret):
                    self.secrets[cell.name] = row[position]
                    row[position] = cell
                elif isinstance(cell, Named) and cell.name not in self.ids:
                    self.ids[cell.name] = row[position]
            known = {value: Named(name) for name, value in self.ids.items()}
            row = [known.get(cell, cell) if isinstance(cell, UUID) else cell for cell in row]
            self.story[-1] += f" -> {_answer(row)}"
            if row != list(expected):
                self.fail(_answer(expected), _answer(row))

    # -- what is seen ----------------------------------------------------------

    def look(self, who: Actor) -> None:
        """Compare all that somebody sees with the model's result."""
        named = [
            [self.ids[name] for name in self.ids if name in of] for of in (self.model.organizations, self.model.people)
        ]
        try:
            rows, _ = self.stage.run(who.login, self._entering(who), ("EXECUTE seen (%s, %s)", named))
        except psycopg.Error as error:
            self.fail(f"{who} to see the workspace", f"{error.sqlstate}", str(error))
        assert rows
        seen, counts, audited = rows[0]
        expected = self.model.seen(who.entry)
        self._compare(f"{who} sees", expected, seen)
        for table, count in counts.items():
            if count != len(expected[table]):
                self.fail(f"{who} to count {len(expected[table])} {table}", f"{count}")
        strangers = set(audited) - {self.ids[self.model.workspace(who.entry)]}
        if strangers or (audited and self.model.role(who.entry) == "user"):
            self.fail(f"{who} to read the own audit log at most", f"entries of {self._names(list(audited))}")

    def knock(self, who: Actor) -> None:
        """Check an entry against the model; it is a part of the story only if they differ."""
        self.act(who, "SELECT 1", [], lambda: 1)
        self.story.pop()

    def look_from_above(self) -> None:
        """Compare all that there is with the model's result."""
        ((found,),) = self.stage.admin.execute("EXECUTE everything").fetchall()
        self._compare("in the database there is", self.model.everything(), found)

    def _compare(
        self, what: str, expected: dict[str, list[list[Any]]], found: dict[str, list[list[Any]] | None]
    ) -> None:
        names = {str(value): name for name, value in self.ids.items()}
        for table, wanted in expected.items():
            rows = sorted(
                (
                    [names.get(cell, cell) if isinstance(cell, str) else cell for cell in row]
                    for row in found[table] or []
                ),
                key=repr,
            )
            if rows != sorted(wanted, key=repr):
                more = [row for row in rows if row not in wanted]
                less = [row for row in wanted if row not in rows]
                self.fail(
                    f"of {table}: " + (f"{less} too" if less else f"no more than {wanted}"),
                    f"{what} {more} besides" if more else f"{what} {rows}",
                )

    def _names(self, ids: list[UUID]) -> list[str]:
        return [name for name, value in self.ids.items() if value in ids]

    def fail(self, expected: str, found: str, detail: str = "") -> NoReturn:
        """Raise the story and the difference at its end."""
        raise Difference(self.story, expected, found, detail)


def _shown(argument: Any) -> str:
    if isinstance(argument, Named):
        return argument.name
    return f"<secret of {argument.name}>" if isinstance(argument, Secret) else repr(argument)


def _answer(answer: Any) -> str:
    if answer is None:
        return "it to work"
    return f"{answer} rows" if isinstance(answer, int) else ", ".join(map(_shown, answer))


def _refusal(error: psycopg.Error) -> str:
    # PostgreSQL 18 distinguishes restrict_violation from foreign_key_violation, earlier versions do
    # not.
    sqlstate = "23503" if error.sqlstate == "23001" else error.sqlstate
    return str(Refused(str(sqlstate), error.diag.constraint_name))
