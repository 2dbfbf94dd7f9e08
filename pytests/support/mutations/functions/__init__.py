"""Checks in functions, one module for each subject.

A module lists parts of definitions and their replacements, by function.
"""

from __future__ import annotations

from typing import Any

import psycopg

from support.mutations import Mutation
from support.mutations.functions import (
    activation,
    api_keys,
    audit_log,
    below_authors,
    context,
    contracts,
    costs,
    entering,
    explaining,
    instances,
    invitations,
    members,
    models,
    modules,
    money,
    offerings,
    organizations,
    policy_forms,
    protection,
    sessions,
    settings,
    taken_keys,
    tenant_tables,
    tickets,
    user_data,
    user_emails,
    users,
    writing,
)

__all__ = ["SUBJECTS", "Change", "function_mutations", "named"]

# A function, a part of it, and its replacement.
Change = tuple[str, str, str]

_MODULES = (
    context,
    entering,
    contracts,
    policy_forms,
    taken_keys,
    protection,
    organizations,
    members,
    audit_log,
    tickets,
    user_emails,
    user_data,
    invitations,
    tenant_tables,
    api_keys,
    instances,
    models,
    users,
    sessions,
    modules,
    settings,
    writing,
    activation,
    money,
    offerings,
    costs,
    below_authors,
    explaining,
)
SUBJECTS: dict[str, list[Change]] = {
    module.__name__.rpartition(".")[2]: [
        (function, old, new) for function, pairs in module.CHANGES.items() for old, new in pairs
    ]
    for module in _MODULES
}


def named(function: str, old: str, new: str) -> str:
    """Return the name of a mutation of a function."""
    return f"{function}: {old!r} -> {new!r}"


def function_mutations(connection: psycopg.Connection[Any], subject: str) -> list[Mutation]:
    """Return the mutations of a subject's functions, in a database with the whole plan deployed.

    Args:
        connection: the superuser's.
        subject: one of ``SUBJECTS``.

    Raises:
        LookupError: a function does not contain the part to replace.

    """
    mutations, absent = [], []
    for function, old, new in SUBJECTS[subject]:
        row = connection.execute("SELECT pg_get_functiondef(%s::regprocedure)", [function]).fetchone()
        assert row is not None
        (definition,) = row
        if old not in definition:
            absent.append((function, old))
        changed = definition.replace(old, new)
        mutations.append(Mutation(named(function, old, new), function, "function", changed, definition))
    if absent:
        raise LookupError(f"functions are written in other words by now: {absent}")
    return mutations
