"""Makes mutations one after the other, and checks whether a probe notices each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import psycopg

from support.mutations import Mutation
from support.mutations.catalog import catalog_mutations
from support.mutations.functions import function_mutations
from support.mutations.items import FUNCTION_ITEMS, REDUNDANT, item_of
from support.mutations.noticed import noticed_by
from support.probes import SUMMARIES, Probe, Probed, about, probes
from support.scripts import differences
from support.server import Logins, Server

__all__ = ["Trials", "state"]

GUARDS = r"""
SELECT p::text FROM pg_policies AS p
UNION ALL
SELECT format('%s %s %s', oid::regclass, relrowsecurity, relforcerowsecurity)
FROM pg_class WHERE relkind = 'r' AND oid >= 16384
UNION ALL
SELECT format('%s %s', pg_get_triggerdef(oid), tgenabled) FROM pg_trigger WHERE NOT tgisinternal
UNION ALL
SELECT format('%s %s %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) FROM pg_constraint
UNION ALL
SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indexrelid >= 16384
UNION ALL
SELECT regexp_replace(pg_get_functiondef(oid), '\n SET [^\n]*', '', 'g')
    || array(SELECT unnest(proconfig) ORDER BY 1)::text
FROM pg_proc WHERE pronamespace IN ('tenancy'::regnamespace, 'tenancy_private'::regnamespace) AND prokind <> 'a'
UNION ALL
SELECT format('%s: %s to %s', object, privilege_type, grantee) FROM (
    SELECT oid::regclass::text AS object, acl.*
    FROM pg_class, aclexplode(coalesce(relacl, acldefault('r', relowner))) AS acl
    WHERE relkind IN ('r', 'm') AND oid >= 16384
    UNION ALL
    SELECT format('%s(%s)', attrelid::regclass, attname), acl.* FROM pg_attribute, aclexplode(attacl) AS acl
    UNION ALL
    SELECT oid::regprocedure::text, acl.*
    FROM pg_proc, aclexplode(coalesce(proacl, acldefault('f', proowner))) AS acl
    WHERE proacl IS NOT NULL OR pronamespace <> 'pg_catalog'::regnamespace
    UNION ALL
    SELECT nspname, acl.* FROM pg_namespace, aclexplode(coalesce(nspacl, acldefault('n', nspowner))) AS acl
    UNION ALL
    SELECT 'database', acl.* FROM pg_database, aclexplode(coalesce(datacl, acldefault('d', datdba))) AS acl
    WHERE datname = current_database()
) AS grants
"""

TABLES = """
SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r'
    AND relnamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema', 'sqitch', 'tenancy_archive')
"""

ROWS = "SELECT '{table}: ' || (to_jsonb(t) - 'owner_changes')::text FROM {table} AS t {some}"
# Probes that commit leave only entries in the log, and counters.
SOME = {
    "tenancy.audit_log": "WHERE t.occurred_at <= '{prepared}'",
    "tenancy_private.email_locks": "WHERE false",
}


def state(admin: psycopg.Connection[Any], prepared: Any) -> list[str]:
    """Return every guard and every row of a database, each as a comparable line.

    Args:
        admin: the superuser's connection.
        prepared: when the database was prepared; later entries of the log are left out.

    """
    tables = [table for (table,) in admin.execute(TABLES).fetchall()]
    rows = [ROWS.format(table=table, some=SOME.get(table, "").format(prepared=prepared)) for table in tables]
    return sorted(text for (text,) in admin.execute("\nUNION ALL\n".join([GUARDS, *rows])).fetchall())


@dataclass(frozen=True)
class _Prepared:
    """A database as it was before any mutation."""

    probed: Probed
    at: Any
    state: list[str]
    dump: list[str]
    catalog: list[Mutation]

    def check(self) -> None:
        """Check, in some milliseconds, that nothing is left of any mutation."""
        _same(self.state, state(self.probed.admin, self.at))

    def check_dump(self) -> None:
        """Check the same as pg_dump sees it, in a fraction of a second."""
        _same(self.dump, _dump(self.probed))


def _same(before: list[str], after: list[str]) -> None:
    if before != after:
        raise AssertionError("not taken back:\n" + differences("\n".join(before), "\n".join(after)))


def _dump(probed: Probed) -> list[str]:
    # A privilege that was revoked and granted again is last in its list.
    return sorted(probed.database.dump().splitlines())


# The number of mutations for the same connections.
MANY = 100


class Trials:
    """A database for many items, one after the other, replaced as soon as something is left in it.

    Args:
        server: the server of the database.
        template: the name of a database with the whole plan deployed.
        logins: the run's.

    """

    def __init__(self, server: Server, template: str, logins: Logins) -> None:
        self._server, self._template, self._logins = server, template, logins
        self._stack = ExitStack()
        self._prepared: _Prepared | None = None
        self._probes = probes()
        self._by_text = {probe.text: probe for probe in self._probes}
        self._noticed_by = noticed_by()
        self._made = 0

    def run(self, item: str, *, redundant: bool = False) -> dict[str, str | None]:
        """Make each mutation of an item, run probes, and undo it; return the probe that noticed each, or None.

        Args:
            item: one of ``ITEMS``.
            redundant: also those without an effect, for which every probe runs.

        Raises:
            AssertionError: something is left, or, with redundant, a probe answers wrong without a mutation.

        """
        prepared = self._database()
        # Until everything has been checked to be as it was.
        self._prepared = None
        probed = prepared.probed
        if item in FUNCTION_ITEMS:
            mutations = function_mutations(probed.admin, FUNCTION_ITEMS[item])
        else:
            mutations = [mutation for mutation in prepared.catalog if item_of(mutation) == item]
        likely = about(FUNCTION_ITEMS.get(item, ""))
        noticed: dict[str, str | None] = {}
        for mutation in mutations:
            if mutation.name in REDUNDANT and not redundant:
                continue
            probed.admin.execute(mutation.do)
            probe = next((probe for probe in self._in_order(mutation, likely) if probe.answers_wrong(probed)), None)
            probed.admin.execute(mutation.undo)
            # In CI the probes are a test of their own.
            if redundant and probe and probe.answers_wrong(probed):
                raise AssertionError(f"wrong without a mutation: {probe.text}")
            noticed[mutation.name] = probe.text if probe else None
        prepared.check()
        self._prepared = prepared
        self._made += len(mutations)
        return noticed

    def close(self) -> None:
        """Check the database a last time, as pg_dump sees it, and drop it."""
        with self._stack:
            if self._prepared:
                self._prepared.check_dump()

    def _database(self) -> _Prepared:
        if self._prepared is None:
            return self._prepare()
        # After hundreds of mutations a session has cached so much of the catalog that each further one
        # takes long to invalidate.
        if self._made > MANY:
            self._made = 0
            self._prepared.probed.connect()
        return self._prepared

    def _prepare(self) -> _Prepared:
        self._made = 0
        self._stack.close()
        database = self._server.create(self._template)
        self._stack.callback(self._server.drop, database.name)
        probed = Probed(database, self._logins, self._stack)
        row = probed.admin.execute("SELECT clock_timestamp()").fetchone()
        assert row is not None
        (now,) = row
        return _Prepared(probed, now, state(probed.admin, now), _dump(probed), catalog_mutations(probed.admin))

    def _in_order(self, mutation: Mutation, likely: set[str]) -> Iterator[Probe]:
        """Yield the probe that noticed last time, then all: those about all objects, then the likeliest ones.

        Args:
            mutation: one of the item's.
            likely: the texts of the probes about the item's subject.

        """
        last = self._by_text.get(self._noticed_by.get(mutation.name, ""))
        if last:
            yield last
        # A changed function is most likely noticed by the probes that noticed its earlier
        # mutations.
        function = mutation.name.partition(": ")[0]
        siblings = {text for name, text in self._noticed_by.items() if name.startswith(f"{function}: ")}
        yield from (self._by_text[text] for text in sorted(siblings & self._by_text.keys()))
        names = {name for name in re.findall(r"\w+", mutation.name) if "_" in name or name.endswith("s")}
        for part in (self._probes[:SUMMARIES], self._probes[SUMMARIES:]):
            # Probes about the subject come first, and those that share most names with the mutated object.
            yield from sorted(
                part, key=lambda probe: (probe.text not in likely, -sum(name in probe.text for name in names))
            )
