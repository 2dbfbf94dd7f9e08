"""The isolation of a deployed database, checked from the outside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psycopg

from pg_tenancy.tools.demo.attempts import Attempt
from pg_tenancy.tools.demo.isolation import View, check_everybody, look_around
from pg_tenancy.tools.demo.refusals import try_everything, unchanged
from pg_tenancy.tools.demo.truth import Cast, Truth

__all__ = ["Checked", "check"]

Connect = Callable[[], psycopg.Connection[tuple[Any, ...]]]


@dataclass(frozen=True)
class Checked:
    """The result of the check.

    Attributes:
        views: what some people see in some workspaces.
        memberships: the number of memberships entered.
        personal: the number of personal workspaces entered.
        strange: what was wrong in those workspaces.
        attempts: the attempts that must be refused, with their results.
        changed: what the attempts changed; must be empty.

    """

    views: list[View]
    memberships: int
    personal: int
    strange: list[str]
    attempts: list[Attempt]
    changed: list[str]

    @property
    def failures(self) -> list[str]:
        """All failures, in words."""
        return [
            *(failure for view in self.views for failure in view.failures),
            *self.strange,
            *(failure for attempt in self.attempts for failure in attempt.failures),
            *self.changed,
        ]


def check(application: Connect, deployer: Connect, truth: Truth, cast: Cast) -> Checked:
    """Read everything as the application, and try what must be refused.

    Args:
        application: opens a connection of the application, in autocommit.
        deployer: opens a connection of a role that sees everything.
        truth: the expected rows.
        cast: the people who read and try.

    """
    with application() as connection:
        views = look_around(connection, truth, cast)
        memberships, personal, strange = check_everybody(connection, truth)
    attempts = try_everything(application, truth, cast)
    with deployer() as connection:
        changed = unchanged(connection, truth)
    return Checked(views, memberships, personal, strange, attempts, changed)
