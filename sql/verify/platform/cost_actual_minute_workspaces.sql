-- Verify pg-tenancy:platform/cost_actual_minute_workspaces on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

CALL tenancy_private.verify_cost_table('finops.cost_actual_minute', ARRAY[
    'cost_actual_minute_tenancy_workspace_idx'
]);

ROLLBACK;
