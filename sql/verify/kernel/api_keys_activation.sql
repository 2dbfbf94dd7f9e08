-- Verify pg-tenancy:kernel/api_keys_activation on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

CALL tenancy_private.verify_activatable('public.api_keys', 'api_key');

DO $$
BEGIN
    IF (
        SELECT p.prosrc FROM pg_catalog.pg_proc AS p
        WHERE p.oid = 'tenancy_private.require_usable_api_key(uuid)'::regprocedure
    ) NOT LIKE '%refuse_use%' THEN
        RAISE EXCEPTION 'API keys are not asked for their activations';
    END IF;
END;
$$;

ROLLBACK;
