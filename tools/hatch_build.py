"""Put the sqitch project into the wheel, where pg_tenancy.tools.sqitch finds it."""

from __future__ import annotations

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class SqitchProjectHook(BuildHookInterface):  # type: ignore[type-arg]
    """Adds the project's files, except to an editable install, which reads them in place."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the files to the wheel."""
        if version == "editable":
            return
        for name in ("sqitch.conf", "sqitch.plan", "kernel.plan", "sql"):
            build_data["force_include"][name] = f"pg_tenancy/tools/_sqitch/{name}"
