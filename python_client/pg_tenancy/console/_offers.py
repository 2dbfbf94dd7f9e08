"""The screens for offerings: catalog, offerings and shares, requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pg_tenancy.console._where import PAGE_SIZE, after, named, names_of, page

if TYPE_CHECKING:
    from uuid import UUID

    from pg_tenancy.aio import Workspace
    from pg_tenancy.console._where import Query, Where
    from pg_tenancy.results import AccessRequest

__all__ = ["catalog", "offerings", "requests"]


async def catalog(ws: Workspace[Any], where: Where, query: Query) -> dict[str, Any]:
    """List the catalog, and the offerings that the workspace has a right to use."""
    rows, last = page(await ws.community_catalog(after_id=after(query), page_size=PAGE_SIZE + 1))
    return {
        "entries": rows,
        "next": last.id if last else None,
        "shared": await ws.shared_offerings(),
        "preferences": await ws.catalog_preferences(),
    }


async def offerings(ws: Workspace[Any], where: Where, query: Query) -> dict[str, Any]:
    """List the organization's offerings and shares."""
    shares = await named(
        ws,
        "SELECT s.id, s.consumer_organization_id AS consumer, s.status::text AS status,"
        " (s.pricing ->> 'eur_per_1k')::numeric AS eur_per_1k, s.starts_at, s.ends_at, o.name"
        " FROM public.organization_model_shares AS s"
        " LEFT JOIN public.organization_models AS o ON o.id = s.organization_model_id ORDER BY o.name, s.id",
    )
    asked = await ws.access_requests()
    names = await names_of(ws, where, [share.consumer for share in shares]) | _known(asked)
    return {
        "offerings": await named(
            ws,
            "SELECT o.id, o.code, o.name, o.description, o.visibility, o.access_policy, o.trial_days, o.trial_tokens,"
            " o.is_active, m.name AS model,"
            " o.tech_activated_at, o.eco_activated_at, o.is_operational,"
            " (SELECT p.eur_per_1k FROM tenancy.offering_prices AS p WHERE p.offering_id = o.id"
            " AND p.valid_from <= now() ORDER BY p.valid_from DESC, p.number DESC LIMIT 1) AS eur_per_1k"
            " FROM public.organization_models AS o LEFT JOIN public.models AS m ON m.id = o.model_id ORDER BY o.code",
        ),
        "shares": shares,
        "names": names,
        "consumers": _consumers(where, [share.consumer for share in shares], names, asked),
        "models": await ws.fetch_all("SELECT id, name FROM public.models WHERE is_active ORDER BY name LIMIT 500"),
        "earnings": {row.offering_id: row for row in await ws.offering_earnings()} if where.can("finops.view") else {},
    }


async def requests(ws: Workspace[Any], where: Where, query: Query) -> dict[str, Any]:
    """List access requests, made and received, and agreements."""
    agreements = []
    if where.is_organization:
        agreements = await named(
            ws,
            "SELECT e.id, e.consumer_id, e.kind, nullif(e.ends_at, 'infinity') AS ends_at, e.quota_tokens,"
            " e.used_tokens, e.eur_per_1k, o.name FROM tenancy.entitlements AS e"
            " LEFT JOIN public.organization_models AS o ON o.id = e.offering_id"
            " WHERE e.revoked_at IS NULL ORDER BY e.created_at DESC LIMIT 200",
        )
    found = await ws.access_requests()
    return {
        "requests": found,
        "agreements": agreements,
        "names": await names_of(ws, where, [each.consumer_id for each in agreements]) | _known(found),
    }


def _known(requests: list[AccessRequest]) -> dict[str, str]:
    """Return the names of the other parties of requests. Each party has shown its own name."""
    return {str(each.other_workspace_id): each.other_name for each in requests if each.other_name}


def _consumers(where: Where, shared: list[UUID], names: dict[str, str], asked: list[AccessRequest]) -> dict[str, str]:
    """Return the organizations that the person knows, to share with: names by id.

    These are the person's own ones, those that have a share, and those whose offerings were
    requested. Requests may also come from persons, with whom nothing can be shared.
    """
    known = {str(each.id): each.name for each in where.organizations if not each.is_current}
    known |= {str(consumer): names[str(consumer)] for consumer in shared if str(consumer) in names}
    return known | _known([each for each in asked if each.direction == "made"])
