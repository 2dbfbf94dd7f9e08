"""Changes that each take one guard of the kernel away, and their opposites.

``catalog`` lists what a database's catalog says, ``functions`` what functions
check; ``items`` divides them among tests, and ``runner`` makes them.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Mutation"]


@dataclass(frozen=True)
class Mutation:
    """A change to the database, and how to undo it.

    Attributes:
        name: is unique, and the same in every database.
        object: the table, routine or schema that loses something, as PostgreSQL writes
            it; ``database`` for the database itself.
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
