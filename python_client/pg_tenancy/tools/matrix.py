"""Who may do what: the permissions of the roles, as a text table and as a picture."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from itertools import groupby
from typing import Any, Final

import psycopg

from pg_tenancy.tools.pictures import DARK, PALE, svg_text

__all__ = ["ROLES", "Matrix", "read_matrix"]

# The roles of organizations, and staff in the platform's workspace.
_MEMBERS: Final = ("owner", "admin", "manager", "user")
ROLES: Final = (*_MEMBERS, "staff")

_COLORS: Final = {
    "owner": "#1d4ed8",
    "admin": "#047857",
    "manager": "#b45309",
    "user": "#7e22ce",
    "staff": "#be123c",
}


@dataclass(frozen=True)
class Matrix:
    """The permissions of the roles.

    Attributes:
        holders: the roles that hold each permission, if any, in alphabetical order of permissions.
        delegations: the roles that each role may grant and revoke.

    """

    holders: dict[str, frozenset[str]]
    delegations: dict[str, frozenset[str]]

    def groups(self) -> list[tuple[str, list[str]]]:
        """Return the permissions by subject: ``instances`` with ``instances.use``, and so on."""
        return [(area, list(names)) for area, names in groupby(self.holders, key=lambda name: name.split(".")[0])]

    def text(self) -> str:
        """Return it as a table for people."""
        width = max(len(name) for name in ("permission", *self.holders))
        lines = ["  ".join([f"{'permission':<{width}}", *(f"{role:^7}" for role in ROLES)]).rstrip()]
        for _, names in self.groups():
            lines.append("")
            lines += [
                "  ".join(
                    [f"{name:<{width}}", *(f"{'x' if role in self.holders[name] else '':^7}" for role in ROLES)]
                ).rstrip()
                for name in names
            ]
        lines += ["", "may grant and revoke the roles"]
        lines += [f"{role:<{width}}  {self._delegated(role)}" for role in _MEMBERS]
        return "\n".join(lines)

    def document(self) -> dict[str, Any]:
        """Return it as a JSON document."""
        return {
            "permissions": {name: [role for role in ROLES if role in held] for name, held in self.holders.items()},
            "delegations": {
                role: [other for other in _MEMBERS if other in self.delegations.get(role, ())] for role in _MEMBERS
            },
        }

    def svg(self) -> str:
        """Return it as a picture."""
        row, left, column = 24, 250, 110
        groups = self.groups()
        width = left + column * len(ROLES) + 20
        height = 70 + sum(row * len(names) + 10 for _, names in groups) + row * (len(_MEMBERS) + 1) + 30
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" font-family="system-ui, sans-serif" font-size="13">',
            "<title>Who may do what</title>",
            f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        ]
        for number, role in enumerate(ROLES):
            parts.append(svg_text(left + column * number + column / 2, 38, role, _COLORS[role], "middle", bold=True))
        top = 56.0
        for index, (_, names) in enumerate(groups):
            if index % 2 == 0:
                size = f'width="{width - 16}" height="{row * len(names) + 6}"'
                parts.append(f'<rect x="8" y="{top:g}" {size} rx="6" fill="{PALE}"/>')
            for name in names:
                parts.append(svg_text(20, top + 19, name, DARK))
                for number, role in enumerate(ROLES):
                    x, y = left + column * number + column / 2, top + 15
                    if role in self.holders[name]:
                        parts.append(
                            f'<circle cx="{x:g}" cy="{y:g}" r="6.5" fill="{_COLORS[role]}">'
                            f"<title>{escape(role)} holds {escape(name)}</title></circle>"
                        )
                    else:
                        parts.append(f'<circle cx="{x:g}" cy="{y:g}" r="2" fill="#cbd5e1"/>')
                top += row
            top += 10
        parts.append(svg_text(20, top + 19, "may grant and revoke the roles", DARK, bold=True))
        for role in _MEMBERS:
            top += row
            parts.append(svg_text(20, top + 19, role, _COLORS[role], bold=True))
            parts.append(svg_text(left, top + 19, self._delegated(role), DARK))
        parts.append("</svg>")
        return "\n".join(parts) + "\n"

    def _delegated(self, role: str) -> str:
        return ", ".join(other for other in _MEMBERS if other in self.delegations.get(role, ())) or "none"


def read_matrix(connection: psycopg.Connection[Any]) -> Matrix:
    """Read the matrix of a database.

    Args:
        connection: of the login that deployed, or of a member of ``tenancy_service``.

    """
    return Matrix(
        _grouped(
            connection.execute(
                "SELECT p.permission, r.role FROM tenancy.permissions AS p"
                " LEFT JOIN tenancy.role_permissions AS r ON p.permission = r.permission"
            ).fetchall()
        ),
        _grouped(connection.execute("SELECT role, delegated_role FROM tenancy.role_delegations").fetchall()),
    )


def _grouped(pairs: Iterable[tuple[str, str | None]]) -> dict[str, frozenset[str]]:
    grouped: dict[str, set[str]] = {}
    for key, value in sorted(pairs, key=lambda pair: pair[0]):
        grouped.setdefault(key, set()).update([] if value is None else [value])
    return {key: frozenset(values) for key, values in grouped.items()}
