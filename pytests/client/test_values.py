"""An invalid value is an error of pg-tenancy at the call, and nothing is sent."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from pg_tenancy import _sql
from pg_tenancy._calls_async import Calls
from pg_tenancy._settings_async import SettingsCalls
from pg_tenancy._sql import Call
from pg_tenancy._values import (
    LONGEST_TEXT,
    Argument,
    Bytes,
    Count,
    Flag,
    Id,
    Many,
    Moment,
    Seconds,
    Secret,
    Span,
    Text,
    Value,
    Version,
)
from pg_tenancy.errors import (
    ApiKeyError,
    InvalidArgumentError,
    InvitationError,
    TenancyError,
    TicketError,
    UserRequiredError,
)
from pg_tenancy.results import Wallet
from support.clients import CLIENTS, Client
from support.database import Database
from support.people import People
from support.proxy import Proxy
from support.server import Logins

pytestmark = pytest.mark.shared_database

LONG = "x" * (10 << 20)
ANN = uuid4()

CALLS = {name: call for name, call in vars(_sql).items() if isinstance(call, Call)}
# The types of a statement's placeholders, and the checks.
CASTS: dict[str, tuple[type[Argument], ...]] = {
    "uuid": (Id,),
    "text": (Text, Secret, Value),
    "timestamptz": (Moment,),
    "interval": (Span,),
    "integer": (Count,),
    "bigint": (Version,),
    "bytea": (Bytes,),
    "boolean": (Flag,),
    "text[]": (Many,),
    "uuid[]": (Many,),
    "timestamptz[]": (Many,),
}


@pytest.mark.parametrize("name", sorted(CALLS.keys() - {"ASSIGN"}))
def test_every_placeholder_of_every_call_is_checked(name: str) -> None:
    casts = re.findall(r"\$(\d)::(\w+(?:\[\])?)", CALLS[name].text)
    assert [int(number) for number, _ in casts] == list(range(1, len(CALLS[name].takes) + 1))
    for (_, cast), argument in zip(casts, CALLS[name].takes, strict=True):
        assert type(argument) in CASTS[cast], argument.name


class Shouted(str):
    """Has a misleading str()."""

    __slots__ = ()

    def __str__(self) -> str:
        return self.upper()


class Role(str, Enum):
    """psycopg would send its name."""

    ADMIN = "admin"


class OtherId(UUID):
    """Has the str() of another person's id."""

    def __str__(self) -> str:
        return str(ANN)


NO_ID: list[object] = [
    "",
    "x",
    7,
    b"1234567812345678",
    True,
    [ANN],
    LONG,
    f"{ANN} ",
    f" {ANN}",
    f"{{{ANN}}}",
    f"urn:uuid:{ANN}",
    # UUID() accepts these two, as other people's ids.
    "1_345678-1234-1234-1234-123456789012",
    "\u06602345678-1234-1234-1234-123456789012",
    "12345678-1234-1234-1234-123456789012\0",
    "12345678-1234-1234-1234-123456789012\n",
]
NO_TEXT: list[object] = [7, b"text", ["text"], "with\0NUL", "\ud800", LONG, LONG.encode(), Decimal(1)]
NO_COUNT: list[object] = [-1, 1.5, "1", True, 2**31, 10**5000, Decimal(1)]
NO_SECONDS: list[object] = [0, -1, True, "1", float("nan"), float("inf"), 2_147_484, timedelta(seconds=1), 10**5000]
NO_MOMENT: list[object] = [
    "2030-01-01",
    date(2030, 1, 1),
    datetime(2030, 1, 1),
    timedelta(days=1),
    0,
    datetime.max.replace(tzinfo=timezone(timedelta(hours=-1))),
]
NO_SPAN: list[object] = ["7 days", 7, datetime.now(timezone.utc), True]
NO_FLAG: list[object] = [1, 0, "no", "True", []]
NO_VERSION: list[object] = [-1, 1.5, "1", True, 2**63, 10**5000, Decimal(1)]
NO_BYTES: list[object] = ["text", 7, [1], bytearray(b"x")]
NO_VALUE: list[object] = [
    1.5,
    b"x",
    {ANN},
    "with\0NUL",
    "\ud800",
    "x" * 100_001,
    10**5000,
    [float("nan")],
    [ANN],
    Decimal(1),
]


class Xid(int):
    """Stands for a version in the table of methods."""


class Anything(dict[str, Any]):
    """Stands for a value of a setting in the table of methods."""


@pytest.mark.parametrize(
    ("argument", "values"),
    [
        (Id("it"), NO_ID),
        (Text("it"), NO_TEXT),
        (Secret("it", ApiKeyError), NO_TEXT),
        (Count("it"), NO_COUNT),
        (Seconds("it"), NO_SECONDS),
        (Moment("it"), NO_MOMENT),
        (Span("it"), NO_SPAN),
        (Version("it"), NO_VERSION),
        (Bytes("it"), NO_BYTES),
        (Value("it"), NO_VALUE),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_of_another_kind_is_refused_in_a_few_words(argument: Argument, values: list[object]) -> None:
    for value in [*values, None]:
        with pytest.raises(TenancyError) as raised:
            argument(value)
        assert raised.value.message.startswith("it ")
        assert len(str(raised.value)) < 200
        assert 400 <= raised.value.http_status < 500
    for value in values:
        if isinstance(value, str) and len(value) > 1:
            with pytest.raises(TenancyError) as raised:
                argument(value)
            assert value not in str(raised.value)


def test_a_value_is_sent_as_exactly_its_kind() -> None:
    """The drivers send subclasses differently: for an Enum, psycopg sends the name."""
    number = UUID("12345678-1234-1234-1234-123456789012")
    for given in (number, str(number), str(number).upper(), number.hex, OtherId(str(number)), Shouted(number)):
        assert Id("it")(given) == number
        assert type(Id("it")(given)) is UUID
    assert (Text("it")(Role.ADMIN), type(Text("it")(Role.ADMIN))) == ("admin", str)
    assert Text("it")(Shouted("quiet")) == "quiet"
    assert Text("it")("x" * LONGEST_TEXT) == "x" * LONGEST_TEXT
    east = datetime(2030, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))
    assert Moment("it")(east) == datetime(2030, 1, 1, tzinfo=timezone.utc)
    assert (Seconds("it")(1), Seconds("it")(0.001), Count("it")(0)) == (1.0, 0.001, 0)
    assert Id("it", optional=True)(None) is None


# -- at the call ----------------------------------------------------------------------------

ENTRIES: list[tuple[dict[str, Any], type[TenancyError]]] = [
    *(({"user_id": value}, InvalidArgumentError) for value in NO_ID),
    *(({"user_id": ANN, "organization_id": value}, InvalidArgumentError) for value in NO_ID),
    *(({"user_id": ANN, "platform": value}, InvalidArgumentError) for value in [*NO_FLAG, None]),
    *(({"user_id": ANN, "read_only": value}, InvalidArgumentError) for value in NO_FLAG),
    *(({"user_id": ANN, "deferrable": value}, InvalidArgumentError) for value in NO_FLAG),
    *(({"user_id": ANN, "statement_timeout": value}, InvalidArgumentError) for value in NO_SECONDS),
    *(
        ({"user_id": ANN, "isolation_level": value}, InvalidArgumentError)
        for value in ("chaos", "SERIALIZABLE", 3, ["serializable"], LONG)
    ),
    *(({"ticket": value}, TicketError) for value in ("with\0NUL", "\ud800", LONG)),
    *(({"api_key": value}, ApiKeyError) for value in ("with\0NUL", "\ud800", LONG)),
    *(({name: b"bytes"}, InvalidArgumentError) for name in ("ticket", "api_key")),
    # A request without the header.
    ({"user_id": None}, UserRequiredError),
    ({"user_id": None, "organization_id": ANN}, UserRequiredError),
    ({"user_id": None, "platform": True}, UserRequiredError),
    ({"ticket": None}, TicketError),
    ({"api_key": None}, ApiKeyError),
    ({"user_id": None, "ticket": None, "api_key": None}, UserRequiredError),
    ({"ticket": None, "api_key": None}, TicketError),
]


async def test_whom_a_workspace_is_for_is_checked_at_the_call(client: Client, dsn: str) -> None:
    async def work(ws: Any) -> None: ...

    async with client.connect(dsn) as conn:
        for entry, expected in ENTRIES:
            with pytest.raises(TenancyError) as at_once:
                client.workspace(conn, **entry)
            with pytest.raises(TenancyError) as fetched:
                await client.fetch_all(conn, "SELECT 1", **entry)
            with pytest.raises(TenancyError) as ran:
                await client.run(conn, work, **entry)
            for raised in (at_once, fetched, ran):
                assert type(raised.value) is expected
                assert len(str(raised.value)) < 200
                assert raised.value.http_status == (422 if expected is InvalidArgumentError else 401)
                assert raised.value.__cause__ is None
        for retries in NO_COUNT:
            with pytest.raises(InvalidArgumentError, match=r"^retries must be"):
                await client.run(conn, work, user_id=ANN, retries=retries)


@pytest.mark.parametrize(
    "name", ["organisation_id", "organization", "user", "readonly", "timeout", "retry", "api_keys"]
)
async def test_a_keyword_that_does_not_exist_is_a_type_error(client: Client, dsn: str, name: str) -> None:
    async def work(ws: Any) -> None: ...

    async with client.connect(dsn) as conn, client.pool(dsn) as pool:
        for source in (conn, pool):
            entry: dict[str, Any] = {"user_id": ANN, name: True}
            with pytest.raises(TypeError, match=f"^a workspace has no {name}; it takes "):
                client.workspace(source, **entry)
            with pytest.raises(TypeError, match=f"^a workspace has no {name}; it takes "):
                await client.fetch_all(source, "SELECT 1", **entry)
            with pytest.raises(TypeError, match=f"^a workspace has no {name}; it takes "):
                await client.run(source, work, **entry)
        async with client.workspace(conn, user_id=ANN) as ws:
            for method in ("member", "create_api_key", "execute", "all_users"):
                with pytest.raises(TypeError, match=name):
                    await getattr(ws, method)("x", **{name: True})


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ({"session": "pgs_x", "organization_id": None}, "could mean two workspaces"),
        ({"session": "pgs_x", "organization_id": ANN, "personal": True}, "personal goes with session alone"),
        ({"user_id": ANN, "personal": True}, "personal goes with session alone"),
        ({"ticket": "x", "personal": True}, "personal goes with session alone"),
        ({"session": "pgs_x", "platform": True}, "platform goes with user_id alone"),
        ({"session": "pgs_x", "user_id": ANN}, "exactly one of user_id, ticket, session and api_key"),
    ],
)
async def test_where_a_session_opens_is_said_plainly(
    client: Client, dsn: str, entry: dict[str, Any], problem: str
) -> None:
    async with client.connect(dsn) as conn:
        with pytest.raises(TypeError, match=problem):
            client.workspace(conn, **entry)


async def test_a_credential_that_is_not_there_beside_one_that_is_does_not_count(
    client: Client, dsn: str, people: People
) -> None:
    async with client.connect(dsn) as conn:
        rows = await client.fetch_all(conn, "SELECT 1", user_id=people.user().id, ticket=None, api_key=None)
        assert [tuple(row) for row in rows] == [(1,)]


# -- the methods ----------------------------------------------------------------------------

MOMENT = datetime(2026, 1, 1, tzinfo=timezone.utc)
ZERO = Decimal(0)
WALLET = Wallet(ANN, "EUR", ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, 0, b"")
# Each method with valid arguments; the person with the id may not exist.
METHODS: dict[str, dict[str, Any]] = {
    "has_permission": {"permission": "instances.view"},
    "create_organization": {"name": "New", "slug": "new"},
    "update_organization": {"name": "New", "slug": "new", "color": "#123456"},
    "member": {"user_id": ANN},
    "change_member_role": {"user_id": ANN, "role": "admin"},
    "remove_member": {"user_id": ANN},
    "invite_member": {"email": "zoe@example.com", "role": "user", "expires_in": timedelta(days=1)},
    "revoke_invitation": {"invitation_id": ANN},
    "create_api_key": {"name": "ci", "expires_at": datetime(2100, 1, 1, tzinfo=timezone.utc)},
    "rename_api_key": {"api_key_id": ANN, "name": "new"},
    "revoke_api_key": {"api_key_id": ANN},
    "sessions": {"token": "pgs_x"},
    "revoke_session": {"session_id": ANN},
    "revoke_sessions": {"keep": ANN},
    "terminate_instance": {"instance_id": ANN},
    "reinstall_instance": {"instance_id": ANN},
    "legacy_instances": {"after_id": ANN, "page_size": 10},
    "delete_model": {"model_id": ANN},
    "create_user": {
        "email": "zoe@example.com",
        "username": "zoe",
        "first_name": "Zoe",
        "last_name": "Zimmer",
        "password_hash": "a hash",
    },
    "update_user": {
        "user_id": ANN,
        "email": "zoe@example.com",
        "username": "zoe",
        "first_name": "Zoe",
        "last_name": "Zimmer",
        "password_hash": "a hash",
    },
    "delete_user": {"user_id": ANN},
    "all_users": {"email": "zoe@example.com", "after_id": ANN, "page_size": 10},
    "setting": {"key": "theme", "subject_id": ANN},
    "explain_setting": {"key": "theme", "subject_id": ANN},
    "set_setting": {"key": "theme", "value": Anything(), "subject_id": ANN, "expected_version": Xid(7)},
    "set_sealed_setting": {
        "key": "theme",
        "value": b"x",
        "key_id": "k",
        "subject_id": ANN,
        "expected_version": Xid(7),
    },
    "unset_setting": {"key": "theme", "subject_id": ANN, "expected_version": Xid(7)},
    "lock_setting": {"key": "theme", "subject_id": ANN, "locked": True},
    "require_module": {"key": "chat"},
    "cost_current": {"time_zone": "Europe/Rome"},
    "costs_summary": {"starts_at": MOMENT, "ends_at": MOMENT + timedelta(days=1)},
    "costs_window": {"span": "day"},
    "costs_series": {
        "starts_at": MOMENT,
        "ends_at": MOMENT + timedelta(days=1),
        "bucket": "hour",
        "time_zone": "Europe/Rome",
    },
    "costs_by": {"starts_at": MOMENT, "ends_at": MOMENT + timedelta(days=1), "dimension": "model"},
    "cost_forecast": {"horizon": "day"},
    "statement": {"since": MOMENT, "until": MOMENT},
    "verify_statement": {"known": WALLET},
    "activate": {"kind": "model", "object_id": ANN, "aspect": "tech"},
    "deactivate": {"kind": "model", "object_id": ANN, "aspect": "tech"},
    "require_operational": {"kind": "model", "object_id": ANN},
}
WRONG: dict[type, list[object]] = {
    UUID: NO_ID,
    str: NO_TEXT,
    timedelta: NO_SPAN,
    datetime: NO_MOMENT,
    int: NO_COUNT,
    Xid: NO_VERSION,
    bytes: NO_BYTES,
    Anything: NO_VALUE,
    bool: NO_FLAG,
    Wallet: [7, "x", object(), MOMENT],
}
CASES = [(method, name, type(value)) for method, given in METHODS.items() for name, value in given.items()]


def test_every_method_with_an_argument_is_in_the_table() -> None:
    methods = {
        name: list(function.__code__.co_varnames[1 : _parameters(function)])
        for name, function in (vars(Calls) | vars(SettingsCalls)).items()
        if not name.startswith("_")
    }
    assert {name: list(given) for name, given in METHODS.items()} == {
        name: parameters for name, parameters in methods.items() if parameters
    }


def _parameters(function: Any) -> int:
    return int(function.__code__.co_argcount + function.__code__.co_kwonlyargcount)


@pytest.mark.parametrize(("method", "name", "kind"), CASES, ids=lambda value: getattr(value, "__name__", value))
async def test_an_argument_of_a_method_is_checked_before_anything_is_sent(
    client: Client, database: Database, logins: Logins, people: People, method: str, name: str, kind: type
) -> None:
    acme = people.organization("Acme")
    with Proxy(database.dsn(logins.app)) as proxy:
        async with client.connect(proxy.dsn) as conn:
            with proxy.counting() as trips:
                async with client.workspace(conn, user_id=acme.owner.id, organization_id=acme.id) as ws:
                    for value in WRONG[kind]:
                        with pytest.raises(InvalidArgumentError, match=f"^{name} ") as raised:
                            await getattr(ws, method)(**METHODS[method] | {name: value})
                        assert len(str(raised.value)) < 200
                        assert raised.value.__cause__ is None
                assert trips() == 0


async def test_a_refused_argument_does_not_end_the_transaction(client: Client, dsn: str, people: People) -> None:
    acme = people.organization("Acme")
    entry: dict[str, Any] = {"user_id": acme.owner.id, "organization_id": acme.id}
    async with client.connect(dsn) as conn:
        async with client.workspace(conn, **entry) as ws:
            await ws.update_organization(name="Kept")
            with pytest.raises(InvalidArgumentError):
                await ws.member("x")
        async with client.workspace(conn, **entry) as ws:
            assert (await ws.current()).name == "Kept"


async def test_ids_may_be_text_and_texts_of_any_class(client: Client, dsn: str, people: People) -> None:
    acme = people.organization("Acme")
    bob = people.member(acme, "user", "bob")
    entry = {"user_id": str(acme.owner.id), "organization_id": str(acme.id)}
    async with client.connect(dsn) as conn, client.workspace(conn, **entry) as ws:
        await ws.change_member_role(str(bob.id), Role.ADMIN)
        member = await ws.member(str(bob.id))
        assert (member.user_id, member.role) == (bob.id, "admin")


@pytest.mark.parametrize("token", [None, "with\0NUL", "\ud800", LONG], ids=["none", "nul", "surrogate", "long"])
async def test_a_token_that_cannot_be_one_is_refused_like_one_that_is_unknown(
    client: Client, dsn: str, token: Any
) -> None:
    async with client.connect(dsn) as conn:
        for function in (client.peek_invitation, client.accept_invitation):
            with pytest.raises(InvitationError) as raised:
                await function(conn, token)
            assert raised.value.http_status == 404
            assert len(str(raised.value)) < 200
        with pytest.raises(InvalidArgumentError, match=r"^token must be a str, not bytes$"):
            await client.peek_invitation(conn, b"inv_")  # type: ignore[arg-type]
        for name in ("username", "first_name", "last_name", "password_hash"):
            with pytest.raises(InvalidArgumentError, match=f"^{name} contains NUL$"):
                await client.accept_invitation(conn, "inv_", **{name: "with\0NUL"})


async def test_no_message_of_the_server_repeats_a_long_argument(client: Client, dsn: str, people: People) -> None:
    acme = people.organization("Acme")
    almost = "x" * LONGEST_TEXT
    async with client.connect(dsn) as conn:
        for method in ("change_member_role", "invite_member", "create_api_key", "create_user", "update_organization"):
            given = {name: almost if isinstance(value, str) else value for name, value in METHODS[method].items()}
            with pytest.raises(TenancyError) as raised:
                async with client.workspace(conn, user_id=acme.owner.id, organization_id=acme.id) as ws:
                    await getattr(ws, method)(**given)
            assert len(str(raised.value)) < 2 * LONGEST_TEXT


@pytest.mark.parametrize("params", ["a", b"a", {"a": 1}, {1}, 7, None], ids=repr)
async def test_parameters_for_asyncpg_are_a_sequence_and_not_taken_apart(dsn: str, people: People, params: Any) -> None:
    client, ann = CLIENTS[2], people.user()
    async with client.connect(dsn) as conn, client.workspace(conn, user_id=ann.id) as ws:
        with pytest.raises(InvalidArgumentError, match=r"^params must be a list or a tuple, not "):
            await ws.fetch_all("SELECT $1::text", params)
        assert await ws.fetch_value("SELECT $1::text", ["a"]) == "a"
    async with client.connect(dsn) as conn:
        with pytest.raises(InvalidArgumentError):
            await client.module.fetch_all(conn, "SELECT $1::text", params, user_id=ann.id)


def test_psycopg_is_what_checks_its_own_parameters(dsn: str, people: People) -> None:
    with psycopg.connect(dsn) as conn, pytest.raises(TypeError):
        CLIENTS[0].module.fetch_all(conn, "SELECT %s", "a", user_id=people.user().id)
