"""Who may call, read and write what, written down by hand; and every function and table at once."""

from __future__ import annotations

from functools import cache

from support.probes.base import Probed, Question

# Who may call what, written down by hand.
PEOPLE_CALL = {
    "accept_invitation(text,text,text,text,text)",
    "all_users(text,uuid,integer)",
    "badge(uuid)",
    "change_member_role(uuid,text)",
    "create_api_key(text,timestamp with time zone)",
    "create_organization(text,text)",
    "create_user(text,text,text,text,text)",
    "current_credential_id()",
    "current_organization_id()",
    '"current_role"()',
    "current_user_id()",
    "current_workspace()",
    "current_workspace_id()",
    "default_organization_id()",
    "default_shared_workspace_id()",
    "default_user_id()",
    "default_workspace_id()",
    "delete_organization()",
    "delete_user(uuid)",
    "enter_with_api_key(text)",
    "enter_with_ticket(text)",
    "has_permission(text)",
    "invitations()",
    "invite_member(text,text,interval)",
    "is_listed(uuid,uuid[])",
    "leave_organization()",
    "members()",
    "my_organizations()",
    "my_permissions()",
    "peek_invitation(text)",
    "reinstall_instance(uuid)",
    "remove_member(uuid)",
    "rename_api_key(uuid,text)",
    "require_instance_transition(text,text)",
    "require_permission(text)",
    "require_person()",
    "require_staff_or_organization()",
    "revoke_api_key(uuid)",
    "revoke_invitation(uuid)",
    "sees_all_users()",
    "table_for(text,regclass)",
    "terminate_instance(uuid)",
    "update_organization(text,text,text)",
    "update_user(uuid,text,text,text,text,text)",
    "visible_user_ids()",
    "workspace_for(text)",
    "workspaces_for(text,text)",
}
CALLABLE = {
    "tenancy_app": PEOPLE_CALL | {"enter(uuid,uuid)"},
    "tenancy_credentialed": PEOPLE_CALL,
    "tenancy_service": PEOPLE_CALL
    | {
        "assign(regclass,uuid,text,integer)",
        "enter(uuid,uuid)",
        "purge_organization(uuid)",
        "restore_organization(uuid)",
    },
    "tenancy_auditor": {"record_read(regclass)"},
}
USERS = "created_at email first_name id last_name role updated_at username"
ORGANIZATIONS = "created_at created_by_user_id id name slug updated_at"
MEMBERSHIPS = "created_at organization_id role user_id"
WORKSPACES = "color created_at deleted_at id kind organization_id plan user_id"
INVITATIONS = (
    "accepted_at accepted_by_user_id created_at email expires_at id invited_by_user_id lapsed_at organization_id"
    " revoked_at role"
)
API_KEYS = "created_at expires_at id key_prefix last_used_at name organization_id revoked_at user_id workspace_id"
READABLE = {
    "public.users": USERS,
    "public.organizations": ORGANIZATIONS,
    "public.organization_memberships": MEMBERSHIPS,
    "tenancy.workspaces": WORKSPACES,
    "tenancy.invitations": INVITATIONS,
    "public.api_keys": API_KEYS,
}
WHOLE = (
    "tenancy.audit_log",
    "tenancy.role_permissions",
    "tenancy.role_delegations",
    "tenancy.instance_transitions",
    "public.instances",
    "public.models",
)
INSTANCES = "gpu_profile hourly_price_eur ip_address model_id provider_id status terminated_at"
MODELS = "context_length is_active metadata model_id name required_vram_gb"
WRITABLE = {
    "public.api_keys": {"UPDATE": "name"},
    "public.instances": {"INSERT": INSTANCES, "UPDATE": "gpu_profile ip_address model_id status"},
    "public.models": {"INSERT": MODELS, "UPDATE": MODELS},
}
DML = ("DELETE", "INSERT", "SELECT", "UPDATE")


@cache
def _wanted_privileges() -> set[tuple[str, str, str]]:
    wanted = {("tenancy", role, "USAGE") for role in CALLABLE}
    wanted |= {
        ("public", "tenancy_service", "USAGE"),
        ("public", "PUBLIC", "USAGE"),
        ("public", "tenancy_owner", "USAGE"),
    }
    for role, names in CALLABLE.items():
        wanted |= {(f"tenancy.{name}", role, "EXECUTE") for name in names}
    for role in ("tenancy_app", "tenancy_credentialed", "tenancy_auditor"):
        wanted |= {
            (f"{table}({column})", role, "SELECT") for table, names in READABLE.items() for column in names.split()
        }
    for role in CALLABLE:
        wanted |= {(table, role, "SELECT") for table in WHOLE}
    for role in ("tenancy_app", "tenancy_credentialed"):
        wanted |= {
            (f"{table}({column})", role, privilege)
            for table, privileges in WRITABLE.items()
            for privilege, columns in privileges.items()
            for column in columns.split()
        }
        wanted |= {("public.models", role, "DELETE")}
    for table in ("users", "organizations", "organization_memberships", "api_keys", "instances", "models"):
        wanted |= {(f"public.{table}", "tenancy_service", privilege) for privilege in DML}
    wanted |= {
        ("tenancy.workspaces", "tenancy_service", "SELECT"),
        ("tenancy.workspaces(color)", "tenancy_service", "UPDATE"),
        ("tenancy.workspaces(plan)", "tenancy_service", "UPDATE"),
    }
    wanted |= {(f"tenancy.invitations({column})", "tenancy_service", "SELECT") for column in INVITATIONS.split()}
    return wanted


PRIVILEGES = """
SELECT object, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END, privilege_type
FROM (
    SELECT n.nspname::text AS object, acl.* FROM pg_namespace AS n, aclexplode(n.nspacl) AS acl
    WHERE n.nspname IN ('public', 'tenancy', 'tenancy_private') AND acl.grantee <> n.nspowner
    UNION ALL
    SELECT c.oid::regclass::text, acl.* FROM pg_class AS c, aclexplode(c.relacl) AS acl
    WHERE c.relnamespace IN ('tenancy'::regnamespace, 'tenancy_private'::regnamespace) AND acl.grantee <> c.relowner
        OR c.oid IN ('public.users'::regclass, 'public.organizations'::regclass,
            'public.organization_memberships'::regclass, 'public.api_keys'::regclass,
            'public.instances'::regclass, 'public.models'::regclass) AND acl.grantee <> c.relowner
    UNION ALL
    SELECT c.oid::regclass || '(' || a.attname || ')', acl.*
    FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid, aclexplode(a.attacl) AS acl
    WHERE c.relnamespace IN ('public'::regnamespace, 'tenancy'::regnamespace, 'tenancy_private'::regnamespace)
    UNION ALL
    SELECT p.oid::regprocedure::text, acl.*
    FROM pg_proc AS p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS acl
    WHERE p.pronamespace IN ('tenancy'::regnamespace, 'tenancy_private'::regnamespace) AND acl.grantee <> p.proowner
) AS p
"""


def _privileges(probed: Probed) -> None:
    found = {(str(a), str(b), str(c)) for a, b, c in probed.admin.execute(PRIVILEGES).fetchall()}
    assert found == _wanted_privileges(), found ^ _wanted_privileges()


def _attributes(probed: Probed) -> None:
    wrong = probed.admin.execute(
        """
        SELECT p.oid::regprocedure::text FROM pg_proc AS p
        WHERE p.pronamespace IN ('tenancy'::regnamespace, 'tenancy_private'::regnamespace) AND (
            p.prosqlbody IS NULL AND NOT coalesce('search_path=pg_catalog, pg_temp' = ANY(p.proconfig), false)
            OR p.prosecdef AND NOT coalesce('search_path=pg_catalog, pg_temp' = ANY(p.proconfig), false)
        )
        UNION ALL
        SELECT c.oid::regclass::text FROM pg_class AS c
        WHERE c.relkind = 'r' AND (
            c.relnamespace = 'tenancy'::regnamespace AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
            OR c.relnamespace = 'tenancy_private'::regnamespace AND NOT c.relrowsecurity
            OR c.relnamespace = 'public'::regnamespace AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
                AND c.relname IN (
                    'users', 'organizations', 'organization_memberships', 'api_keys', 'instances', 'models'
                )
        )
        """
    ).fetchall()
    assert not wrong, wrong


SUMMARIES = {
    "privileges": _privileges,
    "attributes search_path ROW LEVEL SECURITY": _attributes,
}

# What PUBLIC has lost.
QUESTIONS: list[Question] = [
    ("app", None, None, "CREATE TEMP TABLE t (i integer)", "42501"),
    ("app", None, None, "CREATE TABLE public.t (i integer)", "42501"),
    ("app", None, None, "SELECT pg_terminate_backend(0)", "42501"),
    ("app", None, None, "SELECT pg_cancel_backend(0)", "42501"),
    ("app", None, None, "SELECT lo_create(0)", "42501"),
    ("app", None, None, "SELECT pg_stat_get_xact_tuples_fetched(0)", "42501"),
]
