"""Many people at once: everybody sees only their own rows, and a page takes little longer than without tenants."""

from __future__ import annotations

import asyncio

from support.clicking import click, compare_pages, found_town
from support.console import Console


def test_nobody_sees_another_workspace_and_pages_stay_fast(console: Console) -> None:
    with console.tenants.admin() as admin:
        town = found_town(admin, organizations=8, people=40)
    came = asyncio.run(click(console.address, town, clicks=4))
    assert came.strange == []
    assert len(came.seconds) == 160
    assert came.marks > 160
    without, with_ = compare_pages(console, town, pairs=20)
    # The bench's limit is 1.5; other load on the machine may add to it.
    assert with_ < 2.5 * without, f"{with_ * 1000:.1f} ms, and {without * 1000:.1f} ms without tenants"
    print(f"{with_ * 1000:.1f} {without * 1000:.1f}")
