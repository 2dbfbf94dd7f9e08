"""Children below a table of authors."""

from __future__ import annotations

_PROTECTED = "tenancy_private.protected_tables"

CHANGES = {
    "tenancy_private.key_to_parent(regclass,name,boolean)": [
        (" AND a.attname = key_to_parent.parent", ""),
        (" DESC", ""),
    ],
    "tenancy_private.parent_floor(regclass,name,boolean,integer)": [
        ("WHEN 'author' THEN", "WHEN 'nobody' THEN"),
        ("WHEN 'child' THEN", "WHEN 'nobody' THEN"),
        ("above.parent, true, depth + 1", "above.parent, false, depth + 1"),
        ("IF is_theirs IS NULL THEN", "IF false THEN"),
        ("%s.%I IS NULL OR EXISTS", "%s.%I IS NULL AND EXISTS"),
        ("%s.%I IS NULL OR EXISTS", "%s.%I IS NULL OR true OR EXISTS"),
        ("CASE WHEN is_written THEN format(' AND (%s)', is_theirs) END", "''"),
        ("' AND ' ORDER BY u.place", "' OR ' ORDER BY u.place"),
    ],
    f"tenancy_private.open_to_children({_PROTECTED})": [
        ("IF child.follows THEN", "IF false THEN"),
        ("child.columns, quote_ident(protected.author)", "child.columns"),
        ("child.columns, quote_ident(protected.author)", "quote_ident(protected.author)"),
        (", quote_ident(protected.parent)", ""),
        ("y.polname LIKE '%\\_tenant\\_parent'", "y.polname = c.table_name || '_tenant_parent'"),
        ("ELSIF protected.shape = 'author' THEN", "ELSIF false THEN"),
    ],
    f"tenancy_private.follow_parent({_PROTECTED})": [
        ("IF condition IS NULL THEN", "IF true THEN"),
        ("CALL tenancy_private.require_columns(above.table_name, ARRAY[above.parent, above.author]);", ""),
        ("'RESTRICTIVE', 'SELECT'", "'PERMISSIVE', 'SELECT'"),
        ("CALL tenancy_private.open_to_children(above);", ""),
        ("CALL tenancy_private.record_contract(above.table_name);", ""),
    ],
}
