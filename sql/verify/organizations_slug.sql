-- Verify pg-tenancy:organizations_slug on pg

BEGIN;

DO $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_catalog.pg_index AS i
        WHERE i.indexrelid = to_regclass('public.organizations_slug_lower_key')
            AND i.indrelid = 'public.organizations'::regclass AND i.indisunique AND i.indisvalid
    ) THEN
        RAISE EXCEPTION 'public.organizations has no valid unique index organizations_slug_lower_key';
    END IF;
END;
$$;

ROLLBACK;
