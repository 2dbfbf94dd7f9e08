"""Services, and the application before its migration."""

from __future__ import annotations

from support.random_people.model.resources import Resources
from support.random_people.model.state import must_keep_an_owner
from support.random_people.model.things import ACTIVE, PLATFORM, Instance, Key, Model, Person, Refused
from support.random_people.model.users import Users

__all__ = ["Services"]


class Services(Resources, Users):
    """Actions without a workspace."""

    def service_instance(self, workspace: str, model: str | None) -> str:
        """Insert an instance into any workspace."""
        self._usable(workspace, model)
        name = self._name("instance")
        self.instances[name] = Instance(workspace, model, activations=self._activations(workspace))
        return name

    def service_model(self, workspace: str, title: str, model_id: str) -> str:
        """Insert a model, an organization's or a public one."""
        self._unique(workspace, model_id)
        name = self._name("model")
        self.models[name] = Model(workspace, title, model_id, self._activations(workspace))
        return name

    def service_delete_model(self, name: str) -> int:
        """Delete a model."""
        if name not in self.models:
            return 0
        self._unused(name)
        del self.models[name]
        return 1

    def service_staff(self, person: str, *, staff: bool) -> int:
        """Make somebody platform staff, or an ordinary user."""
        self.people[person].staff = staff
        return 1

    def service_key(self, person: str, title: str) -> str:
        """Insert a person's key, with a secret chosen by the application."""
        name = self._name("key")
        self.keys[name] = Key(person, person, title)
        return name

    def service_user(self, email: str, username: str) -> str:
        """Insert an account; another one may already have the address."""
        name = self._name("person")
        self.people[name] = Person(email, username)
        return name

    def service_status(self, name: str, status: str) -> int:
        """Write the status of any instance."""
        if name not in self.instances:
            return 0
        self.instances[name].status = status
        return 1

    def service_membership(self, organization: str, person: str, role: str) -> int:
        """Insert a membership, or change its role."""
        if role != "owner" and self._is_last_owner(organization, person):
            raise must_keep_an_owner()
        self.roles[organization, person] = role
        return 1

    def service_removal(self, organization: str, person: str) -> int:
        """Delete a membership."""
        present = (organization, person) in self.roles
        self._end_membership(organization, person)
        return int(present)

    def service_delete_user(self, person: str) -> int:
        """Delete an account."""
        if person not in self.people:
            return 0
        self._owns_nothing_alone(person)
        self._remove_person(person)
        return 1

    def assign_instance(self, organization: str, name: str) -> int:
        """Assign a legacy instance to an organization."""
        self._assignable(organization)
        instance = self.instances.get(name)
        if instance is None or instance.workspace != PLATFORM:
            return 0
        instance.workspace, instance.activations = organization, ACTIVE
        return 1

    def assign_model(self, organization: str, name: str) -> int:
        """Assign a public model to an organization, with its instances that use it."""
        self._assignable(organization)
        model = self.models.get(name)
        if model is None or model.workspace != PLATFORM:
            return 0
        self._unique(organization, model.model_id)
        if any(i.model == name and i.workspace != organization for i in self.instances.values()):
            raise Refused("23503", "model_in_use")
        model.workspace, model.activations = organization, ACTIVE
        return 1

    def _assignable(self, organization: str) -> None:
        if organization not in self.organizations or self.organizations[organization].deleted:
            raise Refused("P0002", "organization_not_found")
