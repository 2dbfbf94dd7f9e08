-- Deploy pg-tenancy:platform/offering_shares to pg
-- requires: platform/offered_models

\set change platform/offering_shares
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

-- Not in one transaction: the table stays in use, and wherever the script is stopped, the next
-- deploy continues from there.

DO $$
DECLARE
    duplicates CONSTANT bigint := (
        SELECT pg_catalog.count(*) FROM (
            SELECT FROM public.organization_model_shares AS s
            WHERE s.status::text = 'active'
            GROUP BY s.provider_organization_id, s.organization_model_id, s.consumer_organization_id
            HAVING pg_catalog.count(*) > 1
        ) AS d
    );
BEGIN
    IF duplicates > 0 THEN
        RAISE EXCEPTION 'public.organization_model_shares: % shared more than once with one organization',
            CASE duplicates WHEN 1 THEN '1 offering is' ELSE pg_catalog.format('%s offerings are', duplicates) END
        USING ERRCODE = '23505',
        CONSTRAINT = 'organization_model_shares_tenancy_active_key',
        DETAIL = 'SELECT organization_model_id, consumer_organization_id, array_agg(id) FROM public.organization_model_shares '
        'WHERE status::text = ''active'' GROUP BY provider_organization_id, organization_model_id, consumer_organization_id '
        'HAVING count(*) > 1;',
        HINT = 'Nothing was changed. The query in the detail finds them: revoke all but one of each, then deploy again.';
    END IF;
END;
$$;

\ir ../../notes/begun.psql

INSERT INTO tenancy_private.wanted_indexes (table_name, index_name, columns, condition, is_unique)
VALUES (
    'public.organization_model_shares', 'organization_model_shares_tenancy_active_key',
    '{organization_model_id,consumer_organization_id,provider_organization_id}',
    'status = ''active''', true
)
ON CONFLICT DO NOTHING;
-- Indexes of phase 0, which do not contain the workspace.
INSERT INTO tenancy_private.wanted_indexes (table_name, index_name, columns, comment)
SELECT
    i.indrelid, c.relname, k.columns || 'provider_organization_id'::name,
    'Added by pg-tenancy, with the workspace.'
FROM pg_catalog.pg_index AS i
INNER JOIN pg_catalog.pg_class AS c ON i.indexrelid = c.oid
CROSS JOIN LATERAL tenancy_private.columns_of_index(c.oid) AS k (columns)
WHERE i.indrelid = 'public.organization_model_shares'::regclass
    AND NOT i.indisunique
    AND pg_catalog.obj_description(c.oid, 'pg_class') = 'Added by pg-tenancy.'
    AND NOT 'provider_organization_id' = ANY(k.columns)
ON CONFLICT DO NOTHING;
\ir ../../adoption/build_indexes.psql

CALL tenancy_private.grant_to_owner('public.organization_model_shares');

\ir ../../notes/done.psql
