"""Make the attempts that must be refused, as the application."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

import psycopg

from pg_tenancy.tools.demo.attempts import Attempt, attempts
from pg_tenancy.tools.demo.truth import Cast, Truth

__all__ = ["try_everything", "unchanged"]

Connection = psycopg.Connection[tuple[Any, ...]]


def try_everything(connect: Callable[[], Connection], truth: Truth, cast: Cast) -> list[Attempt]:
    """Make all attempts that must be refused, each over a separate connection.

    Args:
        connect: opens a connection of the application, in autocommit.
        truth: the expected rows, with the tokens and keys that were shown.
        cast: the people who try.

    """
    tried = attempts(truth, cast)
    alike: dict[str, Attempt] = {}
    for attempt in tried:
        with connect() as connection:
            _try(connection, attempt)
        first = alike.setdefault(attempt.alike or attempt.what, attempt)
        if (attempt.got, attempt.message) != (first.got, first.message):
            attempt.failures.append(f"{attempt.what}: the error differs from that of: {first.what}")
    return tried


def unchanged(connection: psycopg.Connection[Any], truth: Truth) -> list[str]:
    """Return what the attempts changed, read as the deployer."""
    found = {
        (organization, person): role
        for organization, person, role in connection.execute(
            "SELECT organization_id, user_id, role FROM public.organization_memberships"
        ).fetchall()
    }
    people = {person.id: person.name for person in truth.people.values()}
    failures = [
        f"the role of {people.get(person, 'somebody new')} in {truth.organizations.get(organization, 'a new one')} is "
        f"{found.get((organization, person))} instead of {truth.memberships.get((organization, person))}"
        for organization, person in found.keys() | truth.memberships.keys()
        if found.get((organization, person)) != truth.memberships.get((organization, person))
    ]
    kept: dict[str, tuple[str, Mapping[UUID, Any]]] = {
        "organizations": ("SELECT id, name FROM public.organizations", truth.organizations),
        "users": ("SELECT id, email FROM public.users", {p.id: p.email for p in truth.people.values()}),
        "API keys": ("SELECT id, workspace_id FROM public.api_keys", truth.api_keys),
        "instances": (
            "SELECT id, ARRAY[workspace_id::text, status::text] FROM public.instances",
            {number: [str(i.workspace), i.status] for number, i in truth.instances.items()},
        ),
        "models": ("SELECT id, workspace_id FROM public.models", truth.models),
        "invitations": (
            "SELECT id, organization_id FROM tenancy.invitations",
            {number: i.organization for number, i in truth.invitations.items()},
        ),
    }
    for what, (query, wanted) in kept.items():
        rows = dict(connection.execute(query.encode()).fetchall())
        different = sum(rows.get(number) != wanted.get(number) for number in rows.keys() | wanted.keys())
        if different:
            failures.append(f"{different} of the {what} were changed")
    return failures


def _try(connection: Connection, attempt: Attempt) -> None:
    rows: list[tuple[Any, ...]] = []
    # Only the last step may be refused.
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
                attempt.failures.append(f"{attempt.what}: it found {len(rows)} rows")
            return
        attempt.message = f"it worked, with {len(rows)} rows" if rows else "it worked"
    except psycopg.Error as error:
        attempt.got = (error.sqlstate or "", error.diag.constraint_name or "")
        attempt.message = error.diag.message_primary or str(error)
    if attempt.got != attempt.wanted:
        wanted = " ".join(attempt.wanted or ("an empty answer",)).strip()
        attempt.failures.append(f"{attempt.what}: {attempt.message}; expected {wanted}")
    elif step is not last:
        attempt.failures.append(f"{attempt.what}: refused too early, by {step[0]}")
