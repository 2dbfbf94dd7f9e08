-- Verify pg-tenancy:platform/instance_prices on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

-- A DBA may have replaced it, but not opened it.
DO $$
BEGIN
    IF to_regprocedure('finops.hourly_price(uuid)') IS NULL THEN
        RAISE EXCEPTION 'finops.hourly_price(uuid) is missing';
    END IF;
    IF has_function_privilege('tenancy_credentialed', 'finops.hourly_price(uuid)', 'EXECUTE') THEN
        RAISE EXCEPTION 'tenants can ask finops.hourly_price() about any instance';
    END IF;
END;
$$;

ROLLBACK;
