"""Two tenants for each file of attacks, and the logins that attack."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.contexts import seal_contexts
from support.server import Logins, Server
from support.two_tenants import TwoTenants, two_tenants


@pytest.fixture(scope="module")
def proof(request: pytest.FixtureRequest) -> str:
    """Return how the database knows its contexts: carried or, where a file's mark says so, sealed (``BOTH``)."""
    return str(getattr(request, "param", "carried"))


@pytest.fixture(scope="module")
def tenants(server: Server, template: str, logins: Logins, proof: str) -> Iterator[TwoTenants]:
    """Return two tenants that the tests of a file share, since what they do is rolled back."""
    with two_tenants(server, template, logins) as tenants:
        if proof == "sealed":
            seal_contexts(tenants.database)
        yield tenants


@pytest.fixture(params=["app", "credentialed"])
def login(request: pytest.FixtureRequest, logins: Logins) -> str:
    """Return the logins of applications in turn."""
    return str(getattr(logins, request.param))
