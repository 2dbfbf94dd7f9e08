-- Deploy pg-tenancy:kernel/organization_slugs_backfill to pg
-- requires: kernel/organization_slugs

-- The slugs of the organizations that were here before. No transaction around
-- it: each batch commits, and one that was interrupted is simply run again.

SET lock_timeout = '2s';

DO $$
DECLARE
    duplicates CONSTANT bigint := (
        SELECT pg_catalog.count(*)
        FROM (
            SELECT FROM public.organizations AS o
            WHERE o.slug IS NOT NULL
            GROUP BY pg_catalog.lower(o.slug)
            HAVING pg_catalog.count(*) > 1
        ) AS d
    );
    ids uuid[];
    last_id uuid;
BEGIN
    IF duplicates > 0 THEN
        RAISE EXCEPTION '% slugs in public.organizations belong to more than one organization', duplicates
        USING ERRCODE = '23505',
        CONSTRAINT = 'organization_slug_taken',
        DETAIL = 'SELECT lower(slug), array_agg(id) FROM public.organizations WHERE slug IS NOT NULL '
        'GROUP BY lower(slug) HAVING count(*) > 1;',
        HINT = 'The query in the detail finds them. Rename all but one of each, then deploy again.';
    END IF;
    LOOP
        SELECT pg_catalog.array_agg(b.id ORDER BY b.id) INTO ids
        FROM (
            SELECT o.id FROM public.organizations AS o
            WHERE last_id IS NULL OR o.id > last_id
            ORDER BY o.id
            LIMIT 5000
        ) AS b;
        EXIT WHEN ids IS NULL;
        -- Under the row's lock, so that a slug that changes meanwhile is not taken back.
        INSERT INTO tenancy_private.organization_slugs (slug, organization_id)
        SELECT
            pg_catalog.lower(o.slug),
            o.id
        FROM public.organizations AS o
        WHERE o.id = ANY(ids) AND o.slug IS NOT NULL
        FOR NO KEY UPDATE
        ON CONFLICT (organization_id) DO NOTHING;
        last_id := ids[pg_catalog.array_upper(ids, 1)];
        COMMIT;
    END LOOP;
END;
$$;

RESET lock_timeout;
