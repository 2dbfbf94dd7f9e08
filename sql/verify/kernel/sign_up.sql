-- Verify pg-tenancy:kernel/sign_up on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

CALL tenancy_private.verify_routines(ARRAY[
    'tenancy.sign_up(text, text, text, text, text)'
], ARRAY['tenancy_credentialed', 'tenancy_service']);

ROLLBACK;
