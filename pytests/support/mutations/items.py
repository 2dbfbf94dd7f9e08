"""Mutations that are tried together: they are one item of the test, with one name."""

from __future__ import annotations

from support.mutations import Mutation
from support.mutations.functions import SUBJECTS, named
from support.mutations.functions.context import FALLS_BACK
from support.mutations.functions.writing import GUARD

__all__ = ["CATALOG_ITEMS", "FUNCTION_ITEMS", "ITEMS", "LONG", "REDUNDANT", "item_of"]

TABLES = (
    "finops.cost_actual_minute",
    "finops.inference_usage",
    "public.api_keys",
    "public.instances",
    "public.models",
    "public.organization_memberships",
    "public.organization_model_shares",
    "public.organization_models",
    "public.organizations",
    "public.provider_settings",
    "public.users",
    "tenancy.access_requests",
    "tenancy.audit_log",
    "tenancy.catalog_preferences",
    "tenancy.credit_grant_uses",
    "tenancy.credit_grants",
    "tenancy.entitlements",
    "tenancy.instance_transitions",
    "tenancy.invitations",
    "tenancy.ledger_checkpoints",
    "tenancy.ledger_entries",
    "tenancy.modules",
    "tenancy.offering_prices",
    "tenancy.offering_usage",
    "tenancy.permissions",
    "tenancy.role_delegations",
    "tenancy.role_permissions",
    "tenancy.settings",
    "tenancy.settings_definitions",
    "tenancy.spending_limits",
    "tenancy.transfers",
    "tenancy.unpaid_amounts",
    "tenancy.usage_authorizations",
    "tenancy.wallet_holds",
    "tenancy.wallets",
    "tenancy.workspaces",
)
_PARTS = {
    "policy": "policies of",
    "row security": "policies of",
    "grant": "grants on",
    "trigger": "triggers and constraints of",
    "constraint": "triggers and constraints of",
}
_PRIVATE = "tables of tenancy_private"  # and the seal's objects in tenancy
_SCHEMAS = "grants on schemas and built-in functions"

CATALOG_ITEMS = [
    *(f"{part} {table}" for part in dict.fromkeys(_PARTS.values()) for table in TABLES),
    _PRIVATE,
    _SCHEMAS,
    *(
        f"{part} functions of {schema}"
        for part in ("grants on", "search_path of")
        for schema in ("tenancy", "tenancy_private")
    ),
]
FUNCTION_ITEMS = {f"functions: {subject}": subject for subject in SUBJECTS}
ITEMS = [*CATALOG_ITEMS, *FUNCTION_ITEMS]
# Only in the long run: each probe of these creates and protects tables.
LONG = {"functions: protection"}


def item_of(mutation: Mutation) -> str:
    """Return the item of a mutation of the catalog, which may be missing in ``CATALOG_ITEMS``."""
    schema, dot, name = mutation.object.partition(".")
    if not dot:
        return _SCHEMAS
    if "(" in name:
        return f"{'search_path of' if mutation.kind == 'search_path' else 'grants on'} functions of {schema}"
    return (
        _PRIVATE
        if schema == "tenancy_private" or name == "seal_rotations"
        else f"{_PARTS[mutation.kind]} {mutation.object}"
    )


# Mutations without a visible effect, with the reason.
REDUNDANT = {
    "tenancy_private.fingerprint(uuid,uuid,text,bytea) search_path": "its body was parsed when it was made",
    named(
        "tenancy_private.read_ticket(text)", "OR jsonb_typeof(claims -> 'sub') IS DISTINCT FROM 'string'", ""
    ): "what is no text is no uuid, and what is absent is nobody: the cast and enter_with_ticket() refuse both",
    named(
        "tenancy.enter_with_api_key(text)", "found.last_used_at < now() - interval '1 minute'", "true"
    ): "record_api_key_use() asks again, in a subtransaction that is saved here",
    named(
        "tenancy_private.may_carry()", "has_parameter_privilege(", "NOT has_parameter_privilege("
    ): "the context is sealed then, which is as good",
    **{
        named(function, old, new): "what is not compared alike is compared with the key"
        for function, old, new in FALLS_BACK
    },
    **{
        named(function, GUARD, "IF false THEN"): "it refuses only where somebody has altered the function"
        for function in (
            "tenancy_private.insert_row(regclass,jsonb,boolean)",
            "tenancy_private.update_rows(regclass,jsonb,jsonb)",
            "tenancy_private.delete_rows(regclass,jsonb)",
            "tenancy_private.detach_usage(uuid[])",
            "tenancy_private.write_costs(jsonb)",
            "tenancy_private.empty_instances()",
        )
    },
    **{
        named(
            "tenancy.delete_user(uuid)",
            "IN ('public.users'::regclass, 'tenancy.workspaces'::regclass)",
            f"IN ('{table}'::regclass)",
        ): "both are protected tables"
        for table in ("public.users", "tenancy.workspaces")
    },
    named(
        "tenancy.assign(regclass,uuid,text,integer)",
        "WHEN 'tenancy_private.set_workspace' = ANY(functions) THEN 'organization_id'",
        "",
    ): "the column beside it follows by set_workspace(), whichever of the two is written",
}
