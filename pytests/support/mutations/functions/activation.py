"""Double activation."""

from __future__ import annotations

CHANGES = {
    "tenancy_private.activation_of(tenancy_private.activatable,uuid)": [
        ("t.tech_activated_at IS NULL OR ''tech'' = ANY(p.aspects)", "t.tech_activated_at IS NULL"),
        ("t.eco_activated_at IS NULL OR ''eco'' = ANY(p.aspects)", "t.eco_activated_at IS NULL"),
        ("t.tech_activated_at IS NULL OR ''tech'' = ANY(p.aspects)", "''tech'' = ANY(p.aspects)"),
        ("t.eco_activated_at IS NULL OR ''eco'' = ANY(p.aspects)", "''eco'' = ANY(p.aspects)"),
        ("WHERE d.kind = $1 AND d.id = $2", "WHERE d.kind = $1"),
        ("IF NOT activatable.is_adopted AND NOT", "IF false AND NOT"),
    ],
    "tenancy.require_operational(text,uuid)": [
        ("pg_has_role(login, 'tenancy_service', 'USAGE')", "true"),
        ("pg_has_role(login, 'tenancy_service', 'USAGE')", "false"),
        ("PERFORM tenancy.require_permission(use);", "NULL;"),
        ("found.workspace_id IS NULL OR ", ""),
        ("NOT is_service AND found.workspace_id <> current_workspace AND NOT", "false AND NOT"),
        ("AND p.shape = 'catalogue'", "AND p.shape <> 'catalogue'"),
        ("IF found.missing <> '{}' THEN", "IF false THEN"),
    ],
    "tenancy_private.set_activation(text,uuid,text,boolean)": [
        ("aspect NOT IN ('tech', 'eco')", "aspect NOT IN ('tech', 'eco', 'both')"),
        ("|| '.activate_' || aspect", "|| '.view'"),
        ("|| '.activate_' || aspect", "|| '.activate_tech'"),
        ("CASE WHEN NOT wanted THEN ' SKIP LOCKED' END", "''"),
        ("WHERE t.id = $1 AND t.%I = $2 FOR NO KEY UPDATE%s", "WHERE t.id = $1 OR t.%I = $2 FOR NO KEY UPDATE%s"),
        ("WHERE t.id = $1 AND t.%I = $2 FOR NO KEY UPDATE SKIP", "WHERE t.id = $1 OR t.%I = $2 FOR NO KEY UPDATE SKIP"),
        ("IF (current_row ->> at_column IS NOT NULL) <> wanted OR EXISTS (", "IF true OR EXISTS ("),
        (
            "IF (current_row ->> at_column IS NOT NULL) <> wanted OR EXISTS (",
            "IF (current_row ->> at_column IS NOT NULL) <> wanted OR false AND EXISTS (",
        ),
        ("PERFORM tenancy_private.refuse_object(kind);", "NULL;"),
        ("WHERE current_row ->> at_column IS NOT NULL\n", "WHERE false\n"),
        ("PERFORM tenancy_private.record_activation(", "PERFORM concat("),
        ("RETURN a.missing = '{}'", "RETURN true"),
    ],
    "tenancy.activate(text,uuid,text)": [("aspect, true)", "aspect, false)")],
    "tenancy.deactivate(text,uuid,text)": [("aspect, false)", "aspect, true)")],
    "tenancy_private.refuse_activation_write()": [
        ("coalesce(new.is_operational, false) OR ", ""),
        (" OR num_nonnulls(", " OR 0 * num_nonnulls("),
        ("new.eco_activated_at, new.eco_activated_by, new.is_operational\n", "new.eco_activated_at, NULL, NULL\n"),
        ("current_user <> 'tenancy_writer' AND", ""),
        ("AND NOT pg_has_role('tenancy_owner', 'MEMBER')", "AND false"),
    ],
    "tenancy_private.keep_activation()": [
        ("AND workspace_before = workspace AND (", "AND ("),
        ("old.eco_activated_by, old.is_operational\n", "old.eco_activated_by, new.is_operational\n"),
        ("FROM (\n        old.tech_activated_at, ", "FROM (\n        new.tech_activated_at, "),
        ("IF new.tech_activated_by IS NOT NULL THEN", "IF false THEN"),
        ("IF new.eco_activated_by IS NOT NULL THEN", "IF false THEN"),
        ("IF workspace_before <> workspace AND workspace_before <> nil", "IF false AND workspace_before <> nil"),
        ("workspace_before <> workspace AND workspace_before <> nil", "workspace_before <> workspace"),
        ("NOT is_adopted AND workspace_before = nil AND of_organization", "false"),
        ("NOT is_adopted AND NOT of_organization OR ", ""),
        (", new.eco_activated_at) = 2", ", new.eco_activated_at) > 0"),
    ],
    "tenancy_private.audit_activation()": [
        ("AND NOT EXISTS (", "AND EXISTS ("),
        ("PERFORM tenancy_private.record_activation(", "PERFORM concat("),
    ],
    "tenancy_private.record_activation(text,uuid,uuid,text,jsonb,jsonb)": [
        ("CASE WHEN entered THEN tenancy.current_user_id() END", "NULL"),
        ("CASE WHEN entered THEN tenancy.current_organization_id() END", "NULL"),
        ("THEN 'deactivate' ELSE 'activate' END", "THEN 'activate' ELSE 'deactivate' END"),
    ],
}
