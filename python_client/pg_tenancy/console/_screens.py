"""The screens: what each reads in the entered workspace, and who may open it.

The screens have no rules of their own. They ask the database which modules are open, which
permissions the person holds, which roles they may grant and which actions a state allows, and
offer only those. The database refuses everything else.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid4

from pg_tenancy.console._offers import catalog, offerings, requests
from pg_tenancy.console._where import PAGE_SIZE, after, named, names_of, page
from pg_tenancy.errors import OrganizationRequiredError

if TYPE_CHECKING:
    from pg_tenancy.aio import Workspace
    from pg_tenancy.console._where import Query, Read, Where

__all__ = ["MODULES", "SCREENS", "Screen"]

ROLES: Final = ("owner", "admin", "manager", "user")


@dataclass(frozen=True, slots=True)
class Screen:
    """A screen of a workspace.

    Attributes:
        key: its name in addresses, and its template's name.
        title: the text in the sidebar and the heading.
        read: returns the template's data.
        module: its module, if it is a module.
        permission: the required permission if it is not a module; None for everybody.
        organization: whether it is only for organizations.
    """

    key: str
    title: str
    read: Read = field(repr=False)
    module: str | None = None
    permission: str | None = None
    organization: bool = False

    async def require(self, ws: Workspace[Any], where: Where | None = None) -> None:
        """Require that the database opens it.

        Args:
            ws: the workspace.
            where: what was already read in the same transaction, to avoid another query.

        Raises:
            TenancyError: the database does not open it.
        """
        visible = {module.key for module in where.modules if module.state == "visible"} if where else set()
        if self.module is not None and self.module not in visible:
            await ws.require_module(self.module)
        if self.organization and await ws.fetch_value("SELECT tenancy.current_organization_id()") is None:
            raise OrganizationRequiredError("This is only available in an organization")
        if self.permission is not None and not (where and where.can(self.permission)):
            await ws.execute("SELECT tenancy.require_permission(%s)", [self.permission])


async def dashboard(ws: Workspace[Any], where: Where, query: Query) -> dict[str, Any]:
    """Show key figures, and the costs of the last weeks."""
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
    """Return the costs of each of the last days, including days without costs."""
    today = datetime.now(timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
    first = today - timedelta(days=days - 1)
    found = {
        bucket.bucket_start: bucket.costs.consumed_eur
        for bucket in await ws.costs_series(first, today + timedelta(days=1), "day", "UTC")
    }
    dates = [first + timedelta(days=number) for number in range(days)]
    return [(f"{date:%m-%d}", found.get(date, 0)) for date in dates]


async def costs(ws: Workspace[Any], where: Where, query: Query) -> dict[str, Any]:
    """Show costs by month and by dimension, and a forecast."""
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
    """Return the roles that the person may grant and revoke."""
    rows = await ws.fetch_all(
        "SELECT delegated_role FROM tenancy.role_delegations WHERE role = (SELECT tenancy.current_role())"
    )
    return frozenset(role for (role,) in rows)


async def members(ws: Workspace[Any], where: Where, query: Query) -> dict[str, Any]:
    """List the members with their roles."""
    people = sorted(await ws.members(), key=lambda member: (ROLES.index(member.role), member.email))
    owners = [person.user_id for person in people if person.role == "owner"]
    start = max(0, int(query.get("from", "0"))) if query.get("from", "0").isdigit() else 0
    return {
        "people": people[start : start + PAGE_SIZE],
        "count": len(people),
        "next": start + PAGE_SIZE if len(people) > start + PAGE_SIZE else None,
        "delegated": [role for role in ROLES if role in await _delegated(ws)],
        # The only owner cannot leave.
        "kept": owners[0] if len(owners) == 1 else None,
    }


async def invitations(ws: Workspace[Any], where: Where, query: Query) -> dict[str, Any]:
    """List all invitations, or those in one state."""
    found = await ws.invitations()
    status = query.get("status", "all")
    shown = [invitation for invitation in found if status in ("all", invitation.status)][:200]
    return {
        "status": status,
        "counts": {
            each: sum(invitation.status == each for invitation in found)
            for each in ("pending", "accepted", "expired", "revoked")
        },
        "invitations": shown,
        "names": await names_of(ws, where, [invitation.invited_by_user_id for invitation in shown]),
        "all": len(found),
        "delegated": [role for role in ROLES if role in await _delegated(ws)],
    }


async def keys(ws: Workspace[Any], where: Where, query: Query) -> dict[str, Any]:
    """List all API keys, or the valid ones."""
    found = await named(
        ws,
        "SELECT id, user_id, name, key_prefix, created_at, expires_at, last_used_at, revoked_at, tech_activated_at,"
        " eco_activated_at, is_operational, revoked_at IS NULL AND coalesce(expires_at > now(), true) AS is_valid"
        " FROM public.api_keys ORDER BY created_at DESC, id LIMIT 500",
    )
    status = query.get("status", "valid")
    shown = [key for key in found if status == "all" or key.is_valid == (status == "valid")]
    return {
        "status": status,
        "keys": shown,
        "names": await names_of(ws, where, [key.user_id for key in shown]),
        "counts": {"valid": sum(key.is_valid for key in found), "all": len(found)},
    }


async def instances(ws: Workspace[Any], where: Where, query: Query) -> dict[str, Any]:
    """List the instances with the actions that their states allow."""
    status = query.get("status") or None
    rows, last = page(
        await named(
            ws,
            "SELECT i.id, i.status::text AS status, i.gpu_profile::text AS profile, i.ip_address, i.created_at,"
            " i.terminated_at, m.name AS model, p.name AS provider, i.tech_activated_at, i.eco_activated_at,"
            " i.is_operational FROM public.instances AS i LEFT JOIN public.providers AS p ON p.id = i.provider_id"
            " LEFT JOIN public.models AS m ON m.id = i.model_id"
            " WHERE (%(status)s::text IS NULL OR i.status::text = %(status)s)"
            " AND (%(after)s::uuid IS NULL OR (i.created_at, i.id) <"
            " (SELECT a.created_at, a.id FROM public.instances AS a WHERE a.id = %(after)s))"
            " ORDER BY i.created_at DESC, i.id DESC LIMIT %(size)s",
            {"status": status, "after": after(query), "size": PAGE_SIZE + 1},
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
    rows, last = page(
        await named(
            ws,
            "SELECT m.id, m.name, m.model_id, m.required_vram_gb, m.context_length, m.is_active, m.organization_id,"
            " m.tech_activated_at, m.eco_activated_at, m.is_operational,"
            " EXISTS (SELECT FROM public.instances AS i WHERE i.model_id = m.id)"
            " OR EXISTS (SELECT FROM public.organization_models AS o WHERE o.model_id = m.id) AS in_use"
            " FROM public.models AS m"
            " WHERE %(after)s::uuid IS NULL OR (m.name, m.id) >"
            " (SELECT a.name, a.id FROM public.models AS a WHERE a.id = %(after)s)"
            " ORDER BY m.name, m.id LIMIT %(size)s",
            {"after": after(query), "size": PAGE_SIZE + 1},
        )
    )
    return {"models": rows, "next": last.id if last else None, "new_id": uuid4()}


async def users(ws: Workspace[Any], where: Where, query: Query) -> dict[str, Any]:
    """List the accounts of the organization's members."""
    rows, last = page(
        await named(
            ws,
            "SELECT u.id, u.email, u.username, u.first_name, u.last_name, u.created_at, m.role::text AS role"
            " FROM public.users AS u JOIN public.organization_memberships AS m ON m.user_id = u.id"
            " WHERE u.id > %(after)s ORDER BY u.id LIMIT %(size)s",
            {"after": after(query) or UUID(int=0), "size": PAGE_SIZE + 1},
        )
    )
    return {"users": rows, "next": last.id if last else None, "delegated": await _delegated(ws)}


async def accounts(ws: Workspace[Any], where: Where, query: Query) -> dict[str, Any]:
    """List all accounts, for platform staff in their personal workspace."""
    rows, last = page(await ws.all_users(query.get("email") or None, after_id=after(query), page_size=PAGE_SIZE + 1))
    return {"users": rows, "next": last.user_id if last else None, "email": query.get("email", "")}


async def settings(ws: Workspace[Any], where: Where, query: Query) -> dict[str, Any]:
    """List the settings with their levels, and explain one if asked."""
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


async def wallet(ws: Workspace[Any], where: Where, query: Query) -> dict[str, Any]:
    """Show the wallet and its newest entries, and whether the ledger is intact."""
    statement = await ws.statement(since=datetime.now(timezone.utc) - timedelta(days=90))
    return {
        "wallet": await ws.wallet(),
        "entries": statement[: -PAGE_SIZE - 1 : -1],
        "problems": await ws.verify_statement(),
    }


async def audit(ws: Workspace[Any], where: Where, query: Query) -> dict[str, Any]:
    """List the entries, the newest first."""
    rows, last = page(
        await named(
            ws,
            "SELECT l.id, l.occurred_at, l.user_id, u.email, l.role, l.database_user, l.action, l.object_kind,"
            " l.object_id, l.old_values, l.new_values FROM tenancy.audit_log AS l"
            " LEFT JOIN public.users AS u ON u.id = l.user_id"
            " WHERE %(after)s::uuid IS NULL OR (l.occurred_at, l.id) <"
            " (SELECT a.occurred_at, a.id FROM tenancy.audit_log AS a WHERE a.id = %(after)s)"
            " ORDER BY l.occurred_at DESC, l.id DESC LIMIT %(size)s",
            {"after": after(query), "size": PAGE_SIZE + 1},
        )
    )
    ids = [each for row in rows for each in (row.user_id, row.object_id)]
    return {"entries": rows, "next": last.id if last else None, "names": await names_of(ws, where, ids)}


async def organization(ws: Workspace[Any], where: Where, query: Query) -> dict[str, Any]:
    """Show the form for the organization's name, slug and color."""
    return {}


async def module(ws: Workspace[Any], where: Where, query: Query) -> dict[str, Any]:
    """Show a module that is not part of the console, if it is open."""
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
"""Screens that are modules, by the module's key."""
