"""``./dev screenshots``: pictures of the console's main screens, for the documents."""

from __future__ import annotations

import sys
from pathlib import Path

from playwright.sync_api import Page

from pg_tenancy.tools._terminal import Terminal
from pg_tenancy.tools.demo import demonstrate
from pg_tenancy.tools.demo.console import console_of
from pg_tenancy.tools.demo.place import Place
from support.chromium import chromium
from support.console import served

DOCS = Path(__file__).resolve().parents[2] / "docs"
SCREENS = ("dashboard", "members", "instances", "settings", "offerings")


def main(folder: Path = DOCS) -> None:
    """Write the pictures, ``console-dashboard.png`` and so on."""
    with Place() as place:
        result = demonstrate(place, Terminal(None), scale=0.1)
        assert result.failures == []
        assert result.cast is not None
        with console_of(place, result.cast) as shown, served(shown.app) as address, chromium() as browser:
            page = browser.new_page(viewport={"width": 1160, "height": 580}, base_url=address, locale="en")
            _log_in(page, result.cast.owner.email, shown.password)
            for screen in SCREENS:
                page.goto(f"/o/{result.cast.first.id}/{screen}")
                page.screenshot(path=folder / f"console-{screen}.png")
                print(folder / f"console-{screen}.png")


def _log_in(page: Page, email: str, password: str) -> None:
    page.goto("/login")
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/dashboard")


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:]))
