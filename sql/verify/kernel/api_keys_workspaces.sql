-- Verify pg-tenancy:kernel/api_keys_workspaces on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

CALL tenancy_private.verify_tenant_table('public.api_keys', ARRAY[
    'api_keys_tenancy_workspace_id_created_at_idx', 'api_keys_tenancy_organization_id_idx',
    'api_keys_tenancy_key_prefix_idx'
]);

SELECT k.expires_at
FROM public.api_keys AS k
LIMIT 0;

ROLLBACK;
