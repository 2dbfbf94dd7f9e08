"""Sealing, verifying and reading the context, and permissions in it."""

from __future__ import annotations

SEAL = "tenancy_private.seal(bytea,bytea,text,text,text)"
VERIFIED = "(tenancy.current_workspace_id() IS NOT NULL)"

CURRENT = "tenancy.current_workspace_id()"
CARRIED = "tenancy_private.carried(bigint,text,text,text)"
# Cases in which the parameter differs from the variables.
FALLS_BACK = [
    (CARRIED, "concat(rotation, '_'", "concat('0', '_'"),
    (CURRENT, "pg_catalog.pg_sequence_last_value('tenancy.seal_rotations')", "'1'"),
    (CURRENT, "pg_catalog.current_setting('tenancy.current_user_id', true), ','", "'', ','"),
    (CURRENT, "pg_catalog.current_setting('tenancy.current_organization_id', true)\n", "''\n"),
    (
        CURRENT,
        "pg_catalog.current_setting('tenancy.context', true)\n        )\n    THEN",
        "''\n        )\n    THEN",
    ),
]

CHANGES = {
    "tenancy_private.random_block(text)": [
        ("(tenancy_private.random_bytes() || tenancy_private.random_bytes())", "tenancy_private.random_bytes()"),
        ("tenancy_private.random_bytes() ||", "sha256(''::bytea) ||"),
        ("|| tenancy_private.random_bytes()", "|| sha256(''::bytea)"),
    ],
    # Sealing and verifying omit the same part.
    SEAL: [
        (" || timestamptz_send(now())", ""),
        ("|| user_id)", "|| ''::text)"),
        ("|| organization_id)", "|| ''::text)"),
        ("length(user_id)", "0"),
        ("length(organization_id)", "0"),
        ("|| facts)", "|| ''::text)"),
        (" || pg_relation_filepath('tenancy_private.seal_keys'::regclass)", ""),
    ],
    CARRIED: [(old, new) for function, old, new in FALLS_BACK if function == CARRIED],
    "tenancy_private.may_carry()": [("has_parameter_privilege(", "NOT has_parameter_privilege(")],
    CURRENT: [
        ("IF pg_catalog.current_setting('backtrace_functions')", "IF true OR ''"),
        *((old, new) for function, old, new in FALLS_BACK if function == CURRENT),
        (
            "THEN pg_catalog.current_setting('tenancy.current_organization_id')",
            "THEN pg_catalog.current_setting('tenancy.current_user_id')",
        ),
        ("RETURN tenancy.verify_context();", "RETURN NULL;"),
    ],
    # For a sealed context.
    "tenancy.verify_context()": [
        (
            "OR current_setting('backtrace_functions') IS DISTINCT FROM tenancy_private.carried(\n"
            "            key.rotation, sealed_user, sealed_organization, context\n        ) AND substr",
            "OR false AND substr",
        ),
        (
            "current_setting('backtrace_functions') IS DISTINCT FROM tenancy_private.carried(\n"
            "            key.rotation, sealed_user, sealed_organization, context\n        )",
            "true",
        ),
        ("key.rotation IS NULL\n        OR ", ""),
        ("PERFORM tenancy_private.refuse_context();", "NULL;"),
        ("coalesce(nullif(sealed_organization, ''), sealed_user)", "sealed_user"),
        ("k.id = left(context, 8) AND ", ""),
        (" AND k.valid_until > clock_timestamp()", ""),
    ],
    "tenancy_private.refuse_context()": [(") = '' THEN", ") = 'x' THEN")],
    "tenancy.current_user_id()": [(VERIFIED, "true")],
    "tenancy.current_organization_id()": [
        ("(tenancy.current_workspace_id() <> '00000000-0000-0000-0000-000000000000'::uuid)", "true"),
        ("(tenancy.current_workspace_id() <> '00000000-0000-0000-0000-000000000000'::uuid)", VERIFIED),
    ],
    "tenancy.current_role()": [
        (f"{VERIFIED} AND ", ""),
        (" AND (current_setting('tenancy.current_organization_id'::text) <> ''::text)", ""),
    ],
    "tenancy.current_credential_id()": [(VERIFIED, "true")],
    "tenancy_private.is_staff()": [
        (f"{VERIFIED} AND ", ""),
        (" AND (split_part(current_setting('tenancy.context'::text), '_'::text, 2) = 'staff'::text)", ""),
    ],
    "tenancy_private.holds(text)": [("= '1'", "<> 'x'"), ("72 + p.number", "73 + p.number")],
    "tenancy.has_permission(text)": [
        ("PERFORM tenancy.current_workspace_id();", "NULL;"),
        ("coalesce(tenancy_private.holds(permission), false)", "tenancy_private.holds(permission)"),
    ],
    "tenancy.my_permissions()": [
        ("(( SELECT tenancy.current_workspace_id() AS current_workspace_id) IS NOT NULL) AND ", ""),
        (" AND (substr(current_setting('tenancy.context'::text), (72 + p.number), 1) = '1'::text)", ""),
    ],
    "tenancy.require_permission(text)": [
        ("PERFORM tenancy.current_workspace_id();", "NULL;"),
        ("IS NOT TRUE", "IS NULL"),
        ("IS NOT TRUE", "IS FALSE"),
    ],
    "tenancy_private.refuse_permission(text,text)": [("RAISE EXCEPTION", "RETURN; RAISE EXCEPTION")],
    "tenancy_private.require_page_size(integer)": [
        ("coalesce(page_size BETWEEN 1 AND 10000, false)", "coalesce(page_size BETWEEN 1 AND 10000, true)"),
        ("BETWEEN 1 AND", "BETWEEN 0 AND"),
        ("AND 10000", "AND 100000"),
    ],
    "tenancy_private.keep_workspaces()": [("RAISE EXCEPTION", "RETURN NULL; RAISE EXCEPTION")],
    "tenancy.badge(uuid)": [(" AND m.user_id = current_user_id", "")],
    "tenancy.current_workspace()": [("w.id = current_workspace.id", "w.kind = 'platform'")],
    # The permissions of roles, as they are sealed.
    "tenancy_private.refresh_role_bits()": [
        ("LOCK TABLE tenancy_private.role_bits IN SHARE ROW EXCLUSIVE MODE;", ""),
        ("p.permission IS NOT NULL AND ", ""),
        ("r.role = 'person' OR EXISTS", "EXISTS"),
        ("h.permission = p.permission AND ", ""),
        (" AND h.role = r.role", ""),
        ("LEFT JOIN tenancy.permissions", "INNER JOIN tenancy.permissions"),
        ("DO UPDATE SET bits = excluded.bits\n    WHERE b.bits <> excluded.bits", "DO NOTHING"),
    ],
    "tenancy.define_permission(text,text[])": [
        ("permission IS NULL OR ", ""),
        ("OR permission !~ '^[a-z_]+[.][a-z_]+$' ", ""),
        (" OR length(permission) > 100", ""),
        ("coalesce(r.role, 'NULL')", "r.role"),
        (" OR r.role NOT IN ('owner', 'admin', 'manager', 'user', 'staff')", ""),
        (" OR roles IS NULL", ""),
        ("p.permission = define_permission.permission AND ", ""),
        ("p.role <> ALL(roles)", "false"),
        (
            "WHERE NOT EXISTS (SELECT FROM tenancy.permissions",
            "WHERE true OR NOT EXISTS (SELECT FROM tenancy.permissions",
        ),
        ("FROM unnest(roles) AS r (role)\n    ON CONFLICT", "FROM unnest(roles) AS r (role) WHERE false ON CONFLICT"),
    ],
}
