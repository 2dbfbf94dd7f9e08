-- Revert pg-tenancy:platform/instances_functions from pg

\set change platform/instances_functions
\ir ../../notes/begin_revert.psql
\if :done \quit \endif

BEGIN;

CALL tenancy_private.patiently(
    ARRAY['tenancy.workspaces', 'public.instances']::regclass[], 'ACCESS EXCLUSIVE', 'SELECT'
);

DROP TRIGGER instances_tenancy_status ON public.instances;
DROP TRIGGER workspaces_instances ON tenancy.workspaces;
CALL tenancy_private.forget_triggers('public.instances', 'instances_tenancy_status');
CALL tenancy_private.forget_triggers('tenancy.workspaces', 'workspaces_instances');
DROP FUNCTION tenancy_private.empty_instances();
DROP FUNCTION tenancy_private.detach_usage(uuid[]);
DROP FUNCTION tenancy_private.check_instance_status();
DROP FUNCTION tenancy.require_instance_transition(text, text);
DROP FUNCTION tenancy.legacy_instances(uuid, integer);
DROP FUNCTION tenancy.archive_instance(uuid);
DROP FUNCTION tenancy.reinstall_instance(uuid);
DROP FUNCTION tenancy.terminate_instance(uuid);
DROP FUNCTION tenancy_private.transform_instance(uuid, text);
DROP FUNCTION tenancy_private.instance_permission(text);
DROP FUNCTION tenancy_private.refuse_instance_state(text, text);
CALL tenancy_private.revoke_from_owner('public.organization_models');
CALL tenancy_private.revoke_from_owner('finops.inference_usage');
CALL tenancy_private.revoke_from_owner('finops.cost_actual_minute');
REVOKE USAGE ON SCHEMA finops FROM tenancy_writer;

-- Transitions that differ from the deploy's were changed by somebody, and are kept.
DO $$
BEGIN
    IF (
        SELECT md5(string_agg(
            concat_ws(' ', t.action, t.from_status, t.to_status), ',' ORDER BY t.action COLLATE "C", t.from_status COLLATE "C"
        ))
        FROM tenancy.instance_transitions AS t
    ) IS DISTINCT FROM '6ac2b95c655690017bb3b0b9f97f78df' THEN
        CALL tenancy_private.archive_table('tenancy.instance_transitions');
    END IF;
END;
$$;

CALL tenancy_private.forget_contract('tenancy.instance_transitions');
DROP TABLE tenancy.instance_transitions;

\ir ../../notes/done.psql
COMMIT;
