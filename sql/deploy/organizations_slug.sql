-- Deploy pg-tenancy:organizations_slug to pg
-- requires: base_tables

-- A slug is unique whatever its case. The index is on an expression: lower()
-- is not leakproof, so a query under row-level security cannot search it, and
-- no tenant can find out with it which organizations exist.

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
    plain_index CONSTANT text := (
        SELECT pg_catalog.string_agg(i.indexrelid::pg_catalog.regclass::text, ', ')
        FROM pg_catalog.pg_index AS i
        INNER JOIN pg_catalog.pg_attribute AS a ON i.indrelid = a.attrelid AND a.attnum = i.indkey[0]
        WHERE i.indrelid = 'public.organizations'::pg_catalog.regclass AND a.attname = 'slug'
    );
BEGIN
    IF duplicates > 0 THEN
        RAISE EXCEPTION '% slugs in public.organizations belong to more than one organization', duplicates
        USING ERRCODE = '23505',
        CONSTRAINT = 'organizations_slug_lower_key',
        DETAIL = 'SELECT lower(slug), array_agg(id) FROM public.organizations WHERE slug IS NOT NULL '
        'GROUP BY lower(slug) HAVING count(*) > 1;',
        HINT = 'The query in the detail finds them. Rename all but one of each, then deploy again.';
    END IF;
    IF plain_index IS NOT NULL THEN
        RAISE WARNING 'the index % lets a tenant probe which slugs exist', plain_index
        USING HINT = 'Drop it once the application searches with lower(slug) = lower(...): organizations_slug_lower_key serves that.';
    END IF;
END;
$$;

-- An index that a broken-off deploy left half built is made anew.
SELECT pg_catalog.format('DROP INDEX CONCURRENTLY public.%I', c.relname)
FROM pg_catalog.pg_class AS c
INNER JOIN pg_catalog.pg_index AS i ON c.oid = i.indexrelid
WHERE c.oid = pg_catalog.to_regclass('public.organizations_slug_lower_key')
    AND NOT i.indisvalid \gexec

CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS organizations_slug_lower_key
ON public.organizations (lower(slug));
