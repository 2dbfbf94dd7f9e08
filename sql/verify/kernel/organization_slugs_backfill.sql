-- Verify pg-tenancy:kernel/organization_slugs_backfill on pg

\ir ../../notes/no_timeouts.psql

BEGIN;

DO $$
DECLARE
    missing CONSTANT bigint := (
        SELECT count(*) FROM public.organizations AS o
        WHERE o.slug IS NOT NULL
            AND NOT EXISTS (
                SELECT FROM tenancy_private.organization_slugs AS s
                WHERE s.organization_id = o.id AND s.slug = lower(o.slug)
            )
    );
BEGIN
    IF missing > 0 THEN
        RAISE EXCEPTION '% organizations have a slug that is not in tenancy_private.organization_slugs', missing;
    END IF;
END;
$$;

ROLLBACK;
