-- Revert pg-tenancy:kernel/sessions from pg

\set change kernel/sessions
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

-- The sessions are not kept: after a deploy people log in again.
CALL tenancy_private.patiently(
    ARRAY['public.users', 'tenancy_private.user_sessions']::regclass[], 'ACCESS EXCLUSIVE', 'SELECT'
);

DROP FUNCTION tenancy.revoke_sessions(uuid);
DROP FUNCTION tenancy.revoke_session(uuid);
DROP FUNCTION tenancy.sessions(text);
DROP FUNCTION tenancy.switch_session(text, uuid);
DROP FUNCTION tenancy.enter_with_session(text, uuid);
DROP FUNCTION tenancy.enter_with_session(text);
DROP FUNCTION tenancy_private.enter_session(text, boolean, uuid);
DROP FUNCTION tenancy_private.record_session_use(uuid);
DROP FUNCTION tenancy.start_session_with_ticket(text, text, interval);
DROP FUNCTION tenancy.start_session(uuid, uuid, text, interval);
DROP FUNCTION tenancy_private.add_session(text, interval);
CALL tenancy_private.forget_contract('tenancy_private.session_uses');
DROP TABLE tenancy_private.session_uses;
DELETE FROM tenancy_private.revocations AS r
WHERE EXISTS (SELECT FROM tenancy_private.user_sessions AS s WHERE s.id = r.credential_id);
CALL tenancy_private.forget_contract('tenancy_private.user_sessions');
DROP TABLE tenancy_private.user_sessions;
DROP FUNCTION tenancy_private.forget_session();

\ir ../../notes/done.psql
COMMIT;
