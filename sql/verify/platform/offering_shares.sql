-- Verify pg-tenancy:platform/offering_shares on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

DO $$
BEGIN
    IF (
        SELECT count(*) FROM pg_catalog.pg_index AS i
        WHERE i.indexrelid IN (
                'public.organization_model_shares_tenancy_active_key'::regclass,
                'public.organization_model_shares_tenancy_consumer_idx'::regclass
            )
            AND i.indisvalid
    ) <> 2 THEN
        RAISE EXCEPTION 'the indexes of public.organization_model_shares are not valid';
    END IF;
    IF NOT has_table_privilege('tenancy_writer', 'public.organization_model_shares', 'INSERT, UPDATE') THEN
        RAISE EXCEPTION 'no function can share an offering';
    END IF;
END;
$$;

ROLLBACK;
