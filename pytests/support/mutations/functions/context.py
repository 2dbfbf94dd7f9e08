"""Opening, sealing and reading the context, and permissions in it."""

from __future__ import annotations

CHANGES = {
    "tenancy.workspace_for(text)": [
        ("IF inner_key IS NULL OR substr", "IF false AND substr"),
        ("PERFORM tenancy_private.refuse_context();", "NULL;"),
        ("RETURN NULL;", "NULL;"),
        ("IF sealed_organization <> '' THEN", "IF true THEN"),
        ("IF sealed_organization <> '' THEN", "IF false THEN"),
        (" AND p.role = sealed_role", ""),
        ("p.permission = workspace_for.permission AND ", ""),
        ("WHERE p.permission = workspace_for.permission;", ";"),
        ("nullif(sealed_organization, '')", "NULL"),
    ],
    "tenancy_private.refuse_context()": [(") = '' THEN", ") = 'x' THEN")],
    "tenancy.has_permission(text)": [("(permission IS NOT NULL) AND ", "")],
    "tenancy.my_permissions()": [('COALESCE(( SELECT tenancy."current_role"() AS "current_role"), p.role)', "p.role")],
    "tenancy.require_permission(text)": [
        ("permission IS NULL OR ", ""),
        ("OR tenancy.workspace_for(permission) IS NULL", ""),
    ],
    "tenancy.check_permission()": [
        ("IF row_security_active(tg_relid)", "IF false"),
        ("row_security_active(tg_relid)", "true"),
        ("'tenancy_app'", "'tenancy_auditor'"),
        ("WHEN 'UPDATE' THEN tg_argv[1]", "WHEN 'UPDATE' THEN tg_argv[2]"),
    ],
    "tenancy_private.seal_context(uuid,uuid,text,uuid)": [
        ("IF now() = statement_timestamp()", "IF false"),
        ("AND l.objid <> ALL(", "AND false AND l.objid <> ALL("),
        ("(scans > 0 OR NOT counted) AND EXISTS", "false AND EXISTS"),
        ("(scans > 0 OR NOT counted)", "(false OR NOT counted)"),
        ("PERFORM pg_advisory_xact_lock_shared", "-- PERFORM"),
    ],
    "tenancy_private.keep_workspaces()": [("RAISE EXCEPTION", "RETURN NULL; RAISE EXCEPTION")],
    "tenancy_private.enter_as(uuid,uuid)": [
        ("IF user_id IS NULL THEN", "IF false THEN"),
        ("AND m.user_id = enter_as.user_id", ""),
        ("m.organization_id = enter_as.organization_id\n            AND", ""),
        ("AND w.deleted_at IS NULL", ""),
        ("PERFORM tenancy_private.refuse_member();", "held_role := 'user';"),
        ("THEN 'staff'", "THEN ''"),
        ("ELSE '' END", "ELSE 'staff' END"),
    ],
    "tenancy.badge(uuid)": [(" AND m.user_id = current_user_id", "")],
    "tenancy.current_workspace()": [("w.id = current_workspace.id", "w.kind = 'platform'")],
}

# What one function writes and the other reads is changed in both.
TOGETHER = [
    (
        ("tenancy.workspace_for(text)", "timestamptz_send(now()) || ", ""),
        ("tenancy_private.seal_context(uuid,uuid,text,uuid)", "timestamptz_send(now()) || ", ""),
    ),
    (
        ("tenancy.workspace_for(text)", "sealed_user || '/' ||", "'/' ||"),
        (
            "tenancy_private.seal_context(uuid,uuid,text,uuid)",
            "sealed_user || '/' || sealed_organization || '/' || seal_context.role",
            "'/' || sealed_organization || '/' || seal_context.role",
        ),
    ),
    (
        ("tenancy.workspace_for(text)", "'/' || sealed_organization || '/'", "'//'"),
        (
            "tenancy_private.seal_context(uuid,uuid,text,uuid)",
            "'/' || sealed_organization || '/' || seal_context.role",
            "'//' || seal_context.role",
        ),
    ),
    (
        ("tenancy.workspace_for(text)", "'/' || sealed_role", "'/'"),
        ("tenancy_private.seal_context(uuid,uuid,text,uuid)", "'/' || seal_context.role", "'/'"),
    ),
    (
        ("tenancy.workspace_for(text)", "sealed_role || '/' || sealed_credential", "sealed_role"),
        ("tenancy_private.seal_context(uuid,uuid,text,uuid)", "role || '/' || sealed_credential", "role"),
    ),
]
