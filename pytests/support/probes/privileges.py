"""Who may call, read and write what, written down by hand; and every function and table at once."""

from __future__ import annotations

from functools import cache

from support.probes.base import Probed, Question

# Who may call what, written down by hand.
PEOPLE_CALL = {
    "accept_invitation(text,text,text,text,text)",
    "all_users(text,uuid,integer)",
    "archive_instance(uuid)",
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
    "default_author_id()",
    "default_organization_id()",
    "default_user_id()",
    "default_workspace_id()",
    "delete_model(uuid)",
    "delete_organization()",
    "delete_user(uuid)",
    "enter_with_api_key(text)",
    "enter_with_ticket(text)",
    "has_permission(text)",
    "invitations()",
    "invite_member(text,text,interval)",
    "is_listed(uuid,uuid[])",
    "leave_organization()",
    "legacy_instances(uuid,integer)",
    "member(uuid)",
    "members()",
    "my_organizations()",
    "my_permissions()",
    "peek_invitation(text)",
    "reinstall_instance(uuid)",
    "remove_member(uuid)",
    "rename_api_key(uuid,text)",
    "require_access(regclass,text)",
    "require_instance_transition(text,text)",
    "require_permission(text)",
    "require_person()",
    "revoke_api_key(uuid)",
    "revoke_invitation(uuid)",
    "sees_all_users()",
    "sign_up(text,text,text,text,text)",
    "terminate_instance(uuid)",
    "update_organization(text,text,text)",
    "update_user(uuid,text,text,text,text,text)",
    "visible_user_ids()",
    "verify_context()",
    "writable_columns(regclass)",
}
CALLABLE = {
    # Besides what it has as a member of tenancy_credentialed.
    "tenancy_app": {"enter(uuid,uuid)", "enter_platform(uuid)"},
    "tenancy_credentialed": PEOPLE_CALL,
    "tenancy_service": PEOPLE_CALL
    | {
        "assign(regclass,uuid,text,integer)",
        "enter(uuid,uuid)",
        "enter_as_service(uuid,uuid)",
        "enter_platform(uuid)",
        "purge_organization(uuid)",
        "restore_organization(uuid)",
        "unprotected_tables()",
    },
    "tenancy_auditor": {"record_read(regclass)"},
    # The defaults of the columns that it fills.
    "tenancy_writer": {
        "current_workspace_id()",
        "default_author_id()",
        "default_organization_id()",
        "default_user_id()",
        "default_workspace_id()",
        "verify_context()",
    },
}
# What the functions call that write the application's tables.
WRITING = {
    "delete_rows(regclass,jsonb)",
    "empty_instances()",
    "insert_row(regclass,jsonb,boolean)",
    "update_rows(regclass,jsonb,jsonb)",
}
INVITATIONS = (
    "accepted_at accepted_by_user_id created_at email expires_at id invited_by_user_id lapsed_at organization_id"
    " revoked_at role"
)
PUBLISHED = {
    "tenancy.instance_transitions": "action from_status to_status",
    "tenancy.permissions": "number permission",
    "tenancy.role_delegations": "delegated_role role",
    "tenancy.role_permissions": "permission role",
}
READABLE = {
    "public.users": "created_at email first_name id last_name role updated_at username",
    "public.organizations": "created_at created_by_user_id id name slug updated_at",
    "public.organization_memberships": "created_at organization_id role user_id",
    "tenancy.workspaces": "color created_at deleted_at id kind organization_id plan user_id",
    "tenancy.invitations": INVITATIONS,
    "tenancy.audit_log": (
        "action database_user id new_values object_id object_kind occurred_at old_values organization_id role user_id"
        " workspace_id"
    ),
    "public.api_keys": (
        "created_at expires_at id key_prefix last_used_at name organization_id revoked_at user_id workspace_id"
    ),
    "public.instances": (
        "created_at gpu_profile hourly_price_eur id ip_address model_id organization_id provider_id status"
        " terminated_at user_id workspace_id"
    ),
    "public.models": (
        "context_length id is_active metadata model_id name organization_id required_vram_gb workspace_id"
    ),
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
    for role, names in CALLABLE.items():
        wanted |= {(f"tenancy.{name}", role, "EXECUTE") for name in names}
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
    for table in ("users", "organizations", "organization_memberships", "api_keys", "instances", "models"):
        wanted |= {
            (f"public.{table}", role, privilege) for role in ("tenancy_service", "tenancy_writer") for privilege in DML
        }
    wanted |= {(f"tenancy_private.{name}", "tenancy_owner", "EXECUTE") for name in WRITING}
    wanted |= {
        ("tenancy.seal_rotations", f"tenancy_{role}", "SELECT") for role in ("credentialed", "service", "writer")
    }
    wanted |= {
        ("tenancy.audit_log", "tenancy_service", "SELECT"),
        ("tenancy.workspaces", "tenancy_service", "SELECT"),
        # Whoever deletes one has the triggers of what goes with it run as itself.
        ("tenancy.workspaces", "tenancy_writer", "SELECT"),
        ("tenancy.workspaces", "tenancy_writer", "DELETE"),
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
            -- What every query calls runs as its caller, and names the schema of everything in it.
            (p.prosqlbody IS NULL OR p.prosecdef)
                AND NOT (p.oid = 'tenancy.current_workspace_id()'::regprocedure AND NOT p.prosecdef)
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
                    'users', 'organizations', 'organization_memberships', 'api_keys', 'instances', 'models'
                )
        )
        """,
        [[name.partition("(")[0] for name in WRITING]],
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
