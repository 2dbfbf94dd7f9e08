-- Verify pg-tenancy:platform/models_activation on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

CALL tenancy_private.verify_activatable('public.models', 'model');

DO $$
BEGIN
    IF 2 <> (
        SELECT count(*)
        FROM pg_catalog.pg_trigger AS t
        WHERE t.tgrelid = 'public.instances'::regclass
            AND t.tgname IN ('instances_workspace_tenancy_use', 'instances_tenancy_use_new')
            AND t.tgenabled = 'A'
    ) THEN
        RAISE EXCEPTION 'nothing keeps instances from working before they are operational';
    END IF;
END;
$$;

CALL tenancy_private.verify_routines(ARRAY['tenancy_private.check_instance_use()']);

ROLLBACK;
