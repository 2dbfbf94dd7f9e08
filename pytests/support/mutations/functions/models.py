"""Models."""

from __future__ import annotations

CHANGES = {
    "tenancy_private.set_model_workspace()": [
        ("IF new.model_id IS NULL THEN", "IF false THEN"),
        ("WHERE m.id = new.model_id\n        AND", "WHERE"),
        ("AND m.workspace_id = ANY(ARRAY[new.workspace_id, ", "AND m.workspace_id <> ALL(ARRAY["),
        ("IF NOT FOUND THEN", "IF false THEN"),
    ],
    "tenancy_private.keep_used_model()": [
        ("used_by := 'instances'", "used_by := NULL"),
        ("used_by := 'offerings'", "used_by := NULL"),
        ("WHERE i.model_id = old.id", ""),
        ("WHERE o.model_id = old.id", ""),
    ],
    "tenancy_private.empty_models()": [
        ("WHERE o.organization_id = old.id", ""),
        ("DELETE FROM public.organization_models AS o", "PERFORM FROM public.organization_models AS o"),
        ("WHERE m.workspace_id = old.id", ""),
        ("DELETE FROM public.models AS m", "PERFORM FROM public.models AS m"),
    ],
}
