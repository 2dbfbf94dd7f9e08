-- Verify pg-tenancy:platform/models_functions on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

DO $$
DECLARE
    wanted CONSTANT text[] := ARRAY['models_tenancy_used', 'workspaces_models'];
    found CONSTANT text[] := ARRAY(
        SELECT t.tgname::text FROM pg_catalog.pg_trigger AS t
        WHERE t.tgname = ANY(wanted) AND t.tgenabled <> 'D'
        ORDER BY t.tgname::text
    );
BEGIN
    IF found IS DISTINCT FROM wanted THEN
        RAISE EXCEPTION 'wanted the triggers %, found %', wanted, found;
    END IF;
END;
$$;

CALL tenancy_private.verify_routines(ARRAY[
    'tenancy_private.set_model_workspace()',
    'tenancy_private.keeps_model(regclass)',
    'tenancy_private.require_unused_model(uuid, text, boolean, boolean)',
    'tenancy_private.keep_used_model()',
    'tenancy_private.empty_models()'
]);
CALL tenancy_private.verify_routines(ARRAY[
    'tenancy.delete_model(uuid)'
], ARRAY['tenancy_credentialed', 'tenancy_service']);

ROLLBACK;
