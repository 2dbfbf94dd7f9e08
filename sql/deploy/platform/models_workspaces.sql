-- Deploy pg-tenancy:platform/models_workspaces to pg
-- requires: kernel/tenant_tables
-- requires: platform/instances_workspaces

\set change platform/models_workspaces
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

-- Not in one transaction: the table stays in use, and wherever the script is stopped, the next
-- deploy continues from there.

-- Checks for objects of a later change of this phase, while there is nothing to undo.
DO $$
BEGIN
    IF EXISTS (
        SELECT FROM pg_catalog.pg_attribute AS a
        WHERE a.attrelid = 'public.instances'::regclass AND a.attname = 'model_workspace_id' AND NOT a.attisdropped
    ) THEN
        RAISE EXCEPTION 'public.instances: model_workspace_id exists, and pg-tenancy needs the name'
        USING ERRCODE = '55000',
        CONSTRAINT = 'column_in_the_way',
        HINT = 'Nothing was changed. Rename the column or change its type, then deploy again.';
    END IF;
END;
$$;

-- Duplicate model_ids of public models would violate the unique key, and so would those of an
-- organization if models already belong to organizations.
DO $$
DECLARE
    duplicates CONSTANT bigint := (
        SELECT pg_catalog.count(*)
        FROM (
            SELECT FROM public.models AS m
            WHERE m.model_id IS NOT NULL
            GROUP BY m.model_id, pg_catalog.to_jsonb(m) -> 'organization_id'
            HAVING pg_catalog.count(*) > 1
        ) AS d
    );
BEGIN
    IF duplicates > 0 AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_attribute AS a
        WHERE a.attrelid = 'public.models'::regclass AND a.attname = 'workspace_id' AND NOT a.attisdropped
    ) AND pg_catalog.to_regclass('tenancy_archive.models_ownership') IS NULL THEN
        RAISE EXCEPTION 'public.models: % that of more than one model', CASE duplicates
            WHEN 1 THEN '1 value of model_id is'
            ELSE pg_catalog.format('%s values of model_id are each', duplicates)
        END
        USING ERRCODE = '23505',
        CONSTRAINT = 'models_tenancy_workspace_id_model_id_key',
        DETAIL = 'SELECT model_id, array_agg(id) FROM public.models AS m WHERE model_id IS NOT NULL '
        'GROUP BY model_id, to_jsonb(m) -> ''organization_id'' HAVING count(*) > 1;',
        HINT = 'Nothing was changed. The query in the detail finds them: rename or delete all but one of each, then '
        'deploy again.';
    END IF;
    IF EXISTS (
        SELECT FROM pg_catalog.pg_index AS i
        INNER JOIN pg_catalog.pg_attribute AS a ON i.indrelid = a.attrelid AND a.attname = 'model_id'
        WHERE i.indrelid = 'public.models'::regclass AND i.indisunique
            AND i.indkey::text = a.attnum::text
    ) THEN
        RAISE WARNING 'a unique index on public.models (model_id) keeps two organizations from having the same model'
        USING HINT = 'Drop it when the application can do without: models are unique in their workspace from now on.';
    END IF;
END;
$$;

CALL tenancy_private.adopt_online(
    'platform/models_workspaces', 'public.models',
    workspace_default =>
    'coalesce(tenancy.default_organization_id(), ''00000000-0000-0000-0000-000000000000'')',
    defaults => '{"id": "gen_random_uuid()"}',
    indexes => '{
        "models_tenancy_workspace_id_id_key": {"columns": ["workspace_id", "id"], "unique": true},
        "models_tenancy_workspace_id_model_id_key": {"columns": ["workspace_id", "model_id"], "unique": true},
        "models_tenancy_organization_id_idx": {
            "columns": ["organization_id", "workspace_id"], "condition": "organization_id IS NOT NULL"
        }
    }'
);

-- Rows added since then, such as after a revert.
DO $$
DECLARE
    duplicates CONSTANT bigint := (
        SELECT pg_catalog.count(*)
        FROM (
            SELECT FROM public.models AS m
            WHERE m.model_id IS NOT NULL
            GROUP BY m.workspace_id, m.model_id
            HAVING pg_catalog.count(*) > 1
        ) AS d
    );
BEGIN
    IF duplicates > 0 THEN
        RAISE EXCEPTION 'public.models: % that of more than one model of a workspace', CASE duplicates
            WHEN 1 THEN '1 value of model_id is'
            ELSE pg_catalog.format('%s values of model_id are each', duplicates)
        END
        USING ERRCODE = '23505',
        CONSTRAINT = 'models_tenancy_workspace_id_model_id_key',
        DETAIL = 'SELECT workspace_id, model_id, array_agg(id) FROM public.models WHERE model_id IS NOT NULL '
        'GROUP BY workspace_id, model_id HAVING count(*) > 1;',
        HINT = 'The query in the detail finds them: rename or delete all but one of each, then deploy again.';
    END IF;
END;
$$;

\ir ../../adoption/build_indexes.psql

CALL tenancy_private.finish_adoption('platform/models_workspaces');

-- A model is an organization's or public, never a person's.
CALL tenancy_private.add_constraint(
    'public.models', '{}', 'models_tenancy_shared_check',
    'CHECK (workspace_id = coalesce(organization_id, ''00000000-0000-0000-0000-000000000000''))',
    'platform/models_workspaces'
);

\ir ../../notes/done.psql
