"""Two tenants for each file of attacks, and the logins that attack."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.contexts import seal_contexts
from support.server import Logins, Server
from support.two_tenants import TwoTenants, two_tenants


@pytest.fixture(scope="module")
def proof(request: pytest.FixtureRequest) -> str:
    """Return the proof of contexts: carried or, if the file is marked with ``BOTH``, sealed too."""
    return str(getattr(request, "param", "carried"))


@pytest.fixture(scope="module")
def tenants(server: Server, template: str, logins: Logins, proof: str) -> Iterator[TwoTenants]:
    """Return two tenants that the tests of a file share; all changes are rolled back."""
    with two_tenants(server, template, logins) as tenants:
        if proof == "sealed":
            seal_contexts(tenants.database)
        yield tenants


@pytest.fixture(params=["app", "credentialed"])
def login(request: pytest.FixtureRequest, logins: Logins) -> str:
    """Return the logins of applications in turn."""
    return str(getattr(logins, request.param))
