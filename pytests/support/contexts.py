"""The session context as an attacker handles it: read out, copied, set by hand."""

from __future__ import annotations

from support.two_tenants import Connection, TwoTenants

__all__ = ["VARIABLES", "context", "names", "of_globex", "set_context"]

VARIABLES = ("current_user_id", "current_organization_id", "current_role", "seal")


def names(connection: Connection) -> list[str]:
    """Return the organizations that can be seen."""
    return [name for (name,) in connection.execute("SELECT name FROM public.organizations").fetchall()]


def context(connection: Connection) -> dict[str, str]:
    """Return the four variables, seal and all."""
    return {
        name: (connection.execute("SELECT current_setting(%s)", [f"tenancy.{name}"]).fetchone() or ("",))[0]
        for name in VARIABLES
    }


def set_context(connection: Connection, values: dict[str, str], *, local: bool = True) -> None:
    """Set variables as anybody can."""
    for name, value in values.items():
        connection.execute("SELECT set_config(%s, %s, %s)", [f"tenancy.{name}", value, local])


def of_globex(tenants: TwoTenants, seal: str = "0" * 72) -> dict[str, str]:
    """Return the context of the other tenant's owner, but for the seal."""
    return {
        "current_user_id": str(tenants.outsider.id),
        "current_organization_id": str(tenants.globex.id),
        "current_role": "owner",
        "seal": seal,
    }
