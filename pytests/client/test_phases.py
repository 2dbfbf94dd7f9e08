"""The Python client's methods for phases 3 to 11: invitations, API keys, instances, models, users."""

# ruff: noqa: PT012  (the whole block of a workspace is what raises)

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from pg_tenancy import TenancyError
from pg_tenancy._opening import identify
from pg_tenancy.errors import (
    AlreadyAMemberError,
    ApiKeyError,
    ApiKeyNotFoundError,
    ConnectionNotIdleError,
    DelegationDeniedError,
    EmailAmbiguousError,
    EmailTakenError,
    InstanceNotFoundError,
    InstanceStateError,
    InvalidArgumentError,
    InvitationError,
    InvitationNotFoundError,
    InvitationNotPendingError,
    InvitationPendingError,
    LastOwnerError,
    MemberNotFoundError,
    ModelIdTakenError,
    ModelInUseError,
    ModelNotFoundError,
    ModelNotVisibleError,
    NotAMemberError,
    NotFoundError,
    NotGrantedError,
    OrganizationRequiredError,
    PermissionDeniedError,
    PersonRequiredError,
    PhaseNotDeployedError,
    SessionError,
    SessionNotFoundError,
    TicketError,
    UsernameTakenError,
    UserNotFoundError,
    UserRequiredError,
)
from pg_tenancy.results import (
    AcceptedInvitation,
    ApiKey,
    Invitation,
    InvitationPreview,
    LegacyInstance,
    NewApiKey,
    NewInvitation,
)
from pg_tenancy.results import User as ListedUser
from pg_tenancy.tools.phases import read_phases
from support.clients import Client, active_api_key, assert_error
from support.database import Database
from support.people import Organization, People, User
from support.proxy import Proxy
from support.server import Logins

pytestmark = pytest.mark.shared_database

Connection = psycopg.Connection[tuple[Any, ...]]

PHASES = [phase.tag for phase in read_phases() if phase.tag]


@pytest.fixture
def acme(people: People) -> Organization:
    return people.organization("Acme")


def owner_of(organization: Organization) -> dict[str, UUID]:
    return {"user_id": organization.owner.id, "organization_id": organization.id}


async def invite(client: Client, conn: Any, organization: Organization, email: str, **how: Any) -> NewInvitation:
    async with client.workspace(conn, **owner_of(organization)) as ws:
        invitation: NewInvitation = await ws.invite_member(email, **how)
    return invitation


# -- invitations --------------------------------------------------------------------------


async def test_somebody_without_an_account_is_invited_and_accepts(
    client: Client, conn: Any, acme: Organization, admin: Connection
) -> None:
    new = await invite(client, conn, acme, "Zoe@Example.com", role="manager")
    assert isinstance(new.id, UUID)
    async with client.workspace(conn, **owner_of(acme)) as ws:
        (listed,) = await ws.invitations()
    assert listed == Invitation(
        new.id,
        listed.email,
        "manager",
        "pending",
        acme.owner.id,
        created_at=listed.created_at,
        expires_at=listed.expires_at,
    )
    assert listed.email.lower() == "zoe@example.com"
    assert listed.expires_at - listed.created_at == timedelta(days=7)

    assert await client.peek_invitation(conn, new.token) == InvitationPreview("Acme", "manager", False)
    accepted = await client.accept_invitation(
        conn, new.token, username="zoe", first_name="Zoe", last_name="Zimmer", password_hash="a hash"
    )
    assert accepted == AcceptedInvitation(accepted.user_id, acme.id)
    row = admin.execute(
        "SELECT username, first_name, last_name, password_hash FROM public.users WHERE id = %s", [accepted.user_id]
    ).fetchone()
    assert row == ("zoe", "Zoe", "Zimmer", "a hash")

    async with client.workspace(conn, user_id=accepted.user_id, organization_id=acme.id) as ws:
        assert (await ws.current()).role == "manager"
    async with client.workspace(conn, **owner_of(acme)) as ws:
        assert [invitation.status for invitation in await ws.invitations()] == ["accepted"]


async def test_somebody_with_an_account_accepts_and_keeps_it_as_it_is(
    client: Client, conn: Any, acme: Organization, people: People, admin: Connection
) -> None:
    bob = people.user("bob")
    new = await invite(client, conn, acme, bob.email)
    assert await client.peek_invitation(conn, new.token) == InvitationPreview("Acme", "user", True)
    accepted = await client.accept_invitation(conn, new.token, username="mallory", password_hash="another")
    assert accepted == AcceptedInvitation(bob.id, acme.id)
    row = admin.execute("SELECT username, password_hash FROM public.users WHERE id = %s", [bob.id]).fetchone()
    assert row == ("bob", "hash of bob")


async def test_the_first_person_of_a_customer_signs_up_and_creates_an_organization(
    client: Client, conn: Any, admin: Connection
) -> None:
    user_id = await client.sign_up(conn, " Zoe@Example.com ", username="zoe", first_name="Zoe", password_hash="a hash")
    assert not client.in_transaction(conn)
    row = admin.execute(
        "SELECT email, username, role, password_hash FROM public.users WHERE id = %s", [user_id]
    ).fetchone()
    assert row == ("Zoe@Example.com", "zoe", "user", "a hash")
    async with client.workspace(conn, user_id=user_id) as ws:
        organization = (await ws.create_organization("Acme")).id
    async with client.workspace(conn, user_id=user_id, organization_id=organization) as ws:
        assert (await ws.current()).role == "owner"

    for email, error in (
        ("zoe@example.COM", EmailTakenError),
        ("zoe", InvalidArgumentError),
        (None, InvalidArgumentError),
    ):
        with pytest.raises(error):
            await client.sign_up(conn, email)
        assert not client.in_transaction(conn)


async def test_an_invitation_lasts_as_long_as_was_said(client: Client, conn: Any, acme: Organization) -> None:
    await invite(client, conn, acme, "zoe@example.com", expires_in=timedelta(hours=2))
    async with client.workspace(conn, **owner_of(acme)) as ws:
        (listed,) = await ws.invitations()
    assert listed.expires_at - listed.created_at == timedelta(hours=2)


async def test_a_revoked_invitation_is_refused(client: Client, conn: Any, acme: Organization) -> None:
    new = await invite(client, conn, acme, "zoe@example.com")
    async with client.workspace(conn, **owner_of(acme)) as ws:
        await ws.revoke_invitation(new.id)
        assert [invitation.status for invitation in await ws.invitations()] == ["revoked"]
    for call in (client.peek_invitation, client.accept_invitation):
        with pytest.raises(InvitationError) as raised:
            await call(conn, new.token)
        assert_error(raised.value, InvitationError, "28000", "invalid_invitation")
        assert new.token not in f"{raised.value} {raised.value!r} {raised.value.__cause__}"
        assert not client.in_transaction(conn)


@pytest.mark.parametrize("token", ["", "inv_", "not a token'; --", "é\\'", "inv_" + "0" * 64])
async def test_a_token_that_is_none_is_refused(client: Client, conn: Any, token: str) -> None:
    for call in (client.peek_invitation, client.accept_invitation):
        with pytest.raises(InvitationError) as raised:
            await call(conn, token)
        assert_error(raised.value, InvitationError, "28000", "invalid_invitation")


async def test_one_of_two_accounts_with_the_same_address_is_not_guessed(
    client: Client, conn: Any, acme: Organization, people: People
) -> None:
    for email in ("Twin@example.com", "tWin@example.com"):
        people.user(email=email)
    with pytest.raises(EmailAmbiguousError) as raised:
        new = await invite(client, conn, acme, "twin@example.com")
        await client.accept_invitation(conn, new.token)
    assert_error(raised.value, EmailAmbiguousError, "21000", "email_ambiguous")


async def test_accepting_needs_a_connection_that_is_in_no_transaction(
    client: Client, conn: Any, acme: Organization
) -> None:
    new = await invite(client, conn, acme, "zoe@example.com")
    await client.send(conn, "BEGIN")
    for call in (client.peek_invitation, client.accept_invitation):
        with pytest.raises(ConnectionNotIdleError, match="already in a transaction"):
            await call(conn, new.token)
    assert client.in_transaction(conn)
    await client.send(conn, "ROLLBACK")
    async with client.workspace(conn, **owner_of(acme)) as ws:
        await ws.open()
        with pytest.raises(ConnectionNotIdleError):
            await client.accept_invitation(conn, new.token)
    await client.accept_invitation(conn, new.token)


async def test_accepting_needs_a_connection_or_a_pool(client: Client) -> None:
    for call in (client.peek_invitation, client.accept_invitation):
        with pytest.raises(TypeError, match="not str"):
            await call("dbname=x", "inv_")


async def test_a_pool_is_clean_after_accepting_and_after_a_refusal(
    client: Client, dsn: str, acme: Organization
) -> None:
    async with client.pool(dsn) as pool:
        new = await invite(client, pool, acme, "zoe@example.com")
        for token in (new.token, "inv_"):
            with suppress(InvitationError):
                await client.accept_invitation(pool, token)
            async with client.taken(pool) as conn:
                assert not client.in_transaction(conn)
                if client.name != "asyncpg":
                    assert conn.autocommit is False


async def test_a_connection_that_breaks_while_accepting_is_replaced(
    client: Client, dsn: str, acme: Organization
) -> None:
    with Proxy(dsn) as proxy:
        async with client.pool(proxy.dsn) as pool:
            new = await invite(client, pool, acme, "zoe@example.com")
            proxy.cut_instead_of_answer(1)
            with pytest.raises(client.lost):
                await client.accept_invitation(pool, new.token)
            accepted = await client.accept_invitation(pool, new.token)
            assert accepted.organization_id == acme.id


async def test_a_pool_is_clean_after_a_cancelled_acceptance(async_client: Client, dsn: str, acme: Organization) -> None:
    client = async_client
    with Proxy(dsn) as proxy:
        async with client.pool(proxy.dsn) as pool:
            new = await invite(client, pool, acme, "zoe@example.com")
            proxy.delay = 0.1
            for seconds in (0.05, 0.15, 0.25):
                with suppress(asyncio.TimeoutError, InvitationError):
                    await asyncio.wait_for(client.accept_invitation(pool, new.token), seconds)
                async with client.taken(pool) as conn:
                    assert not client.in_transaction(conn)


# -- secrets --------------------------------------------------------------------------------


def messages(sent: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Split a client's bytes after the login into messages, each with kind and body."""
    while sent:
        (length,) = struct.unpack_from("!i", sent, 1)
        yield sent[:1], sent[5 : 1 + length]
        sent = sent[1 + length :]


@pytest.mark.parametrize("way", ["api_key", "peek", "accept"])
async def test_a_secret_is_sent_as_a_parameter_and_never_in_a_text(client: Client, dsn: str, way: str) -> None:
    """Statement texts are logged and shown in pg_stat_activity."""
    secret = "sk_such_a_secret_as_never_was"
    sent = bytearray()
    with Proxy(dsn) as proxy:
        async with client.connect(proxy.dsn) as conn:
            proxy.on_sent = sent.extend
            with pytest.raises(TenancyError) as raised:
                if way == "api_key":
                    await client.fetch_all(conn, "SELECT 1", api_key=secret)
                elif way == "peek":
                    await client.peek_invitation(conn, secret)
                else:
                    await client.accept_invitation(conn, secret)
            proxy.on_sent = None
    forms = (secret.encode(), secret.encode().hex().encode())
    kinds = {kind for kind, body in messages(bytes(sent)) if any(form in body for form in forms)}
    assert kinds <= {b"B"}
    cause = raised.value.__cause__
    said = f"{raised.value} {raised.value!r} {cause} {cause!r} {vars(cause) if cause else ''}"
    assert not any(form.decode() in said for form in forms)


def test_no_secret_is_shown_by_repr() -> None:
    assert "secret" not in repr(NewInvitation(uuid4(), "inv_secret"))
    assert "secret" not in repr(NewApiKey(uuid4(), "sk_secret"))
    for given in (
        identify({"api_key": "sk_secret"}),
        identify({"ticket": "a.secret.ticket"}),
    ):
        assert "secret" not in repr(given)


# -- API keys -----------------------------------------------------------------------------


async def test_an_organization_makes_renames_and_revokes_api_keys(
    client: Client, conn: Any, acme: Organization
) -> None:
    tomorrow = datetime.now(timezone.utc) + timedelta(days=1)
    async with client.workspace(conn, **owner_of(acme)) as ws:
        first = await ws.create_api_key("first")
        assert isinstance(first, NewApiKey)
    async with client.workspace(conn, **owner_of(acme)) as ws:
        second = await ws.create_api_key("second", tomorrow)
        await ws.rename_api_key(second.id, "renamed")
        newest, oldest = await ws.api_keys()
        assert (oldest.id, oldest.expires_at, oldest.name) == (first.id, None, "first")
        assert newest == ApiKey(
            second.id,
            newest.user_id,
            acme.id,
            acme.id,
            "renamed",
            newest.key_prefix,
            created_at=newest.created_at,
            last_used_at=None,
            revoked_at=None,
            expires_at=tomorrow,
        )
        assert second.key.startswith(newest.key_prefix)
        await ws.revoke_api_key(first.id)
        await ws.revoke_api_key(first.id)
        assert {key.id: key.revoked_at is None for key in await ws.api_keys()} == {second.id: True, first.id: False}


async def test_a_person_has_api_keys_of_their_own(client: Client, conn: Any, acme: Organization) -> None:
    async with client.workspace(conn, user_id=acme.owner.id) as ws:
        new = await ws.create_api_key("mine")
        (listed,) = await ws.api_keys()
    assert (listed.id, listed.user_id, listed.organization_id) == (new.id, acme.owner.id, None)
    async with client.workspace(conn, **owner_of(acme)) as ws:
        assert await ws.api_keys() == []


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize("login", ["app", "credentialed"])
async def test_an_api_key_says_who_and_where(
    client: Client,
    database: Database,
    logins: Logins,
    conn: Any,
    acme: Organization,
    login: str,
    read_only: bool,
) -> None:
    async with client.workspace(conn, **owner_of(acme)) as ws:
        ours = await active_api_key(ws)
    async with client.workspace(conn, user_id=acme.owner.id) as ws:
        mine = (await ws.create_api_key("mine")).key
    async with client.connect(database.dsn(getattr(logins, login))) as other:
        async with client.workspace(other, api_key=ours, read_only=read_only) as ws:
            here = await ws.current()
            assert (here.kind, here.id, here.role) == ("organization", acme.id, "user")
        async with client.workspace(other, api_key=mine, read_only=read_only) as ws:
            here = await ws.current()
            assert (here.kind, here.id) == ("personal", acme.owner.id)
        rows = await client.fetch_all(other, "SELECT id FROM public.organizations", api_key=ours, read_only=read_only)
        assert [tuple(row) for row in rows] == [(acme.id,)]


@pytest.mark.parametrize("key", ["", "sk_", "not a key'; --", "é\\'"])
async def test_an_api_key_that_is_none_is_refused(client: Client, conn: Any, key: str) -> None:
    for read_only in (False, True):
        with pytest.raises(ApiKeyError) as raised:
            await client.fetch_all(conn, "SELECT 1", api_key=key, read_only=read_only)
        assert_error(raised.value, ApiKeyError, "28000", "invalid_api_key")
        assert not client.in_transaction(conn)


async def test_a_revoked_api_key_is_refused_and_not_shown(client: Client, conn: Any, acme: Organization) -> None:
    async with client.workspace(conn, **owner_of(acme)) as ws:
        new = await ws.create_api_key("ours")
        await ws.revoke_api_key(new.id)
    with pytest.raises(ApiKeyError) as raised:
        async with client.workspace(conn, api_key=new.key) as ws:
            await ws.current()
    assert_error(raised.value, ApiKeyError, "28000", "invalid_api_key")
    cause = raised.value.__cause__
    assert new.key not in f"{raised.value} {raised.value!r} {cause} {vars(cause) if cause else ''}"


async def test_the_expiry_of_an_api_key_has_a_time_zone(client: Client, conn: Any, acme: Organization) -> None:
    async with client.workspace(conn, **owner_of(acme)) as ws:
        with pytest.raises(InvalidArgumentError, match="time zone"):
            await ws.create_api_key("ours", datetime(2100, 1, 1))  # noqa: DTZ001, RUF100
        await ws.create_api_key("ours", datetime(2100, 1, 1, tzinfo=timezone.utc))


async def test_what_the_table_of_api_keys_refuses_says_what_is_allowed(
    client: Client, conn: Any, acme: Organization, admin: Connection
) -> None:
    admin.execute("REVOKE SELECT (name) ON public.api_keys FROM tenancy_credentialed")
    with pytest.raises(NotGrantedError) as raised:
        async with client.workspace(conn, **owner_of(acme)) as ws:
            await ws.api_keys()
    assert (raised.value.sqlstate, raised.value.table) == ("42501", "api_keys")
    assert "name" not in raised.value.readable


# -- instances and models -------------------------------------------------------------------


def instance_of(admin: Connection, organization: Organization, status: str, **more: UUID) -> UUID:
    """Insert an instance of an organization as the superuser."""
    provider = admin.execute("INSERT INTO public.providers (name) VALUES ('Cloud') RETURNING id").fetchall()[0][0]
    made: UUID = admin.execute(
        "INSERT INTO public.instances (provider_id, organization_id, status, model_id)"
        " VALUES (%s, %s, %s, %s) RETURNING id",
        [provider, organization.id, status, more.get("model_id")],
    ).fetchall()[0][0]
    return made


def transition(admin: Connection, action: str) -> tuple[str, str]:
    """Return a state that allows the action, and the resulting state."""
    row = admin.execute(
        "SELECT from_status, to_status FROM tenancy.instance_transitions WHERE action = %s"
        " ORDER BY from_status LIMIT 1",
        [action],
    ).fetchone()
    assert row is not None
    return row[0], row[1]


@pytest.mark.parametrize("action", ["terminate", "reinstall"])
async def test_an_instance_is_terminated_or_reinstalled(
    client: Client, conn: Any, acme: Organization, admin: Connection, action: str
) -> None:
    before, after = transition(admin, action)
    instance = instance_of(admin, acme, before)
    async with client.workspace(conn, **owner_of(acme)) as ws:
        await getattr(ws, f"{action}_instance")(instance)
        query = client.sql("SELECT status FROM public.instances WHERE id = $1")
        assert await ws.fetch_value(query, [instance]) == after


def legacy_instance(admin: Connection, **more: Any) -> UUID:
    """Insert an instance without an owner, as before the migration."""
    provider = admin.execute("INSERT INTO public.providers (name) VALUES ('Cloud') RETURNING id").fetchall()[0][0]
    made: UUID = admin.execute(
        "INSERT INTO public.instances (provider_id, status, ip_address, model_id, terminated_at)"
        " VALUES (%s, %s, '10.0.0.1', %s, %s) RETURNING id",
        [provider, more.get("status", "ready"), more.get("model_id"), more.get("terminated_at")],
    ).fetchall()[0][0]
    return made


async def test_everybody_lists_legacy_instances_a_page_at_a_time_in_the_own_workspace(
    client: Client, conn: Any, acme: Organization, people: People, admin: Connection
) -> None:
    yesterday = datetime.now(timezone.utc) - timedelta(days=1)
    legacy = sorted(legacy_instance(admin) for _ in range(3))
    ended = legacy_instance(admin, status="terminated", terminated_at=yesterday)
    instance_of(admin, acme, "ready")
    admin.execute(
        "INSERT INTO public.instances (user_id, provider_id) SELECT %s, p.id FROM public.providers AS p LIMIT 1",
        [people.user().id],
    )
    for user in (acme.owner, people.user(), people.user(role="admin")):
        async with client.workspace(conn, user_id=user.id) as ws:
            everything = await ws.legacy_instances()
            assert [found.id for found in everything] == sorted([*legacy, ended])
            first = await ws.legacy_instances(page_size=3)
            rest = await ws.legacy_instances(after_id=first[-1].id, page_size=3)
            assert [*first, *rest] == everything
            # They are not rows of this workspace.
            assert await ws.fetch_value("SELECT count(*) FROM public.instances") == 0
    (shown,) = [found for found in everything if found.id == ended]
    assert shown == LegacyInstance(ended, shown.provider_id, None, "terminated", shown.created_at, yesterday)
    assert isinstance(shown.provider_id, UUID)
    assert shown.created_at.tzinfo is not None
    with pytest.raises(InvalidArgumentError, match="a page must have 1 to 10000 rows") as raised:
        async with client.workspace(conn, user_id=acme.owner.id) as ws:
            await ws.legacy_instances(page_size=10001)
    assert_error(raised.value, InvalidArgumentError, "22023", "page_size_invalid")


@pytest.mark.shared_database(False)
async def test_legacy_instances_of_an_adopted_table_may_have_times_without_a_zone(
    client: Client, conn: Any, people: People, admin: Connection
) -> None:
    instance = legacy_instance(admin)
    for column in ("created_at", "terminated_at"):
        admin.execute(f"ALTER TABLE public.instances ALTER {column} TYPE timestamp".encode())
    async with client.workspace(conn, user_id=people.user().id) as ws:
        (shown,) = await ws.legacy_instances()
    assert (shown.id, shown.created_at.tzinfo is None) == (instance, False)


async def test_staff_change_legacy_instances_in_the_platforms_workspace(
    client: Client, conn: Any, people: People, admin: Connection
) -> None:
    staff, (before, after) = people.user(role="admin"), transition(admin, "terminate")
    instance = legacy_instance(admin, status=before)
    async with client.workspace(conn, user_id=staff.id) as ws:
        with pytest.raises(InstanceNotFoundError):
            async with client.transaction(await ws.connection()):
                await ws.terminate_instance(instance)
    async with client.workspace(conn, user_id=staff.id, platform=True) as ws:
        await ws.execute(client.sql("UPDATE public.instances SET gpu_profile = 'big' WHERE id = $1"), [instance])
        await ws.terminate_instance(instance)
        row = await ws.fetch_one("SELECT id, status, gpu_profile FROM public.instances")
    assert tuple(row) == (instance, after, "big")


async def test_an_organization_deletes_its_models_and_staff_the_public_ones(
    client: Client, conn: Any, acme: Organization, people: People, admin: Connection
) -> None:
    staff = people.user(role="admin")
    ours, public = (
        admin.execute(
            "INSERT INTO public.models (name, model_id, organization_id) VALUES ('Small', %s, %s) RETURNING id",
            [f"hub/{uuid4()}", organization],
        ).fetchall()[0][0]
        for organization in (acme.id, None)
    )
    there = "SELECT id FROM public.models"
    async with client.workspace(conn, **owner_of(acme)) as ws:
        await ws.delete_model(ours)
        with pytest.raises(ModelNotFoundError):
            async with client.transaction(await ws.connection()):
                await ws.delete_model(ours)
        with pytest.raises(ModelNotFoundError):
            async with client.transaction(await ws.connection()):
                await ws.delete_model(public)
        assert [tuple(row) for row in await ws.fetch_all(there)] == [(public,)]
    async with client.workspace(conn, user_id=staff.id, platform=True) as ws:
        await ws.delete_model(public)
        assert await ws.fetch_all(there) == []
    assert admin.execute(there.encode()).fetchall() == []


# -- users ----------------------------------------------------------------------------------


async def test_an_organization_creates_changes_and_removes_a_user(
    client: Client, conn: Any, acme: Organization, admin: Connection
) -> None:
    async with client.workspace(conn, **owner_of(acme)) as ws:
        zoe = await ws.create_user(
            "zoe@example.com", username="zoe", first_name="Zoe", last_name="Zimmer", password_hash="a hash"
        )
        assert isinstance(zoe, UUID)
        await ws.update_user(zoe, last_name="Zapp")
        (member,) = [member for member in await ws.members() if member.user_id == zoe]
        assert (member.username, member.first_name, member.last_name, member.role) == ("zoe", "Zoe", "Zapp", "user")
    async with client.workspace(conn, user_id=zoe) as ws:
        await ws.update_user(zoe, email="new@example.com", password_hash="another")
    found = admin.execute("SELECT email, username, password_hash FROM public.users WHERE id = %s", [zoe]).fetchone()
    assert found == ("new@example.com", "zoe", "another")
    async with client.workspace(conn, **owner_of(acme)) as ws:
        await ws.delete_user(zoe)
        assert [member.user_id for member in await ws.members()] == [acme.owner.id]
    assert admin.execute("SELECT count(*) FROM public.users WHERE id = %s", [zoe]).fetchone() == (1,)


async def test_a_person_deletes_their_account(client: Client, conn: Any, people: People, admin: Connection) -> None:
    bob = people.user("bob")
    async with client.workspace(conn, user_id=bob.id) as ws:
        await ws.delete_user(bob.id)
    assert admin.execute("SELECT count(*) FROM public.users WHERE id = %s", [bob.id]).fetchone() == (0,)


async def test_platform_staff_create_accounts(client: Client, conn: Any, people: People) -> None:
    staff = people.user(role="admin")
    async with client.workspace(conn, user_id=staff.id, platform=True) as ws:
        zoe = await ws.create_user("zoe@example.com")
    async with client.workspace(conn, user_id=zoe) as ws:
        assert await ws.my_organizations() == []


async def test_platform_staff_change_and_delete_accounts_in_the_platforms_workspace(
    client: Client, conn: Any, people: People, admin: Connection
) -> None:
    staff, bob, eve = people.user(role="admin"), people.user("bob"), people.user("eve")
    acts: list[Callable[[Any], Awaitable[object]]] = [
        lambda ws: ws.update_user(bob.id, email="new@example.com"),
        lambda ws: ws.delete_user(bob.id),
    ]
    for act in acts:
        with pytest.raises(PermissionDeniedError) as raised:
            async with client.workspace(conn, user_id=staff.id) as ws:
                await act(ws)
        assert_error(raised.value, PermissionDeniedError, "42501", "permission_denied")
    everybody = sorted([staff.id, bob.id, eve.id])
    async with client.workspace(conn, user_id=staff.id, platform=True) as ws:
        await ws.update_user(bob.id, email="new@example.com", password_hash="another")
        assert [row[0] for row in await ws.fetch_all("SELECT id FROM public.users ORDER BY id")] == everybody
        await ws.delete_user(eve.id)
    found = admin.execute("SELECT id, email, password_hash FROM public.users WHERE id <> %s", [staff.id]).fetchall()
    assert found == [(bob.id, "new@example.com", "another")]


async def test_platform_staff_list_everybody_a_page_at_a_time(client: Client, conn: Any, people: People) -> None:
    staff = people.user(role="admin")
    others = [people.user(name) for name in ("ann", "bob", "eve")]
    everybody = sorted([staff.id, *(other.id for other in others)])
    for platform in (True, False):
        async with client.workspace(conn, user_id=staff.id, platform=platform) as ws:
            first = await ws.all_users(page_size=3)
            rest = await ws.all_users(after_id=first[-1].user_id, page_size=3)
            assert [user.user_id for user in [*first, *rest]] == everybody
    async with client.workspace(conn, user_id=staff.id) as ws:
        (bob,) = await ws.all_users(f" {others[1].email.upper()}")
        assert bob == ListedUser(others[1].id, others[1].email, "bob", "Bob", "Example", "user", bob.created_at)
        assert await ws.all_users("nobody@example.com") == []
    with pytest.raises(InvalidArgumentError, match="a page must have 1 to 10000 rows"):
        async with client.workspace(conn, user_id=staff.id) as ws:
            await ws.all_users(page_size=0)
    with pytest.raises(PermissionDeniedError, match="only platform staff"):
        async with client.workspace(conn, user_id=others[0].id) as ws:
            await ws.all_users()


# -- refusals -------------------------------------------------------------------------------


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


# -- during the migration -----------------------------------------------------------------

COSTS_OF = (datetime(2026, 1, 1, tzinfo=timezone.utc), datetime(2026, 2, 1, tzinfo=timezone.utc))
LATER: list[tuple[int, str, Callable[[Any], Awaitable[object]]]] = [
    (3, "tenancy.invite_member", lambda ws: ws.invite_member("zoe@example.com")),
    (3, "tenancy.invite_member", lambda ws: ws.invite_member("zoe@example.com", expires_in=timedelta(days=1))),
    (3, "tenancy.invitations", lambda ws: ws.invitations()),
    (3, "tenancy.revoke_invitation", lambda ws: ws.revoke_invitation(uuid4())),
    (4, "tenancy.create_api_key", lambda ws: ws.create_api_key("ci")),
    (4, "tenancy.enter_with_api_key", lambda ws: ws.api_keys()),
    (4, "tenancy.rename_api_key", lambda ws: ws.rename_api_key(uuid4(), "new")),
    (4, "tenancy.revoke_api_key", lambda ws: ws.revoke_api_key(uuid4())),
    (5, "tenancy.terminate_instance", lambda ws: ws.terminate_instance(uuid4())),
    (5, "tenancy.reinstall_instance", lambda ws: ws.reinstall_instance(uuid4())),
    (5, "tenancy.legacy_instances", lambda ws: ws.legacy_instances()),
    (6, "tenancy.delete_model", lambda ws: ws.delete_model(uuid4())),
    (7, "tenancy.create_user", lambda ws: ws.create_user("zoe@example.com")),
    (7, "tenancy.update_user", lambda ws: ws.update_user(uuid4())),
    (7, "tenancy.delete_user", lambda ws: ws.delete_user(uuid4())),
    (7, "tenancy.all_users", lambda ws: ws.all_users()),
    (9, "finops.cost_current", lambda ws: ws.cost_current()),
    (9, "finops.costs_summary", lambda ws: ws.costs_summary(*COSTS_OF)),
    (9, "finops.costs_window", lambda ws: ws.costs_window("day")),
    (9, "finops.costs_series", lambda ws: ws.costs_series(*COSTS_OF)),
    (9, "finops.costs_by", lambda ws: ws.costs_by(*COSTS_OF, "model")),
    (9, "finops.cost_forecast", lambda ws: ws.cost_forecast()),
    (8, "tenancy.settings", lambda ws: ws.settings()),
    (8, "tenancy.setting", lambda ws: ws.setting("theme")),
    (8, "tenancy.explain_setting", lambda ws: ws.explain_setting("theme")),
    (8, "tenancy.set_setting", lambda ws: ws.set_setting("theme", "dark")),
    (8, "tenancy.set_sealed_setting", lambda ws: ws.set_sealed_setting("token", b"x", "k")),
    (8, "tenancy.unset_setting", lambda ws: ws.unset_setting("theme")),
    (8, "tenancy.lock_setting", lambda ws: ws.lock_setting("theme")),
    (8, "tenancy.provider_status", lambda ws: ws.provider_status()),
    (10, "tenancy.visible_modules", lambda ws: ws.visible_modules()),
    (10, "tenancy.require_module", lambda ws: ws.require_module("chat")),
    (10, "tenancy.can_provision", lambda ws: ws.can_provision()),
    (11, "tenancy.activate", lambda ws: ws.activate("model", uuid4(), "tech")),
    (11, "tenancy.deactivate", lambda ws: ws.deactivate("model", uuid4(), "eco")),
    (11, "tenancy.require_operational", lambda ws: ws.require_operational("model", uuid4())),
    (12, "tenancy.wallet", lambda ws: ws.wallet()),
]


@pytest.mark.parametrize("tag", PHASES[2:-1])
async def test_a_call_of_a_later_phase_names_the_phase(
    client: Client, database_at: Callable[[str], Database], logins: Logins, tag: str
) -> None:
    # In the plan's order, which differs from the order of the numbers.
    phases, database = [int(name.removeprefix("phase-")) for name in PHASES], database_at(f"@{tag}")
    later = phases[PHASES.index(tag) + 1 :]
    with database.connect(autocommit=True) as admin:
        acme = People(admin).organization("Acme")
    async with client.connect(database.dsn(logins.app)) as conn:
        for needed, function, call in LATER:
            if needed not in later:
                continue
            for first in (True, False):
                with pytest.raises(PhaseNotDeployedError, match=f"phase {needed}") as raised:
                    async with client.workspace(conn, **owner_of(acme)) as ws:
                        if not first:
                            await ws.open()
                        await call(ws)
                assert (raised.value.phase, raised.value.function) == (needed, function)
        if 4 in later:
            with pytest.raises(PhaseNotDeployedError) as raised:
                await client.fetch_all(conn, "SELECT 1", api_key="sk_")
            assert (raised.value.phase, raised.value.function) == (4, "tenancy.enter_with_api_key")
        if 3 in later:
            for function in ("peek_invitation", "accept_invitation"):
                with pytest.raises(PhaseNotDeployedError) as raised:
                    await getattr(client, function)(conn, "inv_")
                assert (raised.value.phase, raised.value.function) == (3, f"tenancy.{function}")
                assert not client.in_transaction(conn)


async def test_an_adopted_table_of_api_keys_with_all_columns_is_not_taken_for_the_phase(
    client: Client, database_at: Callable[[str], Database], logins: Logins
) -> None:
    database = database_at("@phase-2")
    with database.connect(autocommit=True) as admin:
        acme = People(admin).organization("Acme")
        admin.execute(
            "ALTER TABLE public.api_keys ADD organization_id uuid, ADD workspace_id uuid, ADD expires_at timestamptz"
        )
    async with client.connect(database.dsn(logins.app)) as conn:
        with pytest.raises(PhaseNotDeployedError, match="phase 4"):
            async with client.workspace(conn, **owner_of(acme)) as ws:
                await ws.api_keys()


async def test_a_wallet_and_its_statement(
    client: Client, conn: Any, database: Database, people: People, logins: Logins
) -> None:
    ann = people.user("rich")
    with database.connect(logins.service) as service:
        service.execute("SELECT tenancy.top_up(%s, 12.5, 'client')", [ann.id])
    async with client.workspace(conn, user_id=ann.id) as ws:
        wallet = await ws.wallet()
        assert (wallet.workspace_id, wallet.balance, wallet.available, wallet.version) == (ann.id, 12.5, 12.5, 1)
        (entry,) = await ws.statement(since=datetime(2020, 1, 1, tzinfo=timezone.utc))
        assert (entry.kind, entry.reference, entry.amount, entry.chain) == ("top_up", "client", 12.5, wallet.chain)
        assert await ws.statement(until=datetime(2020, 1, 1, tzinfo=timezone.utc)) == []
        assert await ws.verify_statement() == []
        assert await ws.verify_statement(known=wallet) == []
        (found,) = await ws.verify_statement(known=replace(wallet, chain=bytes(32)))
        assert (found.problem, found.found) == ("the ledger was written anew", wallet.chain.hex())


# -- sessions ---------------------------------------------------------------------------------


async def test_a_person_stays_logged_in_until_the_session_ends(client: Client, conn: Any, acme: Organization) -> None:
    owner = acme.owner.id
    session = await client.start_session(conn, **owner_of(acme), client="Firefox", lasts=timedelta(hours=1))
    assert not client.in_transaction(conn)
    assert session.token not in repr(session)
    async with client.workspace(conn, session=session.token) as ws:
        assert ((await ws.current()).id, (await ws.current()).role) == (acme.id, "owner")
        (listed,) = await ws.sessions(session.token)
    assert (listed.id, listed.is_current, listed.organization_id) == (session.id, True, acme.id)
    assert (listed.client, listed.expires_at) == ("Firefox", session.expires_at)
    assert listed.expires_at - listed.started_at == timedelta(hours=1)

    # Another tab is in another workspace, and the session stays.
    async with client.workspace(conn, session=session.token, personal=True) as ws:
        assert (await ws.current()).id == owner
    async with client.workspace(conn, session=session.token) as ws:
        assert (await ws.current()).id == acme.id
    await client.switch_session(conn, session.token)
    async with client.workspace(conn, session=session.token) as ws:
        assert (await ws.current()).id == owner
        (moved,) = await ws.sessions()
    assert (moved.organization_id, moved.is_current) == (None, False)

    await client.end_session(conn, session.token)
    assert not client.in_transaction(conn)
    with pytest.raises(SessionError):
        await client.end_session(conn, session.token)
    with pytest.raises(SessionError):
        async with client.workspace(conn, session=session.token) as ws:
            await ws.current()


async def test_sessions_are_ended_by_their_owner(client: Client, conn: Any, acme: Organization, people: People) -> None:
    kept, *others = [await client.start_session(conn, user_id=acme.owner.id) for _ in range(3)]
    strangers = await client.start_session(conn, user_id=people.user().id)
    async with client.workspace(conn, session=kept.token) as ws:
        await ws.revoke_session(others[0].id)
        assert await ws.revoke_sessions(keep=kept.id) == 1
        assert [each.id for each in await ws.sessions()] == [kept.id]
    with pytest.raises(SessionNotFoundError):
        async with client.workspace(conn, session=kept.token) as ws:
            await ws.revoke_session(strangers.id)
    for token in (*(each.token for each in others), None, "x", "x\0"):
        with pytest.raises(SessionError):
            async with client.workspace(conn, session=token) as ws:
                await ws.current()
    async with client.workspace(conn, session=strangers.token) as ws:
        assert len(await ws.sessions()) == 1


async def test_what_starts_no_session(client: Client, conn: Any, acme: Organization, people: People) -> None:
    for arguments, error in (
        ({}, UserRequiredError),
        ({"ticket": "x"}, TicketError),
        ({"user_id": acme.owner.id, "ticket": "x"}, TypeError),
        ({"organization_id": acme.id, "ticket": "x"}, TypeError),
        ({"user_id": people.user().id, "organization_id": acme.id}, NotAMemberError),
        ({"user_id": acme.owner.id, "lasts": timedelta(0)}, InvalidArgumentError),
        ({"user_id": acme.owner.id, "lasts": 7}, InvalidArgumentError),
        ({"user_id": acme.owner.id, "client": "x\0"}, InvalidArgumentError),
    ):
        with pytest.raises(error):
            await client.start_session(conn, **arguments)
        assert not client.in_transaction(conn)
