"""Keys that hidden rows have."""

from __future__ import annotations

# They decide how the catalog's functions write an expression. The last is fixed by the trigger that calls
# refuse_taken_key().
_SETTINGS = [
    (f" SET {name} TO '{value}'\n", "")
    for name, value in (
        ("quote_all_identifiers", "off"),
        ('"DateStyle"', "ISO, MDY"),
        ('"IntervalStyle"', "postgres"),
        ('"TimeZone"', "UTC"),
        ("extra_float_digits", "1"),
        ("bytea_output", "hex"),
        ("standard_conforming_strings", "on"),
    )
]

CHANGES = {
    "tenancy_private.refuse_taken_key(regclass,text)": [("IF FOUND THEN", "IF false THEN"), *_SETTINGS[:-1]],
    "tenancy_private.matches_of_key(oid,text,boolean)": [
        ("WHEN i.indexprs IS NOT NULL AND k.predicate IS NOT NULL", "WHEN false"),
        ("THEN format('CASE WHEN (%s) THEN ', min(k.predicate))", "THEN 'CASE WHEN true THEN '"),
    ],
    "tenancy_private.set_key_trigger(regclass)": [(" SET standard_conforming_strings = on AS", " AS")],
    "tenancy_private.key_checks(regclass)": [
        *_SETTINGS,
        ("WHEN f.found_slowly IS NULL", "WHEN true"),
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
