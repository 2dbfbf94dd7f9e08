"""Rules that are removed from a database, one at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg

__all__ = ["HOLES"]

Plant = Callable[[psycopg.Connection[Any]], None]


def function(signature: str, old: str, new: str) -> Plant:
    """Return an action that replaces a part of a function."""

    def plant(admin: psycopg.Connection[Any]) -> None:
        ((definition,),) = admin.execute("SELECT pg_get_functiondef(%s::regprocedure)", [signature]).fetchall()
        assert old in definition, "the function is written in other words by now"
        admin.execute(definition.replace(old, new).encode())

    return plant


def statement(*texts: str) -> Plant:
    """Return an action that runs SQL."""

    def plant(admin: psycopg.Connection[Any]) -> None:
        for text in texts:
            admin.execute(text.encode())

    return plant


def both(*plants: Plant) -> Plant:
    """Return an action that runs both actions."""

    def plant(admin: psycopg.Connection[Any]) -> None:
        for each in plants:
            each(admin)

    return plant


_CLAIMED = (
    "coalesce(nullif(current_setting('tenancy.current_organization_id', true), ''),"
    " nullif(current_setting('tenancy.current_user_id', true), ''))::uuid"
)
_OWN_OR_PLATFORM = f"workspace_id = ANY(ARRAY[(SELECT {_CLAIMED}), '00000000-0000-0000-0000-000000000000'])"


def policy(name: str, table: str, using: str, check: str | None = None) -> str:
    """Return an action that gives a policy another condition."""
    return f"ALTER POLICY {name} ON {table} USING ({using})" + (f" WITH CHECK ({check})" if check else "")


def reads(name: str, table: str, permission: str, wanted: str) -> Plant:
    """Return an action that makes a policy check another permission."""

    def plant(admin: psycopg.Connection[Any]) -> None:
        position = "SELECT 72 + number FROM tenancy.permissions WHERE permission = %s"
        ((asked,),), ((other,),) = (admin.execute(position, [each]).fetchall() for each in (wanted, permission))
        ((condition,),) = admin.execute(
            "SELECT pg_get_expr(polqual, polrelid) FROM pg_policy WHERE polname = %s AND polrelid = %s::regclass",
            [name, table],
        ).fetchall()
        assert f", {asked}, 1)" in condition, "the policy is written in other words by now"
        admin.execute(policy(name, table, condition.replace(f", {asked}, 1)", f", {other}, 1)")).encode())

    return plant


def floor_made_permissive(table: str, name: str) -> Plant:
    """Return an action that makes a floor permissive."""

    def plant(admin: psycopg.Connection[Any]) -> None:
        ((condition,),) = admin.execute(
            "SELECT pg_get_expr(polqual, polrelid) FROM pg_policy"
            " WHERE polname = %s AND polrelid = %s::regclass AND NOT polpermissive",
            [name, table],
        ).fetchall()
        admin.execute(f"DROP POLICY {name} ON {table}".encode())
        admin.execute(
            f"CREATE POLICY {name} ON {table} FOR SELECT TO tenancy_credentialed USING ({condition})".encode()
        )

    return plant


HOLES: dict[str, Plant] = {
    "everybody sees all instances": statement(policy("instances_tenant", "public.instances", "true")),
    "an UPDATE reaches the instances of all": statement(
        policy("instances_tenant_update", "public.instances", "true", "true")
    ),
    "an UPDATE reaches the API keys of all": statement(
        policy("api_keys_tenant_update", "public.api_keys", "true", "true")
    ),
    "managers see no invitations": reads(
        "invitations_tenant", "tenancy.invitations", "organization.update", "members.invite"
    ),
    "users read the audit log": reads("audit_log_tenant", "tenancy.audit_log", "members.view", "audit.view"),
    # A permissive floor opens rows that another policy does not.
    "the floor of invitations is permissive": floor_made_permissive("tenancy.invitations", "invitations_tenant"),
    "policies believe the variables": statement(
        policy("instances_tenant", "public.instances", f"workspace_id = (SELECT {_CLAIMED})")
    ),
    "a seal is not compared": function(
        "tenancy.current_workspace_id()",
        "RETURN tenancy.verify_context();",
        "RETURN coalesce(nullif(current_setting('tenancy.current_organization_id', true), ''),"
        " current_setting('tenancy.current_user_id', true))::uuid;",
    ),
    "nothing asks for permission to write models": statement("DROP TRIGGER models_tenancy_permission ON public.models"),
    "everybody changes public models": statement(
        policy("models_tenant_update", "public.models", _OWN_OR_PLATFORM, _OWN_OR_PLATFORM)
    ),
    "everybody changes legacy instances": statement(
        policy("instances_tenant", "public.instances", _OWN_OR_PLATFORM),
        policy("instances_tenant_update", "public.instances", _OWN_OR_PLATFORM, _OWN_OR_PLATFORM),
    ),
    "legacy instances are listed everywhere": function(
        "tenancy.legacy_instances(uuid,integer)",
        "tenancy.current_workspace_id() IS DISTINCT FROM tenancy.current_user_id()",
        "false",
    ),
    "everybody enters the platform's workspace": function(
        "tenancy.enter_platform(uuid)", " AND u.role::text = 'admin'", ""
    ),
    "everybody lists all accounts": function(
        "tenancy_private.enter_as(uuid,uuid,boolean,text,uuid)",
        "CASE u.role::text WHEN 'admin' THEN 'staff' ELSE '' END",
        "'staff'::text",
    ),
    "a model of any workspace is deleted": function(
        "tenancy.delete_model(uuid)", " AND m.workspace_id = tenancy.current_workspace_id()", ""
    ),
    "an instance becomes anything": statement("DROP TRIGGER instances_tenancy_status ON public.instances"),
    "an organization's keys go with their maker": statement("DROP TRIGGER users_tenancy_api_keys ON public.users"),
    "a service takes the last owner away": statement(
        "DROP TRIGGER organization_memberships_tenancy_owner ON public.organization_memberships"
    ),
    "a revoked invitation opens": function(
        "tenancy.accept_invitation(text,text,text,text,text)", "i.revoked_at IS NULL AND ", ""
    ),
    "an expired invitation opens": function(
        "tenancy.accept_invitation(text,text,text,text,text)", "AND i.expires_at > clock_timestamp()", ""
    ),
    "an expired API key opens": function(
        "tenancy_private.find_api_key(text)", "AND (k.expires_at IS NULL OR k.expires_at > clock_timestamp())", ""
    ),
    "a deleted organization's API key opens": function(
        "tenancy_private.find_api_key(text)", "AND w.deleted_at IS NULL", ""
    ),
    # Only this key keeps the workspaces of a model and its instances consistent.
    "nothing ties an instance to its model's workspace": statement(
        "ALTER TABLE public.instances DROP CONSTRAINT instances_tenancy_model_workspace_id_fkey"
    ),
    # Only this key keeps a child of the application in its parent's workspace.
    "a note is on anybody's instance": statement(
        "ALTER TABLE public.notes DROP CONSTRAINT notes_tenancy_instance_id_fkey"
    ),
    "a DELETE reaches the notes of all": statement(policy("notes_tenant_delete", "public.notes", "true")),
    # The second guard would keep it.
    "an instance uses anybody's model": both(
        statement("ALTER TABLE public.instances DROP CONSTRAINT instances_tenancy_model_workspace_id_check"),
        function(
            "tenancy_private.set_model_workspace()",
            "AND m.workspace_id = ANY(ARRAY[new.workspace_id, '00000000-0000-0000-0000-000000000000'::uuid])",
            "",
        ),
    ),
    "what is made lands on the platform": statement(
        "ALTER TABLE public.instances ALTER COLUMN user_id DROP DEFAULT,"
        " ALTER COLUMN workspace_id SET DEFAULT '00000000-0000-0000-0000-000000000000'",
        "ALTER POLICY instances_tenant_insert ON public.instances WITH CHECK (true)",
        # For RETURNING.
        policy("instances_tenant", "public.instances", _OWN_OR_PLATFORM),
    ),
    "the members of any organization are seen": function(
        "tenancy.visible_user_ids()", "m.organization_id = workspace\n            AND ", ""
    ),
    "a deleted organization can be entered": function(
        "tenancy_private.enter_as(uuid,uuid,boolean,text,uuid)", "AND w.deleted_at IS NULL", ""
    ),
    "roles are given without delegation": function(
        "tenancy_private.check_delegation(text,text)", "RAISE EXCEPTION", "RETURN; RAISE EXCEPTION"
    ),
    "an API key does what a person may": function(
        "tenancy_private.require_person()", "RAISE EXCEPTION", "RETURN; RAISE EXCEPTION"
    ),
    "one transaction is two people": function(
        "tenancy_private.enter_as(uuid,uuid,boolean,text,uuid)",
        "IF scans > 0 OR ",
        "IF false AND ",
    ),
    "a model goes though instances use it elsewhere": function(
        "tenancy_private.require_unused_model(uuid,text,boolean,boolean)",
        "WHERE i.model_id = require_unused_model.model_id",
        "WHERE false",
    ),
}
