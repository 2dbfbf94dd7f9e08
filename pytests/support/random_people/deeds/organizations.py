"""Attempts with organizations, their members and their invitations."""
# ruff: noqa: D102  (a deed's name says what it is)

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from support.access_matrix import ROLES
from support.random_people.deeds.choices import ADDRESSES, NUMBER, WHO, Choice, Choices, Doing, among, deed, one
from support.random_people.model import Entry
from support.random_people.play import Actor, Named, Secret

__all__ = ["Organizations"]

SLUGS = ("acme", "globex", "hooli", "initech")


def _who_or_nobody(choices: Choices, drawn: tuple[int, bool]) -> Actor | None:
    number, entered = drawn
    return choices.actor(number) if entered else None


WHO_OR_NOBODY = Choice(st.tuples(NUMBER, st.booleans()), _who_or_nobody)


class Organizations(Doing):
    """Attempts with organizations."""

    @deed(who=WHO, slug=among(*SLUGS))
    def create_organization(self, who: Actor, slug: str) -> None:
        self.do(
            who,
            "SELECT o.id FROM tenancy.create_organization(%s, %s) AS o",
            ["Another", slug],
            lambda actor: [Named(self.model.create_organization(actor, "Another", slug))],
        )

    @deed(who=WHO, slug=among(*SLUGS))
    def update_organization(self, who: Actor, slug: str) -> None:
        self.do(
            who,
            "SELECT o.id FROM tenancy.update_organization(%s, %s) AS o",
            ["Renamed", slug],
            lambda actor: [Named(self.model.update_organization(actor, "Renamed", slug))],
        )

    @deed(weight=2, who=WHO)
    def delete_organization(self, who: Actor) -> None:
        self.do(who, "SELECT tenancy.delete_organization()", [], self.model.delete_organization)

    @deed(
        organization=Choice(NUMBER, Choices.deleted),
        action=among(*["restore"] * 5, "purge"),
    )
    def end_or_restore(self, organization: str, action: str) -> None:
        attempt = self.model.purge_organization if action == "purge" else self.model.restore_organization
        self.play.act(
            "service",
            f"SELECT tenancy.{action}_organization(%s)",
            [Named(organization)],
            lambda: attempt(organization),
        )

    # -- members -----------------------------------------------------------------

    @deed(who=WHO, person=one("people"), role=among(*ROLES, "king"))
    def change_member_role(self, who: Actor, person: str, role: str) -> None:
        self.do(
            who,
            "SELECT tenancy.change_member_role(%s, %s)",
            [Named(person), role],
            lambda actor: self.model.change_member_role(actor, person, role),
        )

    @deed(who=WHO, person=one("people"))
    def remove_member(self, who: Actor, person: str) -> None:
        self.do(
            who,
            "SELECT tenancy.remove_member(%s)",
            [Named(person)],
            lambda actor: self.model.remove_member(actor, person),
        )

    @deed(who=WHO)
    def leave_organization(self, who: Actor) -> None:
        self.do(who, "SELECT tenancy.leave_organization()", [], self.model.leave_organization)

    # -- invitations -------------------------------------------------------------

    @deed(who=WHO, email=among(*ADDRESSES), role=among(*ROLES))
    def invite_member(self, who: Actor, email: str, role: str) -> None:
        def attempt(actor: Entry) -> list[Any]:
            name = self.model.invite_member(actor, email, role)
            return [Named(name), Secret(name)]

        self.do(who, "SELECT i.id, i.token FROM tenancy.invite_member(%s, %s) AS i", [email, role], attempt)

    @deed(who=WHO, invitation=one("invitations"))
    def revoke_invitation(self, who: Actor, invitation: str) -> None:
        self.do(
            who,
            "SELECT tenancy.revoke_invitation(%s)",
            [Named(invitation)],
            lambda actor: self.model.revoke_invitation(actor, invitation),
        )

    @deed(invitation=one("invitations"))
    def invitation_expires(self, invitation: str) -> None:
        def attempt() -> int:
            if invitation not in self.model.invitations:
                return 0
            self.model.invitations[invitation].expired = True
            return 1

        self.play.act(
            "admin",
            "UPDATE tenancy.invitations SET created_at = created_at - interval '1 year',"
            " expires_at = now() - interval '1 day' WHERE id = %s",
            [Named(invitation)],
            attempt,
        )

    @deed(who=WHO_OR_NOBODY, invitation=one("invitations"))
    def peek_invitation(self, who: Actor | None, invitation: str) -> None:
        self.play.act(
            who,
            "SELECT i.* FROM tenancy.peek_invitation(%s) AS i",
            [Secret(invitation)],
            lambda: self.model.peek_invitation(invitation),
        )

    @deed(weight=2, who=WHO_OR_NOBODY, invitation=one("invitations"))
    def accept_invitation(self, who: Actor | None, invitation: str) -> None:
        self.play.act(
            who,
            "SELECT i.user_id, i.organization_id FROM tenancy.accept_invitation(%s, %s) AS i",
            [Secret(invitation), "invited"],
            lambda: [Named(member) for member in self.model.accept_invitation(invitation, "invited")],
        )
