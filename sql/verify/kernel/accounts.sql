-- Verify pg-tenancy:kernel/accounts on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

CALL tenancy_private.verify_routines(ARRAY[
    'tenancy_private.add_member(uuid, uuid, text)',
    'tenancy_private.new_user(text, text, text, text, text)',
    'tenancy_private.write_user(jsonb, text, text, text, text, text)',
    'tenancy_private.checked_email(text)'
]);

ROLLBACK;
