"""What the platform ought to do, in Python: who may do and see what, without a database.

Written from the specification. Everything is known by a name (``ann``, ``Acme``,
``instance 3``) and never by an id, so that the two cannot agree by copying. A
method either changes the model and answers, or raises ``Refused`` and changes
nothing. ``proof/test_property.py`` does the same things to a database and compares.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from support.access_matrix import DELEGATION, PERMISSIONS, ROLES

__all__ = ["PLATFORM", "STATES", "Entry", "Platform", "Refused"]

PLATFORM = "the platform"

# What an instance can be when it is terminated or reinstalled.
STATES = ("provisioning", "ready", "running", "stopped", "failed", "terminating", "terminated", "reinstalling")
_ENDING = {"terminating", "terminated"}
_ALLOWED_IN = {
    "terminate": {"provisioning", "ready", "running", "stopped", "failed", "reinstalling"},
    "reinstall": {"ready", "running", "stopped", "failed"},
}
_LEADS_TO = {"terminate": "terminating", "reinstall": "reinstalling"}


class Refused(Exception):  # noqa: N818  (it is an answer)
    """An error, as a program knows it: its SQLSTATE and its name, if it has one.

    ``other`` is the one that comes as well, where the order of rows decides.
    """

    def __init__(self, sqlstate: str, name: str | None = None, other: Refused | None = None) -> None:
        super().__init__(sqlstate, name)
        self.sqlstate = sqlstate
        self.name = name
        self.other = other

    def is_it(self, sqlstate: str | None, name: str | None) -> bool:
        """Whether an error is this one."""
        if (sqlstate, name) == (self.sqlstate, self.name):
            return True
        return self.other is not None and self.other.is_it(sqlstate, name)

    def __str__(self) -> str:
        return f"{self.sqlstate} {self.name}" if self.name else self.sqlstate


def _denied() -> Refused:
    return Refused("42501", "permission_denied")


def _must_keep_an_owner() -> Refused:
    return Refused("23514", "organization_keeps_an_owner")


def _taken() -> Refused:
    return Refused("23505", "email_taken")


@dataclass(frozen=True)
class Entry:
    """How a transaction enters: a person, maybe in an organization, or an API key."""

    person: str | None
    organization: str | None = None
    key: str | None = None

    def __str__(self) -> str:
        if self.key:
            return self.key
        return f"{self.person} in {self.organization}" if self.organization else f"{self.person} by themself"


@dataclass
class Person:
    """An account."""

    email: str
    username: str
    staff: bool = False


@dataclass
class Organization:
    """A tenant."""

    name: str
    slug: str
    created_by: str | None
    deleted: bool = False


@dataclass
class Invitation:
    """Whom an organization invited; ``state`` is open, accepted, revoked or lapsed."""

    organization: str
    email: str
    role: str
    invited_by: str | None
    accepted_by: str | None = None
    state: str = "open"
    expired: bool = False

    @property
    def status(self) -> str:
        """Return what the list of invitations shows."""
        if self.state == "open":
            return "expired" if self.expired else "pending"
        return "expired" if self.state == "lapsed" else self.state


@dataclass
class Key:
    """An API key, of a person or of an organization."""

    workspace: str
    person: str | None
    name: str
    revoked: bool = False
    expired: bool = False


@dataclass
class Instance:
    """A machine."""

    workspace: str
    model: str | None
    status: str = "provisioning"
    profile: str | None = None


@dataclass
class Model:
    """A model, of an organization or public."""

    workspace: str
    name: str
    model_id: str


@dataclass
class Platform:
    """Everything there is."""

    people: dict[str, Person] = field(default_factory=dict)
    organizations: dict[str, Organization] = field(default_factory=dict)
    roles: dict[tuple[str, str], str] = field(default_factory=dict)
    """By organization and person."""
    invitations: dict[str, Invitation] = field(default_factory=dict)
    keys: dict[str, Key] = field(default_factory=dict)
    instances: dict[str, Instance] = field(default_factory=dict)
    models: dict[str, Model] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def _name(self, kind: str) -> str:
        return f"{kind} {next(self._numbers)}"

    # -- the context -----------------------------------------------------------

    def entries(self) -> list[Entry]:
        """Return every way in that is open."""
        people = [Entry(person) for person in self.people]
        members = [
            Entry(person, organization)
            for organization, person in self.roles
            if not self.organizations[organization].deleted
        ]
        return people + members + [Entry(None, key=key) for key in self.keys if self._works(key)]

    def closed(self) -> list[Entry]:
        """Return every way in that there is a row for and that is closed nevertheless."""
        members = [Entry(person, organization) for organization, person in self.roles]
        entries = self.entries()
        return [entry for entry in (*members, *(Entry(None, key=key) for key in self.keys)) if entry not in entries]

    def enter(self, entry: Entry) -> None:
        """Check that this way in is open."""
        if entry.key:
            if not self._works(entry.key):
                raise Refused("28000", "invalid_api_key")
        elif entry.organization:
            if self._role(entry.organization, entry.person) is None or self.organizations[entry.organization].deleted:
                raise Refused("28000", "not_a_member")
        elif entry.person not in self.people:
            raise Refused("28000", "not_a_member")

    def _works(self, name: str) -> bool:
        key = self.keys.get(name)
        if key is None or key.revoked or key.expired:
            return False
        return key.workspace in self.people or not self.organizations[key.workspace].deleted

    def _role(self, organization: str, person: str | None) -> str | None:
        return self.roles.get((organization, person or ""))

    def workspace(self, entry: Entry) -> str:
        """Return what the transaction works in."""
        if entry.key:
            return self.keys[entry.key].workspace
        return entry.organization or entry.person or ""

    def _organization(self, entry: Entry) -> str | None:
        workspace = self.workspace(entry)
        return workspace if workspace in self.organizations else None

    def _person(self, entry: Entry) -> str | None:
        return self.keys[entry.key].person if entry.key else entry.person

    def role(self, entry: Entry) -> str | None:
        """Return the role in the organization; None in personal mode."""
        organization = self._organization(entry)
        if organization is None:
            return None
        return "user" if entry.key else self._role(organization, entry.person)

    def _is_staff(self, entry: Entry) -> bool:
        """Whether platform staff act, who do so in personal mode and in person."""
        return not entry.key and not entry.organization and self.people[entry.person or ""].staff

    def _has(self, entry: Entry, permission: str) -> bool:
        role = self.role(entry)
        return role is None or role in PERMISSIONS[permission]

    def _require(self, entry: Entry, permission: str) -> None:
        if not self._has(entry, permission):
            raise _denied()

    def _act(self, entry: Entry, permission: str | None) -> tuple[str, str]:
        """Check what every change of an organization needs; return it and the role."""
        organization, role = self._organization(entry), self.role(entry)
        if organization is None or role is None:
            raise Refused("55000", "organization_required")
        self._in_person(entry)
        if permission:
            self._require(entry, permission)
        return organization, role

    @staticmethod
    def _in_person(entry: Entry) -> None:
        if entry.key:
            raise Refused("42501", "person_required")

    @staticmethod
    def _delegated(role: str, dealt: str) -> None:
        if dealt not in DELEGATION[role]:
            raise Refused("42501", "delegation_denied")

    # -- what is seen ----------------------------------------------------------

    def seen(self, entry: Entry) -> dict[str, list[list[Any]]]:
        """Return everything that can be read from a workspace, as rows by name."""
        workspace, organization, role = self.workspace(entry), self._organization(entry), self.role(entry)
        own, public = {workspace}, {workspace, PLATFORM}
        view: dict[str, list[list[Any]]] = {
            "context": [[self._person(entry), workspace, role]],
            "permissions": [[name] for name in PERMISSIONS if self._has(entry, name)],
            "workspaces": [[workspace, "organization" if organization else "personal", organization]],
            "models": self._models(public),
            "instances": self._instances(own if organization else public),
            "api_keys": self._keys(own),
            "my_organizations": [
                [name, self.organizations[name].name, role if entry.key else self.roles[name, person]]
                for name, person in ([(workspace, "")] if entry.key and organization else list(self.roles))
                if not self.organizations[name].deleted
                if (entry.key and name == organization) or (not entry.key and person == entry.person)
            ],
            "badges": [
                [name, f"Org: {tenant.name}"]
                for name, tenant in self.organizations.items()
                if (name == organization if entry.key else (name, entry.person) in self.roles)
            ],
        }
        if organization is None:
            none: list[list[Any]] = []
            return view | {
                "users": self._users(set(self.people) if self._is_staff(entry) else {self._person(entry)}),
                "all_users": [row[:3] for row in self._users(self.people)] if self._is_staff(entry) else none,
                "organizations": none,
                "memberships": none,
                "members": none,
                "invitations": none,
                "invitation_list": none,
            }
        invites = self._has(entry, "members.invite")
        return view | {
            "all_users": [],
            "users": self._users({person for tenant, person in self.roles if tenant == organization}),
            "organizations": self._organizations(own),
            "memberships": self._memberships(own),
            "members": [row[1:] for row in self._memberships(own)],
            "invitations": self._invitations(own if invites else ()),
            "invitation_list": [
                [name, invitation.email, invitation.role, invitation.status]
                for name, invitation in self.invitations.items()
                if invites and invitation.organization == organization
            ],
        }

    def everything(self) -> dict[str, list[list[Any]]]:
        """Return every row there is."""
        tenants = self.organizations
        return {
            "users": self._users(self.people),
            "organizations": self._organizations(tenants),
            "memberships": self._memberships(tenants),
            "invitations": self._invitations(tenants),
            "models": self._models({*tenants, PLATFORM}),
            "instances": self._instances({*self.people, *tenants, PLATFORM}),
            "api_keys": self._keys({*self.people, *tenants}),
            "deleted": [[name] for name, tenant in tenants.items() if tenant.deleted],
        }

    def _users(self, visible: Collection[str | None]) -> list[list[Any]]:
        return [
            [name, person.email, person.username, "admin" if person.staff else "user"]
            for name, person in self.people.items()
            if name in visible
        ]

    def _organizations(self, visible: Collection[str]) -> list[list[Any]]:
        return [
            [name, tenant.name, tenant.slug, tenant.created_by]
            for name, tenant in self.organizations.items()
            if name in visible
        ]

    def _memberships(self, visible: Collection[str]) -> list[list[Any]]:
        return [[tenant, person, role] for (tenant, person), role in self.roles.items() if tenant in visible]

    def _invitations(self, visible: Collection[str]) -> list[list[Any]]:
        return [
            [name, i.organization, i.email, i.role, i.invited_by, i.accepted_by, i.state]
            for name, i in self.invitations.items()
            if i.organization in visible
        ]

    def _models(self, visible: Collection[str]) -> list[list[Any]]:
        return [[name, m.workspace, m.name, m.model_id] for name, m in self.models.items() if m.workspace in visible]

    def _instances(self, visible: Collection[str]) -> list[list[Any]]:
        return [
            [name, i.workspace, i.model, i.status, i.profile]
            for name, i in self.instances.items()
            if i.workspace in visible
        ]

    def _keys(self, visible: Collection[str]) -> list[list[Any]]:
        return [
            [name, key.workspace, key.person, key.name, key.revoked]
            for name, key in self.keys.items()
            if key.workspace in visible
        ]

    # -- organizations ---------------------------------------------------------

    def _free_slug(self, slug: str, but: str | None = None) -> None:
        if any(tenant.slug == slug for name, tenant in self.organizations.items() if name != but):
            raise Refused("23505", "organization_slug_taken")

    def create_organization(self, entry: Entry, title: str, slug: str) -> str:
        """Make an organization."""
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
        """End a deleted organization for good, as a service."""
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

    def _empty(self, workspace: str) -> None:
        self.keys = {name: key for name, key in self.keys.items() if key.workspace != workspace}
        self.instances = {name: i for name, i in self.instances.items() if i.workspace != workspace}
        self.models = {name: m for name, m in self.models.items() if m.workspace != workspace}

    # -- members ---------------------------------------------------------------

    def _member(self, organization: str, person: str) -> str:
        role = self._role(organization, person)
        if role is None:
            raise Refused("P0002", "member_not_found")
        return role

    def _is_last_owner(self, organization: str, person: str) -> bool:
        owners = [who for (tenant, who), role in self.roles.items() if tenant == organization and role == "owner"]
        return owners == [person]

    def change_member_role(self, entry: Entry, person: str, role: str) -> None:
        """Give a member another role."""
        organization, acting = self._act(entry, "members.change_role")
        held = self._member(organization, person)
        self._delegated(acting, held)
        if role not in ROLES:
            raise Refused("22023", "unknown_role")
        self._delegated(acting, role)
        if role != held and self._is_last_owner(organization, person):
            raise _must_keep_an_owner()
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
            raise _must_keep_an_owner()
        self.roles.pop((organization, person), None)

    # -- invitations -----------------------------------------------------------

    def _with_email(self, email: str) -> list[str]:
        return [name for name, person in self.people.items() if person.email.lower() == email.lower()]

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
        """Take an invitation back."""
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
        """Look at an invitation with its token: the organization, the role, whether there is an account."""
        invitation = self._valid(name)
        title = self.organizations[invitation.organization].name
        return [title, invitation.role, bool(self._with_email(invitation.email))]

    def accept_invitation(self, name: str, username: str) -> list[str]:
        """Use a token; return who has become a member, and of what."""
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

    # -- API keys --------------------------------------------------------------

    def _act_on_keys(self, entry: Entry, permission: str) -> str:
        if self._organization(entry):
            self._act(entry, permission)
        self._in_person(entry)
        return self.workspace(entry)

    def _key(self, workspace: str, name: str) -> Key:
        key = self.keys.get(name)
        if key is None or key.workspace != workspace:
            raise Refused("P0002", "api_key_not_found")
        return key

    def create_api_key(self, entry: Entry, title: str) -> str:
        """Make a key of the current workspace."""
        workspace = self._act_on_keys(entry, "api_keys.create")
        name = self._name("key")
        self.keys[name] = Key(workspace, entry.person, title)
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
        """Return the instances that a statement comes to; those of the platform only staff may change."""
        workspaces = {self.workspace(entry)} | (set() if self._organization(entry) else {PLATFORM})
        found = [i for n, i in self.instances.items() if i.workspace in workspaces and name in {None, n}]
        if any(i.workspace == PLATFORM for i in found) and not self._is_staff(entry):
            raise _denied()
        return found

    def insert_instance(self, entry: Entry, model: str | None) -> str:
        """Make an instance."""
        self._require(entry, "instances.create")
        self._usable(self.workspace(entry), model)
        name = self._name("instance")
        self.instances[name] = Instance(self.workspace(entry), model)
        return name

    def update_instance_model(self, entry: Entry, name: str, model: str) -> int:
        """Let an instance use another model."""
        self._require(entry, "instances.update")
        found = self._reached(entry, name)
        for instance in found:
            self._usable(instance.workspace, model)
            instance.model = model
        return len(found)

    def update_instance_profile(self, entry: Entry, name: str | None, profile: str) -> int:
        """Change what one instance is, or what all are."""
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
            action = "terminate" if status in _ENDING else "reinstall" if status == "reinstalling" else None
            if action is None:
                allowed = instance.status not in _ENDING
            else:
                allowed = instance.status in _ALLOWED_IN[action] | {_LEADS_TO[action]}
            if not allowed:
                raise Refused("55000", "instance_state")
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

    # -- models ----------------------------------------------------------------

    def _write_models(self, entry: Entry, permission: str) -> None:
        self._require(entry, permission)
        if not self._organization(entry) and not self._is_staff(entry):
            raise _denied()

    def _unique(self, workspace: str, model_id: str, but: str | None = None) -> None:
        if any(m.workspace == workspace and m.model_id == model_id for n, m in self.models.items() if n != but):
            raise Refused("23505", "models_workspace_id_model_id_key")

    def _reached_models(self, entry: Entry, name: str | None) -> list[str]:
        workspaces = {self.workspace(entry), PLATFORM}
        found = [n for n, m in self.models.items() if m.workspace in workspaces and name in {None, n}]
        if any(self.models[n].workspace == PLATFORM for n in found) and not self._is_staff(entry):
            raise _denied()
        return found

    def insert_model(self, entry: Entry, title: str, model_id: str) -> str:
        """Make a model: the organization's, or public by staff."""
        self._write_models(entry, "models.create")
        workspace = self._organization(entry) or PLATFORM
        self._unique(workspace, model_id)
        name = self._name("model")
        self.models[name] = Model(workspace, title, model_id)
        return name

    def update_model(self, entry: Entry, name: str | None, title: str) -> int:
        """Change the title of a model, or of all."""
        self._write_models(entry, "models.update")
        found = self._reached_models(entry, name)
        for model in found:
            self.models[model].name = title
        return len(found)

    def update_model_id(self, entry: Entry, name: str, model_id: str) -> int:
        """Say that a model is another one of the hub's."""
        self._write_models(entry, "models.update")
        found = self._reached_models(entry, name)
        for model in found:
            self._unique(self.models[model].workspace, model_id, model)
            self.models[model].model_id = model_id
        return len(found)

    def delete_model(self, entry: Entry, name: str | None) -> int:
        """Delete a model, or all."""
        self._write_models(entry, "models.delete")
        used = {instance.model for instance in self.instances.values()}
        try:
            found = self._reached_models(entry, name)
        except Refused as denied:
            if name is None and any(m.workspace == entry.organization and n in used for n, m in self.models.items()):
                denied.other = Refused("23503", "model_in_use")
            raise
        if used & set(found):
            raise Refused("23503", "model_in_use")
        for model in found:
            del self.models[model]
        return len(found)

    # -- users -----------------------------------------------------------------

    def create_user(self, entry: Entry, email: str, username: str) -> str:
        """Make an account, and in an organization a member."""
        organization = None
        if self._organization(entry):
            organization, acting = self._act(entry, "users.create")
            self._delegated(acting, "user")
        else:
            self._in_person(entry)
            if not self._is_staff(entry):
                raise Refused("55000", "organization_required")
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
            elif not self._is_staff(entry):
                raise _denied()
        if email is not None and set(self._with_email(email)) - {person}:
            raise _taken()
        if person not in self.people:
            raise Refused("P0002", "user_not_found")
        self.people[person].username = username or self.people[person].username
        self.people[person].email = email or self.people[person].email

    def delete_user(self, entry: Entry, person: str) -> None:
        """End a membership, or in personal mode an account."""
        if self._organization(entry):
            self.remove_member(entry, person, "users.delete")
            return
        self._in_person(entry)
        if person != entry.person and not self._is_staff(entry):
            raise _denied()
        self._owns_nothing_alone(person)
        if person not in self.people:
            raise Refused("P0002", "user_not_found")
        self._remove_person(person)

    def find_user(self, entry: Entry, email: str) -> int:
        """Count the accounts with an address, which staff may."""
        if not self._is_staff(entry):
            raise _denied()
        return len(self._with_email(email))

    def _owns_nothing_alone(self, person: str) -> None:
        if any(self._is_last_owner(tenant, person) for tenant in self.organizations):
            raise _must_keep_an_owner()

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

    # -- services, and the application as it was before ---------------------------

    def service_instance(self, workspace: str, model: str | None) -> str:
        """Insert an instance, of whichever workspace."""
        self._usable(workspace, model)
        name = self._name("instance")
        self.instances[name] = Instance(workspace, model)
        return name

    def service_model(self, workspace: str, title: str, model_id: str) -> str:
        """Insert a model, an organization's or a public one."""
        self._unique(workspace, model_id)
        name = self._name("model")
        self.models[name] = Model(workspace, title, model_id)
        return name

    def service_key(self, person: str, title: str) -> str:
        """Insert a key of a person, with a secret of the application's."""
        name = self._name("key")
        self.keys[name] = Key(person, person, title)
        return name

    def service_user(self, email: str, username: str) -> str:
        """Insert an account; the address may be somebody's already."""
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
        """Insert a membership, or give another role."""
        if role != "owner" and self._is_last_owner(organization, person):
            raise _must_keep_an_owner()
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
        """Give a legacy instance to an organization."""
        self._assignable(organization)
        instance = self.instances.get(name)
        if instance is None or instance.workspace != PLATFORM:
            return 0
        instance.workspace = organization
        return 1

    def assign_model(self, organization: str, name: str) -> int:
        """Give a public model to an organization, with the instances there that use it."""
        self._assignable(organization)
        model = self.models.get(name)
        if model is None or model.workspace != PLATFORM:
            return 0
        self._unique(organization, model.model_id)
        if any(i.model == name and i.workspace != organization for i in self.instances.values()):
            raise Refused("23503", "model_in_use")
        model.workspace = organization
        return 1

    def _assignable(self, organization: str) -> None:
        if organization not in self.organizations or self.organizations[organization].deleted:
            raise Refused("P0002", "organization_not_found")
