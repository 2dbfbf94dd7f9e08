"""API keys, instances and models."""

from __future__ import annotations

from support.random_people.model.state import State, denied
from support.random_people.model.things import ACTIVE, PLATFORM, Entry, Instance, Key, Model, Note, Refused

__all__ = ["Resources"]

_ENDING = {"terminating", "terminated"}
_WORKING = {"ready", "running"}
# The tables of objects with activations, and the first word of their permissions.
_KINDS = {"api_key": "keys", "instance": "instances", "model": "models"}
# The states in which an instance can be terminated or reinstalled.
_ALLOWED_IN = {
    "terminate": {"provisioning", "ready", "running", "stopped", "failed", "booting"},
    "reinstall": {"provisioning", "ready", "running", "stopped", "failed", "booting"},
}
_LEADS_TO = {"terminate": "terminating", "reinstall": "booting"}


class Resources(State):
    """Actions on the objects of a workspace."""

    # -- activations -----------------------------------------------------------

    def activate(self, entry: Entry, kind: str, name: str, aspect: str, *, wanted: bool) -> bool:
        """Give or revoke one of two activations, and return whether the object can be used."""
        workspace, _ = self._act(entry, f"{kind}s.activate_{aspect}")
        things: dict[str, Key | Instance | Model] = getattr(self, _KINDS[kind])
        thing = things.get(name)
        if thing is None or thing.workspace != workspace:
            raise Refused("P0002", f"{kind}_not_found")
        thing.activations = thing.activations | {aspect} if wanted else thing.activations - {aspect}
        return thing.activations == ACTIVE

    def require_operational(self, entry: Entry, kind: str, name: str) -> None:
        """Check that an object of the workspace, or a public model, can be used."""
        things: dict[str, Key | Instance | Model] = getattr(self, _KINDS[kind])
        thing = things.get(name)
        public = {PLATFORM} if kind == "model" else set()
        if thing is None or thing.workspace not in {self.workspace(entry), *public}:
            raise Refused("P0002", f"{kind}_not_found")
        self._operational(thing)

    # -- API keys --------------------------------------------------------------

    def _act_on_keys(self, entry: Entry, permission: str) -> str:
        if self._organization(entry):
            self._act(entry, permission)
        self._in_person(entry)
        self._require(entry, permission)
        return self.workspace(entry)

    def _key(self, workspace: str, name: str) -> Key:
        key = self.keys.get(name)
        if key is None or key.workspace != workspace:
            raise Refused("P0002", "api_key_not_found")
        return key

    def create_api_key(self, entry: Entry, title: str) -> str:
        """Create a key of the current workspace."""
        workspace = self._act_on_keys(entry, "api_keys.create")
        name = self._name("key")
        self.keys[name] = Key(workspace, entry.person, title, activations=self._activations(workspace))
        return name

    def rename_api_key(self, entry: Entry, name: str, title: str) -> None:
        """Rename a key with the function for it."""
        self._key(self._act_on_keys(entry, "api_keys.update"), name).name = title

    def update_api_key(self, entry: Entry, name: str | None, title: str) -> int:
        """Rename a key, or all of them, with an UPDATE."""
        self._require(entry, "api_keys.update")
        self._in_person(entry)
        own = [key for n, key in self.keys.items() if key.workspace == self.workspace(entry) and name in {None, n}]
        for key in own:
            key.name = title
        return len(own)

    def revoke_api_key(self, entry: Entry, name: str) -> None:
        """End a key."""
        self._key(self._act_on_keys(entry, "api_keys.revoke"), name).revoked = True

    # -- instances -------------------------------------------------------------

    def _usable(self, workspace: str, model: str | None) -> None:
        if model is not None and (
            model not in self.models or self.models[model].workspace not in {workspace, PLATFORM}
        ):
            raise Refused("23503", "instances_model_id_fkey")

    def _reached(self, entry: Entry, name: str | None) -> list[Instance]:
        """Return the instances that a statement reaches."""
        workspace = self.workspace(entry)
        return [i for n, i in self.instances.items() if i.workspace == workspace and name in {None, n}]

    def insert_instance(self, entry: Entry, model: str | None) -> str:
        """Create an instance."""
        self._require(entry, "instances.create")
        workspace = self.workspace(entry)
        self._usable(workspace, model)
        if model is not None:
            self._operational(self.models[model])
        name = self._name("instance")
        self.instances[name] = Instance(workspace, model, activations=self._activations(workspace))
        return name

    def update_instance_model(self, entry: Entry, name: str, model: str) -> int:
        """Let an instance use another model."""
        self._require(entry, "instances.update")
        found = self._reached(entry, name)
        for instance in found:
            self._usable(instance.workspace, model)
            if instance.model != model:
                self._operational(self.models[model])
            instance.model = model
        return len(found)

    def update_instance_profile(self, entry: Entry, name: str | None, profile: str) -> int:
        """Change the profile of one instance, or of all."""
        self._require(entry, "instances.update")
        found = self._reached(entry, name)
        for instance in found:
            instance.profile = profile
        return len(found)

    def update_instance_status(self, entry: Entry, name: str, status: str) -> int:
        """Write the status of an instance."""
        self._require(entry, "instances.update")
        found = self._reached(entry, name)
        for instance in found:
            if instance.status == status:
                continue
            action = "terminate" if status in _ENDING else "reinstall" if status == "booting" else None
            if action is None:
                allowed = instance.status not in _ENDING
            else:
                allowed = instance.status in _ALLOWED_IN[action] | {_LEADS_TO[action]}
            if not allowed:
                raise Refused("55000", "instance_state")
            if status in _WORKING:
                self._operational(instance)
                if instance.model is not None:
                    self._operational(self.models[instance.model])
            instance.status = status
        return len(found)

    def transform_instance(self, entry: Entry, action: str, name: str) -> None:
        """Terminate or reinstall an instance."""
        self._require(entry, f"instances.{action}")
        found = self._reached(entry, name)
        if not found:
            raise Refused("P0002", "instance_not_found")
        if found[0].status not in _ALLOWED_IN[action]:
            raise Refused("55000", "instance_state")
        found[0].status = _LEADS_TO[action]

    def legacy_instances(self, entry: Entry) -> int:
        """Count the legacy instances, which are listed in personal mode."""
        if not self._is_personal(entry):
            raise denied()
        return sum(instance.workspace == PLATFORM for instance in self.instances.values())

    # -- notes, children of instances ------------------------------------------

    def _own_instance(self, entry: Entry, name: str) -> None:
        if not self._reached(entry, name):
            raise Refused("23503", "notes_tenancy_instance_id_fkey")

    def _own_notes(self, entry: Entry, name: str | None) -> list[str]:
        return [n for n, note in self.notes.items() if name in {None, n} and self._reached(entry, note.instance)]

    def insert_note(self, entry: Entry, instance: str, text: str) -> str:
        """Add a note to an instance."""
        self._require(entry, "instances.create")
        self._own_instance(entry, instance)
        name = self._name("note")
        self.notes[name] = Note(instance, text)
        return name

    def update_notes(self, entry: Entry, text: str) -> int:
        """Change all notes."""
        self._require(entry, "instances.update")
        found = self._own_notes(entry, None)
        for note in found:
            self.notes[note].text = text
        return len(found)

    def move_note(self, entry: Entry, name: str, instance: str) -> int:
        """Move a note to another instance."""
        self._require(entry, "instances.update")
        found = self._own_notes(entry, name)
        for note in found:
            self._own_instance(entry, instance)
            self.notes[note].instance = instance
        return len(found)

    def delete_notes(self, entry: Entry, name: str | None) -> int:
        """Delete a note, or all."""
        self._require(entry, "instances.terminate")
        found = self._own_notes(entry, name)
        for note in found:
            del self.notes[note]
        return len(found)

    # -- models ----------------------------------------------------------------

    def _write_models(self, entry: Entry, permission: str) -> None:
        self._require(entry, permission)
        if self._is_personal(entry):
            raise denied()

    def _unique(self, workspace: str, model_id: str, but: str | None = None) -> None:
        if any(m.workspace == workspace and m.model_id == model_id for n, m in self.models.items() if n != but):
            raise Refused("23505", "models_tenancy_workspace_id_model_id_key")

    def _reached_models(self, entry: Entry, name: str | None) -> list[str]:
        workspace = self.workspace(entry)
        return [n for n, m in self.models.items() if m.workspace == workspace and name in {None, n}]

    def insert_model(self, entry: Entry, title: str, model_id: str) -> str:
        """Create a model: the organization's, or a public one for the platform."""
        self._write_models(entry, "models.create")
        workspace = self.workspace(entry)
        self._unique(workspace, model_id)
        name = self._name("model")
        self.models[name] = Model(workspace, title, model_id, self._activations(workspace))
        return name

    def update_model(self, entry: Entry, name: str | None, title: str) -> int:
        """Change the title of a model, or of all."""
        self._write_models(entry, "models.update")
        found = self._reached_models(entry, name)
        for model in found:
            self.models[model].name = title
        return len(found)

    def update_model_id(self, entry: Entry, name: str, model_id: str) -> int:
        """Change the model_id of a model."""
        self._write_models(entry, "models.update")
        found = self._reached_models(entry, name)
        for model in found:
            self._unique(self.models[model].workspace, model_id, model)
            self.models[model].model_id = model_id
        return len(found)

    def delete_model(self, entry: Entry, name: str) -> None:
        """Delete a model that no instance uses."""
        self._require(entry, "models.delete")
        if not self._reached_models(entry, name):
            raise Refused("P0002", "model_not_found")
        self._unused(name)
        del self.models[name]

    def _unused(self, model: str) -> None:
        if any(instance.model == model for instance in self.instances.values()):
            raise Refused("23503", "model_in_use")
