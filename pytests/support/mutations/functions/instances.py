"""Instances."""

from __future__ import annotations

CHANGES = {
    "tenancy_private.transform_instance(uuid,text)": [
        ("PERFORM tenancy.require_permission(permission);", "NULL;"),
        (" AND i.workspace_id = tenancy.current_workspace_id()", ""),
        ("WHERE i.id = instance_id AND i.workspace_id", "WHERE i.workspace_id"),
        ("IF NOT FOUND THEN", "IF false THEN"),
        ("t.action = transform_instance.action AND ", ""),
        ("PERFORM tenancy_private.refuse_instance_state(action, current_status);", "RETURN;"),
        ("jsonb_build_object('id', instance_id)", '\'{"status": "ready"}\''),
    ],
    "tenancy.legacy_instances(uuid,integer)": [
        ("IF tenancy.current_workspace_id() IS DISTINCT FROM tenancy.current_user_id() THEN", "IF false THEN"),
        ("PERFORM tenancy_private.require_page_size(page_size);", "NULL;"),
        ("i.workspace_id = '00000000-0000-0000-0000-000000000000'", "true"),
        ("(after_id IS NULL OR i.id > after_id)", "true"),
        ("after_id IS NULL OR ", ""),
        ("i.id > after_id", "i.id >= after_id"),
        ("LIMIT page_size", ""),
    ],
    "tenancy.require_instance_transition(text,text)": [
        ("IF needed IS NULL THEN", "IF true THEN"),
        (" OR (t.action, new_status) = ('terminate', 'terminated')", ""),
        ("WHERE t.to_status = new_status OR", "WHERE"),
        ("old_status IN (t.to_status, 'terminated')", "old_status = 'terminated'"),
        ("old_status IN (t.to_status, 'terminated')", "old_status = t.to_status"),
        ("PERFORM tenancy.require_permission(tenancy_private.instance_permission(needed));", ""),
        ("PERFORM tenancy_private.refuse_instance_state(needed, old_status);", "NULL;"),
        ("old_status IN (t.from_status, t.to_status)", "old_status = t.from_status"),
        ("WHERE t.action = needed AND old_status", "WHERE old_status"),
    ],
    "tenancy_private.refuse_instance_state(text,text)": [("RAISE EXCEPTION", "RETURN; RAISE EXCEPTION")],
    "tenancy_private.check_instance_status()": [
        ("IF old.status IS DISTINCT FROM new.status AND row_security_active(tg_relid) AND", "IF false AND"),
        ("row_security_active(tg_relid)", "true"),
        ("IF old.workspace_id <> tenancy.current_workspace_id() THEN", "IF false THEN"),
    ],
    "tenancy_private.empty_instances()": [
        (" AND i.workspace_id = old.id", ""),
        ("DELETE FROM public.instances AS i WHERE i.workspace_id = old.id", "NULL"),
    ],
}
