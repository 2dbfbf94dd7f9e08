"""Settings and secrets."""

# ruff: noqa: E501  (a change is easier to read as a line)

from __future__ import annotations

_STORED = "tenancy_private.stored_settings(uuid, uuid, text)"
_CHANGE = "tenancy_private.change_setting(uuid, text, jsonb, bytea, text, bigint)"

CHANGES = {
    _STORED: [
        (
            "WHERE s.workspace_id = workspace\n        AND (subject IS NULL OR s.subject_id = subject)\n        AND (wanted IS NULL OR s.key = wanted);",
            "WHERE true;",
        ),
        ("CASE WHEN NOT d.is_secret THEN s.value END", "s.value"),
        ("CASE WHEN NOT d.is_secret THEN a.value END", "a.value"),
        ("AND (wanted IS NULL OR s.key = wanted)\n        AND NOT EXISTS", "AND NOT EXISTS"),
    ],
    "tenancy_private.resolved_settings(uuid, uuid, text)": [
        ("AND l.key IS NULL AND d.scope", "AND d.scope"),
        (
            "WHEN workspace = platform OR v.level = 'organization' THEN o.fingerprint",
            "WHEN true THEN coalesce(o.fingerprint, c.fingerprint)",
        ),
        ("WHEN c.key IS NOT NULL THEN 'platform'", ""),
        ("AND (d.subjects IS NULL OR u.id = ANY(d.subjects))", ""),
        ("coalesce(o.version, 0)", "0"),
        ("WHERE wanted IS NULL OR d.key = wanted", ""),
    ],
    "tenancy_private.setting_of(uuid, text)": [
        ("IF NOT FOUND THEN", "IF false THEN"),
        ("IF (definition.scope = 'subject') <> (subject IS NOT NULL) THEN", "IF false THEN"),
        ("IF NOT exists_there OR", "IF"),
        (" OR subject <> ALL(definition.subjects)", ""),
    ],
    "tenancy_private.shown(boolean, jsonb, text, text)": [
        ("WHEN (NOT is_secret) THEN value", "WHEN false THEN value"),
    ],
    **{
        f"tenancy.{call}": [("PERFORM tenancy.require_permission('settings.view');", "NULL;")]
        for call in ("settings()", "setting(uuid, text)", "explain_setting(uuid, text)", "provider_status()")
    },
    "tenancy.set_setting(uuid, text, text, bigint)": [
        ("PERFORM tenancy.require_permission('settings.update');", "NULL;"),
        ("IF value IS NULL OR", "IF"),
        ("AND NOT length(value) BETWEEN 1 AND 100000 THEN", "AND false THEN"),
    ],
    "tenancy.set_sealed_setting(uuid, text, bytea, text, bigint)": [
        ("PERFORM tenancy.require_permission('settings.update');", "NULL;"),
        ("IF NOT (wanted.definition).is_secret\n", "IF false\n"),
        ("length(value) BETWEEN 1 AND 100000", "true"),
        ("length(key_id) BETWEEN 1 AND 200", "true"),
    ],
    "tenancy.lock_setting(uuid, text, boolean)": [
        ("PERFORM tenancy.require_permission('settings.update');", "NULL;"),
        ("IF tenancy.current_workspace_id() <> '00000000-0000-0000-0000-000000000000' THEN", "IF false THEN"),
        ("WHERE (l.subject_id, l.key) = (wanted.subject_id, lock_setting.key)", "WHERE true"),
        ("IF FOUND THEN", "IF false THEN"),
        ("IF FOUND THEN", "IF true THEN"),
    ],
    "tenancy_private.act_on_settings()": [
        ("PERFORM tenancy_private.act_in_organization('settings.update');", "NULL;"),
        ("IF NOT FOUND THEN", "IF false THEN"),
    ],
    "tenancy_private.parsed_setting(tenancy.settings_definitions, text)": [
        (">= coalesce(definition.min_int, value::bigint)", ">= value::bigint"),
        ("<= coalesce(definition.max_int, value::bigint)", "<= value::bigint"),
        ("IF value ~ '^[+-]?[0-9]{1,18}$' THEN", "IF true THEN"),
        ("IF value IN ('true', 'false') THEN", "IF true THEN"),
        ("IF length(value) <= 10000 THEN", "IF true THEN"),
        ("length(value) <= 100000 AND ", ""),
        (" AND value::jsonb <> 'null'", ""),
        ("WHEN data_exception OR", "WHEN"),
    ],
    _CHANGE: [
        ("IF acting.workspace_id <> platform AND (wanted.definition).scope = 'global' THEN", "IF false THEN"),
        ("AND num_nonnulls(value, secret) > 0 AND EXISTS (", "AND false AND EXISTS ("),
        ("WHERE (l.subject_id, l.key) = (at_id, change_setting.key)", ""),
        ("IF expected_version <> coalesce(previous.version, 0) THEN", "IF false THEN"),
        ("PERFORM tenancy_private.write_setting(", "PERFORM concat("),
        ("IF secret IS NULL THEN", "IF false THEN"),
        (
            "WHERE (s.workspace_id, s.subject_id, s.key) = (acting.workspace_id, at_id, change_setting.key)",
            "WHERE true",
        ),
        ("key_id = excluded.key_id,", ""),
        ("PERFORM tenancy_private.record_change(", "PERFORM concat("),
        ("'fingerprint', present.fingerprint", "'value', convert_from(secret, 'UTF8')"),
    ],
    "tenancy_private.write_setting(uuid, uuid, text, jsonb, uuid)": [
        (
            "written := tenancy_private.write_adopted_setting(",
            "written := false AND tenancy_private.write_adopted_setting(",
        ),
        ("IF written OR value IS NULL THEN", "IF written THEN"),
        ("WHERE (s.workspace_id, s.subject_id, s.key) = (workspace, subject, write_setting.key)", "WHERE true"),
    ],
    "tenancy.read_secret(uuid, uuid, text)": [
        ("IF NOT (wanted.definition).is_secret THEN", "IF false THEN"),
        ("IF organization_id IS NOT NULL AND NOT EXISTS (", "IF false AND NOT EXISTS ("),
        (" AND w.kind = 'organization'", ""),
        (" AND w.deleted_at IS NULL", ""),
        ("IF current_setting('transaction_read_only')::boolean THEN", "IF false THEN"),
        ("'setting.read'", "'setting.seen'"),
    ],
    "tenancy.define_setting(text, text, text, jsonb, bigint, bigint, boolean, boolean, uuid[], text)": [
        ("key ~ '^[A-Za-z][A-Za-z0-9_.-]*$'", "true"),
        ("WHEN NOT coalesce(value_type IN ('int', 'bool', 'text', 'json'), false)", "WHEN false"),
        ("WHEN NOT coalesce(scope IN ('organization', 'subject', 'global'), false)", "WHEN false"),
        ("WHEN num_nonnulls(min_int, max_int) > 0 AND value_type <> 'int'", "WHEN false"),
        ("WHEN min_int > max_int", "WHEN false"),
        ("WHEN secret IS NULL OR required IS NULL", "WHEN false"),
        ("WHEN secret AND default_value IS NOT NULL", "WHEN false"),
        ("WHEN secret AND value_type <> 'text'", "WHEN false"),
        ("WHEN subjects IS NOT NULL AND scope <> 'subject'", "WHEN false"),
        ("IF default_value IS NOT NULL THEN", "IF false THEN"),
    ],
    "tenancy_private.adopted_settings(uuid, uuid, text)": [
        ("(s.organization_id = workspace OR workspace = platform AND s.organization_id IS NULL)", "true"),
        ("AND (wanted IS NULL OR s.key::text = wanted)\n        AND", "AND"),
    ],
    "tenancy_private.write_adopted_setting(uuid, uuid, text, jsonb)": [
        ("AND s.organization_id IS NOT DISTINCT FROM organization", "AND s.organization_id IS NULL"),
        ("PERFORM tenancy_private.delete_rows(place, row_key);", "NULL;"),
        ("PERFORM tenancy_private.update_rows(place, row_key, new_values);", "NULL;"),
        ("'organization_id', organization, 'key'", "'key'"),
    ],
    "tenancy_private.provider_readiness()": [
        ("WHERE (r.definition).is_required AND", "WHERE false AND"),
        ("a.is_active AND m.missing IS NULL", "true"),
    ],
}
