"""The audit log."""

# ruff: noqa: S608  (the statements are made here)

from __future__ import annotations

from support.probes.base import IMMEDIATE, REPLICA, SET, Question, superuser

QUESTIONS: list[Question] = [
    superuser("UPDATE tenancy.audit_log SET action = 'x'", "audit_log_is_append_only"),
    superuser("DELETE FROM tenancy.audit_log", "audit_log_is_append_only"),
    superuser([REPLICA, "UPDATE tenancy.audit_log SET action = 'x'", IMMEDIATE], "audit_log_is_append_only"),
    superuser("TRUNCATE tenancy.audit_log", "audit_log_is_append_only"),
    *(
        superuser(
            [
                "as service",
                statement,
                "as None",
                f"SELECT old_values, new_values, user_id, database_user ~ 'service' FROM tenancy.audit_log"
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
        superuser(
            [statement, f"SELECT count(*) FROM tenancy.audit_log WHERE action = '{action}' AND occurred_at > now()"],
            [(1,)],
        )
        for statement, action in (
            ("INSERT INTO tenancy.role_permissions VALUES ('models.create', 'user')", "role_permission.create"),
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
    superuser(
        [
            "UPDATE public.organizations SET updated_at = now()",
            "SELECT count(*) FROM tenancy.audit_log WHERE occurred_at > now()",
        ],
        [(0,)],
    ),
    # The acting user of a service that has entered.
    superuser(
        [
            "as service",
            "serve ann acme",
            "UPDATE public.organizations SET name = 'N' WHERE id = '{acme}'",
            "as None",
            "SELECT user_id::text, organization_id::text, role FROM tenancy.audit_log"
            " WHERE action = 'organization.update' AND occurred_at > now()",
        ],
        [("{ann}", "{acme}", "owner")],
    ),
    superuser(
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
    # A row that moves to another organization ends in one log and begins in the other.
    superuser(
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
    (
        "service",
        None,
        None,
        [SET.format("context", "x"), "UPDATE public.organizations SET name = 'N'"],
        "invalid_context",
    ),
]
