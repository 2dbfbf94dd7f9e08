-- Verify pg-tenancy:platform/offering_shares on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

DO $$
BEGIN
    IF NOT (
        SELECT i.indisunique AND i.indisvalid FROM pg_catalog.pg_index AS i
        WHERE i.indexrelid = 'public.organization_model_shares_tenancy_active_key'::regclass
    ) THEN
        RAISE EXCEPTION 'organization_model_shares_tenancy_active_key is not unique and valid';
    END IF;
    IF NOT has_table_privilege('tenancy_writer', 'public.organization_model_shares', 'INSERT, UPDATE') THEN
        RAISE EXCEPTION 'no function can share an offering';
    END IF;
END;
$$;

ROLLBACK;
