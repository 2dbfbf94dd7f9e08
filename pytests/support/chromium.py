"""The system's Chromium, headless."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

__all__ = ["chromium"]


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start Chromium for the duration of the block; ``PG_TENANCY_CHROMIUM`` names another one."""
    names = ("chromium-headless-shell", "chromium", "/Applications/Chromium.app/Contents/MacOS/Chromium")
    program = os.environ.get("PG_TENANCY_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    assert program, "there is no Chromium: ./dev test installs Debian's"
    # As root it has no sandbox, and it opens only pages of the tests.
    arguments = ["--no-sandbox", "--disable-dev-shm-usage"] if os.geteuid() == 0 else ["--disable-dev-shm-usage"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        try:
            yield browser
        finally:
            browser.close()
