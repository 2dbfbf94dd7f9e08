"""No plan distinguishes a hidden row from a nonexistent one, whatever the planner's settings.

PostgreSQL evaluates a query's own comparisons before a policy's if they are leakproof
and cheaper. The following steps are then executed or not, and EXPLAIN ANALYZE shows
which.
"""

# ruff: noqa: S608  (the statements are made here)

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any
from uuid import UUID

import psycopg
import pytest

from support.people import People
from support.planner import SETTINGS, plan_of

AsApp = Callable[..., AbstractContextManager[psycopg.Connection[Any]]]

# An attacker's own condition, which is evaluated for rows that pass the others.
THEN = " <> (SELECT current_setting('server_version') || 'x')"
# Table: column, a text column, and whether hidden rows have an id or a word there.
TABLES = {
    "public.organizations": ("name", "slug", "word"),
    "public.organization_memberships": ("user_id", "role", "user"),
    "public.api_keys": ("name", "key_prefix", "word"),
    "public.instances": ("gpu_profile", "status", "word"),
    "public.models": ("name", "model_id", "word"),
    "tenancy.workspaces": ("user_id", "plan", "user"),
    "tenancy.invitations": ("email", "role", "address"),
    "tenancy.audit_log": ("object_id", "action", "organization"),
}


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("table", TABLES)
def test_no_plan_tells_a_hidden_row_from_none(
    people: People, as_app: AsApp, admin: psycopg.Connection[Any], table: str, settings: str
) -> None:
    ann, bob = people.user("ann"), people.user("bob")
    acme, globex = people.organization("Acme", owner=ann), people.organization("secret", owner=bob)
    admin.execute("INSERT INTO public.models (name, model_id, organization_id) VALUES ('secret', 'm', %s)", [globex.id])
    admin.execute("INSERT INTO public.providers (name) VALUES ('Cloud')")
    admin.execute(
        "INSERT INTO public.instances (provider_id, organization_id, status, gpu_profile)"
        " SELECT id, %s, 'ready', 'secret' FROM public.providers",
        [globex.id],
    )
    with as_app(bob, globex) as connection:
        connection.execute("SELECT tenancy.invite_member('secret@example.com')")
        connection.execute("SELECT tenancy.create_api_key('secret')")
    first, second, kind = TABLES[table]
    names: dict[str, UUID | str] = {
        "word": "secret",
        "user": bob.id,
        "address": "secret@example.com",
        "organization": globex.id,
    }
    hidden = names[kind]
    assert admin.execute(f"SELECT FROM {table} WHERE {first} = '{hidden}'".encode()).rowcount > 0
    # A neighbouring value, without statistics: the planner's estimates do not matter here.
    nothing = UUID(int=hidden.int ^ 1) if isinstance(hidden, UUID) else f"{hidden[:-1]}~"
    wrong = []
    with as_app(ann, acme) as connection:
        for mode in (
            "{c} = '{v}'",
            "{c} >= '{v}' AND {c} <= '{v}'",
            "{c} = '{v}' AND {d}" + THEN,
            # PostgreSQL estimates these at half the cost
            "{c} = ANY('{{{v}}}')",
            "{c} >= ANY('{{{v}}}') AND {c} <= ANY('{{{v}}}') AND {d}" + THEN,
        ):
            plans = []
            for value in (hidden, nothing, hidden, nothing):  # what is read first from the catalogs is no answer
                query = f"SELECT 1 FROM {table} WHERE " + mode.format(c=first, d=second, v=value)
                assert connection.execute(query.encode()).fetchall() == []
                plans.append(plan_of(connection, query, settings, [value]))
            if plans[2] != plans[3]:
                wrong.append(f"{plans[2]}\n--\n{plans[3]}")
    assert not wrong, "\n\n".join(wrong)
