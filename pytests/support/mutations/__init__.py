"""Changes that each remove one guard of the kernel, and their opposites.

``catalog`` lists the guards in a database's catalog, ``functions`` the checks in functions;
``items`` divides them among tests, and ``trials`` makes the changes.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Mutation"]


@dataclass(frozen=True)
class Mutation:
    """A change to the database, and how to undo it.

    Attributes:
        name: unique, and the same in every database.
        object: the table, routine or schema that loses a guard, as PostgreSQL prints it;
            ``database`` for the database itself.
        kind: ``policy``, ``row security``, ``grant``, ``trigger``, ``constraint``,
            ``search_path`` or ``function``.
        do: SQL, for the superuser.
        undo: SQL, for the superuser.

    """

    name: str
    object: str
    kind: str
    do: str
    undo: str
