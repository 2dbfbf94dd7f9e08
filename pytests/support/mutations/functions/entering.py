"""Entering: the person, the workspace, the login, and only once in a transaction."""

from __future__ import annotations

ENTER_AS = "tenancy_private.enter_as(uuid,uuid,boolean,text,uuid)"
READS = "IF tenancy_private.reads_the_past()"

CHANGES = {
    "tenancy_private.check_latch(integer,bytea,boolean)": [
        ("    RAISE EXCEPTION 'this transaction", "    RETURN true; RAISE EXCEPTION 'this transaction"),
        ("AND l.objid <> ALL(identities::oid[])", ""),
        ("AS k\n    );", "AS k WHERE k.superseded_at IS NULL);"),
        ("AND l.classid = latch_transaction::oid", ""),
        ("AND l.objsubid = 2", "AND l.objsubid = 1"),
    ],
    "tenancy_private.require_transaction()": [("RAISE EXCEPTION", "RETURN; RAISE EXCEPTION")],
    "tenancy_private.check_login()": [("RAISE EXCEPTION", "RETURN; RAISE EXCEPTION")],
    "tenancy_private.refuse_member()": [("RAISE EXCEPTION", "RETURN; RAISE EXCEPTION")],
    "tenancy_private.reads_the_past()": [
        ("(current_setting('transaction_isolation'::text) !~~ 'read %'::text)", "false"),
    ],
    "tenancy_private.revoke(uuid[])": [
        (
            "WHERE NOT EXISTS (SELECT FROM tenancy_private.revocations",
            "WHERE false AND EXISTS (SELECT FROM tenancy_private.revocations",
        ),
        (
            "WHERE NOT EXISTS (SELECT FROM tenancy_private.revocations",
            "WHERE true OR EXISTS (SELECT FROM tenancy_private.revocations",
        ),
        ("tenancy_private.revocation_place(", "tenancy_private.credential_span("),
    ],
    "tenancy_private.check_fresh(text,text[],uuid)": [
        ("IF current_setting('transaction_read_only')::boolean", "IF false"),
        (" FOR SHARE", ""),
        ("IF credential_id IS NOT NULL", "IF false"),
        ("credential_span(", "revocation_place("),
        ("credential_span(check_fresh.credential_id)", "credential_span('00000000-0000-0000-0000-000000000000')"),
        (
            "RAISE EXCEPTION 'the rows are as they were read'",
            "RETURN; RAISE EXCEPTION 'the rows are as they were read'",
        ),
    ],
    ENTER_AS: [
        ("IF now() = statement_timestamp()", "IF false"),
        ("THEN 'staff'", "THEN ''"),
        ("ELSE '' END", "ELSE 'staff' END"),
        ("m.organization_id = enter_as.organization_id\n        AND", ""),
        ("AND m.user_id = enter_as.user_id", ""),
        ("AND w.deleted_at IS NULL", ""),
        ("THEN coalesce(held_role, m.role::text)\n", "THEN 'admin'\n"),
        ("THEN 'person'", "THEN 'user'"),
        ("pg_has_role(r.oid, 'tenancy_service'::regrole, 'USAGE')", "false"),
        ("pg_has_role(r.oid, 'tenancy_owner'::regrole, 'USAGE')", "false"),
        ("pg_has_role(r.oid, 'tenancy_writer'::regrole, 'USAGE')", "false"),
        ("pg_has_role(r.oid, 'tenancy_legacy'::regrole, 'USAGE')", "false"),
        ("r.rolbypassrls", "false"),
        ("coalesce(nullif(current_setting('role'), 'none'), session_user)", "session_user"),
        ("WHERE coalesce(k.superseded_at, 'infinity') = 'infinity'", ""),
        ("WHERE coalesce(k.superseded_at, 'infinity') = 'infinity'", "WHERE k.superseded_at IS NULL"),
        ("IF is_checked AND sees_all THEN", "IF false THEN"),
        ("IF is_checked AND sees_all THEN", "IF sees_all THEN"),
        ("IF user_id IS NULL THEN", "IF false THEN"),
        ("PERFORM tenancy_private.refuse_member();", "bits := repeat('1', 46); held_role := 'user';"),
        ("IF role IS NULL AND tenancy_private.reads_the_past()", "IF false"),
        ("WHEN organization_id IS NULL THEN ARRAY", "WHEN false THEN ARRAY"),
        ("WHEN organization_id IS NULL THEN ARRAY", "WHEN true THEN ARRAY"),
        ("'public.users AS u WHERE u.id = %L'", "'public.users AS u WHERE false'"),
        ("'tenancy.workspaces AS w WHERE w.id = %L'", "'tenancy.workspaces AS w WHERE false'"),
        ("m.organization_id = %L AND m.user_id = %L", "false"),
        ("IF scans > 0 OR ", "IF "),
        ("IF scans > 0 OR ", "IF scans > 0 AND "),
        ("interval_hash(now() - timestamptz 'epoch')", "1"),
        ("uuid_send(coalesce(credential_id, user_id)) ||", ""),
        ("uuid_send(coalesce(credential_id, user_id)) ||", "uuid_send(user_id) ||"),
        ("|| uuid_send(coalesce(organization_id, user_id))", ""),
        ("done := pg_advisory_xact_lock_shared(", "done := num_nonnulls("),
        ("        ), true) IS NOT NULL;\n    END IF;", "        ), false) IS NOT NULL;\n    END IF;"),
    ],
    "tenancy.enter_platform(uuid)": [
        (" AND u.role::text = 'admin'", ""),
        ("u.id = enter_platform.user_id AND ", ""),
        ("PERFORM tenancy_private.check_login();", ""),
        ("IF staff_id IS NULL THEN", "IF false THEN"),
        ("role => 'staff'", "role => 'owner'"),
        ("'00000000-0000-0000-0000-000000000000', role", "NULL, role"),
        (READS, "IF false"),
        ("'public.users AS u WHERE u.id = %L'", "'public.users AS u WHERE false'"),
    ],
}
