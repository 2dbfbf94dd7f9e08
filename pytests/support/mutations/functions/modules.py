"""Modules."""

from __future__ import annotations

CHANGES = {
    "tenancy_private.module_state(tenancy.modules)": [
        ("WHEN '' THEN 'personal'", "WHEN '' THEN 'organization'"),
        ("WHEN '00000000-0000-0000-0000-000000000000' THEN 'platform'", "WHEN 'x' THEN 'platform'"),
        ("IF kind <> ALL(module.workspaces) THEN", "IF false THEN"),
        ("WHEN 'organization' = ANY(module.workspaces) THEN", "WHEN true THEN"),
        ("kind <> 'personal' AND ", ""),
        ("tenancy.current_role() = ANY(module.roles)", "true"),
        ("IF module.permission IS NOT NULL AND", "IF false AND"),
    ],
    "tenancy_private.module_reason(tenancy.modules, text)": [
        ("(module.roles IS NULL OR r.role = ANY(module.roles))", "true"),
        ("r.role = 'staff' AND 'platform' = ANY(module.workspaces)", "true"),
        ("OR r.role <> 'staff' AND 'organization' = ANY(module.workspaces)", "OR true"),
        ("module.permission IS NULL OR EXISTS (", "true OR EXISTS ("),
        ("WHEN state = 'organization_required' THEN", "WHEN false THEN"),
        ("AND module.roles IS NULL AND module.permission IS NULL", ""),
    ],
    "tenancy.visible_modules()": [
        ("PERFORM tenancy.current_workspace_id();", "NULL;"),
        ("ORDER BY m.place, m.key", "ORDER BY m.key"),
    ],
    "tenancy.require_module(text)": [
        ("PERFORM tenancy.current_workspace_id();", "NULL;"),
        ("IF NOT FOUND THEN", "IF false THEN"),
        ("IF state = 'organization_required' THEN", "IF false THEN"),
        ("ELSIF state <> 'visible' THEN", "ELSIF false THEN"),
    ],
    "tenancy.define_module(text,text,text,text[],text,text[],integer)": [
        ("key ~ '^[a-z][a-z0-9_]*$'", "true"),
        ("btrim(coalesce(name, '')) = ''", "false"),
        ("OR NOT tenancy_private.is_plain(name)", ""),
        ("path ~ '^/[!-~]*$'", "true"),
        ("workspaces <@ '{personal,organization,platform}'", "true"),
        ("roles <@ '{owner,admin,manager,user,staff}'", "true"),
        ("WHEN permission IS NOT NULL AND NOT EXISTS (", "WHEN false AND NOT EXISTS ("),
        ("max(x.place) + 1", "min(x.place) - 1"),
    ],
    "tenancy.can_provision()": [
        ("PERFORM tenancy.current_workspace_id();", "NULL;"),
        ("WHEN tenancy_private.holds('instances.create') IS NOT TRUE THEN", "WHEN false THEN"),
        ("IF state = 'forbidden' THEN", "IF false THEN"),
        ("FILTER (WHERE r.ready)", ""),
        ("WHERE r.is_active;", "WHERE true;"),
        ("WHEN missing <> '{}' THEN 'settings_missing'", ""),
    ],
}
