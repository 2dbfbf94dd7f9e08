"""Organizations and their slugs."""

from __future__ import annotations

CHANGES = {
    "tenancy_private.read_in_organization(text)": [
        ("PERFORM tenancy_private.refuse_personal();", "NULL;"),
        (", '00000000-0000-0000-0000-000000000000')", ")"),
        ("PERFORM tenancy_private.refuse_permission(permission);", "NULL;"),
    ],
    "tenancy_private.act_in_organization(text)": [
        ("PERFORM tenancy_private.refuse_personal();", "NULL;"),
        ("PERFORM tenancy.require_permission(permission);", "NULL;"),
        (" AND w.deleted_at IS NULL", ""),
        ("PERFORM tenancy_private.refuse_member();", "NULL;"),
        ("PERFORM tenancy_private.refuse_permission(permission, role);", "NULL;"),
        ("owner_changes = w.owner_changes + 1\n    WHERE", "owner_changes = w.owner_changes + 1\n    WHERE false AND"),
        ("AND m.user_id = act_in_organization.user_id", ""),
    ],
    "tenancy_private.checked_name(text)": [
        ("OR NOT tenancy_private.is_plain(trimmed)", ""),
        ("OR trimmed = ''", ""),
    ],
    "tenancy_private.plain_text(text)": [
        ('"left"(given, 200)', "given"),
        ("[[:cntrl:]", "["),
    ],
    "tenancy_private.checked_slug(text)": [("RAISE EXCEPTION", "RETURN slug; RAISE EXCEPTION")],
    "tenancy.create_organization(text,text)": [
        ("'role', 'owner'", "'role', 'user'"),
        ("'user_id', creator, 'role'", "'user_id', NULL, 'role'"),
    ],
    "tenancy.my_organizations()": [
        ("m.user_id = current_user_id AND ", ""),
        (" AND w.deleted_at IS NULL", ""),
    ],
    "tenancy.update_organization(text,text,text)": [
        ("act_in_organization('organization.update')", "act_in_organization(NULL)"),
        ("IF color !~", "IF 'x' ="),
        ("IF EXISTS (\n", "IF true OR EXISTS (\n"),
        (
            "jsonb_build_object('id', acting.organization_id)",
            '\'{"slug": "bulk"}\'',
        ),
        ("jsonb_strip_nulls(", "("),
        ("WHERE w.id = acting.organization_id AND", "WHERE"),
    ],
    "tenancy.delete_organization()": [
        ("act_in_organization('organization.delete')", "act_in_organization(NULL)"),
        ("WHERE w.id = acting.organization_id", "WHERE w.kind = 'organization'"),
    ],
    "tenancy.restore_organization(uuid)": [
        (" AND w.deleted_at IS NOT NULL", ""),
        ("w.id = restore_organization.organization_id AND ", ""),
    ],
    "tenancy.purge_organization(uuid)": [
        (" AND w.deleted_at IS NOT NULL", ""),
        (
            "rows(\n        'public.organizations', jsonb_build_object('id', purge_organization.organization_id)",
            "rows(\n        'public.organizations', '{\"slug\": \"bulk\"}'",
        ),
    ],
    "tenancy_private.take_slug()": [
        ("IF new.slug IS NOT NULL THEN", "IF false THEN"),
        ("VALUES (lower(new.slug), new.id)", "VALUES (new.slug, new.id)"),
        ("IF lower(old.slug) = lower(new.slug) THEN", "IF true THEN"),
        (
            "DELETE FROM tenancy_private.organization_slugs AS s",
            "UPDATE tenancy_private.organization_slugs AS s SET slug = s.slug",
        ),
    ],
    "tenancy_private.organization_row(uuid)": [
        (
            "RETURN shown",
            "SELECT o.* INTO shown FROM public.organizations AS o WHERE o.id = organization_id; RETURN shown",
        ),
    ],
}
