"""Attempts with accounts."""
# ruff: noqa: D102  (a deed's name says what it is)

from __future__ import annotations

from hypothesis import strategies as st

from support.random_people.deeds.choices import ADDRESSES, WHO, Choice, Doing, among, deed, one
from support.random_people.play import Actor, Named

__all__ = ["Users"]


class Users(Doing):
    """Attempts with accounts."""

    @deed(who=WHO, email=among(*ADDRESSES))
    def create_user(self, who: Actor, email: str) -> None:
        self.do(
            who,
            "SELECT tenancy.create_user(%s, 'made')",
            [email],
            lambda actor: [Named(self.model.create_user(actor, email, "made"))],
        )

    @deed(who=WHO, person=one("people"), email=Choice(st.none() | st.sampled_from(ADDRESSES)))
    def update_user(self, who: Actor, person: str, email: str | None) -> None:
        self.do(
            who,
            "SELECT tenancy.update_user(%s, username => 'changed', email => %s)",
            [Named(person), email],
            lambda actor: self.model.update_user(actor, person, "changed", email),
        )

    @deed(weight=2, who=WHO, person=one("people"), oneself=Choice(st.booleans()))
    def delete_user(self, who: Actor, person: str, oneself: bool) -> None:
        person = (who.entry.person if oneself else None) or person
        self.do(
            who,
            "SELECT tenancy.delete_user(%s)",
            [Named(person)],
            lambda actor: self.model.delete_user(actor, person),
        )

    @deed(who=WHO, email=among(*ADDRESSES))
    def find_user(self, who: Actor, email: str) -> None:
        self.do(
            who,
            "SELECT u.user_id FROM tenancy.all_users(%s) AS u",
            [email],
            lambda actor: self.model.find_user(actor, email),
        )
