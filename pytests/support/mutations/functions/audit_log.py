"""The audit log."""

from __future__ import annotations

CHANGES = {
    "tenancy_private.refuse_audit_change()": [("RAISE EXCEPTION", "RETURN NULL; RAISE EXCEPTION")],
    "tenancy_private.record_change(text,jsonb,jsonb,text[])": [
        ("WHERE e.happened AND (v.old_values IS NOT NULL OR v.new_values IS NOT NULL)", "WHERE e.happened"),
        ("operation = 'UPDATE' AND NOT moved", "operation = 'UPDATE'"),
        ("operation = 'DELETE' OR moved", "operation = 'DELETE'"),
        ("CASE WHEN entered THEN tenancy.current_user_id() END", "NULL"),
        ("CASE WHEN entered THEN tenancy.current_role() END", "NULL"),
        ("WHERE e.old_row -> c.name IS DISTINCT FROM e.new_row -> c.name", ""),
    ],
    "tenancy.record_read(regclass)": [
        ("INSERT INTO tenancy.audit_log", "RETURN table_name; INSERT INTO tenancy.audit_log")
    ],
}
