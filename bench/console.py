"""Many people use the console at once; and a page of it, compared with the same page without tenants.

The console, PostgreSQL and all browsers share the machine. Then one browser reads the screen
of instances, by turns in the console and in an application that connects as a superuser and
names the tenant in each WHERE.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics

from support.clicking import click, compare_pages, found_town
from support.console import consoled
from support.server import server_of_this_run

__all__ = ["main"]

# The highest allowed ratio of a page's times, in a workspace and without.
_MOST = 1.5


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, default=200)
    parser.add_argument("--organizations", type=int, default=40)
    parser.add_argument("--clicks", type=int, default=10, help="clicks of each person")
    parser.add_argument("--pairs", type=int, default=200, help="page views of each way")
    options = parser.parse_args()
    with server_of_this_run() as server, consoled(server, server.template(), server.logins()) as console:
        with console.tenants.admin() as admin:
            town = found_town(admin, options.organizations, options.people)
        came = asyncio.run(click(console.address, town, clicks=options.clicks, at_once=options.people))
        taken = statistics.quantiles(came.seconds, n=20)
        print(f"{options.people} people, {len(came.seconds):,} pages in {came.total:.1f} s, with logging in")
        print(f"a page took {taken[9] * 1000:.0f} ms in the median, {taken[18] * 1000:.0f} ms at 95 %")
        print(f"{came.marks:,} rows were seen; {len(came.strange)} pages showed another workspace, or failed")
        for line in came.strange[:10]:
            print(f"    {line}")
        without, with_ = compare_pages(console, town, pairs=options.pairs)
        print(f"one browser: {without * 1000:.1f} ms without tenants, {with_ * 1000:.1f} ms in a workspace")
        print(f"ratio {with_ / without:.2f}")
    if came.strange or with_ > _MOST * without:
        raise SystemExit(1)
