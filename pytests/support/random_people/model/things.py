"""The platform's objects, the entries, and refusals."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "ACTIVE",
    "PLATFORM",
    "STATES",
    "Entry",
    "Instance",
    "Invitation",
    "Key",
    "Model",
    "Note",
    "Organization",
    "Person",
    "Refused",
]

PLATFORM = "the platform"

# The activations of an operational object.
ACTIVE = frozenset({"tech", "eco"})

# The states of an instance.
STATES = ("provisioning", "ready", "running", "stopped", "failed", "terminating", "terminated", "booting")


class Refused(Exception):  # noqa: N818  (it is an answer)
    """An error as programs see it: its SQLSTATE and its name, if it has one.

    ``other`` is another possible error, if the order of rows decides.
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


@dataclass(frozen=True)
class Entry:
    """The entry of a transaction: a person, possibly in an organization or for the platform, or an API key."""

    person: str | None
    organization: str | None = None
    key: str | None = None
    platform: bool = False

    def __str__(self) -> str:
        if self.key:
            return self.key
        if self.platform:
            return f"{self.person} for the platform"
        return f"{self.person} in {self.organization}" if self.organization else f"{self.person} by themself"

    @classmethod
    def read(cls, text: str) -> Entry:
        """Return the object with this text."""
        person, inside, organization = text.partition(" in ")
        if inside:
            return cls(person, organization)
        if text.endswith(" by themself"):
            return cls(text.removesuffix(" by themself"))
        if text.endswith(" for the platform"):
            return cls(text.removesuffix(" for the platform"), platform=True)
        return cls(None, key=text)


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
    """An invitation of an organization; ``state`` is open, accepted, revoked or lapsed."""

    organization: str
    email: str
    role: str
    invited_by: str | None
    accepted_by: str | None = None
    state: str = "open"
    expired: bool = False

    @property
    def status(self) -> str:
        """Return the status in the list of invitations."""
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
    activations: frozenset[str] = ACTIVE


@dataclass
class Instance:
    """A machine."""

    workspace: str
    model: str | None
    status: str = "provisioning"
    profile: str | None = None
    activations: frozenset[str] = ACTIVE


@dataclass
class Note:
    """A row of the application's own protected table: a note, in the workspace of its instance."""

    instance: str
    text: str


@dataclass
class Model:
    """A model, of an organization or public."""

    workspace: str
    name: str
    model_id: str
    activations: frozenset[str] = ACTIVE
