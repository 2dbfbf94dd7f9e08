-- Verify pg-tenancy:kernel/protection on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

CALL tenancy_private.verify_routines(ARRAY[
    'tenancy_private.verify_protected(regclass[])',
    'tenancy.check_permission()',
    'tenancy.protect(regclass, name, name, name, name, boolean, text)',
    'tenancy.allow(regclass, text, text, text, boolean, text)',
    'tenancy_private.revoke_unneeded_read(regclass)',
    'tenancy_private.forget_table(regclass)',
    'tenancy.unprotect(regclass)',
    'tenancy.publish(regclass, text)'
]);
CALL tenancy_private.verify_routines(ARRAY[
    'tenancy.writable_columns(regclass)',
    'tenancy.require_access(regclass, text)'
], ARRAY['tenancy_credentialed', 'tenancy_service']);

ROLLBACK;
