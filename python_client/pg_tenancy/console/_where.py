"""The data around a screen, and the functions with which screens read rows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from psycopg.rows import namedtuple_row

from pg_tenancy._values import Id
from pg_tenancy.results import CurrentWorkspace, Module, OrganizationChoice

if TYPE_CHECKING:
    from pg_tenancy.aio import Workspace

__all__ = ["PAGE_SIZE", "Query", "Read", "Where", "after", "named", "names_of", "page", "read_where"]

PAGE_SIZE: Final = 50


@dataclass(frozen=True, slots=True)
class Where:
    """The workspace, for banner, switcher and sidebar.

    Attributes:
        permissions: the person's permissions here.
        user_id: the person's id.
        is_staff: whether the person is platform staff, for a link in the sidebar.
    """

    current: CurrentWorkspace
    organizations: list[OrganizationChoice]
    modules: list[Module]
    permissions: frozenset[str]
    user_id: UUID
    is_staff: bool

    @property
    def is_organization(self) -> bool:
        """Return whether it is an organization's workspace."""
        return self.current.kind == "organization"

    def can(self, permission: str) -> bool:
        """Return whether the person has a permission here."""
        return permission in self.permissions


# The results of current(), my_organizations(), visible_modules() and my_permissions() in one round trip, because
# every page needs them.
_WHERE: Final = """
SELECT to_json(w), coalesce((SELECT json_agg(o) FROM tenancy.my_organizations() AS o), '[]'),
    coalesce((SELECT json_agg(m) FROM tenancy.visible_modules() AS m), '[]'),
    ARRAY(SELECT tenancy.my_permissions()), tenancy.current_user_id(),
    w.kind = 'personal' AND (SELECT u.role::text = 'admin' FROM public.users AS u WHERE u.id = w.id)
FROM tenancy.current_workspace() AS w
"""


async def read_where(ws: Workspace[Any]) -> Where:
    """Read the workspace for a page."""
    row = await ws.fetch_one(_WHERE)
    assert row is not None  # noqa: S101  (the workspace is there once it is entered)
    current, organizations, modules, permissions, user_id, is_staff = row
    return Where(
        CurrentWorkspace(**{**current, "id": UUID(current["id"])}),
        [OrganizationChoice(**{**each, "id": UUID(each["id"])}) for each in organizations],
        [Module(**each) for each in modules],
        frozenset(permissions),
        user_id,
        bool(is_staff),
    )


Query = Mapping[str, str]
Read = Callable[["Workspace[Any]", Where, Query], Awaitable[dict[str, Any]]]


def page(rows: list[Any]) -> tuple[list[Any], Any]:
    """Return a page of rows, and its last row if there are more."""
    return rows[:PAGE_SIZE], rows[PAGE_SIZE - 1] if len(rows) > PAGE_SIZE else None


async def named(ws: Workspace[Any], query: str, values: Any = None) -> list[Any]:
    """Run one of the console's own queries, and return its rows as named tuples."""
    cursor = (await ws.connection()).cursor(row_factory=namedtuple_row)
    await cursor.execute(query.encode(), values)
    return await cursor.fetchall()


def after(query: Query) -> UUID | None:
    checked: UUID | None = Id("after", optional=True)(query.get("after") or None)
    return checked


# Row-level security hides names that the workspace may not see.
_NAMES: Final = """
SELECT u.id, coalesce(nullif(concat_ws(' ', u.first_name, u.last_name), ''), u.username::text, u.email::text) AS name
FROM public.users AS u WHERE u.id = ANY(%(ids)s)
UNION ALL SELECT o.id, o.name::text FROM public.organizations AS o WHERE o.id = ANY(%(ids)s)
UNION ALL SELECT k.id, k.name::text FROM public.api_keys AS k WHERE k.id = ANY(%(ids)s)
UNION ALL SELECT m.id, m.name::text FROM public.models AS m WHERE m.id = ANY(%(ids)s)
UNION ALL SELECT f.id, f.name::text FROM public.organization_models AS f WHERE f.id = ANY(%(ids)s)
"""


async def names_of(ws: Workspace[Any], where: Where, ids: Iterable[object]) -> dict[str, str]:
    """Return the names of objects that the workspace can see, by their ids as text."""
    wanted = {str(each) for each in ids if _is_id(each)}
    found = {str(choice.id): choice.name for choice in where.organizations if str(choice.id) in wanted}
    rows = await ws.fetch_all(_NAMES, {"ids": [UUID(each) for each in sorted(wanted)]}) if wanted else []
    return found | {str(row[0]): row[1] for row in rows if row[1]}


def _is_id(value: object) -> bool:
    try:
        UUID(str(value))
    except ValueError:
        return False
    return True
