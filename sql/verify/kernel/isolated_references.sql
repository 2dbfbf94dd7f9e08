-- Verify pg-tenancy:kernel/isolated_references on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

CALL tenancy_private.verify_routines(ARRAY[
    'tenancy_private.references_to_others(regclass, name, name[])',
    'tenancy_private.require_own_references(regclass, name, name[])',
    'tenancy_private.open_references(regclass)',
    'tenancy_private.verify_references()'
]);
CALL tenancy_private.verify_references();

ROLLBACK;
