-- Verify pg-tenancy:kernel/archive_helpers on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

CALL tenancy_private.verify_routines(ARRAY[
    'tenancy_private.archive_table(regclass)',
    'tenancy_private.drop_archived(name)'
]);

ROLLBACK;
