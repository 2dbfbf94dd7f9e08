"""Privileges on functions and tables, written by hand; and all functions and tables at once."""

from __future__ import annotations

from functools import cache

from support.probes.base import Probed, Question

# The callers of each function, written by hand.
PEOPLE_CALL = {
    "accept_invitation(text,text,text,text,text)",
    "access_requests(text)",
    "activate(text,uuid,text)",
    "all_users(text,uuid,integer)",
    "approve_access(uuid,timestamp with time zone,bigint,numeric,timestamp with time zone)",
    "archive_instance(uuid)",
    "authorize_usage(uuid,bigint,interval)",
    "badge(uuid)",
    "can_provision()",
    "catalog_preferences()",
    "change_member_role(uuid,text)",
    "community_catalog(uuid,integer)",
    "create_api_key(text,timestamp with time zone)",
    "create_organization(text,text)",
    "create_user(text,text,text,text,text)",
    "current_credential_id()",
    "current_organization_id()",
    "current_user_id()",
    "current_workspace()",
    "current_workspace_id()",
    "deactivate(text,uuid,text)",
    "default_author_id()",
    "default_organization_id()",
    "default_user_id()",
    "default_workspace_id()",
    "delete_model(uuid)",
    "delete_organization()",
    "delete_user(uuid)",
    "deny_access(uuid,text)",
    "enter_with_api_key(text)",
    "enter_with_session(text)",
    "enter_with_session(text,uuid)",
    "enter_with_ticket(text)",
    "entry_hash(bytea,uuid,bigint,uuid,numeric,numeric,timestamp with time zone,bytea)",
    "explain_setting(uuid,text)",
    "has_permission(text)",
    "invitations()",
    "invite_member(text,text,interval)",
    "is_listed(uuid,uuid[])",
    "leave_organization()",
    "legacy_instances(uuid,integer)",
    "lock_setting(uuid,text,boolean)",
    "member(uuid)",
    "members()",
    "my_organizations()",
    "my_permissions()",
    "offering_calls(uuid,timestamp with time zone,timestamp with time zone,integer)",
    "offering_earnings(timestamp with time zone,timestamp with time zone)",
    "pause_share(uuid)",
    "peek_invitation(text)",
    "provider_status()",
    "publish_offering(uuid,text,text,text,text,numeric,text,integer,bigint)",
    "record_usage(text,uuid,bigint,bigint,timestamp with time zone,uuid)",
    "record_usages(tenancy.usage_request[])",
    "reinstall_instance(uuid)",
    "release_usage(uuid)",
    "remove_member(uuid)",
    "rename_api_key(uuid,text)",
    "request_access(uuid,text)",
    "require_access(regclass,text)",
    "require_instance_transition(text,text)",
    "require_module(text)",
    "require_operational(text,uuid)",
    "require_permission(text)",
    "require_person()",
    "resolve_offering(text)",
    "resume_share(uuid)",
    "reverse_usage(uuid)",
    "revoke_api_key(uuid)",
    "revoke_entitlement(uuid)",
    "revoke_invitation(uuid)",
    "revoke_session(uuid)",
    "revoke_sessions(uuid)",
    "revoke_share(uuid)",
    "sees_all_users()",
    "sessions(text)",
    "set_catalog_preferences(boolean,boolean,boolean)",
    "set_offering_price(uuid,numeric,timestamp with time zone)",
    "set_sealed_setting(uuid,text,bytea,text,bigint)",
    "set_setting(uuid,text,text,bigint)",
    "setting(uuid,text)",
    "settings()",
    "share_offering(uuid,uuid,jsonb,timestamp with time zone,timestamp with time zone)",
    "shared_offerings()",
    "sign_up(text,text,text,text,text)",
    "start_session_with_ticket(text,text,interval)",
    "statement(timestamp with time zone,timestamp with time zone)",
    "switch_session(text,uuid)",
    "terminate_instance(uuid)",
    "transfer_digest(uuid,uuid,numeric,text,text,bytea,timestamp with time zone,uuid)",
    "unset_setting(uuid,text,bigint)",
    "update_offering(uuid,text,text,text,text,text,boolean,integer,bigint)",
    "update_organization(text,text,text)",
    "update_user(uuid,text,text,text,text,text)",
    "verify_context()",
    "verify_statement(bigint,bytea)",
    "visible_modules()",
    "visible_user_ids()",
    "wallet()",
    "writable_columns(regclass)",
    '"current_role"()',
}
# Defaults of columns, which every writer of rows may call.
DEFAULTS = {
    "current_workspace_id()",
    "default_author_id()",
    "default_organization_id()",
    "default_user_id()",
    "default_workspace_id()",
    "verify_context()",
}
CALLABLE = {
    # Besides what it has as a member of tenancy_credentialed.
    "tenancy_app": {"enter(uuid,uuid)", "enter_platform(uuid)", "start_session(uuid,uuid,text,interval)"},
    "tenancy_credentialed": PEOPLE_CALL,
    "tenancy_service": PEOPLE_CALL
    | {
        "assign(regclass,uuid,text,integer)",
        "authorize_usage_for(uuid,uuid,bigint,interval,uuid,uuid)",
        "charge(uuid,uuid,numeric,text,text,timestamp with time zone,uuid,uuid,uuid)",
        "enter(uuid,uuid)",
        "enter_as_service(uuid,uuid)",
        "enter_platform(uuid)",
        "fold_credits(uuid)",
        "grant_credit(uuid,numeric,text,timestamp with time zone,integer)",
        "hold_amount(uuid,numeric,interval,text,uuid,uuid)",
        "pay_out(uuid,numeric,text)",
        "purge_organization(uuid)",
        "read_secret(uuid,uuid,text)",
        "reconcile(uuid,timestamp with time zone)",
        "reconcile_usage(uuid)",
        "record_usage_for(uuid,text,uuid,bigint,bigint,timestamp with time zone,uuid,uuid,uuid)",
        "refund(uuid,text)",
        "release_amount(uuid)",
        "restore_organization(uuid)",
        "set_currency(uuid,text)",
        "set_deferred_credit(uuid,boolean)",
        "set_overdraft(uuid,numeric)",
        "set_plan(uuid,text)",
        "set_spending_limit(uuid,numeric,uuid,uuid)",
        "settle(uuid)",
        "start_session(uuid,uuid,text,interval)",
        "take_checkpoint()",
        "top_up(uuid,numeric,text)",
        "explain_access(regclass,text,uuid,uuid)",
        "unprotected_tables()",
    },
    "tenancy_auditor": {
        "explain_access(regclass,text,uuid,uuid)",
        "entry_hash(bytea,uuid,bigint,uuid,numeric,numeric,timestamp with time zone,bytea)",
        "reconcile(uuid,timestamp with time zone)",
        "reconcile_usage(uuid)",
        "record_read(regclass)",
        "transfer_digest(uuid,uuid,numeric,text,text,bytea,timestamp with time zone,uuid)",
    },
    "tenancy_writer": DEFAULTS,
    "tenancy_legacy": DEFAULTS,
}
COSTS = {
    "cost_current(text)",
    "cost_forecast(text)",
    "costs_by(timestamp with time zone,timestamp with time zone,text)",
    "costs_series(timestamp with time zone,timestamp with time zone,text,text)",
    "costs_summary(timestamp with time zone,timestamp with time zone)",
    "costs_window(text)",
    "is_running(text)",
}
CALLABLE_OF_FINOPS = {
    "tenancy_credentialed": COSTS,
    "tenancy_service": COSTS | {"hourly_price(uuid)", "roll_up(integer)"},
    "tenancy_auditor": set[str](),
    "tenancy_writer": set[str](),
}
# Functions called by those that write the application's tables.
WRITING = {
    "delete_rows(regclass,jsonb)",
    "detach_usage(uuid[])",
    "empty_instances()",
    "insert_row(regclass,jsonb,boolean)",
    "update_rows(regclass,jsonb,jsonb)",
    "write_costs(jsonb)",
}
INVITATIONS = (
    "accepted_at accepted_by_user_id created_at email expires_at id invited_by_user_id lapsed_at organization_id"
    " revoked_at role"
)
ACTIVATIONS = "eco_activated_at eco_activated_by is_operational tech_activated_at tech_activated_by"
SETTINGS = "key subject_id updated_at updated_by_user_id workspace_id"
# The tables of money and of offerings, beside the application's own.
MONEY = {
    "tenancy.wallets": (
        "adoption balance chain currency granted held is_deferred is_limited next_expiry overdraft unpaid version"
        " workspace_id"
    ),
    "tenancy.transfers": (
        "amount api_key_id created_at fingerprint id kind occurred_at payee_id reference reverses user_id workspace_id"
    ),
    "tenancy.ledger_entries": (
        "account amount balance_after chain created_at digest kind occurred_at transfer_id version workspace_id"
    ),
    "tenancy.wallet_holds": "amount api_key_id created_at expires_at id is_freed reference user_id workspace_id",
    "tenancy.credit_grants": "amount created_at expires_at id priority remaining workspace_id",
    "tenancy.credit_grant_uses": "amount grant_id transfer_id workspace_id",
    "tenancy.unpaid_amounts": "amount created_at payee_id payments remaining transfer_id workspace_id",
    "tenancy.spending_limits": "amount api_key_id id spent spent_in user_id workspace_id",
    "tenancy.ledger_checkpoints": "balance chain created_at version workspace_id",
}
OFFERINGS = {
    "tenancy.offering_prices": "created_at eur_per_1k number offering_id organization_id user_id valid_from",
    "tenancy.access_requests": (
        "consumer_id created_at decided_at decided_by_user_id id message offering_id organization_id reason status"
    ),
    "tenancy.entitlements": (
        "consumer_id created_at ends_at eur_per_1k id kind offering_id organization_id quota_tokens request_id"
        " revoked_at starts_at used_tokens"
    ),
    "tenancy.catalog_preferences": "shows_contracts shows_paid shows_public workspace_id",
    "tenancy.usage_authorizations": ("access created_at eur_per_1k expires_at id max_tokens offering_id workspace_id"),
    "tenancy.offering_usage": (
        "access amount api_key_id created_at eur_per_1k id input_tokens occurred_at offering_id output_tokens"
        " request_id reversed_at unpaid user_id workspace_id"
    ),
}
PUBLISHED = {
    "tenancy.instance_transitions": "action from_status to_status",
    "tenancy.modules": "key name path permission place roles workspaces",
    "tenancy.permissions": "number permission",
    "tenancy.role_delegations": "delegated_role role",
    "tenancy.role_permissions": "permission role",
    "tenancy.settings_definitions": (
        "default_value description is_required is_secret key max_int min_int scope subjects value_type"
    ),
}
READABLE = {
    "public.users": "created_at email first_name id last_name role updated_at username",
    "public.organizations": "created_at created_by_user_id id name slug updated_at",
    "public.organization_memberships": "created_at organization_id role user_id",
    "tenancy.workspaces": "color created_at deleted_at id kind organization_id plan user_id",
    "tenancy.invitations": INVITATIONS,
    "tenancy.settings": SETTINGS,
    "public.provider_settings": "key organization_id",
    "tenancy.audit_log": (
        "action database_user id new_values object_id object_kind occurred_at old_values organization_id role user_id"
        " workspace_id"
    ),
    "public.api_keys": (
        "created_at expires_at id key_prefix last_used_at name organization_id revoked_at user_id workspace_id "
        + ACTIVATIONS
    ),
    "public.instances": (
        "created_at gpu_profile hourly_price_eur id ip_address model_id organization_id provider_id status"
        " terminated_at user_id workspace_id " + ACTIVATIONS
    ),
    "public.models": (
        "context_length id is_active metadata model_id name organization_id required_vram_gb workspace_id "
        + ACTIVATIONS
    ),
    "finops.inference_usage": (
        "api_key_id charged_amount_eur consumer_organization_id id input_tokens instance_id model_id occurred_at"
        " organization_model_id output_tokens provider_organization_id total_tokens unit_price_eur_per_1k_tokens"
        " user_id workspace_id"
    ),
    "public.organization_models": (
        "access_policy code description id is_active model_id name organization_id trial_days trial_tokens visibility "
        + ACTIVATIONS
    ),
    "public.organization_model_shares": (
        "consumer_organization_id ends_at id organization_model_id pricing provider_organization_id starts_at status"
    ),
    "finops.cost_actual_minute": "amount_eur bucket_minute instance_id provider_id workspace_id",
    **MONEY,
    **OFFERINGS,
    **PUBLISHED,
}
MODELS = "context_length is_active metadata model_id name required_vram_gb"
WRITABLE = {
    "public.api_keys": {"UPDATE": "name"},
    "public.instances": {
        "INSERT": "gpu_profile id ip_address model_id provider_id status",
        "UPDATE": "gpu_profile ip_address model_id status",
    },
    "public.models": {"INSERT": f"{MODELS} id", "UPDATE": MODELS},
}
DML = ("DELETE", "INSERT", "SELECT", "UPDATE")


@cache
def _wanted_privileges() -> set[tuple[str, str, str]]:
    wanted = {("tenancy", role, "USAGE") for role in CALLABLE if role != "tenancy_app"}
    wanted |= {
        ("public", "tenancy_service", "USAGE"),
        ("public", "PUBLIC", "USAGE"),
        ("public", "tenancy_owner", "USAGE"),
    }
    for schema, callable_by in (("tenancy", CALLABLE), ("finops", CALLABLE_OF_FINOPS)):
        for role, names in callable_by.items():
            wanted |= {(f"{schema}.{name}", role, "EXECUTE") for name in names}
    wanted |= {("finops", role, "USAGE") for role in CALLABLE_OF_FINOPS}
    for role in ("tenancy_credentialed", "tenancy_auditor"):
        wanted |= {
            (f"{table}({column})", role, "SELECT") for table, names in READABLE.items() for column in names.split()
        }
    wanted |= {
        (f"{table}({column})", "tenancy_credentialed", privilege)
        for table, privileges in WRITABLE.items()
        for privilege, columns in privileges.items()
        for column in columns.split()
    }
    wanted |= {
        (f"{table}({column})", "tenancy_service", "SELECT")
        for table, names in PUBLISHED.items()
        for column in names.split()
    }
    for table in (name for name in READABLE if not name.startswith("tenancy.")):
        wanted |= {(table, role, privilege) for role in ("tenancy_service", "tenancy_writer") for privilege in DML}
    wanted |= {(table, "tenancy_service", "SELECT") for table in (*MONEY, *OFFERINGS)}
    wanted |= {(f"tenancy_private.{name}", "tenancy_owner", "EXECUTE") for name in WRITING}
    wanted |= {
        ("tenancy.seal_rotations", f"tenancy_{role}", "SELECT")
        for role in ("credentialed", "service", "legacy", "writer")
    }
    wanted |= {
        ("tenancy.audit_log", "tenancy_service", "SELECT"),
        ("tenancy.workspaces", "tenancy_service", "SELECT"),
        # Triggers on the rows deleted with a workspace run as the role that deletes it.
        ("tenancy.workspaces", "tenancy_writer", "SELECT"),
        ("tenancy.workspaces", "tenancy_writer", "DELETE"),
        ("tenancy.workspaces(color)", "tenancy_service", "UPDATE"),
        ("tenancy.workspaces(plan)", "tenancy_service", "UPDATE"),
    }
    wanted |= {(f"tenancy.invitations({column})", "tenancy_service", "SELECT") for column in INVITATIONS.split()}
    wanted |= {(f"tenancy.settings({column})", "tenancy_service", "SELECT") for column in SETTINGS.split()}
    return wanted


PRIVILEGES = """
SELECT object, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END, privilege_type
FROM (
    SELECT n.nspname::text AS object, acl.* FROM pg_namespace AS n, aclexplode(n.nspacl) AS acl
    WHERE n.nspname IN ('public', 'finops', 'tenancy', 'tenancy_private') AND acl.grantee <> n.nspowner
    UNION ALL
    SELECT c.oid::regclass::text, acl.* FROM pg_class AS c, aclexplode(c.relacl) AS acl
    WHERE c.relnamespace IN ('tenancy'::regnamespace, 'tenancy_private'::regnamespace) AND acl.grantee <> c.relowner
        OR c.oid IN ('public.users'::regclass, 'public.organizations'::regclass,
            'public.organization_memberships'::regclass, 'public.api_keys'::regclass,
            'public.instances'::regclass, 'public.models'::regclass,
            'public.provider_settings'::regclass, 'public.organization_models'::regclass,
            'public.organization_model_shares'::regclass, 'finops.inference_usage'::regclass,
            'finops.cost_actual_minute'::regclass) AND acl.grantee <> c.relowner
    UNION ALL
    SELECT c.oid::regclass || '(' || a.attname || ')', acl.*
    FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid, aclexplode(a.attacl) AS acl
    WHERE c.relnamespace IN ('public'::regnamespace, 'finops'::regnamespace, 'tenancy'::regnamespace,
        'tenancy_private'::regnamespace)
    UNION ALL
    SELECT p.oid::regprocedure::text, acl.*
    FROM pg_proc AS p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS acl
    WHERE p.pronamespace IN ('finops'::regnamespace, 'tenancy'::regnamespace, 'tenancy_private'::regnamespace)
        AND acl.grantee <> p.proowner
) AS p
"""


def _privileges(probed: Probed) -> None:
    found = {(str(a), str(b), str(c)) for a, b, c in probed.admin.execute(PRIVILEGES).fetchall()}
    assert found == _wanted_privileges(), found ^ _wanted_privileges()


def _attributes(probed: Probed) -> None:
    wrong = probed.admin.execute(
        """
        SELECT p.oid::regprocedure::text FROM pg_proc AS p
        WHERE p.pronamespace IN ('finops'::regnamespace, 'tenancy'::regnamespace, 'tenancy_private'::regnamespace) AND (
            -- What every query calls runs as its caller, and names the schema of everything in it.
            (p.prosqlbody IS NULL OR p.prosecdef)
                AND NOT (p.oid IN (
                    'tenancy.current_workspace_id()'::regprocedure, 'tenancy_private.cost_rows()'::regprocedure,
                    'tenancy_private.shares_with(uuid, uuid, uuid)'::regprocedure
                ) AND NOT p.prosecdef)
                AND NOT coalesce(CASE p.proowner::regrole::text
                WHEN 'tenancy_writer' THEN 'search_path=pg_catalog, public, pg_temp'
                ELSE 'search_path=pg_catalog, pg_temp' END = ANY(p.proconfig), false)
                -- What commits, or runs a command of its caller's, cannot, nor what calls that.
                AND NOT (p.prokind = 'p' AND NOT p.prosecdef AND p.proconfig IS NULL
                    AND p.prosrc ~ 'COMMIT;|EXECUTE command;|CALL tenancy_private[.](in_batches|release_adoption)[(]')
            OR p.prosecdef AND NOT coalesce('debug_print_plan=off' = ANY(p.proconfig), false)
                AND p.oid <> 'tenancy.verify_context()'::regprocedure
            OR p.proowner::regrole::text <> CASE WHEN p.proname = ANY(%s) THEN 'tenancy_writer' ELSE 'tenancy_owner' END
        )
        UNION ALL
        SELECT c.oid::regclass::text FROM pg_class AS c
        WHERE c.relkind = 'r' AND (
            c.relnamespace = 'tenancy'::regnamespace AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
            OR c.relnamespace = 'tenancy_private'::regnamespace AND NOT c.relrowsecurity
            OR c.relnamespace = 'public'::regnamespace AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
                AND c.relname IN (
                    'users', 'organizations', 'organization_memberships', 'api_keys', 'instances', 'models',
                    'provider_settings', 'organization_models', 'organization_model_shares'
                )
            OR c.relnamespace = 'finops'::regnamespace AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
        )
        """,
        [[name.partition("(")[0] for name in WRITING]],
    ).fetchall()
    assert not wrong, wrong


SUMMARIES = {
    "privileges": _privileges,
    "attributes search_path ROW LEVEL SECURITY": _attributes,
}

# Privileges revoked from PUBLIC.
QUESTIONS: list[Question] = [
    ("app", None, None, "CREATE TEMP TABLE t (i integer)", "42501"),
    ("app", None, None, "CREATE TABLE public.t (i integer)", "42501"),
    ("app", None, None, "SELECT pg_terminate_backend(0)", "42501"),
    ("app", None, None, "SELECT pg_cancel_backend(0)", "42501"),
    ("app", None, None, "SELECT lo_create(0)", "42501"),
    ("app", None, None, "SELECT pg_stat_get_xact_tuples_fetched(0)", "42501"),
]
