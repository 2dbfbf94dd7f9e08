"""Calls of phases that are not deployed yet."""

# ruff: noqa: PT012  (the whole block of a workspace is what raises)

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import uuid4

import pytest

from pg_tenancy.errors import (
    PhaseNotDeployedError,
)
from pg_tenancy.tools.phases import read_phases
from support.clients import Client, owner_of
from support.database import Database
from support.people import People
from support.server import Logins

pytestmark = pytest.mark.shared_database

PHASES = [phase.tag for phase in read_phases() if phase.tag]


COSTS_OF = (datetime(2026, 1, 1, tzinfo=timezone.utc), datetime(2026, 2, 1, tzinfo=timezone.utc))
LATER: list[tuple[int, str, Callable[[Any], Awaitable[object]]]] = [
    (3, "tenancy.invite_member", lambda ws: ws.invite_member("zoe@example.com")),
    (3, "tenancy.invite_member", lambda ws: ws.invite_member("zoe@example.com", expires_in=timedelta(days=1))),
    (3, "tenancy.invitations", lambda ws: ws.invitations()),
    (3, "tenancy.revoke_invitation", lambda ws: ws.revoke_invitation(uuid4())),
    (4, "tenancy.create_api_key", lambda ws: ws.create_api_key("ci")),
    (4, "tenancy.enter_with_api_key", lambda ws: ws.api_keys()),
    (4, "tenancy.rename_api_key", lambda ws: ws.rename_api_key(uuid4(), "new")),
    (4, "tenancy.revoke_api_key", lambda ws: ws.revoke_api_key(uuid4())),
    (5, "tenancy.terminate_instance", lambda ws: ws.terminate_instance(uuid4())),
    (5, "tenancy.reinstall_instance", lambda ws: ws.reinstall_instance(uuid4())),
    (5, "tenancy.legacy_instances", lambda ws: ws.legacy_instances()),
    (6, "tenancy.delete_model", lambda ws: ws.delete_model(uuid4())),
    (7, "tenancy.create_user", lambda ws: ws.create_user("zoe@example.com")),
    (7, "tenancy.update_user", lambda ws: ws.update_user(uuid4())),
    (7, "tenancy.delete_user", lambda ws: ws.delete_user(uuid4())),
    (7, "tenancy.all_users", lambda ws: ws.all_users()),
    (9, "finops.cost_current", lambda ws: ws.cost_current()),
    (9, "finops.costs_summary", lambda ws: ws.costs_summary(*COSTS_OF)),
    (9, "finops.costs_window", lambda ws: ws.costs_window("day")),
    (9, "finops.costs_series", lambda ws: ws.costs_series(*COSTS_OF)),
    (9, "finops.costs_by", lambda ws: ws.costs_by(*COSTS_OF, "model")),
    (9, "finops.cost_forecast", lambda ws: ws.cost_forecast()),
    (8, "tenancy.settings", lambda ws: ws.settings()),
    (8, "tenancy.setting", lambda ws: ws.setting("theme")),
    (8, "tenancy.explain_setting", lambda ws: ws.explain_setting("theme")),
    (8, "tenancy.set_setting", lambda ws: ws.set_setting("theme", "dark")),
    (8, "tenancy.set_sealed_setting", lambda ws: ws.set_sealed_setting("token", b"x", "k")),
    (8, "tenancy.unset_setting", lambda ws: ws.unset_setting("theme")),
    (8, "tenancy.lock_setting", lambda ws: ws.lock_setting("theme")),
    (8, "tenancy.provider_status", lambda ws: ws.provider_status()),
    (10, "tenancy.visible_modules", lambda ws: ws.visible_modules()),
    (10, "tenancy.require_module", lambda ws: ws.require_module("chat")),
    (10, "tenancy.can_provision", lambda ws: ws.can_provision()),
    (11, "tenancy.activate", lambda ws: ws.activate("model", uuid4(), "tech")),
    (11, "tenancy.deactivate", lambda ws: ws.deactivate("model", uuid4(), "eco")),
    (11, "tenancy.require_operational", lambda ws: ws.require_operational("model", uuid4())),
    (12, "tenancy.wallet", lambda ws: ws.wallet()),
]


@pytest.mark.parametrize("tag", PHASES[2:-1])
async def test_a_call_of_a_later_phase_names_the_phase(
    client: Client, database_at: Callable[[str], Database], logins: Logins, tag: str
) -> None:
    # In the plan's order, which differs from the order of the numbers.
    phases, database = [int(name.removeprefix("phase-")) for name in PHASES], database_at(f"@{tag}")
    later = phases[PHASES.index(tag) + 1 :]
    with database.connect(autocommit=True) as admin:
        acme = People(admin).organization("Acme")
    async with client.connect(database.dsn(logins.app)) as conn:
        for needed, function, call in LATER:
            if needed not in later:
                continue
            for first in (True, False):
                with pytest.raises(PhaseNotDeployedError, match=f"phase {needed}") as raised:
                    async with client.workspace(conn, **owner_of(acme)) as ws:
                        if not first:
                            await ws.open()
                        await call(ws)
                assert (raised.value.phase, raised.value.function) == (needed, function)
        if 4 in later:
            with pytest.raises(PhaseNotDeployedError) as raised:
                await client.fetch_all(conn, "SELECT 1", api_key="sk_")
            assert (raised.value.phase, raised.value.function) == (4, "tenancy.enter_with_api_key")
        if 3 in later:
            for function in ("peek_invitation", "accept_invitation"):
                with pytest.raises(PhaseNotDeployedError) as raised:
                    await getattr(client, function)(conn, "inv_")
                assert (raised.value.phase, raised.value.function) == (3, f"tenancy.{function}")
                assert not client.in_transaction(conn)


async def test_an_adopted_table_of_api_keys_with_all_columns_is_not_taken_for_the_phase(
    client: Client, database_at: Callable[[str], Database], logins: Logins
) -> None:
    database = database_at("@phase-2")
    with database.connect(autocommit=True) as admin:
        acme = People(admin).organization("Acme")
        admin.execute(
            "ALTER TABLE public.api_keys ADD organization_id uuid, ADD workspace_id uuid, ADD expires_at timestamptz"
        )
    async with client.connect(database.dsn(logins.app)) as conn:
        with pytest.raises(PhaseNotDeployedError, match="phase 4"):
            async with client.workspace(conn, **owner_of(acme)) as ws:
                await ws.api_keys()
