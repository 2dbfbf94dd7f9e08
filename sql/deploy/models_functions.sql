-- Deploy pg-tenancy:models_functions to pg
-- requires: models_workspaces
-- requires: instances_functions

\ir ../adoption/patiently.psql

BEGIN;

SET LOCAL lock_timeout = '2s';
SET LOCAL ROLE tenancy_owner;

-- An instance refers to its model with the workspace that the model is in, which
-- has to be the instance's own or the platform's. Nothing else is looked at, so
-- that a model of somebody else and one that does not exist are one error. An
-- instance without a model refers to nobody's, so that it can be moved.
CREATE FUNCTION tenancy_private.set_model_workspace() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
BEGIN
    IF new.model_id IS NULL THEN
        new.model_workspace_id := '00000000-0000-0000-0000-000000000000';
        RETURN new;
    END IF;
    SELECT m.workspace_id INTO new.model_workspace_id
    FROM public.models AS m
    WHERE m.id = new.model_id
        AND m.workspace_id = ANY(ARRAY[new.workspace_id, '00000000-0000-0000-0000-000000000000'::uuid]);
    IF NOT FOUND AND tg_op = 'UPDATE' AND (old.model_id, old.workspace_id) = (new.model_id, new.workspace_id) THEN
        -- The model is what moves, and only a service can move it.
        RAISE EXCEPTION 'instances of another workspace use the model %', new.model_id
        USING ERRCODE = '23503',
        CONSTRAINT = 'model_in_use',
        HINT = 'Give the organization these instances first, or give them another model.';
    END IF;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the instance''s workspace has no such model'
        USING ERRCODE = '23503',
        CONSTRAINT = 'instances_model_id_fkey',
        HINT = 'An instance uses a public model or one of its own workspace.';
    END IF;
    RETURN new;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.set_model_workspace() FROM public;

-- Whether the references to a model keep it: a table that was there before may
-- have a key that clears or deletes them, and its application relies on that.
CREATE FUNCTION tenancy_private.keeps_model(referring regclass) RETURNS boolean
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
RETURN NOT EXISTS (
    SELECT FROM pg_constraint AS c
    INNER JOIN pg_attribute AS a ON c.conrelid = a.attrelid AND c.conkey = ARRAY[a.attnum]
    WHERE c.conrelid = referring
        AND c.confrelid = 'public.models'::regclass
        AND a.attname = 'model_id'
        AND c.confdeltype IN ('c', 'n', 'd')
);
REVOKE ALL ON FUNCTION tenancy_private.keeps_model(regclass) FROM public;

-- Row-level, after the trigger that keeps tenants from public models, so that
-- nobody learns from it whether others use one.
CREATE FUNCTION tenancy_private.keep_used_model() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    used_by text;
BEGIN
    IF EXISTS (SELECT FROM public.instances AS i WHERE i.model_id = old.id)
        AND (tg_nargs = 0 OR tenancy_private.keeps_model('public.instances'))
    THEN
        used_by := 'instances';
    ELSIF EXISTS (SELECT FROM public.organization_models AS o WHERE o.model_id = old.id)
        AND (tg_nargs = 0 OR tenancy_private.keeps_model('public.organization_models'))
    THEN
        used_by := 'offerings';
    END IF;
    IF used_by IS NOT NULL THEN
        RAISE EXCEPTION 'the model % is used by %', old.name, used_by
        USING ERRCODE = '23503',
        CONSTRAINT = 'model_in_use',
        HINT = format('Give these %s another model first, or set the model''s is_active to false.', used_by);
    END IF;
    RETURN old;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.keep_used_model() FROM public;

-- A workspace that goes takes its models along, after its instances and with
-- what it offered of them.
CREATE FUNCTION tenancy_private.empty_models() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
BEGIN
    DELETE FROM public.organization_models AS o WHERE o.organization_id = old.id;
    DELETE FROM public.models AS m WHERE m.workspace_id = old.id;
    RETURN old;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.empty_models() FROM public;

RESET ROLE;

CALL pg_temp.patiently(
    ARRAY['tenancy.workspaces', 'public.models']::regclass[], 'SHARE ROW EXCLUSIVE', 'SELECT'
);

CREATE TRIGGER models_platform
BEFORE UPDATE OR DELETE ON public.models
FOR EACH ROW
WHEN (old.workspace_id = '00000000-0000-0000-0000-000000000000')
EXECUTE FUNCTION tenancy.check_platform_row();
ALTER TABLE public.models ENABLE ALWAYS TRIGGER models_platform;

CREATE TRIGGER models_used
BEFORE DELETE ON public.models
FOR EACH ROW
WHEN (
    row_security_active('public.models'::regclass)
    AND (pg_has_role('tenancy_app', 'USAGE') OR pg_has_role('tenancy_credentialed', 'USAGE'))
)
EXECUTE FUNCTION tenancy_private.keep_used_model();

CREATE TRIGGER models_used_by_services
BEFORE DELETE ON public.models
FOR EACH ROW
WHEN (
    NOT row_security_active('public.models'::regclass)
    OR NOT pg_has_role('tenancy_app', 'USAGE') AND NOT pg_has_role('tenancy_credentialed', 'USAGE')
)
EXECUTE FUNCTION tenancy_private.keep_used_model('where a key says so');

CREATE TRIGGER workspaces_models
BEFORE DELETE ON tenancy.workspaces
FOR EACH ROW EXECUTE FUNCTION tenancy_private.empty_models();
ALTER TABLE tenancy.workspaces ENABLE ALWAYS TRIGGER workspaces_models;

CALL tenancy_private.record_triggers(
    'public.models',
    'models_platform',
    'models_used',
    'models_used_by_services'
);
CALL tenancy_private.record_triggers('tenancy.workspaces', 'workspaces_models');

COMMIT;
