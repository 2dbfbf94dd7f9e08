"""What the kernel promises, as many small questions that are asked in a second."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import psycopg

from support.database import Database
from support.people import People
from support.probes_of_tables import QUESTIONS, fill
from support.probes_of_users import CALLABLE_BY_PEOPLE, CALLS_OF_USERS, SPECIAL_OF_USERS
from support.racing import name_of
from support.server import Logins

__all__ = ["CALLS", "SUMMARIES", "Probe", "Probed", "probes"]

NIL = "00000000-0000-0000-0000-000000000000"

# Who may call what, written down by hand.
PEOPLE_CALL = CALLABLE_BY_PEOPLE | {
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

ENTER = "SELECT tenancy.enter(%s, %s)"
USE_KEY = "SELECT tenancy.enter_with_api_key('k_acme-1')"
REVOKE_KEY = "SELECT tenancy.revoke_api_key('{k_acme}')"
SET = "SELECT set_config('tenancy.{}', '{}', true)"
MEMBER = "UPDATE public.organization_memberships SET {} WHERE organization_id = '{{acme}}' AND user_id = '{{ann}}'"
IMMEDIATE = "SET CONSTRAINTS ALL IMMEDIATE"
REPLICA = "SET LOCAL session_replication_role = replica"
KEEPS = "organization_keeps_an_owner"

INVITE = "SELECT tenancy.invite_member({})"
ACCEPT = "SELECT user_id::text, organization_id::text FROM tenancy.accept_invitation('{}')"
PEEK = "SELECT * FROM tenancy.peek_invitation('{}')"
WRITE = (
    "INSERT INTO tenancy.invitations (organization_id, email, role, token_hash, expires_at)"
    " VALUES ('{{duo}}', 'x@example.com', '{}', {}, {})"
)

# Who invites whom, and what a token opens.
INVITING: list[tuple[str | None, str | None, str | None, str | list[str], Any]] = [
    (
        "app",
        "abe",
        "acme",
        "SELECT count(*), bool_and(organization_id = '{acme}') FROM tenancy.invitations",
        [(6, True)],
    ),
    ("app", "uma", "acme", "SELECT count(*) FROM tenancy.invitations", [(0,)]),
    ("app", "ann", None, "SELECT count(*) FROM tenancy.invitations", [(0,)]),
    ("app", "ann", "acme", "SELECT token_hash FROM tenancy.invitations", "42501"),
    ("service", None, None, "SELECT count(*) FROM tenancy.invitations", [(8,)]),
    ("service", None, None, "SELECT token_hash FROM tenancy.invitations", "42501"),
    (
        "app",
        "max",
        "acme",
        "SELECT string_agg(email || ' ' || status, ', ' ORDER BY email COLLATE \"C\") FROM tenancy.invitations()",
        [
            (
                "expired@example.com expired, lapsed@example.com expired, olga@example.com pending,"
                " open@example.com pending, revoked@example.com revoked, used@example.com accepted",
            )
        ],
    ),
    ("app", "uma", "acme", "SELECT * FROM tenancy.invitations()", "permission_denied"),
    ("app", "ann", None, "SELECT * FROM tenancy.invitations()", "organization_required"),
    ("app", "uma", "acme", INVITE.format("'x@example.com'"), "permission_denied"),
    ("app", "ann", None, INVITE.format("'x@example.com'"), "organization_required"),
    ("app", "abe", "acme", INVITE.format("'x@example.com', 'owner'"), "delegation_denied"),
    ("app", "ann", "acme", INVITE.format("'x@example.com', 'king'"), "unknown_role"),
    *(
        ("app", "ann", "acme", INVITE.format(f"E'{email}'"), "email_invalid")
        for email in ("x", "x@", "a b@x", "a@b@c", "a,b@x", "x@example.com>", "x" * 251 + "@x.y", "a@x\nb")
    ),
    ("app", "ann", "acme", INVITE.format("NULL"), "email_invalid"),
    *(
        ("app", "ann", "acme", INVITE.format(f"'x@example.com', 'user', {lifetime}"), "invitation_expiry_invalid")
        for lifetime in ("'0'", "'-1 s'", "'90 days 1 s'")
    ),
    ("app", "ann", "acme", INVITE.format("' UMA@example.com'"), "already_a_member"),
    ("app", "ann", "acme", INVITE.format("' OPEN@example.com'"), "invitation_pending"),
    *(
        ("app", "ann", "duo", ["SELECT tenancy.invite_member('" + email + "')", "SELECT 1"], [(1,)])
        for email in ("uma@example.com", "open@example.com")
    ),
    *(
        (
            None,
            None,
            None,
            [
                "as app",
                "enter ann acme",
                f"SELECT tenancy.invite_member('{email}@example.com')",
                "as None",
                "SELECT string_agg(o.slug || ' ' || i.email, ', ' ORDER BY o.slug, i.email)"
                " FROM tenancy.invitations AS i JOIN public.organizations AS o ON o.id = i.organization_id"
                " WHERE i.lapsed_at >= now()",
            ],
            [(lapsed,)],
        )
        for email, lapsed in (("EXPIRED", "acme expired@example.com"), ("revoked", None), ("used", None))
    ),
    (
        None,
        None,
        None,
        [
            "as app",
            "enter max acme",
            "SELECT set_config('test.token', token, true)"
            " FROM tenancy.invite_member(' X@example.com ', 'manager', NULL)",
            "as None",
            "SELECT organization_id::text = '{acme}', email, role, invited_by_user_id::text = '{max}',"
            " token_hash = sha256(convert_to(current_setting('test.token'), 'UTF8')),"
            " current_setting('test.token') ~ '^inv_[0-9a-f]{64}$', expires_at - created_at = interval '7 days'"
            " FROM tenancy.invitations WHERE created_at >= now()",
        ],
        [(True, "X@example.com", "manager", True, True, True, True)],
    ),
    (
        "app",
        "ann",
        "duo",
        "SELECT a.token <> b.token FROM tenancy.invite_member('x@x') AS a, tenancy.invite_member('y@x') AS b",
        [(True,)],
    ),
    # revoking
    ("app", "uma", "acme", "SELECT tenancy.revoke_invitation('{open_acme}')", "permission_denied"),
    ("app", "max", "acme", "SELECT tenancy.revoke_invitation('{open_acme}')", "delegation_denied"),
    ("app", "ann", None, "SELECT tenancy.revoke_invitation('{open_acme}')", "organization_required"),
    ("app", "ann", "duo", "SELECT tenancy.revoke_invitation('{open_acme}')", "invitation_not_found"),
    ("app", "ann", "acme", "SELECT tenancy.revoke_invitation(NULL)", "invitation_not_found"),
    *(
        ("app", "ann", "acme", f"SELECT tenancy.revoke_invitation('{{{name}_acme}}')", "invitation_not_pending")
        for name in ("expired", "used", "revoked", "lapsed")
    ),
    (
        None,
        None,
        None,
        [
            "as app",
            "enter abe acme",
            "SELECT tenancy.revoke_invitation('{open_acme}')",
            "as None",
            "SELECT id::text = '{open_acme}' FROM tenancy.invitations WHERE revoked_at >= now()",
        ],
        [(True,)],
    ),
    # accepting
    *(
        ("app", None, None, statement.format(token), "invalid_invitation")
        for statement in (ACCEPT, PEEK)
        for token in ("x", "inv_expired_acme", "inv_used_acme", "inv_revoked_acme", "inv_lapsed_acme", "inv_gone_gone")
    ),
    ("app", None, None, "SELECT tenancy.accept_invitation(NULL)", "invalid_invitation"),
    ("app", None, None, "SELECT tenancy.peek_invitation(NULL)", "invalid_invitation"),
    ("app", None, None, PEEK.format("inv_open_acme"), [("Acme", "admin", False)]),
    ("app", None, None, PEEK.format("inv_olga_acme"), [("Acme", "admin", True)]),
    (
        None,
        None,
        None,
        [
            "UPDATE tenancy.invitations SET email = 'OLGA@Example.com' WHERE id = '{olga_acme}'",
            "as app",
            PEEK.format("inv_olga_acme"),
        ],
        [("Acme", "admin", True)],
    ),
    ("app", None, None, ACCEPT.format("inv_olga_acme"), [("{olga}", "{acme}")]),
    ("app", None, None, [ACCEPT.format("inv_open_acme"), ACCEPT.format("inv_open_acme")], "invalid_invitation"),
    ("app", None, None, [ACCEPT.format("inv_olga_acme"), "SELECT tenancy.current_user_id()"], "no_context"),
    (
        "app",
        "uma",
        "acme",
        [ACCEPT.format("inv_open_bulk"), "SELECT tenancy.current_user_id()::text, tenancy.current_role()"],
        [("{uma}", "user")],
    ),
    (
        None,
        None,
        None,
        [
            "as app",
            "SELECT tenancy.accept_invitation('inv_open_bulk', 'newt', 'N', 'T', 'h')",
            "SELECT tenancy.accept_invitation('inv_open_acme', 'x', 'x', 'x', 'x')",
            "SELECT tenancy.accept_invitation('inv_olga_acme', 'x', 'x', 'x', 'x')",
            "as None",
            "SELECT u.email, u.username, u.first_name, u.last_name, u.password_hash, u.role, m.role, o.slug"
            " FROM public.users AS u JOIN public.organization_memberships AS m ON u.id = m.user_id"
            " JOIN public.organizations AS o ON o.id = m.organization_id"
            " WHERE u.username IN ('newt', 'olga', 'x') ORDER BY 2, 8",
        ],
        [
            ("open@example.com", "newt", "N", "T", "h", "user", "admin", "acme"),
            ("open@example.com", "newt", "N", "T", "h", "user", "admin", "bulk"),
            ("olga@example.com", "olga", "Olga", "Example", "hash of olga", "user", "admin", "acme"),
            ("olga@example.com", "olga", "Olga", "Example", "hash of olga", "user", "owner", "bulk"),
        ],
    ),
    (
        None,
        None,
        None,
        [
            "INSERT INTO public.organization_memberships (organization_id, user_id, role)"
            " VALUES ('{acme}', '{olga}', 'owner')",
            "as app",
            ACCEPT.format("inv_olga_acme"),
            "as None",
            "SELECT m.role, i.email, i.accepted_at >= now()"
            " FROM public.organization_memberships AS m, tenancy.invitations AS i"
            " WHERE m.user_id = '{olga}' AND m.organization_id = '{acme}' AND i.accepted_by_user_id = '{olga}'",
        ],
        [("owner", "olga@example.com", True)],
    ),
    # what an invitation can be
    *(
        (None, None, None, statement, error)
        for statement, error in (
            (WRITE.format("king", "sha256('x')", "'infinity'"), "invitations_role_check"),
            (WRITE.format("user", "'x'", "'infinity'"), "invitations_token_hash_check"),
            (WRITE.format("user", "sha256('x')", "'-infinity'"), "invitations_expires_at_check"),
            ("UPDATE tenancy.invitations SET accepted_at = now(), revoked_at = now()", "invitations_state_check"),
            (
                "UPDATE tenancy.invitations SET accepted_by_user_id = '{ann}' WHERE id = '{open_acme}'",
                "invitations_state_check",
            ),
        )
    ),
    (
        None,
        None,
        None,
        [
            "as app",
            "enter ann acme",
            "SELECT tenancy.revoke_invitation('{open_acme}')",
            "as None",
            "SELECT action, object_id, user_id::text, array(SELECT jsonb_object_keys(new_values))"
            " FROM tenancy.audit_log WHERE object_kind = 'invitation' AND occurred_at > now()",
        ],
        [("invitation.update", "{open_acme}", "{ann}", ["revoked_at"])],
    ),
    (
        None,
        None,
        None,
        "SELECT DISTINCT jsonb_exists(new_values, 'token_hash') FROM tenancy.audit_log"
        " WHERE object_kind = 'invitation'",
        [(False,)],
    ),
    # whose an address is
    *(
        (None, None, None, [statement, "SELECT email FROM tenancy_private.user_emails WHERE user_id = '{ann}'"], found)
        for statement, found in (
            ("UPDATE public.users SET email = ' ANN@Example.org' WHERE id = '{ann}'", [("ann@example.org",)]),
            ("UPDATE public.users SET email = ' ' WHERE id = '{ann}'", []),
            ("UPDATE public.users SET username = 'a'", [("ann@example.com",)]),
        )
    ),
    (
        None,
        None,
        None,
        [
            "INSERT INTO public.users (email) VALUES ('A@new'), ('a@NEW'), (' '), (repeat('x', 400))",
            "SELECT email FROM tenancy_private.user_emails WHERE email !~ 'example.com'",
        ],
        [("a@new",), ("a@new",)],
    ),
    *(
        (
            None,
            None,
            None,
            [
                "UPDATE public.users SET email = 'Uma@example.com' WHERE id = '{ann}'",
                f"SELECT tenancy_private.user_with_email('{email}')::text",
            ],
            found,
        )
        for email, found in (
            ("uma@example.com", [("{uma}",)]),
            ("Uma@example.com", [("{ann}",)]),
            ("UMA@example.com", "email_ambiguous"),
            ("Max@example.com", [("{max}",)]),
            ("nobody@example.com", [(None,)]),
        )
    ),
    *(
        (None, None, None, f"SELECT tenancy_private.new_user('{email}', NULL, NULL, NULL, NULL)", error)
        for email, error in (("ANN@example.com", "email_taken"), ("ann", "email_invalid"))
    ),
]

# login, user, organization, statements, what the last one answers or the error's name.
# A login that is None is the superuser; "as LOGIN" and "enter USER ORGANIZATION"
# among the statements change who acts, within one transaction.
CALLS: list[tuple[str | None, str | None, str | None, str | list[str], Any]] = [
    # reading
    ("app", "ann", "acme", "SELECT name FROM public.organizations", [("Acme",)]),
    ("app", "ann", None, "SELECT name FROM public.organizations", []),
    ("app", "uma", "acme", "SELECT count(*) FROM public.organization_memberships", [(4,)]),
    ("app", "ann", None, "SELECT count(*) FROM public.organization_memberships", [(0,)]),
    ("app", "ann", "acme", "SELECT username FROM public.users ORDER BY 1", [("abe",), ("ann",), ("max",), ("uma",)]),
    (
        None,
        None,
        None,
        [
            "DELETE FROM tenancy.role_permissions WHERE role = 'user'",
            "as app",
            "enter uma acme",
            "SELECT username FROM public.users",
        ],
        [],
    ),
    ("app", "ann", None, "SELECT username FROM public.users", [("ann",)]),
    ("app", "ann", "acme", "SELECT kind FROM tenancy.workspaces", [("organization",)]),
    ("app", "ann", None, "SELECT kind FROM tenancy.workspaces", [("personal",)]),
    ("app", "ann", "acme", "SELECT DISTINCT workspace_id::text = '{acme}' FROM tenancy.audit_log", [(True,)]),
    ("app", "uma", "acme", "SELECT count(*) FROM tenancy.audit_log", [(0,)]),
    ("app", "ann", "acme", "SELECT count(*) > 0 FROM tenancy.role_permissions", [(True,)]),
    ("app", "ann", "acme", "SELECT count(*) FROM tenancy.role_delegations", [(8,)]),
    ("app", "ann", "acme", "SELECT password_hash FROM public.users", "42501"),
    *(
        ("app", None, None, f"SELECT count(*) FROM {table}", "no_context")  # noqa: S608
        for table in (*READABLE, *WHOLE)
    ),
    *(
        ("service", None, None, f"SELECT count(*) FROM {table}", [(count,)])  # noqa: S608
        for table, count in (("public.users", 6), ("public.organizations", 4), ("tenancy.workspaces", 11))
    ),
    ("service", None, None, "SELECT count(*) FROM public.organization_memberships", [(8,)]),
    *(("service", None, None, f"SELECT count(*) > 0 FROM {table}", [(True,)]) for table in WHOLE),  # noqa: S608
    *(("auditor", None, None, f"SELECT count(*) > 0 FROM {table}", [(True,)]) for table in (*READABLE, *WHOLE)),  # noqa: S608
    *(
        (
            "auditor",
            None,
            None,
            [
                f"SELECT FROM {table}",
                "as None",
                "SELECT DISTINCT object_id, action FROM tenancy.audit_log WHERE database_user ~ 'auditor'",
            ],
            [(table, "table.read")],
        )
        for table in (*READABLE, *WHOLE)
    ),
    ("service", None, None, "UPDATE tenancy.workspaces SET color = '#000000' RETURNING 1 LIMIT 0", "42601"),
    ("service", None, None, ["UPDATE tenancy.workspaces SET plan = 'free'", "SELECT 1"], [(1,)]),
    ("service", None, None, "UPDATE tenancy.workspaces SET deleted_at = now()", "42501"),
    # the context
    ("app", None, None, "SELECT tenancy.current_user_id()", "no_context"),
    ("app", None, None, "SELECT tenancy.current_workspace_id()", "no_context"),
    ("app", None, None, "SELECT tenancy.has_permission('members.view')", "no_context"),
    ("app", None, None, "SELECT * FROM tenancy.my_permissions()", "no_context"),
    ("app", None, None, [SET.format("current_user_id", "{ann}"), "SELECT 1 FROM public.users"], "invalid_context"),
    (
        "app",
        None,
        None,
        [
            SET.format("current_user_id", "{ann}"),
            SET.format("current_organization_id", "{acme}"),
            SET.format("current_role", "owner"),
            SET.format("seal", "00000000"),
            "SELECT 1 FROM public.users",
        ],
        "invalid_context",
    ),
    (
        "app",
        "ann",
        "acme",
        [SET.format("current_user_id", "{olga}"), "SELECT tenancy.current_user_id()"],
        "invalid_context",
    ),
    (
        "app",
        "ann",
        "acme",
        [SET.format("current_organization_id", "{bulk}"), "SELECT tenancy.current_workspace_id()"],
        "invalid_context",
    ),
    ("app", "uma", "acme", [SET.format("current_role", "owner"), "SELECT tenancy.current_role()"], "invalid_context"),
    ("app", "uma", "acme", [SET.format("seal", ""), "SELECT tenancy.current_role()"], "invalid_context"),
    ("app", "ann", "acme", "SELECT tenancy.current_user_id()::text = '{ann}'", [(True,)]),
    ("app", "ann", "acme", "SELECT tenancy.current_organization_id()::text = '{acme}'", [(True,)]),
    ("app", "ann", "acme", "SELECT tenancy.current_workspace_id()::text = '{acme}'", [(True,)]),
    ("app", "ann", None, "SELECT tenancy.current_workspace_id()::text = '{ann}'", [(True,)]),
    ("app", "ann", None, "SELECT tenancy.current_organization_id(), tenancy.current_role()", [(None, None)]),
    ("app", "max", "acme", "SELECT tenancy.current_role()", [("manager",)]),
    (
        "app",
        "sam",
        None,
        "SELECT tenancy.current_role(), current_setting('tenancy.current_role')",
        [(None, "staff")],
    ),
    ("app", "ann", None, "SELECT current_setting('tenancy.current_role')", [("",)]),
    (
        "app",
        "ann",
        "acme",
        "SELECT kind, name, slug, role FROM tenancy.current_workspace()",
        [("organization", "Acme", "acme", "owner")],
    ),
    (
        "app",
        "ann",
        None,
        "SELECT kind, name, slug, role FROM tenancy.current_workspace()",
        [("personal", "Ann Example", None, None)],
    ),
    *(
        ("app", user, "acme", "SELECT tenancy.has_permission('organization.update')", [(user == "ann",)])
        for user in ("ann", "abe", "max", "uma")
    ),
    ("app", "ann", None, "SELECT tenancy.has_permission('organization.update')", [(True,)]),
    ("app", "ann", None, "SELECT tenancy.has_permission('no.such'), tenancy.has_permission(NULL)", [(False, False)]),
    ("app", "ann", "acme", "SELECT tenancy.has_permission('no.such'), tenancy.has_permission(NULL)", [(False, False)]),
    ("app", "max", "acme", "SELECT tenancy.workspace_for('instances.create')", [(None,)]),
    (
        "app",
        "uma",
        "acme",
        "SELECT string_agg(p, ' ') FROM tenancy.my_permissions() AS p WHERE p ~ '^(members|models|audit)'",
        [("members.view models.use models.view",)],
    ),
    (
        "app",
        "ann",
        None,
        "SELECT count(*) = count(DISTINCT p) AND count(*) > 40 FROM tenancy.my_permissions() AS p",
        [(True,)],
    ),
    ("app", "uma", "acme", "SELECT tenancy.require_permission('instances.create')", "permission_denied"),
    ("app", "ann", "acme", "SELECT tenancy.require_permission(NULL)", "permission_denied"),
    ("app", "ann", "acme", "SELECT tenancy.require_permission('instances.create')::text", [("",)]),
    (
        "app",
        "ann",
        "acme",
        "SELECT tenancy.badge('{acme}'), tenancy.badge('{bulk}'), tenancy.badge('{ann}'), tenancy.badge('" + NIL + "')",
        [("Org: Acme", None, "Personal", "Public")],
    ),
    # entering
    ("app", "ann", "bulk", "SELECT 1", "not_a_member"),
    ("app", "ann", "gone", "SELECT 1", "not_a_member"),
    ("app", "nobody", None, "SELECT 1", "not_a_member"),
    ("app", "nobody", "acme", "SELECT 1", "not_a_member"),
    ("app", "ann", "nobody", "SELECT 1", "not_a_member"),
    ("app", None, None, "SELECT tenancy.enter(NULL)", "user_id_required"),
    ("app", "ann", "acme", ["enter ann None", "SELECT 1"], "context_already_set"),
    ("app", "ann", "acme", ["enter uma acme", "SELECT 1"], "context_already_set"),
    ("app", "ann", "acme", [SET.format("seal", ""), "enter olga bulk", "SELECT 1"], "context_already_set"),
    ("app", "ann", "acme", ["enter ann acme", "SELECT 1"], [(1,)]),
    ("credentialed", "ann", "acme", "SELECT 1", "42501"),
    ("auditor", "ann", "acme", "SELECT 1", "42501"),
    ("service", "ann", "acme", "SELECT tenancy.current_role()", [("owner",)]),
    # organizations
    (
        "app",
        "ann",
        "acme",
        "SELECT name, role, is_current FROM tenancy.my_organizations()",
        [("Acme", "owner", True), ("Duo", "owner", False)],
    ),
    (
        "app",
        "ann",
        None,
        "SELECT slug ~ '^acme-....$', name FROM tenancy.create_organization(' Acme ')",
        [(True, "Acme")],
    ),
    (
        "app",
        "ann",
        None,
        ["SELECT tenancy.create_organization('New')", "SELECT role FROM tenancy.my_organizations() WHERE name = 'New'"],
        [("owner",)],
    ),
    ("app", "ann", None, "SELECT tenancy.create_organization('Acme', 'acme')", "organization_slug_taken"),
    ("app", "ann", None, "SELECT tenancy.create_organization('x', 'A b')", "organization_slug_invalid"),
    ("app", "ann", None, "SELECT tenancy.create_organization(' ')", "organization_name_invalid"),
    ("app", None, None, "SELECT tenancy.create_organization('x')", "no_context"),
    ("app", "ann", None, "SELECT tenancy.update_organization(name => 'x')", "organization_required"),
    ("app", "abe", "acme", "SELECT tenancy.update_organization(name => 'x')", "permission_denied"),
    ("app", "ann", "acme", "SELECT tenancy.update_organization(color => 'red')", "organization_color_invalid"),
    ("app", "ann", "acme", "SELECT tenancy.update_organization(slug => 'bulk')", "organization_slug_taken"),
    ("app", "ann", "acme", "SELECT tenancy.update_organization(slug => 'B u')", "organization_slug_invalid"),
    ("app", "ann", "acme", "SELECT tenancy.update_organization(name => E'a\\nb')", "organization_name_invalid"),
    (
        None,
        None,
        None,
        [
            "as app",
            "enter ann acme",
            "SELECT tenancy.update_organization('N', 'n', '#ABCDEF')",
            "as None",
            "SELECT array_agg(o.slug), array_agg(w.id = o.id) FROM public.organizations AS o, tenancy.workspaces AS w"
            " WHERE o.name = 'N' AND w.color = '#abcdef'",
        ],
        [(["n"], [True])],
    ),
    ("app", "abe", "acme", "SELECT tenancy.delete_organization()", "permission_denied"),
    (
        None,
        None,
        None,
        [
            "as app",
            "enter ann acme",
            "SELECT tenancy.delete_organization()",
            "as None",
            "SELECT string_agg(o.name, ' ' ORDER BY o.name) FROM tenancy.workspaces AS w"
            " JOIN public.organizations AS o USING (id) WHERE w.deleted_at IS NOT NULL",
        ],
        [("Acme Gone",)],
    ),
    (
        "service",
        None,
        None,
        [
            "SELECT tenancy.restore_organization('{gone}')",
            "SELECT count(*) FROM tenancy.workspaces WHERE deleted_at IS NOT NULL",
        ],
        [(0,)],
    ),
    ("service", None, None, "SELECT tenancy.restore_organization('{acme}')", "deleted_organization_not_found"),
    ("service", None, None, "SELECT tenancy.purge_organization('{acme}')", "deleted_organization_not_found"),
    (
        "service",
        None,
        None,
        ["SELECT tenancy.purge_organization('{gone}')", "SELECT count(*) FROM public.organizations"],
        [(3,)],
    ),
    ("app", "ann", "acme", "SELECT tenancy.purge_organization('{gone}')", "42501"),
    # members
    (
        "app",
        "uma",
        "acme",
        "SELECT array_agg(username ORDER BY username) FROM tenancy.members()",
        [(["abe", "ann", "max", "uma"],)],
    ),
    ("app", "ann", None, "SELECT * FROM tenancy.members()", "organization_required"),
    ("app", "ann", None, "SELECT tenancy.change_member_role('{uma}', 'user')", "organization_required"),
    ("app", "ann", None, "SELECT tenancy.leave_organization()", "organization_required"),
    (
        None,
        None,
        None,
        [
            "DELETE FROM tenancy.role_permissions WHERE role = 'user'",
            "as app",
            "enter uma acme",
            "SELECT * FROM tenancy.members()",
        ],
        "permission_denied",
    ),
    (
        None,
        None,
        None,
        [
            "DELETE FROM tenancy.role_permissions WHERE role = 'user'",
            "as app",
            "enter uma acme",
            "SELECT count(*) FROM public.organization_memberships",
        ],
        [(0,)],
    ),
    ("app", "ann", "acme", "SELECT tenancy.change_member_role('{uma}', 'boss')", "unknown_role"),
    ("app", "ann", "acme", "SELECT tenancy.change_member_role('{uma}', NULL)", "unknown_role"),
    ("app", "ann", "acme", "SELECT tenancy.change_member_role('{olga}', 'user')", "member_not_found"),
    ("app", "abe", "acme", "SELECT tenancy.change_member_role('{uma}', 'manager')", "delegation_denied"),
    ("app", "abe", "acme", "SELECT tenancy.change_member_role('{max}', 'user')", "delegation_denied"),
    ("app", "abe", "acme", "SELECT tenancy.change_member_role('{abe}', 'owner')", "delegation_denied"),
    ("app", "uma", "acme", "SELECT tenancy.change_member_role('{uma}', 'user')", "permission_denied"),
    ("app", "ann", "acme", "SELECT tenancy.change_member_role('{ann}', 'user')", KEEPS),
    (
        None,
        None,
        None,
        [
            "as app",
            "enter max acme",
            "SELECT tenancy.change_member_role('{uma}', 'manager')",
            "as None",
            "SELECT count(*) FROM public.organization_memberships WHERE role = 'manager'",
        ],
        [(2,)],
    ),
    ("app", "abe", "acme", "SELECT tenancy.remove_member('{max}')", "delegation_denied"),
    ("app", "uma", "acme", "SELECT tenancy.remove_member('{abe}')", "permission_denied"),
    ("app", "ann", "acme", "SELECT tenancy.remove_member('{ann}')", KEEPS),
    ("app", "ann", "acme", "SELECT tenancy.remove_member('{olga}')", "member_not_found"),
    ("app", "ann", "acme", "SELECT tenancy.leave_organization()", KEEPS),
    *(
        (
            None,
            None,
            None,
            ["as app", f"enter {who} acme", call, "as None", "SELECT count(*) FROM public.organization_memberships"],
            [(7,)],
        )
        for who, call in (
            ("abe", "SELECT tenancy.remove_member('{uma}')"),
            # A member of another organization, too.
            ("ann", "SELECT tenancy.remove_member('{abe}')"),
            ("uma", "SELECT tenancy.leave_organization()"),
        )
    ),
    # What changed since the transaction entered counts.
    *(
        (
            None,
            None,
            None,
            ["as app", "enter abe acme", "as None", meanwhile, "as app", "SELECT tenancy.remove_member('{uma}')"],
            error,
        )
        for meanwhile, error in (
            (
                MEMBER.format("role = 'user'").replace("{ann}", "{abe}").replace("{{", "{").replace("}}", "}"),
                "permission_denied",
            ),
            ("DELETE FROM public.organization_memberships WHERE user_id = '{abe}'", "not_a_member"),
            ("UPDATE tenancy.workspaces SET deleted_at = now() WHERE id = '{acme}'", "not_a_member"),
        )
    ),
    *INVITING,
    *QUESTIONS,
    # the last owner
    *(
        ("service", None, None, [statement, IMMEDIATE], KEEPS)
        for statement in (
            MEMBER.format("role = 'user'").replace("{{", "{").replace("}}", "}"),
            MEMBER.format("organization_id = '{{bulk}}'").replace("{{", "{").replace("}}", "}"),
            "DELETE FROM public.organization_memberships WHERE organization_id = '{acme}'",
            "DELETE FROM public.users WHERE id = '{ann}'",
        )
    ),
    *(
        (None, None, None, [REPLICA, statement, IMMEDIATE], error)
        for statement, error in (
            ("UPDATE public.organization_memberships SET role = 'user'", KEEPS),
            ("DELETE FROM public.organization_memberships", KEEPS),
            ("TRUNCATE public.organization_memberships", KEEPS),
            ("UPDATE tenancy.audit_log SET action = 'x'", "audit_log_is_append_only"),
            ("TRUNCATE tenancy.workspaces CASCADE", "workspaces_are_kept"),
        )
    ),
    ("service", None, None, ["DELETE FROM public.organizations WHERE id = '{acme}'", IMMEDIATE, "SELECT 1"], [(1,)]),
    (
        "service",
        None,
        None,
        [
            MEMBER.format("role = 'user'").replace("{{", "{").replace("}}", "}"),
            "UPDATE public.organization_memberships SET role = 'owner' WHERE user_id = '{uma}'",
            IMMEDIATE,
            "SELECT 1",
        ],
        [(1,)],
    ),
    # the audit log
    (None, None, None, "UPDATE tenancy.audit_log SET action = 'x'", "audit_log_is_append_only"),
    (None, None, None, "DELETE FROM tenancy.audit_log", "audit_log_is_append_only"),
    (None, None, None, "TRUNCATE tenancy.audit_log", "audit_log_is_append_only"),
    *(
        (
            None,
            None,
            None,
            [
                "as service",
                statement,
                "as None",
                f"SELECT old_values, new_values, user_id, database_user ~ 'service' FROM tenancy.audit_log"  # noqa: S608
                f" WHERE action = '{action}' AND occurred_at > now()",
            ],
            [(old, new, None, True)],
        )
        for statement, action, old, new in (
            (
                "UPDATE public.organizations SET name = 'N' WHERE id = '{acme}'",
                "organization.update",
                {"name": "Acme"},
                {"name": "N"},
            ),
            (
                "UPDATE public.organization_memberships SET role = 'admin' WHERE user_id = '{uma}'",
                "membership.update",
                {"role": "user"},
                {"role": "admin"},
            ),
            (
                "UPDATE tenancy.workspaces SET plan = 'subscriber' WHERE id = '{acme}'",
                "workspace.update",
                {"plan": "free"},
                {"plan": "subscriber"},
            ),
        )
    ),
    *(
        (
            None,
            None,
            None,
            [statement, f"SELECT count(*) FROM tenancy.audit_log WHERE action = '{action}' AND occurred_at > now()"],  # noqa: S608
            [(1,)],
        )
        for statement, action in (
            ("INSERT INTO tenancy.role_permissions VALUES ('a.b', 'user')", "role_permission.create"),
            ("INSERT INTO tenancy.role_delegations VALUES ('user', 'user')", "role_delegation.create"),
            (
                "INSERT INTO public.organizations (id, name, slug) VALUES (gen_random_uuid(), 'x', 'x')",
                "organization.create",
            ),
            (
                "UPDATE public.organizations SET updated_at = now(), name = 'N' WHERE id = '{acme}'",
                "organization.update",
            ),
        )
    ),
    (
        None,
        None,
        None,
        [
            "UPDATE public.organizations SET updated_at = now()",
            "SELECT count(*) FROM tenancy.audit_log WHERE occurred_at > now()",
        ],
        [(0,)],
    ),
    (
        None,
        None,
        None,
        [
            "as app",
            "enter ann acme",
            "SELECT tenancy.change_member_role('{uma}', 'admin')",
            "as None",
            "SELECT user_id::text = '{ann}', organization_id::text = '{acme}', role, object_id = '{uma}'"
            " FROM tenancy.audit_log WHERE action = 'membership.update' AND occurred_at > now()",
        ],
        [(True, True, "owner", True)],
    ),
    # Moved from one organization to another, it ends in the one and begins in the other.
    (
        None,
        None,
        None,
        [
            "as service",
            "UPDATE public.organization_memberships SET organization_id = '{duo}' WHERE user_id = '{uma}'",
            "as None",
            "SELECT action, workspace_id::text = coalesce(old_values, new_values) ->> 'organization_id',"
            " old_values IS NULL, new_values IS NULL"
            " FROM tenancy.audit_log WHERE object_id = '{uma}' AND occurred_at > now() ORDER BY action",
        ],
        [("membership.create", True, True, False), ("membership.delete", True, False, True)],
    ),
    ("service", None, None, [SET.format("seal", "x"), "UPDATE public.organizations SET name = 'N'"], "invalid_context"),
    # a slug, whoever writes it and however
    *(
        ("service", None, None, [*statements, "SELECT 1"], answer)
        for statements, answer in (
            (
                ["INSERT INTO public.organizations (id, name, slug) VALUES (gen_random_uuid(), 'x', 'ACME')"],
                "organization_slug_taken",
            ),
            (["UPDATE public.organizations SET slug = 'Acme' WHERE id = '{duo}'"], "organization_slug_taken"),
            (["UPDATE public.organizations SET slug = 'Acme' WHERE id = '{acme}'"], [(1,)]),
            (
                [
                    "UPDATE public.organizations SET slug = 'other' WHERE id = '{acme}'",
                    "UPDATE public.organizations SET slug = 'acme' WHERE id = '{duo}'",
                ],
                [(1,)],
            ),
        )
    ),
    # An adopted table may have organizations without one.
    (
        None,
        None,
        None,
        [
            "ALTER TABLE public.organizations ALTER COLUMN slug DROP NOT NULL",
            "UPDATE public.organizations SET slug = NULL",
            "SELECT count(*) FROM tenancy_private.organization_slugs",
        ],
        [(0,)],
    ),
    # An adopted table's further columns are not for a tenant.
    (
        None,
        None,
        None,
        [
            "ALTER TABLE public.organizations ADD COLUMN billing_secret text DEFAULT 'secret'",
            "as app",
            "enter ann acme",
            "SELECT o.name, o.billing_secret FROM tenancy.update_organization(name => 'N') AS o",
        ],
        [("N", None)],
    ),
    # what the tables themselves refuse
    *(
        (None, None, None, statement, name)
        for statement, name in (
            ("UPDATE tenancy.workspaces SET kind = 'other'", "workspaces_kind_check"),
            ("UPDATE tenancy.workspaces SET user_id = '{uma}' WHERE id = '{ann}'", "workspaces_kind_check"),
            ("UPDATE tenancy.workspaces SET color = 'red'", "workspaces_color_check"),
            ("UPDATE tenancy.workspaces SET plan = 'x'", "workspaces_plan_check"),
            ("UPDATE tenancy.workspaces SET deleted_at = now() WHERE kind = 'personal'", "workspaces_deleted_at_check"),
            ("UPDATE public.organization_memberships SET role = 'boss'", "organization_memberships_tenancy_role_check"),
            ("UPDATE public.organizations SET slug = 'ACME' WHERE id = '{bulk}'", "organization_slug_taken"),
            ("INSERT INTO tenancy.role_permissions VALUES ('x', 'user')", "role_permissions_permission_check"),
            ("INSERT INTO tenancy.role_permissions VALUES ('x.y', 'boss')", "role_permissions_role_check"),
            ("INSERT INTO tenancy.role_delegations VALUES ('boss', 'user')", "role_delegations_role_check"),
            ("INSERT INTO tenancy.role_delegations VALUES ('user', 'boss')", "role_delegations_delegated_role_check"),
            ("UPDATE tenancy_private.seal_keys SET id = 'x'", "seal_keys_id_check"),
            ("INSERT INTO tenancy_private.seal_keys VALUES ('00000000', '', '')", "seal_keys_current_idx"),
            ("INSERT INTO tenancy_private.ticket_keys VALUES ('x', '', '')", "ticket_keys_id_check"),
        )
    ),
    # every person and organization has a workspace
    *(
        (
            None,
            None,
            None,
            [
                f"INSERT INTO public.{into} RETURNING 1",
                f"SELECT count(*) FROM tenancy.workspaces WHERE kind = '{kind}'",  # noqa: S608
            ],
            [(count,)],
        )
        for into, kind, count in (
            ("users (id, email, role) VALUES (gen_random_uuid(), 'x', 'user')", "personal", 7),
            ("organizations (id, name, slug) VALUES (gen_random_uuid(), 'x', 'x')", "organization", 5),
        )
    ),
    # the keys, and what PUBLIC may not
    (None, None, None, ["SET LOCAL ROLE pg_read_all_data", "SELECT count(*) FROM tenancy_private.seal_keys"], [(0,)]),
    (None, None, None, ["SET LOCAL ROLE pg_read_all_data", "SELECT count(*) FROM tenancy_private.ticket_keys"], [(0,)]),
    (
        None,
        None,
        None,
        ["SELECT tenancy.rotate_seal_key('0')", "SELECT count(*), count(superseded_at) FROM tenancy_private.seal_keys"],
        [(1, 0)],
    ),
    (
        None,
        None,
        None,
        ["SELECT tenancy.rotate_seal_key()", "SELECT count(superseded_at) FROM tenancy_private.seal_keys"],
        [(1,)],
    ),
    (
        None,
        None,
        None,
        [
            "as app",
            "enter ann acme",
            "as None",
            "SELECT tenancy.rotate_seal_key()",
            "as app",
            "SELECT tenancy.current_role()",
        ],
        [("owner",)],
    ),
    (
        None,
        None,
        None,
        [
            "as app",
            "enter ann acme",
            "as None",
            "SELECT tenancy.rotate_seal_key('0')",
            "as app",
            "SELECT tenancy.current_role()",
        ],
        "invalid_context",
    ),
    (None, None, None, "SELECT tenancy.revoke_ticket_key('00000000')", "ticket_key_not_found"),
    ("app", None, None, "CREATE TEMP TABLE t (i integer)", "42501"),
    ("app", None, None, "CREATE TABLE public.t (i integer)", "42501"),
    ("app", None, None, "SELECT pg_terminate_backend(0)", "42501"),
    ("app", None, None, "SELECT pg_cancel_backend(0)", "42501"),
    ("app", None, None, "SELECT lo_create(0)", "42501"),
    ("app", None, None, "SELECT pg_stat_get_xact_tuples_fetched(0)", "42501"),
    # check_permission, which applications put on their own tables
    *(
        (
            None,
            None,
            None,
            [
                "CREATE TABLE public.things (id integer)",
                "ALTER TABLE public.things ENABLE ROW LEVEL SECURITY",
                "CREATE POLICY things ON public.things USING (true)",
                "GRANT ALL ON public.things TO tenancy_app, tenancy_service",
                "CREATE TRIGGER p BEFORE INSERT OR UPDATE OR DELETE ON public.things"
                " FOR EACH STATEMENT EXECUTE FUNCTION tenancy.check_permission("
                "'instances.create', 'organization.update', 'models.use')",
                f"as {login}",
                f"enter {who} acme",
                statement,
                "SELECT 1",
            ],
            answer,
        )
        for login, who, statement, answer in (
            ("app", "uma", "INSERT INTO public.things VALUES (1)", "permission_denied"),
            ("app", "abe", "INSERT INTO public.things VALUES (1)", [(1,)]),
            ("app", "abe", "UPDATE public.things SET id = 2", "permission_denied"),
            ("app", "uma", "DELETE FROM public.things", [(1,)]),
            ("service", "uma", "INSERT INTO public.things VALUES (1)", [(1,)]),
        )
    ),
]

# The superuser, who could act as tenancy_app and is not asked for a context.
CALLS.append(
    (
        None,
        None,
        None,
        [
            "CREATE TABLE public.things (id integer)",
            "CREATE TRIGGER p BEFORE INSERT ON public.things FOR EACH STATEMENT EXECUTE FUNCTION"
            " tenancy.check_permission('instances.create', 'instances.update', 'instances.delete')",
            "INSERT INTO public.things VALUES (1)",
            "SELECT 1",
        ],
        [(1,)],
    )
)

# Each of the two layers alone isolates: the policies without the floor, and the
# floor whatever is added to it; and it lets no row out either.
ONLY = {
    "public.organizations": "id = '{acme}'",
    "public.users": "id IN ('{ann}', '{abe}', '{max}', '{uma}')",
    "public.organization_memberships": "organization_id = '{acme}'",
    "tenancy.workspaces": "id = '{acme}'",
    "tenancy.audit_log": "workspace_id = '{acme}'",
    "tenancy.invitations": "organization_id = '{acme}'",
    "public.api_keys": "workspace_id = '{acme}'",
    "public.instances": "workspace_id = '{acme}'",
    "public.models": f"workspace_id IN ('{{acme}}', '{NIL}')",
}
for _table, _own in ONLY.items():
    _name = _table.partition(".")[2]
    _key = _own.partition(" ")[0]
    _question = ["as app", "enter ann acme", f"SELECT bool_and({_own}), count(*) > 0 FROM {_table}"]  # noqa: S608
    CALLS += [
        *(
            # An account belongs to no workspace: there the floor alone says who is seen.
            [(None, None, None, [f"DROP POLICY IF EXISTS {_name}_workspace ON {_table}", *_question], [(True, True)])]
            if _name != "users"
            else []
        ),
        (None, None, None, [f"CREATE POLICY wide ON {_table} TO tenancy_app USING (true)", *_question], [(True, True)]),
        (
            None,
            None,
            None,
            [
                f"CREATE POLICY wide ON {_table} TO tenancy_app USING (true) WITH CHECK (true)",
                f"GRANT SELECT, UPDATE ON {_table} TO tenancy_app",
                # The append-only rule and what keeps a row's workspace would answer first.
                *(
                    [f"ALTER TABLE {_table} DISABLE TRIGGER USER"]
                    if _name in {"audit_log", "api_keys", "instances", "models"}
                    else []
                ),
                "as app",
                "enter ann acme",
                f"UPDATE {_table} SET {_key} = gen_random_uuid()",  # noqa: S608
            ],
            "42501",
        ),
    ]
CALLS += CALLS_OF_USERS
CALLS += [
    (
        None,
        None,
        None,
        [
            "DROP POLICY IF EXISTS audit_log_workspace ON tenancy.audit_log",
            "as app",
            f"enter {who} acme",
            "SELECT count(*) > 0 FROM tenancy.audit_log",
        ],
        [(sees,)],
    )
    for who, sees in (("ann", True), ("uma", False))
]


@dataclass(frozen=True)
class Probe:
    """One question, with the text by which it is found."""

    text: str
    ask: Callable[[Probed], None]


class Probed:
    """A database with a few people in it, which every probe leaves as it was."""

    def __init__(self, database: Database, logins: Logins, stack: ExitStack) -> None:
        self.database = database
        self.admin = stack.enter_context(database.connect(autocommit=True))
        # With this path the name of every object is written with its schema.
        self.admin.execute("SET search_path = pg_catalog")
        people = People(self.admin)
        users = {name: people.user(name) for name in ("ann", "abe", "max", "uma", "olga")}
        users["sam"] = people.user("sam", role="admin")
        acme = people.organization(
            "Acme", owner=users["ann"], admin=users["abe"], manager=users["max"], user=users["uma"]
        )
        duo = people.organization("Duo", owner=users["ann"])
        people.membership(duo, users["abe"], "owner")
        bulk, gone = people.organization("Bulk", owner=users["olga"]), people.organization("Gone", owner=users["ann"])
        self.admin.execute("UPDATE tenancy.workspaces SET deleted_at = now() WHERE id = %s", [gone.id])
        self.ids = {name: str(user.id) for name, user in users.items()}
        self.ids |= {"acme": str(acme.id), "duo": str(duo.id), "bulk": str(bulk.id), "gone": str(gone.id)}
        for organization, email, state in (
            (acme, "open", ""),
            (acme, "expired", "expires_at"),
            (acme, "used", "accepted_at"),
            (acme, "revoked", "revoked_at"),
            (acme, "lapsed", "lapsed_at"),
            (acme, "olga", ""),
            (bulk, "open", ""),
            (gone, "gone", ""),
        ):
            row = self.admin.execute(
                "INSERT INTO tenancy.invitations"
                " (organization_id, email, role, token_hash, invited_by_user_id, created_at, expires_at)"
                " VALUES (%s, %s, 'admin', sha256(convert_to(%s, 'UTF8')), %s, now() - interval '1 day', 'infinity')"
                " RETURNING id",
                [organization.id, f"{email}@example.com", f"inv_{email}_{organization.slug}", organization.owner.id],
            ).fetchone()
            assert row is not None
            if state:
                self.admin.execute(
                    f"UPDATE tenancy.invitations SET {state} = now() - interval '1 hour' WHERE id = %s",  # noqa: S608
                    row,
                )
            self.ids[f"{email}_{organization.slug}"] = str(row[0])
        self.ids["nobody"] = "99999999-0000-4000-8000-000000000000"
        self.ids |= fill(self.admin, self.ids)
        row = self.admin.execute("SELECT key_id, secret FROM tenancy.create_ticket_key()").fetchone()
        assert row is not None
        self.key, self.secret = row
        self.logins = {
            "app": logins.app,
            "service": logins.service,
            "auditor": logins.auditor,
            "credentialed": logins.credentialed,
        }
        self._connections: dict[str | None, psycopg.Connection[Any]] = {
            name: stack.enter_context(database.connect(login)) for name, login in [(None, None), *self.logins.items()]
        }
        self.other = stack.enter_context(database.connect(logins.app))
        self.lone = stack.enter_context(database.connect(logins.app, autocommit=True))
        # Prepared, it would be several messages.
        self.lone.prepare_threshold = None

    def ask(self, login: str | None, user: str | None, organization: str | None, statements: str | list[str]) -> Any:
        """Run statements in one transaction, which is rolled back, and return the last rows or the error's name."""
        connection = self._connections[login]
        steps = [statements] if isinstance(statements, str) else statements
        if user is not None:
            steps = [f"enter {user} {organization}", *steps]
        try:
            for step in steps:
                verb, _, rest = step.partition(" ")
                if verb == "as":
                    connection.execute(
                        "RESET SESSION AUTHORIZATION"
                        if rest == "None"
                        else f"SET LOCAL SESSION AUTHORIZATION {self.logins[rest]}"
                    )
                elif verb == "enter":
                    who, where = rest.split()
                    connection.execute(ENTER, [self.ids[who], self.ids.get(where)])
                else:
                    cursor = connection.execute(self.filled(step))
            return cursor.fetchall() if cursor.description else []
        except psycopg.Error as error:
            return name_of(error)
        finally:
            connection.rollback()
            if login is None:
                connection.execute("RESET SESSION AUTHORIZATION")
                connection.rollback()

    def filled(self, text: str) -> str:
        """Return the text with the people's ids in it."""
        for name, value in self.ids.items():
            text = text.replace("{" + name + "}", value)
        return text

    def ticket(self, secret: str | None = None, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """Return a ticket for Ann in Acme, with whatever is given instead."""
        now = int(time.time())
        parts = [
            json.dumps(part).encode()
            for part in (
                {"alg": "HS256", "kid": self.key, **(header or {})},
                {"sub": self.ids["ann"], "org": self.ids["acme"], "exp": now + 600, **claims},
            )
        ]
        signed = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
        digest = hmac.new((secret or self.secret).encode(), signed, hashlib.sha256).digest()
        return (signed + b"." + base64.urlsafe_b64encode(digest).rstrip(b"=")).decode()

    def enter_with(self, ticket: str) -> Any:
        """Return who a ticket makes one, or the error's name."""
        return self.ask(
            "credentialed",
            None,
            None,
            [f"SELECT tenancy.enter_with_ticket('{ticket}')", "SELECT tenancy.current_user_id()::text"],
        )


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


def _replay(probed: Probed) -> None:
    names = ("current_user_id", "current_organization_id", "current_role", "seal")
    query = "SELECT " + ", ".join(f"current_setting('tenancy.{name}')" for name in names)
    answer = probed.ask("app", "ann", "acme", query)
    assert isinstance(answer, list), answer
    (values,) = answer
    steps = [SET.format(name, value) for name, value in zip(names, values, strict=True)]
    answer = probed.ask("app", None, None, [*steps, "SELECT tenancy.current_user_id()"])
    assert answer == "invalid_context", answer


def _error(connection: psycopg.Connection[Any], statement: str, *values: Any) -> str:
    try:
        connection.execute(statement, values or None)
    except psycopg.Error as error:
        return name_of(error)
    return "done"


def _autocommit(probed: Probed) -> None:
    # Parameters would make it several messages, of which the first begins.
    answer = _error(probed.lone, probed.filled("SELECT tenancy.enter('{ann}')"))
    assert answer == "transaction_required", answer


def _second_waits(probed: Probed) -> None:
    """Two changes of one organization's owners wait for each other."""
    connection, other = probed._connections["app"], probed.other
    try:
        connection.execute(ENTER, [probed.ids["ann"], probed.ids["duo"]])
        connection.execute("SELECT tenancy.leave_organization()")
        other.execute("SET LOCAL lock_timeout = '40ms'")
        other.execute(ENTER, [probed.ids["abe"], probed.ids["duo"]])
        assert _error(other, "SELECT tenancy.leave_organization()") == "55P03", "both left"
    finally:
        connection.rollback()
        other.rollback()


def _refused_without_waiting(probed: Probed) -> None:
    """Whoever lacks the permission is told so, and holds up nobody."""
    connection, other = probed._connections["app"], probed.other
    try:
        connection.execute(ENTER, [probed.ids["ann"], probed.ids["acme"]])
        connection.execute("SELECT tenancy.change_member_role(%s, 'admin')", [probed.ids["max"]])
        other.execute("SET LOCAL lock_timeout = '40ms'")
        other.execute(ENTER, [probed.ids["uma"], probed.ids["acme"]])
        answer = _error(other, "SELECT tenancy.remove_member(%s)", probed.ids["max"])
        assert answer == "permission_denied", answer
    finally:
        connection.rollback()
        other.rollback()


def _second_service_waits(probed: Probed) -> None:
    """The same for plain SQL, by a service and by the superuser."""
    demote = "UPDATE public.organization_memberships SET role = 'user' WHERE organization_id = %s AND user_id = %s"
    connection, other = probed._connections["service"], probed._connections[None]
    try:
        connection.execute(demote, [probed.ids["duo"], probed.ids["ann"]])
        connection.execute(IMMEDIATE)
        other.execute("SET LOCAL lock_timeout = '40ms'")
        other.execute(demote, [probed.ids["duo"], probed.ids["abe"]])
        assert _error(other, IMMEDIATE) == "55P03", "both were demoted"
    finally:
        connection.rollback()
        other.rollback()


def _one_account(probed: Probed) -> None:
    """Two organizations that an unknown address joins at once wait for each other's account."""
    connection, other = probed._connections["app"], probed.other
    try:
        connection.execute("SELECT tenancy.accept_invitation('inv_open_acme')")
        other.execute("SET LOCAL lock_timeout = '40ms'")
        assert _error(other, "SELECT tenancy.accept_invitation('inv_open_bulk')") == "55P03", "two accounts"
    finally:
        connection.rollback()
        other.rollback()


def _past_account(probed: Probed) -> None:
    """An account that a snapshot does not show is not made a second time."""
    connection, other = probed._connections[None], probed.other
    lock = "SELECT tenancy_private.lock_email('open@example.com')"
    try:
        connection.execute(lock)
        connection.commit()
        other.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        other.execute("SELECT 1 FROM pg_class LIMIT 1")
        connection.execute(lock)
        connection.commit()
        assert _error(other, "SELECT tenancy.accept_invitation('inv_open_bulk')") == "40001", "two accounts"
    finally:
        connection.rollback()
        other.rollback()


def _waits_for_no_owner(probed: Probed) -> None:
    """Accepting needs nothing that a change of the organization holds; revoking looks when it is done."""
    connection, other = probed._connections["app"], probed.other
    try:
        connection.execute(ENTER, [probed.ids["ann"], probed.ids["acme"]])
        connection.execute("SELECT tenancy.change_member_role(%s, 'admin')", [probed.ids["max"]])
        other.execute("SET LOCAL lock_timeout = '40ms'")
        assert _error(other, "SELECT tenancy.accept_invitation('inv_open_acme')") == "done"
        connection.rollback()
        connection.execute("SET LOCAL lock_timeout = '40ms'")
        connection.execute(ENTER, [probed.ids["max"], probed.ids["acme"]])
        answer = _error(connection, "SELECT tenancy.revoke_invitation(%s)", probed.ids["open_acme"])
        assert answer == "55P03", answer
    finally:
        connection.rollback()
        other.rollback()


def _nobody_waits_for_a_key(probed: Probed) -> None:
    """Whoever entered with a key holds up nobody who enters with it, revokes it or changes another."""
    connection, other = probed._connections["app"], probed.other
    try:
        connection.execute(USE_KEY)
        for steps, answer in (
            ([USE_KEY], "done"),
            ([USE_KEY, "SELECT count(*) FROM public.api_keys"], "done"),
            ([REVOKE_KEY], "done"),
            ([REVOKE_KEY, REVOKE_KEY, USE_KEY], "invalid_api_key"),
            ([REVOKE_KEY, "SELECT tenancy.create_api_key('x')"], "done"),
        ):
            other.execute("SET LOCAL lock_timeout = '40ms'")
            if steps[0] == REVOKE_KEY:
                other.execute(ENTER, [probed.ids["ann"], probed.ids["acme"]])
            for step in steps:
                found = _error(other, probed.filled(step))
            assert found == answer, (steps, found)
            # What was revoked while somebody held the row does not come back before the row says so.
            if steps[0] == REVOKE_KEY and answer == "done":
                other.commit()
                found = _error(other, USE_KEY)
                assert found == "invalid_api_key", found
                probed.admin.execute("DELETE FROM tenancy_private.revoked_api_keys")
            other.rollback()
    finally:
        connection.rollback()
        other.rollback()
        probed.admin.execute("DELETE FROM tenancy_private.revoked_api_keys")
        probed.admin.execute("DELETE FROM public.api_keys WHERE name = 'x'")


def _old_snapshots_of_keys(probed: Probed) -> None:
    """A transaction that reads the past enters with no key that has ended since."""
    changes = (
        (
            "UPDATE public.api_keys SET revoked_at = now() WHERE id = '{k_acme}'",
            "UPDATE public.api_keys SET revoked_at = NULL WHERE id = '{k_acme}'",
        ),
        (
            "UPDATE tenancy.workspaces SET deleted_at = now() WHERE id = '{acme}'",
            "UPDATE tenancy.workspaces SET deleted_at = NULL WHERE id = '{acme}'",
        ),
        (
            "INSERT INTO tenancy_private.revoked_api_keys VALUES ('{k_acme}', now())",
            "DELETE FROM tenancy_private.revoked_api_keys",
        ),
    )
    other = probed.other
    for change, back in changes:
        try:
            other.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            other.execute("SELECT 1")
            probed.admin.execute(probed.filled(change).encode())
            found = _error(other, USE_KEY)
            assert found == "40001", (change, found)
        finally:
            other.rollback()
            probed.admin.execute(probed.filled(back).encode())
    # One that nothing has happened to is good, and is not locked by being looked at.
    try:
        other.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        probed.admin.execute("UPDATE public.api_keys SET last_used_at = now()")
        assert _error(other, USE_KEY) == "done"
        probed.admin.execute("SET lock_timeout = '40ms'")
        probed.admin.execute("UPDATE public.api_keys SET last_used_at = NULL")
        assert probed.admin.execute("SELECT count(*) FROM tenancy_private.revoked_api_keys").fetchone() == (0,)
    finally:
        probed.admin.execute("RESET lock_timeout")
        other.rollback()
        probed.admin.execute("UPDATE public.api_keys SET last_used_at = NULL")


def _tickets(probed: Probed) -> None:
    now = int(time.time())
    answers = {
        "good": probed.enter_with(probed.ticket()),
        "without kid": probed.enter_with(probed.ticket(header={"kid": None})),
        "personal": probed.enter_with(probed.ticket(org=None)),
        "another secret": probed.enter_with(probed.ticket(secret="0" * 64)),
        "another kid": probed.enter_with(probed.ticket(header={"kid": "00000000"})),
        "another algorithm": probed.enter_with(probed.ticket(header={"alg": "none"})),
        "crit": probed.enter_with(probed.ticket(header={"crit": ["x"]})),
        "expired": probed.enter_with(probed.ticket(exp=now - 1)),
        "too long": probed.enter_with(probed.ticket(exp=now + 3700)),
        "not yet": probed.enter_with(probed.ticket(nbf=now + 100)),
        "expiry as text": probed.enter_with(probed.ticket(exp=str(now + 100))),
        "no user": probed.enter_with(probed.ticket(sub=None)),
        "user as number": probed.enter_with(probed.ticket(sub=1)),
        "organization as number": probed.enter_with(probed.ticket(org=1)),
        "no uuid": probed.enter_with(probed.ticket(sub="ann")),
        "no ticket": probed.enter_with("x"),
        "a stranger": probed.enter_with(probed.ticket(org=probed.ids["bulk"])),
    }
    ann = [(probed.ids["ann"],)]
    wanted: dict[str, Any] = dict.fromkeys(answers, "invalid_ticket")
    wanted |= {"good": ann, "without kid": ann, "personal": ann, "a stranger": "not_a_member"}
    assert answers == wanted, {name: answer for name, answer in answers.items() if answer != wanted[name]}


def _call(call: tuple[str | None, str | None, str | None, str | list[str], Any]) -> Probe:
    def ask(probed: Probed) -> None:
        answer, wanted = probed.ask(*call[:4]), call[4]
        if isinstance(wanted, list):
            wanted = [tuple(probed.filled(cell) if isinstance(cell, str) else cell for cell in row) for row in wanted]
        assert answer == wanted, (call, answer)

    return Probe(str(call[:4]), ask)


# How many of the probes, the first ones, are about all objects at once.
SUMMARIES = 2


def probes() -> list[Probe]:
    """Return every probe: those about everything, the quick ones, and those that wait."""
    summaries = {
        "privileges": _privileges,
        "attributes search_path ROW LEVEL SECURITY": _attributes,
    }
    special = {
        "seal_context workspace_for replay": _replay,
        "seal_context autocommit": _autocommit,
        "act_in_organization wait": _second_waits,
        "act_in_organization refused": _refused_without_waiting,
        "keep_an_owner wait": _second_service_waits,
        "accept_invitation new_user lock_email wait": _one_account,
        "lock_email accept_invitation snapshot": _past_account,
        "accept_invitation revoke_invitation wait": _waits_for_no_owner,
        "read_ticket enter_with_ticket decode_base64url": _tickets,
        "revoke_api_key act_on_api_keys record_api_key_use": _nobody_waits_for_a_key,
        "check_fresh_api_key enter_with_api_key": _old_snapshots_of_keys,
        **SPECIAL_OF_USERS,
    }
    assert len(summaries) == SUMMARIES
    return [
        *(Probe(text, ask) for text, ask in summaries.items()),
        *map(_call, CALLS),
        *(Probe(text, ask) for text, ask in special.items()),
    ]
