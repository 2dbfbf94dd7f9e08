-- Verify pg-tenancy:platform/inference_usage_workspaces on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

CALL tenancy_private.verify_cost_table('finops.inference_usage', ARRAY[
    'inference_usage_tenancy_workspace_idx', 'inference_usage_tenancy_provider_idx'
]);

ROLLBACK;
