"""Sessions of people."""

from __future__ import annotations

_CURRENT = "s.user_id = tenancy.current_user_id()"
_OPEN = "NOT EXISTS (SELECT FROM tenancy_private.revocations AS r WHERE r.credential_id = s.id)"

CHANGES = {
    "tenancy_private.add_session(text,interval)": [
        ("lifetime IS NULL OR ", ""),
        ("lifetime <= 0 OR ", ""),
        (" OR lifetime > 366 * 86400", ""),
        ("INNER JOIN tenancy_private.session_uses AS u ON e.id = u.session_id", ""),
        ("e.user_id = me AND ", ""),
        ("OR EXISTS (SELECT FROM tenancy_private.revocations AS r WHERE r.credential_id = e.id)", ""),
        ("e.expires_at <= starting\n            OR ", ""),
        (" SKIP LOCKED", ""),
        ("encode(tenancy_private.random_bytes(), 'hex')", "repeat('0', 64)"),
        ("sha256(convert_to(token, 'UTF8'))", "sha256(convert_to(token || 'x', 'UTF8'))"),
        ("tenancy_private.plain_text(add_session.client)", "left(add_session.client, 200)"),
        ("nullif(btrim(tenancy_private.plain_text(add_session.client)), '')", "tenancy_private.plain_text(client)"),
        ("make_interval(secs => lifetime)", "interval '366 days'"),
        ("tenancy.current_organization_id()", "NULL"),
    ],
    "tenancy.start_session(uuid,uuid,text,interval)": [
        ("enter_as(user_id, organization_id)", "enter_as(user_id, NULL)"),
    ],
    "tenancy.start_session_with_ticket(text,text,interval)": [
        ("IS DISTINCT FROM 'true'", "IS NULL"),
        ("-> 'session'", "-> 'sub'"),
    ],
    "tenancy_private.record_session_use(uuid)": [
        ("u.session_id = record_session_use.session_id AND ", ""),
        (" SKIP LOCKED", ""),
        ("WHERE u.session_id = record_session_use.session_id;", ";"),
    ],
    "tenancy_private.enter_session(text,boolean,uuid)": [
        ("PERFORM tenancy_private.check_login();", ""),
        ("s.token_hash = sha256(convert_to(token, 'UTF8'))", "true"),
        (f"AND {_OPEN}", ""),
        ("AND s.expires_at > clock_timestamp()", ""),
        ("IF found.id IS NULL THEN", "IF false THEN"),
        ("IF tenancy_private.reads_the_past()", "IF false"),
        (", found.id\n        )", "\n        )"),
        ("WHERE s.id = %L", "WHERE false"),
        (" AND NOT current_setting('transaction_read_only')::boolean", ""),
        ("PERFORM tenancy_private.record_session_use(found.id);", ""),
        ("WHEN is_elsewhere THEN", "WHEN false THEN"),
        ("WHEN is_elsewhere THEN", "WHEN true THEN"),
        ("RETURN found.id;", "RETURN found.user_id;"),
    ],
    "tenancy.enter_with_session(text)": [("token, false, NULL", "token, true, NULL")],
    "tenancy.enter_with_session(text,uuid)": [("token, true, organization_id", "token, false, organization_id")],
    "tenancy.switch_session(text,uuid)": [
        ("token, true, organization_id", "token, false, organization_id"),
        ("WHERE u.session_id = moved", ""),
        ("SET organization_id = switch_session.organization_id", "SET organization_id = u.organization_id"),
    ],
    "tenancy.sessions(text)": [
        ("PERFORM tenancy_private.require_person();", ""),
        (_CURRENT, "true"),
        (f"AND {_OPEN}", ""),
        ("AND s.expires_at > clock_timestamp()", ""),
        ("coalesce(s.token_hash = sha256(convert_to(sessions.token, 'UTF8')), false)", "false"),
        ("coalesce(s.token_hash = sha256(convert_to(sessions.token, 'UTF8')), false)", "true"),
    ],
    "tenancy.revoke_session(uuid)": [
        ("PERFORM tenancy_private.require_person();", ""),
        (f" AND {_CURRENT}", ""),
        ("s.id = revoke_session.session_id AND ", ""),
        ("IF NOT EXISTS (", "IF false AND NOT EXISTS ("),
        ("PERFORM tenancy_private.revoke(session_id);", ""),
    ],
    "tenancy.revoke_sessions(uuid)": [
        ("PERFORM tenancy_private.require_person();", ""),
        (f"{_CURRENT}\n            AND ", ""),
        ("AND s.id IS DISTINCT FROM revoke_sessions.keep", ""),
        ("AND s.expires_at > clock_timestamp()", ""),
    ],
    "tenancy_private.forget_session()": [("WHERE r.credential_id = old.id", ""), ("r.credential_id = old.id", "false")],
}
