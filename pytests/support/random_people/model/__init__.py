"""The platform's expected behaviour in Python, without a database.

Written from the specification. Everything has a name (``ann``, ``Acme``, ``instance 3``) and no id,
so that the two cannot agree by copying. A method either changes the model and returns a result, or
raises ``Refused`` and changes nothing. ``play.py`` does the same to a database and compares.
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
    """The whole state, with its visible parts and all actions."""
