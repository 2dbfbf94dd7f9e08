-- Verify pg-tenancy:kernel/legacy_logins on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

-- Whether they still have tenancy_service is up to the DBA: revoking it is the cut-over.
DO $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_catalog.pg_class AS c
        WHERE c.oid = to_regclass('tenancy_private.legacy_logins')
            AND c.relrowsecurity AND c.relowner = 'tenancy_owner'::regrole
    ) THEN
        RAISE EXCEPTION 'tenancy_private.legacy_logins is missing, open, or not of tenancy_owner';
    END IF;
END;
$$;

CALL tenancy_private.verify_routines(ARRAY[
    'tenancy_private.tables_of_services(regclass[])',
    'tenancy_private.keep_legacy_logins(regclass[], boolean)',
    'tenancy_private.drop_legacy_logins(regclass[], boolean)'
]);

ROLLBACK;
