"""What all tables of tenants share."""

from __future__ import annotations

CHANGES = {
    "tenancy.workspaces_for(text,text)": [
        ("IF current_workspace IS NULL THEN", "IF false THEN"),
        ("IF platform = 'always'", "IF true"),
        ("IF platform = 'always'", "IF false"),
        (" AND current_setting('tenancy.current_organization_id') = ''", ""),
        ("OR platform = 'personal' AND", "OR false AND"),
        (" AND current_setting('tenancy.current_role') = 'staff'", ""),
        ("OR platform = 'staff' AND", "OR false AND"),
    ],
    "tenancy.table_for(text,regclass)": [("(tenancy.workspace_for(permission) IS NOT NULL)", "true")],
    "tenancy.default_workspace_id()": [
        ("tenancy.workspace_for(NULL::text)", "'00000000-0000-0000-0000-000000000000'::uuid"),
        ("'::text) <> ''::text", "'::text) = 'x'::text"),
    ],
    "tenancy.default_shared_workspace_id()": [("tenancy.current_organization_id()", "NULL::uuid")],
    "tenancy.default_organization_id()": [("tenancy.current_organization_id()", "NULL::uuid")],
    "tenancy.default_user_id()": [
        ("tenancy.current_user_id()", "NULL::uuid"),
        ("(tenancy.current_organization_id() IS NULL)", "true"),
    ],
    "tenancy_private.set_workspace()": [
        ("IF new.organization_id IS NULL AND owner_id IS NULL THEN", "IF false THEN"),
        ("WHERE w.id = new.workspace_id", "WHERE false"),
        ("coalesce(new.organization_id, owner_id)", "coalesce(owner_id, new.organization_id)"),
        ("coalesce(new.organization_id, owner_id)", "new.organization_id"),
        ("WHEN tg_nargs > 0 THEN", "WHEN false THEN"),
    ],
    "tenancy.check_platform_row()": [
        ("IF row_security_active(tg_relid) AND", "IF false AND"),
        ("row_security_active(tg_relid)", "true"),
        ("OR current_setting('tenancy.current_role') <> 'staff'", ""),
        ("'tenancy_app'", "'tenancy_auditor'"),
        ("IF tg_op = 'DELETE' THEN", "IF false THEN"),
    ],
    "tenancy.assign(regclass,uuid,text,integer)": [
        ("RAISE EXCEPTION '%', coalesce(table_name", "RETURN 0; RAISE EXCEPTION '%', coalesce(table_name"),
        ("<> 2 OR NOT EXISTS", "<> 2 AND NOT EXISTS"),
        ("IF NOT coalesce(batch_size BETWEEN 1 AND 1000000, false)", "IF false"),
        (" AND w.deleted_at IS NULL", ""),
        (" AND w.kind = 'organization'", ""),
        ("workspace_id = ''00000000-0000-0000-0000-000000000000'' AND", "true AND"),
        ("coalesce(condition, 'true')", "'true'"),
        ("WHERE %s LIMIT $1", "WHERE %s LIMIT $1 + 1"),
    ],
    "tenancy.check_permission()": [
        ("IF tg_argv[3] = 'platform' THEN", "IF false THEN"),
        ("ELSIF tg_argv[3] = 'person' THEN", "ELSIF false THEN"),
    ],
    "tenancy.require_staff_or_organization()": [
        ("IF tenancy.current_organization_id() IS NULL AND", "IF false AND"),
        ("tenancy.current_organization_id() IS NULL AND ", ""),
        (" AND current_setting('tenancy.current_role') <> 'staff'", ""),
    ],
}
