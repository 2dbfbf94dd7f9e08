"""Many people who click at once in the console, and the same page in an application without tenants."""

from __future__ import annotations

import asyncio
import random
import re
import statistics
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
from psycopg_pool import AsyncConnectionPool
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pg_tenancy.console import hash_password
from pg_tenancy.console._pages import Pages
from pg_tenancy.console._screens import SCREENS
from pg_tenancy.console._web import Cookies, Flash
from pg_tenancy.console._where import PAGE_SIZE, Where
from pg_tenancy.results import CurrentWorkspace, Module, OrganizationChoice, Provisioning
from support.console import PASSWORD, Console, served

__all__ = ["Clicks", "Town", "click", "compare_pages", "found_town"]

_SCREENS = ("models", "instances", "keys")
_MARK = re.compile(r"mark-(\d+)-")


@dataclass(frozen=True)
class Town:
    """Organizations with marked rows, and people who are members of two each."""

    organizations: list[UUID]
    people: list[tuple[str, list[int]]]
    """Addresses, and the numbers of the organizations."""


def found_town(connection: psycopg.Connection[Any], organizations: int, people: int) -> Town:
    """Create organizations with marked models, instances and keys, and their members."""
    ids = [uuid4() for _ in range(organizations)]
    kept = hash_password(PASSWORD, cost=2)
    provider = uuid4()
    connection.execute("INSERT INTO public.providers (id, name) VALUES (%s, 'Town cloud')", [provider])
    town = Town(ids, [])
    members = [(uuid4(), f"citizen-{number}@example.com") for number in range(people)]
    with connection.transaction(), connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO public.users (id, email, username, password_hash, role) VALUES (%s, %s, %s, %s, 'user')",
            [(number, email, email.split("@")[0], kept) for number, email in members],
        )
        cursor.executemany(
            "INSERT INTO public.organizations (id, name, slug, created_by_user_id) VALUES (%s, %s, %s, %s)",
            [(id_, f"Town {number}", f"town-{number}", members[0][0]) for number, id_ in enumerate(ids)],
        )
        memberships = []
        for position, (user, email) in enumerate(members):
            own = [position % organizations, (position + 1) % organizations]
            town.people.append((email, own))
            memberships += [(ids[number], user, "owner") for number in own]
        cursor.executemany(
            "INSERT INTO public.organization_memberships (organization_id, user_id, role) VALUES (%s, %s, %s)",
            memberships,
        )
        for number, id_ in enumerate(ids):
            mark = f"mark-{number}-"
            cursor.executemany(
                "INSERT INTO public.models (organization_id, name, model_id) VALUES (%s, %s, %s)",
                [(id_, f"{mark}{each}", f"{mark}{each}") for each in range(3)],
            )
            cursor.executemany(
                "INSERT INTO public.instances (organization_id, provider_id, status, gpu_profile)"
                " VALUES (%s, %s, 'ready', %s)",
                [(id_, provider, f"{mark}{each}") for each in range(20)],
            )
            cursor.execute(
                "INSERT INTO public.api_keys (organization_id, user_id, name, key_prefix, key_hash)"
                " VALUES (%s, %s, %s, %s, %s)",
                [id_, members[number % people][0], f"{mark}key", f"{mark}"[:12], f"hash of {mark}"],
            )
    return town


@dataclass
class Clicks:
    """The result: the number of pages, their times, and rows seen in the wrong workspace."""

    seconds: list[float] = field(default_factory=list)
    marks: int = 0
    strange: list[str] = field(default_factory=list)
    total: float = 0.0


async def click(address: str, town: Town, *, clicks: int, at_once: int = 200) -> Clicks:
    """Let everybody log in and click through their workspaces, all at once."""
    came = Clicks()
    started = time.monotonic()
    limits = httpx.Limits(max_connections=at_once, max_keepalive_connections=at_once)
    async with httpx.AsyncClient(base_url=address, limits=limits, timeout=120) as client:
        await asyncio.gather(*(_citizen(client, town, number, clicks, came) for number in range(len(town.people))))
    came.total = time.monotonic() - started
    return came


async def _citizen(client: httpx.AsyncClient, town: Town, position: int, clicks: int, came: Clicks) -> None:
    choose = random.Random(position)
    email, own = town.people[position]
    page = await client.get("/login")
    visitor = page.cookies["visitor"]
    csrf = page.text.split('name="csrf" value="')[1].split('"')[0]
    form = {"csrf": csrf, "email": email, "password": PASSWORD}
    answer = await client.post("/login", data=form, headers={"cookie": f"visitor={visitor}"})
    assert answer.status_code == 303, answer.text
    cookie = {"cookie": f"session={answer.cookies['session']}"}
    # One person's cookies must not be sent with another's request.
    client.cookies.clear()
    for _ in range(clicks):
        number, screen = choose.choice(own), choose.choice(_SCREENS)
        began = time.monotonic()
        answer = await client.get(f"/o/{town.organizations[number]}/{screen}", headers=cookie)
        came.seconds.append(time.monotonic() - began)
        seen = set(_MARK.findall(answer.text))
        came.marks += len(_MARK.findall(answer.text))
        if answer.status_code != 200 or seen != {str(number)}:
            came.strange.append(f"{email} in {number}, {screen}: {answer.status_code}, marks of {sorted(seen)}")


# -- the same page without tenants -----------------------------------------------------------


@contextmanager
def _plain(console: Console) -> Iterator[str]:
    """Serve the screen of instances like an application that names the tenant in each WHERE."""
    pool = AsyncConnectionPool(console.tenants.database.dsn(), min_size=1, open=False)
    pages = Pages(Cookies(console.key, secure=False))

    async def show(request: Request) -> Response:
        token = request.cookies["session"]
        organization: UUID = request.path_params["organization_id"]
        async with pool.connection() as connection:
            data, where = await _plain_instances(connection, token, organization)
        data |= {"screen": SCREENS["instances"], "secrets": {}}
        return pages.respond(request, "instances", Flash(), token=token, where=where, data=data)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with pool:
            yield

    with served(Starlette(routes=[Route("/o/{organization_id:uuid}/instances", show)], lifespan=lifespan)) as address:
        yield address


async def _plain_instances(
    connection: psycopg.AsyncConnection[Any], token: str, organization: UUID
) -> tuple[dict[str, Any], Where]:
    """Read the data of the console's screen, with the tenant or the user in each WHERE."""

    async def rows(query: str, *values: Any) -> list[Any]:
        return await (await connection.execute(query.encode(), values)).fetchall()

    ((user,),) = await rows(
        "SELECT s.user_id FROM tenancy_private.user_sessions AS s WHERE s.token_hash = sha256(convert_to(%s, 'UTF8'))"
        " AND s.expires_at > now()"
        " AND NOT EXISTS (SELECT FROM tenancy_private.revocations AS r WHERE r.credential_id = s.id)",
        token,
    )
    ((name, slug, color, plan, role),) = await rows(
        "SELECT o.name, o.slug, w.color, w.plan, m.role::text FROM public.organizations AS o"
        " JOIN tenancy.workspaces AS w ON w.id = o.id"
        " JOIN public.organization_memberships AS m ON m.organization_id = o.id AND m.user_id = %s WHERE o.id = %s",
        user,
        organization,
    )
    organizations = [
        OrganizationChoice(id_, name, slug, role, id_ == organization)
        for id_, name, slug, role in await rows(
            "SELECT o.id, o.name, o.slug, m.role::text FROM public.organization_memberships AS m"
            " JOIN public.organizations AS o ON o.id = m.organization_id WHERE m.user_id = %s ORDER BY o.name",
            user,
        )
    ]
    modules = [
        Module(key, name, path, "visible", None)
        for key, name, path in await rows("SELECT key, name, path FROM tenancy.modules ORDER BY place")
    ]
    held = await rows("SELECT permission FROM tenancy.role_permissions WHERE role = %s", role)
    where = Where(
        CurrentWorkspace("organization", organization, name, slug, role, color, plan),
        organizations,
        modules,
        frozenset(permission for (permission,) in held),
        user,
        False,
    )
    cursor = connection.cursor(row_factory=psycopg.rows.namedtuple_row)
    await cursor.execute(
        "SELECT i.id, i.status::text AS status, i.gpu_profile::text AS profile, i.ip_address, i.created_at,"
        " i.terminated_at, m.name AS model, p.name AS provider, i.tech_activated_at, i.eco_activated_at,"
        " i.is_operational FROM public.instances AS i LEFT JOIN public.providers AS p ON p.id = i.provider_id"
        " LEFT JOIN public.models AS m ON m.id = i.model_id WHERE i.workspace_id = %s"
        " ORDER BY i.created_at DESC, i.id DESC LIMIT %s",
        [organization, PAGE_SIZE + 1],
    )
    instances = await cursor.fetchall()
    allowed = defaultdict(set)
    for action, state in await rows("SELECT action, from_status FROM tenancy.instance_transitions"):
        allowed[state].add(action)
    providers = await rows("SELECT id, name FROM public.providers ORDER BY name")
    data = {
        "status": None,
        "states": await rows(
            "SELECT status::text, count(*) FROM public.instances WHERE workspace_id = %s GROUP BY 1 ORDER BY 1",
            organization,
        ),
        "instances": instances,
        "next": None,
        "allowed": allowed,
        "provision": Provisioning(True, "ready", None, tuple(id_ for id_, _ in providers), ()),
        "providers": providers,
        "models": await rows(
            "SELECT id, name FROM public.models WHERE is_active AND (organization_id IS NULL OR organization_id = %s)"
            " ORDER BY name LIMIT 500",
            organization,
        ),
        "new_id": uuid4(),
    }
    return data, where


def compare_pages(console: Console, town: Town, *, pairs: int) -> tuple[float, float]:
    """Read the screen of instances in turns, without tenants and in the console; return the medians in seconds."""
    email, own = town.people[0]
    path = f"/o/{town.organizations[own[0]]}/instances"
    with _plain(console) as plain, httpx.Client(timeout=30) as client:
        page = client.get(f"{console.address}/login").text
        csrf = page.split('name="csrf" value="')[1].split('"')[0]
        client.post(f"{console.address}/login", data={"csrf": csrf, "email": email, "password": PASSWORD})
        taken: dict[str, list[float]] = {plain: [], console.address: []}
        texts = {}
        for _ in range(pairs + 5):
            for address, times in taken.items():
                began = time.perf_counter()
                answer = client.get(f"{address}{path}")
                times.append(time.perf_counter() - began)
                assert answer.status_code == 200, answer.text
                texts[address] = answer.text
    # The same page, except for the parts that differ in every page.
    assert len(_MARK.findall(texts[plain])) == len(_MARK.findall(texts[console.address])) > 20
    assert abs(len(texts[plain]) - len(texts[console.address])) < 500
    without, with_ = (statistics.median(times[5:]) for times in taken.values())
    return without, with_
