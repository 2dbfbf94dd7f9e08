"""Who enters, where, with which login, and only once a transaction."""

from __future__ import annotations

READS = "current_setting('transaction_isolation') NOT LIKE 'read %'"

CHANGES = {
    "tenancy_private.check_latch(integer,text)": [
        ("RAISE EXCEPTION", "RETURN true; RAISE EXCEPTION"),
        ("AND l.objid <> ALL(identities::oid[])", ""),
        ("AS k\n    );", "AS k WHERE k.superseded_at IS NULL);"),
        ("AND l.classid = latch_transaction::oid", ""),
        ("AND l.objsubid = 2", "AND l.objsubid = 1"),
    ],
    "tenancy_private.seal_context(uuid,uuid,text,text,uuid)": [
        ("IF now() = statement_timestamp()", "IF false"),
        ("CASE WHEN scans > 0 OR NOT counted THEN", "CASE WHEN false THEN"),
        ("CASE WHEN scans > 0 OR NOT counted THEN", "CASE WHEN NOT counted THEN"),
        ("AND pg_advisory_xact_lock_shared(", "AND num_nonnulls("),
        ("sealed_user || '/' || sealed_organization ||", "sealed_user ||"),
        ("sealed_user || '/' || sealed_organization ||", "sealed_organization ||"),
        (" || '/' || coalesce(credential_id::text, '');", ";"),
        ("), true) IS NOT NULL\n            ELSE true", "), false) IS NOT NULL\n            ELSE true"),
        ("LEFT JOIN tenancy_private.latch_scans AS l ON true", ""),
        ("WHERE k.superseded_at IS NULL", ""),
        ("hashtext(encode(timestamptz_send(now()), 'hex'))", "1"),
    ],
    "tenancy_private.refuse_member()": [("RAISE EXCEPTION", "RETURN; RAISE EXCEPTION")],
    "tenancy_private.reads_the_past()": [
        ("IF current_setting('transaction_isolation') LIKE 'read %'", "IF true"),
        ("IF current_setting('transaction_read_only')::boolean", "IF false"),
    ],
    "tenancy_private.check_fresh(uuid,uuid)": [
        ("IF organization_id IS NULL THEN", "IF false THEN"),
        ("IF organization_id IS NULL THEN", "IF true THEN"),
        ("WHERE u.id = check_fresh.user_id", "WHERE false"),
        ("WHERE w.id = check_fresh.organization_id", "WHERE false"),
        ("WHERE m.organization_id = check_fresh.organization_id AND", "WHERE false AND"),
        (
            "RAISE EXCEPTION 'the rows are as they were read'",
            "RETURN; RAISE EXCEPTION 'the rows are as they were read'",
        ),
    ],
    "tenancy_private.check_login()": [
        ("pg_has_role(login, 'tenancy_service', 'USAGE') OR ", ""),
        (" OR pg_has_role(login, 'tenancy_owner', 'USAGE')", ""),
        ("OR pg_has_role(login, 'tenancy_writer', 'USAGE')", ""),
        ("OR pg_has_role(login, 'tenancy_legacy', 'USAGE')", ""),
        ("AND r.rolbypassrls", "AND false"),
        ("CASE current_setting('role') WHEN 'none' THEN session_user ELSE current_setting('role') END", "session_user"),
        ("IF sees_all IS NOT NULL THEN", "IF false THEN"),
    ],
    "tenancy_private.enter_as(uuid,uuid)": [
        ("IF user_id IS NULL THEN", "IF false THEN"),
        ("AND m.user_id = enter_as.user_id", ""),
        ("m.organization_id = enter_as.organization_id\n            AND", ""),
        ("AND w.deleted_at IS NULL", ""),
        ("PERFORM tenancy_private.refuse_member();", "held_role := 'user';"),
        ("THEN 'staff'", "THEN ''"),
        ("ELSE '' END", "ELSE 'staff' END"),
        ("b.role = 'person'", "b.role = 'user'"),
        ("b.role = m.role::text", "b.role = 'admin'"),
        (READS, "false"),
        ("PERFORM tenancy_private.check_fresh(user_id, organization_id);", "NULL;"),
    ],
    "tenancy.enter(uuid,uuid)": [("done := tenancy_private.check_login();", "NULL;")],
    "tenancy.enter_platform(uuid)": [
        ("done := tenancy_private.check_login();", "NULL;"),
        (" AND u.role::text = 'admin'", ""),
        ("u.id = enter_platform.user_id AND ", ""),
        ("IF held_bits IS NULL THEN", "IF false THEN"),
        ("PERFORM tenancy_private.refuse_member();", "held_bits := repeat('1', 46);"),
        ("b.role = 'staff'", "b.role = 'person'"),
        ("'staff', held_bits", "'owner', held_bits"),
        ("'00000000-0000-0000-0000-000000000000', 'staff'", "NULL, 'staff'"),
        (READS, "false"),
        ("PERFORM tenancy_private.check_fresh(user_id, NULL);", "NULL;"),
    ],
    "tenancy.enter_with_ticket(text)": [("done := tenancy_private.check_login();", "NULL;")],
    "tenancy.enter_with_api_key(text)": [("done := tenancy_private.check_login();", "NULL;")],
}
