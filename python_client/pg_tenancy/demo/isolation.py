"""Who sees what after the migration, compared with what the generated rows say they must see.

Everything here connects as the application does. What must be seen comes from
the rows as they were generated and from what the demonstration did since, never
from the tables and functions under test.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg import sql

from pg_tenancy.demo.data import Organization, Person, Platform

__all__ = ["Cast", "Truth", "View", "check_everybody", "do_some_work", "look", "look_around"]

Connection = psycopg.Connection[tuple[Any, ...]]


@dataclass
class Truth:
    """What is so, by the generated rows and by what was done since.

    Attributes:
        memberships: (organization, person) to role.
        audit: workspace to how often each (action, object) was recorded.
        permissions: role to how many permissions it holds, ``""`` for all there are.

    """

    people: dict[UUID, Person]
    organizations: dict[UUID, str]
    memberships: dict[tuple[UUID, UUID], str]
    permissions: dict[str, int]
    audit: dict[UUID, Counter[tuple[str, UUID]]] = field(default_factory=dict)

    @classmethod
    def of(cls, platform: Platform, matrix: Iterable[tuple[str, str]]) -> Truth:
        """Return the truth about a platform in which nothing happened yet.

        Args:
            platform: its rows.
            matrix: (permission, role), read as the deployer.

        """
        pairs = set(matrix)
        permissions = Counter(role for _, role in pairs)
        permissions[""] = len({permission for permission, _ in pairs})
        return cls(
            {person.id: person for person in platform.people},
            {organization.id: organization.name for organization in platform.organizations},
            dict(platform.memberships),
            dict(permissions),
        )

    def record(self, workspace: UUID, action: str, object_id: UUID) -> None:
        """Note that the audit log must have an entry."""
        self.audit.setdefault(workspace, Counter())[action, object_id] += 1


@dataclass(frozen=True)
class Cast:
    """The people and organizations that the demonstration shows."""

    first: Organization
    second: Organization
    third: Organization
    owner: Person
    """Owns the first organization alone, manages the second, is a user of the third."""
    admin: Person
    manager: Person
    user: Person
    other_owner: Person
    """Owns the second organization, and is not in the first."""
    staff: Person
    """Administers the platform, and is a user of the second organization."""
    nobody: Person
    """Is in no organization."""
    founder: Person
    """Is in no organization at first."""

    @classmethod
    def of(cls, platform: Platform) -> Cast:
        """Choose them from the rows."""
        first, second, third = platform.organizations[:3]
        nobody, founder, *_ = (person for person in platform.outsiders() if not person.is_staff)

        def outside(people: Sequence[Person]) -> Person:
            return next(person for person in people if (first.id, person.id) not in platform.memberships)

        return cls(
            first,
            second,
            third,
            owner=platform.members(first, "owner")[0],
            admin=platform.members(first, "admin")[0],
            manager=platform.members(first, "manager")[0],
            user=platform.members(first, "user")[-1],
            other_owner=outside(platform.members(second, "owner")),
            staff=next(person for person in platform.members(second) if person.is_staff),
            nobody=nobody,
            founder=founder,
        )


@dataclass
class View:
    """What one person sees in one workspace.

    Attributes:
        seen: how many rows of each kind, by name; None where asking is an error.
        failures: where that is not what it must be.

    """

    person: str
    workspace: str
    role: str | None
    permissions: int
    seen: dict[str, int | None]
    failures: list[str] = field(default_factory=list)


# What is read, in a workspace, and what it must be.
_READ: Final = {
    "organizations": "SELECT id FROM public.organizations",
    "memberships": "SELECT organization_id, user_id, role FROM public.organization_memberships",
    "users": "SELECT id FROM public.users",
    "workspaces": "SELECT id FROM tenancy.workspaces",
    "audit_log": "SELECT action, object_id::uuid FROM tenancy.audit_log",
    "members()": "SELECT user_id, role FROM tenancy.members()",
    "my_organizations()": "SELECT id, role, is_current FROM tenancy.my_organizations()",
}


# A whole transaction in one message.
_WHOLE: Final = """
BEGIN;
SELECT tenancy.enter({}, {});
SELECT
    ARRAY(SELECT id FROM public.organizations),
    ARRAY(SELECT user_id || ' ' || role FROM public.organization_memberships),
    ARRAY(SELECT id FROM public.users),
    ARRAY(SELECT id FROM tenancy.workspaces);
COMMIT;
"""


def _expected(truth: Truth, person: UUID, organization: UUID | None) -> dict[str, Counter[tuple[Any, ...]] | None]:
    role = truth.memberships[organization, person] if organization is not None else None
    audit = truth.audit.get(organization or person, Counter())
    return {
        "organizations": Counter([(organization,)] if organization else []),
        "memberships": Counter((o, p, r) for (o, p), r in truth.memberships.items() if o == organization),
        "users": Counter([(person,)]),
        "workspaces": Counter([(organization or person,)]),
        "audit_log": Counter() if role == "user" else Counter(audit),
        "members()": None
        if organization is None
        else Counter((p, r) for (o, p), r in truth.memberships.items() if o == organization),
        "my_organizations()": Counter(
            (o, r, o == organization) for (o, p), r in truth.memberships.items() if p == person
        ),
    }


def look(connection: Connection, truth: Truth, person: UUID, organization: UUID | None = None) -> View:
    """Enter a workspace as the application does, and read everything in it.

    Args:
        connection: the application's, in autocommit.
        truth: what must be seen.
        person: who enters.
        organization: where; None for the personal workspace.

    """
    name = truth.people[person].name
    view = View(name, truth.organizations[organization] if organization else "personal", None, 0, {})
    where = f"{name} in {view.workspace}"
    try:
        with connection.transaction():
            connection.execute("SELECT tenancy.enter(%s, %s)", [person, organization])
            view.role, view.permissions = connection.execute(
                "SELECT tenancy.current_role(), (SELECT count(*) FROM tenancy.my_permissions())"
            ).fetchall()[0]
            for kind, wanted in _expected(truth, person, organization).items():
                found = _read(connection, kind)
                view.seen[kind] = None if found is None else found.total()
                if found != wanted:
                    view.failures.append(f"{where}: {_difference(kind, found, wanted)}")
    except psycopg.Error as error:
        view.failures.append(f"{where}: {error.diag.message_primary or error}")
        return view
    role = truth.memberships[organization, person] if organization is not None else None
    if view.role != role:
        view.failures.append(f"{where}: has the role {view.role}, and must have {role}")
    if view.permissions != truth.permissions.get(role or "", 0):
        view.failures.append(
            f"{where}: has {view.permissions} permissions, and must have {truth.permissions.get(role or '', 0)}"
        )
    return view


def look_around(connection: Connection, truth: Truth, cast: Cast) -> list[View]:
    """Return what the cast sees: the members of the first organization, and people elsewhere."""
    founded = next(o for (o, person) in truth.memberships if person == cast.founder.id)
    return [
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
            (cast.founder, founded),
            (cast.nobody, None),
        )
    ]


def _read(connection: Connection, kind: str) -> Counter[tuple[Any, ...]] | None:
    try:
        with connection.transaction():
            return Counter(connection.execute(_READ[kind].encode()).fetchall())
    except psycopg.Error as error:
        if error.diag.constraint_name == "organization_required":
            return None
        raise


def _difference(kind: str, found: Counter[Any] | None, wanted: Counter[Any] | None) -> str:
    if found is None or wanted is None:
        return f"{kind} {'is an error' if found is None else 'answers'}, and must {'not' if found is None else 'fail'}"
    text = f"sees {found.total()} rows of {kind}, and must see {wanted.total()}"
    if strange := (found - wanted).total():
        text += f"; {strange} of them are not for these eyes"
    if missing := (wanted - found).total():
        text += f"; {missing} are missing"
    return text


def check_everybody(connection: Connection, truth: Truth, people: int = 300) -> tuple[int, int, list[str]]:
    """Enter every membership, and the personal workspaces of many people, and compare what is seen.

    Args:
        connection: the application's, in autocommit.
        truth: what must be seen.
        people: of about how many people the personal workspace is entered.

    Returns:
        how many memberships and how many personal workspaces were entered, and what was wrong.

    """
    members: dict[UUID, set[str]] = {}
    for (organization, person), role in truth.memberships.items():
        members.setdefault(organization, set()).add(f"{person} {role}")
    entered: list[tuple[UUID, UUID | None]] = [(person, organization) for organization, person in truth.memberships]
    some = list(truth.people)[:: max(1, len(truth.people) // people)]
    personal: list[tuple[UUID, UUID | None]] = [(person, None) for person in some]
    failures: list[str] = []
    for person, where in (*entered, *personal):
        place = truth.organizations[where] if where else "personal"
        try:
            found = _everything_in_one(connection, person, where)
        except psycopg.Error as error:
            connection.rollback()
            failures.append(f"{truth.people[person].name} in {place}: {error.diag.message_primary or error}")
            continue
        wanted: dict[str, set[Any]] = {
            "organizations": {where} if where else set(),
            "memberships": members[where] if where else set(),
            "users": {person},
            "workspaces": {where or person},
        }
        for (kind, right), seen in zip(wanted.items(), found, strict=True):
            if set(seen) != right or len(seen) != len(right):
                difference = _difference(kind, Counter(seen), Counter(right))
                failures.append(f"{truth.people[person].name} in {place}: {difference}")
    return len(entered), len(personal), failures


def _everything_in_one(connection: Connection, person: UUID, organization: UUID | None) -> tuple[list[Any], ...]:
    identity = [sql.quote(str(value)) if value else "NULL" for value in (person, organization)]
    cursor = connection.execute(_WHOLE.format(*identity).encode())
    cursor.nextset()
    cursor.nextset()
    return cursor.fetchall()[0]


def do_some_work(connection: Connection, truth: Truth, cast: Cast) -> list[str]:
    """Do, as the application, what leaves entries in the audit log, and note it in the truth.

    Returns:
        what was done, in words.

    """
    done: list[str] = []

    def work(person: Person, organization: Organization | None, statement: str, *values: Any) -> Any:
        with connection.transaction():
            connection.execute("SELECT tenancy.enter(%s, %s)", [person.id, organization.id if organization else None])
            return connection.execute(statement.encode(), values).fetchall()[0][0]

    for person, role in ((cast.user, "manager"), (cast.user, "user")):
        work(cast.owner, cast.first, "SELECT tenancy.change_member_role(%s, %s)", person.id, role)
        truth.record(cast.first.id, "membership.update", person.id)
        done.append(f"{cast.owner.name} made {person.name} a {role} of {cast.first.name}")
    newcomer = next(p for (o, p), role in truth.memberships.items() if o == cast.first.id and role == "user")
    if newcomer != cast.user.id:
        work(cast.manager, cast.first, "SELECT tenancy.change_member_role(%s, 'manager')", newcomer)
        truth.memberships[cast.first.id, newcomer] = "manager"
        truth.record(cast.first.id, "membership.update", newcomer)
        done.append(f"{cast.manager.name} made {truth.people[newcomer].name} a manager of {cast.first.name}")
    work(cast.other_owner, cast.second, "SELECT tenancy.update_organization(color => %s)", "#123456")
    truth.record(cast.second.id, "workspace.update", cast.second.id)
    done.append(f"{cast.other_owner.name} changed the color of {cast.second.name}")
    created = work(cast.founder, None, "SELECT (tenancy.create_organization(%s)).id", "Café Zürich")
    truth.organizations[created] = "Café Zürich"
    truth.memberships[created, cast.founder.id] = "owner"
    truth.record(created, "organization.create", created)
    truth.record(created, "membership.create", cast.founder.id)
    done.append(f"{cast.founder.name} made the organization Café Zürich")
    return done
