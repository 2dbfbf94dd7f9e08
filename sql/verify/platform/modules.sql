-- Verify pg-tenancy:platform/modules on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

CALL tenancy_private.verify_routines(ARRAY[
    'tenancy.can_provision()'
], ARRAY['tenancy_credentialed', 'tenancy_service']);

DO $$
BEGIN
    IF NOT has_table_privilege('tenancy_owner', 'public.providers', 'SELECT') THEN
        RAISE EXCEPTION 'tenancy_owner cannot read public.providers';
    END IF;
END;
$$;

ROLLBACK;
