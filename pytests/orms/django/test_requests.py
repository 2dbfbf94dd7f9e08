"""Django's requests are in the workspace of their sender, through its own test client."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from psycopg.conninfo import conninfo_to_dict

from orms.conftest import Ids
from pg_tenancy.context import outside_workspaces, workspace_context
from pg_tenancy.errors import ContextAlreadySetError, NoContextError, NotAMemberError
from support.two_tenants import TwoTenants

os.environ["DJANGO_SETTINGS_MODULE"] = "orms.django.settings"

import django

django.setup()

from django.db import DatabaseError, connection, connections, transaction  # noqa: E402
from django.test import AsyncClient, Client  # noqa: E402

from orms.django.models import Project  # noqa: E402


@pytest.fixture(scope="module", autouse=True)
def _connected(tenants: TwoTenants, ids: Ids) -> Iterator[None]:
    given = conninfo_to_dict(tenants.database.dsn(tenants.logins.app))
    connections["default"].close()
    connections["default"].settings_dict.update(
        NAME=given.pop("dbname"),
        USER=given.pop("user"),
        PASSWORD=given.pop("password", ""),
        HOST=given.pop("host", ""),
        PORT=given.pop("port", ""),
        OPTIONS=given,
    )
    # A request of the client would close it.
    connections["default"].settings_dict["CONN_MAX_AGE"] = None
    yield
    connections["default"].close()


@pytest.fixture
def client() -> Client:
    return Client(raise_request_exception=False)


def sender(user: Any, organization: Any = None) -> dict[str, str]:
    """Return the header fields of a request."""
    return {"X-User": str(user.id)} | ({"X-Organization": str(organization.id)} if organization else {})


@pytest.fixture
def acme(tenants: TwoTenants) -> dict[str, str]:
    return sender(tenants.members["owner"], tenants.acme)


@pytest.fixture
def globex(tenants: TwoTenants) -> dict[str, str]:
    return sender(tenants.outsider, tenants.globex)


def names(client: Client, headers: dict[str, str]) -> list[str]:
    """Return the projects that somebody sees."""
    found: list[str] = client.get("/projects", headers=headers).json()["names"]
    return found


def test_requests_see_and_make_rows_of_the_senders_workspace(
    client: Client, acme: dict[str, str], globex: dict[str, str], tenants: TwoTenants
) -> None:
    name = f"made {uuid4()}"
    assert client.post("/projects", {"name": name}, headers=acme).status_code == 201
    assert name in names(client, acme)
    assert names(client, globex) == ["other"]
    assert names(client, sender(tenants.person)) == []
    by_key = client.get("/workspace", headers={"X-Api-Key": tenants.api_keys["personal"]})
    assert by_key.json() == {"workspaces": [str(tenants.members["owner"].id)] * 2}


def test_a_view_that_fails_writes_nothing(client: Client, acme: dict[str, str]) -> None:
    name = f"failed {uuid4()}"
    assert client.post("/projects", {"name": name, "fail": "1"}, headers=acme).status_code == 500
    assert name not in names(client, acme)


def test_savepoints_leave_the_request_in_its_workspace(
    client: Client, acme: dict[str, str], globex: dict[str, str]
) -> None:
    for headers in (acme, globex, acme):
        workspaces = client.get("/workspace", headers=headers).json()["workspaces"]
        assert workspaces == [headers["X-Organization"]] * 2


def test_refusals_are_problem_documents(
    client: Client, tenants: TwoTenants, acme: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    outsider = sender(tenants.outsider, tenants.acme)
    user = sender(tenants.members["user"], tenants.acme)
    for answer, status, name in (
        (client.get("/projects"), 401, "user_id_required"),
        (client.get("/projects", headers=outsider), 403, "not_a_member"),
        (client.get("/projects", headers={"X-Api-Key": "x"}), 401, "invalid_api_key"),
        (client.post("/projects", {"name": "x"}, headers=user), 403, "permission_denied"),
        (client.get("/last-owner", headers=acme), 409, "organization_keeps_an_owner"),
        (client.get("/public"), 500, "no_context"),
        (client.get("/by-itself", headers=acme), 500, "no_context"),
    ):
        document = answer.json()
        assert (answer.status_code, document["status"], document["name"]) == (status, status, name)
        assert answer["Content-Type"] == "application/problem+json"
        assert ("WWW-Authenticate" in answer) == (status == 401)
    assert "GET /by-itself: " in caplog.text


async def test_a_coroutine_is_in_the_workspace_too(tenants: TwoTenants, globex: dict[str, str]) -> None:
    client = AsyncClient()
    assert (await client.get("/asynchronous", headers=globex)).json() == {"count": 1}
    assert (await client.get("/asynchronous")).status_code == 401
    connections.close_all()


# -- transactions outside of requests ------------------------------------------------------


def where() -> Any:
    with connection.cursor() as cursor:
        cursor.execute("SELECT tenancy.current_workspace_id()")
        return cursor.fetchone()[0]


@pytest.fixture
def entry(tenants: TwoTenants) -> dict[str, Any]:
    return {"user_id": tenants.members["owner"].id, "organization_id": tenants.acme.id}


def test_each_transaction_enters_with_its_first_query(tenants: TwoTenants, entry: dict[str, Any]) -> None:
    with workspace_context(**entry):
        for _ in range(2):
            with transaction.atomic():
                assert where() == tenants.acme.id
        with transaction.atomic(), transaction.atomic():
            assert where() == tenants.acme.id
    with workspace_context(user_id=tenants.person.id), transaction.atomic():
        assert where() == tenants.person.id
    with outside_workspaces(), pytest.raises(DatabaseError, match="workspace"), transaction.atomic():
        where()
    with pytest.raises(DatabaseError, match="workspace"), transaction.atomic():
        Project.objects.count()


def test_a_command_names_its_workspace(tenants: TwoTenants) -> None:
    user, organization = tenants.members["owner"].id, tenants.acme.id
    with workspace_context(user_id=user, organization_id=organization), transaction.atomic():
        Project.objects.create(name="Website")
    with workspace_context(user_id=user), transaction.atomic():
        assert not Project.objects.filter(name="Website").exists()


def test_a_savepoint_that_undoes_the_entering_does_not_leave_the_transaction_outside(
    tenants: TwoTenants, entry: dict[str, Any]
) -> None:
    with workspace_context(**entry), transaction.atomic():
        with transaction.atomic():
            assert where() == tenants.acme.id
            transaction.set_rollback(True)
        assert where() == tenants.acme.id


def test_a_transaction_is_not_taken_along_into_another_workspace(tenants: TwoTenants, entry: dict[str, Any]) -> None:
    with transaction.atomic():
        with workspace_context(**entry):
            assert where() == tenants.acme.id
            with workspace_context(user_id=tenants.person.id), pytest.raises(ContextAlreadySetError):
                where()
            with transaction.atomic():
                transaction.set_rollback(True)
        with pytest.raises(NoContextError):
            where()
        with outside_workspaces(), pytest.raises(ContextAlreadySetError):
            where()


def test_refused_people_enter_nothing_and_the_connection_still_works(
    tenants: TwoTenants, entry: dict[str, Any]
) -> None:
    stranger: dict[str, Any] = {"user_id": tenants.outsider.id, "organization_id": tenants.acme.id}
    with workspace_context(**stranger), pytest.raises(NotAMemberError), transaction.atomic():
        where()
    with workspace_context(**entry), transaction.atomic():
        assert where() == tenants.acme.id


def test_a_key_is_in_no_list_of_queries(tenants: TwoTenants, settings_with_debug: None) -> None:
    key = tenants.api_keys["personal"]
    with workspace_context(api_key=key), transaction.atomic():
        where()
    assert "current_workspace_id" in str(connection.queries)
    assert key not in str(connection.queries)


@pytest.fixture
def settings_with_debug() -> Iterator[None]:
    connection.force_debug_cursor = True
    yield
    connection.force_debug_cursor = False


def test_a_lost_connection_is_replaced_and_enters_again(tenants: TwoTenants, entry: dict[str, Any]) -> None:
    with workspace_context(**entry):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            (pid,) = cursor.fetchone()
        with tenants.admin() as admin:
            admin.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
        with pytest.raises(DatabaseError), transaction.atomic():
            where()
        connection.close_if_unusable_or_obsolete()
        with transaction.atomic():
            assert where() == tenants.acme.id
