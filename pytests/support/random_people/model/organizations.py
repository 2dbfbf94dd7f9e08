"""Organizations, their members and their invitations."""

from __future__ import annotations

from typing import Any

from support.access_matrix import ROLES
from support.random_people.model.state import State, must_keep_an_owner
from support.random_people.model.things import Entry, Invitation, Organization, Person, Refused

__all__ = ["Organizations"]


class Organizations(State):
    """Actions on organizations."""

    # -- organizations ---------------------------------------------------------

    def _free_slug(self, slug: str, but: str | None = None) -> None:
        if any(tenant.slug == slug for name, tenant in self.organizations.items() if name != but):
            raise Refused("23505", "organization_slug_taken")

    def create_organization(self, entry: Entry, title: str, slug: str) -> str:
        """Create an organization."""
        self._in_person(entry)
        self._free_slug(slug)
        name = self._name("organization")
        self.organizations[name] = Organization(title, slug, entry.person)
        self.roles[name, entry.person or ""] = "owner"
        return name

    def update_organization(self, entry: Entry, title: str, slug: str) -> str:
        """Rename the current organization."""
        organization, _ = self._act(entry, "organization.update")
        self._free_slug(slug, organization)
        self.organizations[organization].name = title
        self.organizations[organization].slug = slug
        return organization

    def delete_organization(self, entry: Entry) -> None:
        """Delete the current organization, as its owner."""
        organization, _ = self._act(entry, "organization.delete")
        self.organizations[organization].deleted = True

    def restore_organization(self, organization: str) -> None:
        """Undo a deletion, as a service."""
        self._require_deleted(organization)
        self.organizations[organization].deleted = False

    def purge_organization(self, organization: str) -> None:
        """Purge a deleted organization, as a service."""
        self._require_deleted(organization)
        self._remove_organization(organization)

    def _require_deleted(self, organization: str) -> None:
        if organization not in self.organizations or not self.organizations[organization].deleted:
            raise Refused("P0002", "deleted_organization_not_found")

    def _remove_organization(self, organization: str) -> None:
        del self.organizations[organization]
        self.roles = {pair: role for pair, role in self.roles.items() if pair[0] != organization}
        self.invitations = {n: i for n, i in self.invitations.items() if i.organization != organization}
        self._empty(organization)

    # -- members ---------------------------------------------------------------

    def _member(self, organization: str, person: str) -> str:
        role = self._role(organization, person)
        if role is None:
            raise Refused("P0002", "member_not_found")
        return role

    def change_member_role(self, entry: Entry, person: str, role: str) -> None:
        """Give a member another role."""
        organization, acting = self._act(entry, "members.change_role")
        held = self._member(organization, person)
        self._delegated(acting, held)
        if role not in ROLES:
            raise Refused("22023", "unknown_role")
        self._delegated(acting, role)
        if role != held and self._is_last_owner(organization, person):
            raise must_keep_an_owner()
        self.roles[organization, person] = role

    def remove_member(self, entry: Entry, person: str, permission: str = "members.remove") -> None:
        """End somebody's membership."""
        organization, acting = self._act(entry, permission)
        self._delegated(acting, self._member(organization, person))
        self._end_membership(organization, person)

    def leave_organization(self, entry: Entry) -> None:
        """End one's own membership."""
        self._in_person(entry)
        organization, _ = self._act(entry, None)
        self._end_membership(organization, entry.person or "")

    def _end_membership(self, organization: str, person: str) -> None:
        if self._is_last_owner(organization, person):
            raise must_keep_an_owner()
        self.roles.pop((organization, person), None)

    # -- invitations -----------------------------------------------------------

    def invite_member(self, entry: Entry, email: str, role: str) -> str:
        """Invite an address."""
        organization, acting = self._act(entry, "members.invite")
        self._delegated(acting, role)
        if any((organization, person) in self.roles for person in self._with_email(email)):
            raise Refused("23505", "already_a_member")
        open_ones = [
            i
            for i in self.invitations.values()
            if i.organization == organization and i.email.lower() == email.lower() and i.state == "open"
        ]
        if any(not i.expired for i in open_ones):
            raise Refused("23505", "invitation_pending")
        for lapsed in open_ones:
            lapsed.state = "lapsed"
        name = self._name("invitation")
        self.invitations[name] = Invitation(organization, email, role, entry.person)
        return name

    def revoke_invitation(self, entry: Entry, name: str) -> None:
        """Revoke an invitation."""
        organization, acting = self._act(entry, "members.invite")
        invitation = self.invitations.get(name)
        if invitation is None or invitation.organization != organization:
            raise Refused("P0002", "invitation_not_found")
        self._delegated(acting, invitation.role)
        if invitation.status != "pending":
            raise Refused("55000", "invitation_not_pending")
        invitation.state = "revoked"

    def _valid(self, name: str) -> Invitation:
        invitation = self.invitations.get(name)
        if invitation is None or invitation.status != "pending" or self.organizations[invitation.organization].deleted:
            raise Refused("28000", "invalid_invitation")
        return invitation

    def peek_invitation(self, name: str) -> list[Any]:
        """Peek at an invitation with its token: the organization, the role, whether there is an account."""
        invitation = self._valid(name)
        title = self.organizations[invitation.organization].name
        return [title, invitation.role, bool(self._with_email(invitation.email))]

    def accept_invitation(self, name: str, username: str) -> list[str]:
        """Accept an invitation; return the new member and the organization."""
        invitation = self._valid(name)
        found = self._with_email(invitation.email)
        if len(found) > 1:
            found = [person for person in found if self.people[person].email == invitation.email]
            if len(found) != 1:
                raise Refused("21000", "email_ambiguous")
        person = found[0] if found else self._name("person")
        if not found:
            self.people[person] = Person(invitation.email, username)
        invitation.state, invitation.accepted_by = "accepted", person
        self.roles.setdefault((invitation.organization, person), invitation.role)
        return [person, invitation.organization]
