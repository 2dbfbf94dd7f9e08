-- Verify pg-tenancy:kernel/workspace_names on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

CALL tenancy_private.verify_routines(ARRAY[
    'tenancy.current_workspace()',
    'tenancy.badge(uuid)'
], ARRAY['tenancy_credentialed', 'tenancy_service']);

ROLLBACK;
