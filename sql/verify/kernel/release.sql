-- Verify pg-tenancy:kernel/release on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

CALL tenancy_private.verify_routines(ARRAY[
    'tenancy_private.keep_workspaces_of(regclass, name)',
    'tenancy_private.return_workspaces(regclass)',
    'tenancy_private.in_the_way_of_release(regclass)',
    'tenancy_private.release_table(regclass, name)'
]);

ROLLBACK;
