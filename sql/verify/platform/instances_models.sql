-- Verify pg-tenancy:platform/instances_models on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

DO $$
BEGIN
    IF (
        SELECT count(*) FROM pg_catalog.pg_constraint AS c
        WHERE c.conrelid = 'public.instances'::regclass
            AND c.conname IN ('instances_tenancy_model_workspace_id_check', 'instances_tenancy_model_workspace_id_fkey')
            AND c.convalidated
    ) <> 2 THEN
        RAISE EXCEPTION 'the constraint that keeps instances from models of other workspaces is missing or not validated';
    END IF;
    IF NOT EXISTS (
        SELECT FROM pg_catalog.pg_trigger AS t
        WHERE t.tgrelid = 'public.instances'::regclass AND t.tgname = 'instances_tenancy_workspace_model' AND t.tgenabled = 'A'
    ) THEN
        RAISE EXCEPTION 'public.instances.model_workspace_id is not set by a trigger';
    END IF;
END;
$$;

ROLLBACK;
