"""Attacks with people's sessions: sessions that last too long, and blocking other people's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from support.people import Organization, User
from support.two_tenants import Connection, TwoTenants, refused


@contextmanager
def credentialed(tenants: TwoTenants) -> Iterator[Connection]:
    """Yield a connection of the login that may not name users, with a short lock timeout."""
    with tenants.session(tenants.logins.credentialed) as connection:
        connection.execute("SET lock_timeout = '500ms'")
        connection.commit()
        yield connection


def log_in(connection: Connection, tenants: TwoTenants, user: User, organization: Organization | None = None) -> str:
    """Start a committed session, and return its token."""
    ticket = tenants.key.ticket(user, organization, session=True)
    row = connection.execute("SELECT token FROM tenancy.start_session_with_ticket(%s, 'x')", [ticket]).fetchone()
    connection.commit()
    assert row is not None
    return str(row[0])


@pytest.mark.parametrize("lasts", ["120000 months -3599634 days", "1000 years -359634 days", "1 year 1 day"])
def test_no_session_lasts_longer_than_a_year(tenants: TwoTenants, lasts: str) -> None:
    # Such intervals compare as 366 days, with 30 days in each month.
    with credentialed(tenants) as connection:
        start = "SELECT expires_at - now() FROM tenancy.start_session_with_ticket(%s, 'x', %s::interval)"
        with refused("22023", "session_length_invalid"):
            connection.execute(start, [tenants.key.ticket(tenants.person, session=True), lasts])


def test_nobody_keeps_others_from_logging_in(tenants: TwoTenants) -> None:
    with credentialed(tenants) as using, credentialed(tenants) as person:
        token = log_in(person, tenants, tenants.person)
        using.execute("SELECT tenancy.switch_session(%s)", [token])
        tenants.enter(person, tenants.person)
        assert person.execute("SELECT tenancy.revoke_sessions()").fetchone() == (1,)
        person.commit()
        log_in(person, tenants, tenants.person)


@pytest.mark.parametrize("claims", [{}, {"session": False}, {"session": "true"}, {"session": 1}])
def test_a_ticket_for_a_request_becomes_no_session(tenants: TwoTenants, claims: dict[str, object]) -> None:
    # With the session, its holder could enter all workspaces of the person, for a year.
    with credentialed(tenants) as connection, refused("28000", "invalid_ticket"):
        ticket = tenants.key.ticket(tenants.members["owner"], tenants.acme, **claims)
        connection.execute("SELECT tenancy.start_session_with_ticket(%s)", [ticket])
