"""Services, and the application before its migration."""
# ruff: noqa: D102  (a deed's name says what it is)

from __future__ import annotations

import secrets
from typing import Any

from support.access_matrix import ROLES
from support.random_people.deeds.choices import (
    ADDRESSES,
    MODEL_IDS,
    MODEL_OR_NONE,
    NUMBER,
    Choice,
    Doing,
    among,
    deed,
    one,
    present,
)
from support.random_people.model import PLATFORM, STATES
from support.random_people.play import PROVIDER, Named

__all__ = ["Services"]


def _in(*kinds: str) -> Choice:
    """Return the choice of a workspace: the platform, or one of these kinds."""
    return Choice(NUMBER, lambda choices, number: choices.workspace(kinds, number))


class Services(Doing):
    """Actions without a workspace."""

    @deed(workspace=_in("organizations", "people"), model=MODEL_OR_NONE)
    def legacy_instance(self, workspace: str, model: str | None) -> None:
        self.play.act(
            "old",
            "INSERT INTO public.instances (provider_id, model_id, organization_id, user_id)"
            " VALUES (%s, %s, %s, %s) RETURNING id",
            [
                Named(PROVIDER),
                Named(model) if model else None,
                Named(workspace) if workspace in self.model.organizations else None,
                Named(workspace) if workspace in self.model.people else None,
            ],
            lambda: [Named(self.model.service_instance(workspace, model))],
        )

    @deed(workspace=_in("organizations"), model_id=among(*MODEL_IDS))
    def legacy_model(self, workspace: str, model_id: str) -> None:
        self.play.act(
            "old",
            "INSERT INTO public.models (name, model_id, organization_id) VALUES ('legacy', %s, %s) RETURNING id",
            [model_id, None if workspace == PLATFORM else Named(workspace)],
            lambda: [Named(self.model.service_model(workspace, "legacy", model_id))],
        )

    @deed(model=one("models"))
    def legacy_delete_model(self, model: str) -> None:
        self.play.act(
            "old",
            "DELETE FROM public.models WHERE id = %s",
            [Named(model)],
            lambda: self.model.service_delete_model(model),
        )

    @deed(person=present("people"), staff=among(True, False))
    def legacy_staff(self, person: str, staff: bool) -> None:
        self.play.act(
            "old",
            "UPDATE public.users SET role = %s WHERE id = %s",
            ["admin" if staff else "user", Named(person)],
            lambda: self.model.service_staff(person, staff=staff),
        )

    @deed(person=present("people"))
    def legacy_key(self, person: str) -> None:
        text = f"sk_{secrets.token_hex(32)}"
        self.play.secrets["legacy"] = text

        def attempt() -> list[Any]:
            name = self.model.service_key(person, "legacy")
            self.play.secrets[name] = text
            return [Named(name)]

        self.play.act(
            "old",
            "INSERT INTO public.api_keys (user_id, name, key_prefix, key_hash)"
            " VALUES (%s, 'legacy', %s, %s) RETURNING id",
            [Named(person), *self.play.key_columns("legacy")],
            attempt,
        )

    @deed(email=among(*ADDRESSES))
    def legacy_user(self, email: str) -> None:
        self.play.act(
            "old",
            "INSERT INTO public.users (email, username) VALUES (%s, 'legacy') RETURNING id",
            [email],
            lambda: [Named(self.model.service_user(email, "legacy"))],
        )

    @deed(instance=one("instances"), status=among(*STATES))
    def worker(self, instance: str, status: str) -> None:
        self.play.act(
            "service",
            "UPDATE public.instances SET status = %s WHERE id = %s",
            [status, Named(instance)],
            lambda: self.model.service_status(instance, status),
        )

    @deed(organization=present("organizations"), person=present("people"), role=among(*ROLES))
    def legacy_membership(self, organization: str, person: str, role: str) -> None:
        self.play.act(
            "old",
            "INSERT INTO public.organization_memberships (organization_id, user_id, role) VALUES (%s, %s, %s)"
            " ON CONFLICT (organization_id, user_id) DO UPDATE SET role = excluded.role",
            [Named(organization), Named(person), role],
            lambda: self.model.service_membership(organization, person, role),
        )

    @deed(organization=one("organizations"), person=one("people"))
    def legacy_removal(self, organization: str, person: str) -> None:
        self.play.act(
            "old",
            "DELETE FROM public.organization_memberships WHERE organization_id = %s AND user_id = %s",
            [Named(organization), Named(person)],
            lambda: self.model.service_removal(organization, person),
        )

    @deed(weight=2, person=one("people"))
    def legacy_delete_user(self, person: str) -> None:
        self.play.act(
            "old",
            "DELETE FROM public.users WHERE id = %s",
            [Named(person)],
            lambda: self.model.service_delete_user(person),
        )

    @deed(organization=one("organizations"), instance=one("instances"))
    def assign_instance(self, organization: str, instance: str) -> None:
        self.play.act(
            "service",
            "SELECT tenancy.assign('public.instances', %s, %s)",
            [Named(organization), f"id = '{self.play.ids[instance]}'"],
            lambda: [self.model.assign_instance(organization, instance)],
        )

    @deed(organization=one("organizations"), model=one("models"))
    def assign_model(self, organization: str, model: str) -> None:
        self.play.act(
            "service",
            "SELECT tenancy.assign('public.models', %s, %s)",
            [Named(organization), f"id = '{self.play.ids[model]}'"],
            lambda: [self.model.assign_model(organization, model)],
        )
