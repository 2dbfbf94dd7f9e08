"""Fixtures for the proofs of documents."""

from __future__ import annotations

import pytest

from support.people import Organization, People


@pytest.fixture
def acme(people: People) -> Organization:
    """Return an organization whose only member is its owner."""
    return people.organization("Acme")
