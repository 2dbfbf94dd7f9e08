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
    """What was found.

    Attributes:
        views: what some people see in some workspaces.
        memberships: how many memberships were entered.
        personal: how many personal workspaces were entered.
        strange: what was wrong in those.
        attempts: what must be refused, and what came of it.
        changed: what the attempts changed, which they must not.

    """

    views: list[View]
    memberships: int
    personal: int
    strange: list[str]
    attempts: list[Attempt]
    changed: list[str]

    @property
    def failures(self) -> list[str]:
        """Everything that is not as it must be, in words."""
        return [
            *(failure for view in self.views for failure in view.failures),
            *self.strange,
            *(failure for attempt in self.attempts for failure in attempt.failures),
            *self.changed,
        ]


def check(application: Connect, deployer: Connect, truth: Truth, cast: Cast) -> Checked:
    """Look at everything as the application, and try what must be refused.

    Args:
        application: opens a connection of the application, in autocommit.
        deployer: opens one of a role that sees everything.
        truth: what must be seen.
        cast: who looks and tries.

    """
    with application() as connection:
        views = look_around(connection, truth, cast)
        memberships, personal, strange = check_everybody(connection, truth)
    attempts = try_everything(application, truth, cast)
    with deployer() as connection:
        changed = unchanged(connection, truth)
    return Checked(views, memberships, personal, strange, attempts, changed)
