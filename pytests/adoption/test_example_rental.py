"""A rental platform's tables outside of the phases, under the contracts of the example."""

# ruff: noqa: S608  (the statements are made here)

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from pg_tenancy.tools.demo.rental import TABLES
from support.database import Database
from support.racing import name_of
from support.rental import ROWS
from support.replay import WHOLE_PLAN, Replay
from support.scripts import everything, psql
from support.server import Logins, Server

CONTRACTS = Path(__file__).resolve().parents[2] / "examples" / "rental" / "contracts.sql"
ANN, BOB, CID = (UUID(f"00000000-0000-0000-0000-00000000000{letter}") for letter in "abc")
ACME, BULK = (UUID(f"00000000-0000-0000-0001-00000000000{letter}") for letter in "ab")
PROJECT, RUN, INSTANCE = (UUID(f"00000000-0000-0000-00{kind}-00000000000a") for kind in ("14", "15", "05"))


@pytest.fixture(scope="module")
def rental(server: Server, logins: Logins) -> Iterator[Database]:
    """Yield the platform under the contracts: Ann owns Acme, Cid is a member, Bob is neither."""
    database = server.create(server.state(TABLES + ROWS, WHOLE_PLAN))
    psql(database, f"--file={CONTRACTS}")
    yield database
    server.drop(database.name)


def _seen(database: Database, logins: Logins, user: UUID, organization: UUID | None) -> dict[str, int]:
    counts = {}
    for table in (
        *("workbench_projects", "workbench_runs", "workbench_messages"),
        *("instance_state_history", "instance_volumes", "instance_metrics"),
    ):
        with database.entered(logins.app, user, organization) as connection:
            row = connection.execute(f"SELECT count(*) FROM public.{table}").fetchone()
        assert row is not None
        counts[table] = row[0]
    return counts


def _error(database: Database, logins: Logins, user: UUID, organization: UUID | None, statement: str) -> str:
    try:
        with database.entered(logins.app, user, organization) as connection:
            row = connection.execute(statement.encode()).rowcount
            connection.rollback()
    except psycopg.Error as error:
        return name_of(error)
    return str(row)


WORKBENCH = ("workbench_projects", "workbench_runs", "workbench_messages")


def test_who_sees_the_workbench_and_what_hangs_on_instances(rental: Database, logins: Logins) -> None:
    instance = {"instance_state_history": 1, "instance_volumes": 1, "instance_metrics": 1}
    assert _seen(rental, logins, ANN, ACME) == dict.fromkeys(WORKBENCH, 1) | instance
    # The project is shared with the organization, but its run and messages are not.
    assert _seen(rental, logins, CID, ACME) == dict(zip(WORKBENCH, (1, 0, 0), strict=True)) | instance
    nothing = dict.fromkeys((*WORKBENCH, *instance), 0)
    assert _seen(rental, logins, BOB, BULK) == nothing | {"instance_state_history": 1}
    assert _seen(rental, logins, ANN, None) == nothing


def test_a_run_that_is_shown_shows_its_messages(rental: Database, logins: Logins) -> None:
    with rental.entered(logins.app, ANN, ACME) as connection:
        connection.execute("UPDATE public.workbench_runs SET shared_with_org = true")
    assert _seen(rental, logins, CID, ACME)["workbench_messages"] == 1
    with rental.entered(logins.app, ANN, ACME) as connection:
        connection.execute("UPDATE public.workbench_runs SET shared_with_org = false")
    assert _seen(rental, logins, CID, ACME)["workbench_messages"] == 0


@pytest.mark.parametrize(
    ("user", "organization", "statement", "outcome"),
    [
        (CID, ACME, "INSERT INTO public.workbench_projects (name) VALUES ('Mine')", "1"),
        (CID, None, "INSERT INTO public.workbench_projects (name) VALUES ('Mine')", "1"),
        (CID, ACME, f"INSERT INTO public.workbench_runs (project_id) VALUES ('{PROJECT}')", "1"),
        # Only the author can change a project, shared or not.
        (CID, ACME, "UPDATE public.workbench_projects SET name = 'x'", "0"),
        (ANN, ACME, "UPDATE public.workbench_projects SET name = 'x'", "1"),
        (BOB, BULK, "UPDATE public.workbench_projects SET name = 'x'", "0"),
        (ANN, None, "DELETE FROM public.workbench_projects", "0"),
        (
            BOB,
            BULK,
            f"INSERT INTO public.workbench_runs (project_id) VALUES ('{PROJECT}')",
            "workbench_runs_project_id_fkey",
        ),
        (
            BOB,
            BULK,
            f"INSERT INTO public.workbench_messages (run_id, role, content) VALUES ('{RUN}', 'user', 'x')",
            "42501",
        ),
        (
            CID,
            ACME,
            f"INSERT INTO public.workbench_messages (run_id, role, content) VALUES ('{RUN}', 'user', 'x')",
            "42501",
        ),
        (
            ANN,
            ACME,
            f"INSERT INTO public.workbench_messages (run_id, role, content) VALUES ('{RUN}', 'user', 'x')",
            "1",
        ),
        # Only services write children of instances, and nobody can read a worker's token.
        (ANN, ACME, f"INSERT INTO public.instance_volumes (instance_id, size_gb) VALUES ('{INSTANCE}', 1)", "42501"),
        (ANN, ACME, "UPDATE public.instance_state_history SET to_status = 'x'", "42501"),
        (ANN, ACME, "SELECT token_hash FROM public.worker_auth_tokens", "42501"),
        (ANN, ACME, "SELECT provider_volume_id FROM public.instance_volumes", "42501"),
        (BOB, BULK, "SELECT cost_per_hour FROM public.instance_types", "1"),
    ],
)
def test_what_they_may_do(
    rental: Database, logins: Logins, user: UUID, organization: UUID | None, statement: str, outcome: str
) -> None:
    assert _error(rental, logins, user, organization, statement) == outcome


def test_services_go_on_as_before(rental: Database, logins: Logins) -> None:
    with rental.connect(logins.service) as service:
        for table, rows in (("workbench_messages", 1), ("instance_metrics", 1), ("worker_auth_tokens", 1)):
            assert service.execute(f"SELECT count(*) FROM public.{table}").fetchone() == (rows,)
        service.execute(
            "INSERT INTO public.instance_volumes (instance_id, provider_volume_id, size_gb) VALUES (%s, 'vol-b', 10)",
            [INSTANCE],
        )
        service.rollback()


def test_it_is_taken_back(server: Server) -> None:
    database = server.create(server.state(TABLES + ROWS, WHOLE_PLAN))
    try:
        before = everything(database)
        psql(database, f"--file={CONTRACTS}")
        Replay(database).verify()
        protected = [
            *("workbench_messages", "workbench_runs", "workbench_projects", "instance_state_history"),
            *("instance_volumes", "instance_metrics", "worker_auth_tokens"),
            *("regions", "zones", "instance_types", "action_types"),
        ]
        # The foreign key that replaces the application's own.
        database.execute(
            *(f"CALL tenancy.unprotect('public.{table}')" for table in protected[:1]),
            "ALTER TABLE public.workbench_runs DROP CONSTRAINT workbench_runs_project_id_fkey",
            *(f"CALL tenancy.unprotect('public.{table}')" for table in protected[1:]),
            "DROP INDEX public.instances_workspace_idx",
            "ALTER TABLE public.workbench_runs ADD CONSTRAINT workbench_runs_project_id_fkey"
            " FOREIGN KEY (project_id) REFERENCES public.workbench_projects (id) ON DELETE CASCADE",
            "ALTER TABLE public.workbench_projects ALTER COLUMN organization_id DROP DEFAULT",
            "ALTER TABLE public.workbench_runs ALTER COLUMN organization_id DROP DEFAULT",
            "DELETE FROM tenancy.permissions WHERE permission LIKE 'workbench.%'",
        )
        assert everything(database) == before
    finally:
        server.drop(database.name)
