-- Deploy pg-tenancy:platform/offered_models to pg
-- requires: platform/models_functions
-- requires: platform/permissions

\set change platform/offered_models
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

-- Not in one transaction: the table stays in use, and wherever the script is stopped, the next
-- deploy continues from there.

DO $$
DECLARE
    in_the_way CONSTANT text := (
        SELECT pg_catalog.string_agg(a.attname, ', ' ORDER BY a.attname)
        FROM pg_catalog.pg_attribute AS a
        WHERE a.attrelid = 'public.organization_models'::regclass
            AND a.attname IN ('visibility', 'access_policy', 'trial_days', 'trial_tokens')
            AND NOT a.attisdropped
            AND NOT tenancy_private.has_part(
                'public.organization_models', 'column', a.attname, 'platform/offered_models'
            )
    );
    duplicates CONSTANT bigint := (
        SELECT pg_catalog.count(*) FROM (
            SELECT FROM public.organization_models AS o
            WHERE o.code IS NOT NULL
            GROUP BY o.organization_id, o.code
            HAVING pg_catalog.count(*) > 1
        ) AS d
    );
BEGIN
    IF in_the_way IS NOT NULL THEN
        RAISE EXCEPTION 'public.organization_models has the columns %, and pg-tenancy needs these names', in_the_way
        USING ERRCODE = '55000',
        CONSTRAINT = 'column_in_the_way',
        HINT = 'Nothing was changed. Rename the columns, then deploy again.';
    END IF;
    IF duplicates > 0 THEN
        RAISE EXCEPTION 'public.organization_models: % that of more than one offering of an organization',
            CASE duplicates WHEN 1 THEN '1 code is' ELSE pg_catalog.format('%s codes are each', duplicates) END
        USING ERRCODE = '23505',
        CONSTRAINT = 'organization_models_tenancy_code_key',
        DETAIL = 'SELECT organization_id, code, array_agg(id) FROM public.organization_models WHERE code IS NOT NULL '
        'GROUP BY organization_id, code HAVING count(*) > 1;',
        HINT = 'Nothing was changed. The query in the detail finds them: give all but one of each another code, then '
        'deploy again.';
    END IF;
END;
$$;

\ir ../../notes/begun.psql

-- Existing offerings were only for organizations with a share, and stay so: private, and on
-- request. Constant defaults read no row.
DO $$
BEGIN
    IF NOT tenancy_private.has_part(
        'public.organization_models', 'column', 'visibility', 'platform/offered_models'
    ) THEN
        CALL tenancy_private.patiently(ARRAY['public.organization_models']::regclass[], 'ACCESS EXCLUSIVE',
            'ALTER TABLE public.organization_models '
            'ADD COLUMN visibility text NOT NULL DEFAULT ''private'', '
            'ADD COLUMN access_policy text NOT NULL DEFAULT ''request_required'', '
            'ADD COLUMN trial_days integer, '
            'ADD COLUMN trial_tokens bigint; '
            'COMMENT ON COLUMN public.organization_models.visibility IS '
            '''public: in the catalog; unlisted: for whoever knows its name and was given a right; private: for those it is '
            'shared with.''; '
            'COMMENT ON COLUMN public.organization_models.access_policy IS '
            '''What it takes to use it: nothing (free), a plan, an approved request, money alone, or a trial.''; '
            'CALL tenancy_private.record_part(''public.organization_models'', ''column'', ''visibility'', '
            '''platform/offered_models''); '
            'CALL tenancy_private.record_part(''public.organization_models'', ''column'', ''access_policy'', '
            '''platform/offered_models''); '
            'CALL tenancy_private.record_part(''public.organization_models'', ''column'', ''trial_days'', '
            '''platform/offered_models''); '
            'CALL tenancy_private.record_part(''public.organization_models'', ''column'', ''trial_tokens'', '
            '''platform/offered_models'')');
    END IF;
END;
$$;

-- Values that a revert kept.
DO $$
BEGIN
    IF pg_catalog.to_regclass('tenancy_archive.offered_models') IS NOT NULL THEN
        UPDATE public.organization_models AS o
        SET visibility = a.visibility, access_policy = a.access_policy, trial_days = a.trial_days, trial_tokens = a.trial_tokens
        FROM tenancy_archive.offered_models AS a
        WHERE a.id = o.id;
        CALL tenancy_private.drop_archived('offered_models');
    END IF;
END;
$$;

INSERT INTO tenancy_private.wanted_indexes (table_name, index_name, columns, condition, is_unique)
VALUES
(
    'public.organization_models', 'organization_models_tenancy_code_key',
    '{organization_id,code}', NULL, true
),
(
    'public.organization_models', 'organization_models_tenancy_key',
    '{organization_id,id}', NULL, true
),
(
    'public.organization_models', 'organization_models_tenancy_public_idx', '{id,organization_id}',
    'visibility = ''public''', false
)
ON CONFLICT DO NOTHING;
-- Indexes of phase 0, which do not contain the workspace.
INSERT INTO tenancy_private.wanted_indexes (table_name, index_name, columns, comment)
SELECT
    i.indrelid, c.relname, k.columns || 'organization_id'::name,
    'Added by pg-tenancy, with the workspace.'
FROM pg_catalog.pg_index AS i
INNER JOIN pg_catalog.pg_class AS c ON i.indexrelid = c.oid
CROSS JOIN LATERAL tenancy_private.columns_of_index(c.oid) AS k (columns)
WHERE i.indrelid = 'public.organization_models'::regclass
    AND NOT i.indisunique
    AND pg_catalog.obj_description(c.oid, 'pg_class') = 'Added by pg-tenancy.'
    AND NOT 'organization_id' = ANY(k.columns)
ON CONFLICT DO NOTHING;
\ir ../../adoption/build_indexes.psql

CALL tenancy_private.add_constraint(
    'public.organization_models', '{}', 'organization_models_tenancy_visibility_check',
    'CHECK (visibility IN (''public'', ''unlisted'', ''private''))', 'platform/offered_models'
);
CALL tenancy_private.add_constraint(
    'public.organization_models', '{}', 'organization_models_tenancy_access_policy_check',
    'CHECK (access_policy IN (''free'', ''subscription_required'', ''request_required'', '
    '''pay_per_token'', ''trial''))',
    'platform/offered_models'
);
CALL tenancy_private.add_constraint(
    'public.organization_models', '{}', 'organization_models_tenancy_trial_check',
    'CHECK (trial_days > 0 AND trial_tokens > 0 AND (access_policy <> ''trial'' OR '
    'num_nonnulls(trial_days, trial_tokens) > 0))',
    'platform/offered_models'
);

\ir ../../notes/done.psql
