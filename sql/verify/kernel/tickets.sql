-- Verify pg-tenancy:kernel/tickets on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

SELECT
    k.id,
    k.inner_block,
    k.outer_block,
    k.created_at
FROM tenancy_private.ticket_keys AS k
LIMIT 0;

CALL tenancy_private.verify_routines(ARRAY[
    'tenancy.create_ticket_key()',
    'tenancy.revoke_ticket_key(text)',
    'tenancy_private.decode_base64url(text)',
    'tenancy_private.read_ticket(text)'
]);
CALL tenancy_private.verify_routines(ARRAY[
    'tenancy.enter_with_ticket(text)'
], ARRAY['tenancy_credentialed', 'tenancy_service']);

ROLLBACK;
