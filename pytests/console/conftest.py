"""A console for the tests of a file, and logged-in visitors."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from support.console import Console, Visitor, consoled
from support.server import Logins, Server


@pytest.fixture(scope="module")
def console(server: Server, template: str, logins: Logins) -> Iterator[Console]:
    """Return a console on two tenants, for the tests of the file."""
    with consoled(server, template, logins) as console:
        yield console


@pytest.fixture(scope="module")
def logged_in(console: Console) -> Callable[[str], Visitor]:
    """Return a function that returns the visitor of a role, logged in once for the file."""
    known: dict[str, Visitor] = {}

    def visitor(role: str) -> Visitor:
        if role not in known:
            known[role] = console.visitor(console.people[role][0])
        return known[role]

    return visitor
