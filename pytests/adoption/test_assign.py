"""tenancy.assign(): which rows it assigns and leaves, and how it works beside concurrent writers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from support.database import Database
from support.people import Organization, People
from support.racing import name_of
from support.server import Logins

Connection = psycopg.Connection[tuple[Any, ...]]

NIL = UUID(int=0)
ROWS = 30


@pytest.fixture
def acme(people: People) -> Organization:
    return people.organization("Acme")


@pytest.fixture
def bulk(people: People) -> Organization:
    return people.organization("Bulk")


@pytest.fixture(autouse=True)
def _legacy(admin: Connection) -> None:
    admin.execute("INSERT INTO public.providers (name) VALUES ('Cloud')")
    admin.execute(
        "INSERT INTO public.models (name, model_id) SELECT 'Model ' || n, 'hub/' || n FROM generate_series(1, 3) n"
    )
    admin.execute(
        "INSERT INTO public.instances (provider_id, model_id, status, gpu_profile)"
        " SELECT p.id, m.id, 'ready', n::text FROM public.providers AS p, public.models AS m, generate_series(1, %s)"
        " AS n WHERE m.model_id = 'hub/1'",
        [ROWS],
    )


@pytest.fixture
def service(database: Database, logins: Logins) -> Any:
    with database.connect(logins.service, autocommit=True) as connection:
        yield connection


def _assign(connection: Connection, table: str, organization: Organization | UUID | None, *more: Any) -> int:
    id_ = organization.id if isinstance(organization, Organization) else organization
    row = connection.execute(
        f"SELECT tenancy.assign(%s, %s{', %s' * len(more)})",
        [table, id_, *more],
    ).fetchone()
    assert row is not None
    return int(row[0])


def _refused(name: str, state: str, connection: Connection, *arguments: Any) -> psycopg.Error:
    with pytest.raises(psycopg.Error) as error:
        _assign(connection, *arguments)
    assert (error.value.sqlstate, name_of(error.value)) == (state, name)
    return error.value


def _owned(admin: Connection, organization: Organization, table: str = "instances") -> int:
    row = admin.execute(
        f"SELECT count(*) FROM public.{table} WHERE organization_id = %s AND workspace_id = organization_id",  # noqa: S608
        [organization.id],
    ).fetchone()
    assert row is not None
    return int(row[0])


def test_batches_until_nothing_is_left(service: Connection, admin: Connection, acme: Organization) -> None:
    answers = [_assign(service, "public.instances", acme, "true", 12) for _ in range(4)]
    assert answers == [12, 12, 6, 0]
    assert _owned(admin, acme) == ROWS


def test_finished_batches_stay_when_the_next_is_rolled_back(
    database: Database, logins: Logins, admin: Connection, acme: Organization
) -> None:
    with database.connect(logins.service) as connection:
        assert _assign(connection, "public.instances", acme, "true", 10) == 10
        connection.commit()
        assert _assign(connection, "public.instances", acme, "true", 10) == 10
        connection.rollback()
        assert _owned(admin, acme) == 10
        assert _assign(connection, "public.instances", acme) == ROWS - 10


@pytest.mark.parametrize(
    "condition",
    ["gpu_profile::integer <= 7", "gpu_profile::integer <= 7 -- the first ones", None],
    ids=["", "comment", "null"],
)
def test_the_condition_decides(
    service: Connection, admin: Connection, acme: Organization, condition: str | None
) -> None:
    wanted = 7 if condition else ROWS
    assert _assign(service, "public.instances", acme, condition) == wanted
    assert _owned(admin, acme) == wanted
    assert _assign(service, "public.instances", acme, condition) == 0


def test_only_what_is_nobodys(
    service: Connection, admin: Connection, people: People, acme: Organization, bulk: Organization
) -> None:
    ann = people.user()
    admin.execute("UPDATE public.instances SET organization_id = %s WHERE gpu_profile::integer <= 5", [bulk.id])
    admin.execute("UPDATE public.instances SET user_id = %s WHERE gpu_profile = '6'", [ann.id])
    assert _assign(service, "public.instances", acme) == ROWS - 6
    assert _owned(admin, bulk) == 5
    # Keys have an owner, so no condition selects them.
    admin.execute(
        "INSERT INTO public.api_keys (user_id, name, key_prefix, key_hash) VALUES (%s, 'ci', 'pk_a', 'x')", [ann.id]
    )
    assert _assign(service, "public.api_keys", acme) == 0


@pytest.mark.parametrize("table", ["public.users", "public.organizations", "tenancy.workspaces", "public.providers"])
def test_a_table_that_is_nobodys(service: Connection, acme: Organization, table: str) -> None:
    _refused("table_not_protected", "55000", service, table, acme)


def test_no_table_is_said_to_be_none(service: Connection, acme: Organization) -> None:
    with pytest.raises(psycopg.Error) as raised:
        service.execute("SELECT tenancy.assign(NULL, %s)", [acme.id])
    diag = raised.value.diag
    assert (diag.sqlstate, diag.constraint_name, diag.message_primary) == (
        "55000",
        "table_not_protected",
        "no table was given to assign rows of",
    )


def test_organizations_that_get_nothing(
    service: Connection, as_app: Callable[..., Any], admin: Connection, people: People, acme: Organization
) -> None:
    ann = people.user()
    with as_app(acme.owner, acme) as connection:
        connection.execute("SELECT tenancy.delete_organization()")
    for nobody in (acme, uuid4(), ann.id, NIL, None):
        _refused("organization_not_found", "P0002", service, "public.instances", nobody)
    assert admin.execute("SELECT count(*) FROM public.instances WHERE workspace_id <> %s", [NIL]).fetchone() == (0,)


@pytest.mark.parametrize("size", [0, -1, 1_000_001, None])
def test_batches_that_are_none(service: Connection, acme: Organization, size: int | None) -> None:
    _refused("batch_size_invalid", "22023", service, "public.instances", acme, "true", size)


@pytest.mark.parametrize("who", ["app", "credentialed", "auditor"])
def test_who_may_not(database: Database, logins: Logins, acme: Organization, who: str) -> None:
    with (
        database.connect(getattr(logins, who), autocommit=True) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        _assign(connection, "public.instances", acme)


def test_the_condition_has_no_more_rights_than_the_caller(service: Connection, acme: Organization) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        _assign(service, "public.instances", acme, "EXISTS (SELECT FROM tenancy_private.seal_keys)")


# -- models and the instances that use them --------------------------------------------------


def test_a_model_takes_the_instances_of_its_organization_along(
    service: Connection, admin: Connection, acme: Organization
) -> None:
    assert _assign(service, "public.instances", acme) == ROWS
    assert _assign(service, "public.models", acme, "model_id = 'hub/1'") == 1
    assert admin.execute("SELECT DISTINCT model_workspace_id FROM public.instances").fetchall() == [(acme.id,)]


@pytest.mark.parametrize("whose", ["nobody", "others"])
def test_a_model_that_others_use_stays_public(
    service: Connection, admin: Connection, acme: Organization, bulk: Organization, whose: str
) -> None:
    if whose == "others":
        assert _assign(service, "public.instances", bulk) == ROWS
    before = admin.execute("SELECT * FROM public.models ORDER BY id").fetchall()
    _refused("model_in_use", "23503", service, "public.models", acme)
    assert admin.execute("SELECT * FROM public.models ORDER BY id").fetchall() == before
    assert admin.execute("SELECT DISTINCT model_workspace_id FROM public.instances").fetchall() == [(NIL,)]
    assert _assign(service, "public.models", acme, "model_id <> 'hub/1'") == 2


def test_an_instance_needs_a_model_that_its_new_workspace_sees(
    service: Connection, admin: Connection, acme: Organization, bulk: Organization
) -> None:
    assert _assign(service, "public.instances", acme, "gpu_profile = '1'") == 1
    admin.execute("UPDATE public.instances SET model_id = NULL WHERE gpu_profile <> '1'")
    assert _assign(service, "public.models", acme, "model_id = 'hub/1'") == 1
    assert _assign(service, "public.instances", bulk) == ROWS - 1
    assert _assign(service, "public.instances", acme) == 0


# -- with others at work ---------------------------------------------------------------------


def test_locked_rows_are_left_to_the_end_and_waited_for(
    database: Database, logins: Logins, service: Connection, admin: Connection, acme: Organization
) -> None:
    with database.connect(logins.old) as old:
        old.execute("UPDATE public.instances SET status = 'busy' WHERE gpu_profile::integer <= 2")
        assert _assign(service, "public.instances", acme) == ROWS - 2
        answers: list[int] = []

        def go_on() -> None:
            with database.connect(logins.service, autocommit=True) as connection:
                while not answers or answers[-1] > 0:
                    answers.append(_assign(connection, "public.instances", acme))

        waiting = threading.Thread(target=go_on)
        waiting.start()
        deadline = time.monotonic() + 20
        while (
            time.monotonic() < deadline
            and admin.execute(
                "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%tenancy.assign%'"
            ).fetchone()
            is None
        ):
            time.sleep(0.02)
        assert answers == []
        old.commit()
        waiting.join(20)
    assert sum(answers) == 2
    assert _owned(admin, acme) == ROWS
    assert admin.execute("SELECT count(*) FROM public.instances WHERE status = 'busy'").fetchone() == (2,)


def test_a_row_that_was_given_away_meanwhile_is_not_taken_back(
    database: Database, logins: Logins, service: Connection, admin: Connection, acme: Organization, bulk: Organization
) -> None:
    with database.connect(logins.service) as other:
        assert _assign(other, "public.instances", bulk, "gpu_profile = '1'") == 1
        assert _assign(service, "public.instances", acme) == ROWS - 1
        other.commit()
    assert _assign(service, "public.instances", acme) == 0
    assert (_owned(admin, acme), _owned(admin, bulk)) == (ROWS - 1, 1)


def test_two_that_give_at_once_share_the_work(
    database: Database, logins: Logins, admin: Connection, acme: Organization, bulk: Organization
) -> None:
    given: dict[str, int] = {}

    def give(organization: Organization) -> None:
        with database.connect(logins.service, autocommit=True) as connection:
            total = 0
            while (number := _assign(connection, "public.instances", organization, "true", 3)) > 0:
                total += number
            given[organization.name] = total

    threads = [threading.Thread(target=give, args=[organization]) for organization in (acme, bulk)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sum(given.values()) == ROWS
    assert given == {"Acme": _owned(admin, acme), "Bulk": _owned(admin, bulk)}


def test_rows_of_a_table_that_the_application_protected_are_given_with_their_children(
    admin: Connection, service: Connection, acme: Organization
) -> None:
    admin.execute("CREATE TABLE public.projects (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text)")
    admin.execute("CREATE TABLE public.tasks (id uuid PRIMARY KEY, project_id bigint REFERENCES public.projects)")
    admin.execute("INSERT INTO public.projects (name) VALUES ('a'), ('b'), ('c')")
    admin.execute("INSERT INTO public.tasks SELECT gen_random_uuid(), p.id FROM public.projects AS p")
    _refused("table_not_protected", "55000", service, "public.projects", acme)
    admin.execute("CALL tenancy.protect('public.projects')")
    admin.execute("CALL tenancy.protect('public.tasks', parent => 'project_id')")
    _refused("table_not_protected", "55000", service, "public.tasks", acme)
    assert [_assign(service, "public.projects", acme, "name <> 'c'", 1) for _ in range(3)] == [1, 1, 0]
    (owned,) = admin.execute(
        "SELECT array_agg(p.name ORDER BY p.name) FROM public.tasks AS t"
        " INNER JOIN public.projects AS p ON t.project_id = p.id AND t.workspace_id = p.workspace_id"
        " WHERE t.workspace_id = %s",
        [acme.id],
    ).fetchone() or (None,)
    assert owned == ["a", "b"]
