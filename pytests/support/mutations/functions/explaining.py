"""Why somebody sees a row or not."""

from __future__ import annotations

CHANGES = {
    "tenancy_private.workspace_in_words(uuid)": [("WHEN w.deleted_at IS NULL THEN", "WHEN true THEN")],
    "tenancy_private.find_row(tenancy_private.protected_tables,text)": [
        ("protected.parent, false) IS NOT NULL", "protected.parent, false) IS NULL AND false"),
        ("IF id_above IS NOT NULL THEN", "IF false THEN"),
        ("has_author := protected.author IS NOT NULL;", "has_author := false;"),
        ("coalesce('t.' || quote_ident(protected.shared), 'false')", "'true'"),
        ("is_there := workspace IS NOT NULL;", "is_there := true;"),
        ("WHEN invalid_text_representation OR", "WHEN"),
    ],
    "tenancy.explain_access(regclass,text,uuid,uuid)": [
        ("IF NOT FOUND THEN", "IF false THEN"),
        ("PERFORM tenancy.record_read(table_name);", ""),
        ("IF NOT pg_has_role(login, 'tenancy_service', 'USAGE') THEN", "IF true THEN"),
        ("IF NOT EXISTS (SELECT FROM public.users AS u WHERE u.id = user_id AND u.role::text = 'admin')", "IF false"),
        ("IF NOT EXISTS (SELECT FROM public.users AS u WHERE u.id = user_id) THEN", "IF false THEN"),
        ("IF held_role IS NULL THEN", "IF false THEN"),
        ("w.id = workspace AND w.deleted_at IS NOT NULL", "false"),
        ("WHEN refused IS NOT NULL THEN refused", "WHEN false THEN refused"),
        ("r.permission = wanted.permission AND r.role = held_role", "r.permission = wanted.permission"),
        ("WHEN NOT found_row.is_there THEN", "WHEN false THEN"),
        ("organization_id IS NULL AND found_row.workspace <> user_id\n", "false\n"),
        ("m.organization_id = workspace AND m.user_id = found_row.workspace", "m.organization_id = workspace"),
        ("command = 'SELECT' AND found_row.workspace = platform THEN NULL", "false THEN NULL"),
        ("command = 'SELECT' AND found_row.workspace = platform THEN NULL", "found_row.workspace = platform THEN NULL"),
        ("WHEN found_row.workspace <> workspace THEN", "WHEN false THEN"),
        ("NOT found_row.has_author OR ", "true OR "),
        ("found_row.author = user_id THEN NULL", "false THEN NULL"),
        ("WHEN command = 'SELECT' AND found_row.is_shared THEN NULL", "WHEN command = 'SELECT' THEN NULL"),
        ("ELSE 'only the author may write the row, or a moderator if it is shared'", "ELSE NULL"),
        ("AND NOT is_visible THEN", "AND false THEN"),
        ("allowed := reason IS NULL;", "allowed := true;"),
    ],
}
