"""The common parts of all tables of tenants."""

from __future__ import annotations

CHANGES = {
    "tenancy.default_workspace_id()": [
        ("NULLIF(current_setting('tenancy.current_organization_id'::text, true), ''::text), ", ""),
        ("NULLIF(current_setting('tenancy.current_user_id'::text, true), ''::text), ", ""),
        (", '00000000-0000-0000-0000-000000000000'::text", ""),
    ],
    "tenancy.default_organization_id()": [
        ("current_setting('tenancy.current_organization_id'::text, true)", "''::text"),
        ("'00000000-0000-0000-0000-000000000000'::text", "''::text"),
    ],
    "tenancy.default_user_id()": [
        ("current_setting('tenancy.current_user_id'::text, true)", "''::text"),
        ("(COALESCE(current_setting('tenancy.current_organization_id'::text, true), ''::text) = ''::text)", "true"),
    ],
    "tenancy.default_author_id()": [("current_setting('tenancy.current_user_id'::text, true)", "''::text")],
    "tenancy_private.set_workspace()": [
        ("IF new.organization_id IS NULL AND owner_id IS NULL THEN", "IF false THEN"),
        ("WHERE w.id = new.workspace_id", "WHERE false"),
        ("coalesce(new.organization_id, owner_id)", "coalesce(owner_id, new.organization_id)"),
        ("coalesce(new.organization_id, owner_id)", "new.organization_id"),
        ("WHEN tg_nargs > 0 THEN", "WHEN false THEN"),
    ],
    "tenancy.assign(regclass,uuid,text,integer)": [
        ("RAISE EXCEPTION '%', coalesce(table_name", "RETURN 0; RAISE EXCEPTION '%', coalesce(table_name"),
        ("WHEN 'tenancy_private.set_workspace' = ANY(functions) THEN 'organization_id'", ""),
        ("IF has_parents THEN", "IF false THEN"),
        ("IF NOT coalesce(batch_size BETWEEN 1 AND 1000000, false)", "IF false"),
        (" AND w.deleted_at IS NULL", ""),
        (" AND w.kind = 'organization'", ""),
        ("workspace_id = ''00000000-0000-0000-0000-000000000000'' AND", "true AND"),
        ("coalesce(condition, 'true')", "'true'"),
        ("AND %s LIMIT $1)", "AND %s LIMIT $1 + 1)"),
        ("CASE WHEN own_id IS NOT NULL THEN format(' AND %I <> %I', parent, own_id) END", "''"),
    ],
}
