-- Verify pg-tenancy:kernel/sessions on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

SELECT
    s.id,
    s.user_id,
    s.token_hash,
    s.client,
    s.started_at,
    s.expires_at,
    u.organization_id,
    u.last_seen_at
FROM tenancy_private.user_sessions AS s
INNER JOIN tenancy_private.session_uses AS u ON s.id = u.session_id
LIMIT 0;

CALL tenancy_private.verify_routines(ARRAY[
    'tenancy_private.add_session(text, interval)',
    'tenancy_private.forget_session()',
    'tenancy_private.record_session_use(uuid)',
    'tenancy_private.enter_session(text, boolean, uuid)'
]);
CALL tenancy_private.verify_routines(ARRAY[
    'tenancy.start_session(uuid, uuid, text, interval)'
], ARRAY['tenancy_app', 'tenancy_service']);
CALL tenancy_private.verify_routines(ARRAY[
    'tenancy.start_session_with_ticket(text, text, interval)',
    'tenancy.enter_with_session(text)',
    'tenancy.enter_with_session(text, uuid)',
    'tenancy.switch_session(text, uuid)',
    'tenancy.sessions(text)',
    'tenancy.revoke_session(uuid)',
    'tenancy.revoke_sessions(uuid)'
], ARRAY['tenancy_credentialed', 'tenancy_service']);

ROLLBACK;
