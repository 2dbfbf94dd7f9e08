"""Every error is a problem document, which reveals nothing about the application's own errors."""

from __future__ import annotations

import json
import re

import psycopg
import pytest

from pg_tenancy import TenancyError, errors
from pg_tenancy.errors import (
    _CLASSES,
    ApiKeyError,
    InvalidArgumentError,
    LastOwnerError,
    NoContextError,
    NotAMemberError,
    NotGrantedError,
    PermissionDeniedError,
    PhaseNotDeployedError,
    TicketError,
    UserRequiredError,
    tenancy_error,
)
from pg_tenancy.problems import problem
from support.database import Database
from support.server import Logins

pytestmark = pytest.mark.shared_database


def test_a_refusal_is_told_in_the_servers_words() -> None:
    error = PermissionDeniedError(
        "role user lacks permission projects.create",
        hint="Held by: owner, admin.",
        sqlstate="42501",
        constraint="permission_denied",
    )
    answer = problem(error)
    assert (answer.status, answer.headers) == (403, {"Cache-Control": "no-store"})
    assert json.loads(answer.body) == {
        "type": "urn:pg-tenancy:error:permission_denied",
        "title": "Permission denied",
        "status": 403,
        "name": "permission_denied",
        "detail": "role user lacks permission projects.create",
        "hint": "Held by: owner, admin.",
    }


def test_who_is_unknown_is_asked_to_authenticate() -> None:
    for error in (UserRequiredError("x"), TicketError("x"), ApiKeyError("x")):
        answer = problem(error)
        wanted = {"WWW-Authenticate": "Bearer", "Cache-Control": "no-store"}
        assert (answer.status, answer.headers) == (401, wanted)


def test_a_mistake_of_the_application_reveals_nothing_but_its_name() -> None:
    refused = NotGrantedError(
        "permission denied for table secrets",
        table="secrets",
        insertable=["secret_1"],
        updatable=[],
        readable=["secret_2"],
        deletable=False,
    )
    for error, name in (
        (NoContextError("secret", hint="secret", constraint="no_context"), "no_context"),
        (refused, "not_granted"),
    ):
        answer = problem(error)
        assert (answer.status, answer.document["name"]) == (500, name)
        assert b"secret" not in answer.body


def test_a_missing_phase_is_named() -> None:
    document = problem(PhaseNotDeployedError(8, "tenancy.settings", sqlstate="42883")).document
    assert (document["status"], document["name"], document["phase"]) == (501, "phase_not_deployed", 8)
    assert "phase 8" in str(document["detail"])
    assert "hint" not in document


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (UserRequiredError("x"), "user_id_required"),
        (TicketError("x"), "invalid_ticket"),
        (InvalidArgumentError("x"), "invalid_argument"),
        (errors.ConnectionNotIdleError("x"), "connection_not_idle"),
        (NotAMemberError("x", constraint="not_a_member"), "not_a_member"),
    ],
)
def test_an_error_of_the_client_has_the_name_of_the_databases(error: TenancyError, name: str) -> None:
    assert problem(error).document["name"] == name


@pytest.mark.parametrize(("state", "name"), sorted(_CLASSES))
def test_every_name_makes_a_document(state: str, name: str) -> None:
    answer = problem(_CLASSES[state, name]("what happened", sqlstate=state, constraint=name))
    assert 400 <= answer.status < 600
    assert re.fullmatch("[a-z][a-z_]*", str(answer.document["name"]))
    assert answer.document["status"] == answer.status


def test_an_error_is_found_below_what_wraps_it(database: Database, logins: Logins) -> None:
    with database.connect(logins.app) as connection, pytest.raises(psycopg.Error) as raised:
        connection.execute("SELECT tenancy.members()")
    wrapped = RuntimeError("an ORM's own")
    wrapped.__cause__ = raised.value
    found = tenancy_error(wrapped)
    assert type(found) is NoContextError
    assert found.hint
    assert tenancy_error(found) is found
    assert type(tenancy_error(LastOwnerError("x"))) is LastOwnerError
    assert tenancy_error(RuntimeError("something else")) is None
