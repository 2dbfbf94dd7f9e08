"""The session context as an attacker uses it: read, copied, set manually."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from support.database import Database
from support.probes.base import SEALED
from support.two_tenants import Connection, TwoTenants

__all__ = ["BOTH", "VARIABLES", "Sealed", "context", "names", "of_globex", "seal_contexts", "set_context"]

# The mark of a file whose attacks are tried on both proofs of a context.
BOTH = pytest.mark.parametrize("proof", ["carried", "sealed"], indirect=True, scope="module")


def seal_contexts(database: Database) -> None:
    """Use sealed contexts, as on a server where the parameter that carries them cannot be granted."""
    database.execute(SEALED)


VARIABLES = ("current_user_id", "current_organization_id", "context")


def names(connection: Connection) -> list[str]:
    """Return the organizations that can be seen."""
    return [name for (name,) in connection.execute("SELECT name FROM public.organizations").fetchall()]


def context(connection: Connection) -> dict[str, str]:
    """Return the three variables, including the seal."""
    return {
        name: (connection.execute("SELECT current_setting(%s)", [f"tenancy.{name}"]).fetchone() or ("",))[0]
        for name in VARIABLES
    }


def set_context(connection: Connection, values: dict[str, str], *, local: bool = True) -> None:
    """Set variables as anybody can."""
    for name, value in values.items():
        connection.execute("SELECT set_config(%s, %s, %s)", [f"tenancy.{name}", value, local])


@dataclass(frozen=True)
class Sealed:
    """The parts of the third variable."""

    key: str
    hmac: str
    bits: str
    role: str
    credential: str

    @classmethod
    def of(cls, values: dict[str, str]) -> Sealed:
        """Split a context into its parts."""
        text = values["context"]
        return cls(text[:8], text[8:72], *text[72:].split("_"))

    def __str__(self) -> str:
        """Join the parts."""
        return f"{self.key}{self.hmac}{self.bits}_{self.role}_{self.credential}"

    def but(self, **parts: str) -> str:
        """Return the text with other parts under the same seal."""
        return str(replace(self, **parts))

    def with_every_permission(self) -> str:
        """Return the text with every permission, under the same seal."""
        return self.but(bits="1" * len(self.bits))


def of_globex(tenants: TwoTenants, seal: str = "0" * 72) -> dict[str, str]:
    """Return the context of the other tenant's owner, except the seal."""
    return {
        "current_user_id": str(tenants.outsider.id),
        "current_organization_id": str(tenants.globex.id),
        "context": f"{seal}{'1' * 200}_owner_",
    }
