"""Attempts with instances, API keys and models."""
# ruff: noqa: D102  (a deed's name says what it is)

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from support.random_people.deeds.choices import (
    MODEL_IDS,
    MODEL_OR_NONE,
    NUMBER,
    WHO,
    Choice,
    Choices,
    Doing,
    among,
    deed,
    one,
)
from support.random_people.model import STATES, Entry
from support.random_people.play import PROVIDER, Actor, Named, Secret

__all__ = ["Activations", "Instances", "Keys", "Models", "Notes"]


class Instances(Doing):
    """Attempts with instances."""

    @deed(who=WHO, model=MODEL_OR_NONE)
    def insert_instance(self, who: Actor, model: str | None) -> None:
        self.do(
            who,
            "INSERT INTO public.instances (provider_id, model_id) VALUES (%s, %s) RETURNING id",
            [Named(PROVIDER), Named(model) if model else None],
            lambda actor: [Named(self.model.insert_instance(actor, model))],
        )

    @deed(who=WHO, instance=one("instances"), model=one("models"))
    def update_instance_model(self, who: Actor, instance: str, model: str) -> None:
        self.do(
            who,
            "UPDATE public.instances SET model_id = %s WHERE id = %s",
            [Named(model), Named(instance)],
            lambda actor: self.model.update_instance_model(actor, instance, model),
        )

    @deed(weight=4, who=WHO, instance=one("instances"), status=among(*STATES))
    def update_instance_status(self, who: Actor, instance: str, status: str) -> None:
        self.do(
            who,
            "UPDATE public.instances SET status = %s WHERE id = %s",
            [status, Named(instance)],
            lambda actor: self.model.update_instance_status(actor, instance, status),
        )

    @deed(who=WHO, instance=one("instances"))
    def update_instance(self, who: Actor, instance: str) -> None:
        self.do(
            who,
            "UPDATE public.instances SET gpu_profile = 'one' WHERE id = %s",
            [Named(instance)],
            lambda actor: self.model.update_instance_profile(actor, instance, "one"),
        )

    @deed(who=WHO)
    def update_all_instances(self, who: Actor) -> None:
        self.do(
            who,
            "UPDATE public.instances SET gpu_profile = 'all'",
            [],
            lambda actor: self.model.update_instance_profile(actor, None, "all"),
        )

    @deed(who=WHO, instance=one("instances"), action=among("terminate", "reinstall"))
    def transform_instance(self, who: Actor, instance: str, action: str) -> None:
        self.do(
            who,
            f"SELECT tenancy.{action}_instance(%s)",
            [Named(instance)],
            lambda actor: self.model.transform_instance(actor, action, instance),
        )

    @deed(who=WHO)
    def legacy_instances(self, who: Actor) -> None:
        self.do(who, "SELECT i.id FROM tenancy.legacy_instances() AS i", [], self.model.legacy_instances)


class Notes(Doing):
    """Attempts with notes, which the application protected as children of instances."""

    @deed(weight=2, who=WHO, instance=one("instances"))
    def insert_note(self, who: Actor, instance: str) -> None:
        self.do(
            who,
            "INSERT INTO public.notes (instance_id, text) VALUES (%s, 'made') RETURNING id",
            [Named(instance)],
            lambda actor: [Named(self.model.insert_note(actor, instance, "made"))],
        )

    @deed(who=WHO)
    def update_all_notes(self, who: Actor) -> None:
        self.do(who, "UPDATE public.notes SET text = 'all'", [], lambda actor: self.model.update_notes(actor, "all"))

    @deed(weight=2, who=WHO, note=one("notes"), instance=one("instances"))
    def move_note(self, who: Actor, note: str, instance: str) -> None:
        self.do(
            who,
            "UPDATE public.notes SET instance_id = %s WHERE id = %s",
            [Named(instance), Named(note)],
            lambda actor: self.model.move_note(actor, note, instance),
        )

    @deed(who=WHO, note=one("notes"))
    def delete_note(self, who: Actor, note: str) -> None:
        self.do(
            who,
            "DELETE FROM public.notes WHERE id = %s",
            [Named(note)],
            lambda actor: self.model.delete_notes(actor, note),
        )

    @deed(who=WHO)
    def delete_all_notes(self, who: Actor) -> None:
        self.do(who, "DELETE FROM public.notes", [], lambda actor: self.model.delete_notes(actor, None))


def _holder(choices: Choices, drawn: tuple[int, bool]) -> Actor:
    number, by_credential = drawn
    return Actor(Entry(None, key=choices.one("keys", number)), "credentialed" if by_credential else "app")


_HOLDER = Choice(st.tuples(NUMBER, st.booleans()), _holder)


def _thing(choices: Choices, drawn: tuple[int, int]) -> tuple[str, str]:
    kind = ("api_key", "instance", "model")[drawn[0] % 3]
    return kind, choices.one({"api_key": "keys"}.get(kind, f"{kind}s"), drawn[1])


_THING = Choice(st.tuples(NUMBER, NUMBER), _thing)


class Activations(Doing):
    """Attempts with activations of organizations' keys, instances and models."""

    @deed(weight=3, who=WHO, thing=_THING, aspect=among("tech", "eco"))
    def activate(self, who: Actor, thing: tuple[str, str], aspect: str) -> None:
        self._set(who, "activate", thing, aspect)

    @deed(who=WHO, thing=_THING, aspect=among("tech", "eco"))
    def deactivate(self, who: Actor, thing: tuple[str, str], aspect: str) -> None:
        self._set(who, "deactivate", thing, aspect)

    def _set(self, who: Actor, call: str, thing: tuple[str, str], aspect: str) -> None:
        kind, name = thing
        self.do(
            who,
            f"SELECT tenancy.{call}(%s, %s, %s)",
            [kind, Named(name), aspect],
            lambda actor: [self.model.activate(actor, kind, name, aspect, wanted=call == "activate")],
        )

    @deed(who=WHO, thing=_THING)
    def require_operational(self, who: Actor, thing: tuple[str, str]) -> None:
        kind, name = thing
        self.do(
            who,
            "SELECT tenancy.require_operational(%s, %s)",
            [kind, Named(name)],
            lambda actor: self.model.require_operational(actor, kind, name),
        )


class Keys(Doing):
    """Attempts with API keys."""

    @deed(who=WHO)
    def create_api_key(self, who: Actor) -> None:
        def attempt(actor: Entry) -> list[Any]:
            name = self.model.create_api_key(actor, "new")
            return [Named(name), Secret(name)]

        self.do(
            who, "SELECT k.id, k.key FROM tenancy.create_api_key('new', now() + interval '1 day') AS k", [], attempt
        )

    @deed(who=WHO, key=one("keys"))
    def rename_api_key(self, who: Actor, key: str) -> None:
        self.do(
            who,
            "SELECT tenancy.rename_api_key(%s, 'renamed')",
            [Named(key)],
            lambda actor: self.model.rename_api_key(actor, key, "renamed"),
        )

    @deed(who=WHO, key=one("keys"))
    def update_api_key(self, who: Actor, key: str) -> None:
        self.do(
            who,
            "UPDATE public.api_keys SET name = 'written' WHERE id = %s",
            [Named(key)],
            lambda actor: self.model.update_api_key(actor, key, "written"),
        )

    @deed(who=WHO)
    def update_all_api_keys(self, who: Actor) -> None:
        self.do(
            who,
            "UPDATE public.api_keys SET name = 'all'",
            [],
            lambda actor: self.model.update_api_key(actor, None, "all"),
        )

    @deed(who=WHO, key=one("keys"))
    def revoke_api_key(self, who: Actor, key: str) -> None:
        self.do(
            who,
            "SELECT tenancy.revoke_api_key(%s)",
            [Named(key)],
            lambda actor: self.model.revoke_api_key(actor, key),
        )

    @deed(key=one("keys"))
    def api_key_expires(self, key: str) -> None:
        def attempt() -> int:
            if key not in self.model.keys:
                return 0
            self.model.keys[key].expired = True
            return 1

        self.play.act(
            "admin",
            "UPDATE public.api_keys SET expires_at = now() - interval '1 second' WHERE id = %s",
            [Named(key)],
            attempt,
        )

    @deed(who=_HOLDER)
    def enter_with_api_key(self, who: Actor) -> None:
        self.do(who, "SELECT tenancy.current_workspace_id()", [], lambda actor: [Named(self.model.workspace(actor))])


class Models(Doing):
    """Attempts with models."""

    @deed(who=WHO, model_id=among(*MODEL_IDS))
    def insert_model(self, who: Actor, model_id: str) -> None:
        self.do(
            who,
            "INSERT INTO public.models (name, model_id) VALUES ('made', %s) RETURNING id",
            [model_id],
            lambda actor: [Named(self.model.insert_model(actor, "made", model_id))],
        )

    @deed(who=WHO, model=one("models"))
    def update_model(self, who: Actor, model: str) -> None:
        self.do(
            who,
            "UPDATE public.models SET name = 'one' WHERE id = %s",
            [Named(model)],
            lambda actor: self.model.update_model(actor, model, "one"),
        )

    @deed(who=WHO, model=one("models"), model_id=among(*MODEL_IDS))
    def update_model_id(self, who: Actor, model: str, model_id: str) -> None:
        self.do(
            who,
            "UPDATE public.models SET model_id = %s WHERE id = %s",
            [model_id, Named(model)],
            lambda actor: self.model.update_model_id(actor, model, model_id),
        )

    @deed(who=WHO)
    def update_all_models(self, who: Actor) -> None:
        self.do(
            who,
            "UPDATE public.models SET name = 'all'",
            [],
            lambda actor: self.model.update_model(actor, None, "all"),
        )

    @deed(weight=4, who=WHO, model=one("models"))
    def delete_model(self, who: Actor, model: str) -> None:
        self.do(
            who,
            "SELECT tenancy.delete_model(%s)",
            [Named(model)],
            lambda actor: self.model.delete_model(actor, model),
        )
