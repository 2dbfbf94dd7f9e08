"""Accounts."""

from __future__ import annotations

from support.random_people.model.organizations import Organizations
from support.random_people.model.state import denied, must_keep_an_owner
from support.random_people.model.things import Entry, Person, Refused

__all__ = ["Users"]


def _taken() -> Refused:
    return Refused("23505", "email_taken")


class Users(Organizations):
    """Actions on accounts, in an organization on its members."""

    def create_user(self, entry: Entry, email: str, username: str) -> str:
        """Create an account, and in an organization a member."""
        organization = None
        if self._organization(entry):
            organization, acting = self._act(entry, "users.create")
            self._delegated(acting, "user")
        else:
            self._in_person(entry)
            if not entry.platform:
                raise Refused("55000", "organization_required")
            self._require(entry, "users.create")
        if self._with_email(email):
            raise _taken()
        name = self._name("person")
        self.people[name] = Person(email, username)
        if organization:
            self.roles[organization, name] = "user"
        return name

    def update_user(self, entry: Entry, person: str, username: str | None, email: str | None) -> None:
        """Change an account."""
        self._in_person(entry)
        if person != entry.person:
            if entry.organization:
                organization, acting = self._act(entry, "users.update")
                if self._member(organization, person) == "owner":
                    self._delegated(acting, "owner")
                if email is not None:
                    raise Refused("42501", "credentials_denied")
            else:
                self._act_for_the_platform(entry, "users.update")
        if email is not None and set(self._with_email(email)) - {person}:
            raise _taken()
        if person not in self.people:
            raise Refused("P0002", "user_not_found")
        self.people[person].username = username or self.people[person].username
        self.people[person].email = email or self.people[person].email

    def delete_user(self, entry: Entry, person: str) -> None:
        """End a membership; in personal mode delete the own account, for the platform anybody's."""
        if self._organization(entry):
            self.remove_member(entry, person, "users.delete")
            return
        self._in_person(entry)
        if person != entry.person:
            self._act_for_the_platform(entry, "users.delete")
        self._owns_nothing_alone(person)
        if person not in self.people:
            raise Refused("P0002", "user_not_found")
        self._remove_person(person)

    def find_user(self, entry: Entry, email: str) -> int:
        """Count the accounts with an address, as staff."""
        if not self._is_staff(entry):
            raise denied()
        return len(self._with_email(email))

    def _act_for_the_platform(self, entry: Entry, permission: str) -> None:
        if not entry.platform:
            raise denied()
        self._require(entry, permission)

    def _owns_nothing_alone(self, person: str) -> None:
        if any(self._is_last_owner(tenant, person) for tenant in self.organizations):
            raise must_keep_an_owner()

    def _remove_person(self, person: str) -> None:
        del self.people[person]
        self._empty(person)
        self.roles = {pair: role for pair, role in self.roles.items() if pair[1] != person}
        for key in self.keys.values():
            key.person = None if key.person == person else key.person
        for tenant in self.organizations.values():
            tenant.created_by = None if tenant.created_by == person else tenant.created_by
        for invitation in self.invitations.values():
            invitation.invited_by = None if invitation.invited_by == person else invitation.invited_by
            invitation.accepted_by = None if invitation.accepted_by == person else invitation.accepted_by
