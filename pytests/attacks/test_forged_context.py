"""Attacks on the session context: manual settings."""

# ruff: noqa: S608  (a block is a transaction; the statements are the attacks)

from __future__ import annotations

import itertools
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import sql

from support.contexts import BOTH, VARIABLES, Sealed, context, names, of_globex, set_context
from support.two_tenants import TwoTenants, refused

pytestmark = BOTH

TABLES = (
    "public.users",
    "public.organizations",
    "public.organization_memberships",
    "tenancy.workspaces",
    "public.api_keys",
    "public.instances",
    "public.models",
    "tenancy.audit_log",
    "tenancy.permissions",
    "tenancy.instance_transitions",
    "tenancy.role_permissions",
    "tenancy.role_delegations",
    "tenancy.invitations",
)
READERS = (
    "current_user_id()",
    "current_organization_id()",
    "current_workspace_id()",
    "current_role()",
    "current_workspace()",
    "current_credential_id()",
    "require_access('public.api_keys', 'UPDATE')",
    "require_access('public.models', 'INSERT')",
    "require_person()",
    "visible_user_ids()",
    "sees_all_users()",
    "all_users()",
    "legacy_instances()",
    "create_api_key('mine')",
    "revoke_api_key('00000000-0000-0000-0000-000000000000')",
    "delete_model('00000000-0000-0000-0000-000000000000')",
    "terminate_instance('00000000-0000-0000-0000-000000000000')",
    "has_permission('members.view')",
    "my_permissions()",
    "my_organizations()",
    "members()",
    "member('00000000-0000-0000-0000-000000000000')",
    "invitations()",
    "invite_member('new@example.com')",
    "revoke_invitation('00000000-0000-0000-0000-000000000000')",
    "badge('00000000-0000-0000-0000-000000000000')",
    "require_permission('members.view')",
    "create_organization('Mine')",
    "update_organization(name => 'Mine')",
    "delete_organization()",
    "leave_organization()",
    "remove_member('00000000-0000-0000-0000-000000000000')",
    "change_member_role('00000000-0000-0000-0000-000000000000', 'owner')",
)


@pytest.mark.parametrize("way", ["SET", "SET LOCAL", "set_config", "UPDATE pg_settings"])
def test_a_context_set_by_hand_opens_no_table(tenants: TwoTenants, login: str, way: str) -> None:
    with tenants.session(login) as connection:
        for name, value in of_globex(tenants).items():
            if way == "set_config":
                connection.execute("SELECT set_config(%s, %s, true)", [f"tenancy.{name}", value])
            elif way == "UPDATE pg_settings":
                # The view lists a variable once it has a value.
                connection.execute("SELECT set_config(%s, '-', true)", [f"tenancy.{name}"])
                connection.execute("UPDATE pg_settings SET setting = %s WHERE name = %s", [value, f"tenancy.{name}"])
            else:
                connection.execute(
                    sql.SQL("{} tenancy.{} = {}").format(sql.SQL(way), sql.Identifier(name), sql.Literal(value))
                )
        for table in TABLES:
            with refused("28000", "invalid_context"), connection.transaction():
                connection.execute(f"SELECT count(*) FROM {table}")


@pytest.mark.parametrize("reader", READERS)
def test_no_function_answers_without_a_context_or_to_a_forged_one(tenants: TwoTenants, login: str, reader: str) -> None:
    with tenants.session(login) as connection:
        with refused("28000", "no_context"), connection.transaction():
            connection.execute(f"SELECT tenancy.{reader}")
        set_context(connection, of_globex(tenants))
        with refused("28000", "invalid_context"), connection.transaction():
            connection.execute(f"SELECT tenancy.{reader}")


@pytest.mark.parametrize("variable", VARIABLES)
def test_changing_one_variable_breaks_the_seal(tenants: TwoTenants, login: str, variable: str) -> None:
    with tenants.entered(tenants.members["user"], tenants.acme, login) as connection:
        before = context(connection)
        for value in (of_globex(tenants)[variable], "", None, "/", "'; SELECT 1", "é", "owner", "0" * 10_000):
            connection.execute("SELECT set_config(%s, %s, true)", [f"tenancy.{variable}", value])
            with refused("28000", "invalid_context"), connection.transaction():
                names(connection)
            # Restoring the value is not a forgery.
            set_context(connection, before)
            assert names(connection) == ["Acme"]


@pytest.mark.parametrize("where", ["an organization", "a personal workspace", "an organization, with a key"])
def test_no_other_split_of_the_sealed_text_has_the_same_seal(tenants: TwoTenants, login: str, where: str) -> None:
    with tenants.session(login) as connection:
        if where == "an organization, with a key":
            connection.execute("SELECT tenancy.enter_with_api_key(%s)", [tenants.api_keys["organization"]])
        else:
            tenants.enter(connection, tenants.members["user"], tenants.acme if where == "an organization" else None)
        before = context(connection)
        seal, facts = before["context"][:72], before["context"][72:]
        text = f"{before['current_user_id']}/{before['current_organization_id']}/{facts}"
        cuts = [place for place, character in enumerate(text) if character in "/_"]
        splits = [
            {
                "current_user_id": text[:first],
                "current_organization_id": text[first + 1 : second],
                "context": seal + text[second + 1 :],
            }
            for first, second in itertools.combinations(cuts, 2)
        ]
        assert before in splits
        # Without separators, and in other spellings of the same UUID.
        user, organization = before["current_user_id"], before["current_organization_id"]
        splits += [
            before | {"current_user_id": user + organization, "current_organization_id": ""},
            before | {"current_user_id": "", "current_organization_id": user + organization},
            before | {"current_user_id": user[:-1], "current_organization_id": user[-1] + organization},
            before | {"current_user_id": organization, "current_organization_id": user},
            before | {"current_user_id": user.upper()},
            before | {"current_user_id": user.replace("-", "")},
            before | {"current_user_id": "{" + user + "}"},
            before | {"current_organization_id": user},
            before | {"current_organization_id": str(UUID(int=0))},
            before | {"context": before["context"] + " "},
            before | {"context": before["context"] + "_"},
            # Concatenated, as in the parameter.
            before | {"current_user_id": f"{user},{organization}", "current_organization_id": ""},
            before | {"current_organization_id": f"{organization} {before['context']}", "context": ""},
            before | {"current_user_id": f"{user},{organization} {before['context']}", "context": ""},
        ]
        for split in splits:
            set_context(connection, split)
            if split == before:
                assert connection.execute("SELECT count(*) FROM tenancy.workspaces").fetchone() == (1,)
                continue
            for query in ("SELECT count(*) FROM public.organizations", "SELECT tenancy.current_user_id()"):
                with refused("28000", "invalid_context"), connection.transaction():
                    connection.execute(query.encode())


@pytest.mark.parametrize("part", ["key", "hmac", "bits", "role", "credential"])
def test_every_part_of_the_sealed_context_is_sealed(tenants: TwoTenants, login: str, part: str) -> None:
    with tenants.entered(tenants.members["user"], tenants.acme, login) as connection:
        sealed = Sealed.of(context(connection))
        for value in {
            "key": ("00000000", "ffffffff", "%%%%%%%%", sealed.key.upper()),
            "hmac": ("0" * 64, sealed.hmac.upper(), sealed.hmac[::-1], ""),
            "bits": ("1" * len(sealed.bits), "", sealed.bits + "1", sealed.bits[:-1], sealed.bits[::-1]),
            "role": ("owner", "staff", "", "user ", "User"),
            "credential": (str(uuid4()), " ", "/"),
        }[part]:
            if value == getattr(sealed, part):
                continue
            connection.execute("SELECT set_config('tenancy.context', %s, true)", [sealed.but(**{part: value})])
            for query in (
                "SELECT name FROM public.organizations",
                "SELECT action FROM tenancy.audit_log",
                "SELECT name FROM public.models",
                "SELECT permission FROM tenancy.role_permissions",
                "SELECT tenancy.has_permission('audit.view')",
                "SELECT tenancy.current_role()",
                "INSERT INTO public.instances (provider_id, status) VALUES (gen_random_uuid(), 'ready')",
                "UPDATE public.instances SET gpu_profile = 'forged'",
                "UPDATE public.models SET name = 'forged'",
                "UPDATE public.api_keys SET name = 'forged'",
                "UPDATE public.instances SET gpu_profile = 'forged' WHERE id = gen_random_uuid()",
                "SELECT tenancy.create_api_key('forged')",
                "SELECT tenancy.delete_organization()",
            ):
                with refused("28000", "invalid_context"), connection.transaction():
                    connection.execute(query.encode())


def test_the_parts_of_two_contexts_do_not_mix(tenants: TwoTenants, login: str) -> None:
    # Four that are valid at the same time, in one transaction each.
    contexts = []
    for user, organization in (
        (tenants.members["owner"], tenants.acme),
        (tenants.members["user"], tenants.acme),
        (tenants.members["user"], None),
        (tenants.outsider, tenants.globex),
    ):
        with tenants.session(login) as connection:
            tenants.enter(connection, user, organization)
            contexts.append(context(connection))
    with tenants.entered(tenants.members["user"], tenants.acme, login) as connection:
        own = context(connection)
        mine = Sealed.of(own)
        for other in contexts:
            theirs = Sealed.of(other)
            for forged in (
                other,
                own | {"context": other["context"]},
                other | {"context": own["context"]},
                own | {"current_user_id": other["current_user_id"]},
                own | {"current_organization_id": other["current_organization_id"]},
                own | {"context": mine.but(bits=theirs.bits)},
                own | {"context": mine.but(role=theirs.role)},
                own | {"context": mine.but(hmac=theirs.hmac)},
                other | {"context": mine.but(bits=theirs.bits, role=theirs.role)},
                other | {"context": theirs.but(hmac=mine.hmac)},
            ):
                if forged == own:
                    continue
                set_context(connection, forged)
                for table in ("public.organizations", "public.instances", "tenancy.audit_log", "public.models"):
                    with refused("28000", "invalid_context"), connection.transaction():
                        connection.execute(f"SELECT count(*) FROM {table}")
        set_context(connection, own)
        assert names(connection) == ["Acme"]


def test_a_personal_seal_opens_no_organization(tenants: TwoTenants, login: str) -> None:
    with tenants.entered(tenants.members["user"], None, login) as connection:
        connection.execute("SELECT set_config('tenancy.current_organization_id', %s, true)", [str(tenants.acme.id)])
        with refused("28000", "invalid_context"):
            names(connection)


def test_a_person_cannot_make_themselves_platform_staff(tenants: TwoTenants, login: str) -> None:
    with tenants.entered(tenants.person, None, login) as connection:
        before = context(connection)
        sealed = Sealed.of(before)
        for forged in (
            before | {"context": sealed.but(role="staff")},
            before | {"current_organization_id": str(UUID(int=0)), "context": sealed.but(role="staff")},
            before | {"current_organization_id": str(UUID(int=0))},
            before | {"current_user_id": str(UUID(int=0))},
            before | {"current_user_id": str(tenants.staff.id), "context": sealed.but(role="staff")},
        ):
            set_context(connection, forged)
            for query in (
                "SELECT id FROM public.users",
                "SELECT tenancy.all_users()",
                "SELECT id FROM public.instances",
            ):
                with refused("28000", "invalid_context"), connection.transaction():
                    connection.execute(query.encode())


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER ROLE CURRENT_USER SET tenancy.current_organization_id = '{organization}'",
        "ALTER ROLE CURRENT_USER SET tenancy.context = 'x'",
        "ALTER DATABASE {database} SET tenancy.current_organization_id = '{organization}'",
        "ALTER SYSTEM SET tenancy.current_organization_id = '{organization}'",
    ],
)
def test_the_application_cannot_make_a_context_its_default(tenants: TwoTenants, login: str, statement: str) -> None:
    with tenants.session(login, autocommit=True) as connection, pytest.raises(psycopg.Error) as raised:
        connection.execute(statement.format(organization=tenants.globex.id, database=tenants.database.name))
    assert raised.value.sqlstate == "42501"


@pytest.mark.parametrize("way", ["ALTER ROLE", "connection options", "SET of the session"])
def test_a_context_that_is_the_sessions_default_is_refused_and_does_no_harm(
    tenants: TwoTenants, login: str, way: str
) -> None:
    forged = of_globex(tenants)
    role, here = sql.Identifier(login), sql.Identifier(tenants.database.name)
    options = ""
    with tenants.admin() as admin:
        if way == "ALTER ROLE":
            for name, value in forged.items():
                admin.execute(
                    sql.SQL("ALTER ROLE {} IN DATABASE {} SET tenancy.{} = {}").format(
                        role, here, sql.Identifier(name), sql.Literal(value)
                    )
                )
        elif way == "connection options":
            options = " ".join(f"-ctenancy.{name}={value}" for name, value in forged.items())
        try:
            with psycopg.connect(tenants.database.dsn(login), options=options) as connection:
                if way == "SET of the session":
                    set_context(connection, forged, local=False)
                    connection.commit()
                with refused("28000", "invalid_context"), connection.transaction():
                    names(connection)
                tenants.enter(connection, tenants.members["user"], tenants.acme)
                assert names(connection) == ["Acme"]
                connection.commit()
                # After the transaction the forged value returns, but no workspace.
                with refused("28000", "invalid_context"):
                    names(connection)
        finally:
            admin.execute(sql.SQL("ALTER ROLE {} IN DATABASE {} RESET ALL").format(role, here))


def test_a_functions_own_setting_is_no_context(tenants: TwoTenants, login: str) -> None:
    with tenants.admin() as admin, tenants.entered(login=login) as connection:
        name = sql.Identifier("public", f"look_{uuid4().hex}")
        admin.execute(
            sql.SQL(
                "CREATE FUNCTION {}() RETURNS text LANGUAGE plpgsql SET tenancy.current_organization_id = {}"
                " AS $$ BEGIN RETURN (SELECT name FROM public.organizations); END; $$"
            ).format(name, sql.Literal(str(tenants.globex.id)))
        )
        with refused("28000", "invalid_context"), connection.transaction():
            connection.execute(sql.SQL("SELECT {}()").format(name))
        assert names(connection) == ["Acme"]
