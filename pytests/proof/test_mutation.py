"""Each guard of the kernel is taken away in turn, and some probe must notice.

Policies, grants, triggers, constraints and row-level security are listed from
the catalog; what functions check is listed in ``support/mutations/functions``.
Every mutation is committed in a database of its own, asked about, and undone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from operator import itemgetter
from typing import Any

import psycopg
import pytest

from support.database import Database
from support.mutations.catalog import catalog_mutations
from support.mutations.functions import SUBJECTS, named
from support.mutations.items import CATALOG_ITEMS, ITEMS, LONG, REDUNDANT, item_of
from support.mutations.trials import Trials, state
from support.probes import Probed, probes
from support.server import Logins, Server

Connection = psycopg.Connection[tuple[Any, ...]]


@pytest.fixture(scope="session")
def trials(server: Server, template: str, logins: Logins) -> Iterator[Trials]:
    with closing(Trials(server, template, logins)) as trials:
        yield trials


@pytest.fixture
def probed(database: Database, logins: Logins) -> Iterator[Probed]:
    with ExitStack() as stack:
        yield Probed(database, logins, stack)


@pytest.mark.parametrize("item", [item for item in ITEMS if item not in LONG])
def test_mutations(trials: Trials, item: str) -> None:
    noticed = trials.run(item)
    assert noticed
    survivors = {name for name, probe in noticed.items() if probe is None}
    assert survivors == set(), "\n".join(survivors)


def test_the_probes_find_nothing_wrong(probed: Probed) -> None:
    questions = [(probe.begins, probe) for probe in probes() if probe.begins is not None]
    with probed.keeping():
        # Those that begin alike one after the other.
        for _, probe in sorted(questions, key=itemgetter(0)):
            probe.ask(probed)
    for probe in probes():
        if probe.begins is None:
            probe.ask(probed)


def test_every_mutation_of_the_catalog_belongs_to_one_item(admin: Connection) -> None:
    mutations = catalog_mutations(admin)
    assert {item_of(mutation) for mutation in mutations} == set(CATALOG_ITEMS)
    names = [mutation.name for mutation in mutations]
    names += [named(*change) for subject in SUBJECTS.values() for change in subject]
    assert len(names) == len(set(names))
    assert REDUNDANT.keys() <= set(names)


# One of each kind of thing that a mutation changes, and a row.
LEFT = [
    "ALTER POLICY users_select ON public.users USING (true)",
    "DROP POLICY users_select ON public.users",
    "ALTER TABLE tenancy.invitations NO FORCE ROW LEVEL SECURITY",
    "ALTER TABLE tenancy_private.seal_keys DISABLE ROW LEVEL SECURITY",
    "GRANT INSERT ON tenancy_private.seal_keys TO tenancy_app",
    "GRANT UPDATE (email) ON public.users TO tenancy_app",
    "REVOKE EXECUTE ON FUNCTION tenancy.members() FROM tenancy_credentialed",
    "GRANT EXECUTE ON FUNCTION lo_create(oid) TO PUBLIC",
    "GRANT CREATE ON SCHEMA public TO PUBLIC",
    "DROP TRIGGER models_tenancy_permission ON public.models",
    "ALTER TABLE public.models ENABLE TRIGGER models_tenancy_permission",
    "GRANT SELECT (id) ON tenancy_private.email_lock_keys TO tenancy_app",
    "ALTER TABLE tenancy.workspaces DROP CONSTRAINT workspaces_plan_check",
    "DROP INDEX tenancy_private.seal_keys_current_idx",
    "ALTER FUNCTION tenancy.members() RESET search_path",
    "CREATE OR REPLACE FUNCTION tenancy.check_permission() RETURNS trigger LANGUAGE plpgsql"
    " AS 'BEGIN RETURN NULL; END'",
    "UPDATE tenancy.workspaces SET plan = 'subscriber'",
    "INSERT INTO tenancy_private.ticket_keys VALUES ('00000000', '', '')",
    "INSERT INTO tenancy.role_permissions VALUES ('models.create', 'user')",
]


def test_leftovers_of_a_mutation_are_found(admin: Connection) -> None:
    before = state(admin, "now")
    for statement in LEFT:
        with admin.transaction(force_rollback=True):
            admin.execute(statement.encode())
            assert state(admin, "now") != before, statement
    assert state(admin, "now") == before
