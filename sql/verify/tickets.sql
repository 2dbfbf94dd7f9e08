-- Verify pg-tenancy:tickets on pg

BEGIN;

SELECT
    k.id,
    k.inner_block,
    k.outer_block,
    k.created_at
FROM tenancy_private.ticket_keys AS k
LIMIT 0;

CALL tenancy_private.verify_routine('tenancy.create_ticket_key()', '{}');
CALL tenancy_private.verify_routine('tenancy.revoke_ticket_key(text)', '{}');
CALL tenancy_private.verify_routine('tenancy_private.decode_base64url(text)', '{}');
CALL tenancy_private.verify_routine('tenancy_private.read_ticket(text)', '{}');
CALL tenancy_private.verify_routine('tenancy.enter_with_ticket(text)', ARRAY['tenancy_app', 'tenancy_credentialed', 'tenancy_service']);

ROLLBACK;
