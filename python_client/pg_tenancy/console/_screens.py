"""The screens: what each reads in the workspace that was entered, and who opens it.

None of them has a rule of its own. The database says who opens a module, who holds a
permission, which roles can be given and which state allows what; a screen offers what
it answers, and whatever is tried anyway is refused by the same database.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid4

from psycopg.rows import namedtuple_row

from pg_tenancy.errors import InvalidArgumentError, OrganizationRequiredError
from pg_tenancy.results import CurrentWorkspace, Module, OrganizationChoice

if TYPE_CHECKING:
    from pg_tenancy.aio import Workspace

__all__ = ["MODULES", "SCREENS", "Screen", "Where", "read_where"]

PAGE_SIZE: Final = 50
ROLES: Final = ("owner", "admin", "manager", "user")


@dataclass(frozen=True, slots=True)
class Where:
    """The workspace around a screen: what banner, switcher and sidebar show.

    Attributes:
        permissions: every permission that the person holds here.
        user_id: who that is.
        is_staff: whether the account is the platform's staff's, for a hint in the sidebar.
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
        """Return whether the person holds a permission here."""
        return permission in self.permissions


# What the client's current(), my_organizations(), visible_modules() and my_permissions() answer, in one round
# trip, as every page asks for it.
_WHERE: Final = """
SELECT to_json(w), coalesce((SELECT json_agg(o) FROM tenancy.my_organizations() AS o), '[]'),
    coalesce((SELECT json_agg(m) FROM tenancy.visible_modules() AS m), '[]'),
    ARRAY(SELECT tenancy.my_permissions()), tenancy.current_user_id(),
    w.kind = 'personal' AND (SELECT u.role::text = 'admin' FROM public.users AS u WHERE u.id = w.id)
FROM tenancy.current_workspace() AS w
"""


async def read_where(ws: Workspace[Any]) -> Where:
    """Return what surrounds every screen."""
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


@dataclass(frozen=True, slots=True)
class Screen:
    """A screen of a workspace.

    Attributes:
        key: its name in addresses, and of its template.
        title: what the sidebar and the heading say.
        read: returns what its template shows.
        module: the module that it is, where it is one.
        permission: what opens it where it is no module; None for everybody.
        organization: whether it is only for organizations.
    """

    key: str
    title: str
    read: Read = field(repr=False)
    module: str | None = None
    permission: str | None = None
    organization: bool = False

    async def require(self, ws: Workspace[Any], where: Where | None = None) -> None:
        """Go on only if the database opens it.

        Args:
            ws: the workspace.
            where: what was read of it in the same transaction, which answers without asking again.

        Raises:
            TenancyError: it does not, and says why.
        """
        visible = {module.key for module in where.modules if module.state == "visible"} if where else set()
        if self.module is not None and self.module not in visible:
            await ws.require_module(self.module)
        if self.organization and await ws.fetch_value("SELECT tenancy.current_organization_id()") is None:
            raise OrganizationRequiredError("This belongs to an organization, and this workspace is not one")
        if self.permission is not None and not (where and where.can(self.permission)):
            await ws.execute("SELECT tenancy.require_permission(%s)", [self.permission])


def _page(rows: list[Any]) -> tuple[list[Any], Any]:
    """Return a page of rows, and the last of them if there are more."""
    return rows[:PAGE_SIZE], rows[PAGE_SIZE - 1] if len(rows) > PAGE_SIZE else None


async def _named(ws: Workspace[Any], query: str, values: Any = None) -> list[Any]:
    """Run a query of the console's own, and return its rows with names."""
    cursor = (await ws.connection()).cursor(row_factory=namedtuple_row)
    await cursor.execute(query.encode(), values)
    return await cursor.fetchall()


def _after(query: Query) -> UUID | None:
    try:
        return UUID(query["after"]) if query.get("after") else None
    except ValueError:
        raise InvalidArgumentError("after is not an id") from None


async def dashboard(ws: Workspace[Any], where: Where, query: Query) -> dict[str, Any]:
    """Show tiles, and what the last weeks cost."""
    data: dict[str, Any] = {"costs": None, "wallet": None, "keys": await ws.api_keys()}
    if where.is_organization and where.can("members.view"):
        data["members"] = len(await ws.members())
    if where.can("finops.view"):
        data["wallet"] = await ws.wallet()
        data["costs"] = await ws.cost_current("UTC")
        data["month"] = await ws.costs_window("30 days")
        data["days"] = await _days(ws)
    return data


async def _days(ws: Workspace[Any], days: int = 30) -> list[tuple[str, Any]]:
    """Return what each of the last days cost, empty ones too."""
    today = datetime.now(timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
    first = today - timedelta(days=days - 1)
    found = {
        bucket.bucket_start: bucket.costs.consumed_eur
        for bucket in await ws.costs_series(first, today + timedelta(days=1), "day", "UTC")
    }
    dates = [first + timedelta(days=number) for number in range(days)]
    return [(f"{date:%m-%d}", found.get(date, 0)) for date in dates]


async def costs(ws: Workspace[Any], where: Where, query: Query) -> dict[str, Any]:
    """Show costs by what they are for, by month, and what is to come."""
    now = datetime.now(timezone.utc)
    dimension = query.get("by", "model")
    months = await ws.costs_series(now - timedelta(days=730), now, "month", "UTC")
    return {
        "by": dimension,
        "parts": (await ws.costs_by(now - timedelta(days=730), now, dimension))[:20],
        "forecast": await ws.cost_forecast(),
        "now": await ws.cost_current("UTC"),
        "months": [(f"{month.bucket_start:%Y-%m}", month.costs.consumed_eur) for month in months],
        "total": list(accumulate((month.costs.consumed_eur for month in months), initial=0))[-1],
        "earned": sum(month.costs.earned_eur for month in months),
    }


async def _delegated(ws: Workspace[Any]) -> frozenset[str]:
    """Return the roles that the person may give and take."""
    rows = await ws.fetch_all(
        "SELECT delegated_role FROM tenancy.role_delegations WHERE role = (SELECT tenancy.current_role())"
    )
    return frozenset(role for (role,) in rows)


async def members(ws: Workspace[Any], where: Where, query: Query) -> dict[str, Any]:
    """List who is in the organization, and as what."""
    people = sorted(await ws.members(), key=lambda member: (ROLES.index(member.role), member.email))
    start = max(0, int(query.get("from", "0"))) if query.get("from", "0").isdigit() else 0
    return {
        "people": people[start : start + PAGE_SIZE],
        "count": len(people),
        "next": start + PAGE_SIZE if len(people) > start + PAGE_SIZE else None,
        "delegated": [role for role in ROLES if role in await _delegated(ws)],
    }


async def invitations(ws: Workspace[Any], where: Where, query: Query) -> dict[str, Any]:
    """List the invitations, all or those in a state."""
    found = await ws.invitations()
    status = query.get("status", "all")
    return {
        "status": status,
        "counts": {
            each: sum(invitation.status == each for invitation in found)
            for each in ("pending", "accepted", "expired", "revoked")
        },
        "invitations": [invitation for invitation in found if status in ("all", invitation.status)][:200],
        "all": len(found),
        "delegated": [role for role in ROLES if role in await _delegated(ws)],
    }


async def keys(ws: Workspace[Any], where: Where, query: Query) -> dict[str, Any]:
    """List the API keys, valid ones or all."""
    found = await _named(
        ws,
        "SELECT id, name, key_prefix, created_at, expires_at, last_used_at, revoked_at, tech_activated_at,"
        " eco_activated_at, is_operational, revoked_at IS NULL AND coalesce(expires_at > now(), true) AS is_valid"
        " FROM public.api_keys ORDER BY created_at DESC, id LIMIT 500",
    )
    status = query.get("status", "valid")
    return {
        "status": status,
        "keys": [key for key in found if status == "all" or key.is_valid == (status == "valid")],
        "counts": {"valid": sum(key.is_valid for key in found), "all": len(found)},
    }


async def instances(ws: Workspace[Any], where: Where, query: Query) -> dict[str, Any]:
    """List the instances, and what the state of each allows."""
    status = query.get("status") or None
    rows, last = _page(
        await _named(
            ws,
            "SELECT i.id, i.status::text AS status, i.gpu_profile::text AS profile, i.ip_address, i.created_at,"
            " i.terminated_at, m.name AS model, p.name AS provider, i.tech_activated_at, i.eco_activated_at,"
            " i.is_operational FROM public.instances AS i LEFT JOIN public.providers AS p ON p.id = i.provider_id"
            " LEFT JOIN public.models AS m ON m.id = i.model_id"
            " WHERE (%(status)s::text IS NULL OR i.status::text = %(status)s)"
            " AND (%(after)s::uuid IS NULL OR (i.created_at, i.id) <"
            " (SELECT a.created_at, a.id FROM public.instances AS a WHERE a.id = %(after)s))"
            " ORDER BY i.created_at DESC, i.id DESC LIMIT %(size)s",
            {"status": status, "after": _after(query), "size": PAGE_SIZE + 1},
        )
    )
    allowed = defaultdict(set)
    for action, state in await ws.fetch_all("SELECT action, from_status FROM tenancy.instance_transitions"):
        allowed[state].add(action)
    states = await ws.fetch_all("SELECT status::text, count(*) FROM public.instances GROUP BY 1 ORDER BY 1")
    provision = await ws.can_provision()
    return {
        "status": status,
        "states": states,
        "instances": rows,
        "next": last.id if last else None,
        "allowed": allowed,
        "provision": provision,
        "providers": await ws.fetch_all(
            "SELECT id, name FROM public.providers WHERE id = ANY(%s) ORDER BY name", [list(provision.providers)]
        ),
        "models": await ws.fetch_all("SELECT id, name FROM public.models WHERE is_active ORDER BY name LIMIT 500"),
        "new_id": uuid4(),
    }


async def models(ws: Workspace[Any], where: Where, query: Query) -> dict[str, Any]:
    """List the models: public ones and the organization's own."""
    rows, last = _page(
        await _named(
            ws,
            "SELECT m.id, m.name, m.model_id, m.required_vram_gb, m.context_length, m.is_active, m.organization_id,"
            " m.tech_activated_at, m.eco_activated_at, m.is_operational FROM public.models AS m"
            " WHERE %(after)s::uuid IS NULL OR (m.name, m.id) >"
            " (SELECT a.name, a.id FROM public.models AS a WHERE a.id = %(after)s)"
            " ORDER BY m.name, m.id LIMIT %(size)s",
            {"after": _after(query), "size": PAGE_SIZE + 1},
        )
    )
    return {"models": rows, "next": last.id if last else None, "new_id": uuid4()}


async def users(ws: Workspace[Any], where: Where, query: Query) -> dict[str, Any]:
    """List the accounts of the organization's members."""
    rows, last = _page(
        await _named(
            ws,
            "SELECT id, email, username, first_name, last_name, created_at FROM public.users"
            " WHERE %(after)s::uuid IS NULL OR id > %(after)s ORDER BY id LIMIT %(size)s",
            {"after": _after(query), "size": PAGE_SIZE + 1},
        )
    )
    return {"users": rows, "next": last.id if last else None}


async def accounts(ws: Workspace[Any], where: Where, query: Query) -> dict[str, Any]:
    """List everybody, for platform staff in their personal workspace."""
    rows, last = _page(await ws.all_users(query.get("email") or None, after_id=_after(query), page_size=PAGE_SIZE + 1))
    return {"users": rows, "next": last.user_id if last else None, "email": query.get("email", "")}


async def settings(ws: Workspace[Any], where: Where, query: Query) -> dict[str, Any]:
    """List the settings with their levels, and explain one of them."""
    providers = await ws.provider_status()
    names = {provider.provider_id: provider.name for provider in providers}
    groups: dict[str, list[Any]] = defaultdict(list)
    for setting in await ws.settings():
        groups[names.get(setting.subject_id, "") if setting.subject_id else ""].append(setting)
    explained = None
    if key := query.get("explain"):
        subject = query.get("subject") or None
        levels = await ws.explain_setting(key, subject)
        explained = (key, names.get(UUID(subject)) if subject else None, levels)
    return {"groups": sorted(groups.items()), "providers": providers, "explained": explained}


async def catalog(ws: Workspace[Any], where: Where, query: Query) -> dict[str, Any]:
    """List others' offerings, and those that may be used by a right."""
    rows, last = _page(await ws.community_catalog(after_id=_after(query), page_size=PAGE_SIZE + 1))
    return {
        "entries": rows,
        "next": last.id if last else None,
        "shared": await ws.shared_offerings(),
        "preferences": await ws.catalog_preferences(),
    }


async def offerings(ws: Workspace[Any], where: Where, query: Query) -> dict[str, Any]:
    """List what the organization offers, and with whom it shares."""
    return {
        "offerings": await _named(
            ws,
            "SELECT o.id, o.code, o.name, o.visibility, o.access_policy, o.is_active, m.name AS model,"
            " o.tech_activated_at, o.eco_activated_at, o.is_operational,"
            " (SELECT p.eur_per_1k FROM tenancy.offering_prices AS p WHERE p.offering_id = o.id"
            " AND p.valid_from <= now() ORDER BY p.valid_from DESC, p.number DESC LIMIT 1) AS eur_per_1k"
            " FROM public.organization_models AS o LEFT JOIN public.models AS m ON m.id = o.model_id ORDER BY o.code",
        ),
        "shares": await _named(
            ws,
            "SELECT s.id, s.consumer_organization_id AS consumer, s.status::text AS status, s.pricing, s.starts_at,"
            " s.ends_at, o.name FROM public.organization_model_shares AS s"
            " LEFT JOIN public.organization_models AS o ON o.id = s.organization_model_id ORDER BY o.name, s.id",
        ),
        "models": await ws.fetch_all("SELECT id, name FROM public.models WHERE is_active ORDER BY name LIMIT 500"),
        "earnings": {row.offering_id: row for row in await ws.offering_earnings()} if where.can("finops.view") else {},
    }


async def requests(ws: Workspace[Any], where: Where, query: Query) -> dict[str, Any]:
    """List requests for access, made and received, and the agreements that came of them."""
    agreements = []
    if where.is_organization:
        agreements = await _named(
            ws,
            "SELECT e.id, e.kind, nullif(e.ends_at, 'infinity') AS ends_at, e.quota_tokens, e.used_tokens,"
            " e.eur_per_1k, o.name FROM tenancy.entitlements AS e"
            " LEFT JOIN public.organization_models AS o ON o.id = e.offering_id"
            " WHERE e.revoked_at IS NULL ORDER BY e.created_at DESC LIMIT 200",
        )
    return {"requests": await ws.access_requests(), "agreements": agreements}


async def wallet(ws: Workspace[Any], where: Where, query: Query) -> dict[str, Any]:
    """Show the wallet, its newest entries, and whether they are as they were written."""
    statement = await ws.statement(since=datetime.now(timezone.utc) - timedelta(days=90))
    return {
        "wallet": await ws.wallet(),
        "entries": statement[: -PAGE_SIZE - 1 : -1],
        "problems": await ws.verify_statement(),
    }


async def audit(ws: Workspace[Any], where: Where, query: Query) -> dict[str, Any]:
    """List what was done, the latest first."""
    rows, last = _page(
        await _named(
            ws,
            "SELECT l.id, l.occurred_at, l.user_id, u.username, l.role, l.database_user, l.action, l.object_kind,"
            " l.object_id, l.old_values, l.new_values FROM tenancy.audit_log AS l"
            " LEFT JOIN public.users AS u ON u.id = l.user_id"
            " WHERE %(after)s::uuid IS NULL OR (l.occurred_at, l.id) <"
            " (SELECT a.occurred_at, a.id FROM tenancy.audit_log AS a WHERE a.id = %(after)s)"
            " ORDER BY l.occurred_at DESC, l.id DESC LIMIT %(size)s",
            {"after": _after(query), "size": PAGE_SIZE + 1},
        )
    )
    return {"entries": rows, "next": last.id if last else None}


async def organization(ws: Workspace[Any], where: Where, query: Query) -> dict[str, Any]:
    """Show name, slug and color of the organization."""
    return {}


async def module(ws: Workspace[Any], where: Where, query: Query) -> dict[str, Any]:
    """Show a module that is not a part of the console, if it opens."""
    key = query.get("key", "")
    await ws.require_module(key)
    return {"module": next(module for module in where.modules if module.key == key)}


SCREENS: Final = {
    screen.key: screen
    for screen in (
        Screen("dashboard", "My Dashboard", dashboard, module="my_dashboard"),
        Screen("costs", "Admin Dashboard", costs, module="admin_dashboard"),
        Screen("keys", "API Keys", keys, module="api_keys"),
        Screen("instances", "Instances", instances, module="instances"),
        Screen("models", "Models", models, module="models"),
        Screen("users", "Users", users, module="users"),
        Screen("settings", "Settings", settings, module="settings"),
        Screen("members", "Members", members, permission="members.view", organization=True),
        Screen("invitations", "Invitations", invitations, permission="members.invite", organization=True),
        Screen("catalog", "Catalog", catalog, permission="offerings.view"),
        Screen("requests", "Requests", requests, permission="offerings.view"),
        Screen("offerings", "Offerings and shares", offerings, permission="offerings.view", organization=True),
        Screen("wallet", "Wallet", wallet, permission="finops.view"),
        Screen("audit", "Audit log", audit, permission="audit.view"),
        Screen("organization", "Organization", organization, permission="organization.update", organization=True),
        Screen("accounts", "All accounts", accounts),
        Screen("module", "Module", module),
    )
}

MODULES: Final = {screen.module: screen for screen in SCREENS.values() if screen.module is not None} | {
    "organizations": SCREENS["members"]
}
"""The screens that are modules, by the module's key."""
