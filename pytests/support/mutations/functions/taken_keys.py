"""Keys that hidden rows have."""

from __future__ import annotations

CHANGES = {
    "tenancy_private.refuse_taken_key(regclass,text)": [("IF FOUND THEN", "IF false THEN")],
    "tenancy_private.key_checks(regclass)": [
        ("IF EXISTS (", "IF false AND EXISTS ("),
        ("i.indrelid AND i.indisunique\n", "i.indrelid AND false\n"),
        ("AND NOT (k.has_key AND k.has_author AND h.is_theirs IS NULL)", ""),
        ("            AND k.may_exist\n", ""),
        ("OR has_column_privilege('tenancy_credentialed', o.attrelid, o.attnum, 'INSERT')", ""),
    ],
    "tenancy_private.unchecked_keys(regclass)": [
        ("f.prosrc IS DISTINCT FROM tenancy_private.key_checks(p.table_name)", "false"),
        ("f.prosrc IS DISTINCT FROM", "f.prosrc <>"),
        ("(only_table IS NULL OR p.table_name = only_table)", "true"),
    ],
    "tenancy_private.verify_keys()": [("unchecked_keys", "open_references")],
    "tenancy_private.instances_tenancy_taken()": [("IF EXISTS (", "IF false AND EXISTS (")],
    "tenancy_private.models_tenancy_taken()": [("IF EXISTS (", "IF false AND EXISTS (")],
    "tenancy_private.drop_key_trigger(regclass)": [
        ("CALL tenancy_private.drop_triggers_calling(table_name, tenancy_private.key_check_names());", ""),
        ("CALL tenancy_private.drop_idle_key_checks();", ""),
    ],
}
