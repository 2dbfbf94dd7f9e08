"""The state at the beginning of a play."""

from __future__ import annotations

from support.random_people.model import PLATFORM, Instance, Invitation, Key, Model, Note, Organization, Person, Platform

__all__ = ["beginning"]


def beginning() -> Platform:
    """Two organizations with a common member, a person in none, platform staff, and a row of every kind everywhere."""
    return Platform(
        people={
            "ann": Person("ann@example.com", "ann"),
            "bob": Person("bob@example.com", "bob"),
            "cleo": Person("cleo@example.com", "cleo"),
            "dan": Person("dan@example.com", "dan"),
            "eve": Person("eve@example.com", "eve"),
            "sam": Person("sam@example.com", "sam", staff=True),
        },
        organizations={
            "Acme": Organization("Acme", "acme", "ann"),
            "Globex": Organization("Globex", "globex", "bob"),
        },
        roles={
            ("Acme", "ann"): "owner",
            ("Acme", "bob"): "admin",
            ("Acme", "cleo"): "manager",
            ("Acme", "dan"): "user",
            ("Globex", "bob"): "owner",
            ("Globex", "sam"): "manager",
            ("Globex", "dan"): "user",
        },
        invitations={
            "invitation A": Invitation("Acme", "eve@example.com", "admin", "ann"),
            "invitation B": Invitation("Globex", "new@example.com", "user", "bob"),
        },
        keys={
            "key of Acme": Key("Acme", "cleo", "ci"),
            "key of Globex": Key("Globex", "bob", "ci"),
            "key of dan": Key("dan", "dan", "laptop"),
            "key of sam": Key("sam", "sam", "laptop"),
        },
        instances={
            "instance A": Instance("Acme", "model A"),
            "instance B": Instance("Globex", "model P", "ready"),
            "instance T": Instance("Acme", None, "terminated"),
            "instance D": Instance("dan", "model P", "running"),
            "instance P": Instance(PLATFORM, None, "ready"),
        },
        notes={
            "note A": Note("instance A", "first"),
            "note B": Note("instance B", "first"),
            "note D": Note("instance D", "first"),
            "note P": Note("instance P", "first"),
        },
        models={
            "model A": Model("Acme", "tuned", "hub/small"),
            "model B": Model("Globex", "tuned", "hub/small"),
            "model P": Model(PLATFORM, "small", "hub/small"),
            "model Q": Model(PLATFORM, "large", "hub/large"),
        },
    )
