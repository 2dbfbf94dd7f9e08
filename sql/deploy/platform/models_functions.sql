-- Deploy pg-tenancy:platform/models_functions to pg
-- requires: platform/models_workspaces
-- requires: platform/instances_functions

\set change platform/models_functions
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif

BEGIN;

SET LOCAL lock_timeout = '2s';
SET LOCAL ROLE tenancy_owner;

-- An instance refers to its model together with the model's workspace, which must be the
-- instance's own or the platform's. Nothing else is read, so that another tenant's model and a
-- nonexistent one raise the same error. An instance without a model refers to no workspace, so
-- that it can be moved.
CREATE FUNCTION tenancy_private.set_model_workspace() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    login CONSTANT name := CASE current_setting('role') WHEN 'none' THEN session_user ELSE current_setting('role') END;
BEGIN
    IF new.model_id IS NULL THEN
        new.model_workspace_id := '00000000-0000-0000-0000-000000000000';
        RETURN new;
    END IF;
    -- The row's workspace comes from session variables, and a tenant's SQL can change
    -- them in the middle of the statement. The policies notice that, but only later,
    -- and the kind of error would reveal whether the other workspace has the model.
    IF pg_has_role(login, 'tenancy_credentialed', 'USAGE') AND NOT pg_has_role(login, 'tenancy_service', 'USAGE') THEN
        IF new.workspace_id IS DISTINCT FROM tenancy.current_workspace_id() THEN
            PERFORM tenancy_private.refuse_context();
        END IF;
    END IF;
    SELECT m.workspace_id INTO new.model_workspace_id
    FROM public.models AS m
    WHERE m.id = new.model_id
        AND m.workspace_id = ANY(ARRAY[new.workspace_id, '00000000-0000-0000-0000-000000000000'::uuid]);
    IF NOT FOUND AND tg_op = 'UPDATE' AND (old.model_id, old.workspace_id) = (new.model_id, new.workspace_id) THEN
        -- The model is being moved, which only a service can do.
        RAISE EXCEPTION 'instances of another workspace use the model %', new.model_id
        USING ERRCODE = '23503',
        CONSTRAINT = 'model_in_use',
        HINT = 'Assign these instances to the organization first, or give them another model.';
    END IF;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the instance''s workspace cannot see such a model'
        USING ERRCODE = '23503',
        CONSTRAINT = 'instances_model_id_fkey',
        HINT = 'An instance uses a public model or one of its own workspace.';
    END IF;
    RETURN new;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.set_model_workspace() FROM public;

-- Whether references to a model prevent its deletion: an existing table may have a key that
-- clears or deletes them, and its application relies on that.
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

-- Keeps a model in use from being deleted, unless the foreign key lets a service delete it.
CREATE FUNCTION tenancy_private.keep_used_model() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
BEGIN
    PERFORM tenancy_private.require_unused_model(
        old.id, old.name,
        tenancy_private.keeps_model('public.instances'), tenancy_private.keeps_model('public.organization_models')
    );
    RETURN old;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.keep_used_model() FROM public;

CREATE FUNCTION tenancy_private.require_unused_model(
    model_id uuid, model_name text, by_instances boolean, by_offerings boolean
) RETURNS void
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    used_by text;
BEGIN
    IF by_instances AND EXISTS (
        SELECT FROM public.instances AS i WHERE i.model_id = require_unused_model.model_id
    ) THEN
        used_by := 'instances';
    ELSIF by_offerings AND EXISTS (
        SELECT FROM public.organization_models AS o WHERE o.model_id = require_unused_model.model_id
    ) THEN
        used_by := 'offerings';
    END IF;
    IF used_by IS NOT NULL THEN
        RAISE EXCEPTION 'the model % is used by %', model_name, used_by
        USING ERRCODE = '23503',
        CONSTRAINT = 'model_in_use',
        HINT = format('Give these %s another model first, or set the model''s is_active to false.', used_by);
    END IF;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.require_unused_model(uuid, text, boolean, boolean)
FROM public;

-- The DELETE privilege would also allow LOCK TABLE, so tenants call this instead.
CREATE FUNCTION tenancy.delete_model(id uuid) RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
DECLARE
    model_name text;
BEGIN
    PERFORM tenancy.require_permission('models.delete');
    SELECT m.name INTO model_name
    FROM public.models AS m
    WHERE m.id = delete_model.id AND m.workspace_id = tenancy.current_workspace_id()
    FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'this workspace has no such model'
        USING ERRCODE = 'P0002',
        CONSTRAINT = 'model_not_found',
        HINT = 'Public models are deleted by platform staff, in the platform''s workspace.';
    END IF;
    PERFORM tenancy_private.require_unused_model(delete_model.id, model_name, true, true);
    PERFORM tenancy_private.delete_rows('public.models', jsonb_build_object('id', delete_model.id));
END;
$$;
REVOKE ALL ON FUNCTION tenancy.delete_model(uuid) FROM public;
GRANT EXECUTE ON FUNCTION tenancy.delete_model(uuid) TO tenancy_credentialed, tenancy_service;
COMMENT ON FUNCTION tenancy.delete_model(uuid) IS
'Deletes a model of the current workspace. Requires models.delete. Raises P0002 model_not_found, 23503 model_in_use.';

-- A deleted workspace's models are deleted after its instances and its
-- offerings.
CREATE FUNCTION tenancy_private.empty_models() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET debug_print_plan = off
AS $$
BEGIN
    PERFORM tenancy_private.delete_rows('public.organization_models', jsonb_build_object('organization_id', old.id));
    PERFORM tenancy_private.detach_usage(ARRAY(SELECT m.id FROM public.models AS m WHERE m.workspace_id = old.id));
    PERFORM tenancy_private.delete_rows('public.models', jsonb_build_object('workspace_id', old.id));
    RETURN old;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.empty_models() FROM public;

RESET ROLE;

CALL tenancy_private.patiently(
    ARRAY['tenancy.workspaces', 'public.models']::regclass[], 'SHARE ROW EXCLUSIVE', 'SELECT'
);

CREATE TRIGGER models_tenancy_used
BEFORE DELETE ON public.models
FOR EACH ROW EXECUTE FUNCTION tenancy_private.keep_used_model();

CREATE TRIGGER workspaces_models
BEFORE DELETE ON tenancy.workspaces
FOR EACH ROW EXECUTE FUNCTION tenancy_private.empty_models();
ALTER TABLE tenancy.workspaces ENABLE ALWAYS TRIGGER workspaces_models;

CALL tenancy_private.record_triggers('public.models', 'models_tenancy_used');
CALL tenancy_private.record_triggers('tenancy.workspaces', 'workspaces_models');

\ir ../../notes/done.psql
COMMIT;
