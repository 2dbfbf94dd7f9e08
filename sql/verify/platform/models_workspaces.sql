-- Verify pg-tenancy:platform/models_workspaces on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

CALL tenancy_private.verify_tenant_table('public.models', ARRAY[
    'models_tenancy_workspace_id_id_key', 'models_tenancy_workspace_id_model_id_key',
    'models_tenancy_organization_id_idx'
]);

DO $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_catalog.pg_constraint AS c
        WHERE c.conrelid = 'public.models'::regclass AND c.conname = 'models_tenancy_shared_check' AND c.convalidated
    ) THEN
        RAISE EXCEPTION 'models_tenancy_shared_check is missing or not validated';
    END IF;
END;
$$;

ROLLBACK;
