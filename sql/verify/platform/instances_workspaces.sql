-- Verify pg-tenancy:platform/instances_workspaces on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

CALL tenancy_private.verify_tenant_table('public.instances', ARRAY[
    'instances_tenancy_workspace_id_created_at_idx', 'instances_tenancy_organization_id_idx',
    'instances_tenancy_user_id_idx'
]);

ROLLBACK;
