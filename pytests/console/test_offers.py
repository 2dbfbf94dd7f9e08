"""Forbidden actions are not offered, and are refused when tried: every form of every screen for every role."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg_pool import AsyncConnectionPool

from pg_tenancy.aio import workspace
from pg_tenancy.console._actions import ACTIONS, Deed
from pg_tenancy.console._screens import SCREENS
from pg_tenancy.console._web import Flash, Form
from pg_tenancy.errors import TenancyError, name_of
from support.activation import activate_all
from support.console import Console, Visitor, place_of
from support.forms import PageForm, forms_of
from support.people import Organization, People, User

# Input for fields that a page leaves empty.
TYPED = {
    "email": "new@example.com",
    "username": "new",
    "name": "New",
    "model_id": "acme/new",
    "code": "new",
    "eur_per_1k": "0,20",
    "value": "something",
    "required_vram_gb": "24",
}

FOUND = """
INSERT INTO public.organization_models (organization_id, model_id, name, code, is_active, visibility, access_policy)
VALUES (%(globex)s, %(theirs)s, 'Found', 'found', true, 'public', 'request_required')
"""
# Objects that are not activated, are paused, or wait for a decision.
WAITING = (
    "INSERT INTO public.instances (organization_id, provider_id, status)"
    " SELECT %(acme)s, p.id, 'terminated' FROM public.providers AS p ORDER BY p.id LIMIT 1",
    "INSERT INTO public.organization_models"
    " (organization_id, model_id, name, code, is_active, visibility, access_policy)"
    " VALUES (%(acme)s, %(model)s, 'Stopped', 'stopped', false, 'private', 'free')",
    "INSERT INTO public.models (organization_id, name, model_id) VALUES (%(acme)s, 'Waiting', 'acme/waiting')",
    "INSERT INTO public.api_keys (organization_id, user_id, name, key_prefix, key_hash)"
    " VALUES (%(acme)s, %(owner)s, 'waiting', 'waiting', 'hash of waiting')",
    "INSERT INTO public.organization_model_shares"
    " (provider_organization_id, consumer_organization_id, organization_model_id, status)"
    " VALUES (%(acme)s, %(globex)s, %(offering)s, 'paused')",
    "INSERT INTO tenancy.invitations (organization_id, email, role, token_hash, invited_by_user_id, expires_at)"
    " SELECT %(acme)s, r.role || '-invited@example.com', r.role, sha256(convert_to(r.role, 'UTF8')), %(owner)s,"
    " now() + interval '7 days' FROM unnest('{owner,manager,user}'::text[]) AS r (role)",
)


@pytest.fixture(scope="module")
def third(console: Console) -> Organization:
    """Return an organization to share with, after creating an object for every button."""
    tenants = console.tenants
    values = {
        "acme": tenants.acme.id, "globex": tenants.globex.id, "model": tenants.rows["own"]["model"],
        "theirs": tenants.rows["other"]["model"], "offering": tenants.rows["own"]["offering"],
        "owner": tenants.members["owner"].id,
    }  # fmt: skip
    with tenants.admin() as admin:
        admin.execute(FOUND, values)
        activate_all(admin)
        for statement in WAITING:
            admin.execute(statement.encode(), values)
        return People(admin).organization("Third", owner=tenants.staff)


def _offered(visitor: Visitor, organization: Organization | None) -> dict[Any, PageForm]:
    """Return the forms of all screens that open to a visitor, by action."""
    found: dict[Any, PageForm] = {}
    for screen in set(SCREENS) - {"module"}:
        for form in forms_of(visitor.get(f"{place_of(organization)}/{screen}").text):
            if form.screen == screen:
                found |= {each.key: each for each in form.each("role")}
    return found


class _UndoneError(Exception):
    """Rolls back the attempt."""


async def _refusal(
    pool: Any, console: Console, who: tuple[User, Organization | None], form: PageForm, third: Organization
) -> str | None:
    """Send a form to the database, roll it back, and return the name of the error; None if it was permitted."""
    user, organization = who
    fields = {
        name: value if name in form.choices else value or TYPED.get(name, "") for name, value in form.typed.items()
    } | form.fixed
    fields |= {"new_id": str(uuid4()), "version": ""}
    if form.action == "delete" and form.screen == "organization":
        fields["slug"] = "acme"
    if form.action == "share":
        fields["organization_id"] = str(third.id)
    try:
        async with workspace(pool, ticket=console.tenants.key.ticket(user, organization)) as ws:
            await SCREENS[form.screen].require(ws)
            await ACTIONS[form.screen][form.action](Deed(ws, Form(fields.items()), Flash()))
            raise _UndoneError
    except _UndoneError:
        return None
    except TenancyError as error:
        return name_of(error)
    except psycopg.Error as error:
        return error.sqlstate


@pytest.mark.parametrize("kind", ["organization", "personal"])
async def test_what_is_offered_is_what_the_database_permits(
    kind: str, console: Console, third: Organization, logged_in: Callable[[str], Visitor]
) -> None:
    people = {
        role: (user, organization if kind == "organization" else None)
        for role, (user, organization) in console.people.items()
        if kind == "personal" or organization is not None
    }
    offered = {role: _offered(logged_in(role), organization) for role, (_, organization) in people.items()}
    everything = {key: form for forms in offered.values() for key, form in forms.items()}
    there = {(screen, action) for screen, actions in ACTIONS.items() for action in actions}
    done = {key[:2] for key in everything}
    if kind == "organization":
        assert there - done == {("dashboard", "create-organization")}
    else:
        assert done == {
            ("dashboard", "create-organization"), ("catalog", "preferences"), ("catalog", "request"),
            ("keys", "create"), ("keys", "rename"), ("keys", "revoke"),
        }  # fmt: skip
    dsn = console.tenants.database.dsn(console.tenants.logins.credentialed)
    wrong = []
    async with AsyncConnectionPool(dsn, min_size=1, max_size=1) as pool:
        for role, who in people.items():
            for key, form in everything.items():
                if key[1] in {"remove", "delete"} and form.fixed.get("user_id") == str(who[0].id):
                    continue  # It is offered as leaving.
                refused = await _refusal(pool, console, who, form, third)
                if (key in offered[role]) == (refused is not None):
                    wrong.append(f"{role}: {key} is {'offered' if key in offered[role] else 'not offered'}: {refused}")
    assert wrong == [], "\n".join(wrong)


def test_sharing_offers_the_organizations_that_the_person_knows(
    console: Console, third: Organization, logged_in: Callable[[str], Visitor]
) -> None:
    tenants = console.tenants
    with tenants.admin() as admin:
        own = People(admin).organization("Fourth", owner=tenants.members["owner"])

    def known(role: str) -> dict[str, str]:
        page = logged_in(role).get(f"{place_of(tenants.acme)}/offerings").text
        listed = re.search(r'<datalist id="consumers">(.*?)</datalist>', page)
        return dict(re.findall(r'<option value="([^"]+)">([^<]+)</option>', listed[1])) if listed else {}

    assert known("owner").items() >= {str(own.id): "Fourth"}.items()
    assert str(own.id) not in known("manager")
    assert str(third.id) not in known("owner") | known("manager")
    assert known("user") == {}
