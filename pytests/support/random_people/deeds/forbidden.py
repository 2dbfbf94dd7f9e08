"""Actions that are forbidden to everybody."""
# ruff: noqa: D102  (a deed's name says what it is)

from __future__ import annotations

from hypothesis import strategies as st

from support.random_people.deeds.choices import NUMBER, WHO, Choice, Choices, Doing, among, deed, one
from support.random_people.model import PLATFORM, Entry, Refused
from support.random_people.play import PROVIDER, Actor, Named

__all__ = ["Forbidden"]

# Statements that nobody in a workspace may run: there is no privilege for them.
FORBIDDEN = (
    ("DELETE FROM public.instances WHERE id = %s", ("instances",)),
    ("INSERT INTO public.instances (provider_id, organization_id) VALUES (%s, %s)", (PROVIDER, "organizations")),
    ("INSERT INTO public.instances (provider_id, workspace_id) VALUES (%s, %s)", (PROVIDER, "organizations")),
    ("INSERT INTO public.instances (provider_id, user_id) VALUES (%s, %s)", (PROVIDER, "people")),
    ("UPDATE public.instances SET organization_id = %s WHERE id = %s", ("organizations", "instances")),
    ("UPDATE public.instances SET workspace_id = %s WHERE id = %s", ("organizations", "instances")),
    ("UPDATE public.instances SET model_workspace_id = %s WHERE id = %s", ("organizations", "instances")),
    ("UPDATE public.instances SET hourly_price_eur = 0 WHERE id = %s", ("instances",)),
    ("UPDATE public.models SET organization_id = NULL WHERE id = %s", ("models",)),
    ("DELETE FROM public.models WHERE id = %s", ("models",)),
    ("UPDATE public.notes SET workspace_id = %s WHERE id = %s", ("organizations", "notes")),
    ("INSERT INTO public.models (name, model_id, organization_id) VALUES ('x', 'x', %s)", ("organizations",)),
    ("DELETE FROM public.api_keys WHERE id = %s", ("keys",)),
    ("UPDATE public.api_keys SET revoked_at = NULL WHERE id = %s", ("keys",)),
    ("SELECT key_hash FROM public.api_keys WHERE id = %s", ("keys",)),
    ("SELECT password_hash FROM public.users WHERE id = %s", ("people",)),
    ("UPDATE public.users SET role = 'admin' WHERE id = %s", ("people",)),
    ("DELETE FROM public.users WHERE id = %s", ("people",)),
    ("UPDATE public.organizations SET name = 'mine' WHERE id = %s", ("organizations",)),
    ("DELETE FROM public.organizations WHERE id = %s", ("organizations",)),
    (
        "INSERT INTO public.organization_memberships (organization_id, user_id, role) VALUES (%s, %s, 'owner')",
        ("organizations", "people"),
    ),
    ("UPDATE public.organization_memberships SET role = 'owner' WHERE user_id = %s", ("people",)),
    ("DELETE FROM public.organization_memberships WHERE user_id = %s", ("people",)),
    ("SELECT token_hash FROM tenancy.invitations WHERE id = %s", ("invitations",)),
    ("UPDATE tenancy.invitations SET revoked_at = NULL WHERE id = %s", ("invitations",)),
    ("UPDATE tenancy.workspaces SET deleted_at = NULL WHERE id = %s", ("organizations",)),
    ("DELETE FROM tenancy.audit_log WHERE workspace_id = %s", ("organizations",)),
    ("SELECT tenancy.enter_as_service(%s)", ("people",)),
    ("SELECT tenancy.restore_organization(%s)", ("organizations",)),
    ("SELECT tenancy.purge_organization(%s)", ("organizations",)),
    ("SELECT tenancy.assign('public.instances', %s)", ("organizations",)),
)

# Statements that fail without a workspace, whatever rows exist.
CLOSED = (
    "SELECT id FROM public.users",
    "SELECT id FROM public.organizations",
    "SELECT user_id FROM public.organization_memberships",
    "SELECT id FROM public.models",
    "SELECT id FROM public.instances",
    "SELECT id FROM public.api_keys",
    "SELECT id FROM tenancy.invitations",
    "SELECT id FROM tenancy.audit_log",
    "UPDATE public.instances SET gpu_profile = 'x'",
    "UPDATE public.models SET name = 'x'",
    "SELECT tenancy.delete_model(gen_random_uuid())",
    "SELECT tenancy.legacy_instances()",
    "SELECT tenancy.members()",
    "SELECT tenancy.member(gen_random_uuid())",
    "SELECT tenancy.my_organizations()",
    "SELECT tenancy.create_organization('x')",
    "SELECT tenancy.visible_user_ids()",
)


def _overstepping(choices: Choices, drawn: tuple[tuple[str, tuple[str, ...]], int, int]) -> list[str]:
    (statement, kinds), *numbers = drawn
    names = [
        kind if kind == PROVIDER else choices.one(kind, number) for kind, number in zip(kinds, numbers, strict=False)
    ]
    return [statement, *names]


class Forbidden(Doing):
    """Forbidden actions."""

    @deed(who=WHO, what=Choice(st.tuples(st.sampled_from(FORBIDDEN), NUMBER, NUMBER), _overstepping))
    def overstep(self, who: Actor, what: list[str]) -> None:
        statement, *names = what

        def attempt(_: Entry) -> None:
            raise Refused("42501")

        self.do(who, statement, [Named(name) for name in names], attempt)

    @deed(statement=among(*CLOSED))
    def without_a_workspace(self, statement: str) -> None:
        def attempt() -> None:
            raise Refused("28000", "no_context")

        self.play.act(None, statement, [], attempt)

    @deed(
        who=Choice(NUMBER, lambda choices, number: Actor(choices.entry(number))),
        person=one("people"),
        organization=Choice(
            NUMBER, lambda choices, number: choices.one("organizations", number) if number % 3 else None
        ),
    )
    def enter_twice(self, who: Actor, person: str, organization: str | None) -> None:
        other = Entry(person, organization)

        def attempt(actor: Entry) -> None:
            self.model.enter(other)
            if actor != other:
                raise Refused("28000", "context_already_set")

        self.do(
            who,
            "SELECT tenancy.enter(%s, %s)",
            [Named(person), Named(organization) if organization else None],
            attempt,
        )

    @deed(who=Choice(NUMBER, lambda choices, number: Actor(choices.entry(number))), person=one("people"))
    def enter_platform_as_well(self, who: Actor, person: str) -> None:
        other = Entry(person, platform=True)

        def attempt(actor: Entry) -> None:
            self.model.enter(other)
            if actor != other:
                raise Refused("28000", "context_already_set")

        self.do(who, "SELECT tenancy.enter_platform(%s)", [Named(person)], attempt)

    @deed(person=one("people"))
    def enter_platform_like_an_organization(self, person: str) -> None:
        def attempt() -> None:
            raise Refused("28000", "not_a_member")

        self.play.act(None, "SELECT tenancy.enter(%s, %s)", [Named(person), Named(PLATFORM)], attempt)

    @deed(who=WHO, organization=one("organizations"))
    def claim(self, who: Actor, organization: str) -> None:
        def attempt(actor: Entry) -> None:
            if self.model.workspace(actor) != organization:
                raise Refused("28000", "invalid_context")

        self.do(
            who,
            "SELECT set_config('tenancy.current_organization_id', %s::text, true); SELECT id FROM public.instances",
            [Named(organization)],
            attempt,
        )
