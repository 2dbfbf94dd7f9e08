"""A database on which the model of the platform is played, and the story of what was done there."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import psycopg

from support.database import Database
from support.model import PLATFORM, Entry, Platform, Refused
from support.server import Logins
from support.two_tenants import Key as TicketKey

__all__ = ["PROVIDER", "Named", "Play", "Secret", "Stage"]

PROVIDER = "the provider"

# Where the rows are that the model knows, and which columns of them it knows.
_TABLES = {
    "users": ("public.users", "id, email, username, role"),
    "organizations": ("public.organizations", "id, name, slug, created_by_user_id"),
    "memberships": ("public.organization_memberships", "organization_id, user_id, role"),
    "invitations": (
        "tenancy.invitations",
        "id, organization_id, email, role, invited_by_user_id, accepted_by_user_id, CASE"
        " WHEN accepted_at IS NOT NULL THEN 'accepted' WHEN revoked_at IS NOT NULL THEN 'revoked'"
        " WHEN lapsed_at IS NOT NULL THEN 'lapsed' ELSE 'open' END",
    ),
    "models": ("public.models", "id, workspace_id, name, model_id"),
    "instances": ("public.instances", "id, workspace_id, model_id, status, gpu_profile"),
    "api_keys": ("public.api_keys", "id, workspace_id, user_id, name, revoked_at IS NOT NULL"),
}


def _rows(source: str, columns: str) -> str:
    return f"(SELECT jsonb_agg(jsonb_build_array({columns})) FROM {source})"  # noqa: S608


def _object(parts: dict[str, str]) -> str:
    return f"jsonb_build_object({', '.join(f'{name!r}, {part}' for name, part in parts.items())})"


# The lists that functions give; three of them raise where they are not for the actor.
_LISTS = {
    "context": "jsonb_build_array(jsonb_build_array("
    "tenancy.current_user_id(), tenancy.current_workspace_id(), tenancy.current_role()))",
    "permissions": _rows("tenancy.my_permissions() AS p", "p"),
    "workspaces": _rows("tenancy.workspaces", "id, kind, organization_id"),
    "members": "CASE WHEN tenancy.current_organization_id() IS NOT NULL THEN "
    + _rows("tenancy.members()", "user_id, role")
    + " END",
    "invitation_list": "CASE WHEN tenancy.current_organization_id() IS NOT NULL"
    " AND tenancy.has_permission('members.invite') THEN "
    + _rows("tenancy.invitations()", "id, email, role, status")
    + " END",
    "all_users": "CASE WHEN current_setting('tenancy.current_role') = 'staff' THEN "
    + _rows("tenancy.all_users()", "user_id, email, username")
    + " END",
    "my_organizations": _rows("tenancy.my_organizations()", "id, name, role"),
    "badges": _rows("unnest($1) AS w WHERE tenancy.badge(w) IS NOT NULL", "w, tenancy.badge(w)"),
}
_SEEN = "PREPARE seen (uuid[]) AS SELECT {}, {}, {}".format(
    _object(_LISTS | {name: _rows(*table) for name, table in _TABLES.items()}),
    _object({name: f"(SELECT count(*) FROM {table})" for name, (table, _) in _TABLES.items()}),  # noqa: S608
    "ARRAY(SELECT DISTINCT workspace_id FROM tenancy.audit_log)",
)
_EVERYTHING = "PREPARE everything AS SELECT {}".format(
    _object(
        {name: _rows(*table) for name, table in _TABLES.items()}
        | {"deleted": _rows("tenancy.workspaces WHERE deleted_at IS NOT NULL", "id")}
    )
)


@dataclass(frozen=True)
class Named:
    """In a statement: the id of what has this name."""

    name: str


@dataclass(frozen=True)
class Secret:
    """In a statement: the token of an invitation or the text of a key."""

    name: str


class Stage:
    """The connections to one database, kept for many plays.

    Args:
        database: one with the whole plan deployed; every row in it will go.
        logins: the run's.

    """

    def __init__(self, database: Database, logins: Logins) -> None:
        self._stack = ExitStack()
        self.connections = {
            name: self._stack.enter_context(
                psycopg.connect(
                    database.dsn(getattr(logins, name, None)), autocommit=True, cursor_factory=psycopg.ClientCursor
                )
            )
            for name in ("app", "credentialed", "service", "old", "admin")
        }
        for name in ("app", "credentialed"):
            self.connections[name].execute("SET plan_cache_mode = force_generic_plan")
            self.connections[name].execute(_SEEN)
        self.admin.execute(_EVERYTHING)
        self.tickets = TicketKey(*self.admin.execute("SELECT * FROM tenancy.create_ticket_key()").fetchone() or ())

    @property
    def admin(self) -> psycopg.Connection[tuple[Any, ...]]:
        """The superuser's connection."""
        return self.connections["admin"]

    def close(self) -> None:
        """Close the connections."""
        self._stack.close()

    def run(self, login: str, *statements: tuple[str, Sequence[Any]]) -> tuple[list[tuple[Any, ...]] | None, int]:
        """Run a transaction, in one message; return the rows or how many rows, of its last statement."""
        connection = self.connections[login]
        text = "; ".join(["BEGIN", *(statement for statement, _ in statements), "COMMIT"])
        try:
            cursor = connection.execute(text.encode(), [value for _, values in statements for value in values])
        except psycopg.Error:
            connection.execute("ROLLBACK")
            raise
        for _ in statements:
            cursor.nextset()
        return (cursor.fetchall() if cursor.description else None), cursor.rowcount


class Play:
    """A model and a database to which the same things are done, from the same beginning.

    Args:
        stage: where.
        model: the beginning, which the database is made to be.

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
        for name in (*model.people, *model.organizations, *model.models, *model.instances, *model.keys):
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
                    "INSERT INTO public.models (id, organization_id, name, model_id) VALUES (%s, %s, %s, %s)",
                    [ids[name], self._tenant(m.workspace), m.name, m.model_id],
                )
                for name, m in model.models.items()
            ),
            *(
                (
                    "INSERT INTO public.instances (id, organization_id, user_id, provider_id, model_id, status)"
                    " VALUES (%s, %s, %s, %s, %s, %s)",
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
                    "INSERT INTO public.api_keys (id, organization_id, user_id, name, key_prefix, key_hash)"
                    " VALUES (%s, %s, %s, %s, %s, %s)",
                    [ids[name], self._tenant(key.workspace), ids[key.person], key.name, *self.key_columns(name)],
                )
                for name, key in model.keys.items()
            ),
        )

    def _tenant(self, workspace: str) -> UUID | None:
        return self.ids[workspace] if workspace in self.model.organizations else None

    def key_columns(self, name: str) -> tuple[str, str]:
        """Return the prefix and the hash of a key, for who inserts it."""
        text = self.secrets[name]
        return text[:12], hashlib.sha256(text.encode()).hexdigest()

    # -- what is done ----------------------------------------------------------

    def act(
        self,
        actor: Entry | str | None,
        statement: str,
        arguments: Sequence[Any],
        attempt: Callable[[], Any],
        *,
        by_credential: bool = False,
    ) -> None:
        """Do one thing to both, and compare what came of it.

        Args:
            actor: an ``Entry``, the name of a login that enters nothing, or None for the application's.
            statement: what the database is told.
            arguments: its values, some of them ``Named`` or ``Secret``.
            attempt: what the model is told. It answers with a number of rows, with a row whose names
                get their ids here, if they are new, or with None where there is nothing to compare.
            by_credential: through the login that has to present a ticket or a key.

        """
        login = actor if isinstance(actor, str) else "credentialed" if by_credential else "app"
        told = statement % tuple(_shown(argument) for argument in arguments)
        who = f"{actor or 'nobody'} through {login}" if not isinstance(actor, str) else actor
        try:
            if isinstance(actor, Entry):
                self.model.enter(actor)
            expected = attempt()
        except Refused as refused:
            expected = refused
        statements = [(statement, [self._value(argument) for argument in arguments])]
        if isinstance(actor, Entry):
            statements.insert(0, self._entering(actor, login))
        self.story.append(f"{who}: {told}")
        try:
            rows, count = self.stage.run(login, *statements)
        except psycopg.Error as error:
            self._check_error(expected, error)
            self.story[-1] += f" -> {expected}"
            return
        if isinstance(expected, Refused):
            self.fail(f"to be refused with {expected}", "it worked")
        self._check_answer(expected, rows, count)

    def _entering(self, actor: Entry, login: str) -> tuple[str, list[Any]]:
        if actor.key:
            return "SELECT tenancy.enter_with_api_key(%s)", [self.secrets[actor.key]]
        person = self.ids[actor.person or ""]
        organization = self.ids[actor.organization] if actor.organization else None
        if login == "credentialed":
            return "SELECT tenancy.enter_with_ticket(%s)", [self.stage.tickets.ticket(person, organization)]
        return "SELECT tenancy.enter(%s, %s)", [person, organization]

    def _value(self, argument: Any) -> Any:
        if isinstance(argument, Named):
            return self.ids[argument.name]
        return self.secrets[argument.name] if isinstance(argument, Secret) else argument

    def _check_error(self, expected: Any, error: psycopg.Error) -> None:
        found = (error.sqlstate, error.diag.constraint_name)
        if not isinstance(expected, Refused):
            self.fail(f"{expected if expected is not None else 'it to work'}", f"{found[0]} {found[1]}: {error}")
        if not expected.is_it(*found):
            self.fail(f"to be refused with {expected}", f"{found[0]} {found[1]}: {error}")

    def _check_answer(self, expected: Any, rows: list[tuple[Any, ...]] | None, count: int) -> None:
        if isinstance(expected, int):
            self.story[-1] += f" -> {count} rows"
            if count != expected:
                self.fail(f"{expected} rows", f"{count} rows")
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
            self.story[-1] += f" -> {', '.join(_shown(cell) for cell in row)}"
            if row != list(expected):
                self.fail(", ".join(map(_shown, expected)), ", ".join(map(_shown, row)))

    # -- what is seen ----------------------------------------------------------

    def look(self, actor: Entry, *, by_credential: bool = False) -> None:
        """Compare all that an actor sees with what the model says."""
        login = "credentialed" if by_credential else "app"
        organizations = [self.ids[name] for name in self.ids if name in self.model.organizations]
        try:
            rows, _ = self.stage.run(login, self._entering(actor, login), ("EXECUTE seen (%s)", [organizations]))
        except psycopg.Error as error:
            self.fail(f"{actor} to see the workspace, through {login}", f"{error.sqlstate}: {error}")
        assert rows
        seen, counts, audited = rows[0]
        expected = self.model.seen(actor)
        self._compare(f"{actor}, through {login}, sees", expected, seen)
        for table, count in counts.items():
            if count != len(expected[table]):
                self.fail(f"{actor} to count {len(expected[table])} {table}", f"{count}")
        strangers = set(audited) - {self.ids[self.model.workspace(actor)]}
        if strangers or (audited and self.model.role(actor) == "user"):
            self.fail(f"{actor} to read the own audit log at most", f"entries of {self._names(list(audited))}")

    def knock(self, actor: Entry, *, by_credential: bool = False) -> None:
        """Check that a way in is closed; a part of the story only where it is not."""
        self.act(actor, "SELECT 1", [], lambda: 0, by_credential=by_credential)
        self.story.pop()

    def look_from_above(self) -> None:
        """Compare all that there is with what the model says."""
        ((found,),) = self.stage.admin.execute("EXECUTE everything").fetchall()
        self._compare("in the database there is", self.model.everything(), found)

    def _compare(
        self, what: str, expected: dict[str, list[list[Any]]], found: dict[str, list[list[Any]] | None]
    ) -> None:
        names = {str(value): name for name, value in self.ids.items()}
        for table, wanted in expected.items():
            rows = [
                [names.get(cell, cell) if isinstance(cell, str) else cell for cell in row] for row in found[table] or []
            ]
            if sorted(rows, key=repr) != sorted(wanted, key=repr):
                more = [row for row in rows if row not in wanted]
                less = [row for row in wanted if row not in rows]
                self.fail(
                    f"of {table}: " + (f"{less} too" if less else f"no more than {wanted}"),
                    f"{what} {more} besides" if more else f"{what} {rows}",
                )

    def _names(self, ids: list[UUID]) -> list[str]:
        return [name for name, value in self.ids.items() if value in ids]

    def fail(self, expected: str, found: str) -> None:
        """Tell the story and what is wrong at its end."""
        lines = [f"{number:3}. {line}" for number, line in enumerate(self.story, 1)]
        raise AssertionError(
            "\n".join(
                ["the database did not do what it should", *lines, "", f"expected: {expected}", f"found:    {found}"]
            )
        )


def _shown(argument: Any) -> str:
    if isinstance(argument, Named):
        return argument.name
    return f"<secret of {argument.name}>" if isinstance(argument, Secret) else repr(argument)
