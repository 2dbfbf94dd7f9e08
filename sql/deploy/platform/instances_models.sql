-- Deploy pg-tenancy:platform/instances_models to pg
-- requires: platform/models_functions

\set change platform/instances_models
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif
\ir ../../notes/begun.psql

-- Not in one transaction: the table stays in use, and wherever the script is stopped, the next
-- deploy continues from there.

-- Existing models are public, so the column's constant default is the platform, and no row is
-- read.
DO $$
BEGIN
    IF NOT tenancy_private.has_part(
        'public.instances', 'column', 'model_workspace_id', 'platform/instances_models'
    ) THEN
        CALL tenancy_private.patiently(ARRAY['public.instances']::regclass[], 'ACCESS EXCLUSIVE',
            'ALTER TABLE public.instances ADD COLUMN model_workspace_id uuid NOT NULL '
            'DEFAULT ''00000000-0000-0000-0000-000000000000''; '
            'COMMENT ON COLUMN public.instances.model_workspace_id IS '
            '''Whose the model is: the instance''''s own workspace or the platform''''s. Set by a trigger.''; '
            'CREATE TRIGGER instances_tenancy_workspace_model '
            'BEFORE INSERT OR UPDATE OF model_id, workspace_id, organization_id, user_id ON public.instances '
            'FOR EACH ROW WHEN (new.model_id IS NOT NULL '
            'OR new.model_workspace_id <> ''00000000-0000-0000-0000-000000000000'') '
            'EXECUTE FUNCTION tenancy_private.set_model_workspace(); '
            'ALTER TABLE public.instances ENABLE ALWAYS TRIGGER instances_tenancy_workspace_model; '
            'CALL tenancy_private.record_triggers(''public.instances'', ''instances_tenancy_workspace_model''); '
            'CALL tenancy_private.record_part('
            '''public.instances'', ''column'', ''model_workspace_id'', ''platform/instances_models''); '
            'CALL tenancy_private.record_part('
            '''public.instances'', ''trigger'', ''instances_tenancy_workspace_model'', ''platform/instances_models'')');
    END IF;
END; $$;

-- If a revert kept the owners of models, instances may refer to organizations' models.
DO $$
DECLARE
    hidden CONSTANT text :=
        'SELECT i.id, i.workspace_id, i.model_id FROM public.models AS m '
        'INNER JOIN public.instances AS i ON m.id = i.model_id '
        'WHERE m.workspace_id <> ''00000000-0000-0000-0000-000000000000'' AND m.workspace_id <> i.workspace_id';
    hidden_count bigint;
BEGIN
    EXECUTE pg_catalog.format('SELECT pg_catalog.count(*) FROM (%s) AS h', hidden) INTO hidden_count;
    IF hidden_count > 0 THEN
        RAISE EXCEPTION '% instances use a model of another workspace', hidden_count
        USING ERRCODE = '55000',
        CONSTRAINT = 'instances_models',
        DETAIL = hidden || ';',
        HINT = 'The query in the detail finds them. Give them another model or make the model public, then deploy again.';
    END IF;
    IF EXISTS (
        SELECT FROM public.models AS m WHERE m.workspace_id <> '00000000-0000-0000-0000-000000000000'
    ) THEN
        CALL tenancy_private.in_batches(
            'platform/instances_models', 'models', 'public.instances', 'public.instances',
            't.model_workspace_id <> t.workspace_id AND EXISTS (SELECT FROM public.models AS m '
            'WHERE m.id = t.model_id AND m.workspace_id = t.workspace_id)',
            'UPDATE public.instances AS t SET model_workspace_id = t.workspace_id WHERE t.id = ANY($1)');
    END IF;
END; $$;

CALL tenancy_private.want_indexes('public.instances', '{
    "instances_tenancy_model_workspace_id_idx": {"columns": ["model_workspace_id", "model_id", "workspace_id"]}
}');
\ir ../../adoption/build_indexes.psql

CALL tenancy_private.add_constraint(
    'public.instances', '{}', 'instances_tenancy_model_workspace_id_check',
    'CHECK (model_workspace_id = workspace_id '
    'OR model_workspace_id = ''00000000-0000-0000-0000-000000000000'')',
    'platform/instances_models'
);

-- Assigning a model to an organization updates the instances of that organization; those of
-- others fail the check above.
CALL tenancy_private.add_constraint(
    'public.instances', ARRAY['public.models']::regclass[],
    'instances_tenancy_model_workspace_id_fkey',
    'FOREIGN KEY (model_workspace_id, model_id) REFERENCES public.models (workspace_id, id) '
    'ON UPDATE CASCADE ON DELETE NO ACTION',
    'platform/instances_models'
);

\ir ../../notes/done.psql
