"""Rules that are taken away from a database, one at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg

__all__ = ["HOLES"]

Plant = Callable[[psycopg.Connection[Any]], None]


def function(signature: str, old: str, new: str) -> Plant:
    """Return what writes a function in other words."""

    def plant(admin: psycopg.Connection[Any]) -> None:
        ((definition,),) = admin.execute("SELECT pg_get_functiondef(%s::regprocedure)", [signature]).fetchall()
        assert old in definition, "the function is written in other words by now"
        admin.execute(definition.replace(old, new).encode())

    return plant


def statement(*texts: str) -> Plant:
    """Return what runs some SQL."""

    def plant(admin: psycopg.Connection[Any]) -> None:
        for text in texts:
            admin.execute(text.encode())

    return plant


def both(*plants: Plant) -> Plant:
    """Return what does one after the other."""

    def plant(admin: psycopg.Connection[Any]) -> None:
        for each in plants:
            each(admin)

    return plant


HOLES: dict[str, Plant] = {
    "everybody sees all instances": statement(
        "ALTER POLICY instances_workspace ON public.instances USING (true)",
        "ALTER POLICY instances_select ON public.instances USING (true)",
    ),
    "an UPDATE reaches the instances of all": statement(
        "ALTER POLICY instances_workspace ON public.instances USING (true) WITH CHECK (true)",
        "ALTER POLICY instances_update ON public.instances USING (true) WITH CHECK (true)",
    ),
    "an UPDATE reaches the API keys of all": statement(
        "ALTER POLICY api_keys_workspace ON public.api_keys USING (true) WITH CHECK (true)",
        "ALTER POLICY api_keys_update ON public.api_keys USING (true) WITH CHECK (true)",
    ),
    "managers see no invitations": statement(
        "ALTER POLICY invitations_select ON tenancy.invitations"
        " USING (organization_id = (SELECT tenancy.workspace_for('organization.update')))"
    ),
    "nothing asks for permission to write models": statement("DROP TRIGGER models_permission ON public.models"),
    "everybody changes public models": statement("DROP TRIGGER models_platform ON public.models"),
    "everybody changes legacy instances": statement("DROP TRIGGER instances_platform ON public.instances"),
    "an instance becomes anything": statement("DROP TRIGGER instances_status ON public.instances"),
    "an organization's keys go with their maker": statement("DROP TRIGGER users_api_keys ON public.users"),
    "a service takes the last owner away": statement(
        "DROP TRIGGER organization_keeps_an_owner ON public.organization_memberships"
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
    # The second guard would keep it.
    "an instance uses anybody's model": both(
        statement("ALTER TABLE public.instances DROP CONSTRAINT instances_model_workspace_id_check"),
        function(
            "tenancy_private.set_model_workspace()",
            "AND m.workspace_id = ANY(ARRAY[new.workspace_id, '00000000-0000-0000-0000-000000000000'::uuid])",
            "",
        ),
    ),
    "what is made lands on the platform": statement(
        "ALTER TABLE public.instances ALTER COLUMN user_id DROP DEFAULT,"
        " ALTER COLUMN workspace_id SET DEFAULT '00000000-0000-0000-0000-000000000000'",
        "ALTER POLICY instances_workspace ON public.instances USING (true) WITH CHECK (true)",
        "ALTER POLICY instances_insert ON public.instances WITH CHECK (true)",
    ),
    "the members of any organization are seen": function(
        "tenancy.visible_user_ids()", "m.organization_id = current_organization AND", ""
    ),
    "a deleted organization can be entered": function(
        "tenancy_private.enter_as(uuid,uuid)", "AND w.deleted_at IS NULL", ""
    ),
    "roles are given without delegation": function(
        "tenancy_private.check_delegation(text,text)", "RAISE EXCEPTION", "RETURN; RAISE EXCEPTION"
    ),
    "an API key does what a person may": function(
        "tenancy_private.require_person()", "RAISE EXCEPTION", "RETURN; RAISE EXCEPTION"
    ),
    "one transaction is two people": function(
        "tenancy_private.seal_context(uuid,uuid,text,uuid)", "(scans > 0 OR NOT counted) AND EXISTS", "false AND EXISTS"
    ),
    "a model goes though instances use it elsewhere": function(
        "tenancy_private.keep_used_model()", "WHERE i.model_id = old.id", "WHERE false"
    ),
}
