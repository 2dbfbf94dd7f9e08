"""Functions that write tables of the application: as tenancy_writer, and only the intended rows."""

from __future__ import annotations

GUARD = "IF current_user <> 'tenancy_writer' THEN"
MATCHES = "string_agg(format('t.%1$I = k.%1$I', k.name), ' AND ' ORDER BY k.name)"

CHANGES = {
    "tenancy_private.insert_row(regclass,jsonb,boolean)": [
        (GUARD, "IF false THEN"),
        (" SECURITY DEFINER\n", ""),
        ("CASE WHEN skip_conflicts THEN ' ON CONFLICT DO NOTHING' END", "''"),
        ("CASE WHEN skip_conflicts THEN ' ON CONFLICT DO NOTHING' END", "' ON CONFLICT DO NOTHING'"),
    ],
    "tenancy_private.update_rows(regclass,jsonb,jsonb)": [
        (GUARD, "IF false THEN"),
        (" SECURITY DEFINER\n", ""),
        (MATCHES, "'true'"),
        ("' AND ' ORDER", "' OR ' ORDER"),
        ("GET DIAGNOSTICS updated = ROW_COUNT", "updated := 1"),
    ],
    "tenancy_private.delete_rows(regclass,jsonb)": [
        (GUARD, "IF false THEN"),
        (" SECURITY DEFINER\n", ""),
        (MATCHES, "'true'"),
        ("' AND ' ORDER", "' OR ' ORDER"),
        ("GET DIAGNOSTICS deleted = ROW_COUNT", "deleted := 1"),
    ],
    "tenancy_private.delete_below(regclass,jsonb,regclass)": [
        (MATCHES, "'true'"),
        ("AND c.conrelid IS DISTINCT FROM left_alone", ""),
        ("reference.action = 'n'", "false"),
        ("AND c.confdeltype IN ('c', 'n')", "AND false"),
    ],
    "tenancy_private.detach_usage(uuid[])": [(GUARD, "IF false THEN"), (" SECURITY DEFINER\n", "")],
    "tenancy_private.write_costs(jsonb)": [
        (GUARD, "IF false THEN"),
        (" SECURITY DEFINER\n", ""),
        ("IF is_computed THEN", "IF false THEN"),
        ("AND a.attgenerated = '' AND", "AND"),
    ],
    "tenancy_private.empty_instances()": [(GUARD, "IF false THEN"), (" SECURITY DEFINER\n", "")],
}
