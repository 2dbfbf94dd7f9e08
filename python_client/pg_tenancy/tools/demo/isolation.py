"""Compare what each person sees after the migration with the generated rows.

Everything here connects as the application. The expected rows come from the generated data
and from what the demonstration did since, never from the tables and functions under test.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg import sql

from pg_tenancy.tools.demo.truth import PLATFORM, Cast, Truth

__all__ = ["View", "check_everybody", "look", "look_around"]

Connection = psycopg.Connection[tuple[Any, ...]]


@dataclass
class View:
    """A person's view in one workspace.

    Attributes:
        seen: the number of rows of each kind, by name; None if the query is an error.
        failures: the differences from the expected rows.

    """

    person: str
    workspace: str
    role: str | None
    permissions: int
    seen: dict[str, int | None]
    failures: list[str] = field(default_factory=list)


# The queries in each workspace.
_READ: Final = {
    "organizations": "SELECT id FROM public.organizations",
    "memberships": "SELECT organization_id, user_id, role FROM public.organization_memberships",
    "users": "SELECT id FROM public.users",
    "workspaces": "SELECT id FROM tenancy.workspaces",
    "audit_log": "SELECT action, object_id::uuid FROM tenancy.audit_log",
    "members()": "SELECT user_id, role FROM tenancy.members()",
    "all_users()": "SELECT user_id FROM tenancy.all_users(page_size => 10000)",
    "my_organizations()": "SELECT id, role, is_current FROM tenancy.my_organizations()",
    "invitations": "SELECT id, organization_id, email, role,"
    " CASE WHEN accepted_at IS NOT NULL THEN 'accepted' WHEN revoked_at IS NOT NULL THEN 'revoked' ELSE 'pending' END"
    " FROM tenancy.invitations",
    "api_keys": "SELECT id, coalesce(organization_id, user_id) FROM public.api_keys",
    "instances": "SELECT id, coalesce(organization_id, user_id), status FROM public.instances",
    "legacy_instances()": "SELECT id FROM tenancy.legacy_instances(page_size => 10000)",
    "models": "SELECT id, organization_id FROM public.models",
}
# The error for a role that may not run a query.
_REFUSED: Final = {
    "members()": "organization_required",
    "all_users()": "permission_denied",
    "legacy_instances()": "permission_denied",
}


# Prepared once and used in many workspaces, like an application's statements. The platform's
# rows are only counted: they are many, and the same for everybody.
_PREPARE: Final = """
PREPARE everything AS SELECT
    ARRAY(SELECT id FROM public.organizations),
    ARRAY(SELECT user_id || ' ' || role FROM public.organization_memberships),
    ARRAY(SELECT id FROM public.users),
    ARRAY(SELECT id FROM tenancy.workspaces),
    ARRAY(SELECT id FROM tenancy.invitations),
    ARRAY(SELECT id FROM public.api_keys),
    ARRAY(SELECT id FROM public.instances WHERE coalesce(organization_id, user_id) IS NOT NULL),
    ARRAY(SELECT count(*) FROM public.instances WHERE coalesce(organization_id, user_id) IS NULL),
    ARRAY(SELECT id FROM public.models WHERE organization_id IS NOT NULL),
    ARRAY(SELECT count(*) FROM public.models WHERE organization_id IS NULL)
"""

# A whole transaction in one message.
_WHOLE: Final = "BEGIN; SELECT tenancy.enter({person}, {organization}); EXECUTE everything; COMMIT"


def _expected(
    truth: Truth, person: UUID, organization: UUID | None, role: str | None, *, with_key: bool
) -> dict[str, Counter[tuple[Any, ...]] | None]:
    workspace = organization or person
    on_platform = organization == PLATFORM
    inside = None if on_platform else organization
    members = truth.members(inside) if inside else {}
    is_staff = inside is None and truth.people[person].is_staff and not with_key
    return {
        "organizations": Counter([(inside,)] if inside else []),
        "memberships": Counter((inside, member, held) for member, held in members.items()),
        "users": Counter((member,) for member in (members if inside else truth.people if on_platform else [person])),
        "workspaces": Counter([(workspace,)]),
        "audit_log": Counter() if role == "user" else Counter(truth.audit.get(workspace, Counter())),
        "members()": Counter(members.items()) if inside else None,
        "all_users()": Counter((number,) for number in sorted(truth.people)[:10000]) if is_staff else None,
        # A key sees no workspace but its own.
        "my_organizations()": Counter([(inside, role, True)] if inside else [])
        if with_key
        else Counter((o, r, o == inside) for (o, p), r in truth.memberships.items() if p == person),
        "invitations": Counter(
            (number, i.organization, i.email, i.role, i.status)
            for number, i in truth.invitations.items()
            if i.organization == inside and role != "user"
        ),
        "api_keys": Counter((number, owner) for number, owner in truth.api_keys.items() if owner == workspace),
        "instances": Counter(
            (number, None if on_platform else i.workspace, i.status)
            for number, i in truth.instances.items()
            if i.workspace == workspace
        ),
        "legacy_instances()": None
        if organization
        else Counter((number,) for number, i in truth.instances.items() if i.workspace == PLATFORM),
        "models": Counter(
            (number, None if owner == PLATFORM else owner)
            for number, owner in truth.models.items()
            if owner in (organization, PLATFORM)
        ),
    }


def look(
    connection: Connection, truth: Truth, person: UUID, organization: UUID | None = None, *, key: str | None = None
) -> View:
    """Enter a workspace as the application does, and read everything in it.

    Args:
        connection: the application's, in autocommit.
        truth: the expected rows.
        person: who enters, or who created the key.
        organization: the organization; None for the personal workspace, the nil UUID for the platform's.
        key: an API key to enter with.

    """
    on_platform = organization == PLATFORM
    workspace = "platform" if on_platform else truth.organizations[organization] if organization else "personal"
    name = truth.people[person].name
    view = View(f"key of {name}" if key else name, workspace, None, 0, {})
    where = f"{view.person} in {workspace}"
    role = None
    if organization is not None:
        role = "user" if key else "staff" if on_platform else truth.memberships[organization, person]
    try:
        with connection.transaction():
            if on_platform:
                connection.execute("SELECT tenancy.enter_platform(%s)", [person])
            elif key is None:
                connection.execute("SELECT tenancy.enter(%s, %s)", [person, organization])
            else:
                connection.execute("SELECT tenancy.enter_with_api_key(%s)", [key])
            view.role, view.permissions = connection.execute(
                "SELECT tenancy.current_role(), (SELECT count(*) FROM tenancy.my_permissions())"
            ).fetchall()[0]
            for kind, wanted in _expected(truth, person, organization, role, with_key=key is not None).items():
                found = _read(connection, kind)
                view.seen[kind] = None if found is None else found.total()
                if found != wanted:
                    view.failures.append(f"{where}: {_difference(kind, found, wanted)}")
    except psycopg.Error as error:
        view.failures.append(f"{where}: {error.diag.message_primary or error}")
        return view
    if view.role != role:
        view.failures.append(f"{where}: has role {view.role} instead of {role}")
    if view.permissions != truth.permissions.get(role or "", 0):
        view.failures.append(
            f"{where}: has {view.permissions} permissions instead of {truth.permissions.get(role or '', 0)}"
        )
    return view


def look_around(connection: Connection, truth: Truth, cast: Cast) -> list[View]:
    """Return the views of the cast: members of the first organization, other people, and keys."""
    founded = next(o for (o, person) in truth.memberships if person == cast.founder.id)
    people = [
        look(connection, truth, person.id, organization)
        for person, organization in (
            (cast.owner, cast.first.id),
            (cast.owner, cast.second.id),
            (cast.owner, cast.third.id),
            (cast.owner, None),
            (cast.admin, cast.first.id),
            (cast.manager, cast.first.id),
            (cast.user, cast.first.id),
            (cast.user, None),
            (cast.other_owner, cast.second.id),
            (cast.staff, cast.second.id),
            (cast.staff, None),
            (cast.staff, PLATFORM),
            (cast.founder, founded),
            (cast.nobody, None),
        )
    ]
    keys = [
        look(connection, truth, person.id, organization, key=truth.secrets[whose])
        for whose, person, organization in (
            ("organization's key", cast.guest, cast.first.id),
            ("person's key", cast.nobody, None),
            ("staff's key", cast.staff, None),
        )
    ]
    return people + keys


def _read(connection: Connection, kind: str) -> Counter[tuple[Any, ...]] | None:
    try:
        with connection.transaction():
            return Counter(connection.execute(_READ[kind].encode()).fetchall())
    except psycopg.Error as error:
        if error.diag.constraint_name == _REFUSED.get(kind):
            return None
        raise


def _difference(kind: str, found: Counter[Any] | None, wanted: Counter[Any] | None) -> str:
    if found is None or wanted is None:
        return f"{kind} {'must not be an error' if found is None else 'must be an error'}"
    text = f"sees {found.total()} rows of {kind} instead of {wanted.total()}"
    if strange := (found - wanted).total():
        text += f"; {strange} of them belong to others"
    if missing := (wanted - found).total():
        text += f"; {missing} are missing"
    return text


def check_everybody(connection: Connection, truth: Truth, people: int = 300) -> tuple[int, int, list[str]]:
    """Enter with every membership, and many personal workspaces, and compare what is seen.

    Args:
        connection: the application's, in autocommit.
        truth: the expected rows.
        people: about how many personal workspaces to enter.

    Returns:
        the numbers of memberships and personal workspaces entered, and the failures.

    """
    members: dict[UUID, dict[UUID, str]] = {}
    for (organization, person), role in truth.memberships.items():
        members.setdefault(organization, {})[person] = role
    owned: dict[str, dict[UUID, set[Any]]] = {"invitations": {}, "api_keys": {}, "instances": {}, "models": {}}
    for kind, pairs in (
        ("invitations", ((number, i.organization) for number, i in truth.invitations.items())),
        ("api_keys", iter(truth.api_keys.items())),
        ("instances", ((number, i.workspace) for number, i in truth.instances.items())),
        ("models", iter(truth.models.items())),
    ):
        for number, owner in pairs:
            owned[kind].setdefault(owner, set()).add(number)
    public = len(owned["models"].get(PLATFORM, ()))
    entered: list[tuple[UUID, UUID | None]] = [(person, organization) for organization, person in truth.memberships]
    some = list(truth.people)[:: max(1, len(truth.people) // people)]
    personal: list[tuple[UUID, UUID | None]] = [(person, None) for person in some]
    failures: list[str] = []
    connection.execute(_PREPARE)
    for person, where in (*entered, *personal):
        place = truth.organizations[where] if where else "personal"
        try:
            found = _everything_in_one(connection, person, where)
        except psycopg.Error as error:
            connection.rollback()
            failures.append(f"{truth.people[person].name} in {place}: {error.diag.message_primary or error}")
            continue
        inside = members[where] if where else {}
        wanted: dict[str, set[Any]] = {
            "organizations": {where} if where else set(),
            "memberships": {f"{member} {role}" for member, role in inside.items()},
            "users": set(inside if where else [person]),
            "workspaces": {where or person},
            "invitations": set() if inside.get(person) == "user" else owned["invitations"].get(where or person, set()),
            "api_keys": owned["api_keys"].get(where or person, set()),
            "instances": owned["instances"].get(where or person, set()),
            "legacy instances": {0},
            "models": owned["models"].get(where or person, set()),
            "public models": {public},
        }
        for (kind, right), seen in zip(wanted.items(), found, strict=True):
            if set(seen) != right or len(seen) != len(right):
                if kind in ("legacy instances", "public models"):
                    difference = f"sees {seen[0]} {kind} instead of {min(right)}"
                else:
                    difference = _difference(kind, Counter(seen), Counter(right))
                failures.append(f"{truth.people[person].name} in {place}: {difference}")
    connection.execute("DEALLOCATE everything")
    return len(entered), len(personal), failures


def _everything_in_one(connection: Connection, person: UUID, organization: UUID | None) -> tuple[list[Any], ...]:
    named = {
        name: sql.quote(str(value)) if value else "NULL"
        for name, value in (("person", person), ("organization", organization))
    }
    cursor = connection.execute(_WHOLE.format(**named).encode())
    cursor.nextset()
    cursor.nextset()
    return cursor.fetchall()[0]
