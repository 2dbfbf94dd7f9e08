-- Deploy pg-tenancy:kernel/organization_slugs_backfill to pg
-- requires: kernel/organization_slugs

\set change kernel/organization_slugs_backfill
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

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
BEGIN
    IF duplicates > 0 THEN
        RAISE EXCEPTION '% slugs in public.organizations belong to more than one organization', duplicates
        USING ERRCODE = '23505',
        CONSTRAINT = 'organization_slug_taken',
        DETAIL = 'SELECT lower(slug), array_agg(id) FROM public.organizations WHERE slug IS NOT NULL '
        'GROUP BY lower(slug) HAVING count(*) > 1;',
        HINT = 'The query in the detail finds them. Rename all but one of each, then deploy again.';
    END IF;
END;
$$;

\ir ../../notes/begun.psql

-- The slugs of existing organizations. Each row is locked, so that a concurrent change of a
-- slug is not overwritten.
CALL tenancy_private.in_batches(
    :'change', 'slugs', 'public.organizations', 'public.organizations',
    't.slug IS NOT NULL AND NOT EXISTS '
    '(SELECT FROM tenancy_private.organization_slugs AS s WHERE s.organization_id = t.id)',
    'INSERT INTO tenancy_private.organization_slugs (slug, organization_id) '
    'SELECT pg_catalog.lower(t.slug), t.id FROM public.organizations AS t WHERE t.id = ANY($1) '
    'ON CONFLICT (organization_id) DO NOTHING'
);

\ir ../../notes/done.psql
