"""Two tenants for each file of attacks, and the logins that attack."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.server import Logins, Server
from support.two_tenants import TwoTenants, two_tenants


@pytest.fixture(scope="module")
def tenants(server: Server, template: str, logins: Logins) -> Iterator[TwoTenants]:
    """Return two tenants that the tests of a file share, since what they do is rolled back."""
    with two_tenants(server, template, logins) as tenants:
        yield tenants


@pytest.fixture(params=["app", "credentialed"])
def login(request: pytest.FixtureRequest, logins: Logins) -> str:
    """Return the logins of applications in turn."""
    return str(getattr(logins, request.param))
