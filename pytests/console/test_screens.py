"""The screens without a browser: what each role is offered, what is refused, what the forms do."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from pg_tenancy.console._actions import ACTIONS
from pg_tenancy.console._screens import SCREENS
from support.console import Console, Visitor, place_of, said

EVERYBODY = {"dashboard", "keys", "models", "catalog", "requests"}
MEMBERS = EVERYBODY | {"members", "offerings"}
LEADERS = MEMBERS | {"costs", "instances", "invitations", "wallet", "audit"}
OPEN = {
    "owner": LEADERS | {"users", "settings", "organization"},
    "admin": LEADERS | {"users", "settings"},
    "manager": LEADERS,
    "user": MEMBERS,
    "personal": EVERYBODY | {"wallet", "audit"},
    "staff": EVERYBODY | {"wallet", "audit", "accounts"},
}

_TECH = {
    f"{screen}/{action} tech"
    for screen in ("keys", "instances", "models", "offerings")
    for action in ("activate", "deactivate")
}
_ECO = {name.replace("tech", "eco") for name in _TECH}
_KEYS = {"keys/create", "keys/rename", "keys/revoke"}
_PEOPLE = {"members/change-role", "members/remove", "invitations/invite", "invitations/revoke", "members/leave"}
_THINGS = {
    *_KEYS, "instances/create", "instances/terminate", "instances/reinstall", "instances/archive", "models/create",
    "models/delete", "offerings/publish", "users/create", "users/update", "users/delete", "settings/set",
    "settings/unset", "catalog/preferences",
}  # fmt: skip
_MONEY = {"offerings/price", "offerings/share", "offerings/pause", "offerings/resume", "offerings/revoke",
          "requests/approve", "requests/deny", "requests/revoke"}  # fmt: skip
_OWN = {"organization/update", "organization/delete"}
MAY = {
    "owner": _PEOPLE | _THINGS | _MONEY | _OWN | _TECH | _ECO | {"catalog/request"},
    "admin": _PEOPLE | _THINGS | _TECH | {"catalog/request"},
    "manager": _PEOPLE | _MONEY | _ECO | {"catalog/request"},
    "user": {"members/leave", "catalog/request"},
    "personal": _KEYS | {"dashboard/create-organization", "catalog/preferences", "catalog/request"},
    "staff": _KEYS | {"dashboard/create-organization", "catalog/preferences", "catalog/request"},
}
"""What each role may do with the console's forms, if there is something to do it with."""


def _fields(console: Console) -> dict[str, dict[str, Any]]:
    """Return what makes each form one that an owner could send."""
    rows, members = console.tenants.rows["own"], console.tenants.members
    made: dict[str, dict[str, Any]] = {
        "members/change-role": {"user_id": members["user"].id, "role": "user"},
        "members/remove": {"user_id": members["user"].id},
        "members/leave": {},
        "invitations/invite": {"email": "new@example.com", "role": "user"},
        "invitations/revoke": {"id": rows["invitation"]},
        "keys/create": {"name": "build server"},
        "keys/rename": {"id": rows["api_key"], "name": "renamed"},
        "keys/revoke": {"id": rows["api_key"]},
        "instances/create": {"new_id": uuid4(), "provider_id": rows["provider"], "gpu_profile": "1x L4"},
        "instances/terminate": {"id": rows["instance"]},
        "instances/reinstall": {"id": rows["instance"]},
        "instances/archive": {"id": rows["instance"]},
        "models/create": {"new_id": uuid4(), "name": "New", "model_id": "acme/new"},
        "models/delete": {"id": rows["spare_model"]},
        "users/create": {"email": "account@example.com", "username": "account"},
        "users/update": {"user_id": members["user"].id, "first_name": "New"},
        "users/delete": {"user_id": members["user"].id},
        "settings/set": {"key": "theme", "value": "light"},
        "settings/unset": {"key": "theme"},
        "catalog/preferences": {"shows_public": "on"},
        "catalog/request": {"id": console.tenants.rows["other"]["offering"]},
        "offerings/publish": {
            "model_id": rows["model"], "code": "bot", "name": "Bot", "visibility": "public",
            "access_policy": "request_required",
        },
        "offerings/price": {"id": rows["offering"], "eur_per_1k": "0,20"},
        "offerings/share": {"id": rows["offering"], "organization_id": console.tenants.globex.id},
        "offerings/pause": {"id": rows["share"]},
        "offerings/resume": {"id": rows["share"]},
        "offerings/revoke": {"id": rows["share"]},
        "requests/revoke": {"id": rows["entitlement"]},
        "requests/approve": {"id": rows["request"], "quota_tokens": "1000"},
        "requests/deny": {"id": rows["request"]},
        "organization/update": {"name": "Acme", "color": "#aa0000"},
        "organization/delete": {"slug": "acme"},
        "dashboard/create-organization": {"name": "Another"},
    }  # fmt: skip
    for screen, kind, of in (
        ("keys", "api_key", "api_key"), ("instances", "instance", "instance"), ("models", "model", "model"),
        ("offerings", "offering", "offering"),
    ):  # fmt: skip
        for action in ("activate", "deactivate"):
            for aspect in ("tech", "eco"):
                made[f"{screen}/{action} {aspect}"] = {"kind": kind, "id": rows[of], "aspect": aspect}
    return made


def _offered(page: str) -> set[str]:
    """Return the forms of a page, with the aspect of an activation."""
    found = set()
    for action, body in re.findall(
        r'<form method="post" action="[^"]*?/((?:\w+)/[\w-]+)"(.*?)</form>', page, re.DOTALL
    ):
        aspect = re.search(r'name="aspect" value="(\w+)"', body)
        found.add(f"{action} {aspect[1]}" if aspect else action)
    return {name for name in found if name.split("/")[0] in ACTIONS}


@pytest.mark.parametrize("role", OPEN)
def test_the_sidebar_offers_what_opens_and_nothing_else_opens(
    role: str, console: Console, logged_in: Callable[[str], Visitor]
) -> None:
    visitor, place = logged_in(role), place_of(console.people[role][1])
    sidebar = visitor.get(f"{place}/dashboard").text.split("</nav>")[0]
    offered = set(re.findall(rf'href="{place}/(\w+)"', sidebar)) & set(SCREENS)
    assert offered == OPEN[role]
    for screen in set(SCREENS) - {"module"}:
        answer = visitor.get(f"{place}/{screen}")
        if screen in offered:
            assert answer.status_code == 200, screen
        else:
            assert answer.status_code in {403, 409}, screen
            assert 'role="alert"' in answer.text


@pytest.mark.parametrize("role", MAY)
def test_a_form_is_offered_to_those_alone_who_may_send_it(
    role: str, console: Console, logged_in: Callable[[str], Visitor]
) -> None:
    visitor, place = logged_in(role), place_of(console.people[role][1])
    offered: set[str] = set()
    for screen in OPEN[role]:
        offered |= _offered(visitor.get(f"{place}/{screen}").text)
    assert offered <= MAY[role]
    # What is not there has nothing to do it with: terminated instances, paused shares, others' public offerings.
    lacking = {"instances/archive", "offerings/resume", "catalog/request"}
    if role == "manager":
        lacking.add("invitations/revoke")  # the only invitation is an admin's
    activations = {name for name in MAY[role] if "/activate " in name}
    assert MAY[role] - offered - lacking - activations == set()


@pytest.mark.parametrize("role", MAY)
def test_what_is_not_offered_is_refused_and_changes_nothing(
    role: str, console: Console, logged_in: Callable[[str], Visitor]
) -> None:
    visitor, place = logged_in(role), place_of(console.people[role][1])
    if role == "owner":
        place = place_of(console.tenants.globex)
    refused = _fields(console)
    with console.tenants.admin() as admin:
        before = admin.execute("SELECT count(*) FROM tenancy.audit_log").fetchall()
        for name, fields in refused.items():
            if name not in MAY[role] or role == "owner":
                answer = visitor.post("/me/dashboard", f"{place}/{name.split()[0]}", **fields)
                # An organization can be made in every workspace: the form is in one of them.
                if name != "dashboard/create-organization":
                    assert answer.status_code in {403, 404, 409}, (name, said(answer))
        after = admin.execute(
            "SELECT count(*) FROM tenancy.audit_log WHERE action NOT LIKE 'organization.create'"
            " AND new_values ->> 'name' IS DISTINCT FROM 'Another'"
        ).fetchall()
    assert after <= before


def test_an_offering_is_published_found_requested_and_answered(
    console: Console, logged_in: Callable[[str], Visitor]
) -> None:
    provider, there = console.visitor(console.tenants.outsider), place_of(console.tenants.globex)
    consumer, here = logged_in("user"), place_of(console.tenants.acme)
    new = {"code": "bot", "name": "Bot", "visibility": "public", "access_policy": "request_required"}
    made = provider.post(
        "/me/dashboard", f"{there}/offerings/publish", model_id=console.tenants.rows["other"]["model"], **new
    )
    assert made.status_code == 303, said(made)
    (row,) = [row for row in provider.get(f"{there}/offerings").text.split("<tr>") if "globex/bot" in row]
    (offering,) = set(re.findall(r'name="id" value="([0-9a-f-]{36})"', row))
    for aspect in ("tech", "eco"):
        given = {"kind": "offering", "id": offering, "aspect": aspect}
        assert provider.post("/me/dashboard", f"{there}/offerings/activate", **given).status_code == 303
    assert f'value="{offering}"' in consumer.get(f"{here}/catalog").text
    for status in (303, 409):
        asked = consumer.post("/me/dashboard", f"{here}/catalog/request", id=offering, message="for our sales team")
        assert asked.status_code == status, said(asked)
    (row,) = [row for row in provider.get(f"{there}/requests").text.split("<tr>") if "for our sales team" in row]
    (request,) = set(re.findall(r'name="id" value="([0-9a-f-]{36})"', row))
    answer = provider.post("/me/dashboard", f"{there}/requests/deny", id=request, reason="not now")
    assert answer.status_code == 303, said(answer)
    assert "not now" in consumer.get(f"{here}/requests").text


def test_every_form_does_what_it_says(console: Console) -> None:
    owner = console.visitor(console.tenants.members["owner"])
    place = place_of(console.tenants.acme)
    fields = _fields(console)
    last = ["members/leave", "organization/delete"]
    order = [name for name in fields if name not in {*last, "catalog/request", "requests/deny", "instances/archive"}]
    order.remove("users/delete")
    order.remove("members/remove")
    order.append("members/remove")
    for name in order:
        if name == "instances/terminate":
            continue
        answer = owner.post("/me/dashboard", f"{place}/{name.split()[0]}", **fields[name])
        assert answer.status_code == 303, (name, said(answer))
        shown = owner.get(answer.headers["location"])
        assert 'class="message done" role="status"' in shown.text, name
        assert 'class="message done"' not in owner.get(answer.headers["location"]).text, "it is shown once"
    assert "--org: #aa0000" in owner.get(f"{place}/dashboard").text
    for name in ("instances/terminate", *last):
        answer = owner.post("/me/dashboard", f"{place}/{name}", **fields[name])
        wanted = 409 if name == "members/leave" else 303
        assert answer.status_code == wanted, (name, said(answer))
    assert owner.get(f"{place}/dashboard").status_code == 403
