"""Each refusal of the database is an exception of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from pg_tenancy import TenancyError
from pg_tenancy.errors import (
    AlreadyAMemberError,
    ApiKeyNotFoundError,
    DelegationDeniedError,
    EmailTakenError,
    InstanceNotFoundError,
    InstanceStateError,
    InvalidArgumentError,
    InvitationNotFoundError,
    InvitationNotPendingError,
    InvitationPendingError,
    LastOwnerError,
    MemberNotFoundError,
    ModelIdTakenError,
    ModelInUseError,
    ModelNotFoundError,
    ModelNotVisibleError,
    NotFoundError,
    OrganizationRequiredError,
    PermissionDeniedError,
    PersonRequiredError,
    UsernameTakenError,
    UserNotFoundError,
)
from support.clients import Client, active_api_key, assert_error, owner_of
from support.instances import instance_of, transition
from support.people import Organization, People, User

pytestmark = pytest.mark.shared_database

Connection = psycopg.Connection[tuple[Any, ...]]


class Cast:
    """An organization with a member of each role, other people, and their objects."""

    def __init__(self, people: People, admin: Connection) -> None:
        self.admin_connection = admin
        self.owner, self.admin, self.manager, self.user = (people.user() for _ in range(4))
        self.stranger, self.staff = people.user(), people.user(role="admin")
        self.acme = people.organization(
            "Acme", owner=self.owner, admin=self.admin, manager=self.manager, user=self.user
        )

    def wrong_state(self, action: str) -> str:
        """Return a state that allows another action, but not this one."""
        rows = self.admin_connection.execute(
            "SELECT from_status FROM tenancy.instance_transitions"
            " UNION SELECT to_status FROM tenancy.instance_transitions"
            " EXCEPT SELECT from_status FROM tenancy.instance_transitions WHERE action = %s ORDER BY 1",
            [action],
        ).fetchall()
        return str(rows[0][0])

    def model(self, organization: Organization | None = None) -> UUID:
        """Insert a model, which is public without an organization."""
        made: UUID = self.admin_connection.execute(
            "INSERT INTO public.models (name, model_id, organization_id) VALUES ('Small', %s, %s) RETURNING id",
            [f"hub/{uuid4()}", organization and organization.id],
        ).fetchall()[0][0]
        return made


@pytest.fixture
def cast(people: People, admin: Connection) -> Cast:
    return Cast(people, admin)


Act = Callable[[Any, Cast, Client], Awaitable[object]]


async def invite_twice(ws: Any, cast: Cast, client: Client) -> None:
    await ws.invite_member("zoe@example.com")
    await ws.invite_member(" ZOE@example.com ")


async def revoke_twice(ws: Any, cast: Cast, client: Client) -> None:
    new = await ws.invite_member("zoe@example.com")
    await ws.revoke_invitation(new.id)
    await ws.revoke_invitation(new.id)


async def terminate_in_the_wrong_state(ws: Any, cast: Cast, client: Client) -> None:
    await ws.terminate_instance(instance_of(cast.admin_connection, cast.acme, cast.wrong_state("terminate")))


async def reinstall_in_the_wrong_state(ws: Any, cast: Cast, client: Client) -> None:
    await ws.reinstall_instance(instance_of(cast.admin_connection, cast.acme, cast.wrong_state("reinstall")))


async def terminate_as_a_user(ws: Any, cast: Cast, client: Client) -> None:
    status, _ = transition(cast.admin_connection, "terminate")
    await ws.terminate_instance(instance_of(cast.admin_connection, cast.acme, status))


async def use_an_unknown_model(ws: Any, cast: Cast, client: Client) -> None:
    instance = instance_of(cast.admin_connection, cast.acme, "ready")
    update = client.sql("UPDATE public.instances SET model_id = $1 WHERE id = $2")
    await ws.execute(update, [uuid4(), instance])


async def delete_a_model_in_use(ws: Any, cast: Cast, client: Client) -> None:
    model = cast.model(cast.acme)
    instance_of(cast.admin_connection, cast.acme, "ready", model_id=model)
    await ws.delete_model(model)


async def insert_a_model(ws: Any, cast: Cast, client: Client) -> None:
    await ws.execute("INSERT INTO public.models (name, model_id) VALUES ('Small', 'hub/small')")


# Actor and action in Acme (False: in the personal workspace; staff: in the platform's), with the result.
REFUSED: list[tuple[str, str, bool, Act, type[TenancyError], str, str]] = [
    (
        "a user who invites",
        "user",
        True,
        lambda ws, cast, client: ws.invite_member("zoe@example.com"),
        PermissionDeniedError,
        "42501",
        "permission_denied",
    ),
    (
        "a manager who invites an admin",
        "manager",
        True,
        lambda ws, cast, client: ws.invite_member("zoe@example.com", "admin"),
        DelegationDeniedError,
        "42501",
        "delegation_denied",
    ),
    (
        "an invitation to a personal workspace",
        "owner",
        False,
        lambda ws, cast, client: ws.invite_member("zoe@example.com"),
        OrganizationRequiredError,
        "55000",
        "organization_required",
    ),
    (
        "an invitation to a role that does not exist",
        "owner",
        True,
        lambda ws, cast, client: ws.invite_member("zoe@example.com", "king"),
        InvalidArgumentError,
        "22023",
        "unknown_role",
    ),
    (
        "an invitation of nobody",
        "owner",
        True,
        lambda ws, cast, client: ws.invite_member("nobody"),
        InvalidArgumentError,
        "22023",
        "email_invalid",
    ),
    (
        "an invitation for a year",
        "owner",
        True,
        lambda ws, cast, client: ws.invite_member("zoe@example.com", expires_in=timedelta(days=365)),
        InvalidArgumentError,
        "22023",
        "invitation_expiry_invalid",
    ),
    (
        "an invitation for no time",
        "owner",
        True,
        lambda ws, cast, client: ws.invite_member("zoe@example.com", expires_in=timedelta(0)),
        InvalidArgumentError,
        "22023",
        "invitation_expiry_invalid",
    ),
    (
        "an invitation of a member",
        "owner",
        True,
        lambda ws, cast, client: ws.invite_member(cast.user.email.upper()),
        AlreadyAMemberError,
        "23505",
        "already_a_member",
    ),
    ("a second invitation", "owner", True, invite_twice, InvitationPendingError, "23505", "invitation_pending"),
    (
        "revoking an unknown invitation",
        "owner",
        True,
        lambda ws, cast, client: ws.revoke_invitation(uuid4()),
        InvitationNotFoundError,
        "P0002",
        "invitation_not_found",
    ),
    (
        "revoking an invitation again",
        "owner",
        True,
        revoke_twice,
        InvitationNotPendingError,
        "55000",
        "invitation_not_pending",
    ),
    (
        "a manager who makes an API key",
        "manager",
        True,
        lambda ws, cast, client: ws.create_api_key("ci"),
        PermissionDeniedError,
        "42501",
        "permission_denied",
    ),
    (
        "an API key without a name",
        "owner",
        True,
        lambda ws, cast, client: ws.create_api_key("  "),
        InvalidArgumentError,
        "22023",
        "api_key_name_invalid",
    ),
    (
        "an API key that has expired",
        "owner",
        True,
        lambda ws, cast, client: ws.create_api_key("ci", datetime(2020, 1, 1, tzinfo=timezone.utc)),
        InvalidArgumentError,
        "22023",
        "api_key_expiry_invalid",
    ),
    (
        "renaming an unknown API key",
        "owner",
        True,
        lambda ws, cast, client: ws.rename_api_key(uuid4(), "new"),
        ApiKeyNotFoundError,
        "P0002",
        "api_key_not_found",
    ),
    (
        "revoking an unknown API key",
        "owner",
        True,
        lambda ws, cast, client: ws.revoke_api_key(uuid4()),
        ApiKeyNotFoundError,
        "P0002",
        "api_key_not_found",
    ),
    (
        "terminating an unknown instance",
        "owner",
        True,
        lambda ws, cast, client: ws.terminate_instance(uuid4()),
        InstanceNotFoundError,
        "P0002",
        "instance_not_found",
    ),
    (
        "reinstalling an unknown instance",
        "owner",
        True,
        lambda ws, cast, client: ws.reinstall_instance(uuid4()),
        InstanceNotFoundError,
        "P0002",
        "instance_not_found",
    ),
    ("a user who terminates", "user", True, terminate_as_a_user, PermissionDeniedError, "42501", "permission_denied"),
    (
        "terminating in the wrong state",
        "owner",
        True,
        terminate_in_the_wrong_state,
        InstanceStateError,
        "55000",
        "instance_state",
    ),
    (
        "reinstalling in the wrong state",
        "owner",
        True,
        reinstall_in_the_wrong_state,
        InstanceStateError,
        "55000",
        "instance_state",
    ),
    (
        "legacy instances in an organization",
        "owner",
        True,
        lambda ws, cast, client: ws.legacy_instances(),
        PermissionDeniedError,
        "42501",
        "permission_denied",
    ),
    (
        "legacy instances in the platform's workspace",
        "staff",
        True,
        lambda ws, cast, client: ws.legacy_instances(),
        PermissionDeniedError,
        "42501",
        "permission_denied",
    ),
    (
        "legacy instances on pages of nothing",
        "user",
        False,
        lambda ws, cast, client: ws.legacy_instances(page_size=0),
        InvalidArgumentError,
        "22023",
        "page_size_invalid",
    ),
    ("deleting a model in use", "owner", True, delete_a_model_in_use, ModelInUseError, "23503", "model_in_use"),
    (
        "a user who deletes a model",
        "user",
        True,
        lambda ws, cast, client: ws.delete_model(cast.model(cast.acme)),
        PermissionDeniedError,
        "42501",
        "permission_denied",
    ),
    (
        "deleting a public model in an organization",
        "owner",
        True,
        lambda ws, cast, client: ws.delete_model(cast.model()),
        ModelNotFoundError,
        "P0002",
        "model_not_found",
    ),
    (
        "deleting a public model as staff in their own workspace",
        "staff",
        False,
        lambda ws, cast, client: ws.delete_model(cast.model()),
        ModelNotFoundError,
        "P0002",
        "model_not_found",
    ),
    (
        "deleting an organization's model in the platform's workspace",
        "staff",
        True,
        lambda ws, cast, client: ws.delete_model(cast.model(cast.acme)),
        ModelNotFoundError,
        "P0002",
        "model_not_found",
    ),
    (
        "deleting an unknown model",
        "owner",
        True,
        lambda ws, cast, client: ws.delete_model(uuid4()),
        ModelNotFoundError,
        "P0002",
        "model_not_found",
    ),
    (
        "a model in a personal workspace",
        "owner",
        False,
        insert_a_model,
        PermissionDeniedError,
        "42501",
        "permission_denied",
    ),
    (
        "a model of staff in their own workspace",
        "staff",
        False,
        insert_a_model,
        PermissionDeniedError,
        "42501",
        "permission_denied",
    ),
    (
        "a user who creates users",
        "user",
        True,
        lambda ws, cast, client: ws.create_user("zoe@example.com"),
        PermissionDeniedError,
        "42501",
        "permission_denied",
    ),
    (
        "creating a user in a personal workspace",
        "owner",
        False,
        lambda ws, cast, client: ws.create_user("zoe@example.com"),
        OrganizationRequiredError,
        "55000",
        "organization_required",
    ),
    (
        "creating a user who is there",
        "owner",
        True,
        lambda ws, cast, client: ws.create_user(cast.stranger.email.upper()),
        EmailTakenError,
        "23505",
        "email_taken",
    ),
    (
        "creating nobody",
        "owner",
        True,
        lambda ws, cast, client: ws.create_user("nobody"),
        InvalidArgumentError,
        "22023",
        "email_invalid",
    ),
    (
        "the password of somebody else",
        "owner",
        True,
        lambda ws, cast, client: ws.update_user(cast.user.id, password_hash="mine"),
        PermissionDeniedError,
        "42501",
        "credentials_denied",
    ),
    (
        "changing somebody who is no member",
        "owner",
        True,
        lambda ws, cast, client: ws.update_user(cast.stranger.id, username="mine"),
        MemberNotFoundError,
        "P0002",
        "member_not_found",
    ),
    (
        "changing nobody",
        "staff",
        True,
        lambda ws, cast, client: ws.update_user(uuid4(), username="mine"),
        UserNotFoundError,
        "P0002",
        "user_not_found",
    ),
    (
        "deleting somebody else",
        "owner",
        False,
        lambda ws, cast, client: ws.delete_user(cast.stranger.id),
        PermissionDeniedError,
        "42501",
        "permission_denied",
    ),
    (
        "deleting the last owner",
        "owner",
        False,
        lambda ws, cast, client: ws.delete_user(cast.owner.id),
        LastOwnerError,
        "23514",
        "organization_keeps_an_owner",
    ),
]


@pytest.mark.parametrize(
    ("who", "in_organization", "act", "expected", "sqlstate", "constraint"),
    [case[1:] for case in REFUSED],
    ids=[case[0] for case in REFUSED],
)
async def test_a_refusal_of_the_database_is_an_exception(
    client: Client,
    conn: Any,
    cast: Cast,
    who: str,
    in_organization: bool,
    act: Act,
    expected: type[TenancyError],
    sqlstate: str,
    constraint: str,
) -> None:
    user: User = getattr(cast, who)
    entry: dict[str, Any] = {"user_id": user.id}
    if in_organization:
        entry |= {"platform": True} if who == "staff" else {"organization_id": cast.acme.id}
    with pytest.raises(TenancyError) as raised:
        async with client.workspace(conn, **entry) as ws:
            await act(ws, cast, client)
    assert_error(raised.value, expected, sqlstate, constraint)
    assert not client.in_transaction(conn)


async def test_a_model_that_the_workspace_does_not_see_is_refused(client: Client, conn: Any, cast: Cast) -> None:
    """A foreign key's message is PostgreSQL's own, without a hint."""
    with pytest.raises(ModelNotVisibleError) as raised:
        async with client.workspace(conn, user_id=cast.owner.id, organization_id=cast.acme.id) as ws:
            await use_an_unknown_model(ws, cast, client)
    assert (raised.value.sqlstate, raised.value.constraint) == ("23503", "instances_model_id_fkey")


@pytest.mark.shared_database(False)
@pytest.mark.parametrize(
    ("username", "expected", "constraint"),
    [("taken", UsernameTakenError, "username_taken"), ("eleven char", InvalidArgumentError, "user_data_invalid")],
)
async def test_a_rule_of_the_applications_own_table_is_an_exception_too(
    client: Client,
    conn: Any,
    acme: Organization,
    people: People,
    admin: Connection,
    username: str,
    expected: type[TenancyError],
    constraint: str,
) -> None:
    admin.execute("ALTER TABLE public.users ALTER username TYPE varchar(10), ADD UNIQUE (username)")
    people.user("taken")
    async with client.workspace(conn, **owner_of(acme)) as ws:
        token = (await ws.invite_member("zoe@example.com")).token
    acts: list[Callable[[Any], Awaitable[object]]] = [
        lambda ws: ws.create_user("new@example.com", username=username),
        lambda ws: ws.update_user(acme.owner.id, username=username),
    ]
    for act in acts:
        with pytest.raises(TenancyError) as raised:
            async with client.workspace(conn, **owner_of(acme)) as ws:
                await act(ws)
        assert_error(raised.value, expected, "23505" if username == "taken" else "22023", constraint)
    with pytest.raises(expected):
        await client.accept_invitation(conn, token, username=username)


async def test_a_model_id_that_the_workspace_has_is_taken(client: Client, conn: Any, acme: Organization) -> None:
    """A unique index's message is PostgreSQL's own, without a hint."""
    insert = client.sql("INSERT INTO public.models (name, model_id) VALUES ('m', $1)")
    async with client.workspace(conn, **owner_of(acme)) as ws:
        await ws.execute(insert, ["acme/bot"])
    with pytest.raises(ModelIdTakenError) as raised:
        async with client.workspace(conn, **owner_of(acme)) as ws:
            await ws.execute(insert, ["acme/bot"])
    assert (raised.value.sqlstate, raised.value.constraint) == ("23505", "models_tenancy_workspace_id_model_id_key")


async def test_an_api_key_does_not_act_for_a_person(client: Client, conn: Any, acme: Organization) -> None:
    async with client.workspace(conn, **owner_of(acme)) as ws:
        key = await active_api_key(ws)
    acts: list[Callable[[Any], Awaitable[object]]] = [
        lambda ws: ws.create_organization("New"),
        lambda ws: ws.leave_organization(),
        lambda ws: ws.create_api_key("another"),
        lambda ws: ws.create_user("zoe@example.com"),
        lambda ws: ws.update_user(acme.owner.id, username="mine"),
        lambda ws: ws.delete_user(acme.owner.id),
    ]
    for act in acts:
        with pytest.raises(PersonRequiredError) as raised:
            async with client.workspace(conn, api_key=key) as ws:
                await act(ws)
        assert_error(raised.value, PersonRequiredError, "42501", "person_required")


def test_every_missing_object_is_a_not_found_error() -> None:
    kinds = (MemberNotFoundError, UserNotFoundError, InstanceNotFoundError, ModelNotFoundError, ApiKeyNotFoundError)
    for kind in (*kinds, InvitationNotFoundError):
        assert issubclass(kind, NotFoundError)
