-- Deploy pg-tenancy:platform/models_activation to pg
-- requires: kernel/activation
-- requires: platform/models_policies
-- requires: platform/instances_activation

\set change platform/models_activation
\ir ../../notes/begin_deploy.psql
\if :done \quit \endif
\ir ../../notes/begun.psql

-- Not in one transaction: the table stays in use, and wherever the script is stopped, the next
-- deploy continues from there.
CALL tenancy_private.make_activatable(
    'platform/models_activation', 'public.models', kind => 'model', subject => 'models'
);

BEGIN;

SET LOCAL lock_timeout = '2s';
SET LOCAL ROLE tenancy_owner;

-- If an application starts an instance itself, the instance and its model must be operational.
-- The trigger runs as the caller, because services and the old application are not checked. An
-- instance can be checked only once it exists.
CREATE FUNCTION tenancy_private.check_instance_use() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    is_new CONSTANT boolean := tg_op = 'INSERT';
BEGIN
    IF row_security_active(tg_relid) AND pg_has_role('tenancy_credentialed', 'USAGE') THEN
        IF tg_when = 'BEFORE' AND new.model_id IS NOT NULL AND (is_new OR new.model_id IS DISTINCT FROM old.model_id) THEN
            PERFORM tenancy.require_operational('model', new.model_id);
        END IF;
        IF new.status::text IN ('starting', 'ready', 'running')
            AND (is_new AND tg_when = 'AFTER' OR NOT is_new AND new.status IS DISTINCT FROM old.status)
        THEN
            PERFORM tenancy.require_operational('instance', new.id);
            IF new.model_id IS NOT NULL THEN
                PERFORM tenancy.require_operational('model', new.model_id);
            END IF;
        END IF;
    END IF;
    RETURN new;
END;
$$;
REVOKE ALL ON FUNCTION tenancy_private.check_instance_use() FROM public;

RESET ROLE;

CALL tenancy_private.patiently(
    ARRAY['public.instances']::regclass[], 'SHARE ROW EXCLUSIVE', 'SELECT'
);

-- Named so that it fires after the trigger that finds the model among those that the workspace
-- can see.
CREATE TRIGGER instances_workspace_tenancy_use
BEFORE INSERT OR UPDATE ON public.instances
FOR EACH ROW EXECUTE FUNCTION tenancy_private.check_instance_use();
ALTER TABLE public.instances ENABLE ALWAYS TRIGGER instances_workspace_tenancy_use;
CREATE TRIGGER instances_tenancy_use_new
AFTER INSERT ON public.instances
FOR EACH ROW EXECUTE FUNCTION tenancy_private.check_instance_use();
ALTER TABLE public.instances ENABLE ALWAYS TRIGGER instances_tenancy_use_new;

CALL tenancy_private.record_triggers(
    'public.instances', 'instances_workspace_tenancy_use', 'instances_tenancy_use_new'
);

\ir ../../notes/done.psql
COMMIT;
