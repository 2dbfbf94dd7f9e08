"""Everything that people try, a method for each."""

from __future__ import annotations

from support.random_people.deeds.choices import Choices, Deed, NothingToChooseError, login
from support.random_people.deeds.forbidden import Forbidden
from support.random_people.deeds.organizations import Organizations
from support.random_people.deeds.resources import Activations, Instances, Keys, Models, Notes
from support.random_people.deeds.services import Services
from support.random_people.deeds.users import Users

__all__ = ["DEEDS", "Choices", "Deed", "Deeds", "NothingToChooseError", "login"]


class Deeds(Instances, Organizations, Keys, Activations, Models, Notes, Users, Forbidden, Services):
    """All deeds in a play."""


# Sorted, because Hypothesis chooses by position, whatever the order of the imports.
DEEDS: dict[str, Deed] = {
    name: Deeds.registered[name] for found in Deeds.__bases__ for name in vars(found) if name in Deeds.registered
}
