"""What the platform ought to do, in Python: who may do and see what, without a database.

Written from the specification. Everything is known by a name (``ann``, ``Acme``,
``instance 3``) and never by an id, so that the two cannot agree by copying. A
method either changes the model and answers, or raises ``Refused`` and changes
nothing. ``play.py`` does the same things to a database and compares.
"""

from __future__ import annotations

from support.random_people.model.services import Services
from support.random_people.model.sight import Sight
from support.random_people.model.things import (
    PLATFORM,
    STATES,
    Entry,
    Instance,
    Invitation,
    Key,
    Model,
    Note,
    Organization,
    Person,
    Refused,
)

__all__ = [
    "PLATFORM",
    "STATES",
    "Entry",
    "Instance",
    "Invitation",
    "Key",
    "Model",
    "Note",
    "Organization",
    "Person",
    "Platform",
    "Refused",
]


class Platform(Sight, Services):
    """Everything there is, with what is seen of it and what can be done to it."""
