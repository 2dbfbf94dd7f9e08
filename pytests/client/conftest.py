"""What the tests of the client share."""

from __future__ import annotations

import pytest

from support.people import Organization, People


@pytest.fixture
def acme(people: People) -> Organization:
    """Return an organization with an owner."""
    return people.organization("Acme")
