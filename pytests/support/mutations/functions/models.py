"""Models."""

from __future__ import annotations

CHANGES = {
    "tenancy_private.set_model_workspace()": [
        ("IF new.model_id IS NULL THEN", "IF false THEN"),
        ("IF new.workspace_id IS DISTINCT FROM tenancy.current_workspace_id() THEN", "IF false THEN"),
        ("pg_has_role(login, 'tenancy_credentialed', 'USAGE')", "pg_has_role(login, 'tenancy_auditor', 'USAGE')"),
        (" AND NOT pg_has_role(login, 'tenancy_service', 'USAGE')", ""),
        ("WHERE m.id = new.model_id\n        AND", "WHERE"),
        ("AND m.workspace_id = ANY(ARRAY[new.workspace_id, ", "AND m.workspace_id <> ALL(ARRAY["),
        ("IF NOT FOUND THEN", "IF false THEN"),
    ],
    "tenancy_private.require_unused_model(uuid,text,boolean,boolean)": [
        ("used_by := 'instances'", "used_by := NULL"),
        ("used_by := 'offerings'", "used_by := NULL"),
        ("IF by_instances AND", "IF"),
        ("ELSIF by_offerings AND", "ELSIF"),
        ("WHERE i.model_id = require_unused_model.model_id", ""),
        ("WHERE o.model_id = require_unused_model.model_id", ""),
    ],
    "tenancy_private.keep_used_model()": [
        ("    PERFORM tenancy_private.require_unused_model(", "    PERFORM concat("),
    ],
    "tenancy.delete_model(uuid)": [
        ("PERFORM tenancy.require_permission('models.delete');", "NULL;"),
        (" AND m.workspace_id = tenancy.current_workspace_id()", ""),
        ("WHERE m.id = delete_model.id AND m", "WHERE m"),
        ("IF NOT FOUND THEN", "IF false THEN"),
        ("PERFORM tenancy_private.require_unused_model(delete_model.id, model_name, true, true);", "NULL;"),
        ("jsonb_build_object('id', delete_model.id)", '\'{"name": "public"}\''),
        ("PERFORM tenancy_private.delete_rows", "PERFORM concat"),
    ],
    "tenancy_private.empty_models()": [
        ("jsonb_build_object('organization_id', old.id)", '\'{"name": "n"}\''),
        (
            "PERFORM tenancy_private.delete_rows('public.organization_models'",
            "PERFORM concat('public.organization_models'",
        ),
        ("jsonb_build_object('workspace_id', old.id)", "'{\"is_active\": true}'"),
        ("PERFORM tenancy_private.delete_rows('public.models'", "PERFORM concat('public.models'"),
    ],
}
