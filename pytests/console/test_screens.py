"""The screens without a browser: what each role is offered, refusals, and the effects of forms."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest

from pg_tenancy.console._screens import SCREENS
from support.console import Console, Visitor, place_of, said
from support.people import User

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


def _fields(
    console: Console, rows: dict[str, UUID] | None = None, member: User | None = None
) -> dict[str, dict[str, Any]]:
    """Return values for each form of Acme's owner, with own ids or with another tenant's."""
    taken = rows is not None
    rows, member = rows or console.tenants.rows["own"], member or console.tenants.members["user"]
    made: dict[str, dict[str, Any]] = {
        "members/change-role": {"user_id": member.id, "role": "user"},
        "members/remove": {"user_id": member.id},
        "members/leave": {},
        "invitations/invite": {"email": "new@example.com", "role": "user"},
        "invitations/revoke": {"id": rows["invitation"]},
        "keys/create": {"name": "build server"},
        "keys/rename": {"id": rows["api_key"], "name": "renamed"},
        "keys/revoke": {"id": rows["api_key"]},
        "instances/create": {
            "new_id": rows["instance"] if taken else uuid4(), "provider_id": rows["provider"], "gpu_profile": "1x L4",
        },
        "instances/terminate": {"id": rows["instance"]},
        "instances/reinstall": {"id": rows["instance"]},
        "instances/archive": {"id": rows["instance"]},
        "models/create": {"new_id": rows["model"] if taken else uuid4(), "name": "New", "model_id": "acme/new"},
        "models/delete": {"id": rows["spare_model"]},
        "users/create": {"email": "account@example.com", "username": "account"},
        "users/update": {"user_id": member.id, "first_name": "New"},
        "users/delete": {"user_id": member.id},
        "settings/set": {"key": "theme", "value": "light"},
        "settings/unset": {"key": "theme"},
        "catalog/preferences": {"shows_public": "on"},
        "catalog/request": {"id": console.tenants.rows["other"]["offering"]},
        "offerings/publish": {
            "model_id": rows["model"], "code": "bot", "name": "Bot", "visibility": "public",
            "access_policy": "request_required",
        },
        "offerings/update": {"id": rows["offering"], "code": "offering", "name": "Changed", "visibility": "private",
                             "access_policy": "trial", "trial_days": "14", "trial_tokens": "1000"},
        "offerings/stop": {"id": rows["offering"]},
        "offerings/start": {"id": rows["offering"]},
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


# Actions for every member; and actions for every workspace, although only one offers them.
_EVERYBODY = {"members/leave", "catalog/request"}
_ANYWHERE = "dashboard/create-organization"


def _written(console: Console) -> list[Any]:
    with console.tenants.admin() as admin:
        return admin.execute("SELECT count(*) FROM tenancy.audit_log").fetchall()


@pytest.mark.parametrize("role", ["user", "owner"])
def test_what_is_sent_without_being_offered_is_refused_and_changes_nothing(
    role: str, console: Console, logged_in: Callable[[str], Visitor]
) -> None:
    # The owner of one organization, in another.
    visitor, place = logged_in(role), place_of(console.tenants.acme if role == "user" else console.tenants.globex)
    before = _written(console)
    send = visitor.sender("/me/account")
    for name, fields in _fields(console).items():
        if role == "user" and name in {*_EVERYBODY, _ANYWHERE}:
            continue
        answer = send(f"{place}/{name.split()[0]}", **fields)
        assert answer.status_code in {403, 404, 409}, (name, said(answer))
        assert 'role="alert"' in answer.text
        assert 'class="message done"' not in answer.text
    assert _written(console) == before


def test_a_form_with_the_id_of_another_workspace_is_refused(
    console: Console, logged_in: Callable[[str], Visitor]
) -> None:
    tenants, place = console.tenants, place_of(console.tenants.acme)
    send = logged_in("owner").sender("/me/account")
    before, refused = _written(console), 0
    for name, fields in _fields(console, tenants.rows["other"], tenants.outsider).items():
        if not {"id", "user_id", "new_id", "model_id"} & set(fields):
            continue
        answer = send(f"{place}/{name.split()[0]}", **fields)
        # As in the API: it does not exist, or the new id is taken.
        wanted = {409} if "new_id" in fields or name == "catalog/request" else {404}
        assert answer.status_code in wanted, (name, said(answer))
        assert 'role="alert"' in answer.text
        refused += 1
    assert refused > 30
    assert _written(console) == before


def test_the_address_of_a_workspace_leads_to_its_dashboard(
    console: Console, logged_in: Callable[[str], Visitor]
) -> None:
    for place in ("/me", place_of(console.tenants.acme)):
        answer = logged_in("user").get(place)
        assert (answer.status_code, answer.headers["location"]) == (303, f"{place}/dashboard")
        assert logged_in("user").get(answer.headers["location"]).status_code == 200
    # The page says whether the workspace exists.
    unknown = logged_in("user").get(f"/o/{uuid4()}")
    assert logged_in("user").get(unknown.headers["location"]).status_code == 403
    assert logged_in("user").get("/o/acme").status_code == 404


def test_names_stand_where_the_database_shows_them(console: Console, logged_in: Callable[[str], Visitor]) -> None:
    tenants, place = console.tenants, place_of(console.tenants.acme)
    with tenants.admin() as admin:
        admin.execute(
            "UPDATE public.users SET first_name = 'Olga', last_name = 'Owner' WHERE id = %s", [tenants.acme.owner.id]
        )
        admin.execute(
            "UPDATE public.users SET first_name = 'Otto', last_name = 'Other' WHERE id = %s", [tenants.outsider.id]
        )
    owner = logged_in("owner")
    owner.post("/me/account", f"{place}/keys/create", name="a named key")
    for screen in ("members", "users", "invitations", "keys", "audit"):
        page = owner.get(f"{place}/{screen}").text
        assert "Olga" in page, screen
        assert "Otto" not in page
    rows = re.findall("<tr>.*?</tr>", owner.get(f"{place}/audit").text, re.DOTALL)
    (made,) = [row for row in rows if "api_key.create" in row and "a named key" in row.split("<details>")[0]]
    assert "Olga Owner" in made
    # The other workspace has revealed its name by its request; invisible ones stay ids.
    requests = owner.get(f"{place}/requests").text
    assert requests.count("Globex") >= 2
    assert str(tenants.globex.id)[:8] in owner.get(f"{place}/audit").text


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
    for action, shown in (("stop", False), ("start", True)):
        assert provider.post("/me/dashboard", f"{there}/offerings/{action}", id=offering).status_code == 303
        assert (f'value="{offering}"' in consumer.get(f"{here}/catalog").text) == shown
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


def test_a_trial_has_an_end_that_can_be_changed(console: Console) -> None:
    provider, there = console.visitor(console.tenants.outsider), place_of(console.tenants.globex)
    send = provider.sender("/me/account")
    new = {"code": "trial", "name": "Trial", "visibility": "public", "access_policy": "trial"}
    new["model_id"] = str(console.tenants.rows["other"]["model"])
    endless = send(f"{there}/offerings/publish", **new)
    assert (endless.status_code, said(endless)) == (422, "422 a trial ends by days or by tokens. Nothing was changed.")
    assert send(f"{there}/offerings/publish", **new, trial_days="14").status_code == 303
    (row,) = [row for row in provider.get(f"{there}/offerings").text.split("<tr>") if "globex/trial" in row]
    assert "14 days" in row
    (offering,) = set(re.findall(r'name="id" value="([0-9a-f-]{36})"', row))
    changed = {**new, "id": offering, "name": "Trial of tokens", "trial_tokens": "1000"}
    assert send(f"{there}/offerings/update", **changed).status_code == 303
    (row,) = [row for row in provider.get(f"{there}/offerings").text.split("<tr>") if "globex/trial" in row]
    assert "14 days, 1,000 tokens" in row
    assert "Trial of tokens" in row
