"""What must be refused, tried as the application, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import psycopg

from pg_tenancy.demo.data import Organization, Person
from pg_tenancy.demo.isolation import Cast, Truth

__all__ = ["Attempt", "try_everything", "unchanged"]

Connection = psycopg.Connection[tuple[Any, ...]]
Step = tuple[str, list[Any]]

_COUNT: Final = "SELECT count(*) FROM public.organizations"
_KEEP: Final = "SELECT set_config(v.name, current_setting(v.name), false) FROM unnest(%s::text[]) AS v (name)"
_VARIABLES: Final = [
    "tenancy.current_user_id",
    "tenancy.current_organization_id",
    "tenancy.current_role",
    "tenancy.seal",
]
_UNKNOWN: Final = UUID(int=0xDEAD, version=4)


@dataclass
class Attempt:
    """Something that must not work.

    Attributes:
        what: what is tried.
        wanted: SQLSTATE and name of the error that it must be; None for an answer without rows.
        got: SQLSTATE and name of what it was.
        message: in the server's words, or what was answered.

    """

    what: str
    wanted: tuple[str, str] | None
    steps: list[Step]
    got: tuple[str, str] | None = None
    message: str = ""
    failures: list[str] = field(default_factory=list)


def try_everything(connect: Callable[[], Connection], cast: Cast) -> list[Attempt]:
    """Try all that must be refused, each over a connection of its own.

    Args:
        connect: opens a connection of the application, in autocommit.
        cast: who tries.

    """
    attempts = _attempts(cast)
    for attempt in attempts:
        with connect() as connection:
            _try(connection, attempt)
    outsider, unknown = attempts[0], attempts[1]
    if (outsider.got, outsider.message) != (unknown.got, unknown.message):
        outsider.failures.append("an organization of others and one that does not exist are told apart by their errors")
    return attempts


def unchanged(connection: psycopg.Connection[Any], truth: Truth) -> list[str]:
    """Return what differs from the truth after all the attempts, seen as the deployer."""
    found = {
        (organization, person): role
        for organization, person, role in connection.execute(
            "SELECT organization_id, user_id, role FROM public.organization_memberships"
        ).fetchall()
    }
    failures = [
        f"the role of {truth.people[person].name} in {truth.organizations[organization]} is "
        f"{found.get((organization, person))}, and must be {truth.memberships.get((organization, person))}"
        for organization, person in found.keys() | truth.memberships.keys()
        if found.get((organization, person)) != truth.memberships.get((organization, person))
    ]
    organizations = {row[0] for row in connection.execute("SELECT id FROM public.organizations").fetchall()}
    if organizations != set(truth.organizations):
        failures.append(f"there are {len(organizations)} organizations, and must be {len(truth.organizations)}")
    return failures


def _enter(person: Person, organization: Organization | None) -> list[Step]:
    identity = [person.id, organization.id if organization else None]
    return [("BEGIN", []), ("SELECT tenancy.enter(%s, %s)", identity)]


def _attempts(cast: Cast) -> list[Attempt]:
    first, second = cast.first, cast.second
    other = cast.other_owner
    elsewhere = [str(first.id)]
    set_organization = "SELECT set_config('tenancy.current_organization_id', %s, true)"
    nowhere = Organization(_UNKNOWN, "")
    forged: list[Step] = [
        ("BEGIN", []),
        ("SELECT set_config('tenancy.current_user_id', %s, true)", [str(cast.owner.id)]),
        (set_organization, elsewhere),
        ("SELECT set_config('tenancy.current_role', 'owner', true)", []),
        (_COUNT, []),
    ]
    return [
        Attempt(f"{other.name} enters {first.name}, a stranger there", ("28000", "not_a_member"), _enter(other, first)),
        Attempt(
            f"{other.name} enters an organization that does not exist",
            ("28000", "not_a_member"),
            _enter(other, nowhere),
        ),
        Attempt("a query without a context", ("28000", "no_context"), [("BEGIN", []), (_COUNT, [])]),
        Attempt(f"SET by hand: {cast.owner.name} in {first.name}", ("28000", "invalid_context"), forged),
        Attempt(
            f"{other.name} enters {second.name}, then SETs {first.name}",
            ("28000", "invalid_context"),
            [*_enter(other, second), (set_organization, elsewhere), (_COUNT, [])],
        ),
        Attempt(
            "a context that was kept for the next transaction",
            ("28000", "invalid_context"),
            [*_enter(cast.owner, first), (_KEEP, [_VARIABLES]), ("COMMIT", []), ("BEGIN", []), (_COUNT, [])],
        ),
        Attempt(
            "the context after COMMIT",
            ("28000", "no_context"),
            [*_enter(cast.owner, first), ("COMMIT", []), ("BEGIN", []), (_COUNT, [])],
        ),
        Attempt(
            f"{cast.owner.name} enters {first.name} and, in the same transaction, {second.name}",
            ("28000", "context_already_set"),
            [*_enter(cast.owner, first), *_enter(cast.owner, second)[1:]],
        ),
        Attempt(
            "a workspace outside a transaction",
            ("25P01", "transaction_required"),
            [(f"SELECT tenancy.enter('{cast.owner.id}', '{first.id}')", [])],
        ),
        Attempt(
            f"{other.name} asks for {first.name} by its id, in {second.name}",
            None,
            [*_enter(other, second), ("SELECT name FROM public.organizations WHERE id = %s", [first.id])],
        ),
        Attempt(
            f"{other.name} asks for the account of {cast.owner.name}",
            None,
            [*_enter(other, second), ("SELECT email FROM public.users WHERE id = %s", [cast.owner.id])],
        ),
        Attempt(
            f"{cast.user.name}, a user, makes {cast.owner.name} a user",
            ("42501", "permission_denied"),
            [*_enter(cast.user, first), ("SELECT tenancy.change_member_role(%s, 'user')", [cast.owner.id])],
        ),
        Attempt(
            f"{cast.admin.name}, an admin, becomes an owner",
            ("42501", "delegation_denied"),
            [*_enter(cast.admin, first), ("SELECT tenancy.change_member_role(%s, 'owner')", [cast.admin.id])],
        ),
        Attempt(
            f"{cast.owner.name}, the last owner, leaves {first.name}",
            ("23514", "organization_keeps_an_owner"),
            [*_enter(cast.owner, first), ("SELECT tenancy.leave_organization()", [])],
        ),
        Attempt(
            f"{cast.user.name} writes the memberships without the functions",
            ("42501", ""),
            [*_enter(cast.user, first), ("UPDATE public.organization_memberships SET role = 'owner'", [])],
        ),
        Attempt(
            f"{cast.owner.name} selects password_hash",
            ("42501", ""),
            [*_enter(cast.owner, first), ("SELECT password_hash FROM public.users", [])],
        ),
        Attempt(
            f"{cast.staff.name}, platform staff, enters {first.name}",
            ("28000", "not_a_member"),
            _enter(cast.staff, first),
        ),
        Attempt(
            f"{cast.owner.name} empties the audit log of {first.name}",
            ("42501", ""),
            [*_enter(cast.owner, first), ("DELETE FROM tenancy.audit_log", [])],
        ),
    ]


def _try(connection: Connection, attempt: Attempt) -> None:
    rows: list[tuple[Any, ...]] = []
    # Only the last step may be what is refused.
    last = attempt.steps[-1]
    step = last
    try:
        for step in attempt.steps:
            statement, values = step
            cursor = connection.execute(statement.encode(), values or None)
            rows = cursor.fetchall() if cursor.description else []
        if attempt.wanted is None:
            attempt.message = f"{len(rows)} rows"
            if rows:
                attempt.failures.append(f"{attempt.what}: {len(rows)} rows were shown")
            return
        attempt.message = f"it worked, with {len(rows)} rows" if rows else "it worked"
    except psycopg.Error as error:
        attempt.got = (error.sqlstate or "", error.diag.constraint_name or "")
        attempt.message = error.diag.message_primary or str(error)
    if attempt.got != attempt.wanted:
        wanted = " ".join(attempt.wanted or ("an empty answer",)).strip()
        attempt.failures.append(f"{attempt.what}: {attempt.message}; wanted {wanted}")
    elif step is not last:
        attempt.failures.append(f"{attempt.what}: refused too early, by {step[0]}")
