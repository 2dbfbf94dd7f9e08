-- Verify pg-tenancy:kernel/taken_keys on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

CALL tenancy_private.verify_routines(ARRAY[
    'tenancy_private.key_checks(regclass)',
    'tenancy_private.set_key_trigger(regclass)',
    'tenancy_private.unchecked_keys(regclass)',
    'tenancy_private.verify_keys()',
    'tenancy_private.columns_of_key(oid)',
    'tenancy_private.matches_of_key(oid, text, boolean)',
    'tenancy_private.key_trigger(regclass)',
    'tenancy_private.refuse_taken_key(regclass, text)',
    'tenancy_private.drop_key_trigger(regclass)',
    'tenancy_private.drop_idle_key_checks()'
]);
CALL tenancy_private.verify_keys();

ROLLBACK;
