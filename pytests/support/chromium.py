"""The system's Chromium, without a window."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

__all__ = ["chromium"]


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start Chromium, for as long as the block lasts; ``PG_TENANCY_CHROMIUM`` names another one."""
    names = ("chromium-headless-shell", "chromium", "/Applications/Chromium.app/Contents/MacOS/Chromium")
    program = os.environ.get("PG_TENANCY_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    assert program, "there is no Chromium: ./dev test installs Debian's"
    # As root it has no sandbox, and it opens nothing but pages of ours.
    arguments = ["--no-sandbox", "--disable-dev-shm-usage"] if os.geteuid() == 0 else ["--disable-dev-shm-usage"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        try:
            yield browser
        finally:
            browser.close()
