"""The kernel's promises, as many small questions that take a few seconds.

A module for each subject has ``QUESTIONS``, which are data, and ``OTHERS``, functions that mostly
need two sessions.
"""

from __future__ import annotations

from support.probes import (
    activation,
    api_keys,
    audit_log,
    below_authors,
    constraints,
    context,
    contracts,
    costs,
    explaining,
    instances,
    invitations,
    isolation,
    keys,
    members,
    models,
    money,
    offerings,
    organizations,
    privileges,
    protection,
    sessions,
    settings,
    tenant_tables,
    user_emails,
    users,
)
from support.probes.base import Probe, Probed

__all__ = ["SUMMARIES", "Probe", "Probed", "about", "probes"]

# The number of probes, at the beginning, that are about all objects at once.
SUMMARIES = len(privileges.SUMMARIES)

_QUESTIONERS = (
    privileges,
    isolation,
    context,
    organizations,
    members,
    invitations,
    user_emails,
    tenant_tables,
    api_keys,
    instances,
    models,
    users,
    sessions,
    settings,
    audit_log,
    constraints,
    keys,
    contracts,
    protection,
    activation,
    money,
    offerings,
    costs,
    explaining,
    below_authors,
)


def probes() -> list[Probe]:
    """Return every probe: those about all objects, the quick ones, and those that may wait."""
    questions = [question for module in _QUESTIONERS for question in module.QUESTIONS]
    others = [
        Probe(text, ask)
        for module in (
            context,
            contracts,
            isolation,
            protection,
            members,
            invitations,
            keys,
            api_keys,
            instances,
            users,
            sessions,
            activation,
        )
        for text, ask in module.OTHERS.items()
    ]
    summaries = [Probe(text, ask) for text, ask in privileges.SUMMARIES.items()]
    return [*summaries, *map(Probe.of, questions), *others]


def about(subject: str) -> set[str]:
    """Return the texts of the questions of a module, such as ``costs``; none if there is no such module."""
    return {
        Probe.of(question).text
        for module in _QUESTIONERS
        if module.__name__.endswith(f".{subject}")
        for question in module.QUESTIONS
    }
