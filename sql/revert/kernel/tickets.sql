-- Revert pg-tenancy:kernel/tickets from pg

\set change kernel/tickets
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';

-- The keys are not kept: after a deploy the signer needs a new one.
DROP FUNCTION tenancy.enter_with_ticket(text);
DROP FUNCTION tenancy_private.read_ticket(text);
DROP FUNCTION tenancy_private.decode_base64url(text);
DROP FUNCTION tenancy.revoke_ticket_key(text);
DROP FUNCTION tenancy.create_ticket_key();
CALL tenancy_private.forget_contract('tenancy_private.ticket_keys');
DROP TABLE tenancy_private.ticket_keys;

\ir ../../notes/done.psql
COMMIT;
