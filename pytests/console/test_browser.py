"""The console in Chromium: pages, actions, and actions at the wrong moment."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from pg_tenancy.console._screens import SCREENS
from support.chromium import chromium
from support.console import PASSWORD, Console, place_of
from support.node import packages
from support.people import User

AXE = packages(Path(__file__).parent / "node") / "axe-core" / "axe.min.js"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return one browser for the file."""
    with chromium() as browser:
        yield browser


LogIn = Callable[..., Page]


@pytest.fixture(scope="module")
def _states() -> dict[str, Any]:
    """Return the cookies of logged-in people."""
    return {}


@pytest.fixture
def open_as(console: Console, browser: Browser, _states: dict[str, Any]) -> Iterator[LogIn]:
    """Return a function that opens a browser context for a person, ``open_as(user)``, or a visitor."""
    opened: list[BrowserContext] = []

    def open_page(user: User | None = None, *, fresh: bool = False, **options: Any) -> Page:
        known = None if fresh or user is None else _states.get(user.email)
        context = browser.new_context(base_url=console.address, storage_state=known, **options)
        context.set_default_timeout(10_000)
        opened.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: pytest.fail(str(error)))
        if user is not None and known is None:
            page.goto("/login")
            page.get_by_label("E-mail address").fill(user.email)
            page.get_by_label("Password").fill(PASSWORD)
            page.get_by_role("button", name="Log in").click()
            expect(page).to_have_url(f"{console.address}/me/dashboard")
            if not fresh:
                _states[user.email] = context.storage_state()
        return page

    yield open_page
    for context in opened:
        context.close()


# The kinds of elements: classes, attributes, ancestors, and whether it is empty.
_KINDS = """() => {
    const kind = e => e.tagName + '.' + e.className + e.getAttributeNames() + (e.textContent.trim() ? '' : ' empty');
    const path = e => e ? path(e.parentElement) + '>' + kind(e) : '';
    return [...new Set([...document.querySelectorAll('*')].map(path))].sort().join('\\n');
}"""


@pytest.fixture(scope="module")
def examined() -> set[str]:
    """Return the pages that axe has checked, by the kinds of elements on them."""
    return set()


def serious(page: Page, examined: set[str] | None = None) -> list[str]:
    """Return axe's findings on a page that hinder people, by rule and place.

    With ``examined``, a page with the same kinds of elements as an earlier one is skipped.
    """
    if examined is not None:
        kinds = page.evaluate(_KINDS)
        if kinds in examined:
            return []
        examined.add(kinds)
    if not page.evaluate("() => Boolean(window.axe)"):
        # Not as a script element, which the page's content security policy refuses.
        page.evaluate(AXE.read_text())
    found = page.evaluate(
        "() => axe.run(document, {resultTypes: ['violations']}).then(r => r.violations.map("
        "v => ({id: v.id, impact: v.impact, where: v.nodes.map(n => n.target.join(' ')).slice(0, 3)})))"
    )
    return [json.dumps(each) for each in found if each["impact"] in {"serious", "critical"}]


@pytest.mark.parametrize("role", ["owner", "admin", "manager", "user", "personal", "staff"])
def test_each_screen_of_the_sidebar_opens_and_hinders_nobody(
    role: str, console: Console, open_as: LogIn, examined: set[str]
) -> None:
    user, organization = console.people[role]
    page = open_as(user)
    faults = {}
    # In both kinds of workspace, if the person has both.
    for place in {place_of(None), place_of(organization)}:
        page.goto(f"{place}/dashboard")
        links = page.get_by_role("navigation").locator(f'a[href^="{place}/"]')
        targets = {str(link.get_attribute("href")) for link in links.all()} - {f"{place}/dashboard#create"}
        assert targets
        for target in sorted(targets):
            answer = page.goto(target)
            assert answer is not None
            assert answer.status == 200, target
            expect(page.get_by_role("heading", level=1)).to_be_visible()
            assert not page.get_by_role("alert").count(), target
            if found := serious(page, examined):
                faults[target] = found
    assert faults == {}


def test_pages_outside_of_a_workspace_hinder_nobody(console: Console, open_as: LogIn) -> None:
    token = console.tenants.tokens["own"]
    visitor, person = open_as(), open_as(console.tenants.person)
    faults = {}
    for page, path in (
        (visitor, "/login"),
        (visitor, f"/join?token={token}"),
        (visitor, "/join?token=unknown"),
        (person, "/me/account"),
        (person, "/me/members"),
        (person, place_of(console.tenants.acme) + "/dashboard"),
    ):
        page.goto(path)
        if found := serious(page):
            faults[path] = found
    assert faults == {}


def test_what_hinders_people_is_found(console: Console, open_as: LogIn) -> None:
    page = open_as()
    page.goto("/login")
    page.evaluate("() => document.querySelector('h1').insertAdjacentHTML('afterend', '<img src=\"x.png\"><input>')")
    assert {json.loads(each)["id"] for each in serious(page)} == {"image-alt", "label"}


def test_the_banner_is_in_the_color_of_the_organization(console: Console, open_as: LogIn) -> None:
    page, place = open_as(console.tenants.members["owner"]), place_of(console.tenants.acme)
    page.goto(f"{place}/organization")
    for color, shown, text in (
        ("#ffee00", "rgb(255, 238, 0)", "rgb(0, 0, 0)"),
        ("#0f3460", "rgb(15, 52, 96)", "rgb(255, 255, 255)"),
    ):
        page.get_by_label("Color").fill(color)
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("status")).to_have_text("Organization changed.")
        expect(page.locator(".banner")).to_have_css("background-color", shown)
        expect(page.locator(".banner")).to_have_css("color", text)
    expect(page.locator(".banner")).to_contain_text("Workspace: Acme (acme)")
    page.goto("/me/dashboard")
    expect(page.locator(".banner")).to_contain_text("Personal")
    # The switcher leads back.
    page.locator(".switcher summary").click()
    page.get_by_role("link", name="Acme owner").click()
    expect(page).to_have_url(f"{console.address}{place}/dashboard")


def test_a_second_tab_is_in_a_workspace_of_its_own(console: Console, open_as: LogIn) -> None:
    tenants = console.tenants
    with tenants.admin() as admin:
        admin.execute(
            "INSERT INTO public.organization_memberships (organization_id, user_id, role) VALUES (%s, %s, 'admin')"
            " ON CONFLICT DO NOTHING",
            [tenants.globex.id, tenants.members["admin"].id],
        )
    first = open_as(tenants.members["admin"])
    second = first.context.new_page()
    first.goto(f"{place_of(tenants.acme)}/keys")
    second.goto(f"{place_of(tenants.globex)}/keys")
    first.get_by_label("Name", exact=True).fill("made in the first tab")
    first.get_by_role("button", name="Create key").click()
    expect(first.locator(".banner")).to_contain_text("Acme")
    expect(first.locator('input[value="made in the first tab"]')).to_be_visible()
    second.reload()
    expect(second.locator(".banner")).to_contain_text("Globex")
    expect(second.locator('input[value="made in the first tab"]')).to_have_count(0)


def test_a_key_is_shown_once_whatever_one_does(console: Console, open_as: LogIn) -> None:
    page = open_as(console.tenants.person)
    page.goto("/me/keys")
    page.get_by_label("Name", exact=True).fill("shown once")
    page.get_by_role("button", name="Create key").click()
    shown = page.get_by_label("Copy this key now.")
    key = shown.input_value()
    assert len(key) > 20
    page.reload()
    expect(shown).to_have_count(0)
    page.get_by_role("link", name="Models").click()
    page.go_back()
    expect(shown).to_have_count(0)
    assert key not in page.content()
    expect(page.locator('input[value="shown once"]')).to_have_count(1)


def test_a_form_that_is_sent_again_makes_nothing_again(console: Console, open_as: LogIn) -> None:
    page = open_as(console.tenants.members["owner"])
    page.goto(f"{place_of(console.tenants.acme)}/models")
    page.get_by_label("Name", exact=True).fill("Sent twice")
    page.get_by_label("Model id, as publisher/name").fill("acme/sent-twice")
    form = page.locator('form[action$="/models/create"]')
    fields = form.evaluate("form => Object.fromEntries(new FormData(form))")
    page.get_by_role("button", name="Create model").click()
    expect(page.get_by_role("cell", name="Sent twice")).to_have_count(1)
    answer = page.request.post(f"{place_of(console.tenants.acme)}/models/create", form=fields)
    assert answer.status == 200
    page.reload()
    expect(page.get_by_role("cell", name="Sent twice")).to_have_count(1)


def test_a_token_that_is_used_twice_lets_one_in(console: Console, open_as: LogIn) -> None:
    owner, place = open_as(console.tenants.members["owner"]), place_of(console.tenants.acme)
    owner.goto(f"{place}/invitations")
    owner.get_by_label("E-mail address", exact=True).fill("ida@example.com")
    owner.get_by_role("combobox", name="Role").select_option("manager")
    owner.get_by_role("button", name="Invite").click()
    link = owner.get_by_label("Send this link").input_value()
    owner.get_by_role("link", name="pending").click()
    expect(owner.get_by_role("cell", name="ida@example.com")).to_be_visible()
    ida, late = open_as(), open_as()
    for page in (ida, late):
        page.goto(link)
        page.get_by_label("Username").fill("ida")
        page.get_by_label("Password").fill("a long password")
    ida.get_by_role("button", name="Join").click()
    expect(ida).to_have_url(f"{console.address}{place}/dashboard")
    expect(ida.get_by_role("status")).to_have_text("You are now a member.")
    late.get_by_role("button", name="Join").click()
    expect(late.get_by_role("alert")).to_contain_text("was used")
    expect(late.get_by_role("button", name="Join")).to_have_count(0)


def test_a_session_that_is_revoked_ends_in_the_middle(console: Console, open_as: LogIn) -> None:
    user, place = console.tenants.members["manager"], place_of(console.tenants.acme)
    here, there = open_as(user, fresh=True), open_as(user, fresh=True, user_agent="The other one")
    there.goto(f"{place}/members")
    here.goto("/me/account")
    here.get_by_role("row", name="The other one").get_by_role("button", name="End").click()
    expect(here.get_by_role("status")).to_have_text("Session ended.")
    expect(here.get_by_role("row", name="The other one")).to_have_count(0)
    there.get_by_role("link", name="Invitations").click()
    expect(there).to_have_url(f"{console.address}/login?next={place}/invitations")
    there.get_by_label("E-mail address").fill(user.email)
    there.get_by_label("Password").fill(PASSWORD)
    there.get_by_role("button", name="Log in").click()
    expect(there).to_have_url(f"{console.address}{place}/invitations")


def test_a_form_sent_after_the_session_was_revoked_does_nothing(console: Console, open_as: LogIn) -> None:
    page = open_as(console.tenants.staff, fresh=True)
    page.goto("/me/keys")
    page.get_by_label("Name", exact=True).fill("too late")
    with console.tenants.admin() as admin:
        admin.execute(
            "INSERT INTO tenancy_private.revocations (credential_id, place)"
            " SELECT s.id, tenancy_private.revocation_place(s.id) FROM tenancy_private.user_sessions AS s"
            " WHERE s.user_id = %s",
            [console.tenants.staff.id],
        )
    page.get_by_role("button", name="Create key").click()
    expect(page).to_have_url(f"{console.address}/login?next=/me/keys")
    with console.tenants.admin() as admin:
        assert admin.execute("SELECT FROM public.api_keys WHERE name = 'too late'").fetchall() == []


def test_a_tab_of_somebody_else_sends_nothing_in_the_name_of_who_came_after(console: Console, open_as: LogIn) -> None:
    left = open_as(console.tenants.outsider, fresh=True)
    left.goto("/me/keys")
    left.get_by_label("Name", exact=True).fill("of the tab that was left")
    came = left.context.new_page()
    came.goto("/me/dashboard")
    came.get_by_role("button", name="Log out").click()
    came.get_by_label("E-mail address").fill(console.tenants.person.email)
    came.get_by_label("Password").fill(PASSWORD)
    came.get_by_role("button", name="Log in").click()
    expect(came).to_have_url(f"{console.address}/me/dashboard")
    left.get_by_role("button", name="Create key").click()
    expect(left.get_by_role("alert")).to_contain_text("This form has expired")
    came.goto("/me/keys")
    expect(came.locator('input[value="of the tab that was left"]')).to_have_count(0)


def test_a_refused_form_is_left_by_reloading_and_by_going_back(console: Console, open_as: LogIn) -> None:
    page, place = open_as(console.tenants.members["owner"]), place_of(console.tenants.acme)
    page.goto(f"{place}/offerings")
    page.locator("form.box").first.get_by_label("Code").fill("endless")
    page.locator("form.box").first.get_by_label("Name", exact=True).fill("Endless trial")
    page.locator("form.box").first.get_by_label("Access").select_option("trial")
    page.get_by_role("button", name="Publish").click()
    expect(page.get_by_role("alert")).to_contain_text("a trial ends by days or by tokens")
    page.reload()
    expect(page.get_by_role("alert")).to_contain_text("a trial ends by days or by tokens")
    page.go_back()
    expect(page).to_have_url(f"{console.address}{place}/offerings")
    expect(page.get_by_role("alert")).to_have_count(0)
    # Opening the form's own address shows the screen.
    page.goto(f"{place}/offerings/publish")
    expect(page).to_have_url(f"{console.address}{place}/offerings")


def test_an_offering_is_changed_where_it_stands(console: Console, open_as: LogIn) -> None:
    page, place = open_as(console.tenants.members["owner"]), place_of(console.tenants.acme)
    page.goto(f"{place}/offerings")
    row = page.locator("tr").filter(has_text="acme/offering").first
    row.locator("summary").click()
    assert serious(page) == []
    row.get_by_label("Name", exact=True).fill("A better name")
    row.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_have_text("Offering changed.")
    expect(row).to_contain_text("A better name")
    row.get_by_role("button", name="Pause").click()
    expect(row).to_contain_text("paused")
    row.get_by_role("button", name="Resume").click()
    expect(page.get_by_role("status")).to_have_text("Offering resumed.")
    expect(row).not_to_contain_text("paused")


def test_after_logging_out_going_back_shows_nothing(console: Console, open_as: LogIn) -> None:
    page = open_as(console.tenants.outsider, fresh=True)
    page.goto(f"{place_of(console.tenants.globex)}/members")
    page.get_by_role("button", name="Log out").click()
    expect(page).to_have_url(f"{console.address}/login")
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text("Log in")
    assert "user-of-globex" not in page.content()


def test_everything_is_reached_with_the_keyboard(console: Console, open_as: LogIn) -> None:
    page = open_as()
    page.goto("/login")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.type(console.tenants.person.email)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{console.address}/me/dashboard")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("() => location.hash") == "#main"


def test_a_question_that_is_answered_with_no_does_nothing(console: Console, open_as: LogIn) -> None:
    page = open_as(console.tenants.members["owner"])
    page.goto(f"{place_of(console.tenants.acme)}/members")
    row = page.get_by_role("row", name="user-of-acme@example.com")
    page.once("dialog", lambda dialog: dialog.dismiss())
    row.get_by_role("button", name="Remove").click()
    expect(row).to_have_count(1)
    assert page.url.endswith("/members")


def test_a_browser_without_scripts_is_enough(console: Console, open_as: LogIn) -> None:
    page = open_as(console.tenants.members["owner"], fresh=True, java_script_enabled=False)
    page.goto(f"{place_of(console.tenants.acme)}/keys")
    page.get_by_label("Name", exact=True).fill("without scripts")
    page.get_by_role("button", name="Create key").click()
    expect(page.get_by_label("Copy this key now.")).to_be_visible()


def test_the_console_speaks_french(console: Console, open_as: LogIn) -> None:
    page = open_as(console.tenants.members["user"])
    page.goto(f"{place_of(console.tenants.acme)}/members")
    page.get_by_role("button", name="Français").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Membres")
    assert page.locator("html").get_attribute("lang") == "fr"
    english = {screen.title for screen in SCREENS.values()} - {"Instances", "Invitations", "Module"}
    shown = page.get_by_role("navigation").inner_text().splitlines()
    assert english & set(shown) == set()
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Members")


def test_what_belongs_to_organizations_says_so_in_the_personal_workspace(console: Console, open_as: LogIn) -> None:
    page = open_as(console.tenants.person)
    page.goto("/me/dashboard")
    item = page.get_by_role("listitem").filter(has_text="Instances").filter(has_text="Org required")
    expect(item).to_have_count(1)
    expect(item.get_by_role("link")).to_have_count(0)
